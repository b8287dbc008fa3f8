"""Posts: what authors wrote, and the deliveries made from it."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Row

from killswitch.queue.post import Content, Media
from killswitch.queue.rules import TICK
from killswitch.queue.states import DeliveryState
from killswitch.store.deliveries import Delivery
from killswitch.store.ids import new_id
from killswitch.store.latch import QUEUE
from killswitch.store.schema import batches, deliveries, holds, posts

# As ``ids.new_id`` makes it.
_DELIVERY_ID = re.compile(r"d[0-9a-hjkmnp-tv-z]{12}")


@dataclass(frozen=True, slots=True)
class Place:
    """Where and when one delivery of a new post is to leave."""

    channel: str
    due_at: datetime
    zone: str
    wall: str
    confirm_from: datetime | None


@dataclass(frozen=True, slots=True)
class NewPost:
    """A post that was checked and may be stored."""

    content: Content
    places: tuple[Place, ...]
    author: str
    key: str | None
    expires_at: datetime | None
    approved: bool


def add(
    conn: Connection, new: Sequence[NewPost], *, now: datetime, batch: str | None = None
) -> list[tuple[str, list[str]]]:
    """
    Store posts with their deliveries; return each post's id and its deliveries' ids.

    Each is dated a microsecond after the one before it: their order is that of the queue, and ids
    have none.
    """
    post_rows, delivery_rows, made = [], [], []
    for number, one in enumerate(new):
        post = new_id("p")
        digest = one.content.hash()
        dated = now + number * TICK
        post_rows.append(_post_row(one, post, digest, batch, dated))
        rows = [_delivery_row(one, place, post, digest, batch, now) for place in one.places]
        delivery_rows += rows
        made.append((post, [row["id"] for row in rows]))
    if post_rows:
        conn.execute(sa.insert(posts), post_rows)
        conn.execute(sa.insert(deliveries), delivery_rows)
    return made


def _post_row(
    one: NewPost, post: str, digest: str, batch: str | None, now: datetime
) -> dict[str, Any]:
    content = one.content
    return {
        "id": post,
        "queue": QUEUE,
        "key": one.key,
        "batch": batch,
        "text": content.text,
        "media": media_rows(content.media),
        "link": content.link,
        "tags": list(content.tags),
        "expires_at": one.expires_at,
        "author": one.author,
        "created_at": now,
        "content_hash": digest,
    }


def media_rows(media: Sequence[Media]) -> list[dict[str, str]]:
    """Return media as they stand in the store."""
    return [{"path": m.path, "alt": m.alt, "sha256": m.sha256} for m in media]


def _delivery_row(  # noqa: PLR0917 - the columns of one row
    one: NewPost, place: Place, post: str, digest: str, batch: str | None, now: datetime
) -> dict[str, Any]:
    state = DeliveryState.SCHEDULED if one.approved else DeliveryState.AWAITING_APPROVAL
    return {
        "id": new_id("d"),
        "post": post,
        "batch": batch,
        "queue": QUEUE,
        "channel": place.channel,
        "state": state.value,
        "due_at": place.due_at,
        "zone": place.zone,
        "wall": place.wall,
        "next_at": place.due_at,
        "approved_hash": digest if one.approved else None,
        "expires_at": one.expires_at,
        "confirm_from": place.confirm_from,
        "changed_at": now,
    }


@dataclass(frozen=True, slots=True)
class Keyed:
    """
    What an author's own key stands for.

    Attributes:
        post: The post's id.
        is_staged: It is of an import that nobody sees yet.
        content_hash: Of what it says.
        expires_at: Its author's own ``expires``.
        ids: Its deliveries.
        is_id: The key is no author's own: it is the id of a delivery, as an export writes it.
        places: Channel and due time of each.
    """

    post: str
    is_staged: bool
    content_hash: str
    expires_at: datetime | None
    ids: list[str] = field(default_factory=list)
    places: set[tuple[str, datetime]] = field(default_factory=set)
    is_id: bool = False

    def is_for(self, places: set[tuple[str, datetime]]) -> bool:
        """Say whether it stands for these places; an id does for any of its post's."""
        return places <= self.places if self.is_id else places == self.places


def keyed(conn: Connection, keys: Collection[str]) -> dict[str, Keyed]:
    """
    Return what these keys stand for, in one question for all; unknown ones are left out.

    An export gives a post without a key the id of one of its deliveries: that is known again, too.
    """
    if not keys:
        return {}
    found = _kept(conn, posts.c.key, keys)
    ids = [key for key in keys if key not in found and _DELIVERY_ID.fullmatch(key)]
    if ids:
        rows = conn.execute(
            sa.select(deliveries.c.id, deliveries.c.post).where(deliveries.c.id.in_(ids))
        )
        of = {row.id: row.post for row in rows}
        kept = _kept(conn, posts.c.id, set(of.values()))
        found |= {one: replace(kept[post], is_id=True) for one, post in of.items()}
    return found


def _kept(
    conn: Connection, column: sa.ColumnElement[str], wanted: Collection[str]
) -> dict[str, Keyed]:
    """Return what stands in the store under these values of a column."""
    found: dict[str, Keyed] = {}
    for row in conn.execute(_KEYED.add_columns(column.label("by")).where(column.in_(wanted))):
        one = found.get(row.by)
        if one is None:
            is_staged = row.batch is not None and row.visible_at is None
            one = Keyed(row.id, is_staged, row.content_hash, row.expires_at)
            found[row.by] = one
        # An import that is being dropped loses its deliveries before its posts.
        if row.delivery is not None:
            one.ids.append(row.delivery)
            one.places.add((row.channel, row.due_at))
    return found


