"""What the database itself refuses, whoever asks: states, causes, versions, attempts."""

from __future__ import annotations

from datetime import datetime
from itertools import product

import pytest
import sqlalchemy as sa

from killswitch.errors import InvariantBroken
from killswitch.latch import CauseKind
from killswitch.queue.states import TRANSITIONS, DeliveryState, may_follow
from killswitch.store import attempts, deliveries, posts
from killswitch.store import latch as latch_store
from killswitch.store.schema import causes, latch
from killswitch.store.schema import deliveries as rows
from tests.store.made import HOUR, NOW, a_post, add, latch_of, pause, put, resume, the

S = DeliveryState
# How a delivery gets to each state along allowed moves.
WAYS = {
    S.DRAFT: (S.DRAFT,),
    S.AWAITING_APPROVAL: (S.AWAITING_APPROVAL,),
    S.SCHEDULED: (),
    S.HELD: (S.HELD,),
    S.CLAIMED: (S.CLAIMED,),
    S.SENDING: (S.CLAIMED, S.SENDING),
    S.SENT: (S.CLAIMED, S.SENDING, S.SENT),
    S.UNCERTAIN: (S.CLAIMED, S.SENDING, S.UNCERTAIN),
    S.FAILED: (S.CLAIMED, S.SENDING, S.FAILED),
    S.SKIPPED: (S.SKIPPED,),
    S.CANCELLED: (S.CANCELLED,),
    S.RETRACTING: (S.CLAIMED, S.SENDING, S.SENT, S.RETRACTING),
    S.RETRACTED: (S.CLAIMED, S.SENDING, S.SENT, S.RETRACTING, S.RETRACTED),
}


@pytest.mark.parametrize("old", S, ids=str)
def test_only_the_moves_of_the_table_are_made(store, old):
    one = add(store)
    put(store, one, *WAYS[old])
    for new in S:
        if new is old or new in TRANSITIONS[old]:
            continue
        with pytest.raises(InvariantBroken, match="transition refused"), store.write() as conn:
            conn.execute(sa.update(rows).values(state=new.value))
        with store.write() as conn:
            assert not deliveries.move(conn, the(store, one), new, why="", now=NOW)
    assert the(store, one).state is old


@pytest.mark.parametrize(
    ("old", "new"), [(o, n) for o, n in product(S, S) if may_follow(o, n)], ids=str
)
def test_every_move_of_the_table_is_made_and_recorded(sqlite_store, old, new):
    one = add(sqlite_store)
    put(sqlite_store, one, *WAYS[old])
    assert put(sqlite_store, one, new).state is new


@pytest.mark.parametrize("state", S, ids=str)
def test_a_delivery_begins_before_anything_was_sent(store, state):
    statement = sa.text(
        "INSERT INTO deliveries (id, post, queue, channel, state, due_at, zone, wall, next_at, "
        "changed_at) SELECT 'dx', post, queue, channel, :state, due_at, zone, wall, next_at, "
        "changed_at FROM deliveries"
    )
    add(store)
    may = state in {S.DRAFT, S.AWAITING_APPROVAL, S.SCHEDULED, S.HELD}
    if may:
        with store.write() as conn:
            conn.execute(statement, {"state": state.value})
    else:
        with pytest.raises(InvariantBroken), store.write() as conn:
            conn.execute(statement, {"state": state.value})


def test_an_unknown_state_is_refused(store):
    add(store)
    with pytest.raises(InvariantBroken), store.write() as conn:
        conn.execute(sa.update(rows).values(state="gone"))


def test_a_delivery_that_people_can_see_is_never_removed(store):
    one = add(store)
    with pytest.raises(InvariantBroken, match="never removed"), store.write() as conn:
        conn.execute(sa.delete(rows))
    with store.write() as conn:
        batch = posts.open_batch(conn, by="u1", now=NOW)
        posts.add(conn, [a_post()], now=NOW, batch=batch)
        while posts.drop_batch(conn, batch, limit=500):
            pass
        assert posts.batch_row(conn, batch) is None
        assert conn.execute(sa.select(rows.c.id)).scalars().all() == [one]


def test_a_closed_cause_never_opens_again_and_none_is_removed(store):
    pause(store)
    resume(store)
    with pytest.raises(InvariantBroken, match="stays closed"), store.write() as conn:
        conn.execute(sa.update(causes).values(closed_at=None, closed_by=None))
    with pytest.raises(InvariantBroken, match="never removed"), store.write() as conn:
        conn.execute(sa.delete(causes))


def test_no_machine_closes_a_cause(store):
    pause(store)
    with pytest.raises(InvariantBroken):
        resume(store, by="machine")
    assert latch_of(store).paused


def test_a_cause_is_closed_by_somebody_or_is_open(store):
    pause(store)
    with pytest.raises(InvariantBroken), store.write() as conn:
        conn.execute(sa.update(causes).values(closed_at=NOW))


def test_the_version_never_goes_back(store):
    pause(store)
    with pytest.raises(InvariantBroken, match="goes back"), store.write() as conn:
        conn.execute(sa.update(latch).values(version=1))


def test_one_cause_of_a_kind_and_ref_is_open_at_a_time(store):
    pause(store)
    with pytest.raises(InvariantBroken), store.write() as conn:
        conn.execute(
            sa.insert(causes).values(
                id="c2", queue=latch_store.QUEUE, kind=CauseKind.MANUAL.value, ref="k1",
                reason="", evidence=[], opened_at=NOW, opened_by="u1", opened_version=9,
            )
        )  # fmt: skip


def test_a_delivery_has_one_open_attempt_at_most(store):
    one = add(store)

    def begin() -> None:
        with store.write() as conn:
            attempts.open_attempt(
                conn, delivery=one, incarnation=1, fence=1, request_hash="h", deadline_s=1, now=NOW
            )

    begin()
    with pytest.raises(InvariantBroken):
        begin()


def test_a_naive_time_is_refused(store):
    with pytest.raises(Exception, match="naive"), store.write() as conn:
        conn.execute(sa.update(rows).values(due_at=datetime(2026, 3, 2, 9, 0)))  # noqa: DTZ001 - the point


def test_a_broken_transaction_leaves_nothing(store):
    one = add(store)

    def write() -> None:
        with store.write() as conn:
            deliveries.set_values(conn, one, now=NOW, due_at=NOW + 9 * HOUR)
            conn.execute(sa.update(rows).values(state="sent"))

    with pytest.raises(InvariantBroken):
        write()
    assert the(store, one).due_at == NOW + HOUR
