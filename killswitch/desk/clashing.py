"""
The clash finder at work: hold every post that touches an event, whatever its due date.

At a trip the sweep goes through the whole queue in bites; later every new or edited post is
compared with the stories of the last month. A resume does not lift these holds.

Invariant: the posts of a bite are read and compared before the transaction that holds those of them
that clash; it looks at these again under its locks, and takes at most ``BITE`` of them.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from killswitch.desk.context import Context
from killswitch.news.clash import PostWords, clashes
from killswitch.news.story import Story
from killswitch.queue.post import Content
from killswitch.queue.states import DeliveryState, HoldKind
from killswitch.store import audit, bulk, decisions, deliveries, facts, news
from killswitch.store import latch as latch_store
from killswitch.store.audit import Entry
from killswitch.store.bulk import BITE
from killswitch.store.deliveries import Delivery
from killswitch.store.engine import Connection
from killswitch.trip import CLASH_SCAN

# New posts are compared with the events of the last month (design section 4).
REMEMBERED = timedelta(days=30)
# Posts that the search reads at once; few of them clash, and only those are written.
SCAN_BATCH = 200
_S = DeliveryState
_SEARCHED = (_S.SCHEDULED, _S.HELD, _S.AWAITING_APPROVAL)


def words_of(content: Content) -> PostWords:
    """Return the words of a post that may touch an event."""
    return PostWords(
        text=content.text,
        alt=tuple(m.alt for m in content.media),
        files=tuple(m.path for m in content.media),
        tags=content.tags,
        link=content.link or "",
    )


def events(ctx: Context, conn: Connection, *, since: datetime) -> list[Story]:
    """Return the events after ``since`` that posts may clash with; a rehearsal holds nothing."""
    if ctx.mode == "rehearsal":
        return []
    return [Story.from_json(row.body) for row in news.tripped_stories(conn, since=since)]


def hold_clashes(
    ctx: Context, conn: Connection, post: str, *, now: datetime, shown: Collection[str] = ()
) -> list[str]:
    """
    Hold a post that clashes with a remembered event; return the words.

    Args:
        ctx: The mode.
        conn: A write transaction.
        post: Id of a post that is new, or whose words are.
        now: Aware UTC.
        shown: Ids of events whose clash its author was shown, and edited it for.
    """
    found: dict[str, None] = {}
    for story in events(ctx, conn, since=now - REMEMBERED):
        if story.id not in shown:
            for words in hold_touched(conn, deliveries.of_post(conn, post), story, now).values():
                found |= dict.fromkeys(words)
    return sorted(found)


def hold_touched(
    conn: Connection, found: Iterable[Delivery], story: Story, now: datetime
) -> dict[str, Sequence[str]]:
    """Hold those of some deliveries that touch an event; return the words of each by its id."""
    touched = {one.id: (one, words) for one in found if (words := _words(one, story))}
    held = bulk.hold(
        conn,
        [one for one, _ in touched.values()],
        HoldKind.CLASH,
        ref=story.id,
        words={one.id: words for one, words in touched.values()},
        why=f"clashes with {story.title}",
        now=now,
    )
    entries = [Entry("delivery.clash", one, data={"story": story.id}) for one in held]
    audit.record(conn, *entries, now=now)
    return {one.id: words for one, words in touched.values()}


def _words(one: Delivery, story: Story) -> Sequence[str]:
    """Return the words of a delivery that touch an event, where it can still be held."""
    return clashes(words_of(one.content), story) if one.state in _SEARCHED else ()


def scan(ctx: Context, *, now: datetime) -> bool:
    """
    Search one more bite of the queue for clashes with stories that tripped.

    Returns:
        Whether more is left to search.
    """
    with ctx.store.read() as conn:
        bites = [_read_bite(conn, key, at) for key, at in facts.like(conn, CLASH_SCAN).items()]
    for bite in bites:
        _hold_bite(ctx, bite, now=now)
    return bool(bites)


@dataclass(frozen=True, slots=True)
class _Bite:
    """
    A part of the queue that was compared with one event.

    Attributes:
        key: The search's fact.
        cursor: Where the part began.
        following: Where the next one begins; None at the end of the queue.
        story: The event; None where it is not known any more.
        touched: Ids of the posts that touch it.
    """

    key: str
    cursor: str
    following: str | None
    story: Story | None
    touched: Sequence[str] = ()


def _read_bite(conn: Connection, key: str, cursor: str) -> _Bite:
    row = news.story(conn, key.removeprefix(CLASH_SCAN))
    if row is None:
        return _Bite(key, cursor, None, None)
    story = Story.from_json(row.body)
    after = None
    if cursor:
        at, _, last = cursor.partition(" ")
        after = (datetime.fromisoformat(at), last)
    states = [s.value for s in _SEARCHED]
    found = deliveries.page(conn, states=states, after=after, limit=SCAN_BATCH)
    is_last = len(found) < SCAN_BATCH
    following = None if is_last else f"{found[-1].due_at.isoformat()} {found[-1].id}"
    touched = [one.id for one in found if _words(one, story)]
    return _Bite(key, cursor, following, story, touched)


def _hold_bite(ctx: Context, bite: _Bite, *, now: datetime) -> None:
    """Hold what touches the event, then note how far the search has come."""
    for at in range(0, max(1, len(bite.touched)), BITE):
        with ctx.store.write() as conn:
            # The sweep and a resume may search at once: who comes second leaves it to the first.
            latch_store.lock(conn)
            if facts.get(conn, bite.key) != bite.cursor:
                return
            if bite.story is not None:
                locked = deliveries.lock_many(conn, bite.touched[at : at + BITE])
                touched = hold_touched(conn, locked, bite.story, now)
                # A decision taken before the event may not let out what touches it.
                decisions.void(conn, touched)
            if at + BITE < len(bite.touched):
                continue
            if bite.following is None:
                facts.drop(conn, bite.key)
            else:
                facts.put(conn, bite.key, bite.following)
