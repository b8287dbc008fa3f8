"""
After a step of the wall clock: what waited goes on waiting, no longer and no shorter than before.

A stored "wait until" was written by the clock of before. Told people, called relays, channels that
wait, tries that come again and the budget of a channel all stand on such times.
"""

from __future__ import annotations

import math
from datetime import timedelta

import pytest

from killswitch.channels.frame import Ending, Outcome
from killswitch.errors import StoreBusyError
from killswitch.latch import CauseKind, InhibitKind
from killswitch.net import Answer, NotSent
from killswitch.notify.policy import NotifyPolicy
from killswitch.notify.relays import Relay, Relays
from killswitch.notify.teller import Teller
from killswitch.store import facts, notices
from killswitch.store.notices import add_notice
from tests.daemon.bench import LEA, QUIET, SENT
from tests.store.made import HOUR, MINUTE, SECOND, add
from tests.unit.notify.builders import Office

DAY = timedelta(days=1)
BACK = [-HOUR, -DAY, -3650 * DAY]
STEPS = [*BACK, HOUR, DAY, 3650 * DAY]
PHONE, BOSS = "json://phone", "json://boss"
MINUTE_AND_A_BIT = 61


@pytest.fixture(params=BACK, ids=str)
def back(request):
    return request.param


def steps(bench, by):
    """Step the wall clock and let the guard see it."""
    bench.clock.step_wall(by)
    bench.move(seconds=1)
    bench.guard.step()


def lives(bench, **time):
    """Let time pass in ten steps, guard and sweep turning."""
    for _ in range(10):
        bench.clock.move(timedelta(**time) / 10)
        bench.guard.step()
        bench.turn()


def settles(bench):
    lives(bench, seconds=MINUTE_AND_A_BIT)


class Phone:
    """People of a bench, and what reached them."""

    def __init__(self, bench):
        self.bench, self.office = bench, Office()
        self.all = []
        self.teller = Teller(
            bench.store,
            bench.clock,
            lambda: self.office,
            policy=NotifyPolicy(lists=((PHONE,), (BOSS,))),
            situation=bench.desk.status,
        )
        bench.addresses = True

    def rings(self, *, every=5, **after):
        """Let time pass in steps of some seconds; return who took something, in order."""
        for _ in range(math.ceil(timedelta(**after).total_seconds() / every)):
            self.bench.move(seconds=every)
            self.bench.guard.step()
            self.teller.round()
            self.teller._lanes.wait_all(10)
        self.all += [message["title"] for message in self.office.sent]
        return self.office.urls()


@pytest.fixture
def phone(bench):
    made = Phone(bench)
    yield made
    made.teller.close()


def told(bench):
    with bench.store.read() as conn:
        rows = notices.undone(conn)
    return [(row.kind, row.facts.get("reason")) for row in rows]


# -- people ----------------------------------------------------------------------------------------


def test_a_pause_after_a_step_back_is_told_at_once(bench, phone, back):
    bench.pause("first", key="k1")
    phone.rings(seconds=40)
    bench.resume(keep_held=True)
    bench.pause("second", key="k2")
    phone.rings(seconds=1)
    steps(bench, back)

    bench.resume(keep_held=True)
    bench.pause("third", key="k3")
    phone.rings(seconds=31)

    assert any("third" in title for title in phone.all)


def test_a_notice_that_nobody_got_before_a_step_back_is_tried_again_in_time(bench, phone, back):
    phone.office.broken |= {PHONE: "refused", BOSS: "refused"}
    bench.pause()
    phone.rings(seconds=30)
    steps(bench, back)
    phone.office.broken.clear()
    assert PHONE in phone.rings(seconds=60)


def test_a_repeat_comes_after_what_was_left_of_its_wait(bench, phone, back):
    with bench.store.write() as conn:
        add_notice(conn, kind="drill", ref="d", facts={}, now=bench.clock.now())
    assert phone.rings(minutes=10, every=20) == [PHONE]
    steps(bench, back)
    phone.rings(seconds=40)  # the step itself is told
    assert phone.rings(minutes=4, every=20) == []
    assert phone.rings(minutes=1, every=20) == [BOSS, PHONE]


