"""
What would this configuration have done with a recorded stream of headlines?

A pause with "?" was taken up by no further newsroom afterwards: look at these first for false
alarms. With --compare the same stream is replayed under a second configuration, side by side.

  killswitch backtest last-month.jsonl.gz
  killswitch --config killswitch.toml backtest last-month.jsonl --compare other.toml
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from typing import TYPE_CHECKING, Any

from killswitch.cli.detect import build, opened, rows_of
from killswitch.cli.out import Times, brief, plain, times_for
from killswitch.cli.paths import find_place
from killswitch.cli.words import many, told, tr
from killswitch.clock import SystemClock
from killswitch.errors import Exit, UsageError
from killswitch.wire import z_or_none

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping
    from datetime import datetime

    from killswitch.news.backtest import BacktestResult, Trip
    from killswitch.news.compare import Side

HELP = "replay a stream of headlines and show what would have paused"
_CELL = 22


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of ``backtest``."""
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument(
        "file",
        metavar="FILE",
        help="JSON Lines, plain or .gz, in order of published (- is standard input)",
    )
    add_compare(parser)


def add_compare(parser: argparse.ArgumentParser) -> None:
    """Add the second configuration."""
    parser.add_argument(
        "--compare", metavar="TOML", help="replay it under this configuration too, side by side"
    )


def run(args: argparse.Namespace) -> int:
    """
    Replay a stream and print each story that would have paused, once.

    Raises:
        UsageError: The file cannot be read or a line is no row.
        ConfigError: The configuration that was named is wrong.
    """
    with opened(args.file) as lines:
        rows = rows_of(lines, args.file)
        kept = list(rows) if args.compare else rows
        return replay_rows(args, lambda _: kept, source=args.file)


def replay_rows(
    args: argparse.Namespace,
    rows: Callable[[str | None], Iterable[Mapping[str, Any]]],
    *,
    source: str,
    false: Collection[str] = (),
) -> int:
    """
    Replay rows under one configuration, or under two side by side, and print the answer.

    Args:
        args: ``config``, ``compare`` and ``json``.
        rows: Gives the rows of the detector file format as a configuration sees them.
        source: What they come from, for messages.
        false: Ids of headlines whose pause people called a false alarm.

    Raises:
        UsageError: A row's time is none.
        ConfigError: A configuration is wrong.
    """
    first, seconds = _replayed(args.config, rows(args.config), source)
    zone = None if args.json else find_place(args, os.environ).timezone
    times = times_for(zone, now=SystemClock().now())
    if not args.compare:
        one = _document(first, seconds, false)
        sys.stdout.write(_json(one) if args.json else _timeline(first, seconds, false, times))
        return Exit.DONE
    second, more = _replayed(args.compare, rows(args.compare), source)
    if args.json:
        sys.stdout.write(_json(_compared(first, second, seconds, more, false)))
    else:
        sys.stdout.write(_side_by_side(first, second, args.compare, false, times))
    return Exit.DONE


def _replayed(
    config: str | None, rows: Iterable[Mapping[str, Any]], source: str
) -> tuple[BacktestResult, float]:
    from killswitch.news.backtest import replay  # noqa: PLC0415 - heavy

    started = time.perf_counter()
    detector, policy = build(config)
    try:
        result = replay(rows, detector, policy)
    except ValueError as error:
        hint = "Times are ISO 8601, such as 2026-03-02T09:00:00Z."
        raise UsageError("bad_row", f"{source}: {error}", hint) from error
    return result, round(time.perf_counter() - started, 3)


def _json(document: Mapping[str, Any]) -> str:
    return json.dumps(document, ensure_ascii=False) + "\n"


def _document(
    result: BacktestResult, seconds: float, false: Collection[str] = ()
) -> dict[str, Any]:
    """Write the answer as ``backtest --json`` promises."""
    return {
        "items": result.items,
        "from": z_or_none(result.first),
        "to": z_or_none(result.last),
        "outlets": result.outlets,
        "trips": [_trip(trip, false) for trip in result.trips],
        "told": [_trip(told, false) for told in result.told],
        "seconds": seconds,
    }


def _trip(trip: Trip, false: Collection[str] = ()) -> dict[str, Any]:
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
        "heard": trip.heard,
        "doubtful": trip.doubtful,
        "dismissed": _was_false(trip, false),
    }


def _was_false(trip: Trip, false: Collection[str]) -> bool:
    """Say whether people called the pause for one of its headlines a false alarm."""
    return any(member.id in false for member in trip.story.members)


def _mark(trip: Trip, false: Collection[str]) -> str:
    """Mark what was dismissed, and what nobody else took up."""
    return tr("FALSE") if _was_false(trip, false) else "?" if trip.doubtful else ""


