"""
The error tree: every failure says what happened, on what, what was kept, and what to do now.

Standard library only: the panic path of the CLI loads this module.

Invariant: an ``OperatorError`` is one readable line (plus a hint) for a person and never a
traceback; an ``InvariantBroken`` is our own bug and is never caught.
"""

from __future__ import annotations

from enum import IntEnum


class Exit(IntEnum):
    """
    Exit codes of the command line, as the README lists them.

    They are a contract: scripts and monitors branch on them.
    """

    DONE = 0
    FAILED = 1
    USAGE = 2
    NOT_SENDING = 3
    UNREACHABLE = 4
    REFUSED = 5
    NOT_SEALED = 6
    CONFIG = 78


class KillswitchError(Exception):
    """
    Any failure that this program names.

    Attributes:
        code: Short constant word for machines, for instance ``"unknown_channel"``.
        hint: What to do now, or an empty string; shown after the message.
        exit: Exit code of a command that ends with this error.
    """

    exit: Exit = Exit.FAILED

    def __init__(self, code: str, message: str, hint: str = "") -> None:
        """Keep the code and the hint beside the message."""
        super().__init__(message)
        self.code = code
        self.message = message
        self.hint = hint


class OperatorError(KillswitchError):
    """A person has to act: one line and a hint, no traceback."""


class UsageError(OperatorError):
    """Wrong whatever the state: bad time, unknown channel, text too long, bad import line."""

    exit = Exit.USAGE


class RefusedError(OperatorError):
    """Refused by state, role, gap or cap; it may be allowed another time or to another person."""

    exit = Exit.REFUSED


class ConfigError(OperatorError):
    """The configuration is wrong; the message names the file's line or the setting's path."""

    exit = Exit.CONFIG


class UnreachableError(OperatorError):
    """The daemon does not answer on its control socket."""

    exit = Exit.UNREACHABLE


class TransientError(KillswitchError):
    """Worth retrying: a fetch, a busy store, a busy channel."""


class StoreBusyError(TransientError):
    """The store did not give its lock in time; nothing was written."""


class PermanentError(KillswitchError):
    """Not worth retrying: rejected for good, or gone."""


class OutcomeUncertain(KillswitchError):
    """A request may have had its effect; no machine repeats it blindly."""


class InvariantBroken(Exception):
    """Our bug: never caught, the process ends, and the causes are still in the store."""
