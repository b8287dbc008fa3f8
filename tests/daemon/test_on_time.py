"""
Feeds that are read on time, whatever other feeds and their servers do.

Each feed has a server of its own, so each has a line of its own; time is a fake clock, and the bad
ones last exactly as long as the test wants.
"""

from __future__ import annotations

import threading
from contextlib import ExitStack
from datetime import timedelta
from ipaddress import ip_network

import pytest

from killswitch.child import ChildFailed
from killswitch.clock import FakeClock
from killswitch.net import Door, NetPolicy
from killswitch.store import news
from killswitch.watch.lines import SLOW_THREADS, THREADS
from killswitch.watch.parsers import SOON_S, Parsers
from killswitch.watch.watcher import Feed, Watcher, WatchPolicy
from tests.edge.bombs import BULK
from tests.edge.raw_server import RawServer, reply
from tests.store.made import HOUR, MINUTE

LONG, SHORT = 20.0, 0.5
GOOD = b"<rss version='2.0'><channel><title>T</title><item><title>a</title></item></channel></rss>"
ITEM = {"guid": "1", "title": "a", "summary": "", "url": "", "lang": None, "categories": []}
PARSED = {
    "version": "rss20", "title": "T", "ttl_s": None, "problem": None,
    "items": [ITEM | {"published": None, "updated": None, "extra": {}}],
}  # fmt: skip


class Child:
    """A parser whose time-out a body that burns takes whole: until the test says go."""

    def __init__(self, go):
        self.go = go

    def call(self, message, body=b"", *, timeout_s):
        if body != b"burn":
            return {"feed": PARSED}
        if timeout_s > SOON_S:
            self.go.wait(LONG)
        raise ChildFailed("timeout", "it burned")

    def close(self):
        pass


class Farm:
    """Servers of one feed each, and a watcher of them all."""

    def __init__(self, store, stack, parsers=None, **answers):
        self.store, self.clock = store, FakeClock()
        self.go = threading.Event()
        self.servers = {
            name: stack.enter_context(RawServer(lambda _, says=says: says(self.go)))
            for name, says in answers.items()
        }
        stack.callback(self.go.set)
        feeds = [
            Feed(name, server.url, name, "", "news", False, 2 * MINUTE, "en")
            for name, server in self.servers.items()
        ]
        self.watcher = Watcher(
            store, clock=self.clock, feeds=feeds, on_new=lambda: None, round_s=SHORT,
            door=Door(NetPolicy((ip_network("127.0.0.0/8"),)), user_agent="killswitch-test"),
            parsers=parsers or Parsers(lambda: Child(self.go)),
            policy=WatchPolicy(5 * MINUTE, 12 * HOUR),
        )  # fmt: skip
        self.watcher.start()

    def rounds(self, *, minutes=3):
        """Let time pass and poll until nothing but the bad ones is under way."""
        self.clock.move(timedelta(minutes=minutes))
        came = self.watcher.round()
        while any(name.startswith("good") for name in came.under_way):
            came = self.watcher.round()
        return came

    def read_now(self):
        """Name the feeds whose last good poll is of this moment."""
        with self.store.read() as conn:
            rows = news.feed_rows(conn, self.servers)
        return {name for name, row in rows.items() if row.last_good_at == self.clock.now()}

    def asked(self, name):
        return self.servers[name].connections


@pytest.fixture
def farm(sqlite_store):
    with ExitStack() as stack:
        yield lambda **how: Farm(sqlite_store, stack, **how)


def good(_go):
    return reply(200, GOOD)


def burning(_go):
    return reply(200, b"burn")


def silent(go):
    go.wait(LONG)
    return b""


def dripping(go):
    yield b"HTTP/1.1 200 OK\r\n\r\n"
    while not go.wait(0.05):
        yield b"<"


def bulky(name):
    return lambda _go: reply(200, BULK[name])


def many(prefix, count, says):
    return {f"{prefix}{n}": says for n in range(count)}


