"""
How alike a headline and a story are: words that few stories use, places, tolls, names, time.

The weights were chosen on replayed news; ``docs/detection.md`` tells what they come to.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from killswitch.news.fold import fold

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import datetime

    from killswitch.news.item import Signal
    from killswitch.news.record import Story

# A headline joins the most alike story from this likeness on.
_ALIKE = 2.0
_ALIKE_TRIPPED, _ALIKE_OLD, _TRIPPED_DAYS = 1.5, 2.0, 2.0
STEM, _FEW = 6, 3
WORD, _COUNTRY, _CATEGORY, _TERM, _TOLL, _NAME = 1.2, 0.5, 0.5, 0.35, 0.6, 1.5
_TERMS_MOST = 3
_OTHER_DEAD = 2.5
# Kinds of event that headlines of one event mix up; others part two stories.
_COUSINS = frozenset(
    frozenset(pair)
    for pair in (
        ("attack", "war"), ("attack", "accident"), ("attack", "death"), ("accident", "road"),
        ("accident", "disaster"), ("accident", "death"), ("accident", "disappearance"),
        ("road", "death"), ("attack", "road"), ("accident", "war"),
    )
)  # fmt: skip
_STRANGERS = 0.5
# Named places that differ, and a story that was quiet for long, make a common event unlikely.
_ELSEWHERE, _ABROAD = 0.6, 2.5
_FRESH_DAYS, _STALE_PER_DAY, _LEAST_FRESH = 0.25, 0.2, 0.5
_TOLL_FROM, _TOLL_RATIO = 3, 1.6
# Places of two letters are countries, longer ones towns.
CODE_LENGTH = 2


def keys(words: Iterable[str], places: Iterable[str]) -> set[str]:
    """Return what a headline is looked up by: stems of its words, and its countries."""
    stems = {word[:STEM] for word in words}
    return stems | {f"@{place}" for place in places if len(place) == CODE_LENGTH}


def share(story: Story, key: str) -> float:
    """Return how much of a story uses the word: one that few of many headlines use tells little."""
    members = len(story.members)
    if members <= _FEW or key[0] == "@":
        return 1.0
    uses = max((n for word, n in story.words.items() if word[:STEM] == key), default=0)
    return min(1.0, _FEW * uses / members)


def asked(story: Story, now: datetime) -> float:
    """Return the likeness that a story asks: little just after it paused, more when it is old."""
    if story.tripped_at is None:
        return _ALIKE
    days = (now - story.tripped_at) / timedelta(days=1)
    return _ALIKE_TRIPPED if days < _TRIPPED_DAYS else _ALIKE_OLD


def freshness(quiet: timedelta) -> float:
    """Return how much a story that was quiet so long still draws headlines: all, down to half."""
    return max(_LEAST_FRESH, 1.0 - _STALE_PER_DAY * max(quiet / timedelta(days=1) - _FRESH_DAYS, 0))


def are_other_towns(signal: Signal, story: Story) -> bool:
    """Say whether both name towns, and none in common."""
    towns = {place for place in signal.places if len(place) > CODE_LENGTH}
    known = {place for place in story.places if len(place) > CODE_LENGTH}
    return bool(towns and known and not towns & known)


def kinship(signal: Signal, story: Story) -> float:
    """Measure what a headline and a story share beside their words."""
    alike = 0.0
    if are_other_towns(signal, story):
        alike -= _ELSEWHERE
    countries = {place for place in signal.places if len(place) == CODE_LENGTH}
    lands = {place for place in story.places if len(place) == CODE_LENGTH}
    if countries and lands:
        alike += _COUNTRY if countries & lands else -_ABROAD
    if signal.category == story.category:
        alike += _CATEGORY
    elif frozenset((signal.category, story.category)) not in _COUSINS:
        alike -= _STRANGERS
    shared = sum(term in story.terms for term in signal.terms)
    alike += _TERM * min(shared, _TERMS_MOST)
    if signal.toll and story.toll and signal.toll >= _TOLL_FROM and story.toll >= _TOLL_FROM:
        low, high = sorted((signal.toll, story.toll))
        alike += _TOLL if high / low <= _TOLL_RATIO else -_TOLL * (signal.toll < story.toll)
    if signal.category == "death" and story.category == "death":
        alike += _by_name(signal, story)
    return alike


def is_one_event(story: Story, signal: Signal) -> bool:
    """Say whether newsrooms tell of the very event that an official alert names."""
    shared = {w[:STEM] for w in story.words} & {w[:STEM] for w in signal.words}
    told = any(term in story.terms for term in signal.terms)
    return not story.alerts and story.category == signal.category and (told or bool(shared))


def _by_name(signal: Signal, story: Story) -> float:
    """Measure by the names whether one person died, or two of whom "dies at 96" is said."""
    if _same_dead(signal.names, story.names):
        return _NAME
    return -_OTHER_DEAD if signal.names and story.names else 0.0


def _same_dead(told: Sequence[str], known: Sequence[str]) -> bool:
    """Say whether a name of the headline is, or ends like, one that the story tells."""
    names = {fold(name).strip() for name in known}
    last = {name.rsplit(" ", 1)[-1] for name in names}
    return any(
        folded in names or folded.rsplit(" ", 1)[-1] in last
        for folded in (fold(name).strip() for name in told)
    )
