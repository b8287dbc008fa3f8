"""
Write down what a request came to, and what was learned of it afterwards.

The fence is kept when a delivery becomes uncertain, so an answer that comes late still fits: it
turns ``uncertain`` into ``sent``, or into ``held`` where it proves that nothing was made. A look
that finds the post is such an answer; one that does not changes nothing but what people read.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from enum import StrEnum

from killswitch.channels.frame import Deletion, Ending, Found, Gone, Outcome, Probe, Request
from killswitch.queue import retracting, rules
from killswitch.queue.looking import Look
from killswitch.queue.states import DeliveryState, HoldKind
from killswitch.store import attempts, channel_state, decisions, deliveries, holds, looks, notices
from killswitch.store import retractions as wishes
from killswitch.store.audit import Entry, record
from killswitch.store.deliveries import Delivery
from killswitch.store.engine import Connection

# After a refusal of the whole account (401, 403) nothing is tried for so long: one attempt a
# delivery in an hour of refusals (safety notes, T25). ``channels check`` lifts it earlier.
ACCOUNT_WAIT = timedelta(hours=1)

_S = DeliveryState
# Where the answer of a try may still decide what becomes of a delivery.
_OPEN = frozenset({_S.SENDING, _S.UNCERTAIN})
# From where a delivery that a human called unsent would go out again.
_AGAIN = frozenset({_S.AWAITING_APPROVAL, _S.SCHEDULED, _S.HELD, _S.CLAIMED})
# Where it counts as out, or is being taken down: an id that comes late is still wanted.
_KNOWN_OUT = frozenset({_S.SENT, _S.RETRACTING})
# What the row of a try says of each ending.
_SAID = {
    Ending.SENT: "accepted",
    Ending.UNCERTAIN: "unknown",
    Ending.FAILED: "refused",
    Ending.UNSENT: "unsent",
    Ending.WAITS: "unsent",
}


class Passage(StrEnum):
    """What became of one try to pass the gate."""

    SENT = "sent"
    NOT_NOW = "not_now"
    HELD = "held"
    UNSENT = "unsent"
    FAILED = "failed"
    UNCERTAIN = "uncertain"


def request_of(one: Delivery) -> Request:
    """Return what a channel is told of a delivery: the same each time."""
    return Request(one.id, one.key, one.channel, one.content, one.due_at)


def record_outcome(
    conn: Connection,
    one: Delivery,
    *,
    attempt: str,
    outcome: Outcome,
    now: datetime,
    sent_at: datetime | None = None,
) -> Passage:
    """
    Write down what a request came to.

    Args:
        conn: A write transaction that holds the latch row.
        one: The delivery, locked, with the attempt's fence; ``sending`` or ``uncertain``.
        attempt: The attempt that the answer belongs to.
        outcome: What the channel said.
        now: Aware UTC.
        sent_at: When it went out, where that was not just now.
    """
    if one.state not in _OPEN:
        return record_stray(conn, one, attempt=attempt, outcome=outcome, now=now)
    attempts.end(conn, attempt, _SAID[outcome.ending], detail=outcome.detail, now=now)
    match outcome.ending:
        case Ending.SENT:
            return _sent(conn, one, outcome, sent_at or now, now)
        case Ending.UNCERTAIN:
            return make_uncertain(conn, one, outcome.detail, now=now)
        case Ending.FAILED:
            return _failed(conn, one, outcome, now)
        case Ending.UNSENT | Ending.WAITS:
            return _unsent(conn, one, outcome, now)


def record_stray(
    conn: Connection, one: Delivery, *, attempt: str, outcome: Outcome, now: datetime
) -> Passage:
    """
    Write down an answer that came after somebody had decided without it.

    The try gets its true ending; the delivery stays as it was decided. But where the post went out
    after all, that is recorded and told, and a delivery that would go out again is held: one post,
    not two.
    """
    attempts.end(conn, attempt, _SAID[outcome.ending], detail=outcome.detail, now=now)
    if outcome.ending is Ending.SENT:
        _went_out(conn, one, outcome, now)
    return Passage.UNCERTAIN


def _went_out(conn: Connection, one: Delivery, outcome: Outcome, now: datetime) -> None:
    why = "a late answer says that it went out after all"
    said = {"remote_id": outcome.remote_id, "remote_url": outcome.remote_url}
    if one.state in _AGAIN:
        _stop_second_copy(conn, one, why, now)
    # The history keeps the name at the network also where another copy has its own.
    record(conn, Entry("delivery.went_out", one.id, data=said), now=now)
    if one.state in _KNOWN_OUT:
        _learn(conn, one, outcome, now)
        if not _is_out_twice(conn, one):
            return
    elif one.state is not _S.SENDING and one.remote_id is None:
        deliveries.set_values(conn, one.id, now=now, sent_at=now, problem=why, **said)
    # A word of its own, also where people are still called about the doubt.
    _tell(conn, "uncertain", one, why, loud=True, now=now, ref=f"{one.id}:out", more={"out": True})


def _is_out_twice(conn: Connection, one: Delivery) -> bool:
    tries = attempts.of_delivery(conn, one.id)
    return len([row for row in tries if row.outcome == _SAID[Ending.SENT]]) > 1


def _stop_second_copy(conn: Connection, one: Delivery, why: str, now: datetime) -> None:
    if one.state is _S.CLAIMED:
        values = deliveries.unclaimed(one)
        deliveries.move(conn, one, _S.SCHEDULED, why=why, now=now, values=values)
        one = replace(one, state=_S.SCHEDULED)
    holds.hold(conn, one, HoldKind.HUMAN, ref="went_out", why=why, now=now)
    decisions.drop(conn, one.id)


def _learn(conn: Connection, one: Delivery, outcome: Outcome, now: datetime) -> None:
    """Keep the id that a late answer names; a post that is being taken down is asked for again."""
    if one.remote_id is None and outcome.remote_id is not None:
        named = {"remote_id": outcome.remote_id, "remote_url": outcome.remote_url}
        deliveries.set_values(conn, one.id, now=now, **named)
    wish = wishes.open_one(conn, one.id)
    if wish is not None:
        deliveries.set_values(conn, one.id, now=now, sent_at=one.sent_at or now)
        wishes.again(conn, wish.id, at=now, tries=wish.tries, detail="it came late")


def record_look(
    conn: Connection, lost: looks.Lost, probe: Probe, *, sent_at: datetime, now: datetime
) -> None:
    """
    Write down what a network said when it was asked for a post whose answer was lost.

    Args:
        conn: A write transaction that holds the latch row.
        lost: The delivery as it was when it was looked for.
        probe: What the channel found.
        sent_at: When it went out at the latest, if it did.
        now: Aware UTC.
    """
    one = deliveries.get(conn, lost.delivery.id, lock=True)
    if one is None:
        return
    looks.add(conn, lost.attempt, Look(now, probe.found.value, probe.detail))
    said = {"found": probe.found.value, "why": probe.detail}
    record(conn, Entry("delivery.looked", one.id, data=said), now=now)
    if probe.found is not Found.THERE:
        return
    found = Outcome(Ending.SENT, f"found there: {probe.detail}", probe.remote_id, probe.remote_url)
    if one.fence == lost.delivery.fence:
        record_outcome(conn, one, attempt=lost.attempt, outcome=found, now=now, sent_at=sent_at)
    else:
        record_stray(conn, one, attempt=lost.attempt, outcome=found, now=now)


def record_deletion(
    conn: Connection, one: Delivery, deletion: Deletion, *, settles_at: datetime, now: datetime
) -> None:
    """
    Write down what a network said when it was asked to take a post down.

    Args:
        conn: A write transaction.
        one: The delivery, locked.
        deletion: What the channel said.
        settles_at: Until then a post whose answer was lost may still appear: that it is gone
            counts only afterwards.
        now: Aware UTC.
    """
    wish = wishes.open_one(conn, one.id)
    if wish is None or one.state is not _S.RETRACTING:
        return
    tries, detail = wish.tries + 1, deletion.detail
    again = retracting.ask_again_at(tries, now=now, asked=deletion.wait)
    match deletion.gone:
        case Gone.DELETED | Gone.ABSENT if one.sent_at is None and now < settles_at:
            wishes.again(conn, wish.id, at=settles_at, tries=wish.tries, detail=detail)
        case Gone.DELETED | Gone.ABSENT:
            wishes.end(conn, wish.id, wishes.GONE, tries=tries, detail=detail, now=now)
            gone = {"problem": None}
            deliveries.move(conn, one, _S.RETRACTED, why=detail, now=now, values=gone)
        case Gone.UNKNOWN if again is not None:
            wishes.again(conn, wish.id, at=again, tries=tries, detail=detail)
        case Gone.UNKNOWN:
            wishes.end(conn, wish.id, wishes.GIVEN_UP, tries=tries, detail=detail, now=now)
            why = f"nobody knows whether it was taken down: {detail}"
            _still_out(conn, one, why, deletion, now=now)
        case Gone.REFUSED:
            wishes.end(conn, wish.id, wishes.REFUSED, tries=tries, detail=detail, now=now)
            why = f"it could not be taken down: {detail}"
            _still_out(conn, one, why, deletion, now=now)


def _still_out(
    conn: Connection, one: Delivery, why: str, deletion: Deletion, *, now: datetime
) -> None:
    """Call a post what it was before somebody wanted it down, and tell people."""
    back = _S.UNCERTAIN if one.sent_at is None else _S.SENT
    deliveries.move(conn, one, back, why=why, now=now, values={"problem": why})
    known = one.sent_at is not None and deletion.gone is Gone.REFUSED
    _tell(
        conn,
        "still_public",
        one,
        deletion.detail,
        loud=True,
        now=now,
        ref=f"retract:{one.id}",
        more={"known": known},
    )


def _sent(
    conn: Connection, one: Delivery, outcome: Outcome, at: datetime, now: datetime
) -> Passage:
    values = {
        "remote_id": outcome.remote_id,
        "remote_url": outcome.remote_url,
        "sent_at": at,
        "problem": None,
        "owner": None,
        "lease_until_s": None,
    }
    deliveries.move(conn, one, _S.SENT, why=outcome.detail, now=now, values=values)
    return Passage.SENT


def make_uncertain(conn: Connection, one: Delivery, why: str, *, now: datetime) -> Passage:
    """Call a delivery uncertain and tell a human; its fence stays, so a late answer fits."""
    moved = deliveries.move(conn, one, _S.UNCERTAIN, why=why, now=now, values={"problem": why})
    if moved:
        _tell(conn, "uncertain", one, why, loud=True, now=now)
    return Passage.UNCERTAIN


def _failed(conn: Connection, one: Delivery, outcome: Outcome, now: datetime) -> Passage:
    if one.state is not _S.SENDING:
        return _back_to_human(conn, one, outcome.detail, now)
    values = {"problem": outcome.detail, "owner": None, "lease_until_s": None}
    deliveries.move(conn, one, _S.FAILED, why=outcome.detail, now=now, values=values)
    _tell(conn, "failed", one, outcome.detail, loud=False, now=now)
    return Passage.FAILED


def _unsent(conn: Connection, one: Delivery, outcome: Outcome, now: datetime) -> Passage:
    if outcome.ending is Ending.WAITS:
        _let_account_wait(conn, one, outcome, now)
    again = rules.retry_at(one.tries, now=now, asked=outcome.wait)
    if one.state is not _S.SENDING or again is None:
        return _back_to_human(conn, one, f"not sent: {outcome.detail}", now)
    values = deliveries.unclaimed(one) | {"next_at": again, "problem": outcome.detail}
    deliveries.move(conn, one, _S.SCHEDULED, why=outcome.detail, now=now, values=values)
    return Passage.UNSENT


def _let_account_wait(conn: Connection, one: Delivery, outcome: Outcome, now: datetime) -> None:
    until = now + (outcome.wait or ACCOUNT_WAIT)
    channel_state.wait(conn, one.channel, until=until, why=outcome.detail)
    if outcome.wait is None:
        _tell(conn, "channel_waits", one, outcome.detail, loud=False, now=now, ref=one.channel)


def _back_to_human(conn: Connection, one: Delivery, why: str, now: datetime) -> Passage:
    """Hold a delivery that is proven unsent but that the machine should not try again."""
    values = deliveries.unclaimed(one) | {"problem": why}
    holds.hold(conn, one, HoldKind.HUMAN, ref="unsent", why=why, now=now, values=values)
    _tell(conn, "held_late", one, why, loud=False, now=now)
    return Passage.HELD


def _tell(
    conn: Connection,
    kind: str,
    one: Delivery,
    why: str,
    *,
    loud: bool,
    now: datetime,
    ref: str | None = None,
    more: Mapping[str, bool] | None = None,
) -> None:
    facts = {
        "delivery": one.id,
        "channel": one.channel,
        "text": one.content.text,
        "why": why,
        "author": one.author,
    }
    notices.add_notice(
        conn,
        kind=kind,
        ref=ref or one.id,
        # What may have gone out calls until somebody answers; the rest is told once.
        escalates=kind == "uncertain",
        loud=loud,
        now=now,
        facts={**facts, **(more or {})},
    )
