"""The second person says no: posts that wait for approval go back to their author."""

from __future__ import annotations

import argparse

from killswitch.cli import queue_verbs
from killswitch.cli.queue import add_verb

HELP = "the second person says no"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add ids or a filter."""
    add_verb(parser, "reject")


def run(args: argparse.Namespace) -> int:
    """Reject."""
    args.verb = "reject"
    return queue_verbs.run_act(args)
