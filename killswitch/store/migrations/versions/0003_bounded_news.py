"""
What keeps the store small and quick: what a feed still shows, its newsroom, two indexes.

Revision ID: 0003
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0003"
down_revision = "0002"

INSTANT = sa.String(27).with_variant(postgresql.TIMESTAMP(timezone=True), "postgresql")


def upgrade() -> None:
    """Add columns that may be empty, and indexes; no row is rewritten."""
    op.add_column("feeds", sa.Column("outlet", sa.String(length=200)))
    op.add_column("feeds", sa.Column("newsroom", sa.String(length=200)))
    op.add_column("feeds", sa.Column("shown_from", INSTANT))
    op.add_column("items", sa.Column("shown_at", INSTANT))
    op.create_index("ix_items_seen", "items", ["first_seen"])
    op.create_index("ix_audit_event", "audit", ["event", "seq"])
    op.create_index("ix_request_keys_at", "request_keys", ["at"])
