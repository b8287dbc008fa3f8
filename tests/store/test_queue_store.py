"""Posts, deliveries, holds, decisions, attempts: every way in and out of the queue's tables."""

from __future__ import annotations

from datetime import timedelta

import pytest
import sqlalchemy as sa

from killswitch.queue.post import Content, Media
from killswitch.queue.states import Decision, DeliveryState, HoldKind
from killswitch.store import (
    attempts,
    channel_state,
    coming_due,
    decisions,
    deliveries,
    gone_out,
    holds,
    posts,
)
from killswitch.store.posts import NewPost, Place
from tests.store.made import HOUR, MINUTE, NOW, SECOND, a_post, add, put, the

S = DeliveryState
ENDS = {"states": ()}


def page(store, **chosen):
    with store.read() as conn:
        return [one.id for one in deliveries.page(conn, **({"states": (), "limit": 50} | chosen))]


def hold(store, one, kind=HoldKind.HUMAN, ref="", **more):
    with store.write() as conn:
        return holds.hold(conn, the(store, one), kind, ref=ref, now=NOW, **more)


def standing(store, one):
    with store.read() as conn:
        return [row.kind for row in holds.holds_of(conn, [one])[one]]


def test_a_post_comes_back_as_it_was_written(store):
    media = (Media("a/b.png", "alt ü", "ab"),)
    text = 'Ünïcode "quotes" 🎉 \\ %_'
    content = Content(text, media, "https://x.example/?a=1", ("été",))
    places = tuple(
        Place(name, NOW + HOUR, "Europe/Paris", "2026-03-02T11:00:00", NOW) for name in ("a", "b")
    )
    new = NewPost(content, places, "u1", "key-1", NOW + 2 * HOUR, approved=False)
    with store.write() as conn:
        ((post, ids),) = posts.add(conn, [new], now=NOW)
    one = the(store, ids[0])
    assert (one.content, one.content_hash) == (content, content.hash())
    assert (one.state, one.approved_hash, one.channel) == (S.AWAITING_APPROVAL, None, "a")
    assert (one.due_at, one.next_at, one.zone) == (NOW + HOUR, NOW + HOUR, "Europe/Paris")
    assert (one.expires_at, one.confirm_from, one.key) == (NOW + 2 * HOUR, NOW, "key-1")
    with store.read() as conn:
        assert [o.id for o in deliveries.of_post(conn, post)] == sorted(ids)
        assert posts.keyed(conn, ["key-1", "nothing"]).keys() == {"key-1"}
        assert deliveries.get(conn, "nothing") is None


def test_an_edit_of_one_channel_leaves_the_others_as_they_were(store):
    with store.write() as conn:
        ((_, (a, b)),) = posts.add(conn, [a_post(channels=("a", "b"), text="old")], now=NOW)
        edited = posts.edit(conn, deliveries.get(conn, a), {"text": "new"}, now=NOW)
    assert (edited.content.text, the(store, a).content.text) == ("new", "new")
    assert the(store, b).content.text == "old"
    assert the(store, a).approved_hash == the(store, a).content_hash
    with store.write() as conn:
        posts.edit(conn, the(store, a), {"text": "x"}, now=NOW, approved_by_editing=False)
    assert the(store, a).approved_hash != the(store, a).content_hash


# -- pages ---------------------------------------------------------------------------------------


def test_a_page_is_chosen_by_state_channel_time_and_id(store):
    early = add(store, due_at=NOW + MINUTE)
    late = add(store, due_at=NOW + 2 * HOUR, channels=("x",))
    held = put(store, add(store, due_at=NOW + HOUR), S.HELD).id
    assert page(store) == [early, held, late]
    assert page(store, states=("held",)) == [held]
    assert page(store, channel="x") == [late]
    assert page(store, until=NOW + HOUR) == [early]
    assert page(store, ids=[late, early]) == [early, late]
    assert page(store, clash=True) == []
    hold(store, held, HoldKind.CLASH, "s1", words=["lake"])
    assert page(store, clash=True) == [held]


