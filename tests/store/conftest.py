from __future__ import annotations

from tests.store import made

_migrated_server = made._migrated_server
postgres_store = made.postgres_store
sqlite_store = made.sqlite_store
sqlite_template = made.sqlite_template
store = made.store
