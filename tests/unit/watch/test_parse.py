from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from killswitch.watch.parse import parse_feed, parser

NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)


class FakeChild:
    def __init__(self, published):
        item = {"guid": "1", "title": "a", "summary": "", "url": "", "lang": None}
        item |= {"published": published, "updated": published, "categories": ["x"], "extra": {}}
        self.feed = {"version": "rss20", "title": "T", "ttl_s": 60, "items": [item]}

    def call(self, message, body=b"", *, timeout_s):
        return {"feed": self.feed | {"problem": None}}


def published(seconds, now=NOW):
    feed = parse_feed(FakeChild(seconds), b"x", content_type=None, url="u", now=now)
    (item,) = feed.items
    assert item.published == item.updated
    return item.published


@pytest.mark.parametrize("off", [timedelta(), timedelta(minutes=10), -timedelta(days=9000)])
def test_a_possible_date_is_an_aware_utc_instant(off):
    at = NOW + off
    assert published(int(at.timestamp())) == at
    assert published(int(at.timestamp())).tzinfo is UTC


@pytest.mark.parametrize(
    "seconds",
    [None, 0, -1, -(10**18), 10**18, int((NOW + timedelta(minutes=11)).timestamp()), 631151999],
)
def test_an_absurd_date_is_no_date(seconds):
    assert published(seconds) is None


def test_without_a_now_dates_ahead_are_left_to_the_caller():
    at = NOW + timedelta(days=400)
    assert published(int(at.timestamp()), now=None) == at


def test_the_parser_starts_no_process_before_its_first_feed():
    assert parser().pid is None
