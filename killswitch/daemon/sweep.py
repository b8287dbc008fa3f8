"""
The sweep over the queue: expire, hold, claim, hand to the gate.

The table is the truth; alarms only wake us. Each pass is a few indexed reads and, where there is
something to do, short transactions of at most ``BATCH`` rows.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import structlog

from killswitch.clock import Clock
from killswitch.daemon.reaper import reap
from killswitch.desk import clashing, holding, imports, letting_go
from killswitch.desk.context import Context
from killswitch.errors import TransientError
from killswitch.failpoints import passing
from killswitch.gate import LEASE_S, NOT_NOW_WAIT, Gate
from killswitch.latch import CauseKind
from killswitch.outcome import Passage
from killswitch.queue import rules
from killswitch.queue.looking import SETTLE
from killswitch.queue.states import DeliveryState, HoldKind
from killswitch.store import (
    attempts,
    bulk,
    channel_state,
    coming_due,
    decisions,
    deliveries,
    holds,
    looks,
    notices,
    posts,
    retractions,
)
from killswitch.store import latch as latch_store
from killswitch.store.bulk import Move
from killswitch.store.deliveries import BATCH, Delivery
from killswitch.store.engine import Connection

_log = structlog.get_logger(__name__)
_S = DeliveryState
# Where a delivery still waits for its time, and so may miss it.
_MAY_BE_LATE = frozenset({_S.SCHEDULED, _S.AWAITING_APPROVAL})

# What whoever watches the log for trouble wants to see.
_WENT_WRONG = frozenset({Passage.UNSENT, Passage.FAILED, Passage.UNCERTAIN})

# Claims a channel at a time: a claim must outlive the line before it, and a trip takes them back.
CLAIMS_FAST = 50
CLAIMS_SLOW = 2
# What may take long (a search for clashes, many decisions) gives way to the rest after this.
PATIENCE_S = 1.0
# A released post that is so late has missed its slot: those behind it are due by now as well.
SLOT_MISSED = timedelta(seconds=2)
# Sending threads; one channel uses one at a time, so a slow network delays only itself.
SENDERS = 8


@dataclass(frozen=True, slots=True)
class Left:
    """
    What a pass left for later.

    Attributes:
        more: There is more to do at once.
        waits: Something is due and waits for its turn (a gap, an inhibit).
        due_at: When the next delivery comes due, UTC.
    """

    more: bool = False
    waits: bool = False
    due_at: datetime | None = None


class Sweep:
    """Moves the queue along; called by one thread."""

    def __init__(
        self,
        context: Callable[[], Context],
        gate: Callable[[], Gate],
        *,
        clock: Clock,
        incarnation: int,
        on_fault: Callable[[BaseException], None],
        clock_is_steady: Callable[[datetime], bool],
        clock_is_proven: Callable[[datetime], bool],
    ) -> None:
        """Sweep the queue of ``context`` through ``gate``."""
        self._context = context
        self._gate = gate
        self._clock = clock
        self._incarnation = incarnation
        self._on_fault = on_fault
        self._clock_is_steady = clock_is_steady
        self._clock_is_proven = clock_is_proven
        self._pool = ThreadPoolExecutor(SENDERS, "send")
        self._busy: dict[str, Future[None]] = {}

    def close(self) -> None:
        """Wait for the sends that are on their way."""
        self._pool.shutdown(wait=True)

    def pass_once(self) -> Left:
        """
        Do what is due; return what is left.

        Raises:
            TransientError: The store failed; nothing is lost, the next pass tries again.
        """
        ctx = self._context()
        if ctx.mode == "guard":
            return Left()
        reap(ctx.store, clock=self._clock)
        now = self._clock.now()
        if not self._clock_is_steady(now):
            # Late is judged on a trusted clock only.
            return Left(waits=True)
        more = self._expire(ctx, now)
        paused = holding.hold_for_pause(ctx)
        more |= self._let_go(ctx)
        more |= self._search_clashes(ctx)
        more |= self._hold_late(ctx, now)
        self._resend_harmless(ctx)
        if not paused and not ctx.inhibits.any():
            self._send_due(ctx)
        with ctx.store.read() as conn:
            now = self._clock.now()
            waits = coming_due.is_any_due(conn, now=now)
            return Left(more, waits, coming_due.next_after(conn, now=now))

    def _let_go(self, ctx: Context) -> bool:
        """Go on with what a resume had no time for, a second at most; say whether more is left."""
        ends_s = self._clock.boot_s() + PATIENCE_S
        while (note := letting_go.step(ctx)) is not None and not note.done:
            if self._clock.boot_s() > ends_s:
                return True
        return False

    def _search_clashes(self, ctx: Context) -> bool:
        """Search the queue for clashes, a second at most; say whether more is left."""
        ends_s = self._clock.boot_s() + PATIENCE_S
        while more := clashing.scan(ctx, now=self._clock.now()):
            if self._clock.boot_s() > ends_s:
                break
        return more

    # -- what may not leave ----------------------------------------------------------------------

    def _expire(self, ctx: Context, now: datetime) -> bool:
        """
        Skip what has passed its author's own ``expires``, the machine's only ground.

        A skip can't be undone, so it waits for a clock that nobody doubts; until then the gate
        lets nothing expired out.

        Returns:
            Whether more may be left.
        """
        if ctx.inhibits.any() or not self._clock_is_proven(now):
            return False
        with ctx.store.read() as conn:
            doubted = any(c.kind is CauseKind.CLOCK for c in latch_store.read(conn).causes)
            found = [] if doubted else coming_due.expired(conn, now=now)
        if not found:
            return False
        with ctx.store.write() as conn:
            latch_store.lock(conn, share=True)
            for one in deliveries.lock_many(conn, [one.id for one in found]):
                if deliveries.move(conn, one, _S.SKIPPED, why="expired", now=now):
                    holds.lift_holds(conn, one.id, now=now)
                    decisions.drop(conn, one.id)
                    _tell(conn, "skipped_expired", one, "its expiry has passed", now)
        return len(found) == BATCH

    def _hold_late(self, ctx: Context, now: datetime) -> bool:
        """
        Hold what came too late, or due without its second look.

        Returns:
            Whether more may be left.
        """
        before = {name: now - limits.late_after for name, limits in ctx.limits.items()}
        with ctx.store.read() as conn:
            late = coming_due.overdue(conn, before, otherwise=now, limit=BATCH)
            unseen = coming_due.due_unconfirmed(conn, now=now, limit=BATCH)
        if not late and not unseen:
            return False
        with ctx.store.write() as conn:
            latch_store.lock(conn, share=True)
            # Looked at again under the lock: a human may have moved or confirmed one just now.
            for one in deliveries.lock_many(conn, {*late, *unseen}):
                is_late = self._is_late(ctx, one, now)
                if one.state in _MAY_BE_LATE and (is_late or _is_unconfirmed(one, now)):
                    _hold_one(conn, one, late=is_late, gone=ctx.is_gone(one.channel), now=now)
        return BATCH in {len(late), len(unseen)}

    def _is_late(self, ctx: Context, one: Delivery, now: datetime) -> bool:
        limits = ctx.limits.get(one.channel)
        late_after = limits.late_after if limits else timedelta(0)
        return rules.is_late(one.due_at, late_after=late_after, now=now)

    # -- what may leave --------------------------------------------------------------------------

    def _resend_harmless(self, ctx: Context) -> None:
        """
        Put uncertain deliveries back where the network makes a repeat harmless.

        One that can be asked must have said often enough that the post is not there; and what
        somebody wanted taken down is not sent again.
        """
        now = self._clock.now()
        safe = {name for name, channel in ctx.channels.items() if channel.repeat_safe}
        if not safe:
            return
        with ctx.store.read() as conn:
            found = [
                one
                for one in deliveries.in_state(conn, _S.UNCERTAIN)
                if one.channel in safe
                and now - one.changed_at > SETTLE
                and one.tries < rules.MAX_TRIES
                and not self._is_late(ctx, one, now)
            ]
            looked = looks.of(conn, [one.id for one in found])
            unwanted = retractions.of(conn, [one.id for one in found])
        for one in found:
            asked = looked.get(one.id)
            if ctx.channels[one.channel].can_probe and not (asked and asked.is_not_found):
                continue
            if unwanted[one.id]:
                continue
            with ctx.store.write() as conn:
                if not latch_store.lock(conn, share=True).paused:
                    deliveries.move(
                        conn,
                        one,
                        _S.SCHEDULED,
                        why="its network makes a repeat harmless",
                        now=now,
                        values=deliveries.unclaimed(one) | {"next_at": now},
                    )

    def _send_due(self, ctx: Context) -> None:
        now = self._clock.now()
        with ctx.store.read() as conn:
            waits = channel_state.waiting(conn, now=now)
        for channel in ctx.channels:
            if channel in waits or self._is_busy(channel):
                continue
            # One read a channel: a crowded one must not hide what is due on the others.
            with ctx.store.read() as conn:
                line = coming_due.due_on(conn, channel, now=now, limit=CLAIMS_FAST)
            claimed = self._claim(ctx, channel, line, now) if line else []
            if claimed:
                self._busy[channel] = self._pool.submit(self._send_line, ctx, claimed)

    def _is_busy(self, channel: str) -> bool:
        running = self._busy.get(channel)
        return running is not None and not running.done()

    def _claim(
        self, ctx: Context, channel: str, line: list[Delivery], now: datetime
    ) -> list[Delivery]:
        """Claim the head of a channel's line; all that the gate checks is checked here too."""
        limits = ctx.limits[channel]
        is_fast = not limits.min_gap and not limits.max_per_hour
        line = sorted(line, key=deliveries.in_line)[: CLAIMS_FAST if is_fast else CLAIMS_SLOW]
        with ctx.store.write() as conn:
            if latch_store.lock(conn, share=True).paused or ctx.inhibits.any():
                return []
            if _is_kept_slot(conn, line[0], now):
                # A wait kept a row of released posts: they go on apart, not all at once.
                line = line[:1]
                limits = replace(limits, min_gap=max(limits.min_gap, ctx.queue.release_gap))
            since = now - max(rules.HOUR, limits.min_gap)
            ready = rules.ready_at(limits, attempts.sends_since(conn, channel, since=since))
            if ready is not None and ready > now:
                return []
            ours = {"owner": self._incarnation, "lease_until_s": self._clock.boot_s() + LEASE_S}
            locked = deliveries.lock_many(conn, [one.id for one in line])
            free = [one for one in locked if one.state is _S.SCHEDULED]
            moves = [
                Move(one, _S.CLAIMED, "due", values={"fence": one.fence + 1, **ours})
                for one in free
            ]
            bulk.move(conn, moves, now=now)
        passing("claim.after_commit")
        claimed = [replace(one, fence=one.fence + 1) for one in free]
        return sorted(claimed, key=deliveries.in_line)

    def _send_line(self, ctx: Context, line: list[Delivery]) -> None:
        left = deque(line)
        try:
            while left:
                passage = self._gate().send(left[0].id, fence=left[0].fence)
                one = left.popleft()
                say = _log.warning if passage in _WENT_WRONG else _log.info
                say("delivery.passed", delivery=one.id, channel=one.channel, came_to=passage)
        except TransientError as error:
            _log.warning("delivery.store_failed", problem=error.message)
            self._give_back(ctx, left)
        except BaseException as error:
            self._on_fault(error)
            raise
        finally:
            ctx.hooks.wake()

    def _give_back(self, ctx: Context, line: Iterable[Delivery]) -> None:
        """Give claims back of which nothing was sent: what has an intent is no claim any more."""
        now, fences = self._clock.now(), {one.id: one.fence for one in line}
        try:
            with ctx.store.write() as conn:
                latch_store.lock(conn, share=True)
                moves = [
                    Move(
                        one,
                        _S.SCHEDULED,
                        "the store failed before it was sent",
                        values=deliveries.unclaimed(one) | {"next_at": now + NOT_NOW_WAIT},
                    )
                    for one in deliveries.lock_many(conn, fences)
                    if (one.state, one.fence) == (_S.CLAIMED, fences[one.id])
                ]
                bulk.move(conn, moves, now=now)
        except TransientError as error:
            # Still gone: the reaper takes them back when the claims run out.
            _log.warning("delivery.not_given_back", problem=error.message)


