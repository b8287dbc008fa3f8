"""
The trip: the act that opens a cause.

Everything that a pause sets going stands in this one transaction: the cause, the new version,
claimed deliveries taken back, decisions of people that the event touches made void, the incident,
the notice. The caller's transaction may hold more (the graded items and the story), so that there
is either all of it or nothing (crash point C16).

Invariant: a trip is never refused. The same (kind, ref) while one is open only adds evidence.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from killswitch.failpoints import passing
from killswitch.latch import FROM_NEWS, Cause, CauseKind
from killswitch.queue.states import DeliveryState
from killswitch.store import bulk, deliveries, facts, incidents, notices
from killswitch.store import latch as latch_store
from killswitch.store.audit import MACHINE, Verdict
from killswitch.store.bulk import Move
from killswitch.store.deliveries import Delivery
from killswitch.store.engine import Connection
from killswitch.store.latch import NewCause

CLASH_SCAN = "clash_scan:"
# What a resume or a dismissal still has to let go (desk.letting_go keeps its note here).
LETTING_GO = "letting_go"
# Decisions below this version are of an earlier pause: a trip came before they were carried out.
LEFT_OVER = "left_over"
# Causes that a person opens by hand; they know already, so nobody is woken.
_BY_HAND = frozenset({CauseKind.MANUAL, CauseKind.FLAG})


@dataclass(frozen=True, slots=True)
class Story:
    """
    What a trip must know of the story behind it.

    Attributes:
        id: Its id.
        title: What it is called, of a worsening the headline that told it.
        first_headline_at: First headline, of a worsening the one that told it (aware UTC).
        worse: A known story has grown clearly worse; people are told so.
    """

    id: str
    title: str
    first_headline_at: datetime
    worse: bool = False


@dataclass(frozen=True, slots=True)
class Tripped:
    """
    What a trip came to.

    Attributes:
        cause: The open cause.
        new: False where the same cause was open already.
        version: The latch version now.
        on_wire: Deliveries whose request may be on its way this instant.
    """

    cause: Cause
    new: bool
    version: int
    on_wire: tuple[Delivery, ...]


def trip(conn: Connection, new: NewCause, *, now: datetime, story: Story | None = None) -> Tripped:
    """
    Open a cause (or add to it) inside the caller's write transaction.

    Args:
        conn: A write transaction; its commit is the acceptance of the pause.
        new: The cause.
        now: Aware UTC.
        story: The story behind it, for the incident and the search for clashes.
    """
    locked = latch_store.lock(conn)
    # Latch, deliveries, audit head: the one order, so that on PostgreSQL none wait in a ring.
    claimed = _lock_claimed(conn)
    incident = locked.incident or _begin_incident(conn, new, story, now)
    cause, is_new = latch_store.open_cause(conn, locked, new, incident=incident, now=now)
    on_wire = tuple(deliveries.in_state(conn, DeliveryState.SENDING))
    if not is_new:
        return Tripped(cause, new=False, version=locked.version, on_wire=on_wire)
    if story is not None:
        _note_story(conn, incident, story, now)
    _stop_letting_go(conn, cause)
    _take_back(conn, claimed, new, now)
    notices.add_notice(
        conn,
        kind=_notice_kind(new, story),
        ref=cause.id,
        facts=_notice_facts(new, on_wire),
        escalates=new.kind not in _BY_HAND,
        loud=True,
        now=now,
    )
    passing("trip.before_commit")
    return Tripped(cause, new=True, version=cause.version, on_wire=on_wire)


def tampered(verdict: Verdict) -> NewCause:
    """Write a broken audit chain as a cause; one that can't be checked is the store's fault."""
    if verdict.unread:
        return NewCause(CauseKind.STORE, "audit.head", str(verdict.why))
    return NewCause(CauseKind.TAMPER, "chain", f"the audit trail is broken: {verdict.why}")


def _begin_incident(conn: Connection, new: NewCause, story: Story | None, now: datetime) -> str:
    return incidents.begin(
        conn,
        title=story.title if story else new.reason,
        kind=new.kind.value,
        story=story.id if story else None,
        first_headline_at=story.first_headline_at if story else None,
        detected_at=now if new.by == MACHINE else None,
        now=new.since or now,
    )


def _note_story(conn: Connection, incident: str, story: Story, now: datetime) -> None:
    incidents.name_story(
        conn,
        incident,
        title=story.title,
        story=story.id,
        first_headline_at=story.first_headline_at,
        detected_at=now,
    )
    # The search through the whole queue takes longer than a trip may: the sweep does it.
    facts.put(conn, CLASH_SCAN + story.id, "")


def _stop_letting_go(conn: Connection, cause: Cause) -> None:
    """Keep what an earlier resume has not let go yet held, for the next resume to decide."""
    if facts.get(conn, LETTING_GO) is not None:
        facts.drop(conn, LETTING_GO)
        facts.put(conn, LEFT_OVER, str(cause.version))


def _lock_claimed(conn: Connection) -> list[Delivery]:
    claimed = deliveries.in_state(conn, DeliveryState.CLAIMED)
    if not claimed:
        return []
    locked = deliveries.lock_many(conn, [one.id for one in claimed])
    return [one for one in locked if one.state is DeliveryState.CLAIMED]


def _take_back(conn: Connection, claimed: Sequence[Delivery], new: NewCause, now: datetime) -> None:
    why = f"paused: {new.kind.value}"
    back = [
        Move(one, DeliveryState.SCHEDULED, why, values=deliveries.unclaimed(one)) for one in claimed
    ]
    bulk.move(conn, back, now=now)


def _notice_kind(new: NewCause, story: Story | None) -> str:
    if story is not None and story.worse:
        return "worsening"
    return "blind" if new.kind is CauseKind.BLIND else "paused"


def _notice_facts(new: NewCause, on_wire: tuple[Delivery, ...]) -> Mapping[str, Any]:
    return {
        "cause": new.kind.value,
        "reason": new.reason,
        "by": new.by,
        "from_news": new.kind in FROM_NEWS,
        "evidence": list(new.evidence)[:5],
        "on_wire": [{"id": d.id, "channel": d.channel, "text": d.content.text} for d in on_wire],
    }
