"""Builders of statuses, facts and stores, and a post office that stands in for the processes."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from killswitch.child import ChildFailed
from killswitch.store.engine import Store
from killswitch.store.schema import metadata
from killswitch.wire import StatusDoc

AT = datetime(2026, 3, 2, 10, 52, tzinfo=UTC)
"""11:52 in Paris."""

STORY = {
    "id": "c1",
    "kind": "story",
    "reason": "Attaque au couteau à Annecy",
    "since": "2026-03-02T10:52:00Z",
    "by": "machine",
    "evidence": [],
}

FACTS: dict[str, Any] = {
    "cause": "story",
    "reason": "Attaque au couteau à Annecy",
    "by": "machine",
    "at": "2026-03-02T10:52:00Z",
    "evidence": [
        {
            "title": "Attaque au couteau à Annecy",
            "outlet": "franceinfo",
            "url": "https://news.example/annecy",
            "at": "2026-03-02T10:47:00Z",
        },
        {
            "title": "Annecy : une attaque au couteau",
            "outlet": "BFMTV",
            "url": "https://other.example/annecy",
            "at": "2026-03-02T10:49:00Z",
        },
    ],
}


def a_status(**changes: Any) -> StatusDoc:
    """A sealed pause about a story, with posts that went out, clashes and places to stop."""
    status: dict[str, Any] = {
        "state": "paused",
        "mode": "live",
        "sealed": True,
        "sealed_at": "2026-03-02T10:52:07Z",
        "version": 3,
        "causes": [STORY],
        "inhibits": [],
        "sight": {"ok": True, "age_s": 4.0, "alive": 31, "feeds": 34},
        "queue": {
            "scheduled": 20,
            "held": 14,
            "sending": 0,
            "uncertain": 0,
            "awaiting_approval": 0,
            "sent_24h": 3,
        },
        "next_due": [
            {"id": "d1", "channel": "Insta", "due": "2026-03-02T11:00:00Z", "text": "Vive l'été !"}
        ],
        "lead_until": None,
        "flags": [],
        "state_dir": "/var/lib/killswitch",
        "now": "2026-03-02T10:52:10Z",
        "who": {"acked_by": None, "acked_at": None, "next": "Léa"},
        "went_out": [
            {
                "id": "d9",
                "channel": "X",
                "text": "Summer sale",
                "at": "2026-03-02T10:50:00Z",
                "author": "Léa",
            }
        ],
        "uncertain": [],
        "incident": {
            "id": "i1",
            "title": "Attaque au couteau à Annecy",
            "outlets": 2,
            "first_headline_at": "2026-03-02T10:47:00Z",
            "first_outlet": "franceinfo",
        },
        "clashes": {"count": 2, "words": ["razor-sharp", "lake of Annecy"]},
        "by_hand": [
            {"name": "Meta Ads", "state": "not_confirmed"},
            {"name": "newsletter", "state": "stopped", "at": "2026-03-02T10:53:00Z"},
        ],
    }
    return status | changes  # type: ignore[return-value] - a document put together by hand


def running(**changes: Any) -> StatusDoc:
    """Nothing is paused."""
    calm: dict[str, Any] = {"state": "running", "sealed": False, "sealed_at": None, "causes": []}
    return a_status(**(calm | changes))


def a_store(folder: Path) -> Store:
    """An empty store on a file of its own."""
    return filled(Store(f"sqlite:///{folder}/killswitch.db"))


def filled(store: Store) -> Store:
    """Create the tables of a store, without its triggers: none concerns notices."""
    with store.write() as conn:
        metadata.create_all(conn)
    return store


@dataclass
class Office:
    """
    Takes what notifier processes would send.

    ``broken`` maps an address to what is wrong with it; ``"timeout"`` means that it never answers.
    """

    broken: dict[str, str] = field(default_factory=dict)
    sent: list[dict[str, Any]] = field(default_factory=list)
    tried: list[str] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def call(
        self, message: dict[str, Any], body: bytes = b"", *, timeout_s: float
    ) -> dict[str, Any]:
        url = message["url"]
        with self._lock:
            self.tried.append(url)
            problem = self.broken.get(url)
            if problem == "timeout":
                raise ChildFailed("timeout", "the notifier gave no answer and was killed")
            if problem is not None:
                return {"accepted": False, "problem": problem}
            self.sent.append(message)
        return {"accepted": True, "problem": None}

    def close(self) -> None:
        """Nothing runs."""

    def urls(self) -> list[str]:
        """The addresses that took a notice since the last call, sorted."""
        with self._lock:
            found = sorted(message["url"] for message in self.sent)
            self.sent.clear()
            self.tried.clear()
        return found
