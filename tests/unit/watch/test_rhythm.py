from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from killswitch.watch.rhythm import FeedHealth, FeedKind, is_frozen, next_poll, patience, sight

NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
FRESH = 5 * MINUTE


def every(step, *, count=20, newest=NOW):
    return [newest - step * n for n in range(count)]


@pytest.mark.parametrize(
    ("step", "silence", "frozen"),
    [
        (10 * MINUTE, 6 * HOUR, False),
        (10 * MINUTE, 6 * HOUR + MINUTE, True),
        (2 * HOUR, 10 * HOUR, False),
        (2 * HOUR, 10 * HOUR + MINUTE, True),
        (DAY, 5 * DAY, False),
        (DAY, 5 * DAY + MINUTE, True),
    ],
)
def test_a_feed_is_frozen_when_silent_five_times_its_habit_and_six_hours(step, silence, frozen):
    assert is_frozen(NOW, every(step), NOW + silence) is frozen


@pytest.mark.parametrize("times", [[], [NOW], every(MINUTE, count=5), [NOW] * 40])
def test_a_feed_of_unknown_rhythm_is_given_a_day(times):
    assert not is_frozen(NOW, times, NOW + DAY)
    assert is_frozen(NOW, times, NOW + DAY + MINUTE)


def test_a_feed_without_any_item_is_frozen():
    assert is_frozen(None, [], NOW)


def test_an_item_dated_ahead_does_not_freeze_a_feed():
    assert not is_frozen(NOW + HOUR, every(MINUTE), NOW)


def test_the_habit_of_that_hour_of_the_week_counts_when_it_is_known():
    # Every Monday at 9 the last item before a silence of 12 hours; else one each 10 minutes.
    weeks = [NOW - 7 * DAY * n for n in range(6)]
    times = [t for week in weeks for t in (week, week + 12 * HOUR, week + 12 * HOUR + MINUTE)]
    busy = [NOW - 3 * DAY + 10 * MINUTE * n for n in range(60)]
    assert patience(NOW, times + busy) == 60 * HOUR
    assert patience(busy[-1], times + busy) == 6 * HOUR


@given(st.lists(st.datetimes(timezones=st.just(UTC)), max_size=30))
def test_patience_is_never_shorter_than_six_hours_and_does_not_mind_the_order(times):
    assert patience(NOW, times) >= 6 * HOUR
    assert patience(NOW, times) == patience(NOW, times[::-1])


def a_feed(name="a", **more):
    values = {"newsroom": name, "last_good": NOW, "newest_item_at": NOW} | more
    return FeedHealth(name=name, **values)


def judge(*feeds, min_alive=0.5, outlets=2, single_trusted=False):
    return sight(
        feeds,
        NOW,
        fresh=FRESH,
        min_alive=min_alive,
        outlets=outlets,
        single_trusted=single_trusted,
    )


def test_sight_is_good_with_enough_feeds_of_enough_newsrooms():
    seen = judge(a_feed("a"), a_feed("b"), a_feed("c", last_good=None))
    assert (seen.ok, seen.alive, seen.feeds, seen.outlets_alive) == (True, 2, 3, 2)
    assert (seen.dead, seen.why) == (("c",), "")


@pytest.mark.parametrize(
    "dead",
    [
        {"last_good": None},
        {"last_good": NOW - FRESH - timedelta(seconds=1)},
        {"newest_item_at": None},
        {"newest_item_at": NOW - 2 * DAY},
    ],
)
def test_a_feed_unread_stale_or_frozen_does_not_count(dead):
    seen = judge(a_feed("a"), a_feed("b", **dead))
    assert not seen.ok
    assert seen.dead == ("b",)


def test_a_feed_read_just_within_the_limit_counts():
    assert judge(a_feed("a"), a_feed("b", last_good=NOW - FRESH)).ok


@pytest.mark.parametrize(
    ("feeds", "min_alive", "needed"),
    [(30, 0.1, 3), (31, 0.5, 16), (4, 0.0, 1), (3, 1.0, 3), (7, 0.34, 3)],
)
def test_the_share_of_feeds_is_rounded_up_and_never_to_nothing(feeds, min_alive, needed):
    for alive, ok in ((needed, True), (needed - 1, False)):
        row = [a_feed(f"f{n}", last_good=NOW if n < alive else None) for n in range(feeds)]
        assert judge(*row, min_alive=min_alive, outlets=1).ok is ok


def test_no_feeds_at_all_is_no_sight():
    assert not judge(min_alive=0.0, outlets=0).ok


def test_feeds_of_one_newsroom_count_once_and_aggregators_and_alerts_never():
    one = [a_feed(f"a{n}", newsroom="a") for n in range(3)]
    others = [a_feed("g", kind=FeedKind.AGGREGATOR), a_feed("x", kind=FeedKind.ALERT)]
    seen = judge(*one, *others)
    assert (seen.ok, seen.alive, seen.outlets_alive) == (False, 5, 1)
    assert seen.why == "1 of the 2 outlets needed can be read"
    assert judge(*one, *others, a_feed("b")).ok


def test_an_alert_feed_has_no_rhythm():
    assert judge(a_feed("x", kind=FeedKind.ALERT, newest_item_at=None)).alive == 1


def test_one_trusted_newsroom_is_enough_only_where_that_is_set():
    assert judge(a_feed(trusted=True), single_trusted=True).ok
    assert not judge(a_feed(trusted=True), single_trusted=False).ok
    assert not judge(a_feed(trusted=False), single_trusted=True).ok


def wait(**more):
    values = {"interval": 2 * MINUTE, "fresh": FRESH, "jitter": 0.0} | more
    return next_poll(NOW, **values) - NOW


def test_a_good_poll_is_repeated_after_the_interval_a_tenth_more_or_less():
    assert wait(jitter=0.5) == 2 * MINUTE
    assert wait(jitter=0.0) == 108 * timedelta(seconds=1)
    assert wait(jitter=1.0) == 132 * timedelta(seconds=1)


@pytest.mark.parametrize("ttl", [MINUTE, 3 * MINUTE, HOUR, 30 * DAY])
def test_a_ttl_stretches_the_interval_but_never_until_we_are_blind(ttl):
    assert 2 * MINUTE <= wait(ttl=ttl, jitter=0.5) <= FRESH / 2
    assert wait(ttl=ttl, jitter=1.0) < FRESH


def test_a_failed_feed_is_asked_after_one_interval_then_twice_as_long_up_to_half_an_hour():
    minutes = [wait(failures=n) / MINUTE for n in (1, 2, 3, 4, 5, 6, 1000)]
    assert minutes == [2, 4, 8, 16, 30, 30, 30]


def test_a_long_interval_is_not_shortened_by_the_cap():
    assert wait(interval=HOUR, fresh=3 * HOUR, failures=3) == HOUR


@given(st.floats(0, 1), st.integers(1, 50), st.integers(1, 3600))
def test_retry_after_is_obeyed_to_the_second(jitter, failures, seconds):
    asked = timedelta(seconds=seconds)
    assert wait(jitter=jitter, failures=failures, retry_after=asked) >= asked


def test_a_read_stamped_by_a_clock_that_ran_ahead_does_not_count():
    seen = judge(a_feed("a"), a_feed("b", last_good=NOW + timedelta(hours=1)))
    assert not seen.ok
    assert seen.dead == ("b",)
