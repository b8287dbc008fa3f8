"""The last act believes nothing: each way in which it could lie ends the demonstration."""

from __future__ import annotations

import io
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from rich.console import Console

from killswitch.clock import FakeClock
from killswitch.demo import proof
from killswitch.demo.headlines import BREAKING
from killswitch.demo.play import Pause, Play
from killswitch.demo.receivers import Arrival, Told
from killswitch.demo.stage import DemoFailed, Stage

START = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)


def at(seconds):
    return START + timedelta(seconds=seconds)


class FakeHouse:
    """The store's side of the story."""

    def __init__(self):
        self.counts = {"held": 2, "skipped": 3, "scheduled": 1, "uncertain": 0}
        self.sent = ["d1", "d2", "d3"]

    def run(self, *words, **_):
        return None

    def rows(self, state):
        if state == "sent":
            return [{"id": one} for one in self.sent]
        return [{}] * self.counts[state]


class FakeReceiver:
    def __init__(self, found):
        self.found = found

    def arrived(self):
        return self.found

    def told(self):
        return self.found


class PlayedOut(Play):
    """A play that has been performed; what arrived is given."""

    def arrivals(self):
        return sorted(self.shop.arrived(), key=lambda one: one.at)


def a_play():
    clock = FakeClock(at(100))
    out = io.StringIO()
    stage = Stage(clock, fast=True, console=Console(file=out, soft_wrap=True))
    arrived = [
        Arrival("d1", "journal", "before", at(1)),
        Arrival("d2", "shop", "released", at(32)),
        Arrival("d3", "shop", "released", at(34)),
    ]
    play = PlayedOut(
        clock=clock,
        stage=stage,
        house=FakeHouse(),
        newsroom=None,
        shop=FakeReceiver(arrived),
        pager=FakeReceiver([Told("PAUSED", "", at(13))]),
        slow=1,
    )
    play.pauses = [
        Pause("story", at(12), at(12.1), at(30)),
        Pause("blind", at(50), at(50.1), at(60)),
        Pause("hung", at(80), at(80.7)),
    ]
    play.published = {BREAKING[0][0]: at(5), BREAKING[1][0]: at(11)}
    play.releases = [["d2", "d3"]]
    play.first_notice = at(13)
    return play, out


def test_facts_are_said_when_all_is_so():
    play, out = a_play()
    proof.facts(play)
    said = out.getvalue()
    assert "sent: 3 posts (1 to the file, 2 to the webhook)" in said
    assert "paused: 7.00 s after the first headline" in said
    assert "sealed after: story 100 ms, blind 100 ms, hung 700 ms" in said
    assert "least: 2.0 s" in said
    assert "\x1b" not in said


def leaks(play, seconds):
    play.house.sent.append("d4")
    play.shop.found.append(Arrival("d4", "shop", "leaked", at(seconds)))


def lies_about(change):
    def lie(play):
        play.shop.found[1] = replace(play.shop.found[1], **change)

    return lie


LIES = {
    "a post in the first pause": lambda play: leaks(play, 20),
    "a post in a pause that still stands": lambda play: leaks(play, 90),
    "a post that the store does not know": lambda play: play.house.sent.pop(),
    "a post that never arrived": lambda play: play.house.sent.append("d9"),
    "a post that arrived twice": lambda play: play.shop.found.append(play.shop.found[0]),
    "nothing arrived": lambda play: (play.shop.found.clear(), play.house.sent.clear()),
    "a wrong signature": lies_about({"signed": False}),
    "a burst": lies_about({"at": at(33.8)}),
    "a release before the gap": lies_about({"at": at(30.2)}),
    "an uncertain post": lambda play: play.house.counts.update(uncertain=1),
    "another number held": lambda play: play.house.counts.update(held=3),
    "no notice": lambda play: setattr(play, "first_notice", None),
    "paused before the second headline": lambda play: play.published.update(
        {BREAKING[1][0]: at(12.5)}
    ),
    "sealed before accepted": lambda play: setattr(play.pauses[1], "sealed", at(49)),
    "a pause is missing": lambda play: play.pauses.pop(),
}


@pytest.mark.parametrize("lie", LIES.values(), ids=LIES)
def test_every_lie_fails_the_demonstration(lie):
    play, _ = a_play()
    lie(play)
    with pytest.raises(DemoFailed):
        proof.facts(play)


def test_waiting_in_vain_says_for_what():
    play, _ = a_play()
    with pytest.raises(DemoFailed, match="waited 3 s in vain: the moon"):
        play.stage.until("the moon", lambda: None, limit_s=3)


def test_words_of_others_are_never_read_as_markup():
    play, out = a_play()
    play.stage.quote("Title", ["[bold red]not ours[/]"])
    play.stage.answer("[link=http://x]y[/link]", code=3)
    assert "[bold red]not ours[/]" in out.getvalue()
    assert "(exit 3)" in out.getvalue()
