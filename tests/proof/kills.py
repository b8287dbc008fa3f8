"""
Kill the real daemon, again and again, and ask the oracle what came of it.

Each life is a busy day in a second: posts come due, somebody pauses (by the socket, by a flag, or
two newsrooms report), the seal is asked for, a human decides and resumes.  It ends by SIGKILL at a
named failpoint or at a random moment, and the next life begins on what it left.

    python -m tests.proof.kills --kills 2000 --seed 7
"""

from __future__ import annotations

import argparse
import contextlib
import random
import signal
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from killswitch.errors import KillswitchError, UnreachableError
from killswitch.failpoints import POINTS
from killswitch.flags import FlagDir
from tests.proof import oracle
from tests.proof.house import CHANNELS, House, Zygote
from tests.proof.platform import World

APART = {
    "flag.before_sync": "the command line writes the flag",
    "flag.after_sync": "the command line writes the flag",
    "migrate.after_backup": "needs a store of an older version",
    "notify.after_send": "needs an address, and a notifier in every life",
    "probe.after_answer": "needs a lost answer, and 15 s after it",
    "reap.after_commit": "needs a thread that is stuck for half a minute",
    "reap.before_commit": "needs a thread that is stuck for half a minute",
    "restore.after_aside": "a command while no daemon runs",
    "restore.after_copy": "a command while no daemon runs",
    "retract.after_answer": "needs somebody who wants a post down",
}
"""Points that no busy day passes, and why: ``test_kills_apart`` kills there."""
ON_A_DAY = tuple(sorted(POINTS.keys() - APART.keys()))

LIVES_A_HOUSE = 40
"""Then a fresh installation: a long history would slow each start."""
START_S = 40.0
"""Longest start: a second or two, but many on a loaded machine."""
LIFE_S = 8.0
"""A life that no failpoint has ended by then is killed all the same."""
POSTS_A_BATCH = 5


WAYS = {
    "grade": "story",
    "dismiss": "story",
    "trip": "story",
    "flag": "flag",
    "pause": "socket",
    "close": "nobody",
    "gate": "flag",
    "backup": "nobody",
    "act": "nobody",
}
"""How people pause where the point to reach asks for it; else by the dice."""
NEEDS_THE_NEWS = frozenset({"grade", "dismiss", "trip"})
"""Rooms whose points are passed only when the newsrooms' reports have opened a cause."""
ONCE = frozenset(
    {
        "gate.before_abort",
        "start.before_furnished",
        "start.after_recovery",
        "start.after_drain",
        "recover.before_commit",
        "recover.after_commit",
        "migrate.before_commit",
        "migrate.after_commit",
        "close.before_checkpoint",
    }
)
"""Points that a life passes once."""


class Dead(Exception):
    """The daemon is gone: this life is over."""


@dataclass
class Report:
    """What was seen, over all houses."""

    kills: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)
    published: int = 0
    accepted: int = 0
    windows: int = 0
    presses: Counter[str] = field(default_factory=Counter)
    states: Counter[str] = field(default_factory=Counter)
    recovery_s: list[float] = field(default_factory=list)
    missed: Counter[str] = field(default_factory=Counter)

    def add(self, other: Report) -> None:
        """Add what another lane saw."""
        for name in ("kills", "presses", "states", "missed"):
            getattr(self, name).update(getattr(other, name))
        self.wrong += other.wrong
        self.recovery_s += other.recovery_s
        self.published += other.published
        self.accepted += other.accepted
        self.windows += other.windows

    def lines(self) -> Iterator[str]:
        """Say it in words."""
        yield f"kills {self.kills.total()}, {len(self.kills)} kinds"
        yield f"points that a life did not reach: {dict(self.missed)}"
        yield f"posts accepted {self.accepted}, published {self.published}, {dict(self.states)}"
        yield f"presses {dict(self.presses)}, sealed windows {self.windows}"
        times = sorted(self.recovery_s)
        if times:
            yield (
                f"recovery to running or a named cause: p50 {at_share(times, 0.5):.2f} s, "
                f"p99 {at_share(times, 0.99):.2f} s, longest {times[-1]:.2f} s"
            )
        yield from (f"WRONG {line}" for line in self.wrong)
        yield "0 lost, 0 double, 0 published while sealed" if not self.wrong else "BROKEN"


def at_share(ordered: Sequence[float], share: float) -> float:
    """Return the value below which this share of an ordered list lies."""
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


