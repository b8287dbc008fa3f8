"""Taking posts down: asked by a human, tried until it is known, on record for ever."""

from __future__ import annotations

import threading

import pytest

from killswitch.channels.frame import Deletion, Ending, Found, Gone, Outcome, Probe
from killswitch.daemon.retractor import Retractor
from killswitch.outcome import record_deletion, record_outcome
from killswitch.queue.retracting import ASK_AGAIN
from killswitch.queue.states import DeliveryState
from killswitch.store import attempts, audit, deliveries, latch, notices, retractions
from killswitch.store.engine import StoreFailedError
from tests.daemon.bench import SENT, ended
from tests.store.made import MINUTE, NOW, SECOND, add

S = DeliveryState
DELETED = Deletion(Gone.DELETED, "HTTP 204")
ABSENT = Deletion(Gone.ABSENT, "HTTP 404")
REFUSED = Deletion(Gone.REFUSED, "HTTP 403")
UNKNOWN = Deletion(Gone.UNKNOWN, "HTTP 503")
LOST = Outcome(Ending.UNCERTAIN, "reset")


def sent(bench, answer=SENT):
    """A post that went out, or (``LOST``) may have."""
    bench.networks["insta"].answer = answer
    one = add(bench.store, due_at=bench.clock.now())
    bench.send(one)
    return one


def retract(bench, one):
    bench.act("retract", one, reason="wrong price")


def answers(bench, *deletions):
    left = list(deletions)
    bench.networks["insta"].deleted = lambda request: left.pop(0) if len(left) > 1 else left[0]


def wish(bench, one):
    with bench.store.read() as conn:
        return retractions.of(conn, [one])[one][-1]


def asked_at(bench):
    return [(at - NOW).total_seconds() for at, _, _ in bench.networks["insta"].deletions]


def told(bench):
    with bench.store.read() as conn:
        return {row.kind: row.facts["why"] for row in notices.undone(conn)}


def live(bench, *, seconds):
    """Let time pass, the retractor turning every second."""
    for _ in range(seconds):
        bench.move(seconds=1)
        bench.take_down()


def test_a_post_that_its_network_took_down_is_retracted_and_kept(either_bench):
    bench = either_bench
    one = sent(bench)
    bench.move(minutes=5)
    retract(bench, one)
    assert bench.state(one) == "retracting"
    bench.take_down()
    kept = bench.the(one)
    assert (kept.state, kept.remote_id, kept.sent_at) == (S.RETRACTED, "r1", NOW)
    assert kept.content.text == "Vive l'été !"
    assert bench.networks["insta"].deletions == [(NOW + 5 * MINUTE, one, "r1")]
    asked = wish(bench, one)
    assert (asked.outcome, asked.reason, asked.tries) == ("gone", "wrong price", 1)
    with bench.store.read() as conn:
        rows = audit.rows(conn, subject=one)[-2:]
        assert audit.verify(conn).ok
    assert [row.event for row in rows] == ["delivery.retracting", "delivery.retracted"]
    assert (rows[0].actor, rows[1].actor) == (asked.asked_by, "machine")
    assert bench.take_down() is None
    assert told(bench) == {}


def test_what_is_not_there_any_more_is_retracted(bench):
    one = sent(bench)
    answers(bench, ABSENT)
    retract(bench, one)
    bench.take_down()
    assert bench.state(one) == "retracted"


def test_what_its_network_refuses_stays_out_and_people_are_told(bench):
    one = sent(bench)
    answers(bench, REFUSED)
    retract(bench, one)
    bench.take_down()
    assert (bench.state(one), wish(bench, one).outcome) == ("sent", "refused")
    assert bench.the(one).problem == "it could not be taken down: HTTP 403"
    assert told(bench) == {"still_public": "HTTP 403"}
    answers(bench, DELETED)
    retract(bench, one)
    bench.take_down()
    assert (bench.state(one), bench.the(one).problem) == ("retracted", None)


def test_a_network_that_does_not_answer_is_asked_again_soon_and_then_more_seldom(bench):
    one = sent(bench)
    answers(bench, UNKNOWN, UNKNOWN, UNKNOWN, ABSENT)
    retract(bench, one)
    bench.take_down()
    live(bench, seconds=90)
    assert asked_at(bench) == [0, 5, 20, 80]
    assert (bench.state(one), wish(bench, one).tries) == ("retracted", 4)


def test_after_the_last_try_a_human_has_to_look(bench):
    one = sent(bench)
    answers(bench, UNKNOWN)
    retract(bench, one)
    bench.take_down()
    for wait in ASK_AGAIN:
        bench.clock.move(wait)
        bench.take_down()
    assert len(asked_at(bench)) == len(ASK_AGAIN) + 1
    assert (bench.state(one), wish(bench, one).outcome) == ("sent", "given_up")
    assert "nobody knows" in bench.the(one).problem
    assert "still_public" in told(bench)
    assert bench.take_down() is None


def test_a_network_that_asks_for_time_gets_it(bench):
    one = sent(bench)
    answers(bench, Deletion(Gone.UNKNOWN, "HTTP 429", wait=MINUTE), DELETED)
    retract(bench, one)
    bench.take_down()
    live(bench, seconds=61)
    assert asked_at(bench) == [0, 60]


