"""
Ask a real daemon everything that its OpenAPI document allows, and much that it doesn't.

schemathesis makes the requests, in a process of its own; they go through a forwarder of bytes to
the daemon's socket, which reads what comes back for what must never leave. Meanwhile somebody
pauses with the real command. By hand:

  python -m tests.edge.openapi --seconds 600
"""

from __future__ import annotations

import argparse
import contextlib
import os
import re
import signal
import socket
import statistics
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic
from typing import Any, Self

from killswitch.control.client import Client
from tests.edge.house import ROOT, House, Newsroom, a_folder
from tests.edge.raw_server import RawServer

CANARY = "c4nary-0f-the-op3n-door"
PERSON = "lea"
LEAKS = (b"Traceback (most recent", b"site-packages", str(ROOT / "killswitch").encode())
"""What no answer holds: how we are built, where we lie."""
CHECKS = (
    "no_fault,roles_hold,status_code_conformance,content_type_conformance,"
    "response_headers_conformance,response_schema_conformance"
)
PAUSE_EACH_S = 0.5
PRESSES = 6
"""On the socket, for one by the command, which costs a second of a busy machine."""
GRACE_S = 60.0
"""schemathesis ends the request that it is in, and shrinks what it found."""


class Forwarder:
    """Carries bytes between a TCP port and a Unix socket; reads the answers as they pass."""

    def __init__(self, to: Path, *, never: tuple[bytes, ...]) -> None:
        self.statuses: Counter[int] = Counter()
        self.leaks: list[bytes] = []
        self._never = never
        self._most = max(len(one) for one in never)
        self._to = to
        self._lock = threading.Lock()
        self._threads: list[threading.Thread] = []
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.port = self._listener.getsockname()[1]

    def __enter__(self) -> Self:
        self._start(self._accept)
        return self

    def __exit__(self, *_: object) -> None:
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for thread in self._threads:
            thread.join(10)

    def _start(self, target: Callable[..., None], *args: object) -> threading.Thread:
        thread = threading.Thread(target=target, args=args, daemon=True)
        self._threads = [one for one in self._threads if one.is_alive()]
        self._threads.append(thread)
        thread.start()
        return thread

    def _accept(self) -> None:
        while True:
            try:
                ours, _ = self._listener.accept()
            except OSError:
                return
            self._start(self._carry, ours)

    def _carry(self, ours: socket.socket) -> None:
        """Carry one connection until one of its ends has closed it."""
        with ours, socket.socket(socket.AF_UNIX) as theirs:
            with contextlib.suppress(OSError):
                theirs.connect(str(self._to))
            up = threading.Thread(target=self._pump, args=(ours, theirs, False), daemon=True)
            up.start()
            self._pump(theirs, ours, True)
            up.join(10)

    def _pump(self, source: socket.socket, target: socket.socket, read: bool) -> None:
        tail = b""
        with contextlib.suppress(OSError):
            while piece := source.recv(65536):
                if read:
                    tail = self._read(tail, piece)
                target.sendall(piece)
        for end in (source, target):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def _read(self, tail: bytes, piece: bytes) -> bytes:
        seen = tail + piece
        with self._lock:
            if found := re.match(rb"HTTP/1.1 (\d+)", piece):
                self.statuses[int(found[1])] += 1
            self.leaks += [seen[-4000:] for one in self._never if one in seen]
        return seen[-self._most :]


@dataclass
class Report:
    """
    What came of it.

    Attributes:
        said: What schemathesis printed.
        code: Its exit code, 0 if all checks held.
        statuses: How often each HTTP status was answered.
        leaks: Answers that held what never leaves.
        acks_s: Seconds from a press to its "recorded", on the socket.
        pauses: Answers to ``killswitch pause``, each with its exit code and its seconds.
        chain: What ``audit verify`` said in the end.
        log: The daemon's log.
    """

    said: str = ""
    code: int = -1
    statuses: Counter[int] = field(default_factory=Counter)
    leaks: list[bytes] = field(default_factory=list)
    acks_s: list[float] = field(default_factory=list)
    pauses: list[tuple[int, Mapping[str, Any], float]] = field(default_factory=list)
    chain: int = -1
    log: str = ""

    def lines(self) -> list[str]:
        """Write the figures as people read them."""
        shares = " ".join(f"{status}: {count}" for status, count in sorted(self.statuses.items()))
        acks, commands = sorted(self.acks_s), sorted(took_s for _, _, took_s in self.pauses)
        return [
            f"{self.statuses.total()} answers ({shares}), {len(self.leaks)} with a leak",
            f"{len(acks)} pauses on the socket meanwhile: acknowledged after {_ms(acks)}",
            f"{len(commands)} by the command, its start and its seal included: {_ms(commands)}",
        ]


