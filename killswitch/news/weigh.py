"""
Weighing: how close a headline comes to what a pause needs.

The measure is deaths. A headline tells a number of deaths, or words that stand for one; the kind of
event and its distance say how many are needed. ``have / need`` is the score, 1 and more is
``trip``. Every step leaves its reason, so the score can be read aloud.
"""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING

from killswitch.news.exclude import after_exclusions
from killswitch.news.item import Grade
from killswitch.news.lexicon import Kind, Side
from killswitch.news.needs import is_near, need
from killswitch.news.obituary import weigh_death
from killswitch.news.reading import Reading, Weight
from killswitch.news.wars import war_begins

if TYPE_CHECKING:
    from collections.abc import Sequence

    from killswitch.news.lexicon import Term
    from killswitch.news.match import Hit

_INJURED_PER_DEATH = 6.0
_INJURED_MOST = 5.0
_ONLY_INJURED = 9.0
_HURT_PER_DEATH = 20.0
_HURT_MOST = 3.0
_MISSING_PER_DEATH = 3.0
# "Mass" beside a number of injured and no death: the injured weigh, the word less.
_MASS_UNHURT = 2.0
_MANY_INJURED = 10
_FAMOUS = 0.9
_PLACE_TOLD = 1.0
_CROWD_HURT = 1.0
# One victim, as far as the words tell.
_ONE = 1.5
# A shot president or star is worth more than the one death.
_LEADER = 3.0
# An attack on one whom everybody knows is an event by itself.
_STRUCK = 4.0
# A killed mayor or officer on duty is told as a wound of the country, where it is at home.
_IN_OFFICE, _ON_DUTY, _IN_OFFICE_FAR = 3.0, 2.0, 1.0
_NOTE = 0.1
# More than one strike in most running wars needs.
_WAR_BEGINS = 30.0
_MOST_HURT = 0.9


def weigh(reading: Reading) -> Weight:
    """
    Weigh one headline.

    Args:
        reading: The facts found in it.

    Returns:
        Its grade, its score, its category and one readable line.
    """
    event = _weigh_event(reading)
    person = weigh_death(reading)
    strong = any("weak" not in h.term.tags for h in reading.of(Kind.EVENT))
    dies = any("loose" not in h.term.tags for h in reading.of(Kind.PERSON))
    person_first = (
        person.grade is not Grade.NONE and not strong and (dies or event.grade is not Grade.TRIP)
    )
    best = person if person_first or person.score > event.score else event
    return after_exclusions(reading, best)


def _weigh_event(reading: Reading) -> Weight:
    """Weigh the headline as an attack, accident, disaster or strike."""
    events = _events(reading)
    strong = [h for h in events if "weak" not in h.term.tags]
    # "Leaves", "rises to": they take a number of the dead, and tell of none without one.
    dead = [h for h in reading.of(Kind.DEAD) if "rise" not in h.term.tags]
    hurt = bool(
        dead or reading.of(Kind.INJURED) or reading.of(Kind.AGAIN) or reading.counts.missing
    )
    begun = war_begins(reading)
    if begun is not None:
        return _weigh_war(reading, begun)
    if not strong and not (hurt and (events or dead)):
        return Weight(grade=Grade.NONE, score=0.0, category=None, why="no event told")
    main = max(strong or events, key=_tells_most, default=None)
    category = main.term.category if main else ""
    if main is None and reading.of(Kind.SETTING) and _children_die(reading, dead):
        # Children killed at a school: no accident is told, so read it as what it most often is.
        category = "attack"
    if main and category == "accident" and _by_attack(reading, main):
        category = "attack"
    if main and "crash" in main.term.tags:
        # A crash of nothing that flies, floats or runs on rails is one on the road.
        category = "road"
    have, parts = _have(reading, main, dead)
    needed, distance = need(reading, category)
    missed = reading.counts.missing and category not in _FIGHTS and _is_told(reading, main)
    score = round(have / needed, 3)
    if not strong and not (dead or reading.counts.dead or missed or reading.struck):
        # Clashes and raids that hurt many are grave, and no reason to stop everything.
        score = min(score, _MOST_HURT)
    grade = Grade.TRIP if score >= 1 else Grade.NOTE if score >= _NOTE else Grade.NONE
    what = f"{category or 'deaths'} {distance}"
    why = f"{what}: {' + '.join(parts)} = {have:g} of {needed:g}"
    return Weight(grade=grade, score=score, category=category or "accident", why=why)


