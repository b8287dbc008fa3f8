"""The chain of audit rows: what was changed, cut out or cut off behind our back shows."""

from __future__ import annotations

import pytest
import sqlalchemy as sa

from killswitch.errors import InvariantBroken
from killswitch.store import audit
from killswitch.store.audit import Entry
from tests.store.made import MINUTE, NOW, latch_of, pause

CHANGES = {
    "edited": "UPDATE audit SET actor = 'nobody' WHERE seq = 3",
    "edited first": "UPDATE audit SET data = '{}' WHERE seq = 1",
    "edited newest": "UPDATE audit SET event = 'nothing' WHERE seq = 6",
    "rehung": "UPDATE audit SET prev = (SELECT hash FROM audit WHERE seq = 1) WHERE seq = 4",
    "removed": "DELETE FROM audit WHERE seq = 4",
    "first removed": "DELETE FROM audit WHERE seq = 1",
    "tail cut": "DELETE FROM audit WHERE seq > 4",
    "all removed": "DELETE FROM audit",
    "head back": "UPDATE audit_head SET seq = 5, hash = (SELECT hash FROM audit WHERE seq = 5)",
    "head ahead": "UPDATE audit_head SET seq = 9",
    "head removed": "DELETE FROM audit_head",
}


def fill(store, count=6, start=0):
    with store.write() as conn:
        entries = [Entry("test.done", f"s{n}", data={"n": n}) for n in range(count)]
        audit.record(conn, *entries, now=NOW + start * MINUTE)


def verdict(store, **args):
    with store.read() as conn:
        return audit.verify(conn, **args)


def tamper(store, *statements):
    """Change the trail as somebody with the file and no scruples would."""
    with store.write() as conn:
        if store.is_sqlite:
            conn.exec_driver_sql("DROP TRIGGER IF EXISTS audit_unchanged")
            conn.exec_driver_sql("DROP TRIGGER IF EXISTS audit_kept")
        else:
            conn.exec_driver_sql("ALTER TABLE audit DISABLE TRIGGER USER")
        for statement in statements:
            conn.exec_driver_sql(statement)
        if not store.is_sqlite:
            conn.exec_driver_sql("ALTER TABLE audit ENABLE TRIGGER USER")


def test_a_new_chain_is_whole(store):
    assert verdict(store) == audit.Verdict(ok=True, rows=0)
    fill(store)
    assert verdict(store) == audit.Verdict(ok=True, rows=6)


def test_a_chain_of_many_transactions_is_whole_in_part_and_in_full(store):
    for start in range(5):
        fill(store, 3, start)
    assert verdict(store).rows == 15
    assert verdict(store, last=4) == audit.Verdict(ok=True, rows=4)
    assert verdict(store, last=400).rows == 15


@pytest.mark.parametrize("statement", CHANGES.values(), ids=CHANGES)
def test_every_change_behind_our_back_breaks_the_chain(store, statement):
    fill(store)
    tamper(store, statement)
    found = verdict(store)
    assert not found.ok
    assert found.why


@pytest.mark.parametrize("statement", CHANGES.values(), ids=CHANGES)
def test_a_broken_chain_stops_no_trip_and_verifies_again_after_its_restart(store, statement):
    fill(store)
    tamper(store, statement)
    pause(store)
    assert latch_of(store).paused
    assert not verdict(store).ok
    with store.write() as conn:
        audit.restart(conn, actor="u1", why="seen", now=NOW)
    fill(store, 3, start=1)
    assert verdict(store) == audit.Verdict(ok=True, rows=4)
    assert verdict(store, last=2).ok


def test_a_change_after_a_restart_breaks_the_chain_again(store):
    fill(store)
    with store.write() as conn:
        audit.restart(conn, actor="u1", why="seen", now=NOW)
    fill(store)
    tamper(store, "UPDATE audit SET actor = 'nobody' WHERE seq = 9")
    assert verdict(store).broken_at == 9


def breaks(store):
    with store.read() as conn:
        return audit.breaks(conn)


def accept(store, who, why="seen"):
    with store.write() as conn:
        audit.restart(conn, actor=who, why=why, now=NOW + MINUTE)


