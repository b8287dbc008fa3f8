"""
What happens to a post after its request: looks for it at its network, and taking it down.

Revision ID: 0002
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0002"
down_revision = "0001"

INSTANT = sa.String(27).with_variant(postgresql.TIMESTAMP(timezone=True), "postgresql")
ID = sa.String(40).with_variant(postgresql.VARCHAR(40, collation="C"), "postgresql")
OPEN = sa.text("outcome = 'open'")


def upgrade() -> None:
    """Create the two tables; the states of a delivery and their moves are those of 0001."""
    op.create_table(
        "looks",
        sa.Column("attempt", ID, nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("at", INSTANT, nullable=False),
        sa.Column("found", sa.String(length=10), nullable=False),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.CheckConstraint(
            "found IN ('there', 'absent', 'unknown')", name=op.f("ck_looks_known_found")
        ),
        sa.ForeignKeyConstraint(["attempt"], ["attempts.id"], name=op.f("fk_looks_attempt")),
        sa.PrimaryKeyConstraint("attempt", "number", name=op.f("pk_looks")),
    )
    op.create_table(
        "retractions",
        sa.Column("id", ID, nullable=False),
        sa.Column("delivery", ID, nullable=False),
        sa.Column("asked_at", INSTANT, nullable=False),
        sa.Column("asked_by", ID, nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("tries", sa.Integer(), server_default="0", nullable=False),
        sa.Column("next_at", INSTANT, nullable=False),
        sa.Column("outcome", sa.String(length=10), nullable=False),
        sa.Column("detail", sa.Text()),
        sa.Column("ended_at", INSTANT),
        sa.CheckConstraint("asked_by <> 'machine'", name=op.f("ck_retractions_asked_by_a_human")),
        sa.CheckConstraint(
            "outcome IN ('open', 'gone', 'refused', 'given_up')",
            name=op.f("ck_retractions_known_outcome"),
        ),
        sa.ForeignKeyConstraint(
            ["delivery"], ["deliveries.id"], name=op.f("fk_retractions_delivery")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_retractions")),
    )
    op.create_index("ix_retractions_delivery", "retractions", ["delivery"])
    op.create_index(
        "uq_retractions_open",
        "retractions",
        ["delivery"],
        unique=True,
        sqlite_where=OPEN,
        postgresql_where=OPEN,
    )
