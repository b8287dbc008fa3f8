"""Pause without a daemon: what is told as sealed really is, every doubt is not."""

from __future__ import annotations

import contextlib
import os
import shutil
import sqlite3
from pathlib import Path

import pytest

from killswitch import lockfile
from killswitch.cli import panic as panic_module
from killswitch.cli.panic import Lock, NotPausedError, Panic, Press, read_deliveries
from killswitch.cli.paths import Place
from killswitch.clock import FakeClock
from killswitch.flags import FlagDir
from killswitch.store.engine import Store
from killswitch.store.migrate import upgrade

PRESS = Press(reason="attack", key="k1", by="lea")


def a_place(home, **changes):
    given = {
        "state_dir": home,
        "tried": (home,),
        "sockets": (home / "control.sock",),
        "store": home / "killswitch.db",
        "config": None,
    }
    return Place(**{**given, **changes})


def a_panic(home, clock=None, **changes):
    return Panic(place=a_place(home, **changes), clock=clock or FakeClock())


@pytest.fixture
def home(tmp_path):
    FlagDir(tmp_path).create()
    return tmp_path


@pytest.fixture
def store(home):
    """A real store, as a daemon leaves it."""
    made = Store(f"sqlite:///{home / 'killswitch.db'}")
    upgrade(made)
    made.close()
    return home / "killswitch.db"


def a_row(store, one, state):
    """Put one delivery straight into the file; the triggers guard only the way there."""
    at = "2026-03-02T09:00:00.000000Z"
    with contextlib.closing(sqlite3.connect(store)) as conn, conn:
        conn.execute(
            "INSERT INTO posts (id, queue, text, media, tags, author, created_at, content_hash) "
            "VALUES (?, 'main', 'Summer sale', '[]', '[]', 'u1', ?, 'h')",
            (f"p{one}", at),
        )
        conn.execute(
            "INSERT INTO deliveries (id, post, queue, channel, state, due_at, zone, wall, next_at, "
            "changed_at) VALUES (?, ?, 'main', 'web', 'scheduled', ?, 'UTC', ?, ?, ?)",
            (one, f"p{one}", at, at[:19], at, at),
        )
    on_the_wire = ("claimed", "sending")
    in_doubt = (*on_the_wire, "uncertain")
    way = {
        "scheduled": (),
        "sending": on_the_wire,
        "uncertain": in_doubt,
        "retracting": (*in_doubt, "retracting"),
    }
    for step in way[state]:
        set_state(store, one, step)


def set_state(store, one, state):
    with contextlib.closing(sqlite3.connect(store)) as conn, conn:
        conn.execute("UPDATE deliveries SET state = ? WHERE id = ?", (state, one))


@contextlib.contextmanager
def a_daemon(home, store=None):
    """Hold the lock as a daemon does, and name the store in it."""
    number = lockfile.take(home / "daemon.lock")
    path = store or home / "killswitch.db"
    name = lockfile.name_of(path, kind="sqlite") if path.exists() else None
    lockfile.write_name(number, name)
    try:
        yield
    finally:
        os.close(number)


def a_dead_daemon(home, store=None):
    with a_daemon(home, store):
        pass


def pressed(panic):
    return panic.seal(panic.press(PRESS))


def test_the_flag_is_on_the_disk_before_anything_is_read(home):
    doc = a_panic(home).press(PRESS)
    assert (doc["accepted"], doc["via"], doc["sealed"]) == (True, "flag", None)
    assert doc["state_dir"] == str(home)
    assert FlagDir(home).look().entries[0].key == "k1"


def test_without_a_daemon_and_nothing_sending_it_is_sealed(home, store):
    a_dead_daemon(home)
    doc = pressed(a_panic(home))
    assert (doc["sealed"], doc["uncertain"], doc["sealed_at"]) == (True, [], "2026-03-02T09:00:00Z")


def test_without_a_daemon_what_was_sending_is_uncertain(home, store):
    a_dead_daemon(home)
    a_row(store, "d1", "sending")
    a_row(store, "d2", "scheduled")
    doc = pressed(a_panic(home))
    assert doc["sealed"] is True
    assert doc["uncertain"] == [{"id": "d1", "channel": "web", "text": "Summer sale"}]


def test_a_hung_daemon_with_nothing_sending_is_sealed(home, store):
    a_row(store, "d2", "scheduled")
    with a_daemon(home):
        assert pressed(a_panic(home))["sealed"] is True


