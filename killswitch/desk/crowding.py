"""Refuse a time that would break its channel's gap or cap; the gate counts again when it sends."""

from __future__ import annotations

from datetime import datetime, timedelta

from killswitch.desk.context import Context
from killswitch.desk.documents import head as brief
from killswitch.errors import RefusedError
from killswitch.queue import rules
from killswitch.queue.rules import ChannelRules
from killswitch.queue.states import PENDING
from killswitch.queue.when import shown
from killswitch.store import coming_due, deliveries
from killswitch.store.engine import Connection

# How far a refusal looks for a free time.
_AHEAD = timedelta(days=1)
_INSTANT = timedelta(microseconds=1)


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

    def named(at: datetime) -> str:
        return _named(conn, channel, at, without=without)

    problem = rules.slot_problem(limits, due, taken, zone=str(ctx.zone), named=named)
    if problem:
        free = _free(ctx, conn, limits, due, without=without)
        raise RefusedError(
            "crowded",
            problem,
            f"choose another time; the next free one is {free}" if free else "choose another time",
        )


def _named(conn: Connection, channel: str, at: datetime, *, without: str | None) -> str:
    """Name the post that is due then, for its author to find it."""
    found = deliveries.page(
        conn, states=PENDING, channel=channel, after=(at, ""), until=at + _INSTANT, limit=2
    )
    one = next((one for one in found if one.id != without), None)
    return f'the post {one.id} "{brief(one.content.text)}"' if one else "a post"


def _free(
    ctx: Context, conn: Connection, limits: ChannelRules, due: datetime, *, without: str | None
) -> str:
    """Find the next time at which the post would go through, as people read it; may be empty."""
    reach = max(rules.HOUR, limits.min_gap)
    until = due + _AHEAD
    taken = coming_due.due_times(
        conn,
        limits.name,
        after=due - reach,
        before=until + reach,
        states=PENDING,
        without=without,
    )
    free = rules.next_free(limits, due, taken, until=until)
    return shown(free, zone=str(ctx.zone)) if free else ""
