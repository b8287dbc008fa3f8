"""What people decided about held deliveries; the resume carries it out."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Row

from killswitch.queue.states import Decision
from killswitch.store.schema import decisions, deliveries


def write(
    conn: Connection,
    delivery: str,
    kind: Decision,
    *,
    version: int,
    by: str,
    now: datetime,
    values: Mapping[str, Any] | None = None,
) -> None:
    """Write a decision down; a newer one replaces an older one."""
    drop(conn, delivery)
    conn.execute(
        sa.insert(decisions).values(
            delivery=delivery, kind=kind.value, version=version, by=by, at=now, **(values or {})
        )
    )


def drop(conn: Connection, delivery: str) -> None:
    """Take a decision away."""
    conn.execute(sa.delete(decisions).where(decisions.c.delivery == delivery))


def void(conn: Connection, ids: Collection[str]) -> int:
    """Take away the decisions of these deliveries that would let them out."""
    out = [Decision.RELEASE.value, Decision.MOVE.value, Decision.EDIT.value]
    done = conn.execute(
        sa.delete(decisions).where(decisions.c.delivery.in_(ids), decisions.c.kind.in_(out))
    )
    return done.rowcount


def of(conn: Connection, ids: Collection[str]) -> dict[str, Row[Any]]:
    """Return the decisions of deliveries, by delivery id."""
    found = conn.execute(sa.select(decisions).where(decisions.c.delivery.in_(ids)))
    return {row.delivery: row for row in found}


def all_of_held(conn: Connection) -> list[Row[Any]]:
    """Return the decisions on deliveries that are still held, soonest due first."""
    statement = (
        sa.select(decisions)
        .join_from(decisions, deliveries, deliveries.c.id == decisions.c.delivery)
        .where(deliveries.c.state == "held")
        .order_by(deliveries.c.due_at, deliveries.c.id)
    )
    return list(conn.execute(statement))
