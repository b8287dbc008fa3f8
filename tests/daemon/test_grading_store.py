"""The grader on the store: one transaction for grades, story and cause, or none of it."""

from __future__ import annotations

from datetime import timedelta
from types import SimpleNamespace

import pytest
import sqlalchemy as sa

from killswitch.clock import FakeClock
from killswitch.desk import closing
from killswitch.errors import StoreBusyError
from killswitch.latch import InhibitKind, Inhibits
from killswitch.news.grade import Detector
from killswitch.news.levels import NEVER, LevelPolicy
from killswitch.news.policy import DetectPolicy
from killswitch.store import facts, news, notices
from killswitch.store import latch as latch_store
from killswitch.store.news import NewItem, item_guid
from killswitch.trip import CLASH_SCAN
from killswitch.watch.grader import Grader
from killswitch.watch.lexicons import load_lexicons
from killswitch.watch.watcher import Feed, Watcher, WatchPolicy
from tests.store.made import HOUR, MINUTE

POLICY = DetectPolicy(languages=("en",))
FIRST = "Knife attack in Springfield leaves four people dead"
SECOND_ = "Four killed in Springfield knife attack, police say"
WORSE = "Forty killed in Springfield knife attack"
MUCH_WORSE = "400 killed in Springfield knife attack"
OUTLETS = ("Courier", "Herald", "Planet")


class Newsroom:
    """Feeds that bring headlines, and the grader of them."""

    def __init__(self, store, *, rehearsal=False, policy=POLICY, same_group=()):
        self.store, self.clock, self.inhibits = store, FakeClock(), Inhibits()
        self.policy, self.rehearsal, self.same_group = policy, rehearsal, same_group
        self.trips = 0
        with store.write() as conn:
            news.ensure_feeds(conn, {name: f"https://{name}.example" for name in OUTLETS})
        self.grader = self.new_grader()

    def new_grader(self):
        feeds = [
            Feed(
                name, f"https://{name}.example", name,
                "group" if name in self.same_group else "", "news", False, 2 * MINUTE, "en",
            )
            for name in OUTLETS
        ]  # fmt: skip
        return Grader(
            self.store, clock=self.clock, detector=Detector(load_lexicons(("en",)), self.policy),
            policy=self.policy, feeds=feeds, inhibits=self.inhibits, rehearsal=self.rehearsal,
            on_trip=self.tripped,
        )  # fmt: skip

    def tripped(self):
        self.trips += 1

    def says(self, outlet, *titles):
        now = self.clock.now()
        items = [
            NewItem(item_guid(t, t), t, "", f"https://{outlet}.example/{t}", "en", now, False)
            for t in titles
        ]
        with self.store.write() as conn:
            news.ingest(conn, outlet, items, values={"last_good_at": now}, now=now)

    def hear(self, outlet, *titles):
        self.says(outlet, *titles)
        self.grader.drain()

    def causes(self):
        with self.store.read() as conn:
            return [
                (cause.kind.value, cause.reason, len(cause.evidence))
                for cause in latch_store.read(conn).causes
            ]

    def settle(self, *, dismissed):
        """Close the pause as a human does: the stories behind it are muted."""
        now = self.clock.now()
        with self.store.write() as conn:
            latch = latch_store.lock(conn)
            closing.mute_stories(
                SimpleNamespace(detect=self.policy),
                conn,
                latch.causes,
                dismissed=dismissed,
                now=now,
            )
            ids = [cause.id for cause in latch.causes]
            latch_store.close_causes(conn, latch, ids, by="p1", reason="seen", now=now)

    def stories(self):
        """Tell what is stored of every story: its state, and the outlets it was heard from."""
        with self.store.read() as conn:
            rows = news.recent_stories(conn, since=self.clock.now() - MINUTE)
        return [(row.state, row.body["state"], row.body["heard"]) for row in rows]

    def ungraded(self):
        with self.store.read() as conn:
            return len(news.ungraded(conn, limit=500))

    def waits(self):
        return [inhibit.kind for inhibit in self.inhibits.list()]

    def told(self):
        with self.store.read() as conn:
            return [row.kind for row in notices.undone(conn)]


@pytest.fixture
def room(sqlite_store):
    return Newsroom(sqlite_store)


def test_calm_news_is_graded_and_changes_nothing(room):
    room.hear("Courier", *(f"Council opens lake path number {n}" for n in range(150)))
    assert room.ungraded() == 0
    assert room.causes() == []
    assert room.waits() == []


