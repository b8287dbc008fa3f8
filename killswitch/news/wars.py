"""
The first hours of a war: no toll is told yet, and every brand stops.

Running wars tell the same words each night ("launches missiles at"). What tells the two apart is
the country: one that stands in the word lists under ``[wars]`` is at war already.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from killswitch.news.lexicon import Kind

if TYPE_CHECKING:
    from killswitch.news.match import Hit
    from killswitch.news.reading import Reading

# Named before the words, these are who strikes, not who is struck.
_STRIKERS = frozenset({"us"})
_BLASTS = ("expl", "esplo", "deton")


def war_begins(reading: Reading) -> Hit | None:
    """
    Find the words that tell of a war where none was.

    They are told of the country that stands next to them on either side: "Karsund launches strikes
    on Velden" begins one if either is at peace. Words such as "attacks" are said of parties and
    teams, too, and need explosions beside them.

    Args:
        reading: What stands in the headline.

    Returns:
        The words, or None.
    """
    events = reading.of(Kind.EVENT)
    if not (events and reading.places):
        return None
    told = [hit for hit in events if "begins" in hit.term.tags]
    if any("assault" in hit.term.tags for hit in events):
        told += [hit for hit in events if _is_blasts(hit)]
    return next((hit for hit in told if _at_peace(hit, reading)), None)


def _is_blasts(hit: Hit) -> bool:
    """Say whether several explosions are told."""
    return hit.term.text.startswith(_BLASTS) and hit.term.text.endswith(_MANY)


_MANY = ("s", "n", "i", "en", "em")


def _at_peace(hit: Hit, reading: Reading) -> bool:
    """Say whether a country next to the words is not at war yet."""
    lands = reading.of(Kind.PLACE)
    behind = [land for land in lands if land.first > hit.last]
    before = [
        land
        for land in lands
        if land.last < hit.first and land.term.category not in reading.home | _STRIKERS
    ]
    beside = (*before[-1:], *behind[:1])
    return any(land.term.category not in reading.wars for land in beside)
