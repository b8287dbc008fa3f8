"""What the desk works with: handed in by the daemon, replaced whole by a reload."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

from killswitch.channels.frame import Channel
from killswitch.clock import Clock
from killswitch.errors import RefusedError
from killswitch.flags import FlagDir
from killswitch.latch import CauseKind, Inhibits
from killswitch.news.policy import DetectPolicy
from killswitch.queue.rules import ChannelRules
from killswitch.store.engine import Store
from killswitch.watch.rhythm import Sight
from killswitch.wire import FeedDoc


@dataclass(frozen=True, slots=True)
class QueuePolicy:
    """The settings of ``[queue]`` that the desk needs; durations as ``timedelta``."""

    release_gap: timedelta
    lead: timedelta
    stale_after: timedelta
    horizon: timedelta
    horizon_tags: Mapping[str, timedelta]
    confirm_within: timedelta
    approve: bool


@dataclass(frozen=True, slots=True)
class Looked:
    """
    A fresh look at the feeds.

    Attributes:
        feeds: How many are watched.
        failed: Those that could not be read, or of which something is not graded.
        sight: Whether sight is good now.
        problem: Why it was no look at all, whatever sight says; else an empty string.
    """

    feeds: int
    failed: tuple[str, ...]
    sight: Sight
    problem: str = ""


@dataclass(frozen=True, slots=True)
class Refused:
    """A newer configuration that was not loaded: since when one stands there, and why the last."""

    since: datetime
    why: str


@dataclass(frozen=True, slots=True)
class Hooks:
    """
    What the desk asks of the running daemon.

    Attributes:
        wake: Let the sweep look at once.
        look: Poll and grade now, within 30 s.
        sight: Tell the present sight.
        feeds: Tell the health of every feed.
        standing: Tell which causes still stand, by kind, in words.
        forget_stories: Let the grader read its stories anew.
        reload: Load the configuration again; return the changed paths.
        test_notices: Send a test notice to every address; rows of (masked address, problem).
        masked: The masked address behind a telling's address key.
        refused: The configuration that a reload has refused since the last good one, if any.
    """

    wake: Callable[[], None]
    look: Callable[[], Looked]
    sight: Callable[[], Sight]
    feeds: Callable[[], list[FeedDoc]]
    standing: Callable[[], Mapping[CauseKind, str]]
    forget_stories: Callable[[], None]
    reload: Callable[[], Sequence[str]]
    test_notices: Callable[[], Sequence[tuple[str, str | None]]]
    masked: Callable[[str], str]
    refused: Callable[[], Refused | None] = lambda: None


@dataclass(slots=True)
class PendingPause:
    """
    A pause that somebody asked for and that no store has taken yet; it stops all the same.

    Attributes:
        key: Its request key.
        reason: What people read.
        person: Who asked.
        review_at: When to remind, or None.
        at: When it was asked for: its cause begins then, however late it is written down.
        sealed_at: Since when it was seen that nothing is on the wire, or None; who sees it first
            sets it.
    """

    key: str
    reason: str
    person: str
    review_at: datetime | None = None
    at: datetime | None = None
    sealed_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Context:
    """The store, the clock, the switches and the policies."""

    store: Store
    clock: Clock
    flags: FlagDir
    inhibits: Inhibits
    channels: Mapping[str, Channel]
    limits: Mapping[str, ChannelRules]
    queue: QueuePolicy
    detect: DetectPolicy
    hooks: Hooks
    state_dir: Path
    zone: ZoneInfo
    language: str
    mode: str
    also_stop: tuple[str, ...] = ()
    relays: tuple[str, ...] = ()
    on_call: tuple[str, ...] = ()
    # By login or name, the persons that it stands for: somebody may have two logins.
    persons: Mapping[str, frozenset[str]] = field(default_factory=dict)
    # Pauses that could not be written down yet, by their key: the guard tries on.
    pending: dict[str, PendingPause] = field(default_factory=dict)

    @property
    def media_dir(self) -> Path:
        """Where attached files lie."""
        return self.state_dir / "media"

    def is_gone(self, channel: str) -> bool:
        """Say whether a channel is not configured (any more): its posts can't leave."""
        return self.mode != "guard" and channel not in self.channels

    def is_one_person(self, one: str, other: str) -> bool:
        """Say whether two logins or names are of one person, as far as we were told."""
        nobody: frozenset[str] = frozenset()
        shared = self.persons.get(one, nobody) & self.persons.get(other, nobody)
        return one == other or bool(shared)

    def refuse_in_guard_mode(self) -> None:
        """
        Refuse queue verbs where there is no queue of ours.

        Raises:
            RefusedError: The mode is ``guard``.
        """
        if self.mode == "guard":
            raise RefusedError(
                "guard_mode",
                "killswitch runs in guard mode and owns no queue",
                'set mode = "live" in the configuration to let it hold posts',
            )
