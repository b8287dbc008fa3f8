"""
Load the configuration: merge the sources, check everything, tell every problem at once.

Sources, the later wins: defaults, the TOML file, credential files, environment, command line.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from killswitch.settings import checks, shape
from killswitch.settings.explain import explain
from killswitch.settings.lines import line_for
from killswitch.settings.places import default_socket, default_state_dir, machine_zone
from killswitch.settings.problems import BrokenConfigError, Problem
from killswitch.settings.sources import (
    CREDENTIAL_MARK,
    Layer,
    credential,
    read_credentials,
    read_environment,
    read_file,
)
from killswitch.settings.tree import Settings

SettingPath = tuple[str | int, ...]


def load(
    path: Path | None,
    *,
    env: Mapping[str, str],
    state_dir: str | None = None,
    socket: str | None = None,
    unread: list[str] | None = None,
) -> Settings:
    """
    Load and check the configuration.

    Args:
        path: The TOML file, as ``find_config`` finds it; None for defaults and variables alone.
        env: The environment: ``KILLSWITCH_…``, ``CREDENTIALS_DIRECTORY``, ``RUNTIME_DIRECTORY``,
            ``XDG_STATE_HOME``, ``HOME``, ``TZ``.
        state_dir: The value of ``--state-dir``.
        socket: The value of ``--socket``.
        unread: For who only looks: where there is no ``CREDENTIALS_DIRECTORY``, as in a shell, the
            names of credentials are added here instead of being refused; something stands in.

    Returns:
        A frozen tree in which every default is filled in and every path is absolute.

    Raises:
        ConfigError: With all problems found, each with its place and what to write instead.
    """
    origin = str(path) if path else "configuration"
    file = read_file(path) if path else Layer()
    if file.problems:
        raise BrokenConfigError(file.problems, origin=origin)
    layers = [
        file,
        read_credentials(env),
        read_environment(env),
        _command_line(state_dir=state_dir, socket=socket),
    ]
    merged = _merge(layers)
    merged.lines = file.lines
    _read_references(merged, env, unread)
    _fill_in(merged.values, env)
    return _checked(merged, origin=origin, from_file=path is not None)


def _command_line(*, state_dir: str | None, socket: str | None) -> Layer:
    layer = Layer()
    if state_dir:
        layer.values["state_dir"] = str(Path(state_dir).absolute())
        layer.places["state_dir",] = "--state-dir"
    if socket:
        layer.values["control"] = {"socket": str(Path(socket).absolute())}
        layer.places["control", "socket"] = "--socket"
    return layer


def _merge(layers: list[Layer]) -> Layer:
    """Lay the sources over each other: tables join, everything else is replaced whole."""
    merged = Layer()
    for layer in layers:
        for path in layer.places:
            _forget(path, merged.places)
        merged.values = _joined(merged.values, layer.values)
        merged.places.update(layer.places)
        merged.problems += layer.problems
    return merged


def _forget(path: SettingPath, places: dict[SettingPath, str]) -> None:
    """Drop the places of what a later source replaces below ``path``."""
    for old in [known for known in places if known[: len(path)] == path]:
        del places[old]


def _joined(below: dict[str, Any], above: dict[str, Any]) -> dict[str, Any]:
    joined = dict(below)
    for key, value in above.items():
        old = joined.get(key)
        if isinstance(old, dict) and isinstance(value, dict):
            joined[key] = _joined(old, value)
        else:
            joined[key] = value
    return joined


def _read_references(layer: Layer, env: Mapping[str, str], unread: list[str] | None) -> None:
    """Put the text of credential files where ``credential:NAME`` stands."""

    def resolved(value: Any, path: SettingPath) -> Any:
        if isinstance(value, dict):
            return {key: resolved(inner, (*path, key)) for key, inner in value.items()}
        if isinstance(value, list):
            return [resolved(inner, (*path, at)) for at, inner in enumerate(value)]
        if not isinstance(value, str) or not value.startswith(CREDENTIAL_MARK):
            return value
        name = value.removeprefix(CREDENTIAL_MARK)
        if unread is not None and not env.get("CREDENTIALS_DIRECTORY") and shape.is_secret(path):
            unread.append(name)
            return _stand_in(path)
        return _reference(value, path, layer=layer, env=env)

    layer.values = resolved(layer.values, ())


def _stand_in(path: SettingPath) -> str:
    """Write what may stand in for a secret that is not read, so that the rest can be checked."""
    return "sqlite:////credential.db" if path[0] == "store" else "json://localhost/"


def _reference(value: str, path: SettingPath, *, layer: Layer, env: Mapping[str, str]) -> str:
    if not shape.is_secret(path):
        layer.problems.append(
            Problem(path, f'only a secret may be "{CREDENTIAL_MARK}…": write the value itself')
        )
        return value
    try:
        return credential(value.removeprefix(CREDENTIAL_MARK), env)
    except ValueError as error:
        layer.problems.append(Problem(path, str(error)))
        return "credential://missing"


def _fill_in(values: dict[str, Any], env: Mapping[str, str]) -> None:
    """Choose the defaults that depend on the machine; they are never a reason to refuse."""
    values.setdefault("timezone", machine_zone(env))
    home = values.setdefault("state_dir", str(default_state_dir(env)))
    if not isinstance(home, str) or not home.startswith("/"):
        return
    control = values.setdefault("control", {})
    if isinstance(control, dict):
        control.setdefault("socket", str(default_socket(env, state_dir=Path(home))))


def _checked(merged: Layer, *, origin: str, from_file: bool) -> Settings:
    problems = merged.problems + list(checks.raw_problems(merged.values))
    told = {problem.path for problem in problems}
    settings = None
    try:
        settings = Settings(**merged.values)
    except ValidationError as error:
        found = (explain(one, merged.values) for one in error.errors(include_url=False))
        problems += _without_echoes([one for one in found if one.path not in told])
    if settings and not problems:
        problems += checks.problems(settings, from_file=from_file)
        if ("control", "socket") in merged.places:
            problems += checks.socket_problems(settings)
    if problems or settings is None:
        raise BrokenConfigError([_placed(one, merged) for one in problems], origin=origin)
    settings._sources.update(merged.places)  # noqa: SLF001 - the loader fills what describe shows
    return settings


def _without_echoes(problems: list[Problem]) -> list[Problem]:
    """
    Leave out what is only wrong since ``state_dir`` is.

    The socket, the store and the files of channels get their places from it.
    """
    if not any(problem.path == ("state_dir",) for problem in problems):
        return problems
    return [
        problem
        for problem in problems
        if problem.path not in {("control",), ("store",)} and problem.path[2:] != ("path",)
    ]


def _placed(problem: Problem, merged: Layer) -> Problem:
    """Add where the setting stands: its source, and the line if that is the file."""
    if problem.place:
        return problem
    around = [problem.path[:end] for end in range(len(problem.path), 0, -1)]
    place = next((merged.places[path] for path in around if path in merged.places), None)
    line = line_for(problem.path, merged.lines) if place and place.startswith("line ") else None
    return Problem(problem.path, problem.text, place=place, line=line)
