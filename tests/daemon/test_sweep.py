"""The sweep and the resume together: what is held, what waits, what leaves, never in a burst."""

from __future__ import annotations

import contextlib
import threading
from collections import Counter
from dataclasses import replace
from datetime import timedelta
from itertools import pairwise

import pytest
from structlog.testing import capture_logs

from killswitch.channels.frame import Ending, Outcome
from killswitch.daemon.sweep import Left
from killswitch.errors import RefusedError, StoreBusyError
from killswitch.latch import CauseKind, InhibitKind
from killswitch.queue.states import DeliveryState, HoldKind
from killswitch.store import deliveries, notices, posts
from killswitch.store import latch as latch_store
from killswitch.store.engine import Store
from killswitch.wire import NewPost
from tests.daemon.bench import LEA, QUIET, SENT, Bench
from tests.store.made import HOUR, MINUTE, NOW, SECOND, add, pause, put

S = DeliveryState


def told(bench):
    with bench.store.read() as conn:
        return [row.kind for row in notices.undone(conn)]


# -- on an ordinary day ----------------------------------------------------------------------------


def test_posts_leave_when_they_are_due_in_their_order(bench):
    ids = [add(bench.store, due_at=NOW + n * MINUTE) for n in (3, 1, 2)]
    assert bench.turn() == Left(due_at=NOW + MINUTE)
    assert bench.published() == []
    bench.live(minutes=5)
    assert bench.published() == [ids[1], ids[2], ids[0]]


def test_nothing_planned_asks_for_no_wake(bench):
    assert bench.turn() == Left()


def test_under_an_inhibit_a_due_post_waits_and_leaves_when_it_lifts(bench):
    one = add(bench.store, due_at=NOW)
    bench.inhibits.open(InhibitKind.SIGHT, "x", now=NOW)
    bench.live(minutes=10)
    assert (bench.state(one), bench.published()) == ("scheduled", [])
    assert bench.turn() == Left(waits=True), "it is looked at again soon"
    bench.inhibits.lift(InhibitKind.SIGHT)
    bench.turn()
    assert bench.published() == [one]


def test_what_waited_too_long_is_held_and_its_author_told(bench):
    one = add(bench.store, due_at=NOW)
    bench.inhibits.open(InhibitKind.SIGHT, "x", now=NOW)
    bench.live(minutes=15, seconds=2)
    assert (bench.state(one), bench.holds(one)) == ("held", ["late"])
    bench.inhibits.lift(InhibitKind.SIGHT)
    bench.live(minutes=5)
    assert bench.published() == []
    assert told(bench) == ["held_late"]


def test_a_post_that_nobody_approved_in_time_is_held(bench):
    one = add(bench.store, due_at=NOW, approved=False)
    bench.live(minutes=16)
    assert (bench.state(one), bench.holds(one)) == ("held", ["late"])


def test_a_post_from_beyond_the_horizon_is_held_at_due_without_its_second_look(bench):
    one = add(bench.store, due_at=NOW + MINUTE, confirm_from=NOW)
    two = add(bench.store, due_at=NOW + MINUTE, confirm_from=NOW)
    bench.act("confirm", two)
    bench.live(minutes=2)
    assert bench.holds(one) == ["horizon"]
    assert told(bench) == ["held_horizon"]
    assert bench.published() == [two]


def test_what_its_author_let_expire_is_skipped_wherever_it_waits(either_bench):
    bench = either_bench
    ids = [add(bench.store, due_at=NOW + HOUR, expires_at=NOW + MINUTE) for _ in range(3)]
    bench.act("hold", ids[0])
    put(bench.store, ids[1], S.DRAFT, S.AWAITING_APPROVAL)
    bench.live(minutes=2)
    assert {bench.state(one) for one in ids} == {"skipped"}
    assert [bench.holds(one) for one in ids] == [[], [], []]
    assert set(told(bench)) == {"skipped_expired"}