@pytest.mark.parametrize("by", STEPS, ids=str)
def test_nobody_reached_counts_anew_from_a_step_and_still_pauses(bench, by):
    bench.addresses = True
    with bench.store.write() as conn:
        add_notice(conn, kind="failed", ref="d1", facts={}, now=bench.clock.now())
    bench.move(minutes=5)
    steps(bench, by)
    assert bench.kinds() == []
    lives(bench, minutes=16)
    assert bench.kinds() == ["notify"]


def test_a_step_forward_gives_no_address_up(bench, phone):
    phone.office.broken |= {PHONE: "refused", BOSS: "refused"}
    with bench.store.write() as conn:
        add_notice(conn, kind="test", ref="t", facts={}, now=bench.clock.now())
    phone.rings(seconds=2)
    steps(bench, 2 * DAY)
    phone.rings(seconds=10)
    phone.office.broken.clear()
    phone.rings(minutes=5, every=20)
    assert any(title.startswith("TEST") for title in phone.all)


def test_a_reminder_comes_after_what_was_left_of_its_wait(bench, back):
    bench.desk.pause("knife", key="k", review_s=600, caller=LEA)
    lives(bench, minutes=5)
    steps(bench, back)
    lives(bench, minutes=4)
    assert "review" not in [kind for kind, _ in told(bench)]
    lives(bench, minutes=1)
    assert "review" in [kind for kind, _ in told(bench)]


# -- relays ----------------------------------------------------------------------------------------


class Door:
    """A webhook that refuses until it is mended."""

    def __init__(self):
        self.works, self.events = False, []

    def post(self, url, *, body, headers, deadline_s):
        if not self.works:
            raise NotSent("refused", "connection refused")
        self.events.append(url)
        return Answer(200, {}, b"", url)


def test_a_relay_that_was_not_reached_before_a_step_back_is_tried_again_in_time(bench, back):
    door = Door()
    relays = Relays(
        bench.store,
        bench.clock,
        door,
        relays=(Relay("ads", url="https://ads.example/"),),
        situation=bench.desk.status,
    )
    bench.pause()
    for _ in range(20):
        bench.move(seconds=1)
        relays.round()
        relays._lanes.wait_all(10)
    steps(bench, back)
    door.works = True
    for _ in range(61):
        bench.move(seconds=1)
        relays.round()
        relays._lanes.wait_all(10)
    assert door.events == ["https://ads.example/"]
    relays.close()


# -- the queue -------------------------------------------------------------------------------------


def test_a_try_comes_again_after_a_step_back(bench, back):
    one = add(bench.store, due_at=bench.clock.now())
    bench.networks["insta"].answer = Outcome(Ending.UNSENT, "connection refused")
    bench.turn()
    assert bench.state(one) == "scheduled"
    bench.networks["insta"].answer = SENT
    due_at = bench.the(one).due_at
    steps(bench, back)
    assert bench.the(one).due_at == due_at
    assert bench.the(one).next_at == max(due_at, bench.clock.now() + 29 * SECOND)


def test_a_post_that_was_put_back_by_a_clock_ahead_is_looked_at_when_the_clock_is_right(bench):
    one = add(bench.store, due_at=bench.clock.now())
    fence = bench.claim(one)
    bench.clock.step_wall(DAY)
    bench.gate.send(one, fence=fence)
    steps(bench, -DAY)
    settles(bench)
    lives(bench, seconds=5)
    assert bench.published() == [one]


def test_a_channel_that_waits_goes_on_after_what_was_left(bench, back):
    first = add(bench.store, due_at=bench.clock.now())
    wait = Outcome(Ending.WAITS, "HTTP 429", wait=timedelta(minutes=5))
    bench.networks["insta"].answer = wait
    bench.turn()
    bench.networks["insta"].answer = SENT
    assert bench.state(first) == "scheduled"
    steps(bench, back)
    second = add(bench.store, due_at=bench.clock.now())
    lives(bench, minutes=4)
    assert bench.published() == [first]
    lives(bench, minutes=2)
    assert second in bench.published()


