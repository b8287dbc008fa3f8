"""What a human must see before resuming, and what still waits for a decision."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from killswitch.desk.context import Context
from killswitch.desk.documents import cause_doc, delivery_docs
from killswitch.latch import CauseKind, Latch
from killswitch.queue.states import DeliveryState, HoldKind
from killswitch.store import decisions, deliveries, people
from killswitch.store import latch as latch_store
from killswitch.store.deliveries import Delivery
from killswitch.store.engine import Connection
from killswitch.wire import DeliveryDoc, ResumePreviewDoc

_S = DeliveryState
_DAY = timedelta(days=1)
_EVER = datetime.max.replace(tzinfo=UTC)
# How many rows a preview shows; the counts are of all.
_SHOWN = 200


def preview(ctx: Context) -> ResumePreviewDoc:
    """Show what a human must see before resuming."""
    now = ctx.clock.now()
    standing = ctx.hooks.standing()
    with ctx.store.read() as conn:
        latch = latch_store.read(conn)
        names = people.names(conn, {cause.by for cause in latch.causes})
        # Without sight nothing is resumed, whatever the causes are.
        refusing = {CauseKind.BLIND, *(cause.kind for cause in latch.causes)}
        decided = [row.delivery for row in decisions.all_of_held(conn)[:_SHOWN]]

        def docs(found: Sequence[Delivery]) -> list[DeliveryDoc]:
            return delivery_docs(conn, found, now=now, stale_after=ctx.queue.stale_after)

        return {
            "version": latch.version,
            "causes": [cause_doc(cause, names) for cause in latch.causes],
            "standing": [
                {"kind": kind.value, "why": why}
                for kind, why in standing.items()
                if kind in refusing
            ],
            "undecided": docs(undecided(conn, latch, now=now)),
            "decided": docs(
                deliveries.page(conn, states=(), ids=decided, limit=_SHOWN) if decided else []
            ),
            "held": deliveries.count(conn, _S.HELD),
            "next_24h": docs(_coming(conn, now)),
            "uncertain": docs(deliveries.in_state(conn, _S.UNCERTAIN)),
        }


def _coming(conn: Connection, now: datetime) -> list[Delivery]:
    states = [_S.SCHEDULED.value, _S.HELD.value]
    return deliveries.page(conn, states=states, until=now + _DAY, after=(now, ""), limit=_SHOWN)


def undecided(conn: Connection, latch: Latch, *, now: datetime) -> list[Delivery]:
    """
    Return held deliveries that came due before ``now`` in this pause and have no decision.

    A decided time that has passed in the pause counts as no decision.
    """
    passed = decisions.passed(conn, now=now)
    until = _EVER if passed else now
    held = deliveries.held_by(conn, HoldKind.PAUSE, ref=latch.incident, before=until)
    decided = decisions.of(conn, [one.id for one in held])
    return [one for one in held if one.id in passed or (one.due_at < now and one.id not in decided)]
