"""
From the event loop into threads: who calls, which pool, and what goes back.

Handlers of the API hand their act over and await it; the acts are synchronous calls of the desk.
Each kind of act has threads of its own, so that imports and lists can't starve a pause:

    ``urgent``   pause and ack
    ``status``   status
    ``waiting``  seal, which may wait for seconds: a thread for each of its places (``admission``)
    ``work``     everything else
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from anyio import CapacityLimiter
from anyio.to_thread import run_sync
from fastapi import Request
from fastapi.responses import JSONResponse, Response

from killswitch.control.admission import SEALS_AT_ONCE
from killswitch.control.peers import Peer, Roles
from killswitch.errors import RefusedError, UsageError
from killswitch.wire import NAME_LONGEST, Caller

URGENT = 4
STATUS = 2
WAITING = SEALS_AT_ONCE
WORK = 8
KEY_LONGEST = 80

VIEW: frozenset[str] = frozenset()
"""Open to every peer that reaches the socket."""

Act = Callable[[Caller], object]


class Rim:
    """The pools and the rules of one application."""

    def __init__(self, roles: Callable[[], Roles]) -> None:
        """Keep the source of rules; a reload of the configuration may change them."""
        self._roles = roles
        self._urgent = CapacityLimiter(URGENT)
        self._status = CapacityLimiter(STATUS)
        self._waiting = CapacityLimiter(WAITING)
        self._work = CapacityLimiter(WORK)

    async def urgent(self, request: Request, act: Act) -> Response:
        """Pause or acknowledge: open to everyone, never refused for a name, own threads."""
        return await run_sync(partial(self._hurried, request, act), limiter=self._urgent)

    async def status(self, act: Callable[[], object]) -> Response:
        """Tell the state."""
        return await run_sync(lambda: _answer(act()), limiter=self._status)

    async def waiting(self, act: Callable[[], object]) -> Response:
        """Wait for something and tell it."""
        return await run_sync(lambda: _answer(act()), limiter=self._waiting)

    async def view(self, act: Callable[[], object]) -> Response:
        """Tell something that every peer may see."""
        return await run_sync(lambda: _answer(act()), limiter=self._work)

    async def text(self, act: Callable[[], str], *, media_type: str) -> Response:
        """Tell something that is not JSON."""
        return await run_sync(lambda: Response(act(), media_type=media_type), limiter=self._work)

    async def work(
        self, request: Request, act: Act, *, need: frozenset[str], named: bool = False
    ) -> Response:
        """
        Carry out an act of a peer that has one of the roles.

        Args:
            request: Brings the peer, ``X-Killswitch-As`` and ``Idempotency-Key``.
            act: Called in a thread with the caller.
            need: Roles, any of them.
            named: A human must answer for it: root and the daemon's user have to say which.

        Raises:
            RefusedError: No such role, or nobody's name.
        """
        checked = partial(self._checked, request, act, need=need, named=named)
        return await run_sync(checked, limiter=self._work)

    def _hurried(self, request: Request, act: Act) -> Response:
        said = _header(request, "x-killswitch-as")
        key = _header(request, "idempotency-key")
        return _answer(act(self._roles().hurried(_peer(request), said=said, key=key)))

    def _checked(
        self, request: Request, act: Act, *, need: frozenset[str], named: bool
    ) -> Response:
        roles = self._roles()
        said = _said(request)
        key = _header(request, "idempotency-key")
        caller = roles.caller(_peer(request), said=said, key=key)
        roles.require(caller, need)
        if named:
            roles.require_person(caller)
        return _answer(act(caller))


def _peer(request: Request) -> Peer:
    peer = getattr(request.state, "peer", None)
    if not isinstance(peer, Peer):
        raise RefusedError(
            "role", "the kernel did not say who is calling; nothing was done", "use the Unix socket"
        )
    return peer


def _said(request: Request) -> str | None:
    """
    Read for whom the caller acts.

    Raises:
        UsageError: It is no name; to go on would record the act under another one.
    """
    name = _header(request, "x-killswitch-as")
    if name is None and request.headers.get("x-killswitch-as", "").strip():
        raise UsageError(
            "as_name",
            f"the name after --as is one line of at most {NAME_LONGEST} signs, without control "
            "signs; nothing was done",
        )
    return name


def _header(request: Request, name: str) -> str | None:
    """Read a header as printable text of bounded length; anything else counts as absent."""
    raw = request.headers.get(name)
    if raw is None:
        return None
    try:
        text = raw.encode("latin-1").decode("utf-8").strip()
    except UnicodeDecodeError:
        return None
    return text if text and text.isprintable() and len(text) <= KEY_LONGEST else None


def _answer(doc: object) -> Response:
    return JSONResponse({} if doc is None else doc)
