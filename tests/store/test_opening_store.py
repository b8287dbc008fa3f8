"""Opening a store: locked for one daemon, whole, ours, of our version, or not used at all."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest
import sqlalchemy as sa

from killswitch import lockfile
from killswitch.clock import FakeClock
from killswitch.errors import OperatorError, StoreBusyError
from killswitch.store import facts, migrate
from killswitch.store.copying import copy_store, restore_store
from killswitch.store.engine import Store, StoreFailedError, StoreFullError, driver_url
from killswitch.store.opening import lock_store, open_store
from killswitch.store.schema import metadata
from tests.store.made import MOVES, NOW, add, furnish, latch_of, pause, the


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request, tmp_path):
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/killswitch.db"
    return request.getfixturevalue("postgres_url")


@pytest.fixture
def fresh(url):
    store = Store(url)
    yield store
    store.close()


def lock_of(store, state_dir, clock=None):
    return lock_store(store, state_dir, clock=clock or FakeClock())


def refused(code, call, *args):
    with pytest.raises(OperatorError) as caught:
        call(*args)
    assert caught.value.code == code
    assert caught.value.hint
    return caught.value


def test_a_store_is_new_until_it_was_furnished(fresh):
    assert open_store(fresh)
    assert open_store(fresh)  # a first start that was cut short furnishes again
    furnish(fresh)
    furnish(fresh)
    assert not open_store(fresh)
    assert latch_of(fresh).version == 1


def test_an_empty_database_has_no_version_and_gets_ours(fresh):
    assert migrate.version_of(fresh) is None
    migrate.upgrade(fresh)
    assert migrate.version_of(fresh) == migrate.HEAD


def test_a_newer_store_is_refused_and_left_alone(fresh):
    open_store(fresh)
    with fresh.write() as conn:
        conn.execute(sa.text("UPDATE alembic_version SET version_num = '9999'"))
    error = refused("store_newer", open_store, fresh)
    assert "9999" in error.message


def test_somebody_elses_tables_are_refused_and_left_alone(fresh):
    with fresh.write() as conn:
        conn.execute(sa.text("CREATE TABLE theirs (a INTEGER)"))
    refused("store_foreign", open_store, fresh)
    with fresh.read() as conn:
        assert sa.inspect(conn).get_table_names() == ["theirs"]


def shape(store):
    """Everything that a schema promises, as plain values."""
    with store.read() as conn:
        found = sa.inspect(conn)
        names = set(found.get_table_names()) - {"alembic_version"}
        return {
            name: {
                "columns": {
                    c["name"]: (str(c["type"]), c["nullable"], c["default"])
                    for c in found.get_columns(name)
                },
                "key": found.get_pk_constraint(name)["constrained_columns"],
                "foreign": sorted(
                    (f["constrained_columns"], f["referred_table"])
                    for f in found.get_foreign_keys(name)
                ),
                "indexes": sorted(
                    (i["name"], i["column_names"], bool(i["unique"]), str(_where(i)))
                    for i in found.get_indexes(name)
                ),
                "unique": sorted(u["column_names"] for u in found.get_unique_constraints(name)),
                "checks": sorted(
                    (c["name"] or "", c["sqltext"]) for c in found.get_check_constraints(name)
                ),
            }
            for name in names
        }


def _where(index):
    options = index.get("dialect_options", {})
    return options.get("sqlite_where", options.get("postgresql_where"))


def test_the_migrated_schema_is_the_schema_of_the_code(fresh, request, tmp_path):
    open_store(fresh)
    migrated = shape(fresh)
    if fresh.is_sqlite:
        other = Store(f"sqlite:///{tmp_path}/other.db")
    else:
        cluster = request.getfixturevalue("postgres")
        other = Store(cluster.url(cluster.new_database()))
    with other.write() as conn:
        metadata.create_all(conn)
    assert migrated == shape(other)
    other.close()


def test_a_store_of_each_older_version_is_migrated_with_all_that_it_holds(fresh):
    for version in migrate.KNOWN[:-1]:
        migrate.upgrade(fresh, to=version)
        assert migrate.version_of(fresh) == version
    furnish(fresh)
    one = add(fresh)
    assert not open_store(fresh)
    assert migrate.version_of(fresh) == migrate.HEAD
    assert the(fresh, one).created_at == NOW


def test_the_database_allows_just_the_moves_of_the_code(fresh):
    open_store(fresh)
    with fresh.read() as conn:
        found = {tuple(row) for row in conn.execute(sa.text("SELECT old, new FROM transitions"))}
    assert found == {(move["old"], move["new"]) for move in MOVES}


def test_a_second_daemon_is_refused_until_the_first_has_gone(fresh, tmp_path, url):
    lock = lock_of(fresh, tmp_path)
    other = Store(url)
    try:
        assert "--state-dir" in refused("second_daemon", lock_of, other, tmp_path).hint
        assert lock.is_held()
        lock.release()
        lock_of(other, tmp_path).release()
    finally:
        other.close()


def test_one_database_has_one_daemon_whatever_the_state_directory(fresh, tmp_path, url):
    here, there = tmp_path / "here", tmp_path / "there"
    here.mkdir()
    there.mkdir()
    lock = lock_of(fresh, here)
    other = Store(url)
    # A state directory of its own it has already.
    hint = refused("second_daemon", lock_of, other, there).hint
    assert "store.url" in hint
    assert "--state-dir" not in hint
    other.close()
    lock.release()
    # The refused one has let go of everything that it had.
    lock_of(fresh, there).release()


def test_where_directory_and_database_are_taken_the_directory_is_told(tmp_path):
    here = tmp_path / "state"
    here.mkdir()
    store = Store(f"sqlite:///{tmp_path}/a.db")  # its lock sorts before the directory's
    lock = lock_of(store, here)
    assert "--state-dir" in refused("second_daemon", lock_of, store, here).hint
    lock.release()
    store.close()


@pytest.mark.parametrize("held_s", [0.5, 2.0])
def test_a_lock_is_waited_for_about_a_second(fresh, tmp_path, url, held_s):
    """A daemon that starts again does not fail for the one that is just ending."""
    lock = lock_of(fresh, tmp_path)
    other = Store(url)

    class Waits(FakeClock):
        """The other daemon lets go while it is waited for."""

        def wait(self, event, timeout_s):
            is_set = super().wait(event, timeout_s)
            if self.boot_s() >= started_s + held_s:
                lock.release()
            return is_set

    clock = Waits()
    started_s = clock.boot_s()
    if held_s < 1:
        lock_of(other, tmp_path, clock).release()
    else:
        refused("second_daemon", lock_of, other, tmp_path, clock)
        assert 1 <= clock.boot_s() - started_s < 1.2
    lock.release()
    other.close()


def test_a_daemon_names_its_store_in_the_lock(fresh, tmp_path):
    lock = lock_of(fresh, tmp_path)
    lock.name_store()
    open_store(fresh)
    lock.name_store()
    _, name = lockfile.look(tmp_path)
    lock.release()
    if fresh.path is None:
        assert name == lockfile.name_of(None, kind="postgresql")
    else:
        assert name.is_at(fresh.path)


@pytest.mark.parametrize("how", ["replaced", "removed"])
def test_a_file_that_was_put_in_the_place_of_the_store_is_a_fault(tmp_path, how):
    store = Store(f"sqlite:///{tmp_path}/killswitch.db")
    open_store(store)
    lock = lock_of(store, tmp_path)
    lock.keep()
    lock.name_store()
    lock.keep()
    store.path.rename(tmp_path / "aside.db")
    if how == "replaced":
        store.path.touch()
    refused("store_replaced", lock.keep)
    lock.release()
    store.close()


def test_a_store_that_is_not_there_yet_takes_the_name_of_another_out_of_the_lock(tmp_path):
    old = Store(f"sqlite:///{tmp_path}/old.db")
    open_store(old)
    lock = lock_of(old, tmp_path)
    lock.name_store()
    lock.release()
    new = Store(f"sqlite:///{tmp_path}/new.db")
    lock = lock_of(new, tmp_path)
    lock.name_store()
    assert lockfile.look(tmp_path)[1] is None
    lock.release()
    new.close()
    old.close()


def a_full_disk(*_args):
    raise OSError(28, "No space left on device")


@pytest.mark.parametrize("same", [True, False])
def test_on_a_full_disk_the_name_of_the_last_run_is_good_enough_if_it_is_ours(
    sqlite_store, tmp_path, monkeypatch, same
):
    other = tmp_path / "other.db"
    other.touch()
    lock = lock_of(sqlite_store, tmp_path)
    if same:
        lock.name_store()
    else:
        lockfile.write_name(lock._files[0], lockfile.name_of(other, kind="sqlite"))
    monkeypatch.setattr(lockfile, "write_name", a_full_disk)
    if same:
        lock.name_store()
    else:
        refused("state_dir", lock.name_store)
    lock.release()


def test_a_state_directory_without_room_for_a_lock_is_told(fresh, tmp_path, monkeypatch):
    monkeypatch.setattr(lockfile, "take", a_full_disk)
    assert "No space left" in refused("state_dir", lock_of, fresh, tmp_path).message


def test_a_server_that_forgot_our_lock_is_noticed(postgres, tmp_path):
    name = postgres.new_database()
    store = Store(postgres.url(name))
    lock = lock_of(store, tmp_path)
    assert lock.is_held()
    postgres.sql(
        f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'"  # noqa: S608 - the fixture's own name
    )
    assert not lock.is_held()
    lock.keep()
    assert lock.is_held()
    other = Store(postgres.url(name))
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    refused("second_daemon", lock_of, other, elsewhere)
    lock.release()
    other.close()
    store.close()


def test_a_server_that_may_lose_commits_is_told_otherwise_for_our_sessions(postgres):
    """Even where the role or the database is set to be fast rather than sure."""
    name = postgres.new_database()
    postgres.sql(f"ALTER DATABASE {name} SET synchronous_commit = off")
    store = Store(postgres.url(name))
    assert open_store(store)
    for urgent in (False, True):
        with store.read(urgent=urgent) as conn:
            assert conn.exec_driver_sql("SHOW synchronous_commit").scalar() == "on"
    store.close()


def test_a_server_that_does_not_hear_that_is_refused(postgres, monkeypatch):
    """A pooler in between may drop the options of a session."""
    monkeypatch.setattr("killswitch.store.engine._PG_ALWAYS", "-c synchronous_commit=off")
    store = Store(postgres.url(postgres.new_database()))
    assert "synchronous_commit is off" in refused("server_not_durable", open_store, store).message
    store.close()


def test_a_lock_that_another_daemon_took_meanwhile_is_a_fault(postgres, tmp_path):
    name = postgres.new_database()
    store, other = Store(postgres.url(name)), Store(postgres.url(name))
    here, there = tmp_path / "here", tmp_path / "there"
    here.mkdir()
    there.mkdir()
    lock = lock_of(store, here)
    lock._server.close()
    taken = lock_of(other, there)
    refused("second_daemon", lock.keep)
    taken.release()
    lock.keep()
    assert lock.is_held()
    lock.release()
    store.close()
    other.close()


def test_a_server_that_does_not_answer_is_said_so_at_start(tmp_path):
    dead = Store("postgresql://u@127.0.0.1:1/none")
    for _ in range(2):
        with pytest.raises(StoreFailedError):
            lock_of(dead, tmp_path)
    dead.close()


def test_sqlite_keeps_every_commit_through_a_power_cut(sqlite_store):
    for urgent in (False, True):
        with sqlite_store.read(urgent=urgent) as conn:
            assert conn.exec_driver_sql("PRAGMA journal_mode").scalar() == "wal"
            assert conn.exec_driver_sql("PRAGMA synchronous").scalar() == 2
            assert conn.exec_driver_sql("PRAGMA foreign_keys").scalar() == 1


def test_pause_waits_less_for_the_lock_than_work_does(sqlite_store, postgres_store):
    asked = ((sqlite_store, "PRAGMA busy_timeout"), (postgres_store, "SHOW lock_timeout"))
    for store, said in asked:
        waits = []
        for urgent in (False, True):
            with store.read(urgent=urgent) as conn:
                waits.append(str(conn.exec_driver_sql(said).scalar()))
        assert waits[1] in {"200", "200ms"}
        assert waits[0] in {"5000", "1s"}


@pytest.mark.parametrize(
    "damage",
    [
        lambda data: b"not a database at all" * 400,
        lambda data: data[:5000],
        lambda data: data[:4096] + bytes(8192) + data[12288:],
        lambda data: data[:100] + b"\xff" * 3000 + data[3100:],
    ],
    ids=["nonsense", "cut", "pages zeroed", "header page scribbled"],
)
def test_a_damaged_file_is_refused_and_not_changed(sqlite_store, tmp_path, damage):
    add(sqlite_store)
    sqlite_store.close()
    path = tmp_path / "killswitch.db"
    broken = damage(path.read_bytes())
    path.write_bytes(broken)
    store = Store(f"sqlite:///{path}")
    refused("store_damaged", open_store, store)
    store.close()
    assert path.read_bytes() == broken


def test_a_file_that_is_no_place_for_a_store_is_our_error(tmp_path):
    store = Store(f"sqlite:///{tmp_path}/nowhere/killswitch.db")
    refused("store_unreadable", open_store, store)
    store.close()


@pytest.mark.parametrize("call", ["SQLITE_IOERR", "SQLITE_CANTOPEN", "SQLITE_FULL"])
def test_a_store_without_room_is_full_and_not_damaged(sqlite_store, monkeypatch, call):
    """What SQLite says of a WAL that finds no room is an I/O error like any other."""
    add(sqlite_store)
    failed = sqlite3.OperationalError("no room")
    failed.sqlite_errorcode = getattr(sqlite3, call)
    monkeypatch.setattr("killswitch.store.engine.ROOM_BYTES", 1 << 62)

    def fail(*_):
        raise failed

    sa.event.listen(sqlite_store.engine, "do_execute", fail)
    with pytest.raises(StoreFullError, match="the disk is full"):
        open_store(sqlite_store)


@pytest.mark.parametrize("url", ["mysql://h/d", "killswitch.db", "", "sqlite://"])
def test_an_address_of_no_database_that_we_know_is_refused(url):
    refused("store_url", driver_url, url)


@pytest.mark.parametrize("scheme", ["postgres", "postgresql", "postgresql+psycopg"])
def test_every_spelling_of_a_server_means_our_driver(scheme):
    assert driver_url(f"{scheme}://u@h/d") == "postgresql+psycopg://u@h/d"


def test_a_lock_that_is_not_given_is_busy_and_a_dead_server_is_a_failure(
    sqlite_store, postgres_store
):
    for store in (sqlite_store, postgres_store):
        with store.write() as conn:
            conn.execute(sa.text("UPDATE latch SET version = version"))
            with pytest.raises(StoreBusyError), store.write(urgent=True) as second:
                second.execute(sa.text("UPDATE latch SET version = version"))
    dead = Store("postgresql://u@127.0.0.1:1/none")
    with pytest.raises(StoreFailedError), dead.read():
        pass
    dead.close()


def test_a_full_disk_is_a_failure_that_leaves_nothing(sqlite_store):
    one = add(sqlite_store)
    with sqlite_store.read() as conn:
        pages = conn.exec_driver_sql("PRAGMA page_count").scalar()

    def fill(conn):
        conn.exec_driver_sql(f"PRAGMA max_page_count={pages + 2}")
        conn.execute(
            sa.text("INSERT INTO facts (key, value) VALUES ('big', :v)"), {"v": "x" * 100_000}
        )

    with pytest.raises(StoreFailedError) as caught, sqlite_store.write() as conn:
        fill(conn)
    assert caught.value.hint
    with sqlite_store.read() as conn:
        assert facts.get(conn, "big") is None
    assert the(sqlite_store, one)


# -- copies --------------------------------------------------------------------------------------


def test_a_backup_of_a_running_store_is_whole_and_restores(sqlite_store, tmp_path):
    one = add(sqlite_store)
    pause(sqlite_store)
    backup = tmp_path / "copy.db"
    copy_store(sqlite_store, backup)
    assert oct(backup.stat().st_mode & 0o777) == "0o600"
    add(sqlite_store)
    sqlite_store.close()
    path = tmp_path / "killswitch.db"
    restore_store(backup, path)
    again = Store(f"sqlite:///{path}")
    assert not open_store(again)
    assert the(again, one)
    assert latch_of(again).paused
    with again.read() as conn:
        assert conn.execute(sa.text("SELECT count(*) FROM deliveries")).scalar() == 1
    again.close()
    assert (tmp_path / "killswitch.db.before-restore").exists()


def test_a_backup_never_overwrites_and_a_server_has_its_own(sqlite_store, postgres_store, tmp_path):
    there = tmp_path / "there.db"
    there.write_text("mine")
    refused("backup_target", copy_store, sqlite_store, there)
    assert there.read_text() == "mine"
    refused("backup_server", copy_store, postgres_store, tmp_path / "new.db")


@pytest.mark.parametrize("path", ["pause.d/copy.db", "there/copy.db", "pause.d/deeper/copy.db"])
def test_a_backup_is_never_a_pause(sqlite_store, tmp_path, path):
    (tmp_path / "pause.d" / "deeper").mkdir(parents=True)
    (tmp_path / "there").symlink_to(tmp_path / "pause.d")
    refused("backup_target", copy_store, sqlite_store, tmp_path / path)
    assert not (tmp_path / path).exists()


@pytest.mark.parametrize("made", ["missing", "nonsense", "foreign"])
def test_what_is_no_backup_of_ours_replaces_nothing(sqlite_store, tmp_path, made):
    add(sqlite_store)
    path, backup = tmp_path / "killswitch.db", tmp_path / "copy.db"
    sqlite_store.close()
    if made == "nonsense":
        backup.write_bytes(b"nonsense" * 1000)
    elif made == "foreign":
        sqlite3.connect(backup).execute("CREATE TABLE theirs (a)").connection.close()
    before = path.read_bytes()
    with pytest.raises(OperatorError):
        restore_store(backup, path)
    assert path.read_bytes() == before


def test_an_upgrade_keeps_a_copy_of_what_was_there(sqlite_store, tmp_path, monkeypatch):
    one = add(sqlite_store)
    with sqlite_store.write() as conn:
        conn.execute(sa.text("UPDATE alembic_version SET version_num = '0000'"))
    monkeypatch.setattr(migrate, "KNOWN", ("0000", "0001"))
    monkeypatch.setattr("killswitch.store.opening.upgrade", lambda store: None)
    open_store(sqlite_store)
    open_store(sqlite_store)
    copy = Path(f"{tmp_path}/killswitch.db.before-0000")
    assert copy.stat().st_mode == (tmp_path / "killswitch.db").stat().st_mode
    kept = Store(f"sqlite:///{copy}")
    assert the(kept, one).created_at == NOW
    kept.close()


def test_an_sqlite_that_is_too_old_is_refused(tmp_path, monkeypatch):
    store = Store(f"sqlite:///{tmp_path}/killswitch.db")
    monkeypatch.setattr("killswitch.store.opening.MIN_SQLITE", (99, 0, 0))
    with pytest.raises(OperatorError, match="is too old"):
        open_store(store)
    store.close()


def test_a_store_that_might_lose_a_pause_at_a_power_cut_is_refused(tmp_path):
    store = Store(f"sqlite:///{tmp_path}/killswitch.db")
    for engine in (store._work, store._urgent):
        sa.event.listen(
            engine, "checkout", lambda raw, *_: raw.execute("PRAGMA synchronous = NORMAL")
        )
    refused("sqlite_pragmas", open_store, store)
    store.close()
