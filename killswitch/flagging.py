"""
Turn entries of the flag directory into causes, in the caller's transaction.

Invariants:
    Every flag becomes a cause before it may be removed: of its own, or, beyond ``EACH_MOST``, one
    of a crowd that is one cause together, so that a look costs the same with a thousand entries.
    Another entry, or the same one touched again, is another press: its cause is another one, and a
    human who has not seen it can't close it.
    A press that is recorded opens nothing again: a flag whose key has an open cause belongs to it.

A key whose cause a human has closed is free again, and a press with it pauses again: whoever
always sends the same key must not find the button dead. One exception keeps a retry harmless: the
flag of a press that came over the socket as well, written so late that it was resumed meanwhile.
Such a late twin says itself that it was pressed before that resume, and comes within ``TWIN`` of
the pause. Every doubt (no time, another time, later) is a new press.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from killswitch.failpoints import passing
from killswitch.flags import Flag, FlagDir, FlagState
from killswitch.latch import CauseKind, Latch
from killswitch.store import latch as latch_store
from killswitch.store import people
from killswitch.store.audit import MACHINE
from killswitch.store.engine import Connection
from killswitch.store.latch import NewCause
from killswitch.trip import Tripped, trip
from killswitch.wire import is_of_the_machine, read_time

# The cause of a directory that is missing or can't be read.
DIRECTORY = "directory"
# Flags that are causes of their own at once; each costs some statements in one short transaction.
EACH_MOST = 16
# A command that found the daemon silent writes its flag within seconds of its press.
TWIN = timedelta(minutes=10)
# What a flag says of its time may be older than its file by so much: a press that found a daemon
# silent, or clocks of two machines on one directory.
_PRESSED_BEFORE = timedelta(seconds=60)
_CROWD = "many:"
# A name whose odd signs are written out may be far longer than a ref.
_NAME_LONGEST = 80
_PERSON_LONGEST = 80
_ACCOUNTS = Path("/etc/passwd")


@dataclass(frozen=True, slots=True)
class _Sorted:
    """
    The entries of one look.

    Attributes:
        told: Their press has an open cause, or is the late twin of one that was closed.
        each: By ref, those that are causes of their own, or are to be.
        crowd: The others, one cause together.
    """

    told: tuple[Flag, ...]
    each: Mapping[str, Sequence[Flag]]
    crowd: tuple[Flag, ...]

    @property
    def crowd_ref(self) -> str:
        """The word under which the crowd is a cause: any other crowd is another one."""
        refs = "\n".join(sorted({_ref(flag) for flag in self.crowd}))
        return f"{_CROWD}{hashlib.sha256(refs.encode()).hexdigest()[:32]}"


def key_ref(key: str) -> str:
    """Return the word under which a flag with this request key is a cause."""
    return f"key:{key}"


def stands(latch: Latch, key: str) -> bool:
    """Say whether the pause of this request key stands, however it came."""
    open_ones = {(cause.kind, cause.ref) for cause in latch.causes}
    by_socket, by_flag = (CauseKind.MANUAL, key), (CauseKind.FLAG, key_ref(key))
    return by_socket in open_ones or by_flag in open_ones


def flag_causes(conn: Connection, flags: FlagDir, *, now: datetime) -> list[Tripped]:
    """Open the causes of all flags that have none yet; return what was tripped anew."""
    return flag_causes_of(conn, flags.look(), now=now)


def flag_causes_of(conn: Connection, state: FlagState, *, now: datetime) -> list[Tripped]:
    """Do the same for a look that was taken before."""
    if state.clear:
        return []
    # Latch row first: the same press may be coming over the socket at this very moment.
    latch = latch_store.lock(conn)
    if not state.readable:
        reason = "the flag directory is missing" if state.missing else state.problem
        return [trip(conn, NewCause(CauseKind.FLAG, DIRECTORY, reason), now=now)]
    found = _sort(conn, state, latch, now=now)
    known = _refs(latch)
    new = [
        _cause(conn, flags[0], ref, now=now)
        for ref, flags in found.each.items()
        if ref not in known
    ]
    if found.crowd and found.crowd_ref not in known:
        reason = f"{len(found.crowd)} more entries in pause.d"
        new.append(NewCause(CauseKind.FLAG, found.crowd_ref, reason))
    tripped = []
    for one in new:
        tripped.append(trip(conn, one, now=now))
        passing("flag.before_commit")
    return tripped


def told_of(conn: Connection, state: FlagState, *, now: datetime) -> tuple[Flag, ...]:
    """Return the flags that ask for nothing more: their press is recorded."""
    return _sort(conn, state, latch_store.read(conn), now=now).told


def belonging_to(
    conn: Connection, state: FlagState, latch: Latch, *, now: datetime
) -> tuple[Flag, ...]:
    """Return the flags that a resume from this pause may remove: its causes, and what is told."""
    found, known = _sort(conn, state, latch, now=now), _refs(latch)
    each = (flag for ref, flags in found.each.items() if ref in known for flag in flags)
    return (*found.told, *each, *(found.crowd if found.crowd_ref in known else ()))


def _sort(conn: Connection, state: FlagState, latch: Latch, *, now: datetime) -> _Sorted:
    known = _refs(latch)
    told: list[Flag] = []
    by_ref: dict[str, list[Flag]] = defaultdict(list)
    for flag in state.entries:
        if flag.key is not None and _is_told(conn, flag, latch, now=now):
            told.append(flag)
        else:
            by_ref[_ref(flag)].append(flag)
    room = EACH_MOST - sum(not ref.startswith(_CROWD) for ref in known)
    new = [ref for ref in by_ref if ref not in known]
    late = set(new[max(0, room) :])
    return _Sorted(
        told=tuple(told),
        each={ref: flags for ref, flags in by_ref.items() if ref not in late},
        crowd=tuple(flag for ref in late for flag in by_ref[ref]),
    )


def _refs(latch: Latch) -> set[str]:
    return {cause.ref for cause in latch.causes if cause.kind is CauseKind.FLAG}


def _ref(flag: Flag) -> str:
    if flag.key is not None:
        return key_ref(flag.key)
    name = flag.name
    if len(name) > _NAME_LONGEST:
        name = f"{name[:40]}~{hashlib.sha256(name.encode()).hexdigest()[:32]}"
    return f"file:{name}@{flag.stamp}"


def _is_told(conn: Connection, flag: Flag, latch: Latch, *, now: datetime) -> bool:
    """Say whether a press with a key is recorded: by the socket, or by a pause that has ended."""
    key = flag.key or ""
    if (CauseKind.MANUAL, key) in {(cause.kind, cause.ref) for cause in latch.causes}:
        return True
    if key_ref(key) in _refs(latch):
        return False
    last = latch_store.last_closed(conn, [(CauseKind.MANUAL, key), (CauseKind.FLAG, key_ref(key))])
    pressed_at = _time(flag.at)
    if last is None or pressed_at is None:
        return False
    return bool(pressed_at <= last.closed_at and now - last.opened_at <= TWIN)


def _time(said: str | None) -> datetime | None:
    try:
        return read_time(said or "")
    except (ValueError, OverflowError):
        return None


def _cause(conn: Connection, flag: Flag, ref: str, *, now: datetime) -> NewCause:
    person = _person(flag)
    by = people.person_id(conn, person) if person else MACHINE
    reason = flag.note or f"the file {flag.name} in pause.d"
    return NewCause(CauseKind.FLAG, ref, reason, by=by, since=_pressed_at(flag, now=now))


def _person(flag: Flag) -> str | None:
    """Name who wrote a flag: as it says itself, else by its owner; None where nobody is known."""
    if flag.by and not is_of_the_machine(flag.by):
        return flag.by[:_PERSON_LONGEST]
    if flag.owner is None:
        return None
    login = _logins().get(str(flag.owner))
    return f"{login} (uid {flag.owner})" if login else f"uid {flag.owner}"


def _logins() -> dict[str, str]:
    """Read the machine's own accounts from their file: a pause waits for no name service."""
    try:
        lines = _ACCOUNTS.read_text(errors="replace").splitlines()
    except OSError:
        return {}
    fields = (line.split(":") for line in reversed(lines))
    return {one[2]: one[0] for one in fields if len(one) > 2 and one[0].isprintable()}


def _pressed_at(flag: Flag, *, now: datetime) -> datetime | None:
    """Believe the time that a flag says if it is not ahead, and not before its file could be."""
    at = _time(flag.at)
    _inode, _, written_ns = flag.stamp.partition(".")
    if at is None or at > now or not written_ns:
        return None
    # As a number: a file may say a time that no calendar has.
    return at if (at + _PRESSED_BEFORE).timestamp() >= int(written_ns) / 1e9 else None
