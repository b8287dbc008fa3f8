"""Turn rows and values into the JSON shapes of the API."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from killswitch.latch import Cause, Inhibit
from killswitch.queue.states import DeliveryState
from killswitch.store import decisions, deliveries, people
from killswitch.store.deliveries import Delivery
from killswitch.store.engine import Connection
from killswitch.wire import (
    AuditDoc,
    CauseDoc,
    DeliveryDoc,
    EvidenceDoc,
    InhibitDoc,
    PostDoc,
    z_or_none,
    z_time,
)

# People recognise a post by its beginning.
HEAD_CHARS = 80


def post_doc(one: Delivery) -> PostDoc:
    """Return a delivery in one line."""
    return {
        "id": one.id,
        "channel": one.channel,
        "text": head(one.content.text),
        "at": z_or_none(one.sent_at),
    }


def head(text: str) -> str:
    """Return the beginning of a text in one line."""
    line = " ".join(text.split())
    return line if len(line) <= HEAD_CHARS else line[: HEAD_CHARS - 1] + "…"


def cause_doc(cause: Cause, names: Mapping[str, str]) -> CauseDoc:
    """Return one open cause."""
    return {
        "id": cause.id,
        "kind": cause.kind.value,
        "reason": cause.reason,
        "since": z_time(cause.since),
        "by": names.get(cause.by, cause.by),
        "evidence": [_evidence(entry) for entry in cause.evidence],
        "rule": cause.rule,
    }


def _evidence(entry: Mapping[str, Any]) -> EvidenceDoc:
    return {
        "title": entry.get("title", ""),
        "outlet": entry.get("outlet", ""),
        "url": entry.get("url"),
        "at": entry.get("at"),
    }


def inhibit_doc(inhibit: Inhibit) -> InhibitDoc:
    """Return one self-lifting wait."""
    return {"kind": inhibit.kind.value, "reason": inhibit.reason, "since": z_time(inhibit.since)}


def audit_doc(row: Any, names: Mapping[str, str]) -> AuditDoc:
    """Return one row of the audit trail."""
    return {
        "seq": row.seq,
        "at": z_time(row.at),
        "actor": names.get(row.actor, row.actor),
        "event": row.event,
        "subject": row.subject,
        "data": json.loads(row.data),
    }


def delivery_docs(
    conn: Connection, found: Sequence[Delivery], *, now: datetime, stale_after: timedelta
) -> list[DeliveryDoc]:
    """Return deliveries as ``queue list`` shows them, with their holds and decisions."""
    ids = [one.id for one in found]
    holds = deliveries.holds_of(conn, ids)
    decided = decisions.of(conn, ids)
    known = people.names(
        conn, {one.author for one in found} | {one.approved_by for one in found if one.approved_by}
    )
    return [
        _delivery_doc(one, holds[one.id], decided.get(one.id), known, now, stale_after)
        for one in found
    ]


def _delivery_doc(  # noqa: PLR0917 - the parts of one document
    one: Delivery,
    holds: Sequence[Any],
    decision: Any,
    names: Mapping[str, str],
    now: datetime,
    stale_after: timedelta,
) -> DeliveryDoc:
    return {
        "id": one.id,
        "post": one.post,
        "key": one.key,
        "channel": one.channel,
        "state": one.state.value,
        "due": z_time(one.due_at),
        "text": one.content.text,
        "tags": list(one.content.tags),
        "reason": holds[0].kind if holds else None,
        "decision": decision.kind if decision else None,
        "clash": sorted({word for h in holds if h.kind == "clash" for word in h.words}),
        "wall": one.wall,
        "zone": one.zone,
        "holds": [{"kind": h.kind, "ref": h.ref, "words": list(h.words)} for h in holds],
        "media": [{"path": m.path, "alt": m.alt} for m in one.content.media],
        "link": one.content.link,
        "author": names.get(one.author, one.author),
        "approved_by": names.get(one.approved_by) if one.approved_by else None,
        "remote_id": one.remote_id,
        "sent_at": z_or_none(one.sent_at),
        "problem": one.problem,
        "expires": z_or_none(one.expires_at),
        "stale": one.state is DeliveryState.HELD and now - one.due_at > stale_after,
    }
