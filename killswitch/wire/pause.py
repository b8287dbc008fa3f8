"""The shapes of the pause: causes, receipts, what a human sees before resuming."""

from __future__ import annotations

from typing import Literal, NotRequired, TypedDict

from killswitch.wire.queue import DeliveryDoc

Via = Literal["socket", "flag"]


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
    """One entry of the flag directory; a directory in it is removed by hand."""

    name: str
    key: str | None
    note: str
    is_dir: NotRequired[bool]


class PostDoc(TypedDict):
    """
    A delivery in one line: on the wire, uncertain, gone out; ``note``: what is known of it.

    ``request_at`` is when the request that sent it, or may have, went out; ``at`` when it was
    written down as sent, which may be long after.
    """

    id: str
    channel: str
    text: str
    at: NotRequired[str | None]
    request_at: NotRequired[str | None]
    author: NotRequired[str | None]
    note: NotRequired[str | None]


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
    """
    Who took it, when, and how many notices stopped.

    ``first`` is false where somebody had taken this pause before: ``acked_by`` and ``acked_at``
    are theirs. Nothing was there to be seen where ``paused`` is false and ``notices`` is 0.
    """

    acked_by: str
    acked_at: str
    notices: int
    paused: NotRequired[bool]
    first: NotRequired[bool]


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
    """
    What a resume did.

    ``lead_held`` counts what is held and due before ``lead_until``; it is not there where decided
    posts are still being let go.
    """

    version: int
    closed: list[str]
    held: int
    lead_until: str | None
    lead_held: NotRequired[int]
    released: NotRequired[int]


class SuggestionDoc(TypedDict):
    """A setting that would have avoided a false alarm, and what it does."""

    setting: str
    effect: str


class DismissDoc(TypedDict):
    """What a dismissal of a false alarm did."""

    version: int
    closed: list[str]
    still_paused: bool
    muted: list[str]
    suggestions: NotRequired[list[SuggestionDoc]]
