"""Claims about folding: one spelling for every way of writing a word."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from killswitch.news.fold import fold, words_of


@pytest.mark.parametrize(
    "text",
    [
        "Fusillade à l'école",
        "FUSILLADE À L'ÉCOLE",
        "fusillade a l\u2019ecole",
        "Fu\u00adsil\u200blade a\u0300 l'e\u0301cole",
        "\u202efusillade\u202c à l'école",
        "\uff26\uff55\uff53\uff49\uff4c\uff4c\uff41\uff44\uff45 à l'école",
        "fusill\u0430d\u0435 à l'école",
        "«Fusillade»  à\u00a0l'école!",
    ],
)
def test_every_way_of_writing_folds_to_the_same_words(text: str) -> None:
    assert fold(text) == " fusillade a l ecole "


def test_text_without_words_folds_to_one_space() -> None:
    assert fold("… !?") == " "


@given(st.text(max_size=200))
def test_folding_is_framed_and_has_single_spaces(text: str) -> None:
    folded = fold(text)
    assert folded.startswith(" ")
    assert folded.endswith(" ")
    assert "  " not in folded


@given(st.text(max_size=200))
def test_folding_twice_changes_nothing(text: str) -> None:
    assert words_of(fold(text)) == words_of(text)


@given(st.text(alphabet=st.characters(codec="ascii"), max_size=200))
def test_case_never_matters(text: str) -> None:
    assert fold(text.upper()) == fold(text.lower())
