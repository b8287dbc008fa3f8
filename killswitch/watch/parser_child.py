"""
Turn the bytes of a feed into plain values, in a process that may be killed.

The only door to feedparser, which is slow on hostile input (6 MB cost 48 s), raises on some ill
feeds, and opens a file when the bytes it is given equal a path. So it runs here: limited, without
descriptors, always from ``BytesIO``, with sanitising and link resolving off, as nothing from a
feed is ever rendered.

Invariants:
    What leaves is plain text without tags, control characters, bidi controls or surrogates.
    Dates leave as seconds since 1970 UTC; the parent, which knows the time, judges them.
    One item that feedparser chokes on costs that item, not the feed.
"""

from __future__ import annotations

import calendar
import codecs
import encodings
import hashlib
import html
import importlib
import io
import pkgutil
import re
import sys
import warnings
from contextlib import suppress
from typing import TYPE_CHECKING, Any
from urllib.parse import urljoin
from xml.sax import SAXParseException

import feedparser
from feedparser.datetimes import rfc822

from killswitch.child import serve
from killswitch.watch.official import read_official

if TYPE_CHECKING:
    from collections.abc import Iterator

ITEMS = 1000
"""Items that are read; a window of news holds 10 to 200."""

TITLE_CHARS = 1000
SUMMARY_CHARS = 4000
"""What the detector reads; a summary that needs more is an article."""

_MARKUP_CHARS = 4 * SUMMARY_CHARS
"""Cut before stripping tags, so that the work per item is bounded."""

_ID_CHARS = 500
_LINK_CHARS = 2000
_TERM_CHARS = 100
_TERMS = 20
_EXTRAS = 40
_HEAD = 64 * 1024
_SALVAGED = 300
"""Items parsed one by one when the feed as a whole makes feedparser raise: a second or so."""

_SUBSET = re.compile(rb"""<!doctype(?:[^\[>"']|"[^"]*"|'[^']*')*\[""")
_ITEM_END = re.compile(rb"</(?:[A-Za-z_][\w.-]*:)?(?:item|entry)\s*>")
_ITEM = re.compile(rb"<((?:[A-Za-z_][\w.-]*:)?(?:item|entry))(?=[\s>]).*?</\1\s*>", re.DOTALL)
_HTML = re.compile(rb"<!doctype\s+html|<html[\s>]|<body[\s>]", re.IGNORECASE)
_REFERENCE = re.compile(rb"&#(x[0-9a-f]{1,99}|[0-9]{1,99});", re.IGNORECASE)
_DECLARATION = re.compile(rb"\s*<\?xml[^>]{0,200}\?>")
_ROOT = re.compile(rb"<(?:rss|feed|[A-Za-z_][\w.-]{0,20}:RDF)\b[^<>]*>", re.IGNORECASE)
_CHARSET = re.compile(r"""charset\s*=\s*["']?([A-Za-z0-9_.:-]{1,40})""", re.IGNORECASE)
_TAG = re.compile(
    r"<!--.*?(?:-->|\Z)"
    r"|<(script|style)\b.*?(?:</\1\b[^>]*>|\Z)"
    r"|</?[a-z][^<>]*>?"
    r"|<[!?][^<>]*>?",
    re.IGNORECASE | re.DOTALL,
)
"""Each part matches whatever follows, so that a search never starts over: linear time."""

_WIDE = (
    (codecs.BOM_UTF32_LE, "utf-32"),  # before UTF-16, whose mark it begins with
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
    (b"<\0\0\0", "utf-32-le"),
    (b"\0\0\0<", "utf-32-be"),
    (b"<\0", "utf-16-le"),
    (b"\0<", "utf-16-be"),
)

_UNPRINTED = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f"  # controls; tab and line feed become a space
    "\u00ad\u061c\u180e\u200b\u200e\u200f\u202a-\u202e\u2060-\u2069\ufeff"  # unseen, bidi
    "\ufff9-\ufffb\ud800-\udfff\U000e0000-\U000e007f]"  # annotation, surrogates, tags
)
_SPACE = re.compile(r"\s+")
_NOT_IN_LINKS = re.compile(r"[^\S ]")
"""Line feeds, tabs and the like, which browsers leave out too."""

_LANGUAGE = re.compile(r"[A-Za-z]{2,3}(?:[-_][A-Za-z0-9]{1,8}){0,3}\Z")

_ALERTS = (("cap", "names:tc:emergency:cap"), ("gdacs", "gdacs.org"))
"""Name spaces of official alerts that are kept whole, by a part of their address."""

