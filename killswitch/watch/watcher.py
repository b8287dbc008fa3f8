"""
Read the feeds: who is due, politely and many at once, each result stored in one transaction.

Invariants:
    A feed's validators are stored with the last of its items, so no item is lost to a crash.
    A round does not wait for the slowest: what is still under way ends by itself, and the others
    are asked again at their time.
    One watcher works at a time. What one brings of an address that a reload changed is dropped.
    A feed that can't be stored is as good as not read: its row does not change, and it is asked
    again after its interval, not at once.
"""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Future, wait
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial
from typing import Any
from urllib.parse import urlsplit

import structlog

from killswitch.clock import Clock
from killswitch.errors import TransientError
from killswitch.failpoints import passing
from killswitch.net import Door, Session
from killswitch.news.record import Story, renamed
from killswitch.store import news
from killswitch.store.engine import Connection, Store
from killswitch.store.news import NewItem, Voice
from killswitch.watch import fetch
from killswitch.watch.fetch import Failed, Fresh, Gone, UnchangedBody, Validators
from killswitch.watch.lines import Job, Lines, Polled
from killswitch.watch.parse import RawItem
from killswitch.watch.parsers import Parsers
from killswitch.watch.rhythm import AHEAD, next_poll

_log = structlog.get_logger(__name__)

# Spreads polls so that feeds do not fall into step; nothing secret hangs on it.
_JITTER = random.SystemRandom()
# A round waits so long for its polls, unless another feed is due before; a look so long (a resume
# has 30 s for looking and grading).
ROUND_S = 5.0
WAIT_LOOK_S = 25.0
# Items a transaction: of a thousand long ones it would last four times the 50 ms that it may.
BITE = 100
# Stories without a headline for longer are over (detect.mute_max is 30 days).
RENAMED_SINCE = timedelta(days=90)
_TOO_MUCH = f"it brings more than is kept: the oldest beyond {news.STORED_MOST} are forgotten"
# A look skips feeds that were read so recently (design section 4).
JUST_READ = timedelta(seconds=60)
# A feed that its server calls gone is asked once a day, in case the server was wrong.
GONE_WAIT = timedelta(days=1)


# What the detector reads of a summary; months of headlines are kept.
SUMMARY_KEPT = 300
# An alert whose grade or state changes under the same id and headline is looked at again.
_ALERT_LEVELS = ("gdacs:alertlevel", "usgs:alert", "usgs:status", "cap:severity", "cap:msgtype")


@dataclass(frozen=True, slots=True)
class Feed:
    """One watched address and the newsroom behind it; durations as ``timedelta``."""

    name: str
    url: str
    outlet: str
    group: str
    kind: str
    trusted: bool
    interval: timedelta
    language: str | None = None
    country: str | None = None

    @property
    def newsroom(self) -> str:
        """What counts as one voice: the group, else the outlet."""
        return self.group or self.outlet


@dataclass(frozen=True, slots=True)
class WatchPolicy:
    """The settings of ``[watch]``."""

    fresh: timedelta
    max_item_age: timedelta


@dataclass(frozen=True, slots=True)
class Round:
    """
    What one round of polls came to.

    Attributes:
        polled: Feeds that were asked and have ended.
        failed: Those of them that could not be read.
        new_items: Items that are to be graded.
        under_way: Feeds that are still being asked, by this round or one before.
        next_at: When the next feed is due.
    """

    polled: int = 0
    failed: tuple[str, ...] = ()
    new_items: int = 0
    under_way: tuple[str, ...] = ()
    next_at: datetime | None = None


