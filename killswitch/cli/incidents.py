"""
What happened: every pause, measured from the first headline to the resume.

  killswitch incidents
  killswitch incidents show last
  killswitch incidents report last --format md > report.md
"""

from __future__ import annotations

import argparse
from datetime import timedelta
from typing import Any

from killswitch.cli import report
from killswitch.cli.out import Times, brief, document, head, plain, say, table
from killswitch.cli.queue_show import wish_text
from killswitch.cli.reach import reach, status_or_none
from killswitch.control.client import part
from killswitch.errors import Exit
from killswitch.queue.durations import format_duration
from killswitch.wire import IncidentDoc, IncidentShownDoc, read_time

HELP = "what happened, measured: list, show, report"

FORMATS = ("md", "html", "json")

Doc = dict[str, Any]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the verbs."""
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    below = parser.add_subparsers(dest="verb", metavar="VERB", required=True)
    listed = below.add_parser("list", help="newest first (the default)")
    listed.add_argument("--limit", metavar="N", type=int, default=20)
    for name, told in (("show", "one of them"), ("report", "one of them, as a document")):
        one = below.add_parser(name, help=told)
        one.add_argument("id", metavar="ID", help='an id, the beginning of one, or "last"')
        if name == "report":
            one.add_argument("--format", choices=FORMATS, default="md", help="default: md")


def run(args: argparse.Namespace) -> int:
    """Carry out the verb."""
    found = reach(args)
    if args.verb == "list":
        rows: list[Doc] = found.client.get(
            "/incidents", query={"limit": args.limit}, shape=list[IncidentDoc]
        )
        if args.json:
            document(rows)
        else:
            times = found.times(status_or_none(found))
            say(incidents_text(rows, times) if rows else "nothing has happened yet")
        return Exit.DONE
    doc: Doc = found.client.get(f"/incidents/{part(args.id)}", shape=IncidentShownDoc)
    if args.json or getattr(args, "format", "") == "json":
        document(doc)
        return Exit.DONE
    times = found.times(status_or_none(found))
    if args.verb == "show":
        say(incident_text(doc, times))
    else:
        say(report.markdown(doc, times) if args.format == "md" else report.html(doc, times))
    return Exit.DONE


def incidents_text(rows: list[Doc], times: Times) -> str:
    """Write incidents as a table."""
    lines = [
        (
            row["id"],
            times.short(row["times"].get("tripped_at")),
            _between(row, "tripped_at", "sealed_at"),
            _between(row, "tripped_at", "resumed_at") or "open",
            row["kind"],
            brief(row["title"]),
        )
        for row in rows
    ]
    return table(lines, heading=("ID", "PAUSED", "TO SEALED", "LASTED", "KIND", "WHAT"))


def incident_text(doc: Doc, times: Times) -> str:
    """Write one incident for people."""
    lines = [f"{brief(doc['title'])}  ({doc['kind']}, {doc['id']})"]
    lines += [
        f"  {name.removesuffix('_at').replace('_', ' ').ljust(16)}{times.full(at)}"
        for name, at in doc["times"].items()
        if at
    ]
    lines += [f"  {name.ljust(16)}{value}" for name, value in facts(doc)]
    lines += [
        f"  {row['state'].ljust(16)}{row['id']} {plain(row['channel'])} {head(row['text'])} {after}"
        for row in doc["posts"]
        if (after := after_sending(row, times))
    ]
    for cause in doc["causes"]:
        lines.append(f"  {'why'.ljust(16)}{cause['kind']}: {brief(cause['reason'])}")
        lines += [
            f"  {''.ljust(16)}{times.short(piece['at'])}  {plain(piece['outlet'])}: "
            f"{brief(piece['title'])}"
            for piece in cause["evidence"]
        ]
    return "\n".join(lines)


def after_sending(row: Doc, times: Times) -> str:
    """Tell what is known of a post whose answer was lost, or that somebody wanted down."""
    told = [plain(row["looked"]["words"])] if row.get("looked") else []
    if row.get("retraction"):
        told.append(wish_text(row["retraction"], times))
    return "; ".join(told)


def facts(doc: Doc) -> list[tuple[str, str]]:
    """Name what was measured."""
    found = [
        ("to pause", _between(doc, "first_headline_at", "tripped_at")),
        ("to sealed", _between(doc, "tripped_at", "sealed_at")),
        ("to answer", _between(doc, "tripped_at", "acked_at")),
        ("to resume", _between(doc, "tripped_at", "resumed_at")),
    ]
    if doc["fever"]:
        found.append(("fever", f"{doc['fever']['per_hour']} headlines/h"))
    found += [(name.replace("_", " "), str(count)) for name, count in doc["deliveries"].items()]
    for name in ("acked_by", "resumed_by", "resume_reason", "outcome"):
        found.append((name.replace("_", " "), brief(doc[name] or "")))
    return [(name, value) for name, value in found if value]


def _between(doc: Doc, first: str, last: str) -> str:
    start, end = doc["times"].get(first), doc["times"].get(last)
    if not start or not end:
        return ""
    try:
        return format_duration(max(read_time(end) - read_time(start), timedelta(0)))
    except (ValueError, OverflowError):  # no times: shown as a daemon without them would be
        return ""
