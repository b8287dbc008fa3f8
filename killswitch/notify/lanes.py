"""
A few threads for slow work outside, each thing at most once at a time.

Invariant: nothing waits for a lane. What finds none free stays in the store and is asked for again
when one ends.
"""

from __future__ import annotations

import threading
from collections.abc import Callable


class Lanes:
    """Up to ``width`` jobs at once, each in a thread that dies with the process."""

    def __init__(self, width: int, *, name: str) -> None:
        """Start nothing yet; ``name`` begins the names of the threads."""
        self._width = width
        self._name = name
        self._busy: dict[str, threading.Thread] = {}
        self._fault: BaseException | None = None
        self._changed = threading.Condition()

    def free(self) -> int:
        """Say how many more jobs could start now."""
        with self._changed:
            return self._width - len(self._busy)

    def busy(self) -> frozenset[str]:
        """Return the keys of the jobs that run."""
        with self._changed:
            return frozenset(self._busy)

    def any_busy(self) -> bool:
        """Say whether any job runs."""
        with self._changed:
            return bool(self._busy)

    def start(self, key: str, job: Callable[[], None]) -> None:
        """Run ``job`` under ``key``; the caller has asked ``free`` and ``busy`` before."""
        thread = threading.Thread(
            target=self._run, args=(key, job), name=f"{self._name}-{key}", daemon=True
        )
        with self._changed:
            self._busy[key] = thread
        thread.start()

    def wait(self, timeout_s: float) -> bool:
        """Wait until any job ends, at most ``timeout_s`` seconds; False when none did."""
        with self._changed:
            before = len(self._busy)
            return before == 0 or self._changed.wait_for(
                lambda: len(self._busy) < before, timeout_s
            )

    def wait_all(self, timeout_s: float) -> bool:
        """Wait until no job runs, at most ``timeout_s`` seconds; False when one still does."""
        with self._changed:
            return self._changed.wait_for(lambda: not self._busy, timeout_s)

    def check(self) -> None:
        """Raise what a job raised: a fault in a thread must reach the supervisor."""
        with self._changed:
            fault, self._fault = self._fault, None
        if fault is not None:
            raise fault

    def _run(self, key: str, job: Callable[[], None]) -> None:
        fault: BaseException | None = None
        try:
            job()
        except BaseException as error:  # noqa: BLE001 - handed to the supervisor by check()
            fault = error
        with self._changed:
            self._fault = fault or self._fault
            del self._busy[key]
            self._changed.notify_all()
