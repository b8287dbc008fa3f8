"""The watcher against a real local server, through the real door and the real parser."""

from __future__ import annotations

import threading
from datetime import timedelta
from email.utils import format_datetime
from ipaddress import ip_network

import pytest

from killswitch.clock import FakeClock
from killswitch.net import Door, NetPolicy
from killswitch.store import news
from killswitch.store.engine import StoreFailedError
from killswitch.watch.parsers import Parsers
from killswitch.watch.watcher import BITE, GONE_WAIT, Watcher
from tests.daemon.site import INTERVAL, LONG, POLICY, Site, a_feed
from tests.edge.raw_server import reply
from tests.store.made import HOUR, MINUTE, NOW, SECOND


@pytest.fixture(scope="module")
def parsers():
    made = Parsers()
    yield made
    made.close()


@pytest.fixture
def site(sqlite_store, parsers):
    made = Site(sqlite_store, parsers)
    yield made
    made.server.__exit__()


def test_a_new_feed_is_primed_silently_with_what_is_old_or_undated(site):
    fresh, old = NOW - HOUR, NOW - 13 * HOUR
    site.says["a"] = reply(200, a_feed(("fresh", fresh), ("old", old), ("undated", None)))
    came = site.round()
    assert (came.polled, came.failed, came.new_items) == (1, (), 1)
    assert site.items() == {"fresh": False, "old": True, "undated": True}
    assert site.woken == 1


def test_an_undated_entry_of_a_known_feed_is_news(site):
    site.round()
    site.says["a"] = reply(200, a_feed(("old", NOW), ("undated", None), ("stale", NOW - 13 * HOUR)))
    assert site.round(minutes=3).new_items == 1
    assert site.items() == {"old": False, "undated": False, "stale": True}


def an_alert(level, *, dated):
    """Write a feed of one GDACS alert whose event was long ago."""
    fields = f"<g:alertlevel>{level}</g:alertlevel><g:eventtype>EQ</g:eventtype>"
    body = a_feed(("quake", dated)).replace(b"</item>", fields.encode() + b"</item>")
    return reply(200, body.replace(b"<rss", b'<rss xmlns:g="http://www.gdacs.org"'))


def test_what_an_alert_says_of_itself_is_stored_and_a_new_grade_is_a_new_entry(
    sqlite_store, parsers
):
    site = Site(sqlite_store, parsers, kind="alert")
    for level in ("Orange", "Orange", "Red"):
        site.says["a"] = an_alert(level, dated=NOW)
        site.round(minutes=3)
    with site.store.read() as conn:
        found = [row.signal["alert"]["gdacs:alertlevel"] for row in news.ungraded(conn, limit=9)]
    assert found == ["Orange", "Red"]
    site.server.__exit__()


def test_nothing_is_asked_before_its_time(site):
    came = site.round()
    assert INTERVAL * 0.9 <= came.next_at - NOW <= INTERVAL * 1.1
    assert site.round(seconds=100).polled == 0
    assert site.round(seconds=40).polled == 1


def test_an_unchanged_feed_costs_no_parsing_and_counts_as_read(site):
    seen = []

    def answer(request):
        seen.append(b'if-none-match: "1"' in request.lower())
        return reply(304) if seen[-1] else reply(200, a_feed(("old", NOW)), ETag='"1"')

    site.says["a"] = answer
    site.round()
    site.round(minutes=3)
    assert seen == [False, True]
    assert site.row().last_good_at == site.clock.now()
    assert site.row().etag == '"1"'
    assert site.items() == {"old": False}


def test_the_same_bytes_again_are_known_by_their_hash(site):
    site.round()
    first = site.row().body_hash
    assert site.round(minutes=3).new_items == 0
    assert site.row().body_hash == first
    assert site.row().last_good_at == site.clock.now()


