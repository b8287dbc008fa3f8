"""Claims about word lists: inflections, wrong files, and what the check finds."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING, Any

import pytest

from killswitch.errors import ConfigError
from killswitch.news.lexicon import Kind, build_lexicon, check_lexicons, expand
from killswitch.watch.lexicons import load_lexicon_file, load_lexicons, shipped_languages

if TYPE_CHECKING:
    from pathlib import Path

TODAY = date(2026, 3, 2)


def a_list(*groups: dict[str, Any], **more: Any) -> dict[str, Any]:
    """Build the table of a small English list."""
    return {"language": "en", "group": list(groups), **more}


def an_event(*words: str, **more: Any) -> dict[str, Any]:
    """Build one group of attack words."""
    return {"kind": "event", "category": "attack", "words": list(words), **more}


@pytest.mark.parametrize(
    ("pattern", "written"),
    [
        ("bomb", ["bomb"]),
        ("bomb{,s}", ["bomb", "bombs"]),
        ("kill{s,ed}", ["kills", "killed"]),
        ("t{a,o}p{,s}", ["tap", "taps", "top", "tops"]),
    ],
)
def test_inflections_are_written_out(pattern: str, written: list[str]) -> None:
    assert list(expand(pattern)) == written


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ({"group": []}, "no language"),
        (a_list({"kind": "wish", "words": ["x"]}), "group 1"),
        (a_list({"words": ["x"]}), "group 1"),
        (a_list(an_event("x"), {"kind": "event", "category": "weather", "words": []}), "group 2"),
        (a_list({"kind": "dead", "side": "above", "words": []}), "group 1"),
    ],
)
def test_a_wrong_list_is_refused_with_its_place(table: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        build_lexicon(table, source="mine.toml")


def test_phrases_are_folded_and_places_carry_their_country() -> None:
    lexicon = build_lexicon(
        a_list(an_event("Attaque à l'école"), places={"dk": ["Ærø"]}), source="mine.toml"
    )
    texts = {(term.text, term.kind, term.category) for term in lexicon.terms}
    assert texts == {
        ("attaque a l ecole", Kind.EVENT, "attack"),
        ("aero", Kind.PLACE, "dk"),
    }


def test_the_check_finds_overlaps_overdue_reviews_and_words_that_never_or_always_match() -> None:
    table = a_list(
        an_event("massacre", "skirmish"),
        an_event("ambush", review=date(2026, 1, 1)),
        {"kind": "mask", "words": ["massacre"]},
        {"kind": "dead", "words": ["harbour"]},
        review=date(2025, 1, 1),
    )
    lexicon = build_lexicon(table, source="mine.toml")
    sample = ["Ambush at harbour", "Harbour massacre", "Harbour sale", "Harbour life"]
    found = {(f.kind, f.term) for f in check_lexicons([lexicon], today=TODAY, sample=sample)}
    assert ("overlap", "massacre") in found
    assert ("review", "ambush") in found
    assert ("review", "") in found
    assert ("never", "skirmish") in found
    assert ("often", "harbour") in found
    assert ("never", "ambush") not in found


def test_the_shipped_lists_need_no_mending_today() -> None:
    assert check_lexicons(load_lexicons(), today=TODAY) == []


def test_english_and_french_are_shipped() -> None:
    assert {"en", "fr"} <= set(shipped_languages())


def test_an_unknown_language_is_refused_with_the_shipped_ones() -> None:
    with pytest.raises(ConfigError) as refused:
        load_lexicons(["en", "tlh"])
    assert "en" in refused.value.hint


@pytest.mark.parametrize("content", [b"language = ", b"\xff\xfe"])
def test_a_broken_file_is_refused_by_name(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "mine.toml"
    path.write_bytes(content)
    with pytest.raises(ConfigError, match=r"mine\.toml"):
        load_lexicon_file(path)