def test_two_outlets_pause_with_their_headlines_as_evidence(store):
    room = Newsroom(store)
    room.hear("Courier", FIRST)
    room.hear("Herald", SECOND_)
    ((kind, reason, evidence),) = room.causes()
    assert (kind, evidence) == ("story", 2)
    assert "Springfield" in reason
    assert room.trips == 1
    assert room.told() == ["paused"]
    with store.read() as conn:
        (scan,) = facts.like(conn, CLASH_SCAN)
        story = news.story(conn, scan.removeprefix(CLASH_SCAN))
        rows = conn.execute(sa.text("SELECT story, grade FROM items")).all()
    assert story.state == "tripped"
    assert {tuple(row) for row in rows} == {(story.id, "trip")}


def test_two_outlets_in_one_batch_pause(room):
    room.says("Courier", FIRST)
    room.says("Herald", SECOND_)
    room.grader.drain()
    assert len(room.causes()) == 1


def test_two_feeds_of_one_group_are_one_newsroom(sqlite_store):
    room = Newsroom(sqlite_store, same_group=("Courier", "Herald"))
    room.hear("Courier", FIRST)
    room.hear("Herald", SECOND_)
    assert room.causes() == []
    room.hear("Planet", SECOND_)
    assert len(room.causes()) == 1


def test_a_third_outlet_adds_evidence_and_leaves_the_version_alone(room):
    room.hear("Courier", FIRST)
    room.hear("Herald", SECOND_)
    with room.store.read() as conn:
        version = latch_store.read(conn).version
    room.hear("Planet", SECOND_)
    with room.store.read() as conn:
        latch = latch_store.read(conn)
    assert latch.version == version
    assert len(latch.causes[0].evidence) == 3
    assert room.told() == ["paused"]


def test_a_clear_worsening_is_a_cause_of_its_own(room):
    room.hear("Courier", FIRST)
    room.hear("Herald", SECOND_)
    room.clock.move(MINUTE)
    room.hear("Courier", WORSE)
    assert [kind for kind, *_ in room.causes()] == ["story", "story"]


def test_a_worsening_is_told_as_one_by_the_headline_that_told_it(room):
    room.hear("Courier", FIRST)
    room.hear("Herald", SECOND_)
    room.clock.move(MINUTE)
    room.hear("Courier", WORSE)
    assert room.causes()[1] == ("story", WORSE, 1)
    with room.store.read() as conn:
        told = {row.kind: row.facts["evidence"] for row in notices.undone(conn)}
    assert told.keys() == {"paused", "worsening"}
    assert [one["title"] for one in told["worsening"]] == [WORSE]


def test_two_worsenings_in_one_minute_are_two_causes(room):
    """A resume from the first may not close the second, which nobody has seen."""
    room.hear("Courier", FIRST)
    room.hear("Herald", SECOND_)
    room.hear("Courier", WORSE)
    with room.store.read() as conn:
        seen = latch_store.read(conn).version
    room.hear("Herald", MUCH_WORSE)
    with room.store.read() as conn:
        assert latch_store.read(conn).version == seen + 1
    assert len(room.causes()) == 3


def test_two_worsenings_in_one_batch_are_two_causes(room):
    room.hear("Courier", FIRST)
    room.hear("Herald", SECOND_)
    room.says("Courier", WORSE)
    room.clock.move(timedelta(seconds=1))  # items of one instant are graded in any order
    room.says("Herald", MUCH_WORSE)
    room.grader.drain()
    assert len(room.causes()) == 3


def test_one_outlet_makes_posts_wait_and_calls_nobody(room):
    room.hear("Courier", FIRST)
    assert room.waits() == [InhibitKind.UNCONFIRMED]
    assert (room.causes(), room.told(), room.trips) == ([], [], 0)


def test_the_wait_lifts_by_itself_and_opens_once_a_story(room):
    room.hear("Courier", FIRST)
    room.clock.move(10 * MINUTE - timedelta(seconds=1))
    room.grader.refresh_unconfirmed(room.clock.now())
    assert room.waits() == [InhibitKind.UNCONFIRMED]
    room.clock.move(timedelta(seconds=1))
    room.grader.refresh_unconfirmed(room.clock.now())
    assert room.waits() == []
    room.hear("Courier", SECOND_)
    room.grader.refresh_unconfirmed(room.clock.now())
    assert room.waits() == []
    room.hear("Herald", SECOND_)
    assert len(room.causes()) == 1


def test_the_wait_is_over_when_the_story_pauses(room):
    room.hear("Courier", FIRST)
    room.hear("Herald", SECOND_)
    room.grader.refresh_unconfirmed(room.clock.now())
    assert room.waits() == []


def test_the_wait_outlives_a_restart_and_counts_from_first_seen(room):
    room.hear("Courier", FIRST)
    room.clock.move(9 * MINUTE)
    room.inhibits = Inhibits()
    room.grader = room.new_grader()
    room.grader.refresh_unconfirmed(room.clock.now())
    assert room.waits() == [InhibitKind.UNCONFIRMED]
    room.clock.move(MINUTE)
    room.grader.refresh_unconfirmed(room.clock.now())
    assert room.waits() == []


