from __future__ import annotations

from datetime import UTC, datetime
from email.utils import format_datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from killswitch.child import ChildFailed
from killswitch.net import FetchError, Page
from killswitch.watch.fetch import (
    Failed,
    Fresh,
    Gone,
    NotModified,
    UnchangedBody,
    Validators,
    poll,
    retry_after_s,
)

NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
URL = "https://news.example/feed"
BODY = b"<rss/>"


class FakeDoor:
    """Gives one page, or raises; keeps what was asked."""

    def __init__(self, status=200, headers=None, body=BODY, *, permanent=None, error=None):
        self.page = Page(status, URL, headers or {}, body, permanent)
        self.error = error
        self.headers = None

    def get(self, url, *, headers, deadline_s=20.0, max_redirects=5):
        self.headers = dict(headers)
        if self.error:
            raise self.error
        return self.page


class FakeChild:
    """A parser that says what the test wants."""

    def __init__(self, *, problem=None, answer=None, error=None):
        feed = {"version": "rss20", "title": "T", "ttl_s": None, "items": [], "problem": problem}
        self.answer = answer or {"feed": feed}
        self.error = error
        self.calls = 0

    def call(self, message, body=b"", *, timeout_s):
        self.calls += 1
        if self.error:
            raise self.error
        return self.answer


def ask(door, validators=None, child=None):
    return poll(door, URL, validators or Validators(), child=child or FakeChild(), now=NOW)


def test_new_bytes_are_parsed_and_bring_the_validators_of_the_next_poll():
    door = FakeDoor(headers={"etag": 'W/"1"', "last-modified": "Mon"}, permanent="https://n/")
    result = ask(door)
    assert isinstance(result, Fresh)
    assert (result.validators.etag, result.validators.last_modified) == ('W/"1"', "Mon")
    assert result.permanent_url == "https://n/"


@pytest.mark.parametrize("etag", ['"strong"', 'W/"weak"'])
def test_validators_are_sent_back_as_the_server_wrote_them(etag):
    door = FakeDoor(304)
    assert ask(door, Validators(etag, "Mon, 02 Mar", "h")) == NotModified()
    assert door.headers["If-None-Match"] == etag
    assert door.headers["If-Modified-Since"] == "Mon, 02 Mar"


def test_a_first_poll_sends_no_condition_and_does_not_believe_not_modified():
    door = FakeDoor(304)
    assert ask(door).code == "http_304"
    assert not {"If-None-Match", "If-Modified-Since"} & set(door.headers)


def test_the_same_bytes_are_not_parsed_again_whatever_the_headers_say():
    first = ask(FakeDoor(headers={"etag": '"1"'})).validators
    child = FakeChild()
    result = ask(FakeDoor(headers={"etag": '"2"'}), first, child)
    assert result == UnchangedBody(Validators('"2"', None, first.body_hash))
    assert child.calls == 0


def test_a_degraded_feed_is_read_again_rather_than_believed_unmodified():
    result = ask(FakeDoor(headers={"etag": '"1"'}), child=FakeChild(problem="cut in half"))
    assert result.feed.degraded
    assert result.validators == Validators(body_hash=result.validators.body_hash)


def test_gone_is_told_apart_from_failed():
    assert isinstance(ask(FakeDoor(410)), Gone)


@pytest.mark.parametrize("status", [204, 206, 302, 400, 401, 403, 404, 429, 500, 502, 503, 599])
def test_every_other_status_is_a_failure_with_its_code(status):
    result = ask(FakeDoor(status, headers={"retry-after": "90"}))
    assert isinstance(result, Failed)
    assert (result.code, result.retry_after_s) == (f"http_{status}", 90.0)


@pytest.mark.parametrize("code", ["dns", "refused_address", "tls", "timeout", "too_big"])
def test_a_fetch_error_is_a_failure_with_its_code(code):
    assert ask(FakeDoor(error=FetchError(code, "why"))).code == code


@pytest.mark.parametrize("code", ["html", "empty", "no_feed", "doctype"])
def test_bytes_that_are_no_feed_are_a_failure_with_their_code(code):
    child = FakeChild(answer={"error": code, "message": "why"})
    assert ask(FakeDoor(), child=child).code == code


@pytest.mark.parametrize(
    "child",
    [
        FakeChild(error=ChildFailed("timeout", "slow")),
        FakeChild(error=ChildFailed("died", "signal 9")),
        FakeChild(answer={"feed": {}}),
        FakeChild(answer={"feed": None}),
        FakeChild(answer={"odd": 1}),
    ],
)
def test_a_parser_that_fails_is_a_failure_of_this_feed_only(child):
    assert ask(FakeDoor(), child=child).code == "parser"


@pytest.mark.parametrize("value", ["a" * 501, "é", "a\tb", "a\r\nX: y", ""])
def test_a_validator_that_could_not_be_sent_again_is_dropped(value):
    result = ask(FakeDoor(headers={"etag": value, "last-modified": value}))
    assert (result.validators.etag, result.validators.last_modified) == (None, None)


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        (None, None),
        ("", None),
        ("0", None),
        ("90", 90.0),
        (" 90 ", 90.0),
        ("3600", 3600.0),
        ("3601", 3600.0),
        ("1000000000", 3600.0),
        ("9" * 400, 3600.0),
        ("-5", None),
        ("1.5", None),
        ("soon", None),
        ("\u0669\u0660", None),
        ("Mon, 02 Mar 2026 09:02:00 GMT", 120.0),
        ("Mon, 02 Mar 2026 08:58:00 GMT", None),
        ("Mon, 02 Mar 2026 10:02:00 +0100", 120.0),
        ("Mon, 02 Mar 2126 09:02:00 GMT", 3600.0),
        ("Mon, 99 Mar 2026 09:02:00 GMT", None),
        ("Mon, 02 Mar 99999 09:02:00 GMT", None),
    ],
)
def test_retry_after_is_read_in_both_forms_and_capped_at_an_hour(value, seconds):
    assert retry_after_s(value, NOW) == seconds


@given(st.text(max_size=60) | st.datetimes().map(format_datetime))
def test_any_retry_after_is_nothing_or_at_most_an_hour(value):
    seconds = retry_after_s(value, NOW)
    assert seconds is None or 0 < seconds <= 3600
