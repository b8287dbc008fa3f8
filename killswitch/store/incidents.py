"""Incidents: the record of one pause from its first headline to its resume."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Row

from killswitch.store.ids import new_id
from killswitch.store.schema import incidents, notices


def begin(
    conn: Connection,
    *,
    title: str,
    kind: str,
    story: str | None,
    first_headline_at: datetime | None,
    detected_at: datetime | None,
    now: datetime,
) -> str:
    """Open an incident; the trip's transaction carries it."""
    incident = new_id("i")
    conn.execute(
        sa.insert(incidents).values(
            id=incident,
            title=title,
            kind=kind,
            story=story,
            first_headline_at=first_headline_at,
            detected_at=detected_at,
            tripped_at=now,
            accepted_at=now,
        )
    )
    return incident


def name_story(
    conn: Connection,
    incident: str,
    *,
    title: str,
    story: str,
    first_headline_at: datetime | None,
    detected_at: datetime,
) -> None:
    """Write down the story of a pause that began without one."""
    conn.execute(
        sa.update(incidents)
        .where(incidents.c.id == incident, incidents.c.story.is_(None))
        .values(
            story=story,
            title=title,
            first_headline_at=first_headline_at,
            detected_at=detected_at,
        )
    )


def note_time(conn: Connection, incident: str, column: str, at: datetime) -> None:
    """Write one of the incident's times, the first time only."""
    conn.execute(
        sa.update(incidents)
        .where(incidents.c.id == incident, incidents.c[column].is_(None))
        .values({column: at})
    )


def note_ack(conn: Connection, incident: str, *, by: str, now: datetime) -> None:
    """Write down who took it."""
    conn.execute(
        sa.update(incidents)
        .where(incidents.c.id == incident, incidents.c.acked_at.is_(None))
        .values(acked_at=now, acked_by=by)
    )


def end(
    conn: Connection, incident: str, *, by: str, reason: str, outcome: str, now: datetime
) -> None:
    """Close an incident: ``resumed`` or ``dismissed``."""
    conn.execute(
        sa.update(incidents)
        .where(incidents.c.id == incident, incidents.c.resumed_at.is_(None))
        .values(resumed_at=now, resumed_by=by, resume_reason=reason, outcome=outcome)
    )


def first_notice_at(conn: Connection, incident: Row[Any]) -> datetime | None:
    """Return when the first notice of an incident was accepted by an address."""
    told = sa.select(sa.func.min(notices.c.first_accepted_at, type_=notices.c.created_at.type))
    statement = told.where(
        notices.c.kind.in_(["paused", "blind", "worsening"]),
        notices.c.created_at >= incident.tripped_at,
    )
    if incident.resumed_at is not None:
        statement = statement.where(notices.c.created_at < incident.resumed_at)
    return conn.execute(statement).scalar()


def get(conn: Connection, incident: str) -> Row[Any] | None:
    """Return one incident."""
    return conn.execute(sa.select(incidents).where(incidents.c.id == incident)).one_or_none()


def newest(conn: Connection, *, limit: int) -> list[Row[Any]]:
    """Return incidents, newest first."""
    statement = sa.select(incidents).order_by(incidents.c.tripped_at.desc()).limit(limit)
    return list(conn.execute(statement))


def matching(conn: Connection, prefix: str) -> list[Row[Any]]:
    """Return incidents whose id begins so."""
    statement = sa.select(incidents).where(incidents.c.id.startswith(prefix, autoescape=True))
    return list(conn.execute(statement.limit(2)))
