"""
Due times around both edges of daylight saving, in zones that do it each in their own way.

What is expected is counted from the instants of the edges, as their governments published them, and
from nothing that the program uses.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pytest

from killswitch.errors import UsageError
from killswitch.queue.when import read_when

NOW = datetime(2023, 1, 1, tzinfo=UTC)
HOUR, MINUTE, SECOND = timedelta(hours=1), timedelta(minutes=1), timedelta(seconds=1)


def offset(hours: int, minutes: int = 0) -> timedelta:
    return timedelta(hours=hours, minutes=minutes)


@dataclass(frozen=True)
class Edge:
    """One change of a zone's offset: the instant (UTC), the offset before it and after it."""

    zone: str
    at: str
    before: timedelta
    after: timedelta

    @property
    def starts(self) -> datetime:
        """The first wall time that does not exist, or that comes twice."""
        return datetime.fromisoformat(self.at) + min(self.before, self.after)

    @property
    def ends(self) -> datetime:
        """The first wall time behind it that exists once."""
        return datetime.fromisoformat(self.at) + max(self.before, self.after)

    @property
    def size(self) -> timedelta:
        return abs(self.after - self.before)


# Forward: a gap.  Lord Howe moves by half an hour, Chatham lies at a quarter past the hour,
# Santiago jumps at midnight, Casablanca ends Ramadan, Dublin's summer is its standard time.
GAPS = [
    Edge("Europe/Berlin", "2026-03-29T01:00", offset(1), offset(2)),
    Edge("America/New_York", "2026-03-08T07:00", offset(-5), offset(-4)),
    Edge("Australia/Lord_Howe", "2026-10-03T15:30", offset(10, 30), offset(11)),
    Edge("Africa/Casablanca", "2024-04-14T02:00", offset(0), offset(1)),
    Edge("Europe/Dublin", "2026-03-29T01:00", offset(0), offset(1)),
    Edge("Pacific/Chatham", "2026-09-26T14:00", offset(12, 45), offset(13, 45)),
    Edge("America/Santiago", "2024-09-08T04:00", offset(-4), offset(-3)),
]
# Back: an overlap.
OVERLAPS = [
    Edge("Europe/Berlin", "2026-10-25T01:00", offset(2), offset(1)),
    Edge("America/New_York", "2026-11-01T06:00", offset(-4), offset(-5)),
    Edge("Australia/Lord_Howe", "2026-04-04T15:00", offset(11), offset(10, 30)),
    Edge("Africa/Casablanca", "2024-03-10T02:00", offset(1), offset(0)),
    Edge("Europe/Dublin", "2026-10-25T01:00", offset(1), offset(0)),
    Edge("Pacific/Chatham", "2026-04-04T14:00", offset(13, 45), offset(12, 45)),
    Edge("America/Santiago", "2024-04-07T03:00", offset(-3), offset(-4)),
]


def written(wall: datetime, at: timedelta | None = None) -> str:
    """Write a wall time as people do, with its offset where one is given."""
    text = wall.isoformat(timespec="seconds")
    if at is None:
        return text
    minutes = int(at.total_seconds()) // 60
    sign = "-" if minutes < 0 else "+"
    return f"{text}{sign}{abs(minutes) // 60:02}:{abs(minutes) % 60:02}"


def cases(edges, *, outside, inside):
    """Pair each edge with the wall times around it and in it."""
    around = [
        (edge, wall)
        for edge in edges
        for wall in [
            *(edge.starts - before for before in outside),
            *(edge.ends + behind for behind in (timedelta(0), *outside)),
        ]
    ]
    within = [
        (edge, wall)
        for edge in edges
        for wall in [
            edge.starts,
            edge.starts + SECOND,
            *(edge.starts + edge.size * share for share in inside),
            edge.ends - SECOND,
        ]
    ]
    return around, within


def named(found):
    return [f"{edge.zone}-{written(wall)}" for edge, wall in found]


NEAR_GAP, IN_GAP = cases(GAPS, outside=(SECOND, MINUTE, 2 * HOUR), inside=(0.25, 0.5))
NEAR_OVERLAP, TWICE = cases(OVERLAPS, outside=(SECOND, 2 * HOUR), inside=(0.5,))


def resolved(text, edge):
    return read_when(text, now=NOW, zone=edge.zone)


def test_there_are_two_hundred_cases():
    assert len(NEAR_GAP) + 2 * len(IN_GAP) + len(NEAR_OVERLAP) + 2 * len(TWICE) >= 200


@pytest.mark.parametrize(
    ("edge", "wall"), [*NEAR_GAP, *NEAR_OVERLAP], ids=named([*NEAR_GAP, *NEAR_OVERLAP])
)
def test_a_time_near_an_edge_has_the_offset_of_its_side(edge, wall):
    found = resolved(written(wall), edge)
    side = edge.before if wall < edge.starts else edge.after
    assert found.instant == (wall - side).replace(tzinfo=UTC)
    assert (found.wall, found.zone, found.note) == (written(wall), edge.zone, None)


@pytest.mark.parametrize(("edge", "wall"), IN_GAP, ids=named(IN_GAP))
def test_a_time_in_a_gap_is_refused_with_both_neighbours(edge, wall):
    with pytest.raises(UsageError) as refused:
        resolved(written(wall), edge)
    assert refused.value.code == "dst_gap"
    for neighbour in (
        written(wall - edge.size, edge.before),
        written(wall + edge.size, edge.after),
    ):
        assert neighbour in refused.value.hint
        # What is offered is taken, and means what stands there.
        assert written(datetime.fromisoformat(resolved(neighbour, edge).wall)) in neighbour


@pytest.mark.parametrize(("edge", "wall"), IN_GAP, ids=named(IN_GAP))
def test_an_offset_makes_an_instant_even_of_a_time_in_a_gap(edge, wall):
    found = resolved(written(wall, edge.before), edge)
    assert found.instant == (wall - edge.before).replace(tzinfo=UTC)
    assert found.wall == written(wall + edge.size)


@pytest.mark.parametrize(("edge", "wall"), TWICE, ids=named(TWICE))
def test_a_time_that_comes_twice_is_its_first_and_the_note_names_the_second(edge, wall):
    found = resolved(written(wall), edge)
    assert found.instant == (wall - edge.before).replace(tzinfo=UTC)
    assert found.wall == written(wall)
    assert written(wall, edge.before) in found.note
    assert written(wall, edge.after) in found.note


@pytest.mark.parametrize(("edge", "wall"), TWICE, ids=named(TWICE))
def test_an_offset_chooses_which_of_the_two(edge, wall):
    for side in (edge.before, edge.after):
        found = resolved(written(wall, side), edge)
        assert found.instant == (wall - side).replace(tzinfo=UTC)
        assert (found.wall, found.note) == (written(wall), None)
