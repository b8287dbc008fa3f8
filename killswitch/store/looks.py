"""Looks at a network for posts whose answer was lost: what was asked, and what it said."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Row

from killswitch.queue.looking import Look, Looked
from killswitch.queue.states import DeliveryState
from killswitch.store import deliveries as delivery_rows
from killswitch.store.deliveries import Delivery
from killswitch.store.schema import attempts, looks

# How a try ended after which the post may be on the network, or was found there.
_MAY_BE_OUT = ("unknown", "accepted")
# Ids a query; SQLite takes 32,766 at most.
_PART = 1000


@dataclass(frozen=True, slots=True)
class Lost:
    """
    A delivery that may have gone out.

    Attributes:
        delivery: As it was read.
        attempt: The try whose answer was lost.
        began_at: When its request began.
        looked: What was looked for since.
    """

    delivery: Delivery
    attempt: str
    began_at: datetime
    looked: Looked


def lost(conn: Connection) -> list[Lost]:
    """Return every uncertain delivery with the try that left it so, soonest due first."""
    found = delivery_rows.in_state(conn, DeliveryState.UNCERTAIN)
    tries = _newest_tries(conn, [one.id for one in found])
    looked = _looks_of(conn, tries)
    return [
        Lost(one, tries[one.id].id, tries[one.id].intent_at, looked[one.id])
        for one in found
        if one.id in tries
    ]


def of(conn: Connection, ids: Sequence[str]) -> dict[str, Looked]:
    """Return what was looked for after the newest try of deliveries, by delivery id."""
    return _looks_of(conn, _newest_tries(conn, ids))


def _newest_tries(conn: Connection, ids: Sequence[str]) -> dict[str, Row[Any]]:
    found: dict[str, Row[Any]] = {}
    for part in _parts(ids):
        statement = sa.select(attempts).where(
            attempts.c.delivery.in_(part), attempts.c.outcome.in_(_MAY_BE_OUT)
        )
        ordered = conn.execute(statement.order_by(attempts.c.number))
        found |= {row.delivery: row for row in ordered}
    return found


def _looks_of(conn: Connection, tries: dict[str, Row[Any]]) -> dict[str, Looked]:
    found: dict[str, list[Look]] = defaultdict(list)
    for part in _parts(row.id for row in tries.values()):
        statement = sa.select(looks).where(looks.c.attempt.in_(part)).order_by(looks.c.number)
        for row in conn.execute(statement):
            found[row.attempt].append(Look(row.at, row.found, row.detail))
    return {
        delivery: Looked(row.ended_at or row.intent_at, tuple(found[row.id]))
        for delivery, row in tries.items()
    }


def _parts(ids: Iterable[str]) -> Iterator[list[str]]:
    left = list(ids)
    for at in range(0, len(left), _PART):
        yield left[at : at + _PART]


def all_of(conn: Connection, delivery: str) -> list[Row[Any]]:
    """Return every look for a delivery, oldest first, with the number of its try."""
    statement = (
        sa.select(looks.c.at, looks.c.found, looks.c.detail, attempts.c.number.label("attempt"))
        .join_from(looks, attempts, attempts.c.id == looks.c.attempt)
        .where(attempts.c.delivery == delivery)
    )
    return list(conn.execute(statement.order_by(attempts.c.number, looks.c.number)))


def add(conn: Connection, attempt: str, look: Look) -> None:
    """Write a look down."""
    number = conn.execute(sa.select(sa.func.count()).where(looks.c.attempt == attempt)).scalar_one()
    conn.execute(
        sa.insert(looks).values(
            attempt=attempt, number=number + 1, at=look.at, found=look.found, detail=look.detail
        )
    )
