"""
Levels: whether a confirmed story pauses, or people are only told of it.

A brand wants to stop for what happens near its public and for what the whole world speaks of; of
the rest it only wants to hear. Two questions decide: how grave the story is told, as a multiple of
what a pause needs (its score), and how many newsrooms tell of it in a short time.

Invariants:
    Without a rule every confirmed story pauses: levels only ever take away what settings name.
    A told story is judged anew at each headline; once it pauses it is a tripped story like others.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum
from math import inf
from typing import TYPE_CHECKING

from killswitch.news.fold import fold

if TYPE_CHECKING:
    from datetime import datetime

    from killswitch.news.record import Story

CATEGORIES = (
    "attack", "accident", "road", "disaster", "war", "epidemic", "disappearance", "death", "own",
)  # fmt: skip
"""Kinds of event that a rule may name."""
OTHER = "other"
"""The rule of every kind that has none of its own."""
ALWAYS, NEVER = 1.0, inf
_CODE_LENGTH = 2


class Level(StrEnum):
    """What a confirmed story does: stop the queue, or only tell people."""

    PAUSE = "pause"
    TELL = "tell"


@dataclass(frozen=True, slots=True, kw_only=True)
class LevelPolicy:
    """
    When a confirmed story pauses (settings ``[levels]``).

    Attributes:
        near: By kind of event, the score from which a near story pauses; 1 is every one of them.
        far: The same for a story that happens elsewhere only.
        places: Countries (lower-case ISO 3166-1 codes) and folded place names that are near.
        world: So many newsrooms make any story one that the whole world speaks of: it pauses.
        within: Time inside which they must have told of it.
    """

    near: Mapping[str, float] = field(default_factory=dict)
    far: Mapping[str, float] = field(default_factory=dict)
    places: frozenset[str] = frozenset()
    world: int = 3
    within: timedelta = timedelta(hours=12)


def level_of(story: Story, policy: LevelPolicy, now: datetime) -> tuple[Level, str]:
    """
    Judge a story that enough newsrooms report.

    Args:
        story: As it stands now.
        policy: The brand's settings.
        now: Aware UTC instant of this decision.

    Returns:
        The level, and why in a few words; empty where no rule had a say.
    """
    near = is_near(story, policy)
    rules = policy.near if near else policy.far
    least = rules.get(story.category or OTHER, rules.get(OTHER, ALWAYS))
    if least <= ALWAYS:
        return Level.PAUSE, ""
    where = "near" if near else "far"
    if story.score >= least:
        return Level.PAUSE, f"{where} and large ({story.score:g} of {least:g})"
    rooms = {member.newsroom for member in story.within(now, policy.within)}
    if len(rooms) >= policy.world:
        return Level.PAUSE, f"{where}, and {len(rooms)} outlets speak of it"
    size = "" if least == NEVER else f" and small ({story.score:g} of {least:g})"
    few = f"{len(rooms)} of {policy.world} outlets"
    return Level.TELL, f"only told: {where}{size}, {few} speak of it"


def is_near(story: Story, policy: LevelPolicy) -> bool:
    """Say whether a story is near: one of its places is, or nobody told a country."""
    countries = [place for place in story.places if len(place) == _CODE_LENGTH]
    return not countries or not policy.places.isdisjoint(story.places)


def near_places(words: tuple[str, ...]) -> frozenset[str]:
    """Write countries and places as stories hold them: codes in lower case, names folded."""
    codes = (word.lower() for word in words if len(word) == _CODE_LENGTH)
    names = (fold(word).strip() for word in words if len(word) != _CODE_LENGTH)
    return frozenset((*codes, *names))