def _weigh_war(reading: Reading, begun: Hit) -> Weight:
    """Weigh the first hours of a war: more than any strike in a running one, whatever the toll."""
    have = max(_WAR_BEGINS, begun.term.weight, reading.counts.dead or 0.0)
    needed, distance = need(reading, "war")
    score = round(have / needed, 3)
    why = f"war {distance}: “{begun.term.text}” ({have:g}) = {have:g} of {needed:g}"
    grade = Grade.TRIP if score >= 1 else Grade.NOTE
    return Weight(grade=grade, score=score, category="war", why=why)


def _is_told(reading: Reading, main: Hit | None) -> bool:
    """Say whether an event is told beside the word "missing" itself."""
    return main is not None and main.term.text not in {
        hit.term.text for hit in reading.of(Kind.MISSING)
    }


_FIGHTS = ("attack", "war")


def _children_die(reading: Reading, dead: Sequence[Hit]) -> bool:
    """Say whether children are told beside the dead, not only somewhere in the headline."""
    return any(
        0 < hit.first - child.last <= _CHILD_REACH or 0 < child.first - hit.last <= _CHILD_REACH
        for child in reading.of(Kind.CHILDREN)
        for hit in dead
    )


_CHILD_REACH = 3


def _by_attack(reading: Reading, main: Hit) -> bool:
    """Say whether the explosion is told as an attack: "attack on police post, explosion"."""
    attack = any(
        hit.term.category == "attack" and hit.term.text.startswith(_ATTACK)
        for hit in reading.of(Kind.EVENT)
    )
    return attack and any(word in main.term.text for word in _BLAST)


_ATTACK = ("attack", "attaque", "angriff", "ataque", "attacc", "bomb")
_BLAST = ("expl", "blast", "esplo")


def _tells_most(hit: Hit) -> tuple[bool, float]:
    """Order events: a bare "crash" tells less than any word that says what happened."""
    return "crash" not in hit.term.tags, hit.term.weight


def _events(reading: Reading) -> list[Hit]:
    """List the events told; a crash word beside a vehicle is the crash of that vehicle."""
    events = list(reading.of(Kind.EVENT))
    vehicles = reading.of(Kind.VEHICLE)
    crashes = [h for h in events if h.term.tags & {"crash", "fall"}]
    if vehicles and crashes:
        longest = max(vehicles, key=lambda h: (h.last - h.first, h.term.weight))
        events.append(longest)
    return events


def _have(reading: Reading, main: Hit | None, dead: Sequence[Hit]) -> tuple[float, list[str]]:
    """Add up what the headline tells, in deaths, with the reasons."""
    toll = reading.counts.dead
    stands = main.term.weight if main else 1.0
    attack = main is not None and main.term.category == "attack"
    mass = main is not None and "mass" in main.term.tags
    if (attack or mass) and toll is None and not dead and reading.counts.injured:
        stands = min(stands, _MASS_UNHURT)
    if toll and not (attack and (reading.counts.injured or 0) >= _MANY_INJURED):
        stands = min(stands, toll + 1.0)
    if toll is None and attack and _one_victim(reading, main) and not reading.counts.injured:
        stands = min(stands, _ONE)
    have, parts = max(stands, toll or 0.0), [f"{toll} dead"]
    if toll is None or stands > toll:
        text = main.term.text if main else dead[0].term.text
        parts = [f"“{text}” ({stands:g})"]
    for extra, reason in (
        *_counted(reading, main.term.category if main else ""),
        *_described(reading, main, dead),
    ):
        have += extra
        parts.append(f"{reason} ({extra:g})")
    return round(have, 2), parts


def _counted(reading: Reading, category: str) -> list[tuple[float, str]]:
    """List what the injured and the missing add."""
    injured, missing = reading.counts.injured or 0, reading.counts.missing or 0
    extras = []
    if injured > 1:
        attack = category == "attack"
        each = _INJURED_PER_DEATH if reading.counts.dead else _ONLY_INJURED
        worth = injured / (each if attack else _HURT_PER_DEATH)
        most = _HURT_MOST if reading.counts.dead else _HURT_MOST / 2
        worth = min(worth, _INJURED_MOST if attack else most)
        extras.append((round(worth, 2), f"{injured} injured"))
    if missing > 1:
        extras.append((round(missing / _MISSING_PER_DEATH, 2), f"{missing} missing"))
    return extras


