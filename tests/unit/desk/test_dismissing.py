"""Dismiss: a false alarm closes what the news opened, and nothing else."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from killswitch.errors import RefusedError
from killswitch.latch import CauseKind
from killswitch.news.item import Grade, Item, Signal
from killswitch.news.policy import DetectPolicy
from killswitch.news.story import Story, StoryBook, Verdict
from killswitch.news.suggest import suggestions
from killswitch.store import news
from tests.unit.desk.house import CLASHING, LEA, MIN, NOW, House, a_story, refused


@pytest.mark.parametrize("kind", ["manual", "blind", "rate", "flag"])
def test_only_a_story_or_an_alert_is_a_false_alarm(small_house: House, kind: str) -> None:
    small_house.trip(kind=CauseKind(kind))
    error = refused(small_house.dismiss, kind=RefusedError)
    assert (error.code, int(error.exit)) == ("nothing_to_dismiss", 5)
    assert small_house.latch().paused


def test_a_dismissal_of_nothing_or_of_an_older_version_is_refused(small_house: House) -> None:
    assert refused(small_house.dismiss, kind=RefusedError).code == "nothing_to_dismiss"
    small_house.trip(a_story())
    assert refused(small_house.dismiss, 1, kind=RefusedError).code == "stale"


def test_after_a_false_alarm_what_is_not_late_goes_on_spaced(house: House) -> None:
    late, first, second, future = (house.add(at=f"+{n}m") for n in (1, 18, 24, 40))
    house.trip(a_story())
    house.turn()
    house.move(minutes=25)
    house.turn()
    answer = house.dismiss()
    assert (answer["still_paused"], answer["muted"]) == (False, ["s1"])
    assert (house.state(late), house.holds(late)) == ("held", ["pause"])
    assert [house.due_in(one) / MIN for one in (first, second)] == [20, 35]
    assert house.the(future).due_at == NOW + 40 * MIN
    assert house.desk.status()["lead_until"] is None


def test_a_false_alarm_is_answered_with_settings_that_would_have_avoided_it(
    small_house: House,
) -> None:
    story = a_story()
    small_house.trip(story)
    answer = small_house.dismiss()
    wanted = [
        {"setting": one.setting, "effect": one.effect} for one in suggestions(story, DetectPolicy())
    ]
    assert wanted
    assert answer["suggestions"] == wanted


def test_a_false_alarm_gives_one_line_of_slots_to_what_goes_on_and_what_was_decided(
    house: House,
) -> None:
    early, decided = (house.add(at=f"+{n}m", channels=("log",)) for n in (18, 1))
    house.trip(a_story())
    house.turn()
    house.move(minutes=25)
    house.do("release", decided)
    house.dismiss()
    assert [house.due_in(one) / MIN for one in (decided, early)] == [15, 30]


def test_a_false_alarm_leaves_clashing_posts_held(house: House) -> None:
    joke = house.add(text=CLASHING, at="+20m")
    house.trip(a_story())
    house.turn()
    house.dismiss()
    assert (house.state(joke), house.holds(joke)) == ("held", ["pause", "clash"])


def test_a_false_alarm_beside_another_cause_leaves_the_queue_paused(house: House) -> None:
    post = house.add(at="+10m")
    house.trip(a_story())
    house.pause()
    house.turn()
    answer = house.dismiss()
    assert answer["still_paused"]
    assert (house.kinds(), house.state(post)) == (["manual"], "held")


def test_a_dismissal_confirms_no_post_that_nobody_looked_at(house: House) -> None:
    far = house.add(at="+40d")
    house.move(days=40, minutes=-10)
    house.trip(a_story(at=house.clock.now()))
    house.turn()
    assert house.holds(far) == ["pause"]
    house.dismiss()
    house.move(minutes=10)
    house.turn()
    assert (house.state(far), house.holds(far)) == ("held", ["horizon"])


def test_a_dismissed_alarm_is_searched_no_further(house: House) -> None:
    joke = house.add(text=CLASHING, at="+20d")
    house.trip(a_story())
    house.dismiss()
    house.turn()
    assert house.state(joke) == "scheduled"


def test_a_dismissal_that_is_repeated_with_its_key_happens_once(house: House) -> None:
    house.trip(a_story())
    caller = replace(LEA, request_key="1")
    seen = house.latch().version
    assert house.dismiss(seen, caller) == house.dismiss(seen, caller)


@pytest.mark.parametrize("act", ["resume", "dismiss"])
def test_a_settled_story_does_not_pause_again(house: House, act: str) -> None:
    house.trip(a_story())
    house.resume() if act == "resume" else house.dismiss()
    with house.store.read() as conn:
        rows = news.recent_stories(conn, since=NOW - timedelta(days=30))
    stories = [Story.from_json(row.body) for row in rows]
    assert [str(story.state) for story in stories] == ["muted" if act == "resume" else "dismissed"]
    assert house.forgotten == 1
    book = StoryBook(house.context.detect, new_id=lambda: "s9", stories=stories)
    item = Item(id="n9", title="Knife attack in Annecy", summary="", outlet="third", first_seen=NOW)
    signal = Signal(
        grade=Grade.TRIP,
        score=1.0,
        category="attack",
        terms=(),
        toll=None,
        names=(),
        places=("annecy",),
        why="x",
        words=("annecy", "knife"),
    )
    seen = book.observe(item, signal, NOW + timedelta(minutes=5))
    assert seen is not None
    assert (seen.story.id, seen.verdict) == ("s1", Verdict.NOTHING)
