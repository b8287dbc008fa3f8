"""Posts as tables and pages of text: ``queue list`` and ``queue show``."""

from __future__ import annotations

import argparse
import shlex
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

from killswitch.cli.out import Times, document, head, labelled, plain, say, table
from killswitch.cli.reach import Reach, reach, status_or_none
from killswitch.cli.screen_resume import decided_text
from killswitch.cli.screen_status import failed_text
from killswitch.cli.terms import clash_words, hold_word, state_word
from killswitch.cli.words import told, tr
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
    status = status_or_none(found)
    say(rows_text(rows, found.times(status)) if rows else tr("no posts"))
    for line in (*_gone_lines(rows), *_failed_lines(rows, status, named=bool(args.state))):
        say(line)
    if more:
        text = tr("only the first {count} are shown: --json, a filter or --limit N show others")
        say(text.format(count=len(rows)))
    return 0


def _gone_lines(rows: list[Doc]) -> list[str]:
    """Say once for each channel that is gone what its posts in a list wait for."""
    form = tr(
        "the channel {channel} is not configured any more: configure it again and killswitch "
        "config reload, or killswitch queue cancel --channel {name}"
    )
    gone = dict.fromkeys(row["channel"] for row in rows if row.get("channel_gone"))
    return [form.format(channel=plain(name), name=shlex.quote(plain(name))) for name in gone]


def _failed_lines(rows: list[Doc], status: Doc | None, *, named: bool) -> list[str]:
    """Tell of what failed: that there is such a thing, or how it counts as looked at."""
    if any(row["state"] == "failed" and not row["decision"] for row in rows):
        return [tr('looked at: killswitch queue skip ID --reason "why", then status is silent')]
    failed = ((status or {}).get("queue") or {}).get("failed", 0)
    if named or not failed:
        return []
    return [tr("Failed  {posts}").format(posts=failed_text(failed, tr))]


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
        (
            row["id"],
            times.short(row["due"]),
            plain(row["channel"]),
            _state(row, times),
            head(row["text"]),
        )
        for row in rows
    ]
    due = f"{tr('DUE')} ({times.zone_name})"
    return table(lines, heading=(tr("ID"), due, tr("CHANNEL"), tr("STATE"), tr("TEXT")))


def _state(row: Doc, times: Times) -> str:
    parts = [state_word(row["state"])]
    if row["reason"]:
        parts.append(f"({hold_word(row['reason'])})")
    if row["decision"]:
        parts.append(f"-> {decided_text(row, times=times)}")
    if row["state"] == "uncertain" and row.get("looked"):
        parts.append(f"({told(plain(row['looked']['words']))})")
    if row.get("channel_gone"):
        parts.append(tr("(its channel is gone)"))
    if row["clash"]:
        parts.append(clash_words(row["clash"][:3]))
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
    return labelled([*_facts(doc, times), *_past(doc, times)])


def _past(doc: Doc, times: Times) -> Iterator[tuple[str, str]]:
    for attempt in doc["attempts"]:
        detail = told(plain(attempt["detail"] or ""))
        when = times.full(attempt["intent_at"])
        yield tr("Try"), f"{attempt['number']}  {when}  {attempt['outcome']}  {detail}".rstrip()
    for look in doc["looks"]:
        after = tr("after try {number}").format(number=look["attempt"])
        found, detail = _found_word(look["found"]), told(plain(look["detail"]))
        yield tr("Look"), f"{after}  {times.full(look['at'])}  {found}  {detail}"
    for wish in doc["retractions"]:
        yield tr("Retract"), wish_text(wish, times)
    for row in doc["history"]:
        yield tr("History"), f"{times.full(row['at'])}  {row['event']}  {plain(row['actor'])}"


def _found_word(found: str) -> str:
    return {"there": tr("there"), "absent": tr("not there"), "unknown": tr("no clear answer")}.get(
        found, found
    )


def left_text(doc: Doc, times: Times) -> str:
    """Say that a post left, and when; nothing of one that has not."""
    at = left_at(doc, times)
    return tr("left {when}").format(when=at) if at else ""


def left_at(doc: Doc, times: Times) -> str:
    """Write when a post left and, where that is another second, since when it is known."""
    if not doc.get("sent_at"):
        return ""
    left = times.full(doc.get("request_at") or doc["sent_at"])
    known = times.full(doc["answer_at"]) if doc.get("answer_at") else None
    if doc.get("request_at") and known is None:
        return tr("{when} (no answer said so)").format(when=left)
    if known in {left, None}:
        return left
    return tr("{when} (known since {known})").format(when=left, known=known)


def wish_text(wish: Doc, times: Times) -> str:
    """Write one wish to take a post down: by whom, why, and what came of it."""
    came = {"gone": tr("taken down"), "refused": tr("refused"), "given_up": tr("not known")}
    ended = f", {times.full(wish['ended_at'])}" if wish["ended_at"] else ""
    said = f" ({told(plain(wish['detail']))})" if wish["detail"] else ""
    asked = tr("asked for by {who}, {when}: {why}").format(
        who=plain(wish["by"] or "-"), when=times.full(wish["asked_at"]), why=plain(wish["reason"])
    )
    if wish["outcome"] not in came:
        return f"{asked}{said}"
    return f"{came[wish['outcome']]}{ended}{said}; {asked}"


def _facts(doc: Doc, times: Times) -> Iterator[tuple[str, str]]:
    key = tr(", key {key}").format(key=plain(doc["key"])) if doc["key"] else ""
    yield tr("Post"), tr("{id} (post {post}{key})").format(id=doc["id"], post=doc["post"], key=key)
    yield tr("Channel"), plain(doc["channel"])
    yield tr("State"), _state(doc, times)
    yield tr("Due"), times.full(doc["due"]) + _wall(doc)
    yield tr("Text"), plain(doc["text"])
    yield tr("Link"), plain(doc.get("link") or "")
    yield tr("Tags"), ", ".join(plain(tag) for tag in doc["tags"])
    for media in doc.get("media") or []:
        yield tr("Media"), f"{plain(media['path'])} {head(media['alt'])}"
    yield tr("Author"), plain(doc.get("author") or "")
    yield tr("Approved"), plain(doc.get("approved_by") or "")
    yield tr("Expires"), times.full(doc["expires"]) if doc.get("expires") else ""
    for hold in doc.get("holds") or []:
        words = ", ".join(f'"{plain(word)}"' for word in hold["words"])
        yield tr("Held by"), f"{hold_word(hold['kind'])} {plain(hold['ref'])} {words}".rstrip()
    yield tr("Sent"), left_at(doc, times)
    yield tr("Remote id"), plain(doc.get("remote_id") or "")
    yield tr("Address"), plain(doc.get("remote_url") or "")
    yield from _gone(doc)
    yield tr("Problem"), told(plain(doc.get("problem") or ""))
    looked = doc.get("looked")
    yield tr("Looked"), told(plain(looked["words"])) if looked else ""


def _gone(doc: Doc) -> Iterator[tuple[str, str]]:
    """Tell why a post can't leave whose channel is not configured any more, and what to do."""
    if doc.get("channel_gone"):
        form = tr("the channel {channel} is not configured any more: this post can't leave")
        yield tr("Problem"), form.format(channel=plain(doc["channel"]))
        form = tr(
            "configure it again and killswitch config reload, or killswitch queue cancel {id}"
        )
        yield "", form.format(id=doc["id"])


def _wall(doc: Doc) -> str:
    """Tell the wall time that was asked for, where it is known."""
    if not doc.get("wall"):
        return ""
    return tr(" ({wall} in {zone})").format(wall=doc["wall"], zone=doc["zone"])
