"""
The JSON shapes that the command line and the control API share, and the values of a request.

Standard library only: the panic path of the CLI loads this module. The ``…Doc`` shapes are what
travels; fields may be added, a field never changes its meaning. The frozen dataclasses are what
the API hands to the desk once a request was checked.

Invariant: every time that travels is ISO 8601 UTC with ``Z`` (``z_time``).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal, NotRequired, TypedDict

ROLES = ("viewer", "pauser", "author", "approver", "resumer", "admin")
"""What ``[[people]]`` may grant; viewing, pausing and ``ack`` need none of them."""
VERBS = (
    "edit",
    "move",
    "cancel",
    "hold",
    "release",
    "skip",
    "keep",
    "confirm",
    "resolve",
    "approve",
    "reject",
)
"""What a human may do with deliveries (``POST /v1/queue/act``)."""

Via = Literal["socket", "flag"]
State = Literal["running", "inhibited", "paused", "starting", "unreachable"]


def z_time(instant: datetime) -> str:
    """
    Write an instant as ISO 8601 UTC with ``Z``; microseconds only where there are any.

    Raises:
        ValueError: The instant is naive; which moment it means is not known.
    """
    if instant.tzinfo is None:
        raise ValueError("a naive time can't be written")
    return instant.astimezone(UTC).isoformat().replace("+00:00", "Z")


def z_or_none(instant: datetime | None) -> str | None:
    """Write an instant as ``z_time`` does, and nothing as None."""
    return None if instant is None else z_time(instant)


def read_time(text: str) -> datetime:
    """
    Read a time of the wire back as an aware UTC instant.

    Raises:
        ValueError: The text is not ISO 8601 or says no offset.
    """
    instant = datetime.fromisoformat(text)
    if instant.tzinfo is None:
        raise ValueError(f"{text!r} says no offset")
    return instant.astimezone(UTC)


# ---- requests ---------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Caller:
    """
    Who asks, as the kernel says it, and what they may do.

    Attributes:
        uid: Peer's user id (``SO_PEERCRED``).
        gid: Peer's group id.
        pid: Peer's process id; 0 where it is not known.
        login: Login name of the uid, ``"uid 1234"`` where there is none.
        said_name: What root or the daemon's own uid said with ``--as``; None for anybody else.
        roles: Words of ``ROLES``.
        request_key: The ``Idempotency-Key`` of this request: the same key has its effect once.
    """

    uid: int
    gid: int
    pid: int
    login: str
    said_name: str | None = None
    roles: frozenset[str] = frozenset()
    request_key: str | None = None

    @property
    def name(self) -> str:
        """Who it is, however that was said: what "another person" is judged by."""
        return self.said_name or self.login

    @property
    def person(self) -> str:
        """The name under which the act is recorded; ``"lea (said by root)"`` when it was said."""
        return f"{self.said_name} (said by {self.login})" if self.said_name else self.login


@dataclass(frozen=True, slots=True)
class Media:
    """One picture or film: path relative to ``media/`` of the state directory, and its words."""

    path: str
    alt: str = ""


@dataclass(frozen=True, slots=True)
class NewPost:
    """
    A post as its author wrote it.

    Attributes:
        text: What is published.
        at: WHEN, as typed; ``killswitch.queue.when`` reads it.
        channels: Names of channels, at least one.
        tags: Words for filters, horizons and clashes.
        media: Files to publish with it.
        link: Address to publish with it.
        expires: WHEN after which the machine may skip it, as typed.
        key: The author's own id: the same key with the same content is nothing new.
    """

    text: str
    at: str
    channels: tuple[str, ...]
    tags: tuple[str, ...] = ()
    media: tuple[Media, ...] = ()
    link: str | None = None
    expires: str | None = None
    key: str | None = None


@dataclass(frozen=True, slots=True)
class QueueFilter:
    """
    Which deliveries; an empty filter means all that have not ended.

    Attributes:
        states: States, any of them; empty for all that have not ended.
        tag: Deliveries whose post carries this tag.
        channel: Deliveries on this channel.
        until: Due before this instant (aware UTC).
        clash: Only those that clash with an event.
        ids: Ids or unique prefixes, in this order.
        limit: At most this many rows in a page.
        after: Cursor, the ``next`` of the page before.
    """

    states: tuple[str, ...] = ()
    tag: str | None = None
    channel: str | None = None
    until: datetime | None = None
    clash: bool = False
    ids: tuple[str, ...] = ()
    limit: int = 200
    after: str | None = None


@dataclass(frozen=True, slots=True)
class QueueAct:
    """
    One verb on deliveries named by id, all or nothing, or chosen by a filter, each for itself.

    Attributes:
        verb: One of ``VERBS``.
        ids: Ids or unique prefixes; empty when a filter chooses.
        chosen: The filter; None when ids are given.
        at: WHEN for ``move``, ``edit`` and ``release``, as typed.
        text: New text for ``edit``.
        link: New link for ``edit``.
        tags: New tags for ``edit``.
        sent: For ``resolve``: it is on the network (True) or not (False).
        reason: Why; asked for where a rule asks for it.
    """

    verb: str
    ids: tuple[str, ...] = ()
    chosen: QueueFilter | None = None
    at: str | None = None
    text: str | None = None
    link: str | None = None
    tags: tuple[str, ...] | None = None
    sent: bool | None = None
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class ImportRow:
    """
    One post of a queue file: ``post`` as for ``queue add``, ``line`` where it starts in the file.

    A row means one delivery a channel, and its ``key`` is the author's own id of the post.
    """

    line: int
    post: NewPost


# ---- the pause --------------------------------------------------------------------------------


class EvidenceDoc(TypedDict):
    """One headline behind a cause."""

    title: str
    outlet: str
    url: str | None
    at: str | None


class CauseDoc(TypedDict):
    """One open reason of a pause."""

    id: str
    kind: str
    reason: str
    since: str
    by: str
    evidence: list[EvidenceDoc]
    rule: NotRequired[str | None]


class InhibitDoc(TypedDict):
    """One short "not now" that lifts by itself."""

    kind: str
    reason: str
    since: str


class FlagDoc(TypedDict):
    """One entry of the flag directory."""

    name: str
    key: str | None
    note: str


class PostDoc(TypedDict):
    """A delivery in one line: on the wire, uncertain, gone out."""

    id: str
    channel: str
    text: str
    at: NotRequired[str | None]
    author: NotRequired[str | None]


class PauseDoc(TypedDict):
    """
    The receipt of a pause.

    ``sealed`` is None while that is not known yet, False when it is known not to be.
    """

    accepted: bool
    via: Via
    sealed: bool | None
    version: int | None
    on_wire: list[PostDoc]
    uncertain: list[PostDoc]
    state_dir: str
    sealed_at: NotRequired[str | None]


class AckDoc(TypedDict):
    """Who took it, when, and how many notices stopped."""

    acked_by: str
    acked_at: str
    notices: int


class StandingDoc(TypedDict):
    """A cause that still stands, so that a resume is refused, and why."""

    kind: str
    why: str


class ResumePreviewDoc(TypedDict):
    """What a human must see before resuming."""

    version: int
    causes: list[CauseDoc]
    standing: list[StandingDoc]
    undecided: list[DeliveryDoc]
    decided: list[DeliveryDoc]
    held: int
    next_24h: list[DeliveryDoc]
    uncertain: list[DeliveryDoc]


class ResumeDoc(TypedDict):
    """What a resume did."""

    version: int
    closed: list[str]
    held: int
    lead_until: str | None
    released: NotRequired[int]


class DismissDoc(TypedDict):
    """What a dismissal of a false alarm did."""

    version: int
    closed: list[str]
    still_paused: bool
    muted: list[str]


# ---- the queue --------------------------------------------------------------------------------


class HoldDoc(TypedDict):
    """Why a delivery is held; ``words`` are the clashing ones."""

    kind: str
    ref: str
    words: list[str]


class MediaDoc(TypedDict):
    """One file of a post."""

    path: str
    alt: str


class DeliveryDoc(TypedDict):
    """One delivery, as ``queue list`` shows it."""

    id: str
    post: str
    key: str | None
    channel: str
    state: str
    due: str
    text: str
    tags: list[str]
    reason: str | None
    decision: str | None
    clash: list[str]
    wall: NotRequired[str]
    zone: NotRequired[str]
    holds: NotRequired[list[HoldDoc]]
    media: NotRequired[list[MediaDoc]]
    link: NotRequired[str | None]
    author: NotRequired[str | None]
    approved_by: NotRequired[str | None]
    remote_id: NotRequired[str | None]
    remote_url: NotRequired[str | None]
    sent_at: NotRequired[str | None]
    problem: NotRequired[str | None]
    expires: NotRequired[str | None]
    stale: NotRequired[bool]


class AuditDoc(TypedDict):
    """One row of the audit chain."""

    seq: int
    at: str
    actor: str
    event: str
    subject: str
    data: dict[str, Any]


class AttemptDoc(TypedDict):
    """One try to publish."""

    number: int
    intent_at: str
    outcome: str
    detail: str | None
    ended_at: str | None


class DeliveryShownDoc(DeliveryDoc):
    """One delivery with all that happened to it."""

    history: list[AuditDoc]
    attempts: list[AttemptDoc]


class QueuePageDoc(TypedDict):
    """One page of the queue; ``next`` is the cursor of the page after, None at the end."""

    deliveries: list[DeliveryDoc]
    next: str | None


class AddedDoc(TypedDict):
    """A post that was taken; ``note`` tells of a DST overlap, a clash, a hold."""

    post: str
    ids: list[str]
    due: str
    wall: str
    zone: str
    note: str | None


class DoneDoc(TypedDict):
    """What became of one delivery."""

    id: str
    state: str
    due: str
    decision: str | None


class RefusalDoc(TypedDict):
    """Why one delivery was left as it was."""

    id: str
    code: str
    message: str
    hint: str


class ActedDoc(TypedDict):
    """The result of a verb."""

    done: list[DoneDoc]
    refused: list[RefusalDoc]


ImportDoc = TypedDict("ImportDoc", {"import": str})
"""The id of an import that was opened."""


class BadLineDoc(TypedDict):
    """One line of a queue file that can't be taken."""

    line: int
    message: str


