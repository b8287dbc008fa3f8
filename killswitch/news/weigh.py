"""
Weighing: how close a headline comes to what a pause needs.

The measure is deaths. A headline tells a number of deaths, or words that stand for one; the kind of
event and its distance say how many are needed. ``have / need`` is the score, 1 and more is
``trip``. Every step leaves its reason, so the score can be read aloud.

Source of the needs: what a careful brand manager calls a reason to stop all promotion (an attack in
public at home from a few deaths, a road accident from about ten, a far accident from about twenty,
a strike inside a running war from about twenty).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from killswitch.news.item import Grade
from killswitch.news.lexicon import Kind

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from killswitch.news.facts import Counts
    from killswitch.news.match import Hit

# Deaths that a pause needs: (at home or in a comparable country, elsewhere).
NEEDS = {
    "attack": (4.0, 10.0),
    "accident": (5.0, 15.0),
    "road": (10.0, 25.0),
    "disaster": (5.0, 15.0),
    "war": (20.0, 20.0),
    "epidemic": (500.0, 1000.0),
    "disappearance": (8.0, 20.0),
    "own": (1.0, 1.0),
    "": (12.0, 20.0),
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
        "si",
        "sk",
        "sm",
        "us",
        "va",
        "xk",
    ]
)
_HARD_VETOES = ("court", "past", "statistics", "livestock")
_INJURED_PER_DEATH = 5.0
_INJURED_MOST = 6.0
_HURT_PER_DEATH = 20.0
_HURT_MOST = 3.0
_MISSING_PER_DEATH = 3.0
# "Mass" beside a number of injured and no death: the injured weigh, the word less.
_MASS_UNHURT = 2.0
_MANY_INJURED = 10
_FAR_UNTOLD = 1.0
# A shot president or star is worth more than the one death.
_LEADER = 3.0
# Sums over months are told daily: a toll beyond this in a war or an epidemic is such a sum.
_RUNNING_SUM = 1000
# A sum of small words ("longtime", "founder", "host") is not fame; one strong word must be there.
_FAMOUS = 0.9
_ALMOST = 0.95
_NOTE = 0.1


@dataclass(slots=True, kw_only=True)
class Reading:
    """What stands in one headline, ready to be weighed."""

    hits: Sequence[Hit]
    counts: Counts
    names: tuple[str, ...]
    places: frozenset[str]
    home: frozenset[str]
    wars: Mapping[str, int]
    own_name: str | None = None
    old_year: int | None = None
    kinds: dict[Kind, list[Hit]] = field(init=False)

    def __post_init__(self) -> None:
        """Sort the hits by kind."""
        self.kinds = {}
        for hit in self.hits:
            self.kinds.setdefault(hit.term.kind, []).append(hit)

    def of(self, kind: Kind) -> list[Hit]:
        """Return the hits of one kind."""
        return self.kinds.get(kind, [])


@dataclass(frozen=True, slots=True, kw_only=True)
class Weight:
    """The outcome of weighing."""

    grade: Grade
    score: float
    category: str | None
    why: str


def weigh(reading: Reading) -> Weight:
    """
    Weigh one headline.

    Args:
        reading: The facts found in it.

    Returns:
        Its grade, its score, its category and one readable line.
    """
    event = _weigh_event(reading)
    person = _weigh_person(reading)
    strong = any("weak" not in h.term.tags for h in reading.of(Kind.EVENT))
    dies = any("loose" not in h.term.tags for h in reading.of(Kind.PERSON))
    person_first = (
        person.grade is not Grade.NONE and not strong and (dies or event.grade is not Grade.TRIP)
    )
    best = person if person_first or person.score > event.score else event
    return _after_vetoes(reading, best)


def _weigh_event(reading: Reading) -> Weight:
    """Weigh the headline as an attack, accident, disaster or strike."""
    events = _events(reading)
    strong = [h for h in events if "weak" not in h.term.tags]
    dead = reading.of(Kind.DEAD)
    hurt = bool(
        dead or reading.of(Kind.INJURED) or reading.of(Kind.AGAIN) or reading.counts.missing
    )
    if not strong and not (hurt and (events or dead)):
        return Weight(grade=Grade.NONE, score=0.0, category=None, why="no event told")
    main = max(strong or events, key=_tells_most, default=None)
    category = main.term.category if main else ""
    if main and "crash" in main.term.tags:
        # A crash of nothing that flies, floats or runs on rails is one on the road.
        category = "road"
    have, parts = _have(reading, main, dead)
    need, distance = _need(reading, category)
    score = round(have / need, 3)
    grade = Grade.TRIP if score >= 1 else Grade.NOTE if score >= _NOTE else Grade.NONE
    what = f"{category or 'deaths'} {distance}"
    why = f"{what}: {' + '.join(parts)} = {have:g} of {need:g}"
    return Weight(grade=grade, score=score, category=category or "accident", why=why)


def _tells_most(hit: Hit) -> tuple[bool, float]:
    """Order events: a bare "crash" tells less than any word that says what happened."""
    return "crash" not in hit.term.tags, hit.term.weight


def _events(reading: Reading) -> list[Hit]:
    """List the events told; a crash word beside a vehicle is the crash of that vehicle."""
    events = list(reading.of(Kind.EVENT))
    vehicles = reading.of(Kind.VEHICLE)
    crashes = [h for h in events if "crash" in h.term.tags]
    if vehicles and crashes:
        longest = max(vehicles, key=lambda h: (h.last - h.first, h.term.weight))
        events.append(longest)
    return events


def _have(reading: Reading, main: Hit | None, dead: Sequence[Hit]) -> tuple[float, list[str]]:
    """Add up what the headline tells, in deaths, with the reasons."""
    toll = reading.counts.dead
    stands = main.term.weight if main else 1.0
    if main and toll is None and not dead and "mass" in main.term.tags and reading.counts.injured:
        stands = min(stands, _MASS_UNHURT)
    attack = main is not None and main.term.category == "attack"
    if toll == 1 and not (attack and (reading.counts.injured or 0) >= _MANY_INJURED):
        stands = min(stands, _MASS_UNHURT)
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
        worth = injured / (_INJURED_PER_DEATH if attack else _HURT_PER_DEATH)
        worth = min(worth, _INJURED_MOST if attack else _HURT_MOST)
        extras.append((round(worth, 2), f"{injured} injured"))
    if missing > 1:
        extras.append((round(missing / _MISSING_PER_DEATH, 2), f"{missing} missing"))
    return extras


def _described(reading: Reading, main: Hit | None, dead: Sequence[Hit]) -> list[tuple[float, str]]:
    """List what crowds, children, public places and strong words add."""
    counts = reading.counts
    told = counts.dead or counts.injured
    attack = main is not None and main.term.category == "attack"
    kinds = [Kind.STRESS]
    if not told and (dead or reading.of(Kind.INJURED)):
        kinds.append(Kind.CROWD)
    if main is not None and attack:
        kinds += [Kind.CHILDREN]
        if "unsure" not in main.term.tags:
            kinds.append(Kind.SETTING)
        if reading.names:
            kinds.append(Kind.FAME)
    extras = []
    for kind in kinds:
        best = max(reading.of(kind), key=lambda h: h.term.weight, default=None)
        if best is not None:
            worth = best.term.weight * (_LEADER if kind is Kind.FAME else 1)
            if kind is Kind.SETTING and (told or _one_victim(reading, main)):
                worth = min(worth, 1.0)
            extras.append((worth, f"“{best.term.text}”"))
    return extras


def _one_victim(reading: Reading, main: Hit | None) -> bool:
    """Say whether the attack seems to be on one person: then a public place adds little."""
    one = reading.of(Kind.SINGLE) or (main is not None and main.term.tags & {"single", "weak"})
    return bool(one) and not reading.of(Kind.CROWD) and not reading.of(Kind.CHILDREN)


def _need(reading: Reading, category: str) -> tuple[float, str]:
    """
    Say how many deaths a pause needs for this kind of event at this distance.

    A far event that is told without a number needs little more than a near one: that newsrooms
    here report it at all says that it is large.
    """
    at_home, elsewhere = NEEDS.get(category, NEEDS[""])
    places, toll = reading.places, reading.counts.dead
    if reading.own_name:
        return at_home / 4, f"with our own name “{reading.own_name}”"
    near = places & (NEAR | reading.home)
    struck = (places & reading.wars.keys()) - reading.home
    if struck and not near and category in ("war", "attack", "accident", ""):
        return max(map(reading.wars.__getitem__, struck)), f"in a running war ({_listed(struck)})"
    if places and not near:
        need = elsewhere if toll is not None else min(elsewhere, at_home * _FAR_UNTOLD)
        return need, f"far ({_listed(places)})"
    return at_home, f"near ({_listed(places)})" if places else "near (no place told)"


def _listed(places: frozenset[str]) -> str:
    """Write country codes for a person."""
    return ", ".join(sorted(places))


def _weigh_person(reading: Reading) -> Weight:
    """Weigh the headline as the death of a person: fame against what a pause needs."""
    said = reading.of(Kind.PERSON)
    many = (reading.counts.dead or 0) > 1 and all("loose" in h.term.tags for h in said)
    if not said or not reading.names or many:
        return Weight(grade=Grade.NONE, score=0.0, category=None, why="no person's death told")
    loose = all("loose" in h.term.tags for h in said)
    parts = [f"“{said[0].term.text}” {reading.names[0]}"]
    fame = 0.1
    seen: set[int] = set()
    for hit in (*reading.of(Kind.FAME), *reading.of(Kind.ROLE)):
        if hit.first not in seen:
            seen.add(hit.first)
            fame += hit.term.weight
            parts.append(f"“{hit.term.text}” ({hit.term.weight:g})")
    if reading.own_name:
        fame += 1.0
        parts.append(f"our own name “{reading.own_name}” (1)")
    relative = [h for h in reading.of(Kind.CAP) if h.term.category == "relative"]
    if relative:
        fame -= 0.7
        parts.append(f"“{relative[0].term.text}” (-0.7)")
    if loose:
        fame = round(fame * 0.75, 3)
        parts.append("told in passing (x 0.75)")
    score = round(max(fame, 0.0), 3)
    known = any(h.term.weight >= _FAMOUS for h in reading.of(Kind.FAME)) or reading.own_name
    if score >= 1 and not known:
        score = _ALMOST
    grade = Grade.TRIP if score >= 1 else Grade.NOTE if score > 0 else Grade.NONE
    why = f"death of a person: {', '.join(parts)} = {score:g} of 1"
    return Weight(grade=grade, score=score, category="death", why=why)


def _after_vetoes(reading: Reading, best: Weight) -> Weight:
    """Let exclusions take weight away: a veto ends it, a cap leaves a note."""
    if best.grade is Grade.NONE:
        return best
    counts = reading.counts
    told = max(counts.dead or 0, counts.injured or 0, counts.missing or 0)
    for hit in reading.of(Kind.VETO):
        category = hit.term.category
        if category in _HARD_VETOES:
            return _taken(best, f"{category} “{hit.term.text}”", Grade.NONE)
        hurt = (counts.dead or 0) if category == "animals" else told
        if best.category == "death" or hurt:
            continue
        strong = any("weak" not in h.term.tags for h in reading.of(Kind.EVENT))
        left = Grade.NOTE if strong and category == "politics" else Grade.NONE
        return _taken(best, f"{category} “{hit.term.text}”", left)
    if reading.old_year is not None and not counts.dead:
        return _taken(best, f"an event of {reading.old_year}", Grade.NONE)
    if best.category == "epidemic" or (
        (counts.dead or 0) > _RUNNING_SUM and reading.places & reading.wars.keys()
    ):
        return _taken(best, "a running sum", Grade.NOTE)
    caps = [h for h in reading.of(Kind.CAP) if h.term.category != "relative"]
    lifted = _toll_trips(reading) and not any(h.term.category == "inquiry" for h in caps)
    if caps and best.grade is Grade.TRIP and best.category != "death" and not lifted:
        hit = caps[0]
        return _taken(best, f"{hit.term.category} “{hit.term.text}”", Grade.NOTE)
    return best


def _toll_trips(reading: Reading) -> bool:
    """Say whether the number of deaths alone would pause: then no cap holds it down."""
    category = next((h.term.category for h in reading.of(Kind.EVENT)), "")
    return (reading.counts.dead or 0) >= _need(reading, category)[0]


def _taken(best: Weight, reason: str, most: Grade) -> Weight:
    """Return ``best`` with its grade held down to ``most`` and the reason in front."""
    if most is Grade.NOTE and best.grade is Grade.NOTE:
        return best
    score = 0.0 if most is Grade.NONE else min(best.score, 0.9)
    why = f"{most} because of {reason}; else {best.why}"
    return Weight(grade=most, score=score, category=best.category, why=why)
