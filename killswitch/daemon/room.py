"""
Wait for room where the disk is full at start: nothing is sent, and nothing is called damaged.

Invariant: while this waits no loop runs, so nothing can leave; a pause goes into the flag
directory, onto blocks that were put aside, and becomes a cause once there is room.
"""

from __future__ import annotations

import errno
import threading
from collections.abc import Callable
from typing import TypeVar

import structlog

from killswitch.clock import Clock
from killswitch.daemon import systemd
from killswitch.store.engine import StoreFullError

_log = structlog.get_logger(__name__)
_T = TypeVar("_T")

RETRY_S = 2.0
# systemd is asked for so much more time at each try, else it would call the start failed.
_MORE_TIME_US = 60_000_000


def with_room(step: Callable[[], _T], *, clock: Clock, stop: threading.Event) -> _T:
    """
    Do a step of the start, again and again while the disk has no room for it.

    Args:
        step: May be done twice; what it began is rolled back when it fails.
        clock: Waits.
        stop: Somebody wants the daemon to end.

    Raises:
        StoreFullError: It was to end before there was room.
    """
    told = False
    while True:
        try:
            return step()
        except StoreFullError as error:
            full = error
        except OSError as error:
            if error.errno != errno.ENOSPC:
                raise
            full = StoreFullError(
                "store_full",
                f"the disk is full ({error.filename}); nothing is sent",
                "make room on the disk of the state directory",
            )
        if not told:
            _log.error("store.full", problem=full.message, hint=full.hint)
            told = True
        status = "the disk is full: nothing leaves until there is room"
        systemd.notify(f"EXTEND_TIMEOUT_USEC={_MORE_TIME_US}\nSTATUS={status}")
        clock.wait(stop, RETRY_S)
        if stop.is_set():
            raise full
