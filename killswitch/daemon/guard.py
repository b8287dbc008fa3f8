"""
The guard: once a second, everything that may have to stop the queue.

Flags become causes, pauses that could not be written are tried again, the clock is compared with
itself, the store is probed, spare flags are kept ready, an open pause is sealed as soon as nothing
is on the wire, the head of the audit chain is noted.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta

import structlog

from killswitch.clock import Clock
from killswitch.daemon.reaper import take_back_claims
from killswitch.daemon.ticks import STEP, Left, Tick, Ticks, read
from killswitch.desk import pausing
from killswitch.desk.context import Context
from killswitch.errors import TransientError
from killswitch.failpoints import passing
from killswitch.flagging import flag_causes_of, told_of
from killswitch.latch import CauseKind, InhibitKind, Latch
from killswitch.queue.durations import format_duration
from killswitch.queue.when import shown
from killswitch.store import audit, facts, noted, notices, stepped
from killswitch.store import latch as latch_store
from killswitch.store.engine import Connection
from killswitch.store.latch import NewCause
from killswitch.trip import tampered, trip

_log = structlog.get_logger(__name__)

# The inhibit ``store`` becomes a cause after this; so does a detector without a beat.
STORE_TOLERANCE = timedelta(seconds=60)
DETECTOR_TOLERANCE_S = 60.0
# No notice accepted by any address for so long: nobody knows of the pause.
NOTIFY_TOLERANCE = timedelta(minutes=15)
_STEPPED = "the wall clock was stepped"
# The fact that tells the next run how the clocks stood in this one (``ticks.Left``).
_LEFT = "clocks"
TWICE = "the wall clock was stepped twice"
# How often the high-water mark is written; it is also the probe that the store can be written.
PROBE_EVERY_S = 10.0
# How often the head of the audit chain is noted outside the store, when nothing pauses or resumes.
NOTE_EVERY_S = 3600.0
# Rows of the audit chain that are checked at a start and each hour.
CHECKED_TAIL = 1000
# And at each pause and resume, when the guard is in a hurry.
CHECKED_HURRY = 50
# The whole chain is checked after a start and then so often, so many rows a turn: some 10 ms.
WALK_EVERY_S = 86_400.0
WALK_ROWS = 500


class Guard:
    """Turns once a second."""

    def __init__(
        self,
        context: Callable[[], Context],
        *,
        clock: Clock,
        grader_beat_s: Callable[[], float],
        has_addresses: Callable[[], bool],
        judge_sight: Callable[[], object],
        refresh_unconfirmed: Callable[[datetime], None],
        keep_lock: Callable[[], None],
        on_suspend: Callable[[], object],
        carry_stories: Callable[[timedelta, datetime], object],
    ) -> None:
        """Guard the queue of ``context``."""
        self._context = context
        self._clock = clock
        self._grader_beat_s = grader_beat_s
        self._has_addresses = has_addresses
        self._judge_sight = judge_sight
        self._refresh_unconfirmed = refresh_unconfirmed
        self._keep_lock = keep_lock
        self._on_suspend = on_suspend
        self._carry_stories = carry_stories
        self._ticks = Ticks(read(clock))
        # What ticks found and the store has not taken yet.
        self._slept = False
        self._steps: list[Tick] = []
        self._stepped_back = False
        self._probed_s = float("-inf")
        self.latch: Latch | None = None
        """As the last turn read it; None where the store does not answer."""
        self._store_failed_s: float | None = None
        self._without_spares = False
        self._noted_version: int | None = None
        self._noted_s = clock.boot_s()
        # How far the slow check of the whole trail has come, and when it begins again.
        self._walked: audit.Place | None = None
        self._walk_s = clock.boot_s()

    def step(self) -> float:
        """Look at everything once; return the seconds until the next look."""
        ctx = self._context()
        now = self._clock.now()
        self._tick(ctx, now)
        self._carry_over(ctx)
        self._write_pending(ctx)
        self._flags(ctx, now)
        self._probe(ctx, now)
        self._judge_sight()
        self._refresh_unconfirmed(now)
        self._detector(ctx, now)
        latch = self._people(ctx, now)
        self._seal(ctx, latch)
        self._audit(ctx, now, latch)
        self._walk(ctx, now)
        return 1.0

    def store_failed(self, error: TransientError) -> None:
        """Stop sending because the store failed; the probe lifts it."""
        ctx = self._context()
        ctx.inhibits.open(InhibitKind.STORE, error.message, now=self._clock.now())
        self._probed_s = float("-inf")
        self.latch = None

    def clock_is_steady(self, now: datetime) -> bool:
        """
        Say whether a reading of the wall clock may be acted on.

        A step is seen by the guard's tick only up to a second later: until then the gate must not
        send what is due tomorrow, nor the sweep skip what expires next year.
        """
        return self._ticks.agrees(read(self._clock, wall=now))

    def clock_is_proven(self, now: datetime) -> bool:
        """
        Say whether a reading of the wall clock is good for what can't be undone.

        The first reading of a run is vouched for by nothing: a time service may still set it right.
        """
        return self.clock_is_steady(now) and self._ticks.proven(self._clock.boot_s())

    def standing(self) -> Mapping[CauseKind, str]:
        """Tell which causes still stand, in words."""
        ctx = self._context()
        found: dict[CauseKind, str] = {}
        sight = ctx.hooks.sight()
        if not sight.ok:
            found[CauseKind.BLIND] = f"the news can't be seen: {sight.why}"
        if self._detector_is_dead():
            found[CauseKind.DETECTOR] = "the detector does not grade"
        if self._ticks.settling(self._clock.boot_s()):
            found[CauseKind.CLOCK] = "the clock was stepped less than a minute ago"
        if ctx.inhibits.since(InhibitKind.STORE) is not None:
            found[CauseKind.STORE] = "the store can't be written"
        return found

    # -- clock -----------------------------------------------------------------------------------

    def check_restart(self) -> None:
        """
        At start: let a step of the wall clock settle that the run before saw, or did not see.

        Raises:
            TransientError: The store gave no answer.
        """
        ctx = self._context()
        with ctx.store.read() as conn:
            text = facts.get(conn, _LEFT)
        left = Left.from_text(text) if text else None
        if left is None:
            return
        tick = self._ticks.go_on(left)
        if tick is not None:
            self._stepped(ctx, tick)
            self._ticks.accept(tick)
            self._carry_over(ctx)
        elif self._ticks.settling(self._clock.boot_s()):
            ctx.inhibits.open(InhibitKind.CLOCK, _STEPPED, now=self._clock.now())

    def _stepped(self, ctx: Context, tick: Tick) -> None:
        now = tick.reading.wall
        _log.warning("clock.stepped", by_s=tick.step.total_seconds(), now=now.isoformat())
        ctx.inhibits.open(InhibitKind.CLOCK, _STEPPED, now=now)
        self._steps.append(tick)

    def _tick(self, ctx: Context, now: datetime) -> None:
        tick = self._ticks.look(read(self._clock, wall=now))
        if tick.slept:
            _log.warning("clock.slept", now=now.isoformat())
            self._on_suspend()
            self._slept = True
        if tick.stepped:
            self._stepped(ctx, tick)
            ctx.hooks.wake()
        # Only now: until the inhibits stand, the gate does not trust the new time.
        self._ticks.accept(tick)
        if not self._steps and not self._ticks.settling(self._clock.boot_s()):
            ctx.inhibits.lift(InhibitKind.CLOCK)

    def _carry_over(self, ctx: Context) -> None:
        """Write down what a tick found; until the store takes it the inhibits stay."""
        try:
            if self._slept:
                take_back_claims(ctx.store, why="the machine was asleep", clock=self._clock)
                self._slept = False
            if self._steps:
                self._write_steps(ctx)
        except TransientError as error:
            self.store_failed(error)

    def _write_steps(self, ctx: Context) -> None:
        with ctx.store.write() as conn:
            # Latch row first, and the time after it: who writes beside us has read the new clock.
            latch_store.lock(conn)
            now = self._clock.now()
            for tick in self._steps:
                _carry_step(conn, tick, now)
            facts.put(conn, _LEFT, self._ticks.left().to_text())
        if any(tick.again for tick in self._steps):
            _log.warning("pause.opened", kind=CauseKind.CLOCK.value, reason=TWICE)
        self._stepped_back |= any(tick.back for tick in self._steps)
        carried = [tick.step for tick in self._steps]
        self._steps.clear()
        for by in carried:
            self._carry_stories(by, now)
        ctx.hooks.wake()

    def check_high_water(self, conn: Connection, now: datetime) -> None:
        """At start: open ``clock`` where the wall clock lies before what the store has seen."""
        mark = facts.get_time(conn, "high_water")
        if mark is None or now >= mark - STEP:
            return
        latch_store.lock(conn)
        stepped.carry_over(conn, by=now - mark, now=now)
        zone = str(self._context().zone)
        reason = (
            f"the clock says {shown(now, zone=zone)}, but the store was written at "
            f"{shown(mark, zone=zone)}"
        )
        trip(conn, NewCause(CauseKind.CLOCK, "high_water", reason), now=now)

    # -- pauses from outside ---------------------------------------------------------------------

    def _write_pending(self, ctx: Context) -> None:
        for pending in list(ctx.pending.values()):
            try:
                pausing.write_pause(ctx, pending)
            except TransientError as error:
                self.store_failed(error)

    def _flags(self, ctx: Context, now: datetime) -> None:
        state = ctx.flags.look()
        if state.clear:
            return
        with ctx.store.write() as conn:
            tripped = flag_causes_of(conn, state, now=now)
            latch = latch_store.read(conn)
            # A late flag of a pause that was recorded and resumed since asks for nothing more.
            late = told_of(conn, state, now=now) if not latch.paused else ()
        passing("flag.after_commit")
        if late:
            ctx.flags.remove(late)
        if any(one.new for one in tripped):
            ctx.hooks.wake()

    # -- store -----------------------------------------------------------------------------------

    def _probe(self, ctx: Context, now: datetime) -> None:
        if self._clock.boot_s() - self._probed_s < PROBE_EVERY_S:
            return
        try:
            self._keep_lock()
            with ctx.store.write() as conn:
                mark = None if self._accepts_step_back() else facts.get_time(conn, "high_water")
                facts.put_time(conn, "high_water", max(now, mark) if mark else now)
                if not self._steps:  # one that is not written down is for the next run to find
                    facts.put(conn, _LEFT, self._ticks.left().to_text())
        except TransientError as error:
            self._store_fails(ctx, error, now)
            return
        self._stepped_back &= not self._accepts_step_back()
        self._probed_s = self._clock.boot_s()
        self._store_recovered(ctx, now)
        self._fill_spares(ctx)

    def _accepts_step_back(self) -> bool:
        """Say whether the mark goes back too: people know of the step, and it has settled."""
        return self._stepped_back and not self._ticks.settling(self._clock.boot_s())

    def _store_fails(self, ctx: Context, error: TransientError, now: datetime) -> None:
        ctx.inhibits.open(InhibitKind.STORE, error.message, now=now)
        if self._store_failed_s is None:
            self._store_failed_s = self._clock.boot_s()
            _log.error("store.failed", problem=error.message)

    def _store_recovered(self, ctx: Context, now: datetime) -> None:
        since, self._store_failed_s = self._store_failed_s, None
        if since is not None and self._clock.boot_s() - since > STORE_TOLERANCE.total_seconds():
            self._trip(ctx, CauseKind.STORE, "writes", "the store could not be written", now)
        ctx.inhibits.lift(InhibitKind.STORE)

    def _fill_spares(self, ctx: Context) -> None:
        """Keep the flags ready that a full disk can't stop; without them it may, and no more."""
        try:
            ctx.flags.fill_spares()
        except OSError as error:
            if not self._without_spares:
                _log.error("flags.no_spares", problem=str(error), path=str(ctx.flags.spares))
            self._without_spares = True
        else:
            self._without_spares = False

    # -- detector, people ------------------------------------------------------------------------

    def _detector_is_dead(self) -> bool:
        # On the monotonic clock: a detector that was asleep with the machine is not dead.
        return self._clock.monotonic_s() - self._grader_beat_s() > DETECTOR_TOLERANCE_S

    def _detector(self, ctx: Context, now: datetime) -> None:
        if self._detector_is_dead():
            reason = "the detector has not graded for a minute"
            self._trip(ctx, CauseKind.DETECTOR, "beat", reason, now)

    def _people(self, ctx: Context, now: datetime) -> Latch:
        """Tell or stop where people must look; return the pause, read in the same transaction."""
        with ctx.store.read() as conn:
            latch = latch_store.read(conn)
            waiting = notices.oldest_unaccepted_at(conn)
            reviews = latch_store.due_reviews(conn, now=now)
        if waiting and now - waiting > NOTIFY_TOLERANCE and self._has_addresses():
            reason = "no notice was accepted by any address for 15 min"
            self._trip(ctx, CauseKind.NOTIFY, "addresses", reason, now)
        if reviews:
            with ctx.store.write() as conn:
                latch_store.mark_reviewed(conn, [cause.id for cause in reviews], now=now)
                for cause in reviews:
                    notices.add_notice(
                        conn, kind="review", ref=cause.id, facts={"reason": cause.reason}, now=now
                    )
        self.latch = latch
        return latch

    def _seal(self, ctx: Context, latch: Latch) -> None:
        if latch.paused and latch.sealed_at is None:
            receipt = pausing.try_seal(ctx)
            if receipt["sealed"]:
                _log.info(
                    "pause.sealed", version=receipt["version"], uncertain=len(receipt["uncertain"])
                )

    # -- audit -----------------------------------------------------------------------------------

    def _audit(self, ctx: Context, now: datetime, latch: Latch) -> None:
        """At each pause and resume, and once an hour: check the trail, and note how far it goes."""
        is_due = self._clock.boot_s() - self._noted_s >= NOTE_EVERY_S
        if latch.version == self._noted_version and not is_due:
            return
        last = CHECKED_TAIL if is_due else CHECKED_HURRY
        with ctx.store.read() as conn:
            verdict = noted.verify(conn, ctx.state_dir, last=last)
        if not verdict.ok:
            self._open(ctx, tampered(verdict), now)
        self.note_head()
        self._noted_version, self._noted_s = latch.version, self._clock.boot_s()

    def _walk(self, ctx: Context, now: datetime) -> None:
        """Check a little of the whole trail: after a start, and once a day."""
        if self._walked is None and self._clock.boot_s() < self._walk_s:
            return
        with ctx.store.read() as conn:
            verdict, self._walked = audit.verify_next(conn, self._walked, most=WALK_ROWS)
        if self._walked is None:
            self._walk_s = self._clock.boot_s() + WALK_EVERY_S
        if not verdict.ok:
            self._open(ctx, tampered(verdict), now)

    def note_head(self) -> None:
        """Note how far the trail goes, unless it is broken and nobody has seen that yet."""
        ctx = self._context()
        try:
            with ctx.store.read() as conn:
                kinds = {cause.kind for cause in latch_store.read(conn).causes}
                if CauseKind.TAMPER in kinds:
                    return
                head = noted.note(conn, ctx.state_dir)
        except (OSError, TransientError) as error:
            _log.warning("audit.not_noted", problem=str(error))
            return
        # The journal is on another machine, or at least in other hands.
        _log.info("audit.noted", row=head.seq, hash=head.hash)

    def _trip(self, ctx: Context, kind: CauseKind, ref: str, reason: str, now: datetime) -> None:
        self._open(ctx, NewCause(kind, ref, reason), now)

    def _open(self, ctx: Context, new: NewCause, now: datetime) -> None:
        with ctx.store.write() as conn:
            done = trip(conn, new, now=now)
        if done.new:
            _log.warning("pause.opened", kind=new.kind.value, reason=new.reason)
            ctx.hooks.wake()


def _carry_step(conn: Connection, tick: Tick, now: datetime) -> None:
    """Carry over what waits, tell people, and pause at the second step within a minute."""
    stepped.carry_over(conn, by=tick.step, now=now)
    by = format_duration(abs(tick.step))
    if tick.back:
        reason = (
            f"the clock was stepped back by {by}: nothing leaves for 60 s, then posts are judged "
            "afresh"
        )
    else:
        reason = (
            f"the clock was stepped forward by {by}: nothing leaves for 60 s, then posts are "
            "judged afresh"
        )
    ref = f"clock:{tick.reading.wall:%Y%m%dT%H%M%S}"
    notices.add_notice(
        conn, kind="daemon_fault", ref=ref, facts={"reason": reason}, escalates=False, now=now
    )
    if tick.again:
        trip(conn, NewCause(CauseKind.CLOCK, "steps", TWICE), now=now)
