"""
Read the feeds: who is due, politely and many at once, each result stored in one transaction.

Invariants:
    A feed's items and its validators are stored together, so no item is lost to a crash.
    At most one request at a time goes to a host.
    A feed that can't be stored is as good as not read: its row does not change, and it is asked
    again after its interval, not at once.
"""

from __future__ import annotations

import random
import threading
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

import structlog

from killswitch.child import Child
from killswitch.clock import Clock
from killswitch.errors import TransientError
from killswitch.failpoints import passing
from killswitch.net import Door, Session
from killswitch.store import news
from killswitch.store.engine import Store
from killswitch.store.news import NewItem
from killswitch.watch import fetch
from killswitch.watch.fetch import Failed, Fresh, Gone, NotModified, UnchangedBody, Validators
from killswitch.watch.parse import ParsedFeed, RawItem
from killswitch.watch.rhythm import AHEAD, next_poll

_log = structlog.get_logger(__name__)

# Spreads polls so that feeds do not fall into step; nothing secret hangs on it.
_JITTER = random.SystemRandom()
# Polls at once; httpx stops gaining at about 50 for CPU, and the pool keeps 50 connections.
WORKERS = 24
# A look skips feeds that were read so recently (design section 4).
JUST_READ = timedelta(seconds=60)
# A feed that its server calls gone is asked once a day, in case the server was wrong.
GONE_WAIT = timedelta(days=1)


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


@dataclass(frozen=True, slots=True)
class WatchPolicy:
    """The settings of ``[watch]``."""

    fresh: timedelta
    max_item_age: timedelta


@dataclass(frozen=True, slots=True)
class Round:
    """What one round of polls came to."""

    polled: int = 0
    failed: tuple[str, ...] = ()
    new_items: int = 0
    next_at: datetime | None = None


