"""
What relays were told: one row a relay and event, kept until the other side is known to be reached.

Invariants:
    Only the newest event of a relay counts: an older one that was not reached is over, because
    what it would bring about is not wanted any more.
    A run is claimed by a conditional update; a claim that nobody ends is due again.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Row

from killswitch.store.ids import new_id
from killswitch.store.schema import relay_runs

Event = Literal["pause", "resume"]

SUPERSEDED = "superseded"
"""The problem of a run that a newer event overtook."""


@dataclass(frozen=True, slots=True)
class Run:
    """One event for one relay; ``id`` is its idempotency key on the other side."""

    id: str
    relay: str
    event: Event
    version: int
    created_at: datetime
    tries: int
    next_at: datetime | None
    reached_at: datetime | None
    problem: str | None


def add_runs(
    conn: Connection, *, relays: Iterable[str], event: Event, version: int, now: datetime
) -> list[str]:
    """
    Write that relays must be told; the caller's transaction carries it.

    A relay whose newest run is of the same event hears nothing new: it is stopped, or runs, as it
    should. Its older runs that were not reached are over.

    Args:
        conn: A write transaction.
        relays: Names of relays.
        event: What happened to the queue.
        version: The latch version of it.
        now: Aware UTC instant.

    Returns:
        The ids of the runs that were written.
    """
    last = newest(conn)
    added = []
    for relay in relays:
        known = last.get(relay)
        if known is not None and known.event == event:
            continue
        _supersede(conn, relay)
        fresh = new_id("r")
        conn.execute(
            sa.insert(relay_runs).values(
                id=fresh, relay=relay, event=event, version=version, created_at=now, next_at=now
            )
        )
        added.append(fresh)
    return added


def newest(conn: Connection) -> dict[str, Run]:
    """Return the newest run of each relay."""
    latest = (
        sa.select(relay_runs.c.relay, sa.func.max(relay_runs.c.version).label("version"))
        .group_by(relay_runs.c.relay)
        .subquery()
    )
    rows = conn.execute(
        sa.select(relay_runs)
        .join(
            latest,
            sa.and_(latest.c.relay == relay_runs.c.relay, latest.c.version == relay_runs.c.version),
        )
        .order_by(relay_runs.c.created_at, relay_runs.c.id)
    )
    return {row.relay: _run(row) for row in rows}


def due(conn: Connection, *, now: datetime) -> list[Run]:
    """Return the newest runs that are to be tried now, oldest first."""
    found = [
        run
        for run in newest(conn).values()
        if run.reached_at is None and run.next_at is not None and run.next_at <= now
    ]
    return sorted(found, key=lambda run: (run.created_at, run.id))


def claim(conn: Connection, run: Run, *, until: datetime) -> bool:
    """Take a run before it is tried, counting the try; False when another had it first."""
    done = conn.execute(
        sa.update(relay_runs)
        .where(
            relay_runs.c.id == run.id,
            relay_runs.c.tries == run.tries,
            relay_runs.c.reached_at.is_(None),
            relay_runs.c.next_at.isnot(None),
        )
        .values(tries=run.tries + 1, next_at=until)
    )
    return done.rowcount == 1


def record(
    conn: Connection, run: Run, *, problem: str | None, retry_at: datetime, now: datetime
) -> None:
    """
    Write what became of a try.

    Args:
        conn: A write transaction.
        run: The one that was claimed.
        problem: Why the other side was not reached; None when it was.
        retry_at: When to try again; a run that was overtaken meanwhile is not tried again.
        now: Aware UTC instant.
    """
    mine = sa.update(relay_runs).where(relay_runs.c.id == run.id)
    if problem is None:
        conn.execute(mine.values(reached_at=now, next_at=None, problem=None))
        return
    conn.execute(
        mine.where(relay_runs.c.next_at.isnot(None)).values(next_at=retry_at, problem=problem)
    )


def next_at(conn: Connection) -> datetime | None:
    """Return when the next run is due, or None."""
    waiting = [
        run.next_at
        for run in newest(conn).values()
        if run.reached_at is None and run.next_at is not None
    ]
    return min(waiting, default=None)


def _supersede(conn: Connection, relay: str) -> None:
    conn.execute(
        sa.update(relay_runs)
        .where(relay_runs.c.relay == relay, relay_runs.c.reached_at.is_(None))
        .values(next_at=None, problem=SUPERSEDED)
    )


def _run(row: Row[Any]) -> Run:
    return Run(
        id=row.id,
        relay=row.relay,
        event=row.event,
        version=row.version,
        created_at=row.created_at,
        tries=row.tries,
        next_at=row.next_at,
        reached_at=row.reached_at,
        problem=row.problem,
    )