@pytest.mark.parametrize("bad", [silent, dripping, burning])
def test_five_bad_feeds_make_no_other_one_late(farm, bad):
    one = farm(**many("bad", 5, bad), **many("good", 4, good))
    wanted = {f"good{n}" for n in range(4)}
    for times in range(1, 4):
        came = one.rounds()
        assert one.read_now() == wanted
        assert set(came.under_way) == {f"bad{n}" for n in range(5)}
        assert came.next_at > one.clock.now()
        assert [one.asked(name) for name in sorted(wanted)] == [times] * 4
    assert one.asked("bad0") == 1


BURNING = (
    *("tags without an end", "markup nested in a title", "items nested in each other"),
    *("an item that never begins", "ampersands"),
)


@pytest.mark.timeout(150)
def test_five_feeds_that_really_burn_the_parsers_limit_make_no_other_one_late(farm):
    parsers = Parsers()
    bad = {f"bad{n}": bulky(name) for n, name in enumerate(BURNING)}
    one = farm(parsers=parsers, **bad, **many("good", 12, good))
    wanted = {f"good{n}" for n in range(12)}
    for _ in range(3):
        came = one.rounds()
        assert one.read_now() == wanted
    assert len([name for name in came.under_way if name.startswith("bad")]) >= 3
    assert sum(one.asked(name) for name in bad) == 5
    parsers.close()


def test_bad_feeds_that_are_known_leave_all_threads_to_the_others(farm):
    bad, wanted = many("bad", THREADS + 5, silent), many("good", 3, good)
    one = farm(**bad, **wanted)
    with one.store.write() as conn:
        for name in bad:
            news.ingest(conn, name, [], values={"failures": 3}, now=one.clock.now())
    one.rounds()
    assert one.read_now() == set(wanted)
    assert sum(one.asked(name) for name in bad) <= SLOW_THREADS


def test_a_round_waits_for_bad_feeds_no_longer_than_until_the_next_one_is_due(farm):
    one = farm(bad=silent, good=good)
    one.watcher._round_s = LONG
    with one.store.write() as conn:
        values = {"next_poll_at": one.clock.now() + timedelta(seconds=0.2)}
        news.ingest(conn, "good", [], values=values, now=one.clock.now())
    came = one.watcher.round()
    assert (came.polled, came.under_way) == (0, ("bad",))
    one.clock.move(MINUTE)
    one.watcher._round_s = SHORT
    assert one.rounds().under_way == ("bad",)
    assert one.read_now() == {"good"}


def test_every_bad_feed_has_its_turn_in_the_end(farm):
    bad = many("bad", THREADS + 9, silent)
    one = farm(**bad, **many("good", 1, good))
    one.clock.move(3 * MINUTE)
    one.watcher.round()
    one.go.set()
    one.watcher.look()
    assert one.watcher.round().under_way == ()
    with one.store.read() as conn:
        rows = news.feed_rows(conn, bad)
    assert {row.failures for row in rows.values()} == {1}


def test_a_look_tells_the_feeds_that_did_not_answer_in_time(farm, monkeypatch):
    monkeypatch.setattr("killswitch.watch.watcher.WAIT_LOOK_S", SHORT)
    one = farm(bad=silent, good=good)
    came = one.watcher.look()
    assert came.failed == ("bad",)
    assert one.read_now() == {"good"}


def test_a_look_waits_for_what_a_round_is_reading_rather_than_asking_again(farm):
    one = farm(bad=silent, good=good)
    assert one.rounds().under_way == ("bad",)
    one.go.set()
    came = one.watcher.look()
    assert (came.polled, came.failed) == (1, ("bad",))
    assert one.asked("bad") <= 2


def test_a_fault_of_ours_in_a_poll_is_raised_in_the_round_or_in_the_next(farm, monkeypatch):
    one = farm(bad=silent, good=good)

    def broken(*_):
        raise ZeroDivisionError

    monkeypatch.setattr(one.watcher, "_store_poll", broken)
    with pytest.raises(ZeroDivisionError):
        one.rounds()
    monkeypatch.undo()
    with pytest.raises(ZeroDivisionError):
        one.rounds()