@pytest.mark.parametrize(
    ("ending", "level"),
    [
        (Ending.SENT, "info"),
        (Ending.UNSENT, "warning"),
        (Ending.FAILED, "warning"),
        (Ending.UNCERTAIN, "warning"),
    ],
)
def test_the_log_warns_of_a_try_that_went_wrong(bench, ending, level):
    bench.networks["insta"].answer = Outcome(ending, "so it was")
    add(bench.store, due_at=NOW)
    with capture_logs() as logs:
        bench.turn()
    (line,) = [one for one in logs if one["event"] == "delivery.passed"]
    assert (line["came_to"], line["log_level"]) == (ending.value, level)


def test_a_slow_channel_delays_only_itself(sqlite_store, tmp_path):
    bench = Bench(sqlite_store, tmp_path, limits={"insta": QUIET, "x": replace(QUIET, name="x")})
    slow, gone_on = threading.Event(), threading.Event()

    def wait(request):
        slow.wait(10)
        return SENT

    def go_on(request):
        gone_on.set()
        return SENT

    bench.networks["insta"].answer, bench.networks["x"].answer = wait, go_on
    for n in range(60):
        add(bench.store, due_at=NOW - n * SECOND)
    quick = add(bench.store, due_at=NOW, channels=("x",))
    bench.sweep.pass_once()
    assert gone_on.wait(10)
    bench.sweep.pass_once()
    slow.set()
    bench.turn()
    assert bench.published("x") == [quick]
    bench.turn()
    assert len(bench.published()) == 60
    bench.sweep.close()


def test_posts_that_wait_on_one_channel_hide_no_late_one_of_another(sqlite_store, tmp_path):
    patient = replace(QUIET, name="x", late_after=9 * HOUR)
    bench = Bench(sqlite_store, tmp_path, limits={"insta": QUIET, "x": patient})
    bench.inhibits.open(InhibitKind.SIGHT, "x", now=NOW)
    waiting = [add(bench.store, due_at=NOW, channels=("x",)) for _ in range(31)]
    late = add(bench.store, due_at=NOW + MINUTE)
    gone = add(bench.store, due_at=NOW + MINUTE, channels=("gone",))
    bench.live(minutes=20)
    assert (bench.holds(late), bench.holds(gone)) == (["late"], ["late"])
    assert {bench.state(one) for one in waiting} == {"scheduled"}
    bench.sweep.close()


def test_posts_that_wait_hide_none_that_lacks_its_second_look(bench):
    bench.inhibits.open(InhibitKind.SIGHT, "x", now=NOW)
    for n in range(31):
        add(bench.store, due_at=NOW + n * SECOND)
    far = add(bench.store, due_at=NOW + MINUTE, confirm_from=NOW)
    bench.live(minutes=2)
    assert bench.holds(far) == ["horizon"]


def test_a_channel_that_is_not_configured_any_more_sends_nothing(bench):
    one = add(bench.store, due_at=NOW, channels=("gone",))
    bench.live(minutes=1)
    assert bench.state(one) in {"scheduled", "held"}


def test_a_store_that_fails_before_the_intent_costs_nothing(bench, monkeypatch):
    one = add(bench.store, due_at=NOW)
    real = bench.gate._intend

    def fail(*args, **kwargs):
        monkeypatch.setattr(bench.gate, "_intend", real)
        raise StoreBusyError("store_busy", "locked")

    monkeypatch.setattr(bench.gate, "_intend", fail)
    bench.turn()
    assert (bench.state(one), bench.tries(one)) == ("scheduled", [])
    bench.live(seconds=3)
    assert bench.published() == [one]


def test_a_line_that_fails_gives_all_its_claims_back_at_once(bench, monkeypatch):
    ids = [add(bench.store, due_at=NOW + n * SECOND) for n in range(4)]
    bench.move(seconds=5)
    real, asked = bench.gate._intend, []

    def fail_at_the_second(delivery, *args, **kwargs):
        asked.append(delivery)
        if len(asked) == 2:
            raise StoreBusyError("store_busy", "locked")
        return real(delivery, *args, **kwargs)

    monkeypatch.setattr(bench.gate, "_intend", fail_at_the_second)
    bench.turn()
    assert bench.published() == ids[:1]
    assert [bench.state(one) for one in ids] == ["sent", *["scheduled"] * 3]
    assert bench.the(ids[3]).owner is None
    bench.live(seconds=5)
    assert bench.published() == ids


