"""
Secrets that stand in a configuration file which everybody on the machine can read.

They belong into credential files; where they stay in the file, only its group may read it.
"""

from __future__ import annotations

import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from killswitch.settings import shape
from killswitch.settings.problems import dotted
from killswitch.settings.sources import CREDENTIAL_MARK, read_file

SettingPath = tuple[str | int, ...]
# A store's address is a secret only with a password in it.
_STORE = ("store", "url")


def exposed(path: Path) -> list[str]:
    """
    Name the secrets in the file that others than its owner and group can read.

    Args:
        path: The configuration, as ``find_config`` finds it.

    Returns:
        Paths of settings (``channels[0].secret``); none where the mode of the file keeps others
        out, where it can't be read, or where it only names credentials.
    """
    try:
        is_open = path.stat().st_mode & stat.S_IROTH
    except OSError:
        return []
    return [dotted(one) for one in _secrets(read_file(path).values, ())] if is_open else []


def _secrets(value: Any, path: SettingPath) -> Iterator[SettingPath]:
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from _secrets(inner, (*path, key))
    elif isinstance(value, list):
        for at, inner in enumerate(value):
            yield from _secrets(inner, (*path, at))
    elif isinstance(value, str) and shape.is_secret(path) and _tells(value, path):
        yield path


def _tells(value: str, path: SettingPath) -> bool:
    if path == _STORE:
        user, mark, _ = value.partition("://")[2].rpartition("@")
        return bool(mark) and ":" in user
    return not value.startswith(CREDENTIAL_MARK)
