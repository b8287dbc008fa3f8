"""
Poll one feed once: ask politely, read little, and say in one value what came of it.

Invariants:
    A poll always returns, by its deadlines, and never raises for what a feed or server does.
    Validators of a feed that could not be read whole are not kept, so that the next poll reads it
    again instead of hearing "not modified".
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from http.client import responses
from typing import TYPE_CHECKING

from killswitch.net import FetchError, Getter, Page
from killswitch.queue.durations import format_duration
from killswitch.watch.parse import FeedError, ParsedFeed, parse_feed

if TYPE_CHECKING:
    from killswitch.watch.parse import Reader

FETCH_S = 20.0
"""Seconds for the whole fetch of one feed, redirects included."""

LONGEST_WAIT = timedelta(hours=1)
"""Cap of ``Retry-After``: a news feed that asks for a day of silence would blind us."""

_ACCEPT = (
    "application/rss+xml, application/atom+xml, application/rdf+xml;q=0.9, "
    "application/xml;q=0.8, text/xml;q=0.8, application/geo+json;q=0.7, */*;q=0.1"
)
_VALIDATOR_CHARS = 500
_OK = frozenset({200, 203})
_NOT_MODIFIED = 304
_GONE = 410
_SERVER_ERRORS = 500
_MEANINGS = {
    401: "it wants a login",
    403: "it keeps us out",
    404: "there is no feed at this address",
    429: "it is asked too often",
}


@dataclass(frozen=True, slots=True)
class Validators:
    """
    What makes the next poll cheap; kept in the store beside the feed's items.

    Attributes:
        etag: As the server wrote it, weak mark and quotes included.
        last_modified: As the server wrote it.
        body_hash: SHA-256 of the inflated body, in hexadecimal.
    """

    etag: str | None = None
    last_modified: str | None = None
    body_hash: str | None = None


@dataclass(frozen=True, slots=True)
class NotModified:
    """The server said that nothing changed (304)."""

    permanent_url: str | None = None


@dataclass(frozen=True, slots=True)
class UnchangedBody:
    """The server sent the same bytes again; it may have new validators for them."""

    validators: Validators
    permanent_url: str | None = None


@dataclass(frozen=True, slots=True)
class Fresh:
    """
    New bytes, parsed.

    Attributes:
        feed: What they say.
        validators: To be stored in the same transaction as the items.
        permanent_url: Where the feed has moved for good, or None.
        date: What its server's own clock said (header ``Date``), aware UTC, or None.
    """

    feed: ParsedFeed
    validators: Validators
    permanent_url: str | None = None
    date: datetime | None = None


@dataclass(frozen=True, slots=True)
class Failed:
    """
    No news from this feed this time.

    Attributes:
        code: ``http_503`` and its like, or a code of ``FetchError`` or ``FeedError``.
        message: One line for people; whose feed it is stands beside it (``feeds``, PROBLEM).
        retry_after_s: Seconds that the server asked us to wait, at most an hour, or None.
    """

    code: str
    message: str
    retry_after_s: float | None = None


@dataclass(frozen=True, slots=True)
class Gone:
    """The server said that the feed is gone for good (410): stop asking and tell a person."""

    message: str


PollResult = NotModified | UnchangedBody | Fresh | Failed | Gone


def poll(
    door: Getter,
    feed_url: str,
    validators: Validators,
    *,
    child: Reader,
    now: datetime,
    deadline_s: float = FETCH_S,
) -> PollResult:
    """
    Fetch ``feed_url`` and parse it when it changed.

    Args:
        door: A session of the round, or the door itself.
        feed_url: Address of the feed.
        validators: From the last poll that was stored; empty ones read the feed anew.
        child: Who parses: a child, or the children.
        now: Aware UTC instant of this poll.
        deadline_s: Seconds for the fetch; parsing has its own limit.
    """
    try:
        page = door.get(feed_url, headers=_conditions(validators), deadline_s=deadline_s)
    except FetchError as error:
        return Failed(error.code, str(error))
    if page.status == _NOT_MODIFIED and validators != Validators():
        return NotModified(page.permanent_url)
    if page.status == _GONE:
        return Gone("the server says that this feed is gone for good; it is asked once a day")
    if page.status not in _OK:
        wait_s = retry_after_s(page.headers.get("retry-after"), now)
        return Failed(f"http_{page.status}", _refusal(page.status, wait_s), wait_s)
    return _read(page, validators, child=child, now=now)


def _refusal(status: int, wait_s: float | None) -> str:
    """Say in words what a status means for a feed."""
    meaning = _MEANINGS.get(status, "")
    if status >= _SERVER_ERRORS:
        meaning = "it has trouble of its own"
    told = f"the server answers {status} {responses.get(status, '')}".rstrip()
    told += f": {meaning}" if meaning else ", which is not the answer of a feed"
    if wait_s is None:
        return told
    return f"{told}; it wants to be left alone for {format_duration(timedelta(seconds=wait_s))}"


def retry_after_s(value: str | None, now: datetime) -> float | None:
    """
    Read a ``Retry-After`` header: seconds or an HTTP date (RFC 9110, 10.2.3).

    Args:
        value: The header; None when there was none.
        now: Aware UTC instant at which the answer came.

    Returns:
        Seconds above zero, at most an hour; None when it says nothing usable.
    """
    text = (value or "").strip()
    if text.isascii() and text.isdigit():
        wait_s = float(text[:10])
    else:
        at = _http_date(text)
        wait_s = (at - now).total_seconds() if at else 0.0
    return min(wait_s, LONGEST_WAIT.total_seconds()) if wait_s > 0 else None


def _http_date(text: str) -> datetime | None:
    try:
        at = parsedate_to_datetime(text)
        return (at if at.tzinfo else at.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, TypeError, OverflowError, IndexError):
        return None


def _conditions(validators: Validators) -> dict[str, str]:
    headers = {"Accept": _ACCEPT}
    if validators.etag:
        headers["If-None-Match"] = validators.etag
    if validators.last_modified:
        headers["If-Modified-Since"] = validators.last_modified
    return headers


def _read(page: Page, old: Validators, *, child: Reader, now: datetime) -> PollResult:
    body_hash = hashlib.sha256(page.body).hexdigest()
    fresh = Validators(
        etag=_sendable(page.headers.get("etag")),
        last_modified=_sendable(page.headers.get("last-modified")),
        body_hash=body_hash,
    )
    if body_hash == old.body_hash:
        return UnchangedBody(fresh, page.permanent_url)
    content_type = page.headers.get("content-type")
    try:
        feed = parse_feed(child, page.body, content_type=content_type, url=page.url, now=now)
    except FeedError as error:
        return Failed(error.code, str(error))
    if feed.degraded:
        fresh = Validators(body_hash=body_hash)
    return Fresh(feed, fresh, page.permanent_url, _http_date(page.headers.get("date") or ""))


def _sendable(value: str | None) -> str | None:
    """Keep a validator that may stand in a header again as it is; else do without."""
    ok = value and len(value) <= _VALIDATOR_CHARS and value.isascii() and value.isprintable()
    return value if ok else None
