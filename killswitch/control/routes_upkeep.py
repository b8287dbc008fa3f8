"""The routes of upkeep: feeds, channels, incidents, notices, audit, backup, reload, metrics."""

from __future__ import annotations

from datetime import UTC
from typing import Annotated

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import PlainTextResponse
from pydantic import AwareDatetime

from killswitch.control.bodies import VERSION_MOST, BackupBody, Empty
from killswitch.control.protocol import Desk
from killswitch.control.rim import Rim

ADMINS = frozenset({"admin"})
ANY_ROLE = frozenset({"author", "approver", "resumer", "admin"})
METRICS_TYPE = "text/plain; version=0.0.4; charset=utf-8"


def add_to(v1: APIRouter, desk: Desk, rim: Rim) -> None:
    """Add the routes."""
    _add_health(v1, desk, rim)
    _add_history(v1, desk, rim)
    _add_upkeep(v1, desk, rim)


def _add_health(v1: APIRouter, desk: Desk, rim: Rim) -> None:
    @v1.get("/feeds")
    async def feeds() -> Response:
        """Tell the health of every feed."""
        return await rim.view(desk.feeds)

    @v1.get("/seen")
    async def seen(
        feed: Annotated[str, Query(min_length=1, max_length=200)],
        since: AwareDatetime,
        after: Annotated[str | None, Query(max_length=200)] = None,
        limit: Annotated[int, Query(ge=1, le=1000)] = 500,
    ) -> Response:
        """List the headlines that a feed brought since an instant."""
        return await rim.view(
            lambda: desk.seen(feed, since=since.astimezone(UTC), after=after, limit=limit)
        )

    @v1.post("/look")
    async def look(_body: Empty, request: Request) -> Response:
        """Poll the feeds now."""
        return await rim.work(request, lambda caller: desk.look(caller=caller), need=ANY_ROLE)

    @v1.get("/channels")
    async def channels() -> Response:
        """Tell rights, limits and waits of every channel."""
        return await rim.view(desk.channels)

    @v1.post("/channels/check")
    async def check(_body: Empty, request: Request) -> Response:
        """Check every channel without sending anything."""
        return await rim.work(
            request, lambda caller: desk.channels_check(caller=caller), need=ANY_ROLE
        )

    @v1.post("/notify/test")
    async def notify_test(_body: Empty, request: Request) -> Response:
        """Send a test notice to every address."""
        return await rim.work(
            request, lambda caller: desk.notify_test(caller=caller), need=ANY_ROLE
        )


def _add_history(v1: APIRouter, desk: Desk, rim: Rim) -> None:
    @v1.get("/incidents")
    async def incidents(limit: Annotated[int, Query(ge=1, le=1000)] = 50) -> Response:
        """List incidents, newest first."""
        return await rim.view(lambda: desk.incidents(limit=limit))

    @v1.get("/incidents/{ref}")
    async def incident(ref: str) -> Response:
        """Show one incident."""
        return await rim.view(lambda: desk.incident(ref))

    @v1.get("/whose")
    async def whose(q: Annotated[str, Query(min_length=1, max_length=2000)]) -> Response:
        """Tell whether an address or id left through our gate."""
        return await rim.view(lambda: desk.whose(q))

    @v1.get("/audit")
    async def audit(
        after: Annotated[int, Query(ge=0, le=VERSION_MOST)] = 0,
        limit: Annotated[int, Query(ge=1, le=1000)] = 200,
        subject: Annotated[str | None, Query(max_length=200)] = None,
    ) -> Response:
        """List audit rows, oldest first."""
        return await rim.view(lambda: desk.audit(after=after, limit=limit, subject=subject))

    @v1.get("/audit/verify")
    async def verify() -> Response:
        """Check the chain of audit rows."""
        return await rim.view(desk.audit_verify)


def _add_upkeep(v1: APIRouter, desk: Desk, rim: Rim) -> None:
    @v1.post("/people/{login}/erase")
    async def erase(login: str, request: Request) -> Response:
        """Erase a person's names; the audit chain keeps the id."""
        return await rim.work(
            request, lambda caller: desk.erase(login, caller=caller), need=ADMINS, named=True
        )

    @v1.post("/backup")
    async def backup(body: BackupBody, request: Request) -> Response:
        """Write a consistent copy of the store."""
        return await rim.work(
            request, lambda caller: desk.backup(body.to, caller=caller), need=ADMINS
        )

    @v1.post("/reload")
    async def reload(_body: Empty, request: Request) -> Response:
        """Load the configuration again, or keep the old one and say why."""
        return await rim.work(request, lambda caller: desk.reload(caller=caller), need=ADMINS)

    @v1.get("/metrics", response_class=PlainTextResponse)
    async def metrics() -> Response:
        """Write the metrics as Prometheus text."""
        return await rim.text(desk.metrics, media_type=METRICS_TYPE)
