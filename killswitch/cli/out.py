"""
How commands speak: people's text to stdout, problems to stderr, one document with ``--json``.

Standard library only. Invariants: foreign text never reaches a terminal with control signs in it;
colours appear only on a terminal that wants them; a reader that closed the pipe never changes
the exit code of a command whose work is done.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import re
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from typing import TextIO
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from killswitch.cli.words import tr
from killswitch.queue.durations import format_duration
from killswitch.wire import read_time

HEAD = 60
"""Signs of a post's text that a line shows."""
LINE = 200
"""Signs of a headline or a reason that a line shows."""
_CODES = {"bold": "1", "red": "1;31", "green": "32", "yellow": "33", "blue": "34", "dim": "2"}
_COLOURS = re.compile(r"(\x1b\[(?:0|1|1;31|32|33|34|2)m)")
# C0 but tab and line end, C1, lone surrogates, marks that turn the direction of writing.
_OBEYED = dict.fromkeys(
    {*range(0x20), *range(0x7F, 0xA0), *range(0xD800, 0xE000), *range(0x202A, 0x202F)}
    | {*range(0x2066, 0x206A), 0x200E, 0x200F, 0x061C},
    " ",
)
del _OBEYED[0x09], _OBEYED[0x0A]


@dataclass(frozen=True, slots=True)
class Ink:
    """Colours, or none."""

    on: bool = False

    def __call__(self, text: str, colour: str) -> str:
        """Write ``text`` in a colour of ``_CODES``."""
        return f"\x1b[{_CODES[colour]}m{text}\x1b[0m" if self.on else text


def ink_for(stream: TextIO | None, env: Mapping[str, str]) -> Ink:
    """Choose colours for a terminal that wants them (https://no-color.org), else none."""
    wanted = not env.get("NO_COLOR") and env.get("TERM") != "dumb"
    return Ink(on=wanted and stream is not None and stream.isatty())


def say(text: str) -> None:
    """Write a text and a line end to stdout."""
    _write(sys.stdout, harmless(text) + "\n")


def verbatim(text: str) -> None:
    """Write the text of a file to stdout as it is: what it is made of must come back unchanged."""
    _write(sys.stdout, text + "\n")


def warn(text: str) -> None:
    """Write a text and a line end to stderr; there is nobody to tell where that fails."""
    with contextlib.suppress(OSError):
        _write(sys.stderr, harmless(text) + "\n")


def document(doc: object) -> None:
    """Write one JSON document to stdout."""
    _write(sys.stdout, json.dumps(doc, ensure_ascii=False, indent=None) + "\n")


def emit(args: argparse.Namespace, doc: object, text: str) -> None:
    """Write the document with ``--json``, else the text."""
    if args.json:
        document(doc)
    elif text:
        say(text)


def ask(question: str) -> str:
    """
    Ask on the terminal.

    Returns:
        The answer without blanks around it; an empty text at the end of input.
    """
    _write(sys.stdout, harmless(question))
    line = sys.stdin.readline()
    return line.strip() if line else ""


def on_terminal() -> bool:
    """Say whether a human can be asked."""
    return bool(sys.stdin and sys.stdin.isatty() and sys.stdout and sys.stdout.isatty())


def _write(stream: TextIO | None, text: str) -> None:
    if stream is None:
        return  # closed by whoever started us
    try:
        stream.write(text)
        stream.flush()
    except OSError as error:
        # What is left in the buffer goes nowhere, else the interpreter would complain at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
        if not isinstance(error, BrokenPipeError):  # a reader that has gone wants no more
            raise


def harmless(text: str) -> str:
    """
    Blank what a terminal would obey: control signs, bidi marks, escapes that are not our colours.

    Ids and times of an answer are printed as they are; whoever serves the socket chose them.
    """
    parts = _COLOURS.split(text)
    return "".join(part if at % 2 else part.translate(_OBEYED) for at, part in enumerate(parts))


def plain(text: str) -> str:
    """Write foreign text as one line without control signs, bidi marks or lone surrogates."""
    return " ".join("".join(sign if sign.isprintable() else " " for sign in text).split())


def brief(text: str, signs: int = LINE) -> str:
    """Write a foreign text as one line, cut where it is longer than anybody reads."""
    written = plain(text)
    return written if len(written) <= signs else f"{written[: signs - 1].rstrip()}…"


