"""Sight: when it is good, when it lifts, when it is blindness."""

from __future__ import annotations

from contextlib import contextmanager
from datetime import timedelta

import pytest

from killswitch.clock import FakeClock
from killswitch.daemon.eyes import FIRST_ROUND_MAX_S, Eyes, SightPolicy
from killswitch.latch import InhibitKind, Inhibits
from killswitch.store import facts, news
from killswitch.store import latch as latch_store
from killswitch.store.news import NewItem, item_guid
from killswitch.store.stepped import carry_over
from killswitch.watch.watcher import Feed
from tests.store.made import HOUR, MINUTE, NOW, SECOND

NAMES = ("a", "b", "c")
POLICY = SightPolicy(
    fresh=5 * MINUTE,
    blind_after=HOUR,
    min_alive=0.5,
    max_item_age=12 * HOUR,
    outlets=2,
    single_trusted=False,
)


class Look:
    """Eyes on three feeds, and what their polls bring."""

    def __init__(self, store, **policy):
        self.store, self.clock, self.inhibits = store, FakeClock(), Inhibits()
        self.trips = 0
        self.policy = POLICY
        with store.write() as conn:
            news.ensure_feeds(conn, {name: f"https://{name}.example" for name in NAMES})
        self.eyes = self.new_eyes()

    def new_eyes(self):
        feeds = [
            Feed(name, f"https://{name}.example", name, "", "news", False, 2 * MINUTE)
            for name in NAMES
        ]
        return Eyes(
            self.store, clock=self.clock, feeds=feeds, policy=self.policy,
            inhibits=self.inhibits, on_trip=self.tripped,
        )  # fmt: skip

    def tripped(self):
        self.trips += 1

    def read(self, *names, graded=True, fails=(), backoff=()):
        now = self.clock.now()
        for name in names:
            new = NewItem(item_guid("g", f"{name} {now}"), "t", "", "u", "en", now, False)
            values = {"last_poll_at": now, "last_good_at": now, "newest_item_at": now}
            values |= {"failures": 0}
            with self.store.write() as conn:
                news.ingest(conn, name, [new], values=values, now=now)
                if graded:
                    rows = news.ungraded(conn, limit=9)
                    news.write_grades(
                        conn,
                        [{"key": r.id, "grade": "none", "signal": {}, "story": None} for r in rows],
                    )
                news.mark_graded(conn)
        for name in (*fails, *backoff):
            values = {"last_poll_at": now, "failures": 1}
            if name in backoff:
                values |= {"failures": 2, "backoff_until": now + HOUR}
            with self.store.write() as conn:
                news.ingest(conn, name, [], values=values, now=now)

    def judge(self, **after):
        self.clock.move(timedelta(**after))
        return self.eyes.judge()

    def waits(self):
        return [inhibit.kind for inhibit in self.inhibits.list()] == [InhibitKind.SIGHT]

    def blind(self):
        with self.store.read() as conn:
            return [cause.kind.value for cause in latch_store.read(conn).causes] == ["blind"]

    def last_sight(self):
        with self.store.read() as conn:
            return facts.get_time(conn, "last_sight")


@pytest.fixture
def look(sqlite_store):
    return Look(sqlite_store)


def seeing(look):
    """All feeds read, the first round ended, sight good."""
    look.clock.move(SECOND)
    look.read(*NAMES)
    look.eyes.first_round.set()
    assert look.judge().ok
    assert not look.waits()
    return look


def test_before_the_first_round_nothing_is_seen(look):
    assert not look.eyes.is_fresh()
    assert not look.judge().ok
    assert look.waits()
    assert not look.eyes.is_fresh()


def test_sight_is_good_once_every_feed_was_read_and_graded(look):
    look.judge()
    seeing(look)
    assert look.eyes.is_fresh()
    assert look.last_sight() == look.clock.now()


def test_a_judgement_older_than_ten_seconds_is_none(look):
    seeing(look)
    look.clock.move(9 * SECOND)
    assert look.eyes.is_fresh()
    look.clock.move(SECOND)
    assert not look.eyes.is_fresh()


def test_good_sight_is_judged_again_every_three_seconds(look):
    seeing(look)
    look.clock.move(2 * SECOND)
    look.eyes.judge_in_turn()
    look.clock.move(8 * SECOND)
    assert not look.eyes.is_fresh(), "it was judged ten seconds ago"
    look.eyes.judge_in_turn()
    assert look.eyes.is_fresh()


def test_bad_sight_is_judged_again_in_every_turn(look):
    look.eyes.judge_in_turn()
    look.clock.move(SECOND)
    look.read(*NAMES)
    look.eyes.first_round.set()
    look.eyes.judge_in_turn()
    assert not look.waits()


def test_what_was_read_but_not_graded_was_not_seen(look):
    look.judge()
    look.clock.move(SECOND)
    look.read(*NAMES, graded=False)
    assert not look.judge().ok
    assert look.waits()


def test_sight_lifts_only_when_each_feed_has_ended_one_poll(look):
    look.judge()
    look.clock.move(SECOND)
    look.read("a", "b")
    assert look.judge(seconds=1).ok
    assert look.waits()
    look.read(fails=("c",))
    look.judge(seconds=1)
    assert not look.waits()


def test_a_feed_in_back_off_is_not_waited_for(look):
    look.read(backoff=("c",))
    look.judge()
    look.clock.move(SECOND)
    look.read("a", "b")
    look.judge(seconds=1)
    assert not look.waits()


