"""
Feeds, items and stories.

The last of a feed's new items come with its validators (so that a crash reads the feed again
rather than losing an item), grades come with the story and the cause (crash points C15 and C16).
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Row

from killswitch.store.ids import new_id
from killswitch.store.schema import feeds, items, stories

# How far back a feed's rhythm is read: four weeks hold four of each hour of the week.
RHYTHM_WINDOW = timedelta(days=28)
_RHYTHM_ROWS = 3000
# What a feed shows is noted once in so long: else every poll would write a row an item.
SHOWN_WITHIN = timedelta(days=1)
# Items kept of one feed: an agency's five weeks at 300 a day. A feed that invents a thousand at
# each poll would else fill the disk, and with it stop every other one.
STORED_MOST = 10_000


# What a new address of a feed leaves as it was.
_KEPT = frozenset({"name", "url", "failures", "outlet", "newsroom"})


@dataclass(frozen=True, slots=True)
class NewItem:
    """One entry of a feed, before it is stored."""

    guid: str
    title: str
    summary: str
    url: str
    lang: str | None
    published: datetime | None
    silent: bool
    # What an official alert says of itself; stands in the row's signal until it is graded.
    fields: Mapping[str, str] | None = None


def item_guid(guid: str, title: str) -> str:
    """
    Return the identity of an entry within its feed.

    The headline is part of it: an entry that comes back with an edited headline is looked at
    again, and one whose id changed is graded again, which changes no verdict.
    """
    return hashlib.sha256(f"{guid}\n{title}".encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class Voice:
    """Who speaks in a feed: the outlet that people read, and what counts as one newsroom."""

    outlet: str
    newsroom: str


def ensure_feeds(conn: Connection, wanted: Mapping[str, str]) -> None:
    """
    Give every configured feed (name to address) a row; a new address starts afresh.

    A new name for an address that no other configured feed has is the same feed, renamed: its
    items go with it, else what it still shows would be read as another one's news.
    """
    known = {row.name: row.url for row in conn.execute(sa.select(feeds.c.name, feeds.c.url))}
    for new, old in _renamed(known, wanted).items():
        conn.execute(sa.update(items).where(items.c.feed == old).values(feed=new))
        conn.execute(sa.update(feeds).where(feeds.c.name == old).values(name=new))
        known[new] = known.pop(old)
    for name, url in wanted.items():
        if name not in known:
            conn.execute(sa.insert(feeds).values(name=name, url=url))
        elif known[name] != url:
            fresh = {c.name: None for c in feeds.c if c.name not in _KEPT}
            conn.execute(
                sa.update(feeds).where(feeds.c.name == name).values(url=url, failures=0, **fresh)
            )


def _renamed(known: Mapping[str, str], wanted: Mapping[str, str]) -> dict[str, str]:
    """Find the feeds whose name changed: the new name and the old one."""
    gone = {url: name for name, url in known.items() if name not in wanted}
    return {
        name: gone.pop(url) for name, url in wanted.items() if name not in known and url in gone
    }


def name_voices(conn: Connection, wanted: Mapping[str, Voice]) -> dict[str, str]:
    """
    Note who speaks in each feed, and find the newsrooms that are called otherwise by now.

    Args:
        conn: A write transaction, after ``ensure_feeds``.
        wanted: The voice of each configured feed, by name.

    Returns:
        The new name of each newsroom that nobody else goes by any more.
    """
    known = voices(conn, wanted)
    there = {voice.newsroom for voice in wanted.values()}
    changed: dict[str, str] = {}
    for name, voice in wanted.items():
        before = known.get(name)
        if before == voice:
            continue
        values = {"outlet": voice.outlet, "newsroom": voice.newsroom}
        conn.execute(sa.update(feeds).where(feeds.c.name == name).values(**values))
        if before and before.newsroom != voice.newsroom and before.newsroom not in there:
            changed[before.newsroom] = voice.newsroom
    return changed


def voices(conn: Connection, names: Collection[str]) -> dict[str, Voice]:
    """Return who speaks, or spoke, in feeds by name; those of which it is known."""
    found = conn.execute(
        sa.select(feeds.c.name, feeds.c.outlet, feeds.c.newsroom).where(
            feeds.c.name.in_(names), feeds.c.outlet.isnot(None)
        )
    )
    return {row.name: Voice(row.outlet, row.newsroom) for row in found}


def feed_rows(conn: Connection, names: Collection[str]) -> dict[str, Row[Any]]:
    """Return the rows of feeds by name."""
    found = conn.execute(sa.select(feeds).where(feeds.c.name.in_(names)))
    return {row.name: row for row in found}


def lock_feed(conn: Connection, name: str) -> str | None:
    """Return a feed's address, and let nobody change its row before the transaction ends."""
    statement = sa.select(feeds.c.url).where(feeds.c.name == name).with_for_update()
    return conn.execute(statement).scalar()


