"""
The main job, whole: real daemon, real commands, real feeds and receivers on the loopback.

A post leaves; two outlets report; everything stops, through a hung daemon and a killed one, until
a human who has seen it all resumes; and then nothing leaves in a burst.
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
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any, Self

import pytest

from tests.edge.raw_server import RawServer, reply

ROOT = Path(__file__).parents[2]
SOON = 20.0
CALM = "Council opens a new lake path"
FIRST = "Knife attack in Springfield leaves four people dead"
SECOND = "Four killed in Springfield knife attack, police say"
OUTLETS = ("courier", "herald", "planet")


@dataclass
class Newsroom:
    """Three feeds and one webhook on the loopback."""

    headlines: dict[str, list[tuple[str, datetime]]] = field(default_factory=dict)
    received: list[dict[str, Any]] = field(default_factory=list)

    def publish(self, outlet: str, title: str) -> None:
        now = datetime.now(UTC)
        self.headlines.setdefault(outlet, []).insert(0, (title, now))

    def __call__(self, request: bytes) -> bytes:
        path = request.split(b" ")[1].decode().strip("/")
        if path == "hook":
            self.received.append(json.loads(request.partition(b"\r\n\r\n")[2]))
            return reply(200, b'{"id": "r1"}')
        items = "".join(
            f"<item><guid>{title}</guid><title>{title}</title><link>https://n.example/</link>"
            f"<pubDate>{format_datetime(at)}</pubDate></item>"
            for title, at in self.headlines.get(path, [])
        )
        body = f'<rss version="2.0"><channel><title>{path}</title>{items}</channel></rss>'
        return reply(200, body.encode())

    def texts(self) -> list[str]:
        return [post["text"] for post in self.received]


class House:
    """One installation in a folder of its own."""

    def __init__(self, folder: Path, server: RawServer, *, store: str = "") -> None:
        self.folder = folder
        self.config = folder / "killswitch.toml"
        self.log = folder / "daemon.log"
        self.daemon: subprocess.Popen[bytes] | None = None
        feeds = "".join(
            f'[[feeds]]\nname = "{name}"\nurl = "{server.url}{name}"\noutlet = "{name}"\n'
            f'interval = "1s"\nlanguage = "en"\n'
            for name in OUTLETS
        )
        self.config.write_text(
            f'timezone = "UTC"\nstate_dir = "{folder / "state"}"\n'
            + (f'[store]\nurl = "{store}"\n' if store else "")
            + '[network]\nallow_private = ["127.0.0.0/8"]\n'
            + '[detect]\nlanguages = ["en"]\n'
            + '[queue]\nmin_gap = "0s"\nrelease_gap = "3s"\nlead = "30s"\n'
            + f'[[channels]]\nname = "hook"\nkind = "webhook"\nurl = "{server.url}hook"\n'
            + 'secret = "s3cret"\n'
            + feeds
        )

    def start(self) -> None:
        with self.log.open("ab") as log:
            self.daemon = subprocess.Popen(
                [sys.executable, "-m", "killswitch", "--config", str(self.config), "run"],
                cwd=self.folder,
                env=self._env(),
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

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self.daemon is not None:
            with contextlib.suppress(ProcessLookupError):
                self.kill()

    def _env(self) -> dict[str, str]:
        return {**os.environ, "PYTHONPATH": str(ROOT), "SUDO_USER": "lea"}

    def run(self, *words: str) -> tuple[int, Any]:
        """Run one command; return its exit code and its JSON."""
        done = subprocess.run(
            [sys.executable, "-m", "killswitch", "--config", str(self.config), *words, "--json"],
            cwd=self.folder,
            env=self._env(),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        try:
            return done.returncode, json.loads(done.stdout)
        except ValueError:
            pytest.fail(f"{words}: exit {done.returncode}\n{done.stdout}\n{done.stderr}")

    def add(self, text: str, at: str) -> str:
        code, document = self.run("queue", "add", text, "--at", at, "--channel", "hook")
        assert code == 0, document
        return str(document["ids"][0])

    def status(self) -> Mapping[str, Any]:
        return self.run("status")[1]

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


@pytest.fixture
def folder() -> Iterator[Path]:
    """A short temporary folder: a Unix socket's path ends at 107 bytes."""
    with tempfile.TemporaryDirectory(prefix="ks", dir="/tmp") as made:
        yield Path(made)


