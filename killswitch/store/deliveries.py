"""
Deliveries and their posts: the rows of the queue and the moves between their states.

Every move is a conditional update (where the state is still the expected one) and writes its
audit row in the same transaction. What a row count does not confirm did not happen.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Row

from killswitch.queue.post import Content, Media
from killswitch.queue.states import DeliveryState, HoldKind, may_follow
from killswitch.store import audit
from killswitch.store.audit import Entry
from killswitch.store.engine import insert_new
from killswitch.store.schema import attempts, batches, decisions, deliveries, holds, posts

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
    limit: int,
) -> list[Delivery]:
    """Return one page of the queue by due time and id."""
    statement = select()
    if states:
        statement = statement.where(deliveries.c.state.in_(states))
    if ids:
        statement = statement.where(deliveries.c.id.in_(ids))
    if channel is not None:
        statement = statement.where(deliveries.c.channel == channel)
    if until is not None:
        statement = statement.where(deliveries.c.due_at < until)
    if tag is not None:
        # Not LIKE: that takes no notice of case on SQLite, and does on PostgreSQL.
        as_text = sa.cast(posts.c.tags, sa.Text)
        statement = statement.where(sa.func.replace(as_text, json.dumps(tag), "") != as_text)
    if clash:
        statement = statement.where(
            sa.exists().where(
                holds.c.delivery == deliveries.c.id,
                holds.c.kind == "clash",
                holds.c.lifted_at.is_(None),
            )
        )
    if after is not None:
        at = sa.tuple_(deliveries.c.due_at, deliveries.c.id)
        start = sa.tuple_(
            sa.literal(after[0], deliveries.c.due_at.type), sa.literal(after[1], sa.String)
        )
        statement = statement.where(at > start)
    statement = statement.order_by(deliveries.c.due_at, deliveries.c.id).limit(limit)
    return [delivery(row) for row in conn.execute(statement)]


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


def sent_between(conn: Connection, start: datetime, end: datetime) -> list[Delivery]:
    """Return what went out between two instants, oldest first."""
    statement = select().where(
        deliveries.c.state.in_(["sent", "retracting", "retracted"]),
        deliveries.c.sent_at >= start,
        deliveries.c.sent_at < end,
    )
    return [delivery(row) for row in conn.execute(statement.order_by(deliveries.c.sent_at))]


def sent_since(conn: Connection, since: datetime) -> dict[str, int]:
    """Count what went out since an instant, by channel."""
    found = conn.execute(
        sa.select(deliveries.c.channel, sa.func.count())
        .where(deliveries.c.sent_at >= since)
        .group_by(deliveries.c.channel)
    )
    return {row[0]: row[1] for row in found}


def by_remote(conn: Connection, what: str) -> list[Delivery]:
    """Return deliveries whose id or address at the network is this one."""
    statement = select().where(
        sa.or_(deliveries.c.remote_id == what, deliveries.c.remote_url == what)
    )
    return [delivery(row) for row in conn.execute(statement.limit(2))]


def expired(conn: Connection, *, now: datetime, limit: int = BATCH) -> list[Delivery]:
    """Return deliveries whose author's own ``expires`` has passed while they waited."""
    waiting = [_S.SCHEDULED.value, _S.HELD.value, _S.AWAITING_APPROVAL.value]
    statement = select().where(deliveries.c.expires_at <= now, deliveries.c.state.in_(waiting))
    return [delivery(row) for row in conn.execute(statement.limit(limit))]


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
    limit: int | None = None,
) -> list[Delivery]:
    """Return deliveries of some states, due (or next) before an instant, soonest first, by id."""
    column = deliveries.c.next_at if by_next else deliveries.c.due_at
    statement = select().where(deliveries.c.state.in_([s.value for s in states]))
    if before is not None:
        statement = statement.where(column < before)
    ordered = statement.order_by(column, deliveries.c.id).limit(limit)
    return [delivery(row) for row in conn.execute(ordered)]


def in_doubt(conn: Connection) -> list[Delivery]:
    """
    Return what may have gone out or may still arrive, soonest due first.

    A post that somebody wants down before anybody knew whether it is out stays in doubt meanwhile.
    """
    statement = select().where(
        sa.or_(
            deliveries.c.state == _S.UNCERTAIN.value,
            sa.and_(deliveries.c.state == _S.RETRACTING.value, deliveries.c.sent_at.is_(None)),
        )
    )
    return [
        delivery(row)
        for row in conn.execute(statement.order_by(deliveries.c.due_at, deliveries.c.id))
    ]