_ZONES: dict[str, float] = {
    "wet": 0,
    "west": 1,
    "cet": 1,
    "cest": 2,
    "mez": 1,
    "mesz": 2,
    "bst": 1,
    "eet": 2,
}
_ZONES |= {"eest": 3, "msk": 3, "jst": 9, "awst": 8, "acst": 9.5, "aest": 10, "aedt": 11}
"""Zones that feeds write and feedparser reads as +0, hours wrong. ``IST`` has three meanings."""

_PERIODS = {"hourly": 3600, "daily": 86_400, "weekly": 604_800}
_NO_SHORTER_TTL_S = 60


class NoFeed(Exception):
    """The bytes are no feed; ``code`` says what they are."""

    def __init__(self, code: str, message: str) -> None:
        """Keep the code beside the message."""
        super().__init__(message)
        self.code = code


def handle(message: dict[str, Any], body: bytes) -> dict[str, Any]:
    """Answer ``{"feed": ...}``, or ``{"error": ..., "message": ...}`` when the bytes are none."""
    try:
        return {"feed": read(body, str(message.get("content_type") or ""), str(message["url"]))}
    except NoFeed as refusal:
        return {"error": refusal.code, "message": str(refusal)}


def read(body: bytes, content_type: str, url: str) -> dict[str, Any]:
    """
    Read one feed.

    Args:
        body: The bytes as they came, inflated.
        content_type: Header of the answer, or empty.
        url: Where they came from; relative links are meant from there.

    Raises:
        NoFeed: ``empty``, ``doctype``, ``html`` or ``no_feed``.
    """
    if not body.strip():
        raise NoFeed("empty", "the server sent nothing")
    body, content_type = _narrow(body, content_type)
    head = body[:_HEAD]
    if _defines_entities(head.lower()):
        raise NoFeed(
            "doctype",
            "the document defines XML entities of its own, as bombs do; it was not parsed",
        )
    official = read_official(body, plain=plain, limit=ITEMS)
    if official is not None:
        return official
    # Without a content-location: a guid would be resolved too, and change when the feed moves.
    headers = {"content-type": _media_type(content_type, body)}
    result, problem = _parse(_shortened(body), headers)
    if not result.get("version"):
        raise _no_feed(head)
    return _feed(result, problem, url)


def _no_feed(head: bytes) -> NoFeed:
    """Say what the bytes are instead."""
    if _HTML.search(head):
        return NoFeed(
            "html",
            "a web page, not a feed: a login or consent page, or the address of the site itself",
        )
    if head.lstrip().startswith(b"{"):
        return NoFeed(
            "no_feed",
            "a JSON document, which is not read: look for the RSS or Atom feed of the site",
        )
    return NoFeed("no_feed", "the answer is neither RSS nor Atom")


def plain(text: object, limit: int) -> str:
    """Make one line of plain text out of markup, at most ``limit`` characters."""
    if not isinstance(text, str):
        return ""
    text = html.unescape(_TAG.sub(" ", text[:_MARKUP_CHARS]))
    return _SPACE.sub(" ", _UNPRINTED.sub("", text)).strip()[:limit].rstrip()


def _defines_entities(head: bytes) -> bool:
    """Look at the first DOCTYPE, and for a definition anywhere: one may hide behind a decoy."""
    return b"<!entity" in head or bool(_SUBSET.match(head, max(0, head.find(b"<!doctype"))))


def _narrow(body: bytes, content_type: str) -> tuple[bytes, str]:
    """
    Write wide characters (UTF-16, UTF-32) as UTF-8, known by their mark or by how ``<`` looks.

    They need no declaration by the standard, and feedparser would take some for UTF-8 with NULs.
    """
    for start, encoding in _WIDE:
        if body.startswith(start):
            text = body.decode(encoding, errors="replace")
            return text.encode("utf-8", errors="replace"), "application/xml; charset=utf-8"
    return body, content_type


def _media_type(content_type: str, body: bytes) -> str:
    """
    Say how the body is encoded, trusting the bytes more than the server.

    Text that is not ASCII and decodes as UTF-8 is UTF-8. Else the server's charset counts, and
    without one the XML declaration; ``text/xml`` would make feedparser believe in ASCII.
    """
    if not body.isascii():
        with suppress(UnicodeDecodeError):
            body.decode("utf-8")
            return "application/xml; charset=utf-8"
    named = _CHARSET.search(content_type)
    return f"application/xml; charset={named[1]}" if named else "application/xml"


def _shortened(body: bytes) -> bytes:
    """Leave out what follows the last item that is read: feedparser takes a millisecond each."""
    ends = [match.end() for match in _ITEM_END.finditer(body)]
    return body if len(ends) <= ITEMS else body[: ends[ITEMS - 1]] + body[ends[-1] :]


