"""
The first schema.

Revision ID: 0001
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from killswitch.store.schema import metadata, transition_rows, transitions, triggers

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Create the tables, the allowed transitions and the triggers that guard them."""
    conn = op.get_bind()
    metadata.create_all(conn)
    conn.execute(sa.insert(transitions), transition_rows())
    for statement in triggers(conn.dialect.name):
        conn.exec_driver_sql(statement)
