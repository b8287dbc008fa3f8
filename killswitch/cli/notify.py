"""Prove that notices reach people: `notify test` sends one to every address."""

from __future__ import annotations

import argparse
from typing import Any

from killswitch.cli.out import emit, labelled, plain
from killswitch.cli.reach import add_as, new_key, reach
from killswitch.cli.words import told, tr
from killswitch.errors import Exit
from killswitch.wire import NotifyTestDoc

HELP = "send a test notice to every address"

TEST_S = 120.0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the verb."""
    below = parser.add_subparsers(dest="verb", metavar="VERB", required=True)
    add_as(below.add_parser("test", help="send a test notice to every address"))


def run(args: argparse.Namespace) -> int:
    """Send a test notice; exit 1 if an address did not take it."""
    found = reach(args)
    doc: dict[str, Any] = found.client.post(
        "/notify/test", key=new_key(), timeout_s=TEST_S, shape=NotifyTestDoc
    )
    emit(args, doc, tellings_text(doc))
    good = bool(doc["tellings"]) and all(one["accepted"] for one in doc["tellings"])
    return Exit.DONE if good else Exit.FAILED


def tellings_text(doc: dict[str, Any]) -> str:
    """Write which address took the notice."""
    if not doc["tellings"]:
        return tr("NO ADDRESS: nobody would be told; set notify.urls")
    return labelled(
        (
            tr("accepted") if one["accepted"] else tr("FAILED"),
            plain(one["address"]) + (f"  {told(plain(one['problem']))}" if one["problem"] else ""),
        )
        for one in doc["tellings"]
    )
