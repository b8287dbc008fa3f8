"""The two parser children, played by fakes: who is read where, and who waits for whom."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from killswitch.child import ChildFailed
from killswitch.watch.parsers import SOON_S, Parsers

LONG_S, LONG = 15.0, 10.0


class FakeChild:
    """Answers at once; a body that burns takes its whole time-out, whatever that is."""

    def __init__(self):
        self.asked, self.closed = [], 0
        self.burning, self.go = threading.Event(), threading.Event()
        self.error = None

    def call(self, message, body=b"", *, timeout_s):
        self.asked.append((body, timeout_s))
        if self.error:
            raise self.error
        if body != b"burn":
            return {"read": body.decode()}
        if timeout_s > SOON_S:
            self.burning.set()
            self.go.wait(LONG)
        raise ChildFailed("timeout", "it burned")

    def close(self):
        self.closed += 1


class Children:
    def __init__(self):
        self.common, self.aside = made = FakeChild(), FakeChild()
        self.parsers = Parsers(iter(made).__next__)

    def read(self, feed, body=b"calm"):
        return self.parsers.of(feed).call({}, body, timeout_s=LONG_S)

    def burn(self, feed):
        with pytest.raises(ChildFailed):
            self.read(feed, b"burn")


@pytest.fixture
def children():
    return Children()


def test_a_usual_feed_is_read_in_the_common_child_within_a_short_limit(children):
    assert children.read("a") == {"read": "calm"}
    assert children.common.asked == [(b"calm", SOON_S)]
    assert children.aside.asked == []


def test_what_takes_longer_is_read_again_aside_with_the_whole_limit(children):
    children.aside.go.set()
    children.burn("a")
    assert children.common.asked == [(b"burn", SOON_S)]
    assert children.aside.asked == [(b"burn", LONG_S)]


def test_five_feeds_that_burn_hold_up_nobody_but_each_other(children):
    with ThreadPoolExecutor(5) as pool:
        burners = [pool.submit(children.burn, f"bad{n}") for n in range(5)]
        assert children.aside.burning.wait(LONG)
        assert [children.read(f"good{n}") for n in range(9)] == [{"read": "calm"}] * 9
        children.aside.go.set()
        for burner in burners:
            burner.result(LONG)
    first = len(children.common.asked)
    for n in range(5):
        children.burn(f"bad{n}")
    assert len(children.common.asked) == first


def test_a_feed_is_trusted_again_after_ten_quick_readings(children):
    children.aside.go.set()
    children.burn("a")
    for _ in range(9):
        children.read("a")
    children.burn("a")
    for _ in range(10):
        assert children.parsers.is_slow("a")
        children.read("a")
    assert not children.parsers.is_slow("a")
    children.read("a")
    assert children.common.asked[1:] == [(b"calm", SOON_S)]


@pytest.mark.parametrize(("code", "slow"), [("died", True), ("protocol", True), ("fault", False)])
def test_a_child_that_fails_otherwise_is_not_asked_the_same_again(children, code, slow):
    children.common.error = ChildFailed(code, "why")
    with pytest.raises(ChildFailed, match="why"):
        children.read("a")
    assert children.aside.asked == []
    assert children.parsers.is_slow("a") is slow


def test_the_child_aside_ends_when_nobody_asks_it_any_more(children):
    children.aside.go.set()
    children.burn("a")
    assert children.aside.closed == 1
    with ThreadPoolExecutor(2) as pool:
        children.aside.go.clear()
        first = pool.submit(children.burn, "a")
        assert children.aside.burning.wait(LONG)
        children.parsers._owes["b"] = 1
        second = pool.submit(children.read, "b")
        while children.parsers._asking < 2:
            assert not second.done()
        assert children.aside.closed == 1
        children.aside.go.set()
        first.result(LONG)
        second.result(LONG)
    assert children.aside.closed == 2


def test_closing_ends_both_for_good_and_refuses_who_waits(children):
    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(children.burn, "a")
        assert children.aside.burning.wait(LONG)
        second = pool.submit(children.burn, "b")
        while children.parsers._asking < 2:
            assert not second.done()
        children.parsers.close()
        children.aside.go.set()
        first.result(LONG)
        second.result(LONG)
    assert [body for body, _ in children.aside.asked] == [b"burn"]
    with pytest.raises(ChildFailed, match="closed"):
        children.read("c")
    assert children.common.closed == 1
