"""What an HTTP answer proves, and how long a network may make us wait."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from killswitch.channels.frame import Ending
from killswitch.channels.outcomes import MAX_WAIT, conclude, wait_of

NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
FAILED = {400, 404, 409, 410, 413, 415, 422}
WAITS = {401, 403, 429}


def concluded(status, retry_after=None):
    return conclude(status, retry_after=retry_after, now=NOW, said="said")


@pytest.mark.parametrize("status", [*range(300, 600)])
def test_every_status_has_one_conclusion(status):
    ending = concluded(status).ending
    if status < 400 or status in FAILED:
        assert ending is Ending.FAILED
    elif status in WAITS:
        assert ending is Ending.WAITS
    elif status >= 500 or status in {408, 425}:
        assert ending is Ending.UNCERTAIN
    else:
        assert ending in {Ending.FAILED, Ending.UNCERTAIN}


@pytest.mark.parametrize("status", [100, 199, 600, 999, 0])
def test_a_status_that_means_nothing_is_uncertain(status):
    assert concluded(status).ending is Ending.UNCERTAIN


@pytest.mark.parametrize("status", [*range(300, 600)])
def test_only_a_request_for_time_names_a_time(status):
    assert (concluded(status, "7").wait is not None) == (status == 429)


def test_people_read_what_the_network_said():
    assert concluded(422).detail == "HTTP 422: said"
    assert "never followed" in concluded(302).detail


@pytest.mark.parametrize(
    ("header", "wait"),
    [
        (None, MINUTE),
        ("", MINUTE),
        ("7", timedelta(seconds=7)),
        (" 90 ", timedelta(seconds=90)),
        ("0", timedelta(seconds=1)),
        ("0000000000000090", timedelta(seconds=90)),
        ("-5", MINUTE),
        ("1.5", MINUTE),
        ("soon", MINUTE),
        ("٣", MINUTE),
        ("1000000000", MAX_WAIT),
        ("9" * 5000, MAX_WAIT),
        (format_datetime(NOW + 5 * MINUTE, usegmt=True), 5 * MINUTE),
        (format_datetime(NOW + timedelta(days=9), usegmt=True), MAX_WAIT),
        (format_datetime(NOW - MINUTE, usegmt=True), timedelta(seconds=1)),
        ("Mon, 02 Mar 2026 09:05:00", 5 * MINUTE),
        ("Mon, 02 Mar 99999999999999999999 09:05:00 GMT", MINUTE),
        ("Mon, 02 Mar 2026 09:05:00 +999999999999", MINUTE),
    ],
)
def test_retry_after_is_read_in_all_its_forms(header, wait):
    assert wait_of(header, now=NOW) == wait


dates = st.from_regex(
    r"(Mon, )?\d{1,22} (Jan|Feb|Mar) -?\d{1,22} \d{1,12}:\d{1,12}:\d{1,12} ?(GMT|[+-]\d{1,20})?",
    fullmatch=True,
)


@given(st.one_of(st.text(max_size=60), dates, st.integers().map(str)))
def test_no_header_breaks_the_reader_or_makes_it_wait_for_ever(header):
    assert timedelta(seconds=1) <= wait_of(header, now=NOW) <= MAX_WAIT
