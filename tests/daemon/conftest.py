from __future__ import annotations

from tests.store.made import (  # noqa: F401 - fixtures
    _migrated_server,
    postgres_store,
    sqlite_store,
    sqlite_template,
    store,
)
