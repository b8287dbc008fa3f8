"""
A bench: the real store, desk, gate, sweep and guard, put together as the daemon does.

Only the edges are fake: the clock, the network behind a channel, and what the feeds show.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from killswitch.channels.frame import Deletion, Ending, Found, Gone, Outcome, Probe, Request
from killswitch.clock import FakeClock
from killswitch.daemon.guard import Guard
from killswitch.daemon.prober import Prober
from killswitch.daemon.retractor import Retractor
from killswitch.daemon.sweep import Left, Sweep
from killswitch.desk.context import Context, Hooks, Looked, QueuePolicy
from killswitch.desk.desk import Desk
from killswitch.flags import FlagDir
from killswitch.gate import LEASE_S, Gate
from killswitch.latch import CauseKind, InhibitKind, Inhibits, Latch
from killswitch.news.policy import DetectPolicy
from killswitch.outcome import Passage
from killswitch.queue.post import Content
from killswitch.queue.rules import ChannelRules
from killswitch.queue.states import DeliveryState
from killswitch.store import attempts, deliveries, holds
from killswitch.store import latch as latch_store
from killswitch.store.deliveries import Delivery
from killswitch.store.engine import Store
from killswitch.watch.rhythm import Sight
from killswitch.wire import Caller, QueueAct, QueueFilter

LEA = Caller(1000, 1000, 1, "lea", roles=frozenset({"resumer", "author", "admin"}))
GOOD = Sight(ok=True, alive=3, feeds=3, outlets_alive=3, dead=(), why="")
NONE = Sight(ok=False, alive=0, feeds=3, outlets_alive=0, dead=("a",), why="0 of 3 feeds answer")
SENT = Outcome(Ending.SENT, "HTTP 201", remote_id="r1")
QUIET = ChannelRules("insta", timedelta(minutes=15), timedelta(0), 0, 0)
_S = DeliveryState


class FakeNetwork:
    """A network that keeps what was published; what it answers is the test's to say."""

    kind = "fake"

    def __init__(self, name: str = "insta", *, repeat_safe: bool = False) -> None:
        self.name = name
        self.repeat_safe = repeat_safe
        self.published: list[tuple[datetime, str]] = []
        self.answer: Outcome | Callable[[Request], Outcome] = SENT
        self.can_probe = False
        self.looks: list[tuple[datetime, str]] = []
        self.looked: Probe | Callable[[Request], Probe] = Probe(Found.UNKNOWN, "HTTP 500")
        self.why_not: str | None = None
        self.deletions: list[tuple[datetime, str, str | None]] = []
        self.deleted: Deletion | Callable[[Request], Deletion] = Deletion(Gone.DELETED, "HTTP 204")
        self.clock: FakeClock | None = None

    def publish(self, request: Request, *, deadline_s: float) -> Outcome:
        assert self.clock is not None
        self.published.append((self.clock.now(), request.delivery))
        return self.answer(request) if callable(self.answer) else self.answer

    def problems(self, content: Content) -> list[str]:
        return []

    def probe(self, request: Request, *, deadline_s: float) -> Probe:
        assert self.clock is not None
        self.looks.append((self.clock.now(), request.delivery))
        return self.looked(request) if callable(self.looked) else self.looked

    def why_not_delete(self, remote_id: str | None) -> str | None:
        return self.why_not

    def delete(self, request: Request, *, remote_id: str | None, deadline_s: float) -> Deletion:
        assert self.clock is not None
        self.deletions.append((self.clock.now(), request.delivery, remote_id))
        return self.deleted(request) if callable(self.deleted) else self.deleted

    def check(self) -> str | None:
        return None

    def limits(self) -> Mapping[str, int | str | bool]:
        return {}


def ended(room: Prober | Retractor) -> None:
    """Wait until the calls that a room has started have ended."""
    for future in list(room.errands._busy.values()):
        future.result(timeout=10)


