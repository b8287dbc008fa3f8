"""Claims about close reading: numbers that look like years, names beside a death, who is struck."""

from __future__ import annotations

import unicodedata
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from killswitch.news.grade import Detector
from killswitch.news.item import Item, Signal
from killswitch.news.policy import DetectPolicy
from killswitch.news.story import StoryBook, Verdict
from killswitch.watch.lexicons import load_lexicons

NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
POLICY = DetectPolicy()
DETECTOR = Detector(load_lexicons(), POLICY)
EVENTS = [
    (table.stem, line.split("\t", 1)[1])
    for table in sorted((Path(__file__).parent / "newsroom").glob("*.tsv"))
    for line in table.read_text(encoding="utf-8").splitlines()
    if line.startswith("trip")
]


def an_item(title: str, lang: str = "en", *, summary: str = "", number: int = 0) -> Item:
    """Build one entry; each number is another newsroom, an hour later."""
    return Item(
        id=f"i{number}",
        title=title,
        summary=summary,
        outlet=f"Outlet {number}",
        lang=lang,
        first_seen=NOW + timedelta(hours=number),
    )


def read(title: str, lang: str = "en", *, summary: str = "") -> Signal:
    """Grade one invented headline."""
    return DETECTOR.grade(an_item(title, lang, summary=summary))


@pytest.mark.parametrize(
    ("lang", "title", "toll"),
    [
        ("en", "Death toll from Karsund quake tops 2,000", 2000),
        ("de", "Erdbeben in Karsund: Mehr als 2000 Tote", 2000),
        ("fr", "Rupture d'un barrage : plus de 2.000 morts", 2000),
        ("it", "Terremoto a Karsund: oltre 4mila morti", 4000),
        ("pt", "Sismo em Karsund: mais de 3 mil mortos", 3000),
        ("fr", "Le bilan des inondations s'alourdit à 14 morts", 14),
        ("en", "Six firefighters die in Velden plant explosion", 6),
        ("es", "Tragedia en la AP-7: once muertos al caer un autocar", 11),
    ],
)
def test_a_toll_is_read_however_it_is_written(lang: str, title: str, toll: int) -> None:
    assert read(title, lang).toll == toll


@pytest.mark.parametrize(
    ("lang", "title"),
    [
        ("fr", "Le prix du Velden passe à 200 après l'explosion des ventes"),
        ("en", "Four arrested after teenager stabbed to death in Velden"),
        ("it", "Velden, 18enne ucciso a colpi di pistola"),
        ("en", "Murder probe launched after girl, five, found dead in Velden home"),
        ("en", "Thousands march in Velden after death in custody"),
    ],
)
def test_prices_arrests_ages_and_crowds_are_no_toll(lang: str, title: str) -> None:
    assert (read(title, lang).toll or 0) <= 1


@pytest.mark.parametrize(
    ("lang", "title"),
    [
        ("en", "Karsund prime minister shot after cabinet meeting"),
        ("fr", "Le Premier ministre slovaque blessé par balles"),
        ("de", "Slowakischer Regierungschef Arlen niedergeschossen"),
        ("es", "El primer ministro de Eslovaquia, tiroteado en la calle"),
        ("it", "Ferito a colpi di pistola il premier slovacco"),
        ("pt", "Presidente da Polónia é assassinado em casa"),
    ],
)
def test_a_head_of_government_who_is_shot_is_known_by_the_office(lang: str, title: str) -> None:
    signal = read(title, lang)
    assert str(signal.grade) == "trip", signal.why


@pytest.mark.parametrize(
    "title",
    [
        "President's guard shot outside palace in Velden",
        "Roger Federer shot wins the rally in Velden",
        "Robbie Williams' drummer Tom Arlen has died",
        "Tom Arlen, drummer of Elton John, has died aged 70",
        "Rumours that Elton John has died are a hoax",
        "Elton John pays tribute to drummer Tom Arlen",
    ],
)
def test_who_is_only_named_neither_dies_nor_is_struck(title: str) -> None:
    signal = read(title)
    assert str(signal.grade) != "trip", signal.why


def test_a_killing_in_a_family_needs_more_deaths_than_one_in_public() -> None:
    private = read("Three relatives murdered at a Velden home, police say").score
    public = read("Three killed in shooting at Velden school").score
    assert private < 1 <= public


