"""Channels that wait: after a 401, 403 or 429 the whole account holds still for a while."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Row

from killswitch.store.schema import channel_state


def wait(conn: Connection, channel: str, *, until: datetime, why: str) -> None:
    """Let a channel wait until an instant."""
    values = {"waits_until": until, "why": why}
    done = conn.execute(
        sa.update(channel_state).where(channel_state.c.channel == channel).values(**values)
    )
    if done.rowcount == 0:
        conn.execute(sa.insert(channel_state).values(channel=channel, **values))


def lift(conn: Connection, channel: str) -> None:
    """Let a channel go on."""
    conn.execute(sa.delete(channel_state).where(channel_state.c.channel == channel))


def waiting(conn: Connection, *, now: datetime) -> dict[str, Row[Any]]:
    """Return the channels that wait, by name."""
    found = conn.execute(sa.select(channel_state).where(channel_state.c.waits_until > now))
    return {row.channel: row for row in found}
