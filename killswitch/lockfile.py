"""
The lock file of a state directory: whether a daemon runs there, and on which store.

Standard library only: a pause without the daemon asks here which file it may believe. What a
command finds in the configuration may be another store than the daemon's, whose address may come
from a credential or from the environment of the service alone.

Invariants:
    The lock is the kernel's (``flock``); what stands in the file only tells of it.
    A store is named by the file itself (device and inode), not by its path: the same path may be
    another file in another container. A name that is torn, missing or of an older version is no
    name.
"""

from __future__ import annotations

import errno
import fcntl
import json
import os
from dataclasses import asdict, dataclass
from enum import Enum
from pathlib import Path

LOCK_NAME = "daemon.lock"
_MODE = 0o660
_MOST = 8192


class Lock(Enum):
    """Whether a daemon holds the state directory."""

    FREE = "free"
    TAKEN = "taken"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class StoreName:
    """
    Which store a daemon uses.

    Attributes:
        kind: ``"sqlite"``, or that of a server, which only the daemon can ask.
        path: The file, absolute; empty for a server.
        device: Number of the file's device, 0 for a server.
        inode: Number of the file on it, 0 for a server.
    """

    kind: str
    path: str = ""
    device: int = 0
    inode: int = 0

    def is_at(self, path: Path) -> bool:
        """Say whether this very file is found under ``path``."""
        try:
            found = path.stat()
        except OSError:
            return False
        return bool(self.inode) and (found.st_dev, found.st_ino) == (self.device, self.inode)


def name_of(path: Path | None, *, kind: str) -> StoreName:
    """
    Name a store that is there.

    Raises:
        OSError: There is no such file.
    """
    if path is None:
        return StoreName(kind)
    found = path.stat()
    return StoreName(kind, str(path.absolute()), found.st_dev, found.st_ino)


def take(path: Path) -> int:
    """
    Take a lock file for this process; closing the returned number lets go of it.

    Raises:
        BlockingIOError: Somebody has it.
        OSError: The file can't be made or opened.
    """
    number = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, _MODE)
    try:
        fcntl.flock(number, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BaseException:
        os.close(number)
        raise
    return number


def write_name(number: int, name: StoreName | None) -> None:
    """
    Write who we are, and the store that we use, into a lock file that we hold.

    Raises:
        OSError: It can't be written.
    """
    said = f"{os.getpid()}\n{'' if name is None else json.dumps(asdict(name))}\n".encode()
    # In place, which needs no new block of a full disk; the second line ends what is believed.
    os.pwrite(number, said, 0)
    os.ftruncate(number, len(said))
    os.fsync(number)


def look(state_dir: Path) -> tuple[Lock, StoreName | None]:
    """Judge whether a daemon holds the lock, without keeping it from one that starts."""
    try:
        number = os.open(state_dir / LOCK_NAME, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
    except OSError:
        return Lock.UNKNOWN, None
    try:
        return _judge(number), read_name(number)
    finally:
        os.close(number)


def _judge(number: int) -> Lock:
    try:
        fcntl.flock(number, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError as error:
        return Lock.TAKEN if error.errno in {errno.EAGAIN, errno.EACCES} else Lock.UNKNOWN
    fcntl.flock(number, fcntl.LOCK_UN)
    return Lock.FREE


def read_name(number: int) -> StoreName | None:
    """Read which store an open lock file names; None where it names none."""
    try:
        said = json.loads(os.pread(number, _MOST, 0).split(b"\n")[1])
        kind, path = str(said["kind"]), str(said["path"])
        return StoreName(kind, path, int(said["device"]), int(said["inode"]))
    except (OSError, ValueError, LookupError, TypeError):
        return None
