"""
WHEN: a moment as people type it, resolved once, while the human is there to see the result.

``2026-03-29T10:00`` (no offset: the configured zone), ``2026-03-29T10:00+02:00``, ``now``,
``+90s``, ``+15m``, ``+2h``, ``+3d``.

Invariants:
    A wall time that a zone skips (a gap) is refused and both neighbours are offered; one that it
    passes twice (an overlap) is its first, and the note says so.
    The instant, the wall time and the zone travel together: a new zone table can be noticed.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from killswitch.errors import UsageError
from killswitch.queue.durations import parse_duration

FARTHEST = timedelta(days=3660)
"""Ten years ahead: beyond it sits a typing error."""
_FORMS = "write 2026-03-29T10:00, 2026-03-29T10:00+02:00, now, +90s, +15m, +2h or +3d"
_DATE_ONLY = 10


@dataclass(frozen=True, slots=True)
class When:
    """
    A resolved moment.

    Attributes:
        instant: Aware UTC.
        wall: Local time in ``zone``, ISO 8601 to the second.
        zone: Name of the zone.
        note: What people must know about it, or None.
    """

    instant: datetime
    wall: str
    zone: str
    note: str | None = None


def read_when(text: str, *, now: datetime, zone: str, past_ok: bool = False) -> When:
    """
    Resolve a WHEN.

    Args:
        text: As typed.
        now: Aware UTC instant of the command.
        zone: Configured zone, for a time without offset and for the wall time.
        past_ok: Take a moment that has passed.

    Raises:
        UsageError: Not a WHEN (``bad_time``), in a gap (``dst_gap``), passed (``past``), or more
            than ten years ahead (``far``).
    """
    tz = _zone(zone)
    typed = text.strip()
    note = None
    if typed.lower() == "now":
        instant = now
    elif typed.startswith("+"):
        instant = now + parse_duration(typed[1:])
    else:
        instant, note = _iso(typed, tz)
    _check_range(instant, now=now, tz=tz, past_ok=past_ok)
    return When(instant=instant, wall=wall_of(instant, zone=zone), zone=zone, note=note)


def wall_of(instant: datetime, *, zone: str) -> str:
    """Write the local time of an instant in a zone, ISO 8601 to the second, without offset."""
    local = instant.astimezone(_zone(zone))
    return local.replace(tzinfo=None, microsecond=0).isoformat()


def shown(instant: datetime, *, zone: str) -> str:
    """Write an instant as people read it in a message: local date, time and zone."""
    return f"{instant.astimezone(_zone(zone)):%Y-%m-%d %H:%M:%S %Z}"


def _iso(typed: str, tz: ZoneInfo) -> tuple[datetime, str | None]:
    try:
        parsed = datetime.fromisoformat(typed)
    except ValueError as error:
        raise UsageError("bad_time", f"{typed[:40]!r} is not a time", _FORMS) from error
    if len(typed) <= _DATE_ONLY and ":" not in typed:
        raise UsageError(
            "bad_time", f"{typed!r} says the day but not the time", f"write {typed}T10:00"
        )
    if parsed.tzinfo is not None:
        return _utc(parsed, typed), None
    return _local(parsed, typed, tz)


def _local(naive: datetime, typed: str, tz: ZoneInfo) -> tuple[datetime, str | None]:
    first = naive.replace(tzinfo=tz, fold=0)
    second = naive.replace(tzinfo=tz, fold=1)
    early, late = _utc(first, typed), _utc(second, typed)
    if early == late:
        return early, None
    if early.astimezone(tz).replace(tzinfo=None) != naive:
        # The offsets before and after the gap: one lands before it, the other behind it.
        before, after = (one.astimezone(tz).isoformat() for one in (late, early))
        raise UsageError(
            "dst_gap",
            f"{typed} does not exist in {tz.key}: the clocks jump over it",
            f"take {before} or {after}",
        )
    return early, (
        f"{typed} comes twice in {tz.key}; the first one was taken, {first.isoformat()}: for the "
        f"second write {second.isoformat()}"
    )


def _utc(moment: datetime, typed: str) -> datetime:
    try:
        return moment.astimezone(UTC)
    except (OverflowError, ValueError) as error:
        raise UsageError("far", f"{typed[:40]!r} is outside the calendar", _FORMS) from error


def _check_range(instant: datetime, *, now: datetime, tz: ZoneInfo, past_ok: bool) -> None:
    if instant < now and not past_ok:
        shown = instant.astimezone(tz).isoformat(sep=" ", timespec="seconds")
        present = now.astimezone(tz).isoformat(sep=" ", timespec="seconds")
        raise UsageError(
            "past", f"{shown} has passed: it is {present}", "take a later time, or now"
        )
    if instant > now + FARTHEST:
        raise UsageError("far", "the time is more than ten years ahead", "check the year")


def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise UsageError(
            "unknown_zone", f"{name!r} is no time zone", "a name such as Europe/Paris"
        ) from error
