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


def item_guid(guid: str, title: str) -> str:
    """
    Return the identity of an entry within its feed.

    The headline is part of it: an entry that comes back with an edited headline is looked at
    again, and one whose id changed is graded again, which changes no verdict.
    """
    return hashlib.sha256(f"{guid}\n{title}".encode()).hexdigest()


def ensure_feeds(conn: Connection, wanted: Mapping[str, str]) -> None:
    """Give every configured feed (name to address) a row; a new address starts afresh."""
    known = {row.name: row.url for row in conn.execute(sa.select(feeds.c.name, feeds.c.url))}
    for name, url in wanted.items():
        if name not in known:
            conn.execute(sa.insert(feeds).values(name=name, url=url))
        elif known[name] != url:
            fresh = {c.name: None for c in feeds.c if c.name not in {"name", "url", "failures"}}
            conn.execute(
                sa.update(feeds).where(feeds.c.name == name).values(url=url, failures=0, **fresh)
            )


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
                "silent": item.silent,
                "graded": item.silent,
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
    """Forget old items in small bites, none before it is graded; stories stay."""
    done = sa.and_(items.c.first_seen < before, items.c.graded == sa.true())
    old = sa.select(items.c.id).where(done).limit(limit)
    return conn.execute(sa.delete(items).where(items.c.id.in_(old))).rowcount
