"""
The protocol holds in every world that it can reach; without any one of its rules it does not.

``pytest -s`` shows the traces; ``python -m tests.model`` prints them all.
"""

from __future__ import annotations

import ast
import sys
from pathlib import Path

import pytest

from killswitch.failpoints import POINTS
from tests.model.protocol import Protocol
from tests.model.rules import RULES
from tests.model.search import Search, asked, told
from tests.model.steps import FAILPOINTS, OUTSIDE
from tests.model.weakenings import MORE, THE_TEN, Weakening

PACKAGE = Path(__file__).parents[2] / "killswitch"


@pytest.mark.timeout(3600)
def test_no_world_breaks_a_rule_and_every_step_happens():
    first = asked(Protocol())
    found = Search(Protocol(), first).run()
    sys.stdout.write(f"{found.states} states, {found.transitions} transitions\n")
    assert not found.rule, "\n".join(told(found, first))
    assert found.steps == set(FAILPOINTS)


@pytest.mark.parametrize("weak", [*THE_TEN, *MORE], ids=lambda weak: weak.__name__)
def test_a_weakening_is_caught_by_its_shortest_trace(weak):
    first = weak().first(1, 2, weak.left)
    found = Search(weak(), first).run()
    sys.stdout.write(f"\n{weak.__doc__}: {found.rule}\n" + "\n".join(told(found, first)) + "\n")
    assert found.rule == weak.breaks


def test_every_rule_is_broken_by_some_weakening_and_every_weakening_is_tried():
    assert {weak.breaks for weak in (*THE_TEN, *MORE)} == set(RULES)
    assert set(Weakening.__subclasses__()) == {*THE_TEN, *MORE}


# -- tied to the code ------------------------------------------------------------------------------


def test_every_failpoint_of_the_code_belongs_to_a_step_or_is_named_as_outside():
    of_steps = {point for points in FAILPOINTS.values() for point in points}
    assert of_steps | OUTSIDE == set(POINTS)
    assert of_steps & OUTSIDE == set()


def passed_in(module: str, function: str) -> list[str]:
    """Return the failpoints that one function passes, from its first line to its last."""
    tree = ast.parse((PACKAGE / module).read_text())
    body = next(
        node
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef) and node.name == function
    )
    calls = [
        (node.lineno, node.args[0].value)
        for node in ast.walk(body)
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id == "passing"
        and isinstance(node.args[0], ast.Constant)
    ]
    return [name for _, name in sorted(calls)]


@pytest.mark.parametrize(
    ("module", "function", "steps"),
    [
        ("desk/adding.py", "add", ["add"]),
        ("gate.py", "send", ["claim", "intend", "look", "look_again", "send", "answer", "record"]),
        ("net/door.py", "_pieces", ["send"]),
        ("daemon/reaper.py", "reap", ["reap"]),
        ("daemon/reaper.py", "recover", ["start"]),
        ("desk/pausing.py", "pause", ["press", "pause"]),
        ("flags.py", "write", ["write_flag"]),
        ("desk/resuming.py", "resume", ["resume_look", "resume_flags", "resume_commit"]),
        ("watch/watcher.py", "_store_poll", ["ingest"]),
        ("watch/grader.py", "_write", ["grade"]),
        ("daemon/daemon.py", "start", ["start", "lift"]),
    ],
)
def test_the_code_takes_its_steps_in_the_order_of_the_model(module, function, steps):
    found = passed_in(module, function)
    in_order = [point for step in steps for point in FAILPOINTS[step] if point in found]
    assert len(found) > 1
    assert found == in_order
