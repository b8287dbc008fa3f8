"""
The outbox of notices: what people must be told, and how far the telling has come.

A notice is written in the transaction of what it tells about; the teller sends it afterwards, at
least once, to each address of its lists, in rounds (``store.tellings``).

Invariants:
    At most one notice of a (kind, ref) is not done.
    A row here has its effect at least once: only what an address accepted counts as told.

Facts of our own inside ``facts`` begin with ``_``: ``_from`` (not told before), ``_round_at``
(when the current round began), ``_refs`` (refs of the notices that joined).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Row

from killswitch.store.ids import new_id
from killswitch.store.schema import notices, tellings


class NoticeKind(StrEnum):
    """What there is to say; ``notify.texts`` knows the words of each."""

    PAUSED = "paused"
    SEALED = "sealed"
    WORSENING = "worsening"
    BLIND = "blind"
    HELD_LATE = "held_late"
    HELD_HORIZON = "held_horizon"
    UNCERTAIN = "uncertain"
    FAILED = "failed"
    STILL_PUBLIC = "still_public"
    SKIPPED_EXPIRED = "skipped_expired"
    RESUMED = "resumed"
    REVIEW = "review"
    DRILL = "drill"
    TEST = "test"
    REHEARSAL = "rehearsal"
    TOLD = "told"
    CHANNEL_WAITS = "channel_waits"
    DAEMON_FAULT = "daemon_fault"


@dataclass(frozen=True, slots=True)
class Manner:
    """
    How a kind is told unless its author says otherwise.

    Attributes:
        escalates: Goes out again, to one more list each time, until somebody acknowledges.
        loud: May wake somebody; in quiet hours a notice that is not loud always waits.
        joins: Several in a short time become one notice.
    """

    escalates: bool
    loud: bool
    joins: bool


MANNERS: Mapping[NoticeKind, Manner] = {
    NoticeKind.PAUSED: Manner(escalates=True, loud=True, joins=True),
    NoticeKind.SEALED: Manner(escalates=False, loud=True, joins=False),
    NoticeKind.WORSENING: Manner(escalates=True, loud=True, joins=True),
    NoticeKind.BLIND: Manner(escalates=True, loud=True, joins=True),
    NoticeKind.HELD_LATE: Manner(escalates=False, loud=False, joins=True),
    NoticeKind.HELD_HORIZON: Manner(escalates=False, loud=False, joins=True),
    NoticeKind.UNCERTAIN: Manner(escalates=True, loud=True, joins=True),
    NoticeKind.FAILED: Manner(escalates=False, loud=True, joins=True),
    NoticeKind.STILL_PUBLIC: Manner(escalates=False, loud=True, joins=True),
    NoticeKind.SKIPPED_EXPIRED: Manner(escalates=False, loud=False, joins=True),
    NoticeKind.RESUMED: Manner(escalates=False, loud=False, joins=False),
    NoticeKind.REVIEW: Manner(escalates=False, loud=True, joins=False),
    NoticeKind.DRILL: Manner(escalates=True, loud=True, joins=False),
    NoticeKind.TEST: Manner(escalates=False, loud=True, joins=False),
    NoticeKind.REHEARSAL: Manner(escalates=False, loud=False, joins=True),
    NoticeKind.TOLD: Manner(escalates=False, loud=False, joins=True),
    NoticeKind.CHANNEL_WAITS: Manner(escalates=False, loud=True, joins=True),
    NoticeKind.DAEMON_FAULT: Manner(escalates=True, loud=True, joins=True),
}

SPACING = timedelta(seconds=30)
"""Least time between the first tellings of two notices of one kind: a minute holds three."""
AT_ONCE = 3
"""
Pauses that are told at once in ``PACE``; only the next ones wait and join. A second story must not
wait for half a minute: it might be over by then, and nobody would have heard of it.
"""
PACE = timedelta(minutes=1)
_PAUSES = frozenset({NoticeKind.PAUSED, NoticeKind.WORSENING, NoticeKind.BLIND})
JOINED_KEPT = 20
"""Facts kept of the notices that joined; more are only counted, so that a row stays small."""
REFS_KEPT = 200
"""Refs remembered of the notices that joined, so that the same one joins once."""
AGES = ("_from", "_round_at")
"""Instants inside ``facts`` from which something counts."""
FAILING_WINDOW = timedelta(days=7)
"""An address that was not tried for so long says nothing about today."""


def add_notice(
    conn: Connection,
    *,
    kind: NoticeKind | str,
    ref: str,
    facts: Mapping[str, Any],
    now: datetime,
    escalates: bool | None = None,
    loud: bool | None = None,
) -> str:
    """
    Write that people must be told; the caller's transaction carries it.

    The same (kind, ref) is told once while it is not done. Notices of one kind that come before
    their turn (``SPACING``, of pauses ``AT_ONCE`` in ``PACE``) join one that has not gone out yet.

    Args:
        conn: The transaction of what is told about.
        kind: What there is to say.
        ref: What it is about: a cause, a delivery, a channel; at most 200 characters.
        facts: JSON object for the text; ``docs/notices.md`` lists the keys of each kind.
        now: Aware UTC instant.
        escalates: Overrides the manner of the kind: a pause by hand need not call anybody again.
        loud: Overrides the manner of the kind.

    Returns:
        The id of the notice that will tell it.

    Raises:
        ValueError: No such kind.
    """
    kind = NoticeKind(kind)
    manner = MANNERS[kind]
    escalates = manner.escalates if escalates is None else escalates
    loud = manner.loud if loud is None else loud
    same = undone(conn, notices.c.kind == kind, notices.c.ref == ref)
    if same:
        return str(same[0].id)
    starts = now
    if manner.joins:
        waiting = _waiting(conn, kind)
        if waiting is not None:
            return _join(conn, waiting, ref=ref, facts=facts, escalates=escalates, loud=loud)
        starts = max(now, _free_from(conn, kind, now=now))
    fresh = new_id("n")
    conn.execute(
        sa.insert(notices).values(
            id=fresh,
            kind=kind.value,
            ref=ref,
            facts={**facts, "_from": write_fact(starts)},
            created_at=now,
            escalates=escalates,
            loud=loud,
            level=0,
            next_at=starts,
        )
    )
    return fresh


def _waiting(conn: Connection, kind: NoticeKind) -> Row[Any] | None:
    """Find the newest notice of ``kind`` of which nothing has gone out yet."""
    tried = sa.select(tellings.c.notice).where(tellings.c.tries > 0)
    rows = undone(
        conn,
        notices.c.kind == kind,
        notices.c.acked_at.is_(None),
        notices.c.id.not_in(tried.where(tellings.c.notice == notices.c.id)),
    )
    return rows[0] if rows else None


def _join(
    conn: Connection,
    row: Row[Any],
    *,
    ref: str,
    facts: Mapping[str, Any],
    escalates: bool,
    loud: bool,
) -> str:
    if ref in row.facts.get("_refs", []):
        return str(row.id)
    known = taken_in(row.facts, refs=[ref], facts=[facts])
    conn.execute(
        sa.update(notices)
        .where(notices.c.id == row.id)
        .values(facts=known, escalates=row.escalates or escalates, loud=row.loud or loud)
    )
    return str(row.id)


def taken_in(
    known: Mapping[str, Any], *, refs: Iterable[str], facts: Iterable[Mapping[str, Any]]
) -> dict[str, Any]:
    """Return the facts of a notice that also tells what others would."""
    merged = dict(known)
    merged["_refs"] = [*known.get("_refs", []), *refs][-REFS_KEPT:]
    for one in facts:
        joined = merged.get("joined", [])
        if len(joined) < JOINED_KEPT:
            merged["joined"] = [*joined, dict(one)]
        else:
            merged["more"] = merged.get("more", 0) + 1
    return merged


def _free_from(conn: Connection, kind: NoticeKind, *, now: datetime) -> datetime:
    """Say from when another notice of ``kind`` may go out; a clock ahead does not delay it."""
    most, span = (AT_ONCE, PACE) if kind in _PAUSES else (1, SPACING)
    rows = conn.execute(
        sa.select(notices.c.facts, notices.c.created_at)
        .where(notices.c.kind == kind)
        .order_by(notices.c.created_at.desc())
        .limit(most)
    ).all()
    if len(rows) < most:
        return now
    began = min(read_fact(row.facts.get("_from")) or row.created_at for row in rows)
    return min(began, now) + span


# ---- what people and the daemon ask -------------------------------------------------------------


def ack_all(conn: Connection, *, by: str, now: datetime) -> int:
    """
    Stop the escalation of everything told so far; addresses not reached yet are still tried.

    Args:
        conn: A write transaction.
        by: Id of the person.
        now: Aware UTC instant.

    Returns:
        How many notices this answered.
    """
    done = conn.execute(
        sa.update(notices)
        .where(
            notices.c.done_at.is_(None),
            notices.c.acked_at.is_(None),
            notices.c.escalates.is_(sa.true()),
        )
        .values(acked_at=now, acked_by=by)
    )
    # One that has not begun its first round keeps its time: the news itself is still to be told.
    conn.execute(
        sa.update(notices)
        .where(
            notices.c.acked_at.isnot(None),
            notices.c.done_at.is_(None),
            sa.exists().where(tellings.c.notice == notices.c.id),
        )
        .values(next_at=None)
    )
    _settle_if(conn, notices.c.acked_at == now, now=now)
    return done.rowcount


def stand_down(conn: Connection, *, now: datetime) -> int:
    """
    Close the notices that call until an answer, because a resume has answered; say how many.

    What tells of single posts (uncertain, failed, held) is not about the pause and stays. So does
    a story that nobody has heard of yet: it is still told once, as something that is over.
    """
    kinds = (
        NoticeKind.PAUSED, NoticeKind.SEALED, NoticeKind.WORSENING, NoticeKind.BLIND,
        NoticeKind.REVIEW,
    )  # fmt: skip
    rows = undone(conn, notices.c.kind.in_([kind.value for kind in kinds]))
    over = [row for row in rows if not _is_untold_story(row)]
    for row in over:
        finish(conn, row.id, now=now)
    return len(over)


def _is_untold_story(row: Row[Any]) -> bool:
    told_of = [row.facts, *row.facts.get("joined", [])]
    return row.first_accepted_at is None and any(one.get("from_news") for one in told_of)


def latest_ack(conn: Connection, *, since: datetime) -> tuple[str, datetime] | None:
    """Return who acknowledged last (person id) and when, if it was after ``since``."""
    row = conn.execute(
        sa.select(notices.c.acked_by, notices.c.acked_at)
        .where(notices.c.acked_at >= since)
        .order_by(notices.c.acked_at.desc())
        .limit(1)
    ).first()
    return None if row is None else (row.acked_by, row.acked_at)


def first_accepted_at(conn: Connection, *refs: str) -> datetime | None:
    """Return when the first notice about any of ``refs`` was accepted by an address."""
    return conn.execute(
        sa.select(
            sa.func.min(notices.c.first_accepted_at, type_=notices.c.first_accepted_at.type)
        ).where(notices.c.ref.in_(refs))
    ).scalar()


def failing(conn: Connection, *, now: datetime) -> dict[str, str]:
    """Return the addresses whose latest try failed, with the reason of each."""
    rows = conn.execute(
        sa.select(tellings)
        .join(notices, notices.c.id == tellings.c.notice)
        .where(tellings.c.tries > 0, notices.c.created_at > now - FAILING_WINDOW)
        .order_by(notices.c.created_at.desc(), tellings.c.round.desc())
    )
    latest: dict[str, str | None] = {}
    for row in rows:
        if row.accepted_at is not None:
            latest.setdefault(row.address, None)
        elif row.problem is not None:
            latest.setdefault(row.address, row.problem)
    return {address: why for address, why in sorted(latest.items()) if why is not None}


def oldest_unaccepted_at(conn: Connection) -> datetime | None:
    """
    Return since when the oldest untold notice waits, for the cause ``notify``; None for none.

    A notice that quiet hours hold back waits from the moment at which it may go out; one that
    somebody acknowledged has reached a human.
    """
    rows = undone(conn, notices.c.first_accepted_at.is_(None), notices.c.acked_at.is_(None))
    since = [read_fact(row.facts.get("_from")) or row.created_at for row in rows]
    return min(since, default=None)


# ---- shared with the tellings -------------------------------------------------------------------


def undone(conn: Connection, *where: sa.ColumnElement[bool]) -> list[Row[Any]]:
    """Return the rows of notices that are not done, newest first."""
    query = sa.select(notices).where(notices.c.done_at.is_(None), *where)
    return list(conn.execute(query.order_by(notices.c.created_at.desc(), notices.c.id)))


def finish(conn: Connection, notice: str, *, now: datetime) -> None:
    """Close a notice: nothing more is told."""
    conn.execute(sa.update(notices).where(notices.c.id == notice).values(done_at=now, next_at=None))
    conn.execute(sa.update(tellings).where(tellings.c.notice == notice).values(next_at=None))


def settle(conn: Connection, notice: str, *, now: datetime) -> None:
    """Close a notice that neither calls again nor has an address left to try."""
    _settle_if(conn, notices.c.id == notice, now=now)


def _settle_if(conn: Connection, which: sa.ColumnElement[bool], *, now: datetime) -> None:
    open_telling = sa.exists().where(
        tellings.c.notice == notices.c.id,
        tellings.c.accepted_at.is_(None),
        tellings.c.next_at.isnot(None),
    )
    conn.execute(
        sa.update(notices)
        .where(which, notices.c.done_at.is_(None), notices.c.next_at.is_(None), ~open_telling)
        .values(done_at=now)
    )


def write_fact(instant: datetime) -> str:
    """Write an instant into ``facts``."""
    return instant.astimezone(UTC).isoformat()


def read_fact(text: str | None) -> datetime | None:
    """Read an instant out of ``facts``."""
    return None if text is None else datetime.fromisoformat(text).astimezone(UTC)
