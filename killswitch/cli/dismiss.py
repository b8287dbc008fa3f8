"""
False alarm: close the story or alert that was seen, and mute it.

If another cause stays open the queue stays paused. Without a terminal it needs --yes, and --yes
needs --seen.

  killswitch dismiss --reason "a film, not an attack"
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable
from typing import Any

from killswitch.cli.again import again
from killswitch.cli.numbers import VERSION_MOST, whole
from killswitch.cli.out import ask, emit, ink_for, plain, say
from killswitch.cli.reach import Reach, add_as, new_key, reach, status_or_none
from killswitch.cli.resume import ANSWER_S, check_consent
from killswitch.cli.screen_resume import preview_text
from killswitch.cli.words import many, told
from killswitch.errors import Exit
from killswitch.wire import DismissDoc, ResumePreviewDoc

HELP = "false alarm: close the story that was seen and mute it"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the reason and the version that was seen."""
    parser.add_argument("--reason", metavar="TEXT", help="why it is none; recorded")
    parser.add_argument(
        "--seen", metavar="VERSION", type=whole(0, VERSION_MOST), help="the version you looked at"
    )
    parser.add_argument("--yes", action="store_true", help="ask nothing; needs --seen")
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    add_as(parser)


def run(args: argparse.Namespace) -> int:
    """Show, ask, dismiss."""
    check_consent(args, "dismiss")
    found = reach(args)
    seen = args.seen
    if not args.yes:
        doc: dict[str, Any] = found.client.get(
            "/resume", timeout_s=ANSWER_S, shape=ResumePreviewDoc
        )
        ink = ink_for(sys.stdout, os.environ)
        status = status_or_none(found)
        words = found.words(status)
        say(preview_text(doc, times=found.times(status), words=words, ink=ink))
        question = words('Type "dismiss" to call it a false alarm (version {version}): ')
        if ask(question.format(version=doc["version"])) != "dismiss":
            say(words("nothing was done; it stays paused"))
            return Exit.FAILED
        seen = doc["version"] if seen is None else seen
    return _dismiss(args, found, seen=seen)


def _dismiss(args: argparse.Namespace, found: Reach, *, seen: int) -> int:
    body = {"seen": seen, "reason": args.reason}
    doc: dict[str, Any] = found.client.post(
        "/dismiss", body, key=new_key(), timeout_s=ANSWER_S, shape=DismissDoc
    )
    words = found.words()
    count = len(doc["muted"])
    form = many("DISMISSED: {count} story muted", "DISMISSED: {count} stories muted", count, words)
    lines = [form.format(count=count)]
    if doc["still_paused"]:
        lines.append(words("another cause is open: it stays PAUSED"))
        lines.append(again(words("Next step  killswitch status")))
    else:
        lines.append(again(words("Next step  killswitch queue --state held")))
    lines += _suggested(doc.get("suggestions") or [], words)
    emit(args, doc, "\n".join(lines))
    return Exit.DONE


def _suggested(found: list[dict[str, str]], words: Callable[[str], str]) -> list[str]:
    """Write which settings would have avoided it; none is made by itself."""
    if not found:
        return []
    lines = [
        "",
        words("Any one of these settings would have avoided it; try it on the past first:"),
    ]
    for one in found:
        lines += [f"  {plain(one['setting'])}", f"      {told(plain(one['effect']))}"]
    lines.append(f"  {words('try it: killswitch feeds backtest --compare OTHER.toml')}")
    return lines
