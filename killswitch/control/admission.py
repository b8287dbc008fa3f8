"""
Who gets in: a cap for bodies, a cap for requests at once, and reserved places for the pause.

A plain ASGI layer before everything else, so that a request that is refused costs nothing.
"""

from __future__ import annotations

from collections import Counter
from http import HTTPStatus

from fastapi import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from killswitch.control.peers import Peer
from killswitch.control.problems import answer
from killswitch.errors import TransientError, UsageError

BODY_MOST = 1024 * 1024
AT_ONCE = 32
EACH_UID = 16
"""One user's requests at once, so that a script that runs wild leaves places for others."""
RESERVED_AT_ONCE = 64
"""Places of pause and ack, beyond the others."""
RESERVED = frozenset({("POST", "/v1/pause"), ("POST", "/v1/ack")})

_LONG = f"a request holds at most {BODY_MOST} bytes; nothing was done"


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
        if _announced(scope) > BODY_MOST:
            await _too_long(scope, receive, send)
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
            await self._capped(scope, receive, send)
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
            await self._capped(scope, receive, send)
        finally:
            self._inside[uid] -= 1
            if not self._inside[uid]:
                del self._inside[uid]

    async def _capped(self, scope: Scope, receive: Receive, send: Send) -> None:
        seen = 0

        async def counted() -> Message:
            nonlocal seen
            message = await receive()
            seen += len(message.get("body", b""))
            if seen > BODY_MOST:
                # FastAPI lets just this kind pass while it reads a body.
                raise HTTPException(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, detail=_LONG)
            return message

        await self._app(scope, counted, send)


def _announced(scope: Scope) -> int:
    for name, value in scope["headers"]:
        if name == b"content-length":
            return int(value) if value.isdigit() and len(value) < 20 else BODY_MOST + 1
    return 0


async def _too_long(scope: Scope, receive: Receive, send: Send) -> None:
    error = UsageError("too_long", _LONG, "send less")
    refusal = answer(error, status=HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
    refusal.headers["connection"] = "close"
    await refusal(scope, receive, send)


async def _busy(scope: Scope, receive: Receive, send: Send) -> None:
    error = TransientError(
        "busy", "the daemon serves as many requests as it can; nothing was done", "try again"
    )
    refusal = answer(error)
    refusal.headers["retry-after"] = "1"
    await refusal(scope, receive, send)
