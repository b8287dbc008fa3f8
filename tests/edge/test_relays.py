"""Relays with real programs and a real webhook receiver."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from datetime import timedelta
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import pytest

from killswitch.clock import FakeClock
from killswitch.net import Door, NetPolicy
from killswitch.notify.programs import run_program
from killswitch.notify.relays import Relay, Relays, by_hand
from killswitch.signing import verify
from tests.edge.test_notify_process import Hook, a_port, http_server
from tests.unit.notify.builders import AT, a_status, a_store, running

PYTHON = sys.executable
LIMIT_S = 20.0


class Room:
    """Relays over a store of their own; ``status`` is what the queue is said to be."""

    def __init__(self, folder: Path, *relays: Relay) -> None:
        self.store = a_store(folder)
        self.clock = FakeClock(AT)
        self.status = running()
        policy = NetPolicy(allow_private=(ip_network("127.0.0.0/8"),))
        self.relays = Relays(
            self.store,
            self.clock,
            Door(policy, user_agent="killswitch-tests"),
            relays=relays,
            situation=lambda: self.status,
        )

    def after(self, seconds: float = 0.0) -> None:
        self.clock.move(timedelta(seconds=seconds))
        self.relays.round()
        assert self.relays._lanes.wait_all(25)

    def states(self) -> list[tuple[str, str, bool]]:
        return [(one["name"], one["event"], one["reached"]) for one in self.relays.states()]


@pytest.fixture
def rooms(tmp_path: Path) -> Iterator[Any]:
    made: list[Room] = []

    def make(*relays: Relay) -> Room:
        made.append(Room(tmp_path, *relays))
        return made[-1]

    yield make
    for room in made:
        room.relays.close()
        room.store.close()


def a_program(folder: Path, code: str, name: str = "ads") -> Relay:
    script = folder / f"{name}.py"
    script.write_text(code)
    return Relay(name=name, command=(PYTHON, "-I", str(script), str(folder)))


RECORD = """
import json, os, pathlib, sys
log = pathlib.Path(sys.argv[1], "log.jsonl")
told = {"env": dict(os.environ), "stdin": json.load(sys.stdin)}
with log.open("a") as file:
    file.write(json.dumps(told) + "\\n")
"""


def recorded(folder: Path) -> list[Any]:
    log = folder / "log.jsonl"
    return [json.loads(line) for line in log.read_text().splitlines()] if log.exists() else []


def test_a_program_runs_at_pause_and_at_resume_and_knows_what_happened(
    rooms, tmp_path, monkeypatch
):
    monkeypatch.setenv("OUR_SECRET", "hunter2")
    room = rooms(a_program(tmp_path, RECORD))
    room.after()
    assert recorded(tmp_path) == []
    room.status = a_status()
    room.after()
    room.after(60)
    assert room.states() == [("ads", "pause", True)]
    room.status = running(version=4)
    room.after()
    assert room.states() == [("ads", "resume", True)]
    first, second = recorded(tmp_path)
    assert [first["stdin"]["event"], second["stdin"]["event"]] == ["pause", "resume"]
    assert first["stdin"]["version"] == 3
    assert first["stdin"]["causes"][0]["kind"] == "story"
    assert second["stdin"]["causes"] == []
    assert first["env"]["KILLSWITCH_EVENT"] == "pause"
    assert first["env"]["KILLSWITCH_VERSION"] == "3"
    assert first["env"]["KILLSWITCH_KEY"] == first["stdin"]["key"]
    assert "hunter2" not in str(first["env"])


def test_a_program_that_fails_is_shown_and_run_again_until_it_succeeds(rooms, tmp_path):
    code = """
import pathlib, sys
mark = pathlib.Path(sys.argv[1], "ready")
if not mark.exists():
    sys.exit("the ads desk\\x1b[2J is closed")
