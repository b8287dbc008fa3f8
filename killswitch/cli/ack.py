"""Say that you have seen it: stops the escalation of notices, nothing else."""

from __future__ import annotations

import argparse
from typing import Any

from killswitch.cli.out import emit, plain
from killswitch.cli.reach import add_as, new_key, reach
from killswitch.wire import AckDoc

HELP = "I have seen it: stops the escalation, nothing else"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add who is asking."""
    add_as(parser)


def run(args: argparse.Namespace) -> int:
    """Acknowledge."""
    found = reach(args)
    doc: dict[str, Any] = found.client.post("/ack", key=new_key(), shape=AckDoc)
    words = found.words()
    if doc["notices"]:
        text = words("{name} took it at {when}: nobody else is called now").format(
            name=plain(doc["acked_by"]), when=found.times().exact(doc["acked_at"])
        )
    else:
        text = words("{name} took it at {when}; nobody was being called").format(
            name=plain(doc["acked_by"]), when=found.times().exact(doc["acked_at"])
        )
    emit(args, doc, text + "\n" + words("Next step  killswitch triage"))
    return 0
