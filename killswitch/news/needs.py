"""
How many deaths a pause needs, by kind of event and distance.

Source of the needs: what a careful brand manager calls a reason to stop all promotion: an attack in
public at home from the first few deaths, an accident or a disaster from about five, a road accident
from about ten, a far accident from about twenty, a strike inside a running war from more than that.
A headline that reaches its need is graded ``trip``, and one more newsroom makes it a pause.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from killswitch.news.lexicon import Kind

if TYPE_CHECKING:
    from killswitch.news.reading import Reading

# Deaths that a pause needs: (at home or in a comparable country, elsewhere).
NEEDS = {
    "attack": (3.0, 8.0),
    "accident": (4.0, 16.0),
    "road": (8.0, 24.0),
    "disaster": (4.0, 16.0),
    "war": (20.0, 20.0),
    "epidemic": (500.0, 1000.0),
    "disappearance": (8.0, 20.0),
    "own": (1.0, 1.0),
    "": (8.0, 20.0),
}
# Europe, North America, Australia and the like, whose news reaches a Western public as its own.
NEAR = frozenset(
    [
        "ad",
        "al",
        "at",
        "au",
        "ba",
        "be",
        "bg",
        "ca",
        "ch",
        "cy",
        "cz",
        "de",
        "dk",
        "ee",
        "es",
        "fi",
        "fr",
        "gb",
        "gr",
        "hk",
        "hr",
        "hu",
        "ie",
        "is",
        "it",
        "jp",
        "kr",
        "li",
        "lt",
        "lu",
        "lv",
        "mc",
        "md",
        "me",
        "mk",
        "mt",
        "nl",
        "no",
        "nz",
        "pl",
        "pt",
        "ro",
        "rs",
        "se",
        "sg",
        "si",
        "sk",
        "sm",
        "tw",
        "us",
        "va",
        "xk",
    ]
)
# Where nobody says which countries are home: those that speak the language of the feed.
HOMES = {
    "en": frozenset({"us", "gb", "ie", "au", "ca", "nz"}),
    "fr": frozenset({"fr", "be", "ch", "ca"}),
    "de": frozenset({"de", "at", "ch"}),
    "it": frozenset({"it", "ch"}),
    "es": frozenset({"es"}),
    "pt": frozenset({"pt", "br"}),
}
_FAR_UNTOLD = 1.0
_FAR_MISSING = 2.0
# Where shootings are weekly news, one needs more deaths to be more than that.
_GUNS = {"us": 4.0}
# A killing of several people that no word tells to be public: a family, a feud.
_PRIVATE = 5.0
# Told week after week: one more needs to be so many times greater.
_ROUTINE_NEAR, _ROUTINE_FAR = 2.0, 3.0


def need(reading: Reading, category: str) -> tuple[float, str]:
    """
    Say how many deaths a pause needs for this kind of event at this distance.

    A far event that is told without a number needs little more than a near one: that newsrooms
    here report it at all says that it is large.
    """
    at_home, elsewhere = NEEDS.get(category, NEEDS[""])
    places, toll = reading.places, reading.counts.dead
    if toll is None and reading.counts.missing:
        # Missing at first, found alive or dead later: between a told toll and none.
        elsewhere = min(elsewhere, at_home * _FAR_MISSING)
        toll = reading.counts.missing
    if _is_routine(reading):
        at_home, elsewhere = at_home * _ROUTINE_NEAR, elsewhere * _ROUTINE_FAR
    if category == "attack" and (places or reading.home) & _GUNS.keys() and _shots(reading):
        at_home = _GUNS["us"]
    if category == "attack" and _private(reading):
        at_home = max(at_home, _PRIVATE)
    if reading.own_name:
        return at_home / 4, f"with our own name “{reading.own_name}”"
    near = places & (NEAR | reading.home)
    struck = (places & reading.wars.keys()) - reading.home
    if struck and (not near or category == "war") and _of_the_war(reading, category):
        return max(map(reading.wars.__getitem__, struck)), f"in a running war ({_listed(struck)})"
    if not is_near(reading):
        need = elsewhere if toll is not None else min(elsewhere, at_home * _FAR_UNTOLD)
        return need, f"far ({_listed(places)})"
    return at_home, f"near ({_listed(places)})" if places else "near (no place told)"


def _is_routine(reading: Reading) -> bool:
    """Say whether it is what is told week after week: a boat, no fire in a camp, not the worst."""
    if not reading.of(Kind.ROUTINE):
        return False
    on_land = any("land" in hit.term.tags for hit in reading.of(Kind.EVENT))
    worst = any(hit.term.weight >= _WORST for hit in reading.of(Kind.STRESS))
    return not on_land and not worst


# "The worst shipwreck", "days of mourning": words that are kept for the rarest.
_WORST = 3.5


def _of_the_war(reading: Reading, category: str) -> bool:
    """Say whether the event may be one of the war: crashes and crushes happen beside it, too."""
    if category != "accident":
        return category in ("war", "attack", "")
    told = reading.of(Kind.EVENT)
    fought = any(hit.term.category in ("war", "attack") for hit in told)
    # A blast or a fire there may have been a bomb, and "Israeli fire" is none at all.
    return fought or any("land" in hit.term.tags for hit in told)


def is_near(reading: Reading) -> bool:
    """Say whether it happens at home or in a comparable country, as far as places are told."""
    return not reading.places or bool(reading.places & (NEAR | reading.home))


def _private(reading: Reading) -> bool:
    """Say whether a crime is told, and nothing of the public: a family, a feud, a home."""
    told = [hit for hit in reading.of(Kind.EVENT) if hit.term.category == "attack"]
    many = any(hit.term.weight > 1 for hit in reading.of(Kind.CROWD))
    told_in_office = reading.struck or reading.in_office
    public = reading.of(Kind.SETTING) or reading.of(Kind.CHILDREN) or many or told_in_office
    crime = any("single" in hit.term.tags for hit in told)
    return crime and not public and all(hit.term.tags & {"single", "weak"} for hit in told)


def _listed(places: frozenset[str]) -> str:
    """Write country codes for a person."""
    return ", ".join(sorted(places))


def _shots(reading: Reading) -> bool:
    """Say whether the attack is told in words of shooting."""
    told = " ".join(hit.term.text for hit in reading.of(Kind.EVENT))
    return any(word in told for word in _SHOTS)


_SHOTS = (
    "shoot", "shot", "gun", "fusillade", "tireur", "tirs", "coups de feu", "schuss", "schutz",
    "schiess", "tirote", "tirador", "disparo", "balacera", "sparator", "spari", "atirador",
)  # fmt: skip
