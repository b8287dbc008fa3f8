"""The one door: over every reason to keep it shut, every interruption and every ending."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
import sqlalchemy as sa
from structlog.testing import capture_logs

from killswitch.channels.frame import Ending, Outcome
from killswitch.daemon.reaper import reap, recover
from killswitch.errors import RefusedError, StoreBusyError
from killswitch.gate import LEASE_S, MARGIN_S, T_SEND_S
from killswitch.latch import CauseKind, InhibitKind
from killswitch.outcome import Passage
from killswitch.queue.rules import MAX_TRIES
from killswitch.queue.states import DeliveryState
from killswitch.store import attempts, audit, channel_state, deliveries, notices
from killswitch.store.schema import deliveries as rows
from killswitch.store.schema import posts as post_rows
from tests.daemon.bench import NONE, QUIET, SENT
from tests.store.made import HOUR, MINUTE, NOW, SECOND, add, pause, put

S = DeliveryState


def due(bench, **post):
    return add(bench.store, **({"due_at": bench.clock.now()} | post))


def told(bench):
    with bench.store.read() as conn:
        return [row.kind for row in notices.undone(conn)]


def test_a_due_post_leaves_once_and_is_recorded(either_bench):
    bench = either_bench
    one = due(bench)
    assert bench.send(one) is Passage.SENT
    assert bench.published() == [one]
    sent = bench.the(one)
    assert (sent.state, sent.sent_at, sent.remote_id) == (S.SENT, NOW, "r1")
    assert (sent.owner, sent.lease_until_s) == (None, None)
    assert bench.tries(one) == ["accepted"]
    with bench.store.read() as conn:
        events = [row.event for row in audit.rows(conn, subject=one)]
    assert events == ["delivery.claimed", "delivery.sending", "delivery.sent"]


def test_the_intent_is_durable_before_the_first_byte_leaves(either_bench):
    bench = either_bench
    one, seen = due(bench), []

    def answer(request):
        seen.append((bench.state(one), bench.tries(one), request.delivery, request.due))
        return SENT

    bench.networks["insta"].answer = answer
    bench.send(one)
    assert seen == [("sending", ["open"], one, NOW)]


# -- 1: reasons to keep it shut --------------------------------------------------------------------


def by_cause(bench, one):
    with bench.store.write() as conn:  # a cause without its trip: the claim stays
        conn.execute(
            sa.text(
                "INSERT INTO causes (id, queue, scope, kind, ref, reason, evidence, opened_at, "
                "opened_by, opened_version) VALUES ('c1', 'main', 'all', 'manual', 'r', 'r', "
                "'[]', :at, 'u1', 2)"
            ),
            {"at": "2026-03-02T09:00:00.000000Z"},
        )


def set_delivery(**values):
    def change(bench, one):
        with bench.store.write() as conn:
            conn.execute(sa.update(rows).where(rows.c.id == one).values(**values))

    return change


def changed_text(bench, one):
    with bench.store.write() as conn:
        conn.execute(sa.update(post_rows).values(text="something else"))


def wait_channel(bench, one):
    with bench.store.write() as conn:
        channel_state.wait(conn, "insta", until=NOW + HOUR, why="HTTP 401")


def blind(bench, one):
    bench.sight = NONE


def media_gone(bench, one):
    bench.whole = False


def inhibited(kind):
    return lambda bench, one: bench.inhibits.open(kind, "wait", now=NOW)


SHUT = {
    "a cause": (by_cause, Passage.NOT_NOW, "scheduled", []),
    **{
        f"inhibit {kind}": (inhibited(kind), Passage.NOT_NOW, "scheduled", [])
        for kind in InhibitKind
    },
    "no sight": (blind, Passage.NOT_NOW, "scheduled", []),
    "wrong fence": (set_delivery(fence=9), Passage.NOT_NOW, "claimed", []),
    "wrong owner": (set_delivery(owner=9), Passage.NOT_NOW, "claimed", []),
    "no owner": (set_delivery(owner=None), Passage.NOT_NOW, "claimed", []),
    "no lease": (set_delivery(lease_until_s=None), Passage.NOT_NOW, "scheduled", []),
    "short lease": (
        set_delivery(lease_until_s=1000.0 + T_SEND_S + MARGIN_S - 0.1),
        Passage.NOT_NOW,
        "scheduled",
        [],
    ),
    "another channel": (set_delivery(channel="gone"), Passage.NOT_NOW, "claimed", []),
    "not due": (set_delivery(due_at=NOW + SECOND), Passage.NOT_NOW, "scheduled", []),
    "late": (set_delivery(due_at=NOW - 16 * MINUTE), Passage.HELD, "held", ["late"]),
    "expired": (set_delivery(expires_at=NOW), Passage.NOT_NOW, "scheduled", []),
    "beyond the horizon": (set_delivery(confirm_from=NOW), Passage.HELD, "held", ["horizon"]),
    "never approved": (set_delivery(approved_hash=None), Passage.HELD, "held", ["human"]),
    "changed": (changed_text, Passage.HELD, "held", ["human"]),
    "media changed": (media_gone, Passage.HELD, "held", ["human"]),
    "its channel waits": (wait_channel, Passage.NOT_NOW, "scheduled", []),
}


@pytest.mark.parametrize("name", SHUT)
def test_the_door_is_shut_and_nothing_is_published(bench, name):
    close, passage, state, holds = SHUT[name]
    one = due(bench)
    fence = bench.claim(one)
    close(bench, one)
    assert bench.gate.send(one, fence=fence) is passage
    assert bench.published() == []
    assert bench.tries(one) == []
    assert (bench.state(one), bench.holds(one)) == (state, holds)
    if state != "claimed":
        assert bench.the(one).owner is None
        assert bench.the(one).fence == fence + 1


@pytest.mark.parametrize("state", [s for s in S if s is not S.CLAIMED], ids=str)
def test_only_a_claimed_delivery_passes(bench, state):
    from tests.store.test_guards import WAYS

    one = due(bench)
    put(bench.store, one, *WAYS[state], owner=1, lease_until_s=9e9, fence=1)
    assert bench.gate.send(one, fence=1) is Passage.NOT_NOW
    assert bench.state(one) == state.value
    assert bench.published() == []


def test_nothing_unknown_passes(bench):
    assert bench.gate.send("d-nothing", fence=1) is Passage.NOT_NOW


def test_exactly_at_its_time_and_at_its_latest_a_post_still_leaves(bench):
    late = due(bench, due_at=NOW - QUIET.late_after)
    assert bench.send(late) is Passage.SENT
    assert bench.send(due(bench, expires_at=NOW + SECOND)) is Passage.SENT
    assert bench.send(due(bench, confirm_from=NOW - HOUR), lease_s=LEASE_S) is Passage.HELD


def test_what_was_held_is_told_to_its_author(bench):
    one = due(bench, due_at=NOW - HOUR)
    bench.send(one)
    assert told(bench) == ["held_late"]


# -- budgets ---------------------------------------------------------------------------------------


def limit(bench, **values):
    bench.limits["insta"] = replace(QUIET, **values)


def test_a_gap_makes_the_next_post_wait_its_turn(bench):
    limit(bench, min_gap=5 * MINUTE)
    first, second = due(bench), due(bench)
    assert bench.send(first) is Passage.SENT
    bench.move(minutes=4, seconds=59)
    assert bench.send(second) is Passage.NOT_NOW
    assert bench.state(second) == "scheduled"
    bench.move(seconds=1)
    assert bench.send(second) is Passage.SENT


def test_a_cap_counts_the_rolling_hour(bench):
    limit(bench, max_per_hour=2, late_after=2 * HOUR)
    ids = [due(bench) for _ in range(3)]
    bench.send(ids[0])
    bench.move(minutes=10)
    bench.send(ids[1])
    bench.move(minutes=49, seconds=59)
    assert bench.send(ids[2]) is Passage.NOT_NOW
    bench.move(seconds=1)
    assert bench.send(ids[2]) is Passage.SENT


def test_a_try_that_is_proven_unsent_costs_no_budget(bench):
    limit(bench, min_gap=HOUR)
    bench.networks["insta"].answer = Outcome(Ending.UNSENT, "refused")
    assert bench.send(due(bench)) is Passage.UNSENT
    bench.networks["insta"].answer = SENT
    assert bench.send(due(bench)) is Passage.SENT


def test_the_send_that_would_pass_the_hard_cap_is_not_made_and_pauses(bench):
    limit(bench, hard_cap=2)
    ids = [due(bench) for _ in range(3)]
    assert [bench.send(one) for one in ids] == [Passage.SENT, Passage.SENT, Passage.NOT_NOW]
    assert bench.published() == ids[:2]
    assert bench.kinds() == ["rate"]
    assert bench.state(ids[2]) == "scheduled"


def test_the_sends_of_a_channel_without_limits_are_not_read(bench, monkeypatch):
    """A file may have had ten thousand of them in an hour."""
    asked = []
    monkeypatch.setattr(attempts, "sends_since", lambda *_, **__: asked.append(1) or [])
    assert bench.send(due(bench)) is Passage.SENT
    assert asked == []
    limit(bench, hard_cap=2)
    assert bench.send(due(bench)) is Passage.SENT
    assert asked == [1]


def test_the_hard_cap_counts_from_the_last_resume(bench):
    limit(bench, hard_cap=1)
    bench.send(due(bench))
    assert bench.send(due(bench)) is Passage.NOT_NOW
    bench.move(seconds=30)
    bench.resume(keep_held=True)
    bench.move(seconds=1)
    assert bench.send(due(bench)) is Passage.SENT
    assert bench.kinds() == []


# -- 2 and 3: between the intent and the request ---------------------------------------------------


def between(bench, act):
    """Let something happen after the intent was committed and before the second look."""
    real = bench.gate._look_again

    def look(intent):
        act()
        return real(intent)

    bench.gate._look_again = look


def test_a_flag_after_the_intent_holds_the_post_and_pauses(either_bench):
    bench = either_bench
    one = due(bench)
    between(bench, (bench.root / "pause.d" / "x").touch)
    assert bench.send(one) is Passage.HELD
    assert bench.published() == []
    assert bench.tries(one) == ["aborted_unsent"]
    assert (bench.state(one), bench.holds(one)) == ("held", ["pause"])
    assert bench.kinds() == ["flag"]
    assert bench.the(one).tries == 0


def test_a_flag_that_a_resume_took_away_in_vain_still_stops_what_was_intended(
    either_bench, monkeypatch
):
    bench = either_bench
    one = due(bench)
    (bench.root / "pause.d" / "x").touch()
    real = bench.flags.is_clear

    def resume_in_vain_first():
        monkeypatch.setattr(bench.flags, "is_clear", real)
        bench.guard.step()
        bench.standing = {CauseKind.FLAG: "it stands"}
        with pytest.raises(RefusedError):
            bench.resume(keep_held=True)
        assert (real(), bench.kinds()) == (True, ["flag"])
        return True

    monkeypatch.setattr(bench.flags, "is_clear", resume_in_vain_first)
    assert bench.send(one) is Passage.NOT_NOW
    assert bench.published() == []
    assert (bench.state(one), bench.tries(one)) == ("scheduled", ["aborted_unsent"])


def test_a_store_that_does_not_answer_after_the_intent_sends_nothing(bench, monkeypatch):
    one = due(bench)

    def no_read():
        def fail(*, urgent=False):
            raise StoreBusyError("store_busy", "no answer")

        monkeypatch.setattr(bench.store, "read", fail)

    between(bench, no_read)
    assert bench.send(one) is Passage.NOT_NOW
    monkeypatch.undo()
    assert bench.published() == []
    assert bench.tries(one) == ["aborted_unsent"]


def test_a_flag_directory_that_is_gone_is_a_flag(bench):
    one = due(bench)
    between(bench, (bench.root / "pause.d").rmdir)
    assert bench.send(one) is Passage.HELD
    assert bench.kinds() == ["flag"]


def test_an_inhibit_after_the_intent_sends_the_post_back(bench):
    one = due(bench)
    between(bench, lambda: bench.inhibits.open(InhibitKind.SIGHT, "x", now=NOW))
    assert bench.send(one) is Passage.NOT_NOW
    assert (bench.state(one), bench.tries(one)) == ("scheduled", ["aborted_unsent"])
    assert bench.latch().paused is False
    bench.inhibits.lift(InhibitKind.SIGHT)
    bench.gate = bench.a_gate()
    assert bench.send(one) is Passage.SENT


def test_a_lease_that_ran_out_after_the_intent_sends_the_post_back(bench):
    one = due(bench)
    between(bench, lambda: bench.move(seconds=LEASE_S - T_SEND_S + 1))
    assert bench.send(one) is Passage.NOT_NOW
    assert (bench.state(one), bench.tries(one)) == ("scheduled", ["aborted_unsent"])


def test_an_owner_that_stood_still_until_the_reaper_came_sends_nothing(bench):
    one = due(bench)

    def stand_still():
        bench.move(minutes=10)
        reap(bench.store, clock=bench.clock)
        assert bench.state(one) == "uncertain"

    between(bench, stand_still)
    assert bench.send(one) is Passage.NOT_NOW
    assert bench.published() == []
    assert (bench.state(one), bench.tries(one)) == ("scheduled", ["aborted_unsent"])


def test_an_owner_that_stood_still_while_a_human_decided_changes_nothing(bench):
    one = due(bench)

    def stand_still():
        bench.move(minutes=10)
        reap(bench.store, clock=bench.clock)
        bench.act("resolve", one, sent=False)

    between(bench, stand_still)
    bench.send(one)
    assert bench.published() == []
    assert (bench.state(one), bench.tries(one)) == ("held", ["aborted_unsent"])


def test_a_pause_while_the_request_is_on_the_wire_is_sealed_by_its_answer(bench):
    one, seals = due(bench), []

    def answer(request):
        document = bench.desk.pause("knife", key="k", review_s=None, caller=_lea())
        assert [post["id"] for post in document["on_wire"]] == [one]
        seals.append(bench.desk.seal(None, wait_s=0)["sealed"])
        return SENT

    bench.networks["insta"].answer = answer
    assert bench.send(one) is Passage.SENT
    receipt = bench.desk.seal(None, wait_s=0)
    assert (seals, receipt["sealed"], receipt["uncertain"]) == ([False], True, [])


def _lea():
    from tests.daemon.bench import LEA

    return LEA


# -- 4 and 5: endings ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("ending", "passage", "state", "outcome", "notice"),
    [
        (Ending.SENT, Passage.SENT, "sent", "accepted", []),
        (Ending.UNSENT, Passage.UNSENT, "scheduled", "unsent", []),
        (Ending.WAITS, Passage.UNSENT, "scheduled", "unsent", ["channel_waits"]),
        (Ending.FAILED, Passage.FAILED, "failed", "refused", ["failed"]),
        (Ending.UNCERTAIN, Passage.UNCERTAIN, "uncertain", "unknown", ["uncertain"]),
    ],
)
def test_every_ending_is_recorded_and_told(either_bench, ending, passage, state, outcome, notice):
    bench = either_bench
    bench.networks["insta"].answer = Outcome(ending, "said")
    one = due(bench)
    assert bench.send(one) is passage
    assert (bench.state(one), bench.tries(one)) == (state, [outcome])
    assert told(bench) == notice
    assert bench.published() == [one]
    with bench.store.read() as conn:
        assert attempts.open_ones(conn) == []


@pytest.mark.parametrize("ending", [Ending.UNCERTAIN, Ending.FAILED], ids=str)
def test_only_a_post_in_doubt_calls_until_somebody_answers(bench, ending):
    bench.networks["insta"].answer = Outcome(ending, "said")
    bench.send(due(bench))
    with bench.store.read() as conn:
        (notice,) = notices.undone(conn)
    assert notice.escalates == (ending is Ending.UNCERTAIN)


LATE = {
    Ending.SENT: ("sent", []),
    Ending.UNCERTAIN: ("uncertain", []),
    Ending.FAILED: ("held", ["human"]),
    Ending.UNSENT: ("held", ["human"]),
    Ending.WAITS: ("held", ["human"]),
}


@pytest.mark.parametrize("ending", Ending, ids=str)
def test_an_answer_after_the_reaper_still_fits(bench, ending):
    one = due(bench)

    def answer(request):
        bench.move(seconds=T_SEND_S + MARGIN_S + 1)
        assert reap(bench.store, clock=bench.clock) == 1
        assert bench.state(one) == "uncertain"
        return Outcome(ending, "late", remote_id="r9")

    bench.networks["insta"].answer = answer
    bench.send(one)
    assert (bench.state(one), bench.holds(one)) == LATE[ending]
    assert len(bench.tries(one)) == 1


@pytest.mark.parametrize("sent", [True, False])
@pytest.mark.parametrize("ending", Ending, ids=str)
def test_an_answer_after_a_human_resolved_it_never_doubles_a_post(bench, ending, sent):
    one = due(bench)

    def answer(request):
        bench.move(seconds=T_SEND_S + MARGIN_S + 1)
        reap(bench.store, clock=bench.clock)
        bench.act("resolve", one, sent=sent)
        return Outcome(ending, "late")

    bench.networks["insta"].answer = answer
    bench.send(one)
    assert bench.state(one) == ("sent" if sent else "held")
    went_out = not sent and ending is Ending.SENT
    assert (bench.the(one).problem is not None) == went_out
    assert bench.tries(one) != ["open"]


def test_a_late_success_stops_a_second_copy_that_a_human_had_released(bench):
    one = due(bench)

    def answer(request):
        bench.move(seconds=T_SEND_S + MARGIN_S + 1)
        reap(bench.store, clock=bench.clock)
        bench.act("resolve", one, sent=False)
        bench.act("release", one)
        assert bench.state(one) == "scheduled"
        return SENT

    bench.networks["insta"].answer = answer
    bench.send(one)
    assert (bench.state(one), bench.holds(one)) == ("held", ["human"])
    bench.live(minutes=30)
    assert bench.published() == [one]


def test_a_late_success_takes_back_the_claim_of_a_second_copy(bench):
    one = due(bench)

    def answer(request):
        bench.move(seconds=T_SEND_S + MARGIN_S + 1)
        reap(bench.store, clock=bench.clock)
        bench.act("resolve", one, sent=False)
        bench.act("release", one)
        answer.fence = bench.claim(one)
        return SENT

    bench.networks["insta"].answer = answer
    bench.send(one)
    assert (bench.state(one), bench.the(one).owner) == ("held", None)
    assert bench.gate.send(one, fence=answer.fence) is Passage.NOT_NOW
    assert bench.published() == [one]


def test_retries_come_later_each_time_and_then_a_human_decides(bench):
    limit(bench, late_after=9 * HOUR)
    bench.networks["insta"].answer = Outcome(Ending.UNSENT, "connection refused")
    one = due(bench)
    waits = []
    for _ in range(MAX_TRIES):
        assert bench.state(one) == "scheduled"
        bench.turn()
        waits.append(bench.the(one).next_at - bench.clock.now())
        bench.clock.move(max(waits[-1], timedelta(0)))
    assert waits[:4] == [30 * SECOND, 2 * MINUTE, 10 * MINUTE, 10 * MINUTE]
    assert (bench.state(one), bench.holds(one)) == ("held", ["human"])
    assert len(bench.published()) == MAX_TRIES


def test_a_network_that_asks_for_time_gets_it_from_the_whole_channel(bench):
    answers = iter([Outcome(Ending.WAITS, "HTTP 429", wait=10 * MINUTE)])
    bench.networks["insta"].answer = lambda request: next(answers, SENT)
    ids = [due(bench) for _ in range(5)]
    bench.turn()
    assert len(bench.published()) == 1
    bench.live(minutes=9, seconds=50)
    assert len(bench.published()) == 1
    bench.live(seconds=20)
    assert sorted(bench.published()[1:]) == sorted(ids)


def test_an_account_that_is_refused_is_tried_once_in_an_hour(bench):
    bench.networks["insta"].answer = Outcome(Ending.WAITS, "HTTP 401")
    ids = [due(bench, due_at=NOW + n * MINUTE) for n in range(20)]
    bench.turn()
    bench.live(minutes=59)
    assert len(bench.published()) == 1
    assert {bench.state(one) for one in ids} == {"held"}
    assert told(bench).count("channel_waits") == 1


def test_other_channels_go_on_while_one_waits(sqlite_store, tmp_path):
    from tests.daemon.bench import Bench

    bench = Bench(sqlite_store, tmp_path, limits={"insta": QUIET, "x": replace(QUIET, name="x")})
    bench.networks["insta"].answer = Outcome(Ending.WAITS, "HTTP 401")
    due(bench, channels=("insta", "x"))
    bench.turn()
    assert len(bench.published("x")) == 1
    bench.sweep.close()


def test_a_result_is_offered_until_the_store_takes_it(bench, monkeypatch):
    one, refusals = due(bench), iter([1, 1, 1])
    real = bench.store.write

    def write(**how):
        if bench.published() and next(refusals, None):
            raise StoreBusyError("store_busy", "locked")
        return real(**how)

    monkeypatch.setattr(bench.store, "write", write)
    before = bench.clock.boot_s()
    with capture_logs() as logs:
        assert bench.send(one) is Passage.SENT
    assert bench.clock.boot_s() - before == 3
    told = [(line["event"], line["log_level"], line["problem"]) for line in logs]
    assert told == [("delivery.not_recorded", "warning", "locked")] * 3


def test_a_daemon_that_stops_leaves_the_open_try_to_the_next(bench, monkeypatch):
    one = due(bench)
    real = bench.store.write
    broken = True

    def write(**how):
        if bench.published() and broken:
            bench.closing.set()
            raise StoreBusyError("store_busy", "locked")
        return real(**how)

    monkeypatch.setattr(bench.store, "write", write)
    with pytest.raises(StoreBusyError):
        bench.send(one)
    broken = False
    assert bench.tries(one) == ["open"]
    assert recover(bench.store, incarnation=2, clock=bench.clock) == 1
    assert bench.state(one) == "uncertain"
    assert bench.kinds() == ["unclean_start"]


# -- the reaper and the next run -------------------------------------------------------------------


def test_recovery_tells_what_an_earlier_run_left_and_never_sends_it_again(either_bench):
    bench = either_bench
    sending, claimed, untouched = due(bench), due(bench), due(bench)
    fence = bench.claim(sending)
    bench.gate._intend(sending, fence, whole=True)
    bench.claim(claimed)
    assert recover(bench.store, incarnation=2, clock=bench.clock) == 1
    states = [bench.state(one) for one in (sending, claimed, untouched)]
    assert states == ["uncertain", "scheduled", "scheduled"]
    assert bench.tries(sending) == ["unknown"]
    assert (bench.the(sending).fence, bench.the(claimed).fence) == (fence, 2)
    assert bench.kinds() == ["unclean_start"]


def test_a_clean_end_opens_nothing(bench):
    claimed = due(bench)
    bench.claim(claimed)
    assert recover(bench.store, incarnation=2, clock=bench.clock) == 0
    assert bench.state(claimed) == "scheduled"
    assert bench.kinds() == []


def test_the_reaper_leaves_the_living_alone(bench):
    one = due(bench)
    bench.gate._intend(one, bench.claim(one), whole=True)
    bench.move(seconds=T_SEND_S + MARGIN_S)
    assert reap(bench.store, clock=bench.clock) == 0
    bench.move(seconds=1)
    assert reap(bench.store, clock=bench.clock) == 1
    assert bench.state(one) == "uncertain"


def test_a_claim_past_its_lease_goes_back_and_its_owner_can_do_nothing(bench):
    one = due(bench)
    fence = bench.claim(one)
    bench.move(seconds=LEASE_S + 1)
    reap(bench.store, clock=bench.clock)
    assert bench.state(one) == "scheduled"
    assert bench.gate.send(one, fence=fence) is Passage.NOT_NOW
    assert bench.published() == []


def test_a_repeat_that_the_network_makes_harmless_is_made_once_it_has_settled(bench):
    network = bench.networks["insta"]
    network.repeat_safe = True
    answers = iter([Outcome(Ending.UNCERTAIN, "reset")])
    network.answer = lambda request: next(answers, SENT)
    one = due(bench)
    bench.turn()
    bench.move(seconds=60)
    bench.turn()
    assert bench.state(one) == "uncertain"
    bench.move(seconds=1)
    bench.turn()
    assert (bench.state(one), bench.published()) == ("sent", [one, one])


def test_an_uncertain_post_is_never_sent_again_by_the_machine(bench):
    bench.networks["insta"].answer = Outcome(Ending.UNCERTAIN, "reset")
    one = due(bench)
    bench.live(hours=2)
    assert (bench.state(one), bench.published()) == ("uncertain", [one])


def test_a_trip_takes_a_claim_back_and_the_claimant_sends_nothing(either_bench):
    bench = either_bench
    one = due(bench)
    fence = bench.claim(one)
    pause(bench.store, CauseKind.STORY, "s1")
    assert bench.gate.send(one, fence=fence) is Passage.NOT_NOW
    assert bench.published() == []
    with bench.store.read() as conn:
        assert deliveries.count(conn, S.SCHEDULED) == 1


def test_a_thread_that_stalled_past_the_reaper_sends_nothing_though_its_lease_holds(bench):
    one = due(bench)

    def stall():
        bench.move(seconds=T_SEND_S + MARGIN_S + 1)
        reap(bench.store, clock=bench.clock)
        assert bench.state(one) == "uncertain"

    between(bench, stall)
    assert bench.send(one) is Passage.NOT_NOW
    assert bench.published() == []
    assert bench.tries(one) == ["aborted_unsent"]


def test_a_daemon_that_is_closing_starts_no_send(bench):
    early, late = due(bench), due(bench)
    between(bench, bench.closing.set)
    assert bench.send(early) is Passage.NOT_NOW
    assert bench.send(late) is Passage.NOT_NOW
    assert bench.published() == []


@pytest.mark.parametrize(
    ("verbs", "state"),
    [
        (["skip"], "skipped"),
        (["resolve", "cancel"], "cancelled"),
        (["resolve", "skip"], "skipped"),
        (["resolve"], "held"),
    ],
    ids=str,
)
def test_what_a_human_gave_up_is_told_and_found_when_it_is_out_after_all(
    either_bench, verbs, state
):
    bench = either_bench
    one = due(bench)

    def answer(request):
        bench.move(seconds=T_SEND_S + MARGIN_S + 1)
        reap(bench.store, clock=bench.clock)
        for verb in verbs:
            bench.act(verb, one, **({"sent": False} if verb == "resolve" else {}))
        with bench.store.write() as conn:
            for row in notices.undone(conn):
                notices.finish(conn, row.id, now=bench.clock.now())
        return Outcome(Ending.SENT, "HTTP 201", remote_id="r9", remote_url="https://n.example/9")

    bench.networks["insta"].answer = answer
    bench.send(one)
    now_is = bench.the(one)
    assert (now_is.state, now_is.remote_id) == (state, "r9")
    assert now_is.sent_at == bench.clock.now()
    assert told(bench) == ["uncertain"]
    found = bench.desk.whose("https://n.example/9")
    assert (found["found"], found["delivery"]["id"]) == (True, one)
    (row,) = [r for r in bench.desk.queue_show(one)["history"] if r["event"].endswith("went_out")]
    assert row["data"]["remote_id"] == "r9"


def test_the_name_of_a_post_that_a_human_saw_on_the_network_is_kept(bench):
    one = due(bench)

    def answer(request):
        bench.move(seconds=T_SEND_S + MARGIN_S + 1)
        reap(bench.store, clock=bench.clock)
        bench.act("resolve", one, sent=True)
        return Outcome(Ending.SENT, "HTTP 201", remote_id="r9")

    bench.networks["insta"].answer = answer
    bench.send(one)
    assert (bench.state(one), bench.the(one).remote_id) == ("sent", "r9")
    assert told(bench) == ["uncertain"]  # of before


def test_a_first_copy_that_is_out_while_a_second_is_on_its_way_is_told(bench):
    one = due(bench)
    first = bench.networks["insta"]

    def answer(request):
        bench.move(seconds=T_SEND_S + MARGIN_S + 1)
        reap(bench.store, clock=bench.clock)
        bench.act("resolve", one, sent=False)
        bench.act("release", one)
        fence = bench.claim(one)
        first.answer = second
        bench.gate.send(one, fence=fence)
        return Outcome(Ending.SENT, "late", remote_id="r1")

    def second(request):
        return Outcome(Ending.SENT, "HTTP 201", remote_id="r2")

    first.answer = answer
    bench.send(one)
    assert (bench.state(one), bench.the(one).remote_id) == ("sent", "r2")
    (row,) = [r for r in bench.desk.queue_show(one)["history"] if r["event"].endswith("went_out")]
    assert row["data"]["remote_id"] == "r1"
    with bench.store.read() as conn:
        said = [str(notice.facts) for notice in notices.undone(conn)]
    assert any("went out after all" in one for one in said)
