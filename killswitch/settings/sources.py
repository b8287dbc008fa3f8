"""
Read what the file, the credential files and the environment say, each as one nested table.

The environment is handed in, never read here. Invariants: a prefixed variable, or a credential
file named like a setting, that is no setting is refused; sub-directories of the credential
directory are not entered and links out of it not followed.
"""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic_settings import EnvSettingsSource

from killswitch.settings import shape
from killswitch.settings.kinds import nearest
from killswitch.settings.lines import lines_of
from killswitch.settings.problems import Problem
from killswitch.settings.tree import Settings

PREFIX = "KILLSWITCH_"
OTHER_VARIABLES = frozenset(
    {
        "KILLSWITCH_CONFIG",
        "KILLSWITCH_FAILPOINTS",
        "KILLSWITCH_LOST_ANSWERS",
        "KILLSWITCH_MACHINE_RUNS",
        "KILLSWITCH_MUTANTS_S",
        "KILLSWITCH_PROOF_SCALE",
        "KILLSWITCH_REQUIRE_FAULTS",
        "KILLSWITCH_REQUIRE_POSTGRES",
        "KILLSWITCH_SHARED",
    }
)
"""Ours, but no settings: where the file is, and what the tests hand to the daemons they start."""
CREDENTIAL_MARK = "credential:"
FILE_LONGEST = 1 << 20
"""Bytes of a configuration; a thousand feeds need a fifth of it."""
CREDENTIAL_LONGEST = 64 << 10
"""Bytes of one credential."""

SettingPath = tuple[str | int, ...]


@dataclass(slots=True)
class Layer:
    """
    What one source says.

    Attributes:
        values: A nested table, as the file would hold it.
        places: Path of a setting to the words that name its source, as ``line 12``.
        lines: Path of a setting to its line; empty for every source but the file.
        problems: What was wrong with the source itself.
    """

    values: dict[str, Any] = field(default_factory=dict)
    places: dict[SettingPath, str] = field(default_factory=dict)
    lines: dict[SettingPath, int] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)


def read_file(path: Path) -> Layer:
    """Read the TOML file; what makes it unreadable is a problem of the layer."""
    try:
        text = _text_of(path)
        values = tomllib.loads(text)
        lines = lines_of(text)
    except tomllib.TOMLDecodeError as error:
        return Layer(problems=[_syntax(str(error))])
    except RecursionError:
        return Layer(problems=[Problem((), "the lists are nested too deeply")])
    except (OSError, ValueError) as error:
        return Layer(problems=[Problem((), _unreadable(error))])
    return Layer(values, {path: f"line {line}" for path, line in lines.items()}, lines)


