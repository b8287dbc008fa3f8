"""
Resume: look at what stands, then say why.

Shows causes, undecided posts and the next 24 hours and asks. Without a terminal it needs --yes,
and --yes needs --seen: the version that a human looked at.

  killswitch resume --reason "false alarm, checked with the editor"
  killswitch resume --reason "over" --seen 12 --yes --as lea
"""

from __future__ import annotations

import argparse
import os
import sys
from typing import Any

from killswitch.cli.again import again
from killswitch.cli.numbers import VERSION_MOST, whole
from killswitch.cli.out import Times, ask, emit, ink_for, on_terminal, say
from killswitch.cli.reach import Reach, add_as, new_key, reach, status_or_none
from killswitch.cli.screen_resume import Words, preview_text
from killswitch.cli.words import many
from killswitch.errors import Exit, UsageError
from killswitch.wire import ResumeDoc, ResumePreviewDoc

HELP = "look at what stands, then let posts leave again"

ANSWER_S = 60.0
"""A resume looks at the feeds afresh, which may take 30 s."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the reason and the version that was seen."""
    parser.add_argument("--reason", metavar="TEXT", help="why it is safe now; recorded")
    parser.add_argument(
        "--seen", metavar="VERSION", type=whole(0, VERSION_MOST), help="the version you looked at"
    )
    parser.add_argument(
        "--keep-held",
        action="store_true",
        help="resume although posts are undecided: they stay held until somebody releases them",
    )
    parser.add_argument("--yes", action="store_true", help="ask nothing; needs --seen")
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    add_as(parser)


def run(args: argparse.Namespace) -> int:
    """Show, ask, resume."""
    check_consent(args, "resume")
    found = reach(args)
    doc: dict[str, Any] = found.client.get("/resume", timeout_s=ANSWER_S, shape=ResumePreviewDoc)
    if not doc["causes"]:
        answer = {"version": doc["version"], "closed": [], "held": doc["held"], "lead_until": None}
        emit(args, answer, found.words()("nothing is paused"))
        return Exit.DONE
    status = status_or_none(found)
    words, times = found.words(status), found.times(status)
    if not args.yes:
        say(preview_text(doc, times=times, words=words, ink=ink_for(sys.stdout, os.environ)))
        if not _consents(args, words, doc):
            say(words("nothing was done; it stays paused"))
            return Exit.FAILED
    doc = _resume(args, found, seen=args.seen if args.seen is not None else doc["version"])
    emit(args, doc, resumed_text(doc, words, times))
    return Exit.DONE


def check_consent(args: argparse.Namespace, command: str) -> None:
    """
    Refuse what nobody looked at.

    Raises:
        UsageError: No reason; ``--yes`` without ``--seen``; no ``--yes`` without a terminal.
    """
    if args.yes and args.seen is None:
        raise UsageError(
            "seen_missing",
            "--yes needs --seen VERSION: the version that a human looked at; nothing was done",
            "killswitch status --json shows it as version",
        )
    if not args.yes and (args.json or not on_terminal()):
        raise UsageError(
            "no_terminal",
            f"{command} asks a human; without a terminal it needs --yes and --seen VERSION; "
            "nothing was done",
            f'killswitch {command} --reason "why" --seen VERSION --yes',
        )
    if not (args.reason or "").strip():
        raise UsageError(
            "reason_missing",
            f"{command} needs a reason, which is recorded; nothing was done",
            f'killswitch {command} --reason "why it is safe now"',
        )


def _consents(args: argparse.Namespace, words: Words, doc: dict[str, Any]) -> bool:
    if args.seen is not None and args.seen != doc["version"]:
        say(words("It changed since version {seen}: look again.").format(seen=args.seen))
    question = words('Type "resume" to let posts leave again (version {version}): ')
    return ask(question.format(version=doc["version"])) == "resume"


def _resume(args: argparse.Namespace, found: Reach, *, seen: int) -> dict[str, Any]:
    body = {"seen": seen, "reason": args.reason, "keep_held": args.keep_held}
    doc: dict[str, Any] = found.client.post(
        "/resume", body, key=new_key(), timeout_s=ANSWER_S, shape=ResumeDoc
    )
    return doc


def resumed_text(doc: dict[str, Any], words: Words, times: Times) -> str:
    """Write what a resume did."""
    lines = [words("RESUMED (version {version})").format(version=doc["version"])]
    if doc.get("released"):
        count = doc["released"]
        form = many(
            "{count} released post leaves in its turn",
            "{count} released posts leave one by one",
            count,
            words,
        )
        lines.append(form.format(count=count))
    if doc["held"]:
        form = many("{count} post stays held", "{count} posts stay held", doc["held"], words)
        lines.append(form.format(count=doc["held"]))
    lines += _in_the_lead(doc, words, times)
    if doc["held"]:
        lines.append(again(words("Next step  killswitch queue --state held")))
    else:
        lines.append(again(words("Next step  killswitch status")))
    return "\n".join(lines)


def _in_the_lead(doc: dict[str, Any], words: Words, times: Times) -> list[str]:
    """Tell which posts are due so soon that they wait for a human; nothing where there are none."""
    count = doc.get("lead_held")
    if not doc["lead_until"] or count == 0:
        return []
    when = times.zoned(doc["lead_until"])
    if count == 1:
        return [words("1 of them is due before {when} and waits for a human").format(when=when)]
    if count is None:  # how many is not known yet
        return [words("Posts due before {when} wait for a human").format(when=when)]
    form = words("{count} of them are due before {when} and wait for a human")
    return [form.format(count=count, when=when)]
