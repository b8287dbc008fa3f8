"""Feeds, channels, audit, backup, reload, metrics: what an operator looks at."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from killswitch.channels.frame import Channel
from killswitch.desk import status as status_room
from killswitch.desk.context import Context
from killswitch.desk.documents import audit_doc, gone_doc
from killswitch.errors import RefusedError, UsageError
from killswitch.store import audit, channel_state, gone_out, news, noted, people
from killswitch.store.audit import Entry, record
from killswitch.store.copying import copy_store
from killswitch.store.engine import Connection
from killswitch.store.orphaned import orphaned
from killswitch.trip import tampered, trip
from killswitch.wire import (
    AuditBreakDoc,
    AuditPageDoc,
    AuditVerifyDoc,
    BackupDoc,
    Caller,
    ChannelDoc,
    FeedDoc,
    NotifyTestDoc,
    ReloadDoc,
    SeenPageDoc,
    read_time,
    z_or_none,
    z_time,
)

_DAY = timedelta(days=1)


def feeds(ctx: Context) -> list[FeedDoc]:
    """Tell the health of every feed."""
    return ctx.hooks.feeds()


def seen(ctx: Context, feed: str, *, since: datetime, after: str | None, limit: int) -> SeenPageDoc:
    """
    Return one page of the headlines that a feed brought.

    Raises:
        UsageError: ``after`` is not what a page before gave as ``next``.
    """
    with ctx.store.read() as conn:
        rows = news.seen_items(conn, feed, since=since, after=_cursor(after), limit=limit)
    last = rows[-1] if len(rows) == limit else None
    return {
        "items": [
            {
                "id": row.id,
                "title": row.title,
                "summary": row.summary,
                "url": row.url,
                "lang": row.lang,
                "published": z_or_none(row.published),
                "seen": z_time(row.first_seen),
                "dismissed": row.story_state == "dismissed",
                "alert": (row.signal or {}).get("alert"),
            }
            for row in rows
        ],
        "next": f"{last.first_seen.isoformat()} {last.id}" if last else None,
    }


def _cursor(after: str | None) -> tuple[datetime, str] | None:
    if after is None:
        return None
    at, _, item = after.partition(" ")
    try:
        return read_time(at), item
    except ValueError as error:
        raise UsageError("bad_page", "after is not the end of a page", "begin anew") from error


def channels(ctx: Context, *, check: bool = False) -> list[ChannelDoc]:
    """Tell limits and waits of every channel; a check that finds nothing lifts its wait."""
    now = ctx.clock.now()
    problems = {name: one.check() for name, one in ctx.channels.items()} if check else {}
    sound = [name for name, problem in problems.items() if problem is None]
    if sound:
        with ctx.store.write() as conn:
            for name in sound:
                channel_state.lift(conn, name)
    with ctx.store.read() as conn:
        waits = channel_state.waiting(conn, now=now)
        sent = gone_out.sent_since(conn, now - _DAY)
        gone = _left_behind(ctx, conn)
    found: list[ChannelDoc] = []
    for name, one in sorted(ctx.channels.items()):
        wait = waits.get(name)
        problem = problems.get(name) or (wait.why if wait else None)
        found.append(
            {
                "name": name,
                "kind": one.kind,
                "ok": problem is None,
                "limits": _limits(ctx, name, one),
                "sent_24h": sent.get(name, 0),
                "waits_until": z_or_none(wait and wait.waits_until),
                "problem": problem,
            }
        )
    found += [gone_doc(name, count, sent.get(name, 0)) for name, count in gone.items()]
    return found


def _limits(ctx: Context, name: str, channel: Channel) -> dict[str, Any]:
    """Return the limits of the network and those of our own settings."""
    rules = ctx.limits[name]
    return {
        **channel.limits(),
        "min_gap_s": rules.min_gap.total_seconds(),
        "max_per_hour": rules.max_per_hour,
        "hard_cap": rules.hard_cap,
        "late_after_s": rules.late_after.total_seconds(),
    }


def notify_test(ctx: Context) -> NotifyTestDoc:
    """Send a test notice to every address."""
    rows = ctx.hooks.test_notices()
    return {
        "tellings": [
            {"address": address, "accepted": problem is None, "problem": problem}
            for address, problem in rows
        ]
    }


def audit_page(ctx: Context, *, after: int, limit: int, subject: str | None) -> AuditPageDoc:
    """List audit rows, oldest first."""
    with ctx.store.read() as conn:
        rows = audit.rows(conn, subject=subject, after=after, limit=limit + 1)
        names = people.names(conn, {row.actor for row in rows})
    shown = rows[:limit]
    more = len(rows) > limit
    return {
        "rows": [audit_doc(row, names) for row in shown],
        "next": shown[-1].seq if more else None,
    }


def audit_verify(ctx: Context) -> AuditVerifyDoc:
    """Check the whole chain, and that it goes as far as was noted; a broken one pauses."""
    with ctx.store.read() as conn:
        verdict = noted.verify(conn, ctx.state_dir)
        breaks = audit.breaks(conn)
        names = people.names(conn, {one.by for one in breaks})
    if not verdict.ok:
        with ctx.store.write() as conn:
            trip(conn, tampered(verdict), now=ctx.clock.now())
        ctx.hooks.wake()
    return {
        "ok": verdict.ok,
        "rows": verdict.rows,
        "broken_at": verdict.broken_at,
        "why": verdict.why,
        "unread": verdict.unread,
        "since": breaks[-1].start if breaks else 1,
        "breaks": [_break_doc(one, names) for one in breaks],
    }


def _break_doc(one: audit.Break, names: Mapping[str, str]) -> AuditBreakDoc:
    return {
        "row": one.row,
        "why": one.why,
        "start": one.start,
        "accepted_by": names.get(one.by, one.by),
        "accepted_at": z_time(one.at),
    }


def erase(ctx: Context, login: str, *, caller: Caller) -> None:
    """
    Erase a person's login and name, also where root said it; the audit chain keeps the ids.

    Raises:
        RefusedError: Nobody of that name is known.
    """
    now = ctx.clock.now()
    with ctx.store.write() as conn:
        by = people.person_id(conn, caller.person)
        known = [login, *people.said_as(conn, login)]
        gone = [one for name in known if (one := people.erase(conn, name)) is not None]
        if not gone:
            raise RefusedError(
                "not_found", f"nobody called {login!r} is known", "killswitch audit list"
            )
        record(conn, *(Entry("person.erased", one, by) for one in gone), now=now)


def backup(ctx: Context, to: str, *, caller: Caller) -> BackupDoc:
    """
    Write a consistent copy of the store while it is in use.

    Raises:
        UsageError: The path is relative: to which folder, the daemon can't know.
        OperatorError: The path exists, or can't be written; or the store is a server's.
    """
    path = Path(to)
    if not path.is_absolute():
        raise UsageError("path", f"{to!r} is not an absolute path", "name it from /")
    copy_store(ctx.store, path)
    now = ctx.clock.now()
    with ctx.store.write() as conn:
        by = people.person_id(conn, caller.person)
        record(conn, Entry("store.copied", "store", by, {"to": path.name}), now=now)
    return {"path": str(path), "bytes": path.stat().st_size}


def reload(ctx: Context, *, caller: Caller) -> ReloadDoc:
    """Load the configuration again, or keep the old one and say why (``ConfigError``)."""
    changed = list(ctx.hooks.reload())
    now = ctx.clock.now()
    with ctx.store.write() as conn:
        by = people.person_id(conn, caller.person)
        record(conn, Entry("config.reloaded", "config", by, {"changed": changed}), now=now)
    return {"changed": changed}


def left_behind(ctx: Context) -> dict[str, int]:
    """Count the posts whose channel this configuration does not have, by channel."""
    with ctx.store.read() as conn:
        return _left_behind(ctx, conn)


def _left_behind(ctx: Context, conn: Connection) -> dict[str, int]:
    return {} if ctx.mode == "guard" else orphaned(conn, ctx.channels)


def metrics(ctx: Context) -> str:
    """Write the metrics as Prometheus text (exposition format 0.0.4)."""
    now = status_room.status(ctx)
    sight, queue = now["sight"], now["queue"]
    values: list[tuple[str, str, float | None]] = [
        ("paused", "1 while at least one cause is open", now["state"] == "paused"),
        ("sealed", "1 while the pause is sealed", now["sealed"]),
        ("sending_allowed", "1 while posts may leave", now["state"] == "running"),
        ("store_ok", "1 while the store answers", now["version"] is not None),
        ("latch_version", "Version of the pause", now["version"]),
        ("inhibits", "Short waits in force", len(now["inhibits"])),
        ("undecided", "Held posts that nobody has decided on", now.get("undecided")),
    ]
    if sight is not None:
        values += [
            ("feeds", "Watched feeds", sight["feeds"]),
            ("feeds_alive", "Watched feeds that count", sight["alive"]),
            ("sight_ok", "1 while the news is seen well enough", sight["ok"]),
            ("sight_age_seconds", "Age of the last good sight", sight["age_s"]),
        ]
    lines = []
    for name, text, value in values:
        lines += [
            f"# HELP killswitch_{name} {text}",
            f"# TYPE killswitch_{name} gauge",
            f"killswitch_{name} {_number(value)}",
        ]
    lines += ["# HELP killswitch_deliveries Posts by state", "# TYPE killswitch_deliveries gauge"]
    lines += [
        f'killswitch_deliveries{{state="{state}"}} {number}'
        for state, number in (queue or {}).items()
    ]
    return "\n".join(lines) + "\n"


def _number(value: float | None) -> str:
    """Write a sample; what is not known is no number rather than a wrong one."""
    if value is None:
        return "NaN"
    return str(int(value)) if value == int(value) else repr(float(value))
