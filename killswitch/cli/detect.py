"""
``detect``: grade headlines and say why, without a daemon and without a configuration.

Standard library on import; the detector is loaded when the command runs.
"""

from __future__ import annotations

import gzip
import io
import json
import os
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, cast

from killswitch.cli.out import brief
from killswitch.errors import Exit, UsageError

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator, Mapping

    from killswitch.news.grade import Detector, DetectPolicy
    from killswitch.news.item import Item, Signal

HELP = "grade headlines and explain each decision"

_COLOURS = {"trip": "\x1b[1;31m", "note": "\x1b[33m", "none": "\x1b[2m"}
_PLAIN = "\x1b[0m"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of ``detect``."""
    parser.add_argument(
        "text", nargs="?", metavar="TEXT", help="one headline; - reads rows from stdin"
    )
    parser.add_argument(
        "--input",
        metavar="FILE",
        help="JSON Lines with id, title, summary, outlet, lang, published (- is standard input)",
    )
    parser.add_argument("--lang", metavar="CODE", help="language of TEXT (default: guessed)")


def run(args: argparse.Namespace) -> int:
    """
    Grade one headline or a file of them.

    Raises:
        UsageError: Neither or both of TEXT and ``--input``, or a line that is no row.
        ConfigError: The configuration that was named is wrong.
    """
    text, source = args.text, args.input
    if text == "-" and source is None:
        text, source = None, "-"
    if (text is None) == (source is None):
        hint = 'killswitch detect "HEADLINE", or killswitch detect --input FILE.jsonl'
        raise UsageError("detect_what", "give a headline or --input, one of them", hint)
    detector, _ = build(args.config)
    if args.lang is not None:
        _refuse_unread(args.lang, detector)
    if source is None:
        rows: Iterator[Mapping[str, Any]] = iter([{"id": "text", "title": text, "lang": args.lang}])
        return _show(_items(rows), detector, as_json=args.json)
    with opened(source) as lines:
        return _show(_items(rows_of(lines, source)), detector, as_json=args.json)


def _refuse_unread(language: str, detector: Detector) -> None:
    """
    Refuse a language that no list reads: its headlines would all be graded "none".

    Raises:
        UsageError: There is none; the message names those that there are.
    """
    if language[:2].lower() not in detector.languages or language[2:3] not in {"", "-", "_"}:
        raise UsageError(
            "unknown_language",
            f"no word list reads {language[:20]!r}; nothing was graded",
            f"one of {', '.join(detector.languages)}, or leave --lang out: it is guessed",
        )


def build(config: str | None) -> tuple[Detector, DetectPolicy]:
    """
    Build the detector from ``[detect]`` of a configuration, or from the defaults.

    Raises:
        ConfigError: The configuration is wrong or a language is not shipped.
    """
    from killswitch.news.grade import Detector, DetectPolicy  # noqa: PLC0415 - heavy
    from killswitch.watch.lexicons import load_lexicons  # noqa: PLC0415 - heavy

    policy = DetectPolicy() if config is None else policy_of(config)
    return Detector(load_lexicons(policy.languages), policy), policy


def policy_of(config: str) -> DetectPolicy:
    """
    Read ``[detect]`` of a configuration file into a policy.

    Raises:
        ConfigError: The file is wrong.
    """
    from killswitch.news.grade import DetectPolicy  # noqa: PLC0415 - heavy
    from killswitch.settings import load  # noqa: PLC0415 - heavy

    detect = load(Path(config), env=os.environ).detect
    return DetectPolicy(
        languages=tuple(detect.languages),
        countries=tuple(detect.countries),
        names=tuple(detect.names),
        terms=tuple(detect.terms),
        ignore=tuple(str(getattr(p, "pattern", p)) for p in detect.ignore),
        outlets=detect.outlets,
        window=detect.window,
        unconfirmed=detect.unconfirmed,
        single_trusted=detect.single_trusted,
        mute_quiet=detect.mute_quiet,
        mute_max=detect.mute_max,
    )


@contextmanager
def opened(source: str) -> Iterator[IO[str]]:
    """
    Open a file of rows, plain or gzip; ``-`` is standard input.

    Raises:
        UsageError: The file cannot be opened.
    """
    if source == "-":
        yield sys.stdin
        return
    path = Path(source)
    try:
        raw = path.open("rb")
    except OSError as error:
        reason = error.strerror or error
        hint = "Give a readable file, or - for standard input."
        raise UsageError("no_file", f"{source}: {reason}", hint) from error
    with raw:
        data = gzip.GzipFile(fileobj=raw) if path.suffix == ".gz" else raw
        with io.TextIOWrapper(cast("IO[bytes]", data), encoding="utf-8") as lines:
            yield lines


def rows_of(lines: IO[str], source: str) -> Iterator[Mapping[str, Any]]:
    """
    Read rows of JSON Lines; empty lines are skipped.

    Raises:
        UsageError: A line is no JSON object, or the file is not UTF-8 text; the line is named.
    """
    number = 0
    hint = 'Each line is one object such as {"id": "1", "title": "..."}.'
    try:
        for number, line in enumerate(lines, start=1):  # noqa: B007 - the handler names the line
            if line.strip():
                yield _row(line)
    except (UnicodeDecodeError, ValueError, TypeError, OSError, EOFError) as error:
        # A decoding error comes before its line is counted.
        at = number + 1 if isinstance(error, (UnicodeDecodeError, OSError, EOFError)) else number
        raise UsageError("bad_row", f"{source}: line {at}: {error}", hint) from error


def _row(line: str) -> Mapping[str, Any]:
    """Read one row."""
    row = json.loads(line)
    if not isinstance(row, dict):
        message = f"{type(row).__name__} where an object is expected"
        raise TypeError(message)
    return row


def _items(rows: Iterator[Mapping[str, Any]]) -> Iterator[Item]:
    """Turn rows into items; a wrong time is a wrong row."""
    from killswitch.news.backtest import items_of  # noqa: PLC0415 - heavy

    try:
        yield from items_of(rows)
    except ValueError as error:
        raise UsageError(
            "bad_row", str(error), "Times are ISO 8601, such as 2026-03-02T09:00:00Z."
        ) from error


def _show(items: Iterator[Item], detector: Detector, *, as_json: bool) -> int:
    """Print one line a headline."""
    coloured = sys.stdout.isatty() and not os.environ.get("NO_COLOR")
    write = sys.stdout.write
    for item in items:
        signal = detector.grade(item)
        write(_json_line(item, signal) if as_json else _line(item, signal, coloured=coloured))
    return Exit.DONE


def _json_line(item: Item, signal: Signal) -> str:
    """Write one row of the answer, as ``detect --json`` promises."""
    row = {
        "id": item.id,
        "grade": str(signal.grade),
        "score": signal.score,
        "category": signal.category,
        "terms": list(signal.terms),
        "toll": signal.toll,
        "places": list(signal.places),
        "why": signal.why,
    }
    return json.dumps(row, ensure_ascii=False) + "\n"


def _line(item: Item, signal: Signal, *, coloured: bool) -> str:
    """Write one decision for a person: the grade, the headline, the reason."""
    grade = f"{signal.grade:<4}"
    if coloured:
        grade = f"{_COLOURS[signal.grade]}{grade}{_PLAIN}"
    reason = signal.why.removeprefix(f"{signal.grade}: ")
    return f"{grade}  {brief(item.title)}  [{brief(reason)}]\n"
