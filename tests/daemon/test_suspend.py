"""A machine that was asleep: nothing of before counts, and nothing is called hung for it."""

from __future__ import annotations

import threading
from datetime import timedelta

import pytest

from killswitch.clock import FakeClock
from killswitch.daemon.reaper import reap
from killswitch.daemon.supervisor import Loop, Supervisor
from killswitch.gate import T_SEND_S
from killswitch.latch import InhibitKind
from tests.store.made import NOW, SECOND, add

NIGHT = timedelta(hours=8)
NAP = timedelta(seconds=20)


def test_after_a_suspend_no_loop_is_called_hung():
    clock = FakeClock()
    supervisor = Supervisor(clock=clock, closing=threading.Event(), on_store_error=lambda e: None)
    loop = supervisor.add(Loop("guard", lambda: None))
    loop.last_turn_s = clock.monotonic_s()

    clock.suspend(NIGHT)

    assert supervisor.hung() == []


def test_after_a_suspend_the_detector_is_not_called_dead(bench):
    bench.beat_s = bench.clock.monotonic_s()
    bench.clock.suspend(NIGHT)
    bench.guard.step()
    assert bench.kinds() == []
    bench.move(seconds=60)
    bench.guard.step()
    assert bench.kinds() == []
    bench.move(seconds=1)
    bench.guard.step()
    assert bench.kinds() == ["detector"]


@pytest.mark.parametrize("asleep", [NAP, NIGHT])
def test_between_a_suspend_and_the_guards_next_tick_nothing_is_sent(bench, asleep):
    bench.guard.step()
    one = add(bench.store, due_at=bench.clock.now() + asleep)

    bench.clock.suspend(asleep)
    bench.turn()

    assert bench.state(one) == "scheduled"
    assert bench.published() == []


def test_a_claim_of_before_the_suspend_passes_no_gate(bench):
    bench.guard.step()
    one = add(bench.store, due_at=NOW)
    fence = bench.claim(one)
    bench.clock.suspend(NAP)

    bench.gate.send(one, fence=fence)

    assert bench.published() == []
    assert bench.state(one) == "scheduled"


def test_after_a_suspend_every_claim_is_lost(either_bench):
    bench = either_bench
    bench.guard.step()
    one = add(bench.store, due_at=NOW)
    fence = bench.claim(one)

    bench.clock.suspend(NAP)
    bench.guard.step()

    assert bench.state(one) == "scheduled"
    assert bench.the(one).fence > fence
    bench.gate.send(one, fence=fence)
    assert bench.published() == []


def test_claims_are_taken_back_even_where_the_store_was_busy_at_the_wake_up(bench, monkeypatch):
    from killswitch.errors import StoreBusyError

    bench.guard.step()
    one = add(bench.store, due_at=NOW)
    bench.claim(one)
    real, asked = bench.store.write, []

    def write(**how):
        asked.append(how)
        if len(asked) == 1:
            raise StoreBusyError("store_busy", "locked")
        return real(**how)

    monkeypatch.setattr(bench.store, "write", write)
    bench.clock.suspend(NAP)
    bench.guard.step()
    bench.move(seconds=1)
    bench.guard.step()
    assert bench.state(one) == "scheduled"


def test_what_was_on_the_wire_becomes_uncertain(bench):
    one = add(bench.store, due_at=NOW)
    bench.gate._intend(one, bench.claim(one), whole=True)
    bench.clock.suspend(timedelta(seconds=T_SEND_S + 10))
    reap(bench.store, clock=bench.clock)
    assert bench.state(one) == "uncertain"


def test_a_suspend_asks_for_a_full_round_of_the_feeds_before_anything_leaves(bench):
    bench.guard.step()
    bench.clock.suspend(NAP)
    bench.guard.step()
    assert bench.slept == 1
    assert InhibitKind.SIGHT in [inhibit.kind for inhibit in bench.inhibits.list()]


def test_a_short_hiccup_is_no_suspend(bench):
    bench.guard.step()
    bench.clock.suspend(5 * SECOND)
    bench.guard.step()
    assert bench.slept == 0


def test_a_post_that_came_due_in_the_night_is_held_and_a_late_minute_is_not(bench):
    bench.guard.step()
    overdue = add(bench.store, due_at=NOW + timedelta(hours=1))
    fresh = add(bench.store, due_at=NOW + NIGHT - timedelta(minutes=10))

    bench.clock.suspend(NIGHT)
    bench.guard.step()
    bench.inhibits.lift(InhibitKind.SIGHT)  # the feeds were read since
    bench.turn()

    assert (bench.state(overdue), bench.holds(overdue)) == ("held", ["late"])
    assert bench.published() == [fresh]


def test_a_suspend_is_no_step_of_the_wall_clock(bench):
    bench.guard.step()
    bench.clock.suspend(NIGHT)
    bench.guard.step()
    assert InhibitKind.CLOCK not in [inhibit.kind for inhibit in bench.inhibits.list()]
