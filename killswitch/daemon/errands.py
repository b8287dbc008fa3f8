"""
Calls to networks beside the gate: looking for posts, taking posts down.

Each channel has one call at a time, in a thread of a small pool, so that a slow network delays only
itself, and neither a pause nor the gate ever waits for one.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor

import structlog

from killswitch.errors import TransientError

_log = structlog.get_logger(__name__)
# Networks that may be slow at the same time before others wait for them.
THREADS = 4


class Errands:
    """The calls of one kind."""

    def __init__(self, name: str, *, on_fault: Callable[[BaseException], None]) -> None:
        """Start no thread yet; ``on_fault`` is told of errors that nobody expected."""
        self._pool = ThreadPoolExecutor(THREADS, name)
        self._on_fault = on_fault
        self._busy: dict[str, Future[None]] = {}

    def is_free(self, channel: str) -> bool:
        """Say whether a channel may be called."""
        running = self._busy.get(channel)
        return running is None or running.done()

    def start(self, channel: str, errand: Callable[[], None]) -> None:
        """Do something with a channel that is free, in a thread."""
        self._busy[channel] = self._pool.submit(self._run, channel, errand)

    def _run(self, channel: str, errand: Callable[[], None]) -> None:
        try:
            errand()
        except TransientError as error:
            # Nothing was written: the next round finds the same to do.
            _log.warning("errand.store_failed", channel=channel, problem=error.message)
        except BaseException as error:
            self._on_fault(error)
            raise

    def close(self) -> None:
        """Wait for the calls that are on their way; no other starts."""
        self._pool.shutdown(wait=True, cancel_futures=True)
