"""Single facts about the store: when it was made, the last good sight, the high-water mark."""

from __future__ import annotations

from datetime import UTC, datetime

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from killswitch.store.schema import facts


def get(conn: Connection, key: str) -> str | None:
    """Return the fact, or None."""
    return conn.execute(sa.select(facts.c.value).where(facts.c.key == key)).scalar()


def put(conn: Connection, key: str, value: str) -> None:
    """Write the fact, whether it is there or not."""
    done = conn.execute(sa.update(facts).where(facts.c.key == key).values(value=value))
    if done.rowcount == 0:
        conn.execute(sa.insert(facts).values(key=key, value=value))


def drop(conn: Connection, key: str) -> None:
    """Forget the fact."""
    conn.execute(sa.delete(facts).where(facts.c.key == key))


def like(conn: Connection, prefix: str) -> dict[str, str]:
    """Return all facts whose key begins with ``prefix``."""
    rows = conn.execute(sa.select(facts).where(facts.c.key.startswith(prefix, autoescape=True)))
    return {row.key: row.value for row in rows}


def get_time(conn: Connection, key: str) -> datetime | None:
    """Return a fact that is an instant (aware UTC), or None."""
    value = get(conn, key)
    return None if value is None else datetime.fromisoformat(value).astimezone(UTC)


def put_time(conn: Connection, key: str, value: datetime) -> None:
    """Write a fact that is an instant."""
    put(conn, key, value.astimezone(UTC).isoformat())


def next_number(conn: Connection, key: str) -> int:
    """Count a fact up by one and return the new number."""
    number = int(get(conn, key) or "0") + 1
    put(conn, key, str(number))
    return number
