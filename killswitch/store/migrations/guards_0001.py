"""
What the database of schema 0001 refuses by itself, frozen with it.

A delivery changes state only along ``MOVES``; audit rows are only added; causes and deliveries are
never removed and closed causes stay closed; the latch version never goes back.
"""

from __future__ import annotations

MOVES = {
    "draft": "awaiting_approval cancelled scheduled",
    "awaiting_approval": "cancelled draft held scheduled skipped",
    "scheduled": "awaiting_approval cancelled claimed draft held skipped",
    "held": "awaiting_approval cancelled draft scheduled skipped",
    "claimed": "cancelled scheduled sending",
    "sending": "failed held scheduled sent uncertain",
    "uncertain": "held retracting scheduled sent skipped",
    "sent": "retracting",
    "retracting": "retracted sent uncertain",
}

_SQLITE = (
    """CREATE TRIGGER deliveries_transition BEFORE UPDATE OF state ON deliveries
    WHEN OLD.state <> NEW.state AND NOT EXISTS
      (SELECT 1 FROM transitions WHERE old = OLD.state AND new = NEW.state)
    BEGIN SELECT RAISE(ABORT, 'delivery transition refused'); END""",
    """CREATE TRIGGER deliveries_birth BEFORE INSERT ON deliveries
    WHEN NEW.state NOT IN ('draft', 'awaiting_approval', 'scheduled', 'held')
    BEGIN SELECT RAISE(ABORT, 'delivery transition refused'); END""",
    """CREATE TRIGGER deliveries_stay BEFORE DELETE ON deliveries
    WHEN NOT EXISTS (SELECT 1 FROM batches WHERE id = OLD.batch AND visible_at IS NULL)
    BEGIN SELECT RAISE(ABORT, 'a delivery is never removed'); END""",
    """CREATE TRIGGER audit_unchanged BEFORE UPDATE ON audit
    BEGIN SELECT RAISE(ABORT, 'the audit trail is append only'); END""",
    """CREATE TRIGGER audit_kept BEFORE DELETE ON audit
    BEGIN SELECT RAISE(ABORT, 'the audit trail is append only'); END""",
    """CREATE TRIGGER causes_stay BEFORE DELETE ON causes
    BEGIN SELECT RAISE(ABORT, 'a cause is closed, never removed'); END""",
    """CREATE TRIGGER causes_stay_closed BEFORE UPDATE OF closed_at ON causes
    WHEN OLD.closed_at IS NOT NULL
    BEGIN SELECT RAISE(ABORT, 'a closed cause stays closed'); END""",
    """CREATE TRIGGER latch_forward BEFORE UPDATE OF version ON latch
    WHEN NEW.version < OLD.version
    BEGIN SELECT RAISE(ABORT, 'the latch version never goes back'); END""",
)

_PG_RAISE = """CREATE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN {body} END $$"""

_POSTGRESQL = (
    _PG_RAISE.format(
        name="ks_deliveries_transition",
        body="""IF OLD.state <> NEW.state AND NOT EXISTS
          (SELECT 1 FROM transitions t WHERE t."old" = OLD.state AND t."new" = NEW.state)
          THEN RAISE EXCEPTION 'delivery transition refused'; END IF; RETURN NEW;""",
    ),
    """CREATE TRIGGER deliveries_transition BEFORE UPDATE OF state ON deliveries
    FOR EACH ROW EXECUTE FUNCTION ks_deliveries_transition()""",
    _PG_RAISE.format(
        name="ks_deliveries_birth",
        body="""IF NEW.state NOT IN ('draft', 'awaiting_approval', 'scheduled', 'held')
          THEN RAISE EXCEPTION 'delivery transition refused'; END IF; RETURN NEW;""",
    ),
    """CREATE TRIGGER deliveries_birth BEFORE INSERT ON deliveries
    FOR EACH ROW EXECUTE FUNCTION ks_deliveries_birth()""",
    _PG_RAISE.format(
        name="ks_deliveries_stay",
        body="""IF NOT EXISTS
          (SELECT 1 FROM batches WHERE id = OLD.batch AND visible_at IS NULL)
          THEN RAISE EXCEPTION 'a delivery is never removed'; END IF; RETURN OLD;""",
    ),
    """CREATE TRIGGER deliveries_stay BEFORE DELETE ON deliveries
    FOR EACH ROW EXECUTE FUNCTION ks_deliveries_stay()""",
    _PG_RAISE.format(
        name="ks_audit_append_only",
        body="RAISE EXCEPTION 'the audit trail is append only';",
    ),
    """CREATE TRIGGER audit_unchanged BEFORE UPDATE OR DELETE ON audit
    FOR EACH ROW EXECUTE FUNCTION ks_audit_append_only()""",
    _PG_RAISE.format(
        name="ks_causes_stay",
        body="RAISE EXCEPTION 'a cause is closed, never removed';",
    ),
    """CREATE TRIGGER causes_stay BEFORE DELETE ON causes
    FOR EACH ROW EXECUTE FUNCTION ks_causes_stay()""",
    _PG_RAISE.format(
        name="ks_causes_stay_closed",
        body="""IF OLD.closed_at IS NOT NULL
          THEN RAISE EXCEPTION 'a closed cause stays closed'; END IF; RETURN NEW;""",
    ),
    """CREATE TRIGGER causes_stay_closed BEFORE UPDATE OF closed_at ON causes
    FOR EACH ROW EXECUTE FUNCTION ks_causes_stay_closed()""",
    _PG_RAISE.format(
        name="ks_latch_forward",
        body="""IF NEW.version < OLD.version
          THEN RAISE EXCEPTION 'the latch version never goes back'; END IF; RETURN NEW;""",
    ),
    """CREATE TRIGGER latch_forward BEFORE UPDATE OF version ON latch
    FOR EACH ROW EXECUTE FUNCTION ks_latch_forward()""",
)


def guards(dialect: str) -> tuple[str, ...]:
    """Return the guard triggers of a database, in the order to create them."""
    return _POSTGRESQL if dialect == "postgresql" else _SQLITE
