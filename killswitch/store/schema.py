"""
The tables, one schema for SQLite and PostgreSQL.

Invariants, each held by the database itself and not only by code:
    A delivery changes state only along ``TRANSITIONS`` (a trigger refuses everything else).
    At most one open cause per (kind, ref) (partial unique index).
    Audit rows are never changed or removed (trigger), except by closing the process's own file.
    A delivery has at most one open attempt (partial unique index).
    Only a human asks a network to take a post down, once at a time (check, partial unique index).
"""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.types import JSON

from killswitch.queue.states import DeliveryState
from killswitch.store.columns import ID, UtcDateTime

metadata = sa.MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)


def _in(column: str, values: list[str]) -> str:
    return f"{column} IN ({', '.join(repr(v) for v in values)})"


# ---- facts about the store and the daemon -------------------------------------------------------
# Keys: store_id, created_at, high_water (last trusted wall time), last_sight (last good sight),
# clocks (how they stood, for the next run),
# incarnation (grows at every start), open_since (last resume, for the rolling hard cap).
facts = sa.Table(
    "facts",
    metadata,
    sa.Column("key", sa.String(40), primary_key=True),
    sa.Column("value", sa.Text, nullable=False),
)

# ---- the pause ----------------------------------------------------------------------------------
latch = sa.Table(
    "latch",
    metadata,
    sa.Column("queue", sa.String(40), primary_key=True),
    sa.Column("version", sa.Integer, nullable=False),
    sa.Column("sealed_version", sa.Integer),
    sa.Column("sealed_at", UtcDateTime),
    sa.Column("paused_at", UtcDateTime),
    sa.Column("resumed_at", UtcDateTime),
    sa.Column("incident", ID),
)

causes = sa.Table(
    "causes",
    metadata,
    sa.Column("id", ID, primary_key=True),
    sa.Column("queue", sa.String(40), nullable=False),
    sa.Column("scope", sa.String(80), nullable=False, server_default="all"),
    sa.Column("kind", sa.String(20), nullable=False),
    sa.Column("ref", sa.String(200), nullable=False),
    sa.Column("reason", sa.Text, nullable=False),
    # Which rule of the detector opened it, in one line.
    sa.Column("rule", sa.Text),
    sa.Column("evidence", JSON, nullable=False),
    sa.Column("opened_at", UtcDateTime, nullable=False),
    sa.Column("opened_by", ID, nullable=False),
    sa.Column("opened_version", sa.Integer, nullable=False),
    sa.Column("review_at", UtcDateTime),
    sa.Column("reviewed_at", UtcDateTime),
    sa.Column("closed_at", UtcDateTime),
    sa.Column("closed_by", ID),
    sa.Column("close_reason", sa.Text),
    sa.Column("incident", ID),
    sa.CheckConstraint("(closed_at IS NULL) = (closed_by IS NULL)", name="closed_by_someone"),
    sa.CheckConstraint("closed_by <> 'machine'", name="closed_by_a_human"),
)
sa.Index(
    "uq_causes_open",
    causes.c.queue,
    causes.c.kind,
    causes.c.ref,
    unique=True,
    sqlite_where=causes.c.closed_at.is_(None),
    postgresql_where=causes.c.closed_at.is_(None),
)

# Request keys of retried API calls: the same key has its effect once.
request_keys = sa.Table(
    "request_keys",
    metadata,
    sa.Column("key", sa.String(80), primary_key=True),
    sa.Column("at", UtcDateTime, nullable=False),
    sa.Column("answer", JSON, nullable=False),
)
sa.Index("ix_request_keys_at", request_keys.c.at)

# ---- people -------------------------------------------------------------------------------------
people = sa.Table(
    "people",
    metadata,
    sa.Column("id", ID, primary_key=True),
    sa.Column("login", sa.String(200), nullable=False, unique=True),
    sa.Column("name", sa.String(200)),
)

# ---- the queue ----------------------------------------------------------------------------------
batches = sa.Table(
    "batches",
    metadata,
    sa.Column("id", ID, primary_key=True),
    sa.Column("at", UtcDateTime, nullable=False),
    sa.Column("by", ID, nullable=False),
    sa.Column("visible_at", UtcDateTime),
)