class Watcher:
    """Polls the configured feeds."""

    def __init__(
        self,
        store: Store,
        *,
        clock: Clock,
        door: Door,
        parsers: Parsers,
        feeds: Sequence[Feed],
        policy: WatchPolicy,
        on_new: Callable[[], None],
        round_s: float = ROUND_S,
    ) -> None:
        """Watch ``feeds``; call ``on_new`` after each poll that stored something to grade."""
        self._store = store
        self._clock = clock
        self._door = door
        self._parsers = parsers
        self._feeds = {feed.name: feed for feed in feeds}
        self._policy = policy
        self._on_new = on_new
        self._round_s = round_s
        self._lines = Lines()
        self._retired = False
        # What was read but could not be stored, with the boot time until which it is not asked.
        self._unstored: dict[str, float] = {}
        # Feeds in back-off because their server asked for time (Retry-After).
        self._asked_for_time: set[str] = set()

    @property
    def feeds(self) -> Iterable[Feed]:
        """The configured feeds, in their order."""
        return self._feeds.values()

    def take_over(self, before: Watcher) -> None:
        """Watch in the place of ``before``, which asks nobody any more; its requests end."""
        self._lines = before._lines
        self._asked_for_time = before._asked_for_time
        with self._lines.choosing:
            before._retired = True

    def start(self) -> None:
        """Give every feed its row, and call newsrooms in the stories as they are called now."""
        voices = {feed.name: Voice(feed.outlet, feed.newsroom) for feed in self.feeds}
        with self._store.write() as conn:
            news.ensure_feeds(conn, {feed.name: feed.url for feed in self.feeds})
            names = news.name_voices(conn, voices)
            if names:
                _rename_newsrooms(conn, names, since=self._clock.now() - RENAMED_SINCE)

    def round(self) -> Round:
        """Poll every feed that is due."""
        now = self._clock.now()
        asked = self._send_out(
            lambda row: row.next_poll_at is None or row.next_poll_at <= now or _is_ahead(row, now)
        )
        next_at = self._next_due()
        until_s = (next_at - now).total_seconds() if next_at else self._round_s
        wait(asked, timeout=min(self._round_s, max(0.0, until_s)))
        return self._came(asked)

    def look(self, *, by_human: bool = False) -> Round:
        """
        Poll every feed that was not read just now, due or not, but for those in back-off.

        A human who asks knows that they may answer again: then only those rest whose server
        itself asked for time. What does not end in time counts as failed.
        """
        now = self._clock.now()

        def wanted(row: Any) -> bool:
            just_read = row.last_good_at is not None and now - row.last_good_at < JUST_READ
            backing_off = row.backoff_until is not None and row.backoff_until > now
            rests = backing_off and (not by_human or row.name in self._asked_for_time)
            return _is_ahead(row, now) or (not just_read and not rests)

        asked = self._send_out(wanted)
        wait(asked, timeout=WAIT_LOOK_S)
        came = self._came(asked)
        return replace(came, failed=(*came.failed, *came.under_way))

    def _came(self, asked: Sequence[Future[Polled]]) -> Round:
        """Tell what the polls have come to until now."""
        ended = [one.result() for one in asked if one.done()]
        under_way = self._lines.under_way()
        return Round(
            polled=len(ended),
            failed=tuple(one.feed for one in ended if not one.ok),
            new_items=sum(one.new for one in ended),
            under_way=tuple(name for name in self._feeds if name in under_way),
            next_at=self._next_due(),
        )

    def _next_due(self) -> datetime | None:
        """Say when the next feed is due that is not being asked already."""
        under_way = self._lines.under_way()
        with self._store.read() as conn:
            rows = news.feed_rows(conn, self._feeds)
        later = [self._next_at(row) for row in rows.values() if row.name not in under_way]
        return min((at for at in later if at is not None), default=None)

    def _send_out(self, wanted: Callable[[Any], bool]) -> list[Future[Polled]]:
        """Ask what is wanted and not being asked already; return all polls to wait for."""
        with self._lines.choosing:
            if self._retired:
                return []
            under_way = self._lines.under_way()
            with self._store.read() as conn:
                rows = news.feed_rows(conn, self._feeds)
            due = [row for row in rows.values() if wanted(row) and not self._waits_s(row.name)]
            sent = self._send([row for row in due if row.name not in under_way])
        return sent + [under_way[row.name] for row in due if row.name in under_way]

    def _send(self, due: Sequence[Any]) -> list[Future[Polled]]:
        by_host: dict[str, list[Any]] = defaultdict(list)
        for row in sorted(due, key=lambda row: row.failures):
            by_host[urlsplit(self._feeds[row.name].url).netloc].append(row)
        sent: list[Future[Polled]] = []
        for host, rows in by_host.items():
            slow = any(row.failures or self._parsers.is_slow(row.name) for row in rows)
            jobs = [Job(row.name, self._door, partial(self._one, row)) for row in rows]
            sent += self._lines.send(host, jobs, slow=slow)
        return sent

    def _waits_s(self, name: str) -> float:
        """Say for how many seconds a feed that could not be stored is not asked."""
        return max(0.0, self._unstored.get(name, 0.0) - self._clock.boot_s())

    def _next_at(self, row: Any) -> datetime | None:
        wait_s = self._waits_s(row.name)
        again = self._clock.now() + timedelta(seconds=wait_s) if wait_s else None
        return max((at for at in (row.next_poll_at, again) if at is not None), default=None)

    def _one(self, row: Any, session: Session) -> Polled:
        feed = self._feeds[row.name]
        if self._retired:  # sent, but not begun when another configuration came
            return Polled(feed.name, ok=False, new=0)
        validators = Validators(row.etag, row.last_modified, row.body_hash)
        result = fetch.poll(
            session,
            feed.url,
            validators,
            child=self._parsers.of(feed.name),
            now=self._clock.now(),
        )
        passing("ingest.after_fetch")
        now = self._clock.now()
        items = self._new_items(row, result, now) if isinstance(result, Fresh) else []
        values = self._values(feed, row, result, now, items)
        try:
            new = self._store_poll(feed, items, values, now)
        except TransientError as error:
            _log.warning("feed.not_stored", feed=feed.name, problem=error.message)
            self._unstored[feed.name] = self._clock.boot_s() + feed.interval.total_seconds()
            return Polled(feed.name, ok=False, new=0)
        self._unstored.pop(feed.name, None)
        self._note_asked(feed.name, result)
        ok = not isinstance(result, Failed | Gone)
        if not ok:
            _log.warning("feed.failed", feed=feed.name, problem=values["problem"])
        if new:
            self._on_new()
        return Polled(feed.name, ok=ok, new=new)

    def _note_asked(self, name: str, result: fetch.PollResult) -> None:
        if isinstance(result, Failed) and result.retry_after_s:
            self._asked_for_time.add(name)
        else:
            self._asked_for_time.discard(name)

    def _store_poll(
        self, feed: Feed, items: Sequence[NewItem], values: Mapping[str, Any], now: datetime
    ) -> int:
        """Store what a poll brought, bite by bite, unless the feed has another address by now."""
        new, is_over = 0, False
        for start in range(0, max(len(items), 1), BITE):
            bite, is_last = items[start : start + BITE], start + BITE >= len(items)
            with self._store.write() as conn:
                if news.lock_feed(conn, feed.name) != feed.url:
                    return new
                is_over = is_last and news.stored(conn, feed.name) + len(bite) > news.STORED_MOST
                if is_over:
                    values = {**values, "problem": values.get("problem") or _TOO_MUCH}
                new += news.ingest(conn, feed.name, bite, values=values if is_last else {}, now=now)
                if is_last:
                    news.mark_graded(conn, feed.name)
                passing("ingest.before_commit")
            passing("ingest.after_commit")
        if is_over:
            self._forget_surplus(feed)
        return new

    def _forget_surplus(self, feed: Feed) -> None:
        """Keep what is stored of one feed bounded, in bites, however much it shows."""
        done = BITE
        while done == BITE:
            with self._store.write() as conn:
                done = news.bound(conn, feed.name, limit=BITE)

    def _new_items(self, row: Any, read: Fresh, now: datetime) -> list[NewItem]:
        feed = self._feeds[row.name]
        priming = row.last_good_at is None
        # Old is what is old by both clocks: ours may have been stepped ahead, and a headline that
        # is recorded silently is never graded.
        today = min(now, read.date or now)
        return [self._new_item(feed, raw, today, priming=priming) for raw in read.feed.items]

    def _new_item(self, feed: Feed, raw: RawItem, today: datetime, *, priming: bool) -> NewItem:
        alert = feed.kind == "alert"
        # An alert that is brought up to date is new, whenever its event was.
        at = (raw.updated or raw.published) if alert else raw.published
        too_old = at is not None and today - at > self._policy.max_item_age
        level = " ".join(raw.extra.get(key, "") for key in _ALERT_LEVELS) if alert else ""
        return NewItem(
            guid=news.item_guid(raw.guid, raw.title + level),
            title=raw.title,
            summary=raw.summary[:SUMMARY_KEPT],
            url=raw.url,
            lang=raw.lang or feed.language,
            published=raw.published,
            # A new feed's undated entries may be years old: recorded, but not news.
            silent=too_old or (priming and at is None),
            fields=raw.extra if alert else None,
        )

    def _values(
        self,
        feed: Feed,
        row: Any,
        result: fetch.PollResult,
        now: datetime,
        items: Sequence[NewItem],
    ) -> Mapping[str, Any]:
        values: dict[str, Any] = {"last_poll_at": now}
        if row.first_poll_at is None:
            values["first_poll_at"] = now
        if isinstance(result, Failed | Gone):
            return values | self._failure(feed, row, result, now)
        ttl_s = result.feed.ttl_s if isinstance(result, Fresh) else row.ttl_s
        values |= {
            "last_good_at": now,
            "failures": 0,
            # Of the same bytes the same is wrong; what a failed poll said is over.
            "problem": None if row.failures else row.problem,
            "backoff_until": None,
            "ttl_s": ttl_s,
            "next_poll_at": next_poll(
                now,
                interval=feed.interval,
                fresh=self._policy.fresh,
                jitter=_JITTER.random(),
                ttl=timedelta(seconds=ttl_s) if ttl_s else None,
            ),
        }
        if isinstance(result, Fresh | UnchangedBody):
            values |= {
                "etag": result.validators.etag,
                "last_modified": result.validators.last_modified,
                "body_hash": result.validators.body_hash,
            }
        if isinstance(result, Fresh):
            values["shown_from"] = now - news.SHOWN_WITHIN
            values["problem"] = result.feed.problem
            if not items:  # it shows nothing, whatever it showed before
                values["newest_item_at"] = None
        return values

    def _failure(
        self, feed: Feed, row: Any, result: Failed | Gone, now: datetime
    ) -> dict[str, Any]:
        failures = row.failures + 1
        if isinstance(result, Gone):
            at = now + GONE_WAIT
        else:
            asked = result.retry_after_s
            at = next_poll(
                now,
                interval=feed.interval,
                fresh=self._policy.fresh,
                jitter=_JITTER.random(),
                failures=failures,
                retry_after=timedelta(seconds=asked) if asked else None,
            )
        # The first retry comes after one interval; only what is later is a back-off.
        backoff = at if failures > 1 or at - now > 2 * feed.interval else None
        return {
            "failures": failures,
            "problem": result.message,
            "next_poll_at": at,
            "backoff_until": backoff,
        }


def _rename_newsrooms(conn: Connection, names: Mapping[str, str], *, since: datetime) -> None:
    """Rewrite the stories that the old names stand in: a rare act of whoever configures."""
    for row in news.recent_stories(conn, since=since):
        before = Story.from_json(row.body)
        after = renamed(before, names)
        if after != before:
            news.save_stories(conn, [{"id": row.id, "body": after.to_json()}])


def _is_ahead(row: Any, now: datetime) -> bool:
    """Say whether the last poll was stamped by a clock that has been stepped back since."""
    return row.last_poll_at is not None and row.last_poll_at > now + AHEAD
