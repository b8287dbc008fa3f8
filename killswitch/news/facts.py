"""
Facts in a headline: tolls in digits and words, names, old years.

Invariants:
    A number counts as a toll only beside a casualty word, never because it is large.
    Ages, money, magnitudes, clock times, ordinals and years are no tolls.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from killswitch.news.fold import fold
from killswitch.news.lexicon import Kind, Side

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from killswitch.news.match import Hit

# Figures that are never tolls; they are cut out before numbers are read.
NOISE = re.compile(
    r"""
    ,\s\d{1,3}(?=\s*(?:[,.;:)\u2013\u2014-]|$))   # an age set apart: "his sister, 27, ..."
    | \(\d{1,3}\)                                # or in brackets
    | [$€£₹¥]\s?[\d.,]+\w?                       # money
    | \d[\d.,]*\s?[$€£%]
    | (?<![\d.,])\d+,\d{1,2}(?!\d)                # "90,9"
    | (?<!\d)\d{1,2}/\d{1,4}(?!\d)                # "22/23"
    | \d+[.:]\d{1,2}(?!\d)                       # "6.8", "11:52"
    | (?<![\d.,])\d{1,2}-\d{1,2}(?!\d)           # "3-1"
    """,
    re.VERBOSE,
)
_THOUSANDS = re.compile(
    r"(?<![\d.,])\d{1,3}(?:[,.\u2019'\u00a0\u202f ]\d{3})+(?![\d%])|(?<!\d)\d{1,3}(?= ?mila\b)",
    re.IGNORECASE,
)
# Italian ages: "un 16enne".
_AGED_IN_WORDS = re.compile(
    r",\s(?:two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|thirteen|fourteen)(?=,)",
    re.IGNORECASE,
)
_AGED = re.compile(r"(?<=\d)-?enn[ei]\b", re.IGNORECASE)
_MILA = re.compile(r"(?<=\d) ?mila\b", re.IGNORECASE)
_NAME = re.compile(
    r"(?<![\w'\u2019])[A-ZÀ-ÖØ-Þ][\w\u2019'.-]*[\w.]"
    r"(?: (?:de|da|di|van|von|der|le|la|du|del|bin|al|el|of the|d[\u2019'])?"
    r" ?[A-ZÀ-ÖØ-Þ][\w\u2019'.-]*\w)+"
)
_TAIL = re.compile(r"^(.{20,})\s+[-|\u2013\u2014]\s+(\S.{1,40})$")
_FORWARD, _BACKWARD, _FAR = 6, 4, 14
_YEARS = range(1900, 2101)
_MOST = 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """People told of in numbers; None where the headline gives none."""

    dead: int | None = None
    injured: int | None = None
    missing: int | None = None


def without_numbers_noise(text: str) -> str:
    """Cut out figures that are never tolls, join ``1,400``, and mark colons with a word."""
    if any(map(str.isdigit, text)):
        text = _AGED.sub(" enne", text)
        text = _MILA.sub("000", _THOUSANDS.sub(_joined_digits, NOISE.sub(" ", text)))
    if ", " in text:
        text = _AGED_IN_WORDS.sub(" ", text)
    if ". " in text or "! " in text or "? " in text:
        text = _END.sub(f" {BREAK} ", text)
    return _COLON.sub(f" {BREAK} ", text)


def _joined_digits(found: re.Match[str]) -> str:
    """Write ``1,400`` as ``01400``: a number in groups is never a year, even ``2,000``."""
    return "0" + "".join(filter(str.isdigit, found.group()))


# A colon or a bar parts a headline: a number after it belongs to no word before it.
BREAK = "xbreakx"
_COLON = re.compile(r"[:;|](?=\s)|\s[|](?=\S)")
# So does the end of a sentence; "St. Louis" and "a.m. on" end none.
_END = re.compile(r"(?<=[^\W\d_]{4})[.!?](?=\s+[A-ZÀ-ÖØ-Þ«\"“])")


def without_outlet(title: str, outlet: str) -> str:
    """Cut the outlet's own name off the end of a headline (``... - Ouest-France``)."""
    found = _TAIL.match(title)
    if found is None or not outlet:
        return title
    tail, own = fold(found.group(2)), fold(outlet)
    return found.group(1) if tail in own or own in tail else title


def without_tail(title: str) -> str:
    """Cut a short last part off a headline: most often an outlet's name, never the event's."""
    found = _TAIL.match(title)
    return found.group(1) if found and len(found.group(2).split()) <= _TAIL_WORDS else title


_TAIL_WORDS = 5


