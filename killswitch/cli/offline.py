"""
Which store file is the daemon's, where no daemon can be asked.

The same rule as for a pause without a daemon: ``daemon.lock`` names the file itself. What the
configuration says may be another, for the daemon's address may come from a credential.
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from typing import TYPE_CHECKING

from killswitch import lockfile
from killswitch.cli.paths import Place
from killswitch.clock import SystemClock
from killswitch.errors import OperatorError, RefusedError

if TYPE_CHECKING:
    from killswitch.store.engine import Store
    from killswitch.store.opening import StoreLock

ROOM_LEAST = 64 * 1024
"""Free bytes below which nothing can be relied on: the store writes some pages at once."""
_NAME_IT = "name the daemon's store with --store FILE"


def add_store(parser: argparse.ArgumentParser) -> None:
    """Add ``--store FILE``."""
    parser.add_argument(
        "--store",
        metavar="FILE",
        help="the SQLite file of the daemon, where daemon.lock does not name it",
    )


def store_of(place: Place, *, said: str | None) -> Path:
    """
    Find the store file of a daemon that does not run.

    Args:
        place: The installation.
        said: What stands after ``--store``, or None.

    Raises:
        RefusedError: It is a server, or it is not certain which file it is; nothing was touched.
    """
    if said is not None:
        return Path(said).absolute()
    _, name = lockfile.look(place.state_dir)
    if name is not None:
        return _named(place, name)
    lock = place.state_dir / lockfile.LOCK_NAME
    if _has_content(lock):
        raise RefusedError(
            "unknown_store",
            f"{lock} does not say which store the daemon uses; nothing was done",
            f"start the daemon once, which writes it, or {_NAME_IT}",
        )
    # No daemon has run here yet, so the configuration is all there is.
    if place.store is None:
        raise RefusedError(
            "server",
            "the configured store is no SQLite file, or its address comes from a credential; "
            "nothing was done",
            f"PostgreSQL: pg_dump, pg_restore; else {_NAME_IT}",
        )
    return place.store


def claim(store: Store, state_dir: Path) -> StoreLock:
    """
    Take the lock of a daemon that does not run, so that none starts meanwhile.

    Raises:
        RefusedError: One runs; nothing was touched.
        OperatorError: The lock can't be made.
    """
    # Heavy: it stays out of the panic path, which looks at the disk by this module.
    from killswitch.store.opening import TAKEN, lock_store  # noqa: PLC0415 - as above

    try:
        return lock_store(store, state_dir, clock=SystemClock())
    except OperatorError as error:
        if error.code != TAKEN:
            raise
        raise RefusedError(
            TAKEN,
            "a killswitch daemon uses this store; nothing was done",
            "stop the service first: systemctl stop killswitch.socket killswitch.service",
        ) from error


def full_disk(path: Path) -> str:
    """
    Say that the disk under ``path`` is full, else an empty text.

    A daemon that finds it so at its start waits for room, and its socket does not answer: who asks
    must read the reason here.
    """
    try:
        disk = os.statvfs(path)
    except OSError:
        return ""
    free = disk.f_bavail * disk.f_frsize
    if free < ROOM_LEAST:
        return f"the disk of {path} is full ({free} bytes free): nothing leaves without room"
    if disk.f_files and not disk.f_favail:
        return f"the disk of {path} has no room for another file: nothing leaves without room"
    return ""


def _named(place: Place, name: lockfile.StoreName) -> Path:
    if name.kind != "sqlite":
        raise RefusedError(
            "server",
            f"the daemon's store is a {name.kind} server; nothing was done",
            "use pg_dump and pg_restore",
        )
    path = Path(name.path)
    for found in (path, place.store):
        if found is not None and name.is_at(found):
            return found
    if not path.exists() or path == place.store:
        return path  # lost, or put back by hand: it belongs here all the same
    raise RefusedError(
        "unknown_store",
        f"{path} is not the file any more that the daemon used; nothing was done",
        _NAME_IT,
    )


def _has_content(path: Path) -> bool:
    try:
        return path.stat().st_size > 0
    except OSError:
        return False
