"""
The detector: one headline in, one explained signal out.

Invariants:
    The same item under the same lists and policy always gives the same signal.
    The grade never depends on case, accents, invisible marks or look-alike letters.
    Most headlines hold no trigger and cost a folding and one pass of an automaton, nothing more.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from killswitch.news import facts
from killswitch.news.fold import fold
from killswitch.news.ignore import compile_ignores, ignored_by
from killswitch.news.item import Grade, Signal
from killswitch.news.lexicon import Kind, Lexicon, Term
from killswitch.news.match import Matcher
from killswitch.news.mentions import near_to_us, persons_told
from killswitch.news.needs import HOMES
from killswitch.news.office import the_unnamed_dead
from killswitch.news.people import (
    People,
    the_dead,
    the_struck,
    the_struck_in_office,
    the_struck_leaders,
)
from killswitch.news.policy import DetectPolicy
from killswitch.news.reading import Reading
from killswitch.news.weigh import weigh

if TYPE_CHECKING:
    from collections.abc import Sequence

    from killswitch.news.item import Item
    from killswitch.news.match import Hit

__all__ = ["DetectPolicy", "Detector"]

_QUIET = Signal(
    grade=Grade.NONE, score=0.0, category=None, terms=(), toll=None, names=(), places=(),
    why="no word of a death or a tragedy",
)  # fmt: skip
# A teaser says more than its first sentences only by telling other stories.
_SUMMARY_SEEN = 300
_TITLE_SEEN = 600
_WORDS_KEPT = 16
_SHORTEST_WORD = 3
# Outlets whose country is remembered; a hostile aggregator names more.
_HOMES_KEPT = 5000
# "second Paris attack", "another mass shooting": so many words may stand between.
_AGAIN_REACH = 3
_TOLD_IN_SIGNAL = frozenset(
    {
        Kind.EVENT,
        Kind.DEAD,
        Kind.PERSON,
        Kind.FAME,
        Kind.INJURED,
        Kind.MISSING,
        Kind.SETTING,
        Kind.VEHICLE,
    }
)
_NOT_TOLD = frozenset({Kind.MASK, Kind.PLACE, Kind.VETO, Kind.CAP})
# Bishop, Richter, Pope: where it lends no fame, such a word may well be part of a name.
_ALSO_NAMES = frozenset({"leader", "office", "duty"})
_NO_NAMES = frozenset({Kind.EVENT, Kind.DEAD, Kind.PERSON, Kind.ROLE, Kind.FIGURE})


class _Language:
    """One list, ready to match."""

    def __init__(self, lexicon: Lexicon, policy: DetectPolicy) -> None:
        """Add the user's own words to the list and build its matcher."""
        own = tuple(
            Term(text=fold(word).strip(), kind=Kind.EVENT, category="own", weight=5.0)
            for word in policy.terms
            if fold(word).strip()
        )
        self._homes: dict[str, frozenset[str]] = {}
        self.lexicon = lexicon
        self.matcher = Matcher((*lexicon.terms, *own))
        self.told = frozenset(t.text for t in lexicon.terms if t.kind not in _NOT_TOLD)
        self.plain = lexicon.common | {
            word
            for t in lexicon.terms
            if t.kind in _NO_NAMES and (t.weight or not t.tags & _ALSO_NAMES)
            for word in t.text.split()
        }

    def home_of(self, outlet: str) -> frozenset[str]:
        """Return the countries that an outlet's name tells, those of running wars left out."""
        known = self._homes.get(outlet)
        if known is None:
            told = (h.term for h in self.matcher.hits(fold(outlet)) if h.term.kind is Kind.PLACE)
            known = frozenset(term.category for term in told) - self.lexicon.wars.keys()
            if len(self._homes) < _HOMES_KEPT:
                self._homes[outlet] = known
        return known


