"""
Who gets in: a cap for requests at once, and reserved places for the pause.

A plain ASGI layer before everything else, so that a request that is refused costs nothing.
"""

from __future__ import annotations

from collections import Counter

from starlette.types import ASGIApp, Receive, Scope, Send

from killswitch.control.peers import Peer
from killswitch.control.problems import answer
from killswitch.errors import TransientError

AT_ONCE = 32
EACH_UID = 16
"""One user's requests at once, so that a script that runs wild leaves places for others."""
RESERVED_AT_ONCE = 64
"""Places of pause and ack, beyond the others."""
RESERVED = frozenset({("POST", "/v1/pause"), ("POST", "/v1/ack")})


class Admission:
    """The layer; its counters are touched by the event loop alone."""

    def __init__(self, app: ASGIApp) -> None:
        """Wrap the application."""
        self._app = app
        self._inside: Counter[int | None] = Counter()
        self._reserved = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a request in, or refuse it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        if (scope["method"], scope["path"]) in RESERVED:
            await self._pass_reserved(scope, receive, send)
        else:
            await self._pass(scope, receive, send)

    async def _pass_reserved(self, scope: Scope, receive: Receive, send: Send) -> None:
        if self._reserved >= RESERVED_AT_ONCE:
            await _busy(scope, receive, send)
            return
        self._reserved += 1
        try:
            await self._app(scope, receive, send)
        finally:
            self._reserved -= 1

    async def _pass(self, scope: Scope, receive: Receive, send: Send) -> None:
        peer = scope.get("state", {}).get("peer")
        uid = peer.uid if isinstance(peer, Peer) else None
        if self._inside.total() >= AT_ONCE or self._inside[uid] >= EACH_UID:
            await _busy(scope, receive, send)
            return
        self._inside[uid] += 1
        try:
            await self._app(scope, receive, send)
        finally:
            self._inside[uid] -= 1
            if not self._inside[uid]:
                del self._inside[uid]


async def _busy(scope: Scope, receive: Receive, send: Send) -> None:
    error = TransientError(
        "busy", "the daemon serves as many requests as it can; nothing was done", "try again"
    )
    refusal = answer(error)
    refusal.headers["retry-after"] = "1"
    await refusal(scope, receive, send)
