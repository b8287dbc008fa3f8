"""
The pause as a state machine: whatever people, news, clocks and networks do, in any order.

The model is small on purpose: it remembers what people did, and judges what was published by it.
"""

from __future__ import annotations

import shutil
import tempfile
from collections import Counter
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)

from killswitch.channels.frame import Ending, Outcome
from killswitch.daemon.reaper import recover
from killswitch.errors import OperatorError, RefusedError
from killswitch.latch import CauseKind, InhibitKind
from killswitch.queue.states import DeliveryState
from killswitch.store import attempts, audit, decisions, deliveries
from killswitch.store import latch as latch_store
from killswitch.store.engine import Store
from killswitch.store.latch import NewCause
from killswitch.trip import trip
from killswitch.wire import NewPost
from tests.daemon.bench import LEA, QUIET, SENT, Bench

S = DeliveryState
GAP = timedelta(minutes=5)
ANSWERS = {
    Ending.SENT: SENT,
    Ending.UNSENT: Outcome(Ending.UNSENT, "refused"),
    Ending.UNCERTAIN: Outcome(Ending.UNCERTAIN, "reset"),
    Ending.FAILED: Outcome(Ending.FAILED, "HTTP 422"),
    Ending.WAITS: Outcome(Ending.WAITS, "HTTP 429", wait=timedelta(minutes=2)),
}
LETS_OUT = ("release", "move", "edit")
STAYS = ("skip", "keep", "hold", "cancel")


