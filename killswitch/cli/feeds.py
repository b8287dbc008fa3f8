"""
The watched feeds: health and rhythm, a dry run of one, a replay, subscriptions of a reader.

  killswitch feeds
  killswitch feeds check                        # poll all of them now
  killswitch feeds check https://example.org/rss
  killswitch feeds import reader.opml --write
  killswitch feeds backtest --days 30 --compare other.toml
"""

from __future__ import annotations

import argparse
import os
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from killswitch.cli import opml, seen
from killswitch.cli.fetched import poll_once
from killswitch.cli.out import Times, document, emit, labelled, plain, say, span_s, table, warn
from killswitch.cli.paths import find_config
from killswitch.cli.reach import reach, status_or_none
from killswitch.cli.words import many, told, tr
from killswitch.clock import SystemClock
from killswitch.errors import ConfigError, Exit, UsageError
from killswitch.queue.durations import format_duration
from killswitch.wire import FeedDoc, LookDoc, z_or_none

if TYPE_CHECKING:
    from killswitch.watch.parse import ParsedFeed

HELP = "health of the watched feeds; a dry run of one; a replay; import from a reader"

LOOK_S = 60.0
ITEMS_SHOWN = 5

Doc = dict[str, Any]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the verbs."""
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    below = parser.add_subparsers(dest="verb", metavar="VERB", required=True)
    below.add_parser("list", help="health, rhythm, last item (the default)")
    check = below.add_parser("check", help="poll all feeds now, or try one address")
    check.add_argument("url", metavar="URL", nargs="?", help="any address; nothing is stored")
    replay = below.add_parser(
        "backtest", help="replay what the daemon has seen, under one configuration or two"
    )
    seen.add_arguments(replay)
    load = below.add_parser("import", help="turn the subscriptions of a reader into [[feeds]]")
    load.add_argument("file", metavar="OPML")
    load.add_argument(
        "--write", action="store_true", help="append them to the configuration, commented out"
    )


def run(args: argparse.Namespace) -> int:
    """Carry out the verb."""
    if args.verb == "import":
        return _import(args)
    if args.verb == "backtest":
        return seen.run(args)
    if args.verb == "check" and args.url:
        return _try(args)
    return _list(args)


def _list(args: argparse.Namespace) -> int:
    found = reach(args)
    failed: list[str] = []
    if args.verb == "check":
        looked: Doc = found.client.post("/look", timeout_s=LOOK_S, shape=LookDoc)
        failed = looked["failed"]
    rows: list[Doc] = found.client.get("/feeds", shape=list[FeedDoc])
    if args.json:
        document(rows)
    else:
        times = found.times(status_or_none(found))
        say(feeds_text(rows, times) if rows else tr("no feed is watched"))
        problems = {row["name"]: row["problem"] for row in rows}
        for name in failed:
            why = told(plain(problems.get(name) or "")) or tr("no answer in time")
            text = tr("{feed} was not read: {why}").format(feed=plain(name), why=why)
            warn(f"killswitch: {text}")
    return Exit.FAILED if failed else Exit.DONE


def feeds_text(rows: list[Doc], times: Times) -> str:
    """Write the health of feeds as a table, the dead ones first."""
    ordered = sorted(rows, key=lambda row: (row["alive"], row["name"]))
    lines = [
        (
            plain(row["name"]),
            plain(row["outlet"]),
            tr("frozen") if row["frozen"] else tr("alive") if row["alive"] else tr("DEAD"),
            times.short(row["last_good_at"]),
            times.short(row["newest_item_at"]),
            _rhythm(row["gap_median_s"]),
            told(plain(row["problem"] or "")),
        )
        for row in ordered
    ]
    read = f"{tr('READ')} ({times.zone_name})"
    heading = (
        tr("FEED"), tr("OUTLET"), tr("STATE"), read, tr("NEWEST"), tr("RHYTHM"), tr("PROBLEM")
    )  # fmt: skip
    return table(lines, heading=heading)


def _rhythm(gap_s: float | None) -> str:
    if gap_s is None:
        return "-"
    return tr("each {span}").format(span=span_s(gap_s))


# ---- a dry run of one address -------------------------------------------------------------------


def _try(args: argparse.Namespace) -> int:
    """Fetch and parse one feed as the daemon would, and store nothing."""
    from killswitch.watch.fetch import Fresh  # noqa: PLC0415 - heavy, and only this verb needs it

    result = poll_once(args.config, args.url)
    if not isinstance(result, Fresh):
        message = getattr(result, "message", "the feed was not read")
        text = tr("NO FEED  {url}: {why}").format(url=plain(args.url), why=told(plain(message)))
        emit(args, {"ok": False, "problem": message}, text)
        return Exit.FAILED
    document = feed_doc(result.feed, now=SystemClock().now())
    emit(args, document, feed_text(result.feed, document["problem"], reach(args).times()))
    return Exit.DONE


def feed_doc(feed: ParsedFeed, *, now: datetime) -> Doc:
    """Write what a feed says as a document."""
    return {
        "ok": True,
        "version": feed.version,
        "title": feed.title,
        "ttl_s": feed.ttl_s,
        "degraded": feed.degraded,
        "problem": feed.problem or _shows_nothing(feed, now),
        "items": [
            {
                "title": item.title,
                "url": item.url,
                "published": z_or_none(item.published),
                "lang": item.lang,
            }
            for item in feed.items
        ],
    }


def _shows_nothing(feed: ParsedFeed, now: datetime) -> str | None:
    """Say why a feed that can be read would not count as seen, judged by what it lists now."""
    from killswitch.watch.rhythm import is_frozen  # noqa: PLC0415 - only this verb needs it

    dated = [item.published for item in feed.items if item.published]
    if not feed.items:
        return "the feed lists no entries: it shows no news, and will not count as seen"
    if dated and is_frozen(max(dated), dated, now):
        age = format_duration(now - max(dated))
        return f"nothing new for {age}: such a feed counts as frozen, not as seen"
    return None


def feed_text(feed: ParsedFeed, problem: str | None, times: Times) -> str:
    """Write what a feed says for people."""
    dated = [item.published for item in feed.items if item.published]
    counts = tr("{count}, {dated} of them dated").format(count=len(feed.items), dated=len(dated))
    lines = [
        (tr("Feed"), f"{plain(feed.title) or tr('(no title)')} ({feed.version})"),
        (tr("Items"), counts),
        (tr("Newest"), times.full(z_or_none(max(dated))) if dated else ""),
        (tr("Problem"), told(plain(problem or ""))),
    ]
    lines += [
        ("", f"{times.short(z_or_none(item.published))}  {plain(item.title)}")
        for item in feed.items[:ITEMS_SHOWN]
    ]
    return labelled(lines)


# ---- subscriptions of a reader ------------------------------------------------------------------


def _import(args: argparse.Namespace) -> int:
    """Write [[feeds]] for the subscriptions of an OPML file."""
    path = Path(args.file)
    try:
        feeds = opml.read(path.read_bytes(), name=path.name)
    except OSError as error:
        raise UsageError(
            "no_file", f"{path}: {error.strerror or error}; nothing was imported", "check the path"
        ) from error
    config = find_config(args.config, os.environ)
    if not args.write:
        shown = [{"name": feed.name, "url": feed.url} for feed in feeds]
        emit(args, {"feeds": shown, "written": None}, opml.as_toml(feeds))
        return Exit.DONE
    if config is None:
        raise ConfigError(
            "no_config",
            "there is no configuration to write to; nothing was imported",
            "name one with --config, or write one: killswitch init",
        )
    added = _append(config, feeds)
    text = many(
        "{count} feed was appended to {file}, commented out: take the # off if you want it",
        "{count} feeds were appended to {file}, commented out: take the # off those you want",
        added,
    )
    text = text.format(count=added, file=config)
    emit(args, {"feeds": added, "written": str(config)}, text)
    return Exit.DONE


def _append(config: Path, feeds: list[opml.Subscription]) -> int:
    """Append feeds that the file does not name yet; commented out, so that a human chooses."""
    there = config.read_text(encoding="utf-8")
    new = [feed for feed in feeds if feed.url not in there]
    if new:
        commented = "".join(f"# {line}\n" for line in opml.as_toml(new).splitlines())
        with config.open("a", encoding="utf-8") as file:
            file.write(f"\n# Imported subscriptions, off until their # is taken away.\n{commented}")
    return len(new)
