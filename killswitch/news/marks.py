"""Where in a headline stands what the detector went by: for people who want to see it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from killswitch.news.fold import fold

if TYPE_CHECKING:
    from killswitch.news.item import Signal

_WORD = re.compile(r"\w+")
_CODE_LENGTH = 2


@dataclass(frozen=True, slots=True, order=True)
class Mark:
    """A part of the headline (``start`` to ``end``) and what it is: event, toll, place or name."""

    start: int
    end: int
    kind: str


def marks(title: str, signal: Signal) -> tuple[Mark, ...]:
    """
    Find what a signal was made from in the headline's own spelling.

    Args:
        title: The headline.
        signal: What the detector found in it.

    Returns:
        Parts that do not overlap, in order; of two that do, the longer one.
    """
    words, spans = _words(title)
    phrases = [("event", term) for term in signal.terms]
    phrases += [("place", place) for place in signal.places if len(place) > _CODE_LENGTH]
    phrases += [("name", fold(name)) for name in signal.names]
    if signal.toll is not None:
        phrases.append(("toll", str(signal.toll)))
    found = [
        Mark(spans[at][0], spans[at + len(parts) - 1][1], kind)
        for kind, phrase in phrases
        if (parts := phrase.split())
        for at in range(len(words) - len(parts) + 1)
        if words[at : at + len(parts)] == parts
    ]
    return tuple(sorted(_apart(found)))


def _words(title: str) -> tuple[list[str], list[tuple[int, int]]]:
    """Return the folded words of a headline, and where each stands in it."""
    words: list[str] = []
    spans: list[tuple[int, int]] = []
    for match in _WORD.finditer(title):
        parts = fold(match.group()).split()
        words += parts
        spans += [match.span()] * len(parts)
    return words, spans


def _apart(found: list[Mark]) -> list[Mark]:
    """Keep the longest of marks that overlap."""
    kept: list[Mark] = []
    for mark in sorted(found, key=lambda mark: (mark.start - mark.end, mark.start)):
        if all(mark.end <= other.start or other.end <= mark.start for other in kept):
            kept.append(mark)
    return kept