def _described(reading: Reading, main: Hit | None, dead: Sequence[Hit]) -> list[tuple[float, str]]:
    """List what crowds, children, public places and strong words add."""
    extras = []
    attack = main is not None and main.term.category == "attack"
    if attack and reading.struck:
        extras.append((_STRUCK, f"{reading.struck[0]} known to the public"))
    elif attack and (in_office := max(reading.in_office, key=_worth_of_office, default=None)):
        worth = _worth_of_office(in_office) if is_near(reading) else _IN_OFFICE_FAR
        extras.append((worth, f"“{in_office.text}”"))
    for kind in _telling_kinds(reading, main, dead):
        inside = kind is Kind.SETTING
        apart = [hit for hit in reading.of(kind) if not (inside and _inside(hit, main))]
        if kind is Kind.CROWD:
            apart = [hit for hit in apart if not _alive(hit, reading)]
        if reading.counts.dead or reading.counts.injured:
            apart = [hit for hit in apart if "untold" not in hit.term.tags and not _mild(hit)]
        best = max(apart, key=lambda h: h.term.weight, default=None)
        if best is not None:
            most = _most(kind, reading, main)
            worth = best.term.weight * (_LEADER if kind is Kind.FAME else 1)
            extras.append((min(worth, most), f"“{best.term.text}”"))
    return extras


def _alive(crowd: Hit, reading: Reading) -> bool:
    """Say whether the crowd does something that only the living do: "thousands protest"."""
    return any(
        figure.first == crowd.last + 1 and figure.term.side is Side.BEFORE
        for figure in reading.of(Kind.FIGURE)
    )


def _worth_of_office(role: Term) -> float:
    """Return what it adds that somebody in this office, or on this duty, was struck."""
    return _IN_OFFICE if "office" in role.tags else _ON_DUTY


def _mild(hit: Hit) -> bool:
    """Say whether a word such as "violent" only colours a number that is told."""
    return hit.term.kind is Kind.STRESS and hit.term.weight <= 1


def _inside(hit: Hit, main: Hit | None) -> bool:
    """Say whether the event's own words hold the hit: the school of a "school shooting"."""
    return main is not None and main.first <= hit.last and hit.first <= main.last


def _telling_kinds(reading: Reading, main: Hit | None, dead: Sequence[Hit]) -> list[Kind]:
    """List the kinds of words that add something here."""
    kinds = [Kind.STRESS]
    counts = reading.counts
    if not (counts.dead or counts.injured) and (dead or reading.of(Kind.INJURED)):
        kinds.append(Kind.CROWD)
    elif not counts.dead and any(_beside(crowd, dead) for crowd in reading.of(Kind.CROWD)):
        # "Multiple people killed, dozens injured": only the injured are counted.
        kinds.append(Kind.CROWD)
    if main is None and reading.of(Kind.SETTING) and _children_die(reading, dead):
        kinds += (Kind.CHILDREN, Kind.SETTING)
    if main is not None and main.term.category == "attack":
        kinds.append(Kind.CHILDREN)
        if "unsure" not in main.term.tags:
            kinds.append(Kind.SETTING)
        victim = dead or reading.of(Kind.INJURED) or main.term.tags & {"single", "blow"}
        famous = any(h.term.weight >= _FAMOUS for h in reading.of(Kind.FAME))
        if reading.names and victim and famous:
            kinds.append(Kind.FAME)
    return kinds


def _beside(crowd: Hit, dead: Sequence[Hit]) -> bool:
    """Say whether a crowd stands just before a word of the dead."""
    return any(0 <= hit.first - crowd.last <= _CROWD_REACH for hit in dead)


_CROWD_REACH = 2


def _most(kind: Kind, reading: Reading, main: Hit | None) -> float:
    """Return the most that one kind of words may add here."""
    died = reading.of(Kind.DEAD) or reading.of(Kind.PERSON)
    if kind is Kind.CROWD and not died:
        return _CROWD_HURT
    told = reading.counts.dead or reading.counts.injured
    if kind is Kind.SETTING and (told or _one_victim(reading, main)):
        return _PLACE_TOLD
    return inf


def _one_victim(reading: Reading, main: Hit | None) -> bool:
    """Say whether the attack seems to be on one person: then a public place adds little."""
    caught = {h.first for h in reading.of(Kind.CAP) if h.term.category == "arrest"}
    # "A man arrested": the one who is caught is no victim.
    alone = [h for h in reading.of(Kind.SINGLE) if h.last + 1 not in caught]
    one = alone or (main is not None and main.term.tags & {"single", "weak"})
    return bool(one) and not reading.of(Kind.CROWD) and not reading.of(Kind.CHILDREN)
