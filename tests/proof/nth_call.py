"""
Let the n-th system call fail, once and from then on, for n = 1, 2, 3, … until a run is clean.

The real daemon runs under ``strace``, which answers a chosen call with an error (counted for each
thread). It lives through a short day: posts come due, somebody presses ``killswitch pause``, a
human resumes. Then a healthy daemon starts on what is left and the oracle is asked.  Nothing may
hang, nothing wrong may be sent, and a fault that stays must be told.

    python -m tests.proof.nth_call --every 1 --call sync --call write
"""

from __future__ import annotations

import argparse
import contextlib
import json
import random
import shutil
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from killswitch.errors import KillswitchError
from tests.proof import oracle
from tests.proof.house import CHANNELS, House, Zygote
from tests.proof.platform import World

SETTLED_S = 60.0
"""How long a healthy daemon may take to send what is left, on a loaded machine."""
ANSWERS_S = 40.0
"""A daemon that neither answers nor ends within this hangs."""
DAY = timedelta(days=1)
MOST = 400
"""A thread that makes so many calls of a kind in a short day is not counted further."""


@dataclass(frozen=True, slots=True)
class Call:
    """One kind of call: the system calls, the error, and the files that it is about."""

    names: str
    error: str
    files: tuple[str, ...] = ()


STORE = ("killswitch.db", "killswitch.db-wal")
CALLS = {
    "write": Call("pwrite64,write", "EIO", STORE),
    "full": Call("pwrite64,write", "ENOSPC", STORE),
    "sync": Call("fsync,fdatasync", "EIO"),
    "rename": Call("rename,renameat,renameat2,unlink", "EIO"),
    "connect": Call("connect", "ECONNREFUSED"),
    "send": Call("sendto", "ECONNRESET"),
    "receive": Call("recvfrom", "ECONNRESET"),
    "descriptor": Call("openat,socket,accept4", "EMFILE"),
}


MUTING = frozenset({"send", "receive", "descriptor", "full"})
"""Calls without which no daemon can answer on its socket: its log must speak then."""


@dataclass
class Report:
    """What was seen."""

    runs: Counter[str] = field(default_factory=Counter)
    injected: int = 0
    clean: Counter[str] = field(default_factory=Counter)
    ended: int = 0
    presses: Counter[int] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)

    def lines(self) -> Iterator[str]:
        """Say it in words."""
        yield f"runs {self.runs.total()} {dict(self.runs)}; with a fault {self.injected}"
        yield f"first clean run at n {dict(self.clean)}"
        yield f"daemons that ended by the fault {self.ended}"
        yield f"exit codes of killswitch pause {dict(sorted(self.presses.items()))}"
        yield from (f"WRONG {line}" for line in self.wrong)
        yield "no hang, nothing wrong sent, all told" if not self.wrong else "BROKEN"


