"""Posts whose channel is not configured any more: they can't leave, and somebody must be told."""

from __future__ import annotations

from collections.abc import Collection, Iterator

import sqlalchemy as sa

from killswitch.queue.states import DeliveryState
from killswitch.store.engine import Connection
from killswitch.store.schema import deliveries

_OPEN = [
    state.value
    for state in (
        DeliveryState.AWAITING_APPROVAL,
        DeliveryState.SCHEDULED,
        DeliveryState.CLAIMED,
        DeliveryState.HELD,
    )
]


def orphaned(conn: Connection, channels: Collection[str]) -> dict[str, int]:
    """
    Count what waits on channels other than these.

    Args:
        conn: A transaction.
        channels: Those that are configured.

    Returns:
        Posts that could still leave, by channel, in order of its name.
    """
    found = {}
    for channel in _channels(conn):
        if channel not in channels:
            count = conn.execute(
                sa.select(sa.func.count()).where(
                    deliveries.c.channel == channel, deliveries.c.state.in_(_OPEN)
                )
            ).scalar_one()
            if count:
                found[channel] = count
    return found


def _channels(conn: Connection) -> Iterator[str]:
    """Name every channel that has posts: one step in the index each, however many they have."""
    last = ""
    while True:
        following = sa.select(sa.func.min(deliveries.c.channel)).where(deliveries.c.channel > last)
        channel = conn.execute(following).scalar_one()
        if channel is None:
            return
        yield channel
        last = channel
