"""
The tellings: one address in one round of a notice, and what the teller does with them.

Invariants:
    A telling is claimed by a conditional update before a byte leaves, so that two tellers never
    send the same one; a claim that nobody ends is due again when its lease is over.
    Addresses are named by list and position ("0.1"), never by their text, which holds secrets.
    A notice is done when it neither calls again nor has an address left to try.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Row

from killswitch.queue.states import DeliveryState
from killswitch.store.notices import (
    NoticeKind,
    finish,
    read_fact,
    settle,
    taken_in,
    undone,
    write_fact,
)
from killswitch.store.schema import deliveries, notices, tellings


@dataclass(frozen=True, slots=True)
class Notice:
    """
    One thing to say.

    Attributes:
        level: How many of the further lists have joined; 0 is ``notify.urls`` alone.
        round: The current round; 0 before the first.
        next_at: When the next round is due; None when none will come by itself.
    """

    id: str
    kind: NoticeKind
    ref: str
    facts: dict[str, Any]
    created_at: datetime
    escalates: bool
    loud: bool
    level: int
    round: int
    next_at: datetime | None
    first_accepted_at: datetime | None
    acked_at: datetime | None

    @property
    def refs(self) -> list[str]:
        """What it is about, with what joined it."""
        return [self.ref, *self.facts.get("_refs", [])]

    @property
    def told_of(self) -> list[dict[str, Any]]:
        """The facts of each thing that it tells of."""
        own = {
            key: value
            for key, value in self.facts.items()
            if not key.startswith("_") and key not in {"joined", "more"}
        }
        return [own, *self.facts.get("joined", [])]

    @property
    def round_at(self) -> datetime:
        """When the current round began."""
        return read_fact(self.facts.get("_round_at")) or self.created_at


@dataclass(frozen=True, slots=True)
class Telling:
    """One address of one round; ``tries`` counts the claims so far."""

    notice: str
    round: int
    address: str
    tries: int
    accepted_at: datetime | None = None
    problem: str | None = None


def get_notice(conn: Connection, notice: str) -> Notice | None:
    """Return one notice, or None."""
    row = conn.execute(sa.select(notices).where(notices.c.id == notice)).first()
    return None if row is None else _notice(row, current_round(conn, notice))


def due_notices(conn: Connection, *, now: datetime) -> list[Notice]:
    """Return the notices whose next round is due, oldest first."""
    rows = conn.execute(
        sa.select(notices)
        .where(notices.c.next_at <= now, notices.c.done_at.is_(None))
        .order_by(notices.c.created_at, notices.c.id)
    )
    return [_notice(row, current_round(conn, row.id)) for row in rows.all()]


def unreached(conn: Connection) -> list[Notice]:
    """Return the notices that went out and that no address has accepted yet."""
    rows = undone(
        conn,
        notices.c.first_accepted_at.is_(None),
        sa.exists().where(tellings.c.notice == notices.c.id),
    )
    return [_notice(row, current_round(conn, row.id)) for row in rows]


def round_tellings(conn: Connection, notice: Notice) -> list[Telling]:
    """Return the tellings of the current round."""
    rows = conn.execute(
        sa.select(tellings)
        .where(tellings.c.notice == notice.id, tellings.c.round == notice.round)
        .order_by(tellings.c.address)
    )
    return [_telling(row) for row in rows]


def current_round(conn: Connection, notice: str) -> int:
    """Return the number of the newest round; 0 before the first."""
    query = sa.select(sa.func.max(tellings.c.round)).where(tellings.c.notice == notice)
    return conn.execute(query).scalar() or 0


def open_round(
    conn: Connection,
    notice: Notice,
    *,
    addresses: Iterable[str],
    level: int,
    again_at: datetime | None,
    now: datetime,
) -> None:
    """
    Begin the next round: every address is due now, and what is left of older rounds is over.

    Args:
        conn: A write transaction.
        notice: As it was read in this transaction.
        addresses: Names of addresses, all lists up to ``level``.
        level: How many of the further lists have joined.
        again_at: When the round after this one is due; None for none.
        now: Aware UTC instant.
    """
    conn.execute(
        sa.update(tellings)
        .where(tellings.c.notice == notice.id, tellings.c.accepted_at.is_(None))
        .values(next_at=None)
    )
    rows = _rows(notice.id, notice.round + 1, addresses, now=now)
    if rows:
        conn.execute(sa.insert(tellings), rows)
    _change(
        conn,
        notice.id,
        level=level,
        next_at=again_at,
        facts={**notice.facts, "_round_at": write_fact(now)},
    )


def add_list(
    conn: Connection, notice: Notice, *, addresses: Iterable[str], level: int, now: datetime
) -> None:
    """Let one more list join the current round, because nobody of the others was reached."""
    there = {telling.address for telling in round_tellings(conn, notice)}
    fresh = [address for address in addresses if address not in there]
    rows = _rows(notice.id, notice.round, fresh, now=now)
    if rows:
        conn.execute(sa.insert(tellings), rows)
    facts = {**notice.facts, "_round_at": write_fact(now)}
    _change(conn, notice.id, level=level, facts=facts)


def again_at(conn: Connection, notice: str, when: datetime | None) -> None:
    """Set when the next round of ``notice`` is due; None for never."""
    _change(conn, notice, next_at=when)


def hand_over(conn: Connection, notice: Notice, *, now: datetime) -> bool:
    """
    Close a notice where a newer one of its kind calls for both; say whether there was one.

    Their repeats would say the same, for a text is written from the state of the moment: without
    this a day of trips would ring every phone a hundred times each quarter of an hour. The newer
    one goes on from where the escalation of the older one had come.
    """
    rows = undone(
        conn,
        notices.c.kind == notice.kind,
        notices.c.escalates.is_(sa.true()),
        notices.c.acked_at.is_(None),
        notices.c.created_at > notice.created_at,
    )
    newer = next((row for row in rows if current_round(conn, row.id) > 0), None)
    if newer is None:
        return False
    values: dict[str, Any] = {"level": max(newer.level, notice.level)}
    if notice.kind is NoticeKind.UNCERTAIN:
        # Each is about posts of its own: the newer one goes on with those of both.
        values["facts"] = taken_in(newer.facts, refs=notice.refs, facts=notice.told_of)
    _change(conn, newer.id, **values)
    finish(conn, notice.id, now=now)
    return True


def is_settled(conn: Connection, notice: Notice) -> bool:
    """
    Say whether every post that an ``uncertain`` notice tells of was resolved since.

    One that is out after all has no delivery that could be: it calls until somebody answers.
    """
    if notice.kind is not NoticeKind.UNCERTAIN:
        return False
    refs = set(notice.refs)
    resolved = sa.select(sa.func.count()).where(
        deliveries.c.id.in_(refs), deliveries.c.state != DeliveryState.UNCERTAIN.value
    )
    return bool(conn.execute(resolved).scalar_one() == len(refs))


def due_tellings(conn: Connection, *, now: datetime) -> list[tuple[Notice, Telling]]:
    """Return what is to be sent now: loud before quiet, then the oldest notice first."""
    rows = conn.execute(
        sa.select(tellings)
        .join(notices, notices.c.id == tellings.c.notice)
        .where(
            tellings.c.next_at <= now,
            tellings.c.accepted_at.is_(None),
            notices.c.done_at.is_(None),
        )
        .order_by(notices.c.loud.desc(), notices.c.created_at, tellings.c.address)
    ).all()
    known: dict[str, Notice | None] = {
        one: get_notice(conn, one) for one in {row.notice for row in rows}
    }
    return [(about, _telling(row)) for row in rows if (about := known[row.notice]) is not None]


def claim(conn: Connection, telling: Telling, *, until: datetime) -> bool:
    """
    Take a telling before it is sent, counting the try; False when another had it first.

    Args:
        conn: A write transaction.
        telling: As ``due_tellings`` gave it.
        until: End of the lease: later than the send can last.
    """
    done = conn.execute(
        sa.update(tellings)
        .where(
            _is(telling),
            tellings.c.tries == telling.tries,
            tellings.c.accepted_at.is_(None),
            tellings.c.next_at.isnot(None),
        )
        .values(tries=telling.tries + 1, next_at=until)
    )
    return done.rowcount == 1


def postpone(conn: Connection, telling: Telling, *, until: datetime) -> None:
    """Look at an untold telling again later; its age as unaccepted counts from there."""
    conn.execute(sa.update(tellings).where(_is(telling)).values(next_at=until))
    row = conn.execute(sa.select(notices.c.facts).where(notices.c.id == telling.notice)).one()
    facts = {**row.facts, "_from": write_fact(until), "_round_at": write_fact(until)}
    _change(conn, telling.notice, facts=facts)


def record(
    conn: Connection,
    telling: Telling,
    *,
    accepted: bool,
    problem: str | None,
    retry_at: datetime | None,
    now: datetime,
) -> None:
    """
    Write what became of a try, and close the notice when nothing is left to do.

    Args:
        conn: A write transaction.
        telling: The one that was claimed.
        accepted: Whether the service took it.
        problem: Why not, without secrets; None when accepted.
        retry_at: When to try again; None to give this address up for this notice.
        now: Aware UTC instant.
    """
    outcome: dict[str, Any] = {"problem": problem, "next_at": retry_at}
    if accepted:
        outcome = {"problem": None, "next_at": None, "accepted_at": now}
    conn.execute(sa.update(tellings).where(_is(telling)).values(**outcome))
    if accepted:
        conn.execute(
            sa.update(notices)
            .where(notices.c.id == telling.notice, notices.c.first_accepted_at.is_(None))
            .values(first_accepted_at=now)
        )
    settle(conn, telling.notice, now=now)


def next_at(conn: Connection) -> datetime | None:
    """Return when there is something to do next, or None."""
    of_notices = conn.execute(
        sa.select(sa.func.min(notices.c.next_at, type_=notices.c.next_at.type)).where(
            notices.c.done_at.is_(None)
        )
    ).scalar()
    of_tellings = conn.execute(
        sa.select(sa.func.min(tellings.c.next_at, type_=tellings.c.next_at.type))
        .join(notices, notices.c.id == tellings.c.notice)
        .where(notices.c.done_at.is_(None), tellings.c.accepted_at.is_(None))
    ).scalar()
    return min((one for one in (of_notices, of_tellings) if one is not None), default=None)


# ---- inside -------------------------------------------------------------------------------------


def _change(conn: Connection, notice: str, **values: Any) -> None:
    conn.execute(sa.update(notices).where(notices.c.id == notice).values(**values))


def _is(telling: Telling) -> sa.ColumnElement[bool]:
    return sa.and_(
        tellings.c.notice == telling.notice,
        tellings.c.round == telling.round,
        tellings.c.address == telling.address,
    )


def _rows(
    notice: str, number: int, addresses: Iterable[str], *, now: datetime
) -> list[dict[str, Any]]:
    return [
        {"notice": notice, "round": number, "address": address, "next_at": now}
        for address in addresses
    ]


def _notice(row: Row[Any], number: int) -> Notice:
    return Notice(
        id=row.id, kind=NoticeKind(row.kind), ref=row.ref, facts=dict(row.facts),
        created_at=row.created_at, escalates=row.escalates, loud=row.loud, level=row.level,
        round=number, next_at=row.next_at, first_accepted_at=row.first_accepted_at,
        acked_at=row.acked_at,
    )  # fmt: skip


def _telling(row: Row[Any]) -> Telling:
    return Telling(
        notice=row.notice, round=row.round, address=row.address, tries=row.tries,
        accepted_at=row.accepted_at, problem=row.problem,
    )  # fmt: skip
