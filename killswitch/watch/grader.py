"""
Grade what was read: item -> signal -> story -> trip, one transaction a batch.

Invariants:
    A story's cause is committed with the grades of the items that made it, or neither is.
    What is held in memory (the story book) is only a copy: after a failed commit it is read anew.
    What a human settled meanwhile stands: a batch that did not know of it is graded again.
    One grader works at a time: two, each with a book of its own, would lose an outlet's report.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

import structlog

from killswitch.clock import Clock
from killswitch.failpoints import passing
from killswitch.latch import FROM_NEWS, CauseKind, InhibitKind, Inhibits
from killswitch.news.alerts import graded
from killswitch.news.grade import Detector
from killswitch.news.item import Item, Signal
from killswitch.news.policy import DetectPolicy
from killswitch.news.record import carried
from killswitch.news.story import Member, Observation, Story, StoryBook, StoryState, Verdict
from killswitch.store import latch as latch_store
from killswitch.store import news, notices
from killswitch.store.engine import Store
from killswitch.store.ids import new_id
from killswitch.store.latch import NewCause
from killswitch.store.news import Voice
from killswitch.trip import Story as TripStory
from killswitch.trip import trip
from killswitch.watch.mentions import names_in_queue
from killswitch.watch.watcher import Feed
from killswitch.wire import z_time

_log = structlog.get_logger(__name__)

# Items a transaction: with 100 it stays far below the 50 ms that any transaction may last.
BATCH = 100
_EVIDENCE = 8
_TRIPPING = frozenset({Verdict.TRIP, Verdict.ALERT, Verdict.WORSENING, Verdict.EVIDENCE})


@dataclass(frozen=True, slots=True)
class Graded:
    """What one batch came to."""

    items: int = 0
    tripped: tuple[str, ...] = ()


class Grader:
    """The detector at work on the store."""

    def __init__(
        self,
        store: Store,
        *,
        clock: Clock,
        detector: Detector,
        policy: DetectPolicy,
        feeds: Sequence[Feed],
        inhibits: Inhibits,
        rehearsal: bool,
        on_trip: Callable[[], None],
    ) -> None:
        """Grade with ``detector``; call ``on_trip`` after a pause was committed."""
        self._store = store
        self._clock = clock
        self._detector = detector
        self._policy = policy
        self._feeds = {feed.name: feed for feed in feeds}
        self._inhibits = inhibits
        self._rehearsal = rehearsal
        self._on_trip = on_trip
        self._lock = threading.Lock()
        self._book: StoryBook | None = None
        # When the wait of each unconfirmed story is over, on the boot clock.
        self._waits: dict[str, float] = {}
        # Who spoke in feeds that are not configured any more.
        self._gone: Mapping[str, Voice] = {}
        self._retired = False

    def take_over(self, before: Grader) -> None:
        """
        Grade in the place of ``before``, from what the store says.

        Its batch in flight is waited for; after that it grades nothing more.
        """
        self._lock = before._lock
        with self._lock:
            before._retired = True

    def drain(self) -> int:
        """Grade all that waits; return how many items that was."""
        total = 0
        while done := self.batch().items:
            total += done
        return total

    def batch(self) -> Graded:
        """Grade one batch in one transaction."""
        with self._lock:
            now = self._clock.now()
            if self._retired:
                return Graded()
            with self._store.read() as conn:
                rows = news.ungraded(conn, limit=BATCH)
                self._gone = news.voices(conn, {row.feed for row in rows} - self._feeds.keys())
            if not rows:
                return Graded()
            done = self._grade(rows, now)
            while done is None:
                done = self._grade(rows, now)
        if done.tripped:
            self._on_trip()
        return done

    def forget(self) -> None:
        """Read the story book anew at the next batch (a human muted or dismissed a story)."""
        with self._lock:
            self._book = None

    def carry_over(self, by: timedelta, now: datetime) -> None:
        """Go on after a step of the wall clock: two reports a minute apart stay so."""
        with self._lock:
            self._book = self._read_book(by, now)

    def refresh_unconfirmed(self, now: datetime) -> None:
        """Lift the waits that are over; open those that the store knows of (after a start)."""
        with self._lock:
            if self._retired:
                return
            stories = {story.id: story for story in self._open_book(now).stories()}
            for story in stories.values():
                self._wait_for(story, now)
            for ref in self._inhibits.refs(InhibitKind.UNCONFIRMED):
                story_now = stories.get(ref)
                if self._is_over(ref) or (story_now and story_now.state != "unconfirmed"):
                    self._inhibits.lift(InhibitKind.UNCONFIRMED, ref=ref)
            over = [ref for ref in self._waits if ref not in stories and self._is_over(ref)]
            for ref in over:
                del self._waits[ref]

    def _wait_for(self, story: Story, now: datetime) -> None:
        """Let posts wait; the wall clock says once what is left, then it may be stepped."""
        since = story.unconfirmed_at
        if since is None or story.state != "unconfirmed" or self._rehearsal:
            return
        if story.id not in self._waits:
            longest = self._policy.unconfirmed
            left = min(since + longest - now, longest)
            self._waits[story.id] = self._clock.boot_s() + left.total_seconds()
        if not self._is_over(story.id):
            reason = f"one outlet reports: {story.title}"
            self._inhibits.open(InhibitKind.UNCONFIRMED, reason, now=now, ref=story.id)

    def _is_over(self, ref: str) -> bool:
        return self._clock.boot_s() >= self._waits.get(ref, 0.0)

    def _forget(self) -> None:
        self._book = None
        self._waits.clear()

    def _grade(self, rows: Sequence[Any], now: datetime) -> Graded | None:
        """Grade a batch; None where a human settled one of its stories in the meantime."""
        try:
            return self._grade_by(self._open_book(now), rows, now)
        except _Settled as settled:
            _log.info("grade.again", story=settled.story)
            self._forget()
            return None
        except BaseException:
            # The book has seen what the store has not: read it anew before the next batch.
            self._forget()
            raise

    def _grade_by(self, book: StoryBook, rows: Sequence[Any], now: datetime) -> Graded:
        known = {story.id: story for story in book.stories()}
        grades: list[Mapping[str, Any]] = []
        changed: dict[str, Story] = {}
        verdicts: list[tuple[str, Observation]] = []
        for row, item, signal in self._read(rows, now):
            seen = book.observe(item, signal, now)
            if seen is not None:
                changed[seen.story.id] = seen.story
                verdicts.append((row.id, seen))
            grades.append(_grade_row(row, signal, seen))
        # Before the commit: nothing may slip out between the two.
        for _, seen in verdicts:
            self._wait_for(seen.story, now)
        before = [known[story_id] for story_id in changed if story_id in known]
        tripped = self._write(grades, changed, verdicts, before, now)
        passing("grade.after_commit")
        return Graded(len(rows), tripped)

    def _read(self, rows: Sequence[Any], now: datetime) -> list[tuple[Any, Item, Signal]]:
        """Grade rows by themselves, and mark whose death a post of the queue mentions."""
        items = [(row, self._item(row)) for row in rows]
        read = [
            (row, item, graded(item, self._detector, self._policy.alerts, now))
            for row, item in items
        ]
        names = [name for _, item, signal in read if not item.aggregator for name in signal.persons]
        mentioned = names_in_queue(self._store, names)
        return [(row, item, _mentioned(signal, mentioned)) for row, item, signal in read]

    def _write(
        self,
        grades: Sequence[Mapping[str, Any]],
        changed: Mapping[str, Story],
        verdicts: Sequence[tuple[str, Observation]],
        before: Sequence[Story],
        now: datetime,
    ) -> tuple[str, ...]:
        tripped = []
        with self._store.write() as conn:
            if before:
                latch_store.lock(conn)  # who settles a story holds it too
                _refuse_settled(conn, before)
            for item, seen in verdicts:
                if seen.verdict in {Verdict.TELL, Verdict.TAKEN_BACK}:
                    _tell(conn, seen, now)
                if seen.verdict in _TRIPPING:
                    tripped += self._trip(conn, item, seen, now)
            passing("grade.after_trip")
            news.write_grades(conn, grades)
            news.save_stories(conn, (_story_row(story) for story in changed.values()))
            news.mark_graded(conn)
            passing("grade.before_commit")
        for story_id in tripped:
            _log.warning("story.tripped", story=story_id, title=changed[story_id].title)
        return tuple(tripped)

    def _trip(self, conn: Any, item: str, seen: Observation, now: datetime) -> list[str]:
        story = seen.story
        kind = open_kind(conn, story.id)
        if seen.verdict is Verdict.EVIDENCE and (self._rehearsal or kind is None):
            return []
        if self._rehearsal:
            notices.add_notice(
                conn,
                kind="rehearsal",
                ref=story.id,
                escalates=False,
                loud=False,
                now=now,
                facts={"reason": seen.story.title, "evidence": evidence(story)},
            )
            return []
        by_alert = seen.verdict is Verdict.ALERT
        kind = kind or (CauseKind.ALERT if by_alert else CauseKind.STORY)
        worse = seen.verdict is Verdict.WORSENING
        about, new = _worsened(seen, item) if worse else _told(seen, kind)
        done = trip(conn, new, now=now, story=about)
        return [story.id] if done.new else []

    def _open_book(self, now: datetime) -> StoryBook:
        if self._book is None:
            self._book = self._read_book(timedelta(0), now)
        self._book.prune(now)
        return self._book

    def _read_book(self, by: timedelta, now: datetime) -> StoryBook:
        """Read the stories of the store, on the clock of now; see ``carried`` for ``by``."""
        since = now - max(by, timedelta(0)) - self._policy.mute_max - timedelta(days=1)
        with self._store.read() as conn:
            rows = news.recent_stories(conn, since=since)
        stories = [carried(Story.from_json(row.body), by=by, now=now) for row in rows]
        if not self._rehearsal:
            stories = self._reopened(stories)
        return StoryBook(self._policy, new_id=lambda: new_id("s"), stories=stories)

    def _reopened(self, stories: Sequence[Story]) -> list[Story]:
        """
        Open the stories that only would have paused, in a rehearsal before: the next report may.

        They stay events that posts clash with, so the time at which they tripped stays.
        """
        tripped = [story for story in stories if story.state is StoryState.TRIPPED]
        with self._store.read() as conn:
            paused = latch_store.stories_that_paused(conn) if tripped else frozenset()
        fresh = {
            story.id: replace(story, state=StoryState.OPEN)
            for story in tripped
            if story.id not in paused
        }
        if fresh:
            with self._store.write() as conn:
                latch_store.lock(conn)
                news.save_stories(conn, (_story_row(story) for story in fresh.values()))
        return [fresh.get(story.id, story) for story in stories]

    def _item(self, row: Any) -> Item:
        feed = self._feeds.get(row.feed)
        # A feed that was removed spoke for the newsroom that it had then.
        voice = self._gone.get(row.feed) or Voice(row.feed, row.feed)
        return Item(
            id=row.id,
            title=row.title,
            summary=row.summary,
            outlet=feed.outlet if feed else voice.outlet,
            group=feed.group if feed else voice.newsroom,
            lang=row.lang,
            country=feed.country if feed else None,
            url=row.url,
            published=row.published,
            first_seen=row.first_seen,
            aggregator=feed is not None and feed.kind != "news",
            trusted=feed is not None and feed.trusted,
            alert=feed is not None and feed.kind == "alert",
            fields=(row.signal or {}).get("alert", {}),
        )


class _Settled(Exception):
    """A human settled a story while its headlines were graded by what was known before."""

    def __init__(self, story: str) -> None:
        super().__init__(story)
        self.story = story


def _refuse_settled(conn: Any, before: Sequence[Story]) -> None:
    """
    Compare stories as the batch knew them with the store, under the latch.

    Raises:
        _Settled: A human muted or dismissed one of them since.
    """
    stored = news.stories_of(conn, [story.id for story in before])
    for story in before:
        row = stored.get(story.id)
        if row is not None and Story.from_json(row.body).decided != story.decided:
            raise _Settled(story.id)


def _tell(conn: Any, seen: Observation, now: datetime) -> None:
    """Let people hear of a story that its level does not pause for, or of an alert taken back."""
    story = seen.story
    back = seen.verdict is Verdict.TAKEN_BACK
    notices.add_notice(
        conn,
        kind=notices.NoticeKind.TOLD,
        ref=f"{story.id}:back" if back else story.id,
        now=now,
        facts={
            "reason": f"taken back: {story.title}" if back else story.title,
            "evidence": [] if back else evidence(story),
            "why": seen.why,
        },
    )


def _mentioned(signal: Signal, names: frozenset[str]) -> Signal:
    """Mark a report of a death that a post mentions: it needs no second one."""
    name = next((name for name in signal.persons if name in names), None)
    return signal if name is None else replace(signal, ours=f"a queued post mentions “{name}”")


def _told(seen: Observation, kind: CauseKind) -> tuple[TripStory, NewCause]:
    """Write a story as a cause, by its most telling headline."""
    story = seen.story
    new = NewCause(kind, story.id, story.title, evidence=evidence(story), rule=seen.why)
    return TripStory(story.id, story.title, story.first_item_at), new


def _worsened(seen: Observation, item: str) -> tuple[TripStory, NewCause]:
    """
    Write a worsening as a cause of its own, by the headline that told it and that outlet alone.

    It must be seen even while the first cause is open, and nobody else has said so yet.
    """
    story = seen.story
    (told,) = [member for member in story.members if member.id == item][-1:]
    new = NewCause(
        CauseKind.STORY, f"{story.id}:{item}", told.title, evidence=[_entry(told)], rule=seen.why
    )
    return TripStory(story.id, told.title, told.at, worse=True), new


def open_kind(conn: Any, story_id: str) -> CauseKind | None:
    """Return as what the story is an open cause of the pause, or None where it is none."""
    causes = latch_store.read(conn).causes
    return next((c.kind for c in causes if c.kind in FROM_NEWS and c.ref == story_id), None)


def evidence(story: Story) -> list[dict[str, Any]]:
    """Return a story's first headlines, one an outlet first, as people are shown them."""
    seen: set[str] = set()
    first: list[dict[str, Any]] = []
    more: list[dict[str, Any]] = []
    for member in story.members:
        (more if member.outlet in seen else first).append(_entry(member))
        seen.add(member.outlet)
    return (first + more)[:_EVIDENCE]


def _entry(member: Member) -> dict[str, Any]:
    return {
        "title": member.title,
        "outlet": member.outlet,
        "url": member.url,
        "at": z_time(member.at),
    }


def _grade_row(row: Any, signal: Signal, seen: Observation | None) -> dict[str, Any]:
    return {
        "key": row.id,
        "grade": signal.grade.value,
        "signal": {
            "score": signal.score,
            "category": signal.category,
            "terms": list(signal.terms),
            "toll": signal.toll,
            "names": list(signal.names),
            "places": list(signal.places),
            "why": signal.why,
            **({"alert": row.signal["alert"]} if row.signal else {}),
        },
        "story": seen.story.id if seen else None,
    }


def _story_row(story: Story) -> dict[str, Any]:
    return {
        "id": story.id,
        "title": story.title,
        "state": str(story.state),
        "first_item_at": story.first_item_at,
        "last_item_at": story.last_item_at,
        "unconfirmed_at": story.unconfirmed_at,
        "tripped_at": story.tripped_at,
        "body": story.to_json(),
    }
