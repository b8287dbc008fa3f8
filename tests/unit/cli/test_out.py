"""How commands speak: plain text, colours only where wanted, times of the team's zone."""

from __future__ import annotations

import argparse
import io
import os
import sys
import time
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from killswitch.cli import out
from killswitch.cli.out import (
    LINE,
    Ink,
    Times,
    brief,
    head,
    ink_for,
    now_of,
    plain,
    table,
    times_for,
)

NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
PARIS = Times(now=NOW, zone=ZoneInfo("Europe/Paris"))


class Terminal(io.StringIO):
    def isatty(self):
        return True


@given(st.text())
def test_foreign_text_becomes_one_printable_line(text):
    assert plain(text).isprintable()


@given(st.text(), st.integers(min_value=2, max_value=80))
def test_a_head_is_bounded(text, signs):
    assert len(head(text, signs)) <= signs + 2


def test_a_long_foreign_line_is_cut():
    assert brief("\x1b[2Ja\nb") == "[2Ja b"
    assert len(brief("x" * 3000)) == LINE


@pytest.mark.parametrize(
    ("stream", "env", "on"),
    [
        (Terminal(), {}, True),
        (Terminal(), {"NO_COLOR": "1"}, False),
        (Terminal(), {"NO_COLOR": ""}, True),
        (Terminal(), {"TERM": "dumb"}, False),
        (io.StringIO(), {}, False),
    ],
)
def test_colours_are_for_terminals_that_want_them(stream, env, on):
    assert ink_for(stream, env).on is on


def test_no_ink_changes_nothing():
    assert Ink()("text", "red") == "text"


@pytest.mark.parametrize(
    ("at", "short", "exact"),
    [
        ("2026-03-02T10:52:07Z", "11:52", "11:52:07 CET"),
        ("2026-03-01T22:59:59Z", "2026-03-01 23:59", "2026-03-01 23:59:59 CET"),
        ("2026-03-01T23:00:00Z", "00:00", "00:00:00 CET"),
        (None, "-", "-"),
        ("nonsense", "-", "-"),
        ("2026-03-02T10:52:07", "-", "-"),
    ],
)
def test_times_are_local_and_short_for_today(at, short, exact):
    assert (PARIS.short(at), PARIS.exact(at)) == (short, exact)


def test_a_full_time_names_its_zone():
    assert PARIS.full("2026-03-02T10:52:07Z") == "2026-03-02 11:52:07 CET"


def test_a_screen_names_its_zone_once():
    assert PARIS.zoned("2026-03-02T10:52:07Z") == "11:52 CET"
    assert (PARIS.zone_name, PARIS.zone_now) == ("Europe/Paris", "Europe/Paris (CET)")
    utc = times_for("UTC", now=NOW)
    assert (utc.zone_name, utc.zone_now) == ("UTC", "UTC")


def test_where_no_zone_is_configured_the_machines_is_named(monkeypatch):
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    time.tzset()
    try:
        here = times_for(None, now=NOW)
        assert here.exact("2026-03-02T10:52:07Z") == "19:52:07 JST"
        assert (here.zone_name, here.zone_now) == ("JST", "JST")
    finally:
        monkeypatch.undo()
        time.tzset()


def test_what_lies_ahead_was_no_time_ago():
    assert PARIS.ago("2026-03-02T10:00:00Z").total_seconds() == 0
    assert PARIS.ago("2026-03-02T08:00:00Z").total_seconds() == 3600


@pytest.mark.parametrize("zone", [None, "", "Mars/Base", "../../etc/passwd"])
def test_an_unknown_zone_falls_back_to_the_machine(zone):
    assert times_for(zone, now=NOW).zone is None


@pytest.mark.parametrize("said", [{}, {"now": "x"}, {"now": 7}])
def test_the_present_is_ours_where_the_daemon_says_none(said):
    assert now_of(said, here=NOW) == NOW


def test_a_table_is_aligned_and_has_no_blanks_at_its_ends():
    text = table([("a", "long one", "x"), ("bbb", "b", "")], heading=("ID", "TEXT", "MORE"))
    assert text.splitlines() == ["ID   TEXT      MORE", "a    long one  x", "bbb  b"]


def test_a_reader_that_has_gone_is_no_error(monkeypatch):
    reading, writing = os.pipe()
    os.close(reading)
    stream = os.fdopen(writing, "w")
    monkeypatch.setattr(sys, "stdout", stream)
    out.say("x" * 100_000)
    out.say("and again")
    monkeypatch.undo()
    stream.close()


def test_json_goes_before_text(capsys):
    out.emit(argparse.Namespace(json=True), {"é": 1}, "text")
    out.emit(argparse.Namespace(json=False), {"é": 1}, "text")
    assert capsys.readouterr().out == '{"é": 1}\ntext\n'


def test_the_end_of_input_is_an_empty_answer(monkeypatch, capsys):
    monkeypatch.setattr(sys, "stdin", io.StringIO(" yes \n"))
    assert out.ask("? ") == "yes"
    assert out.ask("? ") == ""
    assert capsys.readouterr().out == "? ? "
