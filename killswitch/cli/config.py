"""
The configuration: check it, or let the running daemon load it again.

A reload loads the new one or keeps the old one and says why; it never closes a cause. Exit 78
when the configuration is bad.
"""

from __future__ import annotations

import argparse
import shlex
from pathlib import Path
from typing import Any

from killswitch.cli.out import document, emit, plain, say
from killswitch.cli.reach import add_as, new_key, reach
from killswitch.cli.words import many, tr
from killswitch.errors import Exit
from killswitch.wire import ReloadDoc

OPEN = "everybody can read {file}, and it holds secrets ({settings}): chmod o= {file}"
HELP = "check the configuration; let the daemon load it again"

Doc = dict[str, Any]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the verbs."""
    below = parser.add_subparsers(dest="verb", metavar="VERB", required=True)
    below.add_parser("check", help="load it, say every problem with its place")
    add_as(below.add_parser("reload", help="let the running daemon load it again"))


def run(args: argparse.Namespace) -> int:
    """Check or reload."""
    if args.verb == "check":
        return check(args)
    doc: Doc = reach(args).client.post("/reload", key=new_key(), shape=ReloadDoc)
    changed = ", ".join(plain(path) for path in doc["changed"])
    text = tr("loaded; nothing has changed")
    if changed:
        text = tr("loaded; changed: {settings}").format(settings=changed)
    lines = [text, *gone_lines(doc.get("orphaned") or {})]
    emit(args, doc, "\n".join(lines))
    return Exit.DONE


def gone_lines(orphaned: dict[str, int]) -> list[str]:
    """Tell of posts whose channel is gone: what becomes of them, and what to do."""
    lines = []
    for channel, count in orphaned.items():
        form = many(
            "{channel} is not configured any more, {count} post of it can't leave",
            "{channel} is not configured any more, {count} posts of it can't leave",
            count,
        )
        lines.append(form.format(channel=plain(channel), count=count))
    if lines:
        lines.append(tr("They are held when their time comes: configure the channel again, or"))
        first = shlex.quote(plain(next(iter(orphaned))))
        lines.append(f"  killswitch queue cancel --channel {first}")
    return lines


def check(args: argparse.Namespace) -> int:
    """
    Load the configuration as the daemon would, and list what it means.

    Raises:
        ConfigError: It is bad; every problem is in the message.
    """
    from killswitch.daemon.configured import configured  # noqa: PLC0415 - heavy
    from killswitch.notify.schemes import mask  # noqa: PLC0415 - heavy
    from killswitch.settings import describe  # noqa: PLC0415 - heavy

    unread: list[str] = []
    config, settings = configured(args, unread=unread)
    rows = describe(settings, address=mask)
    if args.json:
        shown = [{"path": path, "value": value, "source": source} for path, value, source in rows]
        doc = {"ok": True, "file": str(config) if config else None, "settings": shown}
        document({**doc, "notes": [*unread_notes(unread), *open_notes(config)]})
    else:
        for path, value, source in rows:
            say(f"{path} = {value}   ({source})")
        for note in unread_notes(unread, tr("credential {name}: only the service can read it")):
            say(tr("note: {note}").format(note=note))
        for note in open_notes(
            config,
            tr("everybody can read {file}, and it holds secrets ({settings}): chmod o= {file}"),
        ):
            say(tr("note: {note}").format(note=note))
        say(tr("{file}: good").format(file=config or tr("the defaults")))
    return Exit.DONE


def unread_notes(
    unread: list[str], form: str = "credential {name}: only the service can read it"
) -> list[str]:
    """Tell which credentials a shell can't check: systemd hands them to the service alone."""
    return [form.format(name=name) for name in dict.fromkeys(unread)]


def open_notes(config: Path | None, form: str = OPEN) -> list[str]:
    """Tell of secrets that every account of the machine can read."""
    from killswitch.settings import exposed  # noqa: PLC0415 - heavy

    found = exposed(config) if config else []
    return [form.format(file=plain(str(config)), settings=", ".join(found))] if found else []
