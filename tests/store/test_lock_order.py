"""
The one order of locks: latch row, deliveries, audit head. Else two on PostgreSQL wait in a ring.

What a transaction locks is read off its statements; nothing here waits for anything.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

import pytest
import sqlalchemy as sa

from killswitch.latch import CauseKind, InhibitKind
from killswitch.store.engine import Store
from tests.unit.desk.house import LEA, MIN, House, a_story

_LOCKS = re.compile(
    r"^(?:SELECT .*?\sFROM (?P<read>\w+).*\sFOR (?:UPDATE|SHARE)|UPDATE (?P<update>\w+) "
    r"|INSERT INTO (?P<insert>\w+) |DELETE FROM (?P<delete>\w+))",
    re.DOTALL,
)
# What nobody waits for while they hold one of these: single rows that are written and let go.
_ASIDE = frozenset({"people", "request_keys", "facts", "feeds", "items", "stories"})


@dataclass
class Spy:
    """The tables that each transaction locked, in order."""

    store: Store
    taken: list[list[str]] = field(default_factory=list)

    def __post_init__(self) -> None:
        for engine in (self.store._work, self.store._urgent):
            sa.event.listen(engine, "begin", self._begin)
            sa.event.listen(engine, "before_cursor_execute", self._statement)

    def close(self) -> None:
        for engine in (self.store._work, self.store._urgent):
            sa.event.remove(engine, "begin", self._begin)
            sa.event.remove(engine, "before_cursor_execute", self._statement)

    def _begin(self, conn: Any) -> None:
        conn.info["spied"] = []
        self.taken.append(conn.info["spied"])

    def _statement(self, conn: Any, cursor: Any, statement: str, *rest: Any) -> None:
        found = _LOCKS.match(statement)
        if found and (table := next(filter(None, found.groups()))) not in _ASIDE:
            conn.info["spied"].append(table)

    def firsts(self) -> list[list[str]]:
        """Each table where a transaction first locked it."""
        return [list(dict.fromkeys(tables)) for tables in self.taken if tables]


@pytest.fixture
def spied(postgres_store, tmp_path):
    house = House(postgres_store, tmp_path / "state")
    spy = Spy(postgres_store)
    yield house, spy
    spy.close()


def paused(house: House) -> list[str]:
    ids = [house.add(at=f"+{n}m", channels=("log",)) for n in (1, 2, 3, 4)]
    house.trip(a_story())
    house.move(minutes=5)
    house.turn()
    return ids


def an_ack(house: House, ids: list[str], spy: Spy) -> None:
    house.desk.ack(caller=LEA)


def a_second_pause(house: House, ids: list[str], spy: Spy) -> None:
    house.pause(key="k9")


def a_trip_with_claims(house: House, ids: list[str], spy: Spy) -> None:
    house.resume(keep_held=True)
    one = house.add(at="+1m", channels=("log",))
    house.claim(one)
    spy.taken.clear()
    house.trip(kind=CauseKind.BLIND)
    assert house.state(one) == "scheduled"


def a_resume_that_lets_go(house: House, ids: list[str], spy: Spy) -> None:
    house.do("release", ids[0])
    house.do("edit", ids[1], text="new")
    house.do("skip", ids[2])
    house.resume(keep_held=True)


def a_false_alarm(house: House, ids: list[str], spy: Spy) -> None:
    house.dismiss()


def verbs_outside_a_pause(house: House, ids: list[str], spy: Spy) -> None:
    house.resume(keep_held=True)
    house.do("move", ids[0], at="+2h")
    house.do("hold", ids[0])
    house.do("release", ids[1], ids[2])
    house.do_all("cancel")


def a_sweep_that_holds_skips_and_sends(house: House, ids: list[str], spy: Spy) -> None:
    house.resume(keep_held=True)
    house.add(at="+1m", channels=("log",))
    house.add(at="+2m", expires="+3m", channels=("insta",))
    house.inhibits.open(InhibitKind.SIGHT, "x", now=house.clock.now())
    house.live(minutes=4)
    house.inhibits.lift(InhibitKind.SIGHT)
    house.add(at="+1m", channels=("log",))
    house.live(minutes=20)


@pytest.mark.parametrize(
    "happens",
    [
        an_ack,
        a_second_pause,
        a_trip_with_claims,
        a_resume_that_lets_go,
        a_false_alarm,
        verbs_outside_a_pause,
        a_sweep_that_holds_skips_and_sends,
    ],
)
def test_the_latch_row_is_locked_first_and_the_audit_head_after_the_deliveries(spied, happens):
    house, spy = spied
    ids = paused(house)
    house.move(seconds=MIN.total_seconds())
    spy.taken.clear()
    happens(house, ids, spy)
    adds = {"posts", "batches"}  # of rows that nobody else knows yet
    orders = [one for one in spy.firsts() if not adds & set(one[:1])]
    assert orders
    for one in orders:
        assert "latch" not in one[1:], one
        if {"deliveries", "notices"} & set(one) and "audit_head" in one:
            assert one[0] == "latch", one
        if "deliveries" in one and "audit_head" in one:
            assert one.index("deliveries") < one.index("audit_head"), one