def test_a_paused_queue_takes_down_as_well(bench):
    one = sent(bench)
    bench.pause()
    retract(bench, one)
    bench.take_down()
    assert bench.state(one) == "retracted"


def test_a_crash_forgets_no_wish(bench):
    one = sent(bench)
    retract(bench, one)
    another = Retractor(
        lambda: bench.context, clock=bench.clock, closing=threading.Event(), on_fault=print
    )
    another.step()
    ended(another)
    another.close()
    assert bench.state(one) == "retracted"


def test_a_channel_that_can_not_do_it_any_more_refuses(bench):
    one, two = sent(bench), sent(bench)
    retract(bench, one)
    bench.networks["insta"].why_not = "insta has no delete_url"
    bench.take_down()
    assert (bench.state(one), asked_at(bench)) == ("sent", [])
    bench.networks["insta"].why_not = None
    retract(bench, two)
    del bench.networks["insta"]
    bench.take_down()
    assert bench.state(two) == "sent"
    assert "not configured" in (bench.the(two).problem or "")


def test_a_stopping_daemon_leaves_the_rest_to_the_next(bench):
    def stop(request):
        bench.closing.set()
        return DELETED

    ids = [sent(bench), sent(bench)]
    bench.networks["insta"].deleted = stop
    for one in ids:
        retract(bench, one)
    bench.take_down()
    assert sorted(bench.state(one) for one in ids) == ["retracted", "retracting"]


def test_a_store_that_fails_costs_a_second_request_and_nothing_more(bench, monkeypatch):
    real = retractions.end

    def fail(*args, **more):
        monkeypatch.setattr(retractions, "end", real)
        raise StoreFailedError("store_failed", "disk full")

    one = sent(bench)
    monkeypatch.setattr(retractions, "end", fail)
    retract(bench, one)
    bench.take_down()
    assert bench.state(one) == "retracting"
    bench.take_down()
    assert (bench.state(one), len(asked_at(bench))) == ("retracted", 2)


# -- what may still be on its way ------------------------------------------------------------------


def test_what_may_still_appear_is_asked_for_at_once_and_once_more_when_it_must_be_there(bench):
    one = sent(bench, LOST)
    answers(bench, ABSENT, DELETED)
    retract(bench, one)
    bench.take_down()
    assert (bench.state(one), asked_at(bench)) == ("retracting", [0])
    live(bench, seconds=61)
    assert (bench.state(one), asked_at(bench)) == ("retracted", [0, 60])


def test_a_post_in_doubt_stays_in_the_receipt_of_a_seal_while_it_is_taken_down(bench):
    one = sent(bench, LOST)
    answers(bench, ABSENT)
    retract(bench, one)
    bench.take_down()
    bench.pause()
    receipt = bench.desk.seal(None, wait_s=0)
    assert (receipt["sealed"], [post["id"] for post in receipt["uncertain"]]) == (True, [one])
    status = bench.desk.status()
    assert [post["note"] for post in status["uncertain"]] == ["it is being taken down"]
    live(bench, seconds=61)
    assert bench.desk.seal(None, wait_s=0)["uncertain"] == []


def test_what_may_have_gone_out_and_could_not_be_taken_down_is_uncertain_again(bench):
    one = sent(bench, LOST)
    answers(bench, REFUSED)
    retract(bench, one)
    bench.take_down()
    assert bench.state(one) == "uncertain"
    bench.networks["insta"].can_probe = True
    bench.networks["insta"].looked = Probe(Found.THERE, "HTTP 200", "r7")
    bench.move(seconds=15)
    bench.look()
    assert (bench.state(one), bench.the(one).remote_id) == ("sent", "r7")


@pytest.mark.parametrize("asked_before", [True, False])
def test_an_answer_that_comes_late_names_the_id_and_the_network_is_asked_with_it(
    bench, asked_before
):
    one = sent(bench, LOST)
    answers(bench, ABSENT, DELETED)
    retract(bench, one)
    if asked_before:
        bench.take_down()
    bench.move(seconds=10)
    with bench.store.write() as conn:
        latch.lock(conn, share=True)
        (attempt,) = attempts.of_delivery(conn, one)
        late = deliveries.get(conn, one, lock=True)
        record_outcome(conn, late, attempt=attempt.id, outcome=SENT, now=bench.clock.now())
    assert bench.state(one) == "retracting"
    assert bench.the(one).sent_at == NOW + 10 * SECOND
    bench.take_down()
    assert (bench.state(one), bench.networks["insta"].deletions[-1][2]) == ("retracted", "r1")
    assert bench.tries(one) == ["accepted"]


def test_a_human_can_not_be_overtaken_by_an_old_answer(bench):
    one = sent(bench)
    answers(bench, REFUSED)
    retract(bench, one)
    bench.take_down()
    before = bench.the(one)
    with bench.store.write() as conn:
        late = deliveries.get(conn, one, lock=True)
        record_deletion(conn, late, DELETED, settles_at=NOW, now=bench.clock.now())
    assert bench.the(one) == before
