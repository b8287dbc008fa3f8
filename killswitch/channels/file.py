"""
A channel that appends one JSON line a post to a file, for trials and for other programs to read.

``O_APPEND`` keeps lines of several writers whole; the line is fsynced before it counts as sent. A
post is taken back by one more line with ``retracted_at``: readers see both, nothing is erased.
Foreign errors: an ``OSError`` before the write is unsent, one during or after it is uncertain.
"""

from __future__ import annotations

import contextlib
import json
import os
import stat
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from killswitch.channels.frame import (
    Channel,
    Deletion,
    Ending,
    Found,
    Gone,
    Outcome,
    Probe,
    Request,
)
from killswitch.channels.payload import payload
from killswitch.clock import Clock
from killswitch.failpoints import passing
from killswitch.queue.post import Content
from killswitch.wire import z_time

# A longer line could be torn by a full disk; no network takes a text of this length either.
MAX_TEXT = 100_000
# O_NONBLOCK: a pipe that nobody reads, or writes, would make the open wait for ever.
_SAFELY = os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK
_APPEND = os.O_WRONLY | os.O_CREAT | os.O_APPEND | _SAFELY
# More than any line of ours; what is longer is not one.
_LINE_BYTES = 4 * 1024 * 1024


class FileChannel:
    """Posts as lines of a file."""

    kind = "file"
    # A repeat would be a second line.
    repeat_safe = False
    can_probe = True

    def __init__(self, name: str, path: Path, *, clock: Clock) -> None:
        """Append to ``path``; its folder must exist when a post is due."""
        self.name = name
        self._path = path
        self._clock = clock

    def problems(self, content: Content) -> list[str]:
        """Say what of a post the file would refuse."""
        if len(content.text) > MAX_TEXT:
            return [f"the text has {len(content.text)} characters, {self.name} takes {MAX_TEXT}"]
        return []

    def publish(self, request: Request, *, deadline_s: float) -> Outcome:  # noqa: ARG002 - a local write has no other side to wait for
        """Append the line and wait until it is on the disk."""
        return self._write(payload(request) | {"sent_at": z_time(self._clock.now())}, request)

    def _write(self, line: Mapping[str, Any], request: Request) -> Outcome:
        data = (json.dumps(line, ensure_ascii=False) + "\n").encode()
        try:
            number = os.open(self._path, _APPEND, 0o640)
        except OSError as error:
            return Outcome(Ending.UNSENT, f"{self._path} can't be opened: {error.strerror}")
        try:
            return self._append(number, data, request)
        finally:
            os.close(number)

    def _append(self, number: int, data: bytes, request: Request) -> Outcome:
        before = os.fstat(number).st_size
        try:
            written = os.write(number, data)
            if written != len(data):
                # Half a line is not a post: take it back rather than leave it to be misread.
                os.ftruncate(number, before)
                return Outcome(Ending.UNSENT, f"{self._path} has no room")
            passing("file.after_write")
            os.fsync(number)
        except OSError as error:
            return self._after_error(number, before, error)
        return Outcome(Ending.SENT, "appended", remote_id=request.delivery)

    def _after_error(self, number: int, before: int, error: OSError) -> Outcome:
        with contextlib.suppress(OSError):
            if os.fstat(number).st_size == before:
                return Outcome(Ending.UNSENT, f"{self._path}: {error.strerror}")
        return Outcome(Ending.UNCERTAIN, f"{self._path}: {error.strerror}")

    def probe(self, request: Request, *, deadline_s: float) -> Probe:  # noqa: ARG002 - as above
        """Look for the delivery's line in the file; one that was taken back is not there."""
        there = False
        try:
            for line in self._lines():
                found = _about(line, request.delivery)
                if found is Found.UNKNOWN:
                    return Probe(found, "the file has a broken line of it")
                there = found is Found.THERE if found else there
        except FileNotFoundError:
            return Probe(Found.ABSENT, f"{self._path} is not there")
        except OSError as error:
            return Probe(Found.UNKNOWN, f"{self._path}: {error.strerror}")
        if there:
            return Probe(Found.THERE, "the line is in the file", request.delivery)
        return Probe(Found.ABSENT, "no such line in the file")

    def _lines(self) -> Iterator[bytes]:
        number = os.open(self._path, os.O_RDONLY | _SAFELY)
        with os.fdopen(number, "rb") as file:
            if not stat.S_ISREG(os.fstat(number).st_mode):
                raise OSError(0, "it is no plain file, so it can't be read again")
            while line := file.readline(_LINE_BYTES):
                yield line

    def why_not_delete(self, remote_id: str | None) -> str | None:  # noqa: ARG002 - the line has our own id
        """Find nothing in the way: a line can always be added."""
        return None

    def delete(self, request: Request, *, remote_id: str | None, deadline_s: float) -> Deletion:  # noqa: ARG002 - as above
        """Append that the delivery is taken back, and wait until that is on the disk."""
        line = {
            "delivery": request.delivery,
            "key": request.key,
            "channel": request.channel,
            "retracted_at": z_time(self._clock.now()),
        }
        outcome = self._write(line, request)
        if outcome.ending is Ending.SENT:
            return Deletion(Gone.DELETED, "appended that it is taken back")
        return Deletion(Gone.UNKNOWN, outcome.detail)

    def check(self) -> str | None:
        """Look whether the file could be written."""
        if self._path.exists():
            return None if os.access(self._path, os.W_OK) else f"{self._path} is not writable"
        folder = self._path.parent
        if not folder.is_dir():
            return f"the folder {folder} is not there"
        return None if os.access(folder, os.W_OK) else f"the folder {folder} is not writable"

    def limits(self) -> Mapping[str, int | str | bool]:
        """Tell the limits, for people."""
        return {"text": MAX_TEXT, "path": str(self._path)}


def _about(line: bytes, delivery: str) -> Found | None:
    """Say what a line tells of a delivery, or None where it is about something else."""
    wanted = json.dumps(delivery)
    if wanted.encode() not in line:
        return None
    try:
        found = json.loads(line)
    except (ValueError, RecursionError):
        # Cut off by a power cut, perhaps with another line behind it.
        return Found.UNKNOWN if f'"delivery": {wanted}'.encode() in line else None
    if not isinstance(found, dict) or found.get("delivery") != delivery:
        return None
    return Found.ABSENT if "retracted_at" in found else Found.THERE


_: type[Channel] = FileChannel
