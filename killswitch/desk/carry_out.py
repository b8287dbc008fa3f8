"""
Carry out what people decided on held deliveries, spaced so that nothing leaves in a burst.

A release of a future post keeps its time. One of a past post takes its channel's next slot: the
first a ``release_gap`` after the resume, then one each ``release_gap``; outside a pause the next
slot that the channel's own gap allows.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from killswitch.desk.context import Context
from killswitch.queue import rules
from killswitch.queue.states import PENDING, Decision, DeliveryState, HoldKind
from killswitch.store import attempts, decisions, deliveries, posts
from killswitch.store.deliveries import Delivery
from killswitch.store.engine import Connection

DAY = timedelta(days=1)
_S = DeliveryState
# Decisions that let a post out, at its own time or at another.
_OUT = frozenset({Decision.RELEASE.value, Decision.MOVE.value, Decision.EDIT.value})
# How far ahead slots are looked for; a queue that is full for longer is told so by its gaps.
_SLOT_SEARCH = timedelta(days=60)


def hold_lead(ctx: Context, conn: Connection, *, now: datetime) -> int:
    """
    Hold what is due inside the lead, so that nobody is surprised just after the press.

    The decisions are carried out after this, so what they let out passes the lead.
    """
    held = 0
    until = now + ctx.queue.lead
    for one in deliveries.in_state(conn, _S.SCHEDULED, before=until, limit=100_000):
        held += deliveries.hold(conn, one, HoldKind.LEAD, why="inside the lead", now=now)
    return held


def carry_out_all(ctx: Context, conn: Connection, *, now: datetime) -> int:
    """
    Carry out every written decision on a held delivery; return how many may leave now.

    A decision whose own time has passed by now is none: its delivery stays held.
    """
    rows = decisions.all_of_held(conn)
    found = {one.id: one for one in deliveries.lock_many(conn, [row.delivery for row in rows])}
    slots: dict[str, list[Delivery]] = defaultdict(list)
    released = 0
    for row in rows:
        one = found[row.delivery]
        if row.due_at is not None and row.due_at <= now:
            continue
        if row.kind == Decision.EDIT.value:
            own = not ctx.queue.approve
            one = posts.edit(conn, one, row.post_change or {}, now=now, approved_by_editing=own)
        if row.kind in _OUT and (row.due_at or one.due_at) <= now:
            slots[one.channel].append(one)
            continue
        released += carry_out(ctx, conn, one, row, now=now)
    by = {row.delivery: row.by for row in rows}
    for channel, waiting in slots.items():
        start = now + ctx.queue.release_gap
        released += place(ctx, conn, channel, waiting, by=by, start=start, now=now)
    for row in rows:
        decisions.drop(conn, row.delivery)
    return released


def carry_out(ctx: Context, conn: Connection, one: Delivery, row: Any, *, now: datetime) -> bool:
    """Carry out one decision on a future post; say whether it may leave by itself now."""
    match Decision(row.kind):
        case Decision.KEEP:
            return False
        case Decision.SKIP:
            skip(conn, one, by=row.by, why=row.reason or "skipped by a human", now=now)
            return False
        case Decision.RELEASE | Decision.MOVE | Decision.EDIT:
            due = row.due_at or one.due_at
            return schedule(ctx, conn, one, due=due, by=row.by, wall=row, now=now)


def skip(conn: Connection, one: Delivery, *, by: str, why: str, now: datetime) -> None:
    """Skip a held or scheduled delivery for good; its text is kept."""
    deliveries.lift_holds(conn, one.id, now=now)
    decisions.drop(conn, one.id)
    deliveries.move(conn, one, _S.SKIPPED, actor=by, why=why, now=now, values={"problem": why})


def schedule(
    ctx: Context,
    conn: Connection,
    one: Delivery,
    *,
    due: datetime,
    by: str,
    now: datetime,
    wall: Any = None,
) -> bool:
    """
    Put a held delivery back into the queue at ``due``, all its holds lifted.

    A post that nobody has approved as it stands waits for its approver instead.
    """
    values: dict[str, Any] = {
        "due_at": due,
        "next_at": due,
        "problem": None,
        "tries": 0,
        "confirmed_at": one.confirmed_at or now,
    }
    if wall is not None and wall.wall is not None:
        values |= {"wall": wall.wall, "zone": wall.zone}
    elif due != one.due_at:
        values |= wall_of(ctx, due)
    deliveries.lift_holds(conn, one.id, now=now)
    approved = one.approved_hash == one.content_hash
    new = _S.SCHEDULED if approved else _S.AWAITING_APPROVAL
    deliveries.move(conn, one, new, actor=by, why="released", now=now, values=values)
    return approved


def wall_of(ctx: Context, due: datetime) -> dict[str, str]:
    """Return the wall time and zone columns of an instant that the machine chose."""
    local = due.astimezone(ctx.zone)
    return {"wall": local.strftime("%Y-%m-%dT%H:%M:%S"), "zone": str(ctx.zone)}


def place(
    ctx: Context,
    conn: Connection,
    channel: str,
    waiting: Sequence[Delivery],
    *,
    by: Mapping[str, str],
    start: datetime,
    now: datetime,
) -> int:
    """Give posts whose time has passed the next slots of their channel, soonest due first."""
    limits = ctx.limits.get(channel)
    min_gap = limits.min_gap if limits else timedelta(0)
    gap = ctx.queue.release_gap
    taken = deliveries.due_times(
        conn, channel, after=now, before=start + _SLOT_SEARCH, states=PENDING
    )
    slots = rules.release_slots(len(waiting), start=start, gap=gap, min_gap=min_gap, taken=taken)
    ordered = sorted(waiting, key=lambda one: (one.due_at, one.id))
    return sum(
        schedule(ctx, conn, one, due=slot, by=by[one.id], now=now)
        for one, slot in zip(ordered, slots, strict=True)
    )


def place_now(ctx: Context, conn: Connection, one: Delivery, *, by: str, now: datetime) -> bool:
    """Give one released past post the next slot that its channel's own gap allows."""
    limits = ctx.limits.get(one.channel)
    start = now
    if limits is not None:
        since = now - max(rules.HOUR, limits.min_gap)
        sends = attempts.sends_since(conn, one.channel, since=since)
        start = max(now, rules.ready_at(limits, sends) or now)
    min_gap = limits.min_gap if limits else timedelta(0)
    taken = deliveries.due_times(
        conn,
        one.channel,
        after=now - min_gap,
        before=start + _SLOT_SEARCH,
        states=PENDING,
        without=one.id,
    )
    slot = rules.release_slots(1, start=start, gap=min_gap, min_gap=min_gap, taken=taken)[0]
    return schedule(ctx, conn, one, due=slot, by=by, now=now)


def let_go_on(
    ctx: Context, conn: Connection, incident: str | None, *, by: str, now: datetime
) -> int:
    """After a false alarm: what only the pause held and is not late goes on, spaced."""
    only_pause = deliveries.held_only_by(conn, HoldKind.PAUSE, HoldKind.LEAD, ref=incident)
    decided = decisions.of(conn, [one.id for one in only_pause])
    going, slots = 0, defaultdict(list)
    for one in only_pause:
        limits = ctx.limits.get(one.channel)
        if one.id in decided or limits is None:
            continue
        if one.due_at > now:
            going += schedule(ctx, conn, one, due=one.due_at, by=by, now=now)
        elif not rules.is_late(one.due_at, late_after=limits.late_after, now=now):
            slots[one.channel].append(one)
    for channel, waiting in slots.items():
        start = now + ctx.queue.release_gap
        who = {one.id: by for one in waiting}
        going += place(ctx, conn, channel, waiting, by=who, start=start, now=now)
    return going + carry_out_all(ctx, conn, now=now)
