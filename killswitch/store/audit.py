"""
The audit trail: one row a transition, in the same transaction, chained by hashes.

Each row's hash covers the row before it, so an edited or missing row breaks the chain from there
on. Rows hold person ids; names live in ``people`` and can be erased.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Row

from killswitch.store.schema import audit, audit_head

MACHINE = "machine"
_GENESIS = "0" * 64


@dataclass(frozen=True, slots=True)
class Entry:
    """One thing that happened, before it has its place in the chain."""

    event: str
    subject: str
    actor: str = MACHINE
    data: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a check of the chain found."""

    ok: bool
    rows: int
    broken_at: int | None = None
    why: str | None = None


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
    statement = sa.select(audit_head.c.seq, audit_head.c.hash).where(audit_head.c.id == 1)
    row = conn.execute(statement.with_for_update()).one_or_none()
    if row is None:
        conn.execute(sa.insert(audit_head).values(id=1, seq=0, hash=_GENESIS))
        return 0, _GENESIS
    return row.seq, row.hash


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
    head = conn.execute(sa.select(audit_head)).one_or_none()
    if head is None:
        return Verdict(ok=True, rows=0)
    statement = sa.select(audit).order_by(audit.c.seq)
    if last is not None:
        statement = statement.where(audit.c.seq > head.seq - last)
    count, previous, expected = 0, None, None
    for row in conn.execute(statement.execution_options(yield_per=1000)):
        why = _broken(row, previous, expected)
        if why:
            return Verdict(ok=False, rows=count, broken_at=row.seq, why=why)
        count, previous, expected = count + 1, row.hash, row.seq + 1
    if head.seq and (expected != head.seq + 1 or previous != head.hash):
        return Verdict(ok=False, rows=count, broken_at=expected, why="the newest rows are missing")
    return Verdict(ok=True, rows=count)


def _broken(row: Row[Any], previous: str | None, expected: int | None) -> str | None:
    if expected is None:
        expected = row.seq
        previous = row.prev if row.seq > 1 else _GENESIS
    if row.seq != expected:
        return f"row {expected} is missing"
    if row.prev != previous:
        return f"row {row.seq} does not follow the row before it"
    if row.hash != _hash(row._asdict()):
        return f"row {row.seq} was changed"
    return None


def restart(conn: Connection, *, actor: str, why: str, now: datetime) -> None:
    """Begin the chain anew after a break that a human has seen; old rows stay as they are."""
    top = conn.execute(sa.select(sa.func.max(audit.c.seq))).scalar() or 0
    conn.execute(sa.update(audit_head).where(audit_head.c.id == 1).values(seq=top, hash=_GENESIS))
    record(conn, Entry("audit.restarted", "audit", actor, {"why": why}), now=now)


def rows(
    conn: Connection, *, subject: str | None = None, after: int = 0, limit: int = 100
) -> list[Row[Any]]:
    """Return audit rows, oldest first."""
    statement = sa.select(audit).where(audit.c.seq > after).order_by(audit.c.seq).limit(limit)
    if subject is not None:
        statement = statement.where(audit.c.subject == subject)
    return list(conn.execute(statement))


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