def ingest(
    conn: Connection,
    feed: str,
    new: Sequence[NewItem],
    *,
    values: Mapping[str, Any],
    now: datetime,
) -> int:
    """
    Store a feed's unknown items together with what the poll said of the feed.

    Only an entry that was not there before makes the feed's newest one: some feeds date old
    entries anew each time, some date none.

    Returns:
        How many items were new and are to be graded.
    """
    _note_shown(conn, feed, new, now)
    fresh = _unknown(conn, feed, new)
    if fresh:
        rows = [
            {
                "id": new_id("n"),
                "feed": feed,
                "guid": item.guid,
                "title": item.title,
                "summary": item.summary,
                "url": item.url,
                "lang": item.lang,
                "published": item.published,
                "first_seen": now,
                "shown_at": now,
                "silent": item.silent,
                "graded": item.silent,
                "signal": {"alert": dict(item.fields)} if item.fields else None,
            }
            for item in fresh
        ]
        conn.execute(sa.insert(items), rows)
    if values:
        conn.execute(sa.update(feeds).where(feeds.c.name == feed).values(**values))
    if fresh:
        newest = _newest(fresh, now)
        older = sa.or_(feeds.c.newest_item_at.is_(None), feeds.c.newest_item_at < newest)
        statement = sa.update(feeds).where(feeds.c.name == feed, older)
        conn.execute(statement.values(newest_item_at=newest))
    return sum(not item.silent for item in fresh)


def _note_shown(conn: Connection, feed: str, shown: Sequence[NewItem], now: datetime) -> None:
    """Note that a feed still shows some entries, unless that was noted within a day."""
    if not shown:
        return
    long_ago = sa.or_(items.c.shown_at.is_(None), items.c.shown_at < now - SHOWN_WITHIN)
    these = items.c.guid.in_([item.guid for item in shown])
    conn.execute(sa.update(items).where(items.c.feed == feed, these, long_ago).values(shown_at=now))


def stored(conn: Connection, feed: str) -> int:
    """Count the items that are kept of a feed."""
    counted = sa.select(sa.func.count()).select_from(items)
    return conn.execute(counted.where(items.c.feed == feed)).scalar_one()


def bound(conn: Connection, feed: str, *, limit: int, most: int | None = None) -> int:
    """Forget the oldest graded items of a feed that has too many; say how many that were."""
    over = min(stored(conn, feed) - (STORED_MOST if most is None else most), limit)
    if over <= 0:
        return 0
    from_when = sa.select(feeds.c.shown_from).where(feeds.c.name == feed).scalar_subquery()
    not_shown = sa.or_(from_when.is_(None), _shown_at() < from_when)
    oldest = (
        sa.select(items.c.id)
        .where(items.c.feed == feed, items.c.graded == sa.true(), not_shown)
        .order_by(items.c.first_seen)
        .limit(over)
    )
    return conn.execute(sa.delete(items).where(items.c.id.in_(oldest))).rowcount


def _shown_at() -> sa.ColumnElement[datetime]:
    return sa.func.coalesce(items.c.shown_at, items.c.first_seen, type_=items.c.first_seen.type)


def _newest(fresh: Sequence[NewItem], now: datetime) -> datetime:
    """Say when the newest entry came: by its date, but not ahead, or now where none has one."""
    dated = [min(item.published, now) for item in fresh if item.published is not None]
    return max(dated, default=now)


def _unknown(conn: Connection, feed: str, new: Sequence[NewItem]) -> list[NewItem]:
    by_guid = {item.guid: item for item in new}
    if not by_guid:
        return []
    known = conn.execute(
        sa.select(items.c.guid).where(items.c.feed == feed, items.c.guid.in_(by_guid))
    ).scalars()
    for guid in known:
        del by_guid[guid]
    return list(by_guid.values())


def ungraded(conn: Connection, *, limit: int) -> list[Row[Any]]:
    """Return items that wait for the detector, in the order in which they were seen."""
    statement = (
        sa.select(items)
        .where(items.c.graded == sa.false(), items.c.silent == sa.false())
        .order_by(items.c.first_seen, items.c.id)
        .limit(limit)
    )
    return list(conn.execute(statement))


def write_grades(conn: Connection, graded: Sequence[Mapping[str, Any]]) -> None:
    """Write grades: each row has ``key`` (item id), ``grade``, ``signal`` and ``story``."""
    if graded:
        conn.execute(
            sa.update(items)
            .where(items.c.id == sa.bindparam("key"))
            .values(
                graded=True,
                grade=sa.bindparam("grade"),
                signal=sa.bindparam("signal"),
                story=sa.bindparam("story"),
            ),
            list(graded),
        )


