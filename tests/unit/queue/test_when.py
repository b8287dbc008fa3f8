"""WHEN and durations: resolved once, with the edges of daylight saving shown."""

from __future__ import annotations

import contextlib
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from killswitch.errors import Exit, UsageError
from killswitch.queue.durations import format_duration, parse_duration
from killswitch.queue.when import read_when, wall_of

NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
PARIS = "Europe/Paris"


def when(text, **changes):
    return read_when(text, **{"now": NOW, "zone": PARIS, **changes})


@pytest.mark.parametrize(
    ("text", "instant"),
    [
        ("2026-03-02T12:00", "2026-03-02T11:00:00+00:00"),
        ("2026-03-02 12:00", "2026-03-02T11:00:00+00:00"),
        ("2026-03-02T12:00:30", "2026-03-02T11:00:30+00:00"),
        ("2026-07-01T12:00", "2026-07-01T10:00:00+00:00"),
        ("2026-03-02T12:00Z", "2026-03-02T12:00:00+00:00"),
        ("2026-03-02T12:00-05:00", "2026-03-02T17:00:00+00:00"),
        ("now", "2026-03-02T09:00:00+00:00"),
        (" NOW ", "2026-03-02T09:00:00+00:00"),
        ("+90s", "2026-03-02T09:01:30+00:00"),
        ("+15m", "2026-03-02T09:15:00+00:00"),
        ("+2h", "2026-03-02T11:00:00+00:00"),
        ("+3d", "2026-03-05T09:00:00+00:00"),
    ],
)
def test_every_form_means_one_instant(text, instant):
    assert when(text).instant.isoformat() == instant


def test_the_wall_time_travels_with_its_zone():
    found = when("2026-03-02T12:00Z")
    assert (found.wall, found.zone, found.note) == ("2026-03-02T13:00:00", PARIS, None)


def test_a_time_in_a_gap_is_refused_and_both_neighbours_are_offered():
    with pytest.raises(UsageError) as refusal:
        when("2026-03-29T02:30")
    assert refusal.value.code == "dst_gap"
    assert "2026-03-29T01:30:00+01:00" in refusal.value.hint
    assert "2026-03-29T03:30:00+02:00" in refusal.value.hint


def test_a_time_in_an_overlap_is_its_first_and_the_note_says_so():
    found = when("2026-10-25T02:30")
    assert found.instant.isoformat() == "2026-10-25T00:30:00+00:00"
    assert "2026-10-25T02:30:00+01:00" in found.note


def test_an_offset_chooses_in_an_overlap():
    found = when("2026-10-25T02:30+01:00")
    assert found.instant.isoformat() == "2026-10-25T01:30:00+00:00"
    assert found.note is None


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("2026-03-02T09:59", "past"),
        ("1999-01-01T00:00", "past"),
        ("2026-03-05", "bad_time"),
        ("20260305", "bad_time"),
        ("tomorrow", "bad_time"),
        ("12:00", "bad_time"),
        ("", "bad_time"),
        ("2026-02-30T12:00", "bad_time"),
        ("+15", "bad_duration"),
        ("+-15m", "bad_duration"),
        ("+15w", "bad_duration"),
        ("+99999999d", "bad_duration"),
        ("2099-01-01T00:00", "far"),
        ("9999-12-31T23:59", "far"),
        ("9999-12-31T23:59-14:00", "far"),
        ("0001-01-01T00:00+14:00", "far"),
    ],
)
def test_everything_else_is_refused_as_usage(text, code):
    with pytest.raises(UsageError) as refusal:
        when(text)
    assert refusal.value.code == code
    assert refusal.value.exit is Exit.USAGE
    assert refusal.value.hint


def test_a_past_time_is_taken_where_it_is_asked_for():
    assert when("2026-03-02T09:59", past_ok=True).instant < NOW


def test_an_unknown_zone_is_refused():
    with pytest.raises(UsageError, match="no time zone"):
        when("now", zone="Mars/Base")


@given(st.text(max_size=40))
def test_no_text_breaks_it(text):
    with contextlib.suppress(UsageError):
        assert when(text).instant >= NOW


@given(
    st.datetimes(min_value=datetime(2026, 3, 3), max_value=datetime(2035, 1, 1)),  # noqa: DTZ001 - wall times
    st.sampled_from([PARIS, "America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu", "UTC"]),
)
def test_a_wall_time_that_exists_comes_back_as_it_was_written(naive, zone):
    naive = naive.replace(microsecond=0, fold=0)
    try:
        found = read_when(naive.isoformat(), now=NOW, zone=zone)
    except UsageError as refusal:
        assert refusal.code == "dst_gap"  # noqa: PT017 - the other outcome is checked below
        return
    assert found.wall == naive.isoformat()
    assert found.instant.astimezone(ZoneInfo(zone)).replace(tzinfo=None) == naive
    assert wall_of(found.instant, zone=zone) == found.wall


@pytest.mark.parametrize(
    ("text", "seconds"), [("90s", 90), ("15m", 900), ("2h", 7200), (" 3d ", 259_200), ("0s", 0)]
)
def test_a_duration_is_a_number_and_a_unit(text, seconds):
    assert parse_duration(text).total_seconds() == seconds


@pytest.mark.parametrize("text", ["", "15", "m", "1.5h", "1h30m", "-1m", "9999999d", "٣m"])
def test_any_other_duration_is_refused(text):
    with pytest.raises(UsageError):
        parse_duration(text)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (-5, "0 s"),
        (45, "45 s"),
        (2280, "38 min"),
        (7500, "2 h 5 min"),
        (7200, "2 h"),
        (90_000, "1 d 1 h"),
        (86_400, "1 d"),
    ],
)
def test_a_duration_is_written_for_people(seconds, text):
    assert format_duration(timedelta(seconds=seconds)) == text
