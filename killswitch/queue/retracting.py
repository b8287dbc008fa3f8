"""When a network that did not say clearly whether it took a post down is asked once more."""

from __future__ import annotations

from datetime import datetime, timedelta

# The first ones soon, for people are reading it meanwhile; then as networks recover.
ASK_AGAIN = (
    timedelta(seconds=5),
    timedelta(seconds=15),
    timedelta(minutes=1),
    timedelta(minutes=5),
    timedelta(minutes=15),
    timedelta(hours=1),
)


def ask_again_at(tries: int, *, now: datetime, asked: timedelta | None = None) -> datetime | None:
    """
    Say when to ask again, or None when a human has to look.

    Args:
        tries: How often the network was asked so far, at least once.
        now: Aware UTC.
        asked: What the network asked us to wait, if it did.
    """
    if tries > len(ASK_AGAIN):
        return None
    return now + max(ASK_AGAIN[tries - 1], asked or timedelta(0))