@pytest.mark.parametrize("limit", range(1, 8))
def test_a_page_of_several_states_holds_the_soonest_of_all(store, limit):
    ids = [add(store, due_at=NOW + MINUTE * n) for n in range(6)]
    for one in ids[1::3]:
        put(store, one, S.HELD)
    for one in ids[2::3]:
        put(store, one, S.CLAIMED)
    states = ("scheduled", "held", "claimed")
    assert page(store, states=states, limit=limit) == ids[:limit]
    with store.read() as conn:
        found = deliveries.in_state(conn, S.HELD, S.CLAIMED, before=NOW + HOUR, limit=limit)
    assert [one.id for one in found] == [ids[1], ids[2], ids[4], ids[5]][:limit]


def plans(store, *asks):
    """Return how SQLite goes about each question."""
    found: list[str] = []

    def explain(conn, _cursor, statement, parameters, *_):
        if statement.startswith("SELECT"):
            rows = conn.connection.execute("EXPLAIN QUERY PLAN " + statement, parameters)
            found.append("\n".join(row[3] for row in rows))

    sa.event.listen(store.engine, "before_cursor_execute", explain)
    with store.read() as conn:
        for ask in asks:
            ask(conn)
    sa.event.remove(store.engine, "before_cursor_execute", explain)
    return found


def test_a_page_of_a_long_queue_is_a_range_of_an_index_and_no_count_reads_a_row(sqlite_store):
    paged, counted, staged = plans(
        sqlite_store,
        lambda conn: deliveries.page(conn, states=("scheduled", "held"), after=(NOW, "d"), limit=5),
        deliveries.counts,
    )
    assert paged.count("INDEX ix_deliveries_state_due (state=? AND (due_at,id)>(?,?))") == 2
    assert "SCAN deliveries" not in paged
    assert "SCAN deliveries USING COVERING INDEX" in counted
    assert "INDEX ix_deliveries_batch (batch=?)" in staged


def test_no_question_of_the_sweep_and_the_gate_goes_through_the_whole_queue(sqlite_store):
    asked = {
        "ix_deliveries_expires (expires_at<?)": lambda conn: coming_due.expired(conn, now=NOW),
        "ix_deliveries_state_due (state=? AND due_at<?)": lambda conn: coming_due.due_on(
            conn, "log", now=NOW, limit=5
        ),
        "ix_attempts_intent (intent_at>?)": lambda conn: attempts.sends_since(
            conn, "log", since=NOW
        ),
        "ix_deliveries_sent (sent_at>?)": lambda conn: gone_out.sent_since(conn, NOW),
    }
    found = plans(sqlite_store, *asked.values())
    assert [index for index, plan in zip(asked, found, strict=True) if index not in plan] == []


def test_what_an_open_import_has_staged_is_not_counted(store):
    add(store)
    with store.write() as conn:
        batch = posts.open_batch(conn, by="u1", now=NOW)
    add(store, batch=batch)
    with store.read() as conn:
        assert deliveries.counts(conn) == {S.SCHEDULED: 1}
        assert deliveries.count(conn, S.SCHEDULED, S.HELD) == 1
    with store.write() as conn:
        posts.show_batch(conn, batch, now=NOW)
        assert deliveries.counts(conn) == {S.SCHEDULED: 2}