class Trial:
    """One house and its many lives."""

    def __init__(
        self, house: House, world: World, dice: random.Random, report: Report, plan: Plan
    ) -> None:
        self.house = house
        self.world = world
        self.dice = dice
        self.report = report
        self.plan = plan
        self.accepted: set[str] = set()
        self.unsure: list[dict[str, Any]] = []
        self.told_sealed: set[str] = set()
        self._number = 0
        self._ends_s = 0.0
        self._goal = ""

    # -- one life --------------------------------------------------------------------------------

    def life(self, failpoint: str | None) -> None:
        """Live until the failpoint (or the random moment) ends it."""
        self._prepare(failpoint)
        started_s = time.monotonic()
        self._ends_s = started_s + START_S
        self._goal = failpoint or ""
        self.house.start(failpoints=self._armed(failpoint))
        killer = None
        if failpoint is None:
            killer = threading.Timer(self.dice.uniform(0.0, 2.5), self.house.kill_only)
            killer.start()
        with contextlib.suppress(Dead):
            self._wait_for(("running", "paused"))
            self.report.recovery_s.append(time.monotonic() - started_s)
            self._ends_s = time.monotonic() + LIFE_S
            while time.monotonic() < self._ends_s:
                self._day()
        if killer is not None:
            killer.cancel()
            killer.join()
        missed = failpoint is not None and self.house.lives()
        if failpoint is not None:
            self.plan.ended(failpoint, reached=not missed)
        if failpoint is not None and missed:
            self.report.missed[failpoint] += 1
            failpoint = None
        self.house.kill()
        self.report.kills[failpoint or "random"] += 1

    def _armed(self, failpoint: str | None) -> str:
        if failpoint is None:
            return ""
        first = failpoint in ONCE or self.report.missed[failpoint] > 0
        armed = f"{failpoint}=kill@{1 if first else self.dice.choice((1, 1, 2, 3))}"
        # The gate stands still after its intent: a flag that comes now is seen by the second look.
        return f"gate.after_intent=stop,{armed}" if failpoint == "gate.before_abort" else armed

    def _prepare(self, failpoint: str | None) -> None:
        """Leave behind what only a start of a certain kind meets."""
        if failpoint in {"recover.before_commit", "recover.after_commit"}:
            self.life("gate.after_answer")
        if failpoint in {"start.before_furnished", "migrate.before_commit", "migrate.after_commit"}:
            self.fresh()

    def _day(self) -> None:
        status = self._wait_for(("running", "paused"))
        if status["state"] == "paused":
            self._seal()
            self._human()
            self._wait_for(("running", "paused"))
        self._offer_again()
        if self._goal == "gate.before_abort":
            self._flag_before_a_stopped_gate()
        for _ in range(POSTS_A_BATCH):
            self._add()
        self._rest(self.dice.uniform(0.0, 0.25))
        self._press()
        self._add()
        self._seal()
        self._other_acts()

    # -- what people do --------------------------------------------------------------------------

    def _add(self) -> None:
        self._number += 1
        due = datetime.now(UTC) + timedelta(milliseconds=150)
        channels = self.dice.sample(CHANNELS, self.dice.choice((1, 1, 2)))
        # Only a body of several pieces can be cut within.
        length = 2000 if self._goal == "request.in_body" else 0
        post = {
            "text": f"Post {self._number} " + "and so on " * length,
            "at": due.isoformat(),
            "channels": channels,
            "key": f"k{self._number}",
        }
        self._offer(post)

    def _offer(self, post: dict[str, Any]) -> None:
        try:
            self.house.client.post("/queue", post, timeout_s=5)
        except UnreachableError:
            # Whether it was taken is not known: the next life is offered the same post again.
            self.unsure.append(post)
            self._check()
        except KillswitchError:
            self._check()
        else:
            self.accepted.add(post["key"])

    def _offer_again(self) -> None:
        again, self.unsure = self.unsure, []
        for post in again:
            self._offer(post)

    def _press(self) -> None:
        way = WAYS.get(self._goal.partition(".")[0]) or self.dice.choice(
            ("socket", "flag", "story", "nobody")
        )
        self.report.presses[way] += 1
        if way == "socket":
            body = {"reason": "by hand", "key": f"p{self.dice.getrandbits(60):x}"}
            self._ask("/pause", body)
        elif way == "flag":
            with contextlib.suppress(OSError):
                key = f"f{self.dice.getrandbits(60):x}"
                FlagDir(self.house.state).write("by flag", key, "lea", at=datetime.now(UTC))
        elif way == "story":
            self.world.tragedy()
            if self._goal.partition(".")[0] in NEEDS_THE_NEWS:
                self._wait_for(("paused",))
            else:
                self._rest(self.dice.uniform(0.0, 1.5))

    def _seal(self) -> None:
        try:
            receipt = self.house.client.get("/seal", query={"wait_s": 1.0}, timeout_s=5)
        except KillswitchError:
            self._check()
        else:
            if receipt["sealed"]:
                self.told_sealed.add(receipt["sealed_at"])

    def _human(self) -> None:
        """Release some of what is held, keep the rest, resume from what was seen."""
        try:
            held = self.house.client.get(
                "/queue", query={"state": "held", "limit": 20}, timeout_s=5
            )
        except KillswitchError:
            self._check()
            return
        chosen = [one["id"] for one in held["deliveries"] if self.dice.random() < 0.3]
        if chosen:
            self._ask("/queue/act", {"verb": "release", "ids": chosen})
        version = self.house.status().get("version", 0)
        if self._goal.startswith("dismiss"):
            self._ask("/dismiss", {"seen": version, "reason": "false alarm"})
            return
        self._ask("/resume", {"seen": version, "reason": "looked", "keep_held": True})

    def _other_acts(self) -> None:
        """Do what only some points ask for."""
        kind = self._goal.partition(".")[0]
        if kind == "import":
            self._import()
        if kind == "act":
            self._hold_and_release()
        if kind == "backup":
            self._ask("/backup", {"to": str(self.house.folder / f"copy{self._number}.db")})
        if kind == "close":
            self.house.signal(signal.SIGTERM)
            self.house.until(lambda: not self.house.lives(), what="the daemon has ended")
            raise Dead

    def _import(self) -> None:
        self._number += 1
        due = datetime.now(UTC) + timedelta(seconds=0.3)
        row = {"text": "A row", "at": due.isoformat(), "channels": ["one"], "line": 1}
        row["key"] = f"k{self._number}"
        try:
            batch = self.house.client.post("/imports", {"name": "rows"})["import"]
            self.house.client.post(f"/imports/{batch}/rows", {"rows": [row]})
            self.house.client.post(f"/imports/{batch}/commit")
        except KillswitchError:
            self._check()
        else:
            self.accepted.add(str(row["key"]))

    def _hold_and_release(self) -> None:
        """Plan two posts for later, hold both and let both go, in one act each."""
        ids = []
        for _ in range(2):
            self._number += 1
            post = {"text": "Later", "at": "+1h", "channels": ["one"], "key": f"k{self._number}"}
            try:
                ids += self.house.client.post("/queue", post, timeout_s=5)["ids"]
            except KillswitchError:
                self._check()
                return
            self.accepted.add(f"k{self._number}")
        for verb in ("hold", "release", "cancel"):
            self._ask("/queue/act", {"verb": verb, "ids": ids})

    def _flag_before_a_stopped_gate(self) -> None:
        """Let the gate stand still after its intent, raise a flag, and let it go on."""
        self._add()
        while not self.house.stands_still():
            self._rest(0.01)
        self._press()
        self.house.signal(signal.SIGCONT)

    def _ask(self, path: str, body: dict[str, Any]) -> None:
        """Ask for an act; a refusal is as good as a consent here, silence ends the life."""
        try:
            self.house.client.post(path, body, timeout_s=40, key=f"r{self.dice.getrandbits(60):x}")
        except KillswitchError:
            self._check()

    # -- watching --------------------------------------------------------------------------------

    def _check(self) -> None:
        if not self.house.lives() or time.monotonic() > self._ends_s:
            raise Dead

    def _rest(self, seconds: float) -> None:
        threading.Event().wait(seconds)
        self._check()

    def _wait_for(self, states: tuple[str, ...]) -> dict[str, Any]:
        while True:
            status = self.house.status()
            if status.get("state") in states:
                return status
            self._rest(0.01)

    # -- the end ---------------------------------------------------------------------------------

    def fresh(self) -> None:
        """Settle this store and begin with none, in the same house."""
        if self.accepted:
            self.settle()
        self.house.clear()
        self.accepted, self.unsure, self.told_sealed = set(), [], set()
        self.world.forget()

    def settle(self) -> None:
        """Live once more without faults, let all leave that may, then ask the oracle."""
        faults, self.world.faults = self.world.faults, 0.0
        self._goal = ""
        self._ends_s = time.monotonic() + 120.0
        self.house.start()
        while self._wait_for(("running", "paused"))["state"] == "paused":
            self._human()
        self._offer_again()
        self.house.until(lambda: not self._waiting(), what="all left that may leave")
        verified = self.house.client.get("/audit/verify")
        if not verified["ok"]:
            self.report.wrong.append(f"the audit trail: {verified}")
        self.house.stop()
        self._judge()
        self.world.faults = faults

    def _waiting(self) -> int:
        """Count what is due soon and has not left; what a life planned for later may stay."""
        soon = datetime.now(UTC) + timedelta(minutes=5)
        query = {"state": "scheduled,claimed,sending", "until": soon.isoformat()}
        try:
            return len(self.house.client.get("/queue", query=query)["deliveries"])
        except KillswitchError:
            return 1

    def _judge(self) -> None:
        truth = oracle.read_truth(self.house.state)
        ledger = [*self.world.ledger, *oracle.read_outbox(self.house.outbox)]
        self.report.wrong += oracle.judge(truth, ledger, accepted=self.accepted)
        self.report.wrong += oracle.judge_doubts(truth, excused=self.world.dropped)
        self.report.wrong += oracle.judge_receipts(truth, told=self.told_sealed)
        self.report.published += len(ledger)
        self.report.accepted += len(self.accepted)
        self.report.windows += len(oracle.windows(truth.audit))
        self.report.states.update(truth.states.values())