def test_sight_is_lost_when_the_reading_is_old_and_comes_back_after_a_full_round(look):
    seeing(look)
    look.judge(minutes=5)
    assert not look.waits()
    look.judge(seconds=1)
    assert look.waits()
    look.clock.move(SECOND)
    look.read("a", "b")
    look.judge()
    assert look.waits()
    look.read("c")
    look.judge(seconds=1)
    assert not look.waits()
    assert not look.blind()


def test_blindness_is_told_after_its_time_and_stays_a_cause(look):
    seeing(look)
    seen = look.clock.now()
    while look.clock.now() < seen + 5 * MINUTE + HOUR:
        look.judge(minutes=5)
        assert not look.blind()
    look.judge(minutes=5)
    assert look.blind() is True
    assert look.trips == 1
    look.read(*NAMES)
    look.judge(seconds=1)
    assert look.blind()
    look.judge(seconds=1)
    assert look.trips == 1


def test_while_it_is_seen_the_sight_is_written_down(look):
    seeing(look)
    for _ in range(30):
        look.clock.move(MINUTE)
        look.read(*NAMES)
        look.judge()
        assert look.last_sight() == look.clock.now()
    assert not look.blind()


def started_after(look, gap):
    """A daemon that starts so long after the last good sight."""
    with look.store.write() as conn:
        facts.put_time(conn, "last_sight", NOW - gap)
    look.eyes = look.new_eyes()


@pytest.mark.parametrize(("gap", "blind"), [(2 * HOUR, False), (13 * HOUR, True)])
def test_a_good_first_round_heals_a_gap_that_the_feeds_still_cover(look, gap, blind):
    started_after(look, gap)
    look.judge()
    assert not look.blind()
    look.clock.move(SECOND)
    look.read(*NAMES)
    look.eyes.first_round.set()
    assert look.judge().ok
    assert look.blind() is blind


def test_a_bad_first_round_after_a_gap_is_blindness_at_once(look):
    started_after(look, 2 * HOUR)
    look.read(fails=NAMES)
    look.eyes.first_round.set()
    look.judge()
    assert look.blind()


def test_a_first_round_that_ends_in_the_middle_of_a_judgement_is_not_blindness(look, monkeypatch):
    started_after(look, 2 * HOUR)
    read, ended = look.store.read, []

    @contextmanager
    def reading():
        with read() as conn:
            yield conn
        if not ended:
            ended.append(True)
            look.read(*NAMES)
            look.eyes.first_round.set()

    monkeypatch.setattr(look.store, "read", reading)
    assert not look.judge(seconds=1).ok
    assert ended
    assert look.judge(seconds=1).ok
    assert not look.blind()


def test_a_first_round_that_never_ends_is_judged_after_five_minutes(look):
    started_after(look, 2 * HOUR)
    look.judge(seconds=FIRST_ROUND_MAX_S)
    assert not look.blind()
    look.judge(seconds=1)
    assert look.blind()


def test_a_new_store_counts_from_its_creation(look):
    look.eyes.first_round.set()
    look.judge(minutes=60)
    assert not look.blind()
    look.judge(seconds=1)
    assert look.blind()


def test_a_reload_is_no_loss_of_sight(look):
    seeing(look)
    eyes = look.new_eyes()
    eyes.take_over(look.eyes)
    look.eyes = eyes
    assert not eyes.is_fresh()
    look.judge(seconds=1)
    assert eyes.is_fresh()
    assert not look.waits()


def test_the_health_of_a_feed_is_told(look):
    seeing(look)
    look.read(fails=("c",))
    health = {doc["name"]: doc for doc in look.eyes.feed_docs()}
    assert health["a"]["alive"] is True
    assert health["c"]["failures"] == 1
    assert health["a"]["last_good_at"] == "2026-03-02T09:00:01Z"


def test_after_a_suspend_nothing_is_seen_until_every_feed_was_read_again(look):
    seeing(look)
    look.clock.suspend(20 * SECOND)
    look.eyes.look_anew()
    assert look.waits()
    look.judge()
    assert look.waits()
    look.clock.move(SECOND)
    look.read("a", "b")
    look.judge()
    assert look.waits()
    look.read("c")
    look.judge()
    assert not look.waits()


@pytest.mark.parametrize(("night", "blind"), [(8 * HOUR, False), (13 * HOUR, True)])
def test_a_night_asleep_is_judged_like_a_start_after_it(look, night, blind):
    seeing(look)
    look.clock.suspend(night)
    look.eyes.look_anew()
    look.judge()
    assert not look.blind()
    look.clock.move(SECOND)
    look.read(*NAMES)
    look.eyes.first_round.set()
    look.judge()
    assert look.blind() is blind


def steps(look, by):
    """Step the wall clock, as the guard carries it over."""
    look.clock.step_wall(by)
    with look.store.write() as conn:
        carry_over(conn, by=by, now=look.clock.now())


@pytest.mark.parametrize("by", [HOUR, 24 * HOUR, 87600 * HOUR, -HOUR, -87600 * HOUR], ids=str)
def test_a_step_of_the_clock_is_no_blindness(look, by):
    seeing(look)
    steps(look, by)
    look.judge(seconds=1)
    assert look.waits()
    look.clock.move(SECOND)
    look.read(*NAMES)
    look.judge()
    assert not look.waits()
    assert not look.blind()


def test_blindness_of_before_a_step_goes_on_after_it(look):
    seeing(look)
    look.judge(minutes=59)
    steps(look, 24 * HOUR)
    look.judge(seconds=30)
    assert not look.blind()
    look.judge(minutes=2)
    assert look.blind()


def test_a_store_that_was_made_just_before_the_clock_was_set_right_is_not_blind(look):
    steps(look, 87600 * HOUR)
    look.eyes.first_round.set()
    look.judge(seconds=1)
    assert not look.blind()
