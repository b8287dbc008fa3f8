"""
Two replays of one stream beside each other: what would another configuration have done?

Pure: two results in, rows out. A story of one replay is that of the other when they share a
headline, for each book numbers its stories by itself.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from killswitch.news.backtest import BacktestResult, Trip


_BEGINNING = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class Side:
    """What one replay did with a story: when it told, when it paused; None is never."""

    told: Trip | None = None
    trip: Trip | None = None

    @property
    def first(self) -> Trip:
        """Return what came first."""
        found = [one for one in (self.told, self.trip) if one is not None]
        return min(found, key=_when)

    def items(self) -> frozenset[str]:
        """Return the ids of the headlines that it was made from."""
        found = (one for one in (self.told, self.trip) if one is not None)
        return frozenset(member.id for one in found for member in one.story.members)


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """One event in both replays; a side that did nothing is None."""

    a: Side | None
    b: Side | None

    @property
    def at(self) -> datetime | None:
        """Return when the first of both did something; None in a stream without dates."""
        return self._first.at

    @property
    def title(self) -> str:
        """Return the headline of the first that did something."""
        return self._first.story.title

    @property
    def _first(self) -> Trip:
        return min((side.first for side in (self.a, self.b) if side is not None), key=_when)


def compare(a: BacktestResult, b: BacktestResult) -> tuple[Pair, ...]:
    """
    Put two replays of the same rows side by side.

    Args:
        a: What one configuration did.
        b: What the other did.

    Returns:
        Each event that either told of or paused for, in order of time.
    """
    left, right = list(_sides(a)), list(_sides(b))
    pairs = []
    for side in left:
        match = next((other for other in right if side.items() & other.items()), None)
        if match is not None:
            right.remove(match)
        pairs.append(Pair(a=side, b=match))
    pairs += [Pair(a=None, b=side) for side in right]
    return tuple(sorted(pairs, key=lambda pair: pair.at or _BEGINNING))


def _when(trip: Trip) -> datetime:
    return trip.at or _BEGINNING


def _sides(result: BacktestResult) -> Iterator[Side]:
    """Join what was told and paused of each story."""
    told, trips = _by_story(result.told), _by_story(result.trips)
    for story in dict.fromkeys((*told, *trips)):
        yield Side(told=told.get(story), trip=trips.get(story))


def _by_story(found: Iterable[Trip]) -> dict[str, Trip]:
    """Return the first of each story."""
    first: dict[str, Trip] = {}
    for one in found:
        first.setdefault(one.story.id, one)
    return first
