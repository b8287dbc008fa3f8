"""
The retractor: ask networks to take down what a human wants down.

The wish stands in the store before anybody is asked, so a crash forgets nothing, and asking twice
is harmless. It works through pauses: taking down is not sending. The post and its id at the network
stay in the store.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from functools import partial
from typing import Any

import structlog

from killswitch.channels.frame import Deletion, Gone
from killswitch.clock import Clock
from killswitch.daemon.errands import Errands
from killswitch.desk.context import Context
from killswitch.failpoints import passing
from killswitch.outcome import record_deletion, request_of
from killswitch.queue.looking import SETTLE
from killswitch.store import deliveries, looks, retractions
from killswitch.store.deliveries import Delivery

_log = structlog.get_logger(__name__)
# One request, name look-up included.
ASK_S = 20.0


class Retractor:
    """Takes posts down."""

    def __init__(
        self,
        context: Callable[[], Context],
        *,
        clock: Clock,
        closing: threading.Event,
        on_fault: Callable[[BaseException], None],
    ) -> None:
        """Take down what is asked for in ``context`` until ``closing`` is set."""
        self._context = context
        self._clock = clock
        self._closing = closing
        self.errands = Errands("retract", on_fault=on_fault)

    def step(self) -> float | None:
        """Start what is due; return the seconds until the next, or None for no wish."""
        ctx = self._context()
        now = self._clock.now()
        with ctx.store.read() as conn:
            due = retractions.due(conn, now=now)
            first = retractions.next_at(conn)
        lines: dict[str, list[str]] = {}
        for wish in due:
            if self.errands.is_free(wish.channel):
                lines.setdefault(wish.channel, []).append(wish.delivery)
        for channel, ids in lines.items():
            self.errands.start(channel, partial(self._take_down, ctx, ids))
        return None if first is None else max(1.0, (first - now).total_seconds())

    def _take_down(self, ctx: Context, ids: list[str]) -> None:
        for one_id in ids:
            if self._closing.is_set():
                return
            with ctx.store.read() as conn:
                one = deliveries.get(conn, one_id)
            if one is not None:
                deletion = _ask(ctx, one)
                passing("retract.after_answer")
                self._record(ctx, one, deletion)

    def _record(self, ctx: Context, one: Delivery, deletion: Deletion) -> None:
        now = self._clock.now()
        with ctx.store.write() as conn:
            looked = looks.of(conn, [one.id]).get(one.id)
            settles_at = (looked.lost_at if looked else one.changed_at) + SETTLE
            locked: Any = deliveries.get(conn, one.id, lock=True)
            record_deletion(conn, locked, deletion, settles_at=settles_at, now=now)
        _log.info("delivery.asked_back", delivery=one.id, answer=deletion.gone.value)
        ctx.hooks.wake()

    def close(self) -> None:
        """Wait for the requests that are on their way."""
        self.errands.close()


def _ask(ctx: Context, one: Delivery) -> Deletion:
    channel = ctx.channels.get(one.channel)
    if channel is None:
        return Deletion(Gone.REFUSED, f"the channel {one.channel} is not configured any more")
    why_not = channel.why_not_delete(one.remote_id)
    if why_not is not None:
        return Deletion(Gone.REFUSED, why_not)
    return channel.delete(request_of(one), remote_id=one.remote_id, deadline_s=ASK_S)
