"""
What an HTTP answer proves, for every network that has no better word.

The table is the one of the safety notes: 503 is uncertain (a proxy may say it with the post
made), 401 and 403 make the account wait, a redirect is never followed, "duplicate" is no refusal:
the network has such a post, perhaps ours.

Invariant: foreign text leaves this room as one printable line, which any store and screen takes.
"""

from __future__ import annotations

import email.utils
from datetime import UTC, datetime, timedelta

from killswitch.channels.frame import Deletion, Ending, Gone, Outcome

# Refused for good: the same request would be refused again (RFC 9110 section 15.5).
_FOR_GOOD = frozenset({400, 404, 405, 406, 409, 410, 411, 413, 414, 415, 421, 422, 426, 431, 451})
_ACCOUNT = frozenset({401, 403})
_GONE = frozenset({404, 410})
# With which a network refuses what it has already, by a word in the answer.
_MAY_BE_DUPLICATE = frozenset({403, 409, 422})
# How much of an answer people are shown.
SAID_CHARS = 200
# A network that asks for a longer wait than this is not waited for: a human decides.
MAX_WAIT = timedelta(hours=1)
# More digits than this are past MAX_WAIT whatever they say, and would cost time to read.
_DIGITS = 9


def conclude(status: int, *, retry_after: str | None, now: datetime, said: str = "") -> Outcome:
    """
    Say what a status other than success proves.

    Args:
        status: The HTTP status of a whole answer.
        retry_after: The ``Retry-After`` header, if there was one.
        now: Aware UTC.
        said: The beginning of the answer, as ``one_line`` writes it.
    """
    detail = f"HTTP {status}" + (f": {said[:SAID_CHARS]}" if said else "")
    if status in _MAY_BE_DUPLICATE and "duplicate" in said.casefold():
        return Outcome(Ending.UNCERTAIN, f"{detail} (the network may have it already)")
    if 300 <= status < 400:
        return Outcome(Ending.FAILED, f"{detail} (a redirect is never followed)")
    if status in _ACCOUNT:
        return Outcome(Ending.WAITS, detail)
    if status == 429:
        return Outcome(Ending.WAITS, detail, wait=wait_of(retry_after, now=now))
    if status in _FOR_GOOD:
        return Outcome(Ending.FAILED, detail)
    return Outcome(Ending.UNCERTAIN, detail)


def conclude_delete(
    status: int, *, retry_after: str | None, now: datetime, said: str = ""
) -> Deletion:
    """Say what the answer to a DELETE proves; the arguments are those of ``conclude``."""
    detail = f"HTTP {status}" + (f": {said[:SAID_CHARS]}" if said else "")
    if 200 <= status < 300:
        return Deletion(Gone.DELETED, detail)
    if status in _GONE:
        return Deletion(Gone.ABSENT, detail)
    if status == 429:
        return Deletion(Gone.UNKNOWN, detail, wait=wait_of(retry_after, now=now))
    if 300 <= status < 400 or status in _ACCOUNT | _FOR_GOOD:
        return Deletion(Gone.REFUSED, detail)
    return Deletion(Gone.UNKNOWN, detail)


def one_line(text: str) -> str:
    """Write foreign text as one line of printable signs."""
    return " ".join("".join(sign if sign.isprintable() else " " for sign in text).split())


def wait_of(retry_after: str | None, *, now: datetime) -> timedelta:
    """
    Read ``Retry-After``: seconds or an HTTP date (RFC 9110 section 10.2.3).

    Returns:
        Between one second and ``MAX_WAIT``; a minute where it says nothing usable.
    """
    wait = timedelta(minutes=1)
    if retry_after is not None:
        text = retry_after.strip()
        if text.isascii() and text.isdigit():
            wait = timedelta(seconds=int(text)) if len(text.lstrip("0")) <= _DIGITS else MAX_WAIT
        else:
            until = _until(text, now)
            wait = wait if until is None else until
    return min(max(wait, timedelta(seconds=1)), MAX_WAIT)


def _until(text: str, now: datetime) -> timedelta | None:
    try:
        at = email.utils.parsedate_to_datetime(text)
    except (ValueError, OverflowError):  # a year or an hour of twenty digits overflows
        return None
    return (at if at.tzinfo else at.replace(tzinfo=UTC)) - now
