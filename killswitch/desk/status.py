"""The status document: everything that people and monitors read, from one reading of the store."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime, timedelta
from typing import Any, TypedDict, cast

from killswitch.desk import alone
from killswitch.desk.context import Context
from killswitch.desk.documents import cause_doc, doubt_docs, head, inhibit_doc, out_docs
from killswitch.desk.in_time import InTime
from killswitch.desk.pausing import sealed_by_flag
from killswitch.errors import TransientError
from killswitch.flags import FlagState
from killswitch.latch import Inhibit, InhibitKind, Latch
from killswitch.news.story import Story
from killswitch.notify.relays import by_hand
from killswitch.queue.states import DeliveryState
from killswitch.store import (
    channel_state,
    decisions,
    deliveries,
    facts,
    gone_out,
    holds,
    incidents,
    news,
    notices,
    people,
    relay_runs,
)
from killswitch.store import latch as latch_store
from killswitch.store.engine import Connection, Row
from killswitch.store.orphaned import orphaned
from killswitch.wire import (
    ClashesDoc,
    ConfigRefusedDoc,
    FeverDoc,
    FlagDoc,
    IncidentHeadDoc,
    NextDueDoc,
    PostDoc,
    QueueCountsDoc,
    State,
    StatusDoc,
    WhoDoc,
    z_or_none,
    z_time,
)

_S = DeliveryState
_DAY = timedelta(days=1)
_HOUR = timedelta(hours=1)
NEXT_SHOWN = 5
_OUT_SHOWN = 20
# A rehearsal's "would have paused" stays on the screen for a week, the length of a trial.
_REHEARSED = timedelta(days=7)


class _IncidentPart(TypedDict):
    incident: IncidentHeadDoc | None
    fever: FeverDoc | None
    went_out: list[PostDoc]
    who: WhoDoc | None
    clashes: ClashesDoc


def status(ctx: Context, in_time: InTime | None = None) -> StatusDoc:
    """
    Tell the state of everything.

    A store that gives no answer is part of the state, never a reason to say nothing: what is
    known without it is told, and nothing leaves meanwhile, for the gate asks the same store.

    Args:
        ctx: The daemon.
        in_time: Gives up a store that says nothing at all; without it such a one is waited for.
    """
    flags = ctx.flags.look()

    def read() -> StatusDoc:
        with ctx.store.read(urgent=True) as conn:
            return _told(ctx, conn, flags)

    try:
        document = in_time.read(read) if in_time else read()
    except TransientError as error:
        document = _without_store(ctx, flags, error)
    document["hint"] = _hint(document)
    return document


def _told(ctx: Context, conn: Connection, flags: FlagState) -> StatusDoc:
    now = ctx.clock.now()
    latch = latch_store.read(conn)
    names = people.names(conn, {cause.by for cause in latch.causes})
    relays = _relays(ctx, conn)
    gone = orphaned(conn, ctx.channels) if ctx.mode != "guard" else {}
    document: StatusDoc = {
        "state": _state(ctx, flags, paused=latch.paused),
        "mode": ctx.mode,
        "sealed": latch.paused and latch.sealed_at is not None,
        "sealed_at": z_or_none(latch.sealed_at),
        "version": latch.version,
        "causes": [cause_doc(cause, names) for cause in latch.causes],
        "inhibits": [inhibit_doc(inhibit) for inhibit in ctx.inhibits.list()],
        "sight": _sight(ctx, conn, now),
        "queue": _counts(conn, now),
        "next_due": _next_due(conn, now, gone=gone),
        "lead_until": _lead_until(ctx, conn, latch, now),
        "flags": _flags(flags),
        "state_dir": str(ctx.state_dir),
        "since": z_or_none(latch.paused_at),
        "uncertain": doubt_docs(conn, gone_out.in_doubt(conn)),
        "undecided": _undecided(conn, latch, now),
        "relays": relays,
        "by_hand": by_hand(ctx.also_stop, relays),
        "notices": _failing(ctx, conn, now),
        "rehearsal": _rehearsed(ctx, conn, now),
        "last_round_age_s": _round_age(conn, now),
        "orphaned": gone,
    }
    document |= _of_the_daemon(ctx, now)
    document["one_outlet"] = alone.reports(ctx, conn, now=now)
    _tell_pending(ctx, document, flags)
    document |= cast("StatusDoc", _incident_part(ctx, conn, latch, now))
    return document


def _tell_pending(ctx: Context, document: StatusDoc, flags: FlagState) -> None:
    """Tell a pause that only the flag directory holds as its receipt told it."""
    asked = [one.at for one in list(ctx.pending.values()) if one.at]
    if asked and document.get("since") is None:
        document["since"] = z_time(min(asked))
    is_on_wire = bool((document["queue"] or {"sending": 0})["sending"])
    sealed_at = None if flags.clear or is_on_wire else sealed_by_flag(ctx)
    if sealed_at is not None:
        document |= {"sealed": True, "sealed_at": z_time(sealed_at)}


def _without_store(ctx: Context, flags: FlagState, error: TransientError) -> StatusDoc:
    """Tell what is known in memory and from the flag directory; the rest is null or empty."""
    now = ctx.clock.now()
    sight = ctx.hooks.sight()
    unknown = Inhibit(
        InhibitKind.STORE,
        f"whether the queue is paused can't be read: {error.message}",
        ctx.inhibits.since(InhibitKind.STORE) or now,
    )
    inhibits = [one for one in ctx.inhibits.list() if one.kind is not InhibitKind.STORE]
    state = _state(ctx, flags, paused=False)
    document: StatusDoc = {
        "state": "inhibited" if state == "running" else state,
        "mode": ctx.mode,
        "sealed": False,
        "sealed_at": None,
        "version": None,
        "causes": [],
        "inhibits": [inhibit_doc(one) for one in (*inhibits, unknown)],
        "sight": {"ok": sight.ok, "age_s": None, "alive": sight.alive, "feeds": sight.feeds},
        "queue": None,
        "next_due": [],
        "lead_until": None,
        "flags": _flags(flags),
        "state_dir": str(ctx.state_dir),
        "by_hand": by_hand(ctx.also_stop, []),
    }
    return document | _of_the_daemon(ctx, now)


def _of_the_daemon(ctx: Context, now: datetime) -> StatusDoc:
    """Return the part that needs no store."""
    part = {
        "now": z_time(now),
        "language": ctx.language,
        "timezone": str(ctx.zone),
        "one_outlet": alone.waits(ctx),
        "config_refused": _refused(ctx),
    }
    return cast("StatusDoc", part)


def _refused(ctx: Context) -> ConfigRefusedDoc | None:
    refused = ctx.hooks.refused()
    return {"since": z_time(refused.since), "why": refused.why} if refused else None


def _flags(flags: FlagState) -> list[FlagDoc]:
    return [
        {"name": flag.name, "key": flag.key, "note": flag.note, "is_dir": flag.is_dir}
        for flag in flags.entries
    ]


def _counts(conn: Connection, now: datetime) -> QueueCountsDoc:
    counts = deliveries.counts(conn)
    return {
        "scheduled": counts.get(_S.SCHEDULED, 0) + counts.get(_S.CLAIMED, 0),
        "held": counts.get(_S.HELD, 0),
        "sending": counts.get(_S.SENDING, 0),
        "uncertain": counts.get(_S.UNCERTAIN, 0),
        "awaiting_approval": counts.get(_S.AWAITING_APPROVAL, 0),
        "failed": decisions.failed_unseen(conn),
        "sent_24h": sum(gone_out.sent_since(conn, now - _DAY).values()),
    }


def _state(ctx: Context, flags: FlagState, *, paused: bool) -> State:
    # A flag that is not a cause yet stops the gate just the same.
    if paused or ctx.pending or not flags.clear:
        return "paused"
    kinds = {inhibit.kind for inhibit in ctx.inhibits.list()}
    if InhibitKind.STARTING in kinds:
        return "starting"
    return "inhibited" if kinds else "running"


def _sight(ctx: Context, conn: Connection, now: datetime) -> Any:
    sight = ctx.hooks.sight()
    last = facts.get_time(conn, "last_sight")
    age = (now - last).total_seconds() if last else None
    return {"ok": sight.ok, "age_s": age, "alive": sight.alive, "feeds": sight.feeds}


def _next_due(conn: Connection, now: datetime, *, gone: Collection[str]) -> list[NextDueDoc]:
    """
    Return what waits for its turn, then what comes; a held post is told until its time.

    What has no channel any more does not leave: it is not among them.
    """
    waiting = deliveries.in_state(
        conn, _S.SCHEDULED, _S.CLAIMED, before=now, without=gone, limit=NEXT_SHOWN
    )
    coming = deliveries.page(
        conn,
        states=[_S.SCHEDULED.value, _S.CLAIMED.value, _S.HELD.value],
        after=(now, ""),
        without=gone,
        limit=NEXT_SHOWN - len(waiting),
    )
    waits = channel_state.waiting(conn, now=now)
    return [_next_doc(one, waits.get(one.channel)) for one in (*waiting, *coming)]


def _next_doc(one: deliveries.Delivery, wait: Row[Any] | None) -> NextDueDoc:
    document: NextDueDoc = {
        "id": one.id,
        "channel": one.channel,
        "due": z_time(one.due_at),
        "text": head(one.content.text),
        "state": one.state.value,
    }
    if wait is not None and one.state is not _S.HELD and one.due_at < wait.waits_until:
        document["waits_until"] = z_time(wait.waits_until)
        document["waits_why"] = wait.why
    return document


def _undecided(conn: Connection, latch: Latch, now: datetime) -> int:
    if not latch.paused:
        return 0
    return holds.count_undecided(conn, incident=latch.incident, now=now)


def _lead_until(ctx: Context, conn: Connection, latch: Latch, now: datetime) -> str | None:
    if latch.paused or latch.resumed_at is None:
        return None
    last = incidents.newest(conn, limit=1)
    until = latch.resumed_at + ctx.queue.lead
    # A dismissed alarm has no lead: what is not late goes on at its time.
    has_lead = not last or last[0].outcome != "dismissed"
    return z_time(until) if has_lead and until > now else None


def _relays(ctx: Context, conn: Connection) -> Any:
    newest = relay_runs.newest(conn)
    return [
        {
            "name": name,
            "event": run.event,
            "reached": run.reached_at is not None,
            "at": z_or_none(run.reached_at),
            "problem": run.problem,
        }
        for name in ctx.relays
        if (run := newest.get(name)) is not None
    ]


def _failing(ctx: Context, conn: Connection, now: datetime) -> Any:
    failing = notices.failing(conn, now=now)
    return {
        "failing": [
            {"address": ctx.hooks.masked(address), "problem": problem}
            for address, problem in failing.items()
        ]
    }


def _rehearsed(ctx: Context, conn: Connection, now: datetime) -> Any:
    if ctx.mode != "rehearsal":
        return []
    return [
        {
            "at": z_time(row.tripped_at),
            "title": row.title,
            "outlets": len({m.newsroom for m in Story.from_json(row.body).members}),
        }
        for row in news.tripped_stories(conn, since=now - _REHEARSED)
    ]


def _round_age(conn: Connection, now: datetime) -> float | None:
    last = news.last_poll_at(conn)
    return None if last is None else max(0.0, (now - last).total_seconds())


def _incident_part(ctx: Context, conn: Connection, latch: Latch, now: datetime) -> _IncidentPart:
    row = incidents.get(conn, latch.incident) if latch.incident else None
    if row is None:
        return {
            "incident": None,
            "fever": None,
            "went_out": [],
            "who": None,
            "clashes": _clashes(conn, None),
        }
    since = row.first_headline_at or row.tripped_at
    out = gone_out.sent_between(conn, since, now + _HOUR)[:_OUT_SHOWN]
    authors = people.names(conn, {one.author for one in out})
    story = news.story(conn, row.story) if row.story else None
    return {
        "incident": incident_head(row, story),
        "fever": fever(conn, row.story, now=now) if row.story else None,
        "went_out": [
            {**document, "author": authors.get(one.author)}
            for one, document in zip(out, out_docs(conn, out), strict=True)
        ],
        "who": _who(ctx, conn, row),
        "clashes": _clashes(conn, row.story),
    }


def incident_head(row: Any, story: Any) -> IncidentHeadDoc:
    """Return the event behind a pause in one line."""
    members = Story.from_json(story.body).members if story is not None else ()
    first = min(members, key=lambda m: m.at, default=None)
    return {
        "id": row.id,
        "title": row.title,
        "outlets": len({m.newsroom for m in members}),
        "first_headline_at": z_or_none(row.first_headline_at),
        "first_outlet": (first.outlet or first.group or None) if first else None,
    }


def fever(conn: Connection, story: str, *, now: datetime) -> FeverDoc:
    """Return the headlines of the last hour and whether they grow."""
    times = news.headline_times(conn, story, since=now - 2 * _HOUR)
    last = sum(at > now - _HOUR for at in times)
    before = len(times) - last
    trend = "rising" if last > before else "falling" if last < before else "steady"
    return {"per_hour": last, "trend": trend}


def _who(ctx: Context, conn: Connection, row: Any) -> WhoDoc:
    name = people.names(conn, {row.acked_by}).get(row.acked_by) if row.acked_by else None
    return {
        "acked_by": name,
        "acked_at": z_or_none(row.acked_at),
        "next": ctx.on_call[0] if ctx.on_call else None,
    }


def _clashes(conn: Connection, story: str | None) -> ClashesDoc:
    count, words = holds.clashing(conn, story) if story else (0, set())
    return {"count": count, "words": sorted(words)}


def _hint(document: StatusDoc) -> str:
    if document["state"] == "paused":
        waiting: int = document.get("undecided", 0)
        if waiting:
            many = "1 decision" if waiting == 1 else f"{waiting} decisions"
            return f"killswitch triage   (resume after {many})"
        return "killswitch resume --reason TEXT"
    return 'killswitch pause "reason"'
