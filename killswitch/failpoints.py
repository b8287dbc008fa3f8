"""
Named points at which a test may stop or break the program.

Off unless ``KILLSWITCH_FAILPOINTS`` is set in the environment of the process: then it maps names
to actions, ``gate.after_intent=kill,pause.after_trip=stop@3`` (the third time it is passed).
``kill`` and ``stop`` are signals to the process itself, ``error`` is a failed system call, ``hang``
keeps the thread there for ever, with whatever it holds.
The crash tests need them, and the model of the protocol (``tests/model``) ties its steps to them.

Standard library only: the panic path of the CLI loads this module.

Invariants:
    Every point stands in ``POINTS`` and is passed by that name somewhere in this package.
    A daemon does not start on a name or an action that is none (``check``).
"""

from __future__ import annotations

import os
import re
import signal
import threading
from collections import Counter

from killswitch.errors import ConfigError

_VARIABLE = "KILLSWITCH_FAILPOINTS"

# Each point with the crash point (docs/architecture.md) that a kill there stands for.
POINTS = {
    # A post is taken.
    "add.before_commit": "C0",
    "add.after_commit": "C1",
    "import.before_commit": "C0",
    "import.after_commit": "C1",
    # A delivery is claimed and passes the gate.
    "claim.after_commit": "C2",
    "gate.after_media": "C3",
    "gate.before_commit": "C3",
    "gate.after_intent": "C4",
    "gate.after_flag": "C4",
    "gate.before_abort": "C4",
    "gate.before_request": "C4",
    "request.after_headers": "C5",
    "request.in_body": "C5",  # only bodies of more than one piece (killswitch.net.door) have it
    "request.after_body": "C6",
    "file.after_write": "C6",
    "gate.after_answer": "C7",
    "gate.before_record": "C7",
    "probe.after_answer": "C7",
    "retract.after_answer": "C7",
    "gate.after_record": "C8",
    "notify.after_send": "C8",
    # What an owner can't settle.
    "reap.before_commit": "C6",
    "reap.after_commit": "C6",
    "recover.before_commit": "C4",
    "recover.after_commit": "C4",
    # A pause: by the socket, by a flag, by any cause.
    "pause.before_trip": "C9",
    "pause.before_commit": "C9",
    "pause.after_trip": "C10",
    "flag.before_sync": "C9",
    "flag.after_sync": "C9",
    "flag.before_commit": "C9",
    "flag.after_commit": "C10",
    "trip.before_commit": "C9",
    "hold.before_commit": "C10",
    "seal.before_commit": "C10",
    "seal.after_commit": "C10",
    # The end of a pause.
    "resume.after_look": "C11",
    "resume.after_flags": "C11",
    "resume.before_commit": "C11",
    "resume.after_commit": "C11",
    "dismiss.before_commit": "C11",
    "dismiss.after_commit": "C11",
    "release.before_commit": "C12",
    "release.after_commit": "C12",
    "act.after_one": "C12",
    "act.after_commit": "C12",
    # The store itself.
    "start.before_furnished": "C13",
    "migrate.after_backup": "C13",
    "migrate.before_commit": "C13",
    "migrate.after_commit": "C13",
    "backup.after_create": "C14",
    "backup.after_copy": "C14",
    "restore.after_copy": "C14",
    "restore.after_aside": "C14",
    "close.before_checkpoint": "C14",
    # News.
    "ingest.after_fetch": "C15",
    "ingest.before_commit": "C15",
    "ingest.after_commit": "C15",
    "start.after_recovery": "C15",
    "start.after_drain": "C15",
    "grade.after_trip": "C16",
    "grade.before_commit": "C16",
    "grade.after_commit": "C16",
}

_ASKED = re.compile(r"(?P<name>[^=]+)=(?P<action>kill|stop|error|hang)(@(?P<nth>[1-9]\d*))?")


class FailpointError(OSError):
    """What an ``error`` action raises: it stands for a failed system call."""


def _parse(text: str) -> tuple[dict[str, tuple[str, int]], list[str]]:
    """Return the actions by point, and what is none of ours."""
    actions, wrong = {}, []
    for part in (part.strip() for part in text.split(",") if part.strip()):
        asked = _ASKED.fullmatch(part)
        if asked is None or asked["name"] not in POINTS:
            wrong.append(part)
        else:
            actions[asked["name"]] = (asked["action"], int(asked["nth"] or "1"))
    return actions, wrong


_ACTIONS, _WRONG = _parse(os.environ.get(_VARIABLE, ""))
_PASSED: Counter[str] = Counter()


def check() -> None:
    """
    Refuse a misspelt fault: a test that waits for it would pass for the wrong reason.

    Raises:
        ConfigError: A name is no point of ours, or an action is not one of the four.
    """
    if _WRONG:
        raise ConfigError(
            "failpoint",
            f"{_VARIABLE}: there is no such failpoint or action: {', '.join(_WRONG)}",
            "write NAME=kill, NAME=stop, NAME=error or NAME=hang, perhaps @3 for the third time; "
            "the names stand in killswitch/failpoints.py",
        )


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
    if action == "hang":
        threading.Event().wait()
    if action == "error":
        raise FailpointError(f"failpoint {name}")
