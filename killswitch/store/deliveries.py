"""
Deliveries and their posts: the rows of the queue and the moves between their states.

Every move is a conditional update (where the state is still the expected one) and writes its
audit row in the same transaction. What a row count does not confirm did not happen.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Row

from killswitch.queue.post import Content, Media
from killswitch.queue.states import DeliveryState, may_follow
from killswitch.store import audit
from killswitch.store.audit import Entry
from killswitch.store.columns import unindexed
from killswitch.store.schema import batches, deliveries, holds, posts

_S = DeliveryState
# A hold costs 1 to 1.5 ms: so many stay below the 50 ms that a transaction may last.
BATCH = 30


@dataclass(frozen=True, slots=True)
class Delivery:
    """One post on one channel, as a decision needs it."""

    id: str
    post: str
    channel: str
    state: DeliveryState
    due_at: datetime
    next_at: datetime
    content: Content
    content_hash: str
    approved_hash: str | None
    author: str
    fence: int
    owner: int | None
    lease_until_s: float | None
    tries: int
    expires_at: datetime | None
    created_at: datetime
    confirm_from: datetime | None
    confirmed_at: datetime | None
    zone: str
    wall: str
    remote_id: str | None
    remote_url: str | None
    sent_at: datetime | None
    problem: str | None
    key: str | None
    approved_by: str | None
    changed_at: datetime


_COLUMNS = (
    deliveries,
    posts.c.text,
    posts.c.media,
    posts.c.link,
    posts.c.tags,
    posts.c.author,
    posts.c.created_at,
    posts.c.content_hash,
    posts.c.key,
)
# Rows of an import that is still being staged are not there for anybody.
VISIBLE = sa.or_(
    deliveries.c.batch.is_(None),
    sa.exists().where(batches.c.id == deliveries.c.batch, batches.c.visible_at.isnot(None)),
)


def select() -> sa.Select[Any]:
    """Begin a query of visible deliveries with their posts."""
    return (
        sa.select(*_COLUMNS)
        .join_from(deliveries, posts, posts.c.id == deliveries.c.post)
        .where(VISIBLE)
    )


def page(
    conn: Connection,
    *,
    states: Collection[str],
    channel: str | None = None,
    tag: str | None = None,
    until: datetime | None = None,
    clash: bool = False,
    ids: Collection[str] = (),
    after: tuple[datetime, str] | None = None,
    without: Collection[str] = (),
    limit: int,
) -> list[Delivery]:
    """Return one page of the queue by due time and id, some channels left out."""
    wanted = _not_on(without)
    if ids:
        wanted.append(deliveries.c.id.in_(ids))
    if channel is not None:
        wanted.append(deliveries.c.channel == channel)
    if until is not None:
        wanted.append(deliveries.c.due_at < until)
    if tag is not None:
        # Not LIKE: that takes no notice of case on SQLite, and does on PostgreSQL.
        post = posts.alias()
        as_text = sa.cast(post.c.tags, sa.Text)
        tagged = sa.func.replace(as_text, json.dumps(tag), "") != as_text
        wanted.append(sa.exists().where(post.c.id == deliveries.c.post, tagged))
    if clash:
        clashing_now = sa.select(holds.c.delivery).where(
            holds.c.kind == "clash", holds.c.lifted_at.is_(None)
        )
        wanted.append(deliveries.c.id.in_(clashing_now))
    if after is not None:
        at = sa.tuple_(deliveries.c.due_at, deliveries.c.id)
        start = sa.tuple_(
            sa.literal(after[0], deliveries.c.due_at.type), sa.literal(after[1], sa.String)
        )
        wanted.append(at > start)
    return _soonest(conn, states, *wanted, limit=limit)


def _not_on(channels: Collection[str]) -> list[sa.ColumnElement[bool]]:
    """Leave channels out, by the index of due times and not by that of channels."""
    return [unindexed(deliveries.c.channel).not_in(channels)] if channels else []


def _soonest(
    conn: Connection,
    states: Collection[str],
    *wanted: sa.ColumnElement[bool],
    by: sa.ColumnElement[datetime] = deliveries.c.due_at,
    limit: int | None,
) -> list[Delivery]:
    """
    Return the first visible deliveries of some states (none: of all), by time and id.

    Each state is asked for its own first ones, which lie side by side in an index; asked for all
    of them at once, a database reads the whole queue and sorts it for a page of it.
    """
    ordered = (by, deliveries.c.id)
    statement = select().order_by(*ordered).limit(limit)
    if len(states) < 2 or limit is None:
        if states:
            wanted += (deliveries.c.state.in_(states),)
        return [delivery(row) for row in conn.execute(statement.where(*wanted))]
    first = sa.select(deliveries.c.id).where(VISIBLE, *wanted).order_by(*ordered).limit(limit)
    each = [first.where(deliveries.c.state == state).subquery() for state in states]
    firsts = sa.union_all(*(sa.select(one.c.id) for one in each))
    found = conn.execute(statement.where(deliveries.c.id.in_(firsts)))
    return [delivery(row) for row in found]


def in_line(one: Delivery) -> tuple[datetime, datetime, str]:
    """Return the place of a delivery in its channel's line: by due time, then as it was queued."""
    return one.due_at, one.created_at, one.id


