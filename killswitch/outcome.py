"""
Write down what a request came to.

The fence is kept when a delivery becomes uncertain, so an answer that comes late still fits: it
turns ``uncertain`` into ``sent``, or into ``held`` where it proves that nothing was made.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from enum import StrEnum

from killswitch.channels.frame import Ending, Outcome
from killswitch.queue import rules
from killswitch.queue.states import DeliveryState, HoldKind
from killswitch.store import attempts, channel_state, decisions, deliveries, notices
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


def record_outcome(
    conn: Connection, one: Delivery, *, attempt: str, outcome: Outcome, now: datetime
) -> Passage:
    """
    Write down what a request came to.

    Args:
        conn: A write transaction that holds the latch row.
        one: The delivery, locked, with the attempt's fence; ``sending`` or ``uncertain``.
        attempt: The attempt that the answer belongs to.
        outcome: What the channel said.
        now: Aware UTC.
    """
    if one.state not in _OPEN:
        return record_stray(conn, one, attempt=attempt, outcome=outcome, now=now)
    attempts.end(conn, attempt, _SAID[outcome.ending], detail=outcome.detail, now=now)
    match outcome.ending:
        case Ending.SENT:
            return _sent(conn, one, outcome, now)
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
    after all and the delivery would go out again, it is held and a human is told: one post, not
    two.
    """
    attempts.end(conn, attempt, _SAID[outcome.ending], detail=outcome.detail, now=now)
    if outcome.ending is Ending.SENT and one.state in _AGAIN:
        why = "a late answer says that it went out after all"
        if one.state is _S.CLAIMED:
            values = deliveries.unclaimed(one)
            deliveries.move(conn, one, _S.SCHEDULED, why=why, now=now, values=values)
            one = replace(one, state=_S.SCHEDULED)
        deliveries.hold(conn, one, HoldKind.HUMAN, ref="went_out", why=why, now=now)
        deliveries.set_values(conn, one.id, now=now, problem=why)
        decisions.drop(conn, one.id)
        _tell(conn, "uncertain", one, why, loud=True, now=now)
    return Passage.UNCERTAIN


def _sent(conn: Connection, one: Delivery, outcome: Outcome, now: datetime) -> Passage:
    values = {
        "remote_id": outcome.remote_id,
        "remote_url": outcome.remote_url,
        "sent_at": now,
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
    deliveries.hold(conn, one, HoldKind.HUMAN, ref="unsent", why=why, now=now, values=values)
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
) -> None:
    notices.add_notice(
        conn,
        kind=kind,
        ref=ref or one.id,
        escalates=False,
        loud=loud,
        now=now,
        facts={
            "delivery": one.id,
            "channel": one.channel,
            "text": one.content.text,
            "why": why,
            "author": one.author,
        },
    )
