"""
``feeds backtest``: what would a configuration have done with the news that the daemon has seen?

The daemon keeps its headlines for ``watch.keep``; they are asked for feed by feed and replayed in
the order in which they were seen. Pauses that people dismissed are marked as false.
"""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from killswitch.cli.backtest import add_compare, replay_rows
from killswitch.cli.out import plain, warn
from killswitch.cli.paths import find_config
from killswitch.cli.reach import Reach, reach
from killswitch.clock import SystemClock
from killswitch.errors import ConfigError, OperatorError, UsageError
from killswitch.wire import z_time

if TYPE_CHECKING:
    from killswitch.settings.tree import FeedSettings

_PAGE = 1000
_DAYS_MOST = 400

Doc = dict[str, Any]


def run(args: argparse.Namespace) -> int:
    """
    Replay what the daemon has seen.

    Raises:
        UsageError: The number of days is none.
        ConfigError: There is no configuration, or it is wrong.
        OperatorError: Nothing was seen in that time, or the file cannot be written.
    """
    if not 1 <= args.days <= _DAYS_MOST:
        raise UsageError("bad_days", f"--days is 1 to {_DAYS_MOST}", "such as --days 30")
    config = find_config(args.config, os.environ)
    if config is None:
        hint = "name the daemon's configuration with --config"
        raise ConfigError("no_config", "there is no configuration to replay with", hint)
    args.config = str(config)
    seen = _seen(reach(args), args.config, args.days)
    if not seen:
        raise OperatorError(
            "nothing_seen",
            f"the daemon has seen no headline in the last {args.days} days; nothing to replay",
            "look at its feeds: killswitch feeds",
        )
    if args.save:
        _save(args.save, rows_for(args.config, seen))
    false = {doc["id"] for doc in seen if doc["dismissed"]}
    return replay_rows(args, _rows_of(seen), source="the daemon's headlines", false=false)


def _seen(found: Reach, config: str, days: int) -> list[Doc]:
    """Ask the daemon for the headlines of each feed, page by page; order them as they came."""
    since = z_time(SystemClock().now() - timedelta(days=days))
    seen: list[Doc] = []
    for name in _feeds(config):
        after: str | None = None
        while True:
            query = {"feed": name, "since": since, "after": after, "limit": _PAGE}
            page: Doc = found.client.get("/seen", query=query)
            seen += [{**doc, "feed": name} for doc in page["items"]]
            after = page["next"]
            if after is None:
                break
    return sorted(seen, key=lambda doc: (doc["seen"], doc["id"]))


def _feeds(config: str) -> dict[str, FeedSettings]:
    from killswitch.settings import load  # noqa: PLC0415 - heavy, and only this verb needs it

    return {feed.name: feed for feed in load(Path(config), env=os.environ, unread=[]).feeds}


def _rows_of(seen: list[Doc]) -> Callable[[str | None], list[Doc]]:
    """Give the rows as a configuration sees them."""
    return lambda config: rows_for(str(config), seen)


def rows_for(config: str, seen: list[Doc]) -> list[Doc]:
    """
    Write headlines as rows of the detector file format, under the feeds of a configuration.

    Feeds that it does not name are left out; who counts together and whom it trusts is its matter.
    A row is dated by when it was seen: windows count from there.
    """
    feeds = _feeds(config)
    missing = sorted({doc["feed"] for doc in seen} - feeds.keys())
    if missing:
        names = ", ".join(plain(name) for name in missing)
        warn(f"killswitch: {config} names no feed {names}: their headlines are left out")
    return [_row(doc, feeds[doc["feed"]]) for doc in seen if doc["feed"] in feeds]


def _row(doc: Doc, feed: FeedSettings) -> Doc:
    row = {key: doc[key] for key in ("id", "title", "summary", "url", "lang")}
    return row | {
        "published": doc["seen"],
        "outlet": feed.outlet,
        "group": feed.group,
        "country": feed.country,
        "aggregator": feed.kind != "news",
        "trusted": feed.trusted,
        "alert": (doc["alert"] or {}) if feed.kind == "alert" else None,
    }


def _save(path: str, rows: list[Doc]) -> None:
    """Write the rows for later replays; an existing file is left as it is."""
    text = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    try:
        with Path(path).open("x", encoding="utf-8") as file:
            file.write(text)
    except OSError as error:
        reason = error.strerror or str(error)
        raise OperatorError("not_written", f"{path}: {reason}", "name a new file") from error


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the days, the second configuration and the file."""
    parser.add_argument(
        "--days", metavar="N", type=int, default=30, help="so many days back (default: 30)"
    )
    add_compare(parser)
    parser.add_argument("--save", metavar="FILE", help="also write the headlines as JSON Lines")