@pytest.mark.parametrize(
    "answer", [reply(500), reply(200, b"<html><body>log in</body></html>"), reply(404), b""]
)
def test_a_failure_keeps_what_was_known_and_is_retried_later_each_time(site, answer):
    site.round()
    good = site.row()
    site.says["a"] = answer
    waits = []
    for _ in range(4):
        site.clock.move(max(site.row().next_poll_at - site.clock.now(), timedelta(0)))
        assert site.watcher.round().failed == ("a",)
        waits.append(site.row().next_poll_at - site.clock.now())
    row = site.row()
    assert (row.failures, row.last_good_at, row.body_hash) == (4, good.last_good_at, good.body_hash)
    assert row.problem
    for wait, times in zip(waits, (1, 2, 4, 8), strict=True):
        assert INTERVAL * times <= wait <= INTERVAL * times * 1.1 + SECOND
    site.says["a"] = reply(200, a_feed(("new", site.clock.now())))
    site.clock.move(waits[-1])
    site.watcher.round()
    assert (site.row().failures, site.row().problem, site.row().backoff_until) == (0, None, None)


def test_the_first_failure_is_no_back_off_and_the_second_is(site):
    site.says["a"] = reply(500)
    site.round()
    assert site.row().backoff_until is None
    site.round(minutes=3)
    assert site.row().backoff_until == site.row().next_poll_at
    assert site.watcher.look().polled == 0


def test_a_human_who_looks_asks_feeds_in_back_off_too(site):
    site.says["a"] = reply(500)
    site.round()
    site.round(minutes=3)
    site.says["a"] = reply(200, a_feed(("new", site.clock.now())))
    came = site.watcher.look(by_human=True)
    assert (came.polled, came.failed) == (1, ())
    assert site.row().backoff_until is None


def test_a_server_that_asks_for_time_gets_it(site):
    site.says["a"] = reply(429, Retry_After="1800")
    site.round()
    assert site.watcher.look(by_human=True).polled == 0
    assert 30 * MINUTE <= site.row().next_poll_at - site.clock.now() <= 33 * MINUTE
    assert site.row().backoff_until is not None


def test_a_feed_that_is_gone_is_asked_once_a_day(site):
    site.says["a"] = reply(410)
    site.round()
    assert site.row().next_poll_at - site.clock.now() == GONE_WAIT


def test_a_ttl_may_not_stretch_beyond_half_of_fresh(site):
    site.says["a"] = reply(200, a_feed(("old", NOW), ttl=600))
    site.round()
    assert site.row().next_poll_at - site.clock.now() <= POLICY.fresh / 2 * 1.1


def test_a_look_skips_what_was_just_read_and_asks_what_is_not_due(site):
    site.round()
    assert site.watcher.look().polled == 0
    site.clock.move(MINUTE)
    assert site.watcher.look().polled == 1


def test_a_feed_that_can_not_be_stored_is_not_read_and_not_asked_again_at_once(site, monkeypatch):
    real = site.store.write

    def write(**how):
        raise StoreFailedError("store_failed", "value too long")

    monkeypatch.setattr(site.store, "write", write)
    came = site.round()
    assert came.failed == ("a",)
    assert site.row().last_good_at is None
    assert came.next_at == site.clock.now() + INTERVAL
    for _ in range(5):
        assert site.round(seconds=1).polled == 0
    assert site.server.connections == 1
    monkeypatch.setattr(site.store, "write", real)
    assert site.round(minutes=2).new_items == 1


def test_a_long_feed_is_stored_in_bites_and_counts_as_read_only_when_all_are(site, monkeypatch):
    body = a_feed(*((f"a{n:03}", NOW) for n in range(3 * BITE)))
    site.says["a"] = reply(200, body, ETag='"1"')
    real, bites = site.store.write, []

    def write(**how):
        bites.append(len(site.items()))
        if len(bites) == 3:
            raise StoreFailedError("store_failed", "disk full")
        return real(**how)

    monkeypatch.setattr(site.store, "write", write)
    assert site.round().failed == ("a",)
    assert bites == [0, BITE, 2 * BITE]
    assert (site.row().etag, site.row().last_good_at) == (None, None)
    came = site.round(minutes=3)
    assert (came.failed, came.new_items) == ((), BITE)
    assert len(site.items()) == 3 * BITE
    assert site.row().etag == '"1"'


