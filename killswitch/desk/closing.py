"""What closing causes brings with it: marks mended, stories muted, incidents ended, word given."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from killswitch.desk.context import Context
from killswitch.latch import FROM_NEWS, Cause, CauseKind, Latch
from killswitch.news.story import Story, StoryBook
from killswitch.news.suggest import suggestions
from killswitch.store import audit, facts, incidents, news, notices
from killswitch.store.engine import Connection
from killswitch.trip import CLASH_SCAN
from killswitch.wire import SuggestionDoc


def mend(
    conn: Connection,
    causes: Sequence[Cause],
    *,
    by: str,
    now: datetime,
    past: audit.Past | None = None,
) -> None:
    """
    Do what closing some kinds of cause means: a new start of the clock mark or the chain.

    ``past`` is what was read of a broken chain before this transaction.
    """
    kinds = {cause.kind for cause in causes}
    if CauseKind.CLOCK in kinds:
        facts.put_time(conn, "high_water", now)
    if CauseKind.TAMPER in kinds:
        why = "resumed after a break of the chain"
        audit.restart(conn, actor=by, why=why, now=now, past=past)
    if CauseKind.BLIND in kinds:
        facts.put_time(conn, "last_sight", now)


def mute_stories(
    ctx: Context, conn: Connection, causes: Sequence[Cause], *, dismissed: bool, now: datetime
) -> list[str]:
    """
    Mute the stories behind causes, so that the same news does not pause again.

    A false alarm is not searched for clashes any further.
    """
    ids = {cause.ref.partition(":")[0] for cause in causes if cause.kind in FROM_NEWS}
    muted = []
    for story_id in sorted(ids):
        row = news.story(conn, story_id)
        if row is None:
            continue
        book = StoryBook(ctx.detect, new_id=str, stories=[Story.from_json(row.body)])
        story = book.dismiss(story_id, now) if dismissed else book.mute(story_id, now)
        if dismissed:
            facts.drop(conn, CLASH_SCAN + story_id)
        if story is not None:
            values = {"id": story.id, "state": str(story.state), "body": story.to_json()}
            news.save_stories(conn, [values])
            muted.append(story_id)
    return muted


def suggested(ctx: Context, conn: Connection, muted: Sequence[str]) -> list[SuggestionDoc]:
    """Say which settings would have avoided the pauses of dismissed stories."""
    rows = [row for story in muted if (row := news.story(conn, story)) is not None]
    found = [one for row in rows for one in suggestions(Story.from_json(row.body), ctx.detect)]
    return [{"setting": one.setting, "effect": one.effect} for one in dict.fromkeys(found)]


def tell(
    conn: Connection, latch: Latch, outcome: str, *, by: str, reason: str, now: datetime
) -> None:
    """End the incident and the calling, and let people know that posts leave again."""
    notices.ack_all(conn, by=by, now=now)
    notices.stand_down(conn, now=now)
    if latch.incident:
        incidents.end(conn, latch.incident, by=by, reason=reason, outcome=outcome, now=now)
    notices.add_notice(
        conn,
        kind="resumed",
        ref=f"v{latch.version}",
        escalates=False,
        loud=False,
        now=now,
        facts={"by": by, "reason": reason, "outcome": outcome},
    )