"""
    room = rooms(a_program(tmp_path, code))
    room.status = a_status()
    room.after()
    (state,) = room.relays.states()
    assert not state["reached"]
    assert state["problem"] == "exit code 1: the ads desk \uff3b2J is closed"
    (tmp_path / "ready").touch()
    room.after(4)
    assert not room.relays.states()[0]["reached"]
    room.after(1)
    assert room.states() == [("ads", "pause", True)]


def test_a_resume_overtakes_a_pause_that_was_never_reached(rooms, tmp_path):
    room = rooms(Relay(name="ads", command=("/nonexistent/program",)))
    room.status = a_status()
    room.after()
    assert "did not start" in str(room.relays.states()[0]["problem"])
    room.relays.relays = (a_program(tmp_path, RECORD),)
    room.status = running(version=4)
    room.after(5)
    room.after(300)
    assert [one["stdin"]["event"] for one in recorded(tmp_path)] == ["resume"]


def test_a_pause_that_stands_is_told_to_a_relay_that_was_added_meanwhile(rooms, tmp_path):
    room = rooms()
    room.status = a_status()
    room.after()
    room.relays.relays = (a_program(tmp_path, RECORD),)
    room.after(5)
    assert room.states() == [("ads", "pause", True)]


def test_one_relay_that_fails_does_not_keep_the_others_waiting(rooms, tmp_path):
    room = rooms(
        Relay(name="broken", command=("/nonexistent/program",)), a_program(tmp_path, RECORD)
    )
    room.status = a_status()
    room.after()
    assert room.states() == [("broken", "pause", False), ("ads", "pause", True)]


def test_a_webhook_is_signed_and_a_repeat_carries_the_same_key(rooms):
    with http_server(Hook(503, 200)) as hook:
        url = f"http://127.0.0.1:{hook.port}/stop"
        room = rooms(Relay(name="ads", url=url, secret="s3cret"))
        room.status = a_status()
        room.after()
        assert room.relays.states()[0]["problem"] == "answered 503"
        room.after(5)
        assert room.states() == [("ads", "pause", True)]
    (_, first, body), (_, second, _) = hook.requests
    assert first["Idempotency-Key"] == second["Idempotency-Key"] == json.loads(body)["key"]
    assert verify("s3cret", body, first["Killswitch-Signature"], now=AT, tolerance_s=0)


@pytest.mark.parametrize("status", [301, 307, 400, 404, 500])
def test_anything_but_success_is_not_confirmed(rooms, status):
    target = f"http://127.0.0.1:{a_port()}/"
    with http_server(Hook(status, location=target)) as hook:
        room = rooms(Relay(name="ads", url=f"http://127.0.0.1:{hook.port}/", secret="s"))
        room.status = a_status()
        room.after()
    assert room.states() == [("ads", "pause", False)]


def test_a_dead_webhook_is_not_confirmed(rooms):
    room = rooms(Relay(name="ads", url=f"http://127.0.0.1:{a_port()}/", secret="s"))
    room.status = a_status()
    room.after()
    assert room.states() == [("ads", "pause", False)]


def test_a_secret_is_never_printed():
    assert "hunter2" not in repr(Relay(name="ads", url="http://h/", secret="hunter2"))


def test_the_status_says_what_is_stopped_and_what_must_be_stopped_by_hand():
    at = "2026-03-02T10:53:00Z"
    states: list[Any] = [
        {"name": "newsletter", "event": "pause", "reached": True, "at": at, "problem": None},
        {"name": "ads", "event": "pause", "reached": False, "at": None, "problem": "refused"},
        {"name": "shop", "event": "resume", "reached": True, "at": at, "problem": None},
    ]
    assert by_hand(["window"], states) == [
        {"name": "window", "state": "not_confirmed"},
        {"name": "newsletter", "state": "stopped", "at": at},
        {"name": "ads", "state": "not_confirmed", "at": None},
    ]


# ---- programs -----------------------------------------------------------------------------------


def run(code: str, *, limit_s: float = LIMIT_S, stdin: bytes = b"") -> str | None:
    return run_program((PYTHON, "-I", "-c", code), stdin=stdin, env={}, limit_s=limit_s)


@pytest.mark.parametrize(
    ("code", "problem"),
    [
        ("", None),
        ("import sys; sys.exit(3)", "exit code 3"),
        ("import os; os.kill(os.getpid(), 9)", "signal 9"),
        ("import sys; sys.stderr.write('x' * 10**6 + '\\nlast words'); sys.exit(1)",
         "exit code 1: last words"),
        ("import sys; sys.stdout.write('y' * 10**6)", None),
    ],
)  # fmt: skip
def test_how_a_program_ends_is_told_in_one_line(code, problem):
    assert run(code) == problem


def test_a_program_that_does_not_read_does_not_matter():
    assert run("", stdin=b"x" * 10**6) is None


def test_a_program_that_hangs_is_killed_with_its_children():
    nap = "import time; time.sleep(60)"
    code = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {nap!r}])"
    assert run(code, limit_s=0.5) == "it did not end within 0.5 s and was killed"


def test_a_program_may_leave_something_running_in_the_background(tmp_path):
    code = (
        "import subprocess, sys; "
        "subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(3)'])"
    )
    assert run(code) is None
