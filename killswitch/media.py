"""
Files that posts attach: only plain files below ``media/`` of the state directory.

A path is walked one folder at a time without following links (``O_NOFOLLOW``), so neither ``..``
nor a swapped symlink leads out; a device or a FIFO is refused before it is read.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import stat
from collections.abc import Iterable, Iterator
from io import BufferedReader
from pathlib import Path

from killswitch.errors import UsageError

# The largest file any of the networks takes is below this; more would only fill the disk.
MAX_BYTES = 512 * 1024 * 1024
_CHUNK = 1024 * 1024
# What a picture, a film or a PDF begins with, and at which byte.
_BEGINNINGS = (
    (0, b"\x89PNG\r\n\x1a\n"),
    (0, b"\xff\xd8\xff"),
    (0, b"GIF87a"),
    (0, b"GIF89a"),
    (8, b"WEBP"),
    (4, b"ftyp"),  # MP4, and QuickTime of today
    (4, b"moov"),  # QuickTime as older cameras write it
    (4, b"mdat"),
    (4, b"wide"),
    (0, b"%PDF-"),
)
KINDS = "PNG, JPEG, GIF, WebP, MP4, MOV or PDF"
_HEAD = 16
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
# O_NONBLOCK: a FIFO would make the open wait for a writer.
_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


def fingerprint(root: Path, relative: str) -> str:
    """
    Return the SHA-256 of a media file, in hex.

    Args:
        root: The ``media`` folder.
        relative: Path below it, with ``/``.

    Raises:
        UsageError: The path leaves the folder, or is no plain readable file.
    """
    try:
        with _opened(root, relative) as number:
            return _hash(number, relative)
    except (OSError, ValueError) as error:
        # ValueError: a name that no file system can hold (a NUL, a lone surrogate).
        why = getattr(error, "strerror", None) or "no file can be called so"
        raise _refused(relative, why) from error


def is_whole(root: Path, files: Iterable[tuple[str, str]]) -> bool:
    """Say whether files (path below ``root``, SHA-256 in hex) still are what they were."""
    try:
        return all(fingerprint(root, path) == digest for path, digest in files)
    except UsageError:
        return False


@contextlib.contextmanager
def opened_plain(path: Path) -> Iterator[BufferedReader]:
    """
    Open a picture, a film or a PDF that shall be attached, not following a last link.

    Raises:
        OSError: It can't be opened; ``ELOOP`` for a link.
        ValueError: It is no plain file, too large, or of another kind; says which.
    """
    with os.fdopen(os.open(path, _FILE), "rb") as file:
        found = os.fstat(file.fileno())
        if not stat.S_ISREG(found.st_mode):
            raise ValueError("it is no plain file")
        if found.st_size > MAX_BYTES:
            raise ValueError(f"it is larger than {MAX_BYTES // 1024 // 1024} MiB")
        first = file.read(_HEAD)
        if not any(first[at:].startswith(begins) for at, begins in _BEGINNINGS):
            raise ValueError(f"by its content it is no {KINDS}")
        file.seek(0)
        yield file


def _hash(number: int, relative: str) -> str:
    found = os.fstat(number)
    if not stat.S_ISREG(found.st_mode):
        raise _refused(relative, "it is no plain file")
    digest, left = hashlib.sha256(), MAX_BYTES
    while chunk := os.read(number, _CHUNK):
        left -= len(chunk)
        if left < 0:
            raise _refused(relative, f"it is larger than {MAX_BYTES // 1024 // 1024} MiB")
        digest.update(chunk)
    return digest.hexdigest()


@contextlib.contextmanager
def _opened(root: Path, relative: str) -> Iterator[int]:
    parts = relative.split("/")
    if any(part in {"", ".", ".."} for part in parts):
        raise _refused(relative, "it leaves the media folder")
    with contextlib.ExitStack() as open_ones:
        at = os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        open_ones.callback(os.close, at)
        for part in parts[:-1]:
            at = os.open(part, _FOLDER, dir_fd=at)
            open_ones.callback(os.close, at)
        at = os.open(parts[-1], _FILE, dir_fd=at)
        open_ones.callback(os.close, at)
        yield at


def _refused(relative: str, why: str) -> UsageError:
    return UsageError(
        "media",
        f"the media file {relative!r} can't be used: {why}",
        "put the file into the media folder of the state directory and name it from there",
    )
