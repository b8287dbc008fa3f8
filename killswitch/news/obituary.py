"""
Weighing a person's death: fame against what a pause needs.

Fame is a name that the public knows, or words that tell it ("legend", "former president"). A sum
of small words ("longtime", "founder", "host") is no fame; how many newsrooms tell of a death is
another measure, held by the story.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from killswitch.news.item import Grade
from killswitch.news.lexicon import Kind
from killswitch.news.needs import is_near
from killswitch.news.reading import Reading, Weight

if TYPE_CHECKING:
    from collections.abc import Iterator

_FAMOUS, _ALMOST = 0.9, 0.95
_ANYBODY, _KNOWN, _OURS = 0.1, 1.0, 1.0
_RELATIVE = -0.7
_PASSING, _FAR = 0.75, 0.5
_MEMORY = 0.25


def weigh_death(reading: Reading) -> Weight:
    """
    Weigh one headline as the death of a person.

    Args:
        reading: What stands in it.

    Returns:
        The outcome; grade ``none`` where no one's death is told.
    """
    said = reading.of(Kind.PERSON)
    whom = (*reading.known, *reading.leaders, *reading.names)
    if not said or not whom or _many(reading):
        return Weight(grade=Grade.NONE, score=0.0, category=None, why="no person's death told")
    parts = [f"“{said[0].term.text}” {whom[0]}"]
    fame = _ANYBODY
    for worth, reason in _fame(reading):
        fame += worth
        parts.append(f"{reason} ({worth:g})")
    if not is_near(reading) and not reading.known:
        fame *= _FAR
        parts.append(f"far (x {_FAR})")
    famous = reading.known or reading.leaders
    if _in_passing(reading) and not famous:
        fame *= _PASSING
        parts.append(f"told in passing (x {_PASSING})")
    score = round(max(fame, 0.0), 3)
    if _remembered(reading):
        score = min(score, _MEMORY)
    elif not famous and not reading.own_name:
        # Words of praise alone never pause: every trade has its legends. How many newsrooms tell
        # of it does. An office that led a country is a fact, and just enough.
        sure = _held_office(reading) and not _in_passing(reading)
        score = min(score, 1.0 if sure else _ALMOST)
    grade = Grade.TRIP if score >= 1 else Grade.NOTE if score > 0 else Grade.NONE
    why = f"death of a person: {', '.join(parts)} = {score:g} of 1"
    return Weight(grade=grade, score=score, category="death", why=why)


def _in_passing(reading: Reading) -> bool:
    """Say whether the death is told in passing only: "tributes to", "the death of"."""
    return all("loose" in hit.term.tags for hit in reading.of(Kind.PERSON))


def _remembered(reading: Reading) -> bool:
    """Say whether the person is only remembered, perhaps long after."""
    return all("memory" in hit.term.tags for hit in reading.of(Kind.PERSON))


def _many(reading: Reading) -> bool:
    """Say whether the words tell of many dead, not of one."""
    several = reading.of(Kind.CHILDREN) or reading.of(Kind.CROWD)
    more = (reading.counts.dead or 0) > 1 or bool(several and not reading.known)
    return more and _in_passing(reading)


def _fame(reading: Reading) -> Iterator[tuple[float, str]]:
    """List what tells fame, and what takes it away."""
    if reading.own_name:
        yield _OURS, f"our own name “{reading.own_name}”"
    if reading.known:
        yield _KNOWN, "known to the public"
    elif reading.leaders:
        # The office is all the fame: its words do not count twice.
        yield _KNOWN, "leads a country"
        return
    seen: set[int] = set()
    for hit in (*reading.of(Kind.FAME), *reading.of(Kind.ROLE)):
        if hit.first not in seen and hit.term.weight:
            seen.add(hit.first)
            yield hit.term.weight, f"“{hit.term.text}”"
    relative = [h for h in reading.of(Kind.CAP) if h.term.category == "relative"]
    if relative and not reading.known:
        yield _RELATIVE, f"“{relative[0].term.text}”"


# Known by the office alone; beside a name it is a father ("el papá de") or a surname.
_POPES = frozenset({"papa", "pape", "papst", "pope"})


def _held_office(reading: Reading) -> bool:
    """Say whether the words of fame are an office: who led a country ("former president")."""
    roles = [hit for hit in reading.of(Kind.ROLE) if hit.term.text not in _POPES]
    led = [hit for hit in roles if "leader" in hit.term.tags]
    return any(
        hit.term.weight >= _FAMOUS and office.first <= hit.first and hit.last <= office.last
        for hit in reading.of(Kind.FAME)
        for office in led
    )
