"""
The shipped word lists, read from the TOML files beside the ``news`` room.

``news`` is pure, so the reading stands here and values are handed in. A file that cannot be read or
parsed is a ``ConfigError``: a detector with half its words would look alive and see nothing.
"""

from __future__ import annotations

import tomllib
from dataclasses import replace
from importlib import resources
from typing import TYPE_CHECKING, Any

from killswitch.errors import ConfigError
from killswitch.news.lexicon import Lexicon, build_lexicon
from killswitch.news.people import KnownName, build_people

if TYPE_CHECKING:
    from collections.abc import Collection
    from importlib.resources.abc import Traversable
    from pathlib import Path


def shipped_languages() -> tuple[str, ...]:
    """Return the codes of the languages that come with the program, sorted."""
    folder = resources.files("killswitch.news") / "lexicons"
    names = (entry.name for entry in folder.iterdir())
    return tuple(sorted(name.removesuffix(".toml") for name in names if name.endswith(".toml")))


def load_lexicons(languages: Collection[str] = ()) -> tuple[Lexicon, ...]:
    """
    Load shipped word lists.

    Args:
        languages: ISO 639-1 codes; none means all that are shipped.

    Returns:
        One lexicon a language, in order of the code.

    Raises:
        ConfigError: A language is not shipped, or its file is broken.
    """
    shipped = shipped_languages()
    unknown = sorted(set(languages) - set(shipped))
    if unknown:
        hint = f"Shipped are {', '.join(shipped)}."
        raise ConfigError("unknown_language", f"no word list for {', '.join(unknown)}", hint)
    folder = resources.files("killswitch.news") / "lexicons"
    chosen = [code for code in shipped if not languages or code in languages]
    people = load_people_file(resources.files("killswitch.news") / "people" / "known.toml")
    lists = (load_lexicon_file(folder / f"{code}.toml") for code in chosen)
    return tuple(replace(lexicon, people=people) for lexicon in lists)


def load_people_file(path: Path | Traversable) -> tuple[KnownName, ...]:
    """
    Load a list of known people.

    Raises:
        ConfigError: The file cannot be read, is no TOML or not such a list.
    """
    return build_people(_table(path), source=path.name)


def load_lexicon_file(path: Path | Traversable) -> Lexicon:
    """
    Load one word list.

    Raises:
        ConfigError: The file cannot be read, is no TOML or not a word list.
    """
    return build_lexicon(_table(path), source=path.name)


def _table(path: Path | Traversable) -> dict[str, Any]:
    """Read and parse one file."""
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        hint = "Mend the file, or install the program again if it is a shipped one."
        raise ConfigError("lexicon", f"{path.name}: {error}", hint) from error
