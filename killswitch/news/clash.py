"""
The clash finder: which words of a post touch an event.

A post clashes when it names a person or a place of the event, shares its telling words, or uses a
figure of speech that turns bitter beside it ("a razor-sharp offer" beside a stabbing). Text,
alternative text, file names, tags and the link are all looked at.

Invariant: the answer shows the post's own spelling, in order of appearance, each once.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

import ahocorasick_rs

from killswitch.news.figures import FIGURES
from killswitch.news.fold import fold
from killswitch.news.lexicon import expand

if TYPE_CHECKING:
    from collections.abc import Sequence

    from killswitch.news.record import Story


@dataclass(frozen=True, slots=True, kw_only=True)
class PostWords:
    """Everything of a post that a reader could take as a word about the event."""

    text: str
    alt: Sequence[str] = ()
    files: Sequence[str] = ()
    tags: Sequence[str] = ()
    link: str = ""


_CODE_LENGTH = 2
_NAME_WORD = 4
_TOLD_BY = 2
_CAMEL = re.compile(r"(?<=[a-zà-öø-ÿ])(?=[A-ZÀ-ÖØ-Þ])|[_]")
_WORD = re.compile(r"\w+")


def clashes(post: PostWords, story: Story) -> tuple[str, ...]:
    """
    Return the words of ``post`` that touch the event.

    Args:
        post: The words of the post, all of them.
        story: The event.

    Returns:
        The post's own spellings, each once, in order; empty when nothing touches.
    """
    finder = _finder(needles(story))
    found: dict[str, str] = {}
    for text in (post.text, *post.alt, *post.files, *post.tags, post.link):
        if text:
            for key, seen in finder.find(text):
                found.setdefault(key, seen)
    return tuple(found.values())


def needles(story: Story) -> tuple[str, ...]:
    """
    Return the folded phrases that touch the event: names, places, telling words, figures of speech.

    A word counts as telling when two headlines use it, or when it is all there is.
    """
    chosen: dict[str, None] = {}
    for name in story.names:
        words = fold(name).split()
        chosen[" ".join(words)] = None
        chosen.update(dict.fromkeys(w for w in words[-1:] if len(w) >= _NAME_WORD))
    chosen.update(dict.fromkeys(p for p in story.places if len(p) > _CODE_LENGTH))
    few = len(story.members) < _TOLD_BY
    for word, uses in story.words.items():
        if (few or uses >= _TOLD_BY) and len(word) >= _NAME_WORD:
            chosen[word] = None
    told = frozenset((*story.terms, *(w for term in story.terms for w in term.split())))
    for phrase in _figures(told):
        chosen[phrase] = None
    return tuple(chosen)


@lru_cache(maxsize=256)
def _figures(told: frozenset[str]) -> tuple[str, ...]:
    """Return the figures of speech that turn bitter beside these event words."""
    chosen: list[str] = []
    for events, figures in _expanded():
        if told & events:
            chosen += figures
    return tuple(dict.fromkeys((*chosen, *(told & _plain_event_words()))))


@lru_cache(maxsize=1)
def _expanded() -> tuple[tuple[frozenset[str], tuple[str, ...]], ...]:
    """Write out the inflections of both sides once."""
    return tuple(
        (_written(events), tuple(sorted(_written(figures)))) for events, figures in FIGURES
    )


@lru_cache(maxsize=1)
def _plain_event_words() -> frozenset[str]:
    """Return all event words: they clash by themselves."""
    return frozenset().union(*(events for events, _ in _expanded()))


def _written(patterns: str) -> frozenset[str]:
    """Write out the inflections of a list of patterns, folded."""
    written = (text for pattern in patterns.split(";") for text in expand(pattern))
    return frozenset(fold(text).strip() for text in written)


class _Finder:
    """The needles of one event, ready to be found in many posts."""

    def __init__(self, phrases: tuple[str, ...]) -> None:
        """Build the automaton."""
        self._phrases = phrases
        self._automaton = ahocorasick_rs.AhoCorasick([f" {phrase} " for phrase in phrases])

    def find(self, text: str) -> list[tuple[str, str]]:
        """Return (folded phrase, the text's own spelling) for all that touch, in order."""
        spaced = _CAMEL.sub(" ", text)
        folded = fold(spaced)
        hits = self._automaton.find_matches_as_indexes(folded, overlapping=True)
        if not hits:
            return []
        spans = _spans(spaced)
        found = []
        for index, start, end in sorted(hits, key=lambda hit: (hit[1], -hit[2])):
            phrase = self._phrases[index]
            first = folded.count(" ", 0, start)
            last = first + folded.count(" ", start, end) - 2
            own = phrase
            if last < len(spans):
                own = spaced[spans[first][0] : spans[last][1]]
            found.append((phrase, own))
        return _longest(found)


def _spans(text: str) -> list[tuple[int, int]]:
    """Return where each folded word stands in ``text``."""
    spans = []
    for match in _WORD.finditer(text):
        spans += [match.span()] * len(fold(match.group()).split())
    return spans


def _longest(found: list[tuple[str, str]]) -> list[tuple[str, str]]:
    """Drop a phrase that is part of a longer one found in the same text."""
    phrases = [f" {phrase} " for phrase, _ in found]
    return [
        pair
        for pair, framed in zip(found, phrases, strict=True)
        if not any(framed in other and framed != other for other in phrases)
    ]


@lru_cache(maxsize=64)
def _finder(phrases: tuple[str, ...]) -> _Finder:
    """Keep the automata of the events at hand: thousands of posts are held against each."""
    return _Finder(phrases)
