"""
The escalation: which notices begin a round now, which list joins, which sends may start.

Everything here happens inside one short write transaction and sends nothing.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from killswitch.notify.policy import NotifyPolicy, quiet_until
from killswitch.notify.schemes import can_be_silent
from killswitch.store import notices, tellings
from killswitch.store.notices import NoticeKind
from killswitch.store.tellings import Notice, Telling
from killswitch.wire import StatusDoc

LEASE = timedelta(seconds=90)
"""A claim ends after this: start of a process (30 s), send (20 s), and the record, with room."""
_FAILOVER = timedelta(seconds=45)
"""A round that reached nobody for so long calls the next list: that is done within 60 s."""
_FAILOVER_TRIES = 2
"""Failed tries of every address after which nobody waits for ``_FAILOVER``."""
_SEAL_GRACE = timedelta(seconds=2)
"""A fresh pause is mostly sealed by then; its first notice waits so long to say so truly."""
_RECHECK = timedelta(seconds=60)
"""How often a notice that quiet hours hold back is looked at again: the state may turn."""

_PAUSES = frozenset({NoticeKind.PAUSED, NoticeKind.WORSENING, NoticeKind.BLIND})

Transaction = Any
"""A connection in a transaction; only the store knows its type."""


@dataclass(frozen=True, slots=True)
class Moment:
    """What a decision is made from: the rules, the state, and one instant (aware UTC)."""

    policy: NotifyPolicy
    status: StatusDoc
    now: datetime

    def hush(self, notice: Notice) -> datetime | None:
        """Say until when ``notice`` must not wake anybody; None when it may."""
        return quiet_until(
            self.policy, self.status, kind=notice.kind, loud=notice.loud, now=self.now
        )


@dataclass(frozen=True, slots=True)
class Job:
    """One send that was claimed."""

    telling: Telling
    notice: Notice
    url: str
    silent: bool


def open_rounds(conn: Transaction, moment: Moment) -> None:
    """Begin the rounds that are due, and call the next list where nobody was reached."""
    for due in tellings.due_notices(conn, now=moment.now):
        notice = tellings.get_notice(conn, due.id)  # one before it may have handed over to it
        if notice is not None:
            _open_round(conn, notice, moment)
    for notice in tellings.unreached(conn):
        _fail_over(conn, notice, moment)


def claim(
    conn: Transaction, moment: Moment, *, room: int, busy: Collection[str], slow: Collection[str]
) -> list[Job]:
    """
    Take what can be sent now.

    Args:
        conn: A write transaction.
        moment: The rules, the state, the instant.
        room: Most sends to take.
        busy: Names of addresses to which one is on its way: one at a time.
        slow: Names of addresses that gave no answer last time: they come last.
    """
    due = tellings.due_tellings(conn, now=moment.now)
    due.sort(key=lambda one: one[1].address in slow)
    taken = set(busy)
    jobs: list[Job] = []
    for notice, telling in due:
        if len(jobs) == room:
            break
        if telling.address in taken:
            continue
        job = _job(conn, notice, telling, moment=moment)
        if job is not None and _take(conn, job, moment):
            taken.add(telling.address)
            jobs.append(job)
    return jobs


# ---- rounds -------------------------------------------------------------------------------------


def _open_round(conn: Transaction, notice: Notice, moment: Moment) -> None:
    if notice.round == 0:
        _begin(conn, notice, moment, level=notice.level)
    elif tellings.is_settled(conn, notice):
        notices.finish(conn, notice.id, now=moment.now)
    elif tellings.hand_over(conn, notice, now=moment.now):
        pass
    elif moment.hush(notice) is not None:
        tellings.again_at(conn, notice.id, moment.now + _RECHECK)
    elif any(one.tries == 0 for one in tellings.round_tellings(conn, notice)):
        # Quiet hours have just ended: those who slept hear of it before anybody else is called.
        tellings.again_at(conn, notice.id, moment.now + moment.policy.repeat)
    else:
        _begin(conn, notice, moment, level=min(notice.level + 1, moment.policy.top))


def _begin(conn: Transaction, notice: Notice, moment: Moment, *, level: int) -> None:
    names = moment.policy.names(level)
    if not names:
        notices.finish(conn, notice.id, now=moment.now)
        return
    calls = notice.escalates and notice.acked_at is None
    tellings.open_round(
        conn,
        notice,
        addresses=names,
        level=level,
        again_at=moment.now + moment.policy.repeat if calls else None,
        now=moment.now,
    )


def _fail_over(conn: Transaction, notice: Notice, moment: Moment) -> None:
    """Let the next list join a round that reached nobody, unless somebody has answered."""
    if notice.level >= moment.policy.top or notice.acked_at is not None:
        return
    if moment.hush(notice) is not None:
        return
    tried = tellings.round_tellings(conn, notice)
    hopeless = all(one.tries >= _FAILOVER_TRIES and one.problem for one in tried)
    if hopeless or moment.now - notice.round_at >= _FAILOVER:
        level = notice.level + 1
        names = moment.policy.names(level)
        tellings.add_list(conn, notice, addresses=names, level=level, now=moment.now)


# ---- claims -------------------------------------------------------------------------------------


def _job(conn: Transaction, notice: Notice, telling: Telling, *, moment: Moment) -> Job | None:
    """Describe the send of a telling, or put it off."""
    url = moment.policy.address(telling.address)
    if url is None:
        _forget(conn, telling, moment.now)
        return None
    if _awaits_seal(notice, moment):
        tellings.postpone(conn, telling, until=notice.created_at + _SEAL_GRACE)
        return None
    hush = moment.hush(notice)
    if hush is not None and not can_be_silent(url):
        tellings.postpone(conn, telling, until=min(hush, moment.now + _RECHECK))
        return None
    return Job(telling, notice, url, silent=hush is not None)


def _forget(conn: Transaction, telling: Telling, now: datetime) -> None:
    tellings.record(
        conn, telling, accepted=False, problem="no longer configured", retry_at=None, now=now
    )


def _awaits_seal(notice: Notice, moment: Moment) -> bool:
    fresh = notice.kind in _PAUSES and moment.now < notice.created_at + _SEAL_GRACE
    return fresh and moment.status["state"] == "paused" and not moment.status["sealed"]


def _take(conn: Transaction, job: Job, moment: Moment) -> bool:
    if not tellings.claim(conn, job.telling, until=moment.now + LEASE):
        return False
    if job.telling.tries == 0 and job.notice.next_at is not None:
        # The time until the next list counts from when this one was really told.
        tellings.again_at(conn, job.notice.id, moment.now + moment.policy.repeat)
    return True