_KEYED = (
    sa.select(
        posts.c.id,
        posts.c.batch,
        posts.c.content_hash,
        posts.c.expires_at,
        batches.c.visible_at,
        deliveries.c.id.label("delivery"),
        deliveries.c.channel,
        deliveries.c.due_at,
    )
    .select_from(
        posts.outerjoin(batches, batches.c.id == posts.c.batch).outerjoin(
            deliveries, deliveries.c.post == posts.c.id
        )
    )
    .where(posts.c.queue == QUEUE)
    .order_by(deliveries.c.id)
)


def edit(
    conn: Connection,
    one: Delivery,
    change: Mapping[str, Any],
    *,
    now: datetime,
    approved_by_editing: bool = True,
) -> Delivery:
    """Change what one delivery will say, and return it as it is now; see ``edit_many``."""
    (edited,) = edit_many(conn, [(one, change)], now=now, approved_by_editing=approved_by_editing)
    return edited


def edit_many(
    conn: Connection,
    edits: Sequence[tuple[Delivery, Mapping[str, Any]]],
    *,
    now: datetime,
    approved_by_editing: bool = True,
) -> list[Delivery]:
    """
    Change what locked deliveries will say, and return them as they are now.

    The other channels of the same post keep the old text: the edited delivery gets a post of its
    own. Where nobody else has to approve, the edit is approved as it stands.
    """
    old = _with_sharers(conn, {one.post for one, _ in edits})
    sharers = {post: number for post, (_, number) in old.items()}
    fresh: list[dict[str, Any]] = []
    in_place: list[dict[str, Any]] = []
    edited = []
    for one, change in edits:
        content = one.content.changed(change)
        values = _visible(content)
        digest = values["content_hash"]
        approved = digest if approved_by_editing else one.approved_hash
        now_is = replace(one, content=content, content_hash=digest, approved_hash=approved)
        if sharers[one.post] > 1:
            sharers[one.post] -= 1
            now_is = replace(now_is, post=new_id("p"), key=None)
            fresh.append(_split_off(old[one.post][0], now_is.post) | values)
        else:
            in_place.append({"this_id": one.post} | values)
        edited.append(replace(now_is, changed_at=now))
    _write_edits(conn, edited, fresh=fresh, in_place=in_place, now=now)
    return edited


def _with_sharers(conn: Connection, ids: Collection[str]) -> dict[str, tuple[Row[Any], int]]:
    """Return posts with the number of their deliveries."""
    counted = conn.execute(
        sa.select(deliveries.c.post, sa.func.count())
        .where(deliveries.c.post.in_(ids))
        .group_by(deliveries.c.post)
    )
    numbers = {row[0]: row[1] for row in counted}
    found = conn.execute(sa.select(posts).where(posts.c.id.in_(ids)))
    return {row.id: (row, numbers[row.id]) for row in found}


def _visible(content: Content) -> dict[str, Any]:
    """Return the columns that an edit changes."""
    return {
        "text": content.text,
        "link": content.link,
        "tags": list(content.tags),
        "content_hash": content.hash(),
    }


def _split_off(old: Row[Any], post: str) -> dict[str, Any]:
    """Return what a post that leaves its siblings keeps of the old one, its place in line too."""
    return {
        "id": post,
        "queue": old.queue,
        "key": None,
        "batch": old.batch,
        "media": old.media,
        "expires_at": old.expires_at,
        "author": old.author,
        "created_at": old.created_at,
    }


def _write_edits(
    conn: Connection,
    edited: Sequence[Delivery],
    *,
    fresh: Sequence[Mapping[str, Any]],
    in_place: Sequence[Mapping[str, Any]],
    now: datetime,
) -> None:
    if fresh:
        conn.execute(sa.insert(posts), fresh)
    if in_place:
        conn.execute(sa.update(posts).where(posts.c.id == sa.bindparam("this_id")), in_place)
    rows = [
        {"this_id": one.id, "post": one.post, "approved_hash": one.approved_hash, "changed_at": now}
        for one in edited
    ]
    if rows:
        conn.execute(sa.update(deliveries).where(deliveries.c.id == sa.bindparam("this_id")), rows)


def open_batch(conn: Connection, *, by: str, now: datetime) -> str:
    """Begin an import; nothing of it is visible before ``show_batch``."""
    batch = new_id("b")
    conn.execute(sa.insert(batches).values(id=batch, at=now, by=by))
    return batch


def batch_row(conn: Connection, batch: str) -> Row[Any] | None:
    """Return one import."""
    return conn.execute(sa.select(batches).where(batches.c.id == batch)).one_or_none()


def show_batch(conn: Connection, batch: str, *, now: datetime) -> None:
    """Make an import visible: the one last row."""
    conn.execute(sa.update(batches).where(batches.c.id == batch).values(visible_at=now))


def drop_batch(conn: Connection, batch: str, *, limit: int) -> int:
    """Forget a staged import in small bites; return how many rows went."""
    found = sa.select(deliveries.c.id).where(deliveries.c.batch == batch).limit(limit)
    old = list(conn.execute(found).scalars())
    if old:
        conn.execute(sa.delete(holds).where(holds.c.delivery.in_(old)))
        conn.execute(sa.delete(deliveries).where(deliveries.c.id.in_(old)))
        return len(old)
    orphans = sa.select(posts.c.id).where(posts.c.batch == batch).limit(limit)
    gone = conn.execute(sa.delete(posts).where(posts.c.id.in_(orphans))).rowcount
    if not gone:
        conn.execute(sa.delete(batches).where(batches.c.id == batch))
    return gone


def staged_batches(conn: Connection) -> list[str]:
    """Return imports that were never made visible."""
    return list(
        conn.execute(sa.select(batches.c.id).where(batches.c.visible_at.is_(None))).scalars()
    )
