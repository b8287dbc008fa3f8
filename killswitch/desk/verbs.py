"""The verbs that let a post out, change it, hold it or take it back."""

from __future__ import annotations

from typing import Any

from killswitch.desk import carry_out
from killswitch.desk.adding import refuse_unfit
from killswitch.desk.clashing import hold_clashes
from killswitch.desk.deed import CHANGEABLE, LEFT, Deed
from killswitch.errors import UsageError
from killswitch.queue.states import RECALLABLE, Decision, DeliveryState, HoldKind
from killswitch.queue.when import When
from killswitch.store import decisions, deliveries, holds
from killswitch.store.deliveries import Delivery
from killswitch.wire import z_time

_S = DeliveryState
_HELD = frozenset({_S.HELD})


def release(deed: Deed, one: Delivery) -> str | None:
    """Let a held post go: at its own time, at a given one, or in the next free slot."""
    deed.need(one, _HELD, "released", "only held posts can be released")
    deed.refuse_gone(one)
    if deed.when is not None:
        deed.refuse_crowded(one, deed.when.instant)
    if deed.written_down(one):
        return deed.decide(one, Decision.RELEASE, _time_of(deed.when))
    if deed.when is None and one.due_at > deed.now:
        deed.refuse_crowded(one, one.due_at)
    _let_out(deed, one)
    return None


def _let_out(deed: Deed, one: Delivery) -> None:
    """Put a held post back: when the human said, at its own time, or in the next slot."""
    if deed.when is not None:
        carry_out.schedule(deed.ctx, deed.conn, one, deed.when, by=deed.by, now=deed.now)
    elif one.due_at > deed.now:
        own = When(one.due_at, one.wall, one.zone)
        carry_out.schedule(deed.ctx, deed.conn, one, own, by=deed.by, now=deed.now)
    else:
        carry_out.place_now(deed.ctx, deed.conn, one, by=deed.by, now=deed.now)


def _time_of(when: When | None) -> dict[str, Any]:
    """Return the columns of a decided time."""
    if when is None:
        return {}
    return {"due_at": when.instant, "wall": when.wall, "zone": when.zone}


def move(deed: Deed, one: Delivery) -> str | None:
    """Give a post another time; a held one goes back to the queue with it."""
    when = deed.when
    if when is None:
        raise UsageError("no_time", "move needs the new time")
    deed.need(one, CHANGEABLE, "moved")
    if one.state is _S.HELD:
        deed.refuse_gone(one)
    deed.refuse_crowded(one, when.instant)
    if deed.written_down(one):
        return deed.decide(one, Decision.MOVE, _time_of(when))
    if one.state is _S.HELD:
        _let_out(deed, one)
    else:
        _move_in_place(deed, one, when)
    return None


def _move_in_place(deed: Deed, one: Delivery, when: When) -> None:
    values = carry_out.time_values(deed.ctx, one, when, now=deed.now)
    deliveries.set_values(deed.conn, one.id, now=deed.now, tries=0, **values)
    deed.note(one, "moved", {"due": z_time(when.instant)})


def edit(deed: Deed, one: Delivery) -> str | None:
    """Change what a post says, and perhaps its time; a held one goes back to the queue."""
    deed.need(one, CHANGEABLE, "edited")
    if one.state is _S.HELD:
        deed.refuse_gone(one)
    change = _change(deed)
    refuse_unfit(deed.ctx, [one.channel], one.content.changed(change))
    if deed.when is not None:
        deed.refuse_crowded(one, deed.when.instant)
    if deed.written_down(one):
        return deed.decide(one, Decision.EDIT, {"post_change": change, **_time_of(deed.when)})
    shown = carry_out.clashes_shown(deed.conn, one)
    edited = carry_out.edit(deed.ctx, deed.conn, one, change, by=deed.by, now=deed.now)
    if edited.state is _S.HELD:
        _let_out(deed, edited)
    else:
        _edit_in_place(deed, edited)
    hold_clashes(deed.ctx, deed.conn, edited.post, now=deed.now, shown=shown)
    return None


def _change(deed: Deed) -> dict[str, Any]:
    act = deed.act
    change: dict[str, Any] = {}
    if act.text is not None:
        change["text"] = act.text
    if act.link is not None:
        change["link"] = act.link
    if act.tags is not None:
        change["tags"] = list(act.tags)
    return change


def _edit_in_place(deed: Deed, edited: Delivery) -> None:
    if deed.when is not None:
        _move_in_place(deed, edited, deed.when)
    if edited.approved_hash != edited.content_hash and edited.state is _S.SCHEDULED:
        deliveries.move(
            deed.conn, edited, _S.AWAITING_APPROVAL, actor=deed.by, why="edited", now=deed.now
        )


def hold(deed: Deed, one: Delivery) -> str | None:
    """Hold a post; whatever somebody decided to let it out is void."""
    deed.need(one, LEFT, "held")
    decisions.void(deed.conn, [one.id])
    holds.hold(
        deed.conn,
        one,
        HoldKind.HUMAN,
        ref=deed.by,
        actor=deed.by,
        now=deed.now,
        why=deed.act.reason or "held by a human",
    )
    return None


def skip(deed: Deed, one: Delivery) -> str | None:
    """Never send it; its text is kept. One that failed stays so, and counts as looked at."""
    deed.need(one, CHANGEABLE | {_S.UNCERTAIN, _S.FAILED}, "skipped")
    if deed.written_down(one) or one.state is _S.FAILED:
        # A failed one has ended: that somebody has looked at it is all there is to say.
        return deed.decide(one, Decision.SKIP, {})
    why = deed.act.reason or "skipped by a human"
    carry_out.skip(deed.conn, one, by=deed.by, why=why, now=deed.now)
    return None


def keep(deed: Deed, one: Delivery) -> str | None:
    """Leave a held post held: decided, so that it does not stand in the way of a resume."""
    deed.need(one, _HELD, "kept", "only held posts can be kept held")
    if deed.written_down(one):
        return deed.decide(one, Decision.KEEP, {})
    decisions.drop(deed.conn, one.id)  # one that a resume is about to carry out
    return None


def cancel(deed: Deed, one: Delivery) -> str | None:
    """Take a post back of which nothing has left; a claim on it is void by its new fence."""
    deed.need(one, RECALLABLE, "cancelled", "what may have gone out can't be called back")
    holds.lift_holds(deed.conn, one.id, now=deed.now)
    decisions.drop(deed.conn, one.id)
    deliveries.move(
        deed.conn,
        one,
        _S.CANCELLED,
        actor=deed.by,
        why=deed.act.reason or "cancelled",
        now=deed.now,
        values=deliveries.unclaimed(one),
    )
    return None
