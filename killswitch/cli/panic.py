"""
Pause with the daemon up, hung or gone.

Standard library only. The way: the control socket (half a second), else a flag on the disk; then
proof that nothing is on the wire, from the daemon or from the store, read-only, until 25 s after
the press.

Invariants:
    The flag is durable before the store is read: a gate that wrote its intent before sees the
    flag after it, one of the two always sees the other.
    A doubt is never told as sealed: an unreadable store, one that the daemon's lock does not name,
    a lock that can't be judged, a request that may still run end as "not proven".
    What was recorded is never told as failed: a daemon that refuses to tell how it went, or falls
    silent, is asked again, and the store beside it.
"""

from __future__ import annotations

import errno
import threading
from contextlib import closing
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote

from killswitch.cli.paths import Place
from killswitch.clock import Clock
from killswitch.control.client import Client
from killswitch.errors import Exit, KillswitchError
from killswitch.flags import FlagDir, one_line
from killswitch.lockfile import Lock, StoreName, look
from killswitch.wire import PauseDoc, z_time

SOCKET_S = 0.5
"""What the socket gets before the flag is written: longer than a busy daemon takes to answer."""
SEAL_S = 25.0
"""``T_send`` (20 s, the longest a request lives) and 5 s for writing down how it ended."""
GLANCE_S = 1.0
"""How long the daemon holds one question for the seal."""
SILENCE_S = 2.0
"""A daemon that is silent for so much longer is hung: the store is looked at meanwhile."""
SOCKET_LEAST_S = 0.1
"""What a further socket gets after one that hung: somebody may answer there at once."""
STEP_S = 0.2
STORE_S = 0.5
REASON_MOST = 2000
ROWS_MOST = 1000
"""Posts that a receipt names; what is being sent comes first."""
_TRANSIENT_DISK = frozenset({errno.EROFS, errno.ENOSPC, errno.EDQUOT, errno.EIO})

Doc = dict[str, Any]
_RECEIPT = {
    "accepted": bool,
    "via": str,
    "sealed": bool | None,
    "version": int | None,
    "on_wire": list,
    "uncertain": list,
    "state_dir": str,
}


class NotPausedError(KillswitchError):
    """Nothing was recorded anywhere."""

    exit = Exit.FAILED


@dataclass(frozen=True, slots=True)
class Press:
    """
    One press of the button.

    Attributes:
        reason: What people read.
        key: Request key: the socket and the flag carry the same one.
        by: Who presses, for the flag; the daemon asks the kernel.
        said: The name after ``--as``, if any.
        review_s: Remind after so many seconds.
    """

    reason: str
    key: str
    by: str
    said: str | None = None
    review_s: float | None = None