def matching(conn: Connection, prefix: str) -> list[str]:
    """Return up to two ids that begin so."""
    statement = sa.select(deliveries.c.id).where(
        deliveries.c.id >= prefix, deliveries.c.id < prefix + "~", VISIBLE
    )
    return list(conn.execute(statement.limit(2)).scalars())


def of_post(conn: Connection, post: str) -> list[Delivery]:
    """Return the deliveries of a post, staged ones included."""
    statement = sa.select(*_COLUMNS).join_from(deliveries, posts).where(posts.c.id == post)
    return [delivery(row) for row in conn.execute(statement.order_by(deliveries.c.id))]


def numbers(conn: Connection, posts_: Collection[str]) -> dict[str, int]:
    """Return how many deliveries each of these posts has."""
    counted = sa.select(deliveries.c.post, sa.func.count()).group_by(deliveries.c.post)
    found = conn.execute(counted.where(deliveries.c.post.in_(posts_)))
    return {row[0]: row[1] for row in found}


def content_of(row: Any) -> Content:
    """Build the visible part of a post from its row."""
    media = tuple(Media(m["path"], m.get("alt", ""), m.get("sha256", "")) for m in row.media)
    return Content(row.text, media, row.link, tuple(row.tags))


def delivery(row: Row[Any]) -> Delivery:
    """Build the value from a row of ``select``."""
    return Delivery(
        id=row.id,
        post=row.post,
        channel=row.channel,
        state=DeliveryState(row.state),
        due_at=row.due_at,
        next_at=row.next_at,
        content=content_of(row),
        content_hash=row.content_hash,
        approved_hash=row.approved_hash,
        author=row.author,
        fence=row.fence,
        owner=row.owner,
        lease_until_s=row.lease_until_s,
        tries=row.tries,
        expires_at=row.expires_at,
        created_at=row.created_at,
        confirm_from=row.confirm_from,
        confirmed_at=row.confirmed_at,
        zone=row.zone,
        wall=row.wall,
        remote_id=row.remote_id,
        remote_url=row.remote_url,
        sent_at=row.sent_at,
        problem=row.problem,
        key=row.key,
        approved_by=row.approved_by,
        changed_at=row.changed_at,
    )


def get(conn: Connection, delivery_id: str, *, lock: bool = False) -> Delivery | None:
    """Return one delivery, locked for a change where asked."""
    statement = select().where(deliveries.c.id == delivery_id)
    if lock:
        statement = statement.with_for_update(of=deliveries)
    row = conn.execute(statement).one_or_none()
    return None if row is None else delivery(row)


def some(conn: Connection, ids: Collection[str]) -> list[Delivery]:
    """Return deliveries by their ids, in the order of these."""
    found = conn.execute(select().where(deliveries.c.id.in_(ids)).order_by(deliveries.c.id))
    return [delivery(row) for row in found]


def lock_many(conn: Connection, ids: Collection[str]) -> list[Delivery]:
    """Lock deliveries in the order of their ids (the one order, so that none wait in a ring)."""
    found = conn.execute(
        select()
        .where(deliveries.c.id.in_(ids))
        .order_by(deliveries.c.id)
        .with_for_update(of=deliveries)
    )
    return [delivery(row) for row in found]


