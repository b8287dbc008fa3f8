"""
After a false alarm: which setting would have avoided it?

Pure: the dismissed story and the policy in, a few settings out, each checked against the very
story: with it, the pause would not have come. Nothing is changed by itself; each setting has its
price, and its effect says so.
"""

from __future__ import annotations

import re
from collections import defaultdict
from dataclasses import dataclass, replace
from math import ceil
from typing import TYPE_CHECKING

from killswitch.errors import ConfigError
from killswitch.news.alerts import NEVER
from killswitch.news.fold import fold
from killswitch.news.ignore import compile_ignores
from killswitch.news.item import Grade
from killswitch.news.levels import OTHER, Level, is_near, level_of

if TYPE_CHECKING:
    from killswitch.news.policy import DetectPolicy
    from killswitch.news.record import Member, Story

OUTLETS = "one more newsroom is asked for; real events pause later too"
LEVELS = "such a story is told and holds nothing, unless it is larger or many newsrooms speak of it"
IGNORE = "headlines with these words are never judged; make sure that no real one has them"
GROUP = "these gave the very same headline: if they are one house, they count as one newsroom"
ALERTS = "official alerts are told and no longer pause"
EFFECTS = (OUTLETS, LEVELS, IGNORE, GROUP, ALERTS)
"""All that is ever said of an effect; the screens translate them."""

_MOST_OUTLETS = 20
_LARGEST = 5.0
_WORDS = re.compile(r"\w+(?:[-\u2019]\w+)*")
_PHRASE, _LONGEST_PHRASE = 2, 5


@dataclass(frozen=True, slots=True)
class Suggestion:
    """A setting as the file would hold it, and what it does (one of ``EFFECTS``)."""

    setting: str
    effect: str


def suggestions(story: Story, policy: DetectPolicy) -> tuple[Suggestion, ...]:
    """
    Say which settings would have avoided a pause.

    Args:
        story: The story that people called a false alarm.
        policy: What paused for it.

    Returns:
        At most four, the narrowest first; empty where only the very words of it are at fault.
    """
    newsrooms = [member for member in story.members if not member.aggregator]
    if not newsrooms:
        return _of_alert(story, policy)
    found = (
        _ignore(story, newsrooms),
        _group(newsrooms),
        _level(story, policy),
        _outlets(story, policy),
    )
    return tuple(one for one in found if one is not None)


def _of_alert(story: Story, policy: DetectPolicy) -> tuple[Suggestion, ...]:
    """A pause by an official alert alone."""
    if not story.alerts or policy.alerts.pause == NEVER:
        return ()
    return (Suggestion('[alerts] pause = "never"', ALERTS),)


def _outlets(story: Story, policy: DetectPolicy) -> Suggestion | None:
    """Ask for one newsroom more than told of it, where that is little."""
    wanted = len(story.outlets) + 1
    if len(story.outlets) != policy.outlets or wanted > _MOST_OUTLETS:
        return None
    return Suggestion(f"[detect] outlets = {wanted}", OUTLETS)


def _level(story: Story, policy: DetectPolicy) -> Suggestion | None:
    """Raise the level of its kind and distance just above it."""
    if story.score > _LARGEST:
        return None
    least = ceil(story.score * 10 + 1) / 10
    kind = story.category or OTHER
    near = is_near(story, policy.levels)
    where, rules = ("near", policy.levels.near) if near else ("far", policy.levels.far)
    raised = {**rules, kind: least}
    changed = replace(policy.levels, near=raised) if near else replace(policy.levels, far=raised)
    at = story.tripped_at or story.last_item_at
    if level_of(story, changed, at)[0] is not Level.TELL:
        return None
    return Suggestion(f"[levels] {where} = {{ {kind} = {least:g} }}", LEVELS)


def _group(newsrooms: list[Member]) -> Suggestion | None:
    """Join newsrooms that gave the very same headline."""
    outlets: defaultdict[str, dict[str, None]] = defaultdict(dict)
    for member in newsrooms:
        outlets[fold(member.title)][member.newsroom] = None
    same = next((list(rooms) for rooms in outlets.values() if len(rooms) > 1), None)
    if same is None:
        return None
    name = same[0].replace('"', "")
    rooms = ", ".join(room.replace('"', "") for room in same[:4])
    return Suggestion(f'group = "{name}" in the [[feeds]] of {rooms}', GROUP)


def _ignore(story: Story, newsrooms: list[Member]) -> Suggestion | None:
    """Leave out the words around the event word that all its grave headlines share."""
    grave = [member.title for member in newsrooms if member.grade is Grade.TRIP]
    shared = (
        [phrase for phrase in _phrases(grave[0]) if _fits(phrase, grave, story)] if grave else []
    )
    if not shared:
        return None
    pattern = rf"\b{re.escape(max(shared, key=len))}\b".replace("\\ ", " ").replace("\\-", "-")
    try:
        compile_ignores([pattern])
    except ConfigError:
        return None
    return Suggestion(f"[detect] ignore = ['{pattern}']", IGNORE)


def _phrases(title: str) -> list[str]:
    """Return the runs of a few words of a headline, in its own spelling."""
    spans = [match.span() for match in _WORDS.finditer(title)]
    return [
        title[spans[at][0] : spans[at + count - 1][1]]
        for count in range(_PHRASE, _LONGEST_PHRASE + 1)
        for at in range(len(spans) - count + 1)
    ]


def _fits(phrase: str, titles: list[str], story: Story) -> bool:
    """
    Say whether a phrase may be ignored: it tells the event beside a word of its own, everywhere.

    "Six killed at" alone would make the detector blind; "killed at murder dinner" does not.
    """
    words = fold(phrase).split()
    terms = {word for term in story.terms for word in term.split()}
    own = {word for word in words if word in story.words and word not in story.places}
    everywhere = all(phrase.casefold() in title.casefold() for title in titles)
    plain = phrase.isprintable() and "'" not in phrase
    return plain and everywhere and bool(own) and any(w in terms for w in words)
