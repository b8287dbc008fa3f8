"""One way to write a duration, read back as the same value, refused with a mend otherwise."""

from __future__ import annotations

import re
from contextlib import suppress
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from killswitch.settings import format_duration, parse_duration


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("0s", 0), ("90s", 90), ("15m", 900), ("4h", 14_400), ("14d", 1_209_600), ("005m", 300)],
)
def test_a_duration_is_a_whole_number_and_a_unit(text: str, seconds: int) -> None:
    assert parse_duration(text) == timedelta(seconds=seconds)


@pytest.mark.parametrize(
    ("text", "mend"),
    [
        ("5 minutes", '"5m"'),
        ("15M", '"15m"'),
        ("1h30m", '"90m"'),
        ("1 hour 30 min", '"90m"'),
        ("2w", '"14d"'),
        ("3 jours", '"3d"'),
        ("120 sec", '"2m"'),
        (" 5m", '"5m"'),
        ("30", '"30s" for seconds or "30m" for minutes'),
        (45, '"45s" for seconds or "45m" for minutes'),
        (0, '"0s"'),
        ("PT15M", '"90s", "15m", "4h" or "14d"'),
        ("1.5h", '"90s", "15m", "4h" or "14d"'),
        ("soon", '"90s", "15m", "4h" or "14d"'),
        ("٣m", '"90s", "15m", "4h" or "14d"'),
        ("9" * 30 + "d", '"90s", "15m", "4h" or "14d"'),
        ("99999d", '"0s" to "3660d"'),
        (None, '"90s", "15m", "4h" or "14d"'),
        (float("inf"), "has no unit"),
    ],
)
def test_another_form_is_refused_with_what_to_write(text: object, mend: str) -> None:
    with pytest.raises(ValueError, match=re.escape(mend)):
        parse_duration(text)


@given(st.integers(0, 3660 * 86_400))
def test_what_is_written_is_read_back(seconds: int) -> None:
    value = timedelta(seconds=seconds)
    assert parse_duration(format_duration(value)) == value


@given(st.text(max_size=40))
def test_any_text_is_read_or_refused_readably(text: str) -> None:
    with suppress(ValueError):
        assert parse_duration(text) >= timedelta(0)