posts = sa.Table(
    "posts",
    metadata,
    sa.Column("id", ID, primary_key=True),
    sa.Column("queue", sa.String(40), nullable=False),
    sa.Column("key", sa.String(200)),
    sa.Column("batch", ID, sa.ForeignKey("batches.id")),
    sa.Column("text", sa.Text, nullable=False),
    sa.Column("media", JSON, nullable=False),
    sa.Column("link", sa.Text),
    sa.Column("tags", JSON, nullable=False),
    sa.Column("expires_at", UtcDateTime),
    sa.Column("author", ID, nullable=False),
    sa.Column("created_at", UtcDateTime, nullable=False),
    sa.Column("content_hash", sa.String(64), nullable=False),
)
sa.Index(
    "uq_posts_key",
    posts.c.queue,
    posts.c.key,
    unique=True,
    sqlite_where=posts.c.key.isnot(None),
    postgresql_where=posts.c.key.isnot(None),
)

sa.Index("ix_posts_batch", posts.c.batch)

transitions = sa.Table(
    "transitions",
    metadata,
    sa.Column("old", sa.String(20), primary_key=True),
    sa.Column("new", sa.String(20), primary_key=True),
)

deliveries = sa.Table(
    "deliveries",
    metadata,
    sa.Column("id", ID, primary_key=True),
    sa.Column("post", ID, sa.ForeignKey("posts.id"), nullable=False),
    sa.Column("batch", ID, sa.ForeignKey("batches.id")),
    sa.Column("queue", sa.String(40), nullable=False),
    sa.Column("channel", sa.String(100), nullable=False),
    sa.Column("state", sa.String(20), nullable=False),
    sa.Column("due_at", UtcDateTime, nullable=False),
    sa.Column("zone", sa.String(60), nullable=False),
    sa.Column("wall", sa.String(20), nullable=False),
    # When the sweep looks at it next: due_at, or later after a failed try.
    sa.Column("next_at", UtcDateTime, nullable=False),
    sa.Column("expires_at", UtcDateTime),
    sa.Column("approved_hash", sa.String(64)),
    sa.Column("approved_by", ID),
    sa.Column("confirm_from", UtcDateTime),
    sa.Column("confirmed_at", UtcDateTime),
    sa.Column("fence", sa.Integer, nullable=False, server_default="0"),
    sa.Column("owner", sa.Integer),
    sa.Column("lease_until_s", sa.Float),
    sa.Column("tries", sa.Integer, nullable=False, server_default="0"),
    sa.Column("remote_id", sa.Text),
    sa.Column("remote_url", sa.Text),
    sa.Column("sent_at", UtcDateTime),
    sa.Column("problem", sa.Text),
    sa.Column("changed_at", UtcDateTime, nullable=False),
    sa.CheckConstraint(_in("state", [s.value for s in DeliveryState]), name="known_state"),
)
sa.Index("ix_deliveries_sweep", deliveries.c.state, deliveries.c.next_at)
sa.Index("ix_deliveries_channel_due", deliveries.c.channel, deliveries.c.due_at)
sa.Index("ix_deliveries_channel_sent", deliveries.c.channel, deliveries.c.sent_at)
sa.Index("ix_deliveries_post", deliveries.c.post)
sa.Index(
    "ix_deliveries_expires",
    deliveries.c.expires_at,
    sqlite_where=deliveries.c.expires_at.isnot(None),
    postgresql_where=deliveries.c.expires_at.isnot(None),
)
# The order in which the queue is read: with the id, a page of it is a range of this index.
sa.Index("ix_deliveries_state_due", deliveries.c.state, deliveries.c.due_at, deliveries.c.id)
# What an import has staged: it is searched, counted apart, and dropped in bites.
sa.Index("ix_deliveries_batch", deliveries.c.batch)
sa.Index(
    "ix_deliveries_sent",
    deliveries.c.sent_at,
    sqlite_where=deliveries.c.sent_at.isnot(None),
    postgresql_where=deliveries.c.sent_at.isnot(None),
)

