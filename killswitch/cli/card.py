"""One printable page for the wall: names, numbers, and four commands."""

from __future__ import annotations

import argparse
import os
import socket
from typing import Any

from killswitch.cli.out import document, labelled, plain, say
from killswitch.cli.paths import find_config
from killswitch.cli.reach import reach, status_or_none
from killswitch.cli.words import tr
from killswitch.errors import ConfigError

HELP = "one printable page with names, numbers and four commands"

LINE = "." * 30


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add nothing: a card has no switches."""


def run(args: argparse.Namespace) -> int:
    """Print the card."""
    found = reach(args)
    status = status_or_none(found) or {}
    doc = {
        "host": socket.gethostname(),
        "state_dir": status.get("state_dir") or str(found.place.state_dir),
        **_people(args),
    }
    if args.json:
        document(doc)
    else:
        say(card_text(doc))
    return 0


def _people(args: argparse.Namespace) -> dict[str, list[str]]:
    """Read names and places from the configuration; a card without them is still a card."""
    from killswitch.settings import load  # noqa: PLC0415 - heavy

    config = find_config(args.config, os.environ)
    try:
        settings = load(
            config, env=os.environ, state_dir=args.state_dir, socket=args.socket, unread=[]
        )
    except ConfigError:
        return {"people": [], "resumers": [], "also_stop": []}
    people = settings.people
    return {
        "people": [one.name for one in people],
        "resumers": [one.name for one in people if {"resumer", "admin"} & {*one.roles}],
        "also_stop": list(settings.notify.also_stop),
    }


def card_text(doc: dict[str, Any]) -> str:
    """Write the card."""
    lines = [
        tr("IF THE NEWS TURNS BAD"),
        "",
        tr("On {host}:").format(host=plain(doc["host"])),
        "",
        labelled(
            (
                (tr("Stop everything"), tr('killswitch pause "reason"')),
                (tr("I have seen it"), "killswitch ack"),
                (tr("What is going on"), "killswitch status"),
                (
                    tr("Go on, after looking"),
                    tr('killswitch triage, then killswitch resume --reason "why"'),
                ),
            ),
            indent="  ",
        ),
        "",
        tr("If nothing answers, this stops everything too:"),
        "",
        f"  touch {plain(doc['state_dir'])}/pause.d/stop",
        "",
    ]
    names = doc["people"] or ["", "", ""]
    lines.append(tr("Who (write the numbers beside them; * may resume):"))
    for name in names:
        mark = "*" if name in doc["resumers"] else " "
        lines.append(f"  {mark} {plain(name) or LINE}  " + tr("tel.") + f" {LINE}")
    lines += ["", tr("Stop by hand, the switch can't reach it:")]
    lines += [f"    {plain(place)}" for place in doc["also_stop"]] or [f"    {LINE}"]
    return "\n".join(lines)