def test_hundreds_of_deaths_without_an_event_are_a_sum() -> None:
    assert str(read("Another 633 dead across Velden").grade) == "note"


def test_the_beach_of_a_town_is_no_public_place() -> None:
    named = read("One hurt in Miami Beach shooting")
    assert "beach” (" not in named.why


def test_a_summary_gives_no_toll_to_one_victim() -> None:
    told = read("Man shot dead in Velden", summary="The 31 dead of last year are remembered.")
    assert told.toll in (None, 1)


@pytest.mark.parametrize(
    ("lang", "title"),
    [
        ("es", "Fallece a los 95 años la reina Sofía"),
        ("it", "È morto a 98 anni Adriano Celentano"),
        ("fr", "Est mort à 90 ans Michel Drucker"),
    ],
)
def test_an_age_may_stand_between_a_death_and_the_name(lang: str, title: str) -> None:
    signal = read(title, lang)
    assert str(signal.grade) == "trip", signal.why


def test_a_newsroom_that_is_named_for_a_country_is_at_home_there() -> None:
    title = "Twelve workers killed as wall collapses in Gujarat factory"
    item = replace(an_item(title), outlet="The Indian Courier")
    assert str(DETECTOR.grade(item).grade) == "trip"
    assert str(read(title).grade) == "note"


def test_dead_and_injured_are_people_whatever_the_game() -> None:
    told = read("Shooting at Velden league stadium, dead and injured reported")
    assert str(told.grade) != "none", told.why


def test_an_attack_that_is_told_with_its_explosion_is_an_attack() -> None:
    told = read("Attack on police post and explosion leave 14 dead in Colombia")
    assert told.category == "attack"
    assert str(told.grade) == "trip"


def test_of_whom_everybody_knows_the_history_is_no_old_event() -> None:
    told = read("Adriano Celentano è morto, ha segnato la storia della canzone", "it")
    assert str(told.grade) == "trip", told.why


def test_an_english_verb_of_death_takes_no_name_after_it() -> None:
    assert str(read("Rick Dalton dies, Elton John says").grade) != "trip"


def test_a_summary_gives_the_toll_and_the_place_that_the_title_leaves_open() -> None:
    told = read("Ferry sinks off coast", summary="At least 40 people drowned near Lagos, Nigeria.")
    assert told.toll == 40
    assert "ng" in told.places


def test_a_wish_is_no_death() -> None:
    assert str(read("Heckler wishes death on Elton John").grade) == "none"


def test_two_people_who_die_on_one_day_are_two_stories() -> None:
    numbers = count(1)
    book = StoryBook(POLICY, new_id=lambda: f"s{next(numbers)}")
    stories = set()
    for number, title in enumerate(
        ("Elton John dies at 90", "Legendary singer Mara Lo dies at 90")
    ):
        item = an_item(title, number=number)
        seen = book.observe(item, DETECTOR.grade(item), item.first_seen)
        assert seen is not None
        assert seen.verdict is not Verdict.TRIP
        stories.add(seen.story.id)
    assert len(stories) == 2


@given(st.sampled_from(EVENTS), st.data())
@settings(max_examples=150, deadline=None)
def test_case_accents_and_stops_never_change_the_grade_of_an_event(
    row: tuple[str, str], data: st.DataObject
) -> None:
    lang, title = row
    plain = read(title, lang)
    bare = "".join(c for c in unicodedata.normalize("NFKD", title) if not unicodedata.combining(c))
    written = data.draw(
        st.sampled_from([title.upper(), title.lower(), bare, f"{title}…", f"  {title} "])
    )
    told = read(written, lang)
    if "death" not in (plain.category, told.category):
        # A person's death is known by the capitals of the name; an event needs none.
        assert told.grade == plain.grade, (written, told.why)


@pytest.mark.parametrize(
    "bomb",
    ["1,111" * 200, "A " * 400, "a." * 400, "(1" * 300, "1 mila " * 100, "- " * 400, "A'b" * 300],
)
def test_strings_that_break_expressions_are_read_and_are_nothing(bomb: str) -> None:
    assert str(read(bomb).grade) == "none"
