"""The shape of the status: everything that people and monitors read at one glance."""

from __future__ import annotations

from typing import Literal, NotRequired, TypedDict

from killswitch.wire.pause import CauseDoc, FlagDoc, InhibitDoc, PostDoc

State = Literal["running", "inhibited", "paused", "starting", "unreachable"]


class SightDoc(TypedDict):
    """How recently enough live feeds were read; ``age_s`` None when never."""

    ok: bool
    age_s: float | None
    alive: int
    feeds: int


class QueueCountsDoc(TypedDict):
    """How many deliveries stand where; ``failed`` are those that nobody has looked at."""

    scheduled: int
    held: int
    sending: int
    uncertain: int
    awaiting_approval: int
    failed: NotRequired[int]
    sent_24h: int


class NextDueDoc(TypedDict):
    """
    One of the next deliveries; ``state`` tells whether it is held.

    ``waits_until`` and ``waits_why`` stand there while its channel waits: it can't leave before.
    """

    id: str
    channel: str
    due: str
    text: str
    state: NotRequired[str]
    waits_until: NotRequired[str]
    waits_why: NotRequired[str]


class FeverDoc(TypedDict):
    """How hot the story is: headlines an hour, and ``"rising"``, ``"steady"`` or ``"falling"``."""

    per_hour: int
    trend: str


class IncidentHeadDoc(TypedDict):
    """The event behind the pause."""

    id: str
    title: str
    outlets: int
    first_headline_at: str | None
    first_outlet: str | None


class ClashesDoc(TypedDict):
    """How many held deliveries clash with the event, and on which words."""

    count: int
    words: list[str]


class WhoDoc(TypedDict):
    """Who took the pause in hand, and who is told after them."""

    acked_by: str | None
    acked_at: str | None
    next: NotRequired[str | None]


class ByHandDoc(TypedDict):
    """A place the switch can't reach; ``state`` is ``"not_confirmed"`` or ``"stopped"``."""

    name: str
    state: str
    at: NotRequired[str | None]


class RelayDoc(TypedDict):
    """One relay at the last pause or resume."""

    name: str
    event: str
    reached: bool
    at: str | None
    problem: str | None


class FailingDoc(TypedDict):
    """One notice address (masked) that does not take notices."""

    address: str
    problem: str


class NoticesDoc(TypedDict):
    """The health of the chain to people."""

    failing: list[FailingDoc]


class RehearsalDoc(TypedDict):
    """What rehearsal would have paused for."""

    at: str
    title: str
    outlets: int


class OneOutletDoc(TypedDict):
    """A story that one outlet alone tells."""

    title: str
    outlet: str
    since: str


class ConfigRefusedDoc(TypedDict):
    """A newer configuration that was refused; the one before it is at work."""

    since: str
    why: str


class StatusDoc(TypedDict):
    """
    The status; without a daemon only the first part is there, with ``unreachable``.

    ``start`` is the command that starts a daemon that is not there.
    """

    state: State
    mode: str | None
    sealed: bool
    sealed_at: str | None
    version: int | None
    causes: list[CauseDoc]
    inhibits: list[InhibitDoc]
    sight: SightDoc | None
    queue: QueueCountsDoc | None
    next_due: list[NextDueDoc]
    lead_until: str | None
    flags: list[FlagDoc]
    state_dir: str
    now: NotRequired[str]
    since: NotRequired[str | None]
    fever: NotRequired[FeverDoc | None]
    went_out: NotRequired[list[PostDoc]]
    uncertain: NotRequired[list[PostDoc]]
    incident: NotRequired[IncidentHeadDoc | None]
    clashes: NotRequired[ClashesDoc]
    undecided: NotRequired[int]
    who: NotRequired[WhoDoc | None]
    by_hand: NotRequired[list[ByHandDoc]]
    relays: NotRequired[list[RelayDoc]]
    notices: NotRequired[NoticesDoc]
    last_round_age_s: NotRequired[float | None]
    hint: NotRequired[str | None]
    start: NotRequired[str]
    config_refused: NotRequired[ConfigRefusedDoc | None]
    rehearsal: NotRequired[list[RehearsalDoc]]
    one_outlet: NotRequired[list[OneOutletDoc]]
    orphaned: NotRequired[dict[str, int]]
    language: NotRequired[str]
    timezone: NotRequired[str]
