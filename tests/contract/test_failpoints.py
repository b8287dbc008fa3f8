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


def _run_check(tmp_path, faults: str) -> subprocess.CompletedProcess[str]:
    home = {"KILLSWITCH_STATE_DIR": str(tmp_path), "KILLSWITCH_CONFIG": str(tmp_path / "none.toml")}
    return subprocess.run(
        [sys.executable, "-m", "killswitch", "run"],
        env={"PATH": os.environ["PATH"], "KILLSWITCH_FAILPOINTS": faults, **home},
        capture_output=True,
        text=True,
        timeout=28,
        check=False,
    )


@pytest.mark.parametrize(
    "wrong", ["gate.after_intend=kill", "gate.after_intent=kil", "gate.after_intent", "trip=kill@0"]
)
def test_a_daemon_does_not_start_on_a_misspelt_fault(tmp_path, wrong):
    ended = _run_check(tmp_path, f"gate.after_answer=kill, {wrong}")
    assert ended.returncode == 78
    assert f"no such failpoint or action: {wrong}" in ended.stderr


def test_a_fault_that_is_spelt_well_is_no_reason_not_to_start(tmp_path):
    ended = _run_check(tmp_path, "gate.after_intent=kill@2, gate.after_answer=error")
    assert "failpoint" not in ended.stderr