@pytest.fixture
def newsroom() -> Newsroom:
    made = Newsroom()
    for outlet in OUTLETS:
        made.publish(outlet, CALM)
    return made


@pytest.fixture
def server(newsroom: Newsroom) -> Iterator[RawServer]:
    with RawServer(newsroom) as running:
        yield running


@pytest.mark.timeout(150)
@pytest.mark.parametrize("database", ["sqlite", "postgresql"])
def test_the_main_job(request, folder, server, newsroom, database):
    url = request.getfixturevalue("postgres_url") if database == "postgresql" else ""
    with House(folder, server, store=url.replace("+psycopg", "")) as house:
        house.state_is("running")
        _main_job(house, newsroom, hung=0 if database == "sqlite" else 6)


def _main_job(house: House, newsroom: Newsroom, *, hung: int) -> None:
    """Live through it; ``hung`` is what a pause of a hung daemon comes to."""
    house.add("Good morning", "now")
    house.until(lambda: newsroom.texts() == ["Good morning"])
    due = _two_outlets_report(house, newsroom)
    _a_hung_daemon_is_paused(house, hung)
    _a_killed_daemon_comes_back_paused(house)
    version = house.status()["version"]
    assert _refused(house, version - 1) == "stale"
    assert _refused(house, version) == "undecided"
    assert newsroom.texts() == ["Good morning"]
    _a_human_resumes(house, newsroom, due, version)
    assert house.run("audit", "verify")[0] == 0
    house.stop()


def _two_outlets_report(house: House, newsroom: Newsroom) -> str:
    """Pause by the news; return a post that comes due in the pause and stays."""
    due = house.add("Summer sale", "+8s")
    newsroom.publish("courier", FIRST)
    newsroom.publish("herald", SECOND)
    house.state_is("paused")
    code, status = house.run("status")
    assert code == 3
    (cause,) = status["causes"]
    assert cause["kind"] == "story"
    assert {entry["outlet"] for entry in cause["evidence"]} == {"courier", "herald"}
    house.until(lambda: house.status()["sealed"])
    house.until(lambda: house.status()["undecided"] == 1)
    assert house.status()["queue"]["held"] == 1
    return due


def _a_hung_daemon_is_paused(house: House, hung: int) -> None:
    house.signal(signal.SIGSTOP)
    code, pressed = house.run("pause", "and by hand")
    assert (pressed["accepted"], pressed["via"]) == (True, "flag")
    # Without its daemon a server can't be asked what is on the wire: accepted, not proven sealed.
    assert code == hung
    house.signal(signal.SIGCONT)
    house.until(lambda: len(house.status()["causes"]) == 2)


def _a_killed_daemon_comes_back_paused(house: House) -> None:
    house.kill()
    assert house.run("status")[0] == 4
    house.start()
    house.until(lambda: house.run("status")[0] == 3)
    house.state_is("paused")
    house.until(lambda: house.status()["sight"]["ok"])
    causes = house.status()["causes"]
    assert causes[0]["kind"] == "story"
    assert len(causes) == 2


def _resume(house: House, seen: int) -> tuple[int, Any]:
    return house.run("resume", "--reason", "seen", "--yes", "--seen", str(seen))


def _refused(house: House, seen: int) -> str:
    code, document = _resume(house, seen)
    assert code == 5, document
    return str(document["error"]["code"])


def _a_human_resumes(house: House, newsroom: Newsroom, due: str, version: int) -> None:
    """What was let out leaves, spaced; what nobody decided on stays."""
    soon = house.add("Also today", "+10s")
    house.until(lambda: _state(house, soon) == "held")
    assert house.run("queue", "release", due)[0] == 0
    code, document = _resume(house, version)
    assert code == 0, document
    pressed_at = datetime.now(UTC)
    assert len(document["closed"]) == 2
    house.until(lambda: "Summer sale" in newsroom.texts())
    assert datetime.now(UTC) - pressed_at >= timedelta(seconds=2)
    house.until(lambda: datetime.now(UTC) - pressed_at > timedelta(seconds=12))
    assert newsroom.texts() == ["Good morning", "Summer sale"]
    assert _state(house, soon) == "held"


def _state(house: House, delivery: str) -> str:
    code, rows = house.run("queue", "show", delivery)
    assert code == 0, rows
    return str(rows["state"])
