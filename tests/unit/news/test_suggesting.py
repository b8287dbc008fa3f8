"""Claims about what is suggested after a false alarm: each setting would have avoided it."""

from __future__ import annotations

import tomllib
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import count

from killswitch.news.grade import Detector
from killswitch.news.item import Item
from killswitch.news.levels import LevelPolicy
from killswitch.news.policy import DetectPolicy
from killswitch.news.record import Story
from killswitch.news.story import StoryBook, Verdict
from killswitch.news.suggest import EFFECTS, suggestions
from killswitch.watch.lexicons import load_lexicons

NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
LISTS = load_lexicons(("en",))
POLICY = DetectPolicy(countries=("gb",), levels=LevelPolicy(places=frozenset({"gb"})))
FERRY = "Ferry sinks off Scotland, 18 dead", "Scotland ferry sinking kills 18"


def tripped(policy: DetectPolicy, *titles: str) -> Story | None:
    """Tell of a story by as many newsrooms as headlines; return it if it pauses."""
    numbers = count(1)
    book = StoryBook(policy, new_id=lambda: f"s{next(numbers)}")
    detector = Detector(LISTS, policy)
    for number, title in enumerate(titles):
        now = NOW + timedelta(minutes=number)
        item = Item(id=str(number), title=title, outlet=f"Post {number}", lang="en", first_seen=now)
        seen = book.observe(item, detector.grade(item), now)
        if seen is not None and seen.verdict is Verdict.TRIP:
            return seen.story
    return None


def suggested(*titles: str, policy: DetectPolicy = POLICY) -> list[str]:
    """Return the settings suggested for a story."""
    story = tripped(policy, *titles)
    assert story is not None
    found = suggestions(story, policy)
    assert all(one.effect in EFFECTS for one in found)
    return [one.setting for one in found]


def test_a_level_just_above_the_story_would_only_have_told() -> None:
    story = tripped(POLICY, *FERRY)
    assert story is not None
    (setting,) = [one for one in suggested(*FERRY) if one.startswith("[levels]")]
    levels = tomllib.loads(setting.removeprefix("[levels] "))["near"]
    assert levels["accident"] > story.score
    quiet = replace(POLICY, levels=replace(POLICY.levels, near=levels))
    assert tripped(quiet, *FERRY) is None


def test_a_level_is_not_suggested_where_the_whole_world_speaks_of_it() -> None:
    loud = replace(POLICY, levels=replace(POLICY.levels, world=2))
    assert not [one for one in suggested(*FERRY, policy=loud) if one.startswith("[levels]")]


def test_one_more_newsroom_would_have_been_asked_for() -> None:
    assert "[detect] outlets = 3" in suggested(*FERRY)
    assert tripped(replace(POLICY, outlets=3), *FERRY) is None


def test_the_words_that_all_headlines_share_would_have_been_ignored() -> None:
    told = (
        "Six killed at murder dinner, guests guess who did it",
        "Who did it? Six killed at murder dinner",
    )
    settings = suggested(*told)
    (setting,) = [one for one in settings if "ignore" in one]
    patterns = tomllib.loads(setting.removeprefix("[detect] "))["ignore"]
    assert tripped(replace(POLICY, ignore=tuple(patterns)), *told) is None


def test_words_that_any_tragedy_is_told_in_are_never_suggested() -> None:
    told = "Six killed at castle", "Six killed at mill"
    story = tripped(POLICY, "Six killed at Velden castle", "Six killed at Velden castle siege")
    assert story is not None
    members = tuple(replace(m, title=title) for m, title in zip(story.members, told, strict=True))
    settings = [one.setting for one in suggestions(replace(story, members=members), POLICY)]
    assert not [one for one in settings if "ignore" in one]


def test_two_feeds_with_the_very_same_headline_may_be_one_house() -> None:
    settings = suggested(FERRY[0], FERRY[0])
    assert 'group = "Post 0" in the [[feeds]] of Post 0, Post 1' in settings


def test_an_alert_alone_suggests_the_setting_of_alerts() -> None:
    story = tripped(POLICY, *FERRY)
    assert story is not None
    alert = replace(
        story,
        alerts=("gdacs:eq:1",),
        members=tuple(replace(m, aggregator=True) for m in story.members),
    )
    assert [one.setting for one in suggestions(alert, POLICY)] == ['[alerts] pause = "never"']


def test_a_great_tragedy_is_no_matter_of_levels() -> None:
    titles = "Ferry sinks off Scotland, 900 dead", "Scotland ferry sinking kills 900"
    assert not [one for one in suggested(*titles) if one.startswith("[levels]")]
