"""What the store keeps of posts after their request: looks, and wishes to take them down."""

from __future__ import annotations

import pytest
import sqlalchemy as sa

from killswitch.errors import InvariantBroken
from killswitch.queue.looking import Look
from killswitch.queue.states import DeliveryState
from killswitch.store import attempts, looks, retractions
from killswitch.store.schema import looks as look_rows
from tests.store.made import HOUR, MINUTE, NOW, SECOND, add, put

S = DeliveryState


def a_try(store, one, *, outcome="unknown", at=NOW):
    """A try of a delivery that began at an instant and whose answer was given up 20 s later."""
    with store.write() as conn:
        attempt = attempts.open_attempt(
            conn, delivery=one, incarnation=1, fence=1, request_hash="h", deadline_s=1, now=at
        )
        attempts.end(conn, attempt, outcome, detail="reset", now=at + 20 * SECOND)
    return attempt


def uncertain(store, *, at=NOW, **post):
    one = add(store, **post)
    put(store, one, S.CLAIMED, S.SENDING, S.UNCERTAIN)
    return one, a_try(store, one, at=at)


def look(store, attempt, *found, at=NOW + MINUTE):
    with store.write() as conn:
        for one in found:
            looks.add(conn, attempt, Look(at, one, f"HTTP {one}"))


def lost(store):
    with store.read() as conn:
        return looks.lost(conn)


def test_every_uncertain_delivery_is_found_with_its_newest_try_and_its_looks(store):
    other, _ = uncertain(store, due_at=NOW + HOUR)
    one, _ = uncertain(store, due_at=NOW)
    newest = a_try(store, one, at=NOW + MINUTE)
    look(store, newest, "absent", "unknown")
    sent = add(store)
    put(store, sent, S.CLAIMED, S.SENDING, S.SENT)
    first, second = lost(store)
    assert (first.delivery.id, first.attempt, second.delivery.id) == (one, newest, other)
    assert (first.began_at, first.looked.lost_at) == (NOW + MINUTE, NOW + MINUTE + 20 * SECOND)
    assert [one.found for one in first.looked.looks] == ["absent", "unknown"]
    assert second.looked.looks == ()


def test_looks_of_an_older_try_say_nothing_about_a_newer_one(store):
    one, attempt = uncertain(store)
    look(store, attempt, "absent", "absent", "absent", at=NOW + HOUR)
    assert lost(store)[0].looked.is_not_found
    a_try(store, one, at=NOW + 2 * HOUR)
    assert not lost(store)[0].looked.looks
    with store.read() as conn:
        assert [row.attempt for row in looks.all_of(conn, one)] == [1, 1, 1]
        assert looks.of(conn, [one])[one].looks == ()


def test_a_delivery_without_a_try_is_nothing_to_look_for(store):
    one = add(store)
    put(store, one, S.CLAIMED, S.SENDING, S.UNCERTAIN)
    assert lost(store) == []


def test_a_try_that_was_found_accepted_stays_so(store):
    one = add(store)
    attempt = a_try(store, one, outcome="accepted")
    with store.write() as conn:
        attempts.end(conn, attempt, "unknown", detail="a late time-out", now=NOW + HOUR)
        (row,) = attempts.of_delivery(conn, one)
    assert (row.outcome, row.detail) == ("accepted", "reset")


def test_a_look_says_one_of_three_things(store):
    _, attempt = uncertain(store)
    with pytest.raises(InvariantBroken):
        look(store, attempt, "perhaps")
    with store.read() as conn:
        assert not conn.execute(sa.select(look_rows)).all()


def ask(store, one, *, by="u1", at=NOW):
    with store.write() as conn:
        retractions.ask(conn, one, by=by, reason="wrong price", now=at)


def due(store, at=NOW):
    with store.read() as conn:
        return [(row.delivery, row.channel) for row in retractions.due(conn, now=at)]


def test_a_wish_is_due_at_once_then_when_it_says_until_it_ends(store):
    one = add(store)
    ask(store, one)
    assert due(store) == [(one, "insta")]
    with store.write() as conn:
        wish = retractions.open_one(conn, one)
        retractions.again(conn, wish.id, at=NOW + MINUTE, tries=1, detail="HTTP 503")
        assert retractions.next_at(conn) == NOW + MINUTE
    assert due(store) == []
    assert due(store, NOW + MINUTE) == [(one, "insta")]
    with store.write() as conn:
        retractions.end(conn, wish.id, retractions.GONE, tries=2, detail="HTTP 204", now=NOW + HOUR)
        assert retractions.next_at(conn) is None
        assert retractions.open_one(conn, one) is None
        (row,) = retractions.of(conn, [one])[one]
    assert due(store, NOW + HOUR) == []
    assert (row.outcome, row.tries, row.reason, row.asked_by) == ("gone", 2, "wrong price", "u1")
    assert (row.asked_at, row.ended_at, row.detail) == (NOW, NOW + HOUR, "HTTP 204")


def test_one_wish_at_a_time_and_a_new_one_after_it(store):
    one = add(store)
    ask(store, one)
    with pytest.raises(InvariantBroken):
        ask(store, one)
    with store.write() as conn:
        wish = retractions.open_one(conn, one)
        retractions.end(conn, wish.id, retractions.REFUSED, tries=1, detail="", now=NOW)
    ask(store, one, at=NOW + MINUTE)
    with store.read() as conn:
        assert [row.outcome for row in retractions.of(conn, [one])[one]] == ["refused", "open"]


def test_no_machine_asks_to_take_a_post_down(store):
    one = add(store)
    with pytest.raises(InvariantBroken):
        ask(store, one, by="machine")
    assert due(store) == []
