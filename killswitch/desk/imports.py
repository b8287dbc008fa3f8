"""
Imports: a whole file of posts, or nothing of it.

Rows are checked and staged in chunks that nobody sees; the commit's one last row makes them
visible. Between its chunks an import is remembered here, in memory: a daemon that starts forgets
what was staged (``daemon.sweep.drop_staged``), and so does one whose client has fallen silent.

Invariant: what becomes visible was compared with every event that had tripped by then.
"""

from __future__ import annotations

import bisect
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any, cast

from killswitch.desk import once
from killswitch.desk.adding import check, refuse_other
from killswitch.desk.clashing import REMEMBERED, events, words_of
from killswitch.desk.context import Context
from killswitch.errors import OperatorError, RefusedError, UsageError
from killswitch.failpoints import passing
from killswitch.news.clash import clashes
from killswitch.news.story import Story
from killswitch.queue import rules
from killswitch.queue.states import PENDING, HoldKind
from killswitch.store import coming_due, deliveries, holds, people, posts
from killswitch.store import latch as latch_store
from killswitch.store.audit import Entry, record
from killswitch.store.bulk import BITE
from killswitch.store.engine import Connection
from killswitch.store.posts import Keyed
from killswitch.store.posts import NewPost as StoredPost
from killswitch.wire import BadLineDoc, Caller, CommittedDoc, ImportDoc, ImportRow, StagedDoc

# Imports that may be open at once; each keeps a list of due times in memory.
MAX_IMPORTS = 4
# A client sends a chunk every moment; one that was silent for so long has died.
ABANDONED_AFTER_S = 60.0
# While an import is staged, a transaction goes on bite after bite until a pause waits for its turn,
# this time is over or it holds so many posts: then a pause slips in.
STAGE_BITE = 20
PORTION_S = 0.02
BITES_MOST = 5
PORTION_MOST = BITES_MOST * STAGE_BITE
# To forget a row costs less than half of that.
DROP_BITE = 50
# The farthest a post may be due (``queue.when.FARTHEST``), and a little more.
_FAR = timedelta(days=4000)
# A trip is dated when its headlines were read and committed a moment later: look back so far.
_OVERLAP = timedelta(minutes=10)
_COMMIT = "import.commit"


@dataclass(slots=True)
class Staging:
    """
    What an open import must remember between its chunks.

    Attributes:
        author: Person id.
        touched_s: When its client was last heard, on the boot clock.
        searched: Tripping time of the newest event that all its posts were compared with.
        staged: How many posts are staged.
        same: How many were in the queue already.
        bad: Whether any line was bad: then there is no commit.
        taken: Sorted due times by channel, of the queue and of this import.
        keys: Keys of this import with the line that had them.
        chunks: Answers to the chunks by their request keys.
        clashing: Events by the delivery that they hold.
        lock: One request at a time.
    """

    author: str
    touched_s: float
    searched: datetime
    staged: int = 0
    same: int = 0
    bad: bool = False
    taken: dict[str, list[datetime]] = field(default_factory=dict)
    keys: dict[str, int] = field(default_factory=dict)
    chunks: dict[str, StagedDoc] = field(default_factory=dict)
    clashing: dict[str, str] = field(default_factory=dict)
    lock: threading.Lock = field(default_factory=threading.Lock)


