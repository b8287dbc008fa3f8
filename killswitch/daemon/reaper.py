"""
Settle what an owner can't: attempts past their deadline, claims past their lease, dead daemons.

Invariants:
    An open attempt whose owner is gone or late makes its delivery uncertain; never unsent.
    The fence is kept, so that a late answer of a live owner still fits.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from killswitch.clock import Clock
from killswitch.failpoints import passing
from killswitch.gate import MARGIN_S
from killswitch.latch import CauseKind
from killswitch.outcome import make_uncertain
from killswitch.queue.states import DeliveryState
from killswitch.store import attempts, bulk, deliveries
from killswitch.store import latch as latch_store
from killswitch.store.bulk import Move
from killswitch.store.deliveries import Delivery
from killswitch.store.engine import Connection, Store
from killswitch.store.latch import NewCause
from killswitch.trip import trip

_S = DeliveryState


def recover(store: Store, *, incarnation: int, clock: Clock) -> int:
    """
    Settle what earlier daemons left open; return how many deliveries became uncertain.

    An unclean end with open attempts opens the cause ``unclean_start``: a human looks at them.
    """
    now = clock.now()
    with store.write() as conn:
        latch_store.lock(conn)
        left = attempts.unclaimed_incarnations(conn, incarnation)
        for attempt in left:
            _expire(conn, attempt, "the daemon ended while it was being sent", now)
        _unclaim_all(conn, "the daemon ended before it was sent", now)
        if left:
            reason = f"the last run ended while {len(left)} post(s) were being sent"
            new = NewCause(CauseKind.UNCLEAN_START, str(incarnation), reason)
            trip(conn, new, now=now)
        passing("recover.before_commit")
    passing("recover.after_commit")
    return len(left)


def take_back_claims(store: Store, *, why: str, clock: Clock) -> None:
    """Put every claimed delivery back into the queue; its claimant's fence fits no more."""
    with store.write() as conn:
        latch_store.lock(conn)
        _unclaim_all(conn, why, clock.now())


def reap(store: Store, *, clock: Clock) -> int:
    """Call late attempts uncertain and take back claims whose lease is over."""
    now, boot_s = clock.now(), clock.boot_s()
    with store.read() as conn:
        late = [a for a in attempts.open_ones(conn) if a.deadline_s + MARGIN_S < boot_s]
        stuck = [one for one in deliveries.in_state(conn, _S.CLAIMED) if _ran_out(one, boot_s)]
    if not late and not stuck:
        return 0
    with store.write() as conn:
        latch_store.lock(conn)
        for attempt in late:
            _expire(conn, attempt, "no answer within the time limit", now)
        # Once more: a gate may have sent it, or somebody claimed it anew.
        again = deliveries.lock_many(conn, [one.id for one in stuck])
        over = [one for one in again if _ran_out(one, boot_s)]
        _take_back(conn, over, "the claim ran out", now)
        passing("reap.before_commit")
    passing("reap.after_commit")
    return len(late)


def _ran_out(one: Delivery, boot_s: float) -> bool:
    """Say whether it is claimed and its lease is over; a claim without one has none to wait for."""
    return one.state is _S.CLAIMED and (one.lease_until_s or 0.0) < boot_s


def _unclaim_all(conn: Connection, why: str, now: datetime) -> None:
    _take_back(conn, deliveries.in_state(conn, _S.CLAIMED), why, now)


def _take_back(conn: Connection, claimed: Sequence[Delivery], why: str, now: datetime) -> None:
    moves = [Move(one, _S.SCHEDULED, why, values=deliveries.unclaimed(one)) for one in claimed]
    bulk.move(conn, moves, now=now)


def _expire(conn: Connection, attempt: Any, why: str, now: datetime) -> None:
    one = deliveries.get(conn, attempt.delivery, lock=True)
    if not attempts.expire(conn, attempt.id, why=why, now=now):
        return
    if one is not None and one.state is _S.SENDING and one.fence == attempt.fence:
        make_uncertain(conn, one, why, now=now)
