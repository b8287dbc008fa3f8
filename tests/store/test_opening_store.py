"""Opening a store: locked for one daemon, whole, ours, of our version, or not used at all."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest
import sqlalchemy as sa

from killswitch.errors import OperatorError, StoreBusyError
from killswitch.store import facts, migrate
from killswitch.store.copying import copy_store, restore_store
from killswitch.store.engine import Store, StoreFailedError, driver_url
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
    lock = lock_store(fresh, tmp_path)
    other = Store(url)
    try:
        refused("second_daemon", lock_store, other, tmp_path)
        assert lock.is_held()
        lock.release()
        lock_store(other, tmp_path).release()
    finally:
        other.close()


def test_one_database_has_one_daemon_whatever_the_state_directory(fresh, tmp_path, url):
    here, there = tmp_path / "here", tmp_path / "there"
    here.mkdir()
    there.mkdir()
    lock = lock_store(fresh, here)
    other = Store(url)
    refused("second_daemon", lock_store, other, there)
    other.close()
    lock.release()
    # The refused one has let go of everything that it had.
    lock_store(fresh, there).release()


def test_a_server_that_forgot_our_lock_is_noticed(postgres, tmp_path):
    name = postgres.new_database()
    store = Store(postgres.url(name))
    lock = lock_store(store, tmp_path)
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
    refused("second_daemon", lock_store, other, elsewhere)
    lock.release()
    other.close()
    store.close()


def test_a_lock_that_another_daemon_took_meanwhile_is_a_fault(postgres, tmp_path):
    name = postgres.new_database()
    store, other = Store(postgres.url(name)), Store(postgres.url(name))
    here, there = tmp_path / "here", tmp_path / "there"
    here.mkdir()
    there.mkdir()
    lock = lock_store(store, here)
    lock._server.close()
    taken = lock_store(other, there)
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
            lock_store(dead, tmp_path)
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
    with pytest.raises(OperatorError):
        open_store(store)
    store.close()


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