def mark_graded(conn: Connection, feed: str | None = None) -> None:
    """
    Let a feed without ungraded items (or all of them) count as graded up to its last good poll.

    The polls, many at once, name their own feed: two that touched each other's rows in another
    order would wait in a ring on PostgreSQL.
    """
    waiting = sa.exists().where(
        items.c.feed == feeds.c.name, items.c.graded == sa.false(), items.c.silent == sa.false()
    )
    behind = sa.or_(feeds.c.graded_at.is_(None), feeds.c.graded_at != feeds.c.last_good_at)
    statement = sa.update(feeds).where(feeds.c.last_good_at.isnot(None), behind, ~waiting)
    if feed is not None:
        statement = statement.where(feeds.c.name == feed)
    conn.execute(statement.values(graded_at=feeds.c.last_good_at))


def item_times(conn: Connection, feed: str, *, now: datetime) -> list[datetime]:
    """Return when a feed's items of the last weeks came, newest first."""
    at = sa.func.coalesce(items.c.published, items.c.first_seen, type_=items.c.first_seen.type)
    statement = (
        sa.select(at)
        .where(items.c.feed == feed, items.c.first_seen > now - RHYTHM_WINDOW)
        .order_by(items.c.first_seen.desc())
        .limit(_RHYTHM_ROWS)
    )
    return [found for found in conn.execute(statement).scalars() if found is not None]


def last_poll_at(conn: Connection) -> datetime | None:
    """Return when any feed was last polled."""
    return conn.execute(
        sa.select(feeds.c.last_poll_at)
        .where(feeds.c.last_poll_at.isnot(None))
        .order_by(feeds.c.last_poll_at.desc())
        .limit(1)
    ).scalar()


def save_stories(conn: Connection, rows: Iterable[Mapping[str, Any]]) -> None:
    """Write stories whole: id, title, state, times and body."""
    for row in rows:
        values = {key: value for key, value in row.items() if key != "id"}
        done = conn.execute(sa.update(stories).where(stories.c.id == row["id"]).values(**values))
        if done.rowcount == 0:
            conn.execute(sa.insert(stories).values(**row))


def recent_stories(conn: Connection, *, since: datetime) -> list[Row[Any]]:
    """Return stories that had an item since an instant, oldest first."""
    statement = sa.select(stories).where(stories.c.last_item_at > since)
    return list(conn.execute(statement.order_by(stories.c.first_item_at)))


def story(conn: Connection, story_id: str) -> Row[Any] | None:
    """Return one story."""
    return conn.execute(sa.select(stories).where(stories.c.id == story_id)).one_or_none()


def stories_of(conn: Connection, ids: Collection[str]) -> dict[str, Row[Any]]:
    """Return stories by id."""
    found = conn.execute(sa.select(stories).where(stories.c.id.in_(ids)))
    return {row.id: row for row in found}


def tripped_stories(conn: Connection, *, since: datetime) -> list[Row[Any]]:
    """Return stories that paused (or would have) since an instant and were not false alarms."""
    statement = sa.select(stories).where(
        stories.c.tripped_at > since, stories.c.state != "dismissed"
    )
    return list(conn.execute(statement))


def headline_times(conn: Connection, story_id: str, *, since: datetime) -> list[datetime]:
    """Return when headlines of a story were seen since an instant: its fever."""
    statement = sa.select(items.c.first_seen).where(
        items.c.story == story_id, items.c.first_seen > since
    )
    return list(conn.execute(statement.order_by(items.c.first_seen)).scalars())


def prune(conn: Connection, *, before: datetime, limit: int = 500) -> int:
    """
    Forget old items in small bites, none before it is graded; stories stay.

    What a feed still shows is kept: an undated entry of last year would else be news again. A
    feed that was not polled since ``before`` shows nothing any more.
    """
    gone = sa.or_(
        feeds.c.last_poll_at.is_(None),
        feeds.c.last_poll_at < before,
        _shown_at() < feeds.c.shown_from,
    )
    old = (
        sa.select(items.c.id)
        .join_from(items, feeds, feeds.c.name == items.c.feed, isouter=True)
        .where(items.c.first_seen < before, items.c.graded == sa.true(), gone)
        .limit(limit)
    )
    return conn.execute(sa.delete(items).where(items.c.id.in_(old))).rowcount


def seen_items(
    conn: Connection,
    feed: str,
    *,
    since: datetime,
    after: tuple[datetime, str] | None,
    limit: int,
) -> list[Row[Any]]:
    """Return one page of a feed's graded headlines by the time they were seen, oldest first."""
    state = stories.c.state.label("story_state")
    statement = (
        sa.select(items, state)
        .join(stories, stories.c.id == items.c.story, isouter=True)
        .where(items.c.feed == feed, items.c.first_seen >= since, items.c.silent == sa.false())
    )
    if after is not None:
        statement = statement.where(sa.tuple_(items.c.first_seen, items.c.id) > after)
    return list(conn.execute(statement.order_by(items.c.first_seen, items.c.id).limit(limit)))