def lost_between(conn: Connection, start: datetime, end: datetime) -> list[Delivery]:
    """Return what may have gone out by a request that was on the wire between two instants."""
    tried = sa.exists().where(
        attempts.c.delivery == deliveries.c.id,
        attempts.c.outcome == "unknown",
        attempts.c.ended_at >= start,
        attempts.c.intent_at < end,
    )
    states = [_S.UNCERTAIN.value, _S.RETRACTING.value, _S.RETRACTED.value]
    statement = select().where(
        deliveries.c.state.in_(states), deliveries.c.sent_at.is_(None), tried
    )
    return [
        delivery(row)
        for row in conn.execute(statement.order_by(deliveries.c.due_at, deliveries.c.id))
    ]


def due_on(conn: Connection, channel: str, *, now: datetime, limit: int) -> list[Delivery]:
    """Return what is due on a channel and has not expired, longest due first."""
    statement = select().where(
        deliveries.c.state == _S.SCHEDULED.value,
        deliveries.c.next_at <= now,
        deliveries.c.channel == channel,
        sa.or_(deliveries.c.expires_at.is_(None), deliveries.c.expires_at > now),
    )
    ordered = statement.order_by(deliveries.c.due_at, deliveries.c.id)
    return [delivery(row) for row in conn.execute(ordered.limit(limit))]


def overdue(
    conn: Connection, before: Mapping[str, datetime], *, otherwise: datetime, limit: int
) -> list[str]:
    """
    Return what waits although it was due before an instant of its channel, longest due first.

    Args:
        conn: A transaction.
        before: The instant of each channel.
        otherwise: The instant of any other channel.
        limit: Most to return; none of them hides another, for each of them is overdue.
    """
    late = [
        sa.and_(deliveries.c.channel == name, deliveries.c.due_at < at)
        for name, at in before.items()
    ]
    other = sa.and_(deliveries.c.channel.not_in(before), deliveries.c.due_at < otherwise)
    statement = sa.select(deliveries.c.id).where(
        deliveries.c.state.in_([_S.SCHEDULED.value, _S.AWAITING_APPROVAL.value]),
        # Said once more for the index.
        deliveries.c.due_at < max([otherwise, *before.values()]),
        sa.or_(other, *late),
        VISIBLE,
    )
    return list(conn.execute(statement.order_by(deliveries.c.due_at).limit(limit)).scalars())


def due_unconfirmed(conn: Connection, *, now: datetime, limit: int) -> list[str]:
    """Return what came due without the second look that the horizon asks for."""
    statement = sa.select(deliveries.c.id).where(
        deliveries.c.state == _S.SCHEDULED.value,
        deliveries.c.due_at <= now,
        deliveries.c.confirm_from.isnot(None),
        deliveries.c.confirmed_at.is_(None),
        VISIBLE,
    )
    return list(conn.execute(statement.limit(limit)).scalars())


def next_after(conn: Connection, *, now: datetime) -> datetime | None:
    """Return when the next scheduled delivery comes due after an instant."""
    return conn.execute(
        sa.select(deliveries.c.next_at)
        .where(deliveries.c.state == _S.SCHEDULED.value, deliveries.c.next_at > now, VISIBLE)
        .order_by(deliveries.c.next_at)
        .limit(1)
    ).scalar()


def is_any_due(conn: Connection, *, now: datetime) -> bool:
    """Say whether a scheduled delivery is due at an instant and has not left yet."""
    statement = sa.select(deliveries.c.id).where(
        deliveries.c.state == _S.SCHEDULED.value, deliveries.c.next_at <= now, VISIBLE
    )
    return conn.execute(statement.limit(1)).first() is not None


def count(conn: Connection, *states: DeliveryState) -> int:
    """Count visible deliveries of some states."""
    statement = sa.select(sa.func.count()).select_from(deliveries)
    return conn.execute(
        statement.where(deliveries.c.state.in_([s.value for s in states]), VISIBLE)
    ).scalar_one()


def counts(conn: Connection) -> dict[DeliveryState, int]:
    """Count visible deliveries by state, in one pass over the index."""
    found = conn.execute(
        sa.select(deliveries.c.state, sa.func.count()).where(VISIBLE).group_by(deliveries.c.state)
    )
    return {DeliveryState(state): number for state, number in found}


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


