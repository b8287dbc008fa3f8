"""The feed server: every invented outlet with its feed, as real publishers serve theirs."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from email.utils import format_datetime
from xml.sax.saxutils import escape

from killswitch.clock import Clock
from killswitch.demo.headlines import OUTLETS, Outlet
from killswitch.demo.serving import Asked, LocalServer, Said
from killswitch.wire import z_time

# The age of the newest headline at the start, and the distance between the older ones.
_FIRST_AGE = timedelta(minutes=4)
_APART = timedelta(minutes=23)


@dataclass(frozen=True, slots=True)
class Headline:
    """One entry of a feed; ``at`` is aware UTC."""

    title: str
    at: datetime
    number: int


class Newsroom:
    """All outlets behind one local server."""

    def __init__(self, clock: Clock) -> None:
        """Serve the ordinary news of the morning."""
        self._clock = clock
        self._lock = threading.Lock()
        now = clock.now()
        self._entries = {outlet.slug: _morning(outlet, now) for outlet in OUTLETS}
        self._outlets = {outlet.slug: outlet for outlet in OUTLETS}
        self.server = LocalServer(self._answer)

    def url(self, outlet: Outlet) -> str:
        """Return the address of an outlet's feed."""
        return f"{self.server.url}/{outlet.slug}.xml"

    def report(self, slug: str, title: str) -> datetime:
        """Put a headline on top of an outlet's feed; return when."""
        now = self._clock.now()
        with self._lock:
            entries = self._entries[slug]
            self._entries[slug] = (Headline(title, now, len(entries)), *entries)
        return now

    def _answer(self, asked: Asked) -> Said:
        slug = asked.path.strip("/").removesuffix(".xml")
        with self._lock:
            entries = self._entries.get(slug)
        if entries is None or asked.method != "GET":
            return Said(404)
        body = render(self._outlets[slug], entries, base=self.server.url).encode()
        tag = f'"{hashlib.sha256(body).hexdigest()[:16]}"'
        headers = {"ETag": tag, "Last-Modified": _rfc(entries[0].at)}
        if asked.headers.get("If-None-Match") == tag:
            return Said(304, headers=headers)
        return Said(200, body, {**headers, "Content-Type": "application/xml; charset=utf-8"})


def _morning(outlet: Outlet, now: datetime) -> tuple[Headline, ...]:
    count = len(outlet.ordinary)
    return tuple(
        Headline(title, now - _FIRST_AGE - at * _APART, count - 1 - at)
        for at, title in enumerate(outlet.ordinary)
    )


def render(outlet: Outlet, entries: Sequence[Headline], *, base: str) -> str:
    """
    Write an outlet's feed in its format.

    Args:
        outlet: Whose it is.
        entries: Its headlines, newest first; at least one.
        base: Address of the server, for the links.
    """
    write = _atom if outlet.format == "atom" else _rss
    return '<?xml version="1.0" encoding="utf-8"?>\n' + write(outlet, entries, base)


def _rss(outlet: Outlet, entries: Sequence[Headline], base: str) -> str:
    items = "".join(
        f"<item><title>{escape(one.title)}</title><link>{_link(outlet, one, base)}</link>"
        f'<guid isPermaLink="true">{_link(outlet, one, base)}</guid>'
        f"<pubDate>{_rfc(one.at)}</pubDate></item>\n"
        for one in entries
    )
    return (
        f'<rss version="2.0"><channel><title>{escape(outlet.name)}</title><link>{base}/</link>'
        f"<description>{escape(outlet.name)}</description><language>{outlet.language}</language>\n"
        f"{items}</channel></rss>\n"
    )


def _atom(outlet: Outlet, entries: Sequence[Headline], base: str) -> str:
    items = "".join(
        f"<entry><title>{escape(one.title)}</title><id>{_link(outlet, one, base)}</id>"
        f'<link href="{_link(outlet, one, base)}"/><published>{z_time(one.at)}</published>'
        f"<updated>{z_time(one.at)}</updated></entry>\n"
        for one in entries
    )
    return (
        f'<feed xmlns="http://www.w3.org/2005/Atom" xml:lang="{outlet.language}">'
        f"<title>{escape(outlet.name)}</title><id>{base}/{outlet.slug}</id>"
        f"<updated>{z_time(entries[0].at)}</updated>\n{items}</feed>\n"
    )


def _link(outlet: Outlet, one: Headline, base: str) -> str:
    return f"{base}/{outlet.slug}/{one.number}"


def _rfc(at: datetime) -> str:
    return format_datetime(at, usegmt=True)
