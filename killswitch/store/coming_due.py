"""What comes due, what has come due too late, what has expired, and which times are taken."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from killswitch.queue.states import DeliveryState
from killswitch.store.columns import unindexed
from killswitch.store.deliveries import BATCH, VISIBLE, Delivery, delivery, select
from killswitch.store.schema import deliveries

_S = DeliveryState


def expired(conn: Connection, *, now: datetime, limit: int = BATCH) -> list[Delivery]:
    """Return deliveries whose author's own ``expires`` has passed while they waited."""
    waiting = [_S.SCHEDULED.value, _S.HELD.value, _S.AWAITING_APPROVAL.value]
    waits = unindexed(deliveries.c.state).in_(waiting)
    statement = select().where(deliveries.c.expires_at <= now, waits)
    return [delivery(row) for row in conn.execute(statement.limit(limit))]


def due_on(conn: Connection, channel: str, *, now: datetime, limit: int) -> list[Delivery]:
    """Return what is due on a channel and has not expired, longest due first."""
    statement = select().where(
        deliveries.c.state == _S.SCHEDULED.value,
        deliveries.c.next_at <= now,
        # ``next_at`` is never before it; said for the index, which has them in this order.
        deliveries.c.due_at <= now,
        deliveries.c.channel == channel,
        sa.or_(deliveries.c.expires_at.is_(None), deliveries.c.expires_at > now),
    )
    ordered = statement.order_by(deliveries.c.due_at, deliveries.c.id)
    return [delivery(row) for row in conn.execute(ordered.limit(limit))]


def overdue(
    conn: Connection, before: Mapping[str, datetime], *, otherwise: datetime, limit: int
) -> list[str]:
    """
    Return what waits although it was due before an instant of its channel, longest due first.

    Args:
        conn: A transaction.
        before: The instant of each channel.
        otherwise: The instant of any other channel.
        limit: Most to return; none of them hides another, for each of them is overdue.
    """
    late = [
        sa.and_(deliveries.c.channel == name, deliveries.c.due_at < at)
        for name, at in before.items()
    ]
    other = sa.and_(deliveries.c.channel.not_in(before), deliveries.c.due_at < otherwise)
    statement = sa.select(deliveries.c.id).where(
        deliveries.c.state.in_([_S.SCHEDULED.value, _S.AWAITING_APPROVAL.value]),
        # Said once more for the index.
        deliveries.c.due_at < max([otherwise, *before.values()]),
        sa.or_(other, *late),
        VISIBLE,
    )
    return list(conn.execute(statement.order_by(deliveries.c.due_at).limit(limit)).scalars())


def due_unconfirmed(conn: Connection, *, now: datetime, limit: int) -> list[str]:
    """Return what came due without the second look that the horizon asks for."""
    statement = sa.select(deliveries.c.id).where(
        deliveries.c.state == _S.SCHEDULED.value,
        deliveries.c.due_at <= now,
        deliveries.c.confirm_from.isnot(None),
        deliveries.c.confirmed_at.is_(None),
        VISIBLE,
    )
    return list(conn.execute(statement.limit(limit)).scalars())


def next_after(conn: Connection, *, now: datetime) -> datetime | None:
    """Return when the next scheduled delivery comes due after an instant."""
    return conn.execute(
        sa.select(deliveries.c.next_at)
        .where(deliveries.c.state == _S.SCHEDULED.value, deliveries.c.next_at > now, VISIBLE)
        .order_by(deliveries.c.next_at)
        .limit(1)
    ).scalar()


def is_any_due(conn: Connection, *, now: datetime) -> bool:
    """Say whether a scheduled delivery is due at an instant and has not left yet."""
    statement = sa.select(deliveries.c.id).where(
        deliveries.c.state == _S.SCHEDULED.value, deliveries.c.next_at <= now, VISIBLE
    )
    return conn.execute(statement.limit(1)).first() is not None


def last_due(
    conn: Connection,
    channel: str,
    *,
    start: datetime,
    end: datetime,
    states: Iterable[DeliveryState],
) -> datetime | None:
    """Return the last due time on a channel from one instant on and before another, if any."""
    statement = sa.select(deliveries.c.due_at).where(
        deliveries.c.channel == channel,
        deliveries.c.due_at >= start,
        deliveries.c.due_at < end,
        deliveries.c.state.in_([s.value for s in states]),
        VISIBLE,
    )
    return conn.execute(statement.order_by(deliveries.c.due_at.desc()).limit(1)).scalar()


def due_times(
    conn: Connection,
    channel: str,
    *,
    after: datetime,
    before: datetime,
    states: Iterable[DeliveryState],
    without: str | None = None,
    batch: str | None = None,
) -> list[datetime]:
    """Return the sorted due times on a channel between two instants."""
    seen = VISIBLE if batch is None else sa.or_(VISIBLE, deliveries.c.batch == batch)
    statement = sa.select(deliveries.c.due_at).where(
        deliveries.c.channel == channel,
        deliveries.c.due_at > after,
        deliveries.c.due_at < before,
        deliveries.c.state.in_([s.value for s in states]),
        seen,
    )
    if without is not None:
        statement = statement.where(deliveries.c.id != without)
    return list(conn.execute(statement.order_by(deliveries.c.due_at)).scalars())
