"""
How commands reach the daemon: the place, the client, who is asking, and its status.

Standard library only.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import pwd
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from killswitch.cli.out import Times, now_of, plain, times_for, warn
from killswitch.cli.paths import Place, find_place
from killswitch.cli.words import speak, told, words_of
from killswitch.clock import SystemClock
from killswitch.control.client import Client
from killswitch.errors import ConfigError, UnreachableError, UsageError
from killswitch.wire import NAME_LONGEST, StatusDoc, is_of_the_machine


@dataclass(frozen=True, slots=True)
class Reach:
    """One installation, seen from a command."""

    place: Place
    client: Client

    def times(self, doc: dict[str, Any] | None = None) -> Times:
        """Local times as the installation shows them."""
        doc = doc or {}
        zone = doc.get("timezone") or self.place.timezone
        return times_for(zone, now=now_of(doc, here=SystemClock().now()))

    def words(self, doc: dict[str, Any] | None = None) -> Callable[[str], str]:
        """Find the words of the installation's language."""
        return words_of(self.language_of(doc))

    def language_of(self, doc: dict[str, Any] | None) -> str:
        """
        Find the language of the screens.

        What the caller asks for by the environment goes first, then what a status says of the
        installation, then what is configured here.
        """
        asked = os.environ.get("KILLSWITCH_LANGUAGE")
        return str(asked or (doc or {}).get("language") or self.place.language)


def reach(args: argparse.Namespace, *, is_panic: bool = False) -> Reach:
    """
    Find the installation that the options mean; nothing is opened.

    Args:
        args: The options.
        is_panic: Go on past a configuration that somebody named and that can't be read.

    Raises:
        ConfigError: There is such a configuration, and this is no panic.
    """
    place = find_place(args, os.environ)
    if place.fault and not is_panic:
        raise ConfigError(
            "config_unreadable",
            f"{place.config} can't be read: {place.fault}; nothing was done",
            "mend it, name the right one with --config, or the daemon itself with --socket",
        )
    speak(place.language)
    for note in place.notes:
        warn(f"killswitch: {told(note)}")
    said = said_name(args, is_panic=is_panic)
    client = Client(place.socket, said=said, state_dir=place.state_dir)
    return Reach(place=place, client=client)


def said_name(args: argparse.Namespace, *, is_panic: bool = False) -> str | None:
    """
    Find the name that root acts for: ``--as``, else who called sudo.

    Args:
        args: The options.
        is_panic: Make the best of a name that is none: a pause is never refused for it.

    Raises:
        UsageError: What stands after ``--as`` is no name, or one that the machine signs with.
    """
    named = getattr(args, "as_name", None)
    if named and not is_panic:
        _refuse_no_name(named)
    if not named and os.geteuid() == 0:
        named = os.environ.get("SUDO_USER")
    name = readable(named or "")
    return None if is_of_the_machine(name) else name or None


def _refuse_no_name(named: str) -> None:
    if not named.strip().isprintable() or len(named) > NAME_LONGEST:
        raise UsageError(
            "as_name",
            f"the name after --as is one line of at most {NAME_LONGEST} signs, without control "
            "signs; nothing was done",
        )
    if is_of_the_machine(named):
        raise UsageError(
            "as_machine",
            f"{named.strip()!r} is the name that the machine signs with; nothing was done",
            "say who you are: --as NAME",
        )


def readable(text: str) -> str:
    """
    Write what a shell gave us as one line of real text.

    Python keeps bytes that its locale can't read as lone surrogates: read them as UTF-8, and what
    is none as replacement signs.
    """
    # Other lone surrogates, which no shell gives, are left for ``plain`` to blank.
    with contextlib.suppress(UnicodeEncodeError):
        text = text.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
    return plain(text)


def who_am_i(said: str | None) -> str:
    """Write who asks, for a flag: no daemon is there to ask the kernel."""
    try:
        login = pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:
        login = f"uid {os.geteuid()}"
    return f"{said} (said by {login})" if said and said != login else login


def add_as(parser: argparse.ArgumentParser) -> None:
    """Add ``--as NAME``."""
    parser.add_argument(
        "--as",
        dest="as_name",
        metavar="NAME",
        help="who you are, where you act as root or as the daemon's user (default: $SUDO_USER)",
    )


def new_key() -> str:
    """Make a request key: the same act, sent again, has its effect once."""
    return os.urandom(12).hex()


def status_or_none(found: Reach) -> dict[str, Any] | None:
    """Ask for the status; None where the daemon does not answer."""
    try:
        doc: dict[str, Any] = found.client.get("/status", timeout_s=5, shape=StatusDoc)
    except UnreachableError:
        return None
    speak(found.language_of(doc))
    return doc
