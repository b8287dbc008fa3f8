"""
People whom most of the public knows, as values: whose death is news by the name alone.

No word of a headline tells fame that the reader is expected to have: "Mara Holloway dies at 81".
Newsrooms keep obituaries ready for such people; so does this list.

Invariants:
    A name counts only beside the words of a death that are told of it: who mourns does not die.
    A name of one word counts only where it stands alone, never as part of another's name.
    Nothing here reads a file: the caller parses the TOML and hands in the table.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import ahocorasick_rs

from killswitch.errors import ConfigError
from killswitch.news.facts import BREAK
from killswitch.news.fold import fold, words_of
from killswitch.news.lexicon import Kind, Side

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from killswitch.news.lexicon import Term
    from killswitch.news.match import Hit

WORLD = "world"
# A name belongs to a death that stands so many words away, or begins the headline.
_NEAR, _BESIDE, _FRONT, _KIN = 2, 0, 1, 3
# "after X's death": it happened before.
_SINCE = frozenset(
    {"after", "since", "following", "apres", "depuis", "nach", "seit", "dopo", "tras"}
)
# A phrase that ends in one of these is told of the name after it: "mort de", "death of".
_OF = frozenset({"of", "de", "d", "du", "di", "von", "des", "der", "um", "per", "por", "la", "l"})


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownName:
    """One spelling of a known person's name, folded, and the country that knows it."""

    text: str
    country: str = WORLD


class Found(NamedTuple):
    """A known name in a headline and the words it covers."""

    name: str
    first: int
    last: int


def build_people(table: Mapping[str, Any], *, source: str) -> tuple[KnownName, ...]:
    """
    Turn a parsed TOML table into names.

    Args:
        table: What ``tomllib`` gave: a table a country, each with ``names``.
        source: Name of the file, for messages.

    Returns:
        All spellings, folded.

    Raises:
        ConfigError: A country has no list of names.
    """
    names = []
    for country, group in table.items():
        if country == "review":
            continue
        if not isinstance(group, dict) or not isinstance(group.get("names"), list):
            hint = 'Write [fr] and then names = ["Mara Holloway"].'
            raise ConfigError("people", f"{source}: {country} has no names", hint)
        for person in group["names"]:
            for spelling in str(person).split("/"):
                text = fold(spelling).strip()
                if text:
                    names.append(KnownName(text=text, country=country))
    return tuple(names)


class People:
    """The known names, ready to be found."""

    def __init__(self, names: Iterable[KnownName]) -> None:
        """Build the automaton."""
        by_text: dict[str, set[str]] = {}
        for name in names:
            by_text.setdefault(name.text, set()).add(name.country)
        self._known = list(by_text.items())
        self._automaton = ahocorasick_rs.AhoCorasick([f" {text} " for text in by_text])

    def find(self, folded: str, home: frozenset[str]) -> list[Found]:
        """Return the names that the public of these countries knows, in order."""
        found = []
        for index, start, end in self._automaton.find_matches_as_indexes(folded, overlapping=True):
            text, countries = self._known[index]
            if WORLD in countries or countries & home:
                first = folded.count(" ", 0, start)
                found.append(Found(text, first, first + folded.count(" ", start, end) - 2))
        return found


def the_dead(
    found: Sequence[Found], hits: Sequence[Hit], words: Sequence[str], names: Iterable[str]
) -> tuple[str, ...]:
    """
    Say whose death the headline tells.

    Args:
        found: Known names in it.
        hits: The phrases in it.
        words: Its folded words.
        names: Its capitalised names of two words and more, as written.

    Returns:
        The known names that the words of a death belong to.
    """
    said = [hit for hit in hits if hit.term.kind is Kind.PERSON]
    kin = [hit for hit in hits if hit.term.kind is Kind.CAP and hit.term.category == "relative"]
    told = _told_of(hits, words)
    return tuple(
        dict.fromkeys(
            known.name
            for known in _whole(found, names)
            if any(_dies(known, hit, words, (kin, told)) for hit in said)
            and not _has_one(known, hits, words)
            and not _stands_behind(known, hits, words, names)
            and not _of_kin(known, kin, words)
            and not _mourns(known, said)
        )
    )


def the_struck(
    found: Sequence[Found], hits: Sequence[Hit], words: Sequence[str], names: Iterable[str]
) -> tuple[str, ...]:
    """Say which known people the headline tells to be shot, stabbed or hurt by an attack."""
    blows = [
        hit
        for hit in hits
        if (hit.term.kind is Kind.INJURED and hit.term.side is not Side.AFTER)
        or (hit.term.kind is Kind.EVENT and hit.term.tags & {"single", "blow"})
    ]
    return tuple(
        dict.fromkeys(
            known.name
            for known in _whole(found, names)
            for hit in blows
            if hit.first > known.last
            and " " in known.name
            and not _ACTIVE & set(words[known.last + 1 : hit.first])
            and not _a_stroke(hit, words)
            and BREAK not in words[known.last + 1 : hit.first]
            and hit.first - known.last - 1 <= _NEAR
            and "s" not in words[known.last + 1 : hit.first]
        )
    )