@dataclass(slots=True)
class Panic:
    """
    The way of one press through one installation.

    Attributes:
        place: The installation.
        clock: Wall time for the flag, monotonic time for waiting.
        told: What went wrong on the way, for people.
    """

    place: Place
    clock: Clock
    told: list[str] = field(default_factory=list)
    _client: Client | None = None
    _ends_s: float = 0.0
    _pressed_at: datetime | None = None

    def press(self, press: Press) -> Doc:
        """
        Make the pause durable.

        Returns:
            A ``PauseDoc``, accepted and not sealed yet.

        Raises:
            NotPausedError: Nothing could be recorded; says what was tried.
        """
        self._ends_s = self.clock.monotonic_s() + SEAL_S
        self._pressed_at = self.clock.now()
        return self._by_socket(press) or self._by_flag(press)

    def seal(self, doc: Doc) -> Doc:
        """
        Wait for the proof that nothing is on the wire, until ``SEAL_S`` after the press.

        Args:
            doc: What ``press`` returned.

        Returns:
            The receipt; ``sealed`` is False where it could not be proven.
        """
        latest, seen = doc, dict[str, Doc]()
        while True:
            told = self._ask_daemon(doc)
            # Where the pause stands as a flag alone, the daemon may be unable to write it down.
            read = self._ask_store(doc, seen) if told is None or doc["via"] == "flag" else None
            for answer in (told, read):
                if answer is not None and answer["sealed"]:
                    return answer
            if self._client is None and read is None:
                return {**doc, "sealed": False}
            latest = told or read or latest
            if self.clock.monotonic_s() >= self._ends_s:
                return {**latest, "accepted": True, "sealed": False}
            # A daemon that answers at once is not asked in a tight loop.
            self.clock.wait(threading.Event(), STEP_S)

    # ---- recording --------------------------------------------------------------------------

    def _by_socket(self, press: Press) -> Doc | None:
        body = {
            "reason": one_line(press.reason)[:REASON_MOST],
            "key": press.key,
            "review_s": press.review_s,
        }
        ends_s = self.clock.monotonic_s() + SOCKET_S
        for path in self.place.sockets:
            client = Client(path, said=press.said, state_dir=self.place.state_dir)
            left_s = max(ends_s - self.clock.monotonic_s(), SOCKET_LEAST_S)
            try:
                doc = client.post("/pause", body, key=press.key, timeout_s=left_s, shape=PauseDoc)
            except KillswitchError as error:
                self.told.append(str(error))
                continue
            except Exception as error:  # noqa: BLE001 - whatever it is, the flag still pauses
                self.told.append(f"{path}: {type(error).__name__}: {one_line(str(error))}")
                continue
            if _is_receipt(doc) and doc["accepted"]:
                self._client = client
                return dict(doc)
            self.told.append(f"{path}: what answers there did not accept the pause")
        return None

    def _by_flag(self, press: Press) -> Doc:
        flags = FlagDir(self.place.state_dir)
        try:
            flags.write(one_line(press.reason), key=press.key, by=press.by, at=self._pressed_at)
        except (FileNotFoundError, NotADirectoryError) as error:
            raise self._no_place() from error
        except OSError as error:
            raise self._no_record(flags.path, error) from error
        if press.review_s is not None:
            self.told.append("the reminder of --review needs the daemon: set one yourself")
        return {
            "accepted": True,
            "via": "flag",
            "sealed": None,
            "sealed_at": None,
            "version": None,
            "on_wire": [],
            "uncertain": [],
            "state_dir": str(self.place.state_dir),
        }

    def _no_place(self) -> NotPausedError:
        states = ", ".join(str(path / "pause.d") for path in self.place.tried)
        sockets = ", ".join(str(path) for path in self.place.sockets)
        return NotPausedError(
            "not_paused",
            f"NOT PAUSED: no daemon answers at {sockets}, and there is no {states}",
            "name the right one with --state-dir or --config, or stop the service: "
            "systemctl stop killswitch",
        )

    def _no_record(self, path: Path, error: OSError) -> NotPausedError:
        why = error.strerror or str(error)
        if error.errno in _TRANSIENT_DISK:
            return NotPausedError(
                "not_recorded",
                f"NOT RECORDED: the gate cannot write either, so no new send starts ({path}: "
                f"{why})",
                "stop the service as well, so that it stays so: systemctl stop killswitch",
            )
        return NotPausedError(
            "not_paused",
            f"NOT PAUSED: no daemon answers, and {path} can't be written ({why})",
            "try again as its owner or root: sudo killswitch pause",
        )

    # ---- proving ----------------------------------------------------------------------------

    def _ask_daemon(self, doc: Doc) -> Doc | None:
        """Ask the daemon once; None where it falls silent, refuses, or none took the pause."""
        if self._client is None:
            return None
        left_s = max(self._ends_s - self.clock.monotonic_s(), STEP_S)
        query = {"version": doc["version"], "wait_s": min(GLANCE_S, left_s)}
        try:
            answer = self._client.get(
                "/seal",
                query=query,
                timeout_s=min(GLANCE_S + SILENCE_S, left_s),
                shape=PauseDoc,
            )
        except KillswitchError as error:
            self._tell(f"the daemon does not say whether it is sealed: {error}")
            return None
        if not _is_receipt(answer):
            return None
        return {**answer, "via": doc["via"], "state_dir": doc["state_dir"]}

    def _ask_store(self, doc: Doc, seen: dict[str, Doc]) -> Doc | None:
        """Look into the store once; None where it can't be read or is not the daemon's."""
        # The daemon that took the pause may live elsewhere than where a flag would have gone.
        lock, name = look(Path(doc["state_dir"]))
        try:
            rows = read_deliveries(self._store(name), ids=tuple(seen), lock=lock)
        except (OSError, ValueError) as error:
            self._tell(f"the store can't be read: {error}")
            return None
        sending = [row for row in rows if row["state"] == "sending"]
        seen.update({row["id"]: row for row in sending})
        if lock is Lock.FREE or not sending:
            unsure = [row for row in rows if row["state"] in {"sending", "uncertain"}]
            return self._sealed(doc, seen=seen, unsure=unsure)
        return {**doc, "sealed": False, "on_wire": [_post(row) for row in sending]}

    def _store(self, name: StoreName | None) -> Path:
        """
        Find the file that the daemon's lock names; what the configuration says may be another.

        Raises:
            ValueError: It can't be found, or is not a file.
        """
        if name is None:
            raise ValueError("daemon.lock does not say which store the daemon uses")
        if name.kind != "sqlite":
            raise ValueError(f"it is a {name.kind} server, which only the daemon can ask")
        for path in (Path(name.path), self.place.store):
            if path is not None and name.is_at(path):
                return path
        raise ValueError(f"the daemon's store {name.path} is not to be found from here")

    def _sealed(self, doc: Doc, *, seen: dict[str, Doc], unsure: list[Doc]) -> Doc:
        return {
            **doc,
            "sealed": True,
            "sealed_at": z_time(self.clock.now()),
            "on_wire": [_post(row) for row in seen.values()],
            "uncertain": [_post(row) for row in unsure],
        }

    def _tell(self, problem: str) -> None:
        """Tell a problem once, however often it comes."""
        if problem not in self.told:
            self.told.append(problem)