def test_a_hung_daemon_that_sends_is_waited_for_and_then_not_proven(home, store):
    a_row(store, "d1", "sending")
    clock = FakeClock()
    start = clock.monotonic_s()
    with a_daemon(home):
        doc = pressed(a_panic(home, clock))
    assert doc["sealed"] is False
    assert [post["id"] for post in doc["on_wire"]] == ["d1"]
    assert 25 <= clock.monotonic_s() - start < 26


@pytest.mark.parametrize(("end", "uncertain"), [("sent", []), ("uncertain", ["d1"])])
def test_a_request_that_ends_in_the_wait_is_sealed_with_its_outcome(home, store, end, uncertain):
    a_row(store, "d1", "sending")

    class Ends(FakeClock):
        """The request ends while it is waited for."""

        def wait(self, event, timeout_s):
            set_state(store, "d1", end)
            return super().wait(event, timeout_s)

    with a_daemon(home):
        doc = pressed(a_panic(home, Ends()))
    assert doc["sealed"] is True
    assert [post["id"] for post in doc["on_wire"]] == ["d1"]
    assert [post["id"] for post in doc["uncertain"]] == uncertain


@pytest.mark.parametrize("state", ["uncertain", "retracting"])
def test_what_was_in_doubt_before_the_press_is_named_too(home, store, state):
    a_row(store, "d1", state)
    with a_daemon(home):
        doc = pressed(a_panic(home))
    assert (doc["sealed"], [post["id"] for post in doc["uncertain"]]) == (True, ["d1"])


@pytest.mark.parametrize("sent_at", [None, "2026-03-02T08:00:00.000000Z"])
def test_what_is_taken_down_before_anybody_knew_whether_it_is_out_is_named_too(
    home, store, sent_at
):
    a_row(store, "d1", "uncertain")
    set_state(store, "d1", "retracting")
    with contextlib.closing(sqlite3.connect(store)) as conn, conn:
        conn.execute("UPDATE deliveries SET sent_at = ?", (sent_at,))
    with a_daemon(home):
        doc = pressed(a_panic(home))
    assert doc["sealed"]
    assert [post["id"] for post in doc["uncertain"]] == ([] if sent_at else ["d1"])


def test_no_crowd_of_uncertain_posts_hides_one_that_is_being_sent(home, store, monkeypatch):
    monkeypatch.setattr(panic_module, "ROWS_MOST", 2)
    for number in range(3):
        a_row(store, f"d{number}", "uncertain")
    a_row(store, "e1", "sending")
    with a_daemon(home):
        doc = pressed(a_panic(home))
    assert (doc["sealed"], [post["id"] for post in doc["on_wire"]]) == (False, ["e1"])


def test_without_any_lock_file_a_sending_row_is_not_taken_for_ended(home, store):
    a_row(store, "d1", "sending")
    assert pressed(a_panic(home))["sealed"] is False


@pytest.mark.parametrize("content", [None, b"", b"no database" * 100])
def test_an_unreadable_store_is_not_proven_at_once(home, content):
    if content is not None:
        (home / "killswitch.db").write_bytes(content)
    a_dead_daemon(home)
    clock = FakeClock()
    start = clock.monotonic_s()
    panic = a_panic(home, clock)
    assert pressed(panic)["sealed"] is False
    assert clock.monotonic_s() == start
    assert any("can't be read" in note for note in panic.told)


# ---- which store is believed ----------------------------------------------------------------


def elsewhere(home, store):
    """A copy of the store in another folder, as an installation that was moved leaves it."""
    (home / "else").mkdir()
    other = home / "else" / "queue.db"
    shutil.copy(store, other)
    return other


def test_the_store_that_the_daemon_used_is_read_not_the_one_that_is_expected(home, store):
    """``store.url`` came from a credential: a command can't know it."""
    other = elsewhere(home, store)
    a_row(other, "d1", "sending")
    a_dead_daemon(home, other)
    doc = pressed(a_panic(home))
    assert (doc["sealed"], [post["id"] for post in doc["uncertain"]]) == (True, ["d1"])


def test_a_store_that_the_daemon_sees_under_another_path_is_found(home, store):
    """As in a container: the same file, but not where the lock says."""
    a_dead_daemon(home, store)
    moved = home / "moved.db"
    store.rename(moved)
    assert pressed(a_panic(home, store=moved))["sealed"] is True


@pytest.mark.parametrize("there", [True, False])
def test_another_file_in_the_daemons_place_is_not_believed(home, store, there):
    a_dead_daemon(home, store)
    store.rename(home / "the-daemons.db")
    if there:
        shutil.copy(home / "the-daemons.db", store)
    panic = a_panic(home)
    assert pressed(panic)["sealed"] is False
    assert f"the daemon's store {store} is not to be found from here" in panic.told[-1]


