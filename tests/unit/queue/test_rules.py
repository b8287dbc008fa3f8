"""When a post may leave: lateness, gaps, caps, slots, retries, the horizon."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from killswitch.queue import rules
from killswitch.queue.post import Content, Media
from killswitch.queue.rules import HOUR, MAX_TRIES, RETRY_WAITS, ChannelRules
from killswitch.queue.states import (
    PENDING,
    RECALLABLE,
    TRANSITIONS,
    DeliveryState,
    HoldKind,
    first_reason,
    may_follow,
)

NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
S = DeliveryState
instants = st.integers(0, 6 * 3600).map(lambda s: NOW + timedelta(seconds=s))
gaps = st.integers(0, 3600).map(lambda s: timedelta(seconds=s))


def limits(min_gap=timedelta(0), per_hour=0):
    return ChannelRules("insta", 15 * MINUTE, min_gap, per_hour, 0)


# -- lateness --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("behind", "late"), [(-MINUTE, False), (timedelta(0), False), (15 * MINUTE, False)]
)
def test_a_post_is_on_time_up_to_its_lateness(behind, late):
    assert rules.is_late(NOW, late_after=15 * MINUTE, now=NOW + behind) is late


def test_a_moment_more_is_late_and_zero_lateness_means_at_once():
    tick = timedelta(microseconds=1)
    assert rules.is_late(NOW, late_after=15 * MINUTE, now=NOW + 15 * MINUTE + tick)
    assert not rules.is_late(NOW, late_after=timedelta(0), now=NOW)
    assert rules.is_late(NOW, late_after=timedelta(0), now=NOW + tick)


# -- gaps and caps ---------------------------------------------------------------------------------


def broken(times, gap, per_hour):
    """Say whether sends at these times break the gap or the cap of any rolling hour."""
    times = sorted(times)
    near = gap and any(b - a < gap for a, b in pairwise(times))
    crowd = per_hour and any(b - a < HOUR for a, b in zip(times, times[per_hour:], strict=False))
    return bool(near or crowd)


@given(st.lists(gaps, max_size=40), gaps, st.integers(0, 6))
def test_sends_that_wait_until_they_are_ready_break_neither_gap_nor_cap(pauses, gap, per_hour):
    channel, at, sends = limits(gap, per_hour), NOW, []
    for pause in pauses:
        at += pause
        ready = rules.ready_at(channel, sends)
        at = max(at, ready) if ready else at
        sends.append(at)
    assert not broken(sends, gap, per_hour)


@given(st.lists(instants, max_size=20), gaps, st.integers(0, 6))
def test_the_wait_is_no_longer_than_it_must_be(sends, gap, per_hour):
    ready = rules.ready_at(limits(gap, per_hour), sends)
    if ready is None:
        return
    early = ready - timedelta(seconds=1)
    newest = max(sends)
    hour = [at for at in sends if at > early - HOUR]
    assert early < newest + gap or len(hour) >= per_hour > 0


def slot_problem(limits, due, taken):
    return rules.slot_problem(limits, due, taken, zone="Europe/Paris")


def test_a_channel_without_limits_is_always_ready():
    assert rules.ready_at(limits(), [NOW] * 99) is None
    assert slot_problem(limits(), NOW, [NOW] * 99) is None


@given(st.lists(instants, max_size=40), gaps, st.integers(0, 5))
def test_posts_that_were_accepted_one_by_one_break_neither_gap_nor_cap(wanted, gap, per_hour):
    taken = []
    for due in wanted:
        if slot_problem(limits(gap, per_hour), due, taken) is None:
            taken = sorted([*taken, due])
    assert not broken(taken, gap, per_hour)


@given(st.lists(instants, max_size=15), instants, gaps, st.integers(0, 5))
def test_a_refused_slot_would_have_broken_a_rule(taken, due, gap, per_hour):
    kept = []
    for one in sorted(taken):
        if slot_problem(limits(gap, per_hour), one, kept) is None:
            kept.append(one)
    problem = slot_problem(limits(gap, per_hour), due, kept)
    assert (problem is not None) == broken([*kept, due], gap, per_hour)
    if problem:
        assert "insta" in problem


@pytest.mark.parametrize(("gap", "words"), [(5 * MINUTE, "5 min"), (timedelta(seconds=90), "90 s")])
def test_a_refusal_names_the_post_that_is_too_near(gap, words):
    problem = slot_problem(limits(gap), NOW, [NOW + MINUTE])
    assert problem is not None
    assert "2026-03-02 10:01:00 CET" in problem
    assert words in problem


@given(st.lists(instants, max_size=15), instants, gaps, st.integers(0, 5))
def test_the_next_free_time_is_free_and_nothing_before_it_is(taken, due, gap, per_hour):
    kept = []
    for one in sorted(taken):
        if slot_problem(limits(gap, per_hour), one, kept) is None:
            kept.append(one)
    free = rules.next_free(limits(gap, per_hour), due, kept, until=due + timedelta(days=2))
    assert free is not None
    assert free >= due
    assert slot_problem(limits(gap, per_hour), free, kept) is None
    if free > due:
        middle = due + (free - due) / 2
        assert slot_problem(limits(gap, per_hour), middle, kept) is not None


def test_where_nothing_is_free_in_time_there_is_no_next_one():
    taken = [NOW + n * MINUTE for n in range(60)]
    assert rules.next_free(limits(MINUTE), NOW, taken, until=NOW + 30 * MINUTE) is None


# -- slots after a pause ---------------------------------------------------------------------------


@given(st.integers(0, 20), gaps, gaps, st.lists(instants, max_size=15))
def test_released_posts_are_spaced_among_themselves_and_from_what_is_planned(
    count, gap, min_gap, taken
):
    slots = rules.release_slots(count, start=NOW, gap=gap, min_gap=min_gap, taken=taken)
    assert len(slots) == count
    assert all(slot >= NOW for slot in slots)
    assert all(b - a >= max(gap, min_gap) for a, b in pairwise(slots))
    assert all(abs(slot - other) >= min_gap for slot in slots for other in taken)


def test_without_anything_planned_the_first_slot_is_the_start_and_each_next_a_gap_later():
    slots = rules.release_slots(3, start=NOW, gap=15 * MINUTE, min_gap=5 * MINUTE, taken=[])
    assert slots == [NOW, NOW + 15 * MINUTE, NOW + 30 * MINUTE]


# -- retries ---------------------------------------------------------------------------------------


@given(st.integers(1, 12), st.none() | gaps)
def test_a_retry_waits_longer_each_time_never_less_than_asked_and_then_ends(tries, asked):
    at = rules.retry_at(tries, now=NOW, asked=asked)
    assert (at is None) == (tries >= MAX_TRIES)
    if at is not None:
        assert at - NOW == max(RETRY_WAITS[min(tries, 3) - 1], asked or timedelta(0))


# -- the horizon -----------------------------------------------------------------------------------


def confirm(days, tags=(), horizon=30, **horizon_tags):
    return rules.confirm_from(
        created=NOW,
        due=NOW + timedelta(days=days),
        tags=tags,
        horizon=timedelta(days=horizon),
        horizon_tags={name: timedelta(days=d) for name, d in horizon_tags.items()},
        within=timedelta(hours=72),
    )


@pytest.mark.parametrize(
    ("case", "asked"),
    [
        ({"days": 30}, False),
        ({"days": 31}, True),
        ({"days": 8, "tags": ("promo",), "promo": 7}, True),
        ({"days": 8, "tags": ("news",), "promo": 7}, False),
        ({"days": 8, "tags": ("news", "promo"), "promo": 7}, True),
        ({"days": 400, "horizon": 0}, False),
        ({"days": 8, "horizon": 0, "tags": ("promo",), "promo": 7}, True),
        ({"days": 40, "tags": ("promo",), "promo": 0}, True),
    ],
)
def test_a_post_from_beyond_its_shortest_horizon_wants_a_second_look(case, asked):
    found = confirm(**case)
    assert (found is not None) == asked
    if found is not None:
        assert found == NOW + timedelta(days=case["days"], hours=-72)


# -- states and content ----------------------------------------------------------------------------


@pytest.mark.parametrize("old", S, ids=str)
def test_what_has_ended_stays_so_and_nothing_goes_back_behind_its_sending(old):
    after = TRANSITIONS[old]
    assert may_follow(old, old) is False
    if old in {S.FAILED, S.SKIPPED, S.CANCELLED, S.RETRACTED}:
        assert not after
    if old is S.SENT:
        assert after == {S.RETRACTING}
    assert (S.SENDING in after) == (old is S.CLAIMED)
    assert (S.CANCELLED in after) == (old in RECALLABLE)
    assert old not in RECALLABLE or old not in {S.SENDING, S.SENT, S.UNCERTAIN}


def test_what_may_still_leave_takes_a_slot():
    assert {S.SCHEDULED, S.CLAIMED, S.SENDING, S.UNCERTAIN, S.AWAITING_APPROVAL} == PENDING


@given(st.sets(st.sampled_from(HoldKind)))
def test_people_are_shown_the_gravest_reason(kinds):
    found = first_reason(kinds)
    assert found == min(kinds, key=list(HoldKind).index, default=None)


words = st.text(max_size=4)
contents = st.builds(
    Content,
    text=st.text(max_size=9),
    media=st.lists(st.builds(Media, words, words, words), max_size=2).map(tuple),
    link=st.none() | words,
    tags=st.lists(words, max_size=2).map(tuple),
)


@given(contents, contents)
def test_the_hash_stands_for_everything_that_the_public_sees(one, other):
    assert (one.hash() == other.hash()) == (one == other)
