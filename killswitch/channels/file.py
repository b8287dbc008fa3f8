"""
A channel that appends one JSON line a post to a file, for trials and for other programs to read.

``O_APPEND`` keeps lines of several writers whole; the line is fsynced before it counts as sent.
Foreign errors: an ``OSError`` before the write is unsent, one during or after it is uncertain.
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Mapping
from pathlib import Path

from killswitch.channels.frame import Channel, Ending, Found, Outcome, Probe, Request
from killswitch.channels.payload import payload
from killswitch.clock import Clock
from killswitch.failpoints import passing
from killswitch.queue.post import Content
from killswitch.wire import z_time

# A longer line could be torn by a full disk; no network takes a text of this length either.
MAX_TEXT = 100_000
_FLAGS = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW


class FileChannel:
    """Posts as lines of a file."""

    kind = "file"
    # A repeat would be a second line.
    repeat_safe = False

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
        line = payload(request) | {"sent_at": z_time(self._clock.now())}
        data = (json.dumps(line, ensure_ascii=False) + "\n").encode()
        try:
            number = os.open(
                self._path,
                # O_NONBLOCK: a pipe that nobody reads would make the open wait for ever.
                _FLAGS | os.O_NONBLOCK,
                0o640,
            )
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

    def probe(self, request: Request) -> Probe:
        """Look for the delivery's id in the file."""
        wanted = json.dumps(request.delivery)
        try:
            with self._path.open(encoding="utf-8", errors="replace") as lines:
                there = any(wanted in line and _is_of(line, request.delivery) for line in lines)
        except FileNotFoundError:
            return Probe(Found.ABSENT, f"{self._path} is not there")
        except OSError as error:
            return Probe(Found.UNKNOWN, f"{self._path}: {error.strerror}")
        if there:
            return Probe(Found.THERE, "the line is in the file", request.delivery)
        return Probe(Found.ABSENT, "no such line in the file")

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


def _is_of(line: str, delivery: str) -> bool:
    try:
        found = json.loads(line)
    except ValueError:
        return False
    return isinstance(found, dict) and found.get("delivery") == delivery


_: type[Channel] = FileChannel
