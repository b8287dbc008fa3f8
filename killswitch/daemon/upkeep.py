"""Keep the store small: forget what nobody needs any more, a few rows at a time."""

from __future__ import annotations

from datetime import datetime, timedelta

from killswitch.store import news, request_keys
from killswitch.store.engine import Store


def forget_old(store: Store, *, now: datetime, keep: timedelta) -> None:
    """
    Forget some old items and request keys; each in a short transaction of its own.

    Args:
        store: The store.
        now: Aware UTC, from a clock that is proven: a wrong one would forget what is news.
        keep: How long items are kept (``watch.keep``).
    """
    with store.write() as conn:
        news.prune(conn, before=now - keep)
    with store.write() as conn:
        request_keys.forget(conn, now=now)
