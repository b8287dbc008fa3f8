"""Refuse a time that would break its channel's gap or cap; the gate counts again when it sends."""

from __future__ import annotations

from datetime import datetime

from killswitch.desk.context import Context
from killswitch.errors import RefusedError
from killswitch.queue import rules
from killswitch.queue.states import PENDING
from killswitch.store import coming_due
from killswitch.store.engine import Connection


def refuse_crowded(
    ctx: Context, conn: Connection, channel: str, due: datetime, *, without: str | None = None
) -> None:
    """
    Refuse ``due`` on a channel where other posts leave it no room.

    Args:
        ctx: Holds the limits.
        conn: A transaction.
        channel: The channel.
        due: The wanted time, aware UTC.
        without: Id of the delivery that is moved: it does not crowd itself.

    Raises:
        RefusedError: The gap or the cap; or the channel is no longer configured.
    """
    limits = ctx.limits.get(channel)
    if limits is None:
        raise RefusedError(
            "unknown_channel",
            f"the channel {channel} is not configured any more; nothing was changed",
            "configure it again and reload (killswitch config reload), or cancel its posts",
        )
    reach = max(rules.HOUR, limits.min_gap)
    taken = coming_due.due_times(
        conn, channel, after=due - reach, before=due + reach, states=PENDING, without=without
    )
    problem = rules.slot_problem(limits, due, taken, zone=str(ctx.zone))
    if problem:
        raise RefusedError("crowded", problem, "choose another time")
