"""
Race a pause against the instant at which posts are due, thousands of times.

Each lap: a post is due on each network at T, somebody pauses within 5 ms of T (by the socket, by a
flag; the newsrooms' reports race against a row of posts, one due every 10 ms), the seal is waited
for, a human resumes.  The oracle then looks whether anything left after it was sealed.

    python -m tests.proof.races --laps 10000 --seed 7
"""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from killswitch.errors import KillswitchError, UsageError
from killswitch.flags import FlagDir
from tests.proof import oracle
from tests.proof.house import NETWORKS, PATIENCE_S, House, Zygote
from tests.proof.kills import at_share
from tests.proof.platform import World

CLOSE_S = 0.005
"""A press so near to the due instant is a race; what the machine made later is only counted."""
AHEAD_S = 0.2
"""From taking the posts to their due instant: what a busy daemon needs to see them coming."""
NEWS_S = 1.3
"""The feeds are read once a second: a report is seen within this."""
LAPS_A_HOUSE = 400


@dataclass
class Report:
    """What was seen, over all lanes."""

    laps: Counter[str] = field(default_factory=Counter)
    close: int = 0
    went: int = 0
    held: int = 0
    published: int = 0
    windows: int = 0
    accepted_s: list[float] = field(default_factory=list)
    sealed_s: list[float] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)

    def add(self, other: Report) -> None:
        """Add what another lane saw."""
        self.laps.update(other.laps)
        for name in ("close", "went", "held", "published", "windows"):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        self.accepted_s += other.accepted_s
        self.sealed_s += other.sealed_s
        self.wrong += other.wrong

    def lines(self) -> Iterator[str]:
        """Say it in words."""
        yield f"laps {self.laps.total()} {dict(self.laps)}, {self.close} pressed within 5 ms of due"
        yield f"published {self.published}; in the laps {self.went} went, {self.held} were stopped"
        yield f"sealed windows {self.windows}"
        for what, times in (("accepted", self.accepted_s), ("sealed", self.sealed_s)):
            if ordered := sorted(times):
                yield (
                    f"{what} after {at_share(ordered, 0.5) * 1000:.0f} ms p50, "
                    f"{at_share(ordered, 0.99) * 1000:.0f} ms p99, {ordered[-1] * 1000:.0f} ms most"
                )
        yield from (f"WRONG {line}" for line in self.wrong)
        yield "0 published after sealed" if not self.wrong else "BROKEN"


