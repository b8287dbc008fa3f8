"""
Many deliveries in few statements: what a pause takes back and holds, and what a resume lets go.

The cost of a move is its statements, not its rows: one by one a delivery costs some eight of them,
a bite of fifty here costs about ten in all.

Invariants:
    What is moved was locked in this transaction and still stands as it was read; else nothing of
    the transaction stays (``InvariantBroken``).
    Each move has its audit row in the same transaction, as one by one.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from killswitch.errors import InvariantBroken
from killswitch.queue.states import DeliveryState, HoldKind, may_follow
from killswitch.store import audit
from killswitch.store.audit import Entry
from killswitch.store.deliveries import Delivery
from killswitch.store.schema import decisions, deliveries, holds

_HELD = DeliveryState.HELD
# Deliveries a transaction: some 5 to 10 ms, so that a pause may follow at once.
BITE = 30


@dataclass(frozen=True, slots=True)
class Move:
    """
    One delivery on its way to another state.

    Attributes:
        one: The delivery, as it was locked.
        new: Its new state.
        actor: Person id or the machine.
        why: Shown in its history.
        values: Other columns to write.
    """

    one: Delivery
    new: DeliveryState
    why: str
    actor: str = audit.MACHINE
    values: Mapping[str, Any] = field(default_factory=dict)


def move(conn: Connection, moves: Sequence[Move], *, now: datetime) -> None:
    """
    Move locked deliveries to other states.

    Raises:
        InvariantBroken: One of them may not move so, or is not as it was locked.
    """
    alike: dict[frozenset[str], list[Move]] = defaultdict(list)
    for one in moves:
        if not may_follow(one.one.state, one.new):
            raise InvariantBroken(f"{one.one.id}: {one.one.state} may not become {one.new}")
        alike[frozenset(one.values)].append(one)
    for group in alike.values():
        _update(conn, group, now)
    audit.record(conn, *(_entry(one) for one in moves), now=now)


def _update(conn: Connection, group: Sequence[Move], now: datetime) -> None:
    """Write moves of the same columns in one go."""
    this = deliveries.c.id == sa.bindparam("this_id")
    still = deliveries.c.state == sa.bindparam("old_state")
    rows = [
        {
            "this_id": one.one.id,
            "old_state": one.one.state.value,
            "state": one.new.value,
            "changed_at": now,
            **one.values,
        }
        for one in group
    ]
    done = conn.execute(sa.update(deliveries).where(this, still), rows)
    if done.rowcount != len(rows):
        raise InvariantBroken(f"{len(rows) - done.rowcount} locked deliveries were not as read")


def _entry(one: Move) -> Entry:
    data = {"from": one.one.state.value, "to": one.new.value, "why": one.why}
    return Entry(f"delivery.{one.new.value}", one.one.id, one.actor, data)


def hold(
    conn: Connection,
    found: Sequence[Delivery],
    kind: HoldKind,
    *,
    ref: str,
    why: str,
    words: Mapping[str, Sequence[str]] | None = None,
    now: datetime,
) -> list[str]:
    """
    Hold locked deliveries for one more reason, the machine's own.

    Args:
        conn: A write transaction.
        found: Deliveries that are held already, or may be.
        kind: The reason.
        ref: What it is about: an incident, a story.
        why: Shown in the history of those that were not held yet.
        words: The words that clash, by delivery.
        now: Aware UTC.

    Returns:
        The ids of those for which the reason is new.
    """
    moves = [Move(one, _HELD, why) for one in found if one.state is not _HELD]
    move(conn, moves, now=now)
    this = (holds.c.kind == kind.value, holds.c.ref == ref)
    ids = [one.id for one in found]
    known = {
        row.delivery: row.lifted_at
        for row in conn.execute(sa.select(holds).where(holds.c.delivery.in_(ids), *this))
    }
    again = [one for one, lifted_at in known.items() if lifted_at is not None]
    fresh = [one for one in ids if one not in known]
    by = {"at": now, "by": audit.MACHINE}
    if again:
        standing = sa.update(holds).where(holds.c.delivery.in_(again), *this)
        conn.execute(standing.values(lifted_at=None, **by))
    if fresh:
        said = words or {}
        rows = [
            {"delivery": one, "kind": kind, "ref": ref, "words": list(said.get(one, ())), **by}
            for one in fresh
        ]
        conn.execute(sa.insert(holds), rows)
    return [*again, *fresh]


def lift_holds(conn: Connection, ids: Collection[str], *, now: datetime) -> None:
    """Lift every hold of some deliveries; the rows stay on record."""
    standing = (holds.c.delivery.in_(ids), holds.c.lifted_at.is_(None))
    conn.execute(sa.update(holds).where(*standing).values(lifted_at=now))


def drop_decisions(conn: Connection, ids: Collection[str]) -> None:
    """Take the decisions about some deliveries away."""
    conn.execute(sa.delete(decisions).where(decisions.c.delivery.in_(ids)))
