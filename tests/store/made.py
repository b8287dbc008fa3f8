"""Stores with their whole schema, on SQLite and on PostgreSQL, and builders of what they hold."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from killswitch.latch import CauseKind
from killswitch.queue.post import Content
from killswitch.queue.states import TRANSITIONS, DeliveryState
from killswitch.store import deliveries, facts, migrate, posts
from killswitch.store import latch as latch_store
from killswitch.store.deliveries import Delivery
from killswitch.store.engine import Store
from killswitch.store.latch import NewCause
from killswitch.store.opening import open_store
from killswitch.store.posts import NewPost, Place
from killswitch.store.schema import metadata, transitions
from killswitch.trip import Tripped, trip

NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
"""An ordinary Monday morning; what ``FakeClock`` starts at."""
SECOND, MINUTE, HOUR = timedelta(seconds=1), timedelta(minutes=1), timedelta(hours=1)
_S = DeliveryState
MOVES = [{"old": old.value, "new": new.value} for old, news in TRANSITIONS.items() for new in news]


def furnish(store: Store) -> None:
    """Give a new store its latch, as the daemon does."""
    with store.write() as conn:
        latch_store.create(conn)
        facts.put_time(conn, "created_at", NOW)


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A migrated and furnished file; copying it is a hundred times faster than making it."""
    path = tmp_path_factory.mktemp("template") / "killswitch.db"
    store = Store(f"sqlite:///{path}")
    open_store(store)
    furnish(store)
    store.close()
    return path


@pytest.fixture
def sqlite_store(sqlite_template: Path, tmp_path: Path) -> Iterator[Store]:
    shutil.copy(sqlite_template, tmp_path / "killswitch.db")
    store = Store(f"sqlite:///{tmp_path}/killswitch.db")
    yield store
    store.close()


@pytest.fixture(scope="session")
def _migrated_server(postgres: Any) -> Iterator[Store]:
    store = Store(postgres.url(postgres.new_database()))
    migrate.upgrade(store)
    yield store
    store.close()


def empty(server: Store) -> Store:
    """Make a migrated server as good as new."""
    names = ", ".join(table.name for table in metadata.sorted_tables)
    with server.write() as conn:
        conn.execute(sa.text(f"TRUNCATE {names} CASCADE"))
        conn.execute(sa.insert(transitions), MOVES)
    furnish(server)
    return server


@pytest.fixture
def postgres_store(_migrated_server: Store) -> Store:
    """One database for all tests of a process, emptied before each."""
    return empty(_migrated_server)


@pytest.fixture(params=["sqlite", "postgresql"])
def store(request: pytest.FixtureRequest) -> Store:
    """The store of a test, once on each database."""
    name = "sqlite_store" if request.param == "sqlite" else "postgres_store"
    return request.getfixturevalue(name)


def a_post(
    *,
    due_at: datetime = NOW + HOUR,
    channels: tuple[str, ...] = ("insta",),
    text: str = "Vive l'été !",
    tags: tuple[str, ...] = (),
    key: str | None = None,
    expires_at: datetime | None = None,
    approved: bool = True,
    confirm_from: datetime | None = None,
) -> NewPost:
    wall = f"{due_at:%Y-%m-%dT%H:%M:%S}"
    places = tuple(Place(name, due_at, "UTC", wall, confirm_from) for name in channels)
    return NewPost(Content(text, tags=tags), places, "u1", key, expires_at, approved)


def add(store: Store, *, batch: str | None = None, **post: Any) -> str:
    """Store a post and return the id of its first delivery."""
    with store.write() as conn:
        ((_, ids),) = posts.add(conn, [a_post(**post)], now=NOW, batch=batch)
    return ids[0]


def the(store: Store, delivery: str) -> Delivery:
    with store.read() as conn:
        found = deliveries.get(conn, delivery)
    assert found is not None
    return found


def put(store: Store, delivery: str, *states: DeliveryState, **values: Any) -> Delivery:
    """Lead a delivery along allowed states."""
    for state in states:
        with store.write() as conn:
            one = deliveries.get(conn, delivery, lock=True)
            assert deliveries.move(conn, one, state, why="test", now=NOW, values=values)
    return the(store, delivery)


def a_cause(kind: CauseKind = CauseKind.MANUAL, ref: str = "k1", **more: Any) -> NewCause:
    return NewCause(kind, ref, more.pop("reason", f"{kind.value} {ref}"), **more)


def pause(
    store: Store, kind: CauseKind = CauseKind.MANUAL, ref: str = "k1", **more: Any
) -> Tripped:
    with store.write() as conn:
        return trip(conn, a_cause(kind, ref, **more), now=NOW)


def latch_of(store: Store) -> Any:
    with store.read() as conn:
        return latch_store.read(conn)


def resume(store: Store, *, by: str = "u1") -> int:
    """Close every open cause, as the desk does once it may."""
    with store.write() as conn:
        latch = latch_store.lock(conn)
        ids = [cause.id for cause in latch.causes]
        return latch_store.close_causes(conn, latch, ids, by=by, reason="seen", now=NOW)
