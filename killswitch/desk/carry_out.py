"""
Carry out what people decided on held deliveries, spaced so that nothing leaves in a burst.

A release of a future post keeps its time. One of a past post takes its channel's next slot: the
first a ``release_gap`` after the resume, then one each ``release_gap``; outside a pause the next
slot that the channel's own gap allows.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from killswitch.desk.adding import confirm_from
from killswitch.desk.clashing import hold_clashes
from killswitch.desk.context import Context
from killswitch.queue import rules
from killswitch.queue.states import PENDING, Decision, DeliveryState, HoldKind
from killswitch.queue.when import When, wall_of
from killswitch.store import attempts, decisions, deliveries, posts
from killswitch.store.audit import Entry, record
from killswitch.store.deliveries import Delivery
from killswitch.store.engine import Connection

EDITED = "delivery.edited"
_S = DeliveryState
# Decisions that let a post out, at its own time or at another.
_OUT = frozenset({Decision.RELEASE.value, Decision.MOVE.value, Decision.EDIT.value})
# How far ahead slots are looked for; a queue that is full for longer is told so by its gaps.
_SLOT_SEARCH = timedelta(days=60)


@dataclass(slots=True)
class _Line:
    """Posts whose time has passed and that may leave, by channel, with who let them out."""

    waiting: dict[str, list[Delivery]] = field(default_factory=lambda: defaultdict(list))
    by: dict[str, str] = field(default_factory=dict)

    def add(self, one: Delivery, by: str) -> None:
        """Let one more wait for a slot."""
        self.waiting[one.channel].append(one)
        self.by[one.id] = by


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
    """Carry out every written decision on a held delivery; return how many may leave now."""
    line = _Line()
    released = _carry_out(ctx, conn, line, now=now)
    return released + _give_slots(ctx, conn, line, now=now)


def let_go_on(
    ctx: Context, conn: Connection, incident: str | None, *, by: str, now: datetime
) -> int:
    """After a false alarm: what only the pause held and is not late goes on, spaced."""
    only_pause = deliveries.held_only_by(conn, HoldKind.PAUSE, HoldKind.LEAD, ref=incident)
    decided = decisions.of(conn, [one.id for one in only_pause])
    line, going = _Line(), 0
    for one in only_pause:
        limits = ctx.limits.get(one.channel)
        if one.id in decided or limits is None:
            continue
        if one.due_at > now:
            going += _put_back(conn, one, {}, by=by, now=now)
        elif not rules.is_late(one.due_at, late_after=limits.late_after, now=now):
            line.add(one, by)
    going += _carry_out(ctx, conn, line, now=now)
    return going + _give_slots(ctx, conn, line, now=now)


def _carry_out(ctx: Context, conn: Connection, line: _Line, *, now: datetime) -> int:
    """
    Carry out what needs no slot, and put the rest into the line.

    A decision whose own time has passed by now is none: its delivery stays held.
    """
    rows = decisions.all_of_held(conn)
    found = {one.id: one for one in deliveries.lock_many(conn, [row.delivery for row in rows])}
    released = 0
    for row in rows:
        decisions.drop(conn, row.delivery)
        if row.due_at is not None and row.due_at <= now:
            continue
        released += _carry_out_one(ctx, conn, line, found[row.delivery], row, now=now)
    return released


def _carry_out_one(
    ctx: Context, conn: Connection, line: _Line, one: Delivery, row: Any, *, now: datetime
) -> bool:
    """Carry out one decision; say whether the delivery may leave by itself now."""
    if row.kind == Decision.SKIP.value:
        skip(conn, one, by=row.by, why=row.reason or "skipped by a human", now=now)
    if row.kind not in _OUT:
        return False
    shown = clashes_shown(conn, one)
    if row.kind == Decision.EDIT.value:
        one = edit(ctx, conn, one, row.post_change or {}, by=row.by, now=now)
    if (row.due_at or one.due_at) <= now:
        line.add(one, row.by)
        return False
    when = When(one.due_at, one.wall, one.zone)
    if row.due_at is not None:
        when = When(row.due_at, row.wall, row.zone)
    free = schedule(ctx, conn, one, when, by=row.by, now=now)
    if row.kind == Decision.EDIT.value:
        free = free and not hold_clashes(ctx, conn, one.post, now=now, shown=shown)
    return free


def _give_slots(ctx: Context, conn: Connection, line: _Line, *, now: datetime) -> int:
    start = now + ctx.queue.release_gap
    return sum(
        _place(ctx, conn, channel, waiting, by=line.by, start=start, now=now)
        for channel, waiting in line.waiting.items()
    )


def skip(conn: Connection, one: Delivery, *, by: str, why: str, now: datetime) -> None:
    """Skip a delivery for good; its text is kept."""
    deliveries.lift_holds(conn, one.id, now=now)
    decisions.drop(conn, one.id)
    deliveries.move(conn, one, _S.SKIPPED, actor=by, why=why, now=now, values={"problem": why})


def edit(
    ctx: Context,
    conn: Connection,
    one: Delivery,
    change: Mapping[str, Any],
    *,
    by: str,
    now: datetime,
) -> Delivery:
    """Change what a delivery says; where a second person approves, that approval is void."""
    alone = not ctx.queue.approve
    edited = posts.edit(conn, one, change, now=now, approved_by_editing=alone)
    said = {"hash": edited.content_hash, "fields": sorted(change)}
    record(conn, Entry(EDITED, one.id, by, said), now=now)
    return edited


def clashes_shown(conn: Connection, one: Delivery) -> list[str]:
    """Return the events that a delivery is held for: whoever edits it was shown them."""
    return [row.ref for row in deliveries.holds_of(conn, [one.id])[one.id] if row.kind == "clash"]


def schedule(
    ctx: Context, conn: Connection, one: Delivery, when: When, *, by: str, now: datetime
) -> bool:
    """
    Put a held delivery back into the queue at ``when``, because a human said so.

    All its holds are lifted. A post that nobody has approved as it stands waits for its approver
    instead.

    Returns:
        Whether it may leave by itself.
    """
    values = time_values(ctx, one, when, now=now)
    return _put_back(conn, one, values, by=by, now=now)


def _put_back(
    conn: Connection, one: Delivery, values: Mapping[str, Any], *, by: str, now: datetime
) -> bool:
    deliveries.lift_holds(conn, one.id, now=now)
    approved = one.approved_hash == one.content_hash
    new = _S.SCHEDULED if approved else _S.AWAITING_APPROVAL
    fresh = {"problem": None, "tries": 0, "next_at": one.due_at, **values}
    deliveries.move(conn, one, new, actor=by, why="released", now=now, values=fresh)
    return approved


def time_values(ctx: Context, one: Delivery, when: When, *, now: datetime) -> dict[str, Any]:
    """
    Return the columns of a time that a human gives a delivery now.

    Who looks at it now has had the second look that the horizon asks for, unless the time lies
    beyond the horizon again.
    """
    confirm = confirm_from(ctx, due=when.instant, tags=one.content.tags, now=now)
    return {
        "due_at": when.instant,
        "next_at": when.instant,
        "wall": when.wall,
        "zone": when.zone,
        "confirm_from": confirm,
        "confirmed_at": None if confirm else one.confirmed_at,
    }


def _slot(ctx: Context, instant: datetime) -> When:
    """Return a time that the machine chose."""
    zone = str(ctx.zone)
    return When(instant, wall_of(instant, zone=zone), zone)


def _place(
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
        schedule(ctx, conn, one, _slot(ctx, slot), by=by[one.id], now=now)
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
    return schedule(ctx, conn, one, _slot(ctx, slot), by=by, now=now)
