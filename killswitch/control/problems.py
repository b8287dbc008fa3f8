"""
Errors as the API tells them: problem details (RFC 9457) with the exit code of the command line.

Which kind becomes which status stands in ``status_of``; the client turns ``exit`` back into the
same class, so that a refusal reads the same over the socket and in the process.
"""

from __future__ import annotations

from collections.abc import Callable
from http import HTTPStatus
from typing import Any

import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from killswitch.errors import (
    ConfigError,
    Exit,
    InvariantBroken,
    KillswitchError,
    RefusedError,
    TransientError,
    UsageError,
)
from killswitch.wire import ProblemDoc

_log = structlog.get_logger(__name__)

MEDIA_TYPE = "application/problem+json"
FORBIDDEN = frozenset({"role", "who", "as_refused"})
FAULTS_SHOWN = 5
"""Wrong fields told in one answer; the rest is counted."""

Fault = Callable[[Exception], None]


_BY_CODE = {"not_found": HTTPStatus.NOT_FOUND} | dict.fromkeys(FORBIDDEN, HTTPStatus.FORBIDDEN)
_BY_KIND: tuple[tuple[type[KillswitchError], HTTPStatus], ...] = (
    (UsageError, HTTPStatus.UNPROCESSABLE_ENTITY),
    (ConfigError, HTTPStatus.UNPROCESSABLE_ENTITY),
    (RefusedError, HTTPStatus.CONFLICT),
    (TransientError, HTTPStatus.SERVICE_UNAVAILABLE),
)


def status_of(error: KillswitchError) -> HTTPStatus:
    """Choose the HTTP status of an error: its code goes before its kind."""
    by_kind = (status for kind, status in _BY_KIND if isinstance(error, kind))
    return _BY_CODE.get(error.code) or next(by_kind, HTTPStatus.INTERNAL_SERVER_ERROR)


def answer(error: KillswitchError, *, status: HTTPStatus | None = None) -> JSONResponse:
    """Tell one error."""
    status = status or status_of(error)
    doc = ProblemDoc(
        type="about:blank",
        title=status.phrase,
        status=status.value,
        detail=error.message,
        code=error.code,
        hint=error.hint,
        exit=int(error.exit),
    )
    return JSONResponse(doc, status_code=status.value, media_type=MEDIA_TYPE)


def install(app: FastAPI, *, on_fault: Fault) -> None:
    """Let every error of the application leave as problem details."""

    async def named(request: Request, error: Exception) -> JSONResponse:
        if not isinstance(error, KillswitchError):
            raise error
        if isinstance(error, TransientError):
            # Whoever asked is told; whoever watches the log wants to know that the store fails.
            _log.warning("request.failed", path=request.url.path, problem=error.message)
        return answer(error)

    async def invalid(_request: Request, error: Exception) -> JSONResponse:
        faults = error.errors() if isinstance(error, RequestValidationError) else []
        return answer(
            UsageError(
                "invalid",
                _told(list(faults)),
                "mend what is named, and try again; --help of the command tells its forms",
            )
        )

    async def missing(_request: Request, error: Exception) -> JSONResponse:
        code = error.status_code if isinstance(error, HTTPException) else 500
        detail = str(error.detail) if isinstance(error, HTTPException) else ""
        kind = RefusedError if code in {404, 405} else UsageError
        return answer(kind("http", detail or HTTPStatus(code).phrase), status=HTTPStatus(code))

    async def ours(_request: Request, error: Exception) -> JSONResponse:
        on_fault(error)
        return answer(_bug(error))

    app.add_exception_handler(KillswitchError, named)
    app.add_exception_handler(RequestValidationError, invalid)
    app.add_exception_handler(HTTPException, missing)
    app.add_exception_handler(InvariantBroken, ours)
    app.add_exception_handler(Exception, ours)


class InOurWords:
    """
    The outermost layer: what the library itself refuses in plain text leaves as problem details.

    It refuses so where a body announces too many bytes, before the application is asked.
    """

    def __init__(self, app: ASGIApp) -> None:
        """Wrap the application."""
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass everything on but such a refusal."""
        replaced = False

        async def worded(message: Message) -> None:
            nonlocal replaced
            if not replaced and _is_plain_refusal(message):
                replaced = True
                status = HTTPStatus(message["status"])
                refusal = answer(UsageError("http", status.phrase), status=status)
                await refusal(scope, receive, send)
            elif not replaced:
                await send(message)

        await self._app(scope, receive, worded)


def _is_plain_refusal(message: Message) -> bool:
    if message["type"] != "http.response.start" or message["status"] < HTTPStatus.BAD_REQUEST:
        return False
    kind: bytes = dict(message["headers"]).get(b"content-type", b"")
    return kind.startswith(b"text/plain")


def _bug(error: Exception) -> KillswitchError:
    """Tell a bug of ours without its inside: a message may hold anything."""
    found = KillswitchError(
        "fault",
        f"the daemon failed inside ({type(error).__name__}); whether anything was done is in its "
        "audit trail",
        "look at the daemon's log; killswitch pause still works",
    )
    found.exit = Exit.FAILED
    return found


_PLAIN = {
    "missing": "{field} is missing",
    "extra_forbidden": "{field} is not known here",
    "string_too_short": "{field} is empty",
    "string_too_long": "{field} has more than {max_length} characters",
    "string_type": "{field} is not text",
    "string_unicode": "{field} is not text that can be written",
    "too_short": "{field} is empty",
    "too_long": "{field} has more than {max_length} entries",
    "list_type": "{field} is not a list",
    "int_type": "{field} is not a whole number",
    "int_parsing": "{field} is not a whole number",
    "int_from_float": "{field} is not a whole number",
    "float_type": "{field} is not a number",
    "float_parsing": "{field} is not a number",
    "finite_number": "{field} is not a number",
    "bool_type": "{field} is neither true nor false",
    "greater_than": "{field} has to be more than {gt}",
    "greater_than_equal": "{field} has to be {ge} or more",
    "less_than_equal": "{field} has to be {le} or less",
    "json_invalid": "{field} is not JSON",
}
"""What pydantic finds, in words of people; ``{max_length}`` and the like are its own facts."""


def _told(faults: list[dict[str, Any]]) -> str:
    """Say which fields are wrong, without repeating what they held."""
    told = [_fault(fault) for fault in faults[:FAULTS_SHOWN]]
    more = len(faults) - FAULTS_SHOWN
    return "; ".join(told) + (f"; and {more} more" if more > 0 else "")


def _fault(fault: dict[str, Any]) -> str:
    field = ""
    for part in fault.get("loc", ())[1:]:
        field += f"[{part}]" if isinstance(part, int) else f".{part}" if field else str(part)
    kind = str(fault.get("type", ""))
    if kind in _PLAIN:
        return _PLAIN[kind].format(field=field or "the request", **fault.get("ctx", {}))
    # Our own checks say what a field does: "holds the control sign U+0001".
    said = str(fault.get("msg", "is wrong")).removeprefix("Value error, ")
    return f"{field} {said}" if field else said
