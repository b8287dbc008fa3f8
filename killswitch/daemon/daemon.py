"""
The daemon: the one place that knows every room and wires them together.

Start: lock, open and check the store, count this run, look at what earlier runs left, turn flags
into causes, grade what was read but not graded; then the loops. ``starting`` inhibits from the
first instruction until all that is done; after it ``sight`` holds until the feeds were read.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path

import structlog

from killswitch import __version__
from killswitch.child import Child
from killswitch.clock import Clock
from killswitch.daemon import policies
from killswitch.daemon.alarm import Alarm
from killswitch.daemon.guard import CHECKED_TAIL, Guard
from killswitch.daemon.looking import look_afresh
from killswitch.daemon.parts import Lasting, Parts, build, changed_paths
from killswitch.daemon.prober import Prober
from killswitch.daemon.reaper import recover
from killswitch.daemon.refusals import Refusals
from killswitch.daemon.retractor import Retractor
from killswitch.daemon.room import with_room
from killswitch.daemon.supervisor import MOST_SLEEP_S, Loop, Supervisor
from killswitch.daemon.sweep import Sweep, drop_staged
from killswitch.daemon.upkeep import forget_old
from killswitch.desk.context import Hooks, Looked, PendingPause
from killswitch.desk.desk import Desk
from killswitch.desk.upkeep import left_behind
from killswitch.errors import ConfigError, TransientError
from killswitch.failpoints import passing
from killswitch.flagging import flag_causes
from killswitch.flags import FlagDir
from killswitch.latch import InhibitKind, Inhibits
from killswitch.notify.policy import policy_of
from killswitch.notify.relays import Relays, relays_of
from killswitch.notify.teller import Teller
from killswitch.settings import Settings
from killswitch.store import facts, noted
from killswitch.store import latch as latch_store
from killswitch.store.engine import Store
from killswitch.store.ids import new_id
from killswitch.store.opening import StoreLock, lock_store, open_store
from killswitch.trip import tampered, trip
from killswitch.watch.parsers import Parsers
from killswitch.watch.watcher import Round

_log = structlog.get_logger(__name__)

# Before a post is due the sweep asks for a look at the feeds, so that it leaves on fresh news.
LOOK_BEFORE = timedelta(seconds=60)
_WATCH_LIMIT_S = 60.0
# A post that waits for its turn (a gap, an inhibit) is looked at so often.
WAITING_TURN_S = 1.0


class Daemon:
    """One run of the daemon on one store."""

    def __init__(
        self, settings: Settings, *, clock: Clock, reload_settings: Callable[[], Settings]
    ) -> None:
        """Prepare; nothing is touched before ``start``."""
        self.inhibits = Inhibits()
        self.inhibits.open(InhibitKind.STARTING, "the daemon is starting", now=clock.now())
        self.closing = threading.Event()
        self.clock = clock
        self._settings = settings
        self._reload_settings = reload_settings
        self._reload_lock = threading.Lock()
        self._refusals = Refusals(clock)
        self.store = Store(settings.store.url.get_secret_value())
        self.flags = FlagDir(Path(settings.state_dir))
        self.supervisor = Supervisor(
            clock=clock, closing=self.closing, on_store_error=self._store_failed
        )
        self._alarm = Alarm()
        self._parsers = Parsers()
        self._pending: dict[str, PendingPause] = {}
        self._grader_beat_s = clock.monotonic_s()
        self._lock: StoreLock | None = None
        self._incarnation = 0
        self.desk = Desk(lambda: self.parts.context)
        self.parts: Parts
        self.guard: Guard
        self._sweep: Sweep
        self._prober: Prober
        self._retractor: Retractor
        self._teller: Teller
        self._relays: Relays
        self._loops: dict[str, Loop] = {}
        self._looked_for: datetime | None = None
        # Feeds of the first round that have not ended their first poll yet; None before it.
        self._first_polls: set[str] | None = None

    # -- start -----------------------------------------------------------------------------------

    def start(self, stop: threading.Event | None = None) -> None:
        """
        Open everything and start the loops; a disk that is full is waited for.

        Args:
            stop: Ends that waiting.

        Raises:
            OperatorError: The store or the configuration can't be used; nothing runs.
            StoreFailedError: The store does not answer, or still had no room at ``stop``.
        """
        patiently = partial(with_room, clock=self.clock, stop=stop or self.closing)
        settings = self._settings
        state_dir = Path(settings.state_dir)
        state_dir.mkdir(mode=0o750, parents=True, exist_ok=True)
        self._lock = lock_store(self.store, state_dir, clock=self.clock)
        self._lock.name_store()
        patiently(self._open)
        self._lock.name_store()  # once more: a new file is only there now
        self.parts = build(settings, self._lasting())
        self._build_loops(settings)
        patiently(self._recover)
        passing("start.after_recovery")
        self.parts.watcher.start()
        patiently(self.parts.grader.drain)
        now = self.clock.now()
        passing("start.after_drain")
        # Both must stand before ``starting`` lifts: sight is not judged yet, and a story of the
        # last run may still be waiting for its second outlet.
        self.inhibits.open(InhibitKind.SIGHT, "the feeds have not been read yet", now=now)
        self.parts.grader.refresh_unconfirmed(now)
        self._start_loops()
        self.inhibits.lift(InhibitKind.STARTING)
        _log.info(
            "daemon.started",
            version=__version__,
            incarnation=self._incarnation,
            state_dir=str(state_dir),
            feeds=len(settings.feeds),
        )

    def _open(self) -> None:
        if open_store(self.store):
            self._furnish(self.clock.now())
        with self.store.write() as conn:
            self._incarnation = facts.next_number(conn, "incarnation")

    def _furnish(self, now: datetime) -> None:
        """Give a new store its latch and its flag directory."""
        self.flags.create()
        (self.flags.state_dir / "media").mkdir(mode=0o750, exist_ok=True)
        # Last: a start that is cut short before this furnishes again.
        passing("start.before_furnished")
        with self.store.write() as conn:
            latch_store.create(conn)
            facts.put(conn, "store_id", new_id("k"))
            facts.put_time(conn, "created_at", now)

    def _recover(self) -> None:
        now = self.clock.now()
        with self.store.write() as conn:
            # First: every other cause adds a row to the trail.
            verdict = noted.verify(conn, self.flags.state_dir, last=CHECKED_TAIL)
            if not verdict.ok:
                trip(conn, tampered(verdict), now=now)
            self.guard.check_high_water(conn, now)
            flag_causes(conn, self.flags, now=now)
        self.guard.check_restart()
        uncertain = recover(self.store, incarnation=self._incarnation, clock=self.clock)
        if uncertain:
            _log.warning("daemon.unclean_start", uncertain=uncertain)
        drop_staged(self.parts.context)

    # -- wiring ----------------------------------------------------------------------------------

    def _lasting(self) -> Lasting:
        return Lasting(
            store=self.store,
            clock=self.clock,
            flags=self.flags,
            inhibits=self.inhibits,
            parsers=self._parsers,
            hooks=self._hooks(),
            pending=self._pending,
            incarnation=self._incarnation,
            closing=self.closing,
            clock_is_steady=lambda now: self.guard.clock_is_steady(now),
            wake=self.wake,
        )

    def _hooks(self) -> Hooks:
        return Hooks(
            wake=self.wake_all,
            look=self._look,
            sight=lambda: self.parts.eyes.sight(),
            feeds=lambda: self.parts.eyes.feed_docs(),
            standing=lambda: self.guard.standing(),
            forget_stories=lambda: self.parts.grader.forget(),
            reload=self.reload,
            test_notices=lambda: [(d["address"], d["problem"]) for d in self._teller.test()],
            masked=lambda name: self._teller.label(name),
            refused=lambda: self._refusals.last,
        )

    def _keep_lock(self) -> None:
        """Make sure that this is still the only daemon of the store; that it is not is a fault."""
        if self._lock is not None:
            self._lock.keep()

    def _build_loops(self, settings: Settings) -> None:
        clock = self.clock
        self.guard = Guard(
            lambda: self.parts.context,
            clock=clock,
            grader_beat_s=lambda: self._grader_beat_s,
            has_addresses=lambda: any(self._teller.policy.lists),
            judge_sight=lambda: self.parts.eyes.judge_in_turn(),
            refresh_unconfirmed=lambda now: self.parts.grader.refresh_unconfirmed(now),
            keep_lock=self._keep_lock,
            on_suspend=self._look_anew,
            carry_stories=lambda by, now: self.parts.grader.carry_over(by, now),
        )
        self._sweep = Sweep(
            lambda: self.parts.context,
            lambda: self.parts.gate,
            clock=clock,
            incarnation=self._incarnation,
            on_fault=self.supervisor.fail,
            clock_is_steady=self.guard.clock_is_steady,
            clock_is_proven=self.guard.clock_is_proven,
        )
        self._prober = Prober(
            lambda: self.parts.context,
            clock=clock,
            closing=self.closing,
            on_fault=self.supervisor.fail,
        )
        self._retractor = Retractor(
            lambda: self.parts.context,
            clock=clock,
            closing=self.closing,
            on_fault=self.supervisor.fail,
        )
        self._teller = Teller(
            self.store,
            clock,
            lambda: Child("killswitch.notify.process", name="notifier"),
            policy=policy_of(settings),
            situation=self.desk.status,
            wake=lambda: self.wake("notify"),
        )
        self._relays = Relays(
            self.store,
            clock,
            policies.door_of(settings, version=__version__, clock=clock),
            relays=relays_of(settings),
            situation=self.desk.status,
            wake=lambda: self.wake("relays"),
        )
        for loop in (
            Loop("watch", self._watch_step, limit_s=_WATCH_LIMIT_S),
            Loop("grade", self._grade_step),
            Loop("guard", self.guard.step),
            Loop("sweep", self._sweep_step, limit_s=60.0),
            Loop("probe", self._prober.step),
            Loop("retract", self._retractor.step),
            Loop("notify", self._teller.round, limit_s=120.0),
            Loop("relays", self._relays.round, limit_s=120.0),
        ):
            self._loops[loop.name] = self.supervisor.add(loop)

    def _start_loops(self) -> None:
        self._alarm.start()
        self.supervisor.start()

    # -- loops -----------------------------------------------------------------------------------

    def _watch_step(self) -> float:
        parts = self.parts
        came = parts.watcher.round()
        if not parts.eyes.first_round.is_set():
            self._end_first_round(parts, came)
        now = self.clock.now()
        if self.guard.clock_is_proven(now):
            forget_old(self.store, now=now, keep=parts.settings.watch.keep)
        if came.next_at is None:
            return 1.0
        self._alarm.wake_at("watch", came.next_at, self._loops["watch"].wake)
        return max(0.0, (came.next_at - now).total_seconds())

    def _end_first_round(self, parts: Parts, came: Round) -> None:
        """Let blindness be judged once every feed of the first round has ended one poll."""
        left = set(came.under_way)
        self._first_polls = left if self._first_polls is None else self._first_polls & left
        if not self._first_polls:
            self._grade_all()
            parts.eyes.first_round.set()
            self.wake("guard")

    def _grade_step(self) -> float:
        self._grade_all()
        return 5.0

    def _grade_all(self) -> None:
        """Grade all that waits, by whatever configuration is the present one."""
        while self.parts.grader.batch().items:
            self._grader_beat_s = self.clock.monotonic_s()
        self._grader_beat_s = self.clock.monotonic_s()

    def _sweep_step(self) -> float:
        left = self._sweep.pass_once()
        now = self.clock.now()
        if left.more:
            return 0.0
        wait_s = WAITING_TURN_S if left.waits else MOST_SLEEP_S
        if left.due_at is None:
            return wait_s
        self._alarm.wake_at("sweep", max(left.due_at, now), self._loops["sweep"].wake)
        if now < left.due_at <= now + LOOK_BEFORE + timedelta(seconds=MOST_SLEEP_S):
            self._ask_for_look(left.due_at)
        return max(0.0, min(wait_s, (left.due_at - now).total_seconds()))

    def _ask_for_look(self, due: datetime) -> None:
        """Let the watcher read what was not read in the last minute before a post is due."""
        if self._looked_for != due:
            self._looked_for = due
            threading.Thread(target=self._early_look, name="look", daemon=True).start()

    def _early_look(self) -> None:
        try:
            self.parts.watcher.look()
            self.wake("grade")
        except Exception as error:  # noqa: BLE001 - an early look is a courtesy, sight decides
            _log.warning("look.failed", problem=repr(error))

    def wake(self, name: str) -> None:
        """Let one loop look at once."""
        loop = self._loops.get(name)
        if loop is not None:
            loop.wake.set()

    def wake_all(self) -> None:
        """Let every loop that acts on the latch look at once."""
        for name in ("sweep", "guard", "probe", "retract", "notify", "relays"):
            self.wake(name)

    def one_line(self) -> str:
        """Say in one line how things are, for ``systemctl status``: as the guard last saw them."""
        latch = self.guard.latch
        if latch is None:
            return "the store does not answer; nothing leaves"
        sight = self.parts.eyes.sight()
        watching = f"{sight.alive} of {sight.feeds} feeds alive"
        if latch.paused:
            return f"PAUSED: {latch.causes[0].reason[:80]}; {watching}"
        waits = self.inhibits.list()
        return f"waiting: {waits[0].reason[:80]}; {watching}" if waits else f"running; {watching}"

    def control_ended(self, error: BaseException | None) -> None:
        """End the daemon when nobody could pause it over the socket any more."""
        if not self.closing.is_set():
            self.supervisor.fail(error or RuntimeError("the control server ended"), where="control")

    # -- what the desk asks ----------------------------------------------------------------------

    def _look(self) -> Looked:
        """Read and grade the feeds now, because a human asked, and judge sight."""
        return look_afresh(
            self.store,
            self.clock,
            feeds=[feed.name for feed in self.parts.watcher.feeds],
            read=lambda: self.parts.watcher.look(by_human=True).failed,
            grade=self._grade_all,
            judge=lambda: self.parts.eyes.judge(),
            on_fault=lambda error: self.supervisor.fail(error, where="look"),
        )

    def _look_anew(self) -> None:
        """Read all feeds before anything leaves: the machine was asleep."""
        self.parts.eyes.look_anew()
        self.wake("watch")

    def _store_failed(self, error: TransientError) -> None:
        self.guard.store_failed(error)

    def reload(self) -> Sequence[str]:
        """
        Load the configuration again; on any error the old one stays, and the status says so.

        Raises:
            ConfigError: It is wrong, or changes what only a restart can change.
        """
        with self._reload_lock, self._refusals:
            old, new = self.parts.settings, self._reload_settings()
            for name in ("state_dir", "store", "control"):
                if getattr(old, name) != getattr(new, name):
                    raise ConfigError(
                        "needs_restart",
                        f"{name} can't change while the daemon runs; the old configuration stays",
                        "restart the daemon to change it",
                    )
            parts = build(new, self._lasting(), eyes=self.parts.eyes)
            parts.watcher.start()
            parts.watcher.take_over(self.parts.watcher)
            parts.grader.take_over(self.parts.grader)
            self.parts = parts
            self._teller.policy = policy_of(new)
            self._relays.relays = relays_of(new)
            self.wake_all()
            self.wake("watch")
            self.wake("grade")
            changed = changed_paths(old.model_dump(), new.model_dump())
            _log.info("config.reloaded", changed=changed)
            for channel, posts in left_behind(parts.context).items():
                _log.warning("config.channel_gone", channel=channel, posts=posts)
            return changed

    # -- end -------------------------------------------------------------------------------------

    def stop(self) -> None:
        """Stop: nothing new starts, what is on the wire ends, then everything closes."""
        self.inhibits.open(InhibitKind.STOPPING, "the daemon is stopping", now=self.clock.now())
        self.closing.set()
        if self._loops:
            self._alarm.stop()
            self.supervisor.join(10.0)
            self._sweep.close()
            self._prober.close()
            self._retractor.close()
            self._teller.close()
            self._relays.close()
            self.guard.note_head()
        self._parsers.close()
        if self._lock is not None:
            self._lock.release()
        self.store.close()
