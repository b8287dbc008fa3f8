"""What an owner can't settle: late tries, claims past their lease, daemons that are gone."""

from __future__ import annotations

import json
import sqlite3

import pytest

from killswitch.daemon.reaper import reap, recover, take_back_claims
from killswitch.gate import LEASE_S, MARGIN_S, T_SEND_S
from killswitch.latch import CauseKind
from killswitch.outcome import Passage
from killswitch.store import attempts, audit
from tests.daemon.bench import SENT
from tests.store.made import NOW, add


def on_the_wire(bench, **post):
    """Return a delivery whose request has left and whose owner says nothing any more."""
    one = add(bench.store, due_at=NOW, **post)

    def die(request):
        raise KeyboardInterrupt

    bench.networks["insta"].answer = die
    with pytest.raises(KeyboardInterrupt):
        bench.send(one)
    bench.networks["insta"].answer = SENT
    assert bench.state(one) == "sending"
    return one


def events(bench, one):
    with bench.store.read() as conn:
        return [row.event for row in audit.rows(conn, subject=one)]


def reasons(bench, one):
    with bench.store.read() as conn:
        return [json.loads(row.data).get("why") for row in audit.rows(conn, subject=one)]


def in_time(bench):
    """Move to the last instant at which an answer still may come."""
    bench.move(seconds=T_SEND_S + MARGIN_S)


def test_a_try_is_late_only_after_its_deadline_and_the_margin(either_bench):
    bench = either_bench
    one = on_the_wire(bench)
    in_time(bench)
    assert reap(bench.store, clock=bench.clock) == 0
    assert bench.state(one) == "sending"
    bench.move(seconds=0.001)
    assert reap(bench.store, clock=bench.clock) == 1
    assert (bench.state(one), bench.tries(one)) == ("uncertain", ["unknown"])
    assert "no answer within the time limit" in reasons(bench, one)
    assert bench.the(one).problem == "no answer within the time limit"


def test_a_late_try_is_settled_once(bench):
    one = on_the_wire(bench)
    bench.move(minutes=1)
    assert reap(bench.store, clock=bench.clock) == 1
    before = events(bench, one)
    assert reap(bench.store, clock=bench.clock) == 0
    assert events(bench, one) == before


def test_the_fence_stays_so_that_a_late_answer_still_fits(bench):
    one = on_the_wire(bench)
    fence = bench.the(one).fence
    bench.move(minutes=1)
    reap(bench.store, clock=bench.clock)
    assert bench.the(one).fence == fence


def test_a_claim_is_taken_back_only_after_its_lease(either_bench):
    bench = either_bench
    one = add(bench.store, due_at=NOW)
    fence = bench.claim(one)
    bench.move(seconds=LEASE_S)
    assert reap(bench.store, clock=bench.clock) == 0
    assert bench.state(one) == "claimed"
    bench.move(seconds=0.001)
    assert reap(bench.store, clock=bench.clock) == 0
    back = bench.the(one)
    assert (back.state.value, back.owner, back.lease_until_s) == ("scheduled", None, None)
    assert back.fence > fence
    assert bench.gate.send(one, fence=fence) is Passage.NOT_NOW
    assert "the claim ran out" in reasons(bench, one)


def test_a_claim_without_a_lease_is_taken_back(bench):
    one = add(bench.store, due_at=NOW)
    bench.claim(one)
    with bench.store.write() as conn:
        conn.exec_driver_sql("UPDATE deliveries SET lease_until_s = NULL WHERE id = ?", (one,))
    reap(bench.store, clock=bench.clock)
    assert bench.state(one) == "scheduled"


def test_of_two_claims_only_the_one_that_ran_out_is_taken_back(bench):
    old, new = add(bench.store, due_at=NOW), add(bench.store, due_at=NOW)
    bench.claim(old)
    bench.move(seconds=LEASE_S)
    bench.claim(new)
    bench.move(seconds=1)
    reap(bench.store, clock=bench.clock)
    assert (bench.state(old), bench.state(new)) == ("scheduled", "claimed")


def test_a_late_try_and_a_claim_that_ran_out_are_settled_in_one_round(bench):
    sent = on_the_wire(bench)
    claimed = add(bench.store, due_at=NOW)
    bench.claim(claimed)
    bench.move(minutes=2)
    assert reap(bench.store, clock=bench.clock) == 1
    assert (bench.state(sent), bench.state(claimed)) == ("uncertain", "scheduled")


@pytest.mark.parametrize(
    ("change", "state"),
    [("state = 'sending'", "sending"), ("lease_until_s = lease_until_s + 1000", "claimed")],
    ids=["sent", "claimed anew"],
)
def test_a_claim_with_which_something_happened_meanwhile_is_left_alone(
    bench, monkeypatch, change, state
):
    one = add(bench.store, due_at=NOW)
    bench.claim(one, lease_s=-1)
    real = bench.store.write

    def somebody_was_quicker(**how):
        monkeypatch.undo()
        with bench.store.write() as conn:
            statement = f"UPDATE deliveries SET {change} WHERE id = ?"  # noqa: S608 - ours, from above
            conn.exec_driver_sql(statement, (one,))
        return real(**how)

    monkeypatch.setattr(bench.store, "write", somebody_was_quicker)
    reap(bench.store, clock=bench.clock)
    assert bench.state(one) == state


