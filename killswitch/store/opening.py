"""
Open a store for the daemon: checked, of our version, locked for one daemon, migrated.

Order: lock, pragmas, integrity, version, migration. A store that fails any of them is never used.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import sqlite3
import threading
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TypeVar

import sqlalchemy as sa

from killswitch import lockfile
from killswitch.clock import Clock
from killswitch.errors import KillswitchError, OperatorError
from killswitch.failpoints import passing
from killswitch.lockfile import LOCK_NAME, StoreName
from killswitch.store import facts
from killswitch.store.engine import (
    MIN_SQLITE,
    Connection,
    Store,
    StoreFailedError,
    StoreFullError,
    is_damage,
)
from killswitch.store.migrate import HEAD, upgrade, version_of

# How long a daemon that starts waits for one that is just ending, or for a command that looks.
LOCK_WAIT_S = 1.0
LOCK_STEP_S = 0.05
# An arbitrary but fixed number, the same for all versions: the advisory lock of "the daemon".
_ADVISORY_LOCK = 0x6B696C6C
TAKEN = "second_daemon"
"""Code of the error where another process holds a store."""
_T = TypeVar("_T")


class StoreLock:
    """The claim of one daemon on one store; held until the process ends or ``release``."""

    def __init__(self, files: list[int], server: Connection | None, store: Store) -> None:
        """Keep what holds the lock open."""
        self._files = files
        self._server = server
        self._store = store
        self._name: StoreName | None = None

    def release(self) -> None:
        """Let another daemon take the store."""
        for number in self._files:
            os.close(number)
        self._files = []
        if self._server is not None:
            self._server.close()
            self._server = None

    def name_store(self) -> None:
        """
        Write into the lock files which store this daemon uses, for a pause without it.

        Only the daemon does: a command that holds the lock may mean another store.

        Raises:
            OperatorError: It can't be written: a pause without this daemon could be told wrong.
        """
        for number in self._files:
            self._name = _write_name(number, self._store)

    def is_held(self) -> bool:
        """Say whether the server still knows our lock; a lock on a file can't be lost."""
        if self._server is None:
            return True
        try:
            self._server.execute(sa.text("SELECT 1"))
            self._server.commit()
        except sa.exc.SQLAlchemyError:
            return False
        return True

    def keep(self) -> None:
        """
        Make sure that the store is still ours.

        A server that has forgotten our lock, because it was restarted or cut us off, is asked for
        it again. A SQLite file must still be the one that we opened.

        Raises:
            OperatorError: Another daemon has it by now, or another file stands in its place.
            StoreFailedError: The server does not answer.
        """
        path = self._store.path
        if path is not None and self._name is not None and not self._name.is_at(path):
            raise OperatorError(
                "store_replaced",
                f"{path} is not the file any more that this daemon opened; nothing is sent",
                "start the daemon again: it checks what is there now",
            )
        if self._server is None or self.is_held():
            return
        with contextlib.suppress(sa.exc.SQLAlchemyError):
            self._server.close()
        self._server = _lock_server(self._store)


def lock_store(store: Store, state_dir: Path, *, clock: Clock) -> StoreLock:
    """
    Claim a store for this process; a lock that is taken is waited for, about a second.

    Two files are locked where the database lies outside the state directory, so that neither two
    daemons on one database nor two on one flag directory can run.

    Raises:
        OperatorError: Another daemon has it, or the lock can't be made.
        StoreFailedError: The server does not answer.
    """
    # The directory first: where both are taken, its hint is the one that helps.
    paths = [state_dir / LOCK_NAME]
    if store.path is not None and store.path.parent.resolve() != state_dir.resolve():
        paths.append(store.path.with_name(store.path.name + ".lock"))
    ends_s = clock.monotonic_s() + LOCK_WAIT_S
    numbers: list[int] = []
    try:
        # One by one: what was taken is known, and let go of, where the next is refused.
        for path in paths:
            number = _patiently(partial(_lock_file, path), clock, ends_s)
            numbers.append(number)
        server = None
        if not store.is_sqlite:
            server = _patiently(partial(_lock_server, store), clock, ends_s)
    except KillswitchError:
        for number in numbers:
            os.close(number)
        raise
    return StoreLock(numbers, server, store)


def _patiently(claim: Callable[[], _T], clock: Clock, ends_s: float) -> _T:
    """Try again for a while: the daemon before us may be letting go at this moment."""
    never = threading.Event()
    while True:
        try:
            return claim()
        except OperatorError as error:
            if error.code != TAKEN or clock.monotonic_s() >= ends_s:
                raise
        clock.wait(never, LOCK_STEP_S)


def _lock_file(path: Path) -> int:
    try:
        return lockfile.take(path)
    except BlockingIOError as error:
        raise _taken(str(path), is_directory=path.name == LOCK_NAME) from error
    except OSError as error:
        raise _unwritable(path, error) from error


