"""
The states of a delivery and the only moves between them.

A delivery is one post on one channel: the unit of work. The table below is the single statement
of what may follow what; the gate, the desk and a database trigger all read it.

Invariants:
    ``sending`` is the only state from which a request may be on the wire.
    ``uncertain`` never goes back to the queue by itself, unless the network makes a repeat
    harmless: a human resolves it, or a probe finds the post on the network.
    ``sent``, ``failed``, ``skipped``, ``cancelled`` and ``retracted`` are ends (``sent`` and
    ``uncertain`` may still be retracted).
"""

from __future__ import annotations

from enum import StrEnum


class DeliveryState(StrEnum):
    """Where one post on one channel stands."""

    DRAFT = "draft"
    AWAITING_APPROVAL = "awaiting_approval"
    SCHEDULED = "scheduled"
    HELD = "held"
    CLAIMED = "claimed"
    SENDING = "sending"
    SENT = "sent"
    UNCERTAIN = "uncertain"
    FAILED = "failed"
    SKIPPED = "skipped"
    CANCELLED = "cancelled"
    RETRACTING = "retracting"
    RETRACTED = "retracted"


_S = DeliveryState

TRANSITIONS: dict[DeliveryState, frozenset[DeliveryState]] = {
    _S.DRAFT: frozenset({_S.AWAITING_APPROVAL, _S.SCHEDULED, _S.CANCELLED}),
    _S.AWAITING_APPROVAL: frozenset({_S.SCHEDULED, _S.DRAFT, _S.HELD, _S.SKIPPED, _S.CANCELLED}),
    _S.SCHEDULED: frozenset(
        {_S.CLAIMED, _S.HELD, _S.AWAITING_APPROVAL, _S.DRAFT, _S.SKIPPED, _S.CANCELLED}
    ),
    _S.HELD: frozenset({_S.SCHEDULED, _S.AWAITING_APPROVAL, _S.DRAFT, _S.SKIPPED, _S.CANCELLED}),
    _S.CLAIMED: frozenset({_S.SCHEDULED, _S.SENDING, _S.CANCELLED}),
    _S.SENDING: frozenset({_S.SENT, _S.SCHEDULED, _S.HELD, _S.FAILED, _S.UNCERTAIN}),
    _S.UNCERTAIN: frozenset({_S.SENT, _S.SCHEDULED, _S.HELD, _S.SKIPPED, _S.RETRACTING}),
    _S.SENT: frozenset({_S.RETRACTING}),
    _S.RETRACTING: frozenset({_S.RETRACTED, _S.SENT, _S.UNCERTAIN}),
    _S.FAILED: frozenset(),
    _S.SKIPPED: frozenset(),
    _S.CANCELLED: frozenset(),
    _S.RETRACTED: frozenset(),
}

# States in which a delivery still takes a slot of its channel: gaps and caps count them.
PENDING = frozenset({_S.AWAITING_APPROVAL, _S.SCHEDULED, _S.CLAIMED, _S.SENDING, _S.UNCERTAIN})
# States from which a human may still call a delivery back: nothing of it has left.
RECALLABLE = frozenset({_S.DRAFT, _S.AWAITING_APPROVAL, _S.SCHEDULED, _S.HELD, _S.CLAIMED})


class HoldKind(StrEnum):
    """Why a delivery is held, in the order in which people are shown the reason."""

    PAUSE = "pause"
    LEAD = "lead"
    CLASH = "clash"
    LATE = "late"
    HORIZON = "horizon"
    HUMAN = "human"


class Decision(StrEnum):
    """What a human said should become of a held delivery."""

    RELEASE = "release"
    MOVE = "move"
    EDIT = "edit"
    SKIP = "skip"
    KEEP = "keep"


def may_follow(old: DeliveryState, new: DeliveryState) -> bool:
    """Say whether a delivery may move from ``old`` to ``new``."""
    return new in TRANSITIONS[old]


def first_reason(kinds: set[HoldKind]) -> HoldKind | None:
    """Return the hold that people are shown first, or None without any."""
    return next((kind for kind in HoldKind if kind in kinds), None)
