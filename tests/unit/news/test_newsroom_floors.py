"""
Claims about whole tables of invented headlines, language by language: floors, not single rows.

The first part of each table was written before the word lists were looked at, the last fifty rows
after; they stand for what no list was tuned to. A change may lose a row; it may not lose a
language.
"""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from killswitch.news.grade import Detector
from killswitch.news.item import Item
from killswitch.news.policy import DetectPolicy
from killswitch.watch.lexicons import load_lexicons, shipped_languages

NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
TABLES = Path(__file__).parent / "newsroom"
DETECTOR = Detector(load_lexicons(), DetectPolicy())
# Least share of tragedies graded trip, and graded at all.
TRIP_FLOOR, SEEN_FLOOR = 0.88, 0.95
# Most limited tragedies graded trip; ordinary headlines never are.
NOTE_CEILING = 0.05


def grades(lang: str) -> list[tuple[str, str]]:
    """Grade one table: (wanted, given)."""
    rows = []
    for line in (TABLES / f"{lang}.tsv").read_text(encoding="utf-8").splitlines():
        wanted, title = line.split("\t", 1)
        item = Item(id="i", title=title, outlet="Harbour Post", lang=lang, first_seen=NOW)
        rows.append((wanted, str(DETECTOR.grade(item).grade)))
    return rows


def share(rows: list[tuple[str, str]], wanted: str, given: set[str]) -> float:
    """Return the share of rows of one label that were given one of the grades."""
    of_label = [grade for label, grade in rows if label == wanted]
    return sum(grade in given for grade in of_label) / len(of_label)


@pytest.mark.parametrize("lang", shipped_languages())
def test_each_language_keeps_its_floors(lang: str) -> None:
    rows = grades(lang)
    assert share(rows, "trip", {"trip"}) >= TRIP_FLOOR
    assert share(rows, "trip", {"trip", "note"}) >= SEEN_FLOOR
    assert share(rows, "note", {"trip"}) <= NOTE_CEILING


@pytest.mark.parametrize("lang", shipped_languages())
def test_no_ordinary_headline_stops_a_queue(lang: str) -> None:
    assert share(grades(lang), "none", {"trip"}) == 0


@pytest.mark.parametrize("lang", shipped_languages())
def test_each_language_is_tried_on_about_two_hundred_headlines(lang: str) -> None:
    assert len(grades(lang)) >= 190
