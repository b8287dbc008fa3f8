"""
Take new posts: check what an author wrote, and add it.

A post that would break its channel's gap or cap is refused now rather than late; the gate counts
again at the moment of sending. ``desk.imports`` takes whole files with the same checks.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import cast
from urllib.parse import urlsplit

from killswitch import media
from killswitch.desk import once
from killswitch.desk.clashing import hold_clashes
from killswitch.desk.context import Context
from killswitch.desk.crowding import refuse_crowded
from killswitch.errors import RefusedError, UsageError
from killswitch.failpoints import passing
from killswitch.queue import rules
from killswitch.queue.post import Content, Media
from killswitch.queue.when import When, read_when
from killswitch.store import deliveries, people, posts
from killswitch.store import latch as latch_store
from killswitch.store.audit import Entry, record
from killswitch.store.engine import Connection
from killswitch.store.posts import Keyed, Place
from killswitch.store.posts import NewPost as StoredPost
from killswitch.wire import AddedDoc, Caller, NewPost, z_time

# One more channel than any team posts a single text to.
MAX_CHANNELS = 50
_WHAT = "queue.add"


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
    with ctx.store.read() as conn:
        if known := once.answered(conn, _WHAT, caller):
            return cast("AddedDoc", known)
        there = post.key is not None and post.key in posts.keyed(conn, [post.key])
    # Outside of a transaction: hashing a film takes seconds.
    checked = check(ctx, post, now=now, past_ok=there)
    with ctx.store.write() as conn:
        document = _add(ctx, conn, checked, caller=caller, now=now)
        once.remember(conn, _WHAT, caller, document, now=now)
        passing("add.before_commit")
    passing("add.after_commit")
    ctx.hooks.wake()
    return document


def _add(
    ctx: Context, conn: Connection, checked: Checked, *, caller: Caller, now: datetime
) -> AddedDoc:
    new = checked.stored
    known = posts.keyed(conn, [new.key]).get(new.key) if new.key is not None else None
    if known is not None:
        refuse_other(new, known)
        note = "this key is in the queue already"
        return _added(conn, known.post, known.ids, checked.when, note)
    for place in checked.stored.places:
        refuse_crowded(ctx, conn, place.channel, place.due_at)
    author = people.person_id(conn, caller.person)
    ((post, ids),) = posts.add(conn, [replace(checked.stored, author=author)], now=now)
    entries = [Entry("delivery.added", one, author, {"post": post}) for one in ids]
    record(conn, *entries, now=now)
    clash = hold_clashes(ctx, conn, post, now=now)
    paused = latch_store.read(conn).paused
    return _added(conn, post, ids, checked.when, _note(checked, clash, paused=paused))


def _added(
    conn: Connection, post: str, ids: Sequence[str], when: When, note: str | None
) -> AddedDoc:
    states = {one.id: one.state.value for one in deliveries.of_post(conn, post)}
    return {
        "post": post,
        "ids": list(ids),
        "state": states[ids[0]],
        "due": z_time(when.instant),
        "wall": when.wall,
        "zone": when.zone,
        "note": note,
    }


def _note(checked: Checked, clash: Sequence[str], *, paused: bool) -> str | None:
    notes = [checked.when.note or ""]
    if any(place.confirm_from for place in checked.stored.places):
        notes.append("it is beyond the horizon: confirm it before it is due (queue confirm)")
    if not checked.stored.approved:
        notes.append("it waits for somebody to approve it")
    if clash:
        notes.append(f"held: it clashes with an event ({', '.join(clash)})")
    if paused:
        notes.append("the queue is paused: it can't leave before the resume")
    return "; ".join(filter(None, notes)) or None


def check(ctx: Context, post: NewPost, *, now: datetime, past_ok: bool = False) -> Checked:
    """
    Check everything about a post that does not depend on the rest of the queue.

    Reads whole media files: never inside a transaction.

    Args:
        ctx: Channels, zone, policy.
        post: As its author wrote it.
        now: Aware UTC.
        past_ok: Its key is in the queue: it may be the very post that has gone out since.

    Raises:
        UsageError: The first thing that is wrong.
    """
    channels = _channels(ctx, post.channels)
    when = read_when(post.at, now=now, zone=str(ctx.zone), past_ok=past_ok)
    expires = _expires(ctx, post, when, now=now, past_ok=past_ok)
    files = tuple(
        Media(m.path, m.alt, media.fingerprint(ctx.media_dir, m.path)) for m in post.media
    )
    content = Content(post.text, files, post.link, post.tags)
    refuse_unfit(ctx, channels, content)
    confirm = confirm_from(ctx, due=when.instant, tags=post.tags, now=now)
    places = tuple(Place(name, when.instant, when.zone, when.wall, confirm) for name in channels)
    approved = not ctx.queue.approve
    stored = StoredPost(content, places, "", post.key, expires, approved=approved)
    return Checked(stored, when)


def _expires(
    ctx: Context, post: NewPost, when: When, *, now: datetime, past_ok: bool
) -> datetime | None:
    if post.expires is None:
        return None
    expires = read_when(post.expires, now=now, zone=str(ctx.zone), past_ok=past_ok).instant
    if expires <= when.instant:
        raise UsageError(
            "expires", "the post would expire before it is due", "take a later --expires"
        )
    return expires


def refuse_unfit(ctx: Context, channels: Sequence[str], content: Content) -> None:
    """
    Refuse what no reader or no network would take; a channel that is gone refuses nothing.

    Raises:
        UsageError: Nothing in it, or the problems that a channel's network has with it.
    """
    if not content.text.strip() and not content.media:
        raise UsageError("empty", "the post has neither text nor media", "write a text")
    if content.link and not _is_web_address(content.link):
        raise UsageError(
            "link", f"{content.link!r} is no address of a page", "give http://… or https://…"
        )
    for name in channels:
        channel = ctx.channels.get(name)
        problems = channel.problems(content) if channel else []
        if problems:
            raise UsageError("text", "; ".join(problems), "shorten it, or leave that channel out")


def _is_web_address(link: str) -> bool:
    """Say whether a link opens a page on the web: http or https, with a host, in one piece."""
    try:
        parts = urlsplit(link)
    except ValueError:  # brackets that hold no address
        return False
    whole = not any(sign.isspace() for sign in link)
    return whole and parts.scheme in {"http", "https"} and bool(parts.hostname)


def confirm_from(
    ctx: Context, *, due: datetime, tags: Sequence[str], now: datetime
) -> datetime | None:
    """Say from when on a post that a human puts at ``due`` now has to be confirmed, or None."""
    return rules.confirm_from(
        created=now,
        due=due,
        tags=tags,
        horizon=ctx.queue.horizon,
        horizon_tags=ctx.queue.horizon_tags,
        within=ctx.queue.confirm_within,
    )


def _channels(ctx: Context, wanted: Sequence[str]) -> list[str]:
    names = list(dict.fromkeys(wanted))
    if not names or len(names) > MAX_CHANNELS:
        raise UsageError("channels", f"a post needs 1 to {MAX_CHANNELS} channels")
    for name in names:
        if name not in ctx.channels:
            known = ", ".join(sorted(ctx.channels)) or "none is configured"
            raise UsageError("unknown_channel", f"there is no channel {name!r}", f"known: {known}")
    return names


def refuse_other(new: StoredPost, known: Keyed) -> None:
    """
    Refuse a post whose key stands for something else in the store.

    Raises:
        RefusedError: It stands for other content, or for a row of an import that is still open.
    """
    if known.is_staged:
        raise RefusedError(
            "key_taken",
            f"the key {new.key!r} stands in an import that is not finished; nothing was added",
            "wait for it; one that was broken off is forgotten within a minute or two",
        )
    wanted = {(place.channel, place.due_at) for place in new.places}
    same = (known.content_hash, known.expires_at) == (new.content.hash(), new.expires_at)
    if not same or not known.is_for(wanted):
        hint = "take another key, or change that post with queue edit"
        if known.is_id:
            hint = "it was exported from here: take the key away to add it as a new post"
        raise RefusedError(
            "key_taken",
            f"the key {new.key!r} is in the queue with other content; nothing was added",
            hint,
        )
