"""Claims about what is shown of a headline: the parts that counted, in its own spelling."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from killswitch.news.grade import Detector
from killswitch.news.item import Item
from killswitch.news.marks import marks
from killswitch.news.policy import DetectPolicy
from killswitch.watch.lexicons import load_lexicons

NOW = datetime(2026, 3, 2, tzinfo=UTC)
DETECTOR = Detector(load_lexicons(("en", "fr")), DetectPolicy())


def marked(title: str, lang: str = "en") -> list[tuple[str, str]]:
    """Return what is marked, and as what."""
    signal = DETECTOR.grade(Item(id="1", title=title, lang=lang, first_seen=NOW))
    return [(title[mark.start : mark.end], mark.kind) for mark in marks(title, signal)]


def test_words_tolls_places_and_names_are_marked_in_their_own_spelling() -> None:
    assert marked("GUNMAN opens fire near Paris, 6 dead") == [
        ("GUNMAN opens fire", "event"), ("Paris", "place"), ("6", "toll"),
        ("dead", "event"),
    ]  # fmt: skip
    assert ("Jean Dupont", "name") in marked("Mort du chanteur Jean Dupont", "fr")


@pytest.mark.parametrize("title", ["", "Velden opens its summer sale", "İ" * 40])
def test_a_calm_headline_has_no_marks(title: str) -> None:
    assert marked(title) == []


@given(st.text(max_size=80))
def test_marks_never_overlap_and_lie_inside(text: str) -> None:
    title = f"{text} Gunman kills 6 in Paris {text}"
    signal = DETECTOR.grade(Item(id="1", title=title, lang="en", first_seen=NOW))
    found = marks(title, signal)
    ends = [0, *(mark.end for mark in found)]
    assert all(end <= mark.start < mark.end for end, mark in zip(ends, found, strict=False))
    assert ends[-1] <= len(title)
