"""
Durations as people type them at a command or in a WHEN: ``90s``, ``15m``, ``2h``, ``3d``.

A day is 24 hours here. The configuration has the same form and a longer list of mends.
"""

from __future__ import annotations

import re
from datetime import timedelta

from killswitch.errors import UsageError

SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}
LONGEST = timedelta(days=3660)
"""Ten years: beyond it sits a typing error."""

_WRITTEN = re.compile(r"([0-9]{1,9})([smhd])")


def parse_duration(text: str) -> timedelta:
    """
    Read a duration.

    Raises:
        UsageError: Any other form, or longer than ten years.
    """
    written = _WRITTEN.fullmatch(text.strip())
    found = timedelta(seconds=int(written[1]) * SECONDS[written[2]]) if written else None
    if found is None or found > LONGEST:
        raise UsageError(
            "bad_duration",
            f"{text[:40]!r} is not a duration",
            "a whole number and a unit: 90s, 15m, 2h or 3d",
        )
    return found


def format_duration(value: timedelta) -> str:
    """Write a duration for people: ``45 s``, ``38 min``, ``2 h 5 min``, ``3 d 4 h``."""
    seconds = max(0, round(value.total_seconds()))
    if seconds < 60:
        return f"{seconds} s"
    days, rest = divmod(seconds // 60, 24 * 60)
    hours, minutes = divmod(rest, 60)
    if days:
        return f"{days} d {hours} h" if hours else f"{days} d"
    if hours:
        return f"{hours} h {minutes} min" if minutes else f"{hours} h"
    return f"{minutes} min"