def _is_kept_slot(conn: Connection, one: Delivery, now: datetime) -> bool:
    """Say whether a delivery is late for the slot that a resume gave it, or for one among them."""
    if now - one.due_at <= SLOT_MISSED:
        return False
    until = letting_go.slots_until(conn, one.channel)
    return until is not None and one.due_at < until


def _is_unconfirmed(one: Delivery, now: datetime) -> bool:
    """Say whether a post from beyond the horizon came due without its second look."""
    due = one.state is _S.SCHEDULED and one.due_at <= now
    return due and one.confirm_from is not None and one.confirmed_at is None


def _hold_one(conn: Connection, one: Delivery, *, late: bool, gone: bool, now: datetime) -> None:
    kind = HoldKind.LATE if late else HoldKind.HORIZON
    if one.state is _S.AWAITING_APPROVAL:
        why = "nobody approved it in time"
    elif gone:
        why = f"the channel {one.channel} is not configured any more"
    elif late:
        why = "it came too late to leave by itself"
    else:
        why = "it was scheduled from beyond the horizon and nobody confirmed it"
    if holds.hold(conn, one, kind, why=why, now=now):
        _tell(conn, "held_late" if late else "held_horizon", one, why, now)


def _tell(conn: Connection, kind: str, one: Delivery, why: str, now: datetime) -> None:
    notices.add_notice(
        conn,
        kind=kind,
        ref=one.id,
        escalates=False,
        loud=False,
        now=now,
        facts={
            "delivery": one.id,
            "channel": one.channel,
            "text": one.content.text,
            "author": one.author,
            "why": why,
        },
    )


def drop_staged(ctx: Context) -> None:
    """Forget imports that were open when the last daemon ended."""
    with ctx.store.read() as conn:
        staged = posts.staged_batches(conn)
    for batch in staged:
        imports.drop(ctx, batch)
