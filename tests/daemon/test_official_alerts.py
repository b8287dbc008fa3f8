"""Official alerts on their way through the store: read, graded, a cause of their own, settled."""

from __future__ import annotations

from datetime import timedelta
from types import SimpleNamespace

import pytest

from killswitch.desk import closing
from killswitch.latch import Inhibits
from killswitch.news.alerts import AlertPolicy
from killswitch.news.grade import Detector
from killswitch.news.policy import DetectPolicy
from killswitch.store import latch as latch_store
from killswitch.store import news, notices
from killswitch.store.news import NewItem, item_guid
from killswitch.watch.grader import Grader
from killswitch.watch.lexicons import load_lexicons
from killswitch.watch.watcher import Feed
from tests.daemon.bench import FakeClock

MINUTE = timedelta(minutes=1)
POLICY = DetectPolicy(
    languages=("en",), countries=("it",), alerts=AlertPolicy(countries=frozenset({"it"}))
)
RED = {"gdacs:alertlevel": "Red", "gdacs:eventtype": "EQ", "gdacs:eventid": "7",
       "gdacs:country": "Italy"}  # fmt: skip
TITLE = "Red earthquake alert (Magnitude 6.9M) in Italy"


class House:
    """A store, an alert feed and two newsrooms."""

    def __init__(self, store, *, rehearsal=False):
        self.store, self.clock = store, FakeClock()
        with store.write() as conn:
            names = ("GDACS", "Warnings", "Post", "Herald")
            news.ensure_feeds(conn, {name: f"https://{name}.example" for name in names})
        feeds = [
            Feed("GDACS", "https://gdacs.example", "GDACS", "", "alert", False, MINUTE, "en"),
            Feed("Warnings", "https://w.example", "W", "", "alert", False, MINUTE, "en", "it"),
            Feed("Post", "https://post.example", "Post", "", "news", False, MINUTE, "en"),
            Feed("Herald", "https://herald.example", "Herald", "", "news", False, MINUTE, "en"),
        ]
        self.grader = Grader(
            store, clock=self.clock, detector=Detector(load_lexicons(("en",)), POLICY),
            policy=POLICY, feeds=feeds, inhibits=Inhibits(), rehearsal=rehearsal,
            on_trip=lambda: None,
        )  # fmt: skip

    def hears(self, feed, title, fields=None, *, key=""):
        self.clock.move(MINUTE)
        now = self.clock.now()
        item = NewItem(item_guid(title + key, title), title, "", "", "en", now, False, fields)
        with self.store.write() as conn:
            news.ingest(conn, feed, [item], values={"last_good_at": now}, now=now)
        self.grader.drain()

    def causes(self):
        with self.store.read() as conn:
            return [(c.kind.value, len(c.evidence)) for c in latch_store.read(conn).causes]

    def told(self):
        with self.store.read() as conn:
            return [(row.kind, row.facts["reason"]) for row in notices.undone(conn)]


@pytest.fixture
def house(sqlite_store):
    return House(sqlite_store)


def test_a_red_alert_near_pauses_by_itself_and_headlines_are_its_evidence(house):
    house.hears("GDACS", TITLE, RED)
    assert house.causes() == [("alert", 1)]
    house.hears("Post", "Strong earthquake shakes Italy, people injured")
    assert house.causes() == [("alert", 2)]


def test_the_same_alert_again_opens_nothing(house):
    house.hears("GDACS", TITLE, RED)
    house.hears("GDACS", TITLE, {**RED, "gdacs:episodeid": "2"}, key="2")
    assert house.causes() == [("alert", 1)]


def test_a_weather_warning_is_told(house):
    fields = {"cap:severity": "Extreme", "cap:category": "Met", "cap:event": "Wind"}
    house.hears("Warnings", "Red wind warning", fields)
    assert (house.causes(), house.told()) == ([], [("told", "Red wind warning")])


def test_a_warning_of_another_feed_country_is_near_by_its_feed(house):
    fields = {"cap:severity": "Extreme", "cap:category": "Infra", "cap:event": "Dam"}
    house.hears("Warnings", "Dam break", fields)
    assert house.causes() == [("alert", 1)]


def test_what_is_taken_back_is_told_and_ends_no_pause(house):
    house.hears("GDACS", TITLE, RED)
    fields = {"cap:identifier": "1", "cap:severity": "Extreme", "cap:category": "Infra"}
    house.hears("Warnings", "Dam break", fields)
    back = {**fields, "cap:msgtype": "Cancel", "cap:identifier": "2", "cap:references": "a,1,b"}
    house.hears("Warnings", "Dam holds", back)
    assert house.causes() == [("alert", 1), ("alert", 1)]
    assert ("told", "taken back: Dam break") in house.told()


def test_a_rehearsal_only_tells_of_an_alert(sqlite_store):
    house = House(sqlite_store, rehearsal=True)
    house.hears("GDACS", TITLE, RED)
    assert (house.causes(), house.told()) == ([], [("rehearsal", TITLE)])


@pytest.mark.parametrize("dismissed", [True, False])
def test_a_settled_alert_is_muted_like_a_story(house, dismissed):
    house.hears("GDACS", TITLE, RED)
    now = house.clock.now()
    with house.store.write() as conn:
        latch = latch_store.lock(conn)
        ctx = SimpleNamespace(detect=POLICY)
        muted = closing.mute_stories(ctx, conn, latch.causes, dismissed=dismissed, now=now)
        ids = [cause.id for cause in latch.causes]
        latch_store.close_causes(conn, latch, ids, by="p1", reason="seen", now=now)
    assert len(muted) == 1
    house.grader.forget()
    house.hears("GDACS", TITLE, {**RED, "gdacs:episodeid": "2"}, key="2")
    assert house.causes() == []
