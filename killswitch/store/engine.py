"""
Open the store and hand out transactions; the only place that knows a database driver.

Foreign errors become ours here: a lock that was not given in time is ``StoreBusyError``, a
broken or full disk and a lost server are ``StoreFailedError``, a move that the state table
forbids is ``InvariantBroken`` (the database refused what our code should never have asked).

Invariants:
    Every write transaction begins IMMEDIATE on SQLite: a deferred one that reads and then writes
    fails with SQLITE_BUSY_SNAPSHOT whatever the busy time-out.
    SQLite runs in WAL with ``synchronous=FULL``, read back at open: under NORMAL the last commits,
    a pause among them, can vanish at a power cut (sqlite.org/pragma.html#pragma_synchronous).
"""

from __future__ import annotations

import contextlib
import shutil
import sqlite3
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy import event
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import Connection, Engine, Row

from killswitch.errors import InvariantBroken, OperatorError, StoreBusyError, TransientError
from killswitch.failpoints import passing
from killswitch.store.turnstile import Turnstile

__all__ = ["Connection", "Row", "Store", "StoreFailedError", "driver_url", "missing_driver"]

# The worker threads wait this long for another writer; none of ours holds the lock over 50 ms.
WORK_BUSY_MS = 5000
# Trip, pause and status may not wait: past this the flag directory takes over (design: 200 ms).
URGENT_BUSY_MS = 200
# STRICT-free schema, but RETURNING and partial upserts need 3.35; Debian 12 ships 3.40.
MIN_SQLITE = (3, 35, 0)
# A hung server must become an error, so that the gate stays shut rather than stuck.
_PG_WORK = "-c lock_timeout=1000 -c statement_timeout=5000"
_PG_URGENT = "-c lock_timeout=200 -c statement_timeout=1000"
# Whatever the role or the database is set to: a pause that was told as durable must be so.
_PG_ALWAYS = "-c idle_in_transaction_session_timeout=2000 -c timezone=UTC -c synchronous_commit=on"
_PG_CONNECT = {
    "connect_timeout": 5,
    "keepalives_idle": 5,
    "keepalives_interval": 2,
    "keepalives_count": 3,
    "tcp_user_timeout": 5000,
}


class StoreFailedError(TransientError):
    """The database could not read or write: disk full, read-only, corrupt, or server gone."""


class StoreFullError(StoreFailedError):
    """There is no room on the store's disk; what is in the store is whole."""