def run(
    *,
    seed: int,
    kills: int = 1_000_000,
    budget_s: float = float("inf"),
    least: int = 0,
    failpoints: Sequence[str] = (),
    side_by_side: int = 4,
) -> Report:
    """
    Kill ``kills`` times, or as often as fits the budget.

    Args:
        seed: The dice.
        kills: How many lives end at most.
        budget_s: No life is begun after this many seconds, if each point ended ``least`` lives.
        least: See ``budget_s``; past three budgets no life is begun all the same.
        failpoints: Where the lives end, the least reached first; every third ends at random.
        side_by_side: Houses at once: a start waits for its feeds more than it works.
    """
    began_s = time.monotonic()
    plan = Plan(failpoints or ON_A_DAY, random.Random(seed))
    left = threading.Semaphore(kills)

    def goes_on() -> bool:
        passed_s = time.monotonic() - began_s
        in_time = passed_s < budget_s or (passed_s < 3 * budget_s and plan.lacks(least))
        return in_time and left.acquire(blocking=False)

    with Zygote() as zygote, ThreadPoolExecutor(side_by_side) as pool:
        lanes = [
            pool.submit(_lane, zygote, random.Random(seed * 1000 + n), plan, goes_on)
            for n in range(side_by_side)
        ]
    whole = Report()
    for lane in lanes:
        whole.add(lane.result())
    return whole


