"""
A house: one installation as it really runs, its daemon a process, its feeds and networks here.

Everything is on the loopback and in a temporary folder. ``Newsroom`` plays the outlets and the
networks and is the ledger: what it received has left, whatever the daemon says of it.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import format_datetime
from pathlib import Path
from typing import Any, Self

import pytest

from tests.edge.raw_server import RawServer, reply

ROOT = Path(__file__).parents[2]
SOON = 20.0
CALM = "Council opens a new lake path"
OUTLETS = ("courier", "herald", "planet")
QUEUE = {"min_gap": "0s", "release_gap": "3s", "lead": "30s"}


@dataclass(frozen=True)
class Arrival:
    """One post that a network has received, and when (monotonic seconds of this process)."""

    at_s: float
    post: Mapping[str, Any]


@dataclass
class Newsroom:
    """
    Three feeds and one webhook on the loopback.

    Attributes:
        headlines: Outlet to (title, time), newest first.
        arrivals: What the webhook received, in order: the ledger.
        slow: While it is clear, the webhook has a request and does not answer it.
    """

    headlines: dict[str, list[tuple[str, datetime]]] = field(default_factory=dict)
    arrivals: list[Arrival] = field(default_factory=list)
    slow: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        self.slow.set()
        for outlet in OUTLETS:
            self.publish(outlet, CALM)

    def publish(self, outlet: str, title: str) -> None:
        now = datetime.now(UTC)
        self.headlines.setdefault(outlet, []).insert(0, (title, now))

    def __call__(self, request: bytes) -> bytes:
        path = request.split(b" ")[1].decode().strip("/")
        if path == "hook":
            post = json.loads(request.partition(b"\r\n\r\n")[2])
            self.arrivals.append(Arrival(time.monotonic(), post))
            self.slow.wait(60)
            return reply(200, b'{"id": "r1"}')
        items = "".join(
            f"<item><guid>{title}</guid><title>{title}</title><link>https://n.example/</link>"
            f"<pubDate>{format_datetime(at)}</pubDate></item>"
            for title, at in self.headlines.get(path, [])
        )
        body = f'<rss version="2.0"><channel><title>{path}</title>{items}</channel></rss>'
        return reply(200, body.encode())

    def texts(self) -> list[str]:
        return [str(arrival.post["text"]) for arrival in self.arrivals]


class House:
    """One installation in a folder of its own: a webhook ``hook`` and a file ``log``."""

    def __init__(
        self,
        folder: Path,
        server: RawServer,
        *,
        state_dir: Path | None = None,
        store: str = "",
        queue: Mapping[str, Any] = QUEUE,
        settings: str = "",
        env: Mapping[str, str] | None = None,
    ) -> None:
        """
        Write the configuration; nothing runs yet.

        Args:
            folder: Short, for the socket's path; the posts of ``log`` go to ``posts.jsonl`` in it.
            server: Serves a ``Newsroom``.
            state_dir: Where state lives, ``folder/state`` if not said.
            store: ``store.url``, where it is not the file in the state directory.
            queue: The settings under ``[queue]``.
            settings: More tables, as the file holds them.
            env: More environment of the daemon alone, failpoints for instance.
        """
        self.folder = folder
        self.state_dir = state_dir or folder / "state"
        self.config = folder / "killswitch.toml"
        self.log = folder / "daemon.log"
        self.posts = folder / "posts.jsonl"
        self.daemon: subprocess.Popen[bytes] | None = None
        self.env = dict(env or {})
        rules = "".join(f"{name} = {json.dumps(value)}\n" for name, value in queue.items())
        feeds = "".join(
            f'[[feeds]]\nname = "{name}"\nurl = "{server.url}{name}"\noutlet = "{name}"\n'
            f'interval = "1s"\nlanguage = "en"\n'
            for name in OUTLETS
        )
        self.config.write_text(
            f'timezone = "UTC"\nstate_dir = "{self.state_dir}"\n'
            + (f'[store]\nurl = "{store}"\n' if store else "")
            + '[network]\nallow_private = ["127.0.0.0/8"]\n'
            + '[detect]\nlanguages = ["en"]\n'
            + f"[queue]\n{rules}"
            + f'[[channels]]\nname = "hook"\nkind = "webhook"\nurl = "{server.url}hook"\n'
            + 'secret = "s3cret"\n'
            + f'[[channels]]\nname = "log"\nkind = "file"\npath = "{self.posts}"\n'
            + feeds
            + settings
        )

    # -- the daemon ------------------------------------------------------------------------------

    def start(self) -> None:
        with self.log.open("ab") as log:
            self.daemon = subprocess.Popen(
                [sys.executable, "-m", "killswitch", "--config", str(self.config), "run"],
                cwd=self.folder,
                env=self._env() | self.env,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def signal(self, number: int) -> None:
        assert self.daemon is not None
        os.kill(self.daemon.pid, number)

    def kill(self) -> None:
        """End the daemon and its children at once, as a power cut does."""
        assert self.daemon is not None
        os.killpg(self.daemon.pid, signal.SIGKILL)
        self.daemon.wait(SOON)
        self.daemon = None

    def stop(self) -> None:
        """Ask the daemon to end, as a service manager does."""
        assert self.daemon is not None
        self.signal(signal.SIGTERM)
        assert self.daemon.wait(SOON) == 0, self.log.read_text()[-3000:]
        self.daemon = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self.daemon is not None:
            with contextlib.suppress(ProcessLookupError):
                self.kill()

    # -- commands --------------------------------------------------------------------------------

    def _env(self) -> dict[str, str]:
        return {**os.environ, "PYTHONPATH": str(ROOT), "SUDO_USER": "lea"}

    def command(self, *words: str) -> subprocess.Popen[str]:
        """Begin one command, to be read while it runs."""
        return subprocess.Popen(
            [sys.executable, "-u", "-m", "killswitch", "--config", str(self.config), *words],
            cwd=self.folder,
            env=self._env(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(self, *words: str) -> tuple[int, Any]:
        """Run one command; return its exit code and its JSON."""
        running = self.command(*words, "--json")
        try:
            out, err = running.communicate(timeout=60)
        except subprocess.TimeoutExpired:
            running.kill()
            running.communicate()
            raise
        try:
            return running.returncode, json.loads(out)
        except ValueError:
            pytest.fail(f"{words}: exit {running.returncode}\n{out}\n{err}")

    def add(self, text: str, at: str, *, channel: str = "hook") -> str:
        code, document = self.run("queue", "add", text, "--at", at, "--channel", channel)
        assert code == 0, document
        return str(document["ids"][0])

    def resume(self, seen: int, *words: str) -> tuple[int, Any]:
        said = ("--reason", "seen", "--yes", "--seen", str(seen))
        return self.run("resume", *said, *words)

    def status(self) -> Mapping[str, Any]:
        return self.run("status")[1]

    def state_of(self, delivery: str) -> str:
        code, rows = self.run("queue", "show", delivery)
        assert code == 0, rows
        return str(rows["state"])

    def until(self, what: Callable[[], object], *, within_s: float = SOON) -> None:
        """Look again and again until it is so."""
        never, ends_s = threading.Event(), time.monotonic() + within_s
        while time.monotonic() < ends_s:
            if what():
                return
            if self.daemon is not None and self.daemon.poll() is not None:
                break
            never.wait(0.1)
        log = self.log.read_text()[-4000:]
        pytest.fail(f"it never came to that: {self.status()}\nthe log ends:\n{log}")

    def state_is(self, wanted: str) -> None:
        self.until(lambda: self.status()["state"] == wanted)

    # -- what left -------------------------------------------------------------------------------

    def written(self) -> list[dict[str, Any]]:
        """What the channel ``log`` holds, in order; each with its ``sent_at``."""
        if not self.posts.exists():
            return []
        return [json.loads(line) for line in self.posts.read_text().splitlines()]


@contextlib.contextmanager
def a_folder() -> Iterator[Path]:
    """A short temporary folder: a Unix socket's path ends at 107 bytes."""
    with tempfile.TemporaryDirectory(prefix="ks", dir="/tmp") as made:
        yield Path(made)
