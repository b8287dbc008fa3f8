"""
Carry out what people decided on a held delivery: it goes back, is skipped, says something new.

A release of a future post keeps its time. One of a past post takes its channel's next slot: the
first a ``release_gap`` after the resume, then one each ``release_gap``; outside a pause the next
slot that the channel's own gap allows.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from killswitch.desk.adding import confirm_from
from killswitch.desk.context import Context
from killswitch.queue import rules
from killswitch.queue.states import PENDING, DeliveryState
from killswitch.queue.when import When, wall_of
from killswitch.store import attempts, bulk, coming_due, deliveries, holds, posts
from killswitch.store.audit import Entry, record
from killswitch.store.bulk import Move
from killswitch.store.deliveries import Delivery
from killswitch.store.engine import Connection

EDITED = "delivery.edited"
_S = DeliveryState


def skip(conn: Connection, one: Delivery, *, by: str, why: str | None, now: datetime) -> None:
    """Skip a delivery for good; its text is kept."""
    _move(conn, skipping(one, by=by, why=why), now=now)


def skipping(one: Delivery, *, by: str, why: str | None) -> Move:
    """Return the move of a delivery that a human skips."""
    said = why or "skipped by a human"
    values = deliveries.unowned() | {"problem": said}
    return Move(one, _S.SKIPPED, said, by, values)


def _move(conn: Connection, move: Move, *, now: datetime) -> None:
    """Move one delivery out of its hold: the holds are lifted, what was decided is no more."""
    bulk.lift_holds(conn, [move.one.id], now=now)
    bulk.drop_decisions(conn, [move.one.id])
    bulk.move(conn, [move], now=now)


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
    (edited,) = edit_many(ctx, conn, [(one, change, by)], now=now)
    return edited


def edit_many(
    ctx: Context,
    conn: Connection,
    edits: Sequence[tuple[Delivery, Mapping[str, Any], str]],
    *,
    now: datetime,
) -> list[Delivery]:
    """Change what deliveries say, each with its change and who made it."""
    alone = not ctx.queue.approve
    changes = [(one, change) for one, change, _ in edits]
    edited = posts.edit_many(conn, changes, now=now, approved_by_editing=alone)
    entries = [
        Entry(EDITED, one.id, by, {"hash": one.content_hash, "fields": sorted(change)})
        for one, (_, change, by) in zip(edited, edits, strict=True)
    ]
    record(conn, *entries, now=now)
    return edited


def clashes_shown(conn: Connection, one: Delivery) -> list[str]:
    """Return the events that a delivery is held for: whoever edits it was shown them."""
    return [row.ref for row in holds.holds_of(conn, [one.id])[one.id] if row.kind == "clash"]


def schedule(
    ctx: Context, conn: Connection, one: Delivery, when: When, *, by: str, now: datetime
) -> None:
    """
    Put a held delivery back into the queue at ``when``, because a human said so.

    All its holds are lifted. A post that nobody has approved as it stands waits for its approver
    instead.
    """
    _move(conn, going_back(ctx, one, when, by=by, now=now), now=now)


def going_back(ctx: Context, one: Delivery, when: When | None, *, by: str, now: datetime) -> Move:
    """Return the move of a held delivery back into the queue; None leaves its times as they are."""
    values = {"next_at": one.due_at} if when is None else time_values(ctx, one, when, now=now)
    approved = one.approved_hash == one.content_hash
    new = _S.SCHEDULED if approved else _S.AWAITING_APPROVAL
    return Move(one, new, "released", by, {"problem": None, "tries": 0, **values})


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


def slots(
    ctx: Context, conn: Connection, channel: str, count: int, *, start: datetime
) -> tuple[list[When], datetime]:
    """
    Return the next slots of a channel after a pause, and from when on the one after them may be.

    Args:
        ctx: The gaps and the zone.
        conn: A transaction.
        channel: The channel.
        count: How many, at least one.
        start: The earliest slot, aware UTC.
    """
    gap = ctx.queue.release_gap
    found = _free_times(ctx, conn, channel, count, start=start, gap=gap)
    following = found[-1] + max(gap, _min_gap(ctx, channel), rules.TICK)
    return [_machine_time(ctx, instant) for instant in found], following


def _free_times(
    ctx: Context,
    conn: Connection,
    channel: str,
    count: int,
    *,
    start: datetime,
    gap: timedelta,
    without: str | None = None,
) -> list[datetime]:
    """Find times that lie ``gap`` apart and keep the channel's own gap of what is planned."""
    min_gap = _min_gap(ctx, channel)
    reach = max(gap, min_gap) * count + rules.HOUR
    while True:
        taken = coming_due.due_times(
            conn,
            channel,
            after=start - min_gap,
            before=start + reach,
            states=PENDING,
            without=without,
        )
        found = rules.release_slots(count, start=start, gap=gap, min_gap=min_gap, taken=taken)
        if found[-1] + min_gap <= start + reach:
            return found
        # What is planned has pushed them behind what was looked at: look farther.
        reach *= 2


def _min_gap(ctx: Context, channel: str) -> timedelta:
    limits = ctx.limits.get(channel)
    return limits.min_gap if limits else timedelta(0)


def _machine_time(ctx: Context, instant: datetime) -> When:
    zone = str(ctx.zone)
    return When(instant, wall_of(instant, zone=zone), zone)


def _behind_released(conn: Connection, channel: str, start: datetime) -> datetime:
    """Find the instant behind what has just been released: those of one call leave in its order."""
    last = coming_due.last_due(conn, channel, start=start, end=start + rules.SECOND, states=PENDING)
    return start if last is None else last + rules.TICK


def place_now(ctx: Context, conn: Connection, one: Delivery, *, by: str, now: datetime) -> None:
    """Give one released past post the next slot that its channel's own gap allows."""
    limits = ctx.limits.get(one.channel)
    min_gap = _min_gap(ctx, one.channel)
    start = now
    if limits is not None:
        since = now - max(rules.HOUR, min_gap)
        sends = attempts.sends_since(conn, one.channel, since=since)
        start = max(now, rules.ready_at(limits, sends) or now)
    if not min_gap:
        start = _behind_released(conn, one.channel, start)
    (slot,) = _free_times(ctx, conn, one.channel, 1, start=start, gap=min_gap, without=one.id)
    schedule(ctx, conn, one, _machine_time(ctx, slot), by=by, now=now)
