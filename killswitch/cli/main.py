"""
The frame of the command line: find the command, read its arguments, tell its errors.

Standard library only, and only the module of the wanted command is loaded: ``pause`` must start
fast and in a half-broken environment.

Invariants: exit codes are those of ``killswitch.errors.Exit``; a refusal is one readable message
with a hint, on stderr or as ``{"error": …}`` on stdout with ``--json``, never a traceback.
"""

from __future__ import annotations

import argparse
import importlib
import os
import sys
from collections.abc import Callable, Sequence
from typing import Any, NoReturn, Protocol, TextIO, cast

from killswitch import __version__
from killswitch.cli.again import again, remember
from killswitch.cli.forgiving import forgiving
from killswitch.cli.out import document, plain, warn
from killswitch.cli.paths import find_place
from killswitch.cli.words import speak, told, tr
from killswitch.errors import Exit, KillswitchError, UsageError

COMMANDS = (
    "status",
    "pause",
    "ack",
    "resume",
    "dismiss",
    "triage",
    "queue",
    "approve",
    "reject",
    "run",
    "demo",
    "init",
    "feeds",
    "channels",
    "detect",
    "backtest",
    "lexicon",
    "incidents",
    "whose",
    "notify",
    "drill",
    "card",
    "audit",
    "people",
    "backup",
    "restore",
    "config",
    "completion",
    "doctor",
)
WITH_LIST = frozenset({"queue", "feeds", "channels", "incidents", "audit"})
"""Commands that mean ``list`` when no verb follows."""
GLOBALS = ("--config", "--state-dir", "--socket")
INTERRUPTED = 130
"""What shells say of a process that Ctrl-C ended."""


