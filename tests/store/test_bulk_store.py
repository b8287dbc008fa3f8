"""Many deliveries at once: the same rows and the same history as one by one."""

from __future__ import annotations

from dataclasses import replace

import pytest

from killswitch.errors import InvariantBroken
from killswitch.queue.states import Decision, DeliveryState, HoldKind
from killswitch.store import audit, bulk, decisions, deliveries, holds, posts
from killswitch.store.bulk import Move
from tests.store.made import HOUR, MINUTE, NOW, add, put, the

S = DeliveryState


def history(store, one):
    with store.read() as conn:
        return [(row.event, row.actor, audit.data_of(row)) for row in audit.rows(conn, subject=one)]


def kinds(store, one):
    with store.read() as conn:
        return [(row.kind, row.ref) for row in holds.holds_of(conn, [one])[one]]


def test_many_moves_leave_what_single_moves_would(store):
    singly, together = add(store), [add(store), add(store)]
    values = {"due_at": NOW + 9 * HOUR, "problem": "x"}
    with store.write() as conn:
        one = deliveries.get(conn, singly, lock=True)
        deliveries.move(conn, one, S.HELD, actor="u1", why="w", now=NOW, values=values)
        found = deliveries.lock_many(conn, together)
        moves = [Move(d, S.HELD, "w", actor="u1", values=values) for d in found]
        bulk.move(conn, moves, now=NOW)
    for one in together:
        assert history(store, one) == history(store, singly)
        now_is, alike = the(store, one), the(store, singly)
        assert replace(now_is, id="", post="") == replace(alike, id="", post="")
    with store.read() as conn:
        assert audit.verify(conn).ok


def test_moves_of_different_columns_and_states_go_together(store):
    put(store, back := add(store), S.CLAIMED)
    gone = add(store)
    with store.write() as conn:
        claimed, scheduled = (deliveries.get(conn, one, lock=True) for one in (back, gone))
        given_back = Move(claimed, S.SCHEDULED, "w", values=deliveries.unclaimed(claimed))
        bulk.move(conn, [given_back, Move(scheduled, S.SKIPPED, "w")], now=NOW)
    assert (the(store, back).state, the(store, back).fence) == (S.SCHEDULED, 1)
    assert (the(store, gone).state, the(store, gone).fence) == (S.SKIPPED, 0)


@pytest.mark.parametrize("new", [S.SENT, S.SENDING])
def test_one_move_that_is_not_allowed_stops_all_of_them(store, new):
    ids = [add(store), add(store)]

    def move_both():
        with store.write() as conn:
            first, second = (deliveries.get(conn, one) for one in ids)
            bulk.move(conn, [Move(first, S.HELD, "w"), Move(second, new, "w")], now=NOW)

    with pytest.raises(InvariantBroken):
        move_both()
    assert {the(store, one).state for one in ids} == {S.SCHEDULED}


def test_a_delivery_that_was_not_as_read_stops_all_of_them(store):
    ids = [add(store), add(store)]
    seen = [the(store, one) for one in ids]
    put(store, ids[1], S.CLAIMED)

    def move_both():
        with store.write() as conn:
            bulk.move(conn, [Move(one, S.HELD, "w") for one in seen], now=NOW)

    with pytest.raises(InvariantBroken):
        move_both()
    assert [the(store, one).state for one in ids] == [S.SCHEDULED, S.CLAIMED]


def test_holding_many_adds_a_reason_brings_a_lifted_one_back_and_repeats_none(store):
    fresh, lifted, held = add(store), add(store), add(store, due_at=NOW + MINUTE)
    with store.write() as conn:
        bulk.hold(
            conn, deliveries.lock_many(conn, [lifted, held]), HoldKind.PAUSE, ref="i1", why="w",
            now=NOW,
        )  # fmt: skip
        bulk.lift_holds(conn, [lifted], now=NOW)
    assert (kinds(store, lifted), kinds(store, held)) == ([], [("pause", "i1")])
    with store.write() as conn:
        found = deliveries.lock_many(conn, [fresh, lifted, held])
        bulk.hold(conn, found, HoldKind.PAUSE, ref="i1", why="w", now=NOW)
    assert [kinds(store, one) for one in (fresh, lifted, held)] == [[("pause", "i1")]] * 3
    assert len(history(store, held)) == 1


def test_nothing_to_move_hold_or_drop_writes_nothing(store):
    with store.write() as conn:
        bulk.move(conn, [], now=NOW)
        bulk.hold(conn, [], HoldKind.PAUSE, ref="", why="", now=NOW)
        bulk.lift_holds(conn, [], now=NOW)
        bulk.drop_decisions(conn, [])
        assert posts.edit_many(conn, [], now=NOW) == []
        assert audit.rows(conn) == []


def test_decisions_are_dropped_by_delivery(store):
    one, other = add(store), add(store)
    with store.write() as conn:
        for delivery in (one, other):
            decisions.write(conn, delivery, Decision.KEEP, version=2, by="u1", now=NOW)
        bulk.drop_decisions(conn, [one])
        assert decisions.of(conn, [one, other]).keys() == {other}


def test_two_edited_channels_of_one_post_leave_the_third_as_it_was(store):
    first = add(store, channels=("insta", "x", "log"), text="old", key="k1")
    with store.write() as conn:
        three = deliveries.of_post(conn, the(store, first).post)
        edits = [(three[0], {"text": "new 0"}), (three[1], {"text": "new 1"})]
        edited = posts.edit_many(conn, edits, now=NOW)
    now_is = [the(store, one.id) for one in three]
    assert [one.content.text for one in now_is] == ["new 0", "new 1", "old"]
    assert now_is[:2] == edited
    assert len({one.post for one in now_is}) == 3
    assert [one.key for one in now_is] == [None, None, "k1"]


def test_when_all_channels_are_edited_one_of_them_keeps_the_post_and_its_key(store):
    first = add(store, channels=("insta", "x"), key="k1")
    with store.write() as conn:
        two = deliveries.of_post(conn, the(store, first).post)
        posts.edit_many(conn, [(one, {"text": one.channel}) for one in two], now=NOW)
    now_is = [the(store, one.id) for one in two]
    assert [one.content.text for one in now_is] == [one.channel for one in two]
    assert sorted(one.key or "" for one in now_is) == ["", "k1"]
