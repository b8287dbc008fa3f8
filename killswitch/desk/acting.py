"""
What people do with posts: find the deliveries that a verb is about, and carry it out on them.

On a held delivery during a pause, release, move, edit, skip and keep are written down and carried
out by the resume; in any other case they happen at once. Named by ids a verb is all or nothing;
chosen by a filter each delivery stands for itself, and one call takes at most the filter's
``limit`` of them, soonest due first: whoever means more (``killswitch queue VERB --tag T``) lists
the ids and sends them in portions.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import cast

from killswitch.desk import once, retracting, verbs, verdicts
from killswitch.desk.context import Context
from killswitch.desk.deed import Deed
from killswitch.desk.listing import LIVE, find, resolve_ids
from killswitch.errors import OperatorError, UsageError
from killswitch.failpoints import passing
from killswitch.queue.when import When, read_when
from killswitch.store import deliveries, people
from killswitch.store import latch as latch_store
from killswitch.store.deliveries import Delivery
from killswitch.store.engine import Connection
from killswitch.wire import ActedDoc, Caller, DoneDoc, QueueAct, RefusalDoc, z_time

# Deliveries a transaction when a filter chooses them: at 1 to 2 ms each, below the 50 ms that a
# pause may have to wait.
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
        ids = _ids(conn, wanted)
    plan = _Plan(ctx, wanted, caller, when, now)
    document = _together(plan, ids) if wanted.chosen is None else _each(plan, ids)
    passing("act.after_commit")
    ctx.hooks.wake()
    return document


def _ids(conn: Connection, wanted: QueueAct) -> list[str]:
    if wanted.chosen is None:
        return resolve_ids(conn, wanted.ids)
    return [one.id for one in find(conn, wanted.chosen, limit=wanted.chosen.limit)]


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


def _each(plan: _Plan, ids: Sequence[str]) -> ActedDoc:
    """Do it on each that allows it, in bites so that a pause never waits for it."""
    done: list[DoneDoc] = []
    refused: list[RefusalDoc] = []
    meant = frozenset((plan.wanted.chosen.states if plan.wanted.chosen else ()) or LIVE)
    for at in range(0, len(ids), BITE):
        with plan.ctx.store.write() as conn:
            deed = plan.begin(conn)
            for one in _soonest_first(conn, ids[at : at + BITE]):
                # It may have left the filter since it was looked up.
                if one.state.value not in meant:
                    continue
                try:
                    with conn.begin_nested():
                        done.append(_do(deed, one))
                except OperatorError as error:
                    refused.append(_refusal(one, error))
    document: ActedDoc = {"done": done, "refused": refused}
    with plan.ctx.store.write() as conn:
        once.remember(conn, _WHAT, plan.caller, document, now=plan.now)
    return document


def _soonest_first(conn: Connection, ids: Sequence[str]) -> list[Delivery]:
    """Lock deliveries (by id, the one order) and return them in the order of free slots."""
    return sorted(deliveries.lock_many(conn, ids), key=lambda one: (one.due_at, one.id))


def _do(deed: Deed, one: Delivery) -> DoneDoc:
    decision = _DEEDS[deed.act.verb](deed, one)
    passing("act.after_one")
    now_is = deliveries.get(deed.conn, one.id) or one
    return {
        "id": one.id,
        "state": now_is.state.value,
        "due": z_time(now_is.due_at),
        "decision": decision,
    }


def _refusal(one: Delivery, error: OperatorError) -> RefusalDoc:
    return {"id": one.id, "code": error.code, "message": error.message, "hint": error.hint}
