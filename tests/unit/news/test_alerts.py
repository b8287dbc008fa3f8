"""Claims about official alerts: which pause, which are told, which do nothing."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import count

import pytest

from killswitch.news.alerts import NEVER, AlertPolicy, Severity, grade_alert, read_alert
from killswitch.news.grade import Detector
from killswitch.news.item import Item, Signal
from killswitch.news.levels import Level
from killswitch.news.policy import DetectPolicy
from killswitch.news.story import Observation, StoryBook, StoryState
from killswitch.watch.lexicons import load_lexicons

NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
DETECTOR = Detector(load_lexicons(("en",)), DetectPolicy())
NEAR = AlertPolicy(countries=frozenset({"it"}))
QUAKE = {
    "gdacs:alertlevel": "Red", "gdacs:eventtype": "EQ", "gdacs:eventid": "77",
    "gdacs:country": "Italy", "gdacs:iscurrent": "true",
}  # fmt: skip
WIND = {
    "cap:identifier": "IT-1", "cap:status": "Actual", "cap:msgtype": "Alert",
    "cap:category": "Met", "cap:event": "Wind", "cap:severity": "Extreme",
    "cap:certainty": "Likely", "cap:urgency": "Immediate", "cap:areadesc": "Valle d'Aosta",
}  # fmt: skip
DAM = {**WIND, "cap:category": "Infra", "cap:event": "Dam break"}


def an_alert(fields: dict[str, str], *, title: str = "Alert", **more: object) -> Item:
    """Build an entry of an alert feed."""
    return Item(
        id="a1", title=title, first_seen=NOW, alert=True, aggregator=True, fields=fields,
        **more,  # type: ignore[arg-type] # a builder takes any field
    )  # fmt: skip


def graded(
    fields: dict[str, str], policy: AlertPolicy = NEAR, *, where: str = "it", **more: object
) -> Signal:
    """Grade an alert that happens in ``where``."""
    item = an_alert(fields, **more)  # type: ignore[arg-type] # as above
    countries = frozenset({where}) if where else frozenset()
    return grade_alert(item, DETECTOR.grade(item), policy=policy, countries=countries, now=NOW)


def level(signal: Signal) -> Level | None:
    """Return what the alert orders."""
    return signal.official.level if signal.official else None


@pytest.mark.parametrize(
    ("colour", "wanted"), [("Green", None), ("Orange", Level.TELL), ("Red", Level.PAUSE)]
)
def test_a_quake_near_pauses_when_it_is_red_and_is_told_when_orange(
    colour: str, wanted: Level | None
) -> None:
    assert level(graded({**QUAKE, "gdacs:alertlevel": colour})) is wanted


def test_a_red_alert_far_away_is_only_told() -> None:
    assert level(graded(QUAKE, where="id")) is Level.TELL
    assert level(graded(QUAKE, where="")) is Level.TELL


def test_a_cyclone_is_weather() -> None:
    signal = graded({**QUAKE, "gdacs:eventtype": "TC"})
    assert (level(signal), "weather alone" in signal.why) == (Level.TELL, True)


def test_weather_alone_tells_and_never_pauses() -> None:
    assert level(graded(WIND)) is Level.TELL
    assert level(graded({**WIND, "cap:severity": "Severe"})) is None
    assert level(graded({**DAM, "cap:severity": "Severe"})) is Level.TELL
    assert level(graded(DAM)) is Level.PAUSE


@pytest.mark.parametrize("key", ["cap:status", "cap:msgtype"])
@pytest.mark.parametrize("word", ["Test", "Exercise", "Draft", "System", "Ack", "Error"])
def test_only_what_is_actual_counts(key: str, word: str) -> None:
    signal = graded({**DAM, key: word})
    assert (signal.grade, level(signal)) == ("none", None)


def test_what_has_expired_or_is_over_does_nothing() -> None:
    assert level(graded({**DAM, "cap:expires": "2026-03-02T08:59:00+00:00"})) is None
    assert level(graded({**DAM, "cap:expires": "2026-03-02T09:01:00Z"})) is Level.PAUSE
    assert level(graded({**QUAKE, "gdacs:iscurrent": "false"})) is None


@pytest.mark.parametrize(("key", "word"), [("cap:certainty", "Possible"), ("cap:urgency", "Past")])
def test_what_is_not_sure_is_not_grave(key: str, word: str) -> None:
    assert level(graded({**DAM, key: word})) is None


def test_areas_narrow_what_is_near() -> None:
    aosta = AlertPolicy(countries=frozenset({"it"}), areas=("valle d aosta",))
    assert level(graded(DAM, aosta)) is Level.PAUSE
    assert level(graded({**DAM, "cap:areadesc": "Puglia"}, aosta)) is None


def test_a_limit_may_be_never() -> None:
    never = AlertPolicy(pause=NEVER, tell=NEVER, tell_far=NEVER, countries=frozenset({"it"}))
    assert level(graded(QUAKE, never)) is None
    assert level(graded(QUAKE, never, where="id")) is None


@pytest.mark.parametrize(
    ("title", "summary", "fields", "severity"),
    [
        ("M 6.1 - 3 km W of Velden", "PAGER - RED ShakeMap - VIII", {}, Severity.EXTREME),
        ("M 6.1 - 3 km W of Velden", "", {"usgs:alert": "yellow"}, Severity.MODERATE),
        ("M 7.6 - Velden Sea", "", {}, Severity.SEVERE),
        ("M 6.6 - Velden Sea", "", {}, Severity.MODERATE),
        ("M 4.0 - Velden Sea", "", {"usgs:mag": "wrong"}, Severity.MINOR),
    ],
)
def test_a_quake_of_usgs_is_as_grave_as_its_colour_or_else_its_size(
    title: str, summary: str, fields: dict[str, str], severity: Severity
) -> None:
    url = "https://earthquake.usgs.gov/earthquakes/eventpage/us1"
    alert = read_alert(an_alert(fields, title=title, summary=summary, url=url), NOW)
    assert alert is not None
    assert (alert.severity, alert.keys) == (severity, (f"usgs:{url}",))


def test_an_update_names_the_alerts_before_it() -> None:
    fields = {**DAM, "cap:identifier": "IT-3", "cap:references": "a@x,IT-1,t a@x,IT-2,t"}
    alert = read_alert(an_alert(fields), NOW)
    assert alert is not None
    assert alert.keys == ("cap:IT-3", "cap:IT-1", "cap:IT-2")


def test_an_entry_without_known_fields_does_nothing() -> None:
    assert graded({"cap:event": "Wind"}).grade == "none"


class Desk:
    """A story book that hears alerts and newsrooms."""

    def __init__(self) -> None:
        """Open an empty book."""
        numbers = count(1)
        policy = DetectPolicy(alerts=NEAR)
        self.book = StoryBook(policy, new_id=lambda: f"s{next(numbers)}")
        self.now, self._numbers = NOW, count(1)

    def alerts(self, fields: dict[str, str], title: str) -> Observation | None:
        """Take in an alert."""
        self.now += timedelta(minutes=1)
        return self.book.observe(
            an_alert(fields, title=title), graded(fields, title=title), self.now
        )

    def tells(self, outlet: str, title: str) -> Observation | None:
        """Take in a headline."""
        self.now += timedelta(minutes=1)
        item = Item(
            id=f"i{next(self._numbers)}", title=title, outlet=outlet, lang="en", first_seen=self.now
        )
        return self.book.observe(item, DETECTOR.grade(item), self.now)


RED = "Red earthquake alert (Magnitude 6.9M) in Italy"


def verdict(seen: Observation | None) -> str | None:
    """Return the verdict as a word."""
    return None if seen is None else str(seen.verdict)


def test_an_alert_pauses_once_and_the_news_of_it_is_no_second_story() -> None:
    desk = Desk()
    first = desk.alerts(QUAKE, RED)
    assert first is not None
    assert (str(first.verdict), first.story.state) == ("alert", StoryState.TRIPPED)
    assert verdict(desk.alerts({**QUAKE, "gdacs:alertscore": "3"}, RED)) == "nothing"
    heard = desk.tells("Post", "Earthquake shakes Italy")
    assert heard is None or heard.story.id == first.story.id


def test_an_alert_is_no_newsroom() -> None:
    desk = Desk()
    desk.alerts({**QUAKE, "gdacs:alertlevel": "Orange"}, "Orange earthquake alert in Italy")
    assert verdict(desk.tells("Post", "Earthquake in Italy kills 30")) == "unconfirmed"
    assert verdict(desk.tells("Herald", "Italy earthquake kills 30")) == "trip"


def test_an_update_that_is_graver_pauses_after_it_was_told() -> None:
    desk = Desk()
    orange = {**DAM, "cap:severity": "Severe"}
    red = {**DAM, "cap:identifier": "IT-2", "cap:references": "a@x,IT-1,t"}
    assert verdict(desk.alerts(orange, "Dam at risk")) == "tell"
    assert verdict(desk.alerts({**orange, "cap:msgtype": "Update"}, "Dam at risk")) == "nothing"
    assert verdict(desk.alerts(red, "Dam has broken")) == "alert"
    assert len(desk.book) == 1


def test_what_is_taken_back_is_told_only_where_the_alert_was() -> None:
    back = {
        **DAM,
        "cap:identifier": "IT-9",
        "cap:msgtype": "Cancel",
        "cap:references": "a@x,IT-1,t",
    }
    desk = Desk()
    assert desk.alerts(back, "Dam holds") is None
    desk.alerts(DAM, "Dam has broken")
    seen = desk.alerts(back, "Dam holds")
    assert seen is not None
    assert (str(seen.verdict), seen.story.state) == ("taken_back", StoryState.TRIPPED)


def test_a_dismissed_alert_stays_quiet() -> None:
    desk = Desk()
    first = desk.alerts(QUAKE, RED)
    assert first is not None
    desk.book.dismiss(first.story.id, desk.now)
    assert verdict(desk.alerts({**QUAKE, "gdacs:alertscore": "3"}, RED)) == "nothing"


def test_an_alert_joins_the_story_that_newsrooms_tell_and_pauses_for_it() -> None:
    desk = Desk()
    heard = desk.tells("Post", "Earthquake in Italy kills 30")
    seen = desk.alerts(QUAKE, RED)
    assert heard is not None
    assert seen is not None
    assert (str(seen.verdict), seen.story.id) == ("alert", heard.story.id)


def test_another_alert_of_the_country_is_an_event_of_its_own() -> None:
    desk = Desk()
    desk.alerts(QUAKE, RED)
    assert verdict(desk.alerts({**QUAKE, "gdacs:eventid": "78"}, RED)) == "alert"
    assert verdict(desk.alerts(DAM, "Dam has broken in Italy")) == "alert"
