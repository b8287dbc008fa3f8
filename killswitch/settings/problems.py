"""
What is wrong with a configuration, and the error that tells all of it at once.

Invariant: every problem names its place (a line of the file, a variable, a credential, an option
or the setting's path) and what to write instead.
"""

from __future__ import annotations

from dataclasses import dataclass

from killswitch.errors import ConfigError

Path = tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class Problem:
    """
    One thing to mend.

    Attributes:
        path: The setting, for instance ``("feeds", 2, "url")``; empty for the file as a whole.
        text: What is wrong and what to write instead; never the text of a secret.
        place: ``"line 12"``, a variable, a credential or an option; None where it stands nowhere.
        line: The line of the file, counted from 1, where there is one.
    """

    path: Path
    text: str
    place: str | None = None
    line: int | None = None

    def __str__(self) -> str:
        """Write the problem as people read it."""
        where = ", ".join(part for part in (self.place, dotted(self.path)) if part)
        return f"{where}: {self.text}" if where else self.text


class BrokenConfigError(ConfigError):
    """
    A configuration that cannot be used; nothing of it was taken over.

    Attributes:
        problems: Everything found, in the order of the file.
    """

    def __init__(self, problems: list[Problem], *, origin: str) -> None:
        """Tell all problems of the configuration called ``origin``."""
        self.problems = tuple(sorted(problems, key=_order))
        told = [str(problem) for problem in self.problems]
        if len(told) == 1:
            message = f"{origin}: {told[0]}"
        else:
            message = "\n".join((f"{origin}: {len(told)} problems", *(f"  {one}" for one in told)))
        super().__init__(
            "bad_config",
            message,
            "mend this and check it with: killswitch run --check; every setting is explained in "
            "config.example.toml",
        )


def dotted(path: Path) -> str:
    """Write a path as people write it: ``feeds[2].url``."""
    text = ""
    for part in path:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else part
    return text


def _order(problem: Problem) -> tuple[bool, int, str]:
    return (problem.line is None, problem.line or 0, dotted(problem.path))
