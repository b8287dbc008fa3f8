"""
Named points at which a test may stop or break the program.

Off unless ``KILLSWITCH_FAILPOINTS`` is set in the environment of the process: then it maps names
to actions, ``gate.after_intent=kill,trip.after_commit=kill@3`` (the third time it is passed).
The crash tests need them, and the model of the protocol names its steps after them.

Standard library only.
"""

from __future__ import annotations

import os
import signal
from collections import Counter

_VARIABLE = "KILLSWITCH_FAILPOINTS"


class FailpointError(OSError):
    """What an ``error`` action raises: it stands for a failed system call."""


def _parse(text: str) -> dict[str, tuple[str, int]]:
    actions = {}
    for part in filter(None, text.split(",")):
        name, _, action = part.partition("=")
        what, _, nth = action.partition("@")
        actions[name.strip()] = (what, int(nth or "1"))
    return actions


_ACTIONS = _parse(os.environ.get(_VARIABLE, ""))
_PASSED: Counter[str] = Counter()


def passing(name: str) -> None:
    """Go on, unless a test asked for a fault at this point."""
    if name not in _ACTIONS:
        return
    _PASSED[name] += 1
    action, nth = _ACTIONS[name]
    if _PASSED[name] != nth:
        return
    if action == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    if action == "stop":
        os.kill(os.getpid(), signal.SIGSTOP)
    if action == "error":
        raise FailpointError(f"failpoint {name}")