class Detector:
    """Grades headlines with the lists and settings it was built with."""

    def __init__(self, lexicons: Sequence[Lexicon], policy: DetectPolicy) -> None:
        """
        Build the automata.

        Args:
            lexicons: The word lists, one a language.
            policy: The brand's settings.

        Raises:
            ConfigError: An expression of ``policy.ignore`` is no expression, or could run long.
        """
        chosen = [x for x in lexicons if not policy.languages or x.language in policy.languages]
        self._languages = {x.language: _Language(x, policy) for x in chosen}
        self._ignores = compile_ignores(policy.ignore)
        # Subjects first: of two own names in a headline the one that needs no second report counts.
        named = dict.fromkeys((*policy.subjects, *policy.names))
        self._names = tuple((fold(name), name) for name in named if fold(name).strip())
        self._subjects = frozenset(policy.subjects)
        self._home = frozenset(code.lower() for code in policy.countries)
        known = dict.fromkeys(name for lexicon in chosen for name in lexicon.people)
        self._people = People(known)

    def grade(self, item: Item) -> Signal:
        """
        Grade one headline.

        Args:
            item: The entry; its title decides, its summary adds tolls and places.

        Returns:
            The signal, with a readable reason in ``why``.
        """
        title = item.title[:_TITLE_SEEN]
        folded = fold(title)
        language = self._language_of(item, folded)
        if language is None or not language.matcher.stirs(folded):
            return _QUIET
        if self._ignores and (pattern := ignored_by(self._ignores, title)) is not None:
            return _ignored(pattern)
        return self._read(item, title, language)

    def countries_in(self, text: str) -> frozenset[str]:
        """Return the countries that a text names in any language, lower-case ISO codes."""
        folded = fold(text[:_TITLE_SEEN])
        hits = (hit for one in self._languages.values() for hit in one.matcher.hits(folded))
        return frozenset(hit.term.category for hit in hits if hit.term.kind is Kind.PLACE)

    @property
    def languages(self) -> tuple[str, ...]:
        """The languages that are read, sorted."""
        return tuple(sorted(self._languages))

    def _language_of(self, item: Item, folded: str) -> _Language | None:
        """Take the feed's language, else the one whose small words the headline uses most."""
        if item.lang:
            return self._languages.get(item.lang[:2].lower())
        words = folded.split()
        best, most = None, -1
        for language in self._languages.values():
            known = sum(word in language.lexicon.common for word in words)
            if known > most and language.matcher.stirs(folded):
                best, most = language, known
        return best

    def _read(self, item: Item, title: str, language: _Language) -> Signal:
        """Read the facts of a headline that holds a trigger, and weigh them."""
        lexicon = language.lexicon
        title = facts.without_outlet(title, item.outlet)
        folded = fold(facts.without_numbers_noise(title))
        words, hits = folded.split(), language.matcher.hits(folded)
        counts = facts.count(words, hits, lexicon.numbers)
        places = frozenset(h.term.category for h in hits if h.term.kind is Kind.PLACE)
        if item.summary:
            told = (counts, places)
            counts, places = self._with_summary(item.summary, language, told, hits)
        names = facts.names_in(title, language.plain)
        home = self._home_of(item, language)
        found = self._people.find(folded, home)
        reading = Reading(
            hits=hits,
            counts=counts,
            names=names,
            known=the_dead(found, hits, words, names) if found else (),
            leaders=the_unnamed_dead(hits, words, names),
            struck=(*the_struck(found, hits, words, names), *the_struck_leaders(hits, words)),
            in_office=the_struck_in_office(hits, words),
            places=places,
            home=home,
            wars=lexicon.wars,
            own_name=next((name for text, name in self._names if text in folded), None),
            old_year=facts.old_year(words, hits, (item.published or item.first_seen).year),
        )
        return self._signal(reading, words, language)

    def _home_of(self, item: Item, language: _Language) -> frozenset[str]:
        """
        Return the public's countries: as set, else the feed's, else its language's.

        Where only the language is known, a newsroom that is named for a country is at home there,
        too ("The Karsund Times").
        """
        if self._home:
            return self._home
        if item.country is not None:
            return frozenset({item.country.lower()})
        return HOMES.get(language.lexicon.language, frozenset()) | language.home_of(item.outlet)

    def _with_summary(
        self,
        summary: str,
        language: _Language,
        title: tuple[facts.Counts, frozenset[str]],
        title_hits: Sequence[Hit],
    ) -> tuple[facts.Counts, frozenset[str]]:
        """Take from the summary only what the title leaves open: the toll, the place."""
        counts, places = title
        if counts.dead is not None and places:
            return title
        folded = fold(facts.without_numbers_noise(summary[:_SUMMARY_SEEN]))
        hits = language.matcher.hits(folded)
        if counts.dead is None and counts.injured is None and _open_to_summary(title_hits):
            counts = facts.count(folded.split(), hits, language.lexicon.numbers)
        if not places:
            places = frozenset(h.term.category for h in hits if h.term.kind is Kind.PLACE)
        return counts, places

    def _signal(self, reading: Reading, words: Sequence[str], language: _Language) -> Signal:
        """Put the outcome into words and values."""
        weight = weigh(reading)
        terms = dict.fromkeys(h.term.text for h in reading.hits if h.term.kind in _TOLD_IN_SIGNAL)
        named = dict.fromkeys(h.term.text for h in reading.of(Kind.PLACE))
        return Signal(
            grade=weight.grade,
            score=weight.score,
            category=weight.category,
            terms=tuple(terms),
            toll=reading.counts.dead,
            names=reading.names,
            places=(*sorted(reading.places), *named),
            why=f"{weight.grade}: {weight.why}",
            words=_telling(words, language),
            again=_told_again(reading),
            persons=persons_told(reading, weight),
            ours=near_to_us(reading, weight, self._subjects),
        )


def _open_to_summary(hits: Sequence[Hit]) -> bool:
    """Say whether a summary's toll can be the title's: not of one victim, not of no event."""
    events = [h for h in hits if h.term.kind is Kind.EVENT and "weak" not in h.term.tags]
    many = any("single" not in h.term.tags for h in events)
    return many and not any(h.term.kind is Kind.SINGLE for h in hits)


def _told_again(reading: Reading) -> bool:
    """Say whether a word such as "second" stands just before an event word."""
    events = [h.first for h in reading.of(Kind.EVENT)]
    return any(
        0 <= first - hit.last <= _AGAIN_REACH for hit in reading.of(Kind.AGAIN) for first in events
    )


def _telling(words: Sequence[str], language: _Language) -> tuple[str, ...]:
    """Return the words that set this headline apart from others of its kind."""
    common, told = language.lexicon.common, language.told
    kept = dict.fromkeys(
        word
        for word in words
        if len(word) >= _SHORTEST_WORD
        and not word.isdigit()
        and word != facts.BREAK
        and word not in common
        and word not in told
        and word not in language.lexicon.numbers
    )
    return tuple(kept)[:_WORDS_KEPT]


def _ignored(pattern: str) -> Signal:
    """Return the signal of a headline that the user's own expression takes out."""
    return Signal(
        grade=Grade.NONE, score=0.0, category=None, terms=(), toll=None, names=(), places=(),
        why=f"none: ignored by detect.ignore {pattern!r}",
    )  # fmt: skip
