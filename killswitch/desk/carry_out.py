"""
Carry out what people decided on held deliveries, spaced so that nothing leaves in a burst.

A release of a future post keeps its time. One of a past post takes its channel's next slot: the
first a ``release_gap`` after the resume, then one each ``release_gap``; outside a pause the next
slot that the channel's own gap allows.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from killswitch.desk.adding import confirm_from
from killswitch.desk.clashing import hold_clashes
from killswitch.desk.context import Context
from killswitch.failpoints import passing
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
class _Going:
    """
    What a resume or a dismissal lets out.

    Attributes:
        waiting: Posts whose time has passed, by channel: they get slots.
        by: Who let them out.
        edited: Posts with new words, with the events that their editors were shown.
        free: Deliveries that may leave by themselves.
    """

    waiting: dict[str, list[Delivery]] = field(default_factory=lambda: defaultdict(list))
    by: dict[str, str] = field(default_factory=dict)
    edited: list[tuple[Delivery, list[str]]] = field(default_factory=list)
    free: set[str] = field(default_factory=set)

    def wait(self, one: Delivery, by: str) -> None:
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
    for one in deliveries.in_state(conn, _S.SCHEDULED, before=until):
        held += deliveries.hold(conn, one, HoldKind.LEAD, why="inside the lead", now=now)
    return held


def carry_out_all(ctx: Context, conn: Connection, *, now: datetime) -> int:
    """Carry out every written decision on a held delivery; return how many may leave now."""
    going = _Going()
    _carry_out(ctx, conn, going, now=now)
    return _end(ctx, conn, going, now=now)


def let_go_on(
    ctx: Context, conn: Connection, incident: str | None, *, by: str, now: datetime
) -> int:
    """After a false alarm: what only the pause held and is not late goes on, spaced."""
    only_pause = deliveries.held_only_by(conn, HoldKind.PAUSE, ref=incident)
    decided = decisions.of(conn, [one.id for one in only_pause])
    going = _Going()
    for one in only_pause:
        limits = ctx.limits.get(one.channel)
        if one.id in decided or limits is None:
            continue
        if one.due_at > now:
            # Nobody looked at this one: what the horizon asks of it stays as it was.
            _put_back(conn, going, one, {}, by=by, now=now)
        elif not rules.is_late(one.due_at, late_after=limits.late_after, now=now):
            going.wait(one, by)
    _carry_out(ctx, conn, going, now=now)
    return _end(ctx, conn, going, now=now)


def _carry_out(ctx: Context, conn: Connection, going: _Going, *, now: datetime) -> None:
    """
    Carry out what needs no slot, and let the rest wait for one.

    A decision whose own time has passed by now is none: its delivery stays held.
    """
    rows = decisions.all_of_held(conn)
    found = {one.id: one for one in deliveries.lock_many(conn, [row.delivery for row in rows])}
    for row in rows:
        decisions.drop(conn, row.delivery)
        if row.due_at is None or row.due_at > now:
            _carry_out_one(ctx, conn, going, found[row.delivery], row, now=now)
        passing("release.after_one")


def _carry_out_one(
    ctx: Context, conn: Connection, going: _Going, one: Delivery, row: Any, *, now: datetime
) -> None:
    if row.kind == Decision.SKIP.value:
        skip(conn, one, by=row.by, why=row.reason or "skipped by a human", now=now)
    if row.kind not in _OUT:
        return
    if row.kind == Decision.EDIT.value:
        shown = clashes_shown(conn, one)
        one = edit(ctx, conn, one, row.post_change or {}, by=row.by, now=now)
        going.edited.append((one, shown))
    when = When(one.due_at, one.wall, one.zone)
    if row.due_at is not None:
        when = When(row.due_at, row.wall, row.zone)
    if when.instant <= now:
        going.wait(one, row.by)
    else:
        values = time_values(ctx, one, when, now=now)
        _put_back(conn, going, one, values, by=row.by, now=now)


def _end(ctx: Context, conn: Connection, going: _Going, *, now: datetime) -> int:
    """Give the slots, look at new words, and return how many may leave by themselves."""
    for channel, waiting in going.waiting.items():
        ordered = sorted(waiting, key=lambda one: (one.due_at, one.id))
        slots = _slots(ctx, conn, channel, len(ordered), now=now)
        for one, slot in zip(ordered, slots, strict=True):
            values = time_values(ctx, one, slot, now=now)
            _put_back(conn, going, one, values, by=going.by[one.id], now=now)
    for one, shown in going.edited:
        if hold_clashes(ctx, conn, one.post, now=now, shown=shown):
            going.free.discard(one.id)
    return len(going.free)


def skip(conn: Connection, one: Delivery, *, by: str, why: str, now: datetime) -> None:
    """Skip a delivery for good; its text is kept."""
    deliveries.lift_holds(conn, one.id, now=now)
    decisions.drop(conn, one.id)
    values = deliveries.unowned() | {"problem": why}
    deliveries.move(conn, one, _S.SKIPPED, actor=by, why=why, now=now, values=values)


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
) -> None:
    """
    Put a held delivery back into the queue at ``when``, because a human said so.

    All its holds are lifted. A post that nobody has approved as it stands waits for its approver
    instead.
    """
    values = time_values(ctx, one, when, now=now)
    _put_back(conn, _Going(), one, values, by=by, now=now)


def _put_back(
    conn: Connection,
    going: _Going,
    one: Delivery,
    values: Mapping[str, Any],
    *,
    by: str,
    now: datetime,
) -> None:
    deliveries.lift_holds(conn, one.id, now=now)
    new = _S.AWAITING_APPROVAL
    if one.approved_hash == one.content_hash:
        new = _S.SCHEDULED
        going.free.add(one.id)
    fresh = {"problem": None, "tries": 0, "next_at": one.due_at, **values}
    deliveries.move(conn, one, new, actor=by, why="released", now=now, values=fresh)


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


def _slots(
    ctx: Context, conn: Connection, channel: str, count: int, *, now: datetime
) -> list[When]:
    """Return the next slots of a channel after a pause."""
    limits = ctx.limits.get(channel)
    min_gap = limits.min_gap if limits else timedelta(0)
    start = now + ctx.queue.release_gap
    taken = deliveries.due_times(
        conn, channel, after=now, before=start + _SLOT_SEARCH, states=PENDING
    )
    found = rules.release_slots(
        count, start=start, gap=ctx.queue.release_gap, min_gap=min_gap, taken=taken
    )
    return [_machine_time(ctx, instant) for instant in found]


def _machine_time(ctx: Context, instant: datetime) -> When:
    zone = str(ctx.zone)
    return When(instant, wall_of(instant, zone=zone), zone)


def place_now(ctx: Context, conn: Connection, one: Delivery, *, by: str, now: datetime) -> None:
    """Give one released past post the next slot that its channel's own gap allows."""
    limits = ctx.limits.get(one.channel)
    min_gap = limits.min_gap if limits else timedelta(0)
    start = now
    if limits is not None:
        since = now - max(rules.HOUR, min_gap)
        sends = attempts.sends_since(conn, one.channel, since=since)
        start = max(now, rules.ready_at(limits, sends) or now)
    taken = deliveries.due_times(
        conn,
        one.channel,
        after=now - min_gap,
        before=start + _SLOT_SEARCH,
        states=PENDING,
        without=one.id,
    )
    (slot,) = rules.release_slots(1, start=start, gap=min_gap, min_gap=min_gap, taken=taken)
    schedule(ctx, conn, one, _machine_time(ctx, slot), by=by, now=now)
