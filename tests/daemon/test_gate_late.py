"""The gate when time passes, or rows vanish, where nobody expects it."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from killswitch.channels.frame import Ending, Found, Outcome, Probe
from killswitch.gate import LEASE_S, MARGIN_S, NOT_NOW_WAIT, RECORD_AGAIN_S, T_SEND_S
from killswitch.outcome import Passage, record_look, record_stray
from killswitch.queue.states import DeliveryState
from killswitch.store import attempts, audit, holds, looks, notices
from tests.daemon.bench import QUIET, SENT
from tests.daemon.test_gate import by_cause, set_delivery
from tests.daemon.test_reaper import delete_by_hand, reasons
from tests.store.made import HOUR, NOW, add, put


class SlowLimits(dict):
    """Limits that take a while to read: the store is slow inside the first transaction."""

    def __init__(self, bench, seconds):
        super().__init__({"insta": QUIET})
        self._bench, self._seconds = bench, seconds

    def __getitem__(self, name):
        self._bench.move(seconds=self._seconds)
        return super().__getitem__(name)


def test_a_claim_that_ran_out_while_the_intent_was_written_sends_nothing(bench):
    one = add(bench.store, due_at=NOW)
    bench.gate = bench.a_gate(limits=SlowLimits(bench, 1.0))
    assert bench.send(one, lease_s=T_SEND_S + MARGIN_S) is Passage.SENT
    two = add(bench.store, due_at=NOW)
    bench.gate = bench.a_gate(limits=SlowLimits(bench, 4.0))
    assert bench.send(two, lease_s=T_SEND_S + MARGIN_S) is Passage.NOT_NOW
    assert bench.published() == [one]
    assert (bench.state(two), bench.tries(two)) == ("scheduled", ["aborted_unsent"])
    assert "the claim ran out" in reasons(bench, two)


def test_a_delivery_deleted_by_hand_while_it_was_on_the_wire_is_uncertain(bench):
    one = add(bench.store, due_at=NOW)

    def answer(request):
        delete_by_hand(bench, one)
        return SENT

    bench.networks["insta"].answer = answer
    assert bench.send(one) is Passage.UNCERTAIN
    assert bench.tries(one) == ["open"]


def test_a_delivery_deleted_by_hand_before_its_request_is_not_sent(bench):
    one = add(bench.store, due_at=NOW)
    fence = bench.claim(one)
    real = bench.flags.is_clear

    class Flags:
        def __getattr__(self, name):
            return getattr(bench.flags, name)

        def is_clear(self):
            delete_by_hand(bench, one)
            bench.inhibits.open("clock", "wait", now=NOW)
            return real()

    bench.gate = bench.a_gate(flags=Flags())
    assert bench.gate.send(one, fence=fence) is Passage.NOT_NOW
    assert bench.published() == []


def test_the_figures_are_those_that_the_seal_and_the_reaper_reckon_with():
    assert (T_SEND_S, MARGIN_S, LEASE_S, RECORD_AGAIN_S) == (20.0, 5.0, 60.0, 1.0)
    assert timedelta(seconds=2) == NOT_NOW_WAIT


def test_the_deadline_of_a_request_is_the_one_of_the_safety_figures(bench):
    one = add(bench.store, due_at=NOW)
    given = []

    class Network:
        def publish(self, request, *, deadline_s):
            given.append((request.delivery, deadline_s))
            return Outcome(Ending.SENT, "HTTP 200")

    bench.gate = bench.a_gate(channels={"insta": Network()})
    assert bench.send(one) is Passage.SENT
    assert given == [(one, 20.0)]


def test_a_late_success_while_a_second_copy_is_on_the_wire_is_told_and_changes_nothing_of_it(bench):
    one = add(bench.store, due_at=NOW)
    bench.networks["insta"].answer = Outcome(Ending.UNCERTAIN, "no answer")
    bench.send(one)
    with bench.store.read() as conn:
        (first,) = attempts.of_delivery(conn, one)
    put(bench.store, one, DeliveryState.SCHEDULED)
    put(bench.store, one, DeliveryState.CLAIMED, DeliveryState.SENDING)
    with bench.store.write() as conn:
        out = Outcome(Ending.SENT, "HTTP 200", remote_id="r9")
        record_stray(conn, bench.the(one), attempt=first.id, outcome=out, now=NOW)
    found = bench.the(one)
    assert (found.state.value, found.sent_at, found.remote_id) == ("sending", None, None)
    assert bench.tries(one) == ["accepted"]
    with bench.store.read() as conn:
        assert "delivery.went_out" in [row.event for row in audit.rows(conn, subject=one)]


def test_a_look_for_a_delivery_that_was_deleted_by_hand_comes_to_nothing(bench):
    one = add(bench.store, due_at=NOW)
    bench.networks["insta"].answer = Outcome(Ending.UNCERTAIN, "no answer")
    bench.send(one)
    bench.move(minutes=1)
    with bench.store.read() as conn:
        (lost,) = looks.lost(conn)
    delete_by_hand(bench, one)
    with bench.store.write() as conn:
        record_look(conn, lost, Probe(Found.THERE, "HTTP 200", "r1"), sent_at=NOW, now=NOW)
    assert bench.tries(one) == ["unknown"]


def test_a_clock_that_nobody_trusts_decides_on_no_wait(bench):
    one = add(bench.store, due_at=NOW)
    steady = False
    bench.gate = bench.a_gate(clock_is_steady=lambda now: steady)
    bench.move(days=3650)
    assert bench.send(one) is Passage.NOT_NOW
    assert bench.the(one).next_at == NOW
    steady = True
    bench.inhibits.open("clock", "wait", now=bench.clock.now())
    assert bench.send(one) is Passage.NOT_NOW
    assert bench.the(one).next_at == bench.clock.now() + NOT_NOW_WAIT


def test_an_answer_that_is_not_of_the_try_on_the_wire_leaves_that_one_alone(bench):
    one = add(bench.store, due_at=NOW)

    def answer(request):
        with bench.store.write() as conn:  # a second copy has left meanwhile
            conn.exec_driver_sql("UPDATE deliveries SET fence = fence + 1 WHERE id = ?", (one,))
        return SENT

    bench.networks["insta"].answer = answer
    assert bench.send(one) is Passage.UNCERTAIN
    found = bench.the(one)
    assert (found.state.value, found.sent_at, bench.tries(one)) == ("sending", None, ["accepted"])


def test_after_an_old_resume_the_hard_cap_counts_the_last_hour(bench):
    bench.limits["insta"] = replace(QUIET, hard_cap=1)
    bench.pause()
    bench.move(seconds=30)
    bench.resume(keep_held=True)
    bench.move(hours=2)
    assert bench.send(add(bench.store, due_at=bench.clock.now())) is Passage.SENT
    bench.move(minutes=59)
    assert bench.send(add(bench.store, due_at=bench.clock.now())) is Passage.NOT_NOW
    assert bench.kinds() == ["rate"]


def test_the_history_says_why_the_gate_stayed_shut(bench):
    waits, gone = (add(bench.store, due_at=NOW, expires_at=NOW + HOUR) for _ in range(2))
    bench.inhibits.open("sight", "blind", now=NOW)
    bench.send(waits)
    bench.inhibits.lift("sight")
    bench.move(hours=1)
    bench.send(gone)
    assert (reasons(bench, waits)[-1], reasons(bench, gone)[-1]) == ("waiting", "expired")


def test_the_history_says_why_a_post_was_called_back_before_its_request(bench):
    one = add(bench.store, due_at=NOW)
    real = bench.flags.is_clear

    class Flags:
        def is_clear(self):
            bench.inhibits.open("sight", "blind", now=NOW)
            return real()

    bench.gate = bench.a_gate(flags=Flags())
    assert bench.send(one) is Passage.NOT_NOW
    assert reasons(bench, one)[-1] == "waiting"
    back = bench.the(one)
    assert (back.next_at, back.tries, back.problem) == (NOW + NOT_NOW_WAIT, 0, None)


def test_a_claim_without_a_lease_sends_nothing(bench):
    one = add(bench.store, due_at=NOW)
    fence = bench.claim(one)
    with bench.store.write() as conn:
        conn.exec_driver_sql("UPDATE deliveries SET lease_until_s = NULL WHERE id = ?", (one,))
    assert bench.gate.send(one, fence=fence) is Passage.NOT_NOW
    assert reasons(bench, one)[-1] == "the claim ran out"


def test_a_post_that_is_too_late_is_told_quietly_with_all_that_people_need(bench):
    one = add(bench.store, due_at=NOW)
    bench.move(minutes=16)
    assert bench.send(one) is Passage.HELD
    with bench.store.read() as conn:
        (notice,) = notices.undone(conn)
    assert (notice.kind, notice.ref) == ("held_late", one)
    assert (notice.loud, notice.escalates) == (False, False)
    text = bench.the(one).content.text
    told = {"delivery": one, "channel": "insta", "text": text, "why": "late"}
    assert notice.facts | told == notice.facts
    assert bench.the(one).state is DeliveryState.HELD


def test_a_post_held_for_a_flag_belongs_to_the_incident_of_that_pause(bench):
    one = add(bench.store, due_at=NOW)
    fence = bench.claim(one)
    (bench.root / "pause.d" / "x").touch()
    assert bench.gate.send(one, fence=fence) is Passage.HELD
    incident = bench.latch().incident
    assert incident
    with bench.store.read() as conn:
        (hold,) = holds.holds_of(conn, [one])[one]
    assert (hold.kind, hold.ref) == ("pause", incident)


def test_a_claim_that_outlived_its_pause_goes_back_because_of_it(bench):
    one = add(bench.store, due_at=NOW)
    bench.pause()
    fence = bench.claim(one)
    assert bench.gate.send(one, fence=fence) is Passage.NOT_NOW
    assert reasons(bench, one)[-1] == "paused"


def test_a_daemon_that_stops_writes_no_intent(bench):
    one = add(bench.store, due_at=NOW)
    bench.closing.set()
    assert bench.send(one) is Passage.NOT_NOW
    assert bench.tries(one) == []
    assert reasons(bench, one)[-1] == "the daemon is stopping"


def test_a_delivery_that_does_not_exist_is_not_sent(bench):
    bench.gate = bench.a_gate(content_is_whole=lambda one: bool(one.content))
    assert bench.gate.send("dnone", fence=1) is Passage.NOT_NOW


def test_a_post_of_the_far_future_that_was_confirmed_leaves(bench):
    one = add(bench.store, due_at=NOW)
    set_delivery(confirm_from=NOW - HOUR, confirmed_at=NOW)(bench, one)
    assert bench.send(one) is Passage.SENT


class Between:
    """A flag directory in which something happens before it is looked at: after the intent."""

    def __init__(self, bench, act):
        self._flags, self._act = bench.flags, act

    def is_clear(self):
        self._act()
        return self._flags.is_clear()


def test_a_daemon_that_stops_after_the_intent_takes_it_back(bench):
    one = add(bench.store, due_at=NOW)
    bench.gate = bench.a_gate(flags=Between(bench, bench.closing.set))
    assert bench.send(one) is Passage.NOT_NOW
    assert (bench.state(one), bench.tries(one)) == ("scheduled", ["aborted_unsent"])


def test_a_thread_may_stand_still_for_the_margin_and_no_longer(bench):
    stands_s = MARGIN_S
    bench.gate = bench.a_gate(flags=Between(bench, lambda: bench.move(seconds=stands_s)))
    assert bench.send(add(bench.store, due_at=NOW)) is Passage.SENT
    stands_s = MARGIN_S + 0.001
    late = add(bench.store, due_at=NOW)
    assert bench.send(late) is Passage.NOT_NOW
    assert reasons(bench, late)[-1] == "it took too long to start"


def test_the_history_says_why_a_post_left_or_was_called_back_for_a_pause(bench):
    sent, stopped = add(bench.store, due_at=NOW), add(bench.store, due_at=NOW)
    assert bench.send(sent) is Passage.SENT
    assert "due" in reasons(bench, sent)
    fence = bench.claim(stopped)
    bench.gate = bench.a_gate(flags=Between(bench, lambda: by_cause(bench, stopped)))
    assert bench.gate.send(stopped, fence=fence) is Passage.NOT_NOW
    assert reasons(bench, stopped)[-1] == "paused"


def test_a_post_that_nobody_confirmed_is_told_as_such(bench):
    one = add(bench.store, due_at=NOW)
    set_delivery(confirm_from=NOW - HOUR, confirmed_at=None)(bench, one)
    assert bench.send(one) is Passage.HELD
    with bench.store.read() as conn:
        assert [row.kind for row in notices.undone(conn)] == ["held_horizon"]