def test_nothing_late_is_nothing_written(bench, monkeypatch):
    add(bench.store, due_at=NOW)
    monkeypatch.setattr(bench.store, "write", lambda **_: pytest.fail("it wrote"))
    assert reap(bench.store, clock=bench.clock) == 0


# ---- daemons that are gone -----------------------------------------------------------------------


def test_what_an_earlier_daemon_left_on_the_wire_is_uncertain_and_a_cause(either_bench):
    bench = either_bench
    one = on_the_wire(bench)
    assert recover(bench.store, incarnation=2, clock=bench.clock) == 1
    assert (bench.state(one), bench.tries(one)) == ("uncertain", ["unknown"])
    assert "the daemon ended while it was being sent" in reasons(bench, one)
    (cause,) = bench.latch().causes
    assert (cause.kind, cause.ref) == (CauseKind.UNCLEAN_START, "2")
    assert "1 post(s)" in cause.reason
    assert cause.since == bench.clock.now()


def test_what_an_earlier_daemon_had_claimed_goes_back_and_is_no_cause(either_bench):
    bench = either_bench
    one = add(bench.store, due_at=NOW)
    bench.claim(one)
    assert recover(bench.store, incarnation=2, clock=bench.clock) == 0
    assert bench.state(one) == "scheduled"
    assert "the daemon ended before it was sent" in reasons(bench, one)
    assert bench.kinds() == []


def test_a_daemon_that_waited_for_its_pause_takes_its_claims_back_for_its_own_reason(bench):
    one = add(bench.store, due_at=NOW)
    fence = bench.claim(one)
    take_back_claims(bench.store, why="the clock was stepped", clock=bench.clock)
    assert bench.state(one) == "scheduled"
    assert "the clock was stepped" in reasons(bench, one)
    assert bench.gate.send(one, fence=fence) is Passage.NOT_NOW


def test_a_delivery_that_is_not_being_sent_any_more_is_left_as_it_is(bench):
    one = on_the_wire(bench)
    with bench.store.write() as conn:
        conn.exec_driver_sql("UPDATE deliveries SET state = 'uncertain' WHERE id = ?", (one,))
    before = events(bench, one)
    bench.move(minutes=1)
    reap(bench.store, clock=bench.clock)
    assert bench.tries(one) == ["unknown"]
    assert events(bench, one) == before


def test_a_delivery_with_another_fence_is_left_as_it_is(bench):
    one = on_the_wire(bench)
    with bench.store.write() as conn:
        conn.exec_driver_sql("UPDATE deliveries SET fence = fence + 1 WHERE id = ?", (one,))
    bench.move(minutes=1)
    reap(bench.store, clock=bench.clock)
    assert (bench.state(one), bench.tries(one)) == ("sending", ["unknown"])


def test_a_try_that_ended_while_the_reaper_looked_is_not_called_late(bench, monkeypatch):
    one = on_the_wire(bench)
    bench.move(minutes=1)
    real = bench.store.write

    def an_answer_was_quicker(**how):
        monkeypatch.undo()
        with bench.store.write() as conn:
            (row,) = attempts.of_delivery(conn, one)
            attempts.end(conn, row.id, "aborted_unsent", detail=None, now=bench.clock.now())
        return real(**how)

    monkeypatch.setattr(bench.store, "write", an_answer_was_quicker)
    reap(bench.store, clock=bench.clock)
    assert (bench.state(one), bench.tries(one)) == ("sending", ["aborted_unsent"])


def delete_by_hand(bench, one):
    """Do as somebody with the sqlite3 command who takes the guard away, too."""
    with sqlite3.connect(bench.store.path, timeout=10) as raw:
        raw.execute("DROP TRIGGER deliveries_stay")
        raw.execute("DELETE FROM deliveries WHERE id = ?", (one,))
    raw.close()


def test_a_delivery_that_was_deleted_by_hand_stops_nothing(bench):
    one, other = on_the_wire(bench), on_the_wire(bench)
    delete_by_hand(bench, one)
    bench.move(minutes=1)
    assert reap(bench.store, clock=bench.clock) == 2
    assert bench.state(other) == "uncertain"


def test_a_pause_and_a_round_of_the_reaper_wait_for_each_other(bench, monkeypatch):
    """The latch row is locked first, as everywhere: a seal never counts what is half settled."""
    on_the_wire(bench)
    bench.claim(add(bench.store, due_at=NOW))
    bench.move(minutes=2)
    order = []

    def note(name):
        def lock(conn, **how):
            order.append(name)

        return lock

    monkeypatch.setattr("killswitch.daemon.reaper.latch_store.lock", note("latch"))
    monkeypatch.setattr(
        "killswitch.daemon.reaper.bulk.move", lambda *_, **__: order.append("deliveries")
    )
    reap(bench.store, clock=bench.clock)
    take_back_claims(bench.store, why="x", clock=bench.clock)
    recover(bench.store, incarnation=2, clock=bench.clock)
    assert order == ["latch", "deliveries"] * 3
