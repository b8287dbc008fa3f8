"""
Tries: the row written before the socket is opened, and what became of it.

The budget of a channel (gap, cap, hard cap) is counted from these rows, so a restart refills
nothing. A try that is proven unsent costs no budget.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Row

from killswitch.store.columns import unindexed
from killswitch.store.ids import new_id
from killswitch.store.schema import attempts, deliveries

OPEN = "open"
ACCEPTED = "accepted"
# Outcomes after which the post is, or may be, out.
_MAY_BE_OUT = (OPEN, ACCEPTED, "unknown")
# Ids that one query names: databases limit how many.
_PART = 1000
# Outcomes that cost budget: the network was asked.
_SPENT = ("open", "accepted", "refused", "unknown")


def open_attempt(
    conn: Connection,
    *,
    delivery: str,
    incarnation: int,
    fence: int,
    request_hash: str,
    deadline_s: float,
    now: datetime,
) -> str:
    """Write the intent to send; the caller commits before a byte leaves."""
    number = conn.execute(
        sa.select(sa.func.count()).where(attempts.c.delivery == delivery)
    ).scalar_one()
    attempt = new_id("a")
    conn.execute(
        sa.insert(attempts).values(
            id=attempt,
            delivery=delivery,
            number=number + 1,
            incarnation=incarnation,
            fence=fence,
            request_hash=request_hash,
            intent_at=now,
            deadline_s=deadline_s,
            outcome=OPEN,
        )
    )
    return attempt


def end(conn: Connection, attempt: str, outcome: str, *, detail: str | None, now: datetime) -> None:
    """
    Write what became of a try.

    A late answer may replace ``unknown``; what was accepted, or found on its network, stays so.
    """
    conn.execute(
        sa.update(attempts)
        .where(attempts.c.id == attempt, attempts.c.outcome != "accepted")
        .values(outcome=outcome, detail=detail, ended_at=now)
    )


def expire(conn: Connection, attempt: str, *, why: str, now: datetime) -> bool:
    """Call a try unknown, unless its owner has written down by now what became of it."""
    done = conn.execute(
        sa.update(attempts)
        .where(attempts.c.id == attempt, attempts.c.outcome == OPEN)
        .values(outcome="unknown", detail=why, ended_at=now)
    )
    return done.rowcount == 1


def open_ones(conn: Connection) -> list[Row[Any]]:
    """Return all tries whose outcome is not known yet, oldest first."""
    statement = sa.select(attempts).where(attempts.c.outcome == OPEN)
    return list(conn.execute(statement.order_by(attempts.c.intent_at)))


def of_delivery(conn: Connection, delivery: str) -> list[Row[Any]]:
    """Return the tries of a delivery, oldest first."""
    statement = sa.select(attempts).where(attempts.c.delivery == delivery)
    return list(conn.execute(statement.order_by(attempts.c.number)))


def requests_of(conn: Connection, found: Sequence[str]) -> dict[str, Row[Any]]:
    """
    Return the try by which each delivery went out, or may have: the answered, else the newest.

    Its ``intent_at`` is when the request went out; what is recorded of it may be much younger, as
    after a restart, or where a human had to look.

    Args:
        conn: Any transaction.
        found: Ids of deliveries; those whose request never went out are left out.
    """
    requests: dict[str, Row[Any]] = {}
    for at in range(0, len(found), _PART):
        statement = sa.select(attempts).where(
            attempts.c.delivery.in_(found[at : at + _PART]), attempts.c.outcome.in_(_MAY_BE_OUT)
        )
        # An answer last: it stays, whatever was tried after it.
        answered = sa.case((attempts.c.outcome == ACCEPTED, 1), else_=0)
        for row in conn.execute(statement.order_by(answered, attempts.c.number)):
            requests[row.delivery] = row
    return requests


def sends_since(
    conn: Connection, channel: str, *, since: datetime, without: str | None = None
) -> list[datetime]:
    """Return when a channel began to send since an instant, oldest first."""
    on_it = unindexed(deliveries.c.channel) == channel
    statement = (
        sa.select(attempts.c.intent_at)
        .join_from(attempts, deliveries, deliveries.c.id == attempts.c.delivery)
        .where(on_it, attempts.c.intent_at > since, attempts.c.outcome.in_(_SPENT))
    )
    if without is not None:
        statement = statement.where(attempts.c.delivery != without)
    return list(conn.execute(statement.order_by(attempts.c.intent_at)).scalars())


def unclaimed_incarnations(conn: Connection, incarnation: int) -> list[Row[Any]]:
    """Return open tries of earlier daemons."""
    statement = sa.select(attempts).where(
        attempts.c.outcome == OPEN, attempts.c.incarnation < incarnation
    )
    return list(conn.execute(statement))