class Store:
    """
    One database, with a patient and a short-tempered way in.

    Threads may share a store: each transaction takes a connection of its own from the pool.
    """

    def __init__(self, url: str) -> None:
        """Prepare (not open) the database at ``url`` (``sqlite:///PATH`` or ``postgresql://``)."""
        self.url = driver_url(url)
        self.is_sqlite = self.url.startswith("sqlite")
        self._turnstile = Turnstile()
        self._work = _engine(self.url, WORK_BUSY_MS, _PG_WORK)
        self._urgent = _engine(self.url, URGENT_BUSY_MS, _PG_URGENT, checkpoints=False)

    @property
    def path(self) -> Path | None:
        """The file of a SQLite store, or None for a server."""
        database = sa.make_url(self.url).database
        return Path(database) if self.is_sqlite and database else None

    @property
    def engine(self) -> Engine:
        """The patient engine, for migrations and backups."""
        return self._work

    @contextlib.contextmanager
    def write(self, *, urgent: bool = False) -> Iterator[Connection]:
        """
        Run one write transaction: commit at the end of the block, roll back on any exception.

        Args:
            urgent: Wait 200 ms for the lock rather than 5 s.

        Raises:
            StoreBusyError: Another writer kept the lock; nothing was written.
            StoreFailedError: The database failed; nothing was written, or its fate is unknown.
            InvariantBroken: The database refused a move of a delivery's state.
        """
        with self._turn(urgent=urgent), self._translated(), self._connect(urgent=urgent) as conn:
            conn.execution_options(ks_write=True)
            with conn.begin():
                yield conn

    @property
    def is_awaited(self) -> bool:
        """Whether a pause of this daemon waits for its turn to write; a server has no turns."""
        return self._turnstile.is_awaited

    def _turn(self, *, urgent: bool) -> contextlib.AbstractContextManager[None]:
        if not self.is_sqlite:
            return contextlib.nullcontext()
        wait_ms = URGENT_BUSY_MS if urgent else WORK_BUSY_MS
        return self._turnstile.turn(urgent=urgent, timeout_s=wait_ms / 1000)

    @contextlib.contextmanager
    def read(self, *, urgent: bool = False) -> Iterator[Connection]:
        """
        Run one read transaction: everything read inside is of one moment on SQLite.

        Raises:
            StoreBusyError: The database did not answer in time.
            StoreFailedError: The database failed.
        """
        with self._translated(), self._connect(urgent=urgent) as conn, conn.begin():
            yield conn

    @contextlib.contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except sa.exc.TimeoutError as error:
            raise StoreBusyError("store_busy", "all connections to the store are in use") from error
        except sa.exc.DBAPIError as error:
            if _is_full(error.orig, self.path):
                raise _full(error) from error
            raise _ours(error) from error

    def _connect(self, *, urgent: bool) -> Connection:
        return (self._urgent if urgent else self._work).connect()

    def own_session(self) -> Connection:
        """
        Open a connection that belongs to its asker and never goes back to the pool.

        Raises:
            StoreFailedError: The database does not answer.
        """
        with self._translated():
            conn = self._work.connect()
            conn.detach()
            return conn

    def close(self) -> None:
        """Give all connections back; SQLite then writes its WAL into the file."""
        passing("close.before_checkpoint")
        self._work.dispose()
        self._urgent.dispose()


def driver_url(url: str) -> str:
    """
    Name the driver in a database address.

    Raises:
        OperatorError: The address is of no database that we know.
    """
    if url.startswith(("postgresql://", "postgres://")):
        return "postgresql+psycopg://" + url.split("://", 1)[1]
    if url.startswith(("postgresql+psycopg://", "sqlite:///")):
        return url
    raise OperatorError(
        "store_url",
        "the store address begins neither with sqlite:/// nor with postgresql://",
        "set store.url, or leave it out for a SQLite file in the state directory",
    )


def missing_driver(url: str) -> str | None:
    """Say why the driver of a database address can't be loaded, or None; opens nothing."""
    if not driver_url(url).startswith("postgresql"):
        return None
    try:
        import psycopg  # noqa: F401, PLC0415 - only whoever has a server needs it
    except ImportError as error:
        return str(error)
    return None


def _engine(url: str, busy_ms: int, server_options: str, *, checkpoints: bool = True) -> Engine:
    if url.startswith("sqlite"):
        # The newest connection first: its pages are still the present ones.
        engine = sa.create_engine(
            url, pool_size=8, max_overflow=32, pool_timeout=5, pool_use_lifo=True
        )
        event.listen(engine, "connect", _sqlite_connect(busy_ms, checkpoints=checkpoints))
        event.listen(engine, "begin", _sqlite_begin)
        return engine
    return sa.create_engine(
        url,
        pool_size=4,
        max_overflow=12,
        pool_timeout=5,
        pool_pre_ping=True,
        connect_args={**_PG_CONNECT, "options": f"{server_options} {_PG_ALWAYS}"},
    )


def _sqlite_connect(busy_ms: int, *, checkpoints: bool) -> Any:
    def connect(raw: Any, _record: Any) -> None:
        # The driver's own transaction handling is off: BEGIN IMMEDIATE is ours to say.
        raw.isolation_level = None
        cursor = raw.cursor()
        cursor.execute(f"PRAGMA busy_timeout={busy_ms}")
        cursor.execute("PRAGMA journal_mode=WAL")
        cursor.execute("PRAGMA synchronous=FULL")
        cursor.execute("PRAGMA foreign_keys=ON")
        cursor.execute("PRAGMA journal_size_limit=16777216")
        # 8 MiB instead of 2: the indexes of a hundred thousand posts; taken only as it is needed.
        cursor.execute("PRAGMA cache_size=-8192")
        if not checkpoints:
            # A pause does not carry what others wrote into the file: their next commit does.
            cursor.execute("PRAGMA wal_autocheckpoint=0")
        cursor.close()

    return connect