class Race:
    """One house in which laps are run."""

    def __init__(self, house: House, world: World, dice: random.Random, report: Report) -> None:
        self.house = house
        self.world = world
        self.dice = dice
        self.report = report
        self.accepted: set[str] = set()
        self._number = 0

    def lap(self) -> None:
        """Race once."""
        way = self.dice.choice(("socket", "socket", "flag", "flag", "detector"))
        self.report.laps[way] += 1
        began = len(self.world.ledger)
        news = way == "detector"
        posts = self._against_the_news() if news else self._against_a_press(way)
        went = len(self.world.ledger) - began
        self.report.went += went
        self.report.held += posts - went
        self._resume()

    def _against_a_press(self, way: str) -> int:
        due = datetime.now(UTC) + timedelta(seconds=AHEAD_S)
        posts = sum(self._add(due, network) for network in NETWORKS)
        at = due + timedelta(seconds=self.dice.uniform(-CLOSE_S, CLOSE_S))
        _wait_until(at)
        began_s = time.monotonic()
        late_s = abs((datetime.now(UTC) - due).total_seconds())
        self.report.close += late_s <= CLOSE_S
        key = f"p{self.dice.getrandbits(60):x}"
        if way == "socket":
            self.house.client.post("/pause", {"reason": "race", "key": key}, timeout_s=5)
        else:
            FlagDir(self.house.state).write("race", key, "lea", at=datetime.now(UTC))
        self.report.accepted_s.append(time.monotonic() - began_s)
        self._until_sealed()
        self.report.sealed_s.append(time.monotonic() - began_s)
        return posts

    def _against_the_news(self) -> int:
        now = datetime.now(UTC) + timedelta(seconds=AHEAD_S)
        steps = int(NEWS_S / 0.01)
        rows = [
            {
                "line": n + 1,
                "text": f"Row {self._number}.{n}",
                "at": (now + timedelta(seconds=0.3 + n * 0.01)).isoformat(),
                "channels": [NETWORKS[n % len(NETWORKS)]],
                "key": f"n{self._number}.{n}",
            }
            for n in range(steps)
        ]
        self._number += 1
        batch = self.house.client.post("/imports", {"name": "row"})["import"]
        self.house.client.post(f"/imports/{batch}/rows", {"rows": rows})
        try:
            self.house.client.post(f"/imports/{batch}/commit")
        except UsageError:
            # A machine that is too slow for the first due instants: nothing was added, no race.
            self.report.laps["too slow"] += 1
            return 0
        self.accepted.update(str(row["key"]) for row in rows)
        self.world.tragedy()
        self._until_sealed()
        return steps

    def _add(self, due: datetime, network: str) -> bool:
        """Offer a post; a machine that is too slow for its due instant refuses it."""
        self._number += 1
        key = f"k{self._number}"
        post = {"text": key, "at": due.isoformat(), "channels": [network], "key": key}
        try:
            self.house.client.post("/queue", post, timeout_s=PATIENCE_S)
        except UsageError:
            return False
        self.accepted.add(key)
        return True

    def _until_sealed(self) -> None:
        def sealed() -> bool:
            receipt = self.house.client.get("/seal", query={"wait_s": 1.0}, timeout_s=5)
            return bool(receipt["sealed"])

        self.house.until(sealed, what="sealed")

    def _resume(self) -> None:
        self.house.until(self._resumed, what="resumed and running")

    def _resumed(self) -> bool:
        status = self.house.status()
        if status.get("state") == "running":
            return True
        body: dict[str, Any] = {
            "seen": status.get("version", 0),
            "reason": "lap",
            "keep_held": True,
        }
        try:
            self.house.client.post("/resume", body, timeout_s=PATIENCE_S)
        except KillswitchError:
            return False
        return self.house.status().get("state") == "running"

    def judge(self) -> None:
        """Ask the oracle what left when."""
        self.house.stop()
        truth = oracle.read_truth(self.house.state)
        self.report.wrong += oracle.judge(truth, self.world.ledger, accepted=self.accepted)
        self.report.published += len(self.world.ledger)
        self.report.windows += len(oracle.windows(truth.audit))


def _wait_until(at: datetime) -> None:
    """Sleep to just before, then watch the clock: a sleeper wakes too late for a race."""
    left = (at - datetime.now(UTC)).total_seconds()
    threading.Event().wait(max(0.0, left - 0.003))
    while datetime.now(UTC) < at:
        pass


def run(
    *, seed: int, laps: int = 1_000_000, budget_s: float = float("inf"), side_by_side: int = 3
) -> Report:
    """Run ``laps`` laps, or as many as fit the budget in seconds."""
    ends_s = time.monotonic() + budget_s
    left = threading.Semaphore(laps)
    with Zygote() as zygote, ThreadPoolExecutor(side_by_side) as pool:
        lanes = [
            pool.submit(_lane, zygote, random.Random(seed * 1000 + n), left, ends_s)
            for n in range(side_by_side)
        ]
    whole = Report()
    for lane in lanes:
        whole.add(lane.result())
    return whole


def _lane(zygote: Zygote, dice: random.Random, left: threading.Semaphore, ends_s: float) -> Report:
    report, goes_on = Report(), True
    while goes_on and left.acquire(blocking=False):
        with (
            tempfile.TemporaryDirectory(prefix="ks", dir="/tmp") as folder,
            World(dice, faults=0.0) as world,
            House(Path(folder), world, zygote=zygote) as house,
        ):
            house.start()
            race = Race(house, world, dice, report)
            house.until(lambda: house.status().get("state") == "running", what="running")
            race.lap()
            for _ in range(LAPS_A_HOUSE):
                goes_on = time.monotonic() < ends_s and left.acquire(blocking=False)
                if not goes_on:
                    break
                race.lap()
            race.judge()
    return report


def main() -> int:
    """Run it by hand and say what was seen."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--laps", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--budget", type=float, default=float("inf"), help="seconds")
    parser.add_argument("--side-by-side", type=int, default=3)
    asked = parser.parse_args()
    began_s = time.monotonic()
    report = run(
        laps=asked.laps,
        seed=asked.seed,
        budget_s=asked.budget,
        side_by_side=asked.side_by_side,
    )
    print(f"seed {asked.seed}, {time.monotonic() - began_s:.0f} s")  # noqa: T201 - a report
    print("\n".join(report.lines()))  # noqa: T201 - a report
    return bool(report.wrong)


if __name__ == "__main__":
    sys.exit(main())