def _ms(sorted_s: list[float]) -> str:
    """Write times: the middle one and the longest."""
    if not sorted_s:
        return "none"
    return f"{1000 * statistics.median(sorted_s):.0f} ms (p50), {1000 * sorted_s[-1]:.0f} ms (max)"


def run(*, budget_s: float, seed: int) -> Report:
    """Let schemathesis ask for ``budget_s`` seconds; pause by the command meanwhile."""
    newsroom, report = Newsroom(), Report()
    with a_folder() as folder, RawServer(newsroom) as server:
        house = House(folder, server, settings=_more(server))
        with house:
            house.state_is("running")
            _live_a_little(house)
            never = (*LEAKS, CANARY.encode())
            with Forwarder(house.state_dir / "control.sock", never=never) as way:
                with _schemathesis(way.port, folder, budget_s, seed) as asking:
                    _pause_meanwhile(house, asking, report)
                report.said, report.code = (folder / "said.txt").read_text(), asking.returncode
            report.statuses, report.leaks = way.statuses, way.leaks
            report.chain = house.run("audit", "verify")[0]
            house.stop()
        report.log = house.log.read_text()
    return report


def _more(server: RawServer) -> str:
    """One person with every role, and a secret behind each door."""
    return (
        f'[[people]]\nname = "Lea"\nusers = ["{PERSON}"]\n'
        'roles = ["author", "approver", "resumer", "admin"]\n'
        f'[[relays]]\nname = "ads"\nurl = "{server.url}hook"\nsecret = "{CANARY}"\n'
        f'[notify]\nurls = ["json://u:{CANARY}@127.0.0.1:1/"]\n'
    )


def _live_a_little(house: House) -> None:
    """Posts, one of them out, and a pause with its incident: so that there is something to show."""
    house.add("Good morning", "now")
    house.add("Later", "+2d")
    house.run("pause", "a first one")


@contextlib.contextmanager
def _schemathesis(
    port: int, folder: Path, budget_s: float, seed: int
) -> Iterator[subprocess.Popen[bytes]]:
    command = [
        *(sys.executable, "-m", "schemathesis.cli", "run", "--no-color"),
        f"http://127.0.0.1:{port}/v1/openapi.json",
        *("--checks", CHECKS, "--seed", str(seed), "--max-time", str(int(budget_s))),
        *("--phases", "examples,coverage,fuzzing,stateful", "--continue-on-failure"),
        *("--generation-database", "none", "--request-timeout", "40", "--warnings", "off"),
    ]
    env = os.environ | {
        "PYTHONPATH": str(ROOT),
        "SCHEMATHESIS_HOOKS": "tests.edge.openapi_hooks",
        "KS_PERSON": PERSON,
        "KS_FOLDER": str(folder),
    }
    with (folder / "said.txt").open("wb") as said:
        asking = subprocess.Popen(
            command, cwd=folder, env=env, stdout=said, stderr=said, start_new_session=True
        )
    try:
        yield asking
        asking.wait(budget_s + GRACE_S)
    finally:
        if asking.poll() is None:
            os.killpg(asking.pid, signal.SIGKILL)
            asking.wait()


def _pause_meanwhile(house: House, asking: subprocess.Popen[bytes], report: Report) -> None:
    """Press on the socket itself and by the command, in turn, until schemathesis has ended."""
    client = Client(house.state_dir / "control.sock", said=PERSON)
    while asking.poll() is None:
        began_s = monotonic()
        code, said = house.run("pause", "meanwhile")
        report.pauses.append((code, said, monotonic() - began_s))
        for number in range(PRESSES):
            began_s = monotonic()
            said = client.post("/pause", {"reason": "meanwhile", "key": f"{began_s}-{number}"})
            assert said["accepted"], said
            report.acks_s.append(monotonic() - began_s)
            with contextlib.suppress(subprocess.TimeoutExpired):
                asking.wait(PAUSE_EACH_S)


def main() -> None:
    """Run by hand and print the figures."""
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("--seconds", type=float, default=600)
    asked.add_argument("--seed", type=int, default=1)
    args = asked.parse_args()
    report = run(budget_s=args.seconds, seed=args.seed)
    print(report.said)  # noqa: T201 - a tool for a terminal
    print("\n".join(report.lines()))  # noqa: T201 - as above


if __name__ == "__main__":
    main()
