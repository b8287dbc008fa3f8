"""
One way to write a duration, for the file, the environment and every message.

Invariant: a duration is a whole number and one unit, ``"90s"``, ``"15m"``, ``"4h"`` or ``"14d"``;
what ``format_duration`` writes, ``parse_duration`` reads back as the same value.
"""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Annotated

from pydantic import AfterValidator, BeforeValidator, PlainSerializer

SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}
LONGEST = timedelta(days=3660)
"""Ten years: beyond it sits a typing error, and instants would leave the calendar."""

_WRITTEN = re.compile(r"([0-9]+)([smhd])")
_PARTS = re.compile(r"([0-9]+) *([a-z]+) *")
_OTHER_NAMES = {
    "s": ("sec", "secs", "second", "seconds", "seconde", "secondes"),
    "m": ("min", "mins", "mn", "minute", "minutes"),
    "h": ("hr", "hrs", "hour", "hours", "heure", "heures"),
    "d": ("day", "days", "j", "jour", "jours"),
}
_UNIT_SECONDS = {
    **SECONDS,
    **{name: SECONDS[unit] for unit, names in _OTHER_NAMES.items() for name in names},
    "w": 604_800,
    "week": 604_800,
    "weeks": 604_800,
}


def parse_duration(value: object) -> timedelta:
    """
    Read a duration such as ``"90s"``, ``"15m"``, ``"4h"`` or ``"14d"``.

    Args:
        value: The text; a ``timedelta`` passes unchanged.

    Returns:
        The duration, zero to ten years.

    Raises:
        ValueError: Any other form; the text says what to write instead.
    """
    found = value if isinstance(value, timedelta) else _read(value)
    if not timedelta(0) <= found <= LONGEST:
        shown = f'"{value}"' if isinstance(value, str) else "it"
        raise ValueError(f'{shown} is outside "0s" to "{LONGEST.days}d"')
    return found


def format_duration(value: timedelta) -> str:
    """Write a duration in its largest whole unit, as ``parse_duration`` reads it."""
    seconds = int(value.total_seconds())
    for unit in ("d", "h", "m"):
        if seconds and seconds % SECONDS[unit] == 0:
            return f"{seconds // SECONDS[unit]}{unit}"
    return f"{seconds}s"


def _read(value: object) -> timedelta:
    if isinstance(value, int | float) and not isinstance(value, bool):
        raise ValueError(_bare(value))  # noqa: TRY004 - pydantic turns only ValueError into a report
    if not isinstance(value, str):
        raise ValueError(f"{_shown(value)} is not a duration: {_FORMS}")  # noqa: TRY004 - as above
    written = _WRITTEN.fullmatch(value)
    if written is None or len(value) > _LONGEST_TEXT:
        raise ValueError(_mend(value))
    return timedelta(seconds=int(written[1]) * SECONDS[written[2]])


_LONGEST_TEXT = 12
_FORMS = 'write a whole number and a unit in quotes: "90s", "15m", "4h" or "14d"'


def _bare(value: float) -> str:
    if value == 0:
        return '0 has no unit: write "0s"'
    whole = int(value) if float(value).is_integer() else 30
    return f'{value} has no unit: write "{whole}s" for seconds or "{whole}m" for minutes'


def _shown(value: object) -> str:
    return "true" if value is True else "false" if value is False else f"a {type(value).__name__}"


def _mend(text: str) -> str:
    """Say what is wrong with ``text`` and, where the sense is clear, how to write it."""
    shown = f'"{text[:40]}"'
    if text.strip().isdigit() and len(text) < _LONGEST_TEXT:
        number = text.strip()
        return f'{shown} has no unit: write "{number}s" for seconds or "{number}m" for minutes'
    lowered = text.strip().lower()[:40]
    parts = _PARTS.findall(lowered)
    known = bool(parts) and all(unit in _UNIT_SECONDS for _, unit in parts)
    if known and _PARTS.sub("", lowered) == "":
        seconds = sum(int(number) * _UNIT_SECONDS[unit] for number, unit in parts)
        if seconds <= LONGEST.total_seconds():
            meant = format_duration(timedelta(seconds=seconds))
            return f'{shown} is not a duration: write "{meant}"'
    return f"{shown} is not a duration: {_FORMS}"


def _not_zero(value: timedelta) -> timedelta:
    if value < timedelta(seconds=1):
        raise ValueError(f'"{format_duration(value)}" is out of range: write "1s" or more')
    return value


Duration = Annotated[
    timedelta,
    BeforeValidator(parse_duration),
    PlainSerializer(format_duration, return_type=str),
]
"""The type of every duration in the settings tree."""
Positive = Annotated[Duration, AfterValidator(_not_zero)]
"""A duration for which zero would make no sense."""