def hold(
    conn: Connection,
    one: Delivery,
    kind: HoldKind,
    *,
    ref: str = "",
    words: Sequence[str] = (),
    actor: str = audit.MACHINE,
    now: datetime,
    why: str = "",
    values: Mapping[str, Any] | None = None,
) -> bool:
    """Hold a delivery for one more reason; say whether the reason is new."""
    if one.state is not _S.HELD and not move(
        conn, one, _S.HELD, actor=actor, why=why or kind.value, now=now, values=values
    ):
        return False
    this = (holds.c.delivery == one.id, holds.c.kind == kind.value, holds.c.ref == ref)
    known = conn.execute(sa.select(holds.c.lifted_at).where(*this)).one_or_none()
    if known is None:
        conn.execute(
            sa.insert(holds).values(
                delivery=one.id, kind=kind.value, ref=ref, words=list(words), at=now, by=actor
            )
        )
        return True
    if known.lifted_at is None:
        return False
    conn.execute(sa.update(holds).where(*this).values(lifted_at=None, at=now, by=actor))
    return True


def of_batch(conn: Connection, batch: str, *, after: str, limit: int = BATCH) -> list[Delivery]:
    """Return deliveries of an import that nobody sees yet, by id."""
    statement = (
        sa.select(*_COLUMNS)
        .join_from(deliveries, posts, posts.c.id == deliveries.c.post)
        .where(deliveries.c.batch == batch, deliveries.c.id > after)
        .order_by(deliveries.c.id)
        .limit(limit)
    )
    return [delivery(row) for row in conn.execute(statement)]


def hold_staged(
    conn: Connection,
    delivery_id: str,
    kind: HoldKind,
    *,
    ref: str,
    words: Sequence[str],
    now: datetime,
) -> None:
    """
    Hold a delivery of an import that nobody sees yet.

    The audit row of it is the committer's: an import that is dropped leaves nothing.
    """
    conn.execute(
        sa.update(deliveries).where(deliveries.c.id == delivery_id).values(state=_S.HELD.value)
    )
    insert_new(
        conn,
        holds,
        {
            "delivery": delivery_id,
            "kind": kind.value,
            "ref": ref,
            "words": list(words),
            "at": now,
            "by": audit.MACHINE,
        },
    )


def holds_of(conn: Connection, ids: Collection[str]) -> dict[str, list[Row[Any]]]:
    """Return the holds of deliveries by delivery id, in the order that people are shown."""
    found: dict[str, list[Row[Any]]] = {one: [] for one in ids}
    order = list(HoldKind)
    standing = sa.select(holds).where(holds.c.delivery.in_(ids), holds.c.lifted_at.is_(None))
    for row in conn.execute(standing):
        found[row.delivery].append(row)
    for rows in found.values():
        rows.sort(key=lambda row: (order.index(HoldKind(row.kind)), row.at))
    return found


def _by_pause(incident: str | None) -> tuple[sa.ColumnElement[bool], ...]:
    paused = sa.exists().where(
        holds.c.delivery == deliveries.c.id,
        holds.c.kind == HoldKind.PAUSE.value,
        holds.c.ref == (incident or ""),
        holds.c.lifted_at.is_(None),
    )
    return paused, VISIBLE


def _came_due_undecided(now: datetime) -> tuple[sa.ColumnElement[bool], ...]:
    decided = sa.exists().where(decisions.c.delivery == deliveries.c.id)
    return deliveries.c.state == _S.HELD.value, deliveries.c.due_at < now, ~decided


def _decided_in_vain(now: datetime) -> tuple[sa.ColumnElement[bool], ...]:
    passed = sa.select(decisions.c.delivery).where(decisions.c.due_at <= now)
    return deliveries.c.state == _S.HELD.value, deliveries.c.id.in_(passed)


def undecided(
    conn: Connection, *, incident: str | None, now: datetime, limit: int
) -> list[Delivery]:
    """
    Return what a pause holds, what came due before ``now`` and what nobody decided on.

    A decided time that has passed counts as no decision.
    """
    undecided = sa.or_(sa.and_(*_came_due_undecided(now)), sa.and_(*_decided_in_vain(now)))
    statement = select().where(undecided, *_by_pause(incident))
    ordered = statement.order_by(deliveries.c.due_at, deliveries.c.id)
    return [delivery(row) for row in conn.execute(ordered.limit(limit))]