def _sqlite_begin(conn: Connection) -> None:
    writing = conn.get_execution_options().get("ks_write")
    conn.exec_driver_sql("BEGIN IMMEDIATE" if writing else "BEGIN")


# What the triggers of the schema say when they refuse.
_REFUSALS = ("transition refused", "never removed", "append only", "stays closed", "goes back")
# SQLite: BUSY and LOCKED, in the low byte of the code. PostgreSQL: lock not given in time, a
# deadlock that we lost, a transaction that could not be put in order, a key that another
# transaction wrote at the same moment: what a second try finds settled.
_SQLITE_BUSY = frozenset({5, 6})
_SQLITE_IO = frozenset({sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CANTOPEN})
_PG_FULL = "53100"
# Less than the index of a WAL wants when it begins (32 KiB) and some pages.
ROOM_BYTES = 64 * 1024
_PG_BUSY = frozenset({"55P03", "40P01", "40001"})


def _is_busy(error: BaseException | None) -> bool:
    code = getattr(error, "sqlite_errorcode", None)
    if code is not None:
        return code & 0xFF in _SQLITE_BUSY
    return getattr(error, "sqlstate", None) in _PG_BUSY or _is_race(error)


def _is_race(error: BaseException | None) -> bool:
    """Say whether a server refused a post's key because another post took it just now."""
    constraint = getattr(getattr(error, "diag", None), "constraint_name", None)
    return constraint == "uq_posts_key"


def insert_new(conn: Connection, table: sa.Table, row: Mapping[str, Any]) -> bool:
    """Insert a row unless its key is taken, at this very moment even; say whether it was."""
    insert = postgresql.insert if conn.dialect.name == "postgresql" else sqlite.insert
    key = table.primary_key.columns.values()[0]
    # A row count of an INSERT is not to be had from every driver; what it returns is.
    done = conn.execute(insert(table).values(**row).on_conflict_do_nothing().returning(key))
    return done.first() is not None


def _is_full(error: BaseException | None, path: Path | None) -> bool:
    """
    Say whether a failure means that there is no room.

    SQLite says FULL only of its database; where its WAL or the index of it finds no room, that is
    an I/O error like any other.
    """
    code = getattr(error, "sqlite_errorcode", None)
    if code is None:
        return getattr(error, "sqlstate", None) == _PG_FULL
    if code & 0xFF == sqlite3.SQLITE_FULL:
        return True
    return code & 0xFF in _SQLITE_IO and path is not None and _has_no_room(path.parent)


def _has_no_room(folder: Path) -> bool:
    try:
        return shutil.disk_usage(folder).free < ROOM_BYTES
    except OSError:
        return False


def _full(error: sa.exc.DBAPIError) -> StoreFullError:
    return StoreFullError(
        "store_full",
        f"the disk is full ({str(error.orig).strip()}); the store is untouched, nothing is sent",
        "make room on the disk of the store; nothing is to be restored",
    )


def is_damage(error: BaseException | None) -> bool:
    """Say whether a driver's error means that a file is no whole SQLite database."""
    code = getattr(getattr(error, "orig", None), "sqlite_errorcode", None)
    return code is not None and code & 0xFF in {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}


def _ours(error: sa.exc.DBAPIError) -> Exception:
    text = str(error.orig)
    if _is_busy(error.orig):
        return StoreBusyError("store_busy", f"the store gave no lock in time: {text}")
    if any(word in text for word in _REFUSALS):
        return InvariantBroken(f"the database refused a change: {text}")
    if isinstance(error, sa.exc.IntegrityError):
        return InvariantBroken(f"the database refused a row: {text}")
    return StoreFailedError(
        "store_failed",
        f"the store failed: {text.strip()}",
        "look at the disk's free space and rights, or at the database server",
    )
