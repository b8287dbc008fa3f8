"""
Sight: how much of the news we see, judged every second or three, and what follows from too little.

Invariants:
    Without good sight nothing leaves (inhibit ``sight``). It lifts by itself only when sight is
    good again and every feed not in back-off has ended one poll since, with its items graded.
    When the last good sight in the store is older than ``blind_after``, a human is told (cause
    ``blind``). At start this is judged when the first round has ended, or after five minutes.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise
from statistics import median
from typing import Any

from killswitch.clock import Clock
from killswitch.latch import CauseKind, InhibitKind, Inhibits
from killswitch.queue.durations import format_duration
from killswitch.store import facts, news
from killswitch.store.engine import Store
from killswitch.store.latch import NewCause
from killswitch.trip import trip
from killswitch.watch import rhythm
from killswitch.watch.rhythm import AHEAD, FeedHealth, FeedKind, Sight
from killswitch.watch.watcher import Feed
from killswitch.wire import FeedDoc, z_or_none

# Good sight is judged again after this: reading the rows of 1,000 feeds each second is a burden.
JUDGE_GOOD_EVERY_S = 3.0
# A judgement older than this is none: the thread that makes it may be dead.
JUDGEMENT_LASTS_S = 10.0
# The first judgement of blindness waits for the first round, but no longer than this.
FIRST_ROUND_MAX_S = 300.0
# How often the last good sight is written down, at most; blindness is counted in minutes.
WRITE_EVERY_S = 10.0
# Where blindness is counted in seconds, this often within it: an old note must not look blind.
WRITES_WITHIN_BLIND = 6
# A feed's rhythm changes slowly; reading its items anew more often would only cost time.
RHYTHM_EVERY_S = 300.0


@dataclass(frozen=True, slots=True)
class SightPolicy:
    """The settings that say when sight is good; durations as ``timedelta``, a share 0 to 1."""

    fresh: timedelta
    blind_after: timedelta
    min_alive: float
    max_item_age: timedelta
    outlets: int
    single_trusted: bool


class Eyes:
    """Judges sight; asked by the gate from any thread."""

    def __init__(
        self,
        store: Store,
        *,
        clock: Clock,
        feeds: Sequence[Feed],
        policy: SightPolicy,
        inhibits: Inhibits,
        on_trip: Callable[[], None],
    ) -> None:
        """Begin without sight."""
        self._store = store
        self._clock = clock
        self._feeds = {feed.name: feed for feed in feeds}
        self._policy = policy
        self._inhibits = inhibits
        self._on_trip = on_trip
        self._sight = Sight(
            ok=False,
            alive=0,
            feeds=len(feeds),
            outlets_alive=0,
            dead=tuple(self._feeds),
            why="the feeds have not been read yet",
        )
        self._judged_s = float("-inf")
        self._written_s = float("-inf")
        blind_s = policy.blind_after.total_seconds()
        self._write_every_s = min(WRITE_EVERY_S, blind_s / WRITES_WITHIN_BLIND)
        self._started_s = clock.boot_s()
        self._lost_at: datetime | None = clock.now()
        self._rhythms: dict[str, tuple[float, tuple[datetime, ...]]] = {}
        self.first_round = threading.Event()
        # The guard judges in its turns, a resume in between: one at a time.
        self._judging = threading.Lock()
        self._first_judged = False

    def take_over(self, before: Eyes) -> None:
        """Go on from the eyes of the configuration before: a reload is no loss of sight."""
        self._lost_at = before._lost_at
        self._started_s = before._started_s
        self._first_judged = before._first_judged
        if before.first_round.is_set():
            self.first_round.set()

    def look_anew(self) -> None:
        """Begin as at a start, because the machine was asleep: the next full round decides."""
        now = self._clock.now()
        self._inhibits.open(InhibitKind.SIGHT, "the machine was asleep", now=now)
        self._lost_at = now
        self._started_s = self._clock.boot_s()
        self._first_judged = False
        self.first_round.clear()

    def sight(self) -> Sight:
        """Return the latest judgement."""
        return self._sight

    def is_fresh(self) -> bool:
        """Say whether sight is good and was judged just now."""
        return self._sight.ok and self._clock.boot_s() - self._judged_s < JUDGEMENT_LASTS_S

    def judge_in_turn(self) -> None:
        """Judge sight, unless it was good just now: it is lost over minutes, found at once."""
        with self._judging:
            is_good = self._sight.ok and self._lost_at is None and self._first_judged
            wait_s = min(JUDGE_GOOD_EVERY_S, self._write_every_s)
            if not is_good or self._clock.boot_s() - self._judged_s >= wait_s:
                self._judge()

    def judge(self) -> Sight:
        """Judge sight now; set or lift the inhibit; write it down; open ``blind`` if need be."""
        with self._judging:
            return self._judge()

    def _judge(self) -> Sight:
        # Asked before the feeds' rows are read: a first round that ends in between is not in them.
        may_be_blind = self._may_judge_blindness()
        now = self._clock.now()
        with self._store.read() as conn:
            rows = news.feed_rows(conn, self._feeds)
            last_good = facts.get_time(conn, "last_sight")
            created = facts.get_time(conn, "created_at")
        health = [self._health(feed, rows.get(name)) for name, feed in self._feeds.items()]
        policy = self._policy
        self._sight = rhythm.sight(
            health,
            now,
            fresh=policy.fresh,
            min_alive=policy.min_alive,
            outlets=policy.outlets,
            single_trusted=policy.single_trusted,
        )
        self._judged_s = self._clock.boot_s()
        self._set_inhibit(rows, now)
        if may_be_blind:
            self._note_sight(last_good or created or now, now)
        return self._sight

    def _health(self, feed: Feed, row: Any) -> FeedHealth:
        return FeedHealth(
            name=feed.name,
            newsroom=feed.group or feed.outlet,
            kind=FeedKind(feed.kind),
            trusted=feed.trusted,
            last_good=row.graded_at if row else None,
            newest_item_at=row.newest_item_at if row else None,
            item_times=self._rhythm(feed.name) if row and row.graded_at else (),
        )

    def _rhythm(self, name: str) -> tuple[datetime, ...]:
        read_s, times = self._rhythms.get(name, (float("-inf"), ()))
        if self._clock.boot_s() - read_s > RHYTHM_EVERY_S:
            with self._store.read() as conn:
                times = tuple(news.item_times(conn, name, now=self._clock.now()))
            self._rhythms[name] = (self._clock.boot_s(), times)
        return times

    def _set_inhibit(self, rows: Any, now: datetime) -> None:
        if not self._sight.ok:
            if self._lost_at is None or self._lost_at > now:
                self._lost_at = now
            self._inhibits.open(InhibitKind.SIGHT, self._sight.why, now=now)
        elif self._lost_at is not None and self._all_read_since(rows, self._lost_at, now):
            self._lost_at = None
            self._inhibits.lift(InhibitKind.SIGHT)

    def _all_read_since(self, rows: Any, since: datetime, now: datetime) -> bool:
        """Say whether each feed that is not in back-off was polled and graded since then."""
        for row in rows.values():
            if row.backoff_until is not None and row.backoff_until > now:
                continue
            polled = row.last_poll_at is not None and since <= row.last_poll_at <= now + AHEAD
            failed = row.failures > 0
            graded = row.graded_at is not None and row.graded_at >= since
            if not polled or not (graded or failed):
                return False
        return True

    def _note_sight(self, last_good: datetime, now: datetime) -> None:
        if last_good > now + AHEAD:
            # Blindness counts from here: what a wrong clock wrote would hide it for as long.
            last_good = now
            with self._store.write() as conn:
                facts.put_time(conn, "last_sight", now)
        gap = now - last_good
        too_long = self._policy.blind_after
        if self._sight.ok and not self._first_judged:
            # A good first round heals a gap that the feeds themselves still cover.
            too_long = self._policy.max_item_age
        self._first_judged = True
        if gap > too_long:
            self._open_blind(last_good, now)
        if self._sight.ok and self._clock.boot_s() - self._written_s > self._write_every_s:
            with self._store.write() as conn:
                facts.put_time(conn, "last_sight", now)
            self._written_s = self._clock.boot_s()

    def _may_judge_blindness(self) -> bool:
        waited_s = self._clock.boot_s() - self._started_s
        return self.first_round.is_set() or waited_s > FIRST_ROUND_MAX_S

    def _open_blind(self, last_good: datetime, now: datetime) -> None:
        minutes = int((now - last_good).total_seconds() // 60)
        why = self._sight.why or "it is seen again now"
        reason = f"the news was not seen for {minutes} min: {why}"
        with self._store.write() as conn:
            done = trip(conn, NewCause(CauseKind.BLIND, "sight", reason), now=now)
        if done.new:
            self._on_trip()

    def feed_docs(self) -> list[FeedDoc]:
        """Tell the health of every feed."""
        now = self._clock.now()
        with self._store.read() as conn:
            rows = news.feed_rows(conn, self._feeds)
        return [self._feed_doc(feed, rows.get(name), now) for name, feed in self._feeds.items()]

    def _feed_doc(self, feed: Feed, row: Any, now: datetime) -> FeedDoc:
        health = self._health(feed, row)
        frozen = _is_frozen(health, now)
        gap = _usual_gap(health)
        problem = row.problem if row else None
        return {
            "name": feed.name,
            "outlet": feed.outlet,
            "kind": feed.kind,
            "alive": rhythm.counts(health, now, fresh=self._policy.fresh),
            "frozen": frozen,
            "last_good_at": z_or_none(row.last_good_at) if row else None,
            "newest_item_at": z_or_none(health.newest_item_at),
            "gap_median_s": gap.total_seconds() if gap else None,
            "failures": row.failures if row else 0,
            "problem": problem or (_why_frozen(health, gap, now) if frozen else None),
            "next_poll_at": z_or_none(row.next_poll_at) if row else None,
        }


def _is_frozen(health: FeedHealth, now: datetime) -> bool:
    """Say whether a feed that answers shows nothing new; a calm planet is no fault."""
    if health.kind is FeedKind.ALERT or health.last_good is None:
        return False
    return rhythm.is_frozen(health.newest_item_at, health.item_times, now)


def _usual_gap(health: FeedHealth) -> timedelta | None:
    """Return the median time between two entries, or None where there are not two."""
    times = sorted(set(health.item_times))
    gaps = [(later - earlier).total_seconds() for earlier, later in pairwise(times)]
    return timedelta(seconds=median(gaps)) if gaps else None


def _why_frozen(health: FeedHealth, gap: timedelta | None, now: datetime) -> str:
    """Say what is missing (``feeds``, column PROBLEM)."""
    if health.newest_item_at is None:
        return "the feed lists no entries"
    age = format_duration(now - health.newest_item_at)
    if not gap:
        return f"nothing new for {age}"
    return f"nothing new for {age}; usually something each {format_duration(gap)}"