def names_in(title: str, plain: frozenset[str]) -> tuple[str, ...]:
    """
    Return the capitalised names of two words and more, as written, at most eight.

    Args:
        title: The headline as written.
        plain: Folded words that are no part of a name (``dies``, ``actor``, ``the``); headlines
            In Title Case are cut into names at them.
    """
    found: dict[str, None] = {}
    for match in _NAME.finditer(without_tail(title)):
        run: list[str] = []
        for word in (*match.group().split(), ""):
            if word and fold(word).strip() not in plain:
                run.append(word.strip(".-"))
                continue
            if len(run) > 1:
                found[" ".join(run)] = None
            run = []
    return tuple(found)[:_NAMES_KEPT]


_NAMES_KEPT = 8


def old_year(words: Sequence[str], hits: Sequence[Hit], this_year: int) -> int | None:
    """
    Return the latest year before ``this_year`` that the words name, or None.

    A year of birth or of a comparison ("the worst since 2016") is not the event's.
    """
    years = [
        int(word)
        for at, word in enumerate(words)
        if len(word) == _YEAR_DIGITS
        and word.isascii()
        and word.isdigit()
        and not _no_toll(at, at, hits)
        and not any(hit.term.kind is Kind.DEAD and hit.first == at + 1 for hit in hits)
    ]
    return max((year for year in years if _YEARS.start <= year < this_year), default=None)


_YEAR_DIGITS = 4


def count(words: Sequence[str], hits: Sequence[Hit], numbers: Mapping[str, int]) -> Counts:
    """
    Give every number to its nearest casualty word.

    Args:
        words: Folded words of the headline.
        hits: What was found in it.
        numbers: Number words of the language.

    Returns:
        The largest number told of each kind.
    """
    casualties = [h for h in hits if h.term.kind in _CASUALTIES and _tells_deaths(h, hits)]
    if not casualties:
        return Counts()
    taken = {
        at: (end, value)
        for at, (end, value) in (
            _read_numbers(words, numbers) | _round_thousands(words, casualties)
        ).items()
        if not _no_toll(at, end, hits) and not _ends_range(at, words, hits)
    }
    breaks = [at for at, word in enumerate(words) if word == BREAK]
    # "50 boat rescues, a woman killed": what is counted alive parts the number from the word.
    breaks += [
        h.first
        for h in hits
        if h.term.kind is Kind.FIGURE and h.term.side is Side.BEFORE and not _die(h, hits)
    ]
    pairs = sorted(
        (gap, at, index)
        for at, (end, _) in taken.items()
        for index, hit in enumerate(casualties)
        if (gap := _gap(at, end, hit)) is not None and not _parted(at, end, hit, (*taken, *breaks))
    )
    best: dict[Kind, int] = {}
    used_numbers: set[int] = set()
    used_words: set[int] = set()
    for _, at, index in pairs:
        # The closest pairs first; a number and a casualty word belong to each other only.
        if at in used_numbers or casualties[index].first in used_words:
            continue
        used_numbers.add(at)
        used_words.add(casualties[index].first)
        kind = casualties[index].term.kind
        told = max(taken[at][1], _joined(at, taken, words))
        best[kind] = max(told, best.get(kind, 0))
    return Counts(
        dead=best.get(Kind.DEAD), injured=best.get(Kind.INJURED), missing=best.get(Kind.MISSING)
    )


def _round_thousands(words: Sequence[str], casualties: Sequence[Hit]) -> dict[int, tuple[int, int]]:
    """Read "2000 Tote": this one number looks like a year, and no year is told so."""
    ahead = {hit.first - 1 for hit in casualties if hit.term.side is not Side.AFTER}
    return {at: (at, 2000) for at in ahead if at >= 0 and words[at] == "2000"}


_CASUALTIES = frozenset({Kind.DEAD, Kind.INJURED, Kind.MISSING})


def _tells_deaths(hit: Hit, hits: Sequence[Hit]) -> bool:
    """
    Say whether a casualty word is one here: "rises to" and "claims" need company.

    "The toll rises to 14 dead", "quake claims 200 lives"; but prices rise and courts hear claims.
    """
    if hit.term.kind is not Kind.DEAD or not hit.term.tags & _COMPANY:
        return True
    if any(h.term.kind is Kind.DEAD and not h.term.tags & _COMPANY for h in hits):
        return True
    if "event" in hit.term.tags:
        return any(h.term.kind in _EVENTS and h.term.text != hit.term.text for h in hits)
    events = (h for h in hits if h.term.kind is Kind.EVENT and "weak" not in h.term.tags)
    return "lives" in hit.term.tags and next(events, None) is not None


# Words that take a number only in company, and what "victims" need: any event.
_COMPANY = frozenset({"rise", "lives", "event"})
_EVENTS = frozenset({Kind.EVENT, Kind.VEHICLE, Kind.INJURED, Kind.MISSING})


def _joined(at: int, taken: Mapping[int, tuple[int, int]], words: Sequence[str]) -> int:
    """Return the number that "and" joins to the one at ``at``: "56 civilians and dozens ..."."""
    for end, value in taken.values():
        if end < at <= end + _JOINED and _AND & set(words[end + 1 : at]):
            return value
    return 0


