"""The demonstration as a user starts it: one process, judged by its exit code and last words."""

from __future__ import annotations

import argparse
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from killswitch.demo import main

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[2]
DEMO = (sys.executable, "-m", "killswitch", "demo", "--fast")
# Under a minute on a free machine; the tests beside it take their share of the processor.
WITHIN_S = 170
FACTS = (
    r"sent: 6 posts \(1 to the file, 5 to the webhook\); receivers and store agree, each once",
    r"every webhook call was signed rightly",
    r"uncertain: 0",
    r"paused: \d+\.\d+ s after the first headline .*, \d+\.\d+ s after the second",
    r"first notice: \d+ ms after the pause",
    r"sealed after: story \d+ ms, blind \d+ ms, hung \d+ ms",
    r"left during the pause “story” \(\d+ s\): 0",
    r"left during the pause “blind” \(\d+ s\): 0",
    r"left during the pause “hung” \(\d+ s\): 0",
    r"released posts left at least 2 s after the resume",
    r"held: 2 .*; skipped: 3; scheduled: 1",
)


@pytest.fixture
def temp() -> Iterator[Path]:
    """A short temporary folder: a Unix socket's path ends at 107 bytes."""
    with tempfile.TemporaryDirectory(prefix="ks", dir="/tmp") as folder:
        yield Path(folder)


def demo(temp: Path) -> subprocess.Popen[str]:
    env = {**os.environ, "TMPDIR": str(temp), "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"}
    return subprocess.Popen(
        DEMO, cwd=temp, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )


def processes_of(temp: Path) -> list[str]:
    """Command lines of all processes that know the folder: the daemon, its children, commands."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            known = str(temp).encode() in (entry / "environ").read_bytes()
            words = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode()
        except OSError:
            continue  # it ended meanwhile, or belongs to somebody else
        if known and words:
            found.append(words)
    return found


class Ended:
    """An act in which the daemon dies under the demonstration's hands."""

    def __call__(self, play):
        play.house.start()
        play.status()
        pid = (play.house.state_dir / "daemon.lock").read_text().split()[0]
        os.kill(int(pid), signal.SIGKILL)
        play.stage.until("the daemon is missed", play.house.check_alive, limit_s=20)


def test_demo_whose_daemon_dies_fails_and_says_where_its_log_is(temp, monkeypatch, capsys):
    monkeypatch.setattr(tempfile, "tempdir", str(temp))
    monkeypatch.setattr(main, "_ACTS", (Ended(),))
    before = signal.getsignal(signal.SIGINT)
    assert main.main(argparse.Namespace(fast=True, json=False)) == 1
    said = capsys.readouterr().out
    (log,) = temp.iterdir()
    assert "the daemon is gone" in said
    assert str(log) in said
    assert "daemon.started" in log.read_text()
    assert signal.getsignal(signal.SIGINT) is before


@pytest.mark.timeout(WITHIN_S + 20)
def test_demo_ends_with_checked_facts_and_leaves_nothing_behind(temp):
    with demo(temp) as running:
        said, _ = running.communicate(timeout=WITHIN_S)
    assert running.returncode == 0, said[-3000:]
    facts = said[said.index("The facts") :]
    missing = [fact for fact in FACTS if not re.search(f"ok  {fact}", facts)]
    assert not missing, facts
    assert "\x1b" not in said, "no colours in a log"
    assert not list(temp.iterdir())
    assert not processes_of(temp)


def test_a_demo_for_scripts_is_one_document(temp, monkeypatch, capsys):
    monkeypatch.setattr(tempfile, "tempdir", str(temp))
    monkeypatch.setattr(main, "_ACTS", (lambda play: play.check("it is so", True),))
    assert main.main(argparse.Namespace(fast=True, json=True)) == 0
    told = capsys.readouterr()
    document = {"ok": True, "problem": None, "checked": ["it is so"]}
    assert json.loads(told.out) == document
    assert "it is so" in told.err


@pytest.mark.timeout(WITHIN_S)
def test_a_demo_that_is_killed_takes_its_daemon_with_it(temp):
    with demo(temp) as running:
        assert running.stdout is not None
        for line in running.stdout:
            if "queue import" in line:
                running.kill()
                break
        running.wait(60)
        ends = time.monotonic() + 60
        while processes_of(temp) and time.monotonic() < ends:
            time.sleep(0.1)
    assert not processes_of(temp)


@pytest.mark.timeout(WITHIN_S)
@pytest.mark.parametrize("ending", [signal.SIGINT, signal.SIGTERM])
def test_interrupted_demo_leaves_only_the_log_behind(temp, ending):
    with demo(temp) as running:
        assert running.stdout is not None
        for line in running.stdout:
            if "queue import" in line:
                running.send_signal(ending)
                break
        said = running.stdout.read()
        assert running.wait(60) == 130, said
    (log,) = temp.iterdir()
    assert str(log) in said
    assert "daemon.started" in log.read_text()
    assert not processes_of(temp)