def test_a_chain_that_was_never_begun_anew_has_no_breaks_behind_it(store):
    assert breaks(store) == []
    fill(store)
    assert breaks(store) == []


def test_what_was_broken_before_a_new_start_is_told_with_who_accepted_it(store):
    fill(store)
    tamper(store, "UPDATE audit SET actor = 'nobody' WHERE seq = 4")
    accept(store, "u1")
    fill(store)
    accept(store, "u2", "the disk was copied")
    fill(store, 2)
    at = NOW + MINUTE
    assert breaks(store) == [
        audit.Break(row=4, why="row 4 was changed", start=7, by="u1", at=at),
        audit.Break(row=None, why="the disk was copied", start=14, by="u2", at=at),
    ]
    assert verdict(store) == audit.Verdict(ok=True, rows=3)


@pytest.mark.parametrize(
    ("change", "row", "why"),
    [
        ("DELETE FROM audit WHERE seq = 4", 4, "row 4 is missing"),
        ("DELETE FROM audit WHERE seq > 4", 5, "row 5 is missing"),
        ("DELETE FROM audit", 1, "row 1 is missing"),
    ],
)
def test_rows_that_are_missing_before_a_new_start_are_told(store, change, row, why):
    fill(store)
    tamper(store, change)
    accept(store, "u1")
    (found,) = breaks(store)
    assert (found.row, found.why, found.by) == (row, why, "u1")


def walk(store, most=4):
    """Check the whole trail as the daemon does, a few rows at a time."""
    place = None
    while True:
        with store.read() as conn:
            found, place = audit.verify_next(conn, place, most=most)
        if place is None or not found.ok:
            return found


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE audit SET actor = 'nobody' WHERE seq = 2",
        "UPDATE audit SET hash = prev WHERE seq = 3",
        "UPDATE audit SET data = '{}' WHERE seq = 4",
        "DELETE FROM audit WHERE seq = 5",
        "DELETE FROM audit WHERE seq < 7",
    ],
)
@pytest.mark.parametrize("most", [1, 4, 100])
def test_what_was_accepted_can_not_be_changed_again_unseen(store, change, most):
    fill(store)
    tamper(store, "UPDATE audit SET actor = 'x' WHERE seq = 4")
    accept(store, "u1")
    fill(store)
    assert verdict(store).ok
    assert walk(store, most).ok
    tamper(store, change)
    why = "a row before row 7 was changed after it was accepted there"
    assert verdict(store) == audit.Verdict(ok=False, rows=0, broken_at=7, why=why)
    found = walk(store, most)
    assert (found.ok, found.broken_at, found.why) == (False, 7, why)
    accept(store, "u1")
    assert verdict(store).ok
    assert walk(store, most).ok


def test_a_new_start_covers_what_was_written_since_the_past_was_read(store):
    fill(store)
    with store.read() as conn:
        past = audit.read_past(conn)
    fill(store)
    with store.write() as conn:
        audit.restart(conn, actor="u1", why="seen", now=NOW, past=past)
    assert verdict(store).ok
    tamper(store, "UPDATE audit SET actor = 'nobody' WHERE seq = 9")
    assert verdict(store).broken_at == 13


@pytest.mark.parametrize("change", ["UPDATE audit SET actor = 'x'", "DELETE FROM audit"])
def test_the_database_refuses_to_change_the_trail(store, change):
    fill(store)
    with pytest.raises(InvariantBroken, match="append only"), store.write() as conn:
        conn.exec_driver_sql(change)
    assert verdict(store).ok


def test_rows_are_listed_by_subject_page_and_time(store):
    fill(store)
    with store.read() as conn:
        assert [row.seq for row in audit.rows(conn, after=2, limit=2)] == [3, 4]
        (row,) = audit.rows(conn, subject="s4")
        assert audit.data_of(row) == {"n": 4}
        found = audit.between(conn, "test.done", start=NOW - MINUTE, end=NOW)
        assert len(found) == 6
        assert not audit.between(conn, "test.done", start=NOW + MINUTE, end=NOW + 2 * MINUTE)


def test_nothing_is_recorded_for_no_entries(store):
    with store.write() as conn:
        audit.record(conn, now=NOW)
        assert conn.execute(sa.text("SELECT count(*) FROM audit")).scalar() == 0
