"""
The one door: nothing but ``Gate.send`` makes a post public.

Order (the order is the safety: any other leaks a post, see docs/architecture.md):
    1. One transaction, latch row first: no cause, no inhibit, sight fresh, the claim is ours, not
       late, approved as it stands, budget left -> write the attempt, state ``sending``, COMMIT.
    2. Look again: a flag -> held and a trip; then a cause or an inhibit -> back to the queue,
       nothing was sent.
    3. Enough of the lease left, else back to the queue.
    4. One short request with an absolute deadline.
    5. Record what it came to, where the fence is still ours.

Invariants:
    I1  an intent is committed only under no open cause.
    I2  after a seal no request starts: a gate either committed before the trip (and the seal
        waits for it) or starts after it (and sees the cause).
    I6  a result is stored only where the fence is still that of the attempt.
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TypeVar

import structlog

from killswitch.channels.frame import Channel, Outcome, Request
from killswitch.clock import Clock
from killswitch.errors import TransientError
from killswitch.failpoints import passing
from killswitch.flagging import flag_causes
from killswitch.flags import FlagDir
from killswitch.latch import CauseKind, Inhibits
from killswitch.outcome import Passage, record_outcome, record_stray, request_of
from killswitch.queue import rules
from killswitch.queue.rules import ChannelRules
from killswitch.queue.states import DeliveryState, HoldKind
from killswitch.store import attempts, channel_state, deliveries, holds, notices
from killswitch.store import latch as latch_store
from killswitch.store.deliveries import Delivery
from killswitch.store.engine import Connection, Store
from killswitch.store.latch import NewCause
from killswitch.trip import trip

_log = structlog.get_logger(__name__)
# The whole of one publishing request, connect included (safety figures: one short request).
T_SEND_S = 20.0
# What may pass between the last look at the lease and the request's end, beyond T_SEND_S.
MARGIN_S = 5.0
# A claim outlives the wait in its channel's line and one request.
LEASE_S = 60.0
# A delivery that was sent back is looked at again after this, not in a tight circle.
NOT_NOW_WAIT = timedelta(seconds=2)
# A result that the store does not take is offered again this often until it does.
RECORD_AGAIN_S = 1.0

_S = DeliveryState
_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Intent:
    """A committed intent to send: from here the post may be on the wire."""

    delivery: Delivery
    attempt: str
    request: Request
    deadline_s: float


@dataclass(frozen=True, slots=True)
class _Closed:
    """Why the gate stays shut for a delivery, decided inside the first transaction."""

    passage: Passage
    why: str
    hold: HoldKind = HoldKind.HUMAN
    rate: bool = False


class Gate:
    """The door of one daemon (one incarnation of it)."""

    def __init__(
        self,
        store: Store,
        *,
        clock: Clock,
        flags: FlagDir,
        inhibits: Inhibits,
        sight_is_fresh: Callable[[], bool],
        clock_is_steady: Callable[[datetime], bool],
        channels: Mapping[str, Channel],
        limits: Mapping[str, ChannelRules],
        content_is_whole: Callable[[Delivery], bool],
        incarnation: int,
        closing: threading.Event,
    ) -> None:
        """
        Hang the door.

        Args:
            store: The one truth.
            clock: Time.
            flags: The flag directory, read after each intent.
            inhibits: The self-lifting reasons not to send.
            sight_is_fresh: Whether the news was read and graded recently enough.
            clock_is_steady: Whether this reading of the wall clock agrees with the boot clock.
            channels: What ``publish`` may be called on, by name.
            limits: Gaps, caps and lateness of each channel, by name.
            content_is_whole: Whether the media of a delivery are still what was approved.
            incarnation: Number of this run of the daemon; claims of others are not ours.
            closing: Set when the daemon stops; a result that the store refuses is then given up.
        """
        self._store = store
        self._clock = clock
        self._flags = flags
        self._inhibits = inhibits
        self._sight_is_fresh = sight_is_fresh
        self._clock_is_steady = clock_is_steady
        self._channels = channels
        self._limits = limits
        self._content_is_whole = content_is_whole
        self._incarnation = incarnation
        self._closing = closing

    def send(self, delivery_id: str, *, fence: int) -> Passage:
        """
        Try to pass one claimed delivery; every ending is recorded.

        Raises:
            TransientError: The store failed before the intent was written; nothing was sent.
        """
        whole = self._is_whole(delivery_id)
        passing("gate.after_media")
        intent = self._intend(delivery_id, fence, whole=whole)
        if isinstance(intent, _Closed):
            return intent.passage
        passing("gate.after_intent")
        refused = self._look_again(intent)
        if refused is not None:
            return refused
        passing("gate.before_request")
        outcome = self._publish(intent)
        passing("gate.after_answer")
        passage = self._record_until_stored(intent, outcome)
        passing("gate.after_record")
        return passage

    # -- 1: the intent ---------------------------------------------------------------------------

    def _is_whole(self, delivery_id: str) -> bool:
        """Look at the media outside any transaction: hashing a film takes seconds."""
        with self._store.read() as conn:
            one = deliveries.get(conn, delivery_id)
        return one is not None and self._content_is_whole(one)

    def _intend(self, delivery_id: str, fence: int, *, whole: bool) -> Intent | _Closed:
        now = self._clock.now()
        with self._store.write() as conn:
            paused = latch_store.lock(conn, share=True).paused
            one = deliveries.get(conn, delivery_id, lock=True)
            if one is None or not self._is_ours(one, fence):
                return _Closed(Passage.NOT_NOW, "the claim is not ours any more")
            closed = self._why_shut(conn, one, paused=paused, whole=whole, now=now)
            if closed is None:
                return self._write_intent(conn, one, now)
            self._put_back(conn, one, closed, now)
        if closed.rate:
            self._trip_rate(one)
        return closed

    def _is_ours(self, one: Delivery, fence: int) -> bool:
        mine = (one.state, one.owner, one.fence) == (_S.CLAIMED, self._incarnation, fence)
        return mine and one.channel in self._channels

    def _why_shut(
        self, conn: Connection, one: Delivery, *, paused: bool, whole: bool, now: datetime
    ) -> _Closed | None:
        return (
            self._why_stopped(one, paused=paused, now=now)
            or self._why_unfit(one, whole=whole, now=now)
            or self._why_no_budget(conn, one, now)
        )

    def _why_stopped(self, one: Delivery, *, paused: bool, now: datetime) -> _Closed | None:
        if paused:
            return _Closed(Passage.NOT_NOW, "paused")
        if self._closing.is_set():
            return _Closed(Passage.NOT_NOW, "the daemon is stopping")
        if self._inhibits.any():
            return _Closed(Passage.NOT_NOW, "waiting")
        if not self._clock_is_steady(now):
            return _Closed(Passage.NOT_NOW, "the clock was stepped")
        if not self._sight_is_fresh():
            return _Closed(Passage.NOT_NOW, "the news was not read recently enough")
        if not self._lease_is_long_enough(one):
            return _Closed(Passage.NOT_NOW, "the claim ran out")
        return None

    def _why_unfit(self, one: Delivery, *, whole: bool, now: datetime) -> _Closed | None:
        late_after = self._limits[one.channel].late_after
        if now < one.due_at:
            return _Closed(Passage.NOT_NOW, "not due yet")
        if one.expires_at is not None and now >= one.expires_at:
            return _Closed(Passage.NOT_NOW, "expired")
        if rules.is_late(one.due_at, late_after=late_after, now=now):
            return _Closed(Passage.HELD, "late", HoldKind.LATE)
        if one.confirm_from is not None and one.confirmed_at is None:
            return _Closed(Passage.HELD, "nobody confirmed it", HoldKind.HORIZON)
        if one.approved_hash != one.content.hash() or not whole:
            return _Closed(Passage.HELD, "changed since it was approved")
        return None

    def _lease_is_long_enough(self, one: Delivery) -> bool:
        left = (one.lease_until_s or 0.0) - self._clock.boot_s()
        return left >= T_SEND_S + MARGIN_S

    def _why_no_budget(self, conn: Connection, one: Delivery, now: datetime) -> _Closed | None:
        if one.channel in channel_state.waiting(conn, now=now):
            return _Closed(Passage.NOT_NOW, "its channel waits")
        limits = self._limits[one.channel]
        if not (limits.min_gap or limits.max_per_hour or limits.hard_cap):
            # Nothing counts the sends of an hour, and a file may have had ten thousand.
            return None
        since = now - max(rules.HOUR, limits.min_gap)
        sends = attempts.sends_since(conn, one.channel, since=since, without=one.id)
        ready = rules.ready_at(limits, sends)
        if ready is not None and ready > now:
            return _Closed(Passage.NOT_NOW, "its channel's gap or cap")
        resumed = latch_store.read(conn).resumed_at
        start = max(now - rules.HOUR, resumed) if resumed else now - rules.HOUR
        counted = [at for at in sends if at > start]
        if limits.hard_cap and len(counted) >= limits.hard_cap:
            return _Closed(Passage.NOT_NOW, "the hard cap is reached", rate=True)
        return None

    def _write_intent(self, conn: Connection, one: Delivery, now: datetime) -> Intent:
        request = request_of(one)
        deadline_s = self._clock.boot_s() + T_SEND_S
        attempt = attempts.open_attempt(
            conn,
            delivery=one.id,
            incarnation=self._incarnation,
            fence=one.fence,
            request_hash=_hash(one),
            deadline_s=deadline_s,
            now=now,
        )
        deliveries.move(
            conn,
            one,
            _S.SENDING,
            why="due",
            now=now,
            values={"tries": one.tries + 1},
        )
        passing("gate.before_commit")
        sending = replace(one, state=_S.SENDING, tries=one.tries + 1)
        return Intent(sending, attempt, request, deadline_s)

    def _put_back(self, conn: Connection, one: Delivery, closed: _Closed, now: datetime) -> None:
        # A reading that nobody trusts may lie years ahead: it decides on no wait.
        again = now + NOT_NOW_WAIT if self._clock_is_steady(now) else one.due_at
        values = deliveries.unclaimed(one) | {"next_at": max(one.due_at, again)}
        deliveries.move(conn, one, _S.SCHEDULED, why=closed.why, now=now, values=values)
        if closed.passage is Passage.HELD:
            back = replace(one, state=_S.SCHEDULED)
            holds.hold(conn, back, closed.hold, ref=closed.why, why=closed.why, now=now)
            notices.add_notice(
                conn,
                kind="held_horizon" if closed.hold is HoldKind.HORIZON else "held_late",
                ref=one.id,
                escalates=False,
                loud=False,
                now=now,
                facts={
                    "delivery": one.id,
                    "channel": one.channel,
                    "text": one.content.text,
                    "why": closed.why,
                },
            )

    def _trip_rate(self, one: Delivery) -> None:
        cap = self._limits[one.channel].hard_cap
        reason = f"{one.channel} would send more than {cap} posts within an hour"
        with self._store.write() as conn:
            trip(conn, NewCause(CauseKind.RATE, one.channel, reason), now=self._clock.now())

    # -- 2 and 3: look again ---------------------------------------------------------------------

    def _look_again(self, intent: Intent) -> Passage | None:
        if not self._flags.is_clear():
            self._abort(intent, _S.HELD, "a flag in pause.d")
            return Passage.HELD
        passing("gate.after_flag")
        if self._is_paused():
            # After the flag, never before: a resume removes one while its cause still stands.
            self._abort(intent, _S.SCHEDULED, "paused")
            return Passage.NOT_NOW
        if self._inhibits.any():
            self._abort(intent, _S.SCHEDULED, "waiting")
            return Passage.NOT_NOW
        if self._closing.is_set():
            self._abort(intent, _S.SCHEDULED, "the daemon is stopping")
            return Passage.NOT_NOW
        if self._clock.boot_s() > intent.deadline_s - T_SEND_S + MARGIN_S:
            # Stalled since the intent: the reaper may have named it to a seal by now.
            self._abort(intent, _S.SCHEDULED, "it took too long to start")
            return Passage.NOT_NOW
        if (intent.delivery.lease_until_s or 0.0) - self._clock.boot_s() < T_SEND_S:
            self._abort(intent, _S.SCHEDULED, "the claim ran out")
            return Passage.NOT_NOW
        return None

    def _is_paused(self) -> bool:
        """Look at the latch once more; a store that does not answer is a pause."""
        try:
            with self._store.read() as conn:
                return latch_store.read(conn).paused
        except TransientError:
            return True

    def _abort(self, intent: Intent, new: DeliveryState, why: str) -> None:
        """Write down that nothing left; a flag also becomes a cause here and now."""

        def write() -> None:
            with self._store.write() as conn:
                latch_store.lock(conn)
                now = self._clock.now()
                attempts.end(conn, intent.attempt, "aborted_unsent", detail=why, now=now)
                if new is _S.HELD:
                    flag_causes(conn, self._flags, now=now)
                one = deliveries.get(conn, intent.delivery.id, lock=True)
                if one is not None and one.fence == intent.delivery.fence:
                    self._take_back(conn, one, new, why, now)
                passing("gate.before_abort")

        self._until_stored(write)

    def _take_back(
        self, conn: Connection, one: Delivery, new: DeliveryState, why: str, now: datetime
    ) -> None:
        values = deliveries.unclaimed(one) | {"tries": one.tries - 1, "next_at": now + NOT_NOW_WAIT}
        if new is _S.HELD:
            incident = latch_store.read(conn).incident or ""
            holds.hold(conn, one, HoldKind.PAUSE, ref=incident, why=why, now=now, values=values)
        else:
            # The reaper may have called it uncertain while this thread stood still: now it is
            # proven that nothing left.
            deliveries.move(conn, one, new, why=why, now=now, values=values | {"problem": None})

    # -- 4: the request --------------------------------------------------------------------------

    def _publish(self, intent: Intent) -> Outcome:
        channel = self._channels[intent.request.channel]
        return channel.publish(intent.request, deadline_s=T_SEND_S)

    # -- 5: the record ---------------------------------------------------------------------------

    def _record_until_stored(self, intent: Intent, outcome: Outcome) -> Passage:
        return self._until_stored(lambda: self._record(intent, outcome))

    def _until_stored(self, write: Callable[[], _T]) -> _T:
        """
        Offer a result until the store takes it: it is a fact, and losing it costs a human.

        A daemon that is told to stop gives up; the next one finds the open attempt and calls the
        delivery uncertain.
        """
        while True:
            try:
                return write()
            except TransientError as error:
                _log.warning("delivery.not_recorded", problem=error.message)
                if self._clock.wait(self._closing, RECORD_AGAIN_S):
                    raise

    def _record(self, intent: Intent, outcome: Outcome) -> Passage:
        with self._store.write() as conn:
            latch_store.lock(conn, share=True)
            # Not before the lock: a step that is carried over meanwhile would miss this one.
            now = self._clock.now()
            one = deliveries.get(conn, intent.delivery.id, lock=True)
            passing("gate.before_record")
            if one is None:
                return Passage.UNCERTAIN
            if one.fence != intent.delivery.fence:
                return record_stray(conn, one, attempt=intent.attempt, outcome=outcome, now=now)
            return record_outcome(conn, one, attempt=intent.attempt, outcome=outcome, now=now)


def _hash(one: Delivery) -> str:
    """Return the hash of what the request will say: the content, and for whom it is."""
    said = f"{one.id}\n{one.channel}\n{one.content_hash}"
    return hashlib.sha256(said.encode()).hexdigest()
