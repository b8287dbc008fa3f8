"""Run the daemon in the foreground; with --check only load and check its configuration."""

from __future__ import annotations

import argparse

from killswitch.cli import config

HELP = "the daemon, in the foreground"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the switch that only checks."""
    parser.add_argument("--check", action="store_true", help="only load and check; exit 78 if bad")


def run(args: argparse.Namespace) -> int:
    """Run until a signal says stop."""
    if args.check:
        return config.check(args)
    from killswitch.daemon import main  # noqa: PLC0415 - the whole daemon, and only here

    return int(main.run(args))
