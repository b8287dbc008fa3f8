"""Between a step of the wall clock and the guard's next tick nothing may act on the new time."""

from __future__ import annotations

from datetime import timedelta

import pytest

from killswitch.latch import CauseKind, InhibitKind
from tests.store.made import HOUR, add, pause


@pytest.mark.parametrize("step", [HOUR, timedelta(days=1), timedelta(days=3650)])
def test_a_step_forward_lets_nothing_out_before_its_time(bench, step):
    one = add(bench.store, due_at=bench.clock.now() + step - timedelta(minutes=1))

    bench.clock.step_wall(step)
    bench.turn()

    assert bench.state(one) == "scheduled"
    assert bench.published() == []


def test_a_claimed_post_is_sent_back_when_the_clock_steps_before_the_gate(bench):
    one = add(bench.store, due_at=bench.clock.now())
    fence = bench.claim(one)

    bench.clock.step_wall(timedelta(seconds=30))
    bench.gate.send(one, fence=fence)

    assert bench.state(one) == "scheduled"
    assert bench.published() == []


def test_a_step_forward_skips_nothing_for_ever(bench):
    now = bench.clock.now()
    one = add(bench.store, due_at=now + HOUR, expires_at=now + 2 * HOUR)

    bench.clock.step_wall(timedelta(days=3650))
    bench.turn()

    assert bench.state(one) == "scheduled"


def test_a_clock_that_is_ahead_from_the_start_skips_nothing_before_it_was_set_right(bench):
    """Nothing vouches for the first reading of a run: the time service may come a moment later."""
    true = bench.clock.now()
    one = add(bench.store, due_at=true + HOUR, expires_at=true + 2 * HOUR)
    bench.clock.step_wall(timedelta(days=1))
    bench.guard = bench.a_guard()

    bench.live(seconds=50)
    assert bench.state(one) in {"scheduled", "held"}
    bench.clock.step_wall(timedelta(days=-1))
    bench.live(minutes=5)

    assert bench.state(one) in {"scheduled", "held"}
    assert bench.published() == []


def test_what_has_expired_never_leaves_though_nobody_skips_it_yet(bench):
    now = bench.clock.now()
    one = add(bench.store, due_at=now, expires_at=now + timedelta(seconds=1))
    bench.move(seconds=2)
    changed_at = bench.the(one).changed_at

    for _ in range(10):
        bench.move(seconds=3)
        bench.guard.step()
        bench.turn()

    assert bench.published() == []
    assert (bench.state(one), bench.the(one).changed_at) == ("scheduled", changed_at)
    bench.live(minutes=1)
    assert bench.state(one) == "skipped"


@pytest.mark.parametrize("kind", [InhibitKind.CLOCK, InhibitKind.SIGHT, InhibitKind.STORE])
def test_while_anything_makes_posts_wait_nothing_is_skipped(bench, kind):
    now = bench.clock.now()
    one = add(bench.store, due_at=now + HOUR, expires_at=now + timedelta(minutes=2))
    bench.live(seconds=61)
    bench.move(minutes=5)
    bench.guard.step()
    bench.inhibits.open(kind, "a test", now=now)
    bench.turn()
    assert bench.state(one) == "scheduled"
    bench.live(seconds=20)
    assert bench.state(one) == ("scheduled" if kind is InhibitKind.SIGHT else "skipped")


def test_while_a_clock_cause_is_open_nothing_is_skipped(bench):
    now = bench.clock.now()
    one = add(bench.store, due_at=now + 5 * HOUR, expires_at=now + 6 * HOUR)
    pause(bench.store, CauseKind.CLOCK)
    bench.live(hours=7)
    assert bench.state(one) == "held"
    bench.resume(keep_held=True)
    bench.live(minutes=2)
    assert bench.state(one) == "skipped"
