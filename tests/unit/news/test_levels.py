"""Claims about levels: which confirmed stories pause, and of which people are only told."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from itertools import count

import pytest

from killswitch.news.grade import Detector
from killswitch.news.item import Item
from killswitch.news.levels import NEVER, LevelPolicy, near_places
from killswitch.news.policy import DetectPolicy
from killswitch.news.story import Observation, Story, StoryBook, StoryState
from killswitch.watch.lexicons import load_lexicons

START = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
DETECTOR = Detector(load_lexicons(("en",)), DetectPolicy(countries=("gb",)))
FAR = "Ferry sinks off Indonesia, 18 dead"
FAR_TOO = "Ferry sinking off Indonesia kills 18, police say"
FAR_LARGE = "Ferry sinks off Indonesia, 70 dead"
FAR_LARGE_TOO = "Ferry sinking off Indonesia kills 70, police say"
NEAR = "Ferry sinks off Scotland, 18 dead"
NEAR_TOO = "Ferry sinking off Scotland kills 18, police say"


def levels(**given: object) -> DetectPolicy:
    """Build a policy whose far stories only tell, below twice the need."""
    known = {"far": {"other": 2.0}, "places": near_places(("gb", "Jakarta"))}
    return DetectPolicy(
        countries=("gb",),
        levels=LevelPolicy(**(known | given)),  # type: ignore[arg-type] # a builder takes any field
    )


class Newsroom:
    """Feeds headlines into a book, a minute apart."""

    def __init__(self, policy: DetectPolicy, stories: tuple[Story, ...] = ()) -> None:
        """Begin at nine."""
        numbers = count(1)
        self.book = StoryBook(policy, new_id=lambda: f"s{next(numbers)}", stories=stories)
        self.now = START

    def tells(self, outlet: str, title: str) -> Observation:
        """Publish one headline."""
        self.now += timedelta(minutes=1)
        item = Item(
            id=f"{outlet}{self.now}", title=title, outlet=outlet, lang="en", first_seen=self.now
        )
        seen = self.book.observe(item, DETECTOR.grade(item), self.now)
        assert seen is not None
        return seen

    def verdicts(self, *told: tuple[str, str]) -> list[str]:
        """Publish several headlines."""
        return [str(self.tells(outlet, title).verdict) for outlet, title in told]


def test_without_levels_every_confirmed_story_pauses() -> None:
    room = Newsroom(DetectPolicy(countries=("gb",)))
    assert room.verdicts(("A", FAR), ("B", FAR_TOO)) == ["unconfirmed", "trip"]


def test_a_far_and_small_story_is_told_and_nothing_waits() -> None:
    room = Newsroom(levels())
    seen = [room.tells("A", FAR), room.tells("B", FAR_TOO)]
    assert [str(one.verdict) for one in seen] == ["nothing", "tell"]
    assert (seen[1].story.state, seen[1].story.tripped_at) == (StoryState.OPEN, None)
    assert "only told: far and small" in seen[1].why


def test_a_near_story_pauses() -> None:
    room = Newsroom(levels())
    assert room.verdicts(("A", NEAR), ("B", NEAR_TOO)) == ["unconfirmed", "trip"]


def test_a_place_by_name_is_near() -> None:
    room = Newsroom(levels())
    told = ("A", "Ferry sinks off Jakarta, 18 dead"), ("B", "Jakarta ferry sinking kills 18")
    assert room.verdicts(*told)[-1] == "trip"


def test_a_far_and_large_story_pauses_and_says_why() -> None:
    room = Newsroom(levels())
    room.tells("A", FAR_LARGE)
    seen = room.tells("B", FAR_LARGE_TOO)
    assert str(seen.verdict) == "trip"
    assert "far and large" in seen.why


def test_what_the_whole_world_speaks_of_pauses_after_it_was_told() -> None:
    room = Newsroom(levels(far={"other": NEVER}))
    told = ("A", FAR_LARGE), ("B", FAR_LARGE_TOO), ("C", FAR_LARGE_TOO), ("D", FAR_LARGE)
    assert room.verdicts(*told) == ["nothing", "tell", "trip", "evidence"]


def test_the_world_must_speak_of_it_in_a_short_time() -> None:
    room = Newsroom(levels(far={"other": NEVER}, within=timedelta(minutes=90)))
    room.verdicts(("A", FAR), ("B", FAR_TOO))
    room.now += timedelta(hours=2)
    assert room.verdicts(("C", FAR_TOO)) == ["nothing"]


def test_a_kind_of_event_has_its_own_level() -> None:
    room = Newsroom(levels(far={"other": NEVER, "accident": 1.0}))
    assert room.verdicts(("A", FAR), ("B", FAR_TOO))[-1] == "trip"


def test_a_smaller_near_story_is_told() -> None:
    room = Newsroom(levels(near={"accident": 5.0}))
    assert room.verdicts(("A", NEAR), ("B", NEAR_TOO)) == ["nothing", "tell"]


def test_a_story_is_told_once_and_again_when_its_toll_rises() -> None:
    room = Newsroom(levels(far={"other": NEVER}, world=9))
    told = ("A", FAR), ("B", FAR_TOO), ("C", FAR_TOO), ("D", FAR_LARGE_TOO), ("E", FAR_LARGE)
    assert room.verdicts(*told) == ["nothing", "tell", "nothing", "tell", "nothing"]


@pytest.mark.parametrize("restart", [False, True])
def test_a_restart_changes_no_level(restart: bool) -> None:
    room = Newsroom(levels(far={"other": NEVER}))
    room.verdicts(("A", FAR), ("B", FAR_TOO))
    if restart:
        texts = [json.dumps(story.to_json()) for story in room.book.stories()]
        read = tuple(Story.from_json(json.loads(text)) for text in texts)
        now, room = room.now, Newsroom(levels(far={"other": NEVER}), read)
        room.now = now
    assert room.verdicts(("B", FAR), ("C", FAR_TOO)) == ["nothing", "trip"]


def test_a_story_of_an_older_store_was_never_told() -> None:
    room = Newsroom(levels())
    body = room.tells("A", FAR).story.to_json()
    del body["told_at"]
    assert Story.from_json(body).told_at is None