def test_a_line_that_fails_while_the_store_is_gone_leaves_its_claims_to_the_reaper(
    bench, monkeypatch
):
    one = add(bench.store, due_at=NOW)
    real = Store.write

    @contextlib.contextmanager
    def only_claims(store, *, urgent=False):
        if threading.current_thread().name.startswith("send"):
            raise StoreBusyError("store_busy", "locked")
        with real(store, urgent=urgent) as conn:
            yield conn

    monkeypatch.setattr(Store, "write", only_claims)
    bench.turn()
    assert (bench.state(one), bench.faults) == ("claimed", [])
    monkeypatch.undo()
    bench.live(minutes=2)
    assert bench.published() == [one]


def test_a_bug_in_a_sending_thread_ends_the_daemon(bench, monkeypatch):
    add(bench.store, due_at=NOW)
    bug = RuntimeError("bug")

    def fail(*args, **kwargs):
        raise bug

    monkeypatch.setattr(bench.gate, "send", fail)
    with pytest.raises(RuntimeError):
        bench.turn()
    assert bench.faults == [bug]
    bench.faults.clear()


def test_on_a_clock_that_was_just_stepped_nothing_is_skipped_held_or_sent(bench):
    ids = [
        add(bench.store, due_at=NOW + HOUR, expires_at=NOW + 2 * HOUR),
        add(bench.store, due_at=NOW),
    ]
    bench.guard.step()
    bench.clock.step_wall(timedelta(days=1))
    bench.turn()
    assert {bench.state(one) for one in ids} == {"scheduled"}
    bench.clock.step_wall(timedelta(days=-1))
    bench.live(seconds=90)
    assert bench.published() == [ids[1]]


def test_an_import_that_becomes_visible_at_once_leaves_in_line(bench):
    bench.limits["insta"] = replace(QUIET, min_gap=MINUTE, late_after=2 * HOUR)
    with bench.store.write() as conn:
        batch = posts.open_batch(conn, by="u1", now=NOW)
    ids = [add(bench.store, batch=batch, due_at=NOW + n * SECOND) for n in range(20)]
    bench.live(minutes=2)
    assert bench.published() == []
    with bench.store.write() as conn:
        posts.show_batch(conn, batch, now=NOW)
    bench.live(minutes=40)
    assert bench.published() == ids


def test_a_staged_import_is_forgotten_by_the_next_run(bench):
    from killswitch.daemon.sweep import drop_staged

    with bench.store.write() as conn:
        batch = posts.open_batch(conn, by="u1", now=NOW)
    add(bench.store, batch=batch)
    kept = add(bench.store)
    drop_staged(bench.context)
    with bench.store.read() as conn:
        assert posts.staged_batches(conn) == []
        assert deliveries.counts(conn) == {S.SCHEDULED: 1}
    assert bench.state(kept) == "scheduled"


def test_in_guard_mode_nothing_is_touched(bench):
    one = add(bench.store, due_at=NOW - HOUR)
    bench.mode = "guard"
    bench.set()
    bench.live(minutes=20)
    assert bench.state(one) == "scheduled"


# -- in a pause and after it -----------------------------------------------------------------------


def test_a_pause_holds_what_comes_due_before_the_lead_and_goes_on_doing_so(either_bench):
    bench = either_bench
    due = add(bench.store, due_at=NOW)
    soon, later = add(bench.store, due_at=NOW + 20 * MINUTE), add(bench.store, due_at=NOW + HOUR)
    bench.pause()
    bench.turn()
    assert [bench.state(one) for one in (due, soon, later)] == ["held", "held", "scheduled"]
    bench.live(minutes=31)
    assert bench.state(later) == "held"
    assert {*bench.holds(due), *bench.holds(later)} == {"pause"}
    assert bench.published() == []


def test_only_what_came_due_before_the_press_is_undecided(bench):
    due, soon = add(bench.store, due_at=NOW), add(bench.store, due_at=NOW + 20 * MINUTE)
    bench.pause()
    bench.turn()
    bench.move(seconds=1)
    with pytest.raises(RefusedError) as refused:
        bench.resume()
    assert refused.value.code == "undecided"
    bench.act("skip", due)
    bench.resume()
    assert [bench.state(one) for one in (due, soon)] == ["skipped", "held"]
    bench.live(hours=1)
    assert bench.published() == []