# Why a delivery is held; held = at least one row that is not lifted.
holds = sa.Table(
    "holds",
    metadata,
    sa.Column("delivery", ID, sa.ForeignKey("deliveries.id"), primary_key=True),
    sa.Column("kind", sa.String(10), primary_key=True),
    sa.Column("ref", sa.String(200), primary_key=True),
    sa.Column("words", JSON, nullable=False),
    sa.Column("at", UtcDateTime, nullable=False),
    sa.Column("by", ID, nullable=False),
    sa.Column("lifted_at", UtcDateTime),
    sa.CheckConstraint(
        _in("kind", ["pause", "lead", "clash", "late", "horizon", "human"]), name="known_kind"
    ),
)

sa.Index("ix_holds_ref", holds.c.ref)

# What a human decided about a held delivery during a pause; the resume carries it out.
decisions = sa.Table(
    "decisions",
    metadata,
    sa.Column("delivery", ID, sa.ForeignKey("deliveries.id"), primary_key=True),
    sa.Column("kind", sa.String(10), nullable=False),
    sa.Column("due_at", UtcDateTime),
    sa.Column("wall", sa.String(20)),
    sa.Column("zone", sa.String(60)),
    sa.Column("post_change", JSON),
    sa.Column("reason", sa.Text),
    sa.Column("version", sa.Integer, nullable=False),
    sa.Column("at", UtcDateTime, nullable=False),
    sa.Column("by", ID, nullable=False),
    sa.CheckConstraint(_in("kind", ["release", "move", "edit", "skip", "keep"]), name="known_kind"),
)

# Every try, written before the socket is opened.
attempts = sa.Table(
    "attempts",
    metadata,
    sa.Column("id", ID, primary_key=True),
    sa.Column("delivery", ID, sa.ForeignKey("deliveries.id"), nullable=False),
    sa.Column("number", sa.Integer, nullable=False),
    sa.Column("incarnation", sa.Integer, nullable=False),
    sa.Column("fence", sa.Integer, nullable=False),
    sa.Column("request_hash", sa.String(64), nullable=False),
    sa.Column("intent_at", UtcDateTime, nullable=False),
    sa.Column("deadline_s", sa.Float, nullable=False),
    sa.Column("outcome", sa.String(20), nullable=False),
    sa.Column("detail", sa.Text),
    sa.Column("ended_at", UtcDateTime),
    sa.CheckConstraint(
        _in("outcome", ["open", "accepted", "refused", "aborted_unsent", "unsent", "unknown"]),
        name="known_outcome",
    ),
)
sa.Index("ix_attempts_delivery", attempts.c.delivery)
sa.Index("ix_attempts_intent", attempts.c.intent_at)
sa.Index(
    "uq_attempts_open",
    attempts.c.delivery,
    unique=True,
    sqlite_where=attempts.c.outcome == "open",
    postgresql_where=attempts.c.outcome == "open",
)
# What a network said when it was asked for a post whose answer was lost; one row a look.
looks = sa.Table(
    "looks",
    metadata,
    sa.Column("attempt", ID, sa.ForeignKey("attempts.id"), primary_key=True),
    sa.Column("number", sa.Integer, primary_key=True),
    sa.Column("at", UtcDateTime, nullable=False),
    sa.Column("found", sa.String(10), nullable=False),
    sa.Column("detail", sa.Text, nullable=False),
    sa.CheckConstraint(_in("found", ["there", "absent", "unknown"]), name="known_found"),
)
# A human's wish that a post be taken down; the post itself, with its id there, stays in the store.
retractions = sa.Table(
    "retractions",
    metadata,
    sa.Column("id", ID, primary_key=True),
    sa.Column("delivery", ID, sa.ForeignKey("deliveries.id"), nullable=False),
    sa.Column("asked_at", UtcDateTime, nullable=False),
    sa.Column("asked_by", ID, nullable=False),
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("tries", sa.Integer, nullable=False, server_default="0"),
    sa.Column("next_at", UtcDateTime, nullable=False),
    sa.Column("outcome", sa.String(10), nullable=False),
    sa.Column("detail", sa.Text),
    sa.Column("ended_at", UtcDateTime),
    sa.CheckConstraint(
        _in("outcome", ["open", "gone", "refused", "given_up"]), name="known_outcome"
    ),
    sa.CheckConstraint("asked_by <> 'machine'", name="asked_by_a_human"),
)
sa.Index("ix_retractions_delivery", retractions.c.delivery)
sa.Index(
    "uq_retractions_open",
    retractions.c.delivery,
    unique=True,
    sqlite_where=retractions.c.outcome == "open",
    postgresql_where=retractions.c.outcome == "open",
)
# The hard cap counts attempts of a channel's rolling hour; a channel waits after a 401 or 429.
channel_state = sa.Table(
    "channel_state",
    metadata,
    sa.Column("channel", sa.String(100), primary_key=True),
    sa.Column("waits_until", UtcDateTime),
    sa.Column("why", sa.Text),
)

