"""What the store changes when the wall clock is stepped, on SQLite and on PostgreSQL."""

from __future__ import annotations

from datetime import timedelta

import pytest
import sqlalchemy as sa

from killswitch.queue.looking import ABSENT, Look
from killswitch.queue.states import DeliveryState
from killswitch.store import (
    attempts,
    channel_state,
    deliveries,
    facts,
    looks,
    news,
    notices,
    relay_runs,
    retractions,
    stepped,
)
from killswitch.store import latch as latch_store
from killswitch.store import tellings as telling_store
from killswitch.store.columns import UtcDateTime
from killswitch.store.notices import add_notice
from killswitch.store.schema import attempts as attempt_rows
from killswitch.store.schema import feeds, metadata
from killswitch.store.schema import latch as latch_table
from killswitch.store.schema import notices as notice_rows
from killswitch.store.schema import tellings as telling_rows
from killswitch.store.stepped import carry_over
from tests.store.made import HOUR, MINUTE, NOW, SECOND, add, latch_of, pause, put, resume, the

S = DeliveryState
DAY = timedelta(days=1)


def step(store, by):
    """Step the clock from NOW by ``by`` and carry over; return the new time."""
    now = NOW + by
    with store.write() as conn:
        latch_store.lock(conn)
        carry_over(conn, by=by, now=now)
    return now


def one(store, table):
    with store.read() as conn:
        return conn.execute(sa.select(table)).one()


@pytest.fixture
def notice(store):
    """A notice of five minutes ago that went out, to be repeated and retried later."""
    with store.write() as conn:
        name = add_notice(conn, kind="drill", ref="d", facts={}, now=NOW - 5 * MINUTE)
        found = telling_store.get_notice(conn, name)
        telling_store.open_round(
            conn, found, addresses=["0.0"], level=0, again_at=NOW + 10 * MINUTE,
            now=NOW - 5 * MINUTE,
        )  # fmt: skip
        (due,) = telling_store.due_tellings(conn, now=NOW)
        telling_store.record(
            conn, due[1], accepted=False, problem="no", retry_at=NOW + MINUTE, now=NOW
        )
    return name


def ages(store):
    row = one(store, notice_rows)
    return row.created_at, *(notices.read_fact(row.facts[name]) for name in notices.AGES)


def test_after_a_step_back_a_notice_waits_for_what_was_left(store, notice):
    now = step(store, -DAY)
    assert one(store, notice_rows).next_at == now + 10 * MINUTE
    assert one(store, telling_rows).next_at == now + MINUTE
    created, since, round_at = ages(store)
    assert created == now - 5 * MINUTE
    # What a wrong clock may have planned counts from now: nobody is called for nothing.
    assert (since, round_at) == (now, now)


def test_after_a_step_forward_a_notice_is_as_old_as_before(store, notice):
    now = step(store, DAY)
    assert ages(store) == (now - 5 * MINUTE,) * 3
    assert one(store, notice_rows).next_at == NOW + 10 * MINUTE


@pytest.mark.parametrize("by", [-DAY, DAY])
def test_what_was_written_on_the_new_clock_already_stays(store, by):
    now = NOW + by
    with store.write() as conn:
        add_notice(conn, kind="drill", ref="d", facts={}, now=now)
    step(store, by)
    created, since = one(store, notice_rows).created_at, one(store, notice_rows).facts["_from"]
    assert (created, notices.read_fact(since)) == (now, now)
    assert one(store, notice_rows).next_at == now


def test_a_notice_that_is_done_is_history(store):
    with store.write() as conn:
        name = add_notice(conn, kind="drill", ref="d", facts={}, now=NOW)
        notices.finish(conn, name, now=NOW)
    step(store, -DAY)
    assert one(store, notice_rows).created_at == NOW


def test_another_notice_is_free_at_once_though_the_last_was_written_by_a_clock_ahead(store):
    with store.write() as conn:
        name = add_notice(conn, kind="paused", ref="c1", facts={}, now=NOW + DAY)
        notices.finish(conn, name, now=NOW + DAY)
        again = add_notice(conn, kind="paused", ref="c2", facts={}, now=NOW)
        found = telling_store.get_notice(conn, again)
    assert found.next_at <= NOW + notices.SPACING


def test_relays_channels_and_reminders_wait_for_what_was_left(store):
    pause(store, review_at=NOW + HOUR)
    with store.write() as conn:
        relay_runs.add_runs(conn, relays=["ads"], event="pause", version=2, now=NOW)
        (run,) = relay_runs.due(conn, now=NOW)
        relay_runs.record(conn, run, problem="no", retry_at=NOW + MINUTE, now=NOW)
        channel_state.wait(conn, "insta", until=NOW + 3 * MINUTE, why="HTTP 429")
    now = step(store, -DAY)
    with store.read() as conn:
        assert relay_runs.next_at(conn) == now + MINUTE
        assert channel_state.waiting(conn, now=now)["insta"].waits_until == now + 3 * MINUTE
    assert latch_of(store).causes[0].review_at == now + HOUR


