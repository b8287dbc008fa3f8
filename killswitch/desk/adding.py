"""
Take new posts: one by one, or as an import that is whole or not at all.

A post that would break its channel's gap or cap is refused now rather than late; the gate counts
again at the moment of sending.
"""

from __future__ import annotations

import bisect
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import cast

from killswitch import media
from killswitch.desk.clashing import hold_clashes
from killswitch.desk.context import Context
from killswitch.errors import OperatorError, RefusedError, UsageError
from killswitch.queue import rules
from killswitch.queue.post import Content, Media
from killswitch.queue.states import PENDING
from killswitch.queue.when import When, read_when
from killswitch.store import deliveries, people, posts, request_keys
from killswitch.store.audit import Entry, record
from killswitch.store.engine import Connection
from killswitch.store.posts import NewPost as StoredPost
from killswitch.store.posts import Place
from killswitch.wire import (
    AddedDoc,
    BadLineDoc,
    Caller,
    CommittedDoc,
    ImportRow,
    NewPost,
    StagedDoc,
    z_time,
)

# One more channel than any team posts a single text to.
MAX_CHANNELS = 50
# Posts a transaction while an import is staged: some 10 ms, so that a pause slips in between.
STAGE_BITE = 100


@dataclass(frozen=True, slots=True)
class Checked:
    """A post that its text, times, channels and media allow; gaps are not looked at yet."""

    stored: StoredPost
    when: When


def add(ctx: Context, post: NewPost, *, caller: Caller) -> AddedDoc:
    """
    Take one post.

    Raises:
        UsageError: A bad time, an unknown channel, a text too long, a media file not to be used.
        RefusedError: The channel's gap or cap, or a key that is taken by other content.
    """
    ctx.refuse_in_guard_mode()
    now = ctx.clock.now()
    with ctx.store.write() as conn:
        if caller.request_key and (known := request_keys.answer(conn, caller.request_key)):
            return cast("AddedDoc", known)
        author = people.person_id(conn, caller.person)
        checked = check(ctx, post, author=author, now=now)
        same = _same_key(conn, checked.stored)
        if same is not None:
            return _added(same[0], same[1], checked.when, "this key is in the queue already")
        _refuse_crowded(ctx, conn, checked.stored)
        (made,) = posts.add(conn, [checked.stored], now=now)
        entries = [Entry("delivery.added", one, author, {"post": made[0]}) for one in made[1]]
        record(conn, *entries, now=now)
        clash = hold_clashes(ctx, conn, made[0], now=now)
        document = _added(made[0], made[1], checked.when, _note(checked, clash))
        if caller.request_key:
            request_keys.record(conn, caller.request_key, document, now=now)
    ctx.hooks.wake()
    return document


def _added(post: str, ids: Sequence[str], when: When, note: str | None) -> AddedDoc:
    return {
        "post": post,
        "ids": list(ids),
        "due": z_time(when.instant),
        "wall": when.wall,
        "zone": when.zone,
        "note": note,
    }


def _note(checked: Checked, clash: Sequence[str]) -> str | None:
    notes = [checked.when.note or ""]
    if any(place.confirm_from for place in checked.stored.places):
        notes.append("it is beyond the horizon: confirm it before it is due (queue confirm)")
    if not checked.stored.approved:
        notes.append("it waits for somebody to approve it")
    if clash:
        notes.append("held: it clashes with an event (" + ", ".join(clash) + ")")
    return "; ".join(filter(None, notes)) or None


def check(ctx: Context, post: NewPost, *, author: str, now: datetime) -> Checked:
    """
    Check everything about a post that does not depend on the rest of the queue.

    Raises:
        UsageError: The first thing that is wrong.
    """
    channels = _channels(ctx, post.channels)
    when = read_when(post.at, now=now, zone=str(ctx.zone))
    expires = None
    if post.expires is not None:
        expires = read_when(post.expires, now=now, zone=str(ctx.zone)).instant
        if expires <= when.instant:
            raise UsageError("expires", "the post would expire before it is due")
    files = tuple(
        Media(m.path, m.alt, media.fingerprint(ctx.media_dir, m.path)) for m in post.media
    )
    content = Content(post.text, files, post.link, post.tags)
    if not content.text.strip() and not files:
        raise UsageError("empty", "the post has neither text nor media")
    for name in channels:
        problems = ctx.channels[name].problems(content)
        if problems:
            raise UsageError("text", "; ".join(problems), "shorten it, or leave that channel out")
    confirm = rules.confirm_from(
        created=now,
        due=when.instant,
        tags=post.tags,
        horizon=ctx.queue.horizon,
        horizon_tags=ctx.queue.horizon_tags,
        within=ctx.queue.confirm_within,
    )
    places = tuple(Place(name, when.instant, when.zone, when.wall, confirm) for name in channels)
    stored = StoredPost(content, places, author, post.key, expires, approved=not ctx.queue.approve)
    return Checked(stored, when)


def _channels(ctx: Context, wanted: Sequence[str]) -> list[str]:
    names = list(dict.fromkeys(wanted))
    if not names or len(names) > MAX_CHANNELS:
        raise UsageError("channels", f"a post needs 1 to {MAX_CHANNELS} channels")
    for name in names:
        if name not in ctx.channels:
            known = ", ".join(sorted(ctx.channels)) or "none is configured"
            raise UsageError("unknown_channel", f"there is no channel {name!r}", f"known: {known}")
    return names


