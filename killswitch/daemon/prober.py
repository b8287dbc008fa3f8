"""
The prober: ask networks for posts whose answer was lost.

It only reads there, so it works through pauses and inhibits; never inside a transaction, never in
a thread of the gate. What it finds is recorded as a late answer is, with the fence of the try. What
it does not find is told to a human: nothing here sends again.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import timedelta
from functools import partial

import structlog

from killswitch.clock import Clock
from killswitch.daemon.errands import Errands
from killswitch.desk.context import Context
from killswitch.failpoints import passing
from killswitch.gate import T_SEND_S
from killswitch.outcome import record_look, request_of
from killswitch.store import latch as latch_store
from killswitch.store import looks
from killswitch.store.looks import Lost

_log = structlog.get_logger(__name__)
# One look, name look-up included.
LOOK_S = 10.0
# Looks at one channel before others, and a stop, get their turn.
LINE = 20


class Prober:
    """Looks for what may have gone out."""

    def __init__(
        self,
        context: Callable[[], Context],
        *,
        clock: Clock,
        closing: threading.Event,
        on_fault: Callable[[BaseException], None],
    ) -> None:
        """Look for the uncertain deliveries of ``context`` until ``closing`` is set."""
        self._context = context
        self._clock = clock
        self._closing = closing
        self.errands = Errands("probe", on_fault=on_fault)

    def step(self) -> float | None:
        """Start the looks that are due; return the seconds until the next, or None for no wish."""
        ctx = self._context()
        now = self._clock.now()
        with ctx.store.read() as conn:
            found = looks.lost(conn)
        planned = [
            (at, lost)
            for lost in found
            if self._can_look(ctx, lost) and (at := lost.looked.next_at) is not None
        ]
        lines: dict[str, list[Lost]] = {}
        for at, lost in planned:
            if at <= now and self.errands.is_free(lost.delivery.channel):
                lines.setdefault(lost.delivery.channel, []).append(lost)
        for channel, line in lines.items():
            self.errands.start(channel, partial(self._look_for, ctx, line[:LINE]))
        if not planned:
            return None
        first = min(at for at, _ in planned)
        # What a busy channel leaves over comes next: the end of its line wakes us.
        return max(1.0, (first - now).total_seconds())

    def _can_look(self, ctx: Context, lost: Lost) -> bool:
        channel = ctx.channels.get(lost.delivery.channel)
        return channel is not None and channel.can_probe

    def _look_for(self, ctx: Context, line: list[Lost]) -> None:
        for lost in line:
            if self._closing.is_set():
                return
            channel = ctx.channels[lost.delivery.channel]
            probe = channel.probe(request_of(lost.delivery), deadline_s=LOOK_S)
            passing("probe.after_answer")
            sent_at = min(lost.looked.lost_at, lost.began_at + timedelta(seconds=T_SEND_S))
            with ctx.store.write() as conn:
                latch_store.lock(conn, share=True)
                record_look(conn, lost, probe, sent_at=sent_at, now=self._clock.now())
            _log.info("delivery.looked", delivery=lost.delivery.id, found=probe.found.value)
        ctx.hooks.wake()

    def close(self) -> None:
        """Wait for the looks that are on their way."""
        self.errands.close()
