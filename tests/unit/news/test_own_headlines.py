"""Claims about six languages: invented headlines, as newsrooms write them, get their grade."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from killswitch.news.grade import Detector, DetectPolicy
from killswitch.news.item import Grade, Item
from killswitch.watch.lexicons import load_lexicons, shipped_languages

NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
DETECTOR = Detector(load_lexicons(), DetectPolicy())
TABLES = Path(__file__).parent / "headlines"


def rows(lang: str) -> list[tuple[str, str, str]]:
    """Read one table: language, wanted grade, headline."""
    lines = (TABLES / f"{lang}.tsv").read_text(encoding="utf-8").splitlines()
    return [(lang, *line.split("\t", 1)) for line in lines if line]  # type: ignore[misc] # a pair


ROWS = [row for lang in shipped_languages() for row in rows(lang)]


@pytest.mark.parametrize(("lang", "grade", "title"), ROWS)
def test_each_language_reads_its_own_headlines(lang: str, grade: str, title: str) -> None:
    item = Item(id="i1", title=title, outlet="Harbour Post", lang=lang, first_seen=NOW)
    signal = DETECTOR.grade(item)
    assert str(signal.grade) == grade, signal.why


@pytest.mark.parametrize("lang", shipped_languages())
def test_each_language_is_tried_on_all_three_grades(lang: str) -> None:
    assert {grade for _, grade, _ in rows(lang)} == {str(grade) for grade in Grade}