class Day:
    """One run with one fault."""

    def __init__(
        self, name: str, n: int, *, stays: bool, folder: Path, world: World, zygote: Zygote
    ) -> None:
        self.name = f"{name} {n}{'+' if stays else ''}"
        self.mute = stays and name in MUTING
        self.stays = stays
        self.world = world
        self.house = House(folder, world, zygote=zygote)
        self.trace = folder / "strace.log"
        self.accepted: set[str] = set()
        self.sealed: tuple[datetime, datetime | None, frozenset[str]] | None = None
        self.wrong: list[str] = []
        self.code = -1
        call = CALLS[name]
        files = [word for one in call.files for word in ("-P", str(self.house.state / one))]
        self._wrapper = [
            "strace", "-f", "-qq", "--seccomp-bpf", "-o", str(self.trace), *files,
            "-e", f"trace={call.names}",
            "-e", f"inject={call.names}:error={call.error}:when={n}{'+' if stays else ''}",
        ]  # fmt: skip

    def live(self) -> None:
        """Run the day, then let a healthy daemon and the oracle look at it."""
        with self.house:
            self._start_whole()
            self.house.start(wrapper=self._wrapper)
            self._await_answer()
            for number in range(3):
                self._add(number)
            self._rest(1.0)
            self._press()
            self._add(3)
            self._resume()
            self._add(4)
            self._rest(1.0)
            self._must_be_told()
            self.ended = not self.house.lives()
            self.house.kill()
            self.injected = "INJECTED" in self.trace.read_text(errors="replace")
            self._settle()

    def _start_whole(self) -> None:
        """Make the store first: what is tried here is a day, not the first start."""
        self.house.start()
        self.house.until(lambda: self.house.status().get("state") == "running", what="running")
        self.house.kill()

    def _await_answer(self) -> None:
        ends_s = time.monotonic() + ANSWERS_S
        while self.house.lives() and not self.house.status():
            if self.mute and self._told():
                return  # its own socket is what fails: it says so in its log
            if time.monotonic() > ends_s:
                self.wrong.append(f"{self.name}: neither answers nor ends\n{self.house.tail()}")
                return
            threading.Event().wait(0.05)

    def _add(self, number: int) -> None:
        due = datetime.now(UTC) + timedelta(milliseconds=300)
        key, channel = f"k{number}", CHANNELS[number % len(CHANNELS)]
        post = {"text": key, "at": due.isoformat(), "channels": [channel], "key": key}
        try:
            self.house.client.post("/queue", post, timeout_s=10)
        except KillswitchError:
            return
        self.accepted.add(key)

    def _press(self) -> None:
        done = self.house.command("pause", "a fault")
        self.code = done.returncode
        if done.returncode not in {0, 1, 6}:
            self.wrong.append(f"{self.name}: pause ended {done.returncode}: {done.stderr}")
        if done.returncode == 0:
            receipt = json.loads(done.stdout)
            named = frozenset(receipt["uncertain"])
            self.sealed = (datetime.now(UTC), None, named)

    def _resume(self) -> None:
        asked_at = datetime.now(UTC)
        version = self.house.status().get("version")
        if version is None:
            return
        if self.sealed:
            # An answer that is lost may be that of a resume which was done.
            self.sealed = (self.sealed[0], asked_at, self.sealed[2])
        body: dict[str, Any] = {"seen": version, "reason": "looked", "keep_held": True}
        with contextlib.suppress(KillswitchError):
            self.house.client.post("/resume", body, timeout_s=45)

    def _must_be_told(self) -> None:
        """A fault that stays is in the log, on the screen, or the daemon has ended over it."""
        if not self.stays or not self.house.lives():
            return
        if not self._told() and self.house.status().get("state") == "running" and self._hurts():
            self.wrong.append(f"{self.name}: nobody is told")

    def _hurts(self) -> bool:
        """Say whether a call failed that matters: the C library asks for nscd and does without."""
        lines = self.trace.read_text(errors="replace").splitlines()
        return any("INJECTED" in line and "nscd" not in line for line in lines)

    def _told(self) -> bool:
        """Say whether the log tells of anything out of order."""
        log = self.house.log.read_text(errors="replace")
        # The event loop tells of a call of its own in its own words.
        signs = ('"level": "warning"', '"level": "error"', '"level": "critical"', "Traceback")
        return any(sign in log for sign in signs)

    def _rest(self, seconds: float) -> None:
        threading.Event().wait(seconds)

    def _settle(self) -> None:
        self.house.start()
        self.house.until(
            lambda: self.house.status().get("state") in {"running", "paused"},
            what="a healthy start",
            within_s=SETTLED_S,
        )
        self.house.stop()
        truth = oracle.read_truth(self.house.state)
        ledger = [*self.world.ledger, *oracle.read_outbox(self.house.outbox)]
        found = oracle.judge(truth, ledger, accepted=self.accepted)
        if self.sealed:
            began, until, named = self.sealed
            found += [
                f"pause said sealed, and {one.delivery} left at {one.at}"
                for one in ledger
                if began < one.at
                and (until is None or one.at < until)
                and one.delivery not in named
            ]
        self.wrong += [f"{self.name}: {line}" for line in found]


def run(
    *,
    seed: int,
    budget_s: float = float("inf"),
    every: int = 0,
    calls: Sequence[str] = tuple(CALLS),
    side_by_side: int = 3,
) -> Report:
    """
    Let calls fail, one a run.

    Args:
        seed: The dice of the world.
        budget_s: No run is begun after this many seconds.
        every: Step of n; 0 for steps that grow by half (1, 2, 3, 4, 6, 9, 13, …).
        calls: Kinds of ``CALLS``.
        side_by_side: Runs at once.
    """
    report, lock, ends_s = Report(), threading.Lock(), time.monotonic() + budget_s

    def lane(name: str, *, stays: bool) -> None:
        n = 1
        while n <= MOST and time.monotonic() < ends_s:
            day = _day(name, n, stays=stays, seed=seed, zygote=zygote)
            with lock:
                report.runs[name] += 1
                report.injected += day.injected
                report.ended += day.ended
                report.presses[day.code] += 1
                report.wrong += day.wrong
            if not day.injected:
                with lock:
                    report.clean[f"{name}{'+' if stays else ''}"] = n
                return
            n += every or max(1, n // 2)

    with Zygote() as zygote, ThreadPoolExecutor(side_by_side) as pool:
        kinds = [(name, stays) for name in calls for stays in (False, True)]
        random.Random(seed).shuffle(kinds)
        for done in [pool.submit(lane, name, stays=stays) for name, stays in kinds]:
            done.result()
    return report


def _day(name: str, n: int, *, stays: bool, seed: int, zygote: Zygote) -> Day:
    with (
        tempfile.TemporaryDirectory(prefix="ks", dir="/tmp") as folder,
        World(random.Random(seed + n), faults=0.0) as world,
    ):
        day = Day(name, n, stays=stays, folder=Path(folder), world=world, zygote=zygote)
        day.live()
        return day


def can_trace() -> bool:
    """Say whether this machine has ``strace``."""
    return shutil.which("strace") is not None


def main() -> int:
    """Run it by hand and say what was seen."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--every", type=int, default=0)
    parser.add_argument("--budget", type=float, default=float("inf"))
    parser.add_argument("--call", action="append", choices=list(CALLS), default=[])
    parser.add_argument("--side-by-side", type=int, default=3)
    asked = parser.parse_args()
    report = run(
        seed=asked.seed,
        every=asked.every,
        budget_s=asked.budget,
        calls=asked.call or tuple(CALLS),
        side_by_side=asked.side_by_side,
    )
    print("\n".join(report.lines()))  # noqa: T201 - a report
    return bool(report.wrong)


if __name__ == "__main__":
    sys.exit(main())
