"""
Subscriptions of a feed reader (OPML), read without trusting the file.

Invariant: no entity of the file's own and no external one is ever resolved: a document type with
declarations is refused before anything is read from it.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from urllib.parse import urlsplit
from xml.parsers import expat

from killswitch.errors import UsageError

FILE_MOST = 4 * 1024 * 1024
FEEDS_MOST = 5000
DEPTH_MOST = 100
NAME_MOST = 80


@dataclass(frozen=True, slots=True)
class Subscription:
    """One feed of a reader."""

    name: str
    url: str


class _Refused(Exception):
    """Why the file is not read any further."""


def read(data: bytes, *, name: str) -> list[Subscription]:
    """
    Read the subscriptions of an OPML file, each address once.

    Raises:
        UsageError: Not OPML, with declarations of its own, too large, or without a feed.
    """
    if len(data) > FILE_MOST:
        raise UsageError("opml", f"{name} has more than {FILE_MOST} bytes", "split it")
    reader = _Reader()
    try:
        reader.feed(data)
    except (expat.ExpatError, _Refused) as error:
        raise UsageError(
            "opml",
            f"{name}: {error}; nothing was imported",
            "export it once more from the reader, as OPML",
        ) from error
    if not reader.found:
        raise UsageError("opml", f"{name} holds no feed; nothing was imported", "check the file")
    return list(reader.found.values())


def as_toml(feeds: list[Subscription]) -> str:
    """Write feeds as tables of the configuration, names made unique."""
    seen: set[str] = set()
    tables = []
    for feed in feeds:
        # A JSON string without its escapes of signs beyond ASCII is a TOML basic string.
        unique = _unique(feed.name, seen)
        name = json.dumps(unique, ensure_ascii=False)
        url = json.dumps(feed.url, ensure_ascii=False)
        tables.append(f"[[feeds]]\nname = {name}\nurl = {url}\n")
    return "\n".join(tables)


def _unique(name: str, seen: set[str]) -> str:
    number = 1
    unique = name
    while unique.casefold() in seen:
        number += 1
        unique = f"{name[: NAME_MOST - 5]} {number}"
    seen.add(unique.casefold())
    return unique


class _Reader:
    def __init__(self) -> None:
        self.found: dict[str, Subscription] = {}
        self._depth = 0
        self._parser = expat.ParserCreate()
        self._parser.StartElementHandler = self._start
        self._parser.EndElementHandler = self._end
        self._parser.StartDoctypeDeclHandler = self._doctype
        self._parser.EntityDeclHandler = self._entity

    def feed(self, data: bytes) -> None:
        self._parser.Parse(data, True)  # noqa: FBT003 - expat's own signature: this is all of it

    def _start(self, tag: str, attributes: dict[str, str]) -> None:
        self._depth += 1
        if self._depth == 1 and tag.lower() != "opml":
            raise _Refused(f"it begins with <{tag[:20]}>, not <opml>")
        if self._depth > DEPTH_MOST or len(self.found) > FEEDS_MOST:
            raise _Refused("it is nested too deeply or holds too many feeds")
        url = attributes.get("xmlUrl", "").strip()
        if tag.lower() == "outline" and _is_web(url):
            title = attributes.get("title") or attributes.get("text") or urlsplit(url).hostname
            self.found.setdefault(url, Subscription(name=_name(title or url), url=url))

    def _end(self, _tag: str) -> None:
        self._depth -= 1

    def _doctype(self, *declared: object) -> None:
        if declared[-1]:  # has an internal subset
            raise _Refused("it declares things of its own (DOCTYPE with a subset)")

    def _entity(self, *_declared: object) -> None:
        raise _Refused("it declares entities")


def _is_web(url: str) -> bool:
    try:
        parts = urlsplit(url)
    except ValueError:
        return False
    return parts.scheme in {"http", "https"} and bool(parts.hostname) and url.isprintable()


def _name(title: str) -> str:
    shown = "".join(sign if sign.isprintable() else " " for sign in title)
    return " ".join(shown.split())[:NAME_MOST].strip() or "feed"
