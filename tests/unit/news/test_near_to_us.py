"""Claims about reports that are near to us: our own names, and the dead that posts mention."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import count

import pytest
from hypothesis import given
from hypothesis import strategies as st

from killswitch.news.fold import fold
from killswitch.news.grade import Detector
from killswitch.news.item import Item, Signal
from killswitch.news.levels import NEVER, LevelPolicy
from killswitch.news.mentions import Wanted
from killswitch.news.policy import DetectPolicy
from killswitch.news.story import StoryBook
from killswitch.watch.lexicons import load_lexicons

NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
POLICY = DetectPolicy(subjects=("Lea Velden", "Crunchy Pops"), names=("Springfield",))
LISTS = load_lexicons()
DETECTOR = Detector(LISTS, POLICY)


def an_item(title: str, *, outlet: str = "Post", lang: str | None = "en") -> Item:
    """Build a headline."""
    return Item(id=f"{outlet}{title}", title=title, outlet=outlet, lang=lang, first_seen=NOW)


def graded(title: str, lang: str | None = "en") -> Signal:
    """Grade a headline."""
    return DETECTOR.grade(an_item(title, lang=lang))


def first_verdict(title: str, policy: DetectPolicy = POLICY) -> str | None:
    """Tell a book one report and return what follows."""
    numbers = count(1)
    book = StoryBook(policy, new_id=lambda: f"s{next(numbers)}")
    item = an_item(title)
    seen = book.observe(item, Detector(LISTS, policy).grade(item), NOW)
    return None if seen is None else str(seen.verdict)


@pytest.mark.parametrize(
    "title",
    [
        "Baker Lea Velden dies at 52",
        "Lea Velden found dead, police say",
        "Crunchy Pops factory explosion kills two",
    ],
)
def test_one_report_about_our_people_and_products_is_enough(title: str) -> None:
    assert first_verdict(title) == "trip"


@pytest.mark.parametrize(
    "title",
    [
        "Lea Velden remembered a year after her death",
        "Actor John Smith dies at 80",
        "Springfield baker Mary Stone dies at 80",
        "Man shot in Springfield",
    ],
)
def test_what_is_not_ours_or_not_told_straight_needs_a_second_report(title: str) -> None:
    assert first_verdict(title) != "trip"


def test_what_is_ours_pauses_whatever_its_level() -> None:
    quiet = LevelPolicy(near={"other": NEVER}, far={"other": NEVER})
    policy = DetectPolicy(subjects=POLICY.subjects, levels=quiet)
    assert first_verdict("Crunchy Pops factory explosion kills two", policy) == "trip"


@pytest.mark.parametrize(
    ("title", "lang", "name"),
    [
        ("Actor John Smith dies at 80", "en", "john smith"),
        ("Mort du chanteur Jean Dupont", "fr", "jean dupont"),
        ("Schauspieler Hans Meier ist tot", "de", "hans meier"),
        ("Muere la actriz Ana Pérez", "es", "ana perez"),
        ("È morto l'attore Mario Rossi", "it", "mario rossi"),
        ("Morre a cantora Ana Silva aos 50 anos", "pt", "ana silva"),
        ("Baker Mary Stone dies", "en", "mary stone"),
    ],
)
def test_the_names_of_the_dead_are_told_in_each_language(title: str, lang: str, name: str) -> None:
    assert name in graded(title, lang).persons


@pytest.mark.parametrize(
    "title",
    [
        "Tributes to Mary Stone",
        "Mary Stone opens new bakery in Leeds",
        "Six killed in crash near Los Angeles",
        "Film about Mary Stone's death wins award",
    ],
)
def test_who_does_not_die_now_is_not_looked_for(title: str) -> None:
    assert graded(title).persons == ()


def test_a_place_is_no_person() -> None:
    assert "los angeles" not in graded("Actor John Smith dies in Los Angeles").persons


def test_names_are_found_as_whole_words_whatever_their_writing() -> None:
    wanted = Wanted(("jean dupont", "ana perez"))
    assert wanted.found_in(["Le quiz JEAN-DUPONT !", ""]) == {"jean dupont"}
    assert wanted.found_in(["Ana\u200b Pérez forever"]) == {"ana perez"}
    assert wanted.found_in(["jean dupontel", "Jean", "Dupont"]) == frozenset()
    assert not Wanted(())
    assert Wanted(()).found_in(["anything"]) == frozenset()


@given(st.text(max_size=60), st.text(max_size=60))
def test_a_name_between_any_words_is_found(before: str, after: str) -> None:
    if fold(before + after).isascii():
        assert Wanted(("mary stone",)).found_in([f"{before} Mary Stone {after}"])


def test_a_flood_of_such_reports_from_one_newsroom_is_its_fault() -> None:
    numbers = count(1)
    book = StoryBook(POLICY, new_id=lambda: f"s{next(numbers)}")
    places = ("Leeds", "York", "Bath", "Hull")
    for minute, place in enumerate(places):
        item = an_item(f"Shooting at {place} school kills nine children")
        book.observe(item, DETECTOR.grade(item), NOW + timedelta(minutes=minute))
    item = an_item("Baker Lea Velden dies at 52")
    seen = book.observe(item, DETECTOR.grade(item), NOW + timedelta(minutes=5))
    assert seen is not None
    assert str(seen.verdict) != "trip"
