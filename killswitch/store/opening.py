"""
Open a store for the daemon: checked, of our version, locked for one daemon, migrated.

Order: lock, pragmas, integrity, version, migration. A store that fails any of them is never used.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import sqlite3
from pathlib import Path

import sqlalchemy as sa

from killswitch.errors import KillswitchError, OperatorError
from killswitch.failpoints import passing
from killswitch.store import facts
from killswitch.store.engine import MIN_SQLITE, Connection, Store, StoreFailedError
from killswitch.store.migrate import HEAD, upgrade, version_of

LOCK_NAME = "daemon.lock"
# An arbitrary but fixed number, the same for all versions: the advisory lock of "the daemon".
_ADVISORY_LOCK = 0x6B696C6C


class StoreLock:
    """The claim of one daemon on one store; held until the process ends or ``release``."""

    def __init__(self, files: list[int], server: Connection | None, store: Store) -> None:
        """Keep what holds the lock open."""
        self._files = files
        self._server = server
        self._store = store

    def release(self) -> None:
        """Let another daemon take the store."""
        for number in self._files:
            os.close(number)
        self._files = []
        if self._server is not None:
            self._server.close()
            self._server = None

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
        Take the lock again where the server has forgotten it: it was restarted, or cut us off.

        Raises:
            OperatorError: Another daemon has it by now.
            StoreFailedError: The server does not answer.
        """
        if self._server is None or self.is_held():
            return
        with contextlib.suppress(sa.exc.SQLAlchemyError):
            self._server.close()
        self._server = _lock_server(self._store)


def lock_store(store: Store, state_dir: Path) -> StoreLock:
    """
    Claim a store for this daemon.

    Two files are locked where the database lies outside the state directory, so that neither two
    daemons on one database nor two on one flag directory can run.

    Raises:
        OperatorError: Another daemon has it.
        StoreFailedError: The server does not answer.
    """
    paths = {state_dir / LOCK_NAME}
    if store.path is not None and store.path.parent.resolve() != state_dir.resolve():
        paths.add(store.path.with_name(store.path.name + ".lock"))
    numbers: list[int] = []
    try:
        numbers.extend(_lock_file(path) for path in sorted(paths))
        server = None if store.is_sqlite else _lock_server(store)
    except KillswitchError:
        for number in numbers:
            os.close(number)
        raise
    return StoreLock(numbers, server, store)


def _lock_file(path: Path) -> int:
    number = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o660)
    try:
        fcntl.flock(number, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(number)
        raise _taken(str(path)) from error
    os.ftruncate(number, 0)
    os.write(number, f"{os.getpid()}\n".encode())
    return number


def _lock_server(store: Store) -> Connection:
    # The lock belongs to the session: it must not be handed back to the pool, nor time out.
    conn = store.own_session()
    got = conn.execute(sa.text("SELECT pg_try_advisory_lock(:n)"), {"n": _ADVISORY_LOCK}).scalar()
    conn.commit()
    if not got:
        conn.close()
        raise _taken("the database")
    return conn


def _taken(what: str) -> OperatorError:
    return OperatorError(
        "second_daemon",
        f"another killswitch daemon uses this store already ({what} is locked)",
        "stop that one first, or give this one a state directory of its own with --state-dir",
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
    version = version_of(store)
    if version != HEAD:
        if version is not None:
            _back_up(store, version)
            passing("migrate.after_backup")
        upgrade(store)
    with store.read() as conn:
        return facts.get(conn, "created_at") is None


def _check_sqlite(store: Store) -> None:
    if sqlite3.sqlite_version_info < MIN_SQLITE:
        raise OperatorError("sqlite_old", f"SQLite {sqlite3.sqlite_version} is too old")
    try:
        with store.read() as conn:
            journal = conn.exec_driver_sql("PRAGMA journal_mode").scalar()
            synchronous = conn.exec_driver_sql("PRAGMA synchronous").scalar()
            check = conn.exec_driver_sql("PRAGMA quick_check(1)").scalar()
    except StoreFailedError as error:
        raise _damaged(store, error.message) from error
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
