"""
The audit trail: who did what, in a chain that shows every change to it.

  killswitch audit --subject d4k7
  killswitch audit verify
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from typing import Any

from killswitch.cli.numbers import MANY, VERSION_MOST, whole
from killswitch.cli.out import Times, document, emit, plain, say, table
from killswitch.cli.queue_show import take
from killswitch.cli.reach import Reach, reach, status_or_none
from killswitch.cli.words import many, told, tr
from killswitch.errors import Exit
from killswitch.wire import AuditPageDoc, AuditVerifyDoc

HELP = "who did what; check that the record is whole"

PAGE = 500
VERIFY_S = 300.0

Doc = dict[str, Any]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the verbs."""
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    below = parser.add_subparsers(dest="verb", metavar="VERB", required=True)
    listed = below.add_parser("list", help="rows, oldest first (the default)")
    listed.add_argument("--subject", metavar="ID", help="only rows about this post or thing")
    listed.add_argument(
        "--after", metavar="N", type=whole(0, VERSION_MOST), default=0, help="only rows after this"
    )
    listed.add_argument(
        "--limit", metavar="N", type=whole(1, MANY), default=100, help="default: 100"
    )
    below.add_parser("verify", help="check the chain; a broken one is exit 1, and a pause")


def run(args: argparse.Namespace) -> int:
    """List or verify."""
    found = reach(args)
    if args.verb == "verify":
        doc: Doc = found.client.get("/audit/verify", timeout_s=VERIFY_S, shape=AuditVerifyDoc)
        emit(args, doc, verdict_text(doc, found.times(status_or_none(found))))
        return Exit.DONE if doc["ok"] else Exit.FAILED
    rows, more = take(_rows(found, args), args.limit)
    if args.json:
        document(rows)
        return Exit.DONE
    say(rows_text(rows, found.times(status_or_none(found))) if rows else tr("no rows"))
    if more:
        say(tr("more: killswitch audit --after {row}").format(row=rows[-1]["seq"]))
    return Exit.DONE


def _rows(found: Reach, args: argparse.Namespace) -> Iterator[Doc]:
    query = {"after": args.after, "limit": PAGE, "subject": args.subject}
    for page in found.client.pages("/audit", query=query, shape=AuditPageDoc):
        yield from page["rows"]


def verdict_text(doc: Doc, times: Times) -> str:
    """Write what a check of the chain found, and what was broken before and accepted."""
    return "\n".join([_verdict(doc), *(_accepted(one, times) for one in reversed(doc["breaks"]))])


def _verdict(doc: Doc) -> str:
    """Say whether the chain is whole, since when, and where not."""
    if doc["ok"] and doc["breaks"]:
        form = many(
            "WHOLE since row {row}: {count} row",
            "WHOLE since row {row}: {count} rows",
            doc["rows"],
        )
        return form.format(row=doc["since"], count=doc["rows"])
    if doc["ok"] and doc["rows"] == 1:
        return tr("WHOLE: 1 row")
    if doc["ok"]:
        form = many("WHOLE: {count} row", "WHOLE: {count} rows", doc["rows"])
        return form.format(count=doc["rows"])
    why = told(plain(doc["why"] or ""))
    if doc["unread"]:
        return tr("NOT CHECKED: {why}").format(why=why)
    if not doc["broken_at"]:
        return tr("BROKEN: {why}").format(why=why)
    return tr("BROKEN at row {row}: {why}").format(row=doc["broken_at"], why=why)


def _accepted(one: Doc, times: Times) -> str:
    if one["row"]:
        form = tr("BROKEN BEFORE row {start}, at row {row} ({why}): accepted by {who}, {when}")
    else:
        form = tr("BROKEN BEFORE row {start} ({why}): accepted by {who}, {when}")
    return form.format(
        start=one["start"],
        row=one["row"],
        why=told(plain(one["why"])),
        who=plain(one["accepted_by"]),
        when=times.full(one["accepted_at"]),
    )


def rows_text(rows: list[Doc], times: Times) -> str:
    """Write audit rows as a table."""
    lines = [
        (
            str(row["seq"]),
            times.full(row["at"]),
            told(plain(row["actor"])),
            row["event"],
            plain(row["subject"]),
            plain(json.dumps(row["data"], ensure_ascii=False)) if row["data"] else "",
        )
        for row in rows
    ]
    heading = (tr("ROW"), tr("AT"), tr("WHO"), tr("WHAT"), tr("ABOUT"), tr("FACTS"))
    return table(lines, heading=heading)