def test_a_step_forward_ends_waits_early_and_lengthens_none(store):
    with store.write() as conn:
        channel_state.wait(conn, "insta", until=NOW + 3 * MINUTE, why="HTTP 429")
    now = step(store, DAY)
    with store.read() as conn:
        assert channel_state.waiting(conn, now=now) == {}


def test_a_post_that_was_tried_waits_for_what_was_left_and_no_other_moves(store):
    tried, due = add(store, due_at=NOW - 2 * DAY), add(store, due_at=NOW - MINUTE)
    later = add(store, due_at=NOW + HOUR)
    for name in (tried, due):
        with store.write() as conn:
            deliveries.set_values(conn, name, now=NOW, next_at=NOW + 2 * MINUTE)
    now = step(store, -DAY)
    assert the(store, tried).next_at == now + 2 * MINUTE
    # By the new clock it is not due yet.
    assert the(store, due).next_at == the(store, due).due_at == NOW - MINUTE
    assert the(store, later).next_at == the(store, later).due_at == NOW + HOUR


def test_an_uncertain_post_is_uncertain_since_now_at_the_latest(store):
    name = add(store, due_at=NOW)
    put(store, name, S.CLAIMED, S.SENDING, S.UNCERTAIN)
    now = step(store, -DAY)
    assert the(store, name).changed_at == now


def test_a_wish_to_take_a_post_down_waits_for_what_was_left(store):
    name = add(store, due_at=NOW)
    with store.write() as conn:
        retractions.ask(conn, name, by="u1", reason="wrong link", now=NOW)
        wish = retractions.open_one(conn, name)
        retractions.again(conn, wish.id, at=NOW + 2 * MINUTE, tries=1, detail="HTTP 503")
    now = step(store, -DAY)
    with store.read() as conn:
        assert retractions.next_at(conn) == now + 2 * MINUTE


@pytest.mark.parametrize("by", [-HOUR, -DAY, -3650 * DAY, HOUR, DAY, 3650 * DAY], ids=str)
def test_a_post_whose_answer_was_lost_is_looked_for_in_the_same_time(store, by):
    name = add(store, due_at=NOW)
    put(store, name, S.CLAIMED, S.SENDING, S.UNCERTAIN)
    with store.write() as conn:
        attempt = attempts.open_attempt(
            conn, delivery=name, incarnation=1, fence=1, request_hash="", deadline_s=0.0,
            now=NOW - 40 * SECOND,
        )  # fmt: skip
        attempts.end(conn, attempt, "unknown", detail="HTTP 504", now=NOW - 30 * SECOND)
        looks.add(conn, attempt, Look(NOW - 10 * SECOND, ABSENT, "not there"))
    now = step(store, by)
    with store.read() as conn:
        (lost,) = looks.lost(conn)
    assert lost.began_at == now - 40 * SECOND
    assert lost.looked.lost_at == now - 30 * SECOND
    assert [look.at for look in lost.looked.looks] == [now - 10 * SECOND]
    assert lost.looked.next_at == now + 20 * SECOND


def test_an_answer_that_came_just_after_the_step_came_just_after_it(store):
    sends(store, NOW - SECOND)
    now = NOW - DAY
    with store.write() as conn:
        conn.execute(sa.update(attempt_rows).values(ended_at=now))
    step(store, -DAY)
    row = one(store, attempt_rows)
    assert (row.intent_at, row.ended_at) == (now - SECOND, now)


def sends(store, *times):
    """Write tries at these times; return how they stand afterwards."""
    name = add(store, due_at=NOW)
    with store.write() as conn:
        for at in times:
            attempt = attempts.open_attempt(
                conn, delivery=name, incarnation=1, fence=1, request_hash="", deadline_s=0.0, now=at
            )
            attempts.end(conn, attempt, "accepted", detail=None, now=at)


@pytest.mark.parametrize("by", [-HOUR, -DAY, -3650 * DAY, HOUR, DAY, 3650 * DAY])
def test_what_was_sent_just_before_a_step_was_sent_just_before(store, by):
    sends(store, NOW - 30 * MINUTE, NOW - SECOND)
    now = step(store, by)
    with store.read() as conn:
        counted = attempts.sends_since(conn, "insta", since=now - HOUR)
    assert counted == [now - 30 * MINUTE, now - SECOND]


def test_what_a_clock_ahead_has_sent_never_comes_back_to_be_counted(store):
    sends(store, NOW - 2 * DAY - 5 * HOUR)
    now = step(store, -3 * DAY)
    with store.read() as conn:
        assert attempts.sends_since(conn, "insta", since=now - HOUR) == []


