"""
Which web addresses are asked for, how people are told of them, and what may follow a redirect.

Invariant: a message names the server of an address, never its password, its path or its question:
    those of a webhook or a paid feed hold tokens.
Adapter: ``httpx.InvalidURL`` becomes ``FetchError``.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import httpx

from killswitch.errors import TransientError
from killswitch.net.address import port_is_allowed

if TYPE_CHECKING:
    from collections.abc import Mapping

_URL_CHARS = 4096
"""Longer addresses are not feeds; the limit keeps what a redirect can make us store small."""

_SHOWN_CHARS = 200
"""Of a name in a message; foreign ones may be endless."""

_PORTS = {"http": 80, "https": 443}

_HARMLESS = frozenset({"accept", "accept-language", "if-modified-since", "if-none-match"})
"""Headers that may follow a redirect to another origin; a key or token may not."""


class FetchError(TransientError):
    """
    A page was not read.

    Codes: ``refused_url``, ``dns``, ``refused_address``, ``connect``, ``tls``, ``timeout``,
    ``reset``, ``too_big``, ``bad_encoding``, ``redirect``.
    """


def checked(url: str | httpx.URL) -> httpx.URL:
    """
    Read an address and refuse what we never ask for.

    Raises:
        FetchError: ``refused_url``.
    """
    try:
        address = httpx.URL(url).copy_with(fragment=None)
        why = _refusal(address)  # reading the host decodes its punycode, which may be broken
    except (httpx.InvalidURL, ValueError) as error:
        raise FetchError("refused_url", f"{shown(url)!r} is not an address: {error}") from error
    if why:
        raise FetchError("refused_url", f"{shown(url)!r} {why}")
    return address


def shown(url: str | httpx.URL) -> str:
    """Write an address for people: its scheme and its server, however wrong it is."""
    scheme, mark, rest = _split(str(url))
    place = re.split(r"[/?#\\]", rest, maxsplit=1)[0]
    server = place.rpartition("@")[2][:_SHOWN_CHARS]
    more = "…" if rest[len(place) + 1 :] else ""
    return f"{scheme}{mark}{server}/{more}"


def _split(url: str) -> tuple[str, str, str]:
    scheme, mark, rest = url.partition("://")
    return (scheme[:_SHOWN_CHARS], mark, rest) if mark else ("", "", url)


def _refusal(address: httpx.URL) -> str:
    """Say why ``address`` is refused, or nothing."""
    rules = (
        (address.scheme in _PORTS, "begins neither with http:// nor with https://"),
        (address.host != "", "has no host"),
        (not address.userinfo, "carries a user name or a password"),
        (len(str(address)) <= _URL_CHARS, f"is longer than {_URL_CHARS} characters"),
        (
            port_is_allowed(address.port or _PORTS.get(address.scheme, 0)),
            f"asks for port {address.port}, which is none of 80, 443 or 1025 to 65535",
        ),
    )
    return next((why for kept, why in rules if not kept), "")


def next_hop(at: httpx.URL, target: str) -> httpx.URL:
    """
    Say where a redirect from ``at`` leads.

    Raises:
        FetchError: ``refused_url``, or ``redirect`` when it leads from https down to http.
    """
    try:
        hop = checked(at.join(target))
    except (httpx.InvalidURL, ValueError) as error:
        raise FetchError("redirect", "it redirects to an address nobody can read") from error
    if at.scheme == "https" and hop.scheme == "http":
        raise FetchError("redirect", f"it redirects from https down to http ({hop.host})")
    return hop


def for_origin(headers: Mapping[str, str], start: httpx.URL, at: httpx.URL) -> dict[str, str]:
    """Say which of the caller's headers may go to ``at`` in a chain that began at ``start``."""
    if origin(start) == origin(at):
        return dict(headers)
    return {name: value for name, value in headers.items() if name.lower() in _HARMLESS}


def origin(address: httpx.URL) -> tuple[str, str, int]:
    """Name the place that may see what was meant for ``address``."""
    return address.scheme, address.host, address.port or _PORTS[address.scheme]
