"""
Resume and dismiss: the human acts that let posts leave again.

Order of a resume (any failure closes nothing; after a crash the causes still stand):
    1. A fresh look at the feeds; sight must be good. What trips now changes the version.
    2. Remove just the flags that are causes of the seen version; anything left refuses.
    3. One transaction, latch row first: version as seen, no cause still standing, nothing
       undecided; close the causes, hold what is due in the lead, carry out the decisions.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

from killswitch.desk import carry_out
from killswitch.desk.context import Context
from killswitch.desk.documents import cause_doc, delivery_docs
from killswitch.errors import RefusedError
from killswitch.failpoints import passing
from killswitch.flagging import DIRECTORY, belongs_to_closed, flag_causes, flag_ref
from killswitch.latch import (
    DISMISSIBLE,
    Cause,
    CauseKind,
    Latch,
    Refusal,
    judge_dismiss,
    judge_resume,
)
from killswitch.news.story import Story, StoryBook
from killswitch.queue.states import DeliveryState, HoldKind
from killswitch.store import audit, decisions, deliveries, facts, incidents, news, notices, people
from killswitch.store import latch as latch_store
from killswitch.store.deliveries import Delivery
from killswitch.store.engine import Connection
from killswitch.wire import Caller, DeliveryDoc, DismissDoc, ResumeDoc, ResumePreviewDoc, z_time

_S = DeliveryState
_EVER = datetime.max.replace(tzinfo=UTC)
# How many rows a preview shows; the counts are of all.
_SHOWN = 200


def preview(ctx: Context) -> ResumePreviewDoc:
    """Show what a human must see before resuming."""
    now = ctx.clock.now()
    standing = ctx.hooks.standing()
    with ctx.store.read() as conn:
        latch = latch_store.read(conn)
        names = people.names(conn, {cause.by for cause in latch.causes})
        held = deliveries.in_state(conn, _S.HELD, limit=_SHOWN)
        with_decision = decisions.of(conn, [one.id for one in held])
        waiting = undecided(conn, latch, now=now)
        coming = deliveries.in_state(
            conn, _S.SCHEDULED, _S.HELD, before=now + carry_out.DAY, limit=_SHOWN
        )
        uncertain = deliveries.in_state(conn, _S.UNCERTAIN)

        def docs(found: Sequence[Delivery]) -> list[DeliveryDoc]:
            return delivery_docs(conn, found, now=now, stale_after=ctx.queue.stale_after)

        return {
            "version": latch.version,
            "causes": [cause_doc(cause, names) for cause in latch.causes],
            "standing": [{"kind": kind.value, "why": why} for kind, why in standing.items()],
            "undecided": docs(waiting),
            "decided": docs([one for one in held if one.id in with_decision]),
            "held": deliveries.count(conn, _S.HELD),
            "next_24h": docs([one for one in coming if one.due_at >= now]),
            "uncertain": docs(uncertain),
        }


def undecided(conn: Connection, latch: Latch, *, now: datetime) -> list[Delivery]:
    """
    Return held deliveries that came due before ``now`` in this pause and have no decision.

    A decided time that has passed in the pause counts as no decision.
    """
    passed = decisions.passed(conn, now=now)
    until = _EVER if passed else now
    held = deliveries.held_by(conn, HoldKind.PAUSE, HoldKind.LEAD, ref=latch.incident, before=until)
    decided = decisions.of(conn, [one.id for one in held])
    return [one for one in held if one.id in passed or (one.due_at < now and one.id not in decided)]


def resume(ctx: Context, seen: int, *, reason: str, keep_held: bool, caller: Caller) -> ResumeDoc:
    """
    Close exactly the causes of the version that the human saw.

    Raises:
        RefusedError: Stale version, a cause that still stands, undecided posts, bad sight, a
            flag that is left; nothing was closed.
    """
    now = ctx.clock.now()
    with ctx.store.read() as conn:
        latch = latch_store.read(conn)
        if not latch.paused and ctx.flags.is_clear() and not ctx.pending:
            return {
                "version": latch.version,
                "closed": [],
                "held": deliveries.count(conn, _S.HELD),
                "lead_until": None,
                "released": 0,
            }
        waiting = len(undecided(conn, latch, now=now))
    _refuse_if(judge_resume(latch, seen=seen, standing={}, undecided=waiting, keep_held=keep_held))
    _look(ctx)
    _remove_flags(ctx, latch)
    passing("resume.after_flags")
    standing = ctx.hooks.standing()
    now = ctx.clock.now()
    with ctx.store.write() as conn:
        document = _close(
            ctx,
            conn,
            seen=seen,
            standing=standing,
            reason=reason,
            keep_held=keep_held,
            caller=caller,
            now=now,
        )
        passing("resume.before_commit")
    passing("resume.after_commit")
    ctx.hooks.forget_stories()
    ctx.hooks.wake()
    return document


def _refuse_if(refusal: Refusal | None) -> None:
    if refusal is not None:
        raise RefusedError(refusal.code, refusal.message, refusal.hint)


def _look(ctx: Context) -> None:
    looked = ctx.hooks.look()
    if not looked.sight.ok:
        dead = ", ".join(looked.sight.dead[:5]) or "all feeds"
        raise RefusedError(
            "no_sight",
            f"the news can't be seen well enough to resume: {looked.sight.why} ({dead})",
            "mend the feeds (killswitch feeds list) and try again; the posts stay held",
        )


def _remove_flags(ctx: Context, latch: Latch) -> None:
    refs = {cause.ref for cause in latch.causes if cause.kind is CauseKind.FLAG}
    state = ctx.flags.look()
    if state.missing and DIRECTORY in refs:
        ctx.flags.create()
        state = ctx.flags.look()
    with ctx.store.read() as conn:
        recorded = set(belongs_to_closed(conn, state))
    ours = [f.name for f in state.entries if flag_ref(f) in refs or f.name in recorded]
    left = ctx.flags.remove(ours)
    if not left.clear:
        with ctx.store.write() as conn:
            flag_causes(conn, ctx.flags, now=ctx.clock.now())
        names = ", ".join(flag.name for flag in left.entries) or left.problem
        raise RefusedError(
            "flag_left",
            f"pause.d still asks for a pause ({names})",
            "look again: killswitch status, then killswitch resume",
        )


def _close(
    ctx: Context,
    conn: Connection,
    *,
    seen: int,
    standing: Mapping[CauseKind, str],
    reason: str,
    keep_held: bool,
    caller: Caller,
    now: datetime,
) -> ResumeDoc:
    latch = latch_store.lock(conn)
    waiting = undecided(conn, latch, now=now)
    _refuse_if(
        judge_resume(
            latch, seen=seen, standing=standing, undecided=len(waiting), keep_held=keep_held
        )
    )
    by = people.person_id(conn, caller.person)
    closed = [cause.id for cause in latch.causes]
    mend(conn, latch.causes, by=by, now=now)
    mute_stories(ctx, conn, latch.causes, dismissed=False, now=now)
    version = latch_store.close_causes(conn, latch, closed, by=by, reason=reason, now=now)
    carry_out.hold_lead(ctx, conn, now=now)
    released = carry_out.carry_out_all(ctx, conn, now=now)
    _tell(conn, latch, "resumed", caller, reason, by, now)
    return {
        "version": version,
        "closed": closed,
        "held": deliveries.count(conn, _S.HELD),
        "lead_until": z_time(now + ctx.queue.lead),
        "released": released,
    }


def mend(conn: Connection, causes: Sequence[Cause], *, by: str, now: datetime) -> None:
    """Do what closing some kinds of cause means: a new start of the clock mark or the chain."""
    kinds = {cause.kind for cause in causes}
    if CauseKind.CLOCK in kinds:
        facts.put_time(conn, "high_water", now)
    if CauseKind.TAMPER in kinds:
        audit.restart(conn, actor=by, why="resumed after a break of the chain", now=now)
    if CauseKind.BLIND in kinds:
        facts.put_time(conn, "last_sight", now)


def mute_stories(
    ctx: Context, conn: Connection, causes: Sequence[Cause], *, dismissed: bool, now: datetime
) -> list[str]:
    """Mute the stories behind causes, so that the same news does not pause again."""
    ids = {cause.ref.partition(":")[0] for cause in causes if cause.kind is CauseKind.STORY}
    muted = []
    for story_id in sorted(ids):
        row = news.story(conn, story_id)
        if row is None:
            continue
        book = StoryBook(ctx.detect, new_id=str, stories=[Story.from_json(row.body)])
        story = book.dismiss(story_id, now) if dismissed else book.mute(story_id, now)
        if story is not None:
            news.save_stories(conn, [news_row(story)])
            muted.append(story_id)
    return muted


def news_row(story: Story) -> dict[str, object]:
    """Return the columns of a story that a human muted."""
    return {"id": story.id, "state": str(story.state), "body": story.to_json()}


def _tell(  # noqa: PLR0917 - the words of one record
    conn: Connection,
    latch: Latch,
    outcome: str,
    caller: Caller,
    reason: str,
    by: str,
    now: datetime,
) -> None:
    notices.ack_all(conn, by=by, now=now)
    notices.stand_down(conn, now=now)
    if latch.incident:
        incidents.end(conn, latch.incident, by=by, reason=reason, outcome=outcome, now=now)
    notices.add_notice(
        conn,
        kind="resumed",
        ref=f"v{latch.version}",
        escalates=False,
        loud=False,
        now=now,
        facts={"by": caller.person, "reason": reason, "outcome": outcome},
    )


def dismiss(ctx: Context, seen: int, *, reason: str, caller: Caller) -> DismissDoc:
    """
    Close the seen story and alert causes as a false alarm and mute their stories.

    What is not late goes on in spaced slots, unless another cause keeps the queue paused.

    Raises:
        RefusedError: Stale version, or no such cause.
    """
    now = ctx.clock.now()
    with ctx.store.write() as conn:
        latch = latch_store.lock(conn)
        _refuse_if(judge_dismiss(latch, seen=seen))
        by = people.person_id(conn, caller.person)
        chosen = [cause for cause in latch.causes if cause.kind in DISMISSIBLE]
        closed = [cause.id for cause in chosen]
        muted = mute_stories(ctx, conn, chosen, dismissed=True, now=now)
        version = latch_store.close_causes(conn, latch, closed, by=by, reason=reason, now=now)
        still_paused = len(closed) < len(latch.causes)
        if not still_paused:
            carry_out.let_go_on(ctx, conn, latch.incident, by=by, now=now)
            _tell(conn, latch, "dismissed", caller, reason, by, now)
    ctx.hooks.forget_stories()
    ctx.hooks.wake()
    return {"version": version, "closed": closed, "still_paused": still_paused, "muted": muted}
