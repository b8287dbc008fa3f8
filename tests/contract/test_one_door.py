"""What import rules cannot see: who calls what."""

from __future__ import annotations

import ast
from pathlib import Path

PACKAGE = Path(__file__).parents[2] / "killswitch"


def _callers_of(method: str) -> set[str]:
    """Return the modules that call something's ``method``."""
    return {
        path.relative_to(PACKAGE).as_posix()
        for path in PACKAGE.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr == method
    }


def test_nothing_but_the_prober_asks_what_a_network_took():
    assert _callers_of("probe") == {"daemon/prober.py"}


def test_nothing_but_the_gate_publishes():
    assert _callers_of("publish") == {"gate.py"}
