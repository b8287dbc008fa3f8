"""
One writer at a time, and a pause goes first.

SQLite has one write lock and no queue for it: a waiting connection sleeps and tries again, so a
busy import could starve a pause for long. Inside the daemon writers take turns here instead; an
urgent one waits for at most the one transaction that is running (none is longer than 50 ms).
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator

from killswitch.errors import StoreBusyError


class Turnstile:
    """Lets one thread through at a time, the urgent ones first."""

    def __init__(self) -> None:
        """Begin with nobody inside."""
        self._changed = threading.Condition()
        self._inside = False
        self._urgent = 0

    @contextlib.contextmanager
    def turn(self, *, urgent: bool, timeout_s: float) -> Iterator[None]:
        """
        Wait for a turn, hold it for the block.

        Raises:
            StoreBusyError: No turn came within ``timeout_s`` seconds.
        """
        with self._changed:
            self._urgent += urgent
            try:
                got = self._changed.wait_for(lambda: self._is_free(urgent=urgent), timeout_s)
            finally:
                self._urgent -= urgent
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

    def _is_free(self, *, urgent: bool) -> bool:
        return not self._inside and (urgent or self._urgent == 0)