def the_struck_leaders(hits: Sequence[Hit], words: Sequence[str]) -> tuple[str, ...]:
    """Say which heads of a country (``prime minister``) are told to be shot or stabbed."""
    blows = [h for h in hits if h.term.kind is Kind.EVENT and "blow" in h.term.tags]
    leaders = [h for h in hits if h.term.kind is Kind.ROLE and "leader" in h.term.tags]
    return tuple(
        dict.fromkeys(
            leader.term.text
            for leader in leaders
            for blow in blows
            if _side_by_side(leader, blow, words) and not _owns(leader, words)
        )
    )


def the_struck_in_office(hits: Sequence[Hit], words: Sequence[str]) -> tuple[Term, ...]:
    """Say which holders of an office (``mayor``), or people on duty, are told to be struck."""
    blows = [h for h in hits if h.term.kind is Kind.EVENT and "blow" in h.term.tags]
    killed = [h for h in hits if h.term.kind is Kind.DEAD and h.term.side is not Side.AFTER]
    roles = [h for h in hits if h.term.kind is Kind.ROLE and h.term.tags & {"office", "duty"}]
    return tuple(
        dict.fromkeys(
            role.term
            for role in roles
            for blow in (*blows, *killed)
            # "A policeman killed", never "killed by a policeman", which other words may say, too.
            if (role.last < blow.first or (blow in blows and "duty" not in role.term.tags))
            and _side_by_side(role, blow, words)
            and not _owns(role, words)
            and not _BY.intersection(words[max(role.first - _BY_REACH, 0) : role.first])
        )
    )


# "shot by the mayor's guard": such a word stands at most so many words before who did it.
_BY = frozenset({"by", "par", "von", "durch", "por", "da", "dal", "dalla", "dai", "pelo", "pela"})
_BY_REACH = 2


# "Tiger Woods has shot 68": who shoots is not shot, unless "been" says so.
_ACTIVE = frozenset({"has", "have", "had", "to"})


def _a_stroke(blow: Hit, words: Sequence[str]) -> bool:
    """Say whether "shot" is that of a player: nobody is told to be shot at, dead, by whom."""
    behind = words[blow.last + 1 : blow.last + 2]
    before = words[max(blow.first - 1, 0) : blow.first]
    told = _SHOT_HOW.intersection(behind) or _PASSIVE.intersection(before)
    return blow.term.text == "shot" and not told


_PASSIVE = frozenset({"was", "is", "been", "being", "gets", "got"})
_SHOT_HOW = frozenset(
    {"dead", "by", "at", "in", "during", "after", "while", "outside", "multiple", "and", "on"}
)


def _side_by_side(leader: Hit, blow: Hit, words: Sequence[str]) -> bool:
    """Say whether at most a nationality and a name stand between the two."""
    low, high = sorted((leader, blow), key=lambda hit: hit.first)
    between = words[low.last + 1 : high.first]
    return low.last < high.first and len(between) <= _KIN and BREAK not in between


def _owns(leader: Hit, words: Sequence[str]) -> bool:
    """Say whether something of the leader is struck: "president's guard shot"."""
    return words[leader.last + 1 : leader.last + 2] == ["s"]


def _whole(found: Sequence[Found], names: Iterable[str]) -> list[Found]:
    """Leave out a name of one word that is part of another's name."""
    longer = [fold(name) for name in names]
    return [
        known
        for known in found
        if " " in known.name or not any(f" {known.name} " in name for name in longer)
    ]


def _of_kin(known: Found, kin: Sequence[Hit], words: Sequence[str]) -> bool:
    """Say whether a relative of the known person is told of: "X's mother", "the son of X"."""
    after = known.last + 1
    if words[after : after + 1] == ["s"]:
        after += 1
    return any(
        hit.first in (known.last + 1, after) or 0 <= known.first - hit.last - 1 <= _KIN
        for hit in kin
    )


# "the drummer of X", "as X", "with X": told of X, not as the one who dies.
_BEHIND = frozenset({"of", "de", "d", "du", "von", "di", "del", "do", "da", "with", "as", "and"})


def _stands_behind(
    known: Found, hits: Sequence[Hit], words: Sequence[str], names: Iterable[str]
) -> bool:
    """Say whether every death is told after the name, and of another whom the name explains."""
    said = [hit for hit in hits if hit.term.kind is Kind.PERSON]
    if any(hit.first < known.first for hit in said):
        return False
    if known.first and words[known.first - 1] in _BEHIND:
        return True
    until = min(hit.first for hit in said)
    between = f" {' '.join(words[known.last + 1 : until])} "
    _, parted, behind = between.partition(f" {BREAK} ")
    if parted and _of_his(behind.split(), hits, words):
        return True
    if any(hit.first == known.last + 1 for hit in hits if hit.term.kind is Kind.ROLE):
        parted, behind = "role", between
    return bool(parted) and any(fold(name) in f" {behind}" for name in names)


