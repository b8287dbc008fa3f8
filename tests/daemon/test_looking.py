"""The fresh look before a resume: read, graded, judged, or it was none."""

from __future__ import annotations

import threading

import pytest

from killswitch.clock import FakeClock, SystemClock
from killswitch.daemon.looking import look_afresh
from killswitch.errors import InvariantBroken
from killswitch.store import news
from killswitch.store.engine import StoreFailedError
from killswitch.store.news import NewItem, item_guid
from tests.daemon.bench import GOOD

NAMES = ("courier", "herald", "planet")


class Newsroom:
    """Three feeds, each with one new headline."""

    def __init__(self, store):
        self.store, self.clock = store, SystemClock()
        self.faults = []
        self.failed = []
        with store.write() as conn:
            news.ensure_feeds(conn, {name: f"https://{name}.example" for name in NAMES})

    def read(self):
        for name in NAMES:
            if name not in self.failed:
                self.read_one(name)
        return self.failed

    def read_one(self, name):
        now = self.clock.now()
        item = NewItem(item_guid("g", f"{name} {now}"), "t", "", "u", "en", now, False)
        with self.store.write() as conn:
            news.ingest(conn, name, [item], values={"last_poll_at": now}, now=now)

    def grade(self):
        with self.store.write() as conn:
            rows = news.ungraded(conn, limit=9)
            graded = [{"key": r.id, "grade": "none", "signal": {}, "story": None} for r in rows]
            news.write_grades(conn, graded)

    def look(self, clock=None, **other):
        parts = {
            "feeds": NAMES,
            "read": self.read,
            "grade": self.grade,
            "judge": lambda: GOOD,
            "on_fault": self.faults.append,
        }
        return look_afresh(self.store, clock or self.clock, **(parts | other))


@pytest.fixture
def newsroom(sqlite_store):
    return Newsroom(sqlite_store)


def test_what_was_read_and_graded_was_a_look(newsroom):
    newsroom.failed = ["planet"]
    looked = newsroom.look()
    assert (looked.feeds, looked.failed, looked.problem) == (3, ("planet",), "")
    assert looked.sight is GOOD


@pytest.mark.parametrize("error", [StoreFailedError("store_failed", "disk full"), ValueError("x")])
def test_a_look_that_fails_is_none_and_names_what_it_did_not_read(newsroom, error):
    def fails():
        newsroom.read_one("courier")
        raise error

    looked = newsroom.look(read=fails)
    assert str(error) in looked.problem
    assert looked.failed == ("herald", "planet")
    assert newsroom.faults == []


def test_a_broken_invariant_in_a_look_ends_the_daemon(newsroom):
    error = InvariantBroken("inside")

    def breaks():
        raise error

    assert newsroom.look(read=breaks).problem
    assert newsroom.faults == [error]


@pytest.mark.parametrize("stage", ["read", "grade"])
def test_a_look_that_does_not_end_in_time_is_none(newsroom, stage):
    free, ended = threading.Event(), threading.Event()

    def hangs():
        if stage == "grade":
            newsroom.read()
            newsroom.grade()
        free.wait(20)
        ended.set()
        return ()

    clock = FakeClock()
    before_s = clock.boot_s()
    other = {"read": hangs} if stage == "read" else {"read": tuple, "grade": hangs}
    looked = newsroom.look(clock, **other)
    free.set()
    assert ended.wait(20)
    assert "did not end within 30 s" in looked.problem
    assert clock.boot_s() - before_s == 30
    assert set(looked.failed) <= set(NAMES)


def test_headlines_that_nobody_graded_are_no_look(newsroom):
    looked = newsroom.look(grade=lambda: None)
    assert "graded" in looked.problem
    assert set(looked.failed) == set(NAMES)


def test_a_headline_that_comes_after_the_look_is_not_waited_for(newsroom):
    def grades_and_one_comes():
        newsroom.grade()
        newsroom.read_one("courier")

    assert newsroom.look(grade=grades_and_one_comes).problem == ""
