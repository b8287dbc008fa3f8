"""How far the audit trail went, noted outside the store: an old copy put back shows."""

from __future__ import annotations

import pytest

from killswitch.latch import CauseKind
from killswitch.store import audit, noted
from killswitch.store.audit import GENESIS, Entry
from killswitch.trip import tampered
from tests.store.made import MINUTE, NOW
from tests.store.test_audit_chain import tamper


def fill(store, count=6, now=NOW):
    with store.write() as conn:
        audit.record(conn, *(Entry("test.done", f"s{n}") for n in range(count)), now=now)


def note(store, state_dir):
    with store.read() as conn:
        return noted.note(conn, state_dir)


def verdict(store, state_dir, **args):
    with store.read() as conn:
        return noted.verify(conn, state_dir, **args)


def test_a_trail_without_a_note_is_judged_by_itself(store, tmp_path):
    assert verdict(store, tmp_path).ok
    fill(store)
    assert verdict(store, tmp_path) == audit.Verdict(ok=True, rows=6)


def test_a_trail_that_goes_as_far_as_noted_or_farther_is_whole(store, tmp_path):
    assert note(store, tmp_path) == noted.Head(0, GENESIS)
    assert verdict(store, tmp_path).ok
    fill(store)
    assert note(store, tmp_path).seq == 6
    assert verdict(store, tmp_path).ok
    fill(store)
    assert verdict(store, tmp_path).ok
    assert verdict(store, tmp_path, last=2).ok


# Each leaves a chain that is whole in itself.
OLDER = {
    "an older one": (
        "DELETE FROM audit WHERE seq > 4",
        "UPDATE audit_head SET seq = 4, hash = (SELECT hash FROM audit WHERE seq = 4)",
    ),
    "an empty one": ("DELETE FROM audit", "DELETE FROM audit_head"),
}


@pytest.mark.parametrize("statements", OLDER.values(), ids=OLDER)
@pytest.mark.parametrize("goes_on", [False, True])
def test_an_older_trail_is_not_the_one_that_was_noted(store, tmp_path, statements, goes_on):
    fill(store)
    note(store, tmp_path)
    tamper(store, *statements)
    assert audit_is_whole(store)
    if goes_on:
        fill(store, now=NOW + MINUTE)
    found = verdict(store, tmp_path)
    assert (found.ok, found.broken_at) == (False, 6)
    assert "older copy" in found.why
    noted.forget(tmp_path)
    assert verdict(store, tmp_path).ok


def audit_is_whole(store):
    with store.read() as conn:
        return audit.verify(conn).ok


@pytest.mark.parametrize(
    "content",
    [b"", b"{}", b"[1]", b"\xff", b'{"seq": "x", "hash": ""}', b'{"seq": 6, "hash": "0"}'],
)
def test_a_note_that_says_nothing_is_no_proof(store, tmp_path, content):
    fill(store)
    (tmp_path / "audit.head").write_bytes(content)
    found = verdict(store, tmp_path)
    assert not found.ok
    assert "audit.head" in found.why


def test_a_note_that_can_not_be_read_is_no_proof(store, tmp_path):
    (tmp_path / "audit.head").mkdir()
    assert not verdict(store, tmp_path).ok


def test_a_note_that_may_not_be_read_is_told_as_that_and_not_as_a_break(
    store, tmp_path, monkeypatch
):
    fill(store)
    note(store, tmp_path)

    def closed(_path):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(noted, "_read", closed)
    found = verdict(store, tmp_path)
    assert (found.ok, found.unread, found.broken_at) == (False, True, None)
    assert "Permission denied" in found.why
    new = tampered(found)
    assert (new.kind, new.ref) == (CauseKind.STORE, "audit.head")
    assert "broken" not in new.reason


def test_a_note_that_can_not_be_written_leaves_the_one_before_it(store, tmp_path, monkeypatch):
    fill(store)
    before = note(store, tmp_path)
    fill(store)

    def full(*_args):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(noted.os, "write", full)
        with pytest.raises(OSError, match="No space"):
            note(store, tmp_path)
    assert noted._read(tmp_path / "audit.head") == before
    assert note(store, tmp_path).seq == 12


def test_forgetting_nothing_is_harmless(tmp_path):
    noted.forget(tmp_path)
