"""
Resume and dismiss: the human acts that let posts leave again.

Order of a resume (any failure closes nothing; after a crash the causes still stand):
    1. A fresh look at the feeds; sight must be good. What trips now changes the version.
    2. Remove just the flags that are causes of the seen version; anything left refuses. Forget
       how far the audit trail went where a break of it was seen.
    3. Search the queue to its end for posts that clash with what tripped.
    4. One transaction, latch row first: version as seen, no cause still standing, nothing
       undecided; hold what is due in the lead, close the causes, note what was decided.
    5. Let go what was decided, in bites: until then it is held (``desk.letting_go``). A failure or
       a crash from here on leaves it held, and the sweep goes on with it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import cast

import structlog

from killswitch.desk import clashing, closing, holding, letting_go, once
from killswitch.desk.context import Context
from killswitch.desk.letting_go import Note
from killswitch.errors import RefusedError, TransientError
from killswitch.failpoints import passing
from killswitch.flagging import DIRECTORY, belonging_to, flag_causes
from killswitch.flags import Flag
from killswitch.latch import DISMISSIBLE, CauseKind, Latch, Refusal, judge_dismiss, judge_resume
from killswitch.queue.states import Decision, DeliveryState, HoldKind
from killswitch.store import audit, bulk, decisions, deliveries, holds, noted, people
from killswitch.store import latch as latch_store
from killswitch.store.deliveries import Delivery
from killswitch.store.engine import Connection
from killswitch.wire import Caller, DismissDoc, ResumeDoc, read_time, z_time

_log = structlog.get_logger(__name__)
_RESUME, _DISMISS = "resume", "dismiss"


@dataclass(frozen=True, slots=True)
class _Press:
    """One press of the button: what the human saw, said and answers for, and when."""

    seen: int
    reason: str
    keep_held: bool
    caller: Caller
    at: datetime


def resume(ctx: Context, seen: int, *, reason: str, keep_held: bool, caller: Caller) -> ResumeDoc:
    """
    Close exactly the causes of the version that the human saw.

    Raises:
        RefusedError: Stale version, a cause that still stands, undecided posts, bad sight, a
            flag that is left; nothing was closed.
    """
    press = _Press(seen, reason, keep_held, caller, ctx.clock.now())
    with ctx.store.read() as conn:
        if known := once.answered(conn, _RESUME, caller):
            return cast("ResumeDoc", known)
        latch = latch_store.read(conn)
        if not latch.paused and ctx.flags.is_clear() and not ctx.pending:
            return _nothing_paused(conn, latch)
        _judge(conn, latch, press, standing={})
    _refuse_pending(ctx)
    _look(ctx)
    passing("resume.after_look")
    _remove_flags(ctx, latch)
    _forget_head(ctx, latch)
    passing("resume.after_flags")
    while clashing.scan(ctx, now=ctx.clock.now()):
        pass
    standing = ctx.hooks.standing()
    while (document := _try_to_close(ctx, press, standing=standing)) is None:
        holding.hold_for_pause(ctx)
    passing("resume.after_commit")
    ctx.hooks.forget_stories()
    ctx.hooks.wake()
    return _let_go(ctx, press, document)


def _nothing_paused(conn: Connection, latch: Latch) -> ResumeDoc:
    return {
        "version": latch.version,
        "closed": [],
        "held": deliveries.count(conn, DeliveryState.HELD),
        "lead_until": None,
        "released": 0,
    }


def _judge(
    conn: Connection, latch: Latch, press: _Press, *, standing: Mapping[CauseKind, str]
) -> None:
    """Refuse what may not be resumed; only what came due before the press has to be decided."""
    refusal = judge_resume(
        latch,
        seen=press.seen,
        standing=standing,
        undecided=holds.count_undecided(conn, incident=latch.incident, now=press.at),
        keep_held=press.keep_held,
    )
    _refuse_if(refusal)


def _refuse_if(refusal: Refusal | None) -> None:
    if refusal is not None:
        raise RefusedError(refusal.code, refusal.message, refusal.hint)


def _refuse_pending(ctx: Context) -> None:
    if ctx.pending:
        raise RefusedError(
            "stale",
            "somebody has just asked for a pause that is still being written down; nothing was "
            "resumed",
            "look again: killswitch status, then killswitch resume",
        )


def _look(ctx: Context) -> None:
    looked = ctx.hooks.look()
    if looked.problem or not looked.sight.ok:
        why = looked.problem or looked.sight.why
        dead = ", ".join((looked.failed if looked.problem else looked.sight.dead)[:5])
        raise RefusedError(
            "no_sight",
            f"the news can't be seen well enough to resume: {why} ({dead or 'all feeds'})",
            "mend the feeds (killswitch feeds list) and try again; the posts stay held",
        )


def _remove_flags(ctx: Context, latch: Latch) -> None:
    refs = {cause.ref for cause in latch.causes if cause.kind is CauseKind.FLAG}
    state = ctx.flags.look()
    if state.missing and DIRECTORY in refs:
        _make_directory(ctx)
        state = ctx.flags.look()
    with ctx.store.read() as conn:
        ours = belonging_to(conn, state, latch, now=ctx.clock.now())
    left = ctx.flags.remove(ours)
    if not left.clear:
        with ctx.store.write() as conn:
            flag_causes(conn, ctx.flags, now=ctx.clock.now())
        tried = {(flag.name, flag.stamp) for flag in ours}
        stuck = [flag for flag in left.entries if (flag.name, flag.stamp) in tried]
        if stuck:
            raise _stuck(ctx, stuck[0])
        names = ", ".join(flag.name for flag in left.entries[:5]) or left.problem
        raise RefusedError(
            "flag_left",
            f"pause.d still asks for a pause ({names}); nothing was resumed",
            "look again: killswitch status, then killswitch resume",
        )


def _stuck(ctx: Context, flag: Flag) -> RefusedError:
    """Say which entry of the flag directory can't be removed, and who can."""
    path = ctx.flags.path / flag.name
    if flag.is_dir:
        return RefusedError(
            "flag_left",
            f"{path} is a directory with something in it; nothing was resumed",
            f"look into it, take it away (rm -r {path}), then resume again",
        )
    return RefusedError(
        "flag_left",
        f"{path} can't be removed by the daemon; nothing was resumed",
        f"take it away as its owner or as root (rm {path}), then resume again",
    )


