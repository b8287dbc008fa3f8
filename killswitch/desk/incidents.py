"""What happened, measured: the times of each pause, its fever, and what became of the posts."""

from __future__ import annotations

from collections import Counter
from datetime import datetime
from typing import Any

from killswitch.desk.context import Context
from killswitch.desk.documents import cause_doc, delivery_docs
from killswitch.desk.status import fever
from killswitch.errors import RefusedError, UsageError
from killswitch.store import audit, deliveries, gone_out, holds, incidents, people
from killswitch.store import latch as latch_store
from killswitch.store.engine import Connection
from killswitch.wire import IncidentDoc, IncidentShownDoc, z_or_none, z_time

_TIMES = (
    ("first_headline_at", "first_headline_at"),
    ("detected_at", "detected_at"),
    ("tripped_at", "tripped_at"),
    ("accepted_at", "accepted_at"),
    ("sealed_at", "sealed_at"),
    ("acked_at", "acked_at"),
    ("resumed_at", "resumed_at"),
)
_POSTS_SHOWN = 500


def listed(ctx: Context, *, limit: int) -> list[IncidentDoc]:
    """List incidents, newest first."""
    now = ctx.clock.now()
    with ctx.store.read() as conn:
        return [_document(conn, row, now) for row in incidents.newest(conn, limit=limit)]


def shown(ctx: Context, ref: str) -> IncidentShownDoc:
    """Show one incident by id, unique prefix or ``last``."""
    now = ctx.clock.now()
    with ctx.store.read() as conn:
        row = _find(conn, ref)
        causes = latch_store.causes_of(conn, row.id)
        names = people.names(conn, {cause.opened_by for cause in causes})
        touched = _touched(conn, row, now)
        ids = {one.id for one in touched}
        decided = audit.between(
            conn, "delivery.decided", start=row.tripped_at, end=row.resumed_at or now
        )
        who = people.names(conn, {entry.actor for entry in decided})
        return {
            **_document(conn, row, now),
            "causes": [cause_doc(latch_store.cause_of(cause), names) for cause in causes],
            "posts": delivery_docs(ctx, conn, touched[:_POSTS_SHOWN], now=now),
            "decisions": [
                {
                    "at": z_time(e.at),
                    "by": who.get(e.actor),
                    "delivery": e.subject,
                    "decision": audit.data_of(e).get("decision"),
                }
                for e in decided
                if e.subject in ids
            ],
        }


def _find(conn: Connection, ref: str) -> Any:
    found = incidents.newest(conn, limit=1) if ref == "last" else incidents.matching(conn, ref)
    if not found:
        raise RefusedError("not_found", f"there is no incident {ref!r}", "killswitch incidents")
    if len(found) > 1:
        raise UsageError("ambiguous", f"several incidents begin with {ref!r}")
    return found[0]


def _touched(conn: Connection, row: Any, now: datetime) -> list[deliveries.Delivery]:
    """Return what the pause held, and what left, perhaps, from the first headline to its end."""
    held = holds.ever_held(conn, row.id, row.story)
    start = row.first_headline_at or row.tripped_at
    end = row.resumed_at or now
    left = gone_out.sent_between(conn, start, end) + gone_out.lost_between(conn, start, end)
    known = {one.id for one in held}
    return [*held, *(one for one in left if one.id not in known)]


def _document(conn: Connection, row: Any, now: datetime) -> IncidentDoc:
    who = people.names(conn, {one for one in (row.acked_by, row.resumed_by) if one})
    times = {name: z_or_none(getattr(row, column)) for name, column in _TIMES}
    times["noticed_at"] = z_or_none(incidents.first_notice_at(conn, row))
    states = Counter(one.state.value for one in _touched(conn, row, now))
    return {
        "id": row.id,
        "title": row.title,
        "kind": row.kind,
        "times": times,
        "fever": fever(conn, row.story, now=row.resumed_at or now) if row.story else None,
        "deliveries": dict(states),
        "acked_by": who.get(row.acked_by) if row.acked_by else None,
        "resumed_by": who.get(row.resumed_by) if row.resumed_by else None,
        "resume_reason": row.resume_reason,
        "outcome": row.outcome,
    }
