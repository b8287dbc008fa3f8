"""
The pause in the store: the latch row, its causes, the seal.

Every function that decides on sending or pausing locks the latch row first, so a gate's intent
either commits before a trip (and the seal waits for it) or starts after it (and sees the cause).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Row

from killswitch.latch import FROM_NEWS, Cause, CauseKind, Latch
from killswitch.store import audit
from killswitch.store.audit import Entry
from killswitch.store.engine import insert_new
from killswitch.store.ids import new_id
from killswitch.store.schema import causes, latch

QUEUE = "main"


@dataclass(frozen=True, slots=True)
class NewCause:
    """
    A cause about to be opened; the same (kind, ref) while one is open only adds evidence.

    Attributes:
        since: When somebody asked for it, where that was before anybody could write it down.
    """

    kind: CauseKind
    ref: str
    reason: str
    by: str = audit.MACHINE
    evidence: Sequence[Mapping[str, Any]] = ()
    review_at: datetime | None = None
    rule: str | None = None
    since: datetime | None = None


def lock(conn: Connection, *, share: bool = False) -> Latch:
    """Lock the latch row (for reading by a gate: ``share``) and return the pause."""
    statement = sa.select(latch).where(latch.c.queue == QUEUE).with_for_update(read=share)
    return _latch(conn, conn.execute(statement).one())


def read(conn: Connection) -> Latch:
    """Return the pause without locking; for showing, never for deciding."""
    return _latch(conn, conn.execute(sa.select(latch).where(latch.c.queue == QUEUE)).one())


def create(conn: Connection) -> None:
    """Write the latch row of a new store, unless a start that was cut short wrote it already."""
    insert_new(conn, latch, {"queue": QUEUE, "version": 1})


def _latch(conn: Connection, row: Row[Any]) -> Latch:
    found = conn.execute(
        sa.select(causes)
        .where(causes.c.queue == QUEUE, causes.c.closed_at.is_(None))
        .order_by(causes.c.opened_at, causes.c.id)
    )
    return Latch(
        version=row.version,
        causes=tuple(cause_of(cause) for cause in found),
        sealed_at=row.sealed_at if row.sealed_version == row.version else None,
        paused_at=row.paused_at,
        resumed_at=row.resumed_at,
        incident=row.incident,
    )


def cause_of(row: Row[Any]) -> Cause:
    """Build the value from a row of causes."""
    return Cause(
        id=row.id,
        kind=CauseKind(row.kind),
        ref=row.ref,
        reason=row.reason,
        since=row.opened_at,
        by=row.opened_by,
        version=row.opened_version,
        evidence=tuple(row.evidence),
        review_at=row.review_at,
        incident=row.incident,
        rule=row.rule,
    )


def open_cause(
    conn: Connection, locked: Latch, new: NewCause, *, incident: str, now: datetime
) -> tuple[Cause, bool]:
    """
    Open a cause under the locked latch, or add its evidence to the one that is open.

    Returns:
        The open cause, and whether it is new (then the version has grown by one).
    """
    known = next((c for c in locked.causes if (c.kind, c.ref) == (new.kind, new.ref)), None)
    if known is not None:
        return _add_evidence(conn, known, new), False
    cause_id = new_id("c")
    version = locked.version + 1
    conn.execute(
        sa.insert(causes).values(
            id=cause_id,
            queue=QUEUE,
            kind=new.kind.value,
            ref=new.ref,
            reason=new.reason,
            rule=new.rule,
            evidence=list(new.evidence),
            opened_at=new.since or now,
            opened_by=new.by,
            opened_version=version,
            review_at=new.review_at,
            incident=incident,
        )
    )
    values = _next_version(locked, version)
    if not locked.paused:
        values |= {"paused_at": new.since or now, "incident": incident}
    conn.execute(sa.update(latch).where(latch.c.queue == QUEUE).values(**values))
    audit.record(
        conn,
        Entry(
            "cause.opened",
            cause_id,
            new.by,
            {"kind": new.kind.value, "ref": new.ref, "reason": new.reason, "version": version},
        ),
        now=now,
    )
    cause = Cause(
        id=cause_id,
        kind=new.kind,
        ref=new.ref,
        reason=new.reason,
        since=now,
        by=new.by,
        version=version,
        evidence=tuple(new.evidence),
        review_at=new.review_at,
        incident=incident,
        rule=new.rule,
    )
    return cause, True


def _next_version(locked: Latch, version: int) -> dict[str, Any]:
    """Count the version up; a seal stays one, for nothing can start while a cause is open."""
    if locked.paused and locked.sealed_at is not None:
        return {"version": version, "sealed_version": version}
    return {"version": version, "sealed_version": None, "sealed_at": None}


def _add_evidence(conn: Connection, known: Cause, new: NewCause) -> Cause:
    urls = {entry.get("url") or entry.get("title") for entry in known.evidence}
    more = [e for e in new.evidence if (e.get("url") or e.get("title")) not in urls]
    if more:
        conn.execute(
            sa.update(causes)
            .where(causes.c.id == known.id)
            .values(evidence=[*known.evidence, *more])
        )
    return known


def close_causes(
    conn: Connection,
    locked: Latch,
    ids: Collection[str],
    *,
    by: str,
    reason: str,
    now: datetime,
) -> int:
    """Close causes under the locked latch; return the new version."""
    version = locked.version + 1
    conn.execute(
        sa.update(causes)
        .where(causes.c.id.in_(ids), causes.c.closed_at.is_(None))
        .values(closed_at=now, closed_by=by, close_reason=reason)
    )
    values = _next_version(locked, version)
    if len(ids) == len(locked.causes):
        values |= {"paused_at": None, "resumed_at": now, "incident": None}
        values |= {"sealed_version": None, "sealed_at": None}
    conn.execute(sa.update(latch).where(latch.c.queue == QUEUE).values(**values))
    data = {"reason": reason, "version": version}
    entries = [Entry("cause.closed", cause, by, data) for cause in sorted(ids)]
    audit.record(conn, *entries, now=now)
    return version


def seal(
    conn: Connection, locked: Latch, *, uncertain: Sequence[str], at: datetime, now: datetime
) -> None:
    """
    Write down that nothing is on the wire under this version; void at the next change.

    Args:
        conn: A write transaction.
        locked: The latch that is sealed.
        uncertain: Ids of deliveries that may have gone out.
        at: Since when nothing is on the wire (aware UTC).
        now: Aware UTC instant at which this is written down.
    """
    conn.execute(
        sa.update(latch)
        .where(latch.c.queue == QUEUE, latch.c.version == locked.version)
        .values(sealed_version=locked.version, sealed_at=at)
    )
    audit.record(
        conn,
        Entry(
            "pause.sealed",
            QUEUE,
            audit.MACHINE,
            {"version": locked.version, "uncertain": list(uncertain)},
        ),
        now=now,
    )


def stories_that_paused(conn: Connection) -> frozenset[str]:
    """Return the ids of all stories that ever opened a cause, by themselves or by a worsening."""
    kinds = [kind.value for kind in FROM_NEWS]
    refs = conn.execute(sa.select(causes.c.ref).where(causes.c.kind.in_(kinds)))
    return frozenset(ref.partition(":")[0] for ref in refs.scalars())


def last_closed(conn: Connection, refs: Sequence[tuple[CauseKind, str]]) -> Row[Any] | None:
    """Return the newest closed cause among these (kind, ref), or None."""
    pairs = [(kind.value, ref) for kind, ref in refs]
    statement = sa.select(causes).where(
        sa.tuple_(causes.c.kind, causes.c.ref).in_(pairs), causes.c.closed_at.is_not(None)
    )
    return conn.execute(statement.order_by(causes.c.opened_at.desc()).limit(1)).first()


def due_reviews(conn: Connection, *, now: datetime) -> list[Cause]:
    """Return open causes whose reminder time has come and was not told yet."""
    found = conn.execute(
        sa.select(causes).where(
            causes.c.closed_at.is_(None), causes.c.reviewed_at.is_(None), causes.c.review_at <= now
        )
    )
    return [cause_of(row) for row in found]


def mark_reviewed(conn: Connection, ids: Collection[str], *, now: datetime) -> None:
    """Remember that people were reminded."""
    conn.execute(sa.update(causes).where(causes.c.id.in_(ids)).values(reviewed_at=now))


def causes_of(conn: Connection, incident: str) -> list[Row[Any]]:
    """Return every cause of an incident, oldest first."""
    statement = sa.select(causes).where(causes.c.incident == incident)
    return list(conn.execute(statement.order_by(causes.c.opened_at)))
