"""
Pause, seal, acknowledge: the acts that may never wait.

Invariants:
    An in-memory stop stands before anything is written, so that nothing new starts while the
    store or the disk is slow.
    A pause that only the flag directory took is sealed as soon as nothing is on the wire: the gate
    looks at that directory after every intent and before every request. Since when, is kept in
    memory, and written down with the pause.
    A pause that neither the store nor the flag directory took is kept and tried again by the
    guard; the stop stays until one of them has it.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog

from killswitch.desk.context import Context, PendingPause
from killswitch.desk.documents import post_doc
from killswitch.errors import OperatorError, TransientError
from killswitch.failpoints import passing
from killswitch.flagging import flag_causes, stands
from killswitch.latch import CauseKind, InhibitKind, Latch
from killswitch.queue.states import DeliveryState
from killswitch.store import audit, deliveries, gone_out, incidents, notices, people
from killswitch.store import latch as latch_store
from killswitch.store.audit import Entry, record
from killswitch.store.deliveries import Delivery
from killswitch.store.engine import Connection
from killswitch.store.latch import NewCause
from killswitch.trip import trip
from killswitch.wire import AckDoc, Caller, PauseDoc, z_or_none, z_time

_log = structlog.get_logger(__name__)

NOT_RESUMED, NOT_RECORDED = "nothing was resumed", "nothing was recorded"
# How often the seal looks whether the wire is empty; a request takes tens of milliseconds.
SEAL_LOOK_S = 0.02


@dataclass(frozen=True, slots=True)
class Pressed:
    """What a press came to: the version that holds it, and what may be on the wire."""

    version: int
    on_wire: tuple[Delivery, ...]


def pause(
    ctx: Context, reason: str, *, key: str, review_s: float | None, caller: Caller
) -> PauseDoc:
    """
    Pause the queue.

    A repeat of the request with its key, by a client that got no answer, opens nothing while the
    pause stands. Once a human has closed it, the key is free: a press with it pauses again.

    Raises:
        OperatorError: Neither the store nor the flag directory could record it; nothing new
            starts all the same as long as this daemon lives.
    """
    now = ctx.clock.now()
    reason = reason.strip() or "paused by hand"
    ctx.inhibits.open(InhibitKind.PAUSING, "a pause is being written down", now=now, ref=key)
    review_at = None if review_s is None else now + timedelta(seconds=review_s)
    pending = ctx.pending[key] = PendingPause(key, reason, caller.person, review_at, at=now)
    passing("pause.before_trip")
    try:
        tripped = write_pause(ctx, pending)
    except TransientError as error:
        _log.warning("pause.store_slow", problem=error.message)
        return _by_flag(ctx, reason, key, caller)
    passing("pause.after_trip")
    return {
        "accepted": True,
        "via": "socket",
        "sealed": None,
        "version": tripped.version,
        "on_wire": [post_doc(one) for one in tripped.on_wire],
        "uncertain": [],
        "state_dir": str(ctx.state_dir),
    }


def write_pause(ctx: Context, asked: PendingPause) -> Pressed:
    """
    Write one pending pause down as a cause and lift its in-memory stop.

    The thread that was asked and the guard may both do it: the latch row orders them, and the
    second finds that the pause stands, over the socket or as a flag.

    Raises:
        TransientError: The store did not take it; the stop stays.
    """
    now, key = ctx.clock.now(), asked.key
    with ctx.store.write(urgent=True) as conn:
        latch = latch_store.lock(conn)
        by = people.person_id(conn, asked.person)
        since = min(asked.at, now) if asked.at else None
        new = NewCause(
            CauseKind.MANUAL, key, asked.reason, by=by, review_at=asked.review_at, since=since
        )
        if stands(latch, key):
            sending = tuple(deliveries.in_state(conn, DeliveryState.SENDING))
            tripped = Pressed(latch.version, sending)
        else:
            done = trip(conn, new, now=now)
            tripped = Pressed(done.version, done.on_wire)
        if asked.sealed_at and not tripped.on_wire:
            _keep_seal(ctx, conn, asked.sealed_at)
        passing("pause.before_commit")
    ctx.pending.pop(key, None)
    ctx.inhibits.lift(InhibitKind.PAUSING, ref=key)
    ctx.hooks.wake()
    return tripped


def _by_flag(ctx: Context, reason: str, key: str, caller: Caller) -> PauseDoc:
    try:
        ctx.flags.write(reason, key, caller.person, at=ctx.clock.now())
    except OSError as error:
        raise OperatorError(
            "not_recorded",
            f"NOT RECORDED ({error.strerror}): the gate cannot write either, so no new send starts",
            f"the daemon holds everything in memory; free the disk of {ctx.state_dir}",
        ) from error
    return {
        "accepted": True,
        "via": "flag",
        "sealed": None,
        "version": None,
        "on_wire": [],
        "uncertain": [],
        "state_dir": str(ctx.state_dir),
    }


def seal(ctx: Context, version: int | None, *, wait_s: float) -> PauseDoc:
    """Wait at most ``wait_s`` seconds until nothing is on the wire, and say so."""
    ends = ctx.clock.boot_s() + wait_s
    never = threading.Event()
    while True:
        receipt = try_seal(ctx, version)
        if receipt["sealed"] or ctx.clock.boot_s() >= ends:
            return receipt
        ctx.clock.wait(never, SEAL_LOOK_S)


def try_seal(ctx: Context, version: int | None = None) -> PauseDoc:
    """
    Seal the pause if it stands and nothing is on the wire; tell how it is.

    It only reads while something is on the wire: those who wait for the seal would else stand, as
    urgent writers, before the very result that they wait for.
    """
    # Looked at before what is on the wire is read: every later intent meets this flag.
    by_flag = bool(ctx.pending) and not ctx.flags.is_clear()
    try:
        with ctx.store.read(urgent=True) as conn:
            receipt = _seal(ctx, conn, version, by_flag=by_flag, write=False)
        if receipt["sealed"] and receipt["sealed_at"] is None:
            with ctx.store.write(urgent=True) as conn:
                receipt = _seal(ctx, conn, version, by_flag=False, write=True)
            passing("seal.after_commit")
    except TransientError:
        asked = version is not None or bool(ctx.pending) or not ctx.flags.is_clear()
        return _receipt(ctx, version=version, accepted=asked, sealed=False)
    return receipt


def _seal(
    ctx: Context, conn: Connection, version: int | None, *, by_flag: bool, write: bool
) -> PauseDoc:
    latch = latch_store.lock(conn) if write else latch_store.read(conn)
    stands = latch.paused and latch.version >= (version or 0) and not ctx.pending
    sending = deliveries.in_state(conn, DeliveryState.SENDING)
    uncertain = gone_out.in_doubt(conn)
    flagged_at = sealed_by_flag(ctx) if by_flag and not sending else None
    if write and stands and not sending and latch.sealed_at is None:
        _write_seal(ctx, conn, latch, uncertain=uncertain)
        passing("seal.before_commit")
        latch = latch_store.read(conn)
    return _receipt(
        ctx,
        version=latch.version,
        accepted=latch.paused or bool(ctx.pending) or not ctx.flags.is_clear(),
        sealed=(stands and not sending) or flagged_at is not None,
        sealed_at=flagged_at or latch.sealed_at,
        on_wire=sending,
        uncertain=uncertain,
    )


def sealed_by_flag(ctx: Context) -> datetime | None:
    """
    Say since when a pause that only the flag directory holds is sealed; None where there is none.

    The caller has seen an entry in that directory, and read afterwards that nothing is on the
    wire. The first who does so settles the instant, for every screen to show the same one.
    """
    now = ctx.clock.now()
    pending = list(ctx.pending.values())
    for asked in pending:
        asked.sealed_at = asked.sealed_at or now
    return max((asked.sealed_at or now for asked in pending), default=None)


def _keep_seal(ctx: Context, conn: Connection, sealed_at: datetime) -> None:
    """Write down with a pause since when it was sealed without a store."""
    latch = latch_store.read(conn)
    if latch.paused and latch.sealed_at is None:
        _write_seal(ctx, conn, latch, uncertain=gone_out.in_doubt(conn), at=sealed_at)


def _write_seal(
    ctx: Context,
    conn: Connection,
    latch: Latch,
    *,
    uncertain: Sequence[Delivery],
    at: datetime | None = None,
) -> None:
    now = ctx.clock.now()
    at = min(at or now, now)
    latch_store.seal(conn, latch, uncertain=[one.id for one in uncertain], at=at, now=now)
    if latch.incident:
        incidents.note_time(conn, latch.incident, "sealed_at", at)
    if uncertain:
        named = [post_doc(one) for one in uncertain]
        notices.add_notice(
            conn, kind="sealed", ref=f"v{latch.version}", facts={"uncertain": named}, now=now
        )


def _receipt(
    ctx: Context,
    *,
    version: int | None,
    accepted: bool,
    sealed: bool,
    sealed_at: datetime | None = None,
    on_wire: Sequence[Delivery] = (),
    uncertain: Sequence[Delivery] = (),
) -> PauseDoc:
    return {
        "accepted": accepted,
        "via": "socket",
        "sealed": sealed,
        "version": version,
        "on_wire": [post_doc(one) for one in on_wire],
        "uncertain": [post_doc(one) for one in uncertain],
        "state_dir": str(ctx.state_dir),
        "sealed_at": z_or_none(sealed_at),
    }


def take_flags(ctx: Context, *, undone: str) -> None:
    """
    Open the causes of what lies in pause.d, for whoever asks about the pause right now.

    The guard does so within a second; until then, and while the store takes nothing, nobody may be
    told that nothing is paused.

    Args:
        ctx: The daemon's parts.
        undone: What was not done, for the refusal.

    Raises:
        TransientError: A pause stands that can't be written down yet.
    """
    if ctx.flags.is_clear() and not ctx.pending:
        return
    try:
        for asked in list(ctx.pending.values()):
            write_pause(ctx, asked)
        with ctx.store.write(urgent=True) as conn:
            flag_causes(conn, ctx.flags, now=ctx.clock.now())
    except TransientError as error:
        raise TransientError(
            "not_written",
            f"a pause stands that is not written down yet ({error.message}); {undone}",
            "look at killswitch status, and at the disk that the store is on",
        ) from error


def ack(ctx: Context, *, caller: Caller) -> AckDoc:
    """
    Write down that somebody has seen it; this stops the escalation and nothing else.

    Who answers a pause first has it: later answers are told who that is, and since when. The
    second answer of one person changes nothing.

    Raises:
        TransientError: A pause stands that can't be written down yet; nothing was recorded.
    """
    take_flags(ctx, undone=NOT_RECORDED)
    now = ctx.clock.now()
    with ctx.store.write(urgent=True) as conn:
        latch = latch_store.lock(conn)
        by = people.person_id(conn, caller.person)
        answered = audit.actors(conn, "pause.acknowledged", latch.incident or "")
        number = notices.ack_all(conn, by=by, now=now)
        before = incidents.get(conn, latch.incident) if latch.incident else None
        if latch.incident:
            incidents.note_ack(conn, latch.incident, by=by, now=now)
        if number or (latch.paused and by not in answered):
            record(conn, Entry("pause.acknowledged", latch.incident or "", by), now=now)
        answer: AckDoc = {"acked_by": caller.person, "acked_at": z_time(now), "notices": number}
        answer |= {"paused": latch.paused, "first": before is None or before.acked_at is None}
        if before is not None and before.acked_at is not None:
            name = people.names(conn, {before.acked_by})[before.acked_by]
            answer |= {"acked_by": name, "acked_at": z_time(before.acked_at)}
    return answer
