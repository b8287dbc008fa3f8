"""
What people decided about held deliveries; the resume carries it out.

A ``skip`` on one that failed is no plan but a mark: somebody has looked, it is no news any more.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Row

from killswitch.queue.states import Decision, HoldKind
from killswitch.store.schema import decisions, deliveries, holds, posts

# Decisions that let a post out, at its own time or at another.
OUT = (Decision.RELEASE, Decision.MOVE, Decision.EDIT)


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
    done = conn.execute(
        sa.delete(decisions).where(decisions.c.delivery.in_(ids), decisions.c.kind.in_(OUT))
    )
    return done.rowcount


def of(conn: Connection, ids: Collection[str]) -> dict[str, Row[Any]]:
    """Return the decisions of deliveries, by delivery id."""
    found = conn.execute(sa.select(decisions).where(decisions.c.delivery.in_(ids)))
    return {row.delivery: row for row in found}


def all_of_held(conn: Connection, *, limit: int | None = None) -> list[Row[Any]]:
    """Return the decisions on deliveries that are still held, soonest due first."""
    statement = _of_held(sa.select(decisions)).order_by(deliveries.c.due_at, deliveries.c.id)
    return list(conn.execute(statement.limit(limit)))


def _of_held(statement: sa.Select[Any], *, with_posts: bool = False) -> sa.Select[Any]:
    joined = decisions.join(deliveries, deliveries.c.id == decisions.c.delivery)
    if with_posts:
        joined = joined.join(posts, posts.c.id == deliveries.c.post)
    return statement.select_from(joined).where(deliveries.c.state == "held")


def counts(conn: Connection) -> dict[Decision, int]:
    """Count the decisions on deliveries that are still held, by kind."""
    counted = _of_held(sa.select(decisions.c.kind, sa.func.count())).group_by(decisions.c.kind)
    return {Decision(kind): number for kind, number in conn.execute(counted)}


def failed_unseen(conn: Connection) -> int:
    """Count what failed and nobody has looked at: the posts that no network will show."""
    seen = sa.exists().where(decisions.c.delivery == deliveries.c.id)
    statement = sa.select(sa.func.count()).where(deliveries.c.state == "failed", ~seen)
    return int(conn.execute(statement).scalar_one())


def to_carry_out(
    conn: Connection, *, at: datetime, limit: int
) -> list[tuple[bool, datetime, datetime, str]]:
    """
    Return what a resume at ``at`` has to carry out: first what needs no slot, soonest due first.

    Returns:
        Whether it needs a slot of its channel (it goes out, and its time has passed), when it was
        due, when it came into the queue, and its delivery.
    """
    late = sa.and_(
        decisions.c.kind.in_(OUT), decisions.c.due_at.is_(None), deliveries.c.due_at <= at
    )
    needs_slot = sa.case((late, 1), else_=0)
    line = (deliveries.c.due_at, posts.c.created_at, deliveries.c.id)
    found = _of_held(sa.select(needs_slot, *line), with_posts=True)
    ordered = found.order_by(needs_slot, *line)
    return [(bool(row[0]), row[1], row[2], row[3]) for row in conn.execute(ordered.limit(limit))]


def of_earlier_pauses(conn: Connection, *, before: int, incident: str, limit: int) -> list[str]:
    """Return held deliveries with a decision below a version that ``incident`` does not hold."""
    held_by_it = sa.exists().where(
        holds.c.delivery == decisions.c.delivery,
        holds.c.kind == HoldKind.PAUSE.value,
        holds.c.ref == incident,
        holds.c.lifted_at.is_(None),
    )
    found = _of_held(sa.select(deliveries.c.id)).where(decisions.c.version < before, ~held_by_it)
    return list(conn.execute(found.order_by(deliveries.c.id).limit(limit)).scalars())
