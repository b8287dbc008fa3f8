"""
Worlds: one daemon's parts each on a database of its own, led through the same steps.

Ids come from the same dice and time from clocks that move alike, so that after each step the rows
of both databases are the same, or one of them does something else.

Threads are none: what the daemon hands to a pool happens at once. A named failpoint cuts the power
(``PowerCutError`` goes through everything, as a death does) or lets something happen in between.
"""

from __future__ import annotations

import contextlib
import json
import random
import re
import shutil
import signal
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from killswitch import failpoints
from killswitch.channels.frame import Deletion, Ending, Gone, Outcome, Request
from killswitch.clock import FakeClock
from killswitch.daemon.reaper import reap, recover
from killswitch.daemon.sweep import drop_staged
from killswitch.errors import OperatorError, TransientError
from killswitch.flagging import flag_causes
from killswitch.latch import CauseKind, InhibitKind
from killswitch.queue.rules import ChannelRules
from killswitch.queue.states import DeliveryState
from killswitch.store import decisions, deliveries, ids, news
from killswitch.store.engine import Store
from killswitch.store.latch import NewCause
from killswitch.store.schema import metadata, transitions
from killswitch.trip import Story, trip
from killswitch.wire import Caller, NewPost
from tests.daemon.bench import GOOD, LEA, NONE, SENT, Bench, FakeNetwork
from tests.unit.desk.house import CLASHING, a_story

KARIM = Caller(1001, 1001, 2, "karim", roles=frozenset({"resumer", "approver", "author"}))
PEOPLE = {"lea": LEA, "karim": KARIM}
GAP, LATE = timedelta(minutes=5), timedelta(minutes=15)
HARD_CAP = 3
LIMITS = {
    "insta": ChannelRules("insta", LATE, GAP, 0, 0),
    "log": ChannelRules("log", LATE, timedelta(0), 0, HARD_CAP),
}
ANSWERS = {
    Ending.SENT: SENT,
    Ending.UNSENT: Outcome(Ending.UNSENT, "refused"),
    Ending.UNCERTAIN: Outcome(Ending.UNCERTAIN, "reset"),
    Ending.FAILED: Outcome(Ending.FAILED, "HTTP 422"),
    Ending.WAITS: Outcome(Ending.WAITS, "HTTP 429", wait=timedelta(minutes=2)),
}
STORIES = {
    "s1": a_story("s1"),
    "s2": a_story("s2", title="Flood in Nantes", words=("nantes", "flood")),
}
TEXTS = ("Vive l'été !", CLASHING, "A weekend in Nantes")
LETS_OUT = ("release", "move", "edit")
# Longer than a request may last and its margin: the reaper has named it uncertain by then.
FAR_TOO_LONG = timedelta(seconds=26)
# A flag is known by its file: inode and time, which no two worlds share.
_FILE = re.compile(r"@\d+\.\d+")
_S = DeliveryState


class PowerCutError(BaseException):
    """The process ends here; nobody catches it."""


class Dice:
    """Stands in for ``secrets``: the same ids in each world."""

    def __init__(self) -> None:
        self._random = random.Random(7)

    def randbits(self, number: int) -> int:
        return self._random.getrandbits(number)


class AtOnce:
    """Stands in for a pool of threads: what it is handed has happened when it answers."""

    def submit(self, work: Callable[..., Any], *args: Any) -> Future[Any]:
        future: Future[Any] = Future()
        try:
            future.set_result(work(*args))
        except BaseException as error:  # noqa: BLE001 - as a thread keeps it
            future.set_exception(error)
        return future

    def shutdown(self, **_: Any) -> None:
        """Nothing runs."""


class FakeOs:
    """Stands in for ``os`` in the failpoints: a kill is a power cut, a stop is a pause to act."""

    def __init__(self, between: Callable[[], None]) -> None:
        self._between = between

    def getpid(self) -> int:
        return 0

    def kill(self, _pid: int, number: int) -> None:
        if number == signal.SIGKILL:
            raise PowerCutError
        self._between()


@dataclass
class Weather:
    """
    How a network answers the next requests.

    Attributes:
        ending: What it says.
        late: Only after the reaper has called the request uncertain.
        meanwhile: What a human says about the post until then.
        cut: The power is gone before the answer is recorded.
    """

    ending: Ending = Ending.SENT
    late: bool = False
    meanwhile: str = ""
    cut: bool = False


