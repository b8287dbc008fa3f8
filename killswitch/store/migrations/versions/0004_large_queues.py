"""
Indexes for queues of a hundred thousand posts: pages by time, imports apart, what went out.

Revision ID: 0004
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"

SENT = sa.text("sent_at IS NOT NULL")


def upgrade() -> None:
    """Make the indexes; no row changes."""
    op.drop_index("ix_deliveries_state_due", "deliveries")
    op.create_index("ix_deliveries_state_due", "deliveries", ["state", "due_at", "id"])
    op.create_index("ix_deliveries_batch", "deliveries", ["batch"])
    op.create_index("ix_posts_batch", "posts", ["batch"])
    op.create_index(
        "ix_deliveries_sent",
        "deliveries",
        ["sent_at"],
        sqlite_where=SENT,
        postgresql_where=SENT,
    )
