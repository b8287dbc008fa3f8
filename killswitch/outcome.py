"""
Write down what a request came to.

The fence is kept when a delivery becomes uncertain, so an answer that comes late still fits: it
turns ``uncertain`` into ``sent``, or into ``held`` where it proves that nothing was made.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from enum import StrEnum

from killswitch.channels.frame import Ending, Outcome
from killswitch.queue import rules
from killswitch.queue.states import DeliveryState, HoldKind
from killswitch.store import attempts, channel_state, deliveries, notices
from killswitch.store.deliveries import Delivery
from killswitch.store.engine import Connection

# After a refusal of the whole account (401, 403) nothing is tried for so long: one attempt a
# delivery in an hour of refusals (safety notes, T25). ``channels check`` lifts it earlier.
ACCOUNT_WAIT = timedelta(hours=1)

_S = DeliveryState


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
    match outcome.ending:
        case Ending.SENT:
            attempts.end(conn, attempt, "accepted", detail=outcome.detail, now=now)
            return _sent(conn, one, outcome, now)
        case Ending.UNCERTAIN:
            attempts.end(conn, attempt, "unknown", detail=outcome.detail, now=now)
            return make_uncertain(conn, one, outcome.detail, now=now)
        case Ending.FAILED:
            attempts.end(conn, attempt, "refused", detail=outcome.detail, now=now)
            return _failed(conn, one, outcome, now)
        case Ending.UNSENT | Ending.WAITS:
            attempts.end(conn, attempt, "unsent", detail=outcome.detail, now=now)
            return _unsent(conn, one, outcome, now)


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
