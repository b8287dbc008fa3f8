"""
Polls under way: many hosts at once, and nobody waits for the slowest.

Invariants:
    At most one request at a time goes to a host, and a feed is polled once at a time: over a
    reload too, for the next watcher takes the lines over.
    Feeds that failed or were slow when last asked have threads of their own and take none from
    the others.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import ExitStack
from dataclasses import dataclass

from killswitch.net import Door, Session

# Polls at once; httpx stops gaining at about 50 for CPU.
THREADS = 24
SLOW_THREADS = 12


@dataclass(frozen=True, slots=True)
class Polled:
    """What one poll came to: whether it read the feed, and how many items are to be graded."""

    feed: str
    ok: bool
    new: int


@dataclass(frozen=True, slots=True)
class Job:
    """One feed to poll: the door that its session is opened at, and what to do with it."""

    feed: str
    door: Door
    poll: Callable[[Session], Polled]


class Lines:
    """A line of jobs for each host, and the threads that work them off."""

    def __init__(self) -> None:
        """Begin with no poll under way and no thread."""
        # Held while a watcher chooses what is due, so that two choices never overlap.
        self.choosing = threading.Lock()
        self._lock = threading.Lock()
        self._lines: dict[str, deque[tuple[Job, Future[Polled]]]] = {}
        self._under_way: dict[str, Future[Polled]] = {}
        # Hosts that wait for a thread, and threads that run: of the quick ones and the slow ones.
        self._waiting: dict[bool, deque[str]] = {False: deque(), True: deque()}
        self._running = {False: 0, True: 0}
        self._fault: BaseException | None = None

    def under_way(self) -> dict[str, Future[Polled]]:
        """
        Return the polls that have not ended, by feed.

        Raises:
            BaseException: What a poll raised after its round had gone on without it.
        """
        with self._lock:
            if self._fault is not None:
                raise self._fault
            return dict(self._under_way)

    def send(self, host: str, jobs: Sequence[Job], *, slow: bool) -> list[Future[Polled]]:
        """Put jobs at the end of a host's line; none of their feeds may be under way."""
        made: list[Future[Polled]] = []
        with self._lock:
            for job in jobs:
                made.append(Future())
                self._under_way[job.feed] = made[-1]
            entries = zip(jobs, made, strict=True)
            if host in self._lines:
                self._lines[host].extend(entries)
            else:
                self._lines[host] = deque(entries)
                self._waiting[slow].append(host)
                self._hire(slow=slow)
        return made

    def _hire(self, *, slow: bool) -> None:
        if self._running[slow] < (SLOW_THREADS if slow else THREADS):
            self._running[slow] += 1
            # A daemon: a feed that drips must not hold up the end of the process.
            threading.Thread(target=self._work, args=(slow,), name="poll", daemon=True).start()

    def _work(self, slow: bool) -> None:  # noqa: FBT001 - handed over by a thread
        try:
            while (host := self._next_host(slow=slow)) is not None:
                self._serve(host)
        except BaseException as error:  # noqa: BLE001 - raised again in the next round
            with self._lock:
                self._fault = self._fault or error

    def _serve(self, host: str) -> None:
        """Work a host's line off, over one session as long as its door is the same."""
        with ExitStack() as stack:
            door, session = None, None
            for job, future in self._jobs(host):
                if job.door is not door or session is None:
                    stack.close()
                    door, session = job.door, stack.enter_context(job.door.session())
                self._do(job, future, session)

    def _next_host(self, *, slow: bool) -> str | None:
        with self._lock:
            if self._waiting[slow]:
                return self._waiting[slow].popleft()
            self._running[slow] -= 1
            return None

    def _jobs(self, host: str) -> Iterator[tuple[Job, Future[Polled]]]:
        while True:
            with self._lock:
                line = self._lines[host]
                if not line:
                    del self._lines[host]
                    return
                entry = line.popleft()
            yield entry

    def _do(self, job: Job, future: Future[Polled], session: Session) -> None:
        try:
            done = job.poll(session)
        except BaseException as error:  # noqa: BLE001 - raised again in the round, or in the next
            self._end(job, error)
            future.set_exception(error)
        else:
            self._end(job, None)
            future.set_result(done)

    def _end(self, job: Job, error: BaseException | None) -> None:
        with self._lock:
            del self._under_way[job.feed]
            self._fault = self._fault or error
