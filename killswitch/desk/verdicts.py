"""The verbs that say something about a post: confirmed, seen on the network, approved, rejected."""

from __future__ import annotations

from killswitch.desk import carry_out
from killswitch.desk.deed import CHANGEABLE, Deed
from killswitch.errors import RefusedError
from killswitch.queue import rules
from killswitch.queue.states import DeliveryState, HoldKind
from killswitch.queue.when import When, shown
from killswitch.store import audit, deliveries, holds, notices, people
from killswitch.store.deliveries import Delivery

_S = DeliveryState
_SAID_BY = " (said by "


def confirm(deed: Deed, one: Delivery) -> str | None:
    """
    Take the second look at a post from beyond the horizon.

    Where only the horizon held it, it goes back to the queue.

    Raises:
        RefusedError: It is not yet inside its last days.
    """
    deed.need(one, CHANGEABLE, "confirmed")
    if one.confirm_from is not None and deed.now < one.confirm_from:
        start = shown(one.confirm_from, zone=str(deed.ctx.zone))
        raise RefusedError(
            "too_early",
            f"{one.id} can be confirmed from {start} on; a confirmation weeks ahead "
            "would be no second look",
            "confirm it then",
        )
    deliveries.set_values(deed.conn, one.id, now=deed.now, confirmed_at=deed.now)
    deed.note(one, "confirmed")
    if one.state is _S.HELD:
        holds.lift_holds(deed.conn, one.id, now=deed.now, kind=HoldKind.HORIZON)
        if not holds.holds_of(deed.conn, [one.id])[one.id]:
            _let_go_on(deed, one)
    return None


def _let_go_on(deed: Deed, one: Delivery) -> None:
    deed.refuse_gone(one)
    limits = deed.ctx.limits.get(one.channel)
    if limits and not rules.is_late(one.due_at, late_after=limits.late_after, now=deed.now):
        own = When(one.due_at, one.wall, one.zone)
        carry_out.schedule(deed.ctx, deed.conn, one, own, by=deed.by, now=deed.now)
    else:
        carry_out.place_now(deed.ctx, deed.conn, one, by=deed.by, now=deed.now)


def resolve(deed: Deed, one: Delivery) -> str | None:
    """Say what became of a post that may have gone out."""
    deed.need(one, frozenset({_S.UNCERTAIN}), "resolved", "only uncertain posts are resolved")
    if deed.act.sent:
        deliveries.move(
            deed.conn,
            one,
            _S.SENT,
            actor=deed.by,
            why="a human saw it on the network",
            now=deed.now,
            values=deliveries.unowned() | {"sent_at": one.changed_at, "problem": None},
        )
        return None
    holds.hold(
        deed.conn,
        one,
        HoldKind.HUMAN,
        ref="not_sent",
        actor=deed.by,
        now=deed.now,
        why="a human saw that it is not on the network",
        values=deliveries.unclaimed(one) | {"problem": None},
    )
    return None


def approve(deed: Deed, one: Delivery) -> str | None:
    """
    Approve a post as it stands, as the second person.

    Raises:
        RefusedError: It needs no approval, or the caller wrote or edited it.
    """
    states = frozenset({_S.AWAITING_APPROVAL, _S.HELD, _S.SCHEDULED})
    deed.need(one, states, "approved")
    if one.approved_hash == one.content_hash:
        raise RefusedError(
            "approved", f"{one.id} is approved as it stands", "nothing is to be done"
        )
    own = [name for name in _hands(deed, one) if deed.ctx.is_one_person(name, deed.caller.name)]
    if own:
        raise RefusedError(
            "own_post",
            f"{one.id} is your own text (by {own[0]}): a second person approves; nothing was "
            "changed",
            "ask a colleague; all users of one [[people]] table are one person",
        )
    values = {"approved_hash": one.content_hash, "approved_by": deed.by}
    if one.state is _S.AWAITING_APPROVAL:
        deliveries.move(
            deed.conn, one, _S.SCHEDULED, actor=deed.by, why="approved", now=deed.now, values=values
        )
    else:
        deliveries.set_values(deed.conn, one.id, now=deed.now, **values)
        deed.note(one, "approved")
    return None


def _hands(deed: Deed, one: Delivery) -> set[str]:
    """Return who wrote or edited a delivery, by name, however they said who they are."""
    ids = {one.author} | audit.actors(deed.conn, carry_out.EDITED, one.id)
    return {name.partition(_SAID_BY)[0] for name in people.names(deed.conn, ids).values()}


def reject(deed: Deed, one: Delivery) -> str | None:
    """Send a post back to its author, held."""
    deed.need(one, frozenset({_S.AWAITING_APPROVAL}), "rejected")
    why = deed.act.reason or "rejected"
    holds.hold(
        deed.conn,
        one,
        HoldKind.HUMAN,
        ref="rejected",
        actor=deed.by,
        now=deed.now,
        why=why,
        values={"problem": why},
    )
    notices.add_notice(
        deed.conn,
        kind="held_late",
        ref=one.id,
        now=deed.now,
        escalates=False,
        loud=False,
        facts={
            "delivery": one.id,
            "channel": one.channel,
            "text": one.content.text,
            "author": one.author,
            "why": why,
        },
    )
    return None
