"""
Stop everything now; works with the daemon up, hung or gone.

Answers twice: recorded (durable, nothing new starts), then sealed (nothing is on the wire), each
with the state directory it acted on. Exit 0 sealed, 6 recorded but not proven sealed, 1 nothing
recorded.

  killswitch pause "attack in Annecy"
  killswitch pause --no-wait
  killswitch pause --review 4h "waiting for the police statement"
"""

from __future__ import annotations

import argparse
import contextlib
import os
import sys
from collections.abc import Iterator
from typing import Any

from killswitch.cli.again import again
from killswitch.cli.out import Ink, Times, document, head, ink_for, plain, say, warn
from killswitch.cli.panic import Panic, Press
from killswitch.cli.reach import Reach, add_as, new_key, reach, readable, said_name, who_am_i
from killswitch.cli.words import told, tr
from killswitch.clock import SystemClock
from killswitch.errors import Exit, UsageError
from killswitch.queue.durations import parse_duration

HELP = "stop everything now; works without the daemon, too"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the reason and what changes the waiting."""
    parser.add_argument("reason", metavar="REASON", nargs="*", help="why, for the others")
    parser.add_argument("--reason", dest="said_reason", metavar="TEXT", help="the same as REASON")
    parser.add_argument("--no-wait", action="store_true", help="don't wait until it is sealed")
    parser.add_argument("--review", metavar="4h", help="remind after this time; never resumes")
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    add_as(parser)


def run(args: argparse.Namespace) -> int:
    """Pause, then prove it."""
    found = reach(args, is_panic=True)
    said = said_name(args, is_panic=True)
    press = Press(
        reason=readable(" ".join([args.said_reason or "", *args.reason])) or "paused by hand",
        key=new_key(),
        by=who_am_i(said),
        said=said,
        review_s=_review_s(args.review),
    )
    panic = Panic(place=found.place, clock=SystemClock())
    doc = panic.press(press)
    if args.no_wait:
        return _end(args, found, panic, doc=doc)
    if not args.json:
        with _whoever_reads():
            _say_accepted(found, doc)
    try:
        doc = panic.seal(doc)
    except KeyboardInterrupt:
        doc = {**doc, "sealed": False}
    return _end(args, found, panic, doc=doc)


def _review_s(text: str | None) -> float | None:
    """Read ``--review``; a pause is never refused for a reminder."""
    if text is None:
        return None
    try:
        return parse_duration(text).total_seconds() or None
    except UsageError as error:
        said = tr("--review was passed over: {why}").format(why=told(error.message))
        warn(f"killswitch: {said}")
        return None


def _end(args: argparse.Namespace, found: Reach, panic: Panic, *, doc: dict[str, Any]) -> int:
    with _whoever_reads():
        if args.json:
            document(_contract(doc))
        elif args.no_wait:
            _say_accepted(found, doc)
        else:
            _say_sealed(found, doc)
    if doc["via"] == "flag" or not doc["sealed"]:
        for note in panic.told:
            warn(f"killswitch: {told(note)}")
    return Exit.DONE if args.no_wait or doc["sealed"] else Exit.NOT_SEALED


@contextlib.contextmanager
def _whoever_reads() -> Iterator[None]:
    """Go on where standard output can't be written: it is paused all the same."""
    try:
        yield
    except OSError as error:
        said = tr("the answer can't be written: {why}").format(why=error.strerror or error)
        warn(f"killswitch: {said}")


def _contract(doc: dict[str, Any]) -> dict[str, Any]:
    """Write the receipt as scripts know it: ids, and the posts beside them."""
    return {
        "accepted": doc["accepted"],
        "via": doc["via"],
        "sealed": doc["sealed"],
        "sealed_at": doc.get("sealed_at"),
        "version": doc["version"],
        "on_wire": [post["id"] for post in doc["on_wire"]],
        "uncertain": [post["id"] for post in doc["uncertain"]],
        "posts": [*doc["on_wire"], *doc["uncertain"]],
        "state_dir": doc["state_dir"],
    }


def _say_accepted(found: Reach, doc: dict[str, Any]) -> None:
    words = found.words()
    ink = ink_for(sys.stdout, os.environ)
    way = words("by the daemon") if doc["via"] == "socket" else words("by a flag on the disk")
    say(
        ink(words("STOPPING, recorded {way}: nothing new starts").format(way=way), "red")
        + "\n"
        + words("State in   {path}").format(path=plain(doc["state_dir"]))
    )
    for post in doc["on_wire"]:
        say(words("On the wire {post}").format(post=_line(post)))


def _say_sealed(found: Reach, doc: dict[str, Any]) -> None:
    words = found.words()
    ink = ink_for(sys.stdout, os.environ)
    times: Times = found.times()
    if doc["sealed"]:
        when = times.exact(doc.get("sealed_at"))
        say(ink(words("SEALED: nothing leaves since {when}").format(when=when), "red"))
    else:
        say(ink(words("NOT SEALED: recorded and durable, but a post may still go out"), "yellow"))
    _say_posts(doc, words("Check this  may have gone out: {post}"), ink)
    say(again(words("Next step  killswitch status · killswitch triage")))


def _say_posts(doc: dict[str, Any], form: str, ink: Ink) -> None:
    posts = doc["uncertain"] if doc["sealed"] else [*doc["on_wire"], *doc["uncertain"]]
    for post in posts:
        say(ink(form.format(post=_line(post)), "yellow"))


def _line(post: dict[str, Any]) -> str:
    return f"{plain(post['channel'])} {head(post['text'])} ({plain(post['id'])})"
