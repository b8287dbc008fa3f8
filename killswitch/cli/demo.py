"""The main job in about two minutes, with nothing set up; state of its own that goes away."""

from __future__ import annotations

import argparse
import importlib

HELP = "see the main job in about two minutes, with nothing set up"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the switch for those who don't read along."""
    parser.add_argument("--fast", action="store_true", help="without the pauses for reading")


def run(args: argparse.Namespace) -> int:
    """Run the demonstration."""
    # The demonstration drives the command line, so it stands beside it: neither imports the other.
    demo = importlib.import_module("killswitch.demo.main")
    return int(demo.main(args))