def test_many_feeds_of_one_host_are_asked_one_at_a_time(sqlite_store, parsers):
    names = [f"f{n}" for n in range(6)]
    site = Site(sqlite_store, parsers, names)
    open_now, most, never = [0], [0], threading.Event()

    def answer(request):
        open_now[0] += 1
        most[0] = max(most[0], open_now[0])
        never.wait(0.01)
        open_now[0] -= 1
        return reply(200, a_feed(("old", NOW)))

    site.says = dict.fromkeys(names, answer)
    assert site.round().polled == 6
    assert most == [1]
    site.server.__exit__()


def test_polls_at_once_are_stored_on_a_server_too(postgres_store, parsers):
    sites = [Site(postgres_store, parsers, (f"g{n}",)) for n in range(4)]
    feeds = [next(iter(site.watcher.feeds)) for site in sites]
    watcher = Watcher(
        postgres_store, clock=FakeClock(), parsers=parsers, feeds=feeds, policy=POLICY,
        door=Door(NetPolicy((ip_network("127.0.0.0/8"),)), user_agent="killswitch-test"),
        on_new=lambda: None, round_s=LONG,
    )  # fmt: skip
    came = watcher.round()
    assert (came.polled, came.failed, came.new_items) == (4, (), 4)
    for site in sites:
        site.server.__exit__()


DAY = timedelta(days=1)


@pytest.mark.parametrize("step", [HOUR, DAY, 3650 * DAY], ids=str)
def test_a_headline_that_is_fresh_by_its_server_is_graded_whatever_our_clock_says(site, step):
    site.round(minutes=1)
    site.clock.step_wall(step)
    true = site.clock.now() - step
    entries = [("old", NOW), ("breaking", true), ("from last week", true - 7 * DAY)]
    site.says["a"] = reply(200, a_feed(*entries), Date=format_datetime(true, usegmt=True))
    site.clock.move(timedelta(minutes=3))
    site.watcher.round()
    assert site.items() == {"old": False, "breaking": False, "from last week": True}


@pytest.mark.parametrize("date", ["nonsense", "Mon, 02 Mar 2099 09:00:00 GMT", ""])
def test_a_server_without_a_believable_clock_makes_nothing_old(site, date):
    site.round()
    site.says["a"] = reply(200, a_feed(("old", NOW), ("fresh", NOW + MINUTE)), Date=date)
    site.round(minutes=3)
    assert site.items() == {"old": False, "fresh": False}


def test_a_new_feed_is_primed_by_its_servers_clock_too(site):
    site.clock.step_wall(DAY)
    said = a_feed(("fresh", NOW - HOUR), ("old", NOW - 13 * HOUR))
    site.says["a"] = reply(200, said, Date=format_datetime(NOW, usegmt=True))
    site.round()
    assert site.items() == {"fresh": False, "old": True}


def test_a_feed_that_could_not_be_stored_is_asked_again_in_time_after_a_step_back(
    site, monkeypatch
):
    def write(**how):
        raise StoreFailedError("store_failed", "disk full")

    with monkeypatch.context() as broken:
        broken.setattr(site.store, "write", write)
        site.round()
    site.clock.step_wall(-DAY)
    assert site.round(seconds=1).polled == 0
    assert site.round(minutes=2).polled == 1


@pytest.mark.parametrize("ask", ["round", "look"])
def test_a_clock_that_is_stepped_back_blinds_no_feed(site, ask):
    site.watcher.round()
    site.clock.step_wall(-timedelta(days=1))

    came = getattr(site.watcher, ask)()

    assert came.polled == len(site.says)
    assert site.row().last_good_at <= site.clock.now()


def test_a_feed_that_brings_a_thousand_new_entries_each_time_is_bounded_and_told(
    sqlite_store, parsers, monkeypatch
):
    monkeypatch.setattr("killswitch.store.news.STORED_MOST", 150)
    site = Site(sqlite_store, parsers, ("a", "b"))
    for number in range(4):
        old = (f"{number}.{n}" for n in range(60))
        site.says["a"] = reply(200, a_feed(*((title, NOW - 20 * HOUR) for title in old)))
        site.round(days=2)
    assert "more than is kept" in site.row("a").problem
    assert len(site.items()) <= 151
    assert "old" in site.items()
    assert site.row("b").problem is None
    site.server.__exit__()
