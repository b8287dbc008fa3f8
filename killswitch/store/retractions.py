"""
Posts that a human wants taken down: the wish, how often the network was asked, what came of it.

Invariants: a wish has a human's name and a reason; a delivery has one open wish at most.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Row

from killswitch.store.ids import new_id
from killswitch.store.schema import deliveries, retractions

OPEN, GONE, REFUSED, GIVEN_UP = "open", "gone", "refused", "given_up"


def ask(conn: Connection, delivery: str, *, by: str, reason: str, now: datetime) -> None:
    """Write down that a human wants a post taken down; it is due at once."""
    conn.execute(
        sa.insert(retractions).values(
            id=new_id("t"),
            delivery=delivery,
            asked_at=now,
            asked_by=by,
            reason=reason,
            next_at=now,
            outcome=OPEN,
        )
    )


def due(conn: Connection, *, now: datetime) -> list[Row[Any]]:
    """Return the open wishes for which a network is to be asked now, with their channel."""
    statement = (
        sa.select(retractions, deliveries.c.channel)
        .join_from(retractions, deliveries, deliveries.c.id == retractions.c.delivery)
        .where(retractions.c.outcome == OPEN, retractions.c.next_at <= now)
    )
    return list(conn.execute(statement.order_by(retractions.c.asked_at)))


def next_at(conn: Connection) -> datetime | None:
    """Return when the first network is to be asked, or None without any open wish."""
    statement = sa.select(sa.func.min(retractions.c.next_at)).where(retractions.c.outcome == OPEN)
    return conn.execute(statement).scalar()


def open_one(conn: Connection, delivery: str) -> Row[Any] | None:
    """Return the open wish for a delivery, locked for a change, or None."""
    statement = sa.select(retractions).where(
        retractions.c.delivery == delivery, retractions.c.outcome == OPEN
    )
    return conn.execute(statement.with_for_update()).one_or_none()


def again(conn: Connection, wish: str, *, at: datetime, tries: int, detail: str) -> None:
    """Ask once more at ``at``."""
    conn.execute(
        sa.update(retractions)
        .where(retractions.c.id == wish)
        .values(next_at=at, tries=tries, detail=detail)
    )


def end(
    conn: Connection, wish: str, outcome: str, *, tries: int, detail: str, now: datetime
) -> None:
    """Write down what came of a wish."""
    conn.execute(
        sa.update(retractions)
        .where(retractions.c.id == wish)
        .values(outcome=outcome, tries=tries, detail=detail, ended_at=now)
    )


def of(conn: Connection, ids: Collection[str]) -> dict[str, list[Row[Any]]]:
    """Return the wishes for deliveries, oldest first, by delivery id."""
    found: dict[str, list[Row[Any]]] = {one: [] for one in ids}
    statement = sa.select(retractions).where(retractions.c.delivery.in_(ids))
    for row in conn.execute(statement.order_by(retractions.c.asked_at, retractions.c.id)):
        found[row.delivery].append(row)
    return found
