"""
The desk: everything that people can ask of the daemon, one method a route.

It only chooses the room that does it; ``control.protocol.Desk`` says what each method promises.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from killswitch.desk import (
    acting,
    adding,
    incidents,
    listing,
    pausing,
    preview,
    resuming,
    status,
    upkeep,
)
from killswitch.desk.imports import Imports
from killswitch.desk.in_time import InTime
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

if TYPE_CHECKING:
    from killswitch.desk.context import Context


class Desk:
    """The human side of one daemon."""

    def __init__(self, context: Callable[[], Context]) -> None:
        """Ask ``context`` anew at each call: a reload replaces it."""
        self._context = context
        self._imports = Imports()
        self._in_time = InTime()

    @property
    def _ctx(self) -> Context:
        return self._context()

    def status(self) -> StatusDoc:
        """Tell the state."""
        return status.status(self._ctx, self._in_time)

    def pause(self, reason: str, *, key: str, review_s: float | None, caller: Caller) -> PauseDoc:
        """Pause now."""
        return pausing.pause(self._ctx, reason, key=key, review_s=review_s, caller=caller)

    def seal(self, version: int | None, *, wait_s: float) -> PauseDoc:
        """Wait until the pause is sealed."""
        return pausing.seal(self._ctx, version, wait_s=wait_s)

    def ack(self, *, caller: Caller) -> AckDoc:
        """Stop the escalation."""
        return pausing.ack(self._ctx, caller=caller)

    def resume_preview(self) -> ResumePreviewDoc:
        """Show what a human must see before resuming."""
        return preview.preview(self._ctx)

    def resume(self, seen: int, *, reason: str, keep_held: bool, caller: Caller) -> ResumeDoc:
        """Resume from the version that was seen."""
        return resuming.resume(self._ctx, seen, reason=reason, keep_held=keep_held, caller=caller)

    def dismiss(self, seen: int, *, reason: str, caller: Caller) -> DismissDoc:
        """Call the alarm false."""
        return resuming.dismiss(self._ctx, seen, reason=reason, caller=caller)

    def queue_list(self, chosen: QueueFilter) -> QueuePageDoc:
        """List deliveries by due time."""
        return listing.listed(self._ctx, chosen)

    def queue_add(self, post: NewPost, *, caller: Caller) -> AddedDoc:
        """Take one post."""
        self._imports.forget_abandoned(self._ctx)
        return adding.add(self._ctx, post, caller=caller)

    def queue_show(self, ref: str) -> DeliveryShownDoc:
        """Show one delivery."""
        return listing.shown(self._ctx, ref)

    def queue_act(self, act: QueueAct, *, caller: Caller) -> ActedDoc:
        """Carry out one verb."""
        return acting.act(self._ctx, act, caller=caller)

    def import_open(self, name: str, *, caller: Caller) -> ImportDoc:  # noqa: ARG002 - the file's name is the client's matter
        """Open an import."""
        return self._imports.begin(self._ctx, caller=caller)

    def import_rows(self, batch: str, rows: Sequence[ImportRow], *, caller: Caller) -> StagedDoc:
        """Check and stage a chunk of rows."""
        return self._imports.stage(self._ctx, batch, rows, caller=caller)

    def import_commit(self, batch: str, *, dry_run: bool, caller: Caller) -> CommittedDoc:
        """Make the import visible."""
        return self._imports.commit(self._ctx, batch, dry_run=dry_run, caller=caller)

    def import_drop(self, batch: str, *, caller: Caller) -> None:  # noqa: ARG002 - checked at the open
        """Forget an import."""
        self._imports.drop(self._ctx, batch)

    def feeds(self) -> list[FeedDoc]:
        """Tell the health of every feed."""
        return upkeep.feeds(self._ctx)

    def seen(self, feed: str, *, since: datetime, after: str | None, limit: int) -> SeenPageDoc:
        """List the headlines that a feed brought."""
        return upkeep.seen(self._ctx, feed, since=since, after=after, limit=limit)

    def look(self, *, caller: Caller) -> LookDoc:  # noqa: ARG002 - anybody may look
        """Poll now."""
        looked = self._ctx.hooks.look()
        return {"feeds": looked.feeds, "failed": list(looked.failed)}

    def channels(self) -> list[ChannelDoc]:
        """Tell rights, limits and waits of every channel."""
        return upkeep.channels(self._ctx)

    def channels_check(self, *, caller: Caller) -> list[ChannelDoc]:  # noqa: ARG002 - roles were checked
        """Check every channel without sending anything."""
        return upkeep.channels(self._ctx, check=True)

    def incidents(self, *, limit: int) -> list[IncidentDoc]:
        """List incidents, newest first."""
        return incidents.listed(self._ctx, limit=limit)

    def incident(self, ref: str) -> IncidentShownDoc:
        """Show one incident."""
        return incidents.shown(self._ctx, ref)

    def whose(self, query: str) -> WhoseDoc:
        """Tell whether something left through our gate."""
        return listing.whose(self._ctx, query)

    def notify_test(self, *, caller: Caller) -> NotifyTestDoc:  # noqa: ARG002 - roles were checked
        """Send a test notice to every address."""
        return upkeep.notify_test(self._ctx)

    def audit(self, *, after: int, limit: int, subject: str | None) -> AuditPageDoc:
        """List audit rows."""
        return upkeep.audit_page(self._ctx, after=after, limit=limit, subject=subject)

    def audit_verify(self) -> AuditVerifyDoc:
        """Check the chain."""
        return upkeep.audit_verify(self._ctx)

    def erase(self, login: str, *, caller: Caller) -> None:
        """Erase a person's names."""
        upkeep.erase(self._ctx, login, caller=caller)

    def backup(self, to: str, *, caller: Caller) -> BackupDoc:
        """Write a consistent copy of the store."""
        return upkeep.backup(self._ctx, to, caller=caller)

    def reload(self, *, caller: Caller) -> ReloadDoc:
        """Load the configuration again."""
        answer = upkeep.reload(self._ctx, caller=caller)
        # Only now the context is that of the new configuration.
        return {**answer, "orphaned": upkeep.left_behind(self._ctx)}

    def metrics(self) -> str:
        """Write the metrics as Prometheus text."""
        return upkeep.metrics(self._ctx)
