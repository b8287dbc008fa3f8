"""
The only source of time.

Invariants:
    Every wall time is an aware UTC ``datetime``.
    Leases, deadlines and ages are measured on the boot clock, which no one can step and which
    counts a suspend (``CLOCK_BOOTTIME``); asyncio and ``threading`` wait on the monotonic clock,
    which does not (Linux ``clock_gettime(2)``).
"""

from __future__ import annotations

import threading
import time
from datetime import UTC, datetime, timedelta
from typing import Protocol


class Clock(Protocol):
    """What the daemon asks for the time; handed in, never imported as a global."""

    def now(self) -> datetime:
        """Return the wall clock as an aware UTC instant."""
        ...

    def boot_s(self) -> float:
        """Return seconds since boot, suspend included."""
        ...

    def monotonic_s(self) -> float:
        """Return seconds of the monotonic clock, suspend excluded."""
        ...

    def wait(self, event: threading.Event, timeout_s: float) -> bool:
        """Wait until ``event`` is set or ``timeout_s`` seconds passed; say whether it is set."""
        ...


class SystemClock:
    """The machine's own clocks."""

    def now(self) -> datetime:
        """Return the wall clock as an aware UTC instant."""
        return datetime.now(UTC)

    def boot_s(self) -> float:
        """Return seconds since boot, suspend included."""
        return time.clock_gettime(time.CLOCK_BOOTTIME)

    def monotonic_s(self) -> float:
        """Return seconds of the monotonic clock, suspend excluded."""
        return time.monotonic()

    def wait(self, event: threading.Event, timeout_s: float) -> bool:
        """Wait until ``event`` is set or ``timeout_s`` seconds passed; say whether it is set."""
        return event.wait(timeout_s)


class FakeClock:
    """A clock that moves only when a test moves it; ``wait`` moves it instead of sleeping."""

    def __init__(self, start: datetime | None = None) -> None:
        """Start at ``start`` (aware UTC), by default on an ordinary Monday morning."""
        self._now = start or datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
        self._boot = 1000.0
        self._asleep = 0.0
        self._lock = threading.Lock()

    def now(self) -> datetime:
        """Return the fake wall clock."""
        return self._now

    def boot_s(self) -> float:
        """Return the fake boot clock."""
        return self._boot

    def monotonic_s(self) -> float:
        """Return the fake monotonic clock: the boot clock without the time asleep."""
        return self._boot - self._asleep

    def wait(self, event: threading.Event, timeout_s: float) -> bool:
        """Move on by ``timeout_s`` unless ``event`` is set already."""
        if not event.is_set():
            self.move(timedelta(seconds=timeout_s))
        return event.is_set()

    def move(self, by: timedelta) -> None:
        """Let ``by`` pass on every clock."""
        with self._lock:
            self._now += by
            self._boot += by.total_seconds()

    def step_wall(self, by: timedelta) -> None:
        """Step only the wall clock, as an operator or a bad time server does."""
        with self._lock:
            self._now += by

    def suspend(self, by: timedelta) -> None:
        """Let the machine sleep for ``by``: only the monotonic clock stands still."""
        with self._lock:
            self._now += by
            self._boot += by.total_seconds()
            self._asleep += by.total_seconds()