def _same_key(conn: Connection, new: StoredPost) -> tuple[str, list[str]] | None:
    """Return what the key already stands for, or refuse when that is something else."""
    if new.key is None:
        return None
    row = posts.by_keys(conn, [new.key]).get(new.key)
    if row is None:
        return None
    there = deliveries.of_post(conn, row.id)
    wanted = {(place.channel, place.due_at) for place in new.places}
    same = row.content_hash == new.content.hash() and wanted == {
        (one.channel, one.due_at) for one in there
    }
    if not same:
        raise RefusedError(
            "key_taken",
            f"the key {new.key!r} is in the queue with other content; nothing was added",
            "take another key, or change that post with queue edit",
        )
    return row.id, [one.id for one in there]


def _refuse_crowded(ctx: Context, conn: Connection, new: StoredPost) -> None:
    for place in new.places:
        limits = ctx.limits[place.channel]
        reach = max(rules.HOUR, limits.min_gap)
        taken = deliveries.due_times(
            conn,
            place.channel,
            after=place.due_at - reach,
            before=place.due_at + reach,
            states=PENDING,
        )
        problem = rules.slot_problem(limits, place.due_at, taken)
        if problem:
            raise RefusedError("crowded", problem, "choose another time")


@dataclass(slots=True)
class Staging:
    """
    What an open import must remember between its chunks.

    Attributes:
        author: Person id.
        staged: How many posts are staged.
        same: How many were in the queue already.
        bad: Whether any line was bad: then there is no commit.
        taken: Sorted due times by channel, of the queue and of this import.
        keys: Keys of this import with the line that had them.
    """

    author: str
    staged: int = 0
    same: int = 0
    bad: bool = False
    taken: dict[str, list[datetime]] = field(default_factory=dict)
    keys: dict[str, int] = field(default_factory=dict)


def open_import(ctx: Context, *, caller: Caller) -> tuple[str, Staging]:
    """Begin an import."""
    ctx.refuse_in_guard_mode()
    now = ctx.clock.now()
    with ctx.store.write() as conn:
        author = people.person_id(conn, caller.person)
        return posts.open_batch(conn, by=author, now=now), Staging(author)


def stage(ctx: Context, batch: str, staging: Staging, rows: Sequence[ImportRow]) -> StagedDoc:
    """Check and stage a chunk of rows; every bad line is named, none is half in."""
    now = ctx.clock.now()
    bad: list[BadLineDoc] = []
    good: list[StoredPost] = []
    same = 0
    with ctx.store.read() as conn:
        known = posts.by_keys(conn, [r.post.key for r in rows if r.post.key])
        for row in rows:
            try:
                checked = check(ctx, row.post, author=staging.author, now=now).stored
                if _is_repeat(conn, staging, row, new=checked, known=known):
                    same += 1
                    continue
                _take_slots(ctx, conn, staging, checked)
            except OperatorError as error:
                bad.append({"line": row.line, "message": _line(error)})
            else:
                good.append(checked)
    staging.bad = staging.bad or bool(bad)
    staging.same += same
    if good and not staging.bad:
        for at in range(0, len(good), STAGE_BITE):
            with ctx.store.write() as conn:
                posts.add(conn, good[at : at + STAGE_BITE], now=now, batch=batch)
        staging.staged += len(good)
    return {"staged": len(good), "same": same, "bad": bad}


def _line(error: OperatorError) -> str:
    return f"{error.message} ({error.hint})" if error.hint else error.message


def _is_repeat(
    conn: Connection,
    staging: Staging,
    row: ImportRow,
    *,
    new: StoredPost,
    known: Collection[str],
) -> bool:
    key = new.key
    if key is None:
        return False
    if key in staging.keys:
        raise UsageError("key_twice", f"the key {key!r} stands in line {staging.keys[key]} too")
    staging.keys[key] = row.line
    if key not in known:
        return False
    try:
        return _same_key(conn, new) is not None
    except RefusedError as error:
        raise UsageError(error.code, error.message, error.hint) from error


def _take_slots(ctx: Context, conn: Connection, staging: Staging, new: StoredPost) -> None:
    for place in new.places:
        limits = ctx.limits[place.channel]
        if not limits.min_gap and not limits.max_per_hour:
            continue
        taken = staging.taken.get(place.channel)
        if taken is None:
            taken = _all_taken(conn, place.channel, limits.min_gap, ctx.clock.now())
            staging.taken[place.channel] = taken
        problem = rules.slot_problem(limits, place.due_at, taken)
        if problem:
            raise UsageError("crowded", problem, "choose another time")
        bisect.insort(taken, place.due_at)


def _all_taken(conn: Connection, channel: str, min_gap: timedelta, now: datetime) -> list[datetime]:
    start = now - max(rules.HOUR, min_gap)
    far = now + timedelta(days=4000)
    return deliveries.due_times(conn, channel, after=start, before=far, states=PENDING)


def commit(
    ctx: Context, batch: str, staging: Staging, *, dry_run: bool, caller: Caller
) -> CommittedDoc:
    """
    Make an import visible with its one last row, or forget it in a dry run.

    Raises:
        UsageError: It has bad lines; nothing of it is visible.
    """
    if staging.bad:
        raise UsageError("bad_lines", "the import has bad lines; nothing was added")
    now = ctx.clock.now()
    if dry_run:
        drop(ctx, batch)
        return {"added": staging.staged, "same": staging.same}
    with ctx.store.write() as conn:
        by = people.person_id(conn, caller.person)
        posts.show_batch(conn, batch, now=now)
        record(conn, Entry("queue.imported", batch, by, {"posts": staging.staged}), now=now)
    ctx.hooks.wake()
    return {"added": staging.staged, "same": staging.same}


def drop(ctx: Context, batch: str) -> None:
    """Forget a staged import, in bites so that a pause never waits for it."""
    while True:
        with ctx.store.write() as conn:
            row = posts.batch_row(conn, batch)
            if row is None or row.visible_at is not None:
                return
            posts.drop_batch(conn, batch)
