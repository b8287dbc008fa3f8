"""A restore keeps each store that it replaces, under a name of its own."""

from __future__ import annotations

import sqlite3

import pytest

from killswitch.store import facts
from killswitch.store.copying import copy_store, restore_store
from killswitch.store.engine import Store
from tests.store.made import add

ASIDE = "killswitch.db.before-restore"


@pytest.fixture
def path(sqlite_store, tmp_path):
    """Return the store of a daemon that has ended; a backup of it lies beside it."""
    add(sqlite_store)
    copy_store(sqlite_store, tmp_path / "copy.db")
    sqlite_store.close()
    return tmp_path / "killswitch.db"


def mark(store, word):
    """Make a store one that can be told from the others."""
    with sqlite3.connect(store) as conn:
        conn.execute("INSERT OR REPLACE INTO facts VALUES ('which', ?)", (word,))
    conn.close()


def which(store):
    opened = Store(f"sqlite:///{store}")
    with opened.read() as conn:
        word = facts.get(conn, "which")
    opened.close()
    return word


def test_every_store_that_was_replaced_is_kept_under_its_own_name(path, tmp_path):
    kept = []
    for word in ("first", "second", "third"):
        mark(path, word)
        kept.append(restore_store(tmp_path / "copy.db", path))
        assert which(path) is None
    assert [one.name for one in kept] == [ASIDE, f"{ASIDE}-2", f"{ASIDE}-3"]
    assert [which(one) for one in kept] == ["first", "second", "third"]


def test_a_restore_of_what_was_kept_keeps_both(path, tmp_path):
    mark(path, "first")
    first = restore_store(tmp_path / "copy.db", path)
    mark(path, "second")
    second = restore_store(first, path)
    assert [which(one) for one in (path, first, second)] == ["first", "first", "second"]


@pytest.mark.parametrize("left", ["", "-wal", "-shm"])
def test_a_name_is_free_only_where_nothing_of_another_store_stands(path, tmp_path, left):
    """Another store's log beside ours would be played into it."""
    mark(path, "ours")
    theirs = tmp_path / f"{ASIDE}{left}"
    theirs.symlink_to(tmp_path / "gone")
    kept = restore_store(tmp_path / "copy.db", path)
    assert kept == tmp_path / f"{ASIDE}-2"
    assert which(kept) == "ours"
    assert theirs.is_symlink()


def test_a_store_that_sqlite_cannot_open_is_kept_with_its_log(path, tmp_path, monkeypatch):
    monkeypatch.setattr("killswitch.store.copying._fold_log", lambda store: None)
    for number in ("1", "2"):
        path.write_text(f"store {number}")
        path.with_name("killswitch.db-wal").write_text(f"log {number}")
        kept = restore_store(tmp_path / "copy.db", path)
        assert kept.read_text() == f"store {number}"
        assert kept.with_name(kept.name + "-wal").read_text() == f"log {number}"
        assert not path.with_name("killswitch.db-wal").exists()


def test_a_log_that_an_unfinished_restore_moved_away_is_not_overwritten(
    path, tmp_path, monkeypatch
):
    monkeypatch.setattr("killswitch.store.copying._fold_log", lambda store: None)
    (tmp_path / ASIDE).hardlink_to(path)
    (tmp_path / f"{ASIDE}-wal").write_text("log of then")
    path.with_name("killswitch.db-wal").write_text("log of now")
    kept = restore_store(tmp_path / "copy.db", path)
    assert kept == tmp_path / f"{ASIDE}-2"
    assert (tmp_path / f"{ASIDE}-2-wal").read_text() == "log of now"
    assert (tmp_path / f"{ASIDE}-wal").read_text() == "log of then"


def test_a_restore_that_was_cut_short_is_not_kept_twice(path, tmp_path):
    """Killed before the last step, it left the store with a second name already."""
    mark(path, "ours")
    (tmp_path / ASIDE).hardlink_to(path)
    kept = restore_store(tmp_path / "copy.db", path)
    assert kept == tmp_path / ASIDE
    assert which(kept) == "ours"
    assert not (tmp_path / f"{ASIDE}-2").exists()


def test_where_no_store_was_none_is_kept(path, tmp_path):
    path.unlink()
    assert restore_store(tmp_path / "copy.db", path) is None
    assert path.exists()
    assert not (tmp_path / ASIDE).exists()
