"""
What people do with posts: find the deliveries that a verb is about, and carry it out on them.

On a held delivery during a pause, release, move, edit, skip and keep are written down and carried
out by the resume; in any other case they happen at once. Up to ``BITE`` named ids are all or
nothing. More of them, and what a filter chooses, go in bites, each a transaction of its own and
each delivery for itself, so that a pause never waits for a long list. One call takes at most the
filter's ``limit``, soonest due first: whoever means more (``killswitch queue VERB --tag T``) lists
the ids and sends them in portions.

Invariants:
    Every delivery that a call is about is in its answer: done, or refused with the reason.
    What the gate has claimed has not left: a verb that may keep a post back takes the claim away.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import cast

from killswitch.desk import once, retracting, verbs, verdicts
from killswitch.desk.context import Context
from killswitch.desk.deed import Deed
from killswitch.desk.listing import LIVE, find, meant, resolve_ids
from killswitch.errors import OperatorError, RefusedError, UsageError
from killswitch.failpoints import passing
from killswitch.queue.states import DeliveryState
from killswitch.queue.when import When, read_when
from killswitch.store import deliveries, people
from killswitch.store import latch as latch_store
from killswitch.store.deliveries import Delivery
from killswitch.store.engine import Connection
from killswitch.wire import (
    ActedDoc,
    Caller,
    DoneDoc,
    QueueAct,
    QueueFilter,
    RefusalDoc,
    z_time,
)

# Deliveries a transaction: at 1 to 2 ms each, below the 50 ms that a pause may have to wait.
BITE = 25
_WHAT = "queue.act"
_DEEDS: Mapping[str, Callable[[Deed, Delivery], str | None]] = {
    "release": verbs.release,
    "move": verbs.move,
    "edit": verbs.edit,
    "hold": verbs.hold,
    "skip": verbs.skip,
    "keep": verbs.keep,
    "cancel": verbs.cancel,
    "confirm": verdicts.confirm,
    "resolve": verdicts.resolve,
    "retract": retracting.retract,
    "approve": verdicts.approve,
    "reject": verdicts.reject,
}
# Verbs that keep a post back or change it; cancel voids a claim by itself.
_TAKES_BACK = frozenset({"move", "edit", "hold", "skip"})


@dataclass(frozen=True, slots=True)
class _Plan:
    """One call: what is to be done, by whom, at which moment."""

    ctx: Context
    wanted: QueueAct
    caller: Caller
    when: When | None
    now: datetime

    def begin(self, conn: Connection) -> Deed:
        """Lock the latch and know the person: the start of every transaction of a verb."""
        latch = latch_store.lock(conn)
        by = people.person_id(conn, self.caller.person)
        return Deed(
            self.ctx, conn, self.wanted, latch, self.caller, by=by, when=self.when, now=self.now
        )


def act(ctx: Context, wanted: QueueAct, *, caller: Caller) -> ActedDoc:
    """
    Carry out one verb.

    Raises:
        UsageError: The verb lacks something; an id is too short or fits several deliveries.
        RefusedError: An id is unknown; the state of a named delivery, or its channel's gap, does
            not allow it.
    """
    ctx.refuse_in_guard_mode()
    now = ctx.clock.now()
    with ctx.store.read() as conn:
        if known := once.answered(conn, _WHAT, caller):
            return cast("ActedDoc", known)
        when = read_when(wanted.at, now=now, zone=str(ctx.zone)) if wanted.at else None
        _check(wanted, when)
        refused: list[RefusalDoc] = []
        ids = _ids(conn, wanted, refused)
    plan = _Plan(ctx, wanted, caller, when, now)
    if wanted.chosen is None and len(wanted.ids) <= BITE:
        document = _together(plan, ids)
    else:
        document = _each(plan, ids, refused)
    passing("act.after_commit")
    ctx.hooks.wake()
    return document


def _ids(conn: Connection, wanted: QueueAct, refused: list[RefusalDoc]) -> list[str]:
    """Return the ids that are meant; of a long list or a narrowed filter, refuse the others."""
    if wanted.chosen is not None:
        return _chosen_ids(conn, wanted.chosen, refused)
    if len(wanted.ids) <= BITE:
        return resolve_ids(conn, wanted.ids)
    ids: dict[str, None] = {}
    for ref in wanted.ids:
        try:
            ids.update(dict.fromkeys(resolve_ids(conn, [ref])))
        except OperatorError as error:
            refused.append(_refusal(ref, error))
    return [one.id for one in sorted(deliveries.some(conn, ids), key=deliveries.in_line)]


def _chosen_ids(conn: Connection, chosen: QueueFilter, refused: list[RefusalDoc]) -> list[str]:
    line = sorted(find(conn, chosen, limit=chosen.limit), key=deliveries.in_line)
    found = [one.id for one in line]
    named = resolve_ids(conn, chosen.ids)
    strangers = sorted(set(named).difference(found))
    refused += [_refusal(one.id, _not_meant(one)) for one in deliveries.some(conn, strangers)]
    return found


def _not_meant(one: Delivery) -> OperatorError:
    """Say that a delivery is not, or no longer, what the filter chooses."""
    return RefusedError(
        "not_meant",
        f"{one.id} is {one.state.value} and not (any more) what was chosen; it stays so",
        f"killswitch queue show {one.id}",
    )


def _check(wanted: QueueAct, when: When | None) -> None:
    if wanted.verb == "move" and when is None:
        raise UsageError("no_time", "move needs the new time", "killswitch queue move ID --at WHEN")
    changes = (wanted.text, wanted.link, wanted.tags, wanted.at)
    if wanted.verb == "edit" and all(change is None for change in changes):
        raise UsageError("no_change", "edit needs something to change", "--text, --link or --tag")
    if wanted.verb == "resolve" and wanted.sent is None:
        raise UsageError("no_verdict", "resolve needs what you saw", "--sent or --not-sent")
    if wanted.verb == "retract" and not (wanted.reason or "").strip():
        raise UsageError("no_reason", "retract needs a reason, which is recorded", "--reason TEXT")
    if wanted.verb == "retract" and wanted.chosen is not None:
        raise UsageError("no_ids", "retract takes posts one by one, by their ids", "name each id")


def _together(plan: _Plan, ids: Sequence[str]) -> ActedDoc:
    """Do it on all of them in one transaction, or on none."""
    with plan.ctx.store.write() as conn:
        deed = plan.begin(conn)
        done = [_do(deed, one) for one in _soonest_first(conn, ids)]
        document: ActedDoc = {"done": done, "refused": []}
        once.remember(conn, _WHAT, plan.caller, document, now=plan.now)
    return document


def _each(plan: _Plan, ids: Sequence[str], refused: list[RefusalDoc]) -> ActedDoc:
    """Do it on each that allows it, in bites so that a pause never waits for it."""
    document: ActedDoc = {"done": [], "refused": refused}
    for at in range(0, len(ids), BITE):
        _bite(plan, ids[at : at + BITE], document)
    with plan.ctx.store.write() as conn:
        once.remember(conn, _WHAT, plan.caller, document, now=plan.now)
    return document


def _bite(plan: _Plan, ids: Sequence[str], document: ActedDoc) -> None:
    done: list[DoneDoc] = []
    refused: list[RefusalDoc] = []
    with plan.ctx.store.write() as conn:
        deed = plan.begin(conn)
        for one in _soonest_first(conn, ids):
            try:
                if not _is_meant(plan.wanted.chosen, one):
                    raise _not_meant(one)
                with conn.begin_nested():
                    done.append(_do(deed, one))
            except OperatorError as error:
                refused.append(_refusal(one.id, error))
    # Only what is committed was done.
    document["done"] += done
    document["refused"] += refused


def _is_meant(chosen: QueueFilter | None, one: Delivery) -> bool:
    """Say whether a delivery still is in a state that was asked for; it was when looked up."""
    return chosen is None or one.state.value in meant(chosen.states or LIVE)


def _soonest_first(conn: Connection, ids: Sequence[str]) -> list[Delivery]:
    """Lock deliveries (by id, the one order) and return them in the order of free slots."""
    return sorted(deliveries.lock_many(conn, ids), key=deliveries.in_line)


def _do(deed: Deed, one: Delivery) -> DoneDoc:
    if one.state is DeliveryState.CLAIMED and deed.act.verb in _TAKES_BACK:
        one = _taken_back(deed, one)
    decision = _DEEDS[deed.act.verb](deed, one)
    passing("act.after_one")
    now_is = deliveries.get(deed.conn, one.id) or one
    return {
        "id": one.id,
        "state": now_is.state.value,
        "due": z_time(now_is.due_at),
        "decision": decision,
        "decided_due": z_time(deed.when.instant) if decision and deed.when else None,
    }


def _taken_back(deed: Deed, one: Delivery) -> Delivery:
    """Take a claim away, under the lock of its row: with another fence the gate sends nothing."""
    deliveries.move(
        deed.conn,
        one,
        DeliveryState.SCHEDULED,
        actor=deed.by,
        why=f"taken back for {deed.act.verb}",
        now=deed.now,
        values=deliveries.unclaimed(one),
    )
    return deliveries.get(deed.conn, one.id) or one


def _refusal(ref: str, error: OperatorError) -> RefusalDoc:
    return {"id": ref, "code": error.code, "message": error.message, "hint": error.hint}
