"""Between a step of the wall clock and the guard's next tick nothing may act on the new time."""

from __future__ import annotations

from datetime import timedelta

import pytest

from tests.store.made import HOUR, add


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
