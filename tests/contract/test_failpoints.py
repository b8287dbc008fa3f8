"""The named faults: each stands in the code, and none is asked for in vain."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest

from killswitch.failpoints import POINTS

PACKAGE = Path(__file__).parents[2] / "killswitch"


def _passed() -> list[str]:
    """Return what every ``passing(...)`` of the package says, in no order."""
    return [
        ast.literal_eval(node.args[0])
        for path in PACKAGE.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id == "passing"
    ]


def test_every_point_is_passed_once_in_the_code_and_nothing_else_is():
    assert sorted(_passed()) == sorted(POINTS)


def test_every_crash_point_has_a_failpoint():
    assert set(POINTS.values()) == {f"C{number}" for number in range(17)}


def _run(tmp_path, faults: str, *words: str) -> subprocess.CompletedProcess[str]:
    home = {"KILLSWITCH_STATE_DIR": str(tmp_path), "KILLSWITCH_CONFIG": str(tmp_path / "none.toml")}
    return subprocess.run(
        [sys.executable, *words],
        env={"PATH": os.environ["PATH"], "KILLSWITCH_FAILPOINTS": faults, **home},
        capture_output=True,
        text=True,
        timeout=28,
        check=False,
    )


def test_a_daemon_does_not_start_on_a_misspelt_fault(tmp_path):
    faults = "gate.after_answer=kill, gate.after_intend=kill"
    ended = _run(tmp_path, faults, "-m", "killswitch", "run")
    assert ended.returncode == 78
    assert "no such failpoint or action: gate.after_intend=kill" in ended.stderr


@pytest.mark.parametrize(
    ("faults", "refused"),
    [
        ("gate.after_intent=kill@2, gate.after_answer=error", ""),
        ("gate.after_intent=kil", "gate.after_intent=kil"),
        ("gate.after_intent", "gate.after_intent"),
        ("trip.before_commit=kill@0, seal.after_commit=stop", "trip.before_commit=kill@0"),
    ],
)
def test_every_name_and_action_is_looked_at(tmp_path, faults, refused):
    ended = _run(tmp_path, faults, "-c", "from killswitch import failpoints; failpoints.check()")
    assert (ended.returncode != 0) == bool(refused)
    assert refused in ended.stderr
