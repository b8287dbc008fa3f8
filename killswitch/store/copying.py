"""Copies of a SQLite store: a consistent backup of a running one, and the way back."""

from __future__ import annotations

import contextlib
import itertools
import os
import sqlite3
from collections.abc import Iterator
from pathlib import Path

from killswitch.errors import OperatorError
from killswitch.failpoints import passing
from killswitch.flags import PAUSE_DIR
from killswitch.store.engine import Store

_OF_A_STORE = ("", "-wal", "-shm", "-journal")


def copy_store(store: Store, to: Path) -> None:
    """
    Copy a store while it is in use, readable by its owner alone.

    Raises:
        OperatorError: The target exists or can't be written, it would be a flag, or the store is a
            server's.
    """
    source = store.path
    if source is None:
        raise OperatorError(
            "backup_server", "the store is a PostgreSQL database", "back it up with pg_dump"
        )
    if PAUSE_DIR in to.parent.resolve().parts:
        raise OperatorError(
            "backup_target",
            f"{to} would be a pause: every file in {PAUSE_DIR} is one",
            "name a new file in another folder",
        )
    try:
        os.close(os.open(to, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600))
    except OSError as error:
        raise OperatorError(
            "backup_target", f"{to} can't be written: {error.strerror}", "name a new file"
        ) from error
    passing("backup.after_create")
    _copy(source, to)
    passing("backup.after_copy")


def _copy(source: Path, to: Path) -> None:
    old = sqlite3.connect(f"{source.absolute().as_uri()}?mode=ro", uri=True)
    new = sqlite3.connect(to)
    try:
        with new:
            # In one step: it reads one moment of the WAL and stops no writer. Between several
            # steps any write of the daemon would make it start again, for ever.
            old.backup(new)
    except sqlite3.Error as error:
        to.unlink(missing_ok=True)
        raise OperatorError("backup_failed", f"the copy to {to} failed: {error}") from error
    finally:
        old.close()
        new.close()


def restore_store(backup: Path, to: Path) -> Path | None:
    """
    Put a backup in place of a store that no daemon uses; the old file is kept beside it.

    At every instant a whole store stands at ``to``: a start in the middle finds the old one or the
    restored one, never none, which it would take for a new installation.

    Returns:
        Where the old store is kept, under a name that nothing had; None where there was none.

    Raises:
        OperatorError: The backup is not a whole killswitch store.
    """
    check_backup(backup)
    fresh = to.with_name(to.name + ".restoring")
    fresh.unlink(missing_ok=True)
    _copy(backup, fresh)
    passing("restore.after_copy")
    kept = _keep_aside(to) if to.exists() else None
    passing("restore.after_aside")
    fresh.replace(to)
    _sync(to.parent)
    return kept


def _keep_aside(to: Path) -> Path:
    """Give the old store a second name, with all that was committed in the file itself."""
    _fold_log(to)
    # Only a store that can't be read has its log still: it would be played into the backup.
    log = to.with_name(to.name + "-wal")
    aside = next(name for name in _names_aside(to) if _may_keep(to, log, name))
    if not aside.exists():
        aside.hardlink_to(to)
    if log.exists():
        log.replace(aside.with_name(aside.name + "-wal"))
    to.with_name(to.name + "-shm").unlink(missing_ok=True)
    return aside


def _names_aside(to: Path) -> Iterator[Path]:
    """Give the names under which old stores are kept, the first one first."""
    first = to.with_name(to.name + ".before-restore")
    yield first
    for number in itertools.count(2):
        yield first.with_name(f"{first.name}-{number}")


def _may_keep(to: Path, log: Path, aside: Path) -> bool:
    """Say whether the old store can have a name without another store losing anything."""
    if aside.exists() and aside.samefile(to):
        # A restore that was killed before its last step has kept this store already.
        return not (log.exists() and os.path.lexists(f"{aside}-wal"))
    # A log without its store is taken too: SQLite would play it into ours.
    return not any(os.path.lexists(f"{aside}{suffix}") for suffix in _OF_A_STORE)


def _fold_log(store: Path) -> None:
    """Let SQLite write its log into the file and remove it (sqlite.org/wal.html, checkpointing)."""
    with contextlib.suppress(sqlite3.Error), contextlib.closing(sqlite3.connect(store)) as conn:
        conn.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def _sync(folder: Path) -> None:
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def check_backup(backup: Path) -> None:
    """
    Look whether a file can be restored; nothing is changed.

    Raises:
        OperatorError: It is not a whole killswitch store.
    """
    if not backup.is_file():
        raise OperatorError("no_backup", f"{backup} is no file")
    conn = sqlite3.connect(f"{backup.absolute().as_uri()}?mode=ro", uri=True)
    try:
        whole = conn.execute("PRAGMA quick_check(1)").fetchone()[0] == "ok"
        conn.execute("SELECT version_num FROM alembic_version").fetchone()
    except sqlite3.Error as error:
        raise OperatorError("bad_backup", f"{backup} is no killswitch store: {error}") from error
    finally:
        conn.close()
    if not whole:
        raise OperatorError("bad_backup", f"{backup} is damaged; nothing was changed")