def _timeline(result: BacktestResult, seconds: float, false: Collection[str], times: Times) -> str:
    """Write the answer for a person: each pause at its local time, then the sum."""
    if not result.items:
        return tr("no headlines in this file: nothing to replay") + "\n"
    marked = [(one, tr("told")) for one in result.told] + [(one, "") for one in result.trips]
    lines = []
    for one, word in sorted(marked, key=lambda pair: z_or_none(pair[0].at) or ""):
        when = times.full(z_or_none(one.at)) if one.at else tr("no date")
        mark = " ".join(filter(None, (word, _mark(one, false))))
        title = f"{mark}: {brief(one.story.title)}" if mark else brief(one.story.title)
        lines.append(f"{when}  {title}\n{'':{len(when)}}  {brief(told(plain(one.why)))}\n")
    outlets = many("{count} outlet", "{count} outlets", result.outlets)
    more = tr(", from {items} of {outlets}, replayed in {seconds} s").format(
        items=_headlines(result),
        outlets=outlets.format(count=result.outlets),
        seconds=f"{seconds:g}",
    )
    return "".join((*lines, f"\n{_sum(result, false)}{more}\n"))


def _headlines(result: BacktestResult) -> str:
    return many("{count} headline", "{count} headlines", result.items).format(count=result.items)


def _sum(result: BacktestResult, false: Collection[str] = ()) -> str:
    """Tell how often this would have paused; a rate only where the rows have dates."""
    count = len(result.trips)
    said = many("{count} pause", "{count} pauses", count).format(count=count)
    if result.first is None or result.last is None:
        said += tr(" (no row has a date)")
    else:
        days = max((result.last - result.first).total_seconds() / 86400, 1)
        form = many(
            " in {days} day ({rate} in 30 days)", " in {days} days ({rate} in 30 days)", round(days)
        )
        said += form.format(days=f"{days:.0f}", rate=f"{30 * count / days:.1f}")
    wrong = sum(_was_false(trip, false) for trip in result.trips)
    alone = sum(trip.doubtful and not _was_false(trip, false) for trip in result.trips)
    if wrong:
        said += tr(", {count} FALSE (dismissed by people)").format(count=wrong)
    if alone:
        said += tr(", {count} with ? (no further newsroom took it up)").format(count=alone)
    if result.told:
        said += tr(", {count} only told at first").format(count=len(result.told))
    return said


# ---- two configurations -------------------------------------------------------------------------


def _compared(
    a: BacktestResult, b: BacktestResult, a_s: float, b_s: float, false: Collection[str]
) -> dict[str, Any]:
    """Write both answers and what they have in common."""
    from killswitch.news.compare import compare  # noqa: PLC0415 - heavy

    return {
        "a": _document(a, a_s, false),
        "b": _document(b, b_s, false),
        "pairs": [
            {
                "at": z_or_none(pair.at),
                "title": pair.title,
                "a": _doc(pair.a),
                "b": _doc(pair.b),
            }
            for pair in compare(a, b)
        ],
    }


def _doc(side: Side | None) -> dict[str, Any] | None:
    if side is None:
        return None
    return {
        "told": z_or_none(side.told.at) if side.told else None,
        "trip": z_or_none(side.trip.at) if side.trip else None,
    }


def _side_by_side(
    a: BacktestResult, b: BacktestResult, other: str, false: Collection[str], times: Times
) -> str:
    """Write both replays as one timeline with a column each."""
    from killswitch.news.compare import compare  # noqa: PLC0415 - heavy

    pairs = compare(a, b)
    whens = [times.full(z_or_none(pair.at)) if pair.at else tr("no date") for pair in pairs]
    wide = max(map(len, whens), default=0)
    first = tr("A this")
    lines = [f"{'':{wide}}  {first:<{_CELL}}  {'B ' + brief(other, _CELL - 2):<{_CELL}}"]
    for when, pair in zip(whens, pairs, strict=True):
        cells = [f"{_cell(side, pair.at, false):<{_CELL}}" for side in (pair.a, pair.b)]
        lines.append(f"{when:<{wide}}  {'  '.join(cells)}  {brief(pair.title, 90)}")
    only = tr("only A pauses for {a}, only B for {b}, of {items}").format(
        a=sum(_pauses(pair.a) and not _pauses(pair.b) for pair in pairs),
        b=sum(_pauses(pair.b) and not _pauses(pair.a) for pair in pairs),
        items=_headlines(a),
    )
    return "\n".join((*lines, "", f"A  {_sum(a, false)}", f"B  {_sum(b, false)}", only)) + "\n"


def _pauses(side: Side | None) -> bool:
    return side is not None and side.trip is not None


def _cell(side: Side | None, since: datetime | None, false: Collection[str]) -> str:
    """Write what one configuration did: told, paused, how much later than the first."""
    if side is None:
        return "-"
    parts = []
    if side.told is not None:
        parts.append(tr("told") + _later(side.told.at, since))
    if side.trip is not None:
        mark = _mark(side.trip, false)
        parts.append(tr("pause") + _later(side.trip.at, since) + (f" {mark}" if mark else ""))
    return ", ".join(parts)


def _later(at: datetime | None, since: datetime | None) -> str:
    minutes = round((at - since).total_seconds() / 60) if at and since else 0
    return f" +{minutes} min" if minutes else ""
