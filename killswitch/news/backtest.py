"""
Replaying a stream: what would this configuration have done with these headlines?

Pure: rows in, trips out; the only time is that of the stream.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import TYPE_CHECKING, Any

from killswitch.news.alerts import graded
from killswitch.news.item import Item
from killswitch.news.story import StoryBook, Verdict

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from killswitch.news.grade import Detector
    from killswitch.news.policy import DetectPolicy
    from killswitch.news.record import Story

# A stream without any date stands here.
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
# The book forgets old stories at this rhythm of the stream's own time.
_PRUNE_EVERY = timedelta(hours=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Trip:
    """
    A story that would have paused, at the stream time it would have.

    Attributes:
        at: Aware UTC instant of the stream; None where no row of it has a date.
        story: As it stood then.
        why: The rule, in one line.
        heard: Newsrooms that told of it by the end of the stream.
    """

    at: datetime | None
    story: Story
    why: str
    heard: int = 0

    @property
    def doubtful(self) -> bool:
        """Say whether no further newsroom took the story up, as every second false alarm ends."""
        return self.heard <= len(self.story.outlets)


@dataclass(frozen=True, slots=True, kw_only=True)
class BacktestResult:
    """
    What a replay saw: how much, from when to when, and each story that would have paused.

    ``told`` are stories that people would first only have been told of (``[levels]``).
    """

    items: int
    first: datetime | None
    last: datetime | None
    outlets: int
    trips: tuple[Trip, ...]
    told: tuple[Trip, ...] = ()


def replay(
    rows: Iterable[Mapping[str, Any]], detector: Detector, policy: DetectPolicy
) -> BacktestResult:
    """
    Replay a stream in order of ``published``.

    Args:
        rows: Rows of the detector file format; one without a time is dated by the row before it,
            and those before the first date by that date.
        detector: Grades the rows.
        policy: When a story pauses.

    Returns:
        Counts, and each story that would have paused, once.

    Raises:
        ValueError: A row's time is no ISO 8601 instant; the message names the row.
    """
    numbers = count(1)
    book = StoryBook(policy, new_id=lambda: f"s{next(numbers)}")
    trips: list[Trip] = []
    told: list[Trip] = []
    outlets: set[str] = set()
    heard: dict[str, int] = {}
    first = last = pruned = None
    items = 0
    for item in _begun(items_of(rows)):
        now = item.first_seen
        items += 1
        outlets.add(item.newsroom)
        if now != _EPOCH:
            first, last = first or now, now
        if pruned is None or now - pruned >= _PRUNE_EVERY:
            book.prune(now)
            pruned = now
        seen = book.observe(item, graded(item, detector, policy.alerts, now), now)
        if seen is not None:
            heard[seen.story.id] = len(seen.story.outlets)
        if seen is not None and seen.verdict in {Verdict.TRIP, Verdict.ALERT}:
            trips.append(Trip(at=last and now, story=seen.story, why=seen.why))
        if seen is not None and seen.verdict is Verdict.TELL:
            told.append(Trip(at=last and now, story=seen.story, why=seen.why))
    return BacktestResult(
        items=items,
        first=first,
        last=last,
        outlets=len(outlets),
        trips=tuple(replace(trip, heard=heard[trip.story.id]) for trip in trips),
        told=tuple(replace(one, heard=heard[one.story.id]) for one in told),
    )


def _begun(items: Iterable[Item]) -> Iterable[Item]:
    """Date the items before the first date by it: a stream of today does not begin in 1970."""
    undated: list[Item] = []
    is_dated = False
    for item in items:
        if is_dated:
            yield item
        elif item.published is None:
            undated.append(item)
        else:
            is_dated = True
            yield from (replace(one, first_seen=item.first_seen) for one in undated)
            undated.clear()
            yield item
    yield from undated


def items_of(rows: Iterable[Mapping[str, Any]]) -> Iterable[Item]:
    """
    Turn rows of the detector file format into items.

    Raises:
        ValueError: A row's time is no ISO 8601 instant; the message names the row.
    """
    at = _EPOCH
    for number, row in enumerate(rows, start=1):
        published = _instant(row.get("published"), number)
        at = published or at
        yield Item(
            id=_text(row.get("id")) or f"row-{number}",
            title=_text(row.get("title")),
            summary=_text(row.get("summary")),
            outlet=_text(row.get("outlet")),
            group=_text(row.get("group")),
            lang=_text(row.get("lang")) or None,
            country=_text(row.get("country")) or None,
            url=_text(row.get("url")),
            aggregator=row.get("aggregator") is True or isinstance(row.get("alert"), dict),
            trusted=row.get("trusted") is True,
            alert=isinstance(row.get("alert"), dict),
            fields=_fields(row.get("alert")),
            published=published,
            first_seen=at,
        )


def _fields(value: object) -> dict[str, str]:
    """Return the fields of an official alert; empty for a headline."""
    return {str(k): str(v) for k, v in value.items()} if isinstance(value, dict) else {}


def _text(value: object) -> str:
    """Return a field as text; null and missing are empty."""
    return "" if value is None else str(value)


def _instant(value: object, number: int) -> datetime | None:
    """Read a row's time as an aware UTC instant."""
    if value is None or value == "":
        return None
    try:
        at = datetime.fromisoformat(str(value))
    except ValueError as error:
        message = f"row {number}: published {value!r} is no ISO 8601 time"
        raise ValueError(message) from error
    return at.astimezone(UTC) if at.tzinfo else at.replace(tzinfo=UTC)
