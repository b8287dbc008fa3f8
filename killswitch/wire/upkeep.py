"""The shapes of upkeep: feeds, channels, incidents, audit, errors."""

from __future__ import annotations

from typing import Any, NotRequired, TypedDict

from killswitch.wire.pause import CauseDoc
from killswitch.wire.queue import AuditDoc, DeliveryDoc
from killswitch.wire.status import FeverDoc


class FeedDoc(TypedDict):
    """The health of one feed."""

    name: str
    outlet: str
    kind: str
    alive: bool
    frozen: bool
    last_good_at: str | None
    newest_item_at: str | None
    gap_median_s: float | None
    failures: int
    problem: str | None
    next_poll_at: str | None


class LookDoc(TypedDict):
    """A look at the feeds, asked for by a human."""

    feeds: int
    failed: list[str]


class ChannelDoc(TypedDict):
    """One channel: rights, limits, waits."""

    name: str
    kind: str
    ok: bool
    limits: dict[str, Any]
    sent_24h: int
    waits_until: str | None
    problem: str | None


class IncidentDoc(TypedDict):
    """One pause, measured; times are None where that never happened."""

    id: str
    title: str
    kind: str
    times: dict[str, str | None]
    fever: FeverDoc | None
    deliveries: dict[str, int]
    acked_by: str | None
    resumed_by: str | None
    resume_reason: str | None
    outcome: str | None


class IncidentShownDoc(IncidentDoc):
    """One incident with its deliveries and decisions."""

    causes: list[CauseDoc]
    posts: list[DeliveryDoc]
    decisions: list[dict[str, Any]]


class WhoseDoc(TypedDict):
    """
    Whether something left through our gate; the times are those of its delivery.

    ``released_by`` is who let it go from its last hold, None where nobody had to.
    """

    found: bool
    delivery: DeliveryDoc | None
    author: str | None
    approved_by: str | None
    sent_at: str | None
    released_by: NotRequired[str | None]
    released_at: NotRequired[str | None]
    request_at: NotRequired[str | None]
    answer_at: NotRequired[str | None]


class TellingDoc(TypedDict):
    """One address (masked) of a test notice."""

    address: str
    accepted: bool
    problem: str | None


class NotifyTestDoc(TypedDict):
    """The result of a test notice."""

    tellings: list[TellingDoc]


class SeenDoc(TypedDict):
    """A headline that the daemon has graded; ``dismissed`` where its story was a false alarm."""

    id: str
    title: str
    summary: str
    url: str
    lang: str | None
    published: str | None
    seen: str
    dismissed: bool
    alert: dict[str, str] | None


class SeenPageDoc(TypedDict):
    """Headlines of one feed, oldest first; ``next`` goes on from here, None at the end."""

    items: list[SeenDoc]
    next: str | None


class AuditPageDoc(TypedDict):
    """Rows of the audit chain, oldest first; ``next`` is the last seq, None at the end."""

    rows: list[AuditDoc]
    next: int | None


class AuditBreakDoc(TypedDict):
    """A break that a human accepted: the chain began anew at the row ``start``."""

    row: int | None
    why: str
    start: int
    accepted_by: str
    accepted_at: str


class AuditVerifyDoc(TypedDict):
    """
    Whether the chain of audit rows is whole from its newest start, the row ``since``, on.

    ``breaks`` lists what was broken before that and accepted by a human; a trail that was never
    broken has none, and begins at row 1. ``unread``: not ok because it could not be checked.
    """

    ok: bool
    rows: int
    broken_at: int | None
    why: str | None
    unread: bool
    since: int
    breaks: list[AuditBreakDoc]


class BackupDoc(TypedDict):
    """A backup that was written."""

    path: str
    bytes: int


class ReloadDoc(TypedDict):
    """The settings that a reload changed, and posts by channel that it left without a channel."""

    changed: list[str]
    orphaned: NotRequired[dict[str, int]]


class ProblemDoc(TypedDict):
    """An error of the API, RFC 9457, with the exit code that the command line ends with."""

    type: str
    title: str
    status: int
    detail: str
    code: str
    hint: str
    exit: int


class ErrorDoc(TypedDict):
    """What is inside ``{"error": …}`` of ``--json``."""

    code: str
    message: str
    hint: str
