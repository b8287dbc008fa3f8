"""
What always holds, whatever happened: the invariants that the rows of a store show.

``Laws`` follows one store from step to step. The numbers are those of the invariants: intent under
no cause (1), nothing lost (4), progress (5), fences (6), causes (7, 8), a human is told (11), a
bounded flight (14), the audit trail (15), only humans open (16), ends (17). What a publication
shows (2, 3, 9, 10, 12, 13) is judged by the network of ``twins.World`` at that moment.
"""

from __future__ import annotations

import json
from typing import Any

from killswitch.queue.states import TRANSITIONS, DeliveryState, may_follow
from killswitch.store.audit import GENESIS, MACHINE, _hash

S = DeliveryState
STATES = {state.value for state in S}
ENDS = {state for state, following in TRANSITIONS.items() if not following}
Rows = dict[str, list[dict[str, Any]]]


class Laws:
    """Follows the audit trail of one store and compares it with the rows."""

    def __init__(self) -> None:
        self.state: dict[str, DeliveryState] = {}
        self.fences: dict[str, int] = {}
        self.open: set[str] = set()
        self.version = 1
        self.seq, self.hash = 0, GENESIS

    def check(self, rows: Rows) -> None:
        """Raise an ``AssertionError`` that names the law which does not hold."""
        self._follow(rows)
        self._deliveries(rows)
        self._attempts(rows)
        self._latch(rows)
        self._told(rows)

    # -- the trail -------------------------------------------------------------------------------

    def _follow(self, rows: Rows) -> None:
        events = rows["audit"]
        assert len(events) >= self.seq, "I4: the history shrank"
        for row in events[self.seq :]:
            assert row["seq"] == self.seq + 1, "I15: a row is missing"
            assert row["prev"] == self.hash, "I15: the chain is broken"
            assert row["hash"] == _hash(row), "I15: a row was changed"
            self.seq, self.hash = row["seq"], row["hash"]
            self._event(row, json.loads(row["data"]), rows)

    def _event(self, row: dict[str, Any], data: dict[str, Any], rows: Rows) -> None:
        kind, _, what = row["event"].partition(".")
        if kind == "delivery" and what in STATES:
            self._moved(row, data, rows)
        elif row["event"] == "cause.opened":
            assert data["version"] > self.version, "I7: the version did not grow at a trip"
            self.open.add(row["subject"])
            self.version = data["version"]
        elif row["event"] == "cause.closed":
            assert row["actor"] != MACHINE, "I16: a machine closed a cause"
            assert data["version"] >= self.version, "I7: the version went back at a close"
            self.open.remove(row["subject"])
            self.version = data["version"]
        elif row["event"] == "pause.sealed":
            assert self.open, "sealed without a pause"
            assert S.SENDING not in self.state.values(), "I2: sealed with something on the wire"
            unsure = {one for one, state in self.state.items() if state is S.UNCERTAIN}
            assert unsure <= set(data["uncertain"]), "I2: the seal does not name all in doubt"

    def _moved(self, row: dict[str, Any], data: dict[str, Any], rows: Rows) -> None:
        one, old, new = row["subject"], S(data["from"]), S(data["to"])
        known = self.state.setdefault(one, old)
        assert known is old, f"I4: {one} was {known}, not {old}"
        assert may_follow(old, new), f"I17: {old} became {new}"
        if new is S.SENDING:
            assert not self.open, "I1: an intent under an open cause"
        if old is S.HELD and new in {S.SCHEDULED, S.AWAITING_APPROVAL}:
            assert row["actor"] != MACHINE, "I16: a machine released a post"
        if old is S.UNCERTAIN and new is S.SCHEDULED:
            tries = [t["outcome"] for t in rows["attempts"] if t["delivery"] == one]
            assert "aborted_unsent" in tries, "I3: a machine sends again what may be out"
        self.state[one] = new

    # -- the rows --------------------------------------------------------------------------------

    def _deliveries(self, rows: Rows) -> None:
        held = {hold["delivery"] for hold in rows["holds"] if hold["lifted_at"] is None}
        decided = {decision["delivery"] for decision in rows["decisions"]}
        there = {row["id"] for row in rows["deliveries"]}
        assert self.state.keys() <= there, "I4: a delivery is lost"
        for row in rows["deliveries"]:
            one, state = row["id"], S(row["state"])
            assert self.state.setdefault(one, state) is state, "I4: the state is not its history"
            assert (one in held) == (state is S.HELD), f"{state} with holds: {one in held}"
            assert one not in decided or state is S.HELD, f"a decision on a post that is {state}"
            assert row["fence"] >= self.fences.get(one, 0), "I6: a fence went back"
            self.fences[one] = row["fence"]
            owned = {S.CLAIMED, S.SENDING, S.UNCERTAIN}
            assert row["owner"] is None or state in owned, f"{state} with an owner"

    def _attempts(self, rows: Rows) -> None:
        last: dict[str, int] = {}
        for row in sorted(rows["attempts"], key=lambda row: (row["delivery"], row["number"])):
            assert row["fence"] > last.get(row["delivery"], 0), "I6: two tries under one fence"
            last[row["delivery"]] = row["fence"]
            assert row["fence"] <= self.fences[row["delivery"]], "I6: a fence from nowhere"
            assert row["outcome"] != "open", "I14: a try without an end"
        assert S.SENDING not in self.state.values(), "I14: a flight without an end"

    def _latch(self, rows: Rows) -> None:
        (latch,) = rows["latch"]
        assert latch["version"] == self.version, "I7: a version that no event tells of"
        standing = {row["id"] for row in rows["causes"] if row["closed_at"] is None}
        assert standing == self.open, "I8: causes that no event tells of, or a cause is lost"
        assert (latch["incident"] is None) == (not standing)
        assert (latch["paused_at"] is None) == (not standing)

    def _told(self, rows: Rows) -> None:
        told: dict[str, set[str]] = {}
        for row in rows["notices"]:
            refs = {row["ref"], *row["facts"].get("_refs", [])}
            told.setdefault(row["kind"], set()).update(refs)
        pauses = told.get("paused", set()) | told.get("blind", set())
        assert {row["id"] for row in rows["causes"]} <= pauses, "I11: nobody is told of a cause"
        unsure = {one for one, state in self.state.items() if state is S.UNCERTAIN}
        assert unsure <= told.get("uncertain", set()), "I11: nobody is told of a doubt"
