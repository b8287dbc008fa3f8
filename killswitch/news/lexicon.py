"""
Word lists as values: what each phrase means to the detector, and checks that find bad phrases.

Invariants:
    A phrase is matched folded and as whole words; inflections are written out when the list is
    built (``kill{s,ed,ing}``), so matching itself knows no grammar.
    Nothing here reads a file: the caller parses the TOML and hands in the table.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from dataclasses import dataclass, field, replace
from datetime import date
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from killswitch.errors import ConfigError
from killswitch.news.fold import fold, words_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from killswitch.news.people import KnownName

CATEGORIES = frozenset(
    {"attack", "accident", "road", "disaster", "war", "epidemic", "disappearance", "death", "own"}
)


class Kind(StrEnum):
    """What a phrase does in the scoring."""

    EVENT = "event"
    DEAD = "dead"
    INJURED = "injured"
    MISSING = "missing"
    PERSON = "person"
    FAME = "fame"
    ROLE = "role"
    SETTING = "setting"
    CROWD = "crowd"
    CHILDREN = "children"
    STRESS = "stress"
    AFTER = "after"
    AGAIN = "again"
    CAP = "cap"
    VETO = "veto"
    MASK = "mask"
    PLACE = "place"
    FIGURE = "figure"
    VEHICLE = "vehicle"
    SINGLE = "single"
    ROUTINE = "routine"


# A phrase in two of these, or in one under two categories, works against itself.
_AGAINST = frozenset({Kind.EVENT, Kind.VETO, Kind.CAP, Kind.MASK})
# Without one of these a headline is graded ``none`` and nothing else is looked at.
TRIGGERS = frozenset({Kind.EVENT, Kind.DEAD, Kind.PERSON})


class Side(StrEnum):
    """Where a casualty word wants its number."""

    BEFORE = "before"
    AFTER = "after"
    BOTH = "both"


@dataclass(frozen=True, slots=True, kw_only=True)
class Term:
    """
    One phrase of a list.

    Attributes:
        text: The folded phrase, without the framing spaces.
        kind: What it does.
        category: Of an event, what kind of event; of a veto or cap, its reason; of a place, its
            country.
        weight: Of an event, how many deaths it stands for when no number is told; of fame, its
            share of what a pause needs.
        side: Of a casualty word, where its number stands.
        tags: Free marks that the scoring knows (``weak``: needs company; ``war``: a running war).
        review: The day from which a person should look at the phrase again.
        language: The list it comes from.
    """

    text: str
    kind: Kind
    category: str = ""
    weight: float = 0.0
    side: Side = Side.BEFORE
    tags: frozenset[str] = frozenset()
    review: date | None = None
    language: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Lexicon:
    """
    The phrases of one language.

    Attributes:
        language: ISO 639-1 code.
        terms: All phrases, inflections written out.
        numbers: Folded number words and their values.
        common: Words that tell nothing about which event a headline is about.
        wars: Countries with a running war, and the deaths that one strike there needs to be
            more than daily news.
        review: The day from which the whole list should be looked at again.
        people: Names that most of the public knows; the same for every language.
    """

    language: str
    terms: tuple[Term, ...]
    numbers: Mapping[str, int]
    common: frozenset[str]
    wars: Mapping[str, int] = field(default_factory=dict)
    review: date | None = None
    people: tuple[KnownName, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """Something a person should look at in a list; shown by ``lexicon check``."""

    kind: str
    language: str
    term: str
    message: str


_ADDED = frozenset(
    {"assault", "begins", "blow", "crown", "event", "fall", "head", "land", "leader", "people"}
)
_BRACE = re.compile(r"\{([^{}]*)\}")


def expand(pattern: str) -> Iterator[str]:
    """
    Write out the inflections of ``pattern``: ``kill{s,ed}`` gives ``kills`` and ``killed``.

    An empty choice is allowed: ``bomb{,s}`` gives ``bomb`` and ``bombs``.
    """
    found = _BRACE.search(pattern)
    if found is None:
        yield pattern
        return
    head, tail = pattern[: found.start()], pattern[found.end() :]
    for choice in found.group(1).split(","):
        yield from expand(f"{head}{choice.strip()}{tail}")


def build_lexicon(table: Mapping[str, Any], *, source: str) -> Lexicon:
    """
    Turn a parsed TOML table into a lexicon.

    Args:
        table: What ``tomllib`` gave.
        source: Name of the file, for messages.

    Returns:
        The lexicon, every inflection written out and folded.

    Raises:
        ConfigError: A key is missing or a group has an unknown kind or category.
    """
    language = table.get("language")
    if not isinstance(language, str):
        raise ConfigError("lexicon", f"{source}: no language", 'Begin with language = "en".')
    terms: dict[tuple[str, Kind, str], Term] = {}
    for number, group in enumerate(table.get("group", ()), start=1):
        for term in _group_terms(group, language=language, where=f"{source}: group {number}"):
            key = (term.text, term.kind, term.category)
            first = terms.setdefault(key, term)
            # The first group weighs it; a later one may only say more about it.
            terms[key] = replace(first, tags=first.tags | (term.tags & _ADDED))
    for country, names in table.get("places", {}).items():
        for term in _place_terms(country, names, language):
            terms.setdefault((term.text, term.kind, ""), term)
    numbers = {fold(word).strip(): int(value) for word, value in table.get("numbers", {}).items()}
    common = frozenset(w for text in table.get("common", ()) for w in words_of(text))
    return Lexicon(
        language=language,
        terms=tuple(terms.values()),
        numbers=numbers,
        common=common,
        wars=dict(table.get("wars", {})),
        review=table.get("review"),
    )


def _group_terms(group: Mapping[str, Any], *, language: str, where: str) -> Iterator[Term]:
    """Write out one group of a list."""
    try:
        kind, side = Kind(group["kind"]), Side(group.get("side", "before"))
    except (KeyError, ValueError) as error:
        known = ", ".join(Kind)
        raise ConfigError("lexicon", f"{where}: wrong kind or side: {error}", known) from error
    category = str(group.get("category", ""))
    if kind is Kind.EVENT and category not in CATEGORIES:
        known = ", ".join(sorted(CATEGORIES))
        raise ConfigError("lexicon", f"{where}: unknown category {category!r}", f"One of {known}.")
    for pattern in group.get("words", ()):
        for written in expand(str(pattern)):
            text = fold(written).strip()
            if text:
                yield Term(
                    text=text,
                    kind=kind,
                    category=category,
                    weight=float(group.get("weight", 1.0)),
                    side=side,
                    tags=frozenset(group.get("tags", ())),
                    review=group.get("review"),
                    language=language,
                )


def _place_terms(country: str, names: Iterable[str], language: str) -> Iterator[Term]:
    """Write out the names of one country, its people and its places."""
    for pattern in names:
        for written in expand(pattern):
            text = fold(written).strip()
            if text:
                yield Term(text=text, kind=Kind.PLACE, category=country, language=language)


def check_lexicons(
    lexicons: Sequence[Lexicon], *, today: date, sample: Iterable[str] = ()
) -> list[Finding]:
    """
    Look for phrases that a person should mend.

    Args:
        lexicons: The lists to look at.
        today: The day of the check, for review dates.
        sample: Headlines to try the phrases on; without any, only the lists are compared.

    Returns:
        Overlaps, phrases past review and, on a sample, phrases that never or too often match;
        ordered by language and phrase.
    """
    counts, total = _sample_counts(lexicons, sample)
    found: list[Finding] = []
    for lexicon in lexicons:
        found += _overlaps(lexicon)
        found += _past_review(lexicon, today)
        if total:
            found += _sample_findings(lexicon, counts, total)
    return sorted(found, key=lambda finding: (finding.language, finding.kind, finding.term))


def _overlaps(lexicon: Lexicon) -> Iterator[Finding]:
    """
    Find one phrase in two roles that work against each other.

    A phrase may well tell several facts ("stabbed" is an attack and an injury); it may not be one
    event and another, or an event and its own exclusion.
    """
    kinds: dict[str, set[str]] = defaultdict(set)
    for term in lexicon.terms:
        if term.kind in _AGAINST:
            kinds[term.text].add(f"{term.kind} {term.category}".strip())
    for text, uses in kinds.items():
        if len(uses) > 1:
            message = f"stands in {len(uses)} groups: {', '.join(sorted(uses))}"
            yield Finding(kind="overlap", language=lexicon.language, term=text, message=message)


def _past_review(lexicon: Lexicon, today: date) -> Iterator[Finding]:
    """Find what should have been looked at by now."""
    if lexicon.review is not None and lexicon.review <= today:
        message = f"the whole list was due for review on {lexicon.review.isoformat()}"
        yield Finding(kind="review", language=lexicon.language, term="", message=message)
    for term in lexicon.terms:
        if term.review is not None and term.review <= today:
            message = f"due for review on {term.review.isoformat()}"
            yield Finding(kind="review", language=lexicon.language, term=term.text, message=message)


# A trigger seen in more than this share of ordinary headlines tells nothing.
_TOO_OFTEN = 0.05


def _sample_counts(lexicons: Sequence[Lexicon], sample: Iterable[str]) -> tuple[Counter[str], int]:
    """Count in how many headlines of the sample each phrase stands."""
    longest = max(
        (term.text.count(" ") + 1 for lexicon in lexicons for term in lexicon.terms), default=1
    )
    counts: Counter[str] = Counter()
    total = 0
    for text in sample:
        words = words_of(text)
        total += 1
        counts.update(
            {
                " ".join(words[start : start + length])
                for length in range(1, longest + 1)
                for start in range(len(words) - length + 1)
            }
        )
    return counts, total


def _sample_findings(lexicon: Lexicon, counts: Counter[str], total: int) -> Iterator[Finding]:
    """Find triggers that the sample never shows, and ones that it shows all the time."""
    for term in lexicon.terms:
        if term.kind not in TRIGGERS:
            continue
        seen = counts[term.text]
        if not seen:
            message = f"matches none of {total} headlines"
            yield Finding(kind="never", language=lexicon.language, term=term.text, message=message)
        elif seen > _TOO_OFTEN * total:
            message = f"matches {seen} of {total} headlines"
            yield Finding(kind="often", language=lexicon.language, term=term.text, message=message)
