"""
Who gets in: a cap for requests at once, and reserved places for the pause and for its proof.

A plain ASGI layer before everything else, so that a request that is refused costs nothing.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from starlette.types import ASGIApp, Receive, Scope, Send

from killswitch.control.peers import Peer
from killswitch.control.problems import answer
from killswitch.errors import TransientError

AT_ONCE = 32
EACH_UID = 16
"""One user's requests at once, so that a script that runs wild leaves places for others."""
URGENT_AT_ONCE = 64
"""Places of pause and ack, beyond the others."""
SEALS_AT_ONCE = 24
"""Places of those who wait for the proof of a pause, beyond the others; each holds a thread."""
SEALS_EACH_UID = 8
_URGENT = frozenset({("POST", "/v1/pause"), ("POST", "/v1/ack")})
_SEAL = ("GET", "/v1/seal")


@dataclass(slots=True)
class _Places:
    """Places for requests at once: so many in all, and so many for one user."""

    at_once: int
    each_uid: int
    inside: Counter[int | None] = field(default_factory=Counter)

    def enter(self, uid: int | None) -> bool:
        """Take a place if there is one."""
        if self.inside.total() >= self.at_once or self.inside[uid] >= self.each_uid:
            return False
        self.inside[uid] += 1
        return True

    def leave(self, uid: int | None) -> None:
        """Give the place back."""
        self.inside[uid] -= 1
        if not self.inside[uid]:
            del self.inside[uid]


class Admission:
    """The layer; its counters are touched by the event loop alone."""

    def __init__(self, app: ASGIApp) -> None:
        """Wrap the application."""
        self._app = app
        self._urgent = _Places(URGENT_AT_ONCE, URGENT_AT_ONCE)
        self._seals = _Places(SEALS_AT_ONCE, SEALS_EACH_UID)
        self._others = _Places(AT_ONCE, EACH_UID)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a request in, or refuse it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        places = self._places(scope["method"], scope["path"])
        peer = scope.get("state", {}).get("peer")
        uid = peer.uid if isinstance(peer, Peer) else None
        if not places.enter(uid):
            await _busy(scope, receive, send)
            return
        try:
            await self._app(scope, receive, send)
        finally:
            places.leave(uid)

    def _places(self, method: str, path: str) -> _Places:
        if (method, path) in _URGENT:
            return self._urgent
        return self._seals if (method, path) == _SEAL else self._others


async def _busy(scope: Scope, receive: Receive, send: Send) -> None:
    error = TransientError(
        "busy", "the daemon serves as many requests as it can; nothing was done", "try again"
    )
    refusal = answer(error)
    refusal.headers["retry-after"] = "1"
    await refusal(scope, receive, send)