# ---- the news -----------------------------------------------------------------------------------
feeds = sa.Table(
    "feeds",
    metadata,
    sa.Column("name", sa.String(200), primary_key=True),
    sa.Column("url", sa.Text, nullable=False),
    sa.Column("first_poll_at", UtcDateTime),
    sa.Column("last_poll_at", UtcDateTime),
    sa.Column("last_good_at", UtcDateTime),
    # The last good poll whose items are all graded: what sight counts from.
    sa.Column("graded_at", UtcDateTime),
    sa.Column("newest_item_at", UtcDateTime),
    sa.Column("etag", sa.Text),
    sa.Column("last_modified", sa.Text),
    sa.Column("body_hash", sa.String(64)),
    sa.Column("failures", sa.Integer, nullable=False, server_default="0"),
    sa.Column("problem", sa.Text),
    sa.Column("next_poll_at", UtcDateTime),
    sa.Column("backoff_until", UtcDateTime),
    sa.Column("ttl_s", sa.Float),
    # Who it is, as it was configured last: of a removed feed, too.
    sa.Column("outlet", sa.String(200)),
    sa.Column("newsroom", sa.String(200)),
    # Items shown from then on are those that it showed when its content came last.
    sa.Column("shown_from", UtcDateTime),
)

items = sa.Table(
    "items",
    metadata,
    sa.Column("id", ID, primary_key=True),
    sa.Column("feed", sa.String(200), nullable=False),
    sa.Column("guid", sa.String(64), nullable=False),
    sa.Column("title", sa.Text, nullable=False),
    sa.Column("summary", sa.Text, nullable=False),
    sa.Column("url", sa.Text, nullable=False),
    sa.Column("lang", sa.String(40)),
    sa.Column("published", UtcDateTime),
    sa.Column("first_seen", UtcDateTime, nullable=False),
    # Silent: read while a feed was primed; recorded, never graded.
    sa.Column("silent", sa.Boolean, nullable=False, server_default=sa.false()),
    sa.Column("graded", sa.Boolean, nullable=False, server_default=sa.false()),
    sa.Column("grade", sa.String(10)),
    sa.Column("signal", JSON),
    sa.Column("story", ID),
    # When the feed was last seen to show it, to within a day; None like first_seen.
    sa.Column("shown_at", UtcDateTime),
    sa.UniqueConstraint("feed", "guid"),
)
sa.Index(
    "ix_items_ungraded",
    items.c.first_seen,
    sqlite_where=sa.and_(items.c.graded == sa.false(), items.c.silent == sa.false()),
    postgresql_where=sa.and_(items.c.graded == sa.false(), items.c.silent == sa.false()),
)
sa.Index("ix_items_seen", items.c.first_seen)
sa.Index("ix_items_feed_seen", items.c.feed, items.c.first_seen)
sa.Index("ix_items_story", items.c.story, items.c.first_seen)

stories = sa.Table(
    "stories",
    metadata,
    sa.Column("id", ID, primary_key=True),
    sa.Column("title", sa.Text, nullable=False),
    sa.Column("state", sa.String(20), nullable=False),
    sa.Column("first_item_at", UtcDateTime, nullable=False),
    sa.Column("last_item_at", UtcDateTime, nullable=False),
    sa.Column("unconfirmed_at", UtcDateTime),
    sa.Column("tripped_at", UtcDateTime),
    sa.Column("body", JSON, nullable=False),
)
sa.Index("ix_stories_last", stories.c.last_item_at)

