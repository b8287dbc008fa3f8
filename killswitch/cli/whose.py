"""Did this leave through our gate? When, who wrote it, who approved it."""

from __future__ import annotations

import argparse
from typing import Any

from killswitch.cli.out import emit, head, plain
from killswitch.cli.queue_show import wish_text
from killswitch.cli.reach import reach, status_or_none
from killswitch.errors import Exit
from killswitch.wire import WhoseDoc

HELP = "did this leave through our gate, when, who wrote and approved it"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the address or id."""
    parser.add_argument("query", metavar="URL|ID", help="address of a post, or an id")


def run(args: argparse.Namespace) -> int:
    """Look it up; exit 1 when it is not ours."""
    found = reach(args)
    doc: dict[str, Any] = found.client.get("/whose", query={"q": args.query}, shape=WhoseDoc)
    row = doc["delivery"]
    if not doc["found"] or row is None:
        emit(args, doc, "NOT OURS: nothing of that address or id left through our gate")
        return Exit.FAILED
    times = found.times(status_or_none(found))
    sent = f"left {times.full(doc['sent_at'])}" if doc["sent_at"] else f"state {row['state']}"
    lines = [f"OURS: {row['id']} on {plain(row['channel'])}, {sent}", head(row["text"])]
    lines.append(f"Author    {plain(doc['author'] or '-')}")
    if doc["approved_by"]:
        lines.append(f"Approved  {plain(doc['approved_by'])}")
    if row.get("looked") and row["state"] != "retracted":
        lines.append(f"Looked    {plain(row['looked']['words'])}")
    if row.get("retraction"):
        lines.append(f"Retract   {wish_text(row['retraction'], times)}")
    emit(args, doc, "\n".join(lines))
    return Exit.DONE
