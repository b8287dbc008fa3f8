"""
The audit trail: one row a transition, in the same transaction, chained by hashes.

Each row's hash covers the row before it, so an edited or missing row breaks the chain from there
on. Rows hold person ids; names live in ``people`` and can be erased.

After a break that a human has seen the chain starts anew: that row begins from nothing and says so,
and what stands before it is kept as it was accepted: the new row holds a digest of it.

Invariant: a broken chain never stops a trip; a row is appended whatever the head says.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Row

from killswitch.store.schema import audit, audit_head

MACHINE = "machine"
RESTARTED = "audit.restarted"
GENESIS = "0" * 64


@dataclass(frozen=True, slots=True)
class Entry:
    """One thing that happened, before it has its place in the chain."""

    event: str
    subject: str
    actor: str = MACHINE
    data: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Verdict:
    """
    What a check of the chain found.

    ``unread`` says that it could not be checked to its end: nothing was found broken.
    """

    ok: bool
    rows: int
    broken_at: int | None = None
    why: str | None = None
    unread: bool = False


@dataclass(frozen=True, slots=True)
class Break:
    """
    A break that a human has accepted by a resume, and where the chain began anew after it.

    Attributes:
        row: The first row that does not hold; None where the rows themselves did.
        why: What is wrong there; without a row, what the new start says of itself.
        start: The row with which the chain began anew.
        by: Id of the person who accepted it.
        at: When.
    """

    row: int | None
    why: str
    start: int
    by: str
    at: datetime


class Past:
    """
    A digest of every row up to one, broken or not, made in portions.

    Attributes:
        seq: The last row that it covers.
    """

    def __init__(self) -> None:
        """Begin with no row."""
        self.seq = 0
        self._digest = hashlib.sha256()

    def add(self, row: Row[Any]) -> None:
        """Cover one more row: what it says, and the hash that stands beside it."""
        self.seq = row.seq
        self._digest.update(f"{_hash(row._asdict())} {row.hash}\n".encode())

    def hex(self) -> str:
        """Return the digest, SHA-256 in hexadecimal digits."""
        return self._digest.hexdigest()


@dataclass(frozen=True, slots=True)
class Place:
    """
    How far a slow check has come: the last row found good, and where its chain began.

    Attributes:
        past: The rows before that beginning, as far as they are read.
    """

    start: int
    seq: int
    hash: str
    past: Past = field(default_factory=Past, compare=False)


def record(conn: Connection, *entries: Entry, now: datetime) -> None:
    """Append entries to the chain; the caller's transaction carries them."""
    if not entries:
        return
    seq, previous = _head(conn)
    rows = []
    for entry in entries:
        seq += 1
        row = {
            "seq": seq,
            "at": now,
            "actor": entry.actor,
            "event": entry.event,
            "subject": entry.subject,
            "data": json.dumps(entry.data or {}, sort_keys=True, ensure_ascii=False),
            "prev": previous,
        }
        previous = row["hash"] = _hash(row)
        rows.append(row)
    conn.execute(sa.insert(audit), rows)
    conn.execute(sa.update(audit_head).where(audit_head.c.id == 1).values(seq=seq, hash=previous))


def _head(conn: Connection) -> tuple[int, str]:
    """Lock the head and return where the next row goes, behind every row that is there."""
    statement = sa.select(audit_head.c.seq, audit_head.c.hash).where(audit_head.c.id == 1)
    row = conn.execute(statement.with_for_update()).one_or_none()
    top = _top(conn)
    if row is None:
        conn.execute(sa.insert(audit_head).values(id=1, seq=top, hash=GENESIS))
        return top, GENESIS
    return max(row.seq, top), row.hash


def head(conn: Connection) -> tuple[int, str]:
    """Return number and hash of the newest row; an empty chain has number 0."""
    statement = sa.select(audit.c.seq, audit.c.hash).order_by(audit.c.seq.desc()).limit(1)
    row = conn.execute(statement).first()
    return (row.seq, row.hash) if row else (0, GENESIS)


def hash_of(conn: Connection, seq: int) -> str | None:
    """Return the hash of one row, or None where there is no such row."""
    if seq == 0:
        return GENESIS
    return conn.execute(sa.select(audit.c.hash).where(audit.c.seq == seq)).scalar()


