"""
Finding phrases: one pass of an Aho-Corasick automaton over folded text.

Phrases are framed by spaces, so a hit is a whole word; overlapping hits are all reported. A hit
inside a longer figurative phrase (kind ``mask``) is dropped, and so is an exclusion inside a longer
phrase of another kind.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import ahocorasick_rs

from killswitch.news.lexicon import TRIGGERS, Kind, Term

if TYPE_CHECKING:
    from collections.abc import Iterable


class Hit(NamedTuple):
    """One phrase found: its term and the words it covers (``first`` to ``last``, inclusive)."""

    term: Term
    first: int
    last: int


class Matcher:
    """
    The phrases of some lists, ready to be found.

    Two automata: a small one for the phrases without which nothing else matters, and one for all.
    Most headlines end after the first.
    """

    def __init__(self, terms: Iterable[Term]) -> None:
        """Build both automata; terms that share a text are kept together."""
        by_text: dict[str, list[Term]] = {}
        for term in terms:
            by_text.setdefault(term.text, []).append(term)
        self._terms = list(by_text.values())
        patterns = [f" {text} " for text in by_text]
        triggers = [
            f" {text} "
            for text, meanings in by_text.items()
            if any(term.kind in TRIGGERS for term in meanings)
        ]
        self._all = ahocorasick_rs.AhoCorasick(patterns)
        self._triggers = ahocorasick_rs.AhoCorasick(triggers)

    def stirs(self, folded: str) -> bool:
        """Say whether any trigger stands in ``folded``; the cheap first question."""
        return bool(self._triggers.find_matches_as_indexes(folded))

    def hits(self, folded: str) -> list[Hit]:
        """Return all hits in order of appearance, without those inside a figurative phrase."""
        found: list[Hit] = []
        masks: list[Hit] = []
        for index, start, end in self._all.find_matches_as_indexes(folded, overlapping=True):
            first = folded.count(" ", 0, start)
            last = first + folded.count(" ", start, end) - 2
            for term in self._terms[index]:
                hit = Hit(term, first, last)
                (masks if term.kind is Kind.MASK else found).append(hit)
        if masks:
            found = [hit for hit in found if not _covered(hit, masks)]
        found = [hit for hit in found if not _swallowed(hit, found)]
        found.sort(key=lambda hit: (hit.first, -hit.last))
        return found


_TAKING = frozenset({Kind.VETO, Kind.CAP})


def _swallowed(hit: Hit, found: list[Hit]) -> bool:
    """Say whether a longer phrase takes the hit's own meaning away."""
    if hit.term.kind is Kind.SETTING:
        return _named(hit, found)
    return hit.term.kind in _TAKING and _held(hit, found)


def _held(hit: Hit, found: list[Hit]) -> bool:
    """
    Say whether a longer phrase holds an exclusion.

    It tells something ("calls for help"), or takes less ("appears in court").
    """
    return any(
        other.first <= hit.first
        and hit.last <= other.last
        and other.last - other.first > hit.last - hit.first
        and (other.term.kind not in _TAKING or _takes_less(other, hit))
        for other in found
    )


def _takes_less(longer: Hit, shorter: Hit) -> bool:
    """Say whether a longer phrase only caps what a shorter one would end."""
    return longer.term.kind is Kind.CAP and shorter.term.kind is Kind.VETO


def _named(hit: Hit, found: list[Hit]) -> bool:
    """Say whether a setting is part of a place's name: the beach of "Miami Beach"."""
    return any(
        other.term.kind is Kind.PLACE
        and other.first <= hit.first
        and hit.last <= other.last
        and other.last > other.first
        for other in found
    )


def _covered(hit: Hit, masks: list[Hit]) -> bool:
    """Say whether a figurative phrase covers the hit."""
    return hit.term.kind is not Kind.PLACE and any(
        mask.first <= hit.first and hit.last <= mask.last for mask in masks
    )
