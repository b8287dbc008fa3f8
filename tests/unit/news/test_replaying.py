"""Claims about replays: each story pauses once, at its stream time, from rows as they come."""

from __future__ import annotations

from typing import Any

import pytest

from killswitch.news.backtest import items_of, replay
from killswitch.news.grade import Detector, DetectPolicy
from killswitch.watch.lexicons import load_lexicons

POLICY = DetectPolicy()
DETECTOR = Detector(load_lexicons(), POLICY)


def a_row(at: str | None, outlet: str, title: str) -> dict[str, Any]:
    """Build one row of a stream."""
    return {"id": f"{outlet}-{at}", "published": at, "outlet": outlet, "title": title, "lang": "en"}


STREAM = [
    a_row("2026-03-02T08:00:00Z", "Harbour Post", "Velden mall opens its summer sale"),
    a_row("2026-03-02T09:00:00Z", "Harbour Post", "Gunman opens fire at Velden mall, six dead"),
    a_row("2026-03-02T09:05:00Z", "Coast Radio", "Six killed in shooting at Velden mall"),
    a_row("2026-03-02T09:30:00Z", "Daily Pier", "Velden mall shooting: six dead, police say"),
    a_row("2026-03-03T09:30:00+01:00", "Coast Radio", "Velden mourns six killed in mall shooting"),
]


def test_a_story_pauses_once_at_the_second_report() -> None:
    result = replay(STREAM, DETECTOR, POLICY)
    assert [trip.at.isoformat() for trip in result.trips] == ["2026-03-02T09:05:00+00:00"]
    assert result.trips[0].story.outlets == ("Harbour Post", "Coast Radio")
    assert (result.items, result.outlets) == (5, 3)


def test_a_row_without_a_time_is_dated_by_the_row_before_it() -> None:
    rows = [*STREAM[:2], a_row(None, "Coast Radio", "Six killed in shooting at Velden mall")]
    result = replay(rows, DETECTOR, POLICY)
    assert [trip.at.isoformat() for trip in result.trips] == ["2026-03-02T09:00:00+00:00"]


def test_null_and_missing_fields_are_empty() -> None:
    (item,) = items_of([{"id": None, "title": None, "summary": None, "other": 1}])
    assert (item.id, item.title, item.outlet, item.lang) == ("row-1", "", "", None)


def test_a_wrong_time_names_its_row() -> None:
    with pytest.raises(ValueError, match="row 2"):
        replay([STREAM[0], {**STREAM[1], "published": "noon"}], DETECTOR, POLICY)


def test_an_empty_stream_has_no_trips() -> None:
    result = replay([], DETECTOR, POLICY)
    assert (result.items, result.first, result.trips) == (0, None, ())
