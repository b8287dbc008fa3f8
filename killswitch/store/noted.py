"""
The head of the audit chain, noted outside the store.

A chain proves that nothing inside it was changed; an old copy of the whole file, put back by hand,
is whole in itself. So the newest row is noted in a file beside it (and in the log), and a store
that does not hold the noted row is not the one that we wrote.

Invariants:
    What is noted was committed before: no crash makes a note that the store does not hold.
    A note that can't be read is no proof, and counts as a broken chain. No note says nothing:
    ``forget`` is for whoever puts another store there knowingly (``restore``, a resume from a
    break).
"""

from __future__ import annotations

import contextlib
import json
import os
from dataclasses import dataclass
from pathlib import Path

from killswitch.store import audit
from killswitch.store.audit import Verdict
from killswitch.store.engine import Connection

FILE_NAME = "audit.head"
_MODE = 0o640


@dataclass(frozen=True, slots=True)
class Head:
    """The newest row of the chain: its number and its hash."""

    seq: int
    hash: str


def note(conn: Connection, state_dir: Path) -> Head:
    """
    Note the newest row that is committed; durable when this returns.

    Raises:
        OSError: It can't be written; the note before it still stands.
    """
    head = Head(*audit.head(conn))
    path = state_dir / FILE_NAME
    fresh = path.with_name(f"{FILE_NAME}.new")
    number = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, _MODE)
    try:
        os.write(number, json.dumps({"seq": head.seq, "hash": head.hash}).encode() + b"\n")
        os.fsync(number)
    finally:
        os.close(number)
    fresh.replace(path)
    _fsync(state_dir)
    return head


def forget(state_dir: Path) -> None:
    """
    Take the note away: the store that is there is to be believed.

    Raises:
        OSError: It can't be removed.
    """
    with contextlib.suppress(FileNotFoundError):
        (state_dir / FILE_NAME).unlink()
        _fsync(state_dir)


def verify(conn: Connection, state_dir: Path, *, last: int | None = None) -> Verdict:
    """
    Check the chain, and that it holds the noted row.

    Args:
        conn: A read transaction.
        state_dir: Where the note lies.
        last: Check only this many newest rows, or all.
    """
    verdict = audit.verify(conn, last=last)
    if not verdict.ok:
        return verdict
    try:
        noted = _read(state_dir / FILE_NAME)
    except FileNotFoundError:
        return verdict
    except PermissionError as error:
        why = (
            f"{FILE_NAME} can't be read ({error.strerror}), so nobody knows how far the trail "
            f"went: give it back to the daemon's user (chown in {state_dir})"
        )
        return Verdict(ok=False, rows=verdict.rows, why=why, unread=True)
    except (OSError, ValueError, LookupError, TypeError) as error:
        why = f"{FILE_NAME} can't be read ({error}), so nobody knows how far the trail went"
        return Verdict(ok=False, rows=verdict.rows, why=why)
    if audit.hash_of(conn, noted.seq) == noted.hash:
        return verdict
    why = (
        f"the store does not hold row {noted.seq}, which {FILE_NAME} noted: an older copy was put "
        "in its place, or rows were removed"
    )
    return Verdict(ok=False, rows=verdict.rows, broken_at=noted.seq, why=why)


def _read(path: Path) -> Head:
    said = json.loads(path.read_text(encoding="ascii"))
    return Head(int(said["seq"]), str(said["hash"]))


def _fsync(directory: Path) -> None:
    number = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(number)
    finally:
        os.close(number)
