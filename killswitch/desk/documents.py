"""Turn rows and values into the JSON shapes of the API."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from killswitch.desk.context import Context
from killswitch.latch import Cause, Inhibit
from killswitch.queue.looking import Looked
from killswitch.queue.states import DeliveryState
from killswitch.store import attempts, decisions, deliveries, holds, looks, people, retractions
from killswitch.store.deliveries import Delivery
from killswitch.store.engine import Connection
from killswitch.wire import (
    AuditDoc,
    CauseDoc,
    ChannelDoc,
    DeliveryDoc,
    EvidenceDoc,
    InhibitDoc,
    LookedDoc,
    PostDoc,
    RetractionDoc,
    z_or_none,
    z_time,
)

_S = DeliveryState
# Where a post is, or may be, on its network: what was looked for and taken down is told of these.
_OUT = frozenset({_S.UNCERTAIN, _S.SENT, _S.RETRACTING, _S.RETRACTED})
# What its channel could still take, if there were one.
_MAY_LEAVE = frozenset({_S.DRAFT, _S.AWAITING_APPROVAL, _S.SCHEDULED, _S.CLAIMED, _S.HELD})
_ASKED = _OUT | {_S.SENDING}
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


def out_docs(conn: Connection, found: Sequence[Delivery]) -> list[PostDoc]:
    """Return what went out, or may have, with when its request did."""
    requests = attempts.requests_of(conn, [one.id for one in found])
    return [{**post_doc(one), "request_at": _asked_at(requests.get(one.id))} for one in found]


def _asked_at(request: Any) -> str | None:
    return z_or_none(request.intent_at) if request else None


def _answered_at(request: Any) -> str | None:
    is_answered = request is not None and request.outcome == attempts.ACCEPTED
    return z_or_none(request.ended_at) if is_answered else None


def doubt_docs(conn: Connection, found: Sequence[Delivery]) -> list[PostDoc]:
    """Return what may have gone out, with what its network said when it was asked."""
    looked = looks.of(conn, [one.id for one in found])
    documents = []
    for one, document in zip(found, out_docs(conn, found), strict=True):
        if one.state is _S.RETRACTING:
            document["note"] = "it is being taken down"
        elif one.id in looked and looked[one.id].looks:
            document["note"] = looked[one.id].words
        documents.append(document)
    return documents


def looked_doc(looked: Looked) -> LookedDoc:
    """Return what was looked for, and what people read of it."""
    last = looked.looks[-1] if looked.looks else None
    return {
        "times": len(looked.looks),
        "found": last.found if last else None,
        "not_found": looked.is_not_found,
        "at": z_time(last.at) if last else None,
        "next_at": z_or_none(looked.next_at),
        "words": looked.words,
    }


def retraction_doc(wish: Any, names: Mapping[str, str]) -> RetractionDoc:
    """Return one wish to take a post down."""
    return {
        "asked_at": z_time(wish.asked_at),
        "by": names.get(wish.asked_by),
        "reason": wish.reason,
        "tries": wish.tries,
        "outcome": wish.outcome,
        "detail": wish.detail,
        "next_at": z_time(wish.next_at) if wish.outcome == retractions.OPEN else None,
        "ended_at": z_or_none(wish.ended_at),
    }


def gone_doc(name: str, count: int, sent: int) -> ChannelDoc:
    """Name a channel that is not configured any more while posts still wait for it."""
    problem = f"not configured, {count} posts wait"
    return {
        "name": name,
        "kind": "-",
        "ok": False,
        "limits": {},
        "sent_24h": sent,
        "waits_until": None,
        "problem": "not configured, 1 post waits" if count == 1 else problem,
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
    ctx: Context, conn: Connection, found: Sequence[Delivery], *, now: datetime
) -> list[DeliveryDoc]:
    """Return deliveries as ``queue list`` shows them, with their holds and decisions."""
    ids = [one.id for one in found]
    out = [one.id for one in found if one.state in _OUT]
    asked = [one.id for one in found if one.state in _ASKED or one.sent_at is not None]
    wishes = retractions.of(conn, out)
    facts = _Facts(
        holds=holds.holds_of(conn, ids),
        decided=decisions.of(conn, ids),
        looked=looks.of(conn, out),
        requests=attempts.requests_of(conn, asked),
        wishes={one: rows[-1] for one, rows in wishes.items() if rows},
        numbers=deliveries.numbers(conn, {one.post for one in found}),
        now=now,
        ctx=ctx,
    )
    known = {one.author for one in found} | {one.approved_by for one in found if one.approved_by}
    known |= {wish.asked_by for wish in facts.wishes.values()}
    names = people.names(conn, known)
    return [_delivery_doc(one, facts, names) for one in found]


@dataclass(frozen=True, slots=True)
class _Facts:
    """What is known of a page of deliveries, by delivery id; the numbers of deliveries by post."""

    holds: Mapping[str, Sequence[Any]]
    decided: Mapping[str, Any]
    looked: Mapping[str, Looked]
    requests: Mapping[str, Any]
    wishes: Mapping[str, Any]
    numbers: Mapping[str, int]
    now: datetime
    ctx: Context


def _delivery_doc(one: Delivery, facts: _Facts, names: Mapping[str, str]) -> DeliveryDoc:
    standing, decision = facts.holds[one.id], facts.decided.get(one.id)
    looked, wish = facts.looked.get(one.id), facts.wishes.get(one.id)
    asked = looked is not None and (one.state is _S.UNCERTAIN or bool(looked.looks))
    # An approval is of the words that were approved: an edit since makes it void.
    as_approved = one.approved_hash == one.content_hash
    return {
        "id": one.id,
        "post": one.post,
        "post_deliveries": facts.numbers[one.post],
        "key": one.key,
        "channel": one.channel,
        "state": one.state.value,
        "due": z_time(one.due_at),
        "text": one.content.text,
        "tags": list(one.content.tags),
        "reason": standing[0].kind if standing else None,
        "decision": decision.kind if decision else None,
        "decided_due": z_or_none(decision.due_at) if decision else None,
        "clash": sorted({word for h in standing if h.kind == "clash" for word in h.words}),
        "wall": one.wall,
        "zone": one.zone,
        "holds": [{"kind": h.kind, "ref": h.ref, "words": list(h.words)} for h in standing],
        "media": [{"path": m.path, "alt": m.alt} for m in one.content.media],
        "link": one.content.link,
        "author": names.get(one.author, one.author),
        "approved_by": names.get(one.approved_by) if one.approved_by and as_approved else None,
        "remote_id": one.remote_id,
        "remote_url": one.remote_url,
        "sent_at": z_or_none(one.sent_at),
        "request_at": _asked_at(facts.requests.get(one.id)),
        "answer_at": _answered_at(facts.requests.get(one.id)),
        "problem": one.problem,
        "expires": z_or_none(one.expires_at),
        "stale": one.state is _S.HELD and facts.now - one.due_at > facts.ctx.queue.stale_after,
        "channel_gone": one.state in _MAY_LEAVE and facts.ctx.is_gone(one.channel),
        "looked": looked_doc(looked) if looked is not None and asked else None,
        "retraction": retraction_doc(wish, names) if wish else None,
    }
