"""The values of a request: what the API hands to the desk once it was checked."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

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
    "retract",
    "approve",
    "reject",
)
"""What a human may do with deliveries (``POST /v1/queue/act``)."""
NAME_LONGEST = 80
"""Signs of a name after ``--as``."""
_MACHINE_NAMES = frozenset({"killswitch", "machine"})


def is_of_the_machine(name: str) -> bool:
    """Say whether a name is one that the machine signs with: no human acts under it."""
    return name.strip().casefold() in _MACHINE_NAMES


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
    One verb on deliveries.

    A few named by id are all or nothing; a long list, and what a filter chooses, is done each for
    itself.

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
