"""
Refuse a regular expression that cannot work, ignores everything, or could run for hours.

The last is judged by its shape: a group that is repeated without limit and holds another such
repetition, ``(a+)+``, can take time that doubles with each character of a headline. Expressions
of that shape that happen to be harmless are refused too; they can be written without the nesting.
"""

from __future__ import annotations

import re

PATTERN_LONGEST = 500
"""Characters; a longer list of alternatives is better written as several expressions."""

_UNLIMITED = re.compile(r"[*+]|\{[0-9]*,\}")
_CLASS = re.compile(r"\[\^?\]?(?:\\.|[^\]\\])*\]", re.DOTALL)


def check_pattern(pattern: str) -> str:
    """
    Check one expression of ``detect.ignore``.

    Returns:
        The expression unchanged.

    Raises:
        ValueError: It does not compile, matches every text, or nests unlimited repetitions.
    """
    if len(pattern) > PATTERN_LONGEST:
        raise ValueError(
            f"an expression has at most {PATTERN_LONGEST} characters, not {len(pattern)}: "
            "write several",
        )
    try:
        compiled = re.compile(pattern)
    except (re.error, RecursionError, OverflowError) as error:
        raise ValueError(
            f"the regular expression is wrong: {error}; a literal sign such as ( or * is written "
            "with a backslash, in single quotes: '\\('",
        ) from error
    if compiled.search(""):
        raise ValueError("the expression matches even an empty text, so it would ignore everything")
    if _nests(pattern):
        raise ValueError(
            "the expression repeats a group that repeats inside itself, like (a+)+, and could run "
            "for hours: write one of the two repetitions without * or +",
        )
    return pattern


def _nests(pattern: str) -> bool:
    """Say whether an unlimited repetition encloses another one; the pattern compiles."""
    holds = [False]
    at = 0
    while at < len(pattern):
        sign = pattern[at]
        at = _after(pattern, at)
        if sign == "(":
            holds.append(False)
            continue
        inner = holds.pop() if sign == ")" and len(holds) > 1 else False
        repeated = sign != "|" and _UNLIMITED.match(pattern, at) is not None
        if inner and repeated:
            return True
        holds[-1] = holds[-1] or inner or repeated
    return False


def _after(pattern: str, at: int) -> int:
    """Step over one sign, escape or character class."""
    if pattern[at] == "\\":
        return at + 2
    if pattern[at] == "[":
        found = _CLASS.match(pattern, at)
        return found.end() if found else at + 1
    return at + 1
