"""
Ask the parser child what a feed says, and believe no more of it than needed.

Invariants:
    Every date is an aware UTC instant that is possible, or None.
    Whatever the bytes are, the answer is a ``ParsedFeed`` or a ``FeedError``.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol

from killswitch.child import Child, ChildFailed
from killswitch.errors import TransientError

PARSER_MODULE = "killswitch.watch.parser_child"
PARSE_S = 15.0
"""Wall seconds for one feed; a long feed takes two."""

_CPU_S = 10
_MEMORY = 512 * 1024 * 1024
_AHEAD = timedelta(minutes=10)
"""A publisher's clock may be a little fast; a date further ahead is wrong."""

_OLDEST = datetime(1990, 1, 1, tzinfo=UTC)
"""No feed is older than the web."""


class Reader(Protocol):
    """Who reads feeds: a child, or the children by way of ``Parsers.of``."""

    def call(
        self, message: dict[str, Any], body: bytes = b"", *, timeout_s: float
    ) -> dict[str, Any]:
        """Ask one question; see ``Child.call``."""
        ...


class FeedError(TransientError):
    """
    The bytes are no feed.

    Codes: ``empty``, ``html``, ``no_feed``, ``doctype``, and ``parser`` (it died or gave up).
    """


@dataclass(frozen=True, slots=True)
class RawItem:
    """
    One entry of a feed, as plain text.

    Attributes:
        guid: Unique in its feed and never empty: id, else link, else a hash.
        title: One line; the start of the summary when the entry has none.
        summary: One line, cut at 4,000 characters; may be empty.
        url: Web address or empty.
        published: When the feed says it was published, or else updated; None when it does not
            say or can't be right.
        updated: When the feed says it was changed; None as above.
        lang: Language tag in lower case, of the entry or of the feed.
        categories: The feed's own labels.
        extra: Fields of official alerts, for instance ``gdacs:alertlevel`` or ``cap:severity``,
            names in lower case.
    """

    guid: str
    title: str
    summary: str
    url: str
    published: datetime | None
    updated: datetime | None
    lang: str | None
    categories: tuple[str, ...] = ()
    extra: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ParsedFeed:
    """
    What a feed says.

    Attributes:
        version: feedparser's word for the format, for instance ``rss20`` or ``atom10``.
        title: Of the feed; may be empty.
        ttl_s: Seconds that the feed asks to be left alone, or None.
        items: At most 1,000, in the order of the feed.
        degraded: Ill-formed; the items are those that could be saved.
        problem: What was wrong with it, or None.
    """

    version: str
    title: str
    ttl_s: int | None
    items: tuple[RawItem, ...]
    degraded: bool
    problem: str | None


def parser() -> Child:
    """Describe the parser child; it starts at the first feed."""
    return Child(
        PARSER_MODULE, name="feed parser", cpu_s=_CPU_S, memory_bytes=_MEMORY, no_network=True
    )


def parse_feed(
    child: Reader,
    body: bytes,
    *,
    content_type: str | None,
    url: str,
    timeout_s: float = PARSE_S,
    now: datetime | None = None,
) -> ParsedFeed:
    """
    Read the bytes of a feed in ``child``.

    Args:
        child: From ``parser()``, or one feed's share of the children.
        body: Inflated bytes.
        content_type: Header of the answer.
        url: Where they came from.
        timeout_s: Wall seconds for this feed.
        now: Aware UTC instant; dates more than 10 minutes after it become None. Without it,
            dates ahead are left to the caller.

    Raises:
        FeedError: The bytes are no feed, or the parser could not cope with them.
    """
    message = {"content_type": content_type, "url": url}
    try:
        answer = child.call(message, body, timeout_s=timeout_s)
    except ChildFailed as error:
        raise FeedError("parser", f"it could not be parsed: {error}") from error
    if "error" in answer:
        raise FeedError(str(answer["error"]), str(answer.get("message")))
    try:
        return _feed(answer["feed"], now)
    except (KeyError, TypeError, ValueError) as error:
        raise FeedError(
            "parser", "it could not be parsed: the parser answered out of form"
        ) from error


def _feed(feed: dict[str, Any], now: datetime | None) -> ParsedFeed:
    problem = feed["problem"]
    return ParsedFeed(
        version=str(feed["version"]),
        title=str(feed["title"]),
        ttl_s=feed["ttl_s"],
        items=tuple(_item(item, now) for item in feed["items"]),
        degraded=problem is not None,
        problem=problem,
    )


def _item(item: dict[str, Any], now: datetime | None) -> RawItem:
    return RawItem(
        guid=str(item["guid"]),
        title=str(item["title"]),
        summary=str(item["summary"]),
        url=str(item["url"]),
        published=_instant(item["published"], now),
        updated=_instant(item["updated"], now),
        lang=item["lang"],
        categories=tuple(item["categories"]),
        extra=dict(item["extra"]),
    )


def _instant(seconds: int | None, now: datetime | None) -> datetime | None:
    """Make an instant of seconds since 1970, or None when no headline can be of that time."""
    if seconds is None:
        return None
    try:
        at = datetime.fromtimestamp(seconds, UTC)
    except (OverflowError, ValueError, OSError):
        return None
    ahead = now is not None and at > now + _AHEAD
    return None if ahead or at < _OLDEST else at
