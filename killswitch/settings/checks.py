"""
Rules that look at several settings at once.

Each is a plain function from the tree, or the raw tables, to problems. The reasons are safety's:
a watcher that can never see two outlets is blind for good, a feed counted twice would confirm
itself, a person nobody may replace leaves a pause without an end.
"""

from __future__ import annotations

import ipaddress
import os.path
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from killswitch.flags import PAUSE_DIR
from killswitch.lockfile import LOCK_NAME
from killswitch.settings.durations import format_duration
from killswitch.settings.kinds import Network
from killswitch.settings.problems import Problem, dotted
from killswitch.settings.tree import FeedSettings, FileChannel, Settings, WebhookChannel

POLITE_INTERVAL = timedelta(seconds=30)
"""Public feeds are asked no more often; publishers' feeds are minutes late anyway."""

_WEEK = timedelta(days=7)
SOCKET_LONGEST = 107
"""Bytes of ``sun_path`` without its closing zero (Linux ``unix(7)``)."""


def raw_problems(values: dict[str, Any]) -> Iterator[Problem]:
    """Find duplicates in tables that were not checked yet, so that all is told at once."""
    for table in ("feeds", "channels", "relays", "people"):
        yield from _repeated(values, table=table, key="name")
    yield from _repeated(values, table="feeds", key="url")


def _repeated(values: dict[str, Any], *, table: str, key: str) -> Iterator[Problem]:
    first: dict[str, int] = {}
    rows = values.get(table)
    for index, row in enumerate(rows if isinstance(rows, list | tuple) else ()):
        text = row.get(key) if isinstance(row, dict) else None
        if not isinstance(text, str):
            continue
        earlier = first.setdefault(text.casefold(), index)
        if earlier != index:
            where = dotted((table, earlier))
            yield Problem((table, index, key), f"{where} has the same {key}: {_MENDS[key]}")


_MENDS = {
    "name": "give this one another",
    "url": "take one out, or one headline would count as two",
}


def problems(settings: Settings, *, from_file: bool) -> Iterator[Problem]:
    """
    Apply every rule.

    Args:
        settings: A tree whose single values are fine.
        from_file: Whether a file was loaded; without one, commands such as ``detect`` run on
            defaults, where no feed is named.
    """
    for rule in RULES:
        yield from rule(settings)
    if from_file or settings.feeds:
        yield from _outlets(settings)


def _outlets(settings: Settings) -> Iterator[Problem]:
    """Count newsrooms as sight and corroboration do: one a group, aggregators and alerts never."""
    groups = {feed.group.casefold() for feed in settings.feeds if feed.kind == "news"}
    needed = 1 if settings.detect.single_trusted else settings.detect.outlets
    if len(groups) < needed:
        yield Problem(
            ("feeds",),
            f"{_outlets_text(len(groups))} watched, but a story needs {needed} independent ones: "
            'add [[feeds]] of other groups (kind "news"), or set detect.single_trusted with a '
            "trusted feed",
        )


def _outlets_text(count: int) -> str:
    return "1 outlet is" if count == 1 else f"{count} outlets are"


def _trusted(settings: Settings) -> Iterator[Problem]:
    trusted = any(feed.trusted and feed.kind == "news" for feed in settings.feeds)
    if settings.detect.single_trusted and not trusted:
        yield Problem(
            ("detect", "single_trusted"),
            'no feed of kind "news" is trusted: write trusted = true in the [[feeds]] whose word '
            "alone is enough",
        )


def _slow_feeds(settings: Settings) -> Iterator[Problem]:
    """Two polls must fit into ``watch.fresh``, or one lost answer costs the sight."""
    fresh = settings.watch.fresh
    slow = [(at, feed) for at, feed in enumerate(settings.feeds) if feed.interval * 2 > fresh]
    by_default = [feed for _, feed in slow if "interval" not in feed.model_fields_set]
    if by_default:
        standard = FeedSettings.model_fields["interval"].default
        yield Problem(
            ("watch", "fresh"),
            f'"{format_duration(fresh)}" is less than two intervals of the {len(by_default)} feeds '
            f'without their own: write "{format_duration(standard * 2)}" or more, or interval = '
            f'"{_half(fresh)}" in each of the [[feeds]]',
        )
    for at, feed in slow:
        if "interval" in feed.model_fields_set:
            yield Problem(
                ("feeds", at, "interval"),
                f'"{format_duration(feed.interval)}" is more than half of watch.fresh '
                f'("{format_duration(fresh)}"): write "{_half(fresh)}" or less',
            )