def limit(bench, **rules):
    from dataclasses import replace

    bench.limits["insta"] = replace(QUIET, **rules)


@pytest.mark.parametrize("by", STEPS, ids=str)
def test_the_gap_of_a_channel_is_kept_over_a_step_and_not_stretched(bench, by):
    limit(bench, min_gap=10 * MINUTE)
    one = add(bench.store, due_at=bench.clock.now())
    bench.turn()
    assert bench.published() == [one]
    bench.move(minutes=2)
    steps(bench, by)
    two = add(bench.store, due_at=bench.clock.now())
    lives(bench, minutes=7)
    assert bench.published() == [one]
    lives(bench, minutes=2)
    assert bench.published() == [one, two]


@pytest.mark.parametrize("by", STEPS, ids=str)
def test_the_hard_cap_counts_over_a_step(bench, by):
    limit(bench, hard_cap=2)
    bench.pause()
    bench.resume()
    for _ in range(2):
        bench.move(minutes=1)
        add(bench.store, due_at=bench.clock.now())
        bench.turn()
    assert len(bench.published()) == 2
    steps(bench, by)
    settles(bench)
    add(bench.store, due_at=bench.clock.now())
    bench.turn()
    assert len(bench.published()) == 2
    assert bench.kinds() == ["rate"]


def test_a_harmless_repeat_waits_its_minute_after_a_step_back(bench, back):
    bench.networks["insta"].repeat_safe = True
    one = add(bench.store, due_at=bench.clock.now())
    bench.networks["insta"].answer = Outcome(Ending.UNCERTAIN, "HTTP 504")
    bench.turn()
    bench.networks["insta"].answer = SENT
    steps(bench, back)
    settles(bench)
    bench.turn()
    # Due, its second try, or before its time by the new clock: never left uncertain for Δ.
    assert bench.state(one) in {"scheduled", "sent"}


@pytest.mark.parametrize("by", STEPS, ids=str)
def test_what_people_asked_for_is_never_moved(bench, by):
    due, ends = bench.clock.now() + HOUR, bench.clock.now() + 2 * HOUR
    one = add(bench.store, due_at=due, expires_at=ends)
    steps(bench, by)
    assert (bench.the(one).due_at, bench.the(one).next_at) == (due, due)
    assert bench.the(one).expires_at == ends


# -- telling ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("by", "words"),
    [
        (timedelta(seconds=3), "forward by 3 s"),
        (-HOUR, "back by 1 h"),
        (-3650 * DAY, "back by 3650 d"),
        (DAY, "forward by 1 d"),
    ],
)
def test_people_are_told_of_a_step_once(bench, phone, by, words):
    steps(bench, by)
    phone.rings(seconds=90)
    (title,) = phone.all
    assert words in title
    assert "nothing leaves for 60 s" in title
    assert "judged afresh" in title


def test_a_drift_of_two_seconds_is_told_to_nobody(bench, phone):
    steps(bench, 2 * SECOND)
    assert phone.rings(seconds=60) == []


def test_a_step_that_the_store_did_not_take_is_carried_over_and_told_later(bench, monkeypatch):
    bench.desk.pause("knife", key="k", review_s=600, caller=LEA)
    bench.guard.step()
    real, broken = bench.store.write, [True, True]

    def write(**how):
        if broken and broken.pop():
            raise StoreBusyError("store_busy", "locked")
        return real(**how)

    monkeypatch.setattr(bench.store, "write", write)
    steps(bench, -DAY)
    lives(bench, minutes=11)
    assert [kind for kind, _ in told(bench)].count("daemon_fault") == 1
    assert "review" in [kind for kind, _ in told(bench)]


def test_a_second_step_within_a_minute_pauses_though_the_store_was_busy(bench, monkeypatch):
    steps(bench, HOUR)
    real, broken = bench.store.write, [True]

    def write(**how):
        if broken and broken.pop():
            raise StoreBusyError("store_busy", "locked")
        return real(**how)

    monkeypatch.setattr(bench.store, "write", write)
    steps(bench, -HOUR)
    bench.move(seconds=1)
    bench.guard.step()
    assert bench.kinds() == ["clock"]


# -- over a restart --------------------------------------------------------------------------------


