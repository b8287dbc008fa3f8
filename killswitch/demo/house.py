"""
The installation of the demonstration: its folder, configuration, daemon and command line.

Invariants:
    Everything lies in one temporary folder that ``close`` removes; of a failure the log is kept.
    The daemon and its children are a process group of their own, and ``close`` ends all of it.
    Commands and the daemon see nothing of the caller's own installation.
    What is done is done by commands; only looking, many times a second, asks the socket itself.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from killswitch.control.client import Client
from killswitch.demo.stage import DemoFailed, Stage
from killswitch.errors import UnreachableError

# -I: no PYTHON* variables and no working folder on the path; the checkout's own folder comes last,
# so that an installed killswitch and one that is only unpacked both run.
_BOOT = (
    "import sys, runpy; sys.path.append(sys.argv.pop(1)); "
    "runpy.run_module('killswitch', run_name='__main__', alter_sys=True)"
)
# The daemon ends with us, whatever ends us: 1 is PR_SET_PDEATHSIG, 9 SIGKILL, which a frozen
# process hears too. Where we are gone already, nobody is left to hear of it.
_BOOT_DAEMON = (
    "import ctypes, os, sys; ctypes.CDLL(None).prctl(1, 9); "
    "os.getppid() == int(sys.argv.pop(1)) or sys.exit(1); "
)
_ROOT = Path(__file__).resolve().parents[2]
# What the surroundings may say to a killswitch, and to HTTP clients on the loopback.
_NOT_OURS = frozenset(
    {
        "CREDENTIALS_DIRECTORY",
        "JOURNAL_STREAM",
        "LISTEN_FDNAMES",
        "LISTEN_FDS",
        "LISTEN_PID",
        "NOTIFY_SOCKET",
        "RUNTIME_DIRECTORY",
        "STATE_DIRECTORY",
        "SUDO_USER",
        "WATCHDOG_PID",
        "WATCHDOG_USEC",
    }
)
_COMMAND_S = 90.0
_STOP_S = 20.0
# Unix socket paths end at 107 bytes; a deep temporary folder would pass that.
_PATH_MOST = 60
# One look; a busy daemon answers in milliseconds.
_LOOK_S = 10.0
_ROWS_MOST = 100


@dataclass(frozen=True, slots=True)
class Answer:
    """What a command came to: exit code, and what it wrote."""

    code: int
    out: str
    err: str

    @property
    def text(self) -> str:
        """All that a human would have seen."""
        return "\n".join(part.rstrip("\n") for part in (self.out, self.err) if part.strip())


class House:
    """One throw-away installation."""

    def __init__(self, stage: Stage) -> None:
        """Make the folder; nothing runs yet."""
        self._stage = stage
        self.folder = _folder()
        self.state_dir = self.folder / "state"
        self.config = self.folder / "killswitch.toml"
        self.log = self.folder / "daemon.log"
        self._client = Client(self.state_dir / "control.sock")
        self._daemon: subprocess.Popen[bytes] | None = None

    # ---- the daemon ------------------------------------------------------------------------------

    def start(self) -> None:
        """Start the daemon in the background, its log in a file."""
        with self.log.open("ab") as log:
            self._daemon = subprocess.Popen(  # noqa: S603 - our own program, arguments as a list
                _daemon_words(),
                env=self._env(),
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def check_alive(self) -> None:
        """
        Look whether the daemon runs.

        Raises:
            DemoFailed: It has ended; the log says why.
        """
        if self._daemon is None or self._daemon.poll() is not None:
            code = None if self._daemon is None else self._daemon.returncode
            raise DemoFailed(f"the daemon is gone (exit {code})")

    def freeze(self) -> None:
        """Stop the daemon as a machine does that hangs: it neither answers nor ends."""
        self.check_alive()
        os.kill(self._pid, signal.SIGSTOP)

    def thaw(self) -> None:
        """Let it go on."""
        os.kill(self._pid, signal.SIGCONT)

    def stop(self) -> int:
        """Ask the daemon to end, and wait; return its exit code."""
        if self._daemon is None:
            return 0
        with suppress(ProcessLookupError):
            os.kill(self._pid, signal.SIGCONT)
            os.kill(self._pid, signal.SIGTERM)
        try:
            code = self._daemon.wait(_STOP_S)
        except subprocess.TimeoutExpired:
            code = -signal.SIGKILL
        self._sweep_up()
        return code

    @property
    def _pid(self) -> int:
        return self._daemon.pid if self._daemon is not None else 0

    def _sweep_up(self) -> None:
        """End whatever of the daemon's process group is left."""
        with suppress(ProcessLookupError):
            os.killpg(self._pid, signal.SIGKILL)
        if self._daemon is not None:
            self._daemon.wait()
            self._daemon = None

    # ---- the command line ------------------------------------------------------------------------

    def run(self, *words: str, show: bool = True, expect: Sequence[int] = (0,)) -> Answer:
        """
        Run one command of the real command line.

        Args:
            words: Without the program's name.
            show: Whether the audience sees it.
            expect: Exit codes that are right here.

        Raises:
            DemoFailed: It ended with another code.
        """
        if show:
            self._stage.command(words)
        answer = self._ask(words)
        if show:
            self._stage.answer(answer.text, code=answer.code)
        if answer.code not in expect:
            line = " ".join(words)
            raise DemoFailed(f"killswitch {line}: exit {answer.code}, {answer.text.strip()}")
        return answer

    def _ask(self, words: Sequence[str]) -> Answer:
        try:
            done = subprocess.run(  # noqa: S603 - our own program, arguments as a list
                _words(words),
                env=self._env(),
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                timeout=_COMMAND_S,
                check=False,
            )
        except subprocess.TimeoutExpired as error:
            line = " ".join(words)
            raise DemoFailed(f"killswitch {line}: no end after {_COMMAND_S:.0f} s") from error
        return Answer(done.returncode, done.stdout, done.stderr)

    # ---- what is looked at behind the scenes -----------------------------------------------------

    def status(self) -> Mapping[str, Any] | None:
        """Return the status document; None while the daemon can't be reached yet."""
        self.check_alive()
        try:
            document: Mapping[str, Any] = self._client.get("/status", timeout_s=_LOOK_S)
        except UnreachableError:
            return None
        return document

    def rows(self, state: str | None = None) -> list[Mapping[str, Any]]:
        """Return the deliveries in a state, or all that have not ended."""
        page = self._client.get("/queue", query={"state": state, "limit": _ROWS_MOST})
        found: list[Mapping[str, Any]] = page["deliveries"]
        return found

    def _env(self) -> dict[str, str]:
        env = {
            name: value
            for name, value in os.environ.items()
            if name not in _NOT_OURS
            and not name.startswith("KILLSWITCH_")
            and not name.lower().endswith("_proxy")
        }
        return env | {"KILLSWITCH_CONFIG": str(self.config)}

    # ---- the end ---------------------------------------------------------------------------------

    def close(self, *, keep_log: bool) -> Path | None:
        """End what runs and remove the folder; return where the log was kept, if asked for."""
        self.stop()
        kept = None
        if keep_log and self.log.exists():
            number, name = tempfile.mkstemp(prefix="killswitch-demo-", suffix=".log")
            os.close(number)
            kept = Path(shutil.copyfile(self.log, name))
        shutil.rmtree(self.folder, ignore_errors=True)
        return kept


def _words(words: Sequence[str]) -> list[str]:
    return [sys.executable, "-I", "-c", _BOOT, str(_ROOT), *words]


def _daemon_words() -> list[str]:
    boot = _BOOT_DAEMON + _BOOT
    return [sys.executable, "-I", "-c", boot, str(os.getpid()), str(_ROOT), "run"]


def _folder() -> Path:
    made = Path(tempfile.mkdtemp(prefix="killswitch-demo-"))
    if len(os.fsencode(made)) <= _PATH_MOST:
        return made
    made.rmdir()
    return Path(tempfile.mkdtemp(prefix="killswitch-demo-", dir="/tmp"))
