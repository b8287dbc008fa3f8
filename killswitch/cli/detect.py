"""
Grade a headline, a file of them or all entries of a feed, and say why.

Needs no daemon and no configuration; with one it judges as that daemon would. On a terminal what
counted is coloured: event words red, tolls bold, places blue, names green.

  killswitch detect "Gunman opens fire at Velden mall, six dead"
  killswitch detect https://example.org/rss
  killswitch detect --input headlines.jsonl --json
"""

from __future__ import annotations

import argparse
import gzip
import io
import json
import os
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, cast

from killswitch.cli.out import brief, ink_for
from killswitch.errors import Exit, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from killswitch.cli.out import Ink
    from killswitch.news.grade import Detector, DetectPolicy
    from killswitch.news.item import Item, Signal

HELP = "grade a headline, a file or a feed, and explain each decision"

_GRADES = {"trip": "red", "note": "yellow", "none": "dim"}
_MARKED = {"event": "red", "toll": "bold", "place": "blue", "name": "green"}
_FILES = (".jsonl", ".jsonl.gz", ".ndjson")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of ``detect``."""
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument(
        "text",
        nargs="?",
        metavar="TEXT",
        help="one headline, the address of a feed, or a .jsonl file; - reads rows from stdin",
    )
    parser.add_argument(
        "--input",
        metavar="FILE",
        help="JSON Lines with id, title, summary, outlet, lang, published (- is standard input)",
    )
    parser.add_argument("--lang", metavar="CODE", help="language of TEXT (default: guessed)")
    parser.add_argument(
        "--explain",
        action="store_true",
        help="show what counted below each headline (as on a terminal)",
    )


def run(args: argparse.Namespace) -> int:
    """
    Grade one headline, a file of them or a feed.

    Raises:
        UsageError: Neither or both of TEXT and ``--input``, or a line that is no row.
        ConfigError: The configuration that was named is wrong.
        OperatorError: The feed cannot be read.
    """
    text, source = args.text, args.input
    if source is None and (text == "-" or _is_file(text)):
        text, source = None, text
    if (text is None) == (source is None):
        hint = 'killswitch detect "HEADLINE", or killswitch detect --input FILE.jsonl'
        raise UsageError("detect_what", "give a headline or --input, one of them", hint)
    detector, policy = build(args.config)
    if args.lang is not None:
        _refuse_unread(args.lang, detector)
    if source is not None:
        with opened(source) as lines:
            return _show(args, _items(rows_of(lines, source)), detector, policy)
    if text.startswith(("http://", "https://")):
        return _show(args, _items(_feed_rows(args, text)), detector, policy)
    rows: Iterator[Mapping[str, Any]] = iter([{"id": "text", "title": text, "lang": args.lang}])
    return _show(args, _items(rows), detector, policy, is_one=True)


def _is_file(text: str | None) -> bool:
    """Say whether the words are the name of a file of rows that is there."""
    return text is not None and text.endswith(_FILES) and Path(text).is_file()


def _feed_rows(args: argparse.Namespace, url: str) -> Iterator[Mapping[str, Any]]:
    """
    Read a feed once, as the daemon would, into rows.

    Raises:
        OperatorError: It cannot be read.
    """
    from killswitch.cli.fetched import fetch_feed  # noqa: PLC0415 - heavy

    host = url.partition("://")[2].partition("/")[0].removeprefix("www.")
    for item in fetch_feed(args.config, url).items:
        yield {
            "id": item.guid,
            "title": item.title,
            "summary": item.summary,
            "outlet": host,
            "lang": item.lang or args.lang,
            "published": item.published.isoformat() if item.published else None,
            "url": item.url,
        }


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
    Read what a configuration file says of detection, as the daemon would.

    Raises:
        ConfigError: The file is wrong.
    """
    from killswitch.settings import load  # noqa: PLC0415 - heavy
    from killswitch.watch.policies import detect_policy  # noqa: PLC0415 - heavy

    return detect_policy(load(Path(config), env=os.environ, unread=[]))


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


def _show(
    args: argparse.Namespace,
    items: Iterator[Item],
    detector: Detector,
    policy: DetectPolicy,
    *,
    is_one: bool = False,
) -> int:
    """Print one line a headline, and what counted where it is asked for or one is on a screen."""
    ink = ink_for(sys.stdout, os.environ)
    explain = args.explain or (is_one and ink.on)
    write = sys.stdout.write
    for item in items:
        signal = detector.grade(item)
        if args.json:
            write(_json_line(item, signal))
        else:
            write(_line(item, signal, ink))
            write(_explained(signal, policy, ink) if explain else "")
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


def _line(item: Item, signal: Signal, ink: Ink) -> str:
    """Write one decision for a person: the grade, the headline, the reason."""
    grade = ink(f"{signal.grade:<4}", _GRADES[signal.grade])
    reason = signal.why.removeprefix(f"{signal.grade}: ")
    title = brief(item.title)
    return f"{grade}  {_coloured(title, signal, ink)}  [{brief(reason)}]\n"


def _coloured(title: str, signal: Signal, ink: Ink) -> str:
    """Colour what counted in a headline."""
    from killswitch.news.marks import marks  # noqa: PLC0415 - heavy

    if not ink.on:
        return title
    parts, at = [], 0
    for mark in marks(title, signal):
        parts += [title[at : mark.start], ink(title[mark.start : mark.end], _MARKED[mark.kind])]
        at = mark.end
    return "".join((*parts, title[at:]))


def _explained(signal: Signal, policy: DetectPolicy, ink: Ink) -> str:
    """Write below a headline what counted and what would follow."""
    told = [
        ("Kind", signal.category or "none"),
        ("Score", f"{signal.score:g} (1 and more is trip, from 0.1 on it is note)"),
        ("Words", " · ".join(signal.terms)),
        ("Toll", "" if signal.toll is None else str(signal.toll)),
        ("Places", " · ".join(signal.places)),
        ("Names", " · ".join(signal.names)),
        ("Then", _what_follows(signal, policy)),
    ]
    return "".join(f"      {ink(f'{key:<7}', 'dim')}{brief(text)}\n" for key, text in told if text)


def _what_follows(signal: Signal, policy: DetectPolicy) -> str:
    """Say what such a headline does, alone and with a second report."""
    from killswitch.queue.durations import format_duration  # noqa: PLC0415 - only to explain

    if signal.grade == "none":
        return "nothing"
    if signal.ours:
        return f"one newsroom is enough: {signal.ours}"
    window = format_duration(policy.window)
    if signal.grade == "note":
        return f"it only supports a graver report of another newsroom within {window}"
    wait = f"posts wait {format_duration(policy.unconfirmed)}, then " if policy.unconfirmed else ""
    level = "" if not (policy.levels.near or policy.levels.far) else " (or is told, by [levels])"
    more = f"{policy.outlets} newsrooms within {window}: it pauses{level}"
    return f"{wait}{more}"
