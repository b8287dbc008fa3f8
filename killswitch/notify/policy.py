"""
Who is told, in which order, and when it must be quiet: pure rules over a frozen policy.

The settings turn into a ``NotifyPolicy`` at the door; nothing here sends or stores anything.
Addresses have names, "LIST.POSITION": list 0 is ``notify.urls``, list 1 the first of
``notify.next``. Only names are stored.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from killswitch.store.notices import NoticeKind
from killswitch.wire import read_time

if TYPE_CHECKING:
    from killswitch.settings.tree import Settings
    from killswitch.wire import StatusDoc

BACKOFF = (timedelta(seconds=5), timedelta(seconds=15), timedelta(seconds=60))
"""Waits after the first failed tries of an address; then they double up to ``BACKOFF_MOST``."""
BACKOFF_MOST = timedelta(minutes=5)
GIVE_UP_REACHED = timedelta(hours=1)
"""How long an address is tried for a notice that somebody else has got."""
GIVE_UP_UNREACHED = timedelta(hours=24)
"""How long it is tried for a notice that nobody has got; its news is old by then."""

_ALWAYS_LOUD = frozenset({NoticeKind.UNCERTAIN, NoticeKind.DRILL, NoticeKind.TEST})


@dataclass(frozen=True, slots=True)
class NotifyPolicy:
    """
    The part of the configuration that tells people.

    Attributes:
        lists: ``notify.urls``, then each list of ``notify.next``; never printed.
        repeat: Until somebody answers, a notice goes out again after this time.
        quiet: Start and end of the quiet hours in local time; start after end crosses midnight.
        also_stop: Places that the switch can't reach.
        language: ``"en"`` or ``"fr"``.
        zone: IANA name of the zone people live in.
    """

    lists: tuple[tuple[str, ...], ...] = field(default=((),), repr=False)
    repeat: timedelta = timedelta(minutes=15)
    quiet: tuple[time, time] | None = None
    also_stop: tuple[str, ...] = ()
    language: str = "en"
    zone: str = "UTC"

    @property
    def top(self) -> int:
        """The number of the last list."""
        return len(self.lists) - 1

    def names(self, level: int) -> list[str]:
        """Return the names of all addresses of the lists up to ``level``."""
        return [
            f"{number}.{position}"
            for number, addresses in enumerate(self.lists[: level + 1])
            for position, _ in enumerate(addresses)
        ]

    def address(self, name: str) -> str | None:
        """Return the address behind a name, or None if it is not configured any more."""
        number, _, position = name.partition(".")
        try:
            return self.lists[int(number)][int(position)]
        except (IndexError, ValueError):
            return None


def policy_of(settings: Settings) -> NotifyPolicy:
    """Take what concerns notices out of the settings; secrets are opened here."""
    told = settings.notify
    lists = (told.urls, *told.next)
    quiet = None if told.quiet is None else (told.quiet.start, told.quiet.end)
    return NotifyPolicy(
        lists=tuple(tuple(one.get_secret_value() for one in addresses) for addresses in lists),
        repeat=told.repeat,
        quiet=quiet,
        also_stop=told.also_stop,
        language=settings.language,
        zone=settings.timezone,
    )


def retry_at(*, tries: int, reached: bool, age: timedelta, now: datetime) -> datetime | None:
    """
    Say when a failed address is tried again; None to give it up for this notice.

    Args:
        tries: Failed tries so far, at least one.
        reached: Whether any address has accepted the notice.
        age: Time since the notice was written.
        now: Aware UTC instant of the failure.
    """
    if age >= (GIVE_UP_REACHED if reached else GIVE_UP_UNREACHED):
        return None
    if tries <= len(BACKOFF):
        return now + BACKOFF[tries - 1]
    doubled: timedelta = BACKOFF[-1] * 2 ** min(tries - len(BACKOFF), 8)
    return now + min(doubled, BACKOFF_MOST)


def quiet_end(policy: NotifyPolicy, *, now: datetime) -> datetime | None:
    """Return the end of the quiet hours that ``now`` lies in, or None outside of them."""
    if policy.quiet is None:
        return None
    zone = ZoneInfo(policy.zone)
    today = now.astimezone(zone).date()
    for day in (today - timedelta(days=1), today):
        start, end = _span(day, policy.quiet, zone)
        if start <= now < end:
            return end
    return None


def quiet_until(
    policy: NotifyPolicy, status: StatusDoc, *, kind: NoticeKind, loud: bool, now: datetime
) -> datetime | None:
    """
    Say until when a notice must not wake anybody; None when it may.

    It is quiet only where waiting is safe: nothing leaves, nothing may have left, and no post is
    due before the end. A notice that is not loud waits in any case.
    """
    end = quiet_end(policy, now=now)
    if end is None or not loud:
        return end
    if kind in _ALWAYS_LOUD or not status["sealed"] or _in_doubt(status):
        return None
    if any(read_time(post["due"]) < end for post in status["next_due"]):
        return None
    return end


def _in_doubt(status: StatusDoc) -> bool:
    counts = status["queue"]
    return bool(status.get("uncertain")) or bool(counts and counts["uncertain"])


def _span(day: date, quiet: tuple[time, time], zone: ZoneInfo) -> tuple[datetime, datetime]:
    """Return the quiet span that begins on ``day``, as instants: a DST change can't confuse it."""
    start, end = quiet
    last = day if start < end else day + timedelta(days=1)
    utc = ZoneInfo("UTC")
    return (
        datetime.combine(day, start, zone).astimezone(utc),
        datetime.combine(last, end, zone).astimezone(utc),
    )