def _parse(body: bytes, headers: dict[str, str]) -> tuple[Any, str | None]:
    """Parse the whole; when feedparser raises, what can be saved. Also say what was wrong."""
    try:
        result = _feedparser(body, headers)
    except Exception as error:  # noqa: BLE001 - feedparser raises KeyError, TypeError and others
        problem = f"the parser stumbled ({type(error).__name__}); what could be read was kept"
        return _saved(body, headers), problem
    exception = result.get("bozo_exception")
    if exception is None or isinstance(
        exception, feedparser.CharacterEncodingOverride | feedparser.NonXMLContentType
    ):
        return result, None
    return result, _ill_formed(exception)


def _ill_formed(exception: Exception) -> str:
    """Say in words what the strict parser stumbled over; what could be read was kept."""
    if not isinstance(exception, SAXParseException):
        return f"{type(exception).__name__}: {plain(str(exception), 120)}"
    return f"not well-formed XML: {plain(exception.getMessage(), 80)}; what could be read was kept"


def _feedparser(body: bytes, headers: dict[str, str]) -> Any:
    return feedparser.parse(
        io.BytesIO(body),
        response_headers=headers,
        resolve_relative_uris=False,
        sanitize_html=False,
    )


def _saved(body: bytes, headers: dict[str, str]) -> Any:
    """Parse the whole without characters that can't be; else item by item."""
    possible = _REFERENCE.sub(_possible, body)
    if possible != body:
        with suppress(Exception):  # something else is wrong as well
            return _feedparser(possible, headers)
    return _salvage(possible, headers)


def _possible(reference: re.Match[bytes]) -> bytes:
    """Keep a reference to a character that can be; feedparser raises on any other."""
    digits = reference[1].lower()
    number = int(digits[1:], 16) if digits.startswith(b"x") else int(digits)
    return reference[0] if number <= sys.maxunicode else b"&#xFFFD;"


def _salvage(body: bytes, headers: dict[str, str]) -> Any:
    """Parse each item in a feed of its own and leave out those that raise."""
    spans = [match.span() for match in _ITEM.finditer(body)]
    if not spans:
        raise NoFeed("no_feed", "the feed can't be read, and no item could be told apart")
    head, tail = body[: spans[0][0]], body[spans[-1][1] :]
    found = _each(body, spans, (head, tail), headers) or _each(
        body, spans, (_bare(head), b""), headers
    )
    if found is None:
        raise NoFeed("no_feed", "no item of the feed can be read")
    return found


def _each(
    body: bytes, spans: list[tuple[int, int]], around: tuple[bytes, bytes], headers: dict[str, str]
) -> Any:
    """Parse each item between a head and a tail; None when all of them raise."""
    found = None
    entries = []
    for start, end in spans[:_SALVAGED]:
        with suppress(Exception):  # this item is the one, or one of them
            one = _feedparser(around[0] + body[start:end] + around[1], headers)
            found = found or one
            entries += one["entries"]
    if found is not None:
        found["entries"] = entries
    return found


def _bare(head: bytes) -> bytes:
    """Keep of a feed's head only what says how it is encoded and which format it is."""
    parts = (_DECLARATION.match(head), _ROOT.search(head))
    return b"".join(part[0] for part in parts if part)


def _feed(result: Any, problem: str | None, base: str) -> dict[str, Any]:
    feed = result["feed"]
    prefixes = _alert_prefixes(result.get("namespaces") or {})
    language = _language(feed)
    items = [_item(entry, base, prefixes) for entry in result["entries"][:ITEMS]]
    return {
        "version": result["version"],
        "title": plain(dict.get(feed, "title"), TITLE_CHARS),
        "ttl_s": _ttl_s(feed),
        "items": [
            item | {"lang": item["lang"] or language}
            for item in items
            if item["title"] or item["url"]
        ],
        "problem": problem,
    }


def _item(entry: Any, base: str, prefixes: dict[str, str]) -> dict[str, Any]:
    summary = plain(dict.get(entry, "summary") or _content(entry), SUMMARY_CHARS)
    title = plain(dict.get(entry, "title"), TITLE_CHARS) or _headline(summary)
    guid = dict.get(entry, "id")
    url = _link(dict.get(entry, "link"), guid, base)
    published = _seconds(entry, "published_parsed", "created_parsed", "updated_parsed")
    return {
        "guid": _identity(guid, url, title),
        "title": title,
        "summary": summary,
        "url": url,
        "published": published,
        "updated": _seconds(entry, "updated_parsed"),
        "lang": _language(entry),
        "categories": _categories(entry),
        "extra": dict(_extra(entry, prefixes)),
    }


