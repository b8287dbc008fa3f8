"""Claims about known people: whose death is news by the name alone."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from killswitch.errors import ConfigError
from killswitch.news.grade import Detector, DetectPolicy
from killswitch.news.item import Item
from killswitch.news.people import KnownName, build_people
from killswitch.watch.lexicons import load_lexicons

NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
PEOPLE = build_people(
    {
        "review": NOW.date(),
        "world": {"names": ["Mara Holloway", "Zefirino"]},
        "gb": {"names": ["Tom Arlen / Tommy Arlen"]},
    },
    source="known.toml",
)
LEXICONS = tuple(replace(lexicon, people=PEOPLE) for lexicon in load_lexicons())
DETECTOR = Detector(LEXICONS, DetectPolicy())


def graded(title: str, lang: str = "en", detector: Detector = DETECTOR) -> str:
    """Grade an invented headline."""
    item = Item(id="i1", title=title, outlet="Harbour Post", lang=lang, first_seen=NOW)
    return str(detector.grade(item).grade)


@pytest.mark.parametrize(
    ("lang", "title"),
    [
        ("en", "Mara Holloway dies at 81"),
        ("en", "Mara Holloway, who sang of small harbours, dies at 81"),
        ("en", "MARA HOLLOWAY DEAD AT 81"),
        ("en", "Zefirino dies aged 70"),
        ("fr", "Mort de Mara Holloway à l'âge de 81 ans"),
        ("fr", "Mara Holloway est morte à 81 ans"),
        ("de", "Mara Holloway ist tot"),
        ("it", "Addio a Mara Holloway"),
        ("es", "Muere Mara Holloway a los 81 años"),
        ("pt", "Morre Mara Holloway aos 81 anos"),
    ],
)
def test_the_death_of_a_known_person_needs_no_other_word_of_fame(lang: str, title: str) -> None:
    assert graded(title, lang) == "trip"


@pytest.mark.parametrize(
    ("lang", "title"),
    [
        ("en", "Mara Holloway mourns her drummer Tim Wexley"),
        ("en", "Mara Holloway's mother dies at 99"),
        ("en", "Grandson of Mara Holloway found dead"),
        ("en", "Mara Holloway funeral: hundreds line the harbour"),
        ("en", "Mara Holloway opens harbour festival"),
        ("en", "Paolo Zefirino dies aged 70"),
        ("fr", "Mara Holloway bouleversée par la mort de Tim Wexley"),
        ("fr", "Le fils de Mara Holloway est mort"),
        ("it", "Mara Holloway, l'addio al teatro di Karvel"),
        ("de", "Mara Holloway trauert um Tim Wexley"),
    ],
)
def test_a_known_name_beside_another_death_is_no_trip(lang: str, title: str) -> None:
    assert graded(title, lang) != "trip"


def test_an_attack_on_a_known_person_is_a_trip() -> None:
    assert graded("Mara Holloway shot at harbour concert") == "trip"
    assert graded("Mara Holloway attacks harbour plans") != "trip"


@pytest.mark.parametrize(
    ("countries", "lang", "grade"),
    [((), "en", "trip"), (("GB",), "en", "trip"), (("US",), "en", "note"), ((), "de", "note")],
)
def test_a_name_counts_where_its_country_is_read(
    countries: tuple[str, ...], lang: str, grade: str
) -> None:
    title = {"en": "Tommy Arlen dies at 66", "de": "Tommy Arlen ist tot"}[lang]
    detector = Detector(LEXICONS, DetectPolicy(countries=countries))
    assert graded(title, lang, detector) == grade


def test_a_list_without_names_is_refused_with_its_place() -> None:
    with pytest.raises(ConfigError, match=r"mine\.toml: fr has no names"):
        build_people({"fr": ["Mara Holloway"]}, source="mine.toml")


def test_every_spelling_is_a_name_of_its_own() -> None:
    assert KnownName(text="tommy arlen", country="gb") in PEOPLE
    assert KnownName(text="tom arlen", country="gb") in PEOPLE


def test_who_is_remembered_supports_a_report_and_never_pauses_by_itself() -> None:
    assert graded("Remembering Mara Holloway: the singer in her own words") == "note"
    assert graded("Harbour band names new drummer after death of Mara Holloway") == "note"


def test_a_death_told_as_past_is_no_news_of_it() -> None:
    assert graded("Harbour band names new drummer after Mara Holloway's death") != "trip"


@pytest.mark.parametrize(
    ("lang", "title"),
    [
        ("fr", "Mort de la chanteuse et comédienne Mara Holloway"),
        ("fr", "Mort de l'ancienne actrice américaine Mara Holloway"),
        ("de", "Tod von Schauspielerin und Sängerin Mara Holloway"),
        ("es", "Muere a los 81 años la actriz y cantante inglesa Mara Holloway"),
        ("it", "Morta l'attrice e cantante Mara Holloway, aveva 81 anni"),
        ("pt", "Morre a atriz e cantora Mara Holloway, aos 81 anos"),
        ("en", "Mara Holloway tributes pour in after singer dies at 81"),
        ("en", "Mara Holloway: Tributes pour in for singer"),
    ],
)
def test_callings_may_stand_between_a_death_and_the_name(lang: str, title: str) -> None:
    assert graded(title, lang) == "trip"


@pytest.mark.parametrize(
    ("lang", "title"),
    [
        ("en", "Death of Mara Holloway's former tour manager confirmed"),
        ("fr", "Mort du batteur de Mara Holloway"),
        ("de", "Tod der Managerin von Mara Holloway"),
        ("es", "Muere el representante de Mara Holloway"),
        ("it", "Morto il regista di Mara Holloway"),
        ("en", "Mara Holloway Show regular Tom Ives dies at 71"),
        ("pt", "Morreu o empresário de Mara Holloway"),
    ],
)
def test_the_death_of_somebody_of_theirs_is_not_theirs(lang: str, title: str) -> None:
    assert graded(title, lang) != "trip"


@pytest.mark.parametrize(
    ("lang", "title"),
    [
        ("fr", "Mort de Mara Holloway : les résultats de l'autopsie"),
        ("fr", "Mort de Mara Holloway : ses dernières volontés dévoilées"),
        ("fr", "Mara Holloway : son bassiste Luc Arlan est décédé"),
        ("en", "Mara Holloway: her drummer Tom Ives has died"),
        ("es", "Muerte de Mara Holloway: la autopsia aclara las causas"),
    ],
)
def test_the_reports_of_later_and_of_others_are_less(lang: str, title: str) -> None:
    assert graded(title, lang) != "trip"


@pytest.mark.parametrize("title", ["Mara Holloway dies: what doctors know of symptoms"])
def test_a_straight_death_outweighs_the_advice_beside_it(title: str) -> None:
    assert graded(title) == "trip"
