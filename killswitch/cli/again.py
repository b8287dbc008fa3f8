"""
Commands that people are told to type next: with the place that they named, so that they work.

Standard library only. A hint is made deep inside, where nobody knows how the installation was
named on the command line; who typed ``--config`` needs it again for the next command.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from contextvars import ContextVar

_given: ContextVar[tuple[str, re.Pattern[str]] | None] = ContextVar("given", default=None)


def remember(given: Mapping[str, str | None], *, commands: Iterable[str]) -> None:
    """
    Keep how the installation was named.

    Args:
        given: The global options (``"--config"``) with their values; those without one are not
            told.
        commands: The commands of the program: what else stands behind its name is prose.
    """
    named = [(name, value) for name, value in given.items() if value]
    if not named:
        _given.set(None)
        return
    import shlex  # noqa: PLC0415 - only for who named a place: a pause is in a hurry

    words = " ".join(f"{name} {shlex.quote(value)}" for name, value in named)
    pattern = re.compile(rf"\bkillswitch (?=(?:{'|'.join(commands)})\b)")
    _given.set((words, pattern))


def again(text: str) -> str:
    """Write the named place into every command of ``killswitch`` in our own text."""
    found = _given.get()
    if found is None:
        return text
    words, pattern = found
    return pattern.sub(lambda _: f"killswitch {words} ", text)
