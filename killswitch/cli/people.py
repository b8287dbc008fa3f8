"""
The persons behind the record: forget the name of one who leaves.

The name and the login go, also where root acted for them; the audit trail keeps the id, so that
its chain stays whole. It can't be taken back.

  killswitch people erase lea
"""

from __future__ import annotations

import argparse

from killswitch.cli.out import ask, emit, on_terminal, plain, say
from killswitch.cli.reach import add_as, new_key, reach
from killswitch.cli.words import tr
from killswitch.control.client import part
from killswitch.errors import Exit, UsageError

HELP = "erase the name of a person who leaves"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the verb."""
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    below = parser.add_subparsers(dest="verb", metavar="VERB", required=True)
    erase = below.add_parser("erase", help="forget a name and its login; the record keeps the id")
    erase.add_argument("name", metavar="NAME", help="as killswitch audit shows it")
    erase.add_argument("--yes", action="store_true", help="ask nothing")
    add_as(erase)


def run(args: argparse.Namespace) -> int:
    """Erase a name, once somebody has said that it is meant."""
    if not args.yes and not _consents(args):
        say(tr("nothing was erased"))
        return Exit.FAILED
    reach(args).client.post(f"/people/{part(args.name)}/erase", key=new_key())
    text = tr("ERASED {name}: the record keeps an id").format(name=plain(args.name))
    emit(args, {"erased": args.name}, text)
    return Exit.DONE


def _consents(args: argparse.Namespace) -> bool:
    if args.json or not on_terminal():
        raise UsageError(
            "no_terminal",
            "an erasure can't be taken back: without a terminal it needs --yes; nothing was erased",
            f"killswitch people erase {plain(args.name)!r} --yes",
        )
    question = tr('Type "{name}" to erase that name for good: ')
    said = ask(question.format(name=plain(args.name)))
    return said == str(args.name)
