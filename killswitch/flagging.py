"""
Turn entries of the flag directory into causes, in the caller's transaction.

Invariants: every flag becomes a cause before it may be removed; a flag whose request key is
recorded already (the pause also came over the socket) opens nothing again.
"""

from __future__ import annotations

import hashlib
from datetime import datetime

from killswitch.failpoints import passing
from killswitch.flags import Flag, FlagDir, FlagState
from killswitch.latch import CauseKind
from killswitch.store import latch as latch_store
from killswitch.store import people, request_keys
from killswitch.store.audit import MACHINE
from killswitch.store.engine import Connection
from killswitch.store.latch import NewCause, was_opened
from killswitch.trip import Tripped, trip

# The cause of a directory that is missing or can't be read.
DIRECTORY = "directory"
# As long as a request key may be; a file's name, its odd signs written out, may be far longer.
_REF_LONGEST = 80


def flag_ref(flag: Flag) -> str:
    """Return the word under which a flag is a cause: its request key, else its name."""
    ref = flag.key or flag.name
    if len(ref) <= _REF_LONGEST:
        return ref
    return f"{ref[:40]}~{hashlib.sha256(ref.encode()).hexdigest()[:32]}"


def flag_causes(conn: Connection, flags: FlagDir, *, now: datetime) -> list[Tripped]:
    """Open the causes of all flags that have none yet; return what was tripped anew."""
    return flag_causes_of(conn, flags.look(), now=now)


def flag_causes_of(conn: Connection, state: FlagState, *, now: datetime) -> list[Tripped]:
    """Do the same for a look that was taken before."""
    if not state.clear:
        # Latch row first: the same press may be coming over the socket at this very moment.
        latch_store.lock(conn)
    if not state.readable:
        reason = "the flag directory is missing" if state.missing else state.problem
        return [trip(conn, NewCause(CauseKind.FLAG, DIRECTORY, reason), now=now)]
    tripped = []
    for flag in state.entries:
        if flag.key is not None and request_keys.known(conn, flag.key):
            continue
        ref = flag_ref(flag)
        if flag.key is not None and was_opened(conn, CauseKind.FLAG, ref):
            continue
        by = people.person_id(conn, flag.by[:_REF_LONGEST]) if flag.by else MACHINE
        reason = flag.note or f"the file {flag.name} in pause.d"
        tripped.append(trip(conn, NewCause(CauseKind.FLAG, ref, reason, by=by), now=now))
        passing("flag.before_commit")
    return tripped


def belongs_to_closed(conn: Connection, state: FlagState) -> list[str]:
    """Return the entries whose key is recorded: they open nothing, and a resume removes them."""
    return [
        flag.name
        for flag in state.entries
        if flag.key is not None
        and (request_keys.known(conn, flag.key) or was_opened(conn, CauseKind.FLAG, flag_ref(flag)))
    ]
