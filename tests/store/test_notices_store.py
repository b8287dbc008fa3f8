"""The outbox of notices and the runs of relays, on SQLite and on PostgreSQL."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from killswitch.store import notices, relay_runs, tellings
from killswitch.store.engine import Store
from killswitch.store.notices import NoticeKind, add_notice
from killswitch.store.schema import notices as rows
from tests.unit.notify.builders import AT, filled

SECOND = timedelta(seconds=1)
MINUTE = timedelta(minutes=1)


@pytest.fixture(params=["sqlite", "postgresql"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    if request.param == "sqlite":
        url = f"sqlite:///{tmp_path}/killswitch.db"
    else:
        url = request.getfixturevalue("postgres_url")
    store = filled(Store(url))
    yield store
    store.close()


def add(store: Store, kind: str = "paused", ref: str = "c1", *, at=AT, **more: Any) -> str:
    with store.write() as conn:
        return add_notice(conn, kind=kind, ref=ref, facts={"reason": ref}, now=at, **more)


def begin(store: Store, notice: str, *addresses: str, at=AT, again=None) -> None:
    with store.write() as conn:
        found = tellings.get_notice(conn, notice)
        assert found is not None
        tellings.open_round(conn, found, addresses=addresses, level=0, again_at=again, now=at)


def take(store: Store, *, at=AT) -> list[tellings.Telling]:
    with store.write() as conn:
        due = [telling for _, telling in tellings.due_tellings(conn, now=at)]
        return [one for one in due if tellings.claim(conn, one, until=at + MINUTE)]


def end(store: Store, telling: tellings.Telling, *, problem=None, retry=None, at=AT) -> None:
    with store.write() as conn:
        tellings.record(
            conn, telling, accepted=problem is None, problem=problem, retry_at=retry, now=at
        )


def the(store: Store, notice: str) -> tellings.Notice:
    with store.read() as conn:
        found = tellings.get_notice(conn, notice)
    assert found is not None
    return found


def is_done(store: Store, notice: str) -> bool:
    with store.read() as conn:
        return all(row.id != notice for row in notices.undone(conn))


def test_a_notice_comes_back_as_it_was_written(store):
    found = the(store, add(store, "blind", "b1", loud=False))
    assert (found.kind, found.ref, found.created_at) == (NoticeKind.BLIND, "b1", AT)
    assert (found.escalates, found.loud, found.level, found.round) == (True, False, 0, 0)
    assert found.facts["reason"] == "b1"
    with store.read() as conn:
        assert tellings.get_notice(conn, "nothing") is None


def test_an_unknown_kind_is_refused(store):
    with pytest.raises(ValueError, match="nonsense"):
        add(store, "nonsense")


def test_the_same_thing_is_told_once_until_it_is_done(store):
    first = add(store, "drill")
    assert add(store, "drill") == first
    with store.write() as conn:
        notices.finish(conn, first, now=AT)
    assert add(store, "drill") != first


def test_two_of_a_kind_join_while_nothing_has_gone_out(store):
    first = add(store, "uncertain", "d1", escalates=False)
    assert add(store, "uncertain", "d2", at=AT + SECOND) == first
    assert add(store, "uncertain", "d2", at=AT + SECOND) == first
    found = the(store, first)
    assert found.facts["joined"] == [{"reason": "d2"}]
    assert found.escalates


def test_other_kinds_and_single_ones_do_not_join(store):
    assert len({add(store, "paused"), add(store, "blind"), add(store, "uncertain")}) == 3
    assert add(store, "resumed", "1") != add(store, "resumed", "2")


def test_the_next_of_a_kind_goes_out_half_a_minute_later(store):
    first = add(store, "failed")
    begin(store, first, "0.0")
    take(store)
    second = add(store, "failed", "c2", at=AT + SECOND)
    assert second != first
    assert the(store, second).next_at == AT + notices.SPACING


def test_the_first_stories_of_a_minute_are_told_at_once_the_next_after_it(store):
    for number in range(notices.AT_ONCE):
        at = AT + number * SECOND
        notice = add(store, ref=f"c{number}", at=at)
        assert the(store, notice).next_at == at
        begin(store, notice, "0.0")
        take(store, at=at)
    last = add(store, ref="last", at=AT + 10 * SECOND)
    assert the(store, last).next_at == AT + MINUTE


def test_a_flood_keeps_a_row_small_and_counts_the_rest(store):
    first = add(store, ref="c0")
    with store.write() as conn:
        for number in range(1, 500):
            add_notice(conn, kind="paused", ref=f"c{number}", facts={"n": number}, now=AT)
    facts = the(store, first).facts
    assert len(facts["joined"]) == notices.JOINED_KEPT
    assert facts["more"] == 499 - notices.JOINED_KEPT
    assert len(facts["_refs"]) == notices.REFS_KEPT


def test_only_one_of_two_claims_wins_and_a_lost_claim_is_due_again(store):
    begin(store, add(store), "0.0")
    with store.read() as conn:
        (_, telling), = tellings.due_tellings(conn, now=AT)  # fmt: skip
    with store.write() as conn:
        assert tellings.claim(conn, telling, until=AT + MINUTE)
        assert not tellings.claim(conn, telling, until=AT + MINUTE)
    assert take(store, at=AT + 59 * SECOND) == []
    assert [one.tries for one in take(store, at=AT + MINUTE)] == [1]


def test_an_accepted_telling_ends_a_notice_that_does_not_call_again(store):
    notice = add(store, escalates=False)
    begin(store, notice, "0.0")
    end(store, take(store)[0], at=AT + SECOND)
    assert the(store, notice).first_accepted_at == AT + SECOND
    assert is_done(store, notice)
    with store.read() as conn:
        assert notices.first_accepted_at(conn, "c1", "else") == AT + SECOND
        assert notices.first_accepted_at(conn, "else") is None
        assert tellings.next_at(conn) is None


def test_a_notice_that_calls_again_stays_until_an_answer(store):
    notice = add(store)
    begin(store, notice, "0.0", again=AT + 15 * MINUTE)
    end(store, take(store)[0])
    assert not is_done(store, notice)
    with store.read() as conn:
        assert tellings.next_at(conn) == AT + 15 * MINUTE
    with store.write() as conn:
        assert notices.ack_all(conn, by="u1", now=AT + MINUTE) == 1
        assert notices.ack_all(conn, by="u2", now=AT + 2 * MINUTE) == 0
    assert is_done(store, notice)
    with store.read() as conn:
        assert notices.latest_ack(conn, since=AT) == ("u1", AT + MINUTE)
        assert notices.latest_ack(conn, since=AT + 2 * MINUTE) is None


def test_a_new_round_ends_what_is_left_of_the_old_one(store):
    notice = add(store)
    begin(store, notice, "0.0", "0.1")
    for telling in take(store):
        end(store, telling, problem="refused", retry=AT + 5 * SECOND)
    begin(store, notice, "0.0", at=AT + 15 * MINUTE)
    due = take(store, at=AT + 15 * MINUTE)
    assert [(one.round, one.address) for one in due] == [(2, "0.0")]


def test_one_more_list_joins_the_round_that_reached_nobody(store):
    notice = add(store)
    begin(store, notice, "0.0")
    with store.write() as conn:
        (found,) = tellings.unreached(conn)
        tellings.add_list(conn, found, addresses=["0.0", "1.0"], level=1, now=AT + SECOND)
    assert {one.address for one in take(store, at=AT + SECOND)} == {"0.0", "1.0"}
    assert the(store, notice).level == 1


def test_failing_shows_the_latest_try_of_each_address(store):
    notice = add(store)
    begin(store, notice, "0.0", "0.1", "1.0")
    for telling in take(store):
        end(store, telling, problem=None if telling.address == "0.0" else "refused", retry=AT)
    with store.read() as conn:
        assert notices.failing(conn, now=AT) == {"0.1": "refused", "1.0": "refused"}
        assert notices.failing(conn, now=AT + 8 * 24 * 60 * MINUTE) == {}
    begin(store, notice, "0.1", at=AT + MINUTE)
    end(store, take(store, at=AT + MINUTE)[0])
    with store.read() as conn:
        assert notices.failing(conn, now=AT) == {"1.0": "refused"}


def test_a_postponed_notice_waits_from_the_time_at_which_it_may_go_out(store):
    begin(store, add(store), "0.0")
    with store.write() as conn:
        (_, telling), = tellings.due_tellings(conn, now=AT)  # fmt: skip
        tellings.postpone(conn, telling, until=AT + 5 * MINUTE)
        assert notices.oldest_unaccepted_at(conn) == AT + 5 * MINUTE
        assert tellings.due_tellings(conn, now=AT + 4 * MINUTE) == []


def test_what_somebody_acknowledged_is_not_waiting_for_an_address(store):
    begin(store, add(store), "0.0")
    with store.write() as conn:
        notices.ack_all(conn, by="u1", now=AT)
        assert notices.oldest_unaccepted_at(conn) is None


def test_an_older_notice_hands_over_to_a_newer_one_that_has_gone_out(store):
    old = add(store, ref="c1")
    begin(store, old, "0.0")
    take(store)
    new = add(store, ref="c2", at=AT + MINUTE)
    with store.write() as conn:
        conn.execute(sa.update(rows).where(rows.c.id == old).values(level=2))
        found = tellings.get_notice(conn, old)
        assert found is not None
        assert not tellings.hand_over(conn, found, now=AT + MINUTE)
    begin(store, new, "0.0", at=AT + MINUTE)
    with store.write() as conn:
        assert tellings.hand_over(conn, found, now=AT + MINUTE)
    assert is_done(store, old)
    assert the(store, new).level == 2


def test_a_resume_closes_what_is_about_the_pause(store):
    kept = add(store, "uncertain", "d1")
    for kind in ("paused", "sealed", "worsening", "blind", "review"):
        add(store, kind)
    with store.write() as conn:
        assert notices.stand_down(conn, now=AT) == 5
        assert [row.id for row in notices.undone(conn)] == [kept]


# ---- relays -------------------------------------------------------------------------------------


def run(store: Store, event: Any, version: int, *relays: str, at=AT) -> list[str]:
    with store.write() as conn:
        return relay_runs.add_runs(
            conn, relays=relays or ("ads",), event=event, version=version, now=at
        )


def due_runs(store: Store, *, at=AT) -> list[relay_runs.Run]:
    with store.read() as conn:
        return relay_runs.due(conn, now=at)


def test_a_run_is_written_once_for_each_event_and_relay(store):
    assert len(run(store, "pause", 1, "ads", "mail")) == 2
    assert run(store, "pause", 2, "ads", "mail") == []
    assert {one.relay for one in due_runs(store)} == {"ads", "mail"}


def test_the_newer_event_overtakes_one_that_was_not_reached(store):
    run(store, "pause", 1)
    run(store, "resume", 2, at=AT + SECOND)
    assert [(one.event, one.version) for one in due_runs(store, at=AT + SECOND)] == [("resume", 2)]


def test_a_try_that_ends_after_it_was_overtaken_is_not_tried_again(store):
    run(store, "pause", 1)
    (old,) = due_runs(store)
    with store.write() as conn:
        assert relay_runs.claim(conn, old, until=AT + MINUTE)
    run(store, "resume", 2, at=AT + SECOND)
    with store.write() as conn:
        relay_runs.record(conn, old, problem="refused", retry_at=AT, now=AT + SECOND)
    assert [one.event for one in due_runs(store, at=AT + MINUTE)] == ["resume"]


def test_a_run_is_claimed_once_retried_and_reached(store):
    run(store, "pause", 1)
    (one,) = due_runs(store)
    with store.write() as conn:
        assert relay_runs.claim(conn, one, until=AT + MINUTE)
        assert not relay_runs.claim(conn, one, until=AT + MINUTE)
        relay_runs.record(conn, one, problem="refused", retry_at=AT + 5 * SECOND, now=AT)
        assert relay_runs.next_at(conn) == AT + 5 * SECOND
    (again,) = due_runs(store, at=AT + 5 * SECOND)
    assert (again.tries, again.problem) == (1, "refused")
    with store.write() as conn:
        relay_runs.claim(conn, again, until=AT + MINUTE)
        relay_runs.record(conn, again, problem=None, retry_at=AT, now=AT + MINUTE)
        assert relay_runs.newest(conn)["ads"].reached_at == AT + MINUTE
        assert relay_runs.next_at(conn) is None
