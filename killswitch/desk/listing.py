"""Find and show deliveries: pages of the queue, one with its history, whose a post was."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from killswitch.desk.context import Context
from killswitch.desk.documents import audit_doc, delivery_docs, retraction_doc
from killswitch.errors import RefusedError, UsageError
from killswitch.queue.states import DeliveryState
from killswitch.store import attempts, audit, deliveries, gone_out, looks, people, retractions
from killswitch.store.deliveries import Delivery
from killswitch.store.engine import Connection, Row
from killswitch.wire import (
    AttemptDoc,
    DeliveryShownDoc,
    LookDoneDoc,
    QueueFilter,
    QueuePageDoc,
    WhoseDoc,
    z_or_none,
    z_time,
)

_S = DeliveryState
# What has not ended: the default of a list.
LIVE = tuple(
    s.value
    for s in DeliveryState
    if s not in {_S.SENT, _S.FAILED, _S.SKIPPED, _S.CANCELLED, _S.RETRACTED}
)
# Where a delivery is, or may be, on its network.
_WENT_OUT = frozenset({_S.SENT, _S.RETRACTING, _S.RETRACTED, _S.UNCERTAIN})
# A shorter prefix would often fit by chance, and a verb would hit the wrong post.
MIN_PREFIX = 4
_MAX_FILTERED = 100_000
_HISTORY = 500


def listed(ctx: Context, chosen: QueueFilter) -> QueuePageDoc:
    """Return one page of the queue by due time."""
    with ctx.store.read() as conn:
        found = find(conn, chosen, limit=chosen.limit + 1)
        more = len(found) > chosen.limit
        shown = found[: chosen.limit]
        docs = delivery_docs(ctx, conn, shown, now=ctx.clock.now())
    return {"deliveries": docs, "next": _cursor(shown[-1]) if more else None}


def find(conn: Connection, chosen: QueueFilter, *, limit: int = _MAX_FILTERED) -> list[Delivery]:
    """Return the deliveries that a filter means."""
    unknown = set(chosen.states) - {s.value for s in DeliveryState}
    if unknown:
        known = ", ".join(s.value for s in DeliveryState)
        raise UsageError("unknown_state", f"there is no state {min(unknown)!r}", known)
    ids = resolve_ids(conn, chosen.ids)
    return deliveries.page(
        conn,
        states=meant(chosen.states) or (() if ids else LIVE),
        channel=chosen.channel,
        tag=chosen.tag,
        until=chosen.until,
        clash=chosen.clash,
        ids=ids,
        after=_place(chosen.after),
        limit=limit,
    )


def meant(states: Sequence[str]) -> tuple[str, ...]:
    """
    Return the states that somebody means who names some.

    A claimed post still is a scheduled one: nothing of it has left, and the claim may go back.
    """
    if _S.SCHEDULED.value in states:
        return (*states, _S.CLAIMED.value)
    return tuple(states)


def _cursor(one: Delivery) -> str:
    raw = f"{one.due_at.isoformat()} {one.id}"
    return base64.urlsafe_b64encode(raw.encode()).decode()


def _place(cursor: str | None) -> tuple[datetime, str] | None:
    if cursor is None:
        return None
    try:
        at, _, last = base64.urlsafe_b64decode(cursor.encode()).decode().partition(" ")
        place = datetime.fromisoformat(at)
    except ValueError as error:
        raise UsageError("bad_cursor", "the page cursor is not one of ours") from error
    if place.tzinfo is None:
        raise UsageError("bad_cursor", "the page cursor is not one of ours")
    return place, last


def resolve_ids(conn: Connection, refs: Sequence[str]) -> list[str]:
    """
    Turn ids and unique prefixes into ids, in order, each once.

    Raises:
        RefusedError: One of them is unknown.
        UsageError: One of them is too short or fits several.
    """
    return list(dict.fromkeys(_resolve(conn, ref) for ref in refs))


def _resolve(conn: Connection, ref: str) -> str:
    if len(ref) < MIN_PREFIX:
        raise UsageError("short_id", f"{ref!r} is too short for an id", "give 4 characters or more")
    found = deliveries.matching(conn, ref)
    if ref in found:
        return ref
    if not found:
        raise RefusedError("not_found", f"there is no post {ref!r}", "killswitch queue list")
    if len(found) > 1:
        raise UsageError("ambiguous", f"several posts begin with {ref!r}", "give more of the id")
    return found[0]


def shown(ctx: Context, ref: str) -> DeliveryShownDoc:
    """Return one delivery with all that happened to it."""
    now = ctx.clock.now()
    with ctx.store.read() as conn:
        one = deliveries.get(conn, _resolve(conn, ref))
        if one is None:
            raise RefusedError("not_found", f"there is no post {ref!r}", "killswitch queue list")
        (document,) = delivery_docs(ctx, conn, [one], now=now)
        rows = audit.rows(conn, subject=one.id, limit=_HISTORY)
        wishes = retractions.of(conn, [one.id])[one.id]
        names = people.names(conn, {row.actor for row in rows} | {wish.asked_by for wish in wishes})
        tries: list[AttemptDoc] = [
            {
                "number": t.number,
                "intent_at": z_time(t.intent_at),
                "outcome": t.outcome,
                "detail": t.detail,
                "ended_at": z_or_none(t.ended_at),
            }
            for t in attempts.of_delivery(conn, one.id)
        ]
        looked: list[LookDoneDoc] = [
            {
                "attempt": look.attempt,
                "at": z_time(look.at),
                "found": look.found,
                "detail": look.detail,
            }
            for look in looks.all_of(conn, one.id)
        ]
        return {
            **document,
            "history": [audit_doc(row, names) for row in rows],
            "attempts": tries,
            "looks": looked,
            "retractions": [retraction_doc(wish, names) for wish in wishes],
        }


def whose(ctx: Context, query: str) -> WhoseDoc:
    """
    Tell whether an address or an id left through our gate.

    Raises:
        UsageError: The beginning of an id fits several deliveries.
    """
    with ctx.store.read() as conn:
        found = _whose(conn, query)
        if found is None:
            return {
                "found": False,
                "delivery": None,
                "author": None,
                "approved_by": None,
                "released_by": None,
                "released_at": None,
                "sent_at": None,
                "request_at": None,
                "answer_at": None,
            }
        (document,) = delivery_docs(ctx, conn, [found], now=ctx.clock.now())
        released = _released(conn, found.id)
        who = people.names(conn, {released.actor} if released else set())
    return {
        # A late answer may have said so of one that a human had given up.
        "found": found.state in _WENT_OUT or found.sent_at is not None,
        "delivery": document,
        "author": document.get("author"),
        "approved_by": document.get("approved_by"),
        "released_by": who[released.actor] if released else None,
        "released_at": z_time(released.at) if released else None,
        "sent_at": document.get("sent_at"),
        "request_at": document.get("request_at"),
        "answer_at": document.get("answer_at"),
    }


def _released(conn: Connection, delivery: str) -> Row[Any] | None:
    """Return the row of the last time that a human let a held delivery go."""
    rows = audit.rows(conn, subject=delivery, limit=_HISTORY)
    let_go = [
        row
        for row in rows
        if row.event == "delivery.scheduled"
        and row.actor != audit.MACHINE
        and audit.data_of(row).get("from") == _S.HELD.value
    ]
    return let_go[-1] if let_go else None


def _whose(conn: Connection, query: str) -> Delivery | None:
    known = gone_out.by_remote(conn, query)
    if known is not None:
        return known
    if len(query) < MIN_PREFIX or not query.isalnum():
        return None
    try:
        return deliveries.get(conn, _resolve(conn, query))
    except RefusedError:
        return None