def test_old_tries_are_history(store):
    sends(store, NOW - 2 * DAY)
    step(store, DAY)
    with store.read() as conn:
        since = NOW - 3 * DAY
        assert attempts.sends_since(conn, "insta", since=since) == [NOW - 2 * DAY]


def test_no_more_tries_are_rewritten_than_one_transaction_may_hold(store, monkeypatch):
    monkeypatch.setattr(stepped, "TRIES_MOST", 5)
    sends(store, *(NOW - n * SECOND for n in range(8)))
    now = step(store, -DAY)
    with store.read() as conn:
        moved = attempts.sends_since(conn, "insta", since=now - DAY)
    assert [at for at in moved if at <= now] == [now - n * SECOND for n in (4, 3, 2, 1, 0)]


@pytest.mark.parametrize("by", [-DAY, DAY])
def test_the_cap_counts_from_the_same_resume(store, by):
    pause(store)
    resume(store)
    with store.write() as conn:
        conn.execute(sa.update(latch_table).values(resumed_at=NOW - 20 * MINUTE))
    now = step(store, by)
    assert latch_of(store).resumed_at == now - 20 * MINUTE


def test_a_feed_is_no_longer_alive_by_what_a_clock_ahead_saw_in_it(store):
    with store.write() as conn:
        news.ensure_feeds(conn, {"a": "https://a.example"})
        conn.execute(sa.update(feeds).values(newest_item_at=NOW))
    now = step(store, -DAY)
    assert one(store, feeds).newest_item_at == now


@pytest.mark.parametrize("by", [-DAY, DAY])
def test_what_people_asked_for_stays(store, by):
    name = add(store, due_at=NOW + HOUR, expires_at=NOW + 2 * HOUR, confirm_from=NOW - HOUR)
    before = the(store, name)
    step(store, by)
    assert the(store, name) == before


# Every instant in the store, by what a step of the clock means for it.
CARRIED = {
    "attempts.ended_at", "attempts.intent_at", "causes.review_at", "channel_state.waits_until",
    "deliveries.changed_at", "deliveries.next_at", "feeds.newest_item_at", "latch.resumed_at",
    "looks.at", "notices.created_at", "notices.next_at", "relay_runs.next_at",
    "retractions.next_at", "tellings.next_at",
}  # fmt: skip
ASKED_FOR = {
    "decisions.due_at", "deliveries.confirm_from", "deliveries.due_at", "deliveries.expires_at",
    "posts.expires_at",
}  # fmt: skip
# The watcher and the eyes take no stamp that lies ahead; a stamp that is too old is read anew.
JUDGED_WHERE_READ = {
    "feeds.backoff_until", "feeds.first_poll_at", "feeds.graded_at", "feeds.last_good_at",
    "feeds.last_poll_at", "feeds.next_poll_at", "feeds.shown_from", "items.first_seen",
    "items.published", "items.shown_at",
}  # fmt: skip
# Carried with their story, in the grader's memory.
STORIES = {
    "stories.first_item_at", "stories.last_item_at", "stories.tripped_at", "stories.unconfirmed_at",
}  # fmt: skip
HISTORY = {
    "audit.at", "batches.at", "batches.visible_at", "causes.closed_at", "causes.opened_at",
    "causes.reviewed_at", "decisions.at", "deliveries.confirmed_at", "deliveries.sent_at",
    "holds.at", "holds.lifted_at", "incidents.accepted_at", "incidents.acked_at",
    "incidents.detected_at", "incidents.first_headline_at", "incidents.resumed_at",
    "incidents.sealed_at", "incidents.tripped_at", "latch.paused_at", "latch.sealed_at",
    "notices.acked_at", "notices.done_at", "notices.first_accepted_at", "posts.created_at",
    "relay_runs.created_at", "relay_runs.reached_at", "request_keys.at", "retractions.asked_at",
    "retractions.ended_at", "tellings.accepted_at",
}  # fmt: skip


def test_of_every_instant_in_the_store_it_is_known_what_a_step_means():
    """Whoever adds a column says here whether something waits or counts from it."""
    known = [CARRIED, ASKED_FOR, JUDGED_WHERE_READ, STORIES, HISTORY]
    there = {
        f"{table.name}.{column.name}"
        for table in metadata.sorted_tables
        for column in table.columns
        if isinstance(column.type, UtcDateTime)
    }
    assert set.union(*known) == there
    assert sum(map(len, known)) == len(there)


def test_a_store_that_has_never_seen_the_news_has_no_sight_to_carry(store):
    with store.write() as conn:
        conn.execute(sa.delete(metadata.tables["facts"]))
    step(store, DAY)
    with store.read() as conn:
        assert facts.get_time(conn, "last_sight") is None