def _make_directory(ctx: Context) -> None:
    try:
        ctx.flags.create()
    except OSError as error:
        raise RefusedError(
            "flag_left",
            f"{ctx.flags.path} can't be made again ({error.strerror}); nothing was resumed",
            "look at the disk's free space and at the rights on the state directory",
        ) from error


def _forget_head(ctx: Context, latch: Latch) -> None:
    """Take away how far the audit trail went, where a human has seen that it is broken."""
    if not any(cause.kind is CauseKind.TAMPER for cause in latch.causes):
        return
    try:
        noted.forget(ctx.state_dir)
    except OSError as error:
        raise RefusedError(
            "head_left",
            f"{noted.FILE_NAME} can't be removed ({error.strerror}); nothing was resumed",
            "look at the rights on the state directory",
        ) from error


def _try_to_close(
    ctx: Context, press: _Press, *, standing: Mapping[CauseKind, str]
) -> ResumeDoc | None:
    """Close the causes; None where the lead holds more than one short transaction may hold."""
    with ctx.store.read() as conn:
        expected = _expected(conn)
        past = _past(conn)
    with ctx.store.write() as conn:
        latch = latch_store.lock(conn)
        now = ctx.clock.now()
        _judge(conn, latch, press, standing=standing)
        if not latch.paused:
            return _nothing_paused(conn, latch)
        soon = holding.due_in_lead(ctx, conn, now=now, limit=bulk.BITE + 1)
        if len(soon) > bulk.BITE:
            return None
        _hold_lead(conn, soon, now=now)
        document = _close(ctx, conn, latch, press, expected, now=now, past=past)
        passing("resume.before_commit")
    return document


def _past(conn: Connection) -> audit.Past | None:
    """Read a broken trail: long ones take seconds, which a write transaction may not."""
    kinds = {cause.kind for cause in latch_store.read(conn).causes}
    return audit.read_past(conn) if CauseKind.TAMPER in kinds else None


def _expected(conn: Connection) -> dict[str, int]:
    """Tell what the decisions should come to; the exact answer is known when all is let go."""
    decided = decisions.counts(conn)
    going = sum(decided.get(kind, 0) for kind in decisions.OUT)
    held = deliveries.count(conn, DeliveryState.HELD)
    return {"held": held - going - decided.get(Decision.SKIP, 0), "released": going}


