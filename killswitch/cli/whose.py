"""Did this leave through our gate? When, who wrote it, who approved it."""

from __future__ import annotations

import argparse
from typing import Any

from killswitch.cli.out import Times, emit, head, labelled, plain
from killswitch.cli.queue_show import left_text, wish_text
from killswitch.cli.reach import reach, status_or_none
from killswitch.cli.terms import state_word
from killswitch.cli.words import told, tr
from killswitch.errors import Exit
from killswitch.wire import WhoseDoc

HELP = "did this leave through our gate, when, who wrote and approved it"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the address or id."""
    parser.add_argument("query", metavar="URL|ID", help="address of a post, or an id")


def run(args: argparse.Namespace) -> int:
    """Look it up; exit 1 when it is not ours."""
    found = reach(args)
    times = found.times(status_or_none(found))
    doc: dict[str, Any] = found.client.get("/whose", query={"q": args.query}, shape=WhoseDoc)
    row = doc["delivery"]
    if not doc["found"] or row is None:
        emit(args, doc, tr("NOT OURS: nothing of that address or id left through our gate"))
        return Exit.FAILED
    emit(args, doc, _text(doc, row, times))
    return Exit.DONE


def _text(doc: dict[str, Any], row: dict[str, Any], times: Times) -> str:
    state = state_word(row["state"])
    sent = left_text(doc, times) or tr("it has not left: {state}").format(state=state)
    first = tr("OURS: {id} on {channel}, {sent}")
    lines = [first.format(id=row["id"], channel=plain(row["channel"]), sent=sent)]
    lines.append(head(row["text"]))
    facts = [(tr("Author"), plain(doc["author"] or "-"))]
    address = row.get("remote_url") or row.get("remote_id")
    facts.append((tr("Address"), plain(address or "")))
    facts.append((tr("Link"), plain(row.get("link") or "")))
    if doc.get("released_by"):
        when = times.full(doc["released_at"])
        facts.append((tr("Released"), f"{plain(doc['released_by'])}, {when}"))
    facts.append((tr("Approved"), plain(doc["approved_by"] or "")))
    if row.get("looked") and row["state"] != "retracted":
        facts.append((tr("Looked"), told(plain(row["looked"]["words"]))))
    if row.get("retraction"):
        facts.append((tr("Retract"), wish_text(row["retraction"], times)))
    return "\n".join([*lines, labelled(facts)])
