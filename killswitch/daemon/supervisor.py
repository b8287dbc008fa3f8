"""
Threads that must live: each one turns, says that it turned, and its unexpected end stops all.

The unexpected end of a loop is a fault that closes the gate and ends the process; systemd starts
it again, and the causes are still in the store.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field

import structlog

from killswitch.clock import Clock
from killswitch.errors import TransientError
from killswitch.store.engine import StoreFailedError

_log = structlog.get_logger(__name__)

# Every loop wakes by itself, whatever the alarm clock does.
MOST_SLEEP_S = 5.0
# After a store error a loop tries again this soon.
RETRY_S = 1.0


@dataclass(slots=True)
class Loop:
    """
    One loop.

    Attributes:
        name: Shown in logs and in the fault.
        step: One turn; returns the seconds until it wants the next, or None for no wish.
        limit_s: Without a turn for so long, the loop counts as hung and the watchdog starves.
    """

    name: str
    step: Callable[[], float | None]
    limit_s: float = 30.0
    wake: threading.Event = field(default_factory=threading.Event)
    last_turn_s: float = 0.0
    thread: threading.Thread | None = None


class Supervisor:
    """Runs the loops of a daemon."""

    def __init__(
        self,
        *,
        clock: Clock,
        closing: threading.Event,
        on_store_error: Callable[[TransientError], None],
    ) -> None:
        """Watch over loops until ``closing`` is set."""
        self._clock = clock
        self._closing = closing
        self._on_store_error = on_store_error
        self._loops: list[Loop] = []
        self.fault: BaseException | None = None

    def add(self, loop: Loop) -> Loop:
        """Take a loop in; ``start`` runs it."""
        self._loops.append(loop)
        return loop

    def start(self) -> None:
        """Run every loop in a thread of its own."""
        for loop in self._loops:
            loop.last_turn_s = self._clock.monotonic_s()
            loop.thread = threading.Thread(
                target=self._run, args=(loop,), name=loop.name, daemon=True
            )
            loop.thread.start()

    def _run(self, loop: Loop) -> None:
        try:
            while not self._closing.is_set():
                loop.last_turn_s = self._clock.monotonic_s()
                wait_s = self._turn(loop)
                if wait_s > 0:
                    self._clock.wait(loop.wake, min(wait_s, MOST_SLEEP_S))
                loop.wake.clear()
        except BaseException as error:
            self.fail(error, where=loop.name)

    def _turn(self, loop: Loop) -> float:
        try:
            wait_s = loop.step()
        except TransientError as error:
            _log.warning("loop.retry", loop=loop.name, problem=error.message)
            if isinstance(error, StoreFailedError):
                self._on_store_error(error)
            return RETRY_S
        return MOST_SLEEP_S if wait_s is None else wait_s

    def fail(self, error: BaseException, *, where: str = "") -> None:
        """End the daemon because of a fault that nobody may ignore."""
        if self.fault is None:
            self.fault = error
            _log.critical("daemon.fault", where=where, problem=repr(error), exc_info=error)
        self._closing.set()

    def hung(self) -> list[str]:
        """Name the loops that have not turned within their limit; a suspend does not count."""
        now_s = self._clock.monotonic_s()
        return [loop.name for loop in self._loops if now_s - loop.last_turn_s > loop.limit_s]

    def join(self, timeout_s: float) -> None:
        """Wait until the loops have ended."""
        ends = self._clock.boot_s() + timeout_s
        for loop in self._loops:
            loop.wake.set()
        for loop in self._loops:
            if loop.thread is not None and loop.thread is not threading.current_thread():
                loop.thread.join(max(0.0, ends - self._clock.boot_s()))
