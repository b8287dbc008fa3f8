"""Times as they travel: ISO 8601 UTC with ``Z``, and nothing else."""

from __future__ import annotations

from datetime import UTC, datetime


def z_time(instant: datetime) -> str:
    """
    Write an instant as ISO 8601 UTC with ``Z``; microseconds only where there are any.

    Raises:
        ValueError: The instant is naive; which moment it means is not known.
    """
    if instant.tzinfo is None:
        raise ValueError("a naive time can't be written")
    return instant.astimezone(UTC).isoformat().replace("+00:00", "Z")


def z_or_none(instant: datetime | None) -> str | None:
    """Write an instant as ``z_time`` does, and nothing as None."""
    return None if instant is None else z_time(instant)


def read_time(text: str) -> datetime:
    """
    Read a time of the wire back as an aware UTC instant.

    Raises:
        ValueError: The text is not ISO 8601 or says no offset.
    """
    instant = datetime.fromisoformat(text)
    if instant.tzinfo is None:
        raise ValueError(f"{text!r} says no offset")
    return instant.astimezone(UTC)
