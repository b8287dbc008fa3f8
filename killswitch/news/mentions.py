"""
Near to us: reports that need no second newsroom, because they are about us or our posts.

A joke about an actor stands in the queue; one newsroom reports that he died. Nobody waits for the
second. The same holds for the brand's own people, names, products and sponsors.

Invariants:
    Only a death told straight is looked for in posts: who is only remembered, or mourns, is not.
    A name of a post counts by two words and more, or by a name that the public knows.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import ahocorasick_rs

from killswitch.news.fold import fold
from killswitch.news.item import Grade
from killswitch.news.lexicon import Kind

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from killswitch.news.reading import Reading, Weight

_WORDS = 2


def persons_told(reading: Reading, weight: Weight) -> tuple[str, ...]:
    """
    Return the folded names of those whose death a headline tells straight.

    A longer name may hold a role ("Baker Mary Stone"), so its ends count too.
    """
    if weight.grade is Grade.NONE or not _told_straight(reading):
        return ()
    places = {hit.term.text for hit in reading.of(Kind.PLACE)}
    found: dict[str, None] = dict.fromkeys((*reading.known, *reading.struck))
    if weight.category == "death":
        for name in reading.names:
            words = fold(name).split()
            ends = (words, words[-_WORDS:], words[:_WORDS])
            found.update(dict.fromkeys(" ".join(part) for part in ends if len(part) >= _WORDS))
    return tuple(name for name in found if name not in places)


def _told_straight(reading: Reading) -> bool:
    """Say whether the death is told as news: not in passing, not in memory."""
    told = reading.of(Kind.PERSON)
    plain = any(not {"loose", "memory"} & set(hit.term.tags) for hit in told)
    return plain or bool(reading.struck)


def near_to_us(reading: Reading, weight: Weight, subjects: Collection[str]) -> str:
    """Say why a headline about the brand needs no second report; empty where it does."""
    own = reading.own_name
    if own not in subjects or weight.grade is Grade.NONE:
        return ""
    # Of our own people "found dead" and "tributes to" are news, but for a memory of long ago.
    memory = all("memory" in hit.term.tags for hit in reading.of(Kind.PERSON))
    dies = weight.category == "death" and not memory
    return f"it names “{own}”, which is ours" if weight.grade is Grade.TRIP or dies else ""


class Wanted:
    """Names that are looked for in the texts of posts."""

    def __init__(self, names: Iterable[str]) -> None:
        """Take folded names; without any, nothing is found."""
        self._names = tuple(dict.fromkeys(names))
        framed = [f" {name} " for name in self._names]
        self._automaton = ahocorasick_rs.AhoCorasick(framed) if framed else None

    def __bool__(self) -> bool:
        """Say whether anything is wanted."""
        return self._automaton is not None

    def found_in(self, texts: Iterable[str]) -> frozenset[str]:
        """Return the names that stand in any of the texts, as whole words."""
        if self._automaton is None:
            return frozenset()
        joined = " ".join(fold(text) for text in texts if text)
        hits = self._automaton.find_matches_as_indexes(joined, overlapping=True)
        return frozenset(self._names[index] for index, _, _ in hits)
