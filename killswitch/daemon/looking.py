"""
The fresh look at the feeds that a resume stands on: everything read, graded, and judged.

Invariant: a look that failed, did not end in time, or left a headline ungraded is none. What was
not seen may be the very event that the queue must stop for, so the resume is refused.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection
from datetime import datetime

import structlog

from killswitch.clock import Clock
from killswitch.desk.context import Looked
from killswitch.errors import InvariantBroken
from killswitch.store import news
from killswitch.store.engine import Store
from killswitch.watch.rhythm import Sight

_log = structlog.get_logger(__name__)

# A resume looks at the feeds for at most this long (design section 4).
LOOK_S = 30.0
# Feeds that are named, when many headlines wait.
_WAITING = 100


def look_afresh(
    store: Store,
    clock: Clock,
    *,
    feeds: Collection[str],
    read: Callable[[], Collection[str]],
    grade: Callable[[], object],
    judge: Callable[[], Sight],
    on_fault: Callable[[BaseException], None],
) -> Looked:
    """
    Read and grade the feeds now, within ``LOOK_S`` seconds, and judge sight.

    Args:
        store: Where feeds and headlines stand.
        clock: Time.
        feeds: Names of the watched feeds.
        read: Polls them; returns the names of those that could not be read.
        grade: Grades all that waits.
        judge: Judges sight.
        on_fault: Told of a broken invariant, which nobody may keep to himself.
    """
    done, failed, problems = threading.Event(), list[str](), list[str]()
    read_at = [clock.now()]

    def look() -> None:
        try:
            failed.extend(read())
            read_at.append(clock.now())
            grade()
        except InvariantBroken as error:
            problems.append("the daemon failed inside")
            on_fault(error)
        except Exception as error:  # noqa: BLE001 - whatever it was, nothing was seen
            _log.warning("look.failed", problem=repr(error))
            problems.append(f"the look at the feeds failed: {error}")
        finally:
            done.set()

    before = _last_polls(store, feeds)
    threading.Thread(target=look, name="look", daemon=True).start()
    if not clock.wait(done, LOOK_S):
        problems.append(f"the look at the feeds did not end within {LOOK_S:g} s")
    sight = judge()
    ungraded = _ungraded(store, until=read_at[-1])
    if ungraded:
        problems.append("headlines were read and nobody has graded them yet")
    if problems:
        after = _last_polls(store, feeds)
        unread = tuple(name for name in feeds if after.get(name) == before.get(name))
        return Looked(len(feeds), ungraded or unread, sight, problems[0])
    return Looked(len(feeds), tuple(failed), sight)


def _last_polls(store: Store, feeds: Collection[str]) -> dict[str, object]:
    with store.read() as conn:
        return {name: row.last_poll_at for name, row in news.feed_rows(conn, feeds).items()}


def _ungraded(store: Store, *, until: datetime) -> tuple[str, ...]:
    """Name the feeds of headlines that came until then and still wait for the detector."""
    with store.read() as conn:
        rows = news.ungraded(conn, limit=_WAITING)
    return tuple(dict.fromkeys(row.feed for row in rows if row.first_seen <= until))
