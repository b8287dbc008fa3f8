"""One installation in a folder of its own: its configuration, its daemon, the way to talk to it."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Self

from killswitch.control.client import Client
from killswitch.errors import KillswitchError
from tests.proof.platform import OUTLETS, World

ROOT = Path(__file__).parents[2]
NETWORKS = ("one", "two")
"""Two webhooks and one file: three posts may be on the wire at once."""
CHANNELS = (*NETWORKS, "outbox")
PATIENCE_S = 40.0


class Zygote:
    """The process that forks daemons (``tests.proof.zygote``)."""

    def __enter__(self) -> Self:
        self._one_at_a_time = threading.Lock()
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.proof.zygote"],
            cwd=ROOT,
            env=_environment({}),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        return self

    def __exit__(self, *_: object) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait(PATIENCE_S)
        assert self._process.stdout is not None
        self._process.stdout.close()

    def fork(self, argv: list[str], *, log: Path, env: Mapping[str, str]) -> int:
        """Start one daemon; return its process id, which is also its group's."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        asked = {"argv": argv, "log": str(log), "env": dict(env)}
        with self._one_at_a_time:
            self._process.stdin.write(json.dumps(asked) + "\n")
            self._process.stdin.flush()
            return int(json.loads(self._process.stdout.readline())["pid"])


def _environment(more: Mapping[str, str]) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("KILLSWITCH_")}
    return {**kept, "PYTHONPATH": str(ROOT), **more}


class House:
    """A folder with one installation; its daemon lives and dies many times."""

    def __init__(
        self, folder: Path, world: World, *, more: str = "", zygote: Zygote | None = None
    ) -> None:
        self.folder = folder
        self.state = folder / "state"
        self.config = folder / "killswitch.toml"
        self.log = folder / "daemon.log"
        self.outbox = folder / "outbox.jsonl"
        self.client = Client(self.state / "control.sock", said="lea")
        self.pid = 0
        self._zygote = zygote
        self._own: subprocess.Popen[bytes] | None = None
        self.config.write_text(_configuration(self, world, more))

    def start(self, *, failpoints: str = "", wrapper: Sequence[str] = ()) -> None:
        """Start the daemon, perhaps inside a program that harms it; it may die at once."""
        argv = ["--config", str(self.config), "run"]
        env = {"KILLSWITCH_FAILPOINTS": failpoints}
        if self._zygote is not None and not wrapper:
            self.pid = self._zygote.fork(argv, log=self.log, env=env)
            return
        with self.log.open("ab") as log:
            self._own = subprocess.Popen(
                [*wrapper, sys.executable, "-m", "killswitch", *argv],
                cwd=self.folder,
                env=_environment(env),
                stdout=log,
                stderr=log,
                stdin=subprocess.DEVNULL,
                start_new_session=True,
            )
        self.pid = self._own.pid

    def lives(self) -> bool:
        """Say whether the daemon's process is there."""
        if self._own is not None:
            return self._own.poll() is None
        return self.pid != 0 and Path(f"/proc/{self.pid}").exists()

    def stands_still(self) -> bool:
        """Say whether the daemon was stopped by a signal (``proc(5)``: state T)."""
        with contextlib.suppress(OSError):
            stat = Path(f"/proc/{self.pid}/stat").read_text()
            return stat.rpartition(")")[2].split()[0] == "T"
        return False

    def clear(self) -> None:
        """Forget the store and all that was sent to the file."""
        shutil.rmtree(self.state, ignore_errors=True)
        self.outbox.unlink(missing_ok=True)

    def signal(self, number: int) -> None:
        """Send the daemon a signal."""
        os.kill(self.pid, number)

    def kill_only(self) -> None:
        """Kill the daemon from another thread, wherever it is."""
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGKILL)

    def kill(self) -> None:
        """End the daemon and its children at once, as a power cut does."""
        if not self.pid:
            return
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)
        if self._own is not None:
            self._own.wait(PATIENCE_S)
            self._own = None
        self.until(lambda: not self.lives(), what="the daemon is dead")
        self.pid = 0

    def stop(self) -> None:
        """Ask the daemon to end, as a service manager does."""
        self.signal(signal.SIGTERM)
        self.until(lambda: not self.lives(), what="the daemon has ended")
        self._own, self.pid = None, 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()

    def until(
        self, condition: Callable[[], object], *, what: str, within_s: float = PATIENCE_S
    ) -> None:
        """Look again and again until it is so."""
        never, ends_s = threading.Event(), time.monotonic() + within_s
        while not condition():
            if time.monotonic() > ends_s:
                raise AssertionError(f"never: {what}\n{self.tail()}")
            never.wait(0.01)

    def tail(self) -> str:
        """Return the end of the daemon's log."""
        return self.log.read_text(errors="replace")[-3000:] if self.log.exists() else "(no log)"

    def status(self) -> dict[str, Any]:
        """Ask for the status; empty where nobody answers."""
        try:
            found: dict[str, Any] = self.client.get("/status", timeout_s=5)
        except KillswitchError:
            return {}
        return found

    def environment(self, *, failpoints: str = "") -> dict[str, str]:
        """Return what a process of this house finds in its environment."""
        return _environment({"SUDO_USER": "lea", "KILLSWITCH_FAILPOINTS": failpoints})

    def command(
        self, *words: str, failpoints: str = "", patience_s: float = PATIENCE_S + 20
    ) -> subprocess.CompletedProcess[str]:
        """Run one command of the real command line."""
        return subprocess.run(
            [sys.executable, "-m", "killswitch", "--config", str(self.config), *words, "--json"],
            cwd=self.folder,
            env=self.environment(failpoints=failpoints),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=patience_s,
            check=False,
        )


def _configuration(house: House, world: World, more: str) -> str:
    feeds = "".join(
        f'[[feeds]]\nname = "{name}"\nurl = "{world.url}{name}"\noutlet = "{name}"\n'
        f'interval = "1s"\nlanguage = "en"\n'
        for name in OUTLETS
    )
    hooks = "".join(
        f'[[channels]]\nname = "{name}"\nkind = "webhook"\nurl = "{world.url}{name}"\n'
        f'secret = "s3cret"\n'
        for name in NETWORKS
    )
    return (
        f'timezone = "UTC"\nstate_dir = "{house.state}"\n'
        '[network]\nallow_private = ["127.0.0.0/8"]\n'
        '[detect]\nlanguages = ["en"]\nunconfirmed = "0s"\n'
        '[queue]\nmin_gap = "0s"\nmax_per_hour = 0\nhard_cap = 0\nrelease_gap = "1s"\nlead = "0s"\n'
        f'[[channels]]\nname = "outbox"\nkind = "file"\npath = "{house.outbox}"\n'
        f"{hooks}{feeds}{more}"
    )
