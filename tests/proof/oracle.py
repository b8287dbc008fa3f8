"""
The oracle: reads what the public saw and what the store says, and names every broken promise.

Nothing lost, nothing twice, nothing published while sealed (but for what the receipt names), no
post called sent that is not out, none out that is called anything but sent or uncertain.
"""

from __future__ import annotations

import json
import sqlite3
from collections import Counter
from collections.abc import Collection, Container, Iterable, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tests.proof.platform import Published

OUT = frozenset({"sent", "uncertain"})
"""What a post that the public saw may be called."""


@dataclass(frozen=True, slots=True)
class Window:
    """One stretch of time in which a receipt said that nothing leaves."""

    sealed_at: datetime
    until: datetime | None
    uncertain: frozenset[str]


@dataclass(frozen=True, slots=True)
class Truth:
    """The store at the end: states of deliveries by id, keys of posts, the audit trail."""

    states: dict[str, str]
    keys: dict[str, list[str]]
    audit: list[dict[str, Any]]
    unknown: dict[str, str]


def read_truth(state: Path) -> Truth:
    """Read a store that no daemon has open."""
    with closing(sqlite3.connect(state / "killswitch.db")) as db:
        db.row_factory = sqlite3.Row
        rows = db.execute(
            "SELECT d.id, d.state, d.channel, p.key FROM deliveries d JOIN posts p ON p.id = d.post"
        ).fetchall()
        audit = [dict(row) for row in db.execute("SELECT * FROM audit ORDER BY seq")]
        unknown = dict(
            db.execute("SELECT delivery, detail FROM attempts WHERE outcome = 'unknown'").fetchall()
        )
    keys: dict[str, list[str]] = {}
    for row in rows:
        keys.setdefault(row["key"], []).append(row["id"])
    return Truth(
        states={row["id"]: row["state"] for row in rows},
        keys=keys,
        audit=audit,
        unknown=unknown,
    )


def read_outbox(path: Path) -> list[Published]:
    """Read the ledger of the file channel."""
    if not path.exists():
        return []
    lines = [json.loads(line) for line in path.read_text().splitlines() if line.strip()]
    return [
        Published(line["delivery"], datetime.fromisoformat(line["sent_at"]), answered=True)
        for line in lines
    ]


def windows(audit: Iterable[dict[str, Any]]) -> list[Window]:
    """Find from the audit trail when it was sealed, and until when."""
    open_causes: set[str] = set()
    sealed: tuple[datetime, frozenset[str]] | None = None
    found: list[Window] = []
    for row in audit:
        at = datetime.fromisoformat(row["at"]).astimezone(UTC)
        if row["event"] == "cause.opened":
            open_causes.add(row["subject"])
        elif row["event"] == "cause.closed":
            open_causes.discard(row["subject"])
            if not open_causes and sealed is not None:
                found.append(Window(sealed[0], at, sealed[1]))
                sealed = None
        elif row["event"] == "pause.sealed":
            uncertain = frozenset(json.loads(row["data"])["uncertain"])
            # A later receipt of the same pause names more, never fewer.
            sealed = (sealed[0] if sealed else at, uncertain | (sealed[1] if sealed else uncertain))
    if sealed is not None:
        found.append(Window(sealed[0], None, sealed[1]))
    return found


def judge(
    truth: Truth,
    ledger: Sequence[Published],
    *,
    accepted: Collection[str],
    resolved: Collection[str] = (),
) -> list[str]:
    """
    Name every broken promise.

    Args:
        truth: The store at the end.
        ledger: What the public saw.
        accepted: Keys of the posts that the daemon said it had taken.
        resolved: Deliveries that a human settled by hand.
    """
    seen = Counter(one.delivery for one in ledger)
    wrong = [
        f"lost: post {key} was accepted and is not there" for key in accepted - truth.keys.keys()
    ]
    wrong += [f"double: {one} was published {n} times" for one, n in seen.items() if n > 1]
    wrong += [f"unknown to us: {one} was published" for one in seen.keys() - truth.states.keys()]
    for one, state in truth.states.items():
        if one in resolved:
            continue
        if state == "sent" and not seen[one]:
            wrong.append(f"a lie: {one} is called sent and is not out")
        if seen[one] and state not in OUT:
            wrong.append(f"a lie: {one} is out and is called {state}")
    for window in windows(truth.audit):
        for one in ledger:
            after = one.at > window.sealed_at and (window.until is None or one.at < window.until)
            if after and one.delivery not in window.uncertain:
                wrong.append(f"sealed: {one.delivery} left at {one.at} inside {window}")
    return wrong


def judge_doubts(truth: Truth, *, excused: Container[str]) -> list[str]:
    """Only an answer that the network broke off, or a daemon that died, leaves a doubt."""
    return [
        f"a needless doubt: {one} ({detail})"
        for one, detail in truth.unknown.items()
        if one not in excused and "the daemon ended" not in detail
    ]


def judge_receipts(truth: Truth, *, told: Iterable[str]) -> list[str]:
    """What people were told is sealed stands in the audit trail with that very instant."""
    written = {_instant(row["at"]) for row in truth.audit if row["event"] == "pause.sealed"}
    return [
        f"a receipt of {at} was told and never written"
        for at in told
        if _instant(at) not in written
    ]


def _instant(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC).replace(microsecond=0)