def _hold_lead(conn: Connection, soon: list[Delivery], *, now: datetime) -> None:
    """
    Hold what is due inside the lead, so that nobody is surprised just after the press.

    The decisions are carried out after this, so what they let out passes the lead.
    """
    locked = deliveries.lock_many(conn, [one.id for one in soon])
    waiting = [one for one in locked if one.state in holding.WAITING]
    bulk.hold(conn, waiting, HoldKind.LEAD, ref="", why="inside the lead", now=now)


def _close(
    ctx: Context,
    conn: Connection,
    latch: Latch,
    press: _Press,
    expected: Mapping[str, int],
    *,
    now: datetime,
    past: audit.Past | None,
) -> ResumeDoc:
    by = people.person_id(conn, press.caller.person)
    closed = [cause.id for cause in latch.causes]
    closing.mend(conn, latch.causes, by=by, now=now, past=past)
    closing.mute_stories(ctx, conn, latch.causes, dismissed=False, now=now)
    version = latch_store.close_causes(conn, latch, closed, by=by, reason=press.reason, now=now)
    letting_go.begin(conn, Note(at=now))
    closing.tell(conn, latch, "resumed", by=by, reason=press.reason, now=now)
    document: ResumeDoc = {
        "version": version,
        "closed": closed,
        "held": expected["held"],
        "lead_until": z_time(now + ctx.queue.lead),
        "released": expected["released"],
    }
    once.remember(conn, _RESUME, press.caller, document, now=now)
    return document


def _let_go(ctx: Context, press: _Press, document: ResumeDoc) -> ResumeDoc:
    """Let go what was decided, and tell exactly what came of it."""
    if not document["closed"]:
        return document
    try:
        released = letting_go.finish(ctx)
        with ctx.store.write() as conn:
            exact: ResumeDoc = {
                **document,
                "held": deliveries.count(conn, DeliveryState.HELD),
                "lead_held": _lead_held(conn, press, document),
                "released": released,
            }
            once.correct(conn, _RESUME, press.caller, exact)
    except TransientError as error:
        # The causes are closed, and what is not let go yet is held: the sweep goes on with it.
        _log.warning("resume.unfinished", problem=error.message)
        return document
    return exact


def _lead_held(conn: Connection, press: _Press, document: ResumeDoc) -> int:
    """Count what is due within the lead and stays held."""
    end = document["lead_until"]
    return deliveries.count_held(conn, start=press.at, end=read_time(end)) if end else 0


def dismiss(ctx: Context, seen: int, *, reason: str, caller: Caller) -> DismissDoc:
    """
    Close the seen story and alert causes as a false alarm and mute their stories.

    What is not late goes on in spaced slots, unless another cause keeps the queue paused.

    Raises:
        RefusedError: Stale version, or no such cause.
    """
    with ctx.store.write() as conn:
        if known := once.answered(conn, _DISMISS, caller):
            return cast("DismissDoc", known)
        document = _dismiss(ctx, conn, seen, reason=reason, caller=caller)
        passing("dismiss.before_commit")
    passing("dismiss.after_commit")
    ctx.hooks.forget_stories()
    ctx.hooks.wake()
    try:
        letting_go.finish(ctx)
    except TransientError as error:
        _log.warning("dismiss.unfinished", problem=error.message)
    return document


def _dismiss(
    ctx: Context, conn: Connection, seen: int, *, reason: str, caller: Caller
) -> DismissDoc:
    now = ctx.clock.now()
    latch = latch_store.lock(conn)
    _refuse_if(judge_dismiss(latch, seen=seen))
    by = people.person_id(conn, caller.person)
    chosen = [cause for cause in latch.causes if cause.kind in DISMISSIBLE]
    closed = [cause.id for cause in chosen]
    muted = closing.mute_stories(ctx, conn, chosen, dismissed=True, now=now)
    version = latch_store.close_causes(conn, latch, closed, by=by, reason=reason, now=now)
    still_paused = len(closed) < len(latch.causes)
    if not still_paused:
        letting_go.begin(conn, Note(at=now, dismissed=latch.incident, by=by))
        closing.tell(conn, latch, "dismissed", by=by, reason=reason, now=now)
    document: DismissDoc = {
        "version": version,
        "closed": closed,
        "still_paused": still_paused,
        "muted": muted,
        "suggestions": closing.suggested(ctx, conn, muted),
    }
    once.remember(conn, _DISMISS, caller, document, now=now)
    return document
