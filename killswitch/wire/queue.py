"""The shapes of the queue: deliveries, verbs, imports, and the audit rows beside them."""

from __future__ import annotations

from typing import Any, NotRequired, TypedDict


class HoldDoc(TypedDict):
    """Why a delivery is held; ``words`` are the clashing ones."""

    kind: str
    ref: str
    words: list[str]


class MediaDoc(TypedDict):
    """One file of a post."""

    path: str
    alt: str


class LookedDoc(TypedDict):
    """
    What its network said when it was asked for a post whose answer was lost.

    ``found`` is the last answer: ``"there"``, ``"absent"``, ``"unknown"`` (no clear answer), None
    while nobody has looked; ``not_found`` says that it was absent often and late enough; ``words``
    tell it to people; ``next_at`` is None where nobody looks again.
    """

    times: int
    found: str | None
    not_found: bool
    at: str | None
    next_at: str | None
    words: str


class RetractionDoc(TypedDict):
    """
    A human's wish that a post be taken down.

    ``outcome`` is ``"open"``, ``"gone"``, ``"refused"`` or ``"given_up"`` (nobody knows);
    ``next_at`` says when the network is asked again, None once it is over.
    """

    asked_at: str
    by: str | None
    reason: str
    tries: int
    outcome: str
    detail: str | None
    next_at: str | None
    ended_at: str | None


class DeliveryDoc(TypedDict):
    """
    One delivery, as ``queue list`` shows it.

    ``request_at`` is when the request that sent it, or may have, went out; ``answer_at`` when an
    answer, or a look at the network, said that it is out, None where a human said so; ``sent_at``
    is what was written down as its sending, which may be long after the request. ``channel_gone``
    says that its channel is not configured any more: it can't leave. ``decided_due`` is the
    time that a decision gives it; ``post_deliveries`` how many deliveries its post has.
    """

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
    post_deliveries: NotRequired[int]
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
    request_at: NotRequired[str | None]
    answer_at: NotRequired[str | None]
    problem: NotRequired[str | None]
    expires: NotRequired[str | None]
    stale: NotRequired[bool]
    decided_due: NotRequired[str | None]
    channel_gone: NotRequired[bool]
    looked: NotRequired[LookedDoc | None]
    retraction: NotRequired[RetractionDoc | None]


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


class LookDoneDoc(TypedDict):
    """One look at the network; ``attempt`` is the number of the try whose answer was lost."""

    attempt: int
    at: str
    found: str
    detail: str


class DeliveryShownDoc(DeliveryDoc):
    """One delivery with all that happened to it."""

    history: list[AuditDoc]
    attempts: list[AttemptDoc]
    looks: list[LookDoneDoc]
    retractions: list[RetractionDoc]


class QueuePageDoc(TypedDict):
    """One page of the queue; ``next`` is the cursor of the page after, None at the end."""

    deliveries: list[DeliveryDoc]
    next: str | None


class AddedDoc(TypedDict):
    """
    A post that was taken; ``note`` tells of a DST overlap, a clash, a hold, a pause.

    ``state`` is ``"scheduled"``, ``"held"`` or ``"awaiting_approval"``, of a key that was there
    already whatever became of that post.
    """

    post: str
    ids: list[str]
    state: NotRequired[str]
    due: str
    wall: str
    zone: str
    note: str | None


class DoneDoc(TypedDict):
    """What became of one delivery; ``decided_due`` is the time that was decided on, if any."""

    id: str
    state: str
    due: str
    decision: str | None
    decided_due: NotRequired[str | None]


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
