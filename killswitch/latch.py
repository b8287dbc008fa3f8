"""
The rules of the pause: causes, inhibits, versions, resume. Pure, but for the in-memory inhibits.

Invariants:
    Paused = at least one open cause. Only a human closes causes, and only those that were seen.
    The version grows at every trip and every close; a resume names the version that was seen.
    An inhibit stops sending at once and lifts by itself; it is never a reason to pause for good
    (the daemon opens a cause when one lasts longer than its tolerance).
"""

from __future__ import annotations

import threading
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any


class CauseKind(StrEnum):
    """Why the queue is paused."""

    MANUAL = "manual"
    STORY = "story"
    ALERT = "alert"
    BLIND = "blind"
    DETECTOR = "detector"
    CLOCK = "clock"
    STORE = "store"
    FLAG = "flag"
    UNCLEAN_START = "unclean_start"
    TAMPER = "tamper"
    NOTIFY = "notify"
    RATE = "rate"


# Causes that a false alarm closes; everything else wants a resume.
DISMISSIBLE = frozenset({CauseKind.STORY, CauseKind.ALERT})
# Causes that the news detector opened; rehearsal mode only tells of them.
FROM_NEWS = frozenset({CauseKind.STORY, CauseKind.ALERT})


class InhibitKind(StrEnum):
    """Why nothing leaves just now, though the queue is not paused."""

    STARTING = "starting"
    SIGHT = "sight"
    UNCONFIRMED = "unconfirmed"
    CLOCK = "clock"
    STORE = "store"
    STOPPING = "stopping"
    # A pause was asked for and is being written down: the in-memory stop of design section 4.
    PAUSING = "pausing"


@dataclass(frozen=True, slots=True)
class Cause:
    """One open reason of a pause."""

    id: str
    kind: CauseKind
    ref: str
    reason: str
    since: datetime
    by: str
    version: int
    evidence: tuple[Mapping[str, Any], ...] = ()
    review_at: datetime | None = None
    incident: str | None = None
    rule: str | None = None


@dataclass(frozen=True, slots=True)
class Latch:
    """The pause as one reading of the store shows it."""

    version: int
    causes: tuple[Cause, ...] = ()
    sealed_at: datetime | None = None
    paused_at: datetime | None = None
    resumed_at: datetime | None = None
    incident: str | None = None

    @property
    def paused(self) -> bool:
        """Whether at least one cause is open."""
        return bool(self.causes)


@dataclass(frozen=True, slots=True)
class Inhibit:
    """One self-lifting "not now"."""

    kind: InhibitKind
    reason: str
    since: datetime


@dataclass(slots=True)
class Inhibits:
    """
    The inhibits of this process; ``starting`` from the first instruction.

    Threads may share it. An inhibit with several refs (two unconfirmed stories) lifts when the
    last of them has lifted.
    """

    _open: dict[tuple[InhibitKind, str], Inhibit] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def open(self, kind: InhibitKind, reason: str, *, now: datetime, ref: str = "") -> bool:
        """Stop sending for this reason; say whether it is new (else only its words change)."""
        with self._lock:
            known = self._open.get((kind, ref))
            since = known.since if known else now
            self._open[kind, ref] = Inhibit(kind, reason, since)
            return known is None

    def lift(self, kind: InhibitKind, *, ref: str = "") -> bool:
        """Take the reason away; say whether it was there."""
        with self._lock:
            return self._open.pop((kind, ref), None) is not None

    def list(self) -> tuple[Inhibit, ...]:
        """Return the inhibits, oldest first."""
        with self._lock:
            return tuple(sorted(self._open.values(), key=lambda inhibit: inhibit.since))

    def since(self, kind: InhibitKind, *, ref: str = "") -> datetime | None:
        """Return when this inhibit began, or None."""
        with self._lock:
            found = self._open.get((kind, ref))
        return found.since if found else None

    def refs(self, kind: InhibitKind) -> tuple[str, ...]:
        """Return the refs under which this kind stands."""
        with self._lock:
            return tuple(ref for found, ref in self._open if found is kind)

    def any(self) -> bool:
        """Say whether anything inhibits sending."""
        return bool(self._open)


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a resume or a dismiss is not carried out; nothing was closed."""

    code: str
    message: str
    hint: str


def judge_resume(
    latch: Latch,
    *,
    seen: int,
    standing: Mapping[CauseKind, str],
    undecided: int,
    keep_held: bool,
) -> Refusal | None:
    """
    Decide whether a human may resume.

    Args:
        latch: The pause, read in the closing transaction.
        seen: The version that was on the human's screen.
        standing: Kinds of cause whose reason still stands, with the reason in words.
        undecided: Held deliveries that came due before the press and have no decision.
        keep_held: Whether the human said to keep those held.

    Returns:
        The refusal, or None where the resume may go on.
    """
    if latch.version != seen:
        return _stale(latch, seen, "nothing was resumed", "killswitch resume")
    still = [standing[kind] for kind in _kinds(latch.causes) if kind in standing]
    if still:
        return Refusal(
            "cause_stands",
            f"the pause can't be lifted while its cause stands: {'; '.join(still)}",
            "mend that first; until then the posts stay held",
        )
    if undecided and not keep_held:
        return Refusal(
            "undecided",
            f"{undecided} post(s) came due in the pause and nobody has decided on them",
            "decide with killswitch triage, or keep them held: killswitch resume --keep-held",
        )
    return None


def judge_dismiss(latch: Latch, *, seen: int) -> Refusal | None:
    """Decide whether a human may call the alarm false; nothing but story and alert closes."""
    if latch.version != seen:
        return _stale(latch, seen, "nothing was dismissed", "killswitch dismiss")
    if not any(cause.kind in DISMISSIBLE for cause in latch.causes):
        return Refusal(
            "nothing_to_dismiss",
            "no news story is among the causes of this pause",
            "end the pause with killswitch resume --reason TEXT",
        )
    return None


def _stale(latch: Latch, seen: int, undone: str, again: str) -> Refusal:
    return Refusal(
        "stale",
        f"the pause has changed since you looked (version {seen}, now {latch.version}); {undone}",
        f"look again: killswitch status, then {again}",
    )


def _kinds(causes: Iterable[Cause]) -> Collection[CauseKind]:
    return dict.fromkeys(cause.kind for cause in causes)
