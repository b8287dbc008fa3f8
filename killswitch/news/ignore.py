"""
The user's regular expressions, run so that none can hang the detector.

Python's engine backtracks: a pattern like ``(a+)+$`` takes exponential time. A pattern is taken
only if it has no repeat inside a repeat, no back-reference, and few open repeats; and it sees only
the beginning of a headline. The worst case is then a small polynomial of a short text.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from killswitch.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterable

# Headlines are shorter; a hostile one is cut.
_SEEN = 300
_OPEN_REPEATS = 2
_CLOSED_REPEAT = 16
_LONGEST = 500


def compile_ignores(patterns: Iterable[str | re.Pattern[str]]) -> tuple[re.Pattern[str], ...]:
    """
    Compile the expressions of ``detect.ignore``.

    Args:
        patterns: Regular expressions as text or compiled.

    Returns:
        The compiled patterns; matching ignores case.

    Raises:
        ConfigError: A pattern is no regular expression, or one that could run for ever.
    """
    return tuple(_compiled(p if isinstance(p, str) else p.pattern) for p in patterns)


def _compiled(pattern: str) -> re.Pattern[str]:
    """Compile one pattern, or refuse it with a reason."""
    hint = "Write a plain expression such as 'fire (drill|festival)'."
    if len(pattern) > _LONGEST:
        message = f"detect.ignore: longer than {_LONGEST} characters: {pattern[:40]}..."
        raise ConfigError("bad_pattern", message, hint)
    try:
        compiled = re.compile(pattern, re.IGNORECASE)
    except (re.error, RecursionError, OverflowError) as error:
        raise ConfigError("bad_pattern", f"detect.ignore: {pattern!r}: {error}", hint) from error
    fault = _fault(pattern)
    if fault:
        raise ConfigError("slow_pattern", f"detect.ignore: {pattern!r}: {fault}", hint)
    return compiled


def _fault(pattern: str) -> str:
    """Say why the pattern could run for very long, or nothing."""
    # The parser is CPython's own; it is the only exact reading of a pattern.
    parser: Any = re._parser  # type: ignore[attr-defined] # noqa: SLF001 - no public parser
    counts = {"open": 0}
    fault = _walk(parser.parse(pattern), counts, repeated=False)
    if not fault and counts["open"] > _OPEN_REPEATS:
        return f"more than {_OPEN_REPEATS} open repeats such as .* could take very long"
    return fault


def _walk(node: Any, counts: dict[str, int], *, repeated: bool) -> str:
    """Walk the parsed pattern and return the first fault."""
    for operator, argument in node:
        name = str(operator)
        if name.startswith("GROUPREF"):
            return "back-references could take very long"
        is_repeat = name in ("MAX_REPEAT", "MIN_REPEAT", "POSSESSIVE_REPEAT")
        if is_repeat and argument[1] > 1:
            if repeated:
                return "a repeat inside a repeat could take very long"
            counts["open"] += int(argument[1]) > _CLOSED_REPEAT
        if repeated and name == "BRANCH":
            return "a choice inside a repeat could take very long"
        inside = repeated or (is_repeat and argument[1] > 1)
        for child in _children(argument):
            fault = _walk(child, counts, repeated=inside)
            if fault:
                return fault
    return ""


def _children(argument: Any) -> Iterable[Any]:
    """Return the parts of a parsed node that are patterns themselves."""
    if type(argument).__name__ == "SubPattern":
        return (argument,)
    if isinstance(argument, (list, tuple)):
        return tuple(child for part in argument for child in _children(part))
    return ()


def ignored_by(patterns: Iterable[re.Pattern[str]], title: str) -> str | None:
    """Return the expression that takes ``title`` out, or None."""
    seen = title[:_SEEN]
    return next((p.pattern for p in patterns if p.search(seen)), None)
