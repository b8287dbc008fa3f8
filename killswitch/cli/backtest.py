"""
``backtest``: what would this configuration have done with a recorded stream of headlines?

Standard library on import; the detector is loaded when the command runs.
"""

from __future__ import annotations

import json
import os
import sys
import time
from typing import TYPE_CHECKING, Any

from killswitch.cli.detect import build, opened, rows_of
from killswitch.cli.out import Times, brief, times_for
from killswitch.cli.paths import find_place
from killswitch.cli.words import tr
from killswitch.clock import SystemClock
from killswitch.errors import Exit, UsageError
from killswitch.wire import z_or_none

if TYPE_CHECKING:
    import argparse

    from killswitch.news.backtest import BacktestResult, Trip

HELP = "replay a stream of headlines and show what would have paused"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of ``backtest``."""
    parser.add_argument(
        "file",
        metavar="FILE",
        help="JSON Lines, plain or .gz, in order of published (- is standard input)",
    )


def run(args: argparse.Namespace) -> int:
    """
    Replay a stream and print each story that would have paused, once.

    Raises:
        UsageError: The file cannot be read or a line is no row.
        ConfigError: The configuration that was named is wrong.
    """
    from killswitch.news.backtest import replay  # noqa: PLC0415 - heavy

    started = time.perf_counter()
    detector, policy = build(args.config)
    with opened(args.file) as lines:
        try:
            result = replay(rows_of(lines, args.file), detector, policy)
        except ValueError as error:
            hint = "Times are ISO 8601, such as 2026-03-02T09:00:00Z."
            raise UsageError("bad_row", f"{args.file}: {error}", hint) from error
    seconds = round(time.perf_counter() - started, 3)
    if args.json:
        sys.stdout.write(_document(result, seconds))
    else:
        zone = find_place(args, os.environ).timezone
        times = times_for(zone, now=SystemClock().now())
        sys.stdout.write(_timeline(result, seconds, times))
    return Exit.DONE


def _document(result: BacktestResult, seconds: float) -> str:
    """Write the answer as ``backtest --json`` promises."""
    document = {
        "items": result.items,
        "from": z_or_none(result.first),
        "to": z_or_none(result.last),
        "outlets": result.outlets,
        "trips": [_trip(trip) for trip in result.trips],
        "seconds": seconds,
    }
    return json.dumps(document, ensure_ascii=False) + "\n"


def _trip(trip: Trip) -> dict[str, Any]:
    """Write one story that would have paused."""
    story = trip.story
    return {
        "at": z_or_none(trip.at),
        "story": story.id,
        "title": story.title,
        "category": story.category,
        "toll": story.toll,
        "outlets": list(story.outlets),
        "first_item_at": z_or_none(story.first_item_at),
        "items": [member.id for member in story.members],
        "why": trip.why,
    }


def _timeline(result: BacktestResult, seconds: float, times: Times) -> str:
    """Write the answer for a person: each pause at its local time, then the sum."""
    if not result.items:
        return tr("no headlines in this file: nothing to replay") + "\n"
    lines = []
    for trip in result.trips:
        when = times.full(z_or_none(trip.at)) if trip.at else tr("no date")
        lines.append(f"{when}  {brief(trip.story.title)}\n{'':{len(when)}}  {brief(trip.why)}\n")
    lines.append("\n" + _sum(result, seconds) + "\n")
    return "".join(lines)


def _sum(result: BacktestResult, seconds: float) -> str:
    """Tell how often this would have paused; a rate only where the rows have dates."""
    if len(result.trips) == 1:
        told = tr("1 pause")
    else:
        told = tr("{count} pauses").format(count=len(result.trips))
    if result.first is None or result.last is None:
        told += tr(" (no row has a date)")
    else:
        days = max((result.last - result.first).total_seconds() / 86400, 1)
        rate = 30 * len(result.trips) / days
        told += tr(" in {days} days ({rate} in 30 days)").format(
            days=f"{days:.0f}", rate=f"{rate:.1f}"
        )
    more = tr(", from {items} headlines of {outlets} outlets, replayed in {seconds} s")
    return told + more.format(items=result.items, outlets=result.outlets, seconds=f"{seconds:g}")