def test_what_was_kept_held_stays_so_and_never_refuses_the_next_resume(bench):
    one = add(bench.store, due_at=NOW)
    bench.pause()
    bench.turn()
    bench.resume(keep_held=True)
    bench.live(hours=1)
    assert (bench.state(one), bench.published()) == ("held", [])
    bench.pause(key="k2")
    bench.turn()
    bench.resume()
    assert bench.latch().paused is False


def test_a_post_added_after_the_resume_is_not_under_the_lead(bench):
    bench.pause()
    bench.resume()
    document = bench.desk.queue_add(NewPost("hi", "+5m", ("insta",)), caller=LEA)
    bench.live(minutes=6)
    assert bench.published() == document["ids"]


def test_even_before_the_sweep_turned_a_resume_lets_nothing_of_the_pause_out(bench):
    one, soon = add(bench.store, due_at=NOW + MINUTE), add(bench.store, due_at=NOW + 9 * MINUTE)
    bench.pause()
    bench.move(minutes=2)
    bench.resume(keep_held=True)
    bench.live(hours=1)
    assert bench.published() == []
    assert [bench.state(d) for d in (one, soon)] == ["held", "held"]


@pytest.mark.parametrize("behind", [1, -1, 2])
def test_a_resume_of_another_version_closes_nothing(bench, behind):
    version = bench.pause()
    with pytest.raises(RefusedError) as refused:
        bench.resume(version - behind)
    assert refused.value.code == "stale"
    assert bench.latch().paused


def test_what_trips_during_the_look_makes_the_resume_stale(bench):
    version = bench.pause()
    bench.on_look = lambda: pause(bench.store, CauseKind.STORY, "s1")
    with pytest.raises(RefusedError) as refused:
        bench.resume(version)
    assert refused.value.code == "stale"
    assert sorted(bench.kinds()) == ["manual", "story"]


def test_a_flag_that_appears_during_the_look_stops_the_resume_and_becomes_a_cause(bench):
    bench.pause()
    bench.on_look = (bench.root / "pause.d" / "late").touch
    with pytest.raises(RefusedError) as refused:
        bench.resume()
    assert refused.value.code == "flag_left"
    assert sorted(bench.kinds()) == ["flag", "manual"]
    bench.on_look = lambda: None
    bench.resume()
    assert bench.kinds() == []


def test_a_flag_that_comes_back_while_it_is_removed_stops_the_resume(bench, monkeypatch):
    (bench.root / "pause.d" / "x").touch()
    bench.guard.step()
    real = bench.flags.remove

    def remove(names):
        real(names)
        (bench.root / "pause.d" / "x").touch()
        return bench.flags.look()

    monkeypatch.setattr(bench.flags, "remove", remove)
    with pytest.raises(RefusedError):
        bench.resume()
    assert bench.kinds() == ["flag", "flag"], "another press"


def test_bad_sight_refuses_the_resume_and_keeps_the_flags(bench):
    from tests.daemon.bench import NONE

    (bench.root / "pause.d" / "x").touch()
    bench.guard.step()
    bench.sight = NONE
    with pytest.raises(RefusedError) as refused:
        bench.resume()
    assert refused.value.code == "no_sight"
    assert not bench.flags.is_clear()
    assert bench.kinds() == ["flag"]


def test_a_resume_that_dies_before_its_commit_leaves_the_causes(bench, monkeypatch):
    (bench.root / "pause.d" / "x").touch()
    bench.guard.step()

    def die(*args, **kwargs):
        raise RuntimeError("power cut")

    monkeypatch.setattr(latch_store, "close_causes", die)
    with pytest.raises(RuntimeError):
        bench.resume()
    assert bench.flags.is_clear()
    assert bench.kinds() == ["flag"]
    monkeypatch.undo()
    bench.guard.step()
    bench.resume()
    assert bench.kinds() == []


