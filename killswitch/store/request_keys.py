"""Request keys: an unsafe call that is repeated with its key has its effect once."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from killswitch.errors import StoreBusyError
from killswitch.store.engine import insert_new
from killswitch.store.schema import request_keys

KEPT = timedelta(days=1)
"""How long a key is remembered: a client repeats within seconds, a script perhaps within hours."""
KEPT_MOST = 10_000
"""With more keys than these only what is younger than ``REPEATED`` is kept for sure."""
REPEATED = timedelta(minutes=10)


def known(conn: Connection, key: str) -> bool:
    """Say whether a request with this key was carried out."""
    found = conn.execute(sa.select(request_keys.c.key).where(request_keys.c.key == key))
    return found.first() is not None


def answer(conn: Connection, key: str) -> Any | None:
    """Return the answer that the key got, or None."""
    return conn.execute(sa.select(request_keys.c.answer).where(request_keys.c.key == key)).scalar()


def record(conn: Connection, key: str, said: Any, *, now: datetime) -> None:
    """
    Remember the answer of a key.

    Raises:
        StoreBusyError: The same request is being carried out at this moment; roll back, and the
            next try finds its answer.
    """
    if not insert_new(conn, request_keys, {"key": key, "at": now, "answer": said}):
        raise StoreBusyError("request_twice", "this request is being carried out already")


def correct(conn: Connection, key: str, said: Any) -> None:
    """Replace the answer of a key that is remembered."""
    conn.execute(sa.update(request_keys).where(request_keys.c.key == key).values(answer=said))


def forget(conn: Connection, *, now: datetime, limit: int = 200) -> int:
    """
    Drop keys that no client repeats any more, a few at a time; return how many.

    Args:
        conn: A write transaction.
        now: Aware UTC.
        limit: Most to drop.
    """
    counted = conn.execute(sa.select(sa.func.count()).select_from(request_keys)).scalar_one()
    before = now - (REPEATED if counted > KEPT_MOST else KEPT)
    old = sa.select(request_keys.c.key).where(request_keys.c.at < before)
    old = old.order_by(request_keys.c.at).limit(limit)
    return conn.execute(sa.delete(request_keys).where(request_keys.c.key.in_(old))).rowcount
