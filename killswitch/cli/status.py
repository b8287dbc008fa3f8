"""Tell the state: exit 0 when posts leave, 3 when they don't, 4 without a daemon."""

from __future__ import annotations

import argparse
import os
import sys
from typing import Any

from killswitch.cli.offline import full_disk
from killswitch.cli.out import emit, ink_for
from killswitch.cli.paths import Place
from killswitch.cli.reach import Reach, reach
from killswitch.cli.screen_status import status_text
from killswitch.cli.words import speak
from killswitch.clock import SystemClock
from killswitch.control.client import start_command
from killswitch.errors import Exit, UnreachableError
from killswitch.flags import FlagDir
from killswitch.wire import StatusDoc, z_time

HELP = "what is the state, why, what comes next (exit 3: nothing leaves)"

ANSWER_S = 5.0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add nothing: the status has no switches."""


def run(args: argparse.Namespace) -> int:
    """Print the status."""
    found = reach(args)
    try:
        doc: dict[str, Any] = found.client.get("/status", timeout_s=ANSWER_S, shape=StatusDoc)
        text = _text(found, doc)
    except UnreachableError as error:
        doc = lost(found.place, error)
        text = _text(found, doc)
    emit(args, doc, text)
    if doc["state"] == "unreachable":
        return Exit.UNREACHABLE
    return Exit.DONE if doc["state"] == "running" else Exit.NOT_SENDING


def _text(found: Reach, doc: dict[str, Any]) -> str:
    ink = ink_for(sys.stdout, os.environ)
    speak(found.language_of(doc))
    return status_text(doc, times=found.times(doc), words=found.words(doc), ink=ink)


def lost(place: Place, error: UnreachableError) -> dict[str, Any]:
    """Write the status of a daemon that does not answer: what the flag directory says."""
    look = FlagDir(place.state_dir).look()
    flags = [
        {"name": flag.name, "key": flag.key, "note": flag.note, "is_dir": flag.is_dir}
        for flag in look.entries
    ]
    full = full_disk(place.state_dir) or (full_disk(place.store.parent) if place.store else "")
    problem = "; ".join(one for one in (full, str(error.message), look.problem) if one)
    since = z_time(SystemClock().now())
    return {
        "state": "unreachable",
        "mode": None,
        "sealed": False,
        "sealed_at": None,
        "version": None,
        "causes": [],
        "inhibits": [{"kind": "unreachable", "reason": problem, "since": since}],
        "sight": None,
        "queue": None,
        "next_due": [],
        "lead_until": None,
        "flags": flags,
        # One that runs and does not answer is not to be started a second time.
        "start": start_command(place.state_dir),
        "hint": _hint(error, is_full=bool(full)),
        "state_dir": str(place.state_dir),
        "language": place.language,
        "timezone": place.timezone,
    }


def _hint(error: UnreachableError, *, is_full: bool) -> str | None:
    if is_full:
        return "make room there; the daemon goes on by itself; its log: journalctl -u killswitch"
    return None if error.code == "unreachable" else error.hint