def test_the_wait_stands_before_its_grades_are_committed(room, monkeypatch):
    seen = []
    real = room.grader._write

    def write(*args):
        seen.append(room.waits())
        return real(*args)

    monkeypatch.setattr(room.grader, "_write", write)
    room.hear("Courier", FIRST)
    assert seen == [[InhibitKind.UNCONFIRMED]]


def test_rehearsal_only_tells(sqlite_store):
    room = Newsroom(sqlite_store, rehearsal=True)
    room.hear("Courier", FIRST)
    assert room.waits() == []
    room.hear("Herald", SECOND_)
    assert (room.causes(), room.told(), room.trips) == ([], ["rehearsal"], 0)
    with room.store.read() as conn:
        assert len(news.tripped_stories(conn, since=room.clock.now() - MINUTE)) == 1


def test_a_story_below_its_level_is_told_and_holds_nothing(sqlite_store):
    quiet = LevelPolicy(near={"other": NEVER}, world=3)
    room = Newsroom(sqlite_store, policy=DetectPolicy(languages=("en",), levels=quiet))
    room.hear("Courier", FIRST)
    room.hear("Herald", SECOND_)
    assert (room.causes(), room.waits(), room.told(), room.trips) == ([], [], ["told"], 0)
    with room.store.read() as conn:
        assert news.tripped_stories(conn, since=room.clock.now() - MINUTE) == []
    room.hear("Planet", SECOND_)
    assert [kind for kind, *_ in room.causes()] == ["story"]


def test_what_only_would_have_paused_pauses_with_its_next_report_when_live(sqlite_store):
    room = Newsroom(sqlite_store, rehearsal=True)
    room.hear("Courier", FIRST)
    room.hear("Herald", SECOND_)
    room.rehearsal = False
    room.grader = room.new_grader()
    room.grader.refresh_unconfirmed(room.clock.now())
    assert room.causes() == []
    with room.store.read() as conn:
        events = news.tripped_stories(conn, since=room.clock.now() - MINUTE)
    assert len(events) == 1, "posts clash with it as before"
    room.hear("Planet", SECOND_)
    assert [kind for kind, *_ in room.causes()] == ["story"]
    room.settle(dismissed=False)
    room.grader = room.new_grader()
    room.hear("Courier", SECOND_)
    assert room.causes() == []


def test_a_commit_that_fails_leaves_neither_grades_nor_cause_and_is_done_again(room, monkeypatch):
    room.hear("Courier", FIRST)
    room.says("Herald", SECOND_)
    real, fail = room.store.write, [True]

    def write(**how):
        if fail.pop() if fail else False:
            raise StoreBusyError("store_busy", "locked")
        return real(**how)

    monkeypatch.setattr(room.store, "write", write)
    with pytest.raises(StoreBusyError):
        room.grader.drain()
    assert (room.causes(), room.ungraded()) == ([], 1)
    room.grader.drain()
    assert (len(room.causes()), room.ungraded()) == (1, 0)


def test_what_was_read_and_not_graded_is_graded_by_the_next_run(room):
    room.says("Courier", FIRST)
    room.says("Herald", SECOND_)
    room.grader = room.new_grader()
    assert room.grader.drain() == 2
    assert len(room.causes()) == 1


def test_a_story_that_tripped_does_not_trip_again_after_a_restart(room):
    room.hear("Courier", FIRST)
    room.hear("Herald", SECOND_)
    room.grader = room.new_grader()
    room.hear("Planet", SECOND_)
    assert len(room.causes()) == 1


@pytest.mark.parametrize(("dismissed", "state"), [(False, "muted"), (True, "dismissed")])
def test_what_a_human_settles_while_a_batch_is_graded_stays_settled(
    store, monkeypatch, dismissed, state
):
    room = Newsroom(store)
    room.hear("Courier", FIRST)
    room.hear("Herald", SECOND_)
    write, human = room.grader._write, [room.settle]

    def settled_first(*batch):
        if human:
            human.pop()(dismissed=dismissed)
        return write(*batch)

    monkeypatch.setattr(room.grader, "_write", settled_first)
    room.hear("Planet", SECOND_)
    assert room.stories() == [(state, state, ["Courier", "Herald", "Planet"])]
    assert (room.causes(), room.ungraded()) == ([], 0)
    room.hear("Planet", "Police name the Springfield knife attack victims")
    assert room.causes() == []


def test_a_worsening_in_the_batch_that_a_human_overtook_pauses_again(room, monkeypatch):
    room.hear("Courier", FIRST)
    room.hear("Herald", SECOND_)
    write, human = room.grader._write, [room.settle]

    def settled_first(*batch):
        if human:
            human.pop()(dismissed=True)
        return write(*batch)

    monkeypatch.setattr(room.grader, "_write", settled_first)
    room.hear("Planet", WORSE)
    assert [kind for kind, *_ in room.causes()] == ["story"]
    assert room.stories() == [("tripped", "tripped", ["Courier", "Herald", "Planet"])]