def _text_of(path: Path) -> str:
    if not path.exists():
        raise FileNotFoundError
    if not path.is_file():
        raise ValueError("it is not a file: name the TOML file itself")
    if path.stat().st_size > FILE_LONGEST:
        raise ValueError(f"it is longer than {FILE_LONGEST >> 20} MiB: is it the right file?")
    data = path.read_bytes()
    if data.startswith((b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff")):
        raise ValueError("it begins with a byte order mark: save it as UTF-8 without one")
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise ValueError(f"line {line} is not UTF-8: save the file as UTF-8") from error


def _unreadable(error: OSError | ValueError) -> str:
    if isinstance(error, FileNotFoundError):
        return "there is no such file: name another with --config, or write one: killswitch init"
    if isinstance(error, PermissionError):
        return "it may not be read: run as its owner, or let your group read it"
    if isinstance(error, OSError):
        return f"it cannot be read: {error.strerror or error}"
    return str(error)


def _syntax(message: str) -> Problem:
    """Turn a refusal of the TOML reader into one with a line and a mend."""
    found = re.search(r"\(at line (\d+), column (\d+)\)", message)
    line = int(found[1]) if found else None
    said = message.partition(" (at ")[0]
    mends = {
        "Invalid value": 'text and durations stand in quotes: key = "15m"',
        "Unclosed": "close the bracket",
        "Expected newline": "one setting a line; text and durations stand in quotes",
        "Expected ']'": "close the bracket",
        "Expected '='": "a line is: key = value",
        "Cannot overwrite": "this key stands twice: keep one",
        "Cannot declare": "this table stands twice: join the two (a list of tables has [[…]])",
        "Illegal character": "close the quotes on this line",
        "Unescaped '\\'": "write '…' in single quotes around a backslash",
    }
    mend = next((text for start, text in mends.items() if start in said), "see https://toml.io")
    where = f"column {found[2]}: " if found else "at the end of the file: "
    place = f"line {line}" if line else None
    return Problem((), f"{where}{said}: {mend}", place=place, line=line)


def read_environment(env: Mapping[str, str]) -> Layer:
    """Read the variables that begin with ``KILLSWITCH_``; empty ones count as not set."""
    given = {
        name: value
        for name, value in env.items()
        if name.upper().startswith(PREFIX) and name.upper() not in OTHER_VARIABLES and value
    }
    return _texts({name: name[len(PREFIX) :] for name in given}, given, what="variable")


def read_credentials(env: Mapping[str, str]) -> Layer:
    """Read the credential files that are named like a setting, ``notify__repeat``."""
    directory = env.get("CREDENTIALS_DIRECTORY")
    if not directory:
        return Layer()
    layer = Layer()
    given: dict[str, str] = {}
    for file in _credential_files(Path(directory), layer):
        try:
            given[file.name] = credential(file.name, env)
        except ValueError as error:
            layer.problems.append(Problem((), str(error)))
    read = _texts({name: name for name in given}, given, what="credential")
    read.problems += layer.problems
    return read


def _credential_files(directory: Path, layer: Layer) -> Iterator[Path]:
    try:
        files = sorted(directory.iterdir())
    except OSError as error:
        why = f"$CREDENTIALS_DIRECTORY ({directory}) cannot be read: {error.strerror}"
        layer.problems.append(Problem((), why))
        return
    for file in files:
        if "__" in file.name and not file.name.startswith(".") and file.is_file():
            yield file


def credential(name: str, env: Mapping[str, str]) -> str:
    """
    Read the credential file ``name``.

    Returns:
        Its text without the line end.

    Raises:
        ValueError: There is none, or it cannot be read; says what to do.
    """
    directory = env.get("CREDENTIALS_DIRECTORY")
    if not re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9_.-]*", name):
        raise ValueError(f'"{name[:40]}" names no credential: use letters, digits, "_", "-", "."')
    if not directory:
        raise ValueError(
            f'the credential "{name}" needs $CREDENTIALS_DIRECTORY: start by systemd with '
            "LoadCredential=, or set it to a folder of such files"
        )
    file = Path(directory) / name
    try:
        if file.resolve().parent != Path(directory).resolve():
            raise ValueError(f'the credential "{name}" leads out of {directory}')
        data = file.read_bytes()
    except OSError as error:
        raise ValueError(f"{_no_credential(name, Path(directory))} ({error.strerror})") from error
    return _credential_text(name, data)


def _no_credential(name: str, directory: Path) -> str:
    there = [file.name for file in directory.iterdir()] if directory.is_dir() else []
    meant = nearest(name, there)
    mend = f'; did you mean "{meant}"?' if meant else ""
    return f'the credential "{name}" is not in {directory}{mend}'


def _credential_text(name: str, data: bytes) -> str:
    try:
        text = data.decode().strip()
    except UnicodeDecodeError:
        raise ValueError(f'the credential "{name}" is not UTF-8 text') from None
    if not text or len(data) > CREDENTIAL_LONGEST:
        size = "empty" if not text else "too long"
        raise ValueError(f'the credential "{name}" is {size}: write the secret into it')
    return text


def _texts(names: dict[str, str], given: Mapping[str, str], *, what: str) -> Layer:
    """Read settings from texts with names such as ``WATCH__FRESH``."""
    layer = Layer()
    known = shape.variables()
    fine: dict[str, str] = {}
    for name, bare in names.items():
        path = _setting(bare.upper(), known)
        if path is None:
            layer.problems.append(_stranger(name, bare.upper(), known, what=what))
        elif not shape.is_text(path) and not _is_json(given[name]):
            layer.problems.append(_no_json(name, path, what=what))
        else:
            fine["__".join(path)] = given[name]
            layer.places[path] = f"{what} {name}"
    source = EnvSettingsSource(Settings, env_prefix="", env_nested_delimiter="__")
    source.env_vars = fine
    layer.values = source()
    return layer


def _setting(bare: str, known: dict[str, tuple[str, ...]]) -> tuple[str, ...] | None:
    if bare in known:
        return known[bare]
    table, mark, key = bare.rpartition("__")
    if mark and key and table in known and shape.free_table(known[table]):
        return (*known[table], key.lower())
    return None


def _stranger(name: str, bare: str, known: dict[str, tuple[str, ...]], *, what: str) -> Problem:
    prefix = PREFIX if what == "variable" else ""
    meant = nearest(bare, list(known))
    mend = f'did you mean "{prefix}{meant}"?' if meant else "unset it"
    table = bare.partition("__")[0]
    if table in {"FEEDS", "CHANNELS", "RELAYS", "PEOPLE"}:
        mend = f"a list is given whole, as JSON, in {prefix}{table}"
    if what == "credential" and not meant:
        mend = 'rename the file: "__" in its name makes it a setting'
    return Problem((), f"no setting has this name: {mend}", place=f"{what} {name}")


def _is_json(text: str) -> bool:
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return False
    return True


def _no_json(name: str, path: tuple[str, ...], *, what: str) -> Problem:
    form = '{"promo": "7d"}' if shape.free_table(path) else '["…", "…"]'
    return Problem(path, f"its text is JSON, such as {form}", place=f"{what} {name}")
