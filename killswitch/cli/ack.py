"""Say that you have seen it: stops the escalation of notices, nothing else."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import Any

from killswitch.cli.again import again
from killswitch.cli.out import emit, plain
from killswitch.cli.reach import add_as, new_key, reach, status_or_none
from killswitch.cli.words import told
from killswitch.wire import AckDoc

HELP = "I have seen it: stops the escalation, nothing else"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add who is asking."""
    add_as(parser)


def run(args: argparse.Namespace) -> int:
    """Acknowledge."""
    found = reach(args)
    doc: dict[str, Any] = found.client.post("/ack", key=new_key(), shape=AckDoc)
    status = status_or_none(found)
    when = found.times(status).exact(doc["acked_at"])
    emit(args, doc, _text(doc, when, found.words(status)))
    return 0


def _text(doc: dict[str, Any], when: str, words: Callable[[str], str]) -> str:
    if not doc.get("paused", True) and not doc["notices"]:
        return words("nothing is paused and nobody is being called: there is nothing to answer")
    if doc["notices"]:
        text = words("{name} took it at {when}: nobody else is called now")
    elif doc.get("first", True):
        text = words("{name} took it at {when}; nobody was being called")
    else:
        text = words("{name} took it already, at {when}: nothing was to be done")
    text = text.format(name=told(plain(doc["acked_by"])), when=when)
    return text + "\n" + again(words("Next step  killswitch triage"))
