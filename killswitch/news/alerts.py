"""
Official alerts: what GDACS, USGS and CAP say, and what follows from it.

An alert is no newsroom. It pauses by itself where it is grave and near enough by the settings, it
is told where it is less, and else it only joins the story that newsrooms tell of the same event.

Invariants:
    Only what is actual counts: exercises, tests and drafts never do anything.
    Weather alone never pauses, however grave its warning: it is told.
    An update is the same alert; a cancellation never pauses, and is told where the alert was.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from enum import IntEnum
from typing import TYPE_CHECKING

from killswitch.news.fold import fold
from killswitch.news.item import Grade, Official, Signal
from killswitch.news.levels import Level

if TYPE_CHECKING:
    from killswitch.news.grade import Detector
    from killswitch.news.item import Item


class Severity(IntEnum):
    """How grave an alert is, in the words of CAP."""

    MINOR = 1
    MODERATE = 2
    SEVERE = 3
    EXTREME = 4


NEVER = 5
"""A limit that no alert reaches."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertPolicy:
    """
    What official alerts do (settings ``[alerts]``).

    Attributes:
        pause: Severity from which a near alert pauses the queue; ``NEVER`` is off.
        tell: Severity from which people are told of a near alert.
        tell_far: The same for an alert of other countries.
        tell_weather: The same for weather, near; warnings of storms come by the dozen.
        countries: Lower-case ISO 3166-1 codes whose alerts are near.
        areas: Folded names; with any, a near alert counts only where its area or headline has one.
    """

    pause: int = Severity.EXTREME
    tell: int = Severity.SEVERE
    tell_far: int = Severity.EXTREME
    tell_weather: int = Severity.EXTREME
    countries: frozenset[str] = frozenset()
    areas: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Alert:
    """
    One official alert, read.

    Attributes:
        keys: Its own identity first, then those of the earlier alerts that it updates.
        severity: How grave it is.
        kind: What it warns of, for people.
        category: Kind of event, as headlines have it.
        weather: Only weather, which never pauses.
        area: Where, in the words of the alert.
        actual: It is meant: no exercise, no test, not over.
        cancelled: It takes an earlier alert back.
    """

    keys: tuple[str, ...]
    severity: Severity
    kind: str
    category: str
    weather: bool
    area: str
    actual: bool
    cancelled: bool = False


_GDACS = {"green": Severity.MINOR, "orange": Severity.SEVERE, "red": Severity.EXTREME}
_PAGER = {
    "green": Severity.MINOR,
    "yellow": Severity.MODERATE,
    "orange": Severity.SEVERE,
    "red": Severity.EXTREME,
}
_GDACS_KINDS = {
    "eq": "earthquake", "tc": "cyclone", "fl": "flood", "vo": "volcano", "dr": "drought",
    "wf": "wildfire", "ts": "tsunami",
}  # fmt: skip
# GDACS warns of cyclones and droughts before anybody is hurt, as a weather service does.
_GDACS_WEATHER = frozenset({"tc", "dr"})
_CAP_CATEGORIES = {"health": "epidemic", "security": "attack", "transport": "accident"}
_CAP_SUBJECTS = frozenset({"alert", "update", "cancel"})
_UNSURE = frozenset({"unlikely", "possible"})
_PAGER_TOLD = re.compile(r"\bPAGER\s*-\s*(GREEN|YELLOW|ORANGE|RED)\b", re.IGNORECASE)
_MAGNITUDE = re.compile(r"\bM\s?(\d{1,2}(?:\.\d)?)\b")
# Without a PAGER colour only the size is known: so much shakes a country.
_GREAT_QUAKE, _LARGE_QUAKE = 7.5, 6.5
_WORD_LEAST = 4
_WORDS_KEPT = 16


def graded(item: Item, detector: Detector, policy: AlertPolicy, now: datetime) -> Signal:
    """
    Grade a headline, or an official alert by what it says of itself.

    A CAP alert happens in its feed's country, others where they say; see ``grade_alert``.
    """
    signal = detector.grade(item)
    if not item.alert:
        return signal
    countries = detector.countries_in(f"{item.fields.get('gdacs:country', '')} . {item.title}")
    if item.country and any(name.startswith("cap:") for name in item.fields):
        countries = frozenset({item.country})
    return grade_alert(item, signal, policy=policy, countries=countries, now=now)


def read_alert(item: Item, now: datetime) -> Alert | None:
    """
    Read the fields of an official alert.

    Args:
        item: The entry of an alert feed.
        now: Aware UTC; an alert that has expired by then is not actual.

    Returns:
        The alert, or None where its fields say nothing that we know.
    """
    fields = item.fields
    if "gdacs:alertlevel" in fields:
        return _gdacs(item, fields)
    if "cap:severity" in fields or "cap:msgtype" in fields:
        return _cap(item, fields, now)
    quake = "usgs:mag" in fields or "earthquake.usgs.gov" in item.url
    return _usgs(item, fields) if quake else None


def _gdacs(item: Item, fields: Mapping[str, str]) -> Alert:
    kind = fields.get("gdacs:eventtype", "").lower()
    event = fields.get("gdacs:eventid") or item.id
    current = fields.get("gdacs:iscurrent", "true").lower() != "false"
    return Alert(
        keys=(f"gdacs:{kind}:{event}",),
        severity=_GDACS.get(fields["gdacs:alertlevel"].lower(), Severity.MINOR),
        kind=_GDACS_KINDS.get(kind, "disaster"),
        category="disaster",
        weather=kind in _GDACS_WEATHER,
        area=fields.get("gdacs:country", ""),
        actual=current,
    )


