"""The pause in the store: causes, versions, the seal, what a trip sets going."""

from __future__ import annotations

import pytest

from killswitch.latch import CauseKind
from killswitch.queue.states import DeliveryState
from killswitch.store import audit, facts, incidents, notices
from killswitch.store import latch as latch_store
from killswitch.store.latch import NewCause
from killswitch.trip import CLASH_SCAN, Story, trip
from tests.store.made import (
    HOUR,
    MINUTE,
    NOW,
    SECOND,
    a_cause,
    add,
    latch_of,
    pause,
    put,
    resume,
    the,
)

S = DeliveryState


def rows_of(store, event):
    with store.read() as conn:
        return [row for row in audit.rows(conn, limit=500) if row.event == event]


def test_a_trip_pauses_and_the_version_grows(store):
    before = latch_of(store)
    done = pause(store)
    latch = latch_of(store)
    assert (before.paused, before.version) == (False, 1)
    assert (latch.paused, latch.version, latch.paused_at) == (True, 2, NOW)
    assert latch.causes == (done.cause,)
    assert done.new
    assert done.version == 2


def test_the_same_cause_again_only_adds_evidence(store):
    first = {"title": "Knife attack", "outlet": "A", "url": "https://a.example/1"}
    more = {"title": "Knife attack in town", "outlet": "B", "url": "https://b.example/1"}
    pause(store, CauseKind.STORY, "s1", evidence=[first])
    again = pause(store, CauseKind.STORY, "s1", evidence=[first, more])
    latch = latch_of(store)
    assert not again.new
    assert latch.version == 2
    assert list(latch.causes[0].evidence) == [first, more]


@pytest.mark.parametrize("kind", CauseKind, ids=str)
def test_every_kind_of_cause_opens_beside_another(store, kind):
    pause(store, CauseKind.MANUAL, "first")
    pause(store, kind, "second")
    assert [cause.kind for cause in latch_of(store).causes] == sorted(
        [CauseKind.MANUAL, kind], key=lambda k: k is not CauseKind.MANUAL
    ) or len(latch_of(store).causes) == 2
    assert latch_of(store).version == 3


def test_a_close_ends_the_pause_only_with_the_last_cause(store):
    one, two = pause(store, ref="a").cause, pause(store, ref="b").cause
    with store.write() as conn:
        latch = latch_store.lock(conn)
        version = latch_store.close_causes(conn, latch, [one.id], by="u1", reason="r", now=NOW)
    latch = latch_of(store)
    assert (version, latch.version) == (4, 4)
    assert [cause.id for cause in latch.causes] == [two.id]
    assert latch.incident == two.incident
    resume(store)
    latch = latch_of(store)
    assert (latch.paused, latch.version, latch.incident) == (False, 5, None)
    assert latch.resumed_at == NOW


def test_the_same_ref_after_a_close_is_a_new_cause(store):
    first = pause(store).cause
    resume(store)
    second = pause(store)
    assert second.new
    assert second.cause.id != first.id


def test_the_newest_closed_cause_of_a_press_is_found_however_it_came(store):
    by_socket, by_flag = (CauseKind.MANUAL, "k1"), (CauseKind.FLAG, "k1")

    def last(*refs):
        with store.read() as conn:
            found = latch_store.last_closed(conn, refs)
        return found and found.id

    first = pause(store).cause
    assert last(by_socket, by_flag) is None
    resume(store)
    assert last(by_socket, by_flag) == first.id
    assert last(by_flag) is None
    with store.write() as conn:
        new = NewCause(CauseKind.FLAG, "k1", "again")
        second = trip(conn, new, now=NOW + SECOND).cause
    resume(store)
    assert last(by_socket, by_flag) == second.id
    assert last(by_socket) == first.id


def test_a_seal_outlives_a_second_cause_and_ends_with_the_pause(store):
    pause(store, ref="a")
    with store.write() as conn:
        latch_store.seal(conn, latch_store.lock(conn), uncertain=["d9"], at=NOW, now=NOW)
    assert latch_of(store).sealed_at == NOW
    pause(store, ref="b")
    assert latch_of(store).sealed_at == NOW
    resume(store)
    pause(store, ref="c")
    assert latch_of(store).sealed_at is None
    (row,) = rows_of(store, "pause.sealed")
    assert audit.data_of(row) == {"version": 2, "uncertain": ["d9"]}


def test_a_trip_takes_back_what_was_claimed_and_names_what_is_on_the_wire(store):
    claimed, sending = add(store), add(store)
    put(store, claimed, S.CLAIMED, owner=1, lease_until_s=9.0)
    put(store, sending, S.CLAIMED, S.SENDING)
    done = pause(store)
    assert [one.id for one in done.on_wire] == [sending]
    back = the(store, claimed)
    assert (back.state, back.owner, back.lease_until_s) == (S.SCHEDULED, None, None)
    assert back.fence == 1
    assert the(store, sending).state is S.SENDING


def test_causes_of_one_pause_belong_to_one_incident(store):
    one = pause(store, CauseKind.MANUAL, "a").cause
    story = Story("s1", "Knife attack", NOW - MINUTE)
    with store.write() as conn:
        two = trip(conn, a_cause(CauseKind.STORY, "s1"), now=NOW, story=story).cause
        assert facts.like(conn, CLASH_SCAN) == {CLASH_SCAN + "s1": ""}
    assert one.incident == two.incident
    with store.read() as conn:
        found = incidents.get(conn, one.incident)
        assert (found.title, found.story) == ("Knife attack", "s1")
        assert found.first_headline_at == NOW - MINUTE
        assert [row.id for row in latch_store.causes_of(conn, one.incident)] == [one.id, two.id]
    resume(store)
    assert pause(store, ref="b").cause.incident != one.incident


def test_a_trip_writes_one_notice_and_only_strangers_escalate(store):
    pause(store, CauseKind.MANUAL, "a")
    pause(store, CauseKind.MANUAL, "a")
    pause(store, CauseKind.BLIND, "b")
    with store.read() as conn:
        told = {row.kind: row.escalates for row in notices.undone(conn)}
    assert told == {"paused": False, "blind": True}


def test_a_review_is_told_once_when_its_time_has_come(store):
    cause = pause(store, review_at=NOW + HOUR).cause
    with store.write() as conn:
        assert latch_store.due_reviews(conn, now=NOW + HOUR - MINUTE) == []
        (due,) = latch_store.due_reviews(conn, now=NOW + HOUR)
        assert due.id == cause.id
        latch_store.mark_reviewed(conn, [cause.id], now=NOW + HOUR)
        assert latch_store.due_reviews(conn, now=NOW + HOUR) == []


def test_every_change_of_the_pause_has_its_row_in_the_trail(store):
    pause(store, reason="knife")
    resume(store)
    (opened,), (closed,) = rows_of(store, "cause.opened"), rows_of(store, "cause.closed")
    assert audit.data_of(opened)["reason"] == "knife"
    assert (closed.actor, audit.data_of(closed)["reason"]) == ("u1", "seen")
