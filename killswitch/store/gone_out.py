"""What went out, and what may have gone out although nobody knows."""

from __future__ import annotations

from collections import Counter
from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from killswitch.queue.states import DeliveryState
from killswitch.store.columns import unindexed
from killswitch.store.deliveries import Delivery, delivery, select
from killswitch.store.schema import attempts, deliveries, posts

_S = DeliveryState
# A request that began so long before an instant may have been on the wire then: the gate's T_SEND.
_LONGEST_REQUEST = timedelta(seconds=20)


def sent_between(conn: Connection, start: datetime, end: datetime) -> list[Delivery]:
    """
    Return what went out by a request on the wire between two instants, oldest first.

    When that was recorded does not count: it may have been after a restart, or by a human.
    """
    asked = (
        sa.select(attempts.c.delivery, sa.func.min(attempts.c.intent_at).label("at"))
        .where(
            attempts.c.outcome.in_(["accepted", "unknown"]),
            attempts.c.intent_at >= start - _LONGEST_REQUEST,
            attempts.c.intent_at < end,
        )
        .group_by(attempts.c.delivery)
        .subquery()
    )
    statement = (
        select()
        .join(asked, asked.c.delivery == deliveries.c.id)
        .where(
            unindexed(deliveries.c.state).in_(["sent", "retracting", "retracted"]),
            deliveries.c.sent_at.is_not(None),
        )
    )
    found = conn.execute(statement.order_by(asked.c.at, deliveries.c.id))
    return [delivery(row) for row in found]


def sent_since(conn: Connection, since: datetime) -> dict[str, int]:
    """Count what went out since an instant, by channel."""
    sent = conn.execute(sa.select(deliveries.c.channel).where(deliveries.c.sent_at >= since))
    return Counter(sent.scalars())


def by_remote(conn: Connection, what: str) -> Delivery | None:
    """
    Return the delivery whose id or address at the network is this one, the newest of several.

    An address is the same with and without a slash at its end and with either scheme: people copy
    it from anywhere. Where no network knows it, it may be the link that a post carried.
    """
    same = _spellings(what)
    at_network = sa.or_(deliveries.c.remote_id == what, deliveries.c.remote_url.in_(same))
    left = deliveries.c.sent_at.is_not(None)
    newest = deliveries.c.sent_at.desc().nulls_last()
    statement = select().order_by(newest, deliveries.c.id).limit(1)
    row = conn.execute(statement.where(at_network)).first()
    if row is None and len(same) > 1:
        row = conn.execute(statement.where(left, posts.c.link.in_(same))).first()
    return None if row is None else delivery(row)


def _spellings(what: str) -> list[str]:
    """Return the ways in which people write an address; anything else stands for itself."""
    scheme, mark, rest = what.partition("://")
    if not mark or scheme.lower() not in {"http", "https"}:
        return [what]
    host, slash, path = rest.partition("#")[0].partition("/")
    bare = f"{host.lower()}{slash}{path}".rstrip("/")
    return [f"{one}://{bare}{end}" for one in ("https", "http") for end in ("", "/")]


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
