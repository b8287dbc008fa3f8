"""
The death of who leads a country, told before anybody gives a name: "Prime minister dies".

Two tags of the word lists: ``head`` is an office that only a country has ("prime minister",
"president of the republic"), ``crown`` a word that others bear, too ("president", "king").

Invariants:
    Office and death stand side by side at the beginning of what is told: whose mother, deputy,
    club or corgi it is, and who was in office once, is told by words that stand there, too.
    A ``crown`` counts only where it stands alone, or with a name where a palace tells of it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from killswitch.news.facts import BREAK
from killswitch.news.fold import words_of
from killswitch.news.lexicon import Kind

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from killswitch.news.match import Hit

_ARTICLES = frozenset(words_of("the le la l der die el il lo o a"))
_OF = frozenset(words_of("of de d du des del dello della dell di do da dos das von"))
# Who tells it: "palace says the queen has died".
_SAYS = frozenset(words_of("says announces confirms annonce confirme meldet anuncia annuncia"))
# "Breaking: king dies"; of another word before a colon it is another king ("Wrestling").
_FLASH = frozenset(words_of("breaking urgent flash alerte eilmeldung eil urgente ora última hora"))
# Between an office and its death: "ist überraschend im Alter von 61 Jahren gestorben".
_SMALL = frozenset(words_of("suddenly unexpectedly ist überraschend plötzlich im alter von jahren"))
# Behind "muere el rey": when and how. What else stands there tells of another king.
_HOW = frozenset(words_of("a à aos all at hoy hoje oggi tras por dopo après en em in nach"))
# Where one of these tells of it a king may have a name.
_COURT = frozenset(words_of("palace palais palast palacio palazzo kremlin kreml cremlino"))
# Kings and queens of plays, matches and beasts.
_NO_COUNTRY = frozenset({"fiction", "sport", "animals", "livestock"})


def the_unnamed_dead(
    hits: Sequence[Hit], words: Sequence[str], names: Iterable[str]
) -> tuple[str, ...]:
    """
    Say which leaders of a country are told straight to have died, by their office.

    Args:
        hits: The phrases in the headline.
        words: Its folded words.
        names: Its capitalised names of two words and more, as written.

    Returns:
        The offices, folded.
    """
    offices = [h for h in hits if h.term.kind is Kind.ROLE and h.term.tags & {"head", "crown"}]
    deaths = [h for h in hits if h.term.kind is Kind.PERSON and _is_straight(h)]
    if not offices or not deaths:
        return ()
    if any(h.term.kind is Kind.VETO and h.term.category in _NO_COUNTRY for h in hits):
        return ()
    places = frozenset(
        word for h in hits if h.term.kind is Kind.PLACE for word in words[h.first : h.last + 1]
    )
    named = frozenset(word for name in names for word in words_of(name))
    court = bool(_COURT.intersection(words))
    told = []
    for office in offices:
        head = "head" in office.term.tags
        country = places if head else frozenset()
        beside = country | (named if head or court else frozenset())
        if head:
            beside |= _OF
        if any(
            _begins(min(office.first, death.first), words, country, any_topic=head)
            and (
                _dies(office, death, words, beside)
                or (_death_first(office, death, words, country) and (head or _alone(office, words)))
            )
            for death in deaths
        ):
            told.append(office.term.text)
    return tuple(dict.fromkeys(told))


def _is_straight(death: Hit) -> bool:
    """Say whether these words tell a death itself: "dies", "dead", not "tributes to"."""
    return "loose" not in death.term.tags or death.term.text.endswith("dead")


def _begins(first: int, words: Sequence[str], country: frozenset[str], *, any_topic: bool) -> bool:
    """Say whether only articles and a country stand before, or who says it."""
    while first and words[first - 1] in _ARTICLES | country:
        first -= 1
    if first and words[first - 1] == BREAK:
        return any_topic or words[first - 2] in _FLASH | _COURT
    return first == 0 or words[first - 1] in _SAYS


def _dies(office: Hit, death: Hit, words: Sequence[str], beside: frozenset[str]) -> bool:
    """Say whether the office dies: "the king has died", "president of France dies"."""
    between = words[office.last + 1 : death.first]
    return death.first > office.last and all(
        word in beside or word in _ARTICLES or word in _SMALL or word.isdigit() for word in between
    )


def _death_first(office: Hit, death: Hit, words: Sequence[str], country: frozenset[str]) -> bool:
    """Say whether the death is told of the office behind it: "muere el rey"."""
    between = words[death.last + 1 : office.first]
    last = {"subject"} & death.term.tags
    return death.last < office.first and not last and _ARTICLES | country >= set(between)


def _alone(office: Hit, words: Sequence[str]) -> bool:
    """Say whether nothing behind the office makes it another's: "del Betis", "Pelé"."""
    behind = words[office.last + 1 : office.last + 2]
    return not behind or behind[0] == BREAK or behind[0] in _HOW | _SAYS | _COURT
