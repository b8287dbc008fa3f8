"""The routes of the pause: status, pause, seal, ack, resume, dismiss."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Request, Response

from killswitch.control.bodies import VERSION_MOST, DismissBody, Empty, PauseBody, ResumeBody
from killswitch.control.protocol import Desk
from killswitch.control.rim import Rim

WAIT_LONGEST_S = 30.0
"""A seal is proven within ``T_send`` + 5 s, or not at all."""

RESUMERS = frozenset({"resumer"})


def add_to(v1: APIRouter, desk: Desk, rim: Rim) -> None:
    """Add the routes."""
    _add_pause(v1, desk, rim)
    _add_resume(v1, desk, rim)


def _add_pause(v1: APIRouter, desk: Desk, rim: Rim) -> None:
    @v1.get("/status")
    async def status() -> Response:
        """Tell the state."""
        return await rim.status(desk.status)

    @v1.post("/pause")
    async def pause(body: PauseBody, request: Request) -> Response:
        """Pause now; answers as soon as the pause is durable."""
        return await rim.urgent(
            request,
            lambda caller: desk.pause(
                body.reason, key=body.key, review_s=body.review_s, caller=caller
            ),
        )

    @v1.get("/seal")
    async def seal(
        version: Annotated[int | None, Query(ge=0, le=VERSION_MOST)] = None,
        wait_s: Annotated[float, Query(ge=0, le=WAIT_LONGEST_S, allow_inf_nan=False)] = 0,
    ) -> Response:
        """Tell whether the pause is sealed, waiting for it if asked to."""
        return await rim.waiting(lambda: desk.seal(version, wait_s=wait_s))

    @v1.post("/ack")
    async def ack(_body: Empty, request: Request) -> Response:
        """Stop the escalation, nothing else."""
        return await rim.urgent(request, lambda caller: desk.ack(caller=caller))


def _add_resume(v1: APIRouter, desk: Desk, rim: Rim) -> None:
    @v1.get("/resume")
    async def preview() -> Response:
        """Show what a human must see before resuming."""
        return await rim.view(desk.resume_preview)

    @v1.post("/resume")
    async def resume(body: ResumeBody, request: Request) -> Response:
        """Resume from the version that was seen."""
        return await rim.work(
            request,
            lambda caller: desk.resume(
                body.seen, reason=body.reason, keep_held=body.keep_held, caller=caller
            ),
            need=RESUMERS,
            named=True,
        )

    @v1.post("/dismiss")
    async def dismiss(body: DismissBody, request: Request) -> Response:
        """Close the seen story and alert causes as a false alarm."""
        return await rim.work(
            request,
            lambda caller: desk.dismiss(body.seen, reason=body.reason, caller=caller),
            need=RESUMERS,
            named=True,
        )
