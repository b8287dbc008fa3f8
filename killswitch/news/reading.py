"""What stands in one headline, ready to be weighed, and the outcome of weighing it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from killswitch.news.facts import Counts
    from killswitch.news.item import Grade
    from killswitch.news.lexicon import Kind, Term
    from killswitch.news.match import Hit


@dataclass(slots=True, kw_only=True)
class Reading:
    """
    What stands in one headline, ready to be weighed.

    Attributes:
        hits: The phrases found, in order.
        counts: The dead, injured and missing that it tells in numbers.
        names: Capitalised names of two words and more, as written.
        known: Known people whose death it tells, folded.
        leaders: Offices whose holders, who lead a country, it tells to have died, folded.
        struck: Known people whom it tells to be hurt by an attack, folded.
        in_office: Offices and duties whose holders it tells to be hurt or killed.
        places: Countries, lower-case ISO codes.
        home: The brand's own countries.
        wars: Countries with a running war, and the deaths that one strike there needs.
        own_name: The brand's name, product or person in it, or None.
        old_year: A year long past that it names, or None.
    """

    hits: Sequence[Hit]
    counts: Counts
    names: tuple[str, ...]
    known: tuple[str, ...] = ()
    leaders: tuple[str, ...] = ()
    struck: tuple[str, ...] = ()
    in_office: tuple[Term, ...] = ()
    places: frozenset[str]
    home: frozenset[str]
    wars: Mapping[str, int]
    own_name: str | None = None
    old_year: int | None = None
    kinds: dict[Kind, list[Hit]] = field(init=False)

    def __post_init__(self) -> None:
        """Sort the hits by kind."""
        self.kinds = {}
        for hit in self.hits:
            self.kinds.setdefault(hit.term.kind, []).append(hit)

    def of(self, kind: Kind) -> list[Hit]:
        """Return the hits of one kind."""
        return self.kinds.get(kind, [])


@dataclass(frozen=True, slots=True, kw_only=True)
class Weight:
    """The outcome of weighing."""

    grade: Grade
    score: float
    category: str | None
    why: str