def _lane(
    zygote: Zygote,
    dice: random.Random,
    plan: Plan,
    goes_on: Callable[[], bool],
) -> Report:
    """Live in one house after the other until all are killed or time is up."""
    report, more = Report(), goes_on()
    while more:
        with (
            tempfile.TemporaryDirectory(prefix="ks", dir="/tmp") as folder,
            World(dice) as world,
            House(Path(folder), world, zygote=zygote) as house,
        ):
            trial = Trial(house, world, dice, report, plan)
            for _ in range(LIVES_A_HOUSE):
                trial.life(plan.next())
                more = goes_on()
                if not more:
                    break
            trial.settle()
    return report


class Plan:
    """Which point comes next: the one that was reached least; every third life ends at random."""

    def __init__(self, points: Sequence[str], dice: random.Random) -> None:
        self._reached = dict.fromkeys(points, 0)
        self._given = dict.fromkeys(points, 0.0)
        self._lives = 0
        self._dice = dice
        self._lock = threading.Lock()

    def next(self) -> str | None:
        """Choose where the next life ends; None for a random moment."""
        with self._lock:
            self._lives += 1
            if self._lives % 3 == 0 and len(self._given) > 1:
                return None
            least = min(self._given.values())
            name = self._dice.choice([one for one, n in self._given.items() if n == least])
            self._given[name] += 1
            return name

    def ended(self, name: str, *, reached: bool) -> None:
        """Note how a life ended: a point that was not reached comes again soon, not for ever."""
        with self._lock:
            if name in self._reached:
                self._reached[name] += reached
                self._given[name] -= 0.0 if reached else 0.5

    def lacks(self, least: int) -> bool:
        """Say whether a point ended fewer than ``least`` lives."""
        with self._lock:
            return min(self._reached.values()) < least


def main() -> int:
    """Run it by hand and say what was seen."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--budget", type=float, default=float("inf"), help="seconds")
    parser.add_argument("--side-by-side", type=int, default=4)
    parser.add_argument("--failpoint", action="append", default=[])
    asked = parser.parse_args()
    began_s = time.monotonic()
    report = run(
        kills=asked.kills,
        seed=asked.seed,
        budget_s=asked.budget,
        failpoints=asked.failpoint,
        side_by_side=asked.side_by_side,
    )
    print(f"seed {asked.seed}, {time.monotonic() - began_s:.0f} s")  # noqa: T201 - a report
    print("\n".join(report.lines()))  # noqa: T201 - a report
    for name, number in sorted(report.kills.items()):
        print(f"  {number:5d}  {name}")  # noqa: T201 - a report
    return bool(report.wrong)


if __name__ == "__main__":
    sys.exit(main())
