"""Supervisor and alarm clock: loops that live, wake, fail, hang and end."""

from __future__ import annotations

import threading
from datetime import timedelta

import pytest

from killswitch.clock import FakeClock, SystemClock
from killswitch.daemon.alarm import Alarm
from killswitch.daemon.supervisor import MOST_SLEEP_S, RETRY_S, Loop, Supervisor
from killswitch.errors import InvariantBroken, StoreBusyError
from killswitch.store.engine import StoreFailedError

SOON = 5.0


class Waits(FakeClock):
    """A clock that keeps how long each wait was to last, and does not wait."""

    def __init__(self):
        super().__init__()
        self.waits = []

    def wait(self, event, timeout_s):
        self.waits.append(timeout_s)
        return super().wait(event, timeout_s)


@pytest.fixture
def clock():
    return Waits()


def a_supervisor(clock, errors=None):
    closing = threading.Event()
    kept = [] if errors is None else errors
    return Supervisor(clock=clock, closing=closing, on_store_error=kept.append), closing


def run(supervisor, *loops):
    for loop in loops:
        supervisor.add(loop)
    supervisor.start()
    for loop in loops:
        loop.thread.join(SOON)
        assert not loop.thread.is_alive()


def turning(closing, *results):
    """A step that returns (or raises) these, one a turn, and then closes."""
    left = list(results)

    def step():
        result = left.pop(0)
        if not left:
            closing.set()
        if isinstance(result, BaseException):
            raise result
        return result

    return step


def test_a_loop_sleeps_as_it_wishes_but_never_longer_than_five_seconds(clock):
    supervisor, closing = a_supervisor(clock)
    run(supervisor, Loop("l", turning(closing, 1.0, None, 3600.0, 0.0, 1.0)))
    assert clock.waits == [1.0, MOST_SLEEP_S, MOST_SLEEP_S, 1.0]
    assert supervisor.fault is None


def test_a_store_that_is_busy_is_tried_again_and_one_that_failed_is_told(clock):
    errors = []
    supervisor, closing = a_supervisor(clock, errors)
    failed = StoreFailedError("store_failed", "disk full")
    run(supervisor, Loop("l", turning(closing, StoreBusyError("b", "b"), failed, 1.0)))
    assert clock.waits == [RETRY_S, RETRY_S, 1.0]
    assert errors == [failed]
    assert supervisor.fault is None


@pytest.mark.parametrize("error", [RuntimeError("bug"), InvariantBroken("bug"), SystemExit(1)])
def test_any_other_end_of_a_loop_ends_the_daemon(clock, error):
    supervisor, closing = a_supervisor(clock)
    other = Loop("other", lambda: 1.0)
    run(supervisor, Loop("l", turning(closing, 1.0, error, 1.0)), other)
    assert supervisor.fault is error
    assert closing.is_set()


def test_the_first_fault_is_kept(clock):
    supervisor, closing = a_supervisor(clock)
    first = RuntimeError("first")
    supervisor.fail(first)
    supervisor.fail(RuntimeError("second"))
    assert supervisor.fault is first
    assert closing.is_set()


def test_a_loop_that_does_not_turn_is_named(clock):
    supervisor, _ = a_supervisor(clock)
    slow = supervisor.add(Loop("slow", lambda: None, limit_s=60.0))
    fast = supervisor.add(Loop("fast", lambda: None))
    slow.last_turn_s = fast.last_turn_s = clock.monotonic_s()
    clock.move(timedelta(seconds=31))
    assert supervisor.hung() == ["fast"]
    clock.move(timedelta(seconds=30))
    assert supervisor.hung() == ["slow", "fast"]


def test_a_wake_ends_a_sleep_and_joining_ends_all():
    clock = SystemClock()
    supervisor, closing = a_supervisor(clock)
    turned = threading.Semaphore(0)

    def step():
        turned.release()

    loop = supervisor.add(Loop("l", step))
    supervisor.start()
    assert turned.acquire(timeout=SOON)
    loop.wake.set()
    assert turned.acquire(timeout=SOON)
    closing.set()
    supervisor.join(SOON)
    assert not loop.thread.is_alive()


@pytest.fixture
def alarm():
    made = Alarm()
    made.start()
    yield made
    made.stop()


def test_the_alarm_wakes_at_a_moment_and_at_once_when_it_has_passed(alarm):
    now = SystemClock().now()
    for after in (timedelta(milliseconds=50), timedelta(hours=-9)):
        event = threading.Event()
        alarm.wake_at("sweep", now + after, event)
        assert event.wait(SOON)


def test_the_newest_time_of_a_name_replaces_the_older_one(alarm):
    now = SystemClock().now()
    first, second = threading.Event(), threading.Event()
    alarm.wake_at("sweep", now + timedelta(hours=1), first)
    alarm.wake_at("sweep", now, second)
    assert second.wait(SOON)
    assert not first.is_set()
