"""Claims about how newsrooms tell of one event: its first hours and days."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from killswitch.news.grade import Detector
from killswitch.news.item import Item, Signal
from killswitch.news.policy import DetectPolicy
from killswitch.watch.lexicons import load_lexicons

NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
DETECTOR = Detector(load_lexicons(), DetectPolicy())


def read(title: str, lang: str = "en") -> Signal:
    """Grade one invented headline."""
    item = Item(id="i", title=title, outlet="Harbour Post", lang=lang, first_seen=NOW)
    return DETECTOR.grade(item)


@pytest.mark.parametrize(
    ("lang", "title"),
    [
        ("en", "Dozens killed in crush at Khartoum stadium"),
        ("en", "Passenger plane crashes in Sudan, 21 dead"),
        ("fr", "Crash d'un avion de ligne au Soudan : 21 morts"),
        ("de", "Jemen: Dutzende Tote bei Massenpanik"),
        ("es", "Se hunde un ferri en Yemen: 22 muertos"),
    ],
)
def test_an_accident_beside_a_war_needs_no_more_than_elsewhere(lang: str, title: str) -> None:
    assert str(read(title, lang).grade) == "trip"


@pytest.mark.parametrize(
    "title",
    [
        "Dozens killed by Israeli fire in Gaza",
        "Blast in Khartoum kills 20",
        "Strike kills 20 in Aleppo",
    ],
)
def test_a_blast_in_a_war_may_be_of_the_war(title: str) -> None:
    assert str(read(title).grade) == "note"


@pytest.mark.parametrize(
    ("lang", "title"),
    [
        ("en", "Fire at migrant centre in Tijuana kills 27"),
        ("fr", "Incendie dans un centre pour migrants à Tijuana : 27 morts"),
        ("de", "27 Tote bei Brand in Migrantenzentrum in Tijuana"),
        ("es", "Incendio en un centro de migrantes de Tijuana: 27 muertos"),
        ("it", "Incendio in un centro migranti a Tijuana: 27 morti"),
        ("pt", "Incêndio em centro de migrantes em Tijuana deixa 27 mortos"),
    ],
)
def test_only_boats_of_migrants_are_told_week_after_week(lang: str, title: str) -> None:
    assert str(read(title, lang).grade) == "trip"


def test_a_boat_of_migrants_still_needs_more() -> None:
    assert str(read("Migrant boat sinks off Libya, 27 dead").grade) == "note"


@pytest.mark.parametrize(
    ("lang", "title", "grade"),
    [
        ("en", "Multiple people killed, dozens hurt as tornadoes tear through Kansas", "trip"),
        ("en", "Tornado in Kansas: one killed, several houses down, dozens hurt", "note"),
    ],
)
def test_many_dead_count_beside_a_number_of_injured(lang: str, title: str, grade: str) -> None:
    assert str(read(title, lang).grade) == grade


@pytest.mark.parametrize("title", ["Death toll at 26 after storm", "Velden storm: toll at 26"])
def test_a_toll_may_stand_at_a_number(title: str) -> None:
    assert read(title).toll == 26


@pytest.mark.parametrize(
    ("lang", "title"),
    [
        ("fr", "Un poids lourd fauche des passants sur un marché"),
        ("es", "Mueren atropellados en un mercado"),
        ("it", "Uccide passanti in un mercato"),
        ("pt", "Mata pedestres em um mercado"),
    ],
)
def test_an_article_behind_a_preposition_counts_no_dead(lang: str, title: str) -> None:
    assert read(title, lang).toll is None


@pytest.mark.parametrize(
    ("lang", "title"),
    [
        ("en", "Plane crashes in Ontario, no survivors"),
        ("fr", "Crash d'un petit avion en Savoie : aucun survivant"),
        ("de", "Kleinflugzeug abgestürzt: keine Überlebenden"),
        ("es", "Se estrella un helicóptero, sin supervivientes"),
        ("it", "Precipita un elicottero, nessun superstite"),
        ("pt", "Helicóptero cai, não há sobreviventes"),
    ],
)
def test_nobody_survived_is_a_toll_without_a_number(lang: str, title: str) -> None:
    assert str(read(title, lang).grade) == "trip"


@pytest.mark.parametrize(
    ("lang", "title"),
    [
        ("en", "Dozens of pupils trapped as school collapses in Nairobi"),
        ("fr", "Nairobi : des dizaines d'élèves sous les décombres d'une école effondrée"),
        ("pt", "Escola desaba em Nairóbi, dezenas de crianças presas nos escombros"),
    ],
)
def test_many_missing_far_away_are_enough(lang: str, title: str) -> None:
    assert str(read(title, lang).grade) == "trip"


def test_a_few_missing_far_away_are_not() -> None:
    assert str(read("Two missing after boat capsizes off Kenya").grade) == "note"


@pytest.mark.parametrize(
    ("lang", "title"),
    [
        ("en", "Velden train disaster: signal fault blamed"),
        ("fr", "Tuerie de Karvel : qui était le tireur"),
        ("de", "Terroranschlag in Karvel: Wer war der Attentäter"),
        ("es", "Masacre en una escuela de Karvel: quién era el autor"),
        ("it", "Attentato a Karvel: chi era il terrorista"),
        ("pt", "Massacre em escola de Karvel: quem era o autor"),
    ],
)
def test_what_kills_many_is_told_for_days(lang: str, title: str) -> None:
    assert str(read(title, lang).grade) == "trip"


@pytest.mark.parametrize(
    ("lang", "title"),
    [
        ("en", "Velden stabbing: man identified"),
        ("en", "Suspect charged over Velden school shooting"),
        ("en", "Documents show failures before Velden school shooting"),
    ],
)
def test_smaller_or_later_news_of_it_is_less(lang: str, title: str) -> None:
    assert str(read(title, lang).grade) == "note"


@pytest.mark.parametrize(
    ("lang", "title"),
    [
        ("en", "Velden mall shooting: five dead, suspect arrested"),
        ("fr", "Attaque terroriste à Karvel : un homme interpellé"),
        ("de", "Terroranschlag in Karvel: Mann festgenommen"),
        ("es", "Ataque terrorista en Karvel: un detenido"),
        ("it", "Attacco terroristico a Karvel: un arrestato"),
        ("pt", "Ataque terrorista em Karvel: um detido"),
    ],
)
def test_an_arrest_in_the_first_hours_weighs_the_same_in_each_language(
    lang: str, title: str
) -> None:
    assert str(read(title, lang).grade) == "trip"


@pytest.mark.parametrize(
    ("lang", "title"),
    [
        ("en", "Casualties feared after powerful earthquake strikes western Nepal"),
        ("fr", "Séisme au Népal : on redoute de nombreuses victimes"),
        ("de", "Schweres Erdbeben in Nepal: Viele Tote befürchtet"),
        ("es", "Fuerte terremoto en Nepal: se temen numerosas víctimas"),
        ("it", "Terremoto in Nepal, si temono molte vittime"),
        ("pt", "Sismo no Nepal: temem-se muitas vítimas"),
    ],
)
def test_deaths_that_are_feared_are_told_not_warned_of(lang: str, title: str) -> None:
    assert str(read(title, lang).grade) == "trip"


@pytest.mark.parametrize(
    ("lang", "title"),
    [
        ("en", "US bombs Tehran in first strikes on Iranian capital"),
        ("en", "Explosions heard in Caracas as US launches strikes on Venezuela"),
        ("en", "India launches missile strikes on Pakistan"),
        ("en", "Iran launches missile attack on Israel"),
        ("fr", "Israël lance des frappes sur l'Iran, explosions à Téhéran"),
        ("fr", "Violents combats entre l'armée et des paramilitaires à Addis Abeba"),
        ("de", "Israel greift Iran an - Explosionen in Teheran"),
        ("de", "Indien beschießt Pakistan mit Raketen"),
        ("es", "Explosiones en Caracas: Estados Unidos ataca Venezuela"),
        ("es", "India lanza misiles contra Pakistán"),
        ("it", "Israele attacca l'Iran, esplosioni a Teheran"),
        ("it", "Violenti combattimenti fra esercito e paramilitari nella capitale etiope"),
        ("pt", "Israel lança ataque contra o Irão e há explosões em Teerão"),
        ("pt", "Índia lança mísseis contra o Paquistão"),
        ("en", "Hamas launches surprise attack on Israel"),
        ("es", "Hamás lanza un ataque sorpresa contra Israel"),
    ],
)
def test_a_war_begins_where_none_was(lang: str, title: str) -> None:
    assert str(read(title, lang).grade) == "trip"


@pytest.mark.parametrize(
    ("lang", "title"),
    [
        ("en", "Russia launches missiles at Kyiv overnight"),
        ("en", "Israel launches strikes on southern Lebanon"),
        ("en", "Poland scrambles jets as Russia launches strikes on Ukraine"),
        ("fr", "La Russie lance des missiles sur Kiev, explosions dans la nuit"),
        ("de", "Russland greift Ukraine mit Drohnen an, Explosionen in Kiew"),
        ("es", "Rusia lanza misiles contra Kiev"),
        ("it", "La Russia attacca Kiev, esplosioni nella notte"),
        ("pt", "Rússia lança mísseis contra Kiev"),
    ],
)
def test_a_night_of_a_running_war_begins_none(lang: str, title: str) -> None:
    assert str(read(title, lang).grade) != "trip"


@pytest.mark.parametrize(
    ("lang", "title"),
    [
        ("en", "Opposition launches attack on budget in Paris"),
        ("de", "Opposition in Berlin greift Regierung scharf an"),
        ("es", "El PP ataca a Sánchez en Madrid"),
        ("it", "Salvini attacca Bruxelles sulle auto"),
        ("fr", "Le patronat attaque le budget à Paris"),
        ("pt", "Oposição ataca orçamento em Lisboa"),
    ],
)
def test_parties_attack_and_begin_no_war(lang: str, title: str) -> None:
    assert str(read(title, lang).grade) == "none"


def test_nobody_is_missing_who_is_only_missed() -> None:
    assert str(read("Mara Holloway on turning 50, missing old friends").grade) != "trip"


@pytest.mark.parametrize(
    ("lang", "title"),
    [
        ("en", "194 deaths in a day, 72 in the capital alone"),
        ("fr", "Covid : 120 morts en 24 heures"),
        ("de", "120 Tote in 24 Stunden"),
        ("es", "120 muertos en las últimas 24 horas"),
        ("it", "120 morti nelle ultime 24 ore"),
        ("pt", "120 mortes em 24 horas"),
    ],
)
def test_what_is_counted_over_a_time_is_a_sum(lang: str, title: str) -> None:
    assert str(read(title, lang).grade) != "trip"


def test_an_event_may_kill_many_in_a_day() -> None:
    assert str(read("Landslides kill 100 in a day in Nepal").grade) == "trip"


@pytest.mark.parametrize(
    ("lang", "title", "toll"),
    [
        ("fr", "Au moins 120 victimes de fausses annonces de location", None),
        ("fr", "Incendie d'un immeuble : au moins 12 victimes", 12),
        ("fr", "Très bon bilan pour la saison 21", None),
        ("it", "Truffa agli anziani: 40 vittime in provincia", None),
        ("it", "Crolla una palazzina: 12 vittime", 12),
        ("es", "Estafa inmobiliaria con 40 víctimas", None),
        ("pt", "Burla online fez 40 vítimas", None),
        ("de", "Enkeltrick: 40 Opfer in Hamburg", None),
    ],
)
def test_victims_are_dead_only_where_an_event_is_told(
    lang: str, title: str, toll: int | None
) -> None:
    assert read(title, lang).toll == toll


def test_a_crowd_that_protests_is_alive() -> None:
    assert str(read("Thousands protest after death in police custody").grade) != "trip"


def test_pupils_who_mourn_are_not_the_dead() -> None:
    title = "Students raise money at university for lecturer who died"
    assert str(read(title).grade) != "trip"


@pytest.mark.parametrize(
    ("lang", "title"),
    [
        ("en", "Velden attack: police rule out terrorism"),
        ("fr", "Explosion à Karvel : la piste terroriste écartée"),
        ("de", "Angriff in Karvel: Keine Anhaltspunkte für Terroranschlag"),
        ("es", "Explosión en Karvel: la policía descarta un atentado"),
        ("it", "Esplosione a Karvel, esclusa la pista terroristica"),
        ("pt", "Explosão em Karvel: polícia descarta terrorismo"),
    ],
)
def test_what_it_was_not_does_not_count(lang: str, title: str) -> None:
    assert str(read(title, lang).grade) != "trip"


@pytest.mark.parametrize(
    ("lang", "title"),
    [
        ("fr", "Karvel : une fusillade fait cinq blessés"),
        ("de", "Schießerei in Karvel: Mann stirbt, Frau schwer verletzt"),
        ("es", "Tiroteo en Karvel: cinco heridos"),
        ("it", "Sparatoria a Karvel, cinque feriti"),
        ("pt", "Tiroteio em Karvel deixa cinco feridos"),
    ],
)
def test_shots_that_hurt_a_few_are_noted(lang: str, title: str) -> None:
    assert str(read(title, lang).grade) == "note"


@pytest.mark.parametrize(
    ("lang", "title", "grade"),
    [
        ("en", "Three killed in shooting in Texas", "note"),
        ("fr", "États-Unis : une fusillade fait trois morts au Texas", "note"),
        ("de", "Schüsse in Texas: drei Tote", "note"),
        ("it", "Sparatoria in Texas, tre morti", "note"),
        ("fr", "Fusillade à Bruxelles : trois morts", "trip"),
        ("de", "Schüsse in Wien: drei Tote", "trip"),
    ],
)
def test_american_shootings_need_one_more_in_each_language(
    lang: str, title: str, grade: str
) -> None:
    assert str(read(title, lang).grade) == grade


@pytest.mark.parametrize(
    ("lang", "title", "grade"),
    [
        ("en", "The Pope has died", "trip"),
        ("fr", "Le pape est mort", "trip"),
        ("de", "Papst gestorben", "trip"),
        ("es", "Muere el papa", "trip"),
        ("it", "È morto il Papa", "trip"),
        ("pt", "Morreu o Papa", "trip"),
        ("es", "Muere el papá de Tomás Arlen", "note"),
        ("it", "È morto il papà di Tom Arlen", "note"),
        ("fr", "Mort de l'ancien garde du corps du pape", "note"),
    ],
)
def test_one_office_needs_no_name(lang: str, title: str, grade: str) -> None:
    assert str(read(title, lang).grade) == grade


def test_children_dead_at_a_school_are_read_as_an_attack() -> None:
    assert read("Three children killed at Velden school").category == "attack"


def test_children_and_a_school_far_from_the_dead_add_nothing() -> None:
    apart = read("Velden pupils back at school a day after neighbour died")
    assert apart.score == read("Neighbour died").score


def test_however_many_are_hurt_they_weigh_like_three_dead_at_most() -> None:
    few, many = read("Tornado kills one, injures 60"), read("Tornado kills one, injures 900")
    assert few.score == many.score
    assert few.score > read("Tornado kills one, injures 20").score


def test_thousands_in_capitals_are_thousands() -> None:
    assert read("TERREMOTO A KARVEL: OLTRE 4MILA MORTI", "it").toll == 4000
