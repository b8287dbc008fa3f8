from __future__ import annotations

import pytest

from tests.daemon.bench import Bench
from tests.store import made

_migrated_server = made._migrated_server
postgres_store = made.postgres_store
sqlite_store = made.sqlite_store
sqlite_template = made.sqlite_template
store = made.store


@pytest.fixture
def bench(sqlite_store, tmp_path):
    made = Bench(sqlite_store, tmp_path)
    yield made
    made.close()
    assert made.faults == []


@pytest.fixture
def either_bench(store, tmp_path):
    """A bench on each of the two databases."""
    made = Bench(store, tmp_path)
    yield made
    made.close()
    assert made.faults == []
