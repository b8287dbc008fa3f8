"""
One writer at a time, and a pause goes first.

SQLite has one write lock and no queue for it: a waiting connection sleeps and tries again, so a
busy import could starve a pause for long. Inside the daemon writers take turns here instead; an
urgent one waits for at most the one transaction that is running (none is longer than 50 ms). The
others go in the order in which they came: who writes bite after bite (a verb on ten thousand posts)
lets everybody else in between two bites. Who could end sooner asks ``is_awaited`` and gives way.
"""

from __future__ import annotations

import contextlib
import threading
from collections import deque
from collections.abc import Iterator

from killswitch.errors import StoreBusyError


class Turnstile:
    """Lets one thread through at a time, the urgent ones first, each line as it came."""

    def __init__(self) -> None:
        """Begin with nobody inside."""
        self._changed = threading.Condition()
        self._inside = False
        self._urgent: deque[object] = deque()
        self._work: deque[object] = deque()

    @contextlib.contextmanager
    def turn(self, *, urgent: bool, timeout_s: float) -> Iterator[None]:
        """
        Wait for a turn, hold it for the block.

        Raises:
            StoreBusyError: No turn came within ``timeout_s`` seconds.
        """
        me, line = object(), self._urgent if urgent else self._work
        with self._changed:
            line.append(me)
            try:
                got = self._changed.wait_for(lambda: self._is_next(me), timeout_s)
            finally:
                line.remove(me)
                self._changed.notify_all()
            if not got:
                raise StoreBusyError("store_busy", "another writer of this daemon takes too long")
            self._inside = True
        try:
            yield
        finally:
            with self._changed:
                self._inside = False
                self._changed.notify_all()

    @property
    def is_awaited(self) -> bool:
        """Whether an urgent thread waits: who is inside should come to an end."""
        return bool(self._urgent)

    def _is_next(self, me: object) -> bool:
        return not self._inside and (self._urgent or self._work)[0] is me