_JOINED = 3
_AND = frozenset({"and", "et", "und", "e", "ed", "y"})


def _ends_range(at: int, words: Sequence[str], hits: Sequence[Hit]) -> bool:
    """Say whether the number ends a range ("ages 8 to 17"): two numbers and a small word."""
    if at < _RANGE or not words[at - _RANGE].isdigit() or words[at - 1] == BREAK:
        return False
    return not any(hit.first <= at - 1 <= hit.last for hit in hits)


_RANGE = 2


def _read_numbers(words: Sequence[str], numbers: Mapping[str, int]) -> dict[int, tuple[int, int]]:
    """Read all numbers: where each begins -> (where it ends, its value)."""
    taken: dict[int, tuple[int, int]] = {}
    at = 0
    while at < len(words):
        end, value = _read_number(words, at, numbers)
        if value is not None:
            taken[at] = (end, value)
        at = end + 1
    return taken


def _read_number(
    words: Sequence[str], at: int, numbers: Mapping[str, int]
) -> tuple[int, int | None]:
    """Read the number that begins at ``at``; number words in a row are added or multiplied."""
    word = words[at]
    if word.isascii() and word.isdigit():
        value = int(word) if len(word) <= len(str(_MOST)) else _MOST
        if at + 1 < len(words) and numbers.get(words[at + 1]) in _TIMES:
            return at + 1, min(value * numbers[words[at + 1]], _MOST)
        year = len(word) == _YEAR_DIGITS and value in _YEARS
        return at, None if year or value > _MOST else value
    if word not in numbers:
        return at, None
    value, end = numbers[word], at
    while end + 1 < len(words) and words[end + 1] in numbers:
        end += 1
        step = numbers[words[end]]
        value = value * step if step >= _HUNDRED and value < step else value + step
    return end, value


_HUNDRED = 100
# "3 mil mortos", "5 thousand dead".
_TIMES = (100, 1000)


def _no_toll(at: int, end: int, hits: Sequence[Hit]) -> bool:
    """Say whether a word beside the number makes it an age, a day or a measure."""
    beside = any(
        hit.first == end + 1 and hit.term.kind is Kind.DEAD and hit.term.side is not Side.AFTER
        for hit in hits
    )
    return any(
        (
            hit.last == at - 1 and not (beside and hit.term.text in _SMALL_WORDS)
            if hit.term.side is Side.AFTER
            else hit.first == end + 1 and not _die(hit, hits)
        )
        and not _part_of_toll(hit, hits)
        for hit in hits
        if hit.term.kind is Kind.FIGURE
    )


def _die(figure: Hit, hits: Sequence[Hit]) -> bool:
    """Say whether those who are counted are the dead: "six firefighters die"."""
    return "people" in figure.term.tags and any(
        hit.first == figure.last + 1
        and hit.term.kind is Kind.DEAD
        and hit.term.side is not Side.AFTER
        for hit in hits
    )


# "à 14 morts", "at 14 dead", "en 52 muertos": no age, with a word of death right behind it.
_SMALL_WORDS = frozenset({"a", "at", "dans", "em", "en", "in", "su", "sur"})


def _part_of_toll(figure: Hit, hits: Sequence[Hit]) -> bool:
    """Say whether the word belongs to a longer phrase of the dead: "sale a", "monte à"."""
    return any(
        hit.term.kind is Kind.DEAD
        and hit.first < figure.first
        and (figure.last <= hit.last or _stands_at(hit, figure))
        for hit in hits
    )


def _stands_at(toll: Hit, figure: Hit) -> bool:
    """Say whether a small word leads from a toll to its number: "death toll at 26"."""
    small = figure.term.text in _SMALL_WORDS
    return small and "far" in toll.term.tags and figure.first == toll.last + 1


def _gap(at: int, end: int, hit: Hit) -> float | None:
    """Return how far the number stands from the word, or None where it cannot belong to it."""
    side = hit.term.side
    if hit.first > end and side is not Side.AFTER:
        gap = hit.first - end
        return gap if gap <= _FORWARD else None
    if hit.last < at and side is not Side.BEFORE:
        gap = at - hit.last
        # "killed" takes a number after it ("killed 12") only where nothing nearer wants it.
        late = (_RELUCTANT if gap > 1 else _HARDLY) if side is Side.BOTH else 0
        return gap + late if gap <= (_FAR if "far" in hit.term.tags else _BACKWARD) else None
    return None


_RELUCTANT, _HARDLY = 2.5, 0.5


def _parted(at: int, end: int, hit: Hit, marks: Iterable[int]) -> bool:
    """Say whether another number or a colon stands between the number and the word."""
    low, high = (end, hit.first) if hit.first > end else (hit.last, at)
    return any(low < mark < high for mark in marks)