def test_two_people_who_resume_at_once_close_each_cause_once(either_bench):
    bench = either_bench
    version, line = bench.pause(), threading.Barrier(2)
    found = []

    def press():
        line.wait()
        try:
            found.append(bench.resume(version)["closed"])
        except RefusedError as error:
            found.append(error.code)

    threads = [threading.Thread(target=press) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(isinstance(one, list) and len(one) == 1 for one in found) == 1
    assert bench.latch().version == version + 1


def test_a_decided_time_that_passes_in_the_pause_is_undecided_again(bench):
    due, far = add(bench.store, due_at=NOW), add(bench.store, due_at=NOW + 25 * MINUTE)
    bench.pause()
    bench.turn()
    bench.act("move", due, at="+10m")
    bench.act("move", far, at="+11m")
    bench.live(minutes=12)
    with pytest.raises(RefusedError) as refused:
        bench.resume()
    assert refused.value.code == "undecided"
    bench.resume(keep_held=True)
    bench.live(hours=1)
    assert bench.published() == []


def test_decided_posts_pass_the_lead_at_the_time_that_was_decided(bench):
    moved, released = add(bench.store, due_at=NOW), add(bench.store, due_at=NOW + 20 * MINUTE)
    bench.pause()
    bench.turn()
    bench.act("move", moved, at="+5m")
    bench.act("release", released)
    bench.move(seconds=1)
    bench.resume()
    bench.live(minutes=30)
    assert bench.published() == [moved, released]


def test_a_post_that_passed_one_lead_does_not_pass_the_next(bench):
    one = add(bench.store, due_at=NOW + 20 * MINUTE)
    bench.pause()
    bench.turn()
    bench.act("release", one)
    bench.resume()
    bench.pause(key="k2")
    bench.resume(keep_held=True)
    bench.live(hours=1)
    assert (bench.state(one), bench.published()) == ("held", [])


def test_edited_and_released_posts_of_the_past_take_spaced_slots(bench):
    ids = [add(bench.store, due_at=NOW + n * SECOND) for n in range(4)]
    bench.pause()
    bench.live(minutes=1)
    for n, one in enumerate(ids):
        more = {"text": f"new {n}"} if n % 2 else {}
        bench.act("edit" if n % 2 else "release", one, **more)
    bench.resume()
    pressed = bench.clock.now()
    assert [bench.the(one).due_at - pressed for one in ids] == [
        timedelta(minutes=15 * n) for n in (1, 2, 3, 4)
    ]


def test_released_posts_whose_slots_passed_in_a_wait_still_leave_a_gap_apart(bench):
    bench.set(release_gap=MINUTE)
    bench.limits["insta"] = replace(QUIET, late_after=2 * HOUR)
    bench.set()
    ids = [add(bench.store, due_at=NOW + n * SECOND) for n in range(6)]
    bench.pause()
    bench.live(minutes=1)
    for one in ids:
        bench.act("release", one)
    bench.resume()
    bench.inhibits.open(InhibitKind.UNCONFIRMED, "one newsroom", now=bench.clock.now())
    bench.live(minutes=5)
    bench.inhibits.lift(InhibitKind.UNCONFIRMED)
    for _ in range(8 * 60):
        bench.live(seconds=1)
    times = [at for at, _ in bench.networks["insta"].published]
    assert bench.published() == ids
    assert all(later - earlier >= MINUTE for earlier, later in pairwise(times))


def test_an_edit_in_a_pause_still_wants_its_second_person(bench):
    bench.set(approve=True)
    one = add(bench.store, due_at=NOW + 20 * MINUTE)
    bench.pause()
    bench.turn()
    bench.act("edit", one, text="something else")
    bench.resume()
    assert bench.state(one) == "awaiting_approval"
    bench.live(hours=1)
    assert bench.published() == []


def test_a_false_alarm_is_let_go_by_the_person_who_called_it(bench):
    one = add(bench.store, due_at=NOW)
    pause(bench.store, CauseKind.STORY, "s1")
    bench.turn()
    bench.move(minutes=2)
    bench.desk.dismiss(bench.latch().version, reason="a film", caller=LEA)
    assert bench.state(one) == "scheduled"
    history = bench.desk.queue_show(one)["history"]
    assert history[-1]["actor"] != "machine"
    bench.live(minutes=16)
    assert bench.published() == [one]


@pytest.mark.parametrize("posts_due", [60])
def test_after_six_hours_of_pause_nothing_leaves_in_a_burst_whatever_restarts(
    sqlite_store, tmp_path, posts_due
):
    limits = {"insta": replace(QUIET, min_gap=5 * MINUTE, max_per_hour=4, late_after=15 * MINUTE)}
    bench = Bench(sqlite_store, tmp_path, limits=limits)
    ids = [add(bench.store, due_at=NOW + n * 6 * MINUTE) for n in range(posts_due)]
    bench.pause()
    bench.live(hours=6)
    assert {bench.state(one) for one in ids} == {"held"}
    for one in ids:
        bench.act("release", one)
    bench.resume()
    pressed = bench.clock.now()
    for _ in range(3):
        bench.live(minutes=50)
        bench.sweep.close()
        network, clock = bench.networks, bench.clock
        bench = Bench(
            sqlite_store, tmp_path, limits=limits, networks=network, clock=clock, incarnation=2
        )
    times = [at for at, _ in bench.networks["insta"].published]
    assert len(times) >= 9
    assert times[0] >= pressed + 15 * MINUTE
    assert all(b - a >= 14 * MINUTE for a, b in pairwise(times))
    assert all(b - a >= HOUR for a, b in zip(times, times[4:], strict=False))
    assert max(Counter(bench.published()).values()) == 1
    bench.sweep.close()


def test_a_hold_of_a_human_outlives_everything_but_a_human(bench):
    one = add(bench.store, due_at=NOW + MINUTE)
    bench.act("hold", one)
    bench.live(hours=1)
    assert bench.holds(one) == [HoldKind.HUMAN]
    bench.act("release", one)
    bench.turn()
    assert bench.published() == [one]


# -- a press against a send, with real threads -----------------------------------------------------


def test_whenever_somebody_presses_nothing_leaves_after_the_seal(sqlite_store, tmp_path):
    bench = Bench(sqlite_store, tmp_path)
    sealed, on_wire, never = threading.Event(), threading.Event(), threading.Event()
    broken = []
    answers = iter([SENT, Outcome(Ending.UNSENT, "x")] * 500)

    def answer(request):
        if sealed.is_set():
            broken.append(request.delivery)
        on_wire.set()
        never.wait(0.002)
        if sealed.is_set():
            broken.append(request.delivery)
        return next(answers)

    bench.networks["insta"].answer = answer
    for n in range(40):
        sealed.clear()
        on_wire.clear()
        for m in range(3):
            add(bench.store, due_at=NOW - m * SECOND)
        sweep = threading.Thread(target=bench.turn)
        sweep.start()
        if n % 2:
            assert on_wire.wait(10)
        bench.pause(key=f"k{n}")
        while not bench.desk.seal(None, wait_s=0)["sealed"]:
            pass
        sealed.set()
        sweep.join()
        bench.turn()
        bench.resume(keep_held=True)
    assert broken == []
    assert len(bench.published()) >= 20
    bench.sweep.close()


def test_a_seal_names_every_uncertain_post_however_many(bench):
    many = deliveries.BATCH * 2 + 5
    for _ in range(many):
        put(bench.store, add(bench.store), S.CLAIMED, S.SENDING, S.UNCERTAIN)
    bench.pause()

    receipt = bench.desk.seal(None, wait_s=0)

    assert receipt["sealed"] is True
    assert len(receipt["uncertain"]) == many


@pytest.mark.parametrize(("verb", "more"), [("resolve", {"sent": True}), ("skip", {})])
def test_a_post_that_a_human_settled_belongs_to_no_sender(bench, verb, more):
    one = add(bench.store)
    put(bench.store, one, S.CLAIMED, owner=1, lease_until_s=99.0)
    put(bench.store, one, S.SENDING, S.UNCERTAIN)

    bench.act(verb, one, **more)

    assert (bench.the(one).owner, bench.the(one).lease_until_s) == (None, None)
