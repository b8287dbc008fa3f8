"""
A long queue: what the daemon's own questions and transactions cost while it waits.

    .venv/bin/python -m bench.large --queued 115000

The real store, desk, sweep and guard without a daemon around them; the queue is written by SQL. One
line a step: CPU seconds of all of it, and the longest transactions, in CPU milliseconds.
"""

from __future__ import annotations

import argparse
import contextlib
import tempfile
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

from bench.measure import say
from killswitch.desk import clashing, holding
from killswitch.store.engine import Connection, Store
from killswitch.store.opening import open_store
from killswitch.wire import QueueFilter
from tests.store.made import furnish
from tests.unit.desk.house import LEA, NOW, House, a_story

CLASH_EACH = 200
"""One post in so many touches the event."""
LEAD_EACH = 100
"""One post in so many is due within the lead."""


class Watched(Store):
    """A store that keeps how long each transaction was, in CPU seconds of its thread."""

    def __init__(self, url: str) -> None:
        """Begin with none."""
        super().__init__(url)
        self.reads_s: list[float] = []
        self.writes_s: list[float] = []

    @contextlib.contextmanager
    def write(self, *, urgent: bool = False) -> Iterator[Connection]:
        """Run one write transaction."""
        with super().write(urgent=urgent) as conn, _timed(self.writes_s):
            yield conn

    @contextlib.contextmanager
    def read(self, *, urgent: bool = False) -> Iterator[Connection]:
        """Run one read transaction."""
        with super().read(urgent=urgent) as conn, _timed(self.reads_s):
            yield conn


@contextlib.contextmanager
def _timed(into: list[float]) -> Iterator[None]:
    began_s = time.thread_time()
    yield
    into.append(time.thread_time() - began_s)


def fill(store: Store, count: int) -> None:
    """Write posts by SQL, ten seconds apart from tomorrow on; some are due in 20 minutes."""
    made = f"{NOW:%Y-%m-%dT%H:%M:%S}.000000Z"
    numbers = f"WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {count})"  # noqa: S608 - a number
    soon, later = NOW + timedelta(minutes=20), NOW + timedelta(days=1)
    with store.write() as conn:
        conn.exec_driver_sql("INSERT INTO batches VALUES ('b1', ?, 'u1', ?)", (made, made))
        conn.exec_driver_sql(
            f"{numbers} INSERT INTO posts (id, queue, key, batch, text, media, tags, author,"  # noqa: S608 - numbers
            " created_at, content_hash) SELECT 'p' || lower(hex(randomblob(6))), 'main',"
            " 'key-' || i, 'b1', 'Post ' || i || CASE WHEN i % ? = 0 THEN ' by the lake of Annecy'"
            " ELSE ' about the new shoes in our shop' END, '[]', '[\"promo\"]', 'u1', ?, '' FROM n",
            (CLASH_EACH, made),
        )
        conn.exec_driver_sql(
            "INSERT INTO deliveries (id, post, batch, queue, channel, state, due_at, zone, wall,"
            " next_at, approved_hash, changed_at) SELECT 'd' || lower(hex(randomblob(6))), id,"
            " 'b1', 'main', 'log', 'scheduled', at, 'UTC', '', at, '', ? FROM (SELECT id,"
            " strftime('%Y-%m-%dT%H:%M:%f', CASE WHEN rowid % ? = 0 THEN ? ELSE datetime(?,"
            " '+' || (10 * rowid) || ' seconds') END) || '000Z' AS at FROM posts)",
            (made, LEAD_EACH, f"{soon:%F %T}", f"{later:%F %T}"),
        )


def measure(store: Watched, what: str, work: Callable[[], object]) -> None:
    """Do one thing and say what it cost."""
    store.reads_s.clear()
    store.writes_s.clear()
    began_s = time.thread_time()
    work()
    say(
        what=what,
        cpu_ms=round(1000 * (time.thread_time() - began_s)),
        reads=len(store.reads_s),
        longest_read_ms=round(1000 * max(store.reads_s, default=0.0), 1),
        writes=len(store.writes_s),
        longest_write_ms=round(1000 * max(store.writes_s, default=0.0), 1),
    )


def main() -> None:
    """Measure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--queued", type=int, default=115_000)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="ks", dir="/tmp") as folder:
        store = Watched(f"sqlite:///{folder}/killswitch.db")
        open_store(store)
        furnish(store)
        house = House(store, Path(folder) / "state")
        fill(store, asked.queued)
        for what, work in steps(house):
            measure(store, what, work)
        store.close()


def steps(house: House) -> list[tuple[str, Callable[[], object]]]:
    """Name what a long queue goes through, in order."""
    desk = house.desk

    def search() -> None:
        while clashing.scan(house.context, now=house.clock.now()):
            pass

    def resume() -> object:
        return desk.resume(house.latch().version, reason="bench", keep_held=True, caller=LEA)

    return [
        ("status", desk.status),
        ("queue list", lambda: desk.queue_list(QueueFilter(limit=200))),
        (
            "queue list by a tag of none",
            lambda: desk.queue_list(QueueFilter(tag="none", limit=200)),
        ),
        ("trip", lambda: house.trip(a_story())),
        ("hold for the pause", lambda: holding.hold_for_pause(house.context)),
        ("search for clashes", search),
        ("status, paused", desk.status),
        ("resume preview", desk.resume_preview),
        ("queue list of clashes", lambda: desk.queue_list(QueueFilter(clash=True, limit=200))),
        ("sweep", house.sweep.pass_once),
        ("guard", house.guard.step),
        ("resume", resume),
        ("sweep, resumed", house.sweep.pass_once),
    ]


if __name__ == "__main__":
    main()