def in_state(
    conn: Connection,
    *states: DeliveryState,
    before: datetime | None = None,
    by_next: bool = False,
    without: Collection[str] = (),
    limit: int | None = None,
) -> list[Delivery]:
    """
    Return deliveries of some states, due (or next) before an instant, soonest first, by id.

    What is on the channels ``without`` is left out.
    """
    column = deliveries.c.next_at if by_next else deliveries.c.due_at
    wanted = _not_on(without)
    if before is not None:
        wanted.append(column < before)
    return _soonest(conn, [s.value for s in states], *wanted, by=column, limit=limit)


def count(conn: Connection, *states: DeliveryState) -> int:
    """Count visible deliveries of some states."""
    found = _counts(conn, deliveries.c.state.in_([s.value for s in states]))
    return sum(found.values())


def count_held(conn: Connection, *, start: datetime, end: datetime) -> int:
    """Count visible held deliveries that are due from one instant on and before another."""
    statement = sa.select(sa.func.count()).where(
        deliveries.c.state == _S.HELD.value,
        deliveries.c.due_at >= start,
        deliveries.c.due_at < end,
        VISIBLE,
    )
    return int(conn.execute(statement).scalar_one())


def counts(conn: Connection) -> dict[DeliveryState, int]:
    """Count visible deliveries by state."""
    return _counts(conn)


def _counts(conn: Connection, *wanted: sa.ColumnElement[bool]) -> dict[DeliveryState, int]:
    """
    Count by an index, without reading a single row: all, less what an open import has staged.

    To look at each row whether it may be seen takes a second where a hundred thousand wait.
    """
    counted = (
        sa.select(deliveries.c.state, sa.func.count()).where(*wanted).group_by(deliveries.c.state)
    )
    found = {DeliveryState(state): number for state, number in conn.execute(counted)}
    staged = sa.select(batches.c.id).where(batches.c.visible_at.is_(None))
    for state, number in conn.execute(counted.where(deliveries.c.batch.in_(staged))):
        found[DeliveryState(state)] -= number
    return {state: number for state, number in found.items() if number}


def move(
    conn: Connection,
    one: Delivery,
    new: DeliveryState,
    *,
    actor: str = audit.MACHINE,
    why: str,
    now: datetime,
    values: Mapping[str, Any] | None = None,
    fence: int | None = None,
) -> bool:
    """
    Move a delivery to another state, if it still is where we saw it.

    Args:
        conn: A write transaction.
        one: The delivery as it was read.
        new: The new state.
        actor: Person id or the machine.
        why: Shown in its history.
        now: The instant.
        values: Other columns to write.
        fence: Also ask that this fence is still its own.

    Returns:
        Whether the move happened.
    """
    if not may_follow(one.state, new):
        return False
    statement = sa.update(deliveries).where(
        deliveries.c.id == one.id, deliveries.c.state == one.state.value
    )
    if fence is not None:
        statement = statement.where(deliveries.c.fence == fence)
    done = conn.execute(statement.values(state=new.value, changed_at=now, **(values or {})))
    if done.rowcount != 1:
        return False
    data = {"from": one.state.value, "to": new.value, "why": why}
    audit.record(conn, Entry(f"delivery.{new.value}", one.id, actor, data), now=now)
    return True


def unowned() -> dict[str, Any]:
    """Return the columns of a delivery that nobody sends; its fence stays for a late answer."""
    return {"owner": None, "lease_until_s": None}


def unclaimed(one: Delivery) -> dict[str, Any]:
    """Return the columns that take a claim away: a new fence, no owner, no lease."""
    return {"fence": one.fence + 1, "owner": None, "lease_until_s": None}


def set_values(conn: Connection, delivery_id: str, *, now: datetime, **values: Any) -> None:
    """Change other columns of a delivery, never its state."""
    conn.execute(
        sa.update(deliveries).where(deliveries.c.id == delivery_id).values(changed_at=now, **values)
    )


def of_batch(conn: Connection, batch: str) -> Iterator[Delivery]:
    """Go through an import that nobody sees yet; never is the whole of it in memory."""
    statement = (
        sa.select(*_COLUMNS)
        .join_from(deliveries, posts, posts.c.id == deliveries.c.post)
        .where(deliveries.c.batch == batch)
        .execution_options(yield_per=BATCH)
    )
    with conn.execute(statement) as found:
        for row in found:
            yield delivery(row)
