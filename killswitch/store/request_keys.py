"""Request keys: an unsafe call that is repeated with its key has its effect once."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from killswitch.errors import StoreBusyError
from killswitch.store.engine import insert_new
from killswitch.store.schema import request_keys


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


def forget(conn: Connection, *, before: datetime) -> None:
    """Drop keys older than any client retries."""
    conn.execute(sa.delete(request_keys).where(request_keys.c.at < before))
