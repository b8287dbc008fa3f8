"""
Hold what a pause keeps back: everything that is due before now + ``queue.lead``.

What still waits for its second person is held as well: approved a minute after the resume, it would
else leave inside the lead without anybody having decided on it.

Invariant: each transaction takes at most ``BITE`` deliveries, so that a pause never waits for one.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from killswitch.desk.context import Context
from killswitch.failpoints import passing
from killswitch.latch import Latch
from killswitch.queue.states import DeliveryState, HoldKind
from killswitch.store import bulk, decisions, deliveries, facts
from killswitch.store import latch as latch_store
from killswitch.store.bulk import BITE
from killswitch.store.deliveries import Delivery
from killswitch.store.engine import Connection
from killswitch.trip import LEFT_OVER

_S = DeliveryState
# Where a delivery may still leave by itself: at its time, or as soon as somebody approves it.
WAITING = (_S.SCHEDULED, _S.AWAITING_APPROVAL)


def hold_for_pause(ctx: Context) -> bool:
    """While a cause is open, hold what is due before now + lead; say whether one is open."""
    while True:
        now = ctx.clock.now()
        with ctx.store.read() as conn:
            latch = latch_store.read(conn)
            if not latch.paused:
                return False
            due = [one.id for one in due_in_lead(ctx, conn, now=now, limit=BITE)]
            left = _left_over(conn, latch)
        if not due and left is None:
            return True
        with ctx.store.write() as conn:
            latch = latch_store.lock(conn, share=True)
            if not latch.paused:
                return False
            _hold(conn, latch, due=due, left=left or (), now=now)
            if left == []:
                facts.drop(conn, LEFT_OVER)
            passing("hold.before_commit")


def due_in_lead(
    ctx: Context, conn: Connection, *, now: datetime, limit: int | None = None
) -> list[Delivery]:
    """Return what would leave before now + lead, soonest first."""
    return deliveries.in_state(conn, *WAITING, before=now + ctx.queue.lead, limit=limit)


def _left_over(conn: Connection, latch: Latch) -> list[str] | None:
    """
    Return what an earlier resume had no time to let go; None where there was no such thing.

    Its decisions stand, now in this pause: it is held by it, so that a decision which is void or
    whose time passes makes it undecided.
    """
    version = facts.get(conn, LEFT_OVER)
    if version is None:
        return None
    incident = latch.incident or ""
    return decisions.of_earlier_pauses(conn, before=int(version), incident=incident, limit=BITE)


def _hold(
    conn: Connection, latch: Latch, *, due: Sequence[str], left: Sequence[str], now: datetime
) -> None:
    found = [
        one
        for one in deliveries.lock_many(conn, [*due, *left])
        if one.state in WAITING or (one.state is _S.HELD and one.id in left)
    ]
    incident = latch.incident or ""
    bulk.hold(conn, found, HoldKind.PAUSE, ref=incident, why="the queue is paused", now=now)
