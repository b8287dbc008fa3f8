"""
What people do with posts: the verbs of the queue.

On a held delivery during a pause, release, move, edit, skip and keep are written down and carried
out by the resume; in any other case they happen at once. Named by ids a verb is all or nothing;
chosen by a filter each delivery stands for itself.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from killswitch.desk import carry_out
from killswitch.desk.context import Context
from killswitch.desk.listing import find, resolve_ids
from killswitch.errors import OperatorError, RefusedError, UsageError
from killswitch.latch import Latch
from killswitch.queue import rules
from killswitch.queue.states import PENDING, RECALLABLE, Decision, DeliveryState, HoldKind
from killswitch.queue.when import When, read_when
from killswitch.store import attempts, decisions, deliveries, notices, people, posts
from killswitch.store import latch as latch_store
from killswitch.store.audit import Entry, record
from killswitch.store.deliveries import Delivery
from killswitch.store.engine import Connection
from killswitch.wire import ActedDoc, Caller, DoneDoc, QueueAct, z_time

_S = DeliveryState
_LEFT = frozenset({_S.SCHEDULED, _S.HELD})


@dataclass(frozen=True, slots=True)
class Deed:
    """One verb by one person at one moment, under one latch."""

    ctx: Context
    conn: Connection
    act: QueueAct
    latch: Latch
    by: str
    person: str
    when: When | None
    now: datetime

    def written_down(self, one: Delivery) -> bool:
        """Say whether a decision waits for the resume rather than happening now."""
        return self.latch.paused and one.state is _S.HELD


def act(ctx: Context, wanted: QueueAct, *, caller: Caller) -> ActedDoc:
    """
    Carry out one verb.

    Raises:
        UsageError: The verb lacks something, or an id is unknown.
        RefusedError: The state of a named delivery, or its channel's gap, does not allow it.
    """
    ctx.refuse_in_guard_mode()
    now = ctx.clock.now()
    when = read_when(wanted.at, now=now, zone=str(ctx.zone)) if wanted.at else None
    _check(wanted, when)
    with ctx.store.read() as conn:
        ids = (
            [one.id for one in find(conn, wanted.chosen)]
            if wanted.chosen is not None
            else resolve_ids(conn, wanted.ids)
        )
    done: list[DoneDoc] = []
    refused: list[Any] = []
    for some in _bites(ids, whole=wanted.chosen is None):
        with ctx.store.write() as conn:
            latch = latch_store.lock(conn)
            by = people.person_id(conn, caller.person)
            deed = Deed(ctx, conn, wanted, latch, by, caller.person, when, now)
            for one in deliveries.lock_many(conn, some):
                try:
                    done.append(_do(deed, one))
                except OperatorError as error:
                    if wanted.chosen is None:
                        raise
                    refused.append(
                        {
                            "id": one.id,
                            "code": error.code,
                            "message": error.message,
                            "hint": error.hint,
                        }
                    )
    ctx.hooks.wake()
    return {"done": done, "refused": refused}


def _bites(ids: list[str], *, whole: bool) -> list[list[str]]:
    size = len(ids) if whole else deliveries.BATCH
    return [ids[at : at + size] for at in range(0, len(ids), size or 1)]


def _check(wanted: QueueAct, when: When | None) -> None:
    if wanted.verb == "move" and when is None:
        raise UsageError("no_time", "move needs the new time", "killswitch queue move ID --at WHEN")
    changes = (wanted.text, wanted.link, wanted.tags, wanted.at)
    if wanted.verb == "edit" and all(change is None for change in changes):
        raise UsageError("no_change", "edit needs something to change", "--text, --link or --tag")
    if wanted.verb == "resolve" and wanted.sent is None:
        raise UsageError("no_verdict", "resolve needs what you saw", "--sent or --not-sent")


def _do(deed: Deed, one: Delivery) -> DoneDoc:
    decision = _DEEDS[deed.act.verb](deed, one)
    now_is = deliveries.get(deed.conn, one.id) or one
    return {
        "id": one.id,
        "state": now_is.state.value,
        "due": z_time(now_is.due_at),
        "decision": decision,
    }


def _refuse(one: Delivery, verb: str, hint: str = "") -> RefusedError:
    return RefusedError(
        "state", f"{one.id} is {one.state.value}: it can't be {verb}; nothing was changed", hint
    )


def _need(one: Delivery, states: frozenset[DeliveryState], verb: str, hint: str = "") -> None:
    if one.state not in states:
        raise _refuse(one, verb, hint)


def _decide(deed: Deed, one: Delivery, kind: Decision, values: Mapping[str, Any]) -> str:
    decisions.write(
        deed.conn,
        one.id,
        kind,
        version=deed.latch.version,
        by=deed.by,
        now=deed.now,
        values={"reason": deed.act.reason, **values},
    )
    entry = Entry("delivery.decided", one.id, deed.by, {"decision": kind.value})
    record(deed.conn, entry, now=deed.now)
    return kind.value


def _when_values(when: When | None) -> dict[str, Any]:
    if when is None:
        return {}
    return {"due_at": when.instant, "wall": when.wall, "zone": when.zone}


def _refuse_crowded(deed: Deed, one: Delivery, due: datetime) -> None:
    limits = deed.ctx.limits.get(one.channel)
    if limits is None:
        raise RefusedError("unknown_channel", f"the channel {one.channel} is not configured")
    reach = max(rules.HOUR, limits.min_gap)
    taken = deliveries.due_times(
        deed.conn,
        one.channel,
        after=due - reach,
        before=due + reach,
        states=PENDING,
        without=one.id,
    )
    problem = rules.slot_problem(limits, due, taken)
    if problem:
        raise RefusedError("crowded", problem, "choose another time")


def _release(deed: Deed, one: Delivery) -> str | None:
    _need(one, frozenset({_S.HELD}), "released", "only held posts can be released")
    if deed.when is not None:
        _refuse_crowded(deed, one, deed.when.instant)
    if deed.written_down(one):
        return _decide(deed, one, Decision.RELEASE, _when_values(deed.when))
    if deed.when is not None:
        _reschedule(deed, one, deed.when)
    elif one.due_at > deed.now:
        _refuse_crowded(deed, one, one.due_at)
        carry_out.schedule(deed.ctx, deed.conn, one, due=one.due_at, by=deed.by, now=deed.now)
    else:
        carry_out.place_now(deed.ctx, deed.conn, one, by=deed.by, now=deed.now)
    return None


def _reschedule(deed: Deed, one: Delivery, when: When) -> None:
    class Wall:
        wall = when.wall
        zone = when.zone

    carry_out.schedule(
        deed.ctx, deed.conn, one, due=when.instant, by=deed.by, wall=Wall, now=deed.now
    )


def _move(deed: Deed, one: Delivery) -> str | None:
    when = deed.when
    if when is None:
        raise UsageError("no_time", "move needs the new time")
    _need(one, _LEFT | {_S.AWAITING_APPROVAL}, "moved")
    _refuse_crowded(deed, one, when.instant)
    if deed.written_down(one):
        return _decide(deed, one, Decision.MOVE, _when_values(when))
    if one.state is _S.HELD:
        _reschedule(deed, one, when)
        return None
    deliveries.set_values(
        deed.conn, one.id, now=deed.now, next_at=when.instant, tries=0, **_when_values(when)
    )
    _note(deed, one, "moved", {"due": z_time(when.instant)})
    return None


def _note(deed: Deed, one: Delivery, what: str, data: Mapping[str, Any]) -> None:
    entry = Entry(f"delivery.{what}", one.id, deed.by, {"reason": deed.act.reason, **data})
    record(deed.conn, entry, now=deed.now)


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


def _edit(deed: Deed, one: Delivery) -> str | None:
    _need(one, _LEFT | {_S.AWAITING_APPROVAL}, "edited")
    change = _change(deed)
    _refuse_text(deed, one, change)
    if deed.when is not None:
        _refuse_crowded(deed, one, deed.when.instant)
    if deed.written_down(one):
        values = {"post_change": change, **_when_values(deed.when)}
        return _decide(deed, one, Decision.EDIT, values)
    alone = not deed.ctx.queue.approve
    edited = posts.edit(deed.conn, one, change, now=deed.now, approved_by_editing=alone)
    _note(deed, one, "edited", {"hash": edited.content_hash})
    if edited.state is _S.HELD:
        return _after_edit_of_held(deed, edited)
    if deed.when is not None:
        _move(deed, edited)
    if not alone and edited.state is _S.SCHEDULED:
        deliveries.move(
            deed.conn, edited, _S.AWAITING_APPROVAL, actor=deed.by, why="edited", now=deed.now
        )
    return None


def _after_edit_of_held(deed: Deed, edited: Delivery) -> str | None:
    """An edit lifts all holds: a future post keeps its time, a past one takes the next slot."""
    if deed.when is not None:
        _reschedule(deed, edited, deed.when)
    elif edited.due_at > deed.now:
        carry_out.schedule(deed.ctx, deed.conn, edited, due=edited.due_at, by=deed.by, now=deed.now)
    else:
        carry_out.place_now(deed.ctx, deed.conn, edited, by=deed.by, now=deed.now)
    return None


def _refuse_text(deed: Deed, one: Delivery, change: Mapping[str, Any]) -> None:
    from dataclasses import replace  # noqa: PLC0415 - one use

    content = replace(one.content, text=change.get("text", one.content.text))
    channel = deed.ctx.channels.get(one.channel)
    problems = channel.problems(content) if channel else []
    if problems:
        raise UsageError("text", "; ".join(problems), "shorten it")


def _hold(deed: Deed, one: Delivery) -> str | None:
    _need(one, _LEFT, "held")
    deliveries.hold(
        deed.conn,
        one,
        HoldKind.HUMAN,
        ref=deed.by,
        actor=deed.by,
        now=deed.now,
        why=deed.act.reason or "held by a human",
    )
    return None


def _skip(deed: Deed, one: Delivery) -> str | None:
    _need(one, _LEFT | {_S.AWAITING_APPROVAL, _S.UNCERTAIN}, "skipped")
    if deed.written_down(one):
        return _decide(deed, one, Decision.SKIP, {})
    why = deed.act.reason or "skipped by a human"
    carry_out.skip(deed.conn, one, by=deed.by, why=why, now=deed.now)
    return None


def _keep(deed: Deed, one: Delivery) -> str | None:
    _need(one, frozenset({_S.HELD}), "kept", "only held posts can be kept held")
    if deed.latch.paused:
        return _decide(deed, one, Decision.KEEP, {})
    return None


def _cancel(deed: Deed, one: Delivery) -> str | None:
    _need(one, RECALLABLE, "cancelled", "what may have gone out can't be called back")
    if attempts.of_delivery(deed.conn, one.id) and one.state is _S.CLAIMED:
        raise _refuse(one, "cancelled", "it is on its way to the gate; try again in a moment")
    deliveries.lift_holds(deed.conn, one.id, now=deed.now)
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


def _confirm(deed: Deed, one: Delivery) -> str | None:
    _need(one, _LEFT | {_S.AWAITING_APPROVAL}, "confirmed")
    if one.confirm_from is not None and deed.now < one.confirm_from:
        raise RefusedError(
            "too_early",
            f"{one.id} can be confirmed from {z_time(one.confirm_from)} on; a confirmation weeks "
            "ahead would be no second look",
            "confirm it then",
        )
    deliveries.set_values(deed.conn, one.id, now=deed.now, confirmed_at=deed.now)
    _note(deed, one, "confirmed", {})
    return None


def _resolve(deed: Deed, one: Delivery) -> str | None:
    _need(one, frozenset({_S.UNCERTAIN}), "resolved", "only uncertain posts are resolved")
    if deed.act.sent:
        deliveries.move(
            deed.conn,
            one,
            _S.SENT,
            actor=deed.by,
            why="a human saw it on the network",
            now=deed.now,
            values={"sent_at": one.changed_at, "problem": None},
        )
        return None
    deliveries.hold(
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


def _approve(deed: Deed, one: Delivery) -> str | None:
    if one.approved_hash == one.content_hash:
        raise RefusedError("approved", f"{one.id} is approved as it stands")
    _need(one, frozenset({_S.AWAITING_APPROVAL, _S.HELD}), "approved")
    if one.author == deed.by:
        raise RefusedError(
            "own_post", f"{one.id} is your own post: a second person approves", "ask a colleague"
        )
    values = {"approved_hash": one.content_hash, "approved_by": deed.by}
    if one.state is _S.HELD:
        deliveries.set_values(deed.conn, one.id, now=deed.now, **values)
        _note(deed, one, "approved", {})
        return None
    deliveries.move(
        deed.conn, one, _S.SCHEDULED, actor=deed.by, why="approved", now=deed.now, values=values
    )
    return None


def _reject(deed: Deed, one: Delivery) -> str | None:
    _need(one, frozenset({_S.AWAITING_APPROVAL}), "rejected")
    why = deed.act.reason or "rejected"
    deliveries.hold(
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
        facts={"delivery": one.id, "channel": one.channel, "text": one.content.text, "why": why},
    )
    return None


_DEEDS: Mapping[str, Callable[[Deed, Delivery], str | None]] = {
    "release": _release,
    "move": _move,
    "edit": _edit,
    "hold": _hold,
    "skip": _skip,
    "keep": _keep,
    "cancel": _cancel,
    "confirm": _confirm,
    "resolve": _resolve,
    "approve": _approve,
    "reject": _reject,
}
