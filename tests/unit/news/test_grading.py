"""Claims about grades: what pauses, what is noted, what is nothing, and that tricks do not help."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from killswitch.errors import ConfigError
from killswitch.news.grade import Detector, DetectPolicy
from killswitch.news.item import Grade, Item
from killswitch.watch.lexicons import load_lexicons

if TYPE_CHECKING:
    from collections.abc import Callable

NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
LEXICONS = load_lexicons()
DETECTOR = Detector(LEXICONS, DetectPolicy())


def an_item(title: str, **more: object) -> Item:
    """Build an item around an invented headline."""
    fields: dict[str, object] = {"lang": "en", "outlet": "Harbour Post", **more}
    return Item(id="i1", title=title, first_seen=NOW, **fields)  # type: ignore[arg-type] # builder


def graded(title: str, lang: str | None = "en") -> str:
    """Grade an invented headline."""
    return str(DETECTOR.grade(an_item(title, lang=lang)).grade)


TRIPS = [
    ("en", "Gunman opens fire at Velden shopping mall, six dead"),
    ("en", "Mass stabbing at Velden station leaves several dead"),
    ("en", "At least 40 killed as ferry sinks off Karsund"),
    ("en", "Passenger plane crashes near Velden with 112 on board"),
    ("en", "Suicide bomber kills 17 outside Karsund court"),
    ("en", "Former president Jonas Wexley has died aged 90"),
    ("fr", "L'ancien Premier ministre Jonas Wexley est mort"),
    ("de", "Ex-Kanzler Jonas Wexley ist tot"),
    ("es", "Muere el expresidente Jonas Wexley"),
    ("it", "Morto l'ex presidente del Consiglio Jonas Wexley"),
    ("pt", "Morre o ex-presidente Jonas Wexley"),
    ("en", "Catastrophic earthquake flattens towns, hundreds feared dead"),
    ("fr", "Attaque au couteau à Annecy : plusieurs enfants blessés"),
    ("fr", "Au moins trente morts dans le naufrage d'un ferry"),
    ("fr", "Fusillade dans une école de Karvel : huit morts"),
    ("fr", "Un avion de ligne s'écrase au décollage, 120 morts"),
    ("de", "Mindestens acht Tote nach Schüssen in Schule"),
    ("it", "Strage a scuola: almeno nove morti"),
    ("it", "Incidente aereo, almeno 60 morti"),
    ("es", "Atentado en Karvel: al menos 20 muertos"),
    ("es", "Descarrila un tren de alta velocidad: 40 muertos"),
    ("pt", "Ataque a tiros em escola deixa nove mortos"),
    ("pt", "Queda de avião: pelo menos 60 mortos"),
]
NOTES = [
    ("en", "Legendary singer Mara Holloway dies at 81"),
    ("fr", "La légende du rock Mara Holloway est morte à 81 ans"),
    ("de", "Rocklegende Mara Holloway ist tot"),
    ("es", "Muere la legendaria cantante Mara Holloway a los 81 años"),
    ("pt", "Morre a lendária cantora Mara Holloway aos 81 anos"),
    ("en", "Man dies after stabbing in Velden harbour suburb"),
    ("en", "Two killed in car crash near Velden"),
    ("en", "Guitarist Tom Arlen of The Fens dies aged 66"),
    ("en", "Gunman arrested after shooting at Velden bar"),
    ("fr", "Un enfant meurt dans l'incendie d'un appartement"),
    ("fr", "Mort de la comédienne Lise Arlan à 93 ans"),
    ("de", "Zwei Tote bei Verkehrsunfall auf der A7"),
    ("it", "Incidente stradale, due morti"),
    ("es", "Dos muertos en un accidente de tráfico"),
    ("pt", "Dois mortos em acidente de ônibus"),
]
NOTHINGS = [
    ("en", "Fire sale: boats at half price this weekend"),
    ("en", "New season of Harbour Killers gets a trailer"),
    ("en", "Striker shoots Velden FC to victory in derby shootout"),
    ("en", "Trial of Velden mall gunman opens"),
    ("en", "Ten years after the Velden ferry disaster, families remember 40 dead"),
    ("en", "Bank shares crash as markets brace for shock"),
    ("en", "Scientists find ancient whales killed by volcano"),
    ("en", "Dead heat in Velden election poll"),
    ("en", "Explosive interview: minister under fire"),
    ("en", "Opinion: gun violence needs a new law"),
    ("fr", "Soldes : les prix s'effondrent"),
    ("fr", "Procès de l'attentat de Karvel : le verdict attendu"),
    ("fr", "Ligue 1 : Karvel fusille Valmont en finale"),
    ("fr", "« La Tuerie », la nouvelle série de la saison"),
    ("fr", "La ministre sous le feu des critiques"),
    ("de", "Kursrutsch: Aktie stürzt ab"),
    ("it", "Calciomercato, bomba di mercato per il Velden"),
    ("es", "Juicio por el atentado de Karvel"),
    ("es", "Explosión de precios en la bolsa"),
    ("pt", "Julgamento do massacre de Karvel começa hoje"),
    ("pt", "Ibovespa cai com explosão de juros"),
]


@pytest.mark.parametrize(("lang", "title"), TRIPS)
def test_a_tragedy_that_stops_a_brand_is_a_trip(lang: str, title: str) -> None:
    assert graded(title, lang) == "trip"


@pytest.mark.parametrize(("lang", "title"), NOTES)
def test_a_real_but_limited_tragedy_is_a_note(lang: str, title: str) -> None:
    assert graded(title, lang) == "note"


@pytest.mark.parametrize(("lang", "title"), NOTHINGS)
def test_figures_fiction_sport_business_courts_and_memory_are_nothing(
    lang: str, title: str
) -> None:
    assert graded(title, lang) == "none"


@pytest.mark.parametrize(("lang", "title"), TRIPS)
@pytest.mark.parametrize(
    "trick",
    [
        str.upper,
        str.lower,
        lambda t: t.replace("e", "e\u200b"),
        lambda t: t.replace("a", "\u0430").replace("o", "\u043e"),
        lambda t: t.replace(" ", "\u00a0"),
        lambda t: f"\u202e{t}\u202c",
        lambda t: f"« {t} » !!!",
    ],
    ids=["upper", "lower", "zero-width", "look-alikes", "hard-spaces", "bidi", "punctuation"],
)
def test_no_way_of_writing_hides_an_event(
    lang: str, title: str, trick: Callable[[str], str]
) -> None:
    told = DETECTOR.grade(an_item(trick(title), lang=lang))
    plain = DETECTOR.grade(an_item(title, lang=lang))
    if plain.category != "death":
        # A person's death is known by the capitals of the name; an event needs none.
        assert told.grade is Grade.TRIP
    assert told.terms


@pytest.mark.parametrize(("lang", "title"), TRIPS)
def test_a_headline_without_a_language_is_read_in_its_own(lang: str, title: str) -> None:
    assert graded(title, None) == graded(title, lang)


def test_a_language_without_a_list_is_nothing() -> None:
    assert graded("Gunman opens fire, six dead", "sv") == "none"


def test_every_signal_says_why_in_one_line() -> None:
    for lang, title in TRIPS + NOTES + NOTHINGS:
        why = DETECTOR.grade(an_item(title, lang=lang)).why
        assert why
        assert "\n" not in why


def test_the_reason_names_what_was_found_and_what_was_needed() -> None:
    signal = DETECTOR.grade(an_item("Gunman opens fire at Velden mall, six dead"))
    assert "6 dead" in signal.why
    assert "of 4" in signal.why


def test_the_summary_gives_the_toll_that_the_title_leaves_open() -> None:
    item = an_item("Ferry sinks off Karsund", summary="At least 60 people drowned, police said.")
    signal = DETECTOR.grade(item)
    assert (signal.grade, signal.toll) == (Grade.TRIP, 60)


def test_a_far_event_needs_more_and_a_home_country_is_never_far() -> None:
    title = "Seven killed in hotel fire in Kenya"
    at_home = Detector(LEXICONS, DetectPolicy(countries=("KE",)))
    assert graded(title) == "note"
    assert at_home.grade(an_item(title)).grade is Grade.TRIP


def test_the_brands_own_name_brings_an_event_near() -> None:
    title = "Two dead in fire at Lindqvist Toys factory"
    ours = Detector(LEXICONS, DetectPolicy(names=("Lindqvist Toys",)))
    assert graded(title) == "note"
    assert ours.grade(an_item(title)).grade is Grade.TRIP


def test_the_users_own_words_trip() -> None:
    ours = Detector(LEXICONS, DetectPolicy(terms=("Lindqvist recall",)))
    assert ours.grade(an_item("Lindqvist recall widens")).grade is Grade.TRIP


def test_the_users_own_expressions_are_ignored() -> None:
    ours = Detector(LEXICONS, DetectPolicy(ignore=(r"velden\s+drill",)))
    signal = ours.grade(an_item("VELDEN  drill: mass shooting kills six"))
    assert signal.grade is Grade.NONE
    assert "detect.ignore" in signal.why


@pytest.mark.parametrize(
    "pattern",
    ["(a+)+$", "(a|a)*b", r"(\w+)\1", "a.*b.*c.*d", "(", "x" * 600, "(?:a{2,50}){2,50}"],
)
def test_an_expression_that_could_run_for_ever_is_refused(pattern: str) -> None:
    with pytest.raises(ConfigError, match=r"detect\.ignore"):
        Detector(LEXICONS, DetectPolicy(ignore=(pattern,)))


@pytest.mark.parametrize("pattern", [r"fire (drill|festival)", r"\bquiz\b", r"^live: .*darts"])
def test_an_ordinary_expression_is_taken(pattern: str) -> None:
    Detector(LEXICONS, DetectPolicy(ignore=(pattern,)))


@given(st.text(max_size=300), st.sampled_from(["en", "fr", "de", "it", None]))
def test_any_text_can_be_graded_and_twice_the_same(text: str, lang: str | None) -> None:
    item = an_item(text, lang=lang)
    assert DETECTOR.grade(item) == DETECTOR.grade(item)


@pytest.mark.parametrize(
    ("less", "more"),
    [
        # Crowds that are only hurt, a victim alone, days after, a routine tragedy, a warning.
        ("Several people injured in explosion in Lyon", "Several killed in explosion in Lyon"),
        ("Woman stabbed to death in Leeds park", "Several stabbed to death in Leeds park"),
        (
            "Leeds school shooting: mayor describes long night",
            "Leeds school shooting: several pupils dead",
        ),
        ("Boat with migrants sinks off Tunisia, 25 dead", "Ferry sinks off Tunisia, 25 dead"),
        ("Hurricane expected to bring catastrophic floods", "Hurricane brings catastrophic floods"),
        ("Former president Jonas Wexley dies in Kenya", "Former president Jonas Wexley dies"),
    ],
)
def test_what_tells_less_weighs_less(less: str, more: str) -> None:
    lesser, greater = (DETECTOR.grade(an_item(title)).score for title in (less, more))
    assert lesser < greater