def _half(fresh: timedelta) -> str:
    return format_duration(max(timedelta(seconds=int(fresh.total_seconds() // 2)), _SECOND))


_SECOND = timedelta(seconds=1)


def _hasty_feeds(settings: Settings) -> Iterator[Problem]:
    for at, feed in enumerate(settings.feeds):
        if feed.interval < POLITE_INTERVAL and not _allowed(feed.url, settings):
            yield Problem(
                ("feeds", at, "interval"),
                f'"{format_duration(feed.interval)}" is too often for a public host: write '
                f'"{format_duration(POLITE_INTERVAL)}" or more (less only for addresses in '
                "network.allow_private)",
            )


def _private_addresses(settings: Settings) -> Iterator[Problem]:
    """Refuse addresses that the network door would refuse at each try."""
    for path, url in _addresses(settings):
        networks = _networks_of(url)
        private = any(not network[0].is_global for network in networks)
        if private and not _allowed(url, settings):
            yield Problem(
                path,
                f'"{urlsplit(url).hostname}" is no public address: write a public one, or, inside '
                "your own network, open its range: [network] allow_private = "
                f'["{networks[0]}"]',
            )


def _addresses(settings: Settings) -> Iterator[tuple[tuple[str | int, ...], str]]:
    for at, feed in enumerate(settings.feeds):
        yield ("feeds", at, "url"), feed.url
    for at, channel in enumerate(settings.channels):
        if isinstance(channel, WebhookChannel):
            for key in ("url", "probe_url", "delete_url"):
                if getattr(channel, key) is not None:
                    yield ("channels", at, key), getattr(channel, key)
    for at, relay in enumerate(settings.relays):
        if relay.url is not None:
            yield ("relays", at, "url"), relay.url


def _networks_of(url: str) -> list[Network]:
    """Read the addresses a host stands for without asking the network; names stay unknown."""
    host = urlsplit(url).hostname or ""
    if host == "localhost":
        return [ipaddress.ip_network("127.0.0.1/32"), ipaddress.ip_network("::1/128")]
    try:
        return [ipaddress.ip_network(host)]
    except ValueError:
        return []


def _allowed(url: str, settings: Settings) -> bool:
    opened = settings.network.allow_private
    return any(
        network.version == outer.version and network[0] in outer
        for network in _networks_of(url)
        for outer in opened
    )


def _own_files(settings: Settings) -> Iterator[Problem]:
    """Keep the lines of a file channel out of the daemon's own files, and of one another."""
    home = settings.state_dir
    own = {home / LOCK_NAME, home / "audit.head", home / PAUSE_DIR, settings.control.socket}
    scheme, _, store = settings.store.url.get_secret_value().partition(":///")
    if scheme == "sqlite":
        # SQLite's own companions of a database (sqlite.org/tempfiles.html).
        own |= {Path(store + end) for end in ("", "-wal", "-shm", "-journal")}
    taken: dict[Path, int] = {}
    for index, channel in enumerate(settings.channels):
        if not isinstance(channel, FileChannel):
            continue
        path = Path(os.path.normpath(channel.path))
        place = ("channels", index, "path")
        earlier = taken.setdefault(path, index)
        if not own.isdisjoint({path, *path.parents}):
            text = f"{path} is the daemon's own: name a file that nothing else writes"
            yield Problem(place, text)
        elif os.path.isdir(path):  # noqa: PTH112 - Path.is_dir raises where one may not look
            yield Problem(place, f"{path} is a folder: name a file in it")
        elif earlier != index:
            where = dotted(("channels", earlier))
            yield Problem(place, f"{where} writes into it, too: give each a file of its own")


def _guard(settings: Settings) -> Iterator[Problem]:
    if settings.mode == "guard" and settings.channels:
        yield Problem(
            ("channels",),
            'in mode "guard" the queue belongs to another tool: take the channels out, or write '
            'mode = "live"',
        )


def _orders(settings: Settings) -> Iterator[Problem]:
    watch, detect = settings.watch, settings.detect
    if watch.blind_after < watch.fresh:
        yield Problem(
            ("watch", "blind_after"),
            f'it is shorter than watch.fresh: write "{format_duration(watch.fresh)}" or more',
        )
    if watch.keep < _WEEK:
        yield Problem(
            ("watch", "keep"),
            'a feed shows its rhythm in a week and more of its headlines: write "7d" or more',
        )
    if detect.mute_max < detect.mute_quiet:
        yield Problem(
            ("detect", "mute_max"),
            f"it is shorter than detect.mute_quiet: write "
            f'"{format_duration(detect.mute_quiet)}" or more',
        )


def _resumers(settings: Settings) -> Iterator[Problem]:
    able = any({"resumer", "admin"} & set(person.roles) for person in settings.people)
    if settings.people and not able:
        yield Problem(
            ("people",),
            'nobody may resume, so a pause could never end: give somebody the role "resumer"',
        )


def socket_problems(settings: Settings) -> Iterator[Problem]:
    """Refuse a named socket that no process could bind; one by default is the daemon's to tell."""
    if len(bytes(settings.control.socket)) > SOCKET_LONGEST:
        yield Problem(
            ("control", "socket"),
            f"a socket path has at most {SOCKET_LONGEST} bytes: choose a shorter one",
        )


RULES: tuple[Callable[[Settings], Iterator[Problem]], ...] = (
    _trusted,
    _slow_feeds,
    _hasty_feeds,
    _private_addresses,
    _own_files,
    _guard,
    _orders,
    _resumers,
)