class Pauses(RuleBasedStateMachine):
    """One channel, one daemon, and everything that can happen to them."""

    template: Path
    posts = Bundle("posts")

    @initialize()
    def begin(self) -> None:
        self.root = Path(tempfile.mkdtemp(prefix="ks-machine-"))
        shutil.copy(self.template, self.root / "killswitch.db")
        self.store = Store(f"sqlite:///{self.root}/killswitch.db")
        self.run_count = 1
        limits = {"insta": replace(QUIET, min_gap=GAP)}
        self.bench = Bench(self.store, self.root, limits=limits)
        self.bench.networks["insta"].answer = self.answer
        self.ending = Ending.SENT
        self.clock = self.bench.clock
        self.version = self.bench.latch().version
        self.open: set[str] = set()
        self.may_go: dict[str, object] = {}
        self.resends: Counter[str] = Counter()
        self.sent: Counter[str] = Counter()
        self.last_sent = None
        self.presses = 0
        self.closing_allowed = False

    def teardown(self) -> None:
        if hasattr(self, "bench"):
            with self.store.read() as conn:
                assert audit.verify(conn).ok
            self.bench.sweep.close()
            assert self.bench.faults == []
            self.store.close()
            shutil.rmtree(self.root)

    # -- the network judges every request ----------------------------------------------------------

    def answer(self, request):
        now, one = self.clock.now(), self.bench.the(request.delivery)
        latch = self.bench.latch()
        assert not latch.paused, "published while a cause was open"
        assert self.bench.flags.is_clear()
        assert not self.bench.inhibits.any()
        assert self.bench.tries(one.id)[-1] == "open"
        assert one.due_at <= now <= one.due_at + QUIET.late_after
        assert self.sent[one.id] <= self.resends[one.id], "published twice"
        if latch.resumed_at and one.due_at < latch.resumed_at + self.bench.queue.lead:
            decided = self.may_go.get(one.id)
            assert decided is not None, "nobody let it out of the pause"
        if self.last_sent is not None:
            assert now - self.last_sent >= GAP, "a burst"
        if self.ending in {Ending.SENT, Ending.UNCERTAIN}:
            self.sent[one.id] += 1
            self.last_sent = now
        elif self.ending is Ending.FAILED:
            self.last_sent = now  # a refused request costs budget too
        return ANSWERS[self.ending]

    # -- what can happen ---------------------------------------------------------------------------

    @rule(target=posts, minutes=st.one_of(st.integers(1, 9), st.integers(10, 180)))
    def add(self, minutes):
        post = NewPost("Vive l'été !", f"+{minutes}m", ("insta",))
        try:
            (one,) = self.bench.desk.queue_add(post, caller=LEA)["ids"]
        except RefusedError:
            return "d-none"
        if not self.bench.latch().paused:
            self.may_go[one] = "added after the resume"
        return one

    @rule(minutes=st.integers(1, 9))
    def time_passes(self, minutes):
        for _ in range(minutes):
            self.clock.move(timedelta(minutes=1))
            self.bench.guard.step()
            self.bench.turn()

    @rule(minutes=st.integers(10, 60))
    def much_time_passes(self, minutes):
        for _ in range(6):
            self.clock.move(timedelta(minutes=minutes / 6))
            self.bench.guard.step()
            self.bench.turn()

    @rule(minutes=st.lists(st.integers(1, 14), max_size=4))
    def an_ordinary_quarter_of_an_hour(self, minutes):
        for one in minutes:
            self.add(minutes=one)
        self.time_passes(minutes=15)

    @rule(minutes=st.integers(1, 9), verb=st.sampled_from(["release", "edit", "move", "keep"]))
    def a_whole_pause(self, minutes, verb):
        """From the press to the resume, with a decision on every held post."""
        self.something_stops_it(how="press")
        self.time_passes(minutes=minutes)
        with self.store.read() as conn:
            held = [one.id for one in deliveries.in_state(conn, S.HELD)]
        for one in held:
            self.somebody_acts(one=one, verb=verb, minutes=5)
        self.somebody_resumes(behind=0, keep=True)
        self.time_passes(minutes=9)

    @rule(ending=st.sampled_from([Ending.SENT, *ANSWERS]))
    def the_network_changes(self, ending):
        self.ending = ending

    @rule(how=st.sampled_from(["press", "flag a", "flag b", "blind", "story", "story", "rate"]))
    def something_stops_it(self, how):
        if how == "press":
            self.presses += 1
            self.bench.pause(key=f"press-{self.presses}")
        elif how.startswith("flag"):
            (self.root / "pause.d" / how[-1]).touch()
        else:
            with self.store.write() as conn:
                trip(conn, NewCause(CauseKind(how), "r", how), now=self.clock.now())
        self.may_go.clear()

    @rule(behind=st.sampled_from([0, 0, 0, 1, 2]), keep=st.sampled_from([True, True, False]))
    def somebody_resumes(self, behind, keep):
        before, flagged = self.bench.latch(), not self.bench.flags.is_clear()
        decided = self._let_out()
        self.closing_allowed = True
        try:
            document = self.bench.resume(before.version - behind, keep_held=keep)
        except RefusedError:
            self.closing_allowed = False
            assert set(before.causes) <= set(self.bench.latch().causes)
            return
        assert behind == 0 or not before.paused
        assert set(document["closed"]) == {cause.id for cause in before.causes}
        if before.paused or flagged:
            self.may_go = dict.fromkeys(decided, "decided")

    @rule(behind=st.sampled_from([0, 0, 1]))
    def somebody_dismisses(self, behind):
        before = self.bench.latch()
        self.closing_allowed = True
        try:
            document = self.bench.desk.dismiss(before.version - behind, reason="no", caller=LEA)
        except RefusedError:
            self.closing_allowed = False
            return
        news = {cause.id for cause in before.causes if cause.kind is CauseKind.STORY}
        assert set(document["closed"]) == news
        if not document["still_paused"]:
            with self.store.read() as conn:
                waiting = deliveries.in_state(conn, S.SCHEDULED)
            self.may_go = {one.id: "a false alarm" for one in waiting}

    def _let_out(self):
        with self.store.read() as conn:
            rows = decisions.all_of_held(conn)
        return [row.delivery for row in rows if row.kind in LETS_OUT]

    @rule(one=posts, verb=st.sampled_from([*LETS_OUT, *STAYS]), minutes=st.integers(1, 60))
    def somebody_acts(self, one, verb, minutes):
        more = {"move": {"at": f"+{minutes}m"}, "edit": {"text": f"after {minutes}"}}.get(verb, {})
        paused = self.bench.latch().paused
        try:
            self.bench.act(verb, one, **more)
        except OperatorError:
            return
        if verb in LETS_OUT and not paused:
            self.may_go[one] = verb

    @rule(one=posts, sent=st.booleans())
    def somebody_resolves(self, one, sent):
        try:
            self.bench.act("resolve", one, sent=sent)
        except OperatorError:
            return
        self.resends[one] += not sent

    @rule(seen=st.sampled_from([True, True, False]))
    def sight_changes(self, seen):
        if seen:
            self.bench.inhibits.lift(InhibitKind.SIGHT)
        else:
            self.bench.inhibits.open(InhibitKind.SIGHT, "wait", now=self.clock.now())

    @rule(one=posts, sending=st.booleans())
    def the_daemon_dies(self, one, sending):
        if sending and one != "d-none" and self.bench.state(one) == "scheduled":
            self.bench.gate._intend(one, self.bench.claim(one), whole=True)
            if self.bench.state(one) == "sending":
                self.sent[one] += 1  # it may be out
                self.last_sent = self.clock.now()
                self.may_go.clear()  # the next run finds it and pauses
        self.bench.sweep.close()
        self.run_count += 1
        self.bench = Bench(
            self.store,
            self.root,
            clock=self.clock,
            limits=self.bench.limits,
            networks=self.bench.networks,
            incarnation=self.run_count,
        )
        recover(self.store, incarnation=self.run_count, clock=self.clock)

    # -- what always holds -------------------------------------------------------------------------

    @invariant()
    def causes_leave_only_by_a_human_and_the_version_tells(self):
        latch = self.bench.latch()
        now_open = {cause.id for cause in latch.causes}
        if now_open != self.open:
            assert latch.version > self.version
        else:
            assert latch.version >= self.version
        if self.open - now_open:
            assert self.closing_allowed
        self.open, self.version, self.closing_allowed = now_open, latch.version, False

    @invariant()
    def every_delivery_is_where_its_rows_say(self):
        with self.store.read() as conn:
            trying = {row.delivery for row in attempts.open_ones(conn)}
            for one in deliveries.page(conn, states=(), limit=500):
                held = bool(deliveries.holds_of(conn, [one.id])[one.id])
                assert held == (one.state is S.HELD), (one.state, held)
                assert (one.id in trying) == (one.state is S.SENDING)
                assert (one.owner is not None) <= (one.state in {S.CLAIMED, S.SENDING, S.UNCERTAIN})

    @invariant()
    def just_after_a_resume_nothing_undecided_is_due(self):
        latch = self.bench.latch()
        stopped = latch.paused or not self.bench.flags.is_clear()
        if stopped or latch.resumed_at != self.clock.now():
            return
        with self.store.read() as conn:
            soon = deliveries.in_state(
                conn, S.SCHEDULED, before=latch.resumed_at + self.bench.queue.lead
            )
            assert latch_store.read(conn).causes == ()
        assert {one.id for one in soon} <= set(self.may_go)


@pytest.mark.timeout(120)
def test_whatever_happens_the_pause_holds(sqlite_template):
    Pauses.template = sqlite_template
    # Shrinking would run for minutes: take the phases out of here to have it.
    quick = settings(
        max_examples=settings().max_examples // 8,
        stateful_step_count=40,
        phases=[Phase.reuse, Phase.generate],
    )
    run_state_machine_as_test(Pauses, settings=quick)
