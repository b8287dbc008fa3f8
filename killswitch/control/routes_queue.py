"""The routes of the queue: list, add, show, the verbs, imports."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Request, Response

from killswitch.control.bodies import (
    IDS_MOST,
    ActBody,
    ImportBody,
    PostBody,
    RowsBody,
    known_instant,
    known_states,
)
from killswitch.control.protocol import Desk
from killswitch.control.rim import Rim
from killswitch.wire import QueueFilter

Short = Annotated[str | None, Query(max_length=200)]
REF_LONGEST = 200

AUTHORS = frozenset({"author"})
NEEDS = {
    "edit": frozenset({"author", "resumer"}),
    "move": frozenset({"author", "resumer"}),
    "cancel": frozenset({"author", "resumer"}),
    "hold": frozenset({"author", "approver", "resumer"}),
    "release": frozenset({"resumer"}),
    "skip": frozenset({"author", "resumer"}),
    "keep": frozenset({"author", "resumer"}),
    "confirm": frozenset({"author", "resumer"}),
    "resolve": frozenset({"author", "resumer"}),
    "retract": frozenset({"approver", "resumer"}),
    "approve": frozenset({"approver"}),
    "reject": frozenset({"approver"}),
}
"""
Roles of each verb: what lets a held post out is a resumer's, what withdraws it anybody's. What the
public has seen is taken down by those who may also let it out: nobody can take that back.
"""
NAMED = frozenset({"release", "retract"})
"""Verbs for which a human answers by name."""


def add_to(v1: APIRouter, desk: Desk, rim: Rim) -> None:
    """Add the routes."""
    _add_list(v1, desk, rim)
    _add_verbs(v1, desk, rim)
    _add_imports(v1, desk, rim)


def _add_list(v1: APIRouter, desk: Desk, rim: Rim) -> None:
    @v1.get("/queue")
    async def list_queue(
        *,
        state: Short = None,
        tag: Short = None,
        channel: Short = None,
        until: Short = None,
        clash: bool = False,
        ids: Annotated[str | None, Query(max_length=50 * IDS_MOST)] = None,
        limit: Annotated[int, Query(ge=1, le=1000)] = 200,
        after: Short = None,
    ) -> Response:
        """List deliveries; ``state`` and ``ids`` take several, separated by commas."""
        chosen = QueueFilter(
            states=known_states(_several(state)),
            tag=tag,
            channel=channel,
            until=known_instant(until),
            clash=clash,
            ids=tuple(_several(ids)),
            limit=limit,
            after=after,
        )
        return await rim.view(lambda: desk.queue_list(chosen))

    @v1.post("/queue")
    async def add(body: PostBody, request: Request) -> Response:
        """Take one post."""
        return await rim.work(
            request, lambda caller: desk.queue_add(body.post(), caller=caller), need=AUTHORS
        )


def _add_verbs(v1: APIRouter, desk: Desk, rim: Rim) -> None:
    @v1.post("/queue/act")
    async def act(body: ActBody, request: Request) -> Response:
        """Carry out one verb: all or nothing on up to 25 ids, else each for itself."""
        wanted = body.act()
        return await rim.work(
            request,
            lambda caller: desk.queue_act(wanted, caller=caller),
            need=NEEDS[wanted.verb],
            named=wanted.verb in NAMED,
        )

    @v1.get("/queue/{ref}")
    async def show(ref: str) -> Response:
        """Show one delivery with its history."""
        return await rim.view(lambda: desk.queue_show(ref[:REF_LONGEST]))


def _add_imports(v1: APIRouter, desk: Desk, rim: Rim) -> None:
    @v1.post("/imports")
    async def open_import(body: ImportBody, request: Request) -> Response:
        """Open an import."""
        return await rim.work(
            request, lambda caller: desk.import_open(body.name, caller=caller), need=AUTHORS
        )

    @v1.post("/imports/{batch}/rows")
    async def rows(batch: str, body: RowsBody, request: Request) -> Response:
        """Check and stage a chunk of rows; nothing is visible yet."""
        staged = [row.row() for row in body.rows]
        return await rim.work(
            request, lambda caller: desk.import_rows(batch, staged, caller=caller), need=AUTHORS
        )

    @v1.post("/imports/{batch}/commit")
    async def commit(batch: str, request: Request, *, dry_run: bool = False) -> Response:
        """Make the import visible, all of it."""
        return await rim.work(
            request,
            lambda caller: desk.import_commit(batch, dry_run=dry_run, caller=caller),
            need=AUTHORS,
        )

    @v1.delete("/imports/{batch}")
    async def drop(batch: str, request: Request) -> Response:
        """Forget the import."""
        return await rim.work(
            request, lambda caller: desk.import_drop(batch, caller=caller), need=AUTHORS
        )


def _several(text: str | None) -> list[str]:
    return [part.strip() for part in (text or "").split(",") if part.strip()]
