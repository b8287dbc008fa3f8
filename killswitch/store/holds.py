"""
Why deliveries are held: one row a reason, lifted and never removed.

Invariant: a delivery is ``held`` exactly while it has a hold that was not lifted.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Row

from killswitch.queue.states import DeliveryState, HoldKind
from killswitch.store import audit
from killswitch.store.deliveries import VISIBLE, Delivery, delivery, move, select
from killswitch.store.engine import insert_new
from killswitch.store.schema import decisions, deliveries, posts
from killswitch.store.schema import holds as table

_S = DeliveryState


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
    this = (table.c.delivery == one.id, table.c.kind == kind.value, table.c.ref == ref)
    known = conn.execute(sa.select(table.c.lifted_at).where(*this)).one_or_none()
    if known is None:
        conn.execute(
            sa.insert(table).values(
                delivery=one.id, kind=kind.value, ref=ref, words=list(words), at=now, by=actor
            )
        )
        return True
    if known.lifted_at is None:
        return False
    conn.execute(sa.update(table).where(*this).values(lifted_at=None, at=now, by=actor))
    return True


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
        table,
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
    standing = sa.select(table).where(table.c.delivery.in_(ids), table.c.lifted_at.is_(None))
    for row in conn.execute(standing):
        found[row.delivery].append(row)
    for rows in found.values():
        rows.sort(key=lambda row: (order.index(HoldKind(row.kind)), row.at))
    return found


def _by_pause(incident: str | None) -> tuple[sa.ColumnElement[bool], ...]:
    paused = sa.exists().where(
        table.c.delivery == deliveries.c.id,
        table.c.kind == HoldKind.PAUSE.value,
        table.c.ref == (incident or ""),
        table.c.lifted_at.is_(None),
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
        sa.select(table.c.words)
        .join_from(table, deliveries, deliveries.c.id == table.c.delivery)
        .where(
            table.c.kind == HoldKind.CLASH.value,
            table.c.ref == ref,
            table.c.lifted_at.is_(None),
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
) -> list[tuple[datetime, datetime, str]]:
    """
    Return what has a hold of ``kind`` and ``ref``, none of another kind, and no decision.

    Args:
        conn: A transaction.
        kind: The one kind of hold.
        ref: What it must be held by.
        due_from: By channel, the earliest due time that counts; other channels do not count.
        limit: Most to return.

    Returns:
        When each is due, when it came into the queue, and its id; soonest first.
    """
    of = sa.exists().where(table.c.delivery == deliveries.c.id, table.c.lifted_at.is_(None))
    in_time = [
        sa.and_(deliveries.c.channel == channel, deliveries.c.due_at >= since)
        for channel, since in due_from.items()
    ]
    line = (deliveries.c.due_at, posts.c.created_at, deliveries.c.id)
    found = conn.execute(
        sa.select(*line)
        .join_from(deliveries, posts, posts.c.id == deliveries.c.post)
        .where(
            deliveries.c.state == _S.HELD.value,
            VISIBLE,
            sa.or_(sa.false(), *in_time),
            of.where(table.c.kind == kind.value, table.c.ref == ref),
            ~of.where(table.c.kind != kind.value),
            ~sa.exists().where(decisions.c.delivery == deliveries.c.id),
        )
        .order_by(*line)
        .limit(limit)
    )
    return [(row.due_at, row.created_at, row.id) for row in found]


def ever_held(conn: Connection, incident: str, story: str | None) -> list[Delivery]:
    """Return what a pause held (lifted holds included) or clashed with its story."""
    refs = [incident, story] if story else [incident]
    has = sa.exists().where(table.c.delivery == deliveries.c.id, table.c.ref.in_(refs))
    rows = conn.execute(select().where(has).order_by(deliveries.c.due_at, deliveries.c.id))
    return [delivery(row) for row in rows]


def lift_holds(
    conn: Connection, delivery_id: str, *, now: datetime, kind: HoldKind | None = None
) -> None:
    """
    Lift the holds of a delivery; the rows stay on record.

    All of them for a human's release, move or edit, those of one kind for a confirm.
    """
    statement = sa.update(table).where(table.c.delivery == delivery_id, table.c.lifted_at.is_(None))
    if kind is not None:
        statement = statement.where(table.c.kind == kind.value)
    conn.execute(statement.values(lifted_at=now))
