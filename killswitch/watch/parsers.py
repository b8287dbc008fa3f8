"""
The parser children: one for all feeds, and one aside for those that were slow in it.

One child reads one feed at a time, so a feed that burns its whole limit would hold up all others.

Invariants:
    A feed holds the others up for ``SOON_S`` at most. What takes longer is read again aside,
    and from then on at once aside, until it was quick ten times in a row.
    The second child lives only while somebody asks it: each costs some 16 MiB.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from killswitch.child import Child, ChildFailed
from killswitch.clock import SystemClock
from killswitch.watch.parse import Reader, parser

SOON_S = 2.0
"""Wall seconds in the common child: a long feed takes one or two, a usual one milliseconds."""

_QUICK_TIMES = 10


class Parsers:
    """The children; threads may share them."""

    def __init__(self, make: Callable[[], Child] = parser) -> None:
        """Start nothing yet."""
        self._common, self._aside = make(), make()
        self._clock = SystemClock()
        self._lock = threading.Lock()
        self._turn = threading.Lock()
        self._asking = 0
        self._closed = False
        # Feeds that were slow, and how many quick readings they still owe.
        self._owes: dict[str, int] = {}

    def of(self, feed: str) -> Reader:
        """Return who reads this feed."""
        return _ForFeed(self, feed)

    def is_slow(self, feed: str) -> bool:
        """Say whether this feed is read aside."""
        return feed in self._owes

    def close(self) -> None:
        """End the children for good; who asks or waits is refused."""
        self._closed = True
        self._common.close()
        self._aside.close()

    def call(
        self, feed: str, message: dict[str, Any], body: bytes, *, timeout_s: float
    ) -> dict[str, Any]:
        """
        Read one feed, in the common child where it may be.

        Raises:
            ChildFailed: As ``Child.call``.
        """
        if not self.is_slow(feed):
            try:
                return self._ask(self._common, message, body, timeout_s=min(SOON_S, timeout_s))
            except ChildFailed as error:
                if error.code != "fault":
                    self._owes[feed] = _QUICK_TIMES
                if error.code != "timeout":
                    raise
        with self._lock:
            self._asking += 1
        try:
            with self._turn:
                return self._call_aside(feed, message, body, timeout_s=timeout_s)
        finally:
            self._leave()

    def _call_aside(
        self, feed: str, message: dict[str, Any], body: bytes, *, timeout_s: float
    ) -> dict[str, Any]:
        owes, began_s = self._owes.get(feed, _QUICK_TIMES), self._clock.monotonic_s()
        self._owes[feed] = _QUICK_TIMES
        answer = self._ask(self._aside, message, body, timeout_s=timeout_s)
        if self._clock.monotonic_s() - began_s < SOON_S:
            self._owes[feed] = owes - 1
        if not self._owes[feed]:
            del self._owes[feed]
        return answer

    def _ask(
        self, child: Child, message: dict[str, Any], body: bytes, *, timeout_s: float
    ) -> dict[str, Any]:
        if self._closed:
            raise ChildFailed("closed", "the parsers have been closed")
        return child.call(message, body, timeout_s=timeout_s)

    def _leave(self) -> None:
        with self._lock:
            self._asking -= 1
            if not self._asking:
                self._aside.close()


@dataclass(frozen=True, slots=True)
class _ForFeed:
    parsers: Parsers
    feed: str

    def call(
        self, message: dict[str, Any], body: bytes = b"", *, timeout_s: float
    ) -> dict[str, Any]:
        return self.parsers.call(self.feed, message, body, timeout_s=timeout_s)