def head(text: str, signs: int = HEAD) -> str:
    """Write the beginning of a foreign text in quotes."""
    line = plain(text)
    return f'"{line}"' if len(line) <= signs else f'"{line[: signs - 1].rstrip()}…"'


@dataclass(frozen=True, slots=True)
class Times:
    """Local times as people read them, relative to ``now`` (aware)."""

    now: datetime
    zone: tzinfo | None = None

    def short(self, text: str | None) -> str:
        """
        Write ``11:52`` for today, else with its day; a dash for nothing.

        The screen says once which zone that is: ``zone_name`` or ``zone_now``.
        """
        return self._written(text, "%H:%M")

    def exact(self, text: str | None) -> str:
        """Write ``11:52:07 CET`` for today, else with its day."""
        return self._written(text, "%H:%M:%S %Z")

    def zoned(self, text: str | None) -> str:
        """Write ``11:52 CET`` for today, else with its day: for a time that stands alone."""
        return self._written(text, "%H:%M %Z")

    @property
    def zone_name(self) -> str:
        """
        Name the zone for a column of short times: ``Europe/Paris``.

        Where only the machine's zone is known it is that one's letters: it may not be the team's.
        """
        key = getattr(self.zone, "key", "") or ""
        return key or f"{self.now.astimezone(self.zone):%Z}"

    @property
    def zone_now(self) -> str:
        """Name the zone with its letters of today for a whole screen: ``Europe/Paris (CET)``."""
        letters = f"{self.now.astimezone(self.zone):%Z}"
        return letters if letters == self.zone_name else f"{self.zone_name} ({letters})"

    def full(self, text: str | None) -> str:
        """Write date, time and zone."""
        local = self._local(text)
        return f"{local:%Y-%m-%d %H:%M:%S %Z}" if local else "-"

    def ago(self, text: str | None) -> timedelta:
        """Tell how long ago it was; zero for nothing and for the future."""
        try:
            past = self.now - read_time(text) if text else timedelta(0)
        except (ValueError, OverflowError):
            return timedelta(0)
        return max(past, timedelta(0))

    def _written(self, text: str | None, form: str) -> str:
        local = self._local(text)
        if local is None:
            return "-"
        if local.date() == self.now.astimezone(self.zone).date():
            return local.strftime(form)
        return f"{local:%Y-%m-%d} {local.strftime(form)}"

    def _local(self, text: str | None) -> datetime | None:
        try:
            return read_time(text).astimezone(self.zone) if text else None
        except (ValueError, OverflowError):
            return None


def times_for(zone: str | None, *, now: datetime) -> Times:
    """Choose the zone of the configuration; the machine's where it is not known."""
    try:
        return Times(now=now, zone=ZoneInfo(zone) if zone else None)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return Times(now=now)


def now_of(doc: Mapping[str, object], *, here: datetime) -> datetime:
    """Take the daemon's present time from a status; ours where it says none."""
    said = doc.get("now")
    try:
        return read_time(said) if isinstance(said, str) else here.astimezone(UTC)
    except (ValueError, OverflowError):
        return here.astimezone(UTC)


def table(rows: Sequence[Sequence[str]], *, heading: Sequence[str]) -> str:
    """Align rows under a heading; the last column is as wide as it likes."""
    lines = [heading, *rows]
    widths = [max(len(line[at]) for line in lines) for at in range(len(heading) - 1)]
    written = []
    for line in lines:
        cells = [cell.ljust(width) for cell, width in zip(line, widths, strict=False)]
        written.append("  ".join([*cells, line[-1]]).rstrip())
    return "\n".join(written)


def labelled(lines: Iterable[tuple[str, str]], *, indent: str = "") -> str:
    """Write names and values under each other; a line without a value is left out."""
    told = [(name, value) for name, value in lines if value]
    wide = max((len(name) for name, _ in told), default=0) + 2
    return "\n".join(f"{indent}{name.ljust(wide)}{value}" for name, value in told)


def span_s(seconds: float, words: Callable[[str], str] = tr) -> str:
    """Write a number of seconds for people; one that no duration can hold as it came."""
    try:
        return span(timedelta(seconds=seconds), words)
    except (ValueError, OverflowError):
        return f"{seconds} s"


def span(value: timedelta, words: Callable[[str], str] = tr) -> str:
    """Write a duration for people, days in the language: ``38 min``, ``3 d 4 h``."""
    if timedelta(0) < value < timedelta(seconds=1):
        return words("under 1 s")
    text = format_duration(value)
    return text.replace(" d", words(" d")) if " d" in text else text
