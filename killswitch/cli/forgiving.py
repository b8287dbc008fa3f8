"""
The panic button forgives: a slip of the fingers in ``pause`` must not keep posts leaving.

Standard library only.
"""

from __future__ import annotations

from collections.abc import Sequence

from killswitch.errors import UsageError

_PLACES = ("--config", "--state-dir", "--socket")
_VALUES = ("--as", "--review", "--reason")
_ALONE = frozenset({"--json", "--no-wait"})


def forgiving(words: Sequence[str], at: int) -> list[str]:
    """
    Write a ``pause`` that can't be read so that it can: what is no option of it is its reason.

    Args:
        words: All arguments.
        at: Where ``pause`` stands among them.

    Returns:
        Arguments in an order that is always read.

    Raises:
        UsageError: A place (configuration, state directory, socket) is left out: which one is
            meant can't be guessed.
    """
    left = [*words[:at], *words[at + 1 :]]
    options: list[str] = []
    reason: list[str] = []
    while left:
        word = left.pop(0)
        name, is_one, value = word.partition("=")
        if word == "--":
            reason += left
            break
        if word in _ALONE:
            options.append(word)
        elif name in _PLACES or name in _VALUES:
            options += _with_value(name, value if is_one else None, left)
        else:
            reason.append(word)
    return ["pause", *options, "--", *reason]


def _with_value(name: str, value: str | None, left: list[str]) -> list[str]:
    """Write an option with its value, which may begin with a dash; without one it is passed by."""
    if value is None and left:
        value = left.pop(0)
    if value is not None:
        return [f"{name}={value}"]
    if name in _PLACES:
        raise UsageError(
            "not_paused",
            f"NOT PAUSED: {name} needs a value",
            'killswitch pause "reason", without it',
        )
    return []
