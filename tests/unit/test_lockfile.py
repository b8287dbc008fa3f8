"""The lock file: who holds the state directory, and which store is meant."""

from __future__ import annotations

import contextlib
import os

import pytest

from killswitch import lockfile
from killswitch.lockfile import Lock, StoreName


@contextlib.contextmanager
def held(home):
    number = lockfile.take(home / "daemon.lock")
    try:
        yield number
    finally:
        os.close(number)


def test_the_lock_is_judged_without_being_kept(tmp_path):
    assert lockfile.look(tmp_path) == (Lock.UNKNOWN, None)
    with held(tmp_path):
        assert lockfile.look(tmp_path) == (Lock.TAKEN, None)
    assert lockfile.look(tmp_path) == (Lock.FREE, None)
    with held(tmp_path):
        pass


def test_a_lock_is_taken_once(tmp_path):
    with held(tmp_path), pytest.raises(BlockingIOError):
        lockfile.take(tmp_path / "daemon.lock")


def test_the_store_of_the_last_daemon_stays_known_after_its_end(tmp_path):
    store = tmp_path / "a.db"
    store.touch()
    with held(tmp_path) as number:
        lockfile.write_name(number, lockfile.name_of(store, kind="sqlite"))
        assert lockfile.look(tmp_path)[1] == lockfile.read_name(number)
    lock, name = lockfile.look(tmp_path)
    assert (lock, name.path) == (Lock.FREE, str(store))
    assert name.is_at(store)


def test_a_name_that_is_taken_back_or_replaced_leaves_nothing_of_the_old_one(tmp_path):
    with held(tmp_path) as number:
        lockfile.write_name(number, StoreName("sqlite", "/" + "a" * 300, 1, 2))
        lockfile.write_name(number, StoreName("postgresql"))
        assert lockfile.read_name(number) == StoreName("postgresql")
        lockfile.write_name(number, None)
        assert lockfile.read_name(number) is None
    assert (tmp_path / "daemon.lock").read_text().split() == [str(os.getpid())]


def test_a_copy_is_another_store_and_a_link_is_the_same(tmp_path):
    store = tmp_path / "a.db"
    store.write_text("x")
    name = lockfile.name_of(store, kind="sqlite")
    (tmp_path / "copy.db").write_text("x")
    (tmp_path / "link.db").symlink_to(store)
    assert not name.is_at(tmp_path / "copy.db")
    assert name.is_at(tmp_path / "link.db")
    assert not name.is_at(tmp_path / "none.db")


def test_a_server_is_no_file(tmp_path):
    (tmp_path / "a.db").touch()
    assert not lockfile.name_of(None, kind="postgresql").is_at(tmp_path / "a.db")
