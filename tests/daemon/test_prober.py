"""Posts whose answer was lost: looked for by reading, settled when found, else told to a human."""

from __future__ import annotations

import threading
from dataclasses import replace
from datetime import timedelta

import pytest

from killswitch.channels.frame import Deletion, Ending, Found, Gone, Outcome, Probe
from killswitch.daemon.reaper import recover
from killswitch.gate import T_SEND_S
from killswitch.latch import InhibitKind
from killswitch.outcome import Passage
from killswitch.queue.looking import LOOKS_AFTER
from killswitch.queue.states import DeliveryState
from killswitch.store import attempts, audit, latch, looks, notices
from killswitch.store.engine import StoreFailedError
from tests.daemon.bench import QUIET, SENT, Bench, ended
from tests.store.made import NOW, add, put

S = DeliveryState
THERE = Probe(Found.THERE, "HTTP 200", "r7")
ABSENT = Probe(Found.ABSENT, "HTTP 404")
NO_ANSWER = Probe(Found.UNKNOWN, "HTTP 502")


def lose(bench, channel="insta", looked=NO_ANSWER):
    """Send a post whose answer is lost; ``looked`` is what its network says when it is asked."""
    network = bench.networks[channel]
    network.answer = Outcome(Ending.UNCERTAIN, "reset")
    network.looked, network.can_probe = looked, True
    one = add(bench.store, due_at=bench.clock.now(), channels=(channel,))
    assert bench.send(one) is Passage.UNCERTAIN
    return one


