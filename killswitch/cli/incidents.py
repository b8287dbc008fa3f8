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
from killswitch.cli.numbers import whole
from killswitch.cli.out import Times, brief, document, head, labelled, plain, say, span, table
from killswitch.cli.queue_show import left_text, wish_text
from killswitch.cli.reach import reach, status_or_none
from killswitch.cli.terms import cause_word, moment_word, outcome_word, reason_words, state_word
from killswitch.cli.words import many, told, tr
from killswitch.control.client import part
from killswitch.errors import Exit
from killswitch.wire import IncidentDoc, IncidentShownDoc, read_time

HELP = "what happened, measured: list, show, report"

FORMATS = ("md", "html", "json")
LISTED = 1000
"""The most that a daemon lists."""

Doc = dict[str, Any]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the verbs."""
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    below = parser.add_subparsers(dest="verb", metavar="VERB", required=True)
    listed = below.add_parser("list", help="newest first (the default)")
    listed.add_argument("--limit", metavar="N", type=whole(1, LISTED), default=20)
    for name, what in (("show", "one of them"), ("report", "one of them, as a document")):
        one = below.add_parser(name, help=what)
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
            say(incidents_text(rows, times) if rows else tr("nothing has happened yet"))
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
            _between(row, "tripped_at", "resumed_at") or tr("open"),
            cause_word(row["kind"]),
            reason_words(row["kind"], row["title"]),
        )
        for row in rows
    ]
    paused = f"{tr('PAUSED')} ({times.zone_name})"
    heading = (tr("ID"), paused, tr("TO SEALED"), tr("LASTED"), tr("KIND"), tr("WHAT"))
    return table(lines, heading=heading)


def incident_text(doc: Doc, times: Times) -> str:
    """Write one incident for people."""
    title, kind = reason_words(doc["kind"], doc["title"]), cause_word(doc["kind"])
    lines = [(moment_word(name), times.full(at)) for name, at in doc["times"].items() if at]
    lines += facts(doc)
    for row in doc["posts"]:
        if after := after_sending(row, times):
            post = f"{row['id']} {plain(row['channel'])} {head(row['text'])} {after}"
            lines.append((state_word(row["state"]), post))
    for cause in doc["causes"]:
        why = reason_words(cause["kind"], cause["reason"])
        told_of = tr("{kind}: {reason}").format(kind=cause_word(cause["kind"]), reason=why)
        lines.append((tr("why"), told_of))
        lines += [("", _headline(piece, times)) for piece in cause["evidence"]]
    return f"{title}  ({kind}, {doc['id']})\n{labelled(lines, indent='  ')}"


def _headline(piece: Doc, times: Times) -> str:
    return f"{times.short(piece['at'])}  {plain(piece['outlet'])}: {brief(piece['title'])}"


def after_sending(row: Doc, times: Times) -> str:
    """Tell when a post left, what is known of a lost answer, and who wanted it down."""
    left = left_text(row, times)
    known = [left] if left else []
    if row.get("looked"):
        known.append(told(plain(row["looked"]["words"])))
    if row.get("retraction"):
        known.append(wish_text(row["retraction"], times))
    return "; ".join(known)


def facts(doc: Doc) -> list[tuple[str, str]]:
    """Name what was measured."""
    found = [
        (tr("to pause"), _between(doc, "first_headline_at", "tripped_at", in_order=True)),
        (tr("to sealed"), _between(doc, "tripped_at", "sealed_at")),
        (tr("to answer"), _between(doc, "tripped_at", "acked_at")),
        (tr("to resume"), _between(doc, "tripped_at", "resumed_at")),
    ]
    if doc["fever"]:
        count = doc["fever"]["per_hour"]
        found.append(
            (
                tr("fever"),
                many("{count} headline/h", "{count} headlines/h", count).format(count=count),
            )
        )
    found += [(state_word(name), str(count)) for name, count in doc["deliveries"].items()]
    found += [
        (tr("answered by"), told(brief(doc["acked_by"] or ""))),
        (tr("resumed by"), told(brief(doc["resumed_by"] or ""))),
        (tr("reason"), brief(doc["resume_reason"] or "")),
        (tr("outcome"), outcome_word(doc["outcome"] or "")),
    ]
    return [(name, value) for name, value in found if value]


def _between(doc: Doc, first: str, last: str, *, in_order: bool = False) -> str:
    """Write how long it took; ``in_order``: say nothing where the last came first."""
    start, end = doc["times"].get(first), doc["times"].get(last)
    if not start or not end:
        return ""
    try:
        took = read_time(end) - read_time(start)
    except (ValueError, OverflowError):  # no times: shown as a daemon without them would be
        return ""
    # A pause by hand may stand before the first headline, which then measures nothing.
    return "" if in_order and took < timedelta(0) else span(max(took, timedelta(0)))