@pytest.mark.parametrize("by", [timedelta(days=-1), timedelta(days=3650), timedelta(hours=1)])
def test_one_outlet_alone_makes_posts_wait_as_long_as_set_whatever_the_clock_does(room, by):
    room.hear("Courier", FIRST)
    room.clock.move(9 * MINUTE)
    room.clock.step_wall(by)
    room.grader.refresh_unconfirmed(room.clock.now())
    assert room.waits() == [InhibitKind.UNCONFIRMED]
    room.clock.move(MINUTE)
    room.grader.refresh_unconfirmed(room.clock.now())
    assert room.waits() == []


def test_a_wait_that_a_clock_ahead_began_lasts_no_longer_than_set(room):
    room.hear("Courier", FIRST)
    room.clock.step_wall(timedelta(days=-1))
    room.inhibits.lift(InhibitKind.UNCONFIRMED, ref=room.inhibits.refs(InhibitKind.UNCONFIRMED)[0])
    room.grader = room.new_grader()
    room.grader.refresh_unconfirmed(room.clock.now())
    assert room.waits() == [InhibitKind.UNCONFIRMED]
    room.clock.move(10 * MINUTE)
    room.grader.refresh_unconfirmed(room.clock.now())
    assert room.waits() == []


def steps(room, by):
    """Step the clock, as the guard sees it."""
    room.clock.step_wall(by)
    room.grader.carry_over(by, room.clock.now())


STEPS = [timedelta(days=days) for days in (-3650, -1, 1, 3650)]


@pytest.mark.parametrize("by", STEPS, ids=str)
def test_a_second_outlet_still_pauses_after_a_step_of_the_clock(room, by):
    room.hear("Courier", FIRST)
    room.clock.move(MINUTE)
    steps(room, by)
    room.hear("Herald", SECOND_)
    assert len(room.causes()) == 1


@pytest.mark.parametrize("by", STEPS, ids=str)
def test_what_has_tripped_does_not_trip_again_after_a_step_of_the_clock(room, by):
    room.hear("Courier", FIRST)
    room.hear("Herald", SECOND_)
    steps(room, by)
    room.hear("Planet", SECOND_)
    assert len(room.causes()) == 1


@pytest.mark.parametrize("hours", [11, 13])
def test_a_story_of_a_clock_ahead_hears_of_another_event_as_soon_as_any_other(room, hours):
    room.hear("Courier", FIRST)
    room.hear("Herald", SECOND_)
    room.clock.step_wall(timedelta(days=-2))
    room.grader.forget()  # as a start does, which does not know how far
    room.hear("Planet", SECOND_)
    room.clock.move(timedelta(hours=hours))
    room.hear("Courier", "Another knife attack in Springfield, second attack in two days")
    assert len(room.causes()) == (2 if hours > 12 else 1)


def test_what_a_removed_feed_brought_counts_for_its_newsroom(room):
    """Not as an outlet of its own, called like the feed."""
    voices = {name: news.Voice(f"The {name}", f"The {name}") for name in OUTLETS}
    with room.store.write() as conn:
        news.ensure_feeds(conn, {"old": "https://old.example"})
        news.name_voices(conn, voices | {"old": news.Voice("Courier", "Courier")})
    room.hear("Courier", FIRST)
    room.hear("old", SECOND_)
    assert room.causes() == []
    assert room.stories() == [("unconfirmed", "unconfirmed", ["Courier"])]


def test_a_renamed_outlet_counts_once(room):
    """Its report of before the restart and its report of now are one newsroom's."""
    room.hear("Courier", FIRST)
    feeds = [
        Feed(
            "Courier", "https://Courier.example", "The Courier", "", "news", False, 2 * MINUTE, "en"
        )
    ]
    before = {"Courier": news.Voice("Courier", "Courier")}
    with room.store.write() as conn:
        news.name_voices(conn, before)
    policy = WatchPolicy(fresh=5 * MINUTE, max_item_age=12 * HOUR)
    Watcher(
        room.store, clock=room.clock, door=None, parsers=None, feeds=feeds, policy=policy,
        on_new=print,
    ).start()  # fmt: skip
    room.grader = Grader(
        room.store, clock=room.clock, detector=Detector(load_lexicons(("en",)), POLICY),
        policy=POLICY, feeds=feeds, inhibits=room.inhibits, rehearsal=False, on_trip=room.tripped,
    )  # fmt: skip
    room.hear("Courier", SECOND_)
    assert room.causes() == []
    assert room.stories() == [("unconfirmed", "unconfirmed", ["The Courier"])]
