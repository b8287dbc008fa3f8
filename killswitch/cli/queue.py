"""
The queue: list, add, change, take out.

WHEN is 2026-03-29T10:00 (the configured zone), 2026-03-29T10:00+02:00, now, +90s, +15m, +2h, +3d.
The verbs take several ids, or a filter instead of ids.

  killswitch queue --week
  killswitch queue add "Vive l'été !" --at 2026-07-01T12:00 --channel insta --tag summer
  killswitch queue move d4k7 d9p2 --at +2h
  killswitch queue skip --tag promo --reason "not today"
  killswitch queue retract d4k7 --reason "wrong price"
  killswitch queue import june.csv --dry-run
  killswitch queue export --format html --state held > held.html
"""

from __future__ import annotations

import argparse
from collections.abc import Callable

from killswitch.cli import queue_files, queue_retract, queue_show, queue_verbs
from killswitch.cli.numbers import MANY, whole
from killswitch.cli.reach import add_as

HELP = "list, add, change, import and export posts"

STATES = (
    "draft",
    "awaiting_approval",
    "scheduled",
    "held",
    "claimed",
    "sending",
    "sent",
    "uncertain",
    "failed",
    "skipped",
    "cancelled",
    "retracting",
    "retracted",
)
FORMATS = ("json", "jsonl", "csv", "html")

_Add = Callable[[argparse.ArgumentParser], None]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the verbs."""
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    below = parser.add_subparsers(dest="verb", metavar="VERB", required=True)
    plain: tuple[tuple[str, str, _Add], ...] = (
        ("list", "posts by due time (the default)", _add_list),
        ("add", "schedule one post", _add_add),
        ("show", "one post with its history", _add_show),
        ("import", "schedule the posts of a CSV or JSON Lines file, all or nothing", _add_import),
        ("export", "write posts to stdout", _add_export),
        ("retract", queue_retract.HELP, queue_retract.add_arguments),
    )
    for name, told, add in plain:
        add(below.add_parser(name, help=told, description=told))
    for name, told in queue_verbs.VERBS.items():
        add_verb(below.add_parser(name, help=told, description=told), name)


def run(args: argparse.Namespace) -> int:
    """Carry out the verb."""
    runs: dict[str, Callable[[argparse.Namespace], int]] = {
        "list": queue_show.run_list,
        "add": queue_verbs.run_add,
        "show": queue_show.run_show,
        "import": queue_files.run_import,
        "export": queue_files.run_export,
        "retract": queue_retract.run,
    }
    return runs.get(args.verb, queue_verbs.run_act)(args)


def add_verb(parser: argparse.ArgumentParser, name: str) -> None:
    """Add the arguments of one verb on posts: ids or a filter, and what the verb changes."""
    parser.add_argument(
        "ids",
        metavar="ID",
        nargs="*",
        help="ids, or the beginning of one; up to 25 all or nothing, more of them each for itself",
    )
    add_filter(parser)
    parser.add_argument("--reason", metavar="TEXT", help="why; recorded")
    if name in {"move", "edit", "release"}:
        parser.add_argument("--at", metavar="WHEN", required=name == "move", help="new time")
    if name == "edit":
        parser.add_argument("--text", help="new text")
        parser.add_argument("--link", metavar="URL", help="new link")
        parser.add_argument("--new-tag", metavar="T", action="append", help="replaces all tags")
    if name == "resolve":
        which = parser.add_mutually_exclusive_group(required=True)
        which.add_argument("--sent", action="store_true", help="it is on the network")
        which.add_argument("--not-sent", action="store_true", help="it is not: it becomes held")
    add_as(parser)


def add_filter(parser: argparse.ArgumentParser) -> None:
    """Add what chooses posts without naming them."""
    parser.add_argument(
        "--state", metavar="S", action="append", choices=STATES, help=f"one of {', '.join(STATES)}"
    )
    parser.add_argument("--tag", metavar="T", help="posts with this tag")
    parser.add_argument("--channel", metavar="C", help="posts on this channel")
    parser.add_argument("--clash", action="store_true", help="posts that clash with an event")


def _add_list(parser: argparse.ArgumentParser) -> None:
    add_filter(parser)
    parser.add_argument("--week", action="store_true", help="only what is due within 7 days")
    parser.add_argument("--limit", metavar="N", type=whole(1, MANY), help="at most so many")


def _add_show(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("id", metavar="ID", help="an id, or the beginning of one")


def _add_add(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("text", metavar="TEXT", help="what is published")
    parser.add_argument("--at", metavar="WHEN", required=True, help="when it is due")
    parser.add_argument(
        "--channel", metavar="C", action="append", required=True, help="where; may stand again"
    )
    parser.add_argument("--tag", metavar="T", action="append", default=[], help="may stand again")
    parser.add_argument(
        "--media", metavar="FILE", action="append", default=[], help="a picture; may stand again"
    )
    parser.add_argument(
        "--alt", metavar="TEXT", action="append", default=[], help="words for each picture"
    )
    parser.add_argument("--link", metavar="URL")
    parser.add_argument("--expires", metavar="WHEN", help="worthless after this: may be skipped")
    parser.add_argument("--key", metavar="K", help="your own id: the same again is nothing new")
    add_as(parser)


def _add_import(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", metavar="FILE", help="columns due, channel, text and more")
    parser.add_argument("--dry-run", action="store_true", help="only check every line")
    add_as(parser)


def _add_export(parser: argparse.ArgumentParser) -> None:
    add_filter(parser)
    told = "json: documents for scripts (the default); jsonl, csv: for import; html: to look at"
    parser.add_argument("--format", choices=FORMATS, default="json", help=told)
