"""
Decide which feeds are alive, whether we see enough, and when to ask again.

Pure functions of values. A feed that answers but brings nothing new looks exactly like a quiet
day, so a feed is judged by its own rhythm: one that is silent far beyond its habit is dead.

Invariants:
    Sight is good only when enough feeds *and* enough newsrooms count; in doubt it is not.
    A failing feed is asked again after one interval, later less and less, never before the
    time that its server named.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from itertools import pairwise
from statistics import median
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

NEVER_FROZEN_BEFORE = timedelta(hours=6)
"""A night without news is no fault, whatever the feed's habit by day."""

UNKNOWN_RHYTHM = timedelta(hours=24)
"""Patience with a feed of which too little is known."""

SAMPLES = 5
"""Gaps that make a median worth believing."""

_TIMES_THE_HABIT = 5
_BACK_OFF_CAP = timedelta(minutes=30)
_TTL_SHARE = 0.5
"""A ttl may stretch the interval to half of ``watch.fresh``, where the setting itself ends, so
that one lost poll does not blind us."""

AHEAD = timedelta(seconds=2)
"""A stamp further ahead was written by a clock that has been stepped back since: it is none."""

_JITTER = 0.1
_DOUBLINGS = 16
"""More would only overflow; the cap is reached long before."""


class FeedKind(StrEnum):
    """What a feed is; the setting ``kind``."""

    NEWS = "news"
    ALERT = "alert"
    AGGREGATOR = "aggregator"


@dataclass(frozen=True, slots=True)
class FeedHealth:
    """
    What is known of a feed when sight is judged.

    Attributes:
        name: The feed's name in the configuration.
        newsroom: The group, or else the outlet: feeds of one newsroom count once.
        kind: Only ``news`` feeds stand for a newsroom.
        trusted: One severe report of it may be enough (``detect.single_trusted``).
        last_good: When its last good poll was graded; None when it never was.
        newest_item_at: Published, or else first-seen time of its newest item; None without one.
        item_times: Times of its recent items, in any order.
    """

    name: str
    newsroom: str
    kind: FeedKind = FeedKind.NEWS
    trusted: bool = False
    last_good: datetime | None = None
    newest_item_at: datetime | None = None
    item_times: tuple[datetime, ...] = ()


@dataclass(frozen=True, slots=True)
class Sight:
    """
    How much of the news we see; shows in ``status``.

    Attributes:
        ok: Enough feeds and newsrooms count.
        alive: Feeds that count.
        feeds: Feeds in all.
        outlets_alive: Newsrooms that count.
        dead: Names of the feeds that do not count, in the order given.
        why: One line for people; empty when sight is good.
    """

    ok: bool
    alive: int
    feeds: int
    outlets_alive: int
    dead: tuple[str, ...]
    why: str


def is_frozen(
    newest_item_at: datetime | None, item_times: Sequence[datetime], now: datetime
) -> bool:
    """
    Say whether a feed has been silent far beyond its own habit.

    Args:
        newest_item_at: Aware UTC time of its newest item; None (no item at all) is frozen.
        item_times: Times of its recent items, in any order; aware UTC.
        now: Aware UTC instant of this decision.
    """
    if newest_item_at is None:
        return True
    return now - newest_item_at > patience(newest_item_at, item_times)


def patience(newest_item_at: datetime, item_times: Sequence[datetime]) -> timedelta:
    """
    Say how long a feed may be silent after an item of ``newest_item_at``.

    Five times the median gap that followed items of the same hour of the week (UTC), when there
    are five such gaps; else of all gaps, when there are five; at least six hours. Else a day.
    """
    times = sorted(set(item_times))
    gaps = [(_hour_of_week(earlier), later - earlier) for earlier, later in pairwise(times)]
    here = [gap for hour, gap in gaps if hour == _hour_of_week(newest_item_at)]
    known = here if len(here) >= SAMPLES else [gap for _, gap in gaps]
    if len(known) < SAMPLES:
        return UNKNOWN_RHYTHM
    habit = median(gap.total_seconds() for gap in known)
    return max(NEVER_FROZEN_BEFORE, timedelta(seconds=_TIMES_THE_HABIT * habit))


def counts(feed: FeedHealth, now: datetime, *, fresh: timedelta) -> bool:
    """
    Say whether ``feed`` counts for sight: read and graded lately, and alive.

    Args:
        feed: What is known of it.
        now: Aware UTC instant of this decision.
        fresh: Setting ``watch.fresh``.
    """
    if feed.last_good is None or not -AHEAD <= now - feed.last_good <= fresh:
        return False
    if feed.kind is FeedKind.ALERT:
        return True  # a calm planet is no fault
    return not is_frozen(feed.newest_item_at, feed.item_times, now)


def sight(
    feeds: Sequence[FeedHealth],
    now: datetime,
    *,
    fresh: timedelta,
    min_alive: float,
    outlets: int,
    single_trusted: bool,
) -> Sight:
    """
    Judge whether enough of the news is seen to let posts out.

    Args:
        feeds: Every configured feed.
        now: Aware UTC instant of this decision.
        fresh: Setting ``watch.fresh``.
        min_alive: Setting ``watch.min_alive``, a share from 0 to 1.
        outlets: Setting ``detect.outlets``.
        single_trusted: Setting ``detect.single_trusted``: one trusted newsroom is enough.
    """
    alive = [feed for feed in feeds if counts(feed, now, fresh=fresh)]
    news = [feed for feed in alive if feed.kind is FeedKind.NEWS]
    rooms = len({feed.newsroom for feed in news})
    needed = max(1, math.ceil(round(min_alive * len(feeds), 6)))  # 0.1 * 30 is a little over 3
    speaks = rooms >= outlets or (single_trusted and any(feed.trusted for feed in news))
    why = ""
    if len(alive) < needed:
        why = f"{len(alive)} of {len(feeds)} feeds answer; {needed} are needed"
    elif not speaks:
        why = f"{rooms} of the {outlets} outlets needed can be read"
    living = {id(feed) for feed in alive}
    dead = tuple(feed.name for feed in feeds if id(feed) not in living)
    return Sight(not why, len(alive), len(feeds), rooms, dead, why)


def next_poll(
    now: datetime,
    *,
    interval: timedelta,
    fresh: timedelta,
    jitter: float,
    failures: int = 0,
    ttl: timedelta | None = None,
    retry_after: timedelta | None = None,
) -> datetime:
    """
    Say when to ask a feed again.

    Args:
        now: Aware UTC instant at which this poll ended.
        interval: Setting ``interval`` of the feed.
        fresh: Setting ``watch.fresh``.
        jitter: A random number from 0 to 1, so that feeds don't fall into step.
        failures: Polls that failed in a row, this one included; zero after a good one.
        ttl: What the feed asked for; stretches the interval, never beyond half of ``fresh``.
        retry_after: What the server asked for; never asked again before.

    Returns:
        After a good poll: the interval, a tenth more or less. After failures: one interval,
        then twice as long each time up to 30 minutes, up to a tenth more.
    """
    if failures <= 0:
        stretched = min(ttl or interval, _TTL_SHARE * fresh)
        return now + max(interval, stretched) * (1 - _JITTER + 2 * _JITTER * jitter)
    wait = interval * (1 << min(failures - 1, _DOUBLINGS))
    wait = max(interval, min(wait, _BACK_OFF_CAP), retry_after or timedelta())
    return now + wait * (1 + _JITTER * jitter)


def _hour_of_week(at: datetime) -> int:
    utc = at.astimezone(UTC)
    return utc.weekday() * 24 + utc.hour