def _usgs(item: Item, fields: Mapping[str, str]) -> Alert:
    told = _PAGER_TOLD.search(item.summary)
    colour = (fields.get("usgs:alert") or (told[1] if told else "")).lower()
    sized = _MAGNITUDE.search(item.title)
    size = _number(fields.get("usgs:mag")) or (float(sized[1]) if sized else 0.0)
    by_size = (
        Severity.SEVERE
        if size >= _GREAT_QUAKE
        else Severity.MODERATE
        if size >= _LARGE_QUAKE
        else Severity.MINOR
    )
    return Alert(
        keys=(f"usgs:{item.url or item.id}",),
        severity=_PAGER.get(colour, by_size),
        kind=fields.get("usgs:type") or "earthquake",
        category="disaster",
        weather=False,
        area=item.title,
        actual=fields.get("usgs:status", "").lower() != "deleted",
        cancelled=fields.get("usgs:status", "").lower() == "deleted",
    )


def _number(text: str | None) -> float:
    try:
        return float(text or 0)
    except ValueError:
        return 0.0


def _cap(item: Item, fields: Mapping[str, str], now: datetime) -> Alert:
    def told(*names: str) -> str:
        return next((fields[f"cap:{name}"] for name in names if fields.get(f"cap:{name}")), "")

    subject = told("msgtype", "message_type").lower() or "alert"
    category = told("category").lower()
    own = told("identifier") or item.id
    # Each reference is "sender,identifier,sent", parted by blanks.
    earlier = [part.split(",")[1] for part in told("references").split() if part.count(",") > 1]
    over = _instant(told("expires"))
    unsure = told("certainty").lower() in _UNSURE or told("urgency").lower() == "past"
    named = told("severity").upper()
    severity = Severity[named] if named in Severity.__members__ else Severity.MINOR
    return Alert(
        keys=tuple(f"cap:{key}" for key in dict.fromkeys((own, *earlier)) if key),
        severity=min(severity, Severity.MODERATE) if unsure else severity,
        kind=told("event") or "warning",
        category=_CAP_CATEGORIES.get(category, "disaster"),
        weather=category in {"", "met"},
        area=told("areadesc"),
        actual=told("status").lower() in {"", "actual"}
        and subject in _CAP_SUBJECTS
        and (over is None or over > now),
        cancelled=subject == "cancel",
    )


def _instant(text: str) -> datetime | None:
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        return None
    return at if at.tzinfo else at.replace(tzinfo=UTC)


def grade_alert(
    item: Item, signal: Signal, *, policy: AlertPolicy, countries: frozenset[str], now: datetime
) -> Signal:
    """
    Grade an official alert.

    Args:
        item: The entry of an alert feed.
        signal: What the detector makes of its headline.
        policy: The brand's settings.
        countries: Where it happens, lower-case ISO codes; empty where nobody can tell.
        now: Aware UTC instant of this decision.

    Returns:
        The signal that the story book takes in; its grade is ``trip`` where it pauses by itself.
    """
    alert = read_alert(item, now)
    if alert is None or not (alert.actual or alert.cancelled):
        why = "no official alert that we can read" if alert is None else "not actual"
        return replace(signal, grade=Grade.NONE, score=0.0, why=f"none: {why}")
    near = bool(countries & policy.countries)
    level, why = _level(alert, item, policy, near=near)
    told = f"{alert.severity.name.lower()} {alert.kind} alert, {'near' if near else 'far'}: {why}"
    if alert.cancelled:
        level, told = None, f"{alert.kind} alert taken back"
    grade = {Level.PAUSE: Grade.TRIP, Level.TELL: Grade.NOTE, None: Grade.NONE}[level]
    if grade is Grade.NONE and alert.severity >= Severity.SEVERE and not alert.cancelled:
        grade = Grade.NOTE  # it says nothing by itself, and supports what newsrooms tell
    codes = tuple(sorted(countries))
    return replace(
        signal,
        grade=grade,
        score={Grade.TRIP: 1.0, Grade.NOTE: 0.5, Grade.NONE: 0.0}[grade],
        category=alert.category,
        places=(*codes, *(place for place in signal.places if place not in countries)),
        words=signal.words or _words(item.title),
        why=f"{grade}: {told}",
        official=Official(keys=alert.keys, level=level, cancelled=alert.cancelled),
    )


def _level(
    alert: Alert, item: Item, policy: AlertPolicy, *, near: bool
) -> tuple[Level | None, str]:
    if not near:
        least = max(policy.tell_far, policy.tell_weather if alert.weather else 0)
        tells = alert.severity >= least
        return (Level.TELL, "told") if tells else (None, "below alerts.tell_far")
    where = fold(f"{alert.area} {item.title}")
    if policy.areas and not any(f" {area} " in where for area in policy.areas):
        return None, "outside alerts.areas"
    if alert.severity >= policy.pause and not alert.weather:
        return Level.PAUSE, "at or above alerts.pause"
    if alert.weather:
        tells = alert.severity >= policy.tell_weather
        return (
            (Level.TELL, "weather alone is told") if tells else (None, "below alerts.tell_weather")
        )
    if alert.severity >= policy.tell:
        return Level.TELL, "told"
    return None, "below alerts.tell"


def _words(title: str) -> tuple[str, ...]:
    """Return the words of a headline that no word list has read."""
    words = dict.fromkeys(
        word for word in fold(title).split() if len(word) >= _WORD_LEAST and word.isalpha()
    )
    return tuple(words)[:_WORDS_KEPT]
