"""
Headlines and what the detector saw in them.

Invariant: an ``Item`` holds the feed's own words, never folded or shortened ones; every decision
can be shown beside the text it was made from.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from killswitch.news.levels import Level


class Grade(StrEnum):
    """How much one headline weighs: ``trip`` means that a brand would stop now."""

    NONE = "none"
    NOTE = "note"
    TRIP = "trip"


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """
    One entry of a feed, normalised.

    Attributes:
        id: The caller's identity of the entry.
        title: The headline as the feed gave it.
        summary: The feed's teaser, plain text, may be empty.
        outlet: The newsroom behind the feed.
        group: The owner of several outlets; outlets of one group count once. Empty: none.
        lang: ISO 639-1 code of the text, or None when the feed does not say.
        country: ISO 3166-1 code of the feed's public, or None.
        url: Where the article stands.
        published: Aware UTC instant the feed claims, or None.
        first_seen: Aware UTC instant at which we first read it; every window counts from it.
        aggregator: The feed repeats other newsrooms; it never counts as an outlet.
        trusted: One severe report may be enough (``detect.single_trusted``).
        alert: The entry comes from an official alert feed; like an aggregator it is no outlet.
        fields: What an official alert says of itself, such as ``cap:severity``.
    """

    id: str
    title: str
    summary: str = ""
    outlet: str = ""
    group: str = ""
    lang: str | None = None
    country: str | None = None
    url: str = ""
    published: datetime | None = None
    first_seen: datetime
    aggregator: bool = False
    trusted: bool = False
    alert: bool = False
    fields: Mapping[str, str] = field(default_factory=dict)

    @property
    def newsroom(self) -> str:
        """Return what counts as one voice: the group, else the outlet, else the entry itself."""
        return self.group or self.outlet or self.id


@dataclass(frozen=True, slots=True, kw_only=True)
class Official:
    """
    What an official alert orders, by the settings.

    Attributes:
        keys: Its own identity first, then those of the earlier alerts that it updates.
        level: It pauses, people are told, or it only joins a story (None).
        cancelled: It takes an earlier alert back.
    """

    keys: tuple[str, ...]
    level: Level | None
    cancelled: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Signal:
    """
    What the detector found in one item.

    Attributes:
        grade: The weight of the headline by itself.
        score: What it tells, as a share of what a pause needs; 1.0 and more is ``trip``.
        category: ``attack``, ``accident``, ``disaster``, ``war``, ``death`` and so on, or None.
        terms: Lexicon phrases that were found, folded, in order of appearance.
        toll: Deaths that the headline tells, or None when it gives no number.
        names: Capitalised names in the headline, as written.
        places: Countries (lower-case ISO codes) and the folded place names that were found.
        why: One line for a person.
        words: Folded words that set this headline apart; stories are made from them.
        again: It tells of another such event ("second attack", "nouvelle fusillade").
        official: What it orders, where it is an official alert.
        persons: Folded names of those whose death it tells straight; posts may mention them.
        ours: Why this report is near to us and needs no second one; empty: it does.
    """

    grade: Grade
    score: float
    category: str | None
    terms: tuple[str, ...]
    toll: int | None
    names: tuple[str, ...]
    places: tuple[str, ...]
    why: str
    words: tuple[str, ...] = ()
    again: bool = False
    official: Official | None = None
    persons: tuple[str, ...] = ()
    ours: str = ""