def _is_receipt(doc: object) -> bool:
    """Say whether an answer is a receipt; who knows what listens on a socket in a broken place."""
    return (
        isinstance(doc, dict)
        and all(name in doc and isinstance(doc[name], kind) for name, kind in _RECEIPT.items())
        and all(_is_post(one) for one in (*doc["on_wire"], *doc["uncertain"]))
    )


def _is_post(one: object) -> bool:
    return isinstance(one, dict) and all(
        isinstance(one.get(name), str) for name in ("id", "channel", "text")
    )


def read_deliveries(store: Path, *, ids: tuple[str, ...], lock: Lock) -> list[Doc]:
    """
    Read what is being sent or may have gone out, and what became of some that were being sent.

    An uncertain post is named however old: its request may reach the network after the seal.

    Args:
        store: The SQLite file, opened read-only.
        ids: Deliveries to read whatever their state.
        lock: Only where no daemon runs may the file be read without its shared memory.

    Raises:
        OSError: The store can't be read.
    """
    import sqlite3  # noqa: PLC0415 - only this way needs it: a pause over the socket is faster

    try:
        return _query(store, ids, options="mode=ro")
    except sqlite3.Error as error:
        # A WAL database without its -shm can't be opened where we may not write; its file alone
        # is the whole truth only if nobody runs and the log is empty.
        if lock is not Lock.FREE or _has_log(store):
            raise OSError(errno.EIO, f"{store}: {error}") from error
    try:
        return _query(store, ids, options="mode=ro&immutable=1")
    except sqlite3.Error as error:
        raise OSError(errno.EIO, f"{store}: {error}") from error


def _query(store: Path, ids: tuple[str, ...], *, options: str) -> list[Doc]:
    import sqlite3  # noqa: PLC0415 - as above

    marks = ",".join("?" * len(ids))
    # What is being taken down before anybody knew whether it is out may still arrive.
    sql = (
        "SELECT d.id, d.channel, p.text, "  # noqa: S608 - only question marks are put in
        "CASE WHEN d.state = 'retracting' AND d.sent_at IS NULL THEN 'uncertain' ELSE d.state END "
        "FROM deliveries d JOIN posts p ON p.id = d.post "
        "WHERE d.state IN ('sending', 'uncertain') "
        f"OR (d.state = 'retracting' AND d.sent_at IS NULL) OR d.id IN ({marks}) "
        "ORDER BY d.state = 'sending' DESC, d.due_at "
        f"LIMIT {ROWS_MOST}"
    )
    uri = f"file:{quote(str(store))}?{options}"
    with closing(sqlite3.connect(uri, uri=True, timeout=STORE_S)) as connection:
        rows = connection.execute(sql, ids).fetchall()
    return [
        {"id": one, "channel": channel, "text": text, "state": state}
        for one, channel, text, state in rows
    ]


def _has_log(store: Path) -> bool:
    try:
        return store.with_name(f"{store.name}-wal").stat().st_size > 0
    except FileNotFoundError:
        return False
    except OSError:
        return True


def _post(row: Doc) -> Doc:
    return {"id": row["id"], "channel": row["channel"], "text": row["text"]}