def count_undecided(conn: Connection, *, incident: str | None, now: datetime) -> int:
    """
    Count what ``undecided`` would return, without reading a single text.

    A resume asks this under the lock that a pause waits for: two questions that each have an index
    take a third of the time of one that has none.
    """
    counted = sa.select(sa.func.count()).select_from(deliveries)
    either = (_came_due_undecided(now), _decided_in_vain(now))
    found = (conn.execute(counted.where(*one, *_by_pause(incident))).scalar_one() for one in either)
    return sum(found)


def clashing(conn: Connection, ref: str) -> tuple[int, set[str]]:
    """Count the held deliveries that clash with an event, and return the words of all."""
    found = conn.execute(
        sa.select(holds.c.words)
        .join_from(holds, deliveries, deliveries.c.id == holds.c.delivery)
        .where(
            holds.c.kind == HoldKind.CLASH.value,
            holds.c.ref == ref,
            holds.c.lifted_at.is_(None),
            deliveries.c.state == _S.HELD.value,
            VISIBLE,
        )
    )
    rows = list(found.scalars())
    return len(rows), {word for words in rows for word in words}


def held_only_by(
    conn: Connection,
    kind: HoldKind,
    *,
    ref: str,
    due_from: Mapping[str, datetime],
    limit: int,
) -> list[tuple[datetime, str]]:
    """
    Return what has a hold of ``kind`` and ``ref``, none of another kind, and no decision.

    Args:
        conn: A transaction.
        kind: The one kind of hold.
        ref: What it must be held by.
        due_from: By channel, the earliest due time that counts; other channels do not count.
        limit: Most to return.

    Returns:
        When each is due and its id, soonest first.
    """
    of = sa.exists().where(holds.c.delivery == deliveries.c.id, holds.c.lifted_at.is_(None))
    in_time = [
        sa.and_(deliveries.c.channel == channel, deliveries.c.due_at >= since)
        for channel, since in due_from.items()
    ]
    found = conn.execute(
        sa.select(deliveries.c.due_at, deliveries.c.id)
        .where(
            deliveries.c.state == _S.HELD.value,
            VISIBLE,
            sa.or_(sa.false(), *in_time),
            of.where(holds.c.kind == kind.value, holds.c.ref == ref),
            ~of.where(holds.c.kind != kind.value),
            ~sa.exists().where(decisions.c.delivery == deliveries.c.id),
        )
        .order_by(deliveries.c.due_at, deliveries.c.id)
        .limit(limit)
    )
    return [(row.due_at, row.id) for row in found]


def ever_held(conn: Connection, incident: str, story: str | None) -> list[Delivery]:
    """Return what a pause held (lifted holds included) or clashed with its story."""
    refs = [incident, story] if story else [incident]
    has = sa.exists().where(holds.c.delivery == deliveries.c.id, holds.c.ref.in_(refs))
    rows = conn.execute(select().where(has).order_by(deliveries.c.due_at, deliveries.c.id))
    return [delivery(row) for row in rows]


def lift_holds(
    conn: Connection, delivery_id: str, *, now: datetime, kind: HoldKind | None = None
) -> None:
    """
    Lift the holds of a delivery; the rows stay on record.

    All of them for a human's release, move or edit, those of one kind for a confirm.
    """
    statement = sa.update(holds).where(holds.c.delivery == delivery_id, holds.c.lifted_at.is_(None))
    if kind is not None:
        statement = statement.where(holds.c.kind == kind.value)
    conn.execute(statement.values(lifted_at=now))


def due_times(
    conn: Connection,
    channel: str,
    *,
    after: datetime,
    before: datetime,
    states: Iterable[DeliveryState],
    without: str | None = None,
    batch: str | None = None,
) -> list[datetime]:
    """Return the sorted due times on a channel between two instants."""
    seen = VISIBLE if batch is None else sa.or_(VISIBLE, deliveries.c.batch == batch)
    statement = sa.select(deliveries.c.due_at).where(
        deliveries.c.channel == channel,
        deliveries.c.due_at > after,
        deliveries.c.due_at < before,
        deliveries.c.state.in_([s.value for s in states]),
        seen,
    )
    if without is not None:
        statement = statement.where(deliveries.c.id != without)
    return list(conn.execute(statement.order_by(deliveries.c.due_at)).scalars())
