"""
Bring a store to this program's schema, one transaction a step, forward only.

The version stands in Alembic's own table. Alembic is imported only where there is something to
do: an ordinary start reads one row and goes on.
"""

from __future__ import annotations

from pathlib import Path

import sqlalchemy as sa

from killswitch.errors import OperatorError
from killswitch.failpoints import passing
from killswitch.store.engine import Store

HEAD = "0004"
KNOWN = ("0001", "0002", "0003", "0004")
_SCRIPTS = Path(__file__).parent / "migrations"


def version_of(store: Store) -> str | None:
    """
    Return the schema version of a store, or None for an empty database.

    Raises:
        OperatorError: The store is of a newer killswitch, or the database is not ours.
    """
    with store.read() as conn:
        tables = set(sa.inspect(conn).get_table_names())
        if "alembic_version" not in tables:
            if tables:
                raise OperatorError(
                    "store_foreign",
                    f"{store.path or 'the database'} holds tables that are not killswitch's",
                    "point store.url at an empty database",
                )
            return None
        version = conn.execute(sa.text("SELECT version_num FROM alembic_version")).scalar()
    if version is not None and version not in KNOWN:
        raise OperatorError(
            "store_newer",
            f"the store has schema {version}, this killswitch knows up to {HEAD}; "
            "nothing was changed",
            "run the newer killswitch again, or restore the backup made before the upgrade",
        )
    return version


def upgrade(store: Store, *, to: str = HEAD) -> None:
    """Run the missing migrations up to a version, all in one transaction."""
    # Slow to import and seldom needed: an ordinary start has nothing to migrate.
    from alembic import command  # noqa: PLC0415 - as said above
    from alembic.config import Config  # noqa: PLC0415 - as said above

    config = Config()
    config.set_main_option("script_location", str(_SCRIPTS))
    with store.write() as conn:
        if not store.is_sqlite:
            # An index over years of rows takes longer than any work of ours may, and a loaded
            # machine is slow to load Alembic between two statements.
            conn.execute(sa.text("SET LOCAL statement_timeout = 0"))
            conn.execute(sa.text("SET LOCAL idle_in_transaction_session_timeout = 0"))
        config.attributes["connection"] = conn
        command.upgrade(config, to)
        passing("migrate.before_commit")
    passing("migrate.after_commit")
