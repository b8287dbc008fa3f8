"""The second person says yes: posts that wait for approval become scheduled."""

from __future__ import annotations

import argparse

from killswitch.cli import queue_verbs
from killswitch.cli.queue import add_verb

HELP = "the second person says yes"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add ids or a filter."""
    add_verb(parser, "approve")


def run(args: argparse.Namespace) -> int:
    """Approve."""
    args.verb = "approve"
    return queue_verbs.run_act(args)
