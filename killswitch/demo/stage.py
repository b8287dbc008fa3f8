"""
What the audience sees: acts, commands with their answers, quotations, waiting.

In a terminal with colours and a spinner; in a log the same words, plain and in order.
"""

from __future__ import annotations

import shlex
import sys
import threading
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import TextIO, TypeVar

from rich.console import Console
from rich.text import Text

from killswitch.clock import Clock

_T = TypeVar("_T")

LOOK_S = 0.1
"""How often a condition is looked at while the audience waits."""


class DemoFailed(Exception):
    """What the demonstration claims was not seen; the message says what."""


class Stage:
    """Prints; ``fast`` leaves the pauses for reading out."""

    def __init__(
        self,
        clock: Clock,
        *,
        fast: bool,
        console: Console | None = None,
        stream: TextIO | None = None,
    ) -> None:
        """Play on ``stream``, by default stdout; ``checked`` collects what was seen to be so."""
        self._clock = clock
        self._fast = fast
        self._console = console or Console(
            file=stream or sys.stdout, highlight=False, soft_wrap=True
        )
        self._act = 0
        self.checked: list[str] = []
        self._never = threading.Event()
        self._began_s = clock.monotonic_s()

    @property
    def on_terminal(self) -> bool:
        """Whether a human watches."""
        return self._console.is_terminal

    def act(self, title: str) -> None:
        """Begin an act."""
        self._act += 1
        self._print("")
        self._print(f"==[ {self._act}. {title} ]".ljust(78, "="), style="bold cyan")

    def tell(self, text: str, *, style: str = "") -> None:
        """Say what happens, to the audience."""
        self._print(f"{self._clock_words()}  {text}", style=style)

    def good(self, text: str) -> None:
        """Say that something was checked and is so."""
        self.checked.append(text)
        self._print(f"  ok  {text}", style="green")

    def command(self, words: Sequence[str]) -> None:
        """Show a command line as it is run."""
        self._print("")
        self._print("$ " + shlex.join(("killswitch", *words)), style="bold")

    def answer(self, text: str, *, code: int = 0) -> None:
        """Show what a command said, and its exit code where that tells something."""
        for line in text.rstrip("\n").splitlines():
            self._print(f"  | {line}")
        if code:
            self._print(f"  | (exit {code})", style="yellow")

    def quote(self, title: str, lines: Sequence[str]) -> None:
        """Show something as it was received."""
        self._print("")
        self._print(f"  {title}", style="bold magenta")
        for line in lines:
            self._print(f"  > {line}", style="magenta")

    def read(self, seconds: float) -> None:
        """Leave time for reading; none in the fast version."""
        if not self._fast:
            self._wait(seconds)

    def until(self, what: str, look: Callable[[], _T | None], *, limit_s: float) -> _T:
        """
        Wait until ``look`` finds something, and return it.

        Raises:
            DemoFailed: It did not come within ``limit_s`` seconds.
        """
        ends = self._clock.monotonic_s() + limit_s
        with self._spinner(what):
            while (found := look()) is None:
                if self._clock.monotonic_s() >= ends:
                    raise DemoFailed(f"waited {limit_s:.0f} s in vain: {what}")
                self._wait(LOOK_S)
        return found

    def _wait(self, seconds: float) -> None:
        self._clock.wait(self._never, seconds)

    def _spinner(self, what: str) -> AbstractContextManager[object]:
        return self._console.status(what) if self.on_terminal else nullcontext()

    def _clock_words(self) -> str:
        return f"[{self._clock.monotonic_s() - self._began_s:5.1f} s]"

    def _print(self, text: str, *, style: str = "") -> None:
        # Text, not markup: headlines and posts are foreign words with brackets of their own.
        self._console.print(Text(text, style=style))