def live(bench, *, sweep=False, **by):
    """Let time pass in short steps, the prober (and the sweep) turning as in the daemon."""
    left_s = int(timedelta(**by).total_seconds())
    step_s = 1 if left_s < 60 else 15
    for _ in range(left_s // step_s):
        bench.move(seconds=step_s)
        bench.look()
        if sweep:
            bench.turn()


def looked_at(bench, channel="insta"):
    return [(at - NOW).total_seconds() for at, _ in bench.networks[channel].looks]


def events(bench, one):
    with bench.store.read() as conn:
        return [(row.event, row.actor) for row in audit.rows(conn, subject=one)]


def told(bench):
    with bench.store.read() as conn:
        return [row.kind for row in notices.undone(conn)]


def test_a_post_that_its_network_has_is_sent_and_nothing_goes_out_twice(either_bench):
    bench = either_bench
    one = lose(bench, looked=THERE)
    live(bench, seconds=20)
    sent = bench.the(one)
    assert (sent.state, sent.remote_id, sent.sent_at, sent.problem) == (S.SENT, "r7", NOW, None)
    assert (bench.tries(one), bench.published(), looked_at(bench)) == (["accepted"], [one], [15])
    assert events(bench, one)[-2:] == [("delivery.looked", "machine"), ("delivery.sent", "machine")]
    with bench.store.read() as conn:
        assert audit.verify(conn).ok


def test_the_network_is_asked_at_15_45_and_120_seconds_and_then_ever_more_seldom(bench):
    lose(bench)
    live(bench, minutes=6)
    assert looked_at(bench) == [15, 45, 120, 300]
    live(bench, minutes=10)
    assert looked_at(bench)[4:] == [900]


def test_an_absent_post_is_never_sent_again_by_the_machine(bench):
    one = lose(bench, looked=ABSENT)
    for after in LOOKS_AFTER:
        bench.clock.move(NOW + after - bench.clock.now())
        bench.look()
        bench.turn()
    assert (bench.state(one), bench.published()) == ("uncertain", [one])
    assert len(looked_at(bench)) == len(LOOKS_AFTER)
    assert bench.look() is None
    with bench.store.read() as conn:
        assert looks.of(conn, [one])[one].is_not_found
    assert told(bench) == ["uncertain"]


def test_a_look_that_fails_changes_nothing(bench):
    one = lose(bench)
    before = bench.the(one)
    live(bench, minutes=5)
    assert bench.the(one) == before
    assert bench.tries(one) == ["unknown"]


def test_a_paused_and_inhibited_queue_is_looked_after_as_well(bench):
    one = lose(bench, looked=THERE)
    bench.pause()
    bench.inhibits.open(InhibitKind.SIGHT, "x", now=NOW)
    live(bench, seconds=16)
    assert bench.state(one) == "sent"
    assert bench.kinds() == ["manual"]


def test_nothing_is_asked_inside_a_transaction_or_by_a_thread_that_sends(bench):
    seen = []

    def look(request):
        with bench.store.write(urgent=True) as conn:  # would wait for any other writer
            latch.lock(conn)
        seen.append(threading.current_thread().name)
        return THERE

    one = lose(bench, looked=look)
    live(bench, seconds=16)
    assert bench.state(one) == "sent"
    assert seen[0].startswith("probe")


def test_a_channel_that_can_not_be_asked_is_left_to_a_human(bench):
    one = lose(bench)
    bench.networks["insta"].can_probe = False
    live(bench, minutes=3)
    assert (bench.state(one), looked_at(bench)) == ("uncertain", [])
    gone = add(bench.store, due_at=NOW, channels=("gone",))
    put(bench.store, gone, S.CLAIMED, S.SENDING, S.UNCERTAIN)
    assert bench.look() is None


def test_what_a_crash_left_open_is_looked_for_from_the_next_start_on(bench):
    bench.networks["insta"].can_probe = True
    bench.networks["insta"].looked = THERE
    one = add(bench.store, due_at=NOW)
    assert bench.gate._intend(one, bench.claim(one), whole=True)
    bench.move(minutes=30)
    assert recover(bench.store, incarnation=2, clock=bench.clock) == 1
    live(bench, seconds=14)
    assert bench.state(one) == "uncertain"
    live(bench, seconds=1)
    sent = bench.the(one)
    assert (sent.state, sent.sent_at) == (S.SENT, NOW + timedelta(seconds=T_SEND_S))


def test_a_human_who_was_quicker_is_not_overruled(bench):
    def resolve(request):
        bench.act("resolve", one, sent=True)
        return NO_ANSWER

    one = lose(bench, looked=resolve)
    live(bench, seconds=16)
    assert (bench.state(one), bench.the(one).remote_id) == ("sent", None)


def test_a_post_found_after_a_human_called_it_unsent_is_held_and_told(bench):
    def resolve(request):
        bench.act("resolve", one, sent=False)
        bench.act("release", one)
        return THERE

    one = lose(bench, looked=resolve)
    live(bench, seconds=16)
    bench.turn()
    assert (bench.state(one), bench.published()) == ("held", [one])
    assert "it went out after all" in (bench.the(one).problem or "")
    assert bench.tries(one) == ["accepted"]


def test_a_late_answer_that_says_less_does_not_unsay_what_was_found(bench):
    one = lose(bench, looked=THERE)
    live(bench, seconds=16)
    with bench.store.write() as conn:
        (row,) = attempts.of_delivery(conn, one)
        attempts.end(conn, row.id, "unknown", detail="time-out", now=bench.clock.now())
    assert (bench.state(one), bench.tries(one)) == ("sent", ["accepted"])


def test_a_slow_network_delays_only_itself(sqlite_store, tmp_path):
    bench = Bench(sqlite_store, tmp_path, limits={"insta": QUIET, "x": replace(QUIET, name="x")})
    slow = threading.Event()

    def wait(request):
        slow.wait(10)
        return THERE

    stuck, quick = lose(bench, looked=wait), lose(bench, "x", looked=THERE)
    bench.move(seconds=15)
    bench.prober.step()
    bench.prober.errands._busy["x"].result(10)
    bench.move(seconds=60)
    bench.prober.step()
    assert (bench.state(quick), bench.state(stuck)) == ("sent", "uncertain")
    slow.set()
    ended(bench.prober)
    assert (bench.state(stuck), looked_at(bench)) == ("sent", [15])
    bench.close()
    assert bench.faults == []


def test_a_store_that_fails_costs_a_look_and_nothing_more(bench, monkeypatch):
    one = lose(bench, looked=THERE)
    real = looks.add

    def fail(*args):
        monkeypatch.setattr(looks, "add", real)
        raise StoreFailedError("store_failed", "disk full")

    monkeypatch.setattr(looks, "add", fail)
    live(bench, seconds=15)
    assert bench.state(one) == "uncertain"
    live(bench, seconds=1)
    assert bench.state(one) == "sent"


def test_an_error_that_nobody_expected_ends_the_daemon(sqlite_store, tmp_path):
    bench = Bench(sqlite_store, tmp_path)

    def fail(request):
        raise ZeroDivisionError

    lose(bench, looked=fail)
    bench.move(seconds=15)
    bench.prober.step()
    with pytest.raises(ZeroDivisionError):
        ended(bench.prober)
    bench.close()
    assert [type(fault) for fault in bench.faults] == [ZeroDivisionError]


def test_a_daemon_that_stops_finishes_the_look_and_begins_no_other(bench):
    def stop(request):
        bench.closing.set()
        return THERE

    first, second = lose(bench), lose(bench, looked=stop)
    live(bench, seconds=15)
    assert sorted([bench.state(first), bench.state(second)]) == ["sent", "uncertain"]


# -- where a repeat is harmless --------------------------------------------------------------------


def repeating(bench, *, looked):
    """A network that drops repeats, whose first answer is lost."""
    one = lose(bench, looked=looked)
    bench.networks["insta"].repeat_safe = True
    bench.networks["insta"].answer = SENT
    return one


def test_a_harmless_repeat_waits_until_the_network_says_that_it_is_not_there(bench):
    one = repeating(bench, looked=ABSENT)
    live(bench, seconds=105, sweep=True)
    assert bench.published() == [one]
    live(bench, seconds=15, sweep=True)
    assert (bench.state(one), bench.published()) == ("sent", [one, one])


def test_a_harmless_repeat_is_not_made_while_the_network_can_not_be_asked(bench):
    one = repeating(bench, looked=NO_ANSWER)
    live(bench, minutes=14, sweep=True)
    assert (bench.state(one), bench.published()) == ("uncertain", [one])


def test_what_somebody_wanted_taken_down_is_not_repeated(bench):
    one = repeating(bench, looked=ABSENT)
    bench.networks["insta"].deleted = Deletion(Gone.REFUSED, "HTTP 403")
    bench.act("retract", one, reason="wrong price")
    bench.take_down()
    assert bench.state(one) == "uncertain"
    live(bench, minutes=14, sweep=True)
    assert (bench.state(one), bench.published()) == ("uncertain", [one])