def _write_name(number: int, store: Store) -> StoreName | None:
    kind = "sqlite" if store.is_sqlite else "postgresql"
    is_there = store.path is None or store.path.exists()
    name = lockfile.name_of(store.path, kind=kind) if is_there else None
    try:
        lockfile.write_name(number, name)
    except OSError as error:
        # On a full disk the name of the last run still stands, and is mostly the same.
        if lockfile.read_name(number) != name:
            raise _unwritable(Path(LOCK_NAME), error) from error
    return name


def _unwritable(path: Path, error: OSError) -> OperatorError:
    return OperatorError(
        "state_dir",
        f"{path} can't be written ({error.strerror}); nothing was started",
        "look at the disk's free space and at the rights on the state directory",
    )


def _lock_server(store: Store) -> Connection:
    # The lock belongs to the session: it must not be handed back to the pool, nor time out.
    conn = store.own_session()
    got = conn.execute(sa.text("SELECT pg_try_advisory_lock(:n)"), {"n": _ADVISORY_LOCK}).scalar()
    conn.commit()
    if not got:
        conn.close()
        raise _taken("the database", is_directory=False)
    return conn


def _taken(what: str, *, is_directory: bool) -> OperatorError:
    if is_directory:
        other = "a state directory of its own with --state-dir"
    else:  # it has that, and leads to the same database all the same
        other = "a database of its own with store.url"
    return OperatorError(
        TAKEN,
        f"another killswitch daemon uses this store already ({what} is locked)",
        f"stop that one first, or give this one {other}",
    )


def open_store(store: Store) -> bool:
    """
    Check and migrate a store; say whether it is a new one.

    New is also a store whose first start was cut short before it was furnished: the fact
    ``created_at`` is written last.

    Raises:
        OperatorError: The file is damaged, of a newer version, or not ours.
        StoreFailedError: The database does not answer.
    """
    if store.is_sqlite:
        _check_sqlite(store)
    else:
        _check_server(store)
    version = version_of(store)
    if version != HEAD:
        if version is not None:
            _back_up(store, version)
            passing("migrate.after_backup")
        upgrade(store)
    with store.read() as conn:
        return facts.get(conn, "created_at") is None


def _check_server(store: Store) -> None:
    """Refuse a server that may lose a commit: what stands between us may not pass on our wish."""
    with store.read() as conn:
        synchronous = conn.exec_driver_sql("SHOW synchronous_commit").scalar()
    if synchronous != "on":
        raise OperatorError(
            "server_not_durable",
            f"synchronous_commit is {synchronous} and can't be set to on: a pause could be lost "
            "at a power cut; nothing was started",
            "let the pooler in between pass on the option synchronous_commit, or set it for the "
            "role: ALTER ROLE killswitch SET synchronous_commit = on",
        )


def _check_sqlite(store: Store) -> None:
    if sqlite3.sqlite_version_info < MIN_SQLITE:
        raise OperatorError("sqlite_old", f"SQLite {sqlite3.sqlite_version} is too old")
    try:
        with store.read() as conn:
            journal = conn.exec_driver_sql("PRAGMA journal_mode").scalar()
            synchronous = conn.exec_driver_sql("PRAGMA synchronous").scalar()
            check = conn.exec_driver_sql("PRAGMA quick_check(1)").scalar()
    except StoreFailedError as error:
        if is_damage(error.__cause__):
            raise _damaged(store, error.message) from error
        if isinstance(error, StoreFullError):
            raise
        raise OperatorError(
            "store_unreadable",
            f"{store.path} can't be opened ({error.message}); nothing was changed",
            "look at the disk, and at the rights on the file and its folder",
        ) from error
    if journal != "wal" or synchronous != 2:  # 2 = FULL
        raise OperatorError(
            "sqlite_pragmas",
            f"{store.path}: journal_mode is {journal} and synchronous is {synchronous}, "
            "not wal and 2: a pause could be lost at a power cut",
            "keep the store on a local disk",
        )
    if check != "ok":
        raise _damaged(store, str(check))


def _damaged(store: Store, why: str) -> OperatorError:
    return OperatorError(
        "store_damaged",
        f"{store.path} is damaged ({why}); nothing was changed and nothing will be sent from it",
        "restore a backup: killswitch restore FILE",
    )


def _back_up(store: Store, version: str) -> None:
    path = store.path
    if path is None or not path.exists():
        return
    copy = path.with_name(f"{path.name}.before-{version}")
    copy.unlink(missing_ok=True)
    with store.engine.connect() as conn:
        conn.exec_driver_sql("ROLLBACK")  # VACUUM runs in no transaction
        conn.exec_driver_sql("VACUUM INTO ?", (str(copy),))
    shutil.copymode(path, copy)
