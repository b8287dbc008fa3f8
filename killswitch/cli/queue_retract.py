"""
Take posts down from their network: shown, asked, and waited for.

What people have seen can't be unseen, and a deletion can't be taken back: so it shows what it is
about to take down, asks, and wants a reason. The store keeps the post and the answer.
"""

from __future__ import annotations

import argparse
import threading
from datetime import timedelta
from typing import Any

from killswitch.cli.out import Times, ask, emit, on_terminal, plain, say
from killswitch.cli.queue_show import left_text
from killswitch.cli.queue_verbs import act, warn_refused
from killswitch.cli.reach import Reach, add_as, reach, status_or_none
from killswitch.cli.terms import state_word
from killswitch.cli.words import told, tr
from killswitch.clock import SystemClock
from killswitch.control.client import part
from killswitch.errors import Exit, UsageError
from killswitch.wire import DeliveryShownDoc, read_time

HELP = "take a post down from its network, where its channel can do that"

WAIT_S = 30.0
"""A network has 20 s for its answer."""
STEP_S = 0.3

Doc = dict[str, Any]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the posts, the reason and the consent."""
    parser.add_argument("ids", metavar="ID", nargs="+", help="ids, or the beginning of one")
    parser.add_argument("--reason", metavar="TEXT", help="why; recorded")
    parser.add_argument("--yes", action="store_true", help="ask nothing")
    add_as(parser)


def run(args: argparse.Namespace) -> int:
    """Show, ask, have it taken down, and tell what came of it."""
    _check(args)
    found = reach(args)
    rows = [_show(found, one) for one in args.ids]
    times = found.times(status_or_none(found))
    if not args.yes and not _consents(rows, times):
        say(tr("nothing was done; it stays where it is"))
        return Exit.FAILED
    doc = act(found, {"verb": "retract", "ids": [row["id"] for row in rows], "reason": args.reason})
    rows = _wait(found, [row["id"] for row in doc["done"]])
    doc["done"] = [
        {**done, "state": row["state"], "retraction": row["retraction"]}
        for done, row in zip(doc["done"], rows, strict=True)
    ]
    emit(args, doc, "\n".join(_told(row, times) for row in rows))
    if not args.json:
        warn_refused(doc)
    is_down = all(row["state"] == "retracted" for row in rows) and not doc["refused"]
    return Exit.DONE if is_down else Exit.FAILED


def _check(args: argparse.Namespace) -> None:
    if not (args.reason or "").strip():
        raise UsageError(
            "reason_missing",
            "retract needs a reason, which is recorded; nothing was done",
            'killswitch queue retract ID --reason "why"',
        )
    if not args.yes and (args.json or not on_terminal()):
        raise UsageError(
            "no_terminal",
            "retract asks a human; without a terminal it needs --yes; nothing was done",
            'killswitch queue retract ID --reason "why" --yes',
        )


def _show(found: Reach, one: str) -> Doc:
    doc: Doc = found.client.get(f"/queue/{part(one)}", shape=DeliveryShownDoc)
    return doc


def _consents(rows: list[Doc], times: Times) -> bool:
    for row in rows:
        say(_about(row, times))
    say(tr("The text and this record stay in killswitch; who has seen or copied it has seen it."))
    return ask(tr('Type "retract" to take it down: ')) == "retract"


def _about(row: Doc, times: Times) -> str:
    left = left_text(row, times) or tr("may have gone out")
    form = tr("{id} on {channel}, {state}: {left}")
    channel, state = plain(row["channel"]), state_word(row["state"])
    lines = [form.format(id=row["id"], channel=channel, state=state, left=left)]
    lines.append(f"  {plain(row['text'])}")
    details = [row.get("link"), row.get("remote_url"), row.get("author")]
    details.append(tr("id there: {id}").format(id=row["remote_id"]) if row.get("remote_id") else "")
    return "\n".join(lines + [f"  {plain(detail)}" for detail in details if detail])


def _wait(found: Reach, ids: list[str]) -> list[Doc]:
    """Wait until the networks have answered, unless they are asked again only later."""
    clock = SystemClock()
    ends = clock.now() + timedelta(seconds=WAIT_S)
    while True:
        rows = [_show(found, one) for one in ids]
        if clock.now() > ends or not any(_is_open(row, ends) for row in rows):
            return rows
        clock.wait(threading.Event(), STEP_S)


def _is_open(row: Doc, ends: Any) -> bool:
    next_at = (row["retraction"] or {}).get("next_at")
    try:
        return row["state"] == "retracting" and next_at is not None and read_time(next_at) <= ends
    except (ValueError, OverflowError):  # no time: nobody waits for it
        return False


def _told(row: Doc, times: Times) -> str:
    wish = row["retraction"] or {}
    said = told(plain(row.get("problem") or wish.get("detail") or ""))
    when = times.full(wish.get("ended_at"))
    form = tr("NOT TAKEN DOWN {id}: {said}")
    if row["state"] == "retracted":
        form = tr("TAKEN DOWN {id} from {channel}, {when}")
    if row["state"] == "retracting":
        said = told(plain(wish.get("detail") or "")) or tr("no answer yet")
        when = times.full(wish.get("next_at"))
        form = tr("NOT TAKEN DOWN YET {id}: {channel}: {said}; it is asked again by itself, {when}")
    return form.format(id=row["id"], channel=plain(row["channel"]), said=said, when=when)
