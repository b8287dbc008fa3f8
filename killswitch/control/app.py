"""
The control API: HTTP and JSON under ``/v1``, with OpenAPI and problem details.

The application knows no daemon: it is handed a ``Desk`` and rules of roles, checks what comes in,
and passes it on. ``killswitch.control.server`` puts it on the Unix socket and adds the peer.

Invariants:
    No body is longer than 1 MiB, and no more than 32 requests run at once; a pause, an ``ack`` and
    the question for the seal have places of their own beyond those.
    Every error is problem details with the exit code of the command line.
"""

from __future__ import annotations

from collections.abc import Callable

from fastapi import APIRouter, FastAPI

from killswitch import __version__
from killswitch.control import problems, routes_pause, routes_queue, routes_upkeep, shapes
from killswitch.control.admission import Admission
from killswitch.control.peers import Roles
from killswitch.control.protocol import Desk
from killswitch.control.rim import Rim

__all__ = ["Desk", "create_app"]

BODY_MOST = 1024 * 1024


def _ignore(_error: Exception) -> None:
    """Leave a fault to the log of the server."""


def create_app(
    desk: Desk,
    *,
    roles: Roles | Callable[[], Roles],
    on_fault: problems.Fault = _ignore,
) -> FastAPI:
    """
    Build the application.

    Args:
        desk: Carries out what is asked.
        roles: The rules, or how to get them when a reload may change them.
        on_fault: Told of every error that is a bug of ours; the supervisor decides.

    Returns:
        An ASGI application; ``ControlServer`` serves it.
    """
    rules = (lambda: roles) if isinstance(roles, Roles) else roles
    app = FastAPI(
        title="killswitch",
        version=__version__,
        openapi_url="/v1/openapi.json",
        docs_url=None,
        redoc_url=None,
        max_body_size=BODY_MOST,
        # An environment variable could make it export our requests to somebody.
        telemetry={"tracing": False, "metrics": False, "logs": False, "auto_configure": False},
    )
    v1 = APIRouter(prefix="/v1")
    rim = Rim(rules)
    for routes in (routes_pause, routes_queue, routes_upkeep):
        routes.add_to(v1, desk, rim)
    app.include_router(v1)
    app.add_middleware(Admission)
    problems.install(app, on_fault=on_fault)
    shapes.complete(app.openapi())  # kept by the application and served as it is
    return app
