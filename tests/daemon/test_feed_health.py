"""What ``feeds`` tells of a feed that shows nothing, and that such a feed is not sight."""

from __future__ import annotations

from datetime import timedelta

import pytest
import sqlalchemy as sa

from killswitch.daemon.eyes import Eyes, SightPolicy
from killswitch.latch import Inhibits
from killswitch.store import news
from killswitch.watch.parsers import Parsers
from tests.daemon.site import POLICY, Site, a_feed
from tests.edge.raw_server import reply
from tests.store.made import HOUR, MINUTE, NOW

SIGHT = SightPolicy(
    fresh=POLICY.fresh,
    blind_after=HOUR,
    min_alive=1.0,
    max_item_age=12 * HOUR,
    outlets=1,
    single_trusted=False,
)


@pytest.fixture(scope="module")
def parsers():
    made = Parsers()
    yield made
    made.close()


class Watched(Site):
    """One feed that is read and graded, and the eyes that judge it."""

    def __init__(self, store, parsers):
        super().__init__(store, parsers)
        self.eyes = Eyes(
            store, clock=self.clock, feeds=list(self.watcher.feeds), policy=SIGHT,
            inhibits=Inhibits(), on_trip=lambda: None,
        )  # fmt: skip

    def read(self, answer, **after):
        """Read it when the server gives this answer; return its health and whether it is sight."""
        whole = callable(answer) or answer.startswith(b"HTTP/")
        self.says["a"] = answer if whole else reply(200, answer)
        self.round(**after)
        with self.store.write() as conn:
            conn.execute(sa.text("UPDATE items SET graded = true"))
            news.mark_graded(conn)
        (doc,) = self.eyes.feed_docs()
        assert self.eyes.judge().ok is doc["alive"]
        return doc

    def read_for(self, hours, titles):
        """Read it each hour; return the last health."""
        doc = None
        for _ in range(hours):
            self.clock.move(HOUR)
            doc = self.read(titles(self.clock.now()))
        return doc


@pytest.fixture
def watched(sqlite_store, parsers):
    made = Watched(sqlite_store, parsers)
    yield made
    made.server.__exit__()


def test_a_feed_with_news_is_alive_and_without_problem(watched):
    doc = watched.read(a_feed(("a", NOW)))
    assert (doc["alive"], doc["frozen"], doc["problem"]) == (True, False, None)


def test_a_feed_that_shows_the_same_for_a_day_is_frozen_and_says_since_when(watched):
    watched.read(a_feed(("a", NOW)))
    doc = watched.read_for(24, lambda now: a_feed(("a", NOW)))
    assert (doc["alive"], doc["frozen"], doc["problem"]) == (True, False, None)
    doc = watched.read_for(1, lambda now: a_feed(("a", NOW)))
    assert (doc["alive"], doc["frozen"]) == (False, True)
    assert doc["problem"] == "nothing new for 1 d 1 h"


def test_a_frozen_feed_with_a_habit_says_what_is_usual(watched):
    items = [(f"a{n}", NOW - n * 20 * MINUTE) for n in range(20)]
    watched.read(a_feed(*items))
    doc = watched.read_for(7, lambda now: a_feed(*items))
    assert doc["frozen"]
    assert doc["problem"] == "nothing new for 7 h; usually something each 20 min"


def test_a_frozen_feed_that_brings_something_new_is_alive_again(watched):
    watched.read(a_feed(("a", NOW)))
    watched.read_for(25, lambda now: a_feed(("a", NOW)))
    doc = watched.read(a_feed(("b", watched.clock.now())), minutes=3)
    assert (doc["alive"], doc["frozen"], doc["problem"]) == (True, False, None)


def test_a_feed_that_dates_its_old_entries_anew_each_time_is_frozen_all_the_same(watched):
    watched.read(a_feed(("a", NOW)))
    doc = watched.read_for(25, lambda now: a_feed(("a", now)))
    assert (doc["alive"], doc["frozen"]) == (False, True)


def test_a_feed_without_dates_lives_by_what_it_brings(watched):
    watched.read(a_feed(("a", None)))
    watched.read_for(20, lambda now: a_feed(("a", None)))
    doc = watched.read_for(20, lambda now: a_feed(("b", None), ("a", None)))
    assert (doc["alive"], doc["frozen"]) == (True, False)
    assert watched.read_for(6, lambda now: a_feed(("b", None), ("a", None)))["frozen"]


@pytest.mark.parametrize("before", [True, False])
def test_a_feed_that_lists_nothing_is_no_sight_from_the_first_time_on(watched, before):
    if before:
        watched.read(a_feed(("a", NOW)))
    for _ in range(3):
        doc = watched.read(a_feed(), minutes=3)
        assert (doc["alive"], doc["frozen"]) == (False, True)
        assert doc["problem"] == "the feed lists no entries"
    doc = watched.read(a_feed(("b", watched.clock.now())), minutes=3)
    assert (doc["alive"], doc["problem"]) == (True, None)


@pytest.mark.parametrize(
    ("answer", "problem"),
    [
        (reply(200, b"<!doctype html><html><body>Please log in</body></html>"), "web page"),
        (reply(200, b""), "sent nothing"),
        (reply(200, b"hello"), "neither RSS nor Atom"),
        (reply(404), "404"),
        (reply(503), "503"),
        (reply(302, Location="/a"), "redirects"),
    ],
)
def test_a_feed_that_turns_into_something_else_says_so_at_once_and_is_no_sight_soon(
    watched, answer, problem
):
    watched.read(a_feed(("a", NOW)))
    doc = watched.read(answer, minutes=3)
    assert problem in doc["problem"]
    assert doc["failures"] == 1
    doc = watched.read(answer, minutes=3)
    assert (doc["alive"], doc["frozen"], doc["failures"]) == (False, False, 2)


def test_a_problem_that_is_over_is_told_no_more(watched):
    def answer(request):
        known = b'if-none-match: "1"' in request.lower()
        return reply(304) if known else reply(200, a_feed(("a", NOW)), ETag='"1"')

    for good in (answer, reply(200, a_feed(("a", NOW)))):
        watched.read(good, minutes=3)
        assert watched.read(reply(500), minutes=3)["problem"]
        watched.clock.move(timedelta(minutes=5))
        doc = watched.read(good)
        assert (doc["failures"], doc["problem"]) == (0, None)


def test_a_degraded_feed_says_so_as_long_as_it_is(watched):
    cut = a_feed(("a", NOW), ("b", NOW)).removesuffix(b"</channel></rss>")
    for _ in range(3):
        doc = watched.read(cut, minutes=3)
        assert doc["alive"]
        assert "not well-formed XML" in doc["problem"]
