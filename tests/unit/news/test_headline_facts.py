"""Claims about facts: which numbers are tolls, which words are names, which years are old."""

from __future__ import annotations

import pytest

from killswitch.news import facts
from killswitch.news.fold import fold
from killswitch.news.match import Matcher
from killswitch.watch.lexicons import load_lexicons

LEXICONS = {lexicon.language: lexicon for lexicon in load_lexicons()}
MATCHERS = {code: Matcher(lexicon.terms) for code, lexicon in LEXICONS.items()}


def counted(title: str, lang: str = "en") -> facts.Counts:
    """Count the people told of in an invented headline."""
    folded = fold(facts.without_numbers_noise(title))
    hits = MATCHERS[lang].hits(folded)
    return facts.count(folded.split(), hits, LEXICONS[lang].numbers)


@pytest.mark.parametrize(
    ("title", "dead"),
    [
        ("Nine dead in Velden hotel fire", 9),
        ("Fire in Velden hotel kills at least 22", 22),
        ("At least 1,400 killed in Karsund quake", 1400),
        ("Death toll in Karsund floods and landslides rises to 248", 248),
        ("Dozens feared dead after ferry sinks off Karsund", 24),
        ("Twenty three people die in bus crash", 23),
        ("12 workers killed as wall collapses", 12),
        ("Six bodies found in rubble of Velden tower", 6),
        ("Shooting kills 4 and injures at least 20 others", 4),
        ("Man dies aged 84 in Velden", None),
        ("His sister, 27, who died in a crash", None),
        ("14-year-old killed in Velden crash", None),
        ("Two killed in 6.8 magnitude quake", 2),
        ("Killed for $8 handout", None),
        ("5 children ages 8 to 17 killed in crash", 5),
        ("Velden day 12: no one killed", None),
        ("Mourning the dead: 220 mayors meet", None),
    ],
)
def test_a_toll_is_a_number_beside_a_casualty_word(title: str, dead: int | None) -> None:
    assert counted(title).dead == dead


@pytest.mark.parametrize(
    ("title", "dead"),
    [
        ("Au moins trente morts dans un naufrage", 30),
        ("Une avalanche fait quatre morts", 4),
        ("Vingt-trois personnes ont péri dans l'incendie", 23),
        ("La mort de 39 migrants à la frontière", 39),
        ("Le chanteur est mort à 56 ans", None),
        ("Mort de Jean Valmont : 220 maires réunis", None),
        ("1 200 morts dans le séisme", 1200),
        ("Des dizaines de morts à Karvel", 24),
    ],
)
def test_tolls_are_read_in_french(title: str, dead: int | None) -> None:
    assert counted(title, "fr").dead == dead


@pytest.mark.parametrize(
    ("lang", "title", "dead"),
    [
        ("de", "Mindestens acht Tote nach Schüssen in Schule", 8),
        ("de", "Sänger stirbt mit 83 Jahren", None),
        ("it", "Almeno 26 morti nel crollo del palazzo", 26),
        ("it", "È morto a 71 anni il musicista", None),
    ],
)
def test_tolls_are_read_in_the_other_languages(lang: str, title: str, dead: int | None) -> None:
    assert counted(title, lang).dead == dead


def test_dead_injured_and_missing_each_take_their_own_number() -> None:
    told = counted("3 dead, 8 injured, 40 missing after ferry sinks")
    assert (told.dead, told.injured, told.missing) == (3, 8, 40)


@pytest.mark.parametrize(
    ("title", "names"),
    [
        ("Actor Jonas Wexley dies aged 58", ("Jonas Wexley",)),
        ("Jonas Wexley, Mara Holloway mourn a friend", ("Jonas Wexley", "Mara Holloway")),
        ("Six dead in hotel fire", ()),
    ],
)
def test_names_are_runs_of_capitals_without_plain_words(title: str, names: tuple[str, ...]) -> None:
    assert facts.names_in(title, frozenset({"actor", "dies"})) == names


def test_an_outlet_at_the_end_of_a_headline_is_no_place_and_no_name() -> None:
    title = "Explosion dans une usine de Karvel - Ouest-Matin"
    assert facts.without_outlet(title, "Ouest-Matin") == "Explosion dans une usine de Karvel"
    assert facts.without_outlet(title, "Radio Nord") == title


def test_a_year_before_this_one_is_old_unless_it_is_a_birth_or_a_comparison() -> None:
    def old(title: str) -> int | None:
        folded = fold(title)
        return facts.old_year(folded.split(), MATCHERS["en"].hits(folded), 2026)

    assert old("The 1998 Velden ferry disaster") == 1998
    assert old("Worst ferry disaster since 1998") is None
    assert old("Gunman born in 1991 named") is None
    assert old("The 2026 Velden ferry disaster") is None


@pytest.mark.parametrize(
    ("lang", "title", "dead"),
    [
        ("en", "40 civilians and dozens of soldiers killed in Karvel", 40),
        ("de", "56 Zivilisten und Dutzende Soldaten tot", 56),
        ("en", "One dead in Velden floods, 50 rescued", 1),
        ("fr", "Inondations à Karvel : 120 évacués, deux morts", 2),
        ("de", "Hochwasser in Karvel: 300 Menschen evakuiert", None),
    ],
)
def test_who_is_saved_is_no_toll_and_joined_numbers_are_one(
    lang: str, title: str, dead: int | None
) -> None:
    assert counted(title, lang).dead == dead


def test_a_number_belongs_to_no_death_beyond_what_is_counted_alive() -> None:
    assert counted("Velden floods: 50 swift boat rescues and a woman killed").dead is None
