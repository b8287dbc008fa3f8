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

from killswitch.cli.out import Times, document, emit, plain, say, table
from killswitch.cli.queue_show import take
from killswitch.cli.reach import Reach, reach, status_or_none
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
    listed.add_argument("--after", metavar="N", type=int, default=0, help="only rows after this")
    listed.add_argument("--limit", metavar="N", type=int, default=100, help="default: 100")
    below.add_parser("verify", help="check the chain; a broken one is exit 1, and a pause")


def run(args: argparse.Namespace) -> int:
    """List or verify."""
    found = reach(args)
    if args.verb == "verify":
        doc: Doc = found.client.get("/audit/verify", timeout_s=VERIFY_S, shape=AuditVerifyDoc)
        text = f"WHOLE: {doc['rows']} rows"
        if not doc["ok"]:
            where = f" at row {doc['broken_at']}" if doc["broken_at"] else ""
            text = f"BROKEN{where}: {plain(doc['why'] or '')}"
        emit(args, doc, text)
        return Exit.DONE if doc["ok"] else Exit.FAILED
    rows, more = take(_rows(found, args), args.limit)
    if args.json:
        document(rows)
        return Exit.DONE
    say(rows_text(rows, found.times(status_or_none(found))) if rows else "no rows")
    if more:
        say(f"more: killswitch audit --after {rows[-1]['seq']}")
    return Exit.DONE


def _rows(found: Reach, args: argparse.Namespace) -> Iterator[Doc]:
    query = {"after": args.after, "limit": PAGE, "subject": args.subject}
    for page in found.client.pages("/audit", query=query, shape=AuditPageDoc):
        yield from page["rows"]


def rows_text(rows: list[Doc], times: Times) -> str:
    """Write audit rows as a table."""
    lines = [
        (
            str(row["seq"]),
            times.full(row["at"]),
            plain(row["actor"]),
            row["event"],
            plain(row["subject"]),
            plain(json.dumps(row["data"], ensure_ascii=False)) if row["data"] else "",
        )
        for row in rows
    ]
    return table(lines, heading=("ROW", "AT", "WHO", "WHAT", "ABOUT", "FACTS"))
