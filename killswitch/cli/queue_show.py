"""Posts as tables and pages of text: ``queue list`` and ``queue show``."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

from killswitch.cli.out import Times, document, head, plain, say, table
from killswitch.cli.reach import Reach, reach, status_or_none
from killswitch.clock import SystemClock
from killswitch.control.client import part
from killswitch.wire import DeliveryShownDoc, QueuePageDoc, z_time

PAGE = 500
WEEK = timedelta(days=7)
LISTED = 200
"""Rows that a table shows; scripts get all with ``--json``."""

Doc = dict[str, Any]


def run_list(args: argparse.Namespace) -> int:
    """List posts."""
    found = reach(args)
    until = z_time(SystemClock().now() + WEEK) if args.week else None
    most = args.limit or (None if args.json else LISTED)
    rows, more = take(pages(found, args, until=until), most)
    if args.json:
        document(rows)
        return 0
    times = found.times(status_or_none(found))
    say(rows_text(rows, times) if rows else "no posts")
    if more:
        say(f"only the first {len(rows)} are shown: --json, a filter or --limit N show others")
    return 0


def pages(found: Reach, args: argparse.Namespace, *, until: str | None = None) -> Iterator[Doc]:
    """Read the chosen deliveries page by page."""
    query = {
        "state": args.state,
        "tag": args.tag,
        "channel": args.channel,
        "clash": args.clash or None,
        "until": until,
        "limit": PAGE,
    }
    for page in found.client.pages("/queue", query=query, shape=QueuePageDoc):
        yield from page["deliveries"]


def take(rows: Iterator[Doc], most: int | None) -> tuple[list[Doc], bool]:
    """Take at most so many rows, and say whether there are more."""
    taken: list[Doc] = []
    for row in rows:
        if most is not None and len(taken) >= most:
            return taken, True
        taken.append(row)
    return taken, False


def rows_text(rows: list[Doc], times: Times) -> str:
    """Write deliveries as a table."""
    lines = [
        (row["id"], times.short(row["due"]), plain(row["channel"]), _state(row), head(row["text"]))
        for row in rows
    ]
    return table(lines, heading=("ID", "DUE", "CHANNEL", "STATE", "TEXT"))


def _state(row: Doc) -> str:
    parts = [row["state"]]
    if row["reason"]:
        parts.append(f"({row['reason']})")
    if row["decision"]:
        parts.append(f"-> {row['decision']}")
    if row["state"] == "uncertain" and row.get("looked"):
        parts.append(f"({plain(row['looked']['words'])})")
    if row["clash"]:
        parts.append("CLASH " + ", ".join(f'"{plain(word)}"' for word in row["clash"][:3]))
    return " ".join(parts)


def run_show(args: argparse.Namespace) -> int:
    """Show one delivery."""
    found = reach(args)
    doc: Doc = found.client.get(f"/queue/{part(args.id)}", shape=DeliveryShownDoc)
    if args.json:
        document(doc)
        return 0
    say(shown_text(doc, found.times(status_or_none(found))))
    return 0


def shown_text(doc: Doc, times: Times) -> str:
    """Write one delivery with all that happened to it."""
    lines = [f"{name.ljust(10)}{value}" for name, value in _facts(doc, times) if value]
    for attempt in doc["attempts"]:
        detail = plain(attempt["detail"] or "")
        lines.append(
            f"{'Try'.ljust(10)}{attempt['number']}  {times.full(attempt['intent_at'])}  "
            f"{attempt['outcome']}  {detail}".rstrip()
        )
    lines += [
        f"{'Look'.ljust(10)}after try {look['attempt']}  {times.full(look['at'])}  "
        f"{look['found']}  {plain(look['detail'])}"
        for look in doc["looks"]
    ]
    lines += [f"{'Retract'.ljust(10)}{wish_text(wish, times)}" for wish in doc["retractions"]]
    lines += [
        f"{'History'.ljust(10)}{times.full(row['at'])}  {row['event']}  {plain(row['actor'])}"
        for row in doc["history"]
    ]
    return "\n".join(lines)


def wish_text(wish: Doc, times: Times) -> str:
    """Write one wish to take a post down: by whom, why, and what came of it."""
    came = {"gone": "taken down", "refused": "refused", "given_up": "not known"}
    ended = f", {times.full(wish['ended_at'])}" if wish["ended_at"] else ""
    said = f" ({plain(wish['detail'])})" if wish["detail"] else ""
    return (
        f"{came.get(wish['outcome'], 'asked for')}{ended}{said}: by {plain(wish['by'] or '-')}, "
        f"{times.full(wish['asked_at'])}: {plain(wish['reason'])}"
    )


def _facts(doc: Doc, times: Times) -> Iterator[tuple[str, str]]:
    yield (
        "Post",
        f"{doc['id']} (post {doc['post']}" + (f", key {plain(doc['key'])})" if doc["key"] else ")"),
    )
    yield "Channel", plain(doc["channel"])
    yield "State", _state(doc)
    zone = f" ({doc['wall']} in {doc['zone']})" if doc.get("wall") else ""
    yield "Due", times.full(doc["due"]) + zone
    yield "Text", plain(doc["text"])
    yield "Link", plain(doc.get("link") or "")
    yield "Tags", ", ".join(plain(tag) for tag in doc["tags"])
    for media in doc.get("media") or []:
        yield "Media", f"{plain(media['path'])} {head(media['alt'])}"
    yield "Author", plain(doc.get("author") or "")
    yield "Approved", plain(doc.get("approved_by") or "")
    yield "Expires", times.full(doc["expires"]) if doc.get("expires") else ""
    for hold in doc.get("holds") or []:
        words = ", ".join(f'"{plain(word)}"' for word in hold["words"])
        yield "Held by", f"{hold['kind']} {plain(hold['ref'])} {words}".rstrip()
    yield "Sent", times.full(doc["sent_at"]) if doc.get("sent_at") else ""
    yield "Remote id", plain(doc.get("remote_id") or "")
    yield "Address", plain(doc.get("remote_url") or "")
    yield "Problem", plain(doc.get("problem") or "")
    looked = doc.get("looked")
    yield "Looked", plain(looked["words"]) if looked else ""
