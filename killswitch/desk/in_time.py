"""
Read what may hang, and tell in time that it does: the status must not wait for a silent server.

No time-out of a driver covers a server that takes the question and says nothing: its machine is
frozen, the network swallows. Such a reading is left behind in its thread, and until it has ended
nobody else begins one.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Generic, TypeVar

from killswitch.errors import StoreBusyError

_T = TypeVar("_T")

LIMIT_S = 3.0
"""Below what ``killswitch status`` waits for its answer (5 s)."""


class _Reading(Generic[_T]):
    """One call in a thread of its own."""

    def __init__(self, call: Callable[[], _T], ended: Callable[[], None]) -> None:
        self._call = call
        self._ended = ended
        self.done = threading.Event()
        self.found: list[_T] = []
        self.failed: BaseException | None = None

    def run(self) -> None:
        try:
            self.found.append(self._call())
        except BaseException as error:  # noqa: BLE001 - raised again where it was asked for
            self.failed = error
        finally:
            self.done.set()
            self._ended()

    def result(self) -> _T:
        if self.failed is not None:
            raise self.failed
        return self.found[0]


class InTime:
    """Calls that are answered, or given up, within ``LIMIT_S``."""

    def __init__(self) -> None:
        """Begin with nothing that hangs."""
        self._lock = threading.Lock()
        self._hanging: set[int] = set()

    def read(self, call: Callable[[], _T]) -> _T:
        """
        Call in a thread and wait for it, but not for ever.

        Raises:
            StoreBusyError: It has not ended in time, or one before it still hangs.
        """
        with self._lock:
            if self._hanging:
                raise _silent()
        reading = _Reading(call, lambda: self._forget(id(reading)))
        threading.Thread(target=reading.run, name="status", daemon=True).start()
        if not reading.done.wait(LIMIT_S):
            with self._lock:
                if not reading.done.is_set():
                    self._hanging.add(id(reading))
                    raise _silent()
        return reading.result()

    def _forget(self, number: int) -> None:
        with self._lock:
            self._hanging.discard(number)


def _silent() -> StoreBusyError:
    return StoreBusyError("store_silent", f"the store has not answered within {LIMIT_S:.0f} s")
