"""What the panic commands load: the standard library and ours, and little of that."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from killswitch.cli.main import COMMANDS
from tests.edge.fake_desk import FakeDesk, a_cause, a_home, serving

ROOT = Path(__file__).resolve().parents[2]
PANIC = ("pause", "ack", "resume", "status")
OURS = {
    "killswitch",
    "killswitch.cli",
    "killswitch.cli.again",
    "killswitch.cli.forgiving",
    "killswitch.cli.main",
    "killswitch.cli.out",
    "killswitch.cli.paths",
    "killswitch.cli.reach",
    "killswitch.cli.words",
    "killswitch.clock",
    "killswitch.control",
    "killswitch.control.client",
    "killswitch.control.exchange",
    "killswitch.errors",
    "killswitch.failpoints",
    "killswitch.flags",
    "killswitch.i18n",
    "killswitch.lockfile",
    "killswitch.queue",
    "killswitch.queue.durations",
    "killswitch.wire",
    "killswitch.wire.fitting",
    "killswitch.wire.pause",
    "killswitch.wire.queue",
    "killswitch.wire.requests",
    "killswitch.wire.status",
    "killswitch.wire.times",
    "killswitch.wire.upkeep",
}
MORE = {
    "ack": {"killswitch.cli.ack"},
    "pause": {"killswitch.cli.panic", "killswitch.cli.pause"},
    "resume": {
        "killswitch.cli.numbers",
        "killswitch.cli.resume",
        "killswitch.cli.screen_resume",
        "killswitch.cli.terms",
    },
    "status": {
        "killswitch.cli.offline",
        "killswitch.cli.screen_status",
        "killswitch.cli.status",
        "killswitch.cli.terms",
    },
}
HEAVY = {"asyncio", "sqlite3", "tomllib", "unittest", "logging", "concurrent"}

PROBE = """
import json, sys
from killswitch.cli.main import main
code = main(sys.argv[1:])
print(json.dumps([code, sorted(sys.modules)]), file=sys.stderr)
"""


def loaded(home, *words):
    """Run a command without site packages and list what it has loaded."""
    found = subprocess.run(
        [sys.executable, "-S", "-c", PROBE, "--state-dir", str(home), *words],
        env={"PYTHONPATH": str(ROOT), "PATH": os.environ["PATH"], "SUDO_USER": "lea"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=28,
        check=True,
    )
    code, modules = json.loads(found.stderr.splitlines()[-1])
    return code, {name for name in modules if not name.startswith("_")} - {"__main__"}


@pytest.mark.parametrize("command", PANIC)
def test_a_panic_command_loads_the_standard_library_and_a_short_list_of_ours(command):
    words = {"resume": ["--reason", "x", "--seen", "3", "--yes"]}.get(command, [])
    with a_home() as home, serving(FakeDesk(preview={"causes": [a_cause()]}), home):
        code, modules = loaded(home, command, *words)
    assert code == 0
    foreign = {name for name in modules if name.split(".")[0] not in sys.stdlib_module_names}
    assert foreign - OURS - MORE[command] == set()
    assert {name.split(".")[0] for name in modules} & HEAVY == set()


def test_a_pause_without_a_daemon_needs_nothing_foreign_either():
    with a_home() as home:
        code, modules = loaded(home, "pause")
    assert code == 6
    foreign = {name for name in modules if name.split(".")[0] not in sys.stdlib_module_names}
    assert foreign - OURS - MORE["pause"] == set()


@pytest.mark.parametrize("command", COMMANDS)
def test_no_command_loads_a_library_before_it_runs(command):
    probe = (
        "import importlib, json, sys\n"
        f"importlib.import_module('killswitch.cli.{command}')\n"
        "print(json.dumps(sorted({name.split('.')[0] for name in sys.modules})))\n"
    )
    found = subprocess.run(
        [sys.executable, "-S", "-c", probe],
        env={"PYTHONPATH": str(ROOT), "PATH": os.environ["PATH"]},
        capture_output=True,
        text=True,
        timeout=28,
        check=True,
    )
    names = {name for name in json.loads(found.stdout) if not name.startswith("_")}
    assert names - set(sys.stdlib_module_names) - {"killswitch"} == set()
