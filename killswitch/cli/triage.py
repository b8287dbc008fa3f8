"""
Decide on the held posts one by one, those that clash first.

Each answer is recorded at once; during a pause the resume carries it out. Enter leaves a post
held. Readable without colours. Needs a terminal: scripts use the queue verbs.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable
from typing import Any

from killswitch.cli.again import again
from killswitch.cli.out import Ink, Times, ask, emit, ink_for, on_terminal, plain, say
from killswitch.cli.queue_verbs import act, warn_refused
from killswitch.cli.reach import Reach, add_as, reach, status_or_none
from killswitch.cli.screen_resume import decided_text, keep_held_text, post_line
from killswitch.cli.terms import state_word
from killswitch.cli.words import told
from killswitch.errors import Exit, KillswitchError, UsageError
from killswitch.wire import QueuePageDoc

HELP = "decide on the held posts one by one, clash first"

PAGE = 500
_ANSWERS = {
    "r": "release",
    "m": "move",
    "e": "edit",
    "s": "skip",
    "k": "keep",
}

Doc = dict[str, Any]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add who is deciding."""
    parser.add_argument("--all", action="store_true", help="also those that are decided already")
    add_as(parser)


def run(args: argparse.Namespace) -> int:
    """Go through the held posts."""
    found = reach(args)
    rows = ordered(_held(found), all_of_them=args.all)
    if args.json:
        emit(args, rows, "")
        return Exit.DONE
    if not on_terminal():
        raise UsageError(
            "no_terminal",
            "triage asks a human, post by post; nothing was done",
            "scripts use killswitch queue release|move|skip|keep; --json lists the posts",
        )
    status = status_or_none(found)
    triage = _Triage(found, times=found.times(status), words=found.words(status))
    return triage.go(rows)


def _held(found: Reach) -> list[Doc]:
    query = {"state": "held,uncertain", "limit": PAGE}
    pages = found.client.pages("/queue", query=query, shape=QueuePageDoc)
    return [row for page in pages for row in page["deliveries"]]


def ordered(rows: list[Doc], *, all_of_them: bool) -> list[Doc]:
    """Choose and order: what may have gone out, then clashes, then by due time."""
    chosen = [row for row in rows if all_of_them or not row["decision"]]
    return sorted(
        chosen,
        key=lambda row: (row["state"] != "uncertain", not row["clash"], row["due"], row["id"]),
    )


class _Triage:
    """One sitting."""

    def __init__(self, found: Reach, *, times: Times, words: Callable[[str], str]) -> None:
        self._found = found
        self._times = times
        self._words = words
        self._ink: Ink = ink_for(sys.stdout, os.environ)
        self._decided = 0

    def go(self, rows: list[Doc]) -> int:
        """Ask for each post; ``q`` and the end of input stop."""
        words = self._words
        if not rows:
            say(words("nothing is to be decided"))
            return Exit.DONE
        for number, row in enumerate(rows, start=1):
            self._show(row, f"{number}/{len(rows)}")
            if not self._ask(row):
                break
        say(words("{count} of {all} decided").format(count=self._decided, all=len(rows)))
        say(again(words('Next step  killswitch resume --reason "why"')))
        if self._decided < len(rows):
            say(keep_held_text(words))
        return Exit.DONE

    def _show(self, row: Doc, place: str) -> None:
        line = post_line(row, times=self._times, words=self._words, ink=self._ink)
        say(f"\n[{place}] {line}")
        say(f"  {plain(row['text'])}")
        details = [row.get("link") or "", " ".join(f"#{tag}" for tag in row["tags"])]
        details += [f"{file['path']} ({file['alt']})" for file in row.get("media") or []]
        details += [row.get("author") or ""]
        say("  " + "  ".join(plain(detail) for detail in details if detail))

    def _ask(self, row: Doc) -> bool:
        """Ask until the answer is one; False ends the sitting."""
        question = self._question(row)
        while True:
            answer = ask(question).lower()
            if answer in {"q", "quit"}:
                return False
            if answer == "":
                return True
            body = self._body(row, answer)
            if body is None:
                say(self._words("one letter, please"))
            elif self._tell(body):
                return True

    def _question(self, row: Doc) -> str:
        if row["state"] == "uncertain":
            return self._words("[y] it is on the network  [n] it is not  [Enter] later  [q] stop: ")
        return self._words(
            "[r]elease  [m]ove  [e]dit  [s]kip  [k]eep held  [Enter] later  [q] stop: "
        )

    def _body(self, row: Doc, answer: str) -> Doc | None:
        """Turn a letter into an act; None where it is none."""
        if row["state"] == "uncertain":
            sent = {"y": True, "n": False}.get(answer)
            return None if sent is None else self._act(row, "resolve", sent=sent)
        verb = _ANSWERS.get(answer)
        if verb is None:
            return None
        more: Doc = {}
        if verb == "move":
            more["at"] = ask(self._words("  new time (WHEN): "))
        if verb == "edit":
            more["text"] = ask(self._words("  new text: "))
        if verb in {"skip", "release"}:
            more["reason"] = ask(self._words("  why (Enter for nothing): ")) or None
        return self._act(row, verb, **more)

    def _act(self, row: Doc, verb: str, **more: object) -> Doc:
        return {"verb": verb, "ids": [row["id"]], **more}

    def _tell(self, body: Doc) -> bool:
        """Record the decision; a refusal is shown and asks again."""
        try:
            doc = act(self._found, body)
        except KillswitchError as error:
            if error.exit is Exit.UNREACHABLE:
                raise
            say(f"  {told(error.message)}" + (f" ({told(error.hint)})" if error.hint else ""))
            return False
        warn_refused(doc)
        for row in doc["done"]:
            if row.get("decision"):
                say(f"  {row['id']}: {decided_text(row, times=self._times)}")
            else:
                say(f"  {row['id']}: {state_word(row['state'])}, {self._times.full(row['due'])}")
        self._decided += len(doc["done"])
        return not doc["refused"]
