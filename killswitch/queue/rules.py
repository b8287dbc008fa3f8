"""
When a post may leave: lateness, gaps, caps, slots after a pause, retries, the horizon brake.

Pure functions of values and ``now``; every instant is aware UTC.

Invariants:
    Nothing leaves before its due time, nor later than ``late_after`` behind it by itself.
    Between two sends of a channel lie at least ``min_gap``, and no rolling hour holds more than
    ``max_per_hour`` of them; both are counted from the store, so a restart refills nothing.
"""

from __future__ import annotations

import bisect
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from killswitch.queue.when import shown

HOUR = timedelta(hours=1)
SECOND = timedelta(seconds=1)
# The smallest step of the store's times.
TICK = timedelta(microseconds=1)

# Waits after a try that is proven unsent (safety figures: 30 s, 2 min, 10 min, all inside grace).
RETRY_WAITS = (timedelta(seconds=30), timedelta(minutes=2), timedelta(minutes=10))
# More tries than this would only repeat the same refusal until the post is late.
MAX_TRIES = 5


@dataclass(frozen=True, slots=True)
class ChannelRules:
    """
    The limits of one channel.

    Attributes:
        name: The channel.
        late_after: Past due by more than this, a human decides.
        min_gap: Least time between two sends; zero switches it off.
        max_per_hour: Most sends in a rolling hour; 0 switches it off.
        hard_cap: Sends in the rolling hour past which the queue is paused; 0 switches it off.
    """

    name: str
    late_after: timedelta
    min_gap: timedelta
    max_per_hour: int
    hard_cap: int


def is_late(due: datetime, *, late_after: timedelta, now: datetime) -> bool:
    """Say whether a delivery is too late to leave by itself."""
    return now - due > late_after


def ready_at(rules: ChannelRules, sends: Sequence[datetime]) -> datetime | None:
    """
    Say from when on the channel may send again.

    Args:
        rules: The channel's limits.
        sends: Times of the newest sends of this channel, any order; at least those of an hour.

    Returns:
        The earliest instant, or None where nothing makes it wait.
    """
    ordered = sorted(sends)
    waits: list[datetime] = []
    if ordered and rules.min_gap:
        waits.append(ordered[-1] + rules.min_gap)
    if rules.max_per_hour and len(ordered) >= rules.max_per_hour:
        waits.append(ordered[-rules.max_per_hour] + HOUR)
    return max(waits, default=None)


def _a_post(_due: datetime) -> str:
    return "a post"


def slot_problem(
    rules: ChannelRules,
    due: datetime,
    taken: Sequence[datetime],
    *,
    zone: str,
    named: Callable[[datetime], str] = _a_post,
) -> str | None:
    """
    Say why a post can't be scheduled at ``due``, or None.

    Args:
        rules: The channel's limits.
        due: The wanted time.
        taken: Sorted due times on the channel, at least those within an hour of ``due``.
        zone: In which the message tells times.
        named: Names the post that is due at one of the taken times.
    """
    at = bisect.bisect_left(taken, due)
    near = _within(taken, due, rules.min_gap)
    if near is not None:
        return (
            f"{rules.name} already has {named(near)} at {shown(near, zone=zone)}, "
            f"less than the gap of {_minutes(rules.min_gap)} away"
        )
    if rules.max_per_hour and _crowded(taken, at, due, rules.max_per_hour):
        return f"{rules.name} already has {rules.max_per_hour} posts within an hour of that time"
    return None


def next_free(
    rules: ChannelRules, due: datetime, taken: Sequence[datetime], *, until: datetime
) -> datetime | None:
    """
    Find the first time from ``due`` on at which a post could be scheduled.

    Args:
        rules: The channel's limits.
        due: The wanted time.
        taken: Sorted due times on the channel, from an hour and the gap before ``due`` to as long
            after ``until``.
        until: Where to stop looking.

    Returns:
        The time, or None where there is none before ``until``.
    """
    at = due
    while at <= until:
        place = bisect.bisect_left(taken, at)
        near = _within(taken, at, rules.min_gap)
        if near is not None:
            at = near + rules.min_gap
        elif rules.max_per_hour and _crowded(taken, place, at, rules.max_per_hour):
            at = taken[bisect.bisect_right(taken, at - HOUR)] + HOUR
        else:
            return at
    return None


def _crowded(taken: Sequence[datetime], at: int, due: datetime, cap: int) -> bool:
    """Say whether some rolling hour that holds ``due`` would hold more than ``cap``."""
    first = bisect.bisect_right(taken, due - HOUR)
    last = bisect.bisect_left(taken, due + HOUR)
    window = [*taken[first:at], due, *taken[at:last]]
    return any(
        window[start + cap] - window[start] < HOUR for start in range(max(0, len(window) - cap))
    )


def _minutes(value: timedelta) -> str:
    seconds = int(value.total_seconds())
    return f"{seconds // 60} min" if seconds % 60 == 0 else f"{seconds} s"


def release_slots(
    count: int, *, start: datetime, gap: timedelta, min_gap: timedelta, taken: Iterable[datetime]
) -> list[datetime]:
    """
    Place posts that were released after their time had passed.

    The first stands at ``start``, the next ones ``gap`` apart; a slot that lies within
    ``min_gap`` of a planned post moves on behind it. Without any gap they are a ``TICK`` apart:
    what is due at one instant would leave in no order.

    Returns:
        ``count`` instants in order.
    """
    planned = sorted(taken)
    slots: list[datetime] = []
    at = start
    for _ in range(count):
        while (clash := _within(planned, at, min_gap)) is not None:
            at = clash + min_gap
        slots.append(at)
        at += max(gap, min_gap, TICK)
    return slots


def _within(planned: Sequence[datetime], at: datetime, min_gap: timedelta) -> datetime | None:
    place = bisect.bisect_left(planned, at)
    near = [other for other in planned[max(0, place - 1) : place + 1] if abs(other - at) < min_gap]
    return max(near, default=None)


def retry_at(tries: int, *, now: datetime, asked: timedelta | None = None) -> datetime | None:
    """
    Say when to try again after ``tries`` proven-unsent tries, or None when they are used up.

    Args:
        tries: Tries made so far, at least 1.
        now: The instant of the decision.
        asked: What the network asked us to wait (Retry-After), if it did.
    """
    if tries >= MAX_TRIES:
        return None
    wait = RETRY_WAITS[min(tries, len(RETRY_WAITS)) - 1]
    return now + max(wait, asked or timedelta(0))


def confirm_from(
    *,
    created: datetime,
    due: datetime,
    tags: Iterable[str],
    horizon: timedelta,
    horizon_tags: Mapping[str, timedelta],
    within: timedelta,
) -> datetime | None:
    """
    Say from when on a far-ahead post must be confirmed, or None when it is near enough.

    The shortest horizon of its tags counts; a post from beyond it needs a human's ``confirm``
    during the last ``within`` before it is due.
    """
    limits = [horizon, *(horizon_tags[tag] for tag in tags if tag in horizon_tags)]
    limits = [limit for limit in limits if limit]
    if not limits or due - created <= min(limits):
        return None
    return due - within