def _top(conn: Connection) -> int:
    return conn.execute(sa.select(sa.func.max(audit.c.seq))).scalar() or 0


def _hash(row: Mapping[str, Any]) -> str:
    at: datetime = row["at"]
    parts = [
        str(row["seq"]),
        at.isoformat(timespec="microseconds"),
        row["actor"],
        row["event"],
        row["subject"],
        row["data"],
        row["prev"],
    ]
    return hashlib.sha256(json.dumps(parts, ensure_ascii=False).encode()).hexdigest()


def verify(conn: Connection, *, last: int | None = None) -> Verdict:
    """
    Check the chain.

    Args:
        conn: A read transaction.
        last: Check only this many newest rows (the start-up check), or all.
    """
    head = conn.execute(sa.select(audit_head).where(audit_head.c.id == 1)).one_or_none()
    top = _top(conn)
    if head is None:
        why = "the head of the chain is missing" if top else None
        return Verdict(ok=not top, rows=0, broken_at=top or None, why=why)
    start = _newest_start(conn)
    if last is None and (why := _changed_past(conn, read_past(conn, before=start), start)):
        return Verdict(ok=False, rows=0, broken_at=start, why=why)
    first = start if last is None else max(start, head.seq - last + 1)
    return _follow(conn, first, start=start, head=head)


def read_past(conn: Connection, past: Past | None = None, *, before: int | None = None) -> Past:
    """
    Read the rows of the past.

    Args:
        conn: A read transaction.
        past: What is read already; it is carried on.
        before: End at this row, without it; or read all that is there.
    """
    past = past or Past()
    statement = sa.select(audit).where(audit.c.seq > past.seq).order_by(audit.c.seq)
    if before is not None:
        statement = statement.where(audit.c.seq < before)
    with conn.execute(statement.execution_options(yield_per=1000)) as found:
        for row in found:
            past.add(row)
    return past


def _changed_past(conn: Connection, past: Past, start: int) -> str | None:
    """Say what is wrong where the rows before a start are not those that a human accepted."""
    row = conn.execute(sa.select(audit).where(audit.c.seq == start)).one_or_none()
    # Starts that were written before 2026-11 hold no digest.
    accepted = None if row is None or row.event != RESTARTED else _said_of(row)
    if accepted in {None, past.hex()}:
        return None
    return f"a row before row {start} was changed after it was accepted there"


def _said_of(start: Row[Any]) -> str | None:
    """Return the digest that a start holds; a start that can't be read is told by its own hash."""
    try:
        return data_of(start).get("before")
    except (ValueError, AttributeError):
        return None


def breaks(conn: Connection) -> list[Break]:
    """
    List what was broken before the chain began anew, oldest first: it was seen, not mended.

    Args:
        conn: A read transaction.
    """
    found, first = [], 1
    for start in conn.execute(_starts().order_by(audit.c.seq)).all():
        row, why = _first_broken(conn, first, before=start.seq)
        why = why or str(data_of(start).get("why"))
        found.append(Break(row, why, start.seq, by=start.actor, at=start.at))
        first = start.seq
    return found


def _first_broken(conn: Connection, first: int, *, before: int) -> tuple[int | None, str]:
    """Find the first row of an older chain that does not hold; None where all of them do."""
    statement = sa.select(audit).where(audit.c.seq >= first, audit.c.seq < before)
    previous, expected = GENESIS, first
    with conn.execute(statement.order_by(audit.c.seq).execution_options(yield_per=1000)) as found:
        for row in found:
            why = _broken(row, previous, expected)
            if why:
                return min(row.seq, expected), why
            previous, expected = row.hash, row.seq + 1
    return (expected, f"row {expected} is missing") if expected != before else (None, "")


