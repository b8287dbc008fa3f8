"""
What every network's module offers, and what an answer may conclude.

``publish`` is called by the gate alone. It makes one short request and never raises for what the
network did: every ending is an ``Outcome``, and what is not proven is ``UNCERTAIN``. ``probe``
and ``delete`` are never called inside a transaction nor by the gate's threads; they raise as
little.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Protocol

from killswitch.queue.post import Content


class Ending(StrEnum):
    """What became of one request."""

    SENT = "sent"
    # Proven that nothing was made: try again later.
    UNSENT = "unsent"
    # Refused for good: trying again would end the same way.
    FAILED = "failed"
    UNCERTAIN = "uncertain"
    # Unsent, and the whole account has to wait for a human (401, 403) or a time (429).
    WAITS = "waits"


@dataclass(frozen=True, slots=True)
class Outcome:
    """
    What one request came to.

    Attributes:
        ending: The conclusion.
        detail: One line for people: what the network said.
        remote_id: The network's id of the post, where it gave one.
        remote_url: Its public address, where known.
        wait: What the network asked us to wait, where it did.
    """

    ending: Ending
    detail: str
    remote_id: str | None = None
    remote_url: str | None = None
    wait: timedelta | None = None


@dataclass(frozen=True, slots=True)
class Request:
    """
    One delivery, ready to go out.

    Attributes:
        delivery: Its id, which is also the idempotency key at the network, for ever the same.
        key: The author's own id of the post, or None.
        channel: Name of the channel.
        content: What the public will see.
        due: When it was to leave, aware UTC.
    """

    delivery: str
    key: str | None
    channel: str
    content: Content
    due: datetime


class Found(StrEnum):
    """What a look at the network said about a delivery."""

    THERE = "there"
    ABSENT = "absent"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Probe:
    """The answer of a look: an error is UNKNOWN, never ABSENT."""

    found: Found
    detail: str
    remote_id: str | None = None
    remote_url: str | None = None


class Gone(StrEnum):
    """What a network said when it was asked to take a post down."""

    DELETED = "deleted"
    # It has no such post: taken down before, or never there.
    ABSENT = "absent"
    # It will not, and asking again would end the same way.
    REFUSED = "refused"
    # Not known: ask again, for taking down twice is harmless.
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Deletion:
    """The answer to a request to take a post down; ``wait`` is what the network asked us to."""

    gone: Gone
    detail: str
    wait: timedelta | None = None


class Channel(Protocol):
    """One account on one network."""

    @property
    def name(self) -> str:
        """The channel's name in the configuration."""
        ...

    @property
    def kind(self) -> str:
        """The network."""
        ...

    @property
    def repeat_safe(self) -> bool:
        """Whether the network makes a repeated request harmless."""
        ...

    @property
    def can_probe(self) -> bool:
        """Whether the network can be asked what it took."""
        ...

    def problems(self, content: Content) -> list[str]:
        """Say what of a post this network would refuse (length, media), each in one line."""
        ...

    def publish(self, request: Request, *, deadline_s: float) -> Outcome:
        """Make the one request that makes the post public, within ``deadline_s`` seconds."""
        ...

    def probe(self, request: Request, *, deadline_s: float) -> Probe:
        """Look whether the delivery is on the network; changes nothing there."""
        ...

    def why_not_delete(self, remote_id: str | None) -> str | None:
        """Say in one line why a post with this id at the network can't be taken down, or None."""
        ...

    def delete(self, request: Request, *, remote_id: str | None, deadline_s: float) -> Deletion:
        """Take the delivery down; asked again, it changes nothing more."""
        ...

    def check(self) -> str | None:
        """Look whether the channel could send; return the problem in one line, or None."""
        ...

    def limits(self) -> Mapping[str, int | str | bool]:
        """Tell the limits of the network, for people."""
        ...
