"""
What one newsroom alone reports: told while posts wait for a second one, and also where they don't.

With ``detect.unconfirmed = "0s"`` and in a rehearsal no post waits. Whoever looks at the status
still wants to know that something may be coming.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any

from killswitch.desk.context import Context
from killswitch.latch import InhibitKind
from killswitch.news.item import Grade
from killswitch.news.levels import Level, level_of
from killswitch.news.story import Member, Story, StoryState
from killswitch.store import news
from killswitch.store.engine import Connection, Row
from killswitch.wire import OneOutletDoc, z_time

ALONE = "one outlet reports: "
# Where nothing waits, a report that nobody took up is told for so long.
TOLD_FOR = timedelta(hours=1)
_UNSETTLED = frozenset({StoryState.OPEN, StoryState.UNCONFIRMED})


def waits(ctx: Context) -> list[OneOutletDoc]:
    """Tell what posts wait for, as far as it is known in memory."""
    return [
        {"title": one.reason.removeprefix(ALONE), "outlet": "", "since": z_time(one.since)}
        for one in ctx.inhibits.list()
        if one.kind is InhibitKind.UNCONFIRMED
    ]


def reports(ctx: Context, conn: Connection, *, now: datetime) -> list[OneOutletDoc]:
    """Tell what one newsroom alone reports, with its name, from the stories in the store."""
    if not ctx.detect.unconfirmed or ctx.mode == "rehearsal":
        return list(_unheld(ctx, conn, now))
    rows = news.stories_of(conn, ctx.inhibits.refs(InhibitKind.UNCONFIRMED))
    outlets = {story.title: _outlet(story.members) for story in _read(rows.values())}
    return [{**one, "outlet": outlets.get(one["title"], "")} for one in waits(ctx)]


def _unheld(ctx: Context, conn: Connection, now: datetime) -> Iterator[OneOutletDoc]:
    """Find stories that one more newsroom would make a pause, and for which nothing waits."""
    rows = news.recent_stories(conn, since=now - TOLD_FOR)
    for story in _read(row for row in rows if row.state in _UNSETTLED):
        grave = [one for one in story.members if one.grade is Grade.TRIP and not one.aggregator]
        is_new = bool(grave) and min(one.at for one in grave) > now - TOLD_FOR
        if is_new and _would_pause(ctx, story, now):
            yield {
                "title": story.title,
                "outlet": _outlet(grave),
                "since": z_time(min(one.at for one in grave)),
            }


def _would_pause(ctx: Context, story: Story, now: datetime) -> bool:
    return level_of(story, ctx.detect.levels, now)[0] is Level.PAUSE


def _read(rows: Iterable[Row[Any]]) -> Iterator[Story]:
    for row in rows:
        yield Story.from_json(row.body)


def _outlet(members: Sequence[Member]) -> str:
    """Name the newsroom that spoke first as people know it, those without a name left out."""
    named = (one.outlet or one.group for one in sorted(members, key=lambda one: one.at))
    return next(filter(None, named), "")
