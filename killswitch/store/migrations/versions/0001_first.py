"""
The first schema, frozen: what it makes never changes, whatever the code's own tables become.

Revision ID: 0001
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from killswitch.store.migrations.guards_0001 import MOVES, guards

revision = "0001"
down_revision = None

INSTANT = sa.String(27).with_variant(postgresql.TIMESTAMP(timezone=True), "postgresql")
STATES = (
    "draft awaiting_approval scheduled held claimed sending sent uncertain failed skipped "
    "cancelled retracting retracted"
)
ID = sa.String(40).with_variant(postgresql.VARCHAR(40, collation="C"), "postgresql")


def upgrade() -> None:
    """Create the tables, the allowed moves and the triggers that guard them."""
    _the_store()
    _the_pause()
    _the_queue()
    _the_decisions()
    _the_news()
    _the_people()
    _the_trail()
    conn = op.get_bind()
    moves = [{"old": old, "new": new} for old, news in MOVES.items() for new in news.split()]
    conn.execute(sa.text("INSERT INTO transitions (old, new) VALUES (:old, :new)"), moves)
    for statement in guards(conn.dialect.name):
        conn.exec_driver_sql(statement)


def _one_of(column: str, values: str, *, name: str) -> sa.CheckConstraint:
    known = ", ".join(f"'{value}'" for value in values.split())
    return sa.CheckConstraint(f"{column} IN ({known})", name=name)


def _only(condition: str) -> dict[str, Any]:
    """Limit an index to some rows."""
    return {"sqlite_where": sa.text(condition), "postgresql_where": sa.text(condition)}


def _the_store() -> None:
    """Create facts and people."""
    op.create_table(
        "facts",
        sa.Column("key", sa.String(length=40), nullable=False),
        sa.Column("value", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_facts")),
    )
    op.create_table(
        "people",
        sa.Column("id", ID, nullable=False),
        sa.Column("login", sa.String(length=200), nullable=False),
        sa.Column("name", sa.String(length=200)),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_people")),
        sa.UniqueConstraint("login", name=op.f("uq_people_login")),
    )
    op.create_table(
        "request_keys",
        sa.Column("key", sa.String(length=80), nullable=False),
        sa.Column("at", INSTANT, nullable=False),
        sa.Column("answer", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_request_keys")),
    )


def _the_pause() -> None:
    """Create the latch and its causes."""
    op.create_table(
        "latch",
        sa.Column("queue", sa.String(length=40), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("sealed_version", sa.Integer()),
        sa.Column("sealed_at", INSTANT),
        sa.Column("paused_at", INSTANT),
        sa.Column("resumed_at", INSTANT),
        sa.Column("incident", ID),
        sa.PrimaryKeyConstraint("queue", name=op.f("pk_latch")),
    )
    op.create_table(
        "causes",
        sa.Column("id", ID, nullable=False),
        sa.Column("queue", sa.String(length=40), nullable=False),
        sa.Column("scope", sa.String(length=80), server_default="all", nullable=False),
        sa.Column("kind", sa.String(length=20), nullable=False),
        sa.Column("ref", sa.String(length=200), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("rule", sa.Text()),
        sa.Column("evidence", sa.JSON(), nullable=False),
        sa.Column("opened_at", INSTANT, nullable=False),
        sa.Column("opened_by", ID, nullable=False),
        sa.Column("opened_version", sa.Integer(), nullable=False),
        sa.Column("review_at", INSTANT),
        sa.Column("reviewed_at", INSTANT),
        sa.Column("closed_at", INSTANT),
        sa.Column("closed_by", ID),
        sa.Column("close_reason", sa.Text()),
        sa.Column("incident", ID),
        sa.CheckConstraint("closed_by <> 'machine'", name=op.f("ck_causes_closed_by_a_human")),
        sa.CheckConstraint(
            "(closed_at IS NULL) = (closed_by IS NULL)", name=op.f("ck_causes_closed_by_someone")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_causes")),
    )
    op.create_index(
        "uq_causes_open",
        "causes",
        ["queue", "kind", "ref"],
        unique=True,
        **_only("closed_at IS NULL"),
    )
    op.create_table(
        "incidents",
        sa.Column("id", ID, nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("kind", sa.String(length=20), nullable=False),
        sa.Column("story", ID),
        sa.Column("first_headline_at", INSTANT),
        sa.Column("detected_at", INSTANT),
        sa.Column("tripped_at", INSTANT, nullable=False),
        sa.Column("accepted_at", INSTANT),
        sa.Column("sealed_at", INSTANT),
        sa.Column("acked_at", INSTANT),
        sa.Column("acked_by", ID),
        sa.Column("resumed_at", INSTANT),
        sa.Column("resumed_by", ID),
        sa.Column("resume_reason", sa.Text()),
        sa.Column("outcome", sa.String(length=20)),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_incidents")),
    )
    op.create_index("ix_incidents_tripped", "incidents", ["tripped_at"])


def _the_queue() -> None:
    """Create posts and their deliveries."""
    op.create_table(
        "batches",
        sa.Column("id", ID, nullable=False),
        sa.Column("at", INSTANT, nullable=False),
        sa.Column("by", ID, nullable=False),
        sa.Column("visible_at", INSTANT),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_batches")),
    )
    op.create_table(
        "posts",
        sa.Column("id", ID, nullable=False),
        sa.Column("queue", sa.String(length=40), nullable=False),
        sa.Column("key", sa.String(length=200)),
        sa.Column("batch", ID),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("media", sa.JSON(), nullable=False),
        sa.Column("link", sa.Text()),
        sa.Column("tags", sa.JSON(), nullable=False),
        sa.Column("expires_at", INSTANT),
        sa.Column("author", ID, nullable=False),
        sa.Column("created_at", INSTANT, nullable=False),
        sa.Column("content_hash", sa.String(length=64), nullable=False),
        sa.ForeignKeyConstraint(["batch"], ["batches.id"], name=op.f("fk_posts_batch")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_posts")),
    )
    op.create_index(
        "uq_posts_key",
        "posts",
        ["queue", "key"],
        unique=True,
        **_only('"key" IS NOT NULL'),
    )
    op.create_table(
        "transitions",
        sa.Column("old", sa.String(length=20), nullable=False),
        sa.Column("new", sa.String(length=20), nullable=False),
        sa.PrimaryKeyConstraint("old", "new", name=op.f("pk_transitions")),
    )
    op.create_table(
        "deliveries",
        sa.Column("id", ID, nullable=False),
        sa.Column("post", ID, nullable=False),
        sa.Column("batch", ID),
        sa.Column("queue", sa.String(length=40), nullable=False),
        sa.Column("channel", sa.String(length=100), nullable=False),
        sa.Column("state", sa.String(length=20), nullable=False),
        sa.Column("due_at", INSTANT, nullable=False),
        sa.Column("zone", sa.String(length=60), nullable=False),
        sa.Column("wall", sa.String(length=20), nullable=False),
        sa.Column("next_at", INSTANT, nullable=False),
        sa.Column("expires_at", INSTANT),
        sa.Column("approved_hash", sa.String(length=64)),
        sa.Column("approved_by", ID),
        sa.Column("confirm_from", INSTANT),
        sa.Column("confirmed_at", INSTANT),
        sa.Column("fence", sa.Integer(), server_default="0", nullable=False),
        sa.Column("owner", sa.Integer()),
        sa.Column("lease_until_s", sa.Float()),
        sa.Column("tries", sa.Integer(), server_default="0", nullable=False),
        sa.Column("remote_id", sa.Text()),
        sa.Column("remote_url", sa.Text()),
        sa.Column("sent_at", INSTANT),
        sa.Column("problem", sa.Text()),
        sa.Column("changed_at", INSTANT, nullable=False),
        _one_of(
            "state",
            STATES,
            name=op.f("ck_deliveries_known_state"),
        ),
        sa.ForeignKeyConstraint(["batch"], ["batches.id"], name=op.f("fk_deliveries_batch")),
        sa.ForeignKeyConstraint(["post"], ["posts.id"], name=op.f("fk_deliveries_post")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_deliveries")),
    )
    op.create_index("ix_deliveries_channel_due", "deliveries", ["channel", "due_at"])
    op.create_index("ix_deliveries_channel_sent", "deliveries", ["channel", "sent_at"])
    op.create_index(
        "ix_deliveries_expires",
        "deliveries",
        ["expires_at"],
        **_only("expires_at IS NOT NULL"),
    )
    op.create_index("ix_deliveries_post", "deliveries", ["post"])
    op.create_index("ix_deliveries_state_due", "deliveries", ["state", "due_at"])
    op.create_index("ix_deliveries_sweep", "deliveries", ["state", "next_at"])
    op.create_table(
        "channel_state",
        sa.Column("channel", sa.String(length=100), nullable=False),
        sa.Column("waits_until", INSTANT),
        sa.Column("why", sa.Text()),
        sa.PrimaryKeyConstraint("channel", name=op.f("pk_channel_state")),
    )


def _the_decisions() -> None:
    """Create what holds, lets out and tries a delivery."""
    op.create_table(
        "holds",
        sa.Column("delivery", ID, nullable=False),
        sa.Column("kind", sa.String(length=10), nullable=False),
        sa.Column("ref", sa.String(length=200), nullable=False),
        sa.Column("words", sa.JSON(), nullable=False),
        sa.Column("at", INSTANT, nullable=False),
        sa.Column("by", ID, nullable=False),
        sa.Column("lifted_at", INSTANT),
        _one_of("kind", "pause lead clash late horizon human", name=op.f("ck_holds_known_kind")),
        sa.ForeignKeyConstraint(["delivery"], ["deliveries.id"], name=op.f("fk_holds_delivery")),
        sa.PrimaryKeyConstraint("delivery", "kind", "ref", name=op.f("pk_holds")),
    )
    op.create_index("ix_holds_ref", "holds", ["ref"])
    op.create_table(
        "decisions",
        sa.Column("delivery", ID, nullable=False),
        sa.Column("kind", sa.String(length=10), nullable=False),
        sa.Column("due_at", INSTANT),
        sa.Column("wall", sa.String(length=20)),
        sa.Column("zone", sa.String(length=60)),
        sa.Column("post_change", sa.JSON()),
        sa.Column("reason", sa.Text()),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("at", INSTANT, nullable=False),
        sa.Column("by", ID, nullable=False),
        _one_of("kind", "release move edit skip keep", name=op.f("ck_decisions_known_kind")),
        sa.ForeignKeyConstraint(
            ["delivery"], ["deliveries.id"], name=op.f("fk_decisions_delivery")
        ),
        sa.PrimaryKeyConstraint("delivery", name=op.f("pk_decisions")),
    )
    op.create_table(
        "attempts",
        sa.Column("id", ID, nullable=False),
        sa.Column("delivery", ID, nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("incarnation", sa.Integer(), nullable=False),
        sa.Column("fence", sa.Integer(), nullable=False),
        sa.Column("request_hash", sa.String(length=64), nullable=False),
        sa.Column("intent_at", INSTANT, nullable=False),
        sa.Column("deadline_s", sa.Float(), nullable=False),
        sa.Column("outcome", sa.String(length=20), nullable=False),
        sa.Column("detail", sa.Text()),
        sa.Column("ended_at", INSTANT),
        _one_of(
            "outcome",
            "open accepted refused aborted_unsent unsent unknown",
            name=op.f("ck_attempts_known_outcome"),
        ),
        sa.ForeignKeyConstraint(["delivery"], ["deliveries.id"], name=op.f("fk_attempts_delivery")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_attempts")),
    )
    op.create_index("ix_attempts_delivery", "attempts", ["delivery"])
    op.create_index("ix_attempts_intent", "attempts", ["intent_at"])
    op.create_index(
        "uq_attempts_open",
        "attempts",
        ["delivery"],
        unique=True,
        **_only("outcome = 'open'"),
    )


def _the_news() -> None:
    """Create feeds, items and stories."""
    op.create_table(
        "feeds",
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("url", sa.Text(), nullable=False),
        sa.Column("first_poll_at", INSTANT),
        sa.Column("last_poll_at", INSTANT),
        sa.Column("last_good_at", INSTANT),
        sa.Column("graded_at", INSTANT),
        sa.Column("newest_item_at", INSTANT),
        sa.Column("etag", sa.Text()),
        sa.Column("last_modified", sa.Text()),
        sa.Column("body_hash", sa.String(length=64)),
        sa.Column("failures", sa.Integer(), server_default="0", nullable=False),
        sa.Column("problem", sa.Text()),
        sa.Column("next_poll_at", INSTANT),
        sa.Column("backoff_until", INSTANT),
        sa.Column("ttl_s", sa.Float()),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_feeds")),
    )
    op.create_table(
        "items",
        sa.Column("id", ID, nullable=False),
        sa.Column("feed", sa.String(length=200), nullable=False),
        sa.Column("guid", sa.String(length=64), nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("summary", sa.Text(), nullable=False),
        sa.Column("url", sa.Text(), nullable=False),
        sa.Column("lang", sa.String(length=40)),
        sa.Column("published", INSTANT),
        sa.Column("first_seen", INSTANT, nullable=False),
        sa.Column("silent", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.Column("graded", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.Column("grade", sa.String(length=10)),
        sa.Column("signal", sa.JSON()),
        sa.Column("story", ID),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_items")),
        sa.UniqueConstraint("feed", "guid", name=op.f("uq_items_feed_guid")),
    )
    op.create_index("ix_items_feed_seen", "items", ["feed", "first_seen"])
    op.create_index("ix_items_story", "items", ["story", "first_seen"])
    op.create_index(
        "ix_items_ungraded",
        "items",
        ["first_seen"],
        sqlite_where=sa.text("graded = 0 AND silent = 0"),
        postgresql_where=sa.text("graded = false AND silent = false"),
    )
    op.create_table(
        "stories",
        sa.Column("id", ID, nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("state", sa.String(length=20), nullable=False),
        sa.Column("first_item_at", INSTANT, nullable=False),
        sa.Column("last_item_at", INSTANT, nullable=False),
        sa.Column("unconfirmed_at", INSTANT),
        sa.Column("tripped_at", INSTANT),
        sa.Column("body", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_stories")),
    )
    op.create_index("ix_stories_last", "stories", ["last_item_at"])


def _the_people() -> None:
    """Create what people and relays are told."""
    op.create_table(
        "notices",
        sa.Column("id", ID, nullable=False),
        sa.Column("kind", sa.String(length=30), nullable=False),
        sa.Column("ref", sa.String(length=200), nullable=False),
        sa.Column("facts", sa.JSON(), nullable=False),
        sa.Column("created_at", INSTANT, nullable=False),
        sa.Column("escalates", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.Column("loud", sa.Boolean(), server_default=sa.true(), nullable=False),
        sa.Column("level", sa.Integer(), server_default="0", nullable=False),
        sa.Column("next_at", INSTANT),
        sa.Column("first_accepted_at", INSTANT),
        sa.Column("acked_at", INSTANT),
        sa.Column("acked_by", ID),
        sa.Column("done_at", INSTANT),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_notices")),
    )
    op.create_index("ix_notices_next", "notices", ["next_at"])
    op.create_table(
        "tellings",
        sa.Column("notice", ID, nullable=False),
        sa.Column("round", sa.Integer(), nullable=False),
        sa.Column("address", sa.String(length=40), nullable=False),
        sa.Column("tries", sa.Integer(), server_default="0", nullable=False),
        sa.Column("next_at", INSTANT),
        sa.Column("accepted_at", INSTANT),
        sa.Column("problem", sa.Text()),
        sa.ForeignKeyConstraint(["notice"], ["notices.id"], name=op.f("fk_tellings_notice")),
        sa.PrimaryKeyConstraint("notice", "round", "address", name=op.f("pk_tellings")),
    )
    op.create_index("ix_tellings_next", "tellings", ["next_at"])
    op.create_table(
        "relay_runs",
        sa.Column("id", ID, nullable=False),
        sa.Column("relay", sa.String(length=100), nullable=False),
        sa.Column("event", sa.String(length=20), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("created_at", INSTANT, nullable=False),
        sa.Column("tries", sa.Integer(), server_default="0", nullable=False),
        sa.Column("next_at", INSTANT),
        sa.Column("reached_at", INSTANT),
        sa.Column("problem", sa.Text()),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_relay_runs")),
    )
    op.create_index("ix_relay_runs_next", "relay_runs", ["next_at"])


def _the_trail() -> None:
    """Create the chain of audit rows."""
    op.create_table(
        "audit",
        sa.Column("seq", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("at", INSTANT, nullable=False),
        sa.Column("actor", ID, nullable=False),
        sa.Column("event", sa.String(length=60), nullable=False),
        sa.Column("subject", sa.String(length=200), nullable=False),
        sa.Column("data", sa.Text(), nullable=False),
        sa.Column("prev", sa.String(length=64), nullable=False),
        sa.Column("hash", sa.String(length=64), nullable=False),
        sa.PrimaryKeyConstraint("seq", name=op.f("pk_audit")),
    )
    op.create_index("ix_audit_subject", "audit", ["subject"])
    op.create_table(
        "audit_head",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("seq", sa.Integer(), nullable=False),
        sa.Column("hash", sa.String(length=64), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_audit_head")),
    )