@dataclass
class Bench:
    """One daemon's parts on one store."""

    store: Store
    root: Path
    clock: FakeClock = field(default_factory=FakeClock)
    inhibits: Inhibits = field(default_factory=Inhibits)
    sight: Sight = GOOD
    standing: dict[CauseKind, str] = field(default_factory=dict)
    whole: bool = True
    limits: dict[str, ChannelRules] = field(default_factory=lambda: {"insta": QUIET})
    networks: dict[str, FakeNetwork] = field(default_factory=dict)
    mode: str = "live"
    queue: QueuePolicy = field(
        default_factory=lambda: QueuePolicy(
            release_gap=timedelta(minutes=15),
            lead=timedelta(minutes=30),
            stale_after=timedelta(hours=24),
            horizon=timedelta(days=30),
            horizon_tags={},
            confirm_within=timedelta(hours=72),
            approve=False,
        )
    )
    incarnation: int = 1
    beat_s: float | None = None
    addresses: bool = False
    on_look: Callable[[], None] = lambda: None
    look_problem: str = ""
    woken: int = 0
    forgotten: int = 0
    slept: int = 0

    def __post_init__(self) -> None:
        self.flags = FlagDir(self.root)
        self.flags.create()
        self.flags.fill_spares()
        for name in self.limits:
            self.networks.setdefault(name, FakeNetwork(name))
        for network in self.networks.values():
            network.clock = self.clock
        self.closing = threading.Event()
        self.faults: list[BaseException] = []
        self.context = self._context()
        self.desk = Desk(lambda: self.context)
        self.gate = self.a_gate()
        self.sweep = Sweep(
            lambda: self.context,
            lambda: self.gate,
            clock=self.clock,
            incarnation=self.incarnation,
            on_fault=self.faults.append,
            clock_is_steady=lambda now: self.guard.clock_is_steady(now),  # noqa: PLW0108 - the guard is made later
            clock_is_proven=lambda now: self.guard.clock_is_proven(now),  # noqa: PLW0108 - the guard is made later
        )
        self.prober = Prober(
            lambda: self.context,
            clock=self.clock,
            closing=self.closing,
            on_fault=self.faults.append,
        )
        self.retractor = Retractor(
            lambda: self.context,
            clock=self.clock,
            closing=self.closing,
            on_fault=self.faults.append,
        )
        self.guard = self.a_guard()

    def a_gate(self, **other: Any) -> Gate:
        parts = {
            "clock": self.clock,
            "flags": self.flags,
            "inhibits": self.inhibits,
            "clock_is_steady": lambda now: self.guard.clock_is_steady(now),  # noqa: PLW0108 - the guard is made later
            "sight_is_fresh": lambda: self.sight.ok,
            "channels": self.networks,
            "limits": self.limits,
            "content_is_whole": lambda one: self.whole,
            "incarnation": self.incarnation,
            "closing": self.closing,
        }
        return Gate(self.store, **(parts | other))  # type: ignore[arg-type] - parts by name

    def a_guard(self) -> Guard:
        return Guard(
            lambda: self.context,
            clock=self.clock,
            grader_beat_s=lambda: self.clock.monotonic_s() if self.beat_s is None else self.beat_s,
            has_addresses=lambda: self.addresses,
            judge_sight=lambda: None,
            refresh_unconfirmed=lambda now: None,
            keep_lock=lambda: None,
            on_suspend=self._on_suspend,
            carry_stories=lambda by, now: None,
        )

    def _on_suspend(self) -> None:
        """Do as the eyes do: what was read before does not count."""
        self.slept += 1
        self.inhibits.open(InhibitKind.SIGHT, "the machine was asleep", now=self.clock.now())

    def _context(self) -> Context:
        hooks = Hooks(
            wake=self._wake,
            look=self._look,
            sight=lambda: self.sight,
            feeds=list,
            standing=lambda: self.standing,
            forget_stories=self._forget,
            reload=list,
            test_notices=list,
            masked=str,
        )
        return Context(
            store=self.store,
            clock=self.clock,
            flags=self.flags,
            inhibits=self.inhibits,
            channels=self.networks,
            limits=self.limits,
            queue=self.queue,
            detect=DetectPolicy(),
            hooks=hooks,
            state_dir=self.root,
            zone=ZoneInfo("Europe/Paris"),
            language="en",
            mode=self.mode,
        )

    def set(self, **queue: Any) -> None:
        """Change the settings of the queue, as a reload does."""
        self.queue = replace(self.queue, **queue)
        self.context = self._context()

    def _wake(self) -> None:
        self.woken += 1

    def _look(self) -> Looked:
        self.on_look()
        if self.look_problem:
            return Looked(self.sight.feeds, ("lelac",), self.sight, self.look_problem)
        return Looked(self.sight.feeds, self.sight.dead, self.sight)

    def _forget(self) -> None:
        self.forgotten += 1

    # -- acts ------------------------------------------------------------------------------------

    def move(self, **by: float) -> None:
        self.clock.move(timedelta(**by))

    def turn(self) -> Left:
        """Sweep once and wait until all that was handed to the gate has ended."""
        wanted = self.sweep.pass_once()
        for future in list(self.sweep._busy.values()):
            future.result(timeout=10)
        return wanted

    def live(self, **by: float) -> None:
        """Let time pass in short steps, guard and sweep turning as in the daemon."""
        left = timedelta(**by)
        step = max(timedelta(seconds=1), left / 40)
        while left > timedelta(0):
            self.clock.move(min(step, left))
            left -= step
            self.guard.step()
            self.turn()

    def look(self) -> float | None:
        """Let the prober look once and wait until its looks have ended."""
        wait_s = self.prober.step()
        ended(self.prober)
        return wait_s

    def take_down(self) -> float | None:
        """Let the retractor ask once and wait for the answers."""
        wait_s = self.retractor.step()
        ended(self.retractor)
        return wait_s

    def close(self) -> None:
        """End every thread."""
        self.closing.set()
        self.sweep.close()
        self.prober.close()
        self.retractor.close()

    def pause(self, reason: str = "by hand", key: str = "k1") -> int:
        document = self.desk.pause(reason, key=key, review_s=None, caller=LEA)
        assert document["version"] is not None
        return document["version"]

    def resume(self, seen: int | None = None, *, keep_held: bool = False) -> Any:
        version = self.latch().version if seen is None else seen
        return self.desk.resume(version, reason="seen", keep_held=keep_held, caller=LEA)

    def act(self, verb: str, *ids: str, caller: Caller = LEA, **more: Any) -> Any:
        return self.desk.queue_act(
            QueueAct(verb=verb, ids=tuple(ids), chosen=None, **more), caller=caller
        )

    def everything(self) -> QueueFilter:
        return QueueFilter()

    def claim(self, delivery: str, *, lease_s: float = LEASE_S, owner: int | None = None) -> int:
        """Claim as the sweep does; return the fence."""
        with self.store.write() as conn:
            one = deliveries.get(conn, delivery, lock=True)
            assert one is not None
            values = {
                "fence": one.fence + 1,
                "owner": self.incarnation if owner is None else owner,
                "lease_until_s": self.clock.boot_s() + lease_s,
            }
            now = self.clock.now()
            assert deliveries.move(conn, one, _S.CLAIMED, why="due", now=now, values=values)
        return one.fence + 1

    def send(self, delivery: str, **claim: Any) -> Passage:
        return self.gate.send(delivery, fence=self.claim(delivery, **claim))

    # -- what is there ---------------------------------------------------------------------------

    def latch(self) -> Latch:
        with self.store.read() as conn:
            return latch_store.read(conn)

    def kinds(self) -> list[str]:
        return [cause.kind.value for cause in self.latch().causes]

    def the(self, delivery: str) -> Delivery:
        with self.store.read() as conn:
            found = deliveries.get(conn, delivery)
        assert found is not None
        return found

    def state(self, delivery: str) -> str:
        return self.the(delivery).state.value

    def holds(self, delivery: str) -> list[str]:
        with self.store.read() as conn:
            return [row.kind for row in holds.holds_of(conn, [delivery])[delivery]]

    def tries(self, delivery: str) -> list[str]:
        with self.store.read() as conn:
            return [row.outcome for row in attempts.of_delivery(conn, delivery)]

    def published(self, name: str = "insta") -> list[str]:
        return [delivery for _, delivery in self.networks[name].published]
