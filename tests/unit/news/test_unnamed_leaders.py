"""Claims about heads of state and popes whose death is told before anybody names them."""

from __future__ import annotations

import pytest

from tests.unit.news.headline import graded


@pytest.mark.parametrize(
    ("lang", "title"),
    [
        ("en", "US president dies in office"),
        ("en", "Prime minister dies suddenly"),
        ("en", "PRIME MINISTER DIES"),
        ("en", "Breaking: Prime Minister has died, government says"),
        ("en", "French prime minister dies after fall"),
        ("en", "Prime minister Alda Wexley dies at 61"),
        ("en", "Prime minister found dead at official residence"),
        ("en", "President of the republic has died"),
        ("en", "Pope dies at 88, Vatican says"),
        ("en", "Pope has died"),
        ("en", "Pope dead at 88"),
        ("en", "Queen dies"),
        ("en", "The King has died, Buckingham Palace announces"),
        ("en", "Palace says the Queen has died"),
        ("en", "Palace: King has died"),
        ("en", "Breaking: King dies"),
        ("en", "King Osric dies after short illness, palace announces"),
        ("en", "King of Spain dies at 70"),
        ("fr", "Le président de la République est mort"),
        ("fr", "Mort du président de la République"),
        ("fr", "Le Premier ministre est décédé subitement"),
        ("fr", "Le pape est mort, annonce le Vatican"),
        ("fr", "Mort du pape"),
        ("fr", "Le roi est mort"),
        ("fr", "La reine est morte, annonce le palais"),
        ("fr", "Le président américain est mort"),
        ("de", "Der Papst ist tot"),
        ("de", "Bundeskanzler gestorben"),
        ("de", "Bundespräsident überraschend gestorben"),
        ("de", "Der König ist tot"),
        ("de", "US-Präsident ist tot"),
        ("de", "Eilmeldung: Bundeskanzlerin ist tot"),
        ("es", "Muere el presidente del Gobierno"),
        ("es", "Ha muerto el papa"),
        ("es", "Fallece el rey, anuncia el palacio"),
        ("es", "El primer ministro británico ha muerto"),
        ("es", "Muere el presidente de Estados Unidos"),
        ("it", "È morto il Papa"),
        ("it", "Morto il presidente della Repubblica"),
        ("it", "È morta la regina"),
        ("it", "Il presidente del Consiglio è morto"),
        ("it", "Morto il primo ministro francese"),
        ("pt", "Morreu o Presidente da República"),
        ("pt", "Morre o papa"),
        ("pt", "Primeiro-ministro morre aos 61 anos"),
        ("pt", "Morreu o rei"),
        ("pt", "Morre o presidente dos Estados Unidos"),
    ],
)
def test_the_highest_office_needs_no_name(lang: str, title: str) -> None:
    signal = graded(lang, title)
    assert (signal.grade, signal.category) == ("trip", "death"), signal.why


@pytest.mark.parametrize(
    ("lang", "title"),
    [
        ("en", "Club president dies"),
        ("en", "Barcelona president dies"),
        ("en", "University president dies at 70"),
        ("en", "President of rowing club dies"),
        ("en", "President Alda Wexley of Karvel College dies"),
        ("en", "Former prime minister dies"),
        ("en", "Deputy prime minister dies"),
        ("en", "President's mother dies"),
        ("en", "Prime minister's father dies at 90"),
        ("en", "Prime minister is dead against new harbour"),
        ("en", "What happens when the prime minister dies"),
        ("en", "King of pop impersonator dies"),
        ("en", "Queen's corgi dies, palace says"),
        ("en", "Burger king dies"),
        ("en", "Prom king dies"),
        ("en", "Queen guitarist dies"),
        ("en", "Wrestling: King dies at 60"),
        ("en", "King penguin dies at Karvel zoo"),
        ("en", "Homecoming queen found dead"),
        ("en", "The king is dead, long live the king"),
        ("en", "Queen dies in season finale"),
        ("en", "Death of the president in 1963: new documents"),
        ("en", "Pope mourns the dead of Karvel"),
        ("en", "Pope Francis film"),
        ("fr", "La mère du président est morte"),
        ("fr", "Le président du club est mort"),
        ("fr", "Mort du président du FC Karvel"),
        ("fr", "Mort du roi de la pop"),
        ("fr", "L'ancien Premier ministre est mort"),
        ("fr", "Le roi est mort, vive le roi"),
        ("fr", "Le pape prie pour les morts de Karvel"),
        ("de", "Mutter von Bundeskanzler gestorben"),
        ("de", "Vereinspräsident gestorben"),
        ("de", "Bayern-Präsident gestorben"),
        ("de", "Der König ist tot, es lebe der König"),
        ("de", "Ex-Bundeskanzler gestorben"),
        ("es", "Muere el presidente del Betis"),
        ("es", "Muere el presidente del Barcelona"),
        ("es", "Muere el padre del presidente del Gobierno"),
        ("es", "Muere el rey del pop"),
        ("es", "El rey ha muerto, viva el rey"),
        ("it", "Morto il presidente della Juventus"),
        ("it", "È morto il papà di un compagno"),
        ("it", "Muore il re del pop"),
        ("it", "Il re è morto, viva il re"),
        ("pt", "Morreu o presidente do Porto"),
        ("pt", "Morre o rei do pop"),
        ("pt", "Morreu a mãe do primeiro-ministro"),
        ("pt", "O rei morreu, viva o rei"),
    ],
)
def test_a_small_office_a_relative_or_a_figure_of_speech_is_no_trip(lang: str, title: str) -> None:
    signal = graded(lang, title)
    assert signal.grade != "trip", signal.why


def test_an_office_far_away_waits_for_more_newsrooms() -> None:
    assert graded("en", "Prime minister of Uganda dies").grade == "note"
    assert graded("en", "Russian president has died").grade == "note"