def starts(bench):
    with bench.store.write() as conn:
        bench.a_guard().check_high_water(conn, bench.clock.now())


def test_a_start_below_the_mark_carries_over_what_waits(bench, phone, back):
    with bench.store.write() as conn:
        add_notice(conn, kind="drill", ref="d", facts={}, now=bench.clock.now())
    phone.rings(minutes=10, every=20)
    bench.clock.step_wall(back)
    starts(bench)
    assert bench.kinds() == ["clock"]
    phone.rings(minutes=6, every=20)
    assert [title.startswith("DRILL") for title in phone.all].count(True) >= 2


def test_a_start_within_the_minute_after_a_step_back_pauses(bench):
    lives(bench, seconds=20)
    steps(bench, -HOUR)
    lives(bench, seconds=50)
    starts(bench)
    assert [cause.kind for cause in bench.latch().causes] == [CauseKind.CLOCK]


def test_a_step_back_that_has_settled_pauses_no_later_start(bench):
    lives(bench, seconds=20)
    steps(bench, -HOUR)
    lives(bench, seconds=80)
    assert bench.inhibits.since(InhibitKind.CLOCK) is None
    starts(bench)
    assert bench.kinds() == []
    with bench.store.read() as conn:
        mark = facts.get_time(conn, "high_water")
    assert mark is not None
    assert mark <= bench.clock.now()


def restarts(bench, guard=None):
    """Another run begins: nothing of the last one is left but the store."""
    bench.inhibits.lift(InhibitKind.CLOCK)
    bench.guard = guard or bench.a_guard()
    bench.guard.check_restart()


def test_a_start_within_the_minute_after_a_step_forward_waits_for_the_rest_of_it(bench):
    lives(bench, seconds=20)
    steps(bench, DAY)
    lives(bench, seconds=20)
    restarts(bench)
    assert not bench.guard.clock_is_steady(bench.clock.now())
    assert bench.inhibits.since(InhibitKind.CLOCK) is not None
    lives(bench, seconds=30)
    assert bench.inhibits.since(InhibitKind.CLOCK) is not None
    lives(bench, seconds=12)
    assert bench.inhibits.since(InhibitKind.CLOCK) is None
    assert [kind for kind, _ in told(bench)].count("daemon_fault") == 1


def test_a_step_forward_between_two_runs_is_a_step(bench):
    lives(bench, seconds=20)
    bench.clock.step_wall(DAY)
    bench.clock.move(5 * SECOND)
    restarts(bench)
    assert not bench.guard.clock_is_steady(bench.clock.now())
    assert [kind for kind, _ in told(bench)] == ["daemon_fault"]
    lives(bench, seconds=61)
    assert bench.inhibits.since(InhibitKind.CLOCK) is None
    restarts(bench)
    assert [kind for kind, _ in told(bench)].count("daemon_fault") <= 1
    assert bench.guard.clock_is_steady(bench.clock.now())


def test_a_second_step_over_a_restart_pauses(bench):
    lives(bench, seconds=20)
    steps(bench, HOUR)
    bench.clock.step_wall(HOUR)
    restarts(bench)
    assert bench.kinds() == ["clock"]


def test_a_step_that_no_store_took_is_recognised_by_the_next_run(bench, monkeypatch):
    lives(bench, seconds=20)

    def write(**how):
        raise StoreBusyError("store_busy", "locked")

    with monkeypatch.context() as busy:
        busy.setattr(bench.store, "write", write)
        steps(bench, DAY)
    restarts(bench)
    assert [kind for kind, _ in told(bench)] == ["daemon_fault"]


@pytest.mark.parametrize("asleep", [True, False])
def test_a_machine_that_was_off_or_asleep_was_not_stepped(bench, asleep):
    """After a boot the boot clock says nothing of the wall clock."""
    lives(bench, seconds=20)
    if asleep:
        bench.clock.suspend(60 * SECOND)
    else:
        bench.clock.step_wall(DAY)
        bench.clock._boot = 12.0
    restarts(bench)
    assert told(bench) == []
    assert bench.inhibits.since(InhibitKind.CLOCK) is None
