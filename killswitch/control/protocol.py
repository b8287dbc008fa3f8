"""
What the control API asks of the desk: one synchronous method a route.

The desk implements this protocol; nothing here does anything. Every method returns a document of
``killswitch.wire`` and raises ``KillswitchError`` subclasses for refusals:

    ``UsageError`` (422), ``ConfigError`` (422), ``RefusedError`` (409; with the code ``"role"``
    403, with ``"not_found"`` 404), ``TransientError`` and so ``StoreBusyError`` (503).

Methods are called from a bounded pool of threads, several at once; ``pause``, ``ack``, ``status``
and ``seal`` from threads of their own that no other call can occupy. Roles were checked before.
``caller.request_key`` is the ``Idempotency-Key``: the same key must have its effect only once. The
key of a pause is free again once a human has closed that pause: pausing wins in doubt.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

from killswitch.wire import (
    AckDoc,
    ActedDoc,
    AddedDoc,
    AuditPageDoc,
    AuditVerifyDoc,
    BackupDoc,
    Caller,
    ChannelDoc,
    CommittedDoc,
    DeliveryShownDoc,
    DismissDoc,
    FeedDoc,
    ImportDoc,
    ImportRow,
    IncidentDoc,
    IncidentShownDoc,
    LookDoc,
    NewPost,
    NotifyTestDoc,
    PauseDoc,
    QueueAct,
    QueueFilter,
    QueuePageDoc,
    ReloadDoc,
    ResumeDoc,
    ResumePreviewDoc,
    SeenPageDoc,
    StagedDoc,
    StatusDoc,
    WhoseDoc,
)


class Desk(Protocol):
    """Everything that people can ask of the daemon."""

    def status(self) -> StatusDoc:
        """Tell the state; must not wait for the store longer than its busy time-out."""
        ...

    def pause(self, reason: str, *, key: str, review_s: float | None, caller: Caller) -> PauseDoc:
        """Pause now; the same ``key`` opens nothing again. Remind after ``review_s`` seconds."""
        ...

    def seal(self, version: int | None, *, wait_s: float) -> PauseDoc:
        """Wait at most ``wait_s`` seconds until the pause (of ``version`` or later) is sealed."""
        ...

    def ack(self, *, caller: Caller) -> AckDoc:
        """Stop the escalation, nothing else."""
        ...

    def resume_preview(self) -> ResumePreviewDoc:
        """Show what a human must see before resuming."""
        ...

    def resume(self, seen: int, *, reason: str, keep_held: bool, caller: Caller) -> ResumeDoc:
        """Resume from the version that was seen, or refuse."""
        ...

    def dismiss(self, seen: int, *, reason: str, caller: Caller) -> DismissDoc:
        """Close the seen story and alert causes as a false alarm and mute their stories."""
        ...

    def queue_list(self, chosen: QueueFilter) -> QueuePageDoc:
        """List deliveries by due time."""
        ...

    def queue_add(self, post: NewPost, *, caller: Caller) -> AddedDoc:
        """Take one post."""
        ...

    def queue_show(self, ref: str) -> DeliveryShownDoc:
        """Show one delivery by id or unique prefix."""
        ...

    def queue_act(self, act: QueueAct, *, caller: Caller) -> ActedDoc:
        """Carry out one verb."""
        ...

    def import_open(self, name: str, *, caller: Caller) -> ImportDoc:
        """Open an import; nothing of it is visible before its commit."""
        ...

    def import_rows(self, batch: str, rows: Sequence[ImportRow], *, caller: Caller) -> StagedDoc:
        """Check and stage a chunk of rows."""
        ...

    def import_commit(self, batch: str, *, dry_run: bool, caller: Caller) -> CommittedDoc:
        """Make the import visible; refused while it has bad rows."""
        ...

    def import_drop(self, batch: str, *, caller: Caller) -> None:
        """Forget an import."""
        ...

    def feeds(self) -> list[FeedDoc]:
        """Tell the health of every feed."""
        ...

    def look(self, *, caller: Caller) -> LookDoc:
        """Poll now."""
        ...

    def channels(self) -> list[ChannelDoc]:
        """Tell rights, limits and waits of every channel."""
        ...

    def channels_check(self, *, caller: Caller) -> list[ChannelDoc]:
        """Check every channel without sending anything."""
        ...

    def incidents(self, *, limit: int) -> list[IncidentDoc]:
        """List incidents, newest first."""
        ...

    def incident(self, ref: str) -> IncidentShownDoc:
        """Show one incident by id, unique prefix or ``"last"``."""
        ...

    def whose(self, query: str) -> WhoseDoc:
        """Tell whether an address or id left through our gate."""
        ...

    def notify_test(self, *, caller: Caller) -> NotifyTestDoc:
        """Send a test notice to every address."""
        ...

    def seen(self, feed: str, *, since: datetime, after: str | None, limit: int) -> SeenPageDoc:
        """List the graded headlines of a feed seen since an instant, oldest first."""
        ...

    def audit(self, *, after: int, limit: int, subject: str | None) -> AuditPageDoc:
        """List audit rows whose seq is greater than ``after``."""
        ...

    def audit_verify(self) -> AuditVerifyDoc:
        """Check the chain."""
        ...

    def erase(self, login: str, *, caller: Caller) -> None:
        """Erase a person's names; the chain keeps the id."""
        ...

    def backup(self, to: str, *, caller: Caller) -> BackupDoc:
        """Write a consistent copy of the store to a path of the daemon's machine."""
        ...

    def reload(self, *, caller: Caller) -> ReloadDoc:
        """Load the configuration again, or keep the old one and say why (``ConfigError``)."""
        ...

    def metrics(self) -> str:
        """Write the metrics as Prometheus text."""
        ...
