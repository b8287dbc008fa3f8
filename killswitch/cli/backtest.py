"""
``backtest``: what would this configuration have done with a recorded stream of headlines?

Standard library on import; the detector is loaded when the command runs.
"""

from __future__ import annotations

import json
import sys
import time
from typing import TYPE_CHECKING, Any

from killswitch.cli.detect import build, opened, rows_of
from killswitch.cli.out import brief
from killswitch.errors import Exit, UsageError

if TYPE_CHECKING:
    import argparse
    from datetime import datetime

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
    sys.stdout.write(_document(result, seconds) if args.json else _timeline(result, seconds))
    return Exit.DONE


def _document(result: BacktestResult, seconds: float) -> str:
    """Write the answer as ``backtest --json`` promises."""
    document = {
        "items": result.items,
        "from": _stamp(result.first),
        "to": _stamp(result.last),
        "outlets": result.outlets,
        "trips": [_trip(trip) for trip in result.trips],
        "seconds": seconds,
    }
    return json.dumps(document, ensure_ascii=False) + "\n"


def _trip(trip: Trip) -> dict[str, Any]:
    """Write one story that would have paused."""
    story = trip.story
    return {
        "at": _stamp(trip.at),
        "story": story.id,
        "title": story.title,
        "category": story.category,
        "toll": story.toll,
        "outlets": list(story.outlets),
        "first_item_at": _stamp(story.first_item_at),
        "items": [member.id for member in story.members],
        "why": trip.why,
    }


def _timeline(result: BacktestResult, seconds: float) -> str:
    """Write the answer for a person: one line a pause, then the sum."""
    lines = [
        f"{trip.at:%Y-%m-%d %H:%M}Z  {brief(trip.story.title)}\n{'':19}{brief(trip.why)}\n"
        for trip in result.trips
    ]
    if result.first is None or result.last is None:
        return "No headlines in this file: nothing to replay.\n"
    days = max((result.last - result.first).total_seconds() / 86400, 1)
    plural = "" if len(result.trips) == 1 else "s"
    rate = 30 * len(result.trips) / days
    lines.append(
        f"\n{len(result.trips)} pause{plural} in {days:.0f} days ({rate:.1f} in 30 days), from"
        f" {result.items} headlines of {result.outlets} outlets, replayed in {seconds:g} s\n"
    )
    return "".join(lines)


def _stamp(at: datetime | None) -> str | None:
    """Write an instant as ISO 8601 UTC with Z."""
    return None if at is None else at.isoformat().replace("+00:00", "Z")
