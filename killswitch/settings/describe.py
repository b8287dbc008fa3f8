"""
Show the configuration that results, value by value: secrets masked, sources named.

Of an address only what tells it from others is shown: receivers put tokens into its path, paid
feeds put keys behind its question mark.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit

from pydantic import BaseModel, SecretStr

from killswitch.settings.durations import format_duration
from killswitch.settings.kinds import QuietHours, quiet_text
from killswitch.settings.problems import dotted
from killswitch.settings.tree import Settings

MASK = "********"

SettingPath = tuple[str | int, ...]


def describe(
    settings: Settings, *, address: Callable[[str], str] | None = None
) -> list[tuple[str, str, str]]:
    """
    List every setting for ``run --check``.

    Args:
        settings: As loaded.
        address: Masks a notice address; only the room of the notices knows where the host of one
            is a server and where it is a token. Without it all but the scheme is masked.

    Returns:
        Rows of path (``feeds[0].url``), value as the file would write it with secrets masked, and
        source: ``default``, ``line 12``, ``variable …``, ``credential …`` or an option.
    """
    sources = settings._sources  # noqa: SLF001 - kept there by the loader for this table
    return [
        (dotted(path), _written(_shown(path, value, address)), _source(path, sources))
        for path, value in _leaves(settings, ())
    ]


def _leaves(value: Any, path: SettingPath) -> Iterator[tuple[SettingPath, Any]]:
    if isinstance(value, BaseModel):
        for key in type(value).model_fields:
            yield from _leaves(getattr(value, key), (*path, key))
    elif isinstance(value, tuple) and value and isinstance(value[0], BaseModel):
        for index, row in enumerate(value):
            yield from _leaves(row, (*path, index))
    elif value is not None:
        yield path, value


def _shown(path: SettingPath, value: Any, address: Callable[[str], str] | None) -> Any:
    if address and path in {("notify", "urls"), ("notify", "next")}:
        return _addresses(value, address)
    return _without_tokens(path, value)


def _addresses(value: Any, address: Callable[[str], str]) -> Any:
    if isinstance(value, tuple):
        return tuple(_addresses(one, address) for one in value)
    return address(value.get_secret_value())


def _without_tokens(path: SettingPath, value: Any) -> Any:
    if not isinstance(value, str) or not str(path[-1]).endswith("url"):
        return value
    if path[0] == "feeds":
        before, mark, _ = value.partition("?")
        return before + (mark and mark + MASK)
    parts = urlsplit(value)
    return f"{parts.scheme}://{parts.netloc}/" + (
        MASK if parts.path.strip("/") + parts.query else ""
    )


def _source(path: SettingPath, sources: dict[SettingPath, str]) -> str:
    """Name the source of the value; a table's own line says nothing about a key it leaves out."""
    for end in range(len(path), 0, -1):
        place = sources.get(path[:end])
        if place and (end == len(path) or not place.startswith("line ")):
            return place
    return "default"


def _written(value: Any) -> str:
    """Write a value as the file would hold it."""
    if isinstance(value, tuple):
        return f"[{', '.join(_written(one) for one in value)}]"
    if isinstance(value, dict):
        return f"{{{', '.join(f'{key} = {_written(one)}' for key, one in value.items())}}}"
    if isinstance(value, int | float):
        return str(value).lower()
    return f'"{_text(value)}"'


def _text(value: Any) -> str:
    match value:
        case SecretStr():
            return _masked(value.get_secret_value())
        case timedelta():
            return format_duration(value)
        case QuietHours():
            return quiet_text(value)
        case _:
            return str(value)


def _masked(text: str) -> str:
    """Keep what tells addresses apart, the scheme; a path of a file holds no secret."""
    scheme, mark, rest = text.partition("://")
    if not mark:
        return MASK
    if scheme == "sqlite":
        return text
    host = urlsplit(f"//{rest}").hostname if scheme.startswith("postgresql") else None
    return f"{scheme}://{MASK}{'@' + host if host else ''}"
