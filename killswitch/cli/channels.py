"""The channels: rights, limits, waits. Sends nothing."""

from __future__ import annotations

import argparse
from typing import Any

from killswitch.cli.out import Times, document, plain, say, span_s, table
from killswitch.cli.reach import reach, status_or_none
from killswitch.cli.words import told, tr
from killswitch.errors import Exit
from killswitch.wire import ChannelDoc

HELP = "rights and limits of the channels; sends nothing"

CHECK_S = 60.0

Doc = dict[str, Any]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the verbs."""
    below = parser.add_subparsers(dest="verb", metavar="VERB", required=True)
    below.add_parser("list", help="rights, limits, waits (the default)")
    below.add_parser("check", help="ask every network whether it would take a post")


def run(args: argparse.Namespace) -> int:
    """List or check."""
    found = reach(args)
    if args.verb == "check":
        rows: list[Doc] = found.client.post(
            "/channels/check", shape=list[ChannelDoc], timeout_s=CHECK_S
        )
    else:
        rows = found.client.get("/channels", shape=list[ChannelDoc])
    if args.json:
        document(rows)
    else:
        times = found.times(status_or_none(found))
        say(channels_text(rows, times) if rows else tr("no channel is configured"))
    bad = args.verb == "check" and any(not row["ok"] for row in rows)
    return Exit.FAILED if bad else Exit.DONE


def channels_text(rows: list[Doc], times: Times) -> str:
    """Write channels as a table."""
    lines = [
        (
            plain(row["name"]),
            row["kind"],
            tr("ok") if row["ok"] else tr("NOT OK"),
            str(row["sent_24h"]),
            _wait(row["waits_until"], times),
            _limits(row["limits"]),
            told(plain(row["problem"] or "")),
        )
        for row in rows
    ]
    heading = (
        tr("CHANNEL"), tr("KIND"), tr("STATE"), tr("SENT 24H"), tr("WAITS"), tr("LIMITS"),
        tr("PROBLEM"),
    )  # fmt: skip
    return table(lines, heading=heading)


def _wait(until: str | None, times: Times) -> str:
    return tr("until {when}").format(when=times.zoned(until)) if until else "-"


def _limits(limits: Doc) -> str:
    """Write the limits that are set: durations with their unit, switches by their name alone."""
    told = []
    for name, value in limits.items():
        if isinstance(value, bool):
            told += [name] if value else []
        elif name.endswith("_s") and isinstance(value, int | float):
            told += [plain(f"{name[:-2]} {span_s(value)}")] if value else []
        elif value:
            told.append(plain(f"{name} {value}"))
    return ", ".join(told)