class Command(Protocol):
    """One module of ``killswitch.cli``."""

    HELP: str

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Add the arguments of the command."""
        ...

    def run(self, args: argparse.Namespace) -> int:
        """Carry it out; returns the exit code."""
        ...


class _Parser(argparse.ArgumentParser):
    """A parser that raises instead of printing, and never guesses at a shortened option."""

    def __init__(self, **given: Any) -> None:
        super().__init__(**{"allow_abbrev": False, **given})

    def error(self, message: str) -> NoReturn:
        usage = " ".join(self.format_usage().split())
        raise UsageError("usage", message, usage)


def main(argv: Sequence[str] | None = None) -> int:
    """
    Run one command.

    Args:
        argv: Arguments without the program's name; by default those of the process.

    Returns:
        The exit code.
    """
    words = list(sys.argv[1:] if argv is None else argv)
    speak("en")
    remember(_globals_of(words), commands=COMMANDS)
    _soften(sys.stdout)
    _soften(sys.stderr)
    try:
        return _run(words)
    except KillswitchError as error:
        if isinstance(error, UsageError) and error.code == "usage":
            speak(_language_of(words))
        return _tell(error, as_json=_wants_json(words))
    except KeyboardInterrupt:
        warn("killswitch: " + tr("interrupted"))
        return INTERRUPTED
    finally:
        remember({}, commands=())


def _run(words: list[str]) -> int:
    at = _command_at(words)
    name = words[at] if at is not None else None
    names = (name,) if name in COMMANDS else COMMANDS
    if name != "pause":
        _refuse_bytes(words)
    if name in WITH_LIST and at is not None:
        words = _with_list(words, at)
    commands = {one: load(one) for one in names}
    args = _read(build_parser(commands), words, at=at if name == "pause" else None)
    if args.command is None:
        raise UsageError("usage", "no command is given", "killswitch --help lists them")
    if args.command != "pause":  # which finds its place itself, and is in a hurry
        speak(find_place(args, os.environ).language)
    try:
        return int(commands[args.command].run(args))
    except OSError as error:
        raise _failed(error) from error


def _refuse_bytes(words: Sequence[str]) -> None:
    """
    Refuse arguments that are no text; only ``pause`` makes the best of them.

    Raises:
        UsageError: Bytes that are not UTF-8, or that this locale can't read.
    """
    for word in words:
        try:
            word.encode()
        except UnicodeEncodeError as error:
            raise UsageError(
                "not_text",
                f"{plain(word.encode(errors='backslashreplace').decode())} is not UTF-8 text here; "
                "nothing was done",
                "write it in UTF-8, in a UTF-8 locale: LANG=C.UTF-8",
            ) from error


def _read(
    parser: argparse.ArgumentParser, words: list[str], *, at: int | None
) -> argparse.Namespace:
    """
    Read the arguments; where it is ``pause`` (its place is ``at``), forgive what can be forgiven.

    Raises:
        UsageError: They are wrong.
    """
    try:
        return parser.parse_args(words)
    except UsageError as error:
        if at is None:
            raise
        forgiven = parser.parse_args(forgiving(words, at))
        speak(_language_of(words))
        said = tr("{message}; what is no option is taken as the reason")
        warn("killswitch: " + said.format(message=told(error.message)))
        return forgiven


def load(name: str) -> Command:
    """Load the module of one command."""
    return cast("Command", importlib.import_module(f"killswitch.cli.{name}"))


def build_parser(commands: dict[str, Command]) -> argparse.ArgumentParser:
    """
    Build the parser for these commands.

    ``--config``, ``--state-dir``, ``--socket`` and ``--json`` may stand anywhere.
    """
    parser = _Parser(prog="killswitch", description="Stop a team's posts when the news turns bad.")
    parser.add_argument("--version", action="version", version=f"killswitch {__version__}")
    _add_globals(parser, default=None)
    parser.set_defaults(command=None)
    below = parser.add_subparsers(dest="command", metavar="COMMAND", parser_class=_Parser)
    for name, command in commands.items():
        one = below.add_parser(name, help=command.HELP, description=command.__doc__)
        command.add_arguments(one)
        for nested in _with_nested(one):
            _add_globals(nested, default=argparse.SUPPRESS)
    return parser


def _add_globals(parser: argparse.ArgumentParser, *, default: str | None) -> None:
    group = parser.add_argument_group("everywhere")
    group.add_argument("--config", metavar="FILE", default=default, help="the configuration")
    group.add_argument("--state-dir", metavar="DIR", default=default, help="where state lives")
    group.add_argument("--socket", metavar="PATH", default=default, help="the control socket")
    off: Any = False if default is None else default
    group.add_argument("--json", action="store_true", default=off, help="one JSON document")


def _with_nested(parser: argparse.ArgumentParser) -> list[argparse.ArgumentParser]:
    """List a parser and the parsers of its verbs."""
    found = [parser]
    for action in parser._actions:  # noqa: SLF001 - argparse has no public way to its verbs
        if isinstance(action, argparse._SubParsersAction):  # noqa: SLF001 - as above
            for nested in dict.fromkeys(action.choices.values()):
                found += _with_nested(nested)
    return found


def _command_at(words: Sequence[str]) -> int | None:
    """Find the first word that is neither a global option nor its value."""
    at = 0
    while at < len(words):
        if words[at] in GLOBALS:
            at += 2
        elif words[at].startswith("-"):
            at += 1
        else:
            return at
    return None


def _with_list(words: list[str], at: int) -> list[str]:
    """Write ``list`` where the verb is left out."""
    next_at = at + 1
    while next_at < len(words) and (words[next_at] == "--json" or words[next_at] in GLOBALS):
        next_at += 1 if words[next_at] == "--json" else 2
    is_missing = next_at >= len(words) or (
        words[next_at].startswith("-") and words[next_at] not in {"-h", "--help"}
    )
    return [*words[: at + 1], "list", *words[at + 1 :]] if is_missing else words


def _language_of(words: Sequence[str]) -> str:
    """Find the language where the arguments could not be read."""
    found = {
        name.removeprefix("--").replace("-", "_"): value
        for name, value in _globals_of(words).items()
    }
    return find_place(argparse.Namespace(**found), os.environ).language


def _globals_of(words: Sequence[str]) -> dict[str, str | None]:
    """Read where the installation is, without reading the other arguments."""
    found: dict[str, str | None] = dict.fromkeys(GLOBALS)
    for at, word in enumerate(words):
        if word == "--":
            break
        name, is_one, value = word.partition("=")
        if name in GLOBALS:
            after = words[at + 1] if at + 1 < len(words) else None
            found[name] = value if is_one else after
    return found


def _wants_json(words: Sequence[str]) -> bool:
    return "--json" in (words[: words.index("--")] if "--" in words else words)


def _tell(error: KillswitchError, *, as_json: bool) -> int:
    if as_json:
        doc = {"code": error.code, "message": error.message, "hint": error.hint}
        document({"error": doc})
    else:
        warn(f"killswitch: {told(error.message)}")
        if error.hint:
            warn(f"  {again(told(error.hint))}")
    return int(error.exit)


def _failed(error: OSError) -> KillswitchError:
    where = f"{error.filename}: " if error.filename else ""
    failed = KillswitchError("failed", f"{where}{error.strerror or error}; nothing more was done")
    failed.exit = Exit.FAILED
    return failed


def _soften(stream: TextIO | None) -> None:
    """Let a terminal that lacks a sign show something else for it, rather than break off."""
    reconfigure: Callable[..., None] | None = getattr(stream, "reconfigure", None)
    if reconfigure is not None:
        reconfigure(errors="backslashreplace")


if __name__ == "__main__":
    sys.exit(main())
