"""
The same request key has its effect once: a repeated call gets the answer of the first.

A key is remembered together with who used it and for what, so that two people who both choose
``"1"`` never get each other's answers.
"""

from __future__ import annotations

import hashlib
from datetime import datetime
from typing import Any

from killswitch.store import request_keys
from killswitch.store.engine import Connection
from killswitch.wire import Caller


def answered(conn: Connection, what: str, caller: Caller) -> Any | None:
    """Return the answer that this call got before, or None."""
    key = _key(what, caller)
    return request_keys.answer(conn, key) if key else None


def remember(conn: Connection, what: str, caller: Caller, answer: object, *, now: datetime) -> None:
    """
    Remember the answer of a call in the transaction of its effect.

    Raises:
        StoreBusyError: The same call is being carried out at this moment; nothing was written.
    """
    key = _key(what, caller)
    if key:
        request_keys.record(conn, key, answer, now=now)


def correct(conn: Connection, what: str, caller: Caller, answer: object) -> None:
    """Replace a remembered answer once it is known exactly."""
    key = _key(what, caller)
    if key:
        request_keys.correct(conn, key, answer)


def _key(what: str, caller: Caller) -> str | None:
    if caller.request_key is None:
        return None
    parts = f"{what}\n{caller.uid}\n{caller.request_key}"
    return hashlib.sha256(parts.encode()).hexdigest()