class Imports:
    """The open imports of one daemon."""

    def __init__(self) -> None:
        """Begin with none."""
        self._open: dict[str, Staging] = {}
        self._lock = threading.Lock()

    def begin(self, ctx: Context, *, caller: Caller) -> ImportDoc:
        """
        Open an import.

        Raises:
            RefusedError: Too many are open, or there is no queue of ours.
        """
        ctx.refuse_in_guard_mode()
        self.forget_abandoned(ctx)
        now = ctx.clock.now()
        with self._lock:
            if len(self._open) >= MAX_IMPORTS:
                raise RefusedError(
                    "imports",
                    f"{MAX_IMPORTS} imports are open already; nothing was done",
                    "try again when one has ended; what was broken off is forgotten in a minute",
                )
            with ctx.store.write() as conn:
                author = people.person_id(conn, caller.person)
                batch = posts.open_batch(conn, by=author, now=now)
            self._open[batch] = Staging(author, ctx.clock.boot_s(), now - _OVERLAP)
        return {"import": batch}

    def forget_abandoned(self, ctx: Context) -> None:
        """Forget the imports whose clients have fallen silent, so that they block nobody."""
        before_s = ctx.clock.boot_s() - ABANDONED_AFTER_S
        with self._lock:
            silent = [
                batch
                for batch, one in self._open.items()
                if one.touched_s < before_s and not one.lock.locked()
            ]
            for batch in silent:
                del self._open[batch]
        for batch in silent:
            drop(ctx, batch)

    def stage(
        self, ctx: Context, batch: str, rows: Sequence[ImportRow], *, caller: Caller
    ) -> StagedDoc:
        """
        Check and stage a chunk of rows; every bad line is named, none is half in.

        Raises:
            RefusedError: There is no such import.
        """
        staging = self._find(batch)
        with staging.lock:
            key = caller.request_key
            known = staging.chunks.get(key) if key else None
            if known is not None:
                return known
            document = _stage(ctx, batch, staging, rows)
            if key:
                staging.chunks[key] = document
            staging.touched_s = ctx.clock.boot_s()
        return document

    def commit(self, ctx: Context, batch: str, *, dry_run: bool, caller: Caller) -> CommittedDoc:
        """
        Make an import visible with its one last row, or forget it in a dry run.

        Raises:
            UsageError: It has bad lines; nothing of it is visible.
            RefusedError: There is no such import.
        """
        with ctx.store.read() as conn:
            if known := once.answered(conn, _COMMIT, caller):
                return cast("CommittedDoc", known)
        staging = self._find(batch)
        with staging.lock:
            if staging.bad:
                raise UsageError("bad_lines", "the import has bad lines; nothing was added")
            document: CommittedDoc = {"added": staging.staged, "same": staging.same}
            if dry_run:
                drop(ctx, batch)
            else:
                _show(ctx, batch, staging, document, caller=caller)
        self._forget(batch)
        ctx.hooks.wake()
        return document

    def drop(self, ctx: Context, batch: str) -> None:
        """
        Forget an import.

        Raises:
            RefusedError: There is no such import.
        """
        staging = self._find(batch)
        with staging.lock:
            drop(ctx, batch)
        self._forget(batch)

    def _find(self, batch: str) -> Staging:
        with self._lock:
            staging = self._open.get(batch)
        if staging is None:
            raise RefusedError(
                "not_found",
                f"there is no open import {batch!r}; nothing was added",
                "import the whole file again",
            )
        return staging

    def _forget(self, batch: str) -> None:
        with self._lock:
            self._open.pop(batch, None)


def _stage(ctx: Context, batch: str, staging: Staging, rows: Sequence[ImportRow]) -> StagedDoc:
    now = ctx.clock.now()
    with ctx.store.read() as conn:
        known = posts.keyed(conn, [row.post.key for row in rows if row.post.key])
    # Outside of a transaction: hashing films takes seconds.
    bad: list[BadLineDoc] = []
    checked: list[tuple[ImportRow, StoredPost]] = []
    for row in rows:
        try:
            past_ok = row.post.key is not None and row.post.key in known
            new = check(ctx, row.post, now=now, past_ok=past_ok).stored
        except OperatorError as error:
            bad.append(_bad_line(row, error))
        else:
            checked.append((row, replace(new, author=staging.author)))
    good, same = _choose(ctx, staging, checked, known=known, bad=bad)
    staging.bad = staging.bad or bool(bad)
    staging.same += same
    if not staging.bad:
        try:
            _write(ctx, batch, staging, good, now=now)
        except BaseException:
            # Some bites may be staged and some not: nothing of it may be shown any more.
            staging.bad = True
            raise
    bad.sort(key=lambda line: line["line"])
    return {"staged": len(good), "same": same, "bad": bad}


def _choose(
    ctx: Context,
    staging: Staging,
    checked: Sequence[tuple[ImportRow, StoredPost]],
    *,
    known: Mapping[str, Keyed],
    bad: list[BadLineDoc],
) -> tuple[list[StoredPost], int]:
    """Sort out what is there already, and what its channel has no room for."""
    good: list[StoredPost] = []
    same = 0
    with ctx.store.read() as conn:
        for row, new in checked:
            try:
                if _is_repeat(staging, row, new=new, known=known):
                    same += 1
                    continue
                _take_slots(ctx, conn, staging, new)
            except OperatorError as error:
                bad.append(_bad_line(row, error))
            else:
                good.append(new)
    return good, same


def _bad_line(row: ImportRow, error: OperatorError) -> BadLineDoc:
    message = f"{error.message} ({error.hint})" if error.hint else error.message
    return {"line": row.line, "message": message}


def _is_repeat(
    staging: Staging, row: ImportRow, *, new: StoredPost, known: Mapping[str, Keyed]
) -> bool:
    key = new.key
    if key is None:
        return False
    if key in staging.keys:
        raise UsageError("key_twice", f"the key {key!r} stands in line {staging.keys[key]} too")
    staging.keys[key] = row.line
    if key not in known:
        return False
    refuse_other(new, known[key])
    return True


def _take_slots(ctx: Context, conn: Connection, staging: Staging, new: StoredPost) -> None:
    lines: list[list[datetime]] = []
    for place in new.places:
        limits = ctx.limits[place.channel]
        if not limits.min_gap and not limits.max_per_hour:
            continue
        taken = staging.taken.get(place.channel)
        if taken is None:
            taken = _all_taken(conn, place.channel, limits.min_gap, ctx.clock.now())
            staging.taken[place.channel] = taken
        problem = rules.slot_problem(limits, place.due_at, taken, zone=str(ctx.zone))
        if problem:
            raise UsageError("crowded", problem, "choose another time")
        lines.append(taken)
    for taken in lines:
        bisect.insort(taken, new.places[0].due_at)


