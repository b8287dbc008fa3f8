"""
Prove the whole chain on a quiet day: a real pause, a real notice, a human who answers.

It really pauses the queue, so it asks first; it measures sealed and answered, and leaves the
resume to a human, as ever.
"""

from __future__ import annotations

import argparse
import threading
from datetime import timedelta
from typing import Any

from killswitch.cli.again import again
from killswitch.cli.out import ask, document, on_terminal, plain, say, span
from killswitch.cli.panic import Panic, Press
from killswitch.cli.reach import Reach, add_as, new_key, reach, said_name, status_or_none, who_am_i
from killswitch.cli.words import tr
from killswitch.clock import SystemClock
from killswitch.control.client import start_command
from killswitch.errors import Exit, RefusedError, UnreachableError, UsageError
from killswitch.queue.durations import parse_duration

HELP = "prove the chain to a human with a real pause"

STEP_S = 1.0
REASON = "DRILL: this is an exercise; answer with killswitch ack"

Doc = dict[str, Any]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add how long to wait for a human."""
    parser.add_argument("--wait", metavar="5m", default="5m", help="for an ack (default: 5m)")
    parser.add_argument("--yes", action="store_true", help="ask nothing: pause now")
    add_as(parser)


def run(args: argparse.Namespace) -> int:
    """Pause, wait for the seal, wait for an answer, tell the times."""
    wait_s = parse_duration(args.wait).total_seconds()
    found = reach(args)
    _check(args, found)
    clock = SystemClock()
    began_s = clock.monotonic_s()
    panic = Panic(place=found.place, clock=clock)
    said = said_name(args)
    doc = panic.press(Press(reason=REASON, key=new_key(), by=who_am_i(said), said=said))
    accepted_s = clock.monotonic_s() - began_s
    doc = panic.seal(doc)
    sealed_s = clock.monotonic_s() - began_s if doc["sealed"] else None
    if not args.json:
        say(tr("accepted  after {seconds} s").format(seconds=f"{accepted_s:.2f}"))
        sealed = tr("NOT SEALED") if sealed_s is None else tr("sealed    after {seconds} s")
        say(sealed.format(seconds=f"{sealed_s or 0:.2f}"))
        say(
            tr("waiting up to {span} for: killswitch ack").format(
                span=span(timedelta(seconds=wait_s))
            )
        )
    who = _answer(found, clock, until_s=clock.monotonic_s() + wait_s)
    acked_s = clock.monotonic_s() - began_s if who else None
    result = {"accepted_s": accepted_s, "sealed_s": sealed_s, "acked_s": acked_s, "acked_by": who}
    return _tell(args, result)


def _check(args: argparse.Namespace, found: Reach) -> None:
    status = status_or_none(found)
    if status is None:
        raise UnreachableError(
            "unreachable",
            "a drill needs the daemon; nothing was done",
            start_command(found.place.state_dir),
        )
    if status["state"] == "paused":
        raise RefusedError(
            "paused", "it is paused already: this is no exercise", "killswitch status"
        )
    if args.yes:
        return
    if args.json or not on_terminal():
        raise UsageError(
            "no_terminal", "a drill pauses the queue: without a terminal it needs --yes", "--yes"
        )
    if ask(tr('This really pauses the queue. Type "drill" to go on: ')) != "drill":
        raise UsageError("stopped", "nothing was done", "")


def _answer(found: Reach, clock: SystemClock, *, until_s: float) -> str | None:
    while clock.monotonic_s() < until_s:
        who = (status_or_none(found) or {}).get("who") or {}
        if who.get("acked_by"):
            return str(who["acked_by"])
        clock.wait(threading.Event(), STEP_S)
    return None


def _tell(args: argparse.Namespace, result: Doc) -> int:
    good = result["acked_s"] is not None and result["sealed_s"] is not None
    if args.json:
        document(result)
    elif result["acked_s"] is None:
        say(again(tr("NOBODY ANSWERED: check the addresses with killswitch notify test")))
    else:
        text = tr("answered  after {seconds} s by {who}")
        who = plain(result["acked_by"])
        say(text.format(seconds=f"{result['acked_s']:.0f}", who=who))
    if not args.json:
        say(again(tr('Next step  killswitch resume --reason "drill"')))
    return Exit.DONE if good else Exit.FAILED
