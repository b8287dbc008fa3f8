"""
Write the completion of a shell to stdout.

  killswitch completion bash > /etc/bash_completion.d/killswitch
  killswitch completion zsh  > ~/.zfunc/_killswitch
  killswitch completion fish > ~/.config/fish/completions/killswitch.fish
"""

from __future__ import annotations

import argparse

from killswitch.cli.out import emit

HELP = "write the completion of a shell"

SHELLS = ("bash", "zsh", "fish", "tcsh")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the shell."""
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("shell", metavar="SHELL", choices=SHELLS, help=", ".join(SHELLS))


def run(args: argparse.Namespace) -> int:
    """Write the script."""
    import shtab  # noqa: PLC0415 - only this command needs it

    from killswitch.cli.main import COMMANDS, build_parser, load  # noqa: PLC0415 - it loads us

    parser = build_parser({name: load(name) for name in COMMANDS})
    script = str(shtab.complete(parser, args.shell))
    emit(args, {"shell": args.shell, "script": script}, script.rstrip())
    return 0
