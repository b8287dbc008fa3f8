"""
Let go what was decided in a pause, after its causes have closed.

A resume closes its causes in one short transaction and leaves a note. What people decided on held
posts is then carried out in bites, each a transaction of its own: ten thousand decisions never keep
a pause waiting. Until its bite comes a post is still held, and nothing of it can leave.

Invariants:
    The note is written by the transaction that closes the last cause, and struck by the one that
    opens the next: what was not let go by then is a decision in the new pause.
    A bite locks the latch row first and reads the note under it. A decision is gone with the
    transaction that carries it out, so it is carried out once.
    Whoever finishes, the press or after a crash the sweep, does it as at the moment of the press;
    only a slot is never given in the past.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from killswitch.desk import carry_out, clashing
from killswitch.desk.context import Context
from killswitch.failpoints import passing
from killswitch.queue.states import Decision, DeliveryState, HoldKind
from killswitch.queue.when import When
from killswitch.store import bulk, decisions, deliveries, facts, holds
from killswitch.store import latch as latch_store
from killswitch.store.bulk import BITE, Move
from killswitch.store.deliveries import Delivery
from killswitch.store.engine import Connection, Row
from killswitch.trip import LEFT_OVER, LETTING_GO

_S = DeliveryState
# Ids read at once; each reading sorts all decisions, so one for each bite would cost too much.
READ_MOST = 500


@dataclass(frozen=True, slots=True)
class Note:
    """
    What is being let go, and how far it has come.

    Attributes:
        at: When it was pressed (aware UTC).
        dismissed: The incident that was a false alarm: what only it holds goes on, too.
        by: Who called it that.
        slots: By channel, from when on its next slot may be.
        released: How many posts may leave by it so far.
        done: Whether everything was let go.
    """

    at: datetime
    dismissed: str | None = None
    by: str = ""
    slots: Mapping[str, datetime] = field(default_factory=dict)
    released: int = 0
    done: bool = False

    def to_text(self) -> str:
        """Write the note as JSON."""
        slots = {channel: at.isoformat() for channel, at in self.slots.items()}
        rest = {"dismissed": self.dismissed, "by": self.by, "released": self.released}
        return json.dumps({"at": self.at.isoformat(), "slots": slots, "done": self.done, **rest})


def _read(conn: Connection) -> Note | None:
    text = facts.get(conn, LETTING_GO)
    if text is None:
        return None
    said = json.loads(text)
    said["at"] = datetime.fromisoformat(said["at"])
    slots = {channel: datetime.fromisoformat(at) for channel, at in said["slots"].items()}
    return Note(**(said | {"slots": slots}))


def slots_until(conn: Connection, channel: str) -> datetime | None:
    """Return when the row of slots that the last resume gave on a channel ends, if it gave any."""
    note = _read(conn)
    return None if note is None else note.slots.get(channel)


def begin(conn: Connection, note: Note) -> None:
    """Leave the note in the transaction that closes the last cause."""
    facts.put(conn, LETTING_GO, note.to_text())
    facts.drop(conn, LEFT_OVER)


def finish(ctx: Context) -> int:
    """Let everything go; return how many posts may leave by it."""
    released = 0
    while (note := step(ctx)) is not None:
        released = note.released
        if note.done:
            break
    return released


def step(ctx: Context) -> Note | None:
    """Let some of it go; return how far it has come, or None where there is nothing to let go."""
    with ctx.store.read() as conn:
        note = _read(conn)
        if note is None or note.done:
            return note
        waiting = _waiting(ctx, conn, note)
    for at in range(0, len(waiting), BITE):
        after = _bite(ctx, waiting[at : at + BITE])
        if after is None:
            return replace(note, done=True)  # a trip: the rest waits for the next resume
        note = after
        passing("release.after_commit")
    return note if waiting else _bite(ctx, ())


def _waiting(ctx: Context, conn: Connection, note: Note) -> list[str]:
    """Return the next deliveries to let go: first those that need no slot, soonest due first."""
    found = decisions.to_carry_out(conn, at=note.at, limit=READ_MOST)
    if note.dismissed is not None:
        not_late = {name: note.at - limits.late_after for name, limits in ctx.limits.items()}
        alone = holds.held_only_by(
            conn, HoldKind.PAUSE, ref=note.dismissed, due_from=not_late, limit=READ_MOST
        )
        found += [(due <= note.at, due, queued, one) for due, queued, one in alone]
    return [row[-1] for row in sorted(found)[:READ_MOST]]


def _bite(ctx: Context, ids: Sequence[str]) -> Note | None:
    """Let a bite go in one transaction; no more ids means that all is done."""
    with ctx.store.write() as conn:
        latch_store.lock(conn)
        note = _read(conn)
        if note is None or note.done:
            return note
        note = _let_go(ctx, conn, note, ids) if ids else replace(note, done=True)
        facts.put(conn, LETTING_GO, note.to_text())
        passing("release.before_commit")
    return note


@dataclass(frozen=True, slots=True)
class _Leaving:
    """
    One held post that goes out.

    Attributes:
        one: The delivery, with its new words once they are written.
        by: Who let it out.
        row: The decision, or None where the whole alarm was false.
        shown: The events that it is held for: whoever edited it was shown them.
    """

    one: Delivery
    by: str
    row: Row[Any] | None
    shown: Collection[str]

    @property
    def change(self) -> Mapping[str, Any] | None:
        """What a human decided that it shall say, or None where the words stay."""
        if self.row is None or self.row.kind != Decision.EDIT:
            return None
        return self.row.post_change or {}

    def needs_slot(self, note: Note) -> bool:
        """Say whether its time had passed at the press and nobody decided on another."""
        decided = self.row is not None and self.row.due_at is not None
        return not decided and self.one.due_at <= note.at

    def at_its_time(self, ctx: Context, now: datetime) -> Move:
        """Return its move back into the queue, at the decided time or its own."""
        row, one = self.row, self.one
        if row is None:
            # Nobody looked at this one: what the horizon asks of it stays as it was.
            when = None
        elif row.due_at is None:
            when = When(one.due_at, one.wall, one.zone)
        else:
            when = When(row.due_at, row.wall, row.zone)
        return carry_out.going_back(ctx, one, when, by=self.by, now=now)


def _let_go(ctx: Context, conn: Connection, note: Note, ids: Sequence[str]) -> Note:
    now = ctx.clock.now()
    held = [one for one in deliveries.lock_many(conn, ids) if one.state is _S.HELD]
    held.sort(key=deliveries.in_line)
    decided = decisions.of(conn, [one.id for one in held])
    bulk.drop_decisions(conn, decided)
    leaving = _edit(ctx, conn, _leaving(conn, note, held, decided), now=now)
    late = [it for it in leaving if it.needs_slot(note)]
    moves = [it.at_its_time(ctx, now) for it in leaving if it not in late]
    moves += _skipped(held, decided)
    _move(conn, moves, now=now)
    # Slots step around what is planned, what has just gone back among it.
    in_slots, slots = _in_slots(ctx, conn, note, late, now=now)
    _move(conn, in_slots, now=now)
    moves += in_slots
    free = {move.one.id for move in moves if move.new is _S.SCHEDULED}
    free -= _hold_clashes(ctx, conn, leaving, moves, now=now)
    return replace(note, slots={**note.slots, **slots}, released=note.released + len(free))


def _move(conn: Connection, moves: Sequence[Move], *, now: datetime) -> None:
    bulk.lift_holds(conn, [move.one.id for move in moves], now=now)
    bulk.move(conn, moves, now=now)


def _skipped(held: Sequence[Delivery], decided: Mapping[str, Row[Any]]) -> list[Move]:
    return [
        carry_out.skipping(one, by=row.by, why=row.reason)
        for one in held
        if (row := decided.get(one.id)) is not None and row.kind == Decision.SKIP
    ]


def _leaving(
    conn: Connection, note: Note, held: Sequence[Delivery], decided: Mapping[str, Row[Any]]
) -> list[_Leaving]:
    """
    Choose what goes out.

    A decision whose own time had passed at the press is none: its delivery stays held.
    """
    reasons = holds.holds_of(conn, [one.id for one in held])
    found = []
    for one in held:
        row = decided.get(one.id)
        if row is None:
            goes, by = _is_held_by_alone(reasons[one.id], note.dismissed), note.by
        else:
            passed = row.due_at is not None and row.due_at <= note.at
            goes, by = row.kind in decisions.OUT and not passed, row.by
        if goes:
            shown = [hold.ref for hold in reasons[one.id] if hold.kind == HoldKind.CLASH]
            found.append(_Leaving(one, by, row, shown))
    return found


def _is_held_by_alone(reasons: Sequence[Row[Any]], incident: str | None) -> bool:
    """Say whether nothing but pauses hold it, this one among them."""
    paused = all(hold.kind == HoldKind.PAUSE for hold in reasons)
    return paused and incident in {hold.ref for hold in reasons}


def _edit(
    ctx: Context, conn: Connection, leaving: Sequence[_Leaving], *, now: datetime
) -> list[_Leaving]:
    """Write the new words; where a second person approves, an earlier approval is void."""
    edits = [(it.one, it.change, it.by) for it in leaving if it.change is not None]
    edited = {one.id: one for one in carry_out.edit_many(ctx, conn, edits, now=now)}
    return [replace(it, one=edited.get(it.one.id, it.one)) for it in leaving]


def _in_slots(
    ctx: Context, conn: Connection, note: Note, late: Sequence[_Leaving], *, now: datetime
) -> tuple[list[Move], dict[str, datetime]]:
    """Return moves into the next slots, and from when on each channel's slot after them may be."""
    lines: dict[str, list[_Leaving]] = defaultdict(list)
    for it in late:
        lines[it.one.channel].append(it)
    moves = []
    after = {}
    for channel, line in lines.items():
        start = max(note.slots.get(channel, note.at + ctx.queue.release_gap), now)
        slots, after[channel] = carry_out.slots(ctx, conn, channel, len(line), start=start)
        for it, slot in zip(line, slots, strict=True):
            moves.append(carry_out.going_back(ctx, it.one, slot, by=it.by, now=now))
    return moves, after


def _hold_clashes(
    ctx: Context,
    conn: Connection,
    leaving: Sequence[_Leaving],
    moves: Sequence[Move],
    *,
    now: datetime,
) -> set[str]:
    """Hold again what touches an event with its new words; return the ids."""
    state = {move.one.id: move.new for move in moves}
    new_words = [it for it in leaving if it.change is not None]
    found: set[str] = set()
    if not new_words:
        return found
    for story in clashing.events(ctx, conn, since=now - clashing.REMEMBERED):
        looked = [
            replace(it.one, state=_S.HELD if it.one.id in found else state[it.one.id])
            for it in new_words
            if story.id not in it.shown
        ]
        found |= clashing.hold_touched(conn, looked, story, now).keys()
    return found
