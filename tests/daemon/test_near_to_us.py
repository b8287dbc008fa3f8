"""The joke about the actor who dies: one report and a post of the queue that mentions him."""

from __future__ import annotations

from datetime import timedelta

import pytest

from killswitch.clock import FakeClock
from killswitch.latch import Inhibits
from killswitch.news.grade import Detector
from killswitch.news.policy import DetectPolicy
from killswitch.queue.states import DeliveryState
from killswitch.store import latch as latch_store
from killswitch.store import news
from killswitch.store.news import NewItem, item_guid
from killswitch.watch.grader import Grader
from killswitch.watch.lexicons import load_lexicons
from killswitch.watch.mentions import names_in_queue
from killswitch.watch.watcher import Feed
from tests.store.made import add, put

MINUTE, DAY = timedelta(minutes=1), timedelta(days=1)
POLICY = DetectPolicy(languages=("en",))
DIES = "Actor John Smith dies at 80"


class House:
    """A store with a queue, and two newsrooms."""

    def __init__(self, store, *, rehearsal=False, kind="news"):
        self.store, self.clock, self.inhibits = store, FakeClock(), Inhibits()
        with store.write() as conn:
            news.ensure_feeds(conn, {"Post": "https://post.example"})
        feeds = [Feed("Post", "https://post.example", "Post", "", kind, False, MINUTE, "en")]
        self.grader = Grader(
            store, clock=self.clock, detector=Detector(load_lexicons(("en",)), POLICY),
            policy=POLICY, feeds=feeds, inhibits=self.inhibits, rehearsal=rehearsal,
            on_trip=lambda: None,
        )  # fmt: skip

    def hears(self, title):
        now = self.clock.now()
        item = NewItem(item_guid(title, title), title, "", "", "en", now, False)
        with self.store.write() as conn:
            news.ingest(conn, "Post", [item], values={"last_good_at": now}, now=now)
        self.grader.drain()

    def causes(self):
        with self.store.read() as conn:
            return [(c.kind.value, c.reason, c.rule) for c in latch_store.read(conn).causes]


def test_a_death_that_a_queued_post_mentions_trips_at_once(store):
    house = House(store)
    add(store, text="Who said it: John Smith or our CEO?", due_at=house.clock.now() + 20 * DAY)
    house.hears(DIES)
    ((kind, reason, rule),) = house.causes()
    assert (kind, reason) == ("story", DIES)
    assert "a queued post mentions “john smith”" in rule


@pytest.mark.parametrize("post", ["Smith and John", "John Smithers says hello", "Johnsmith"])
def test_a_death_that_no_post_mentions_does_not(sqlite_store, post):
    house = House(sqlite_store)
    add(sqlite_store, text=post)
    house.hears(DIES)
    assert house.causes() == []


def test_who_only_mourns_is_no_reason(sqlite_store):
    house = House(sqlite_store)
    add(sqlite_store, text="Mary Stone bakes for you")
    house.hears("Tributes to Mary Stone")
    assert house.causes() == []


def test_tags_and_a_post_that_was_sent(sqlite_store):
    house = House(sqlite_store)
    add(sqlite_store, text="Guess who?", tags=("JohnSmith",))
    sent = add(sqlite_store, text="Happy birthday Ana Silva")
    put(sqlite_store, sent, DeliveryState.CLAIMED, DeliveryState.SENDING, DeliveryState.SENT)
    names = ("john smith", "ana silva")
    assert names_in_queue(house.store, names) == {"john smith"}


def test_the_whole_queue_is_looked_through(sqlite_store):
    house = House(sqlite_store)
    for number in range(410):
        add(sqlite_store, text=f"Offer {number}", due_at=house.clock.now() + number * MINUTE)
    add(sqlite_store, text="John Smith!", due_at=house.clock.now() + 300 * DAY)
    assert names_in_queue(house.store, ["john smith"]) == {"john smith"}
    assert names_in_queue(house.store, ["mary stone"]) == frozenset()
    assert names_in_queue(house.store, []) == frozenset()


def test_an_aggregator_is_no_reason(sqlite_store):
    house = House(sqlite_store, kind="aggregator")
    add(sqlite_store, text="John Smith!")
    house.hears(DIES)
    assert house.causes() == []


def test_a_rehearsal_only_tells(sqlite_store):
    house = House(sqlite_store, rehearsal=True)
    add(sqlite_store, text="John Smith!")
    house.hears(DIES)
    assert house.causes() == []