def verify_next(
    conn: Connection, after: Place | None, *, most: int
) -> tuple[Verdict, Place | None]:
    """
    Check the next rows of the whole chain, for a check that takes its time.

    Args:
        conn: A read transaction.
        after: Where the last call ended; None at the beginning.
        most: Check at most so many rows.

    Returns:
        What was found, and where to go on; None when this check has ended. That the newest rows
        are there is for ``verify`` to say.
    """
    if after is None:
        after = Place(_newest_start(conn), 0, GENESIS)
    count = 0
    for row in rows(conn, after=max(after.seq, after.past.seq), limit=most):
        count += 1
        if row.seq < after.start:
            after.past.add(row)
            continue
        why = _changed_past(conn, after.past, row.seq) if row.seq == after.start else None
        expected = max(after.seq + 1, after.start)
        why = why or _broken(row, after.hash, expected)
        if why:
            # Begun anew since: a human has seen what was before, and the next check begins there.
            known = _newest_start(conn) != after.start
            return Verdict(ok=known, rows=count - 1, broken_at=row.seq, why=why), None
        after = Place(after.start, row.seq, row.hash, after.past)
    return Verdict(ok=True, rows=count), after if count == most else None


def _starts() -> sa.Select[Any]:
    """Select the rows with which the chain began anew."""
    return sa.select(audit).where(audit.c.event == RESTARTED, audit.c.prev == GENESIS)


def _newest_start(conn: Connection) -> int:
    """Return the row at which the chain begins: the first, or the newest restart."""
    newest = _starts().with_only_columns(sa.func.max(audit.c.seq))
    return conn.execute(newest).scalar() or 1


def _follow(conn: Connection, first: int, *, start: int, head: Row[Any]) -> Verdict:
    statement = sa.select(audit).where(audit.c.seq >= first).order_by(audit.c.seq)
    count, expected = 0, first
    # Without its beginning, the first row that is looked at is believed about the one before it.
    previous = GENESIS if first == start else None
    with conn.execute(statement.execution_options(yield_per=1000)) as found:
        for row in found:
            why = _broken(row, previous, expected)
            if why:
                return Verdict(ok=False, rows=count, broken_at=row.seq, why=why)
            count, previous, expected = count + 1, row.hash, row.seq + 1
    if expected != head.seq + 1 or previous not in {head.hash, None}:
        return Verdict(ok=False, rows=count, broken_at=expected, why="the newest rows are missing")
    return Verdict(ok=True, rows=count)


def _broken(row: Row[Any], previous: str | None, expected: int) -> str | None:
    if row.seq != expected:
        return f"row {expected} is missing"
    if previous is not None and row.prev != previous:
        return f"row {row.seq} does not follow the row before it"
    if row.hash != _hash(row._asdict()):
        return f"row {row.seq} was changed"
    return None


def restart(
    conn: Connection, *, actor: str, why: str, now: datetime, past: Past | None = None
) -> None:
    """
    Begin the chain anew after a break that a human has seen; old rows stay as they are.

    Args:
        conn: A write transaction.
        actor: Who has seen it.
        why: What the new start says of itself.
        now: The instant.
        past: What was read of the old rows before, so that few are read in this transaction.
    """
    seq, _ = _head(conn)
    conn.execute(sa.update(audit_head).where(audit_head.c.id == 1).values(seq=seq, hash=GENESIS))
    before = read_past(conn, past).hex()
    record(conn, Entry(RESTARTED, "audit", actor, {"why": why, "before": before}), now=now)


def rows(
    conn: Connection, *, subject: str | None = None, after: int = 0, limit: int = 100
) -> list[Row[Any]]:
    """Return audit rows, oldest first."""
    statement = sa.select(audit).where(audit.c.seq > after).order_by(audit.c.seq).limit(limit)
    if subject is not None:
        statement = statement.where(audit.c.subject == subject)
    return list(conn.execute(statement))


def actors(conn: Connection, event: str, subject: str) -> set[str]:
    """Return who ever did this to a subject."""
    statement = sa.select(audit.c.actor).where(audit.c.subject == subject, audit.c.event == event)
    return set(conn.execute(statement).scalars())


def data_of(row: Row[Any]) -> dict[str, Any]:
    """Return the data of an audit row."""
    found: dict[str, Any] = json.loads(row.data)
    return found


def between(conn: Connection, event: str, *, start: datetime, end: datetime) -> list[Row[Any]]:
    """Return the audit rows of one event between two instants, oldest first."""
    statement = sa.select(audit).where(
        audit.c.event == event, audit.c.at >= start, audit.c.at <= end
    )
    return list(conn.execute(statement.order_by(audit.c.seq)))