def _all_taken(conn: Connection, channel: str, min_gap: timedelta, now: datetime) -> list[datetime]:
    start = now - max(rules.HOUR, min_gap)
    return coming_due.due_times(conn, channel, after=start, before=now + _FAR, states=PENDING)


def _write(
    ctx: Context, batch: str, staging: Staging, good: Sequence[StoredPost], *, now: datetime
) -> None:
    left = good
    while left:
        with ctx.store.write() as conn:
            done = _write_portion(ctx, conn, batch, staging, left, now=now)
        staging.staged += done
        left = left[done:]


def _write_portion(
    ctx: Context,
    conn: Connection,
    batch: str,
    staging: Staging,
    left: Sequence[StoredPost],
    *,
    now: datetime,
) -> int:
    """Stage the first posts of ``left``, at least one bite; return how many."""
    ends_s = ctx.clock.boot_s() + PORTION_S
    stories = events(ctx, conn, since=now - REMEMBERED)
    portion = left[:PORTION_MOST]
    for at in range(0, len(portion), STAGE_BITE):
        if at and (ctx.store.is_awaited or ctx.clock.boot_s() >= ends_s):
            return at
        bite = portion[at : at + STAGE_BITE]
        _refuse_taken(conn, bite)
        dated = now + (staging.staged + at) * rules.TICK
        made = posts.add(conn, bite, now=dated, batch=batch)
        for new, (_, ids) in zip(bite, made, strict=True):
            for one in ids:
                _hold_if_clashing(conn, staging, one, stories, new=new, now=now)
    return len(portion)


def _refuse_taken(conn: Connection, bite: Sequence[StoredPost]) -> None:
    """Refuse keys that somebody else took since they were looked up."""
    taken = posts.keyed(conn, [new.key for new in bite if new.key is not None])
    for new in bite:
        if new.key is not None and new.key in taken:
            refuse_other(new, taken[new.key])
            raise RefusedError(
                "key_taken",
                f"the key {new.key!r} came into the queue at this moment; nothing was added",
                "import the whole file again",
            )


def _hold_if_clashing(
    conn: Connection,
    staging: Staging,
    delivery: str,
    stories: Sequence[Story],
    *,
    new: Any,
    now: datetime,
) -> None:
    for story in stories:
        words = clashes(words_of(new.content), story)
        if words:
            holds.hold_staged(conn, delivery, HoldKind.CLASH, ref=story.id, words=words, now=now)
            staging.clashing[delivery] = story.id


def _show(
    ctx: Context, batch: str, staging: Staging, document: CommittedDoc, *, caller: Caller
) -> None:
    """Make the import visible, once it was compared with what tripped while it was staged."""
    while True:
        now = ctx.clock.now()
        _search(ctx, batch, staging, now=now)
        with ctx.store.write() as conn:
            latch_store.lock(conn)
            if events(ctx, conn, since=staging.searched):
                continue
            by = people.person_id(conn, caller.person)
            posts.show_batch(conn, batch, now=now)
            said = {"posts": staging.staged, "held": len(staging.clashing)}
            held = [
                Entry("delivery.clash", one, data={"story": story})
                for one, story in staging.clashing.items()
            ]
            record(conn, Entry("queue.imported", batch, by, said), *held, now=now)
            once.remember(conn, _COMMIT, caller, document, now=now)
            passing("import.before_commit")
        passing("import.after_commit")
        return


def _search(ctx: Context, batch: str, staging: Staging, *, now: datetime) -> None:
    """Compare the whole import with the events that tripped since it was opened."""
    with ctx.store.read() as conn:
        fresh = events(ctx, conn, since=staging.searched)
    if not fresh:
        return
    # Nobody else changes what is staged: it need not be read in the transaction of the holds.
    with ctx.store.read() as conn:
        touched = [
            one
            for one in deliveries.of_batch(conn, batch)
            if any(clashes(words_of(one.content), story) for story in fresh)
        ]
    for at in range(0, len(touched), BITE):
        with ctx.store.write() as conn:
            for one in touched[at : at + BITE]:
                _hold_if_clashing(conn, staging, one.id, fresh, new=one, now=now)
    staging.searched = max(story.tripped_at or now for story in fresh)


def drop(ctx: Context, batch: str) -> None:
    """Forget a staged import, in portions so that a pause never waits for it."""
    is_left = True
    while is_left:
        with ctx.store.write() as conn:
            is_left = _drop_portion(ctx, conn, batch)


def _drop_portion(ctx: Context, conn: Connection, batch: str) -> bool:
    """Forget some of an import; say whether anything of it is left."""
    ends_s = ctx.clock.boot_s() + PORTION_S
    for _ in range(BITES_MOST):
        row = posts.batch_row(conn, batch)
        if row is None or row.visible_at is not None:
            return False
        posts.drop_batch(conn, batch, limit=DROP_BITE)
        if ctx.store.is_awaited or ctx.clock.boot_s() >= ends_s:
            break
    return True