NAMELESS = [b"", b"1234\n", b"1234\n{}\n", b'1\n{"kind":', b"\xff\n\xff\n"]


@pytest.mark.parametrize("content", NAMELESS)
@pytest.mark.parametrize("daemon", [True, False])
def test_a_lock_that_names_no_store_proves_nothing(home, store, content, daemon):
    (home / "daemon.lock").write_bytes(content)
    panic = a_panic(home)
    with lock_held(home) if daemon else contextlib.nullcontext():
        doc = pressed(panic)
    assert (doc["accepted"], doc["sealed"]) == (True, False)
    assert "does not say which store" in panic.told[-1]


@contextlib.contextmanager
def lock_held(home):
    number = lockfile.take(home / "daemon.lock")
    yield
    os.close(number)


def test_a_server_store_is_not_proven_by_an_old_file_beside_it(home, store):
    number = lockfile.take(home / "daemon.lock")
    lockfile.write_name(number, lockfile.name_of(None, kind="postgresql"))
    os.close(number)
    for configured in (None, store):
        panic = a_panic(home, store=configured)
        assert pressed(panic)["sealed"] is False
        assert "postgresql server" in panic.told[-1]


def test_a_store_of_a_killed_daemon_is_read_with_its_log(home, store):
    a_dead_daemon(home)
    writer = sqlite3.connect(store)
    a_row(store, "d1", "scheduled")
    writer.execute("UPDATE deliveries SET state = 'claimed' WHERE id = 'd1'")
    writer.execute("UPDATE deliveries SET state = 'sending' WHERE id = 'd1'")
    writer.commit()
    copies = {name: (home / name).read_bytes() for name in ("killswitch.db", "killswitch.db-wal")}
    writer.close()
    for name, data in copies.items():
        (home / name).write_bytes(data)
    a_dead_daemon(home)
    assert [post["id"] for post in pressed(a_panic(home))["uncertain"]] == ["d1"]


def test_a_log_that_can_not_be_read_is_never_passed_over(store, monkeypatch):
    def refused(*_args, options, **_more):
        if "immutable" in options:
            raise AssertionError("read without its log")
        raise sqlite3.OperationalError("unable to open database file")

    monkeypatch.setattr(panic_module, "_query", refused)
    store.with_name("killswitch.db-wal").write_bytes(b"x")
    with pytest.raises(OSError, match="unable to open"):
        read_deliveries(store, ids=(), lock=Lock.FREE)


@pytest.mark.parametrize("lock", [Lock.TAKEN, Lock.UNKNOWN])
def test_a_store_in_use_is_never_read_without_its_memory(store, monkeypatch, lock):
    def refused(*_args, options, **_more):
        assert "immutable" not in options
        raise sqlite3.OperationalError("unable to open database file")

    monkeypatch.setattr(panic_module, "_query", refused)
    with pytest.raises(OSError, match="unable to open"):
        read_deliveries(store, ids=(), lock=lock)


def test_a_clean_store_that_only_can_be_read_is_read_as_it_is(store, monkeypatch):
    real = panic_module._query

    def only_immutable(path, ids, *, options):
        if "immutable" not in options:
            raise sqlite3.OperationalError("unable to open database file")
        return real(path, ids, options=options)

    monkeypatch.setattr(panic_module, "_query", only_immutable)
    store.with_name("killswitch.db-wal").unlink(missing_ok=True)
    assert read_deliveries(store, ids=(), lock=Lock.FREE) == []


def test_no_flag_directory_is_not_paused_with_every_path_tried(tmp_path):
    panic = a_panic(tmp_path, tried=(Path("/a"), tmp_path))
    with pytest.raises(NotPausedError) as refusal:
        panic.press(PRESS)
    assert refusal.value.message.startswith("NOT PAUSED")
    for path in ("/a/pause.d", str(tmp_path / "pause.d"), str(tmp_path / "control.sock")):
        assert path in refusal.value.message
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("number", "start"), [(30, "NOT RECORDED"), (28, "NOT RECORDED"), (13, "NOT PAUSED")]
)
def test_where_nothing_can_be_written_the_message_says_what_that_means(
    home, monkeypatch, number, start
):
    def fails(*_args, **_more):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(FlagDir, "write", fails)
    with pytest.raises(NotPausedError) as refusal:
        a_panic(home).press(PRESS)
    assert refusal.value.message.startswith(start)
    assert refusal.value.exit == 1


def test_a_reminder_without_a_daemon_is_told_to_be_lost(home):
    panic = a_panic(home)
    panic.press(Press(reason="x", key="k", by="lea", review_s=60))
    assert any("--review" in note for note in panic.told)