# ---- people are told ----------------------------------------------------------------------------
# One notice = one thing to say; the text is written when it is sent, so that it is true then.
notices = sa.Table(
    "notices",
    metadata,
    sa.Column("id", ID, primary_key=True),
    sa.Column("kind", sa.String(30), nullable=False),
    sa.Column("ref", sa.String(200), nullable=False),
    sa.Column("facts", JSON, nullable=False),
    sa.Column("created_at", UtcDateTime, nullable=False),
    sa.Column("escalates", sa.Boolean, nullable=False, server_default=sa.false()),
    sa.Column("loud", sa.Boolean, nullable=False, server_default=sa.true()),
    sa.Column("level", sa.Integer, nullable=False, server_default="0"),
    sa.Column("next_at", UtcDateTime),
    sa.Column("first_accepted_at", UtcDateTime),
    sa.Column("acked_at", UtcDateTime),
    sa.Column("acked_by", ID),
    sa.Column("done_at", UtcDateTime),
)
sa.Index("ix_notices_next", notices.c.next_at)

# One row an address and round of a notice.
tellings = sa.Table(
    "tellings",
    metadata,
    sa.Column("notice", ID, sa.ForeignKey("notices.id"), primary_key=True),
    sa.Column("round", sa.Integer, primary_key=True),
    # Which address: list number and position, never the address itself (it holds secrets).
    sa.Column("address", sa.String(40), primary_key=True),
    sa.Column("tries", sa.Integer, nullable=False, server_default="0"),
    sa.Column("next_at", UtcDateTime),
    sa.Column("accepted_at", UtcDateTime),
    sa.Column("problem", sa.Text),
)
sa.Index("ix_tellings_next", tellings.c.next_at)

relay_runs = sa.Table(
    "relay_runs",
    metadata,
    sa.Column("id", ID, primary_key=True),
    sa.Column("relay", sa.String(100), nullable=False),
    sa.Column("event", sa.String(20), nullable=False),
    sa.Column("version", sa.Integer, nullable=False),
    sa.Column("created_at", UtcDateTime, nullable=False),
    sa.Column("tries", sa.Integer, nullable=False, server_default="0"),
    sa.Column("next_at", UtcDateTime),
    sa.Column("reached_at", UtcDateTime),
    sa.Column("problem", sa.Text),
)
sa.Index("ix_relay_runs_next", relay_runs.c.next_at)

# ---- incidents ----------------------------------------------------------------------------------
incidents = sa.Table(
    "incidents",
    metadata,
    sa.Column("id", ID, primary_key=True),
    sa.Column("title", sa.Text, nullable=False),
    sa.Column("kind", sa.String(20), nullable=False),
    sa.Column("story", ID),
    sa.Column("first_headline_at", UtcDateTime),
    sa.Column("detected_at", UtcDateTime),
    sa.Column("tripped_at", UtcDateTime, nullable=False),
    sa.Column("accepted_at", UtcDateTime),
    sa.Column("sealed_at", UtcDateTime),
    sa.Column("acked_at", UtcDateTime),
    sa.Column("acked_by", ID),
    sa.Column("resumed_at", UtcDateTime),
    sa.Column("resumed_by", ID),
    sa.Column("resume_reason", sa.Text),
    sa.Column("outcome", sa.String(20)),
)
sa.Index("ix_incidents_tripped", incidents.c.tripped_at)

# ---- the audit chain ----------------------------------------------------------------------------
audit = sa.Table(
    "audit",
    metadata,
    sa.Column("seq", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("at", UtcDateTime, nullable=False),
    sa.Column("actor", ID, nullable=False),
    sa.Column("event", sa.String(60), nullable=False),
    sa.Column("subject", sa.String(200), nullable=False),
    sa.Column("data", sa.Text, nullable=False),
    sa.Column("prev", sa.String(64), nullable=False),
    sa.Column("hash", sa.String(64), nullable=False),
)
sa.Index("ix_audit_subject", audit.c.subject)
sa.Index("ix_audit_event", audit.c.event, audit.c.seq)

audit_head = sa.Table(
    "audit_head",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("seq", sa.Integer, nullable=False),
    sa.Column("hash", sa.String(64), nullable=False),
)
