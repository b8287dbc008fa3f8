from __future__ import annotations

from pathlib import Path

import pytest

from killswitch.store.engine import Store
from tests.store.made import (  # noqa: F401 - fixtures
    _migrated_server,
    postgres_store,
    sqlite_store,
    sqlite_template,
    store,
)
from tests.unit.desk.house import House


@pytest.fixture
def house(store: Store, tmp_path: Path) -> House:  # noqa: F811 - the fixture
    """A newsroom's daemon on each database."""
    return House(store, tmp_path / "state")


@pytest.fixture
def small_house(sqlite_store: Store, tmp_path: Path) -> House:  # noqa: F811 - the fixture
    """The same on SQLite alone, for what no database can change."""
    return House(sqlite_store, tmp_path / "state")