class StagedDoc(TypedDict):
    """What became of a chunk of rows; nothing of it is visible yet."""

    staged: int
    same: int
    bad: list[BadLineDoc]


class CommittedDoc(TypedDict):
    """An import that became visible (or would, in a dry run)."""

    added: int
    same: int


# ---- the rest ---------------------------------------------------------------------------------


class SightDoc(TypedDict):
    """How recently enough live feeds were read; ``age_s`` None when never."""

    ok: bool
    age_s: float | None
    alive: int
    feeds: int


class QueueCountsDoc(TypedDict):
    """How many deliveries stand where."""

    scheduled: int
    held: int
    sending: int
    uncertain: int
    awaiting_approval: int
    sent_24h: int


class NextDueDoc(TypedDict):
    """One of the next deliveries; ``state`` tells whether it is held."""

    id: str
    channel: str
    due: str
    text: str
    state: NotRequired[str]


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


class StatusDoc(TypedDict):
    """The status; without a daemon only the first part is there, with ``unreachable``."""

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
    rehearsal: NotRequired[list[RehearsalDoc]]
    one_outlet: NotRequired[list[OneOutletDoc]]
    language: NotRequired[str]
    timezone: NotRequired[str]


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
    """Whether something left through our gate."""

    found: bool
    delivery: DeliveryDoc | None
    author: str | None
    approved_by: str | None
    sent_at: str | None


class TellingDoc(TypedDict):
    """One address (masked) of a test notice."""

    address: str
    accepted: bool
    problem: str | None


class NotifyTestDoc(TypedDict):
    """The result of a test notice."""

    tellings: list[TellingDoc]


class AuditPageDoc(TypedDict):
    """Rows of the audit chain, oldest first; ``next`` is the last seq, None at the end."""

    rows: list[AuditDoc]
    next: int | None


class AuditVerifyDoc(TypedDict):
    """Whether the chain of audit rows is whole."""

    ok: bool
    rows: int
    broken_at: int | None
    why: str | None


class BackupDoc(TypedDict):
    """A backup that was written."""

    path: str
    bytes: int


class ReloadDoc(TypedDict):
    """The paths of the settings that a reload changed."""

    changed: list[str]


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