def _content(entry: Any) -> object:
    parts = dict.get(entry, "content") or [{}]
    return parts[0].get("value")


def _headline(summary: str) -> str:
    """Make a title out of a summary, for feeds of short messages that have none."""
    return summary[:117] + "…" if len(summary) > 118 else summary


def _link(link: object, guid: object, base: str) -> str:
    """
    Make a web address of a link; anything else (``javascript:``) is left out.

    feedparser takes a guid for the link where there is none; only a whole address is one.
    """
    if not isinstance(link, str):
        return ""
    text = _NOT_IN_LINKS.sub("", _UNPRINTED.sub("", link)).strip()
    if link != guid:
        try:
            text = urljoin(base, text)
        except ValueError:  # a broken IPv6 host
            return ""
    return text[:_LINK_CHARS] if text.lower().startswith(("http://", "https://")) else ""


def _identity(guid: object, url: str, title: str) -> str:
    """Name an item within its feed: its id, else its link, else a hash of link and title."""
    text = plain(guid, _MARKUP_CHARS) or url
    if text and len(text) <= _ID_CHARS:
        return text
    return "sha256:" + hashlib.sha256((text or f"{title}\n{url}").encode()).hexdigest()


def _seconds(entry: Any, *keys: str) -> int | None:
    """Give the first date that is there, in seconds since 1970 UTC."""
    for key in keys:
        parsed = dict.get(entry, key)  # FeedParserDict.get would answer with other dates
        if parsed:
            with suppress(ValueError, OverflowError, TypeError):
                return calendar.timegm(parsed)
    return None


def _language(values: Any) -> str | None:
    detail = dict.get(values, "title_detail") or {}
    for text in (dict.get(values, "language"), detail.get("language")):
        if isinstance(text, str) and _LANGUAGE.match(text.strip()):
            return text.strip().replace("_", "-").lower()
    return None


def _categories(entry: Any) -> list[str]:
    tags = dict.get(entry, "tags") or []
    named = (plain(tag.get("label") or tag.get("term"), _TERM_CHARS) for tag in tags[:_TERMS])
    return list(dict.fromkeys(name for name in named if name))


def _alert_prefixes(namespaces: dict[str, str]) -> dict[str, str]:
    """Map the prefixes that this document uses for alert fields to the names that we use."""
    return {
        prefix.lower(): name
        for prefix, address in namespaces.items()
        for name, part in _ALERTS
        if prefix and part in address.lower()
    }


def _extra(entry: Any, prefixes: dict[str, str]) -> Iterator[tuple[str, str]]:
    fields = 0
    for key, value in dict.items(entry):
        prefix, _, field = key.partition("_")
        text = plain(value, _ID_CHARS)
        if prefix in prefixes and field and text and fields < _EXTRAS:
            fields += 1
            yield f"{prefixes[prefix]}:{field}", text


def _ttl_s(feed: Any) -> int | None:
    """Read how long the feed wants to be left alone: ``ttl``, or the syndication module."""
    values: dict[str, Any] = feed
    with suppress(TypeError, ValueError, OverflowError):
        ttl_s = int(dict.get(values, "ttl", "")) * 60
        return ttl_s if ttl_s >= _NO_SHORTER_TTL_S else None
    with suppress(KeyError, TypeError, ValueError, AttributeError):
        period_s = _PERIODS[dict.get(values, "sy_updateperiod", "").strip().lower()]
        often = int(dict.get(values, "sy_updatefrequency", "") or 1)
        return period_s // often if 1 <= often <= period_s // _NO_SHORTER_TTL_S else None
    return None


def adapt() -> None:
    """Teach feedparser zones, and keep it from guessing encodings with whatever is installed."""
    rfc822.timezone_names.update(_ZONES)
    feedparser.encodings.lazy_chardet_encoding = None  # slow, and it reads files at run time


def warm_up() -> None:
    """Load all that parsing loads on demand; afterwards no file can be opened."""
    adapt()
    warnings.simplefilter("ignore")
    for module in pkgutil.iter_modules(encodings.__path__):
        with suppress(ImportError):  # those of other systems
            importlib.import_module(f"encodings.{module.name}")
    importlib.import_module("_strptime")
    item = b"<item><title>A &amp; &eacute; <b>b</b></title><pubDate>2026-03-02</pubDate></item>"
    for end in (b"</channel></rss>", b"</channel>"):  # the strict parser, then the loose one
        _feedparser(b"<rss version='2.0'><channel>" + item + end, {"content-type": "text/xml"})


if __name__ == "__main__":
    serve(handle, warm_up=warm_up)