@dataclass
class World:
    """One daemon, its database, its network, and what a witness outside has seen."""

    name: str
    store: Store
    root: Path
    clock: FakeClock = field(default_factory=FakeClock)
    dice: Dice = field(default_factory=Dice)
    weather: Weather = field(default_factory=Weather)
    run: int = 1
    out: Counter[str] = field(default_factory=Counter)
    resends: Counter[str] = field(default_factory=Counter)
    may_go: set[str] = field(default_factory=set)
    begun: dict[str, dict[str, datetime]] = field(default_factory=dict)
    between: Callable[[World], None] | None = None
    acted_before_request: bool = False
    just_began: bool = False
    _armed: dict[str, tuple[str, int]] = field(default_factory=dict)
    _passed: Counter[str] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        self.root.mkdir(exist_ok=True)
        self.networks = {name: FakeNetwork(name) for name in LIMITS}
        for network in self.networks.values():
            network.answer = self.answer
            network.deleted = Deletion(Gone.DELETED, "HTTP 204")
        self.approve = False
        self.bench = self._a_bench()

    def _a_bench(self) -> Bench:
        made = Bench(
            self.store,
            self.root,
            clock=self.clock,
            limits=LIMITS,
            networks=self.networks,
            incarnation=self.run,
        )
        for room in (made.sweep, made.retractor.errands):
            room._pool.shutdown()
            room._pool = AtOnce()
        made.set(approve=self.approve)
        return made

    # -- steps -----------------------------------------------------------------------------------

    @contextlib.contextmanager
    def awake(self) -> Iterator[None]:
        """Let this world's dice, failpoints and hands be those of the process."""
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(ids, "secrets", self.dice)
            patch.setattr(failpoints, "os", FakeOs(self._act_between))
            patch.setattr(failpoints, "_ACTIONS", self._armed)
            patch.setattr(failpoints, "_PASSED", self._passed)
            yield

    def do(self, step: Callable[[World], Any]) -> Any:
        """Carry out one step; return what came of it, as it compares with other worlds."""
        self.just_began = False
        with self.awake():
            try:
                return self._said(step(self))
            except OperatorError as error:
                return ("refused", error.code, self._said(error.message))
            except TransientError as error:
                return ("busy", error.code)
            except PowerCutError:
                self._begin_anew()
                return "died"

    def _said(self, value: Any) -> Any:
        return json.loads(json.dumps(value, default=str).replace(str(self.root), "ROOT"))

    def _begin_anew(self) -> None:
        """Start the next run on what the last one left, as the daemon does."""
        while True:
            self.bench.close()
            self.run += 1
            self.bench = self._a_bench()
            try:
                with self.store.write() as conn:
                    self.bench.guard.check_high_water(conn, self.clock.now())
                    flag_causes(conn, self.bench.flags, now=self.clock.now())
                recover(self.store, incarnation=self.run, clock=self.clock)
                drop_staged(self.bench.context)
            except PowerCutError:
                continue
            self.just_began = True
            return

    def die(self) -> None:
        """Lose the power here and now."""
        raise PowerCutError

    def arm(self, point: str, action: str, nth: int = 1) -> None:
        """Ask for a fault at a failpoint, once."""
        self._armed.clear()
        self._passed.clear()
        self._armed[point] = (action, nth)

    def disarm(self) -> None:
        """Forget what was to go wrong and did not."""
        self._armed.clear()
        self.between = None

    def arm_between(self, point: str, happens: Callable[[World], Any]) -> None:
        """Let something happen when a gate is at this point."""
        self.arm(point, "stop")
        self.between = happens

    def stall(self) -> None:
        """Stand still until the reaper has called the request uncertain."""
        self.clock.move(FAR_TOO_LONG)
        reap(self.store, clock=self.clock)

    def _act_between(self) -> None:
        hook, self.between = self.between, None
        if hook is not None:
            self.acted_before_request = "gate.before_request" in self._armed
            self._armed.clear()
            hook(self)

    def raise_faults(self) -> None:
        """Bring what a thread of the daemon died of to whoever led it."""
        if self.bench.faults:
            raise self.bench.faults.pop(0)

    # -- what can happen -------------------------------------------------------------------------

    def add(self, *, minutes: int, channel: str, text: str, expires: int, by: str) -> Any:
        post = NewPost(
            text,
            f"+{minutes}m",
            (channel,),
            expires=f"+{minutes + expires}m" if expires else None,
        )
        document = self.bench.desk.queue_add(post, caller=PEOPLE[by])
        if not self.bench.latch().paused:
            self.may_go.update(document["ids"])
        return document

    def act(self, verb: str, one: str, *, by: str = "lea", **more: Any) -> Any:
        paused = self.bench.latch().paused
        document = self.bench.act(verb, one, caller=PEOPLE[by], **more)
        if verb in LETS_OUT and not paused:
            self.may_go.add(one)
        if verb == "resolve":
            self.resends[one] += not more["sent"]
        return document

    def claim(self, one: str) -> Any:
        delivery = self.bench.the(one)
        claimed = self.bench.sweep._claim(
            self.bench.context, delivery.channel, [delivery], self.clock.now()
        )
        return [(found.id, found.fence) for found in claimed]

    def wait_until_due(self, one: str) -> Any:
        """Let the time pass until a post is due, where it only waits for that."""
        delivery = self.bench.the(one)
        wait = delivery.next_at - self.clock.now()
        if delivery.state is _S.SCHEDULED and timedelta(0) < wait < timedelta(hours=3):
            self.clock.move(wait)
            self.bench.guard.step()
        return self.clock.now()

    def pass_gate(self, one: str, *, weather: Weather, stale: bool) -> Any:
        self.acted_before_request = False
        self.weather = weather
        fence = self.bench.the(one).fence - stale
        return self.bench.gate.send(one, fence=fence).value

    def weather_turns(self, ending: Ending) -> None:
        self.weather = Weather(ending)

    def let_pass(self, seconds: int) -> Any:
        self.clock.move(timedelta(seconds=seconds))
        return self.clock.now()

    def a_turn_of(self, part: str) -> Any:
        if part == "reaper":
            return reap(self.store, clock=self.clock)
        if part == "sweep":
            return self.turn()
        return self.bench.guard.step()

    def turn(self) -> Any:
        self.bench.guard.step()
        self.raise_faults()
        wanted = self.bench.sweep.pass_once()
        self.raise_faults()
        self.bench.take_down()
        self.raise_faults()
        return wanted

    def time_passes(self, seconds: int, turns: int) -> Any:
        for _ in range(turns):
            self.clock.move(timedelta(seconds=seconds / turns))
            self.turn()
        return self.clock.now()

    def press(self, key: str) -> Any:
        return self.bench.desk.pause("by hand", key=key, review_s=None, caller=LEA)

    def story_breaks(self, ref: str) -> Any:
        """An event breaks, as the grader writes it down."""
        story = STORIES[ref]
        row = {
            "id": story.id,
            "title": story.title,
            "state": str(story.state),
            "first_item_at": story.first_item_at,
            "last_item_at": story.last_item_at,
            "unconfirmed_at": None,
            "tripped_at": story.tripped_at,
            "body": story.to_json(),
        }
        about = Story(story.id, story.title, story.first_item_at)
        with self.store.write() as conn:
            news.save_stories(conn, [row])
            trip(
                conn,
                NewCause(CauseKind.STORY, story.id, story.title),
                now=self.clock.now(),
                story=about,
            )
        return ref

    def cause(self, kind: str) -> Any:
        with self.store.write() as conn:
            trip(conn, NewCause(CauseKind(kind), "r", kind), now=self.clock.now())
        return kind

    def flag(self, name: str) -> Any:
        (self.root / "pause.d" / name).touch()
        return name

    def unflag(self, name: str) -> Any:
        (self.root / "pause.d" / name).unlink(missing_ok=True)
        return name

    def inhibit(self, *, on: bool) -> Any:
        if on:
            self.bench.inhibits.open(InhibitKind.SIGHT, "wait", now=self.clock.now())
        else:
            self.bench.inhibits.lift(InhibitKind.SIGHT)
        return on

    def see(self, *, well: bool) -> Any:
        self.bench.sight = GOOD if well else NONE
        return well

    def resume(self, *, behind: int, keep: bool) -> Any:
        before = self.bench.latch()
        decided = self.decided_out()
        try:
            return self.bench.resume(before.version - behind, keep_held=keep)
        finally:
            if before.paused and not self.bench.latch().paused:
                self.may_go = decided

    def dismiss(self, *, behind: int) -> Any:
        before = self.bench.latch()
        held = set(self.now_in(_S.HELD, _S.SCHEDULED, _S.AWAITING_APPROVAL))
        try:
            return self.bench.desk.dismiss(before.version - behind, reason="no", caller=LEA)
        finally:
            if before.paused and not self.bench.latch().paused:
                self.may_go = held

    def rule(self, *, approve: bool) -> Any:
        self.approve = approve
        self.bench.set(approve=approve)
        return approve

    # -- the network, who judges every request ---------------------------------------------------

    def answer(self, request: Request) -> Outcome:
        """Judge a request by what holds at this moment, then answer as the weather is."""
        one = self.bench.the(request.delivery)
        self._judge(request)
        weather, self.weather = self.weather, replace(self.weather, late=False, cut=False)
        if weather.ending in {Ending.SENT, Ending.UNCERTAIN} or weather.cut:
            self.out[one.id] += 1
        if weather.ending in {Ending.SENT, Ending.UNCERTAIN, Ending.FAILED} or weather.cut:
            self.begun.setdefault(one.channel, {})[one.id] = self.clock.now()
        if weather.cut:
            raise PowerCutError
        if weather.late:
            self._be_late(one.id, weather.meanwhile)
        return ANSWERS[weather.ending]

    def _be_late(self, one: str, meanwhile: str) -> None:
        self.clock.move(FAR_TOO_LONG)
        assert reap(self.store, clock=self.clock) == 1
        if meanwhile == "resolve sent":
            self.act("resolve", one, sent=True)
        elif meanwhile:
            verb, *then = meanwhile.split()
            more = {"sent": False} if verb == "resolve" else {}
            self.act(verb, one, **more)
            for another in then:
                with contextlib.suppress(OperatorError):
                    self.act(another, one)

    def _judge(self, request: Request) -> None:
        now, bench = self.clock.now(), self.bench
        one, latch = bench.the(request.delivery), bench.latch()
        assert latch.sealed_at is None, "I2: a request began after the seal"
        assert one.state is _S.SENDING, "only what is being sent is on the wire"
        if not self.acted_before_request:
            assert not latch.paused, "I1: published while a cause was open"
            assert bench.flags.is_clear(), "I2: published under a flag"
            assert not bench.inhibits.any(), "I9: published under an inhibit"
        assert bench.sight.ok, "I9: published without sight"
        assert one.due_at <= now <= one.due_at + LATE, "I13: not at its time"
        assert one.expires_at is None or now < one.expires_at, "I13: expired"
        assert request.content.hash() == one.approved_hash == one.content_hash, "I12"
        assert self.out[one.id] <= self.resends[one.id], "I3: published twice"
        if latch.resumed_at and one.due_at < latch.resumed_at + bench.queue.lead:
            assert one.id in self.may_go, "I10: nobody let it out of the pause"
        others = [at for other, at in self.begun.get("insta", {}).items() if other != one.id]
        if one.channel == "insta" and others:
            assert now - max(others) >= GAP, "I10: a burst"

    # -- what is there ---------------------------------------------------------------------------

    def now_in(self, *states: DeliveryState) -> list[str]:
        with self.store.read() as conn:
            return [one.id for one in deliveries.in_state(conn, *states)]

    def decided_out(self) -> set[str]:
        with self.store.read() as conn:
            rows = decisions.all_of_held(conn)
        return {row.delivery for row in rows if row.kind in LETS_OUT}

    def rows(self) -> dict[str, list[dict[str, Any]]]:
        """Every row of the store, by table, in one order."""
        with self.store.read() as conn:
            return {
                table.name: sorted(
                    (dict(row._mapping) for row in conn.execute(sa.select(table))), key=_place
                )
                for table in metadata.sorted_tables
                if table is not transitions
            }

    def told(self) -> dict[str, list[str]]:
        """Every row as it compares with other worlds: all but the identity of a flag's file."""
        return {
            table: [_FILE.sub("@", json.dumps(_bare(row), default=str)) for row in rows]
            for table, rows in self.rows().items()
        }

    def close(self) -> None:
        self.bench.close()


def _bare(row: dict[str, Any]) -> dict[str, Any]:
    """Leave out the chain, which covers the identity of a flag's file."""
    return {key: value for key, value in row.items() if key not in {"hash", "prev"}}


def _place(row: dict[str, Any]) -> tuple[int, str]:
    keys = ("id", "key", "delivery", "queue", "kind", "ref", "notice", "channel", "name")
    return row.get("seq", 0), json.dumps([row.get(key) for key in keys], default=str)


def a_sqlite_world(template: Path, root: Path) -> World:
    root.mkdir()
    shutil.copy(template, root / "killswitch.db")
    return World("sqlite", Store(f"sqlite:///{root}/killswitch.db"), root)
