"""Two at the same moment: a trip and a gate, two first acts of a person, two keys, two polls."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from killswitch.errors import StoreBusyError
from killswitch.queue.states import DeliveryState
from killswitch.store import audit, deliveries, news, people, posts, request_keys
from killswitch.store import latch as latch_store
from killswitch.trip import trip
from tests.store.made import MINUTE, NOW, a_cause, a_post, add, latch_of, pause, put, the

S = DeliveryState
THREADS = 8


def at_once(*works):
    """Run works in threads of their own that begin together; return what each came to."""
    line = threading.Barrier(len(works))

    def run(work):
        line.wait()
        return work()

    with ThreadPoolExecutor(len(works)) as pool:
        return [job.result() for job in [pool.submit(run, work) for work in works]]


def test_a_gate_commits_before_the_trip_or_sees_its_cause(store):
    ids = [put(store, add(store, due_at=NOW + n * MINUTE), S.CLAIMED).id for n in range(6)]

    def intend(one):
        with store.write() as conn:
            if latch_store.lock(conn, share=True).paused:
                return None
            found = deliveries.get(conn, one, lock=True)
            deliveries.move(conn, found, S.SENDING, why="due", now=NOW)
            return one

    *sent, tripped = at_once(*(lambda one=one: intend(one) for one in ids), lambda: pause(store))
    on_wire = {one.id for one in tripped.on_wire}
    assert {one for one in sent if one} == on_wire
    states = {the(store, one).state for one in ids if one not in on_wire}
    assert states <= {S.SCHEDULED}


def test_the_same_cause_twice_at_once_is_one_cause(store):
    done = at_once(*[lambda: pause(store)] * THREADS)
    assert sum(one.new for one in done) == 1
    assert latch_of(store).version == 2


def test_trips_at_once_lose_no_cause_and_keep_the_chain(store):
    at_once(*(lambda n=n: pause(store, ref=f"k{n}") for n in range(THREADS)))
    latch = latch_of(store)
    assert (len(latch.causes), latch.version) == (THREADS, 1 + THREADS)
    assert len({cause.incident for cause in latch.causes}) == 1
    with store.read() as conn:
        assert audit.verify(conn).ok


def test_two_first_acts_of_a_person_give_one_id(store):
    def who():
        with store.write() as conn:
            return people.person_id(conn, "lea")

    assert len(set(at_once(*[who] * THREADS))) == 1


def test_a_key_used_twice_at_once_has_its_effect_once(store):
    def act():
        try:
            with store.write() as conn:
                if request_keys.known(conn, "k"):
                    return "known"
                request_keys.record(conn, "k", {}, now=NOW)
                return "done"
        except StoreBusyError:
            return "busy"

    found = at_once(*[act] * THREADS)
    assert found.count("done") == 1


def test_the_same_authors_key_at_once_is_one_post(store):
    def take():
        try:
            with store.write() as conn:
                if posts.keyed(conn, ["k"]):
                    return "same"
                posts.add(conn, [a_post(key="k")], now=NOW)
                return "added"
        except StoreBusyError:
            return "busy"

    assert at_once(*[take] * THREADS).count("added") == 1


def test_polls_and_grading_at_once_wait_in_no_ring(store):
    names = [f"f{n}" for n in range(THREADS)]
    with store.write() as conn:
        news.ensure_feeds(conn, {name: f"https://{name}.example" for name in names})

    def poll(name):
        for n in range(5):
            with store.write() as conn:
                at = NOW + n * MINUTE
                news.ingest(conn, name, [], values={"last_good_at": at}, now=at)
                news.mark_graded(conn, name)

    def grade():
        for _ in range(5):
            with store.write() as conn:
                news.mark_graded(conn)

    at_once(*(lambda name=name: poll(name) for name in names), grade)
    with store.write() as conn:
        news.mark_graded(conn)
        rows = news.feed_rows(conn, names)
    assert {row.graded_at for row in rows.values()} == {NOW + 4 * MINUTE}


@pytest.mark.parametrize("ways", [2, THREADS])
def test_a_claim_is_made_once(store, ways):
    one = the(store, add(store))

    def claim():
        with store.write() as conn:
            return deliveries.move(conn, one, S.CLAIMED, why="due", now=NOW)

    assert at_once(*[claim] * ways).count(True) == 1


def test_a_trip_waits_for_no_reader(store):
    with store.read() as conn:
        assert not latch_store.read(conn).paused
        with store.write(urgent=True) as other:
            trip(other, a_cause(), now=NOW)
    assert latch_of(store).paused
