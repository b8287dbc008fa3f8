"""Claims about people in office and on duty: struck, that is more than a crime."""

from __future__ import annotations

import pytest

from tests.unit.news.headline import graded


@pytest.mark.parametrize(
    ("lang", "title"),
    [
        ("en", "Mayor shot dead outside town hall in Leeds"),
        ("en", "Lawmaker stabbed during surgery in Dundee"),
        ("en", "Two police officers shot dead in Belfast"),
        ("fr", "Le maire de Condom assassiné devant sa mairie"),
        ("fr", "Deux gendarmes tués par balle près de Limoges"),
        ("de", "Oberbürgermeisterin niedergestochen"),
        ("de", "Zwei Polizisten bei Kassel erschossen"),
        ("es", "Matan a tiros al alcalde de un pueblo de Cádiz"),
        ("es", "Concejala apuñalada en Vigo"),
        ("it", "Sindaco assassinato davanti a casa in Calabria"),
        ("it", "Due carabinieri uccisi a colpi di pistola a Bari"),
        ("pt", "Vereadora assassinada a tiros em Recife"),
        ("pt", "Dois militares da GNR mortos a tiro em Beja"),
    ],
)
def test_who_holds_an_office_or_is_on_duty_is_more_than_one_victim(lang: str, title: str) -> None:
    signal = graded(lang, title)
    assert (signal.grade, signal.category) == ("trip", "attack"), signal.why


@pytest.mark.parametrize(
    ("lang", "title"),
    [
        ("en", "Man shot dead by police officer in Leeds"),
        ("en", "Mayor's cousin stabbed in Leeds"),
        ("en", "Judge hears how man was stabbed in Leeds"),
        ("en", "Mayor shot dead in Mexico"),
        ("fr", "Un homme abattu par un policier à Toulouse"),
        ("de", "Mann von Polizisten erschossen"),
        ("it", "Uomo ucciso da un carabiniere a Bari"),
    ],
)
def test_who_only_stands_beside_it_or_far_away_is_not(lang: str, title: str) -> None:
    signal = graded(lang, title)
    assert signal.grade != "trip", signal.why


@pytest.mark.parametrize(
    "title",
    [
        "Presidential candidate shot dead at campaign rally in Peru",
        "Opposition candidate for president assassinated in Ghana",
    ],
)
def test_who_stands_for_the_highest_office_is_known_by_it_wherever(title: str) -> None:
    signal = graded("en", title)
    assert signal.grade == "trip", signal.why


def test_a_word_of_an_office_may_be_a_name() -> None:
    assert "Kevin Bishop" in graded("en", "Legendary drummer Kevin Bishop dies at 80").names
