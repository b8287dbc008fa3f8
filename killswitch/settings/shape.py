"""
The shape of the settings tree: which keys exist where, which of them are secrets.

Used to suggest the key that was meant, to know variables from strangers and to mask.
"""

from __future__ import annotations

import types
from collections.abc import Iterator
from functools import cache
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from killswitch.settings.kinds import nearest
from killswitch.settings.tree import Settings

Path = tuple[str | int, ...]


def models_at(path: Path, *, start: type[BaseModel] = Settings) -> list[type[BaseModel]]:
    """List the tables that may stand at ``path``: several where a ``kind`` decides."""
    models = [start]
    for part in path:
        if isinstance(part, int):
            continue
        fields = [model.model_fields[part] for model in models if part in model.model_fields]
        models = [found for field in fields for found in _models_in(field.annotation)]
    return models


def untagged(loc: Path) -> Path:
    """Take out of a location of pydantic the name of the kind, which is no key of the file."""
    if len(loc) > 2 and loc[0] == "channels" and isinstance(loc[1], int):
        return (*loc[:2], *loc[3:])
    return loc


def keys_at(path: Path, *, kind: object = None) -> list[str]:
    """List the keys of the table at ``path``, of the ``kind`` it says it is if that is known."""
    models = models_at(path)
    of_kind = [model for model in models if kind in kinds_of(model)]
    return sorted({key for model in of_kind or models for key in model.model_fields})


def kinds_of(model: type[BaseModel]) -> tuple[object, ...]:
    """List the values that ``kind`` may have in this table."""
    field = model.model_fields.get("kind")
    return get_args(field.annotation) if field else ()


def choices_at(path: Path) -> list[str]:
    """List the words a setting may be, or nothing where it is free text."""
    *table, key = [part for part in path if isinstance(part, str)]
    for model in models_at(tuple(table)):
        if key in model.model_fields:
            return [str(word) for word in _literals(model.model_fields[key].annotation)]
    return []


def homes_of(key: str) -> list[str]:
    """List where a key of that very name belongs, as ``watch.fresh``."""
    return [".".join(path) for path in _known_paths() if path[-1] == key]


def variables() -> dict[str, tuple[str, ...]]:
    """Map each variable without its prefix, ``WATCH__FRESH``, to the setting it holds."""
    return {"__".join(path).upper(): path for path in _known_paths(into_lists=False)}


def free_table(path: tuple[str, ...]) -> bool:
    """Say whether ``path`` is a table whose keys are the operator's own words."""
    *table, key = path
    fields = [model.model_fields.get(key) for model in models_at(tuple(table))]
    return any(field and get_origin(field.annotation) is dict for field in fields)


def is_text(path: tuple[str, ...]) -> bool:
    """Say whether a variable for ``path`` is taken as it stands; else it is JSON."""
    *table, key = path
    for model in models_at(tuple(table)):
        if key in model.model_fields:
            return not _is_complex(model.model_fields[key].annotation)
    return True


def is_secret(path: Path) -> bool:
    """Say whether the text at ``path`` must never be shown."""
    keys = [part for part in path if isinstance(part, str)]
    if not keys:
        return False
    by_table = keys[:2] in (["notify", "urls"], ["notify", "next"], ["store", "url"])
    return by_table or (keys[0] in {"channels", "relays"} and keys[-1] == "secret")


def suggestion(path: Path, *, kind: object = None) -> str:
    """Say which key was probably meant by the unknown key at the end of ``path``."""
    key = str(path[-1])
    known = keys_at(path[:-1], kind=kind)
    meant = nearest(key.replace("-", "_"), known)
    homes = homes_of(key)
    if key in homes and len(path) > 1:
        above = f"{key} belongs above the first [table] of the file"
        return f'did you mean "{meant}"? Or {above}' if meant else above
    if len(homes) == 1 and homes[0] != key:
        table = homes[0].rpartition(".")[0]
        return f"it belongs below {_header(table)}"
    if meant:
        return f'did you mean "{meant}"?'
    return f"known here: {', '.join(known)}" if known else "take it out"


def _header(table: str) -> str:
    return f"[[{table}]]" if _in_list(Settings.model_fields[table]) else f"[{table}]"


@cache
def _known_paths(*, into_lists: bool = True) -> tuple[tuple[str, ...], ...]:
    return tuple(dict.fromkeys(_walk(Settings, (), into_lists=into_lists)))


def _walk(
    model: type[BaseModel], prefix: tuple[str, ...], *, into_lists: bool
) -> Iterator[tuple[str, ...]]:
    for key, field in model.model_fields.items():
        path = (*prefix, key)
        yield path
        if not into_lists and _in_list(field):
            continue
        for inner in _models_in(field.annotation):
            yield from _walk(inner, path, into_lists=into_lists)


def _in_list(field: FieldInfo) -> bool:
    return get_origin(field.annotation) is tuple


def _models_in(annotation: Any) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    if get_origin(annotation) in {tuple, Union, types.UnionType, Annotated}:
        return [model for part in get_args(annotation) for model in _models_in(part)]
    return []


def _literals(annotation: Any) -> list[object]:
    inner = get_args(annotation)
    if inner and all(isinstance(part, str) for part in inner):
        return list(inner)
    return [word for part in inner if get_origin(part) is not None for word in _literals(part)]


def _is_complex(annotation: Any) -> bool:
    return get_origin(annotation) in {tuple, dict} or bool(_models_in(annotation))
