"""
Exclusions: what takes weight away from a headline.

A hard veto ends it. A soft one ends it unless people are counted. A cap leaves less: news that is
not yet there, or is told once more. A toll that would pause by itself lifts a cap.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from killswitch.news.item import Grade
from killswitch.news.lexicon import Kind
from killswitch.news.needs import need

if TYPE_CHECKING:
    from killswitch.news.match import Hit
    from killswitch.news.reading import Reading, Weight

_HARD_VETOES = ("court", "past", "statistics", "livestock", "hoax")
# So many deaths with no event named are a sum: what kills hundreds has a name.
_NAMELESS_SUM = 200
# Sums over months are told daily: a toll beyond this in a war or an epidemic is such a sum.
_RUNNING_SUM = 1000
# News of the hours after a great attack or accident is still that event; a warning is none yet.
_LEFT = {"aftermath": 0.6, "later": 0.7, "arrest": 0.85}
_WARNED, _MOST_WARNED = 0.6, 0.9
# What kills many by its nature is told for days, and each headline tells the tragedy again.
_MASS_LEFT = 0.8
# A funeral or an inheritance tells a death once more; it does not make it wider known.
_LATER = 0.25


def after_exclusions(reading: Reading, best: Weight) -> Weight:
    """
    Let exclusions take weight away.

    Args:
        reading: What stands in the headline.
        best: What it weighs without them.

    Returns:
        The same, or less with the reason in front.
    """
    if best.grade is Grade.NONE:
        return best
    return _vetoed(reading, best) or _old(reading, best) or _capped(reading, best) or best


def _vetoed(reading: Reading, best: Weight) -> Weight | None:
    """Let the first veto that holds end it."""
    for hit in reading.of(Kind.VETO):
        category = hit.term.category
        if "history" in hit.term.tags and best.category == "death" and reading.known:
            # Of whom everybody knows: "he changed the history of his country".
            continue
        if category == "statistics" and _dies(reading, best):
            continue
        if category in _HARD_VETOES:
            return _taken(best, hit, Grade.NONE)
        if best.category != "death" and not _counted(reading, category):
            if category == "politics" and (reading.struck or reading.in_office):
                # Shot on the campaign trail: politics is where it happened.
                continue
            strong = any("weak" not in h.term.tags for h in reading.of(Kind.EVENT))
            if strong and reading.of(Kind.DEAD) and reading.of(Kind.INJURED):
                # "Dead and injured" is said of people only.
                continue
            left = Grade.NOTE if strong and category == "politics" else Grade.NONE
            return _taken(best, hit, left)
    return None


def _dies(reading: Reading, best: Weight) -> bool:
    """Say whether a known person's death is told straight: "dies: what doctors explain"."""
    straight = any(not hit.term.tags & {"loose", "giver"} for hit in reading.of(Kind.PERSON))
    return best.category == "death" and bool(reading.known) and straight


def _counted(reading: Reading, category: str) -> int:
    """Return how many people it counts, against whom a soft veto does not hold."""
    counts = reading.counts
    if category == "animals":
        return counts.dead or 0
    return max(counts.dead or 0, counts.injured or 0, counts.missing or 0)


def _old(reading: Reading, best: Weight) -> Weight | None:
    """Let an old event and a sum that is told daily be no news."""
    dead = reading.counts.dead or 0
    if reading.old_year is not None and not 0 < dead < _RUNNING_SUM:
        return _left(best, f"an event of {reading.old_year}", Grade.NONE)
    if dead > _NAMELESS_SUM and not reading.of(Kind.EVENT) and best.category != "death":
        return _left(best, "a sum without an event", Grade.NOTE)
    sum_of_war = best.category != "disaster" and dead > _RUNNING_SUM
    if best.category == "epidemic" or (sum_of_war and reading.places & reading.wars.keys()):
        return _left(best, "a running sum", Grade.NOTE)
    return None


# Caps that no toll lifts: told by a report, long after, or counted over a time.
_FIRM = frozenset({"inquiry", "sum"})
# Beside one of these a sum is the event's: "lightning kills 100 in a day".
_HAPPENS = frozenset({"accident", "attack", "disaster"})


def _capped(reading: Reading, best: Weight) -> Weight | None:
    """Let caps leave a part of it."""
    caps = [h for h in reading.of(Kind.CAP) if h.term.category != "relative"]
    if best.category == "death":
        return _told_once_more(reading, best, caps)
    if any(h.term.category in _HAPPENS for h in reading.of(Kind.EVENT)):
        caps = [h for h in caps if h.term.category != "sum"]
    firm = any(h.term.category in _FIRM for h in caps)
    if not caps or (_toll_trips(reading) and not firm):
        return None
    gentle = all(h.term.category in _LEFT for h in caps)
    score = best.score * min(_share(reading, h) for h in caps)
    if not gentle:
        score = min(score, _MOST_WARNED)
    why = f"{caps[0].term.category} “{caps[0].term.text}” takes some; else {best.why}"
    grade = Grade.TRIP if score >= 1 else Grade.NOTE
    return replace(best, grade=grade, score=round(score, 3), why=why)


def _share(reading: Reading, cap: Hit) -> float:
    """Return the part that a cap leaves."""
    mass = any("mass" in h.term.tags for h in reading.of(Kind.EVENT))
    if "early" in cap.term.tags and mass:
        return _MASS_LEFT
    return _LEFT.get(cap.term.category, _WARNED)


# "Mort de X : l'autopsie": a noun opens the reports of months, a verb those of the first day.
_NOUNS = ("mort de", "mort d", "mort du", "deces d", "tod ", "muerte ", "morte d", "disparition ")


def _told_once_more(reading: Reading, best: Weight, caps: list[Hit]) -> Weight | None:
    """Let a funeral or an inheritance be no news of a death."""
    later = [h for h in caps if h.term.category == "later"]
    passing = all(
        h.term.tags & {"loose", "giver"} or h.term.text.startswith(_NOUNS)
        for h in reading.of(Kind.PERSON)
    )
    if not later or not passing:
        return None
    told = _taken(best, later[0], Grade.NOTE)
    return replace(told, score=min(told.score, _LATER))


def _toll_trips(reading: Reading) -> bool:
    """Say whether the number of deaths alone would pause: then no cap holds it down."""
    category = next((h.term.category for h in reading.of(Kind.EVENT)), "")
    return (reading.counts.dead or 0) >= need(reading, category)[0]


def _taken(best: Weight, hit: Hit, most: Grade) -> Weight:
    """Hold the grade down to ``most`` because of a phrase."""
    return _left(best, f"{hit.term.category} “{hit.term.text}”", most)


def _left(best: Weight, reason: str, most: Grade) -> Weight:
    """Return ``best`` with its grade held down to ``most`` and the reason in front."""
    if most is Grade.NOTE and best.grade is Grade.NOTE:
        return best
    score = 0.0 if most is Grade.NONE else min(best.score, 0.9)
    why = f"{most} because of {reason}; else {best.why}"
    return replace(best, grade=most, score=score, why=why)
