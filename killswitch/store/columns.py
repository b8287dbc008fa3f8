"""
What columns are made of: times, ids, and how a query speaks of them on both databases.

Times are aware UTC; SQLite keeps them as fixed-width ISO 8601 text with six digits of a second and
``Z``, which sorts like time.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql
from sqlalchemy.engine import Dialect
from sqlalchemy.types import TypeDecorator, TypeEngine


class UtcDateTime(TypeDecorator[datetime]):
    """An aware UTC instant: sortable text on SQLite, ``timestamptz`` on PostgreSQL."""

    impl = sa.String(27)
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        """Choose the column type of the database."""
        if dialect.name == "postgresql":
            return dialect.type_descriptor(postgresql.TIMESTAMP(timezone=True))
        return dialect.type_descriptor(sa.String(27))

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> Any:
        """Refuse naive times; they have no place in the store."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("a naive time can't be stored")
        value = value.astimezone(UTC)
        if dialect.name == "postgresql":
            return value
        return value.replace(tzinfo=None).isoformat(timespec="microseconds") + "Z"

    def process_result_value(
        self,
        value: Any,
        dialect: Dialect,  # noqa: ARG002 - the signature is SQLAlchemy's
    ) -> datetime | None:
        """Give back an aware UTC instant."""
        if value is None:
            return None
        if isinstance(value, datetime):
            return value.astimezone(UTC)
        # Twenty times as fast as ``strptime``, which was a tenth of what reading the queue cost.
        return datetime.fromisoformat(value)


# Bytes decide the order of ids, whatever the language of a database: they are locked in that order.
ID = sa.String(40).with_variant(postgresql.VARCHAR(40, collation="C"), "postgresql")


def unindexed(column: sa.ColumnElement[str]) -> sa.ColumnElement[str]:
    """
    Return a column of words that no index is taken for.

    SQLite, without statistics, takes ``state = ?`` or ``channel = ?`` for rarer than what happened
    since an instant, and goes through the whole queue.
    """
    return column.concat("")