def _of_his(behind: Sequence[str], hits: Sequence[Hit], words: Sequence[str]) -> bool:
    """Say whether one of theirs is told of behind a colon: "X: his drummer Y has died"."""
    roles = {words[hit.first] for hit in hits if hit.term.kind is Kind.ROLE}
    first = next((at for at, word in enumerate(behind) if word in _HIS), None)
    return first is not None and bool(roles & set(behind[first + 1 : first + 1 + _KIN]))


_HIS = frozenset(
    words_of("his her their son sa ses leur sein seine ihr ihre su sus suo sua seu seus suas")
)


def _mourns(known: Found, said: Sequence[Hit]) -> bool:
    """Say whether the name is that of a mourner: "X mourns", "X en deuil"."""
    return any("giver" in hit.term.tags and hit.first == known.last + 1 for hit in said)


def _told_of(hits: Sequence[Hit], words: Sequence[str]) -> frozenset[int]:
    """Find the words that tell of the dead: "muere a los 95 años el actor y director inglés X"."""
    named = {
        at for hit in hits if hit.term.kind in _TELLING for at in range(hit.first, hit.last + 1)
    }
    small = {at for at, word in enumerate(words) if word.isdigit() or word in _BETWEEN}
    return frozenset(named | small)


_TELLING = frozenset({Kind.ROLE, Kind.FAME, Kind.PLACE})
# Words of an age, articles, and what joins two callings or makes one a former one.
_BETWEEN = frozenset(
    words_of(
        "ans années anos anni jahren jahre alter im mit a the an le la l los aos el o il lo der die"
        " ein et und and y e ed ancien ancienne ex former früherer ehemaliger ehemalige grand"
        " grande gran grosse"
    )
)
# The drummer of X, X's drummer: X is told of as the one who is left.
_GENITIVE = frozenset({"of", "de", "d", "di", "del", "della", "du", "des", "do", "da", "von", "s"})


# What is named for people.
_THINGS = frozenset(
    words_of(
        "show foundation award awards stadium arena band orchestra estate museum theatre theater"
        " impersonator lookalike trust school academy fan fans biopic tribute revival project"
    )
)


def _has_one(known: Found, hits: Sequence[Hit], words: Sequence[str]) -> bool:
    """Say whether one or a thing of the known person's is told of: "X's drummer", "X Show"."""
    after = known.last + 1
    behind = words[after : after + 1]
    titled = " " not in known.name and _GENITIVE.intersection(behind)
    if titled or _THINGS.intersection(behind):
        # "The papa of X" is a father, no pope.
        return "s" not in behind
    if behind != ["s"]:
        return False
    roles = [hit for hit in hits if hit.term.kind is Kind.ROLE and "leader" not in hit.term.tags]
    return any(after < hit.first <= after + _KIN for hit in roles)


def _dies(
    known: Found,
    hit: Hit,
    words: Sequence[str],
    beside: tuple[Sequence[Hit], frozenset[int]],
) -> bool:
    """
    Say whether the words of a death are told of this name.

    Args:
        known: The name.
        hit: The words of a death.
        words: All folded words.
        beside: Words of relatives, and the places of the words that may stand between.
    """
    kin, told = beside
    if known.first > hit.last:
        return _dies_behind(known, hit, words, told)
    loose = "loose" in hit.term.tags
    after_only = "giver" in hit.term.tags or hit.term.text.rsplit(" ", 1)[-1] in _OF
    between = words[known.last + 1 : hit.first]
    if after_only or (loose and known.first and words[known.first - 1] in _SINCE):
        return False
    if any(known.last < other.first < hit.first for other in kin):
        return False
    if not loose and known.first <= _FRONT and words[known.last + 1] != "s":
        return True
    near = _NEAR if not loose else _BESIDE
    return len([word for word in between if word not in ("s", BREAK)]) <= near


def _dies_behind(known: Found, hit: Hit, words: Sequence[str], told: frozenset[int]) -> bool:
    """Say whether a name behind the words of a death is that of the dead."""
    apart = range(hit.last + 1, known.first)
    of_another = bool(apart) and words[known.first - 1] in _GENITIVE
    has_one = words[known.last + 1 : known.last + 2] == ["s"]
    if "subject" in hit.term.tags or of_another or has_one:
        return False
    giver = "giver" in hit.term.tags
    parting = [words[at] for at in apart if giver or at not in told]
    near = _BESIDE + 1 if giver else _NEAR
    return len(parting) <= near and BREAK not in parting
