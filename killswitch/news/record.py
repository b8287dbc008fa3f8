"""
The record of one event: which newsrooms told what and when, and where it stands.

Invariants:
    A story is a plain value; ``from_json(to_json())`` gives an equal one, so a restart in the
    middle of an event changes no verdict.
    Its members are bounded; what a decision needs of the ones that fell out stands in its fields.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from killswitch.news.item import Grade

if TYPE_CHECKING:
    from collections.abc import Mapping

    from killswitch.news.item import Item, Signal

# Enough for every outlet of a large feed list; older evidence is told by the fields.
MEMBERS_KEPT = 60
WORDS_KEPT = 80
ALERTS_KEPT = 40
# Toll classes: a rise into a higher one is a clear worsening.
TOLL_CLASSES = (1, 4, 12, 40, 120, 400)


class StoryState(StrEnum):
    """Where a story stands; only people mute and dismiss."""

    OPEN = "open"
    UNCONFIRMED = "unconfirmed"
    TRIPPED = "tripped"
    MUTED = "muted"
    DISMISSED = "dismissed"


_TIMES = (
    "first_item_at",
    "last_item_at",
    "unconfirmed_at",
    "tripped_at",
    "muted_at",
    "again_at",
    "told_at",
)
SETTLED = frozenset({StoryState.TRIPPED, StoryState.MUTED, StoryState.DISMISSED})


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """One headline of a story."""

    id: str
    outlet: str
    group: str
    grade: Grade
    title: str
    url: str
    at: datetime
    aggregator: bool = False
    trusted: bool = False

    @property
    def newsroom(self) -> str:
        """Return what counts as one voice: the group, else the outlet, else the entry itself."""
        return self.group or self.outlet or self.id

    def to_json(self) -> dict[str, Any]:
        """Return the member as JSON values."""
        return {
            "id": self.id,
            "outlet": self.outlet,
            "group": self.group,
            "grade": str(self.grade),
            "title": self.title,
            "url": self.url,
            "at": _stamp(self.at),
            "aggregator": self.aggregator,
            "trusted": self.trusted,
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Member:
        """Read what ``to_json`` wrote."""
        return cls(**{**data, "grade": Grade(data["grade"]), "at": _read_stamp(data["at"])})


@dataclass(frozen=True, slots=True, kw_only=True)
class Story:
    """
    Items of several outlets about the same event.

    Attributes:
        id: Given by the caller's id factory.
        title: The headline of its most telling member.
        category: Kind of event of the first telling signal.
        toll: Highest number of deaths told so far.
        names: Names told, at most 20.
        places: Countries and place names told, at most 20.
        words: Folded words that set the story apart, with the number of members that use them.
        terms: Event phrases told, with counts.
        members: The headlines, oldest first, bounded.
        heard: Newsrooms that ever reported it, aggregators left out.
        first_item_at: First headline, aware UTC.
        last_item_at: Latest headline, aware UTC.
        state: Where it stands.
        unconfirmed_at: When its one self-lifting wait began.
        tripped_at: When it paused first.
        muted_at: When a person settled it.
        again_at: When it was last told as another such event.
        told_at: When people were last told of it without a pause (``[levels]``).
        toll_class: Highest class of ``TOLL_CLASSES`` that has been told and acted on.
        told_places: Places that were known when people last decided or the story last paused.
        told_categories: Likewise for kinds of event.
        score: Highest score of a member, for choosing the title.
        alerts: Identities of the official alerts in it.
    """

    id: str
    title: str
    category: str | None
    toll: int | None
    names: tuple[str, ...]
    places: tuple[str, ...]
    words: Mapping[str, int]
    terms: Mapping[str, int]
    members: tuple[Member, ...]
    heard: tuple[str, ...]
    first_item_at: datetime
    last_item_at: datetime
    state: StoryState = StoryState.OPEN
    unconfirmed_at: datetime | None = None
    tripped_at: datetime | None = None
    muted_at: datetime | None = None
    again_at: datetime | None = None
    told_at: datetime | None = None
    toll_class: int = 0
    told_places: tuple[str, ...] = ()
    told_categories: tuple[str, ...] = ()
    score: float = 0.0
    alerts: tuple[str, ...] = ()

    @property
    def outlets(self) -> tuple[str, ...]:
        """Return the newsrooms that reported it, in order of their first headline."""
        return self.heard

    @property
    def decided(self) -> tuple[StoryState, datetime | None]:
        """Return where it stands and since which human decision."""
        return self.state, self.muted_at

    def within(self, now: datetime, window: timedelta) -> list[Member]:
        """Return the members seen inside ``window`` before ``now``, aggregators left out."""
        return [m for m in self.members if not m.aggregator and now - m.at <= window]

    def to_json(self) -> dict[str, Any]:
        """Return the story as JSON values; times are ISO 8601 UTC with ``Z``."""
        return {
            "id": self.id,
            "title": self.title,
            "category": self.category,
            "toll": self.toll,
            "names": list(self.names),
            "places": list(self.places),
            "words": dict(self.words),
            "terms": dict(self.terms),
            "members": [member.to_json() for member in self.members],
            "heard": list(self.heard),
            "first_item_at": _stamp(self.first_item_at),
            "last_item_at": _stamp(self.last_item_at),
            "state": str(self.state),
            "unconfirmed_at": _stamp(self.unconfirmed_at),
            "tripped_at": _stamp(self.tripped_at),
            "muted_at": _stamp(self.muted_at),
            "again_at": _stamp(self.again_at),
            "told_at": _stamp(self.told_at),
            "toll_class": self.toll_class,
            "told_places": list(self.told_places),
            "told_categories": list(self.told_categories),
            "score": self.score,
            "alerts": list(self.alerts),
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Story:
        """
        Read what ``to_json`` wrote.

        Raises:
            KeyError: A field is missing.
            ValueError: A state, grade or time is not one.
        """
        values: dict[str, Any] = dict(data)
        for name in ("names", "places", "heard", "told_places", "told_categories"):
            values[name] = tuple(data[name])
        values["alerts"] = tuple(data.get("alerts", ()))
        for name in _TIMES:
            values[name] = _read_stamp(data.get(name))
        values["members"] = tuple(Member.from_json(member) for member in data["members"])
        values["state"] = StoryState(data["state"])
        return cls(**values)


def _stamp(at: datetime | None) -> str | None:
    """Write an instant as ISO 8601 UTC."""
    return None if at is None else at.astimezone(UTC).isoformat().replace("+00:00", "Z")


def _read_stamp(text: str | None) -> datetime | None:
    """Read an instant written by ``_stamp``."""
    return None if text is None else datetime.fromisoformat(text)


def carried(story: Story, *, by: timedelta, now: datetime) -> Story:
    """
    Carry a story over a step of the wall clock: it is as old as before.

    Args:
        story: As the clock of before wrote it.
        by: How far the clock was stepped, back below zero; zero where only its result is known:
            what lies ahead then began now.
        now: Aware UTC instant on the clock of today.
    """

    def moved(at: datetime) -> datetime:
        return min(at + by, now) if by > timedelta(0) or at > now else at

    times: dict[str, Any] = {
        name: moved(at) for name in _TIMES if (at := getattr(story, name)) is not None
    }
    members = tuple(replace(member, at=moved(member.at)) for member in story.members)
    return replace(story, members=members, **times)


def renamed(story: Story, names: Mapping[str, str]) -> Story:
    """
    Call newsrooms by their present names, so that one under two names does not count as two.

    Args:
        story: As it was written.
        names: The new name of each newsroom that goes by another one now.
    """
    members = tuple(
        replace(member, group=names[member.newsroom]) if member.newsroom in names else member
        for member in story.members
    )
    heard = tuple(dict.fromkeys(names.get(one, one) for one in story.heard))
    return replace(story, members=members, heard=heard)


def toll_class(toll: int | None) -> int:
    """Return the class of a number of deaths: 0 for none told, rising with each limit."""
    return sum(toll >= limit for limit in TOLL_CLASSES) if toll else 0


def first_story(story_id: str, item: Item, signal: Signal, now: datetime) -> Story:
    """Open a story with its first headline."""
    empty = Story(
        id=story_id,
        title=item.title,
        category=signal.category,
        toll=None,
        names=(),
        places=(),
        words={},
        terms={},
        members=(),
        heard=(),
        first_item_at=now,
        last_item_at=now,
    )
    return with_item(empty, item, signal, now)


def with_item(story: Story, item: Item, signal: Signal, now: datetime) -> Story:
    """Return the story with one more headline; the same entry again changes nothing but itself."""
    member = Member(
        id=item.id,
        outlet=item.outlet,
        group=item.group,
        grade=signal.grade,
        title=item.title,
        url=item.url,
        at=now,
        aggregator=item.aggregator,
        trusted=item.trusted,
    )
    known = {m.id for m in story.members}
    members = story.members if item.id in known else _bounded((*story.members, member))
    better = signal.score > story.score and not item.aggregator
    heard = story.heard if item.aggregator else _joined(story.heard, (member.newsroom,), 200)
    return replace(
        story,
        title=item.title if better else story.title,
        category=signal.category if better and signal.category else story.category,
        toll=max(filter(None, (story.toll, signal.toll)), default=None),
        names=_joined(story.names, signal.names, 20),
        places=_joined(story.places, signal.places, 20),
        words=_counted(story.words, signal.words),
        terms=_counted(story.terms, signal.terms),
        members=members,
        heard=heard,
        last_item_at=max(now, story.last_item_at),
        score=max(signal.score, story.score),
        alerts=_joined(story.alerts, signal.official.keys if signal.official else (), ALERTS_KEPT),
    )


def _bounded(members: tuple[Member, ...]) -> tuple[Member, ...]:
    """Keep the first members and the latest ones."""
    if len(members) <= MEMBERS_KEPT:
        return members
    half = MEMBERS_KEPT // 2
    return (*members[:half], *members[-half:])


def _joined(known: tuple[str, ...], more: tuple[str, ...], most: int) -> tuple[str, ...]:
    """Add what is new, up to a bound."""
    return tuple(dict.fromkeys((*known, *more)))[:most]


def _counted(known: Mapping[str, int], more: tuple[str, ...]) -> dict[str, int]:
    """Count words in; beyond the bound only known ones are counted."""
    counts = Counter(known)
    for word in more:
        if word in counts or len(counts) < WORDS_KEPT:
            counts[word] += 1
    return dict(counts)
