"""
The other side of every send: a shop that takes signed posts, a pager that takes notices.

Both keep what arrived and when, so that the end can compare it with the store.
"""

from __future__ import annotations

import json
import secrets
import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from killswitch.clock import Clock
from killswitch.demo.serving import Asked, LocalServer, Said
from killswitch.signing import HEADER, verify
from killswitch.wire import read_time

# A signature older than this would be a replay; the receiver's clock is the sender's here.
_TOLERANCE_S = 60.0


@dataclass(frozen=True, slots=True)
class Arrival:
    """
    One post that reached the public.

    Attributes:
        delivery: Its id.
        channel: Where.
        text: What was read.
        at: When it arrived (webhook) or was written (file), aware UTC.
        signed: Whether its signature and idempotency key were right; a file line has none.
    """

    delivery: str
    channel: str
    text: str
    at: datetime
    signed: bool = True


@dataclass(frozen=True, slots=True)
class Told:
    """One notice that reached a human's telephone."""

    title: str
    body: str
    at: datetime


class Shop:
    """A webhook receiver that checks the signature of what it takes."""

    def __init__(self, clock: Clock, on_arrival: Callable[[Arrival], None]) -> None:
        """Serve; ``on_arrival`` is called from the server's threads."""
        self._clock = clock
        self._on_arrival = on_arrival
        self._lock = threading.Lock()
        self._arrived: list[Arrival] = []
        self.secret = secrets.token_urlsafe(24)
        self.server = LocalServer(self._answer)

    def arrived(self) -> list[Arrival]:
        """Return what arrived, in order."""
        with self._lock:
            return list(self._arrived)

    def _answer(self, asked: Asked) -> Said:
        now = self._clock.now()
        right = verify(
            self.secret,
            asked.body,
            asked.headers.get(HEADER) or "",
            now=now,
            tolerance_s=_TOLERANCE_S,
        )
        try:
            post = json.loads(asked.body)
            one = Arrival(
                delivery=post["delivery"],
                channel=post["channel"],
                text=post["text"],
                at=now,
                signed=right and asked.headers.get("Idempotency-Key") == post["delivery"],
            )
        except (ValueError, KeyError, TypeError):
            return Said(400, b"not a post")
        with self._lock:
            self._arrived.append(one)
        self._on_arrival(one)
        if not one.signed:
            return Said(403, b"wrong signature")
        return Said(201, json.dumps({"id": f"shop-{len(self._arrived)}"}).encode())


class Pager:
    """Takes notices as JSON (``json://`` of apprise)."""

    def __init__(self, clock: Clock) -> None:
        """Serve."""
        self._clock = clock
        self._lock = threading.Lock()
        self._told: list[Told] = []
        self.server = LocalServer(self._answer)

    @property
    def address(self) -> str:
        """The notice address for the configuration."""
        return f"json://127.0.0.1:{self.server.port}/pager"

    def told(self) -> list[Told]:
        """Return the notices, in order."""
        with self._lock:
            return list(self._told)

    def _answer(self, asked: Asked) -> Said:
        try:
            notice = json.loads(asked.body)
            told = Told(str(notice["title"]), str(notice["message"]), self._clock.now())
        except (ValueError, KeyError, TypeError):
            return Said(400, b"not a notice")
        with self._lock:
            self._told.append(told)
        return Said(200)


def lines_of(path: Path) -> list[Arrival]:
    """Read what the ``file`` channel has written; a file that is not there yet holds nothing."""
    if not path.exists():
        return []
    found = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    return [
        Arrival(one["delivery"], one["channel"], one["text"], read_time(one["sent_at"]))
        for one in found
    ]