def test_pages_follow_each_other_without_gap_or_repeat(store):
    ids = [add(store, due_at=NOW + MINUTE * (n // 3)) for n in range(10)]
    seen, after = [], None
    while found := _next(store, after):
        seen += [one.id for one in found]
        after = (found[-1].due_at, found[-1].id)
    assert sorted(seen) == sorted(ids)
    assert len(seen) == 10


def _next(store, after):
    with store.read() as conn:
        return deliveries.page(conn, states=(), after=after, limit=4)


@pytest.mark.parametrize("tag", ["promo", "été", 'a"b', "50%", "a_b", "back\\slash"])
def test_a_tag_is_found_whole_and_as_it_was_written(store, tag):
    one = add(store, tags=("other", tag))
    add(store, tags=(tag.upper() + "x", "x" + tag, "promotion", "axb"))
    assert page(store, tag=tag) == [one]
    assert page(store, tag=tag.upper() + "?") == []


def test_ids_are_found_by_their_beginning(store):
    one = add(store)
    add(store)
    with store.read() as conn:
        assert deliveries.matching(conn, one) == [one]
        assert deliveries.matching(conn, one[:9]) == [one]
        assert len(deliveries.matching(conn, "d")) == 2
        assert deliveries.matching(conn, "nothing") == []


# -- an import becomes visible at once -------------------------------------------------------------


def test_an_import_is_invisible_until_its_last_row_and_then_all_there(store):
    with store.write() as conn:
        batch = posts.open_batch(conn, by="u1", now=NOW)
    ids = {add(store, batch=batch, due_at=NOW + n * SECOND) for n in range(20)}
    with store.read() as conn:
        assert deliveries.counts(conn) == {}
        assert deliveries.count(conn, S.SCHEDULED) == 0
        assert deliveries.in_state(conn, S.SCHEDULED) == []
        assert coming_due.due_on(conn, "insta", now=NOW + HOUR, limit=9) == []
        assert coming_due.next_after(conn, now=NOW - HOUR) is None
        assert deliveries.matching(conn, "d") == []
        assert [deliveries.get(conn, one) for one in ids] == [None] * 20
        assert posts.staged_batches(conn) == [batch]
        times = {"after": NOW - HOUR, "before": NOW + HOUR, "states": [S.SCHEDULED]}
        assert coming_due.due_times(conn, "insta", **times) == []
        assert len(coming_due.due_times(conn, "insta", batch=batch, **times)) == 20
    assert page(store) == []
    with store.write() as conn:
        posts.show_batch(conn, batch, now=NOW)
    assert set(page(store)) == ids
    with store.read() as conn:
        assert posts.staged_batches(conn) == []


# -- moves, holds, decisions ---------------------------------------------------------------------


def test_a_move_needs_the_state_and_the_fence_that_were_seen(store):
    seen = the(store, add(store))
    put(store, seen.id, S.CLAIMED, fence=4)
    with store.write() as conn:
        assert not deliveries.move(conn, seen, S.CANCELLED, why="", now=NOW)
        now_is = deliveries.get(conn, seen.id, lock=True)
        assert not deliveries.move(conn, now_is, S.SENDING, why="", now=NOW, fence=3)
        assert deliveries.move(conn, now_is, S.SENDING, why="", now=NOW, fence=4)


def test_a_delivery_is_held_for_each_reason_once_and_shows_the_first(store):
    one = add(store)
    assert hold(store, one, HoldKind.LATE)
    assert hold(store, one, HoldKind.PAUSE, "i1")
    assert hold(store, one, HoldKind.PAUSE, "i2")
    assert not hold(store, one, HoldKind.PAUSE, "i1")
    assert the(store, one).state is S.HELD
    assert standing(store, one) == ["pause", "pause", "late"]
    with store.write() as conn:
        holds.lift_holds(conn, one, now=NOW)
    assert standing(store, one) == []
    assert hold(store, one, HoldKind.LATE)
    assert standing(store, one) == ["late"]


def test_what_was_sent_is_never_held(store):
    one = put(store, add(store), S.CLAIMED, S.SENDING, S.SENT).id
    assert not hold(store, one)
    assert standing(store, one) == []


def test_held_deliveries_are_found_by_the_reason_of_a_pause(store):
    soon, later = add(store, due_at=NOW + MINUTE), add(store, due_at=NOW + HOUR)
    mixed = add(store, due_at=NOW + 2 * MINUTE)
    for one in (soon, later, mixed):
        hold(store, one, HoldKind.PAUSE, "i1")
    hold(store, mixed, HoldKind.CLASH, "s1")
    with store.read() as conn:
        found = holds.undecided(conn, incident="i1", now=NOW + HOUR, limit=9)
        assert [one.id for one in found] == [soon, mixed]
        assert holds.count_undecided(conn, incident="i1", now=NOW + HOUR) == 2
        assert holds.clashing(conn, "s1") == (1, set())
        assert holds.count_undecided(conn, incident="i2", now=NOW + HOUR) == 0
        ever = holds.ever_held(conn, "i9", "s1")
        assert [one.id for one in ever] == [mixed]
        assert len(holds.ever_held(conn, "i1", None)) == 3


def test_a_newer_decision_replaces_an_older_one_and_an_event_voids_what_lets_out(store):
    one, two = add(store), add(store, due_at=NOW + 2 * HOUR)
    hold(store, one, HoldKind.PAUSE, "i1")
    hold(store, two, HoldKind.PAUSE, "i1")
    with store.write() as conn:
        for kind in (Decision.KEEP, Decision.MOVE):
            decisions.write(
                conn, one, kind, version=2, by="u1", now=NOW, values={"due_at": NOW + MINUTE}
            )
        decisions.write(conn, two, Decision.SKIP, version=2, by="u1", now=NOW)
        assert [row.kind for row in decisions.all_of_held(conn)] == ["move", "skip"]
        assert holds.count_undecided(conn, incident="i1", now=NOW) == 0
        (passed,) = holds.undecided(conn, incident="i1", now=NOW + MINUTE, limit=9)
        assert passed.id == one
        assert decisions.void(conn, [one, two]) == 1
        assert decisions.of(conn, [one, two]).keys() == {two}
        decisions.drop(conn, two)
        assert decisions.all_of_held(conn) == []


def test_what_has_expired_while_it_waited_is_found(store):
    one = add(store, expires_at=NOW)
    add(store, expires_at=NOW + SECOND)
    put(store, add(store, expires_at=NOW), S.CLAIMED)
    with store.read() as conn:
        assert [found.id for found in coming_due.expired(conn, now=NOW)] == [one]


def test_due_deliveries_of_a_channel_come_longest_due_first(store):
    late = add(store, due_at=NOW - HOUR)
    soon = add(store, due_at=NOW)
    add(store, due_at=NOW + SECOND)
    add(store, due_at=NOW, channels=("x",))
    retried = add(store, due_at=NOW - 2 * HOUR)
    with store.write() as conn:
        deliveries.set_values(conn, retried, now=NOW, next_at=NOW + MINUTE)
    with store.read() as conn:
        due = coming_due.due_on(conn, "insta", now=NOW, limit=9)
        assert [one.id for one in due] == [late, soon]
        assert coming_due.next_after(conn, now=NOW) == NOW + SECOND


# -- attempts and budgets --------------------------------------------------------------------------


def attempt(store, one, at=NOW, outcome=None, incarnation=1):
    with store.write() as conn:
        made = attempts.open_attempt(
            conn, delivery=one, incarnation=incarnation, fence=1,
            request_hash="h", deadline_s=20.0, now=at,
        )  # fmt: skip
        if outcome:
            attempts.end(conn, made, outcome, detail="said", now=at)
    return made


@pytest.mark.parametrize(
    ("outcome", "spent"),
    [
        ("accepted", True), ("unknown", True), ("refused", True), (None, True),
        ("unsent", False), ("aborted_unsent", False),
    ],
)  # fmt: skip
def test_only_a_try_that_is_proven_unsent_costs_no_budget(store, outcome, spent):
    one = add(store)
    attempt(store, one, outcome=outcome)
    with store.read() as conn:
        found = attempts.sends_since(conn, "insta", since=NOW - HOUR)
        assert found == [NOW] * spent
        assert attempts.sends_since(conn, "x", since=NOW - HOUR) == []
        assert attempts.sends_since(conn, "insta", since=NOW) == []
        assert attempts.sends_since(conn, "insta", since=NOW - HOUR, without=one) == []


def test_tries_are_numbered_and_open_ones_are_found_by_their_run(store):
    one, two = add(store), add(store)
    attempt(store, one, outcome="unsent")
    again = attempt(store, one, NOW + MINUTE, incarnation=2)
    other = attempt(store, two, incarnation=1)
    with store.read() as conn:
        assert [row.number for row in attempts.of_delivery(conn, one)] == [1, 2]
        assert [row.id for row in attempts.open_ones(conn)] == [other, again]
        assert [row.id for row in attempts.unclaimed_incarnations(conn, 2)] == [other]


def test_a_try_whose_end_is_known_is_not_called_unknown(store):
    known, open_one = attempt(store, add(store), outcome="accepted"), attempt(store, add(store))
    with store.write() as conn:
        assert not attempts.expire(conn, known, why="late", now=NOW)
        assert attempts.expire(conn, open_one, why="late", now=NOW)
        assert attempts.open_ones(conn) == []


def test_a_channel_waits_until_its_time_or_until_it_is_lifted(store):
    with store.write() as conn:
        channel_state.wait(conn, "x", until=NOW + HOUR, why="429")
        channel_state.wait(conn, "x", until=NOW + MINUTE, why="401")
        assert channel_state.waiting(conn, now=NOW)["x"].why == "401"
        assert channel_state.waiting(conn, now=NOW + MINUTE) == {}
        channel_state.lift(conn, "x")
        assert channel_state.waiting(conn, now=NOW) == {}


def test_what_was_sent_is_found_by_when_its_request_went_out(store):
    """A restart, or a human, may learn an hour later that a post is out."""
    early, late = add(store), add(store)
    for one, at in ((early, NOW), (late, NOW + MINUTE)):
        put(store, one, S.CLAIMED, S.SENDING)
        with store.write() as conn:
            attempt = attempts.open_attempt(
                conn, delivery=one, incarnation=1, fence=1, request_hash="h", deadline_s=9.0, now=at
            )
            attempts.end(conn, attempt, "accepted", detail=None, now=NOW + HOUR)
        put(store, one, S.SENT, sent_at=NOW + HOUR)
    with store.read() as conn:
        found = gone_out.sent_between(conn, NOW, NOW + MINUTE)
        assert [one.id for one in found] == [early]
        found = gone_out.sent_between(conn, NOW, NOW + HOUR)
        assert [one.id for one in found] == [early, late]
        assert gone_out.sent_between(conn, NOW + HOUR, NOW + 2 * HOUR) == []
        requests = attempts.requests_of(conn, [early, late, "nobody"])
        assert {one: row.intent_at for one, row in requests.items()} == {
            early: NOW,
            late: NOW + MINUTE,
        }


def test_the_request_of_a_post_is_the_one_that_was_answered_else_the_newest_in_doubt(store):
    one = add(store)
    put(store, one, S.CLAIMED, S.SENDING)
    outcomes = ["unsent", "accepted", "unknown", "unsent"]
    for minute, outcome in enumerate(outcomes):
        at = NOW + minute * MINUTE
        with store.write() as conn:
            attempt = attempts.open_attempt(
                conn, delivery=one, incarnation=1, fence=1, request_hash="h", deadline_s=9.0, now=at
            )
            attempts.end(conn, attempt, outcome, detail=None, now=at)
            row = attempts.requests_of(conn, [one]).get(one)
        asked = None if row is None else row.number
        assert asked == {0: None, 1: 2, 2: 2, 3: 2}[minute]


def test_what_was_sent_is_counted_and_found_by_its_address(store):
    one = add(store)
    put(store, one, S.CLAIMED, S.SENDING)
    put(store, one, S.SENT, sent_at=NOW, remote_id="r7", remote_url="https://x.example/r7")
    with store.read() as conn:
        assert gone_out.sent_since(conn, NOW - HOUR) == {"insta": 1}
        for what in ("r7", "https://x.example/r7"):
            found = gone_out.by_remote(conn, what)
            assert found is not None
            assert found.id == one
        assert deliveries.counts(conn) == {S.SENT: 1}


def test_locked_deliveries_come_in_the_one_order(store):
    ids = [add(store, due_at=NOW + timedelta(days=9 - n)) for n in range(5)]
    with store.write() as conn:
        assert [one.id for one in deliveries.lock_many(conn, ids)] == sorted(ids)


def test_no_posts_are_stored_as_none(store):
    with store.write() as conn:
        assert posts.add(conn, [], now=NOW) == []
