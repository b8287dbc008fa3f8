"""
Carry what waits over a step of the wall clock.

A stored "wait until" and a stored "since when" were written by the clock of before. After a step
back they would lie ahead and keep people, relays, channels and tries waiting for as long; after a
step forward every age would be too long.

Invariants:
    What waits goes on waiting for what was left of it, never longer; an age never grows by a step.
    What people asked for (due, expiry, a decided time) and what the audit trail says never change.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from killswitch.queue.states import DeliveryState
from killswitch.store import facts
from killswitch.store.notices import AGES, read_fact, undone, write_fact
from killswitch.store.schema import (
    attempts,
    causes,
    channel_state,
    deliveries,
    feeds,
    latch,
    looks,
    notices,
    relay_runs,
    retractions,
    tellings,
)

# Gaps and caps look back for an hour, or for the gap of a channel; what is older counts nowhere.
BUDGET = timedelta(days=1)
# The newest tries, which one step rewrites; with more the transaction would last too long.
TRIES_MOST = 300
_NONE = timedelta(0)
_ALL = sa.true()


def carry_over(conn: Connection, *, by: timedelta, now: datetime) -> None:
    """
    Translate the times on which something waits to the clock after a step.

    Args:
        conn: A write transaction that holds the latch row.
        by: How far the clock was stepped; below zero for a step back.
        now: Aware UTC instant on the new clock.
    """
    _carry_notices(conn, by, now)
    _carry_budget(conn, by, now)
    _carry_sight(conn, by, now)
    if by < _NONE:
        _carry_waits(conn, by, now)


def _wait(at: datetime, by: timedelta, now: datetime) -> datetime:
    """Let something that lies ahead wait for what was left of it."""
    return max(at + by, now) if by < _NONE and at > now else at


def _age(at: datetime, by: timedelta, now: datetime) -> datetime:
    """Translate an instant that has passed; what may be of the new clock already stays."""
    return min(at + by, now) if by > _NONE or at > now else at


def _carry_notices(conn: Connection, by: timedelta, now: datetime) -> None:
    """Tell people in time, and give nobody up because of an age that nothing lasted."""
    for row in undone(conn):
        told = dict(row.facts)
        for name in AGES:
            if (at := read_fact(told.get(name))) is not None:
                told[name] = write_fact(min(at + max(by, _NONE), now))
        values = {"facts": told, "created_at": _age(row.created_at, by, now)}
        if row.next_at is not None:
            values["next_at"] = _wait(row.next_at, by, now)
        conn.execute(sa.update(notices).where(notices.c.id == row.id).values(**values))


def _carry_budget(conn: Connection, by: timedelta, now: datetime) -> None:
    """Keep gaps, caps and looks: what was sent just before the step was sent just before."""
    counts_from = min(now, now - by - BUDGET)
    found = conn.execute(
        sa.select(attempts.c.id, attempts.c.intent_at, attempts.c.ended_at)
        .where(attempts.c.intent_at > counts_from)
        .order_by(attempts.c.intent_at.desc())
        .limit(TRIES_MOST)
    )
    moved = [
        {
            "key": row.id,
            "new_intent_at": min(row.intent_at + by, now),
            "new_ended_at": _ended(row, by, now),
        }
        for row in found.all()
    ]
    if moved:
        statement = sa.update(attempts).where(attempts.c.id == sa.bindparam("key"))
        times: dict[str, Any] = {
            "intent_at": sa.bindparam("new_intent_at"),
            "ended_at": sa.bindparam("new_ended_at"),
        }
        conn.execute(statement.values(times), moved)
    _carry(conn, looks.c.at, lambda at: min(at + by, now), after=counts_from)
    for row in conn.execute(sa.select(latch.c.queue, latch.c.resumed_at)).all():
        if row.resumed_at is not None:
            at = _age(row.resumed_at, by, now)
            conn.execute(sa.update(latch).where(latch.c.queue == row.queue).values(resumed_at=at))


def _ended(row: Any, by: timedelta, now: datetime) -> datetime | None:
    """Move the end of a try with its begin; one before its begin is of the new clock already."""
    ended: datetime | None = row.ended_at
    if ended is None or ended < row.intent_at:
        return ended
    return min(ended + by, now)


def _carry_sight(conn: Connection, by: timedelta, now: datetime) -> None:
    """Count blindness on: nobody was blind for as long as the clock was stepped."""
    last = facts.get_time(conn, "last_sight") or facts.get_time(conn, "created_at")
    if last is not None:
        facts.put_time(conn, "last_sight", _age(last, by, now))


def _carry_waits(conn: Connection, by: timedelta, now: datetime) -> None:
    """After a step back: what lies ahead would wait for as long as the clock was stepped."""

    def wait(at: datetime) -> datetime:
        return _wait(at, by, now)

    open_cause = sa.and_(causes.c.closed_at.is_(None), causes.c.reviewed_at.is_(None))
    _carry(conn, tellings.c.next_at, wait, after=now, where=tellings.c.accepted_at.is_(None))
    _carry(conn, relay_runs.c.next_at, wait, after=now, where=relay_runs.c.reached_at.is_(None))
    _carry(conn, channel_state.c.waits_until, wait, after=now)
    _carry(conn, retractions.c.next_at, wait, after=now, where=retractions.c.outcome == "open")
    _carry(conn, causes.c.review_at, wait, after=now, where=open_cause)
    # What a clock ahead has seen in a feed must not make it look alive.
    _carry(conn, feeds.c.newest_item_at, lambda at: min(at, now), after=now)
    uncertain = deliveries.c.state == DeliveryState.UNCERTAIN.value
    _carry(conn, deliveries.c.changed_at, lambda at: min(at, now), after=now, where=uncertain)
    _carry_tries(conn, wait, before=now - by, now=now)


def _carry_tries(
    conn: Connection, wait: Callable[[datetime], datetime], *, before: datetime, now: datetime
) -> None:
    """Let a post that was tried come again in time, never before it is due."""
    found = conn.execute(
        sa.select(deliveries.c.id, deliveries.c.due_at, deliveries.c.next_at).where(
            deliveries.c.state == DeliveryState.SCHEDULED.value,
            deliveries.c.due_at <= before,
            deliveries.c.next_at > now,
            deliveries.c.next_at > deliveries.c.due_at,
        )
    )
    for row in found.all():
        at = max(row.due_at, wait(row.next_at))
        conn.execute(sa.update(deliveries).where(deliveries.c.id == row.id).values(next_at=at))


def _carry(
    conn: Connection,
    column: sa.Column[Any],
    moved: Callable[[datetime], datetime],
    *,
    after: datetime,
    where: sa.ColumnElement[bool] = _ALL,
) -> None:
    """Rewrite the times of one column that lie after an instant."""
    keys = list(column.table.primary_key.columns)
    found = conn.execute(sa.select(*keys, column.label("at")).where(column > after, where))
    for row in found.mappings().all():
        this = (key == row[key.name] for key in keys)
        change = {column.name: moved(row["at"])}
        conn.execute(sa.update(column.table).where(*this).values(change))
