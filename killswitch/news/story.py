"""
Stories: which headlines tell of the same event, and when an event pauses.

Invariants:
    An aggregator never counts as an outlet; outlets of one group count once.
    A story trips once. What is settled (muted, dismissed) or tripped stays so, until it is clearly
    worse: a higher toll class, another kind of event, another place, or told as another attack.
    The self-lifting wait opens once a story.
    A story that its level only tells of never pauses, waits or settles; it may still do so later.
    All memory stands in the stories: a book built again from their JSON gives the same verdicts.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, replace
from datetime import timedelta
from enum import StrEnum
from math import inf, sqrt
from typing import TYPE_CHECKING

from killswitch.news.alike import (
    CODE_LENGTH,
    WORD,
    are_other_towns,
    asked,
    freshness,
    is_one_event,
    keys,
    kinship,
    share,
)
from killswitch.news.item import Grade
from killswitch.news.levels import Level, level_of
from killswitch.news.record import (
    SETTLED,
    Member,
    Story,
    StoryState,
    first_story,
    toll_class,
    with_item,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from datetime import datetime

    from killswitch.news.item import Item, Official, Signal
    from killswitch.news.policy import DetectPolicy

__all__ = ["Member", "Observation", "Story", "StoryBook", "StoryState", "Verdict"]

# Two grave events of a kind in a country that few stories tell of, on one day, are one.
_BOTH_GRAVE, _SELDOM, _ONE_DAY = 0.8, 4, timedelta(days=1)
# How grave a story must be told where no report is severe enough, or they come far apart, by
# newsrooms beyond the asked ones: (so many more, least score).
_FAME = ((0, 1.05), (2, 0.9), (3, 0.6), (5, 0.1))
_NOTES = ((2, 1.0), (4, 0.8), (6, 0.6))
_CRIME = ((3, 1.0), (4, 0.9))
_BATTLE = ((4, 1.0),)
# Newsrooms tell of weather before anybody dies of it: many small reports make no pause of it. They
# tell of a great disaster at different hours, whatever the words: two are enough for the greatest.
_WEATHER = (
    (0, 4.0),
    (2, 1.0),
)
_TOLD = {"death": _FAME, "attack": _CRIME, "war": _BATTLE, "disaster": _WEATHER}
# Reports that are severe each by themselves, and the sum of all, may come over so many windows.
_LASTING = 4
# More first reports than this from one newsroom in this time are a fault of that newsroom.
_FLOOD, _FLOOD_TIME = 3, timedelta(minutes=10)
# Headlines call one event "another" for hours; a settled story listens to it again after this.
_AGAIN_REST = timedelta(hours=12)


class Verdict(StrEnum):
    """What one observed headline means for the pause."""

    NOTHING = "nothing"
    EVIDENCE = "evidence"
    UNCONFIRMED = "unconfirmed"
    TELL = "tell"
    TRIP = "trip"
    WORSENING = "worsening"
    ALERT = "alert"
    TAKEN_BACK = "taken_back"


@dataclass(frozen=True, slots=True, kw_only=True)
class Observation:
    """The story after one headline, what follows, and why in one line."""

    story: Story
    verdict: Verdict
    why: str


class StoryBook:
    """The recent stories, with an index of their words."""

    def __init__(
        self,
        policy: DetectPolicy,
        *,
        new_id: Callable[[], str],
        stories: Iterable[Story] = (),
    ) -> None:
        """
        Open a book.

        Args:
            policy: When a story pauses.
            new_id: Gives the id of each new story.
            stories: Stories read back from the store, any order.
        """
        self._policy = policy
        self._new_id = new_id
        self._stories: dict[str, Story] = {}
        self._by_key: defaultdict[str, set[str]] = defaultdict(set)
        self._by_alert: dict[str, str] = {}
        for story in stories:
            self._keep(story)

    def __len__(self) -> int:
        """Return how many stories are remembered."""
        return len(self._stories)

    def get(self, story_id: str) -> Story | None:
        """Return a story by its id, or None."""
        return self._stories.get(story_id)

    def stories(self) -> tuple[Story, ...]:
        """Return all remembered stories, oldest first."""
        return tuple(self._stories.values())

    def observe(self, item: Item, signal: Signal, now: datetime) -> Observation | None:
        """
        Take in one graded headline.

        Args:
            item: The headline.
            signal: What the detector found in it.
            now: Aware UTC instant at which it was first seen.

        Returns:
            The story it belongs to and what follows; None for a headline graded ``none``.
        """
        official = signal.official
        known = self._find_alert(official, now) if official else None
        if official and official.cancelled:
            return _taken_back(known) if known else None
        if signal.grade is Grade.NONE:
            return None
        before = known or self._find(signal, now)
        if official and before and before is not known and not is_one_event(before, signal):
            before = None  # an alert that joined a like event of its country would never be heard
        if before is None:
            story = first_story(self._new_id(), item, signal, now)
        else:
            story = with_item(before, item, signal, now)
        seen = self._judge(before, story, (item, signal), now)
        self._keep(seen.story)
        return seen

    def mute(self, story_id: str, now: datetime) -> Story | None:
        """Settle a story after a resume: it stays quiet until it is clearly worse."""
        return self._settle(story_id, StoryState.MUTED, now)

    def dismiss(self, story_id: str, now: datetime) -> Story | None:
        """Settle a false alarm; it stays quiet like a muted story."""
        return self._settle(story_id, StoryState.DISMISSED, now)

    def prune(self, now: datetime) -> tuple[str, ...]:
        """Forget stories that no headline can join any more; return their ids."""
        gone = tuple(s.id for s in self._stories.values() if not self._alive(s, now))
        for story_id in gone:
            story = self._stories.pop(story_id)
            for alert in story.alerts:
                self._by_alert.pop(alert, None)
            for key in keys(story.words, story.places):
                self._by_key[key].discard(story_id)
                if not self._by_key[key]:
                    del self._by_key[key]
        return gone

    def _settle(self, story_id: str, state: StoryState, now: datetime) -> Story | None:
        """Write down what is known at the decision, so that only news beyond it counts."""
        story = self._stories.get(story_id)
        if story is None:
            return None
        settled = replace(_marked(story), state=state, muted_at=now)
        self._keep(settled)
        return settled

    def _keep(self, story: Story) -> None:
        """Remember a story and index its words."""
        self._stories[story.id] = story
        self._by_alert.update(dict.fromkeys(story.alerts, story.id))
        for key in keys(story.words, story.places):
            self._by_key[key].add(story.id)

    def _alive(self, story: Story, now: datetime) -> bool:
        """Say whether a headline may still join the story."""
        if now - story.last_item_at > self._policy.mute_quiet:
            return False
        settled = story.muted_at
        return settled is None or now - settled <= self._policy.mute_max

    def _find_alert(self, official: Official, now: datetime) -> Story | None:
        """Find the story that an official alert, or the one it updates, is part of."""
        ids = (self._by_alert.get(key, "") for key in official.keys)
        found = (self._stories[story_id] for story_id in ids if story_id in self._stories)
        return next((story for story in found if self._alive(story, now)), None)

    def _find(self, signal: Signal, now: datetime) -> Story | None:
        """Find the story that the headline tells of, or None."""
        likeness, is_grave = self._shared(signal), signal.grade is Grade.TRIP
        # The youngest of equally alike stories, then the id: never the order of a set.
        best: tuple[float, datetime, str] | None = None
        for story_id, shared in likeness.items():
            story = self._stories[story_id]
            if story.tripped_at and is_grave and are_other_towns(signal, story):
                # A second event, however alike the words: it has to find newsrooms of its own.
                continue
            alike = (shared + kinship(signal, story)) * freshness(now - story.last_item_at)
            if is_grave and self._rare_pair(signal, story, now):
                alike += _BOTH_GRAVE
            if alike < asked(story, now) or not self._alive(story, now):
                continue
            rank = (alike, story.last_item_at, story_id)
            best = rank if best is None else max(best, rank)
        return None if best is None else self._stories[best[2]]

    def _shared(self, signal: Signal) -> dict[str, float]:
        """Weigh what the headline shares with each story."""
        likeness: defaultdict[str, float] = defaultdict(float)
        for key in keys(signal.words, signal.places):
            ids = self._by_key.get(key)
            if ids:
                worth = WORD / sqrt(len(ids))
                for story_id in ids:
                    likeness[story_id] += worth * share(self._stories[story_id], key)
        return likeness

    def _rare_pair(self, signal: Signal, story: Story, now: datetime) -> bool:
        """Say whether two grave reports of a kind come from one country that is seldom told of."""
        if story.tripped_at or story.score < 1 or now - story.first_item_at > _ONE_DAY / 2:
            return False
        lands = {f"@{p}" for p in signal.places if len(p) == CODE_LENGTH and p in story.places}
        told = [len(self._by_key[land]) for land in lands if land in self._by_key]
        return signal.category == story.category and 0 < min(told, default=0) <= _SELDOM

    def _judge(
        self,
        before: Story | None,
        story: Story,
        seen: tuple[Item, Signal],
        now: datetime,
    ) -> Observation:
        """Decide what the headline means."""
        item, signal = seen
        if before is not None and before.state in SETTLED:
            return self._judge_settled(before, story, seen, now)
        if signal.official is not None:
            return _ordered(story, signal, now)
        enough, why = self._enough(story, now)
        level, reason = level_of(story, self._policy.levels, now)
        if signal.ours and not item.aggregator and not self._floods(item, now):
            enough, why, level, reason = True, f"{item.newsroom}: {signal.ours}", Level.PAUSE, ""
        if enough and level is Level.TELL:
            return _told(story, f"{why}; {reason}", now)
        if enough:
            why = f"{why}; {reason}" if reason else why
            tripped = replace(_marked(story), state=StoryState.TRIPPED, tripped_at=now)
            return Observation(story=tripped, verdict=Verdict.TRIP, why=why)
        first = signal.grade is Grade.TRIP and story.unconfirmed_at is None and not item.aggregator
        if first and level is Level.PAUSE and self._policy.unconfirmed > timedelta(0):
            if self._floods(item, now):
                why = f"{item.newsroom} reports too many at once; waiting for another outlet"
                return Observation(story=story, verdict=Verdict.NOTHING, why=why)
            waiting = replace(story, state=StoryState.UNCONFIRMED, unconfirmed_at=now)
            return Observation(story=waiting, verdict=Verdict.UNCONFIRMED, why=why)
        return Observation(story=story, verdict=Verdict.NOTHING, why=why)

    def _enough(self, story: Story, now: datetime) -> tuple[bool, str]:
        """Say whether enough independent newsrooms reported it inside the window."""
        asked, window = self._policy.outlets, self._policy.window
        members = story.within(now, window)
        rooms = list(dict.fromkeys(m.newsroom for m in members))
        severe = [m for m in members if m.grade is Grade.TRIP]
        told = f"{len(rooms)} of {asked} outlets ({', '.join(rooms[:5])})"
        wide = story.within(now, window * _LASTING)
        heard = list(dict.fromkeys(m.newsroom for m in wide))
        grave = list(dict.fromkeys(m.newsroom for m in wide if m.grade is Grade.TRIP))
        if severe and len(rooms) >= asked:
            return True, f"{told} within {_hours(window)}"
        if severe and len(grave) >= asked:
            return True, f"{len(grave)} outlets ({', '.join(grave[:5])}), each of them severe"
        trusted = [m for m in severe if m.trusted]
        if trusted and self._policy.single_trusted and not self._floods(trusted[-1], now):
            return True, f"trusted outlet {trusted[-1].outlet} alone, as set"
        fame = _TOLD.get(story.category or "", _NOTES)
        if len(heard) >= asked and story.score >= _least(fame, len(heard) - asked):
            return True, f"{len(heard)} outlets tell of it ({', '.join(heard[:5])})"
        return False, told if severe else f"{told}, none of them severe"

    def _floods(self, item: Item | Member, now: datetime) -> bool:
        """Say whether one newsroom has just opened too many stories alone."""
        alone = [
            story
            for story in self._stories.values()
            if story.unconfirmed_at is not None
            and now - story.unconfirmed_at <= _FLOOD_TIME
            and story.heard == (item.newsroom,)
        ]
        return len(alone) >= _FLOOD

    def _judge_settled(
        self, before: Story, story: Story, seen: tuple[Item, Signal], now: datetime
    ) -> Observation:
        """A tripped, muted or dismissed story: evidence, unless it is clearly worse."""
        item, signal = seen
        worse = "" if item.aggregator else _worse(before, signal)
        again = before.again_at if worse else None
        if not worse and not item.aggregator and _another(before, signal, now):
            worse, again = "told as another such event", now
        if worse:
            state = StoryState.TRIPPED
            tripped = story.tripped_at or now
            risen = replace(_marked(story), state=state, tripped_at=tripped, again_at=again)
            return Observation(story=risen, verdict=Verdict.WORSENING, why=worse)
        if before.state is StoryState.TRIPPED and story.heard != before.heard:
            return Observation(story=story, verdict=Verdict.EVIDENCE, why=f"also {item.newsroom}")
        return Observation(story=story, verdict=Verdict.NOTHING, why=f"already {before.state}")


def _ordered(story: Story, signal: Signal, now: datetime) -> Observation:
    """Do what an official alert orders."""
    level = signal.official.level if signal.official else None
    why = signal.why.removeprefix(f"{signal.grade}: ")
    if level is Level.PAUSE:
        tripped = replace(_marked(story), state=StoryState.TRIPPED, tripped_at=now)
        return Observation(story=tripped, verdict=Verdict.ALERT, why=why)
    if level is Level.TELL and story.told_at is None:
        told = replace(story, told_at=now)
        return Observation(story=told, verdict=Verdict.TELL, why=why)
    return Observation(story=story, verdict=Verdict.NOTHING, why=why)


def _taken_back(story: Story) -> Observation | None:
    """Say that an alert is taken back to people who were told of it; only they end a pause."""
    if story.told_at is None and story.tripped_at is None:
        return None
    return Observation(story=story, verdict=Verdict.TAKEN_BACK, why="an official alert taken back")


def _told(story: Story, why: str, now: datetime) -> Observation:
    """Tell people of a story, once, and again when its toll rises; nothing is held for it."""
    if story.told_at is not None and toll_class(story.toll) <= story.toll_class:
        return Observation(story=story, verdict=Verdict.NOTHING, why=f"told already; {why}")
    told = replace(_marked(story), state=StoryState.OPEN, told_at=now)
    return Observation(story=told, verdict=Verdict.TELL, why=why)


def _marked(story: Story) -> Story:
    """Write down what people have been told, so that only news beyond it is worse."""
    return replace(
        story,
        toll_class=max(story.toll_class, toll_class(story.toll)),
        told_places=story.places,
        told_categories=tuple(dict.fromkeys((*story.told_categories, story.category or ""))),
    )


def _worse(before: Story, signal: Signal) -> str:
    """Say how a settled story has become clearly worse, or nothing."""
    if signal.grade is not Grade.TRIP or signal.category == "death":
        return ""
    risen = toll_class(signal.toll)
    if risen > before.toll_class:
        return f"worse: {signal.toll} dead, before {before.toll or 'none told'}"
    if signal.category and signal.category not in before.told_categories:
        return f"worse: now also {signal.category}"
    countries = [p for p in signal.places if len(p) == CODE_LENGTH]
    fresh = [p for p in countries if p not in before.told_places]
    if fresh and before.told_places and len(fresh) == len(countries):
        return f"worse: now also in {', '.join(fresh)}"
    return ""


def _another(before: Story, signal: Signal, now: datetime) -> bool:
    """Say whether the headline tells of a second event of the kind, for the first time today."""
    if not signal.again or signal.category != before.category or signal.category == "death":
        return False
    since = before.again_at or before.muted_at or before.tripped_at
    return since is None or now - since >= _AGAIN_REST


def _least(steps: Sequence[tuple[int, float]], more: int) -> float:
    """Return the least score that so many newsrooms beyond the asked ones make a pause of."""
    return min((least for beyond, least in steps if more >= beyond), default=inf)


def _hours(window: timedelta) -> str:
    """Write a window for a person."""
    hours = window.total_seconds() / 3600
    return f"{hours:g} h"
