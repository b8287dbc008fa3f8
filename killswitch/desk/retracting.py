"""
Take a post down from its network, because a human says so.

What happened stays on record: the text, who wanted it down and why, and the id at the network are
kept. The network is asked by the daemon afterwards, as often as it takes.
"""

from __future__ import annotations

from killswitch.desk.deed import Deed
from killswitch.errors import RefusedError
from killswitch.queue.states import DeliveryState
from killswitch.store import deliveries, retractions
from killswitch.store.deliveries import Delivery

_S = DeliveryState
_OUT = frozenset({_S.SENT, _S.UNCERTAIN})


def retract(deed: Deed, one: Delivery) -> str | None:
    """
    Write down that a post is to be taken down.

    Raises:
        RefusedError: It did not go out, or its channel can't take posts down.
    """
    reason = deed.act.reason or ""
    deed.need(one, _OUT, "taken down", "only what went out, or may have, is taken down")
    why_not = _why_not(deed, one)
    if why_not is not None:
        raise RefusedError(
            "cannot_delete",
            f"{one.id} can't be taken down from here: {why_not}; nothing was done",
            f"take it down on {one.channel} itself",
        )
    retractions.ask(deed.conn, one.id, by=deed.by, reason=reason, now=deed.now)
    deliveries.move(deed.conn, one, _S.RETRACTING, actor=deed.by, why=reason, now=deed.now)
    return None


def _why_not(deed: Deed, one: Delivery) -> str | None:
    channel = deed.ctx.channels.get(one.channel)
    if channel is None:
        return f"the channel {one.channel} is not configured any more"
    return channel.why_not_delete(one.remote_id)
