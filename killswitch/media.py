"""
Files that posts attach: only plain files below ``media/`` of the state directory.

A path is walked one folder at a time without following links (``O_NOFOLLOW``), so neither ``..``
nor a swapped symlink leads out; a device or a FIFO is refused before it is read.
"""

from __future__ import annotations

import hashlib
import os
import stat
from pathlib import Path

from killswitch.errors import UsageError

# The largest file any of the networks takes is below this; more would only fill the disk.
MAX_BYTES = 512 * 1024 * 1024
_CHUNK = 1024 * 1024


def fingerprint(root: Path, relative: str) -> str:
    """
    Return the SHA-256 of a media file, in hex.

    Args:
        root: The ``media`` folder.
        relative: Path below it, with ``/``.

    Raises:
        UsageError: The path leaves the folder, or is no plain readable file.
    """
    number = _open(root, relative)
    try:
        found = os.fstat(number)
        if not stat.S_ISREG(found.st_mode):
            raise _refused(relative, "it is no plain file")
        if found.st_size > MAX_BYTES:
            raise _refused(relative, f"it is larger than {MAX_BYTES // 1024 // 1024} MiB")
        digest = hashlib.sha256()
        while chunk := os.read(number, _CHUNK):
            digest.update(chunk)
        return digest.hexdigest()
    finally:
        os.close(number)


def _open(root: Path, relative: str) -> int:
    parts = relative.split("/")
    if not relative or "\0" in relative or any(part in {"", ".", ".."} for part in parts):
        raise _refused(relative, "it leaves the media folder")
    folder = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
    try:
        at = os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        for part in parts[:-1]:
            at, before = os.open(part, folder, dir_fd=at), at
            os.close(before)
        try:
            # O_NONBLOCK: a FIFO would make the open wait for a writer.
            return os.open(
                parts[-1], os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=at
            )
        finally:
            os.close(at)
    except OSError as error:
        raise _refused(relative, error.strerror or "it can't be opened") from error


def _refused(relative: str, why: str) -> UsageError:
    return UsageError(
        "media",
        f"the media file {relative!r} can't be used: {why}",
        "put the file into the media folder of the state directory and name it from there",
    )