class Watcher:
    """Polls the configured feeds."""

    def __init__(
        self,
        store: Store,
        *,
        clock: Clock,
        door: Door,
        child: Child,
        feeds: Sequence[Feed],
        policy: WatchPolicy,
        on_new: Callable[[], None],
    ) -> None:
        """Watch ``feeds``; call ``on_new`` after each poll that stored something to grade."""
        self._store = store
        self._clock = clock
        self._door = door
        self._child = child
        self._feeds = {feed.name: feed for feed in feeds}
        self._policy = policy
        self._on_new = on_new
        self._one_round = threading.Lock()
        # What was read but could not be stored, with the time before which it is not asked again.
        self._unstored: dict[str, datetime] = {}

    @property
    def feeds(self) -> Iterable[Feed]:
        """The configured feeds, in their order."""
        return self._feeds.values()

    def start(self) -> None:
        """Give every feed its row."""
        with self._store.write() as conn:
            news.ensure_feeds(conn, {feed.name: feed.url for feed in self.feeds})

    def round(self) -> Round:
        """Poll every feed that is due."""
        now = self._clock.now()
        return self._poll(
            lambda row: row.next_poll_at is None or row.next_poll_at <= now or _is_ahead(row, now)
        )

    def look(self) -> Round:
        """Poll every feed that was not read just now, due or not, but for those in back-off."""
        now = self._clock.now()

        def wanted(row: Any) -> bool:
            just_read = row.last_good_at is not None and now - row.last_good_at < JUST_READ
            backing_off = row.backoff_until is not None and row.backoff_until > now
            return _is_ahead(row, now) or (not just_read and not backing_off)

        return self._poll(wanted)

    def _poll(self, wanted: Callable[[Any], bool]) -> Round:
        with self._one_round:
            with self._store.read() as conn:
                rows = news.feed_rows(conn, self._feeds)
            now = self._clock.now()
            due = [row for row in rows.values() if wanted(row) and self._may_ask(row.name, now)]
            results = self._poll_hosts(due) if due else []
            failed = tuple(name for name, ok, _ in results if not ok)
            with self._store.read() as conn:
                rows = news.feed_rows(conn, self._feeds)
            later = [at for row in rows.values() if (at := self._next_at(row)) is not None]
        return Round(
            polled=len(results),
            failed=failed,
            new_items=sum(new for *_, new in results),
            next_at=min(later, default=None),
        )

    def _may_ask(self, name: str, now: datetime) -> bool:
        return name not in self._unstored or self._unstored[name] <= now

    def _next_at(self, row: Any) -> datetime | None:
        known = [at for at in (row.next_poll_at, self._unstored.get(row.name)) if at is not None]
        return max(known, default=None)

    def _poll_hosts(self, due: Sequence[Any]) -> list[tuple[str, bool, int]]:
        by_host: dict[str, list[Any]] = defaultdict(list)
        for row in due:
            by_host[urlsplit(self._feeds[row.name].url).netloc].append(row)
        with (
            self._door.session() as session,
            ThreadPoolExecutor(min(WORKERS, len(by_host)), "poll") as pool,
        ):
            lines = pool.map(
                lambda rows: [self._one(session, row) for row in rows], by_host.values()
            )
            return [result for line in lines for result in line]

    def _one(self, session: Session, row: Any) -> tuple[str, bool, int]:
        feed = self._feeds[row.name]
        validators = Validators(row.etag, row.last_modified, row.body_hash)
        result = fetch.poll(session, feed.url, validators, child=self._child, now=self._clock.now())
        passing("ingest.after_fetch")
        now = self._clock.now()
        items = self._new_items(row, result.feed, now) if isinstance(result, Fresh) else []
        values = self._values(feed, row, result, now, items)
        try:
            with self._store.write() as conn:
                new = news.ingest(conn, feed.name, items, values=values, now=now)
                news.mark_graded(conn, feed.name)
                passing("ingest.before_commit")
            passing("ingest.after_commit")
        except TransientError as error:
            _log.warning("feed.not_stored", feed=feed.name, problem=error.message)
            self._unstored[feed.name] = now + feed.interval
            return feed.name, False, 0
        self._unstored.pop(feed.name, None)
        ok = not isinstance(result, Failed | Gone)
        if not ok:
            _log.warning("feed.failed", feed=feed.name, problem=values["problem"])
        if new:
            self._on_new()
        return feed.name, ok, new

    def _new_items(self, row: Any, parsed: ParsedFeed, now: datetime) -> list[NewItem]:
        feed = self._feeds[row.name]
        priming = row.last_good_at is None
        return [self._new_item(feed, raw, now, priming=priming) for raw in parsed.items]

    def _new_item(self, feed: Feed, raw: RawItem, now: datetime, *, priming: bool) -> NewItem:
        too_old = raw.published is not None and now - raw.published > self._policy.max_item_age
        return NewItem(
            guid=news.item_guid(raw.guid, raw.title),
            title=raw.title,
            summary=raw.summary,
            url=raw.url,
            lang=raw.lang or feed.language,
            published=raw.published,
            # A new feed's undated entries may be years old: recorded, but not news.
            silent=too_old or (priming and raw.published is None),
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
            "problem": None,
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
            values |= {"problem": result.feed.problem} | _newest(row, items, now)
        if isinstance(result, NotModified):
            values |= {"problem": row.problem}
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


def _is_ahead(row: Any, now: datetime) -> bool:
    """Say whether the last poll was stamped by a clock that has been stepped back since."""
    return row.last_poll_at is not None and row.last_poll_at > now + AHEAD


def _newest(row: Any, items: Sequence[NewItem], now: datetime) -> dict[str, Any]:
    """Say when the feed's newest entry came: its own date, or now for an undated new one."""
    dated = [min(item.published, now) for item in items if item.published is not None]
    if not dated and items and row.newest_item_at is None:
        # A feed without any dates: its rhythm is known from when its entries were first seen.
        dated = [now]
    known = [row.newest_item_at] if row.newest_item_at is not None else []
    return {"newest_item_at": max([*dated, *known], default=None)}
