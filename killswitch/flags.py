"""
The flag directory: a pause that works when everything else hangs.

Standard library only: the panic path of the CLI loads this module, and the gate asks it for every
post.

Invariants:
    Any entry of any kind in ``pause.d/`` is a pause; so is a directory that is missing, not ours
    or can't be listed. Content is only a note: at most 4 KiB of a plain file are read, links are
    not followed, and what makes no sense says nothing.
    ``write`` returns only after file and directory are on the disk.
    Nothing here creates ``pause.d/`` except ``create``, which only a new store and a resume call.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import os
import re
import stat
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from killswitch.failpoints import passing

PAUSE_DIR = "pause.d"
SPARE_DIR = "spare.d"
DIR_MODE = 0o2770
"""Set-group-id, so that a flag written by an operator belongs to the daemon's group."""
FILE_MODE = 0o664
"""Readable beyond the group, so that the daemon can read the note of an operator's flag where the
directory has no set-group-id bit; the directory itself keeps everybody else out."""
NOTE_BYTES = 4096
"""Longest note that is read; also the size of a spare, one block on common file systems."""
NOTES_READ = 64
"""Entries whose content is read in one look; the others count just the same."""
SPARES = 8
KEY_LONGEST = 80
"""Longest request key, as for the API."""

_DIR_FLAGS = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
# Without O_NONBLOCK, opening a FIFO that takes a file's place this instant would wait for a writer.
_NOTE_FLAGS = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_FULL = frozenset({errno.ENOSPC, errno.EDQUOT})
_PLAIN_KEY = re.compile(r"[A-Za-z0-9-]{1,64}")


@dataclass(frozen=True, slots=True)
class Flag:
    """
    One entry of ``pause.d/``.

    Attributes:
        name: Its name, with what is not plain text escaped (``shown``).
        stamp: Which entry of this name it is: a later one, or one that was touched again, is
            another press.
        key: The request key of the pause that wrote it, if it says one that could be one.
        note: Its reason, else its content, as text of one line.
        by: Who wrote it, as it says itself.
        at: When, as it says itself.
        is_dir: A directory: a resume removes it only when it is empty.
        owner: Uid to whom it belongs, as the file system says; None where it was gone at once.
    """

    name: str
    stamp: str
    key: str | None = None
    note: str = ""
    by: str | None = None
    at: str | None = None
    is_dir: bool = False
    owner: int | None = None


@dataclass(frozen=True, slots=True)
class FlagState:
    """
    What one look found.

    Attributes:
        readable: The directory could be listed and is ours.
        missing: There is no such directory.
        entries: Its entries, by name.
        problem: Why it is not readable, else an empty string.
    """

    readable: bool
    missing: bool
    entries: tuple[Flag, ...]
    problem: str = ""

    @property
    def clear(self) -> bool:
        """Nothing here asks for a pause."""
        return self.readable and not self.entries


class FlagDir:
    """The flag directory of one state directory."""

    def __init__(self, state_dir: Path) -> None:
        """Only remember the paths; nothing is touched."""
        self.state_dir = state_dir
        self.path = state_dir / PAUSE_DIR
        self.spares = state_dir / SPARE_DIR

    def is_clear(self) -> bool:
        """
        Say whether nothing asks for a pause; one listing, tens of microseconds.

        Every doubt (missing, unreadable, somebody else's) answers False.
        """
        try:
            with self._opened() as fd, os.scandir(fd) as entries:
                return next(entries, None) is None
        except OSError:
            return False

    def look(self) -> FlagState:
        """List the directory with the notes of its entries; never raises."""
        try:
            with self._opened() as fd:
                entries = tuple(
                    _flag(fd, name, found, read=number < NOTES_READ)
                    for number, (name, found) in enumerate(sorted(_stats(fd).items()))
                )
        except FileNotFoundError:
            return FlagState(
                readable=False, missing=True, entries=(), problem=f"{self.path} is missing"
            )
        except OSError as error:
            problem = f"{self.path}: {error.strerror or error}"
            return FlagState(readable=False, missing=False, entries=(), problem=problem)
        return FlagState(readable=True, missing=False, entries=entries)

    def write(self, reason: str, key: str, by: str, *, at: datetime | None = None) -> str:
        """
        Ask for a pause; durable when this returns.

        Args:
            reason: What people read.
            key: Request key: the same key twice is one flag, and one cause.
            by: Who asks.
            at: Aware instant of the press; without it the time of the file tells.

        Returns:
            The name of the flag.

        Raises:
            OSError: Nothing was recorded: no such directory, no right, a read-only file system,
                or a full disk without a spare.
        """
        name = _name_for(key)
        content = _content(reason, key=key, by=by, at=at)
        with self._opened() as fd:
            try:
                self._create_flag(fd, name, content)
            except FileExistsError:
                pass  # the same key: already asked for, and perhaps not yet on the disk
            except OSError as error:
                if error.errno not in _FULL:
                    raise
                self._rename_spare(fd, name, content, full=error)
            passing("flag.before_sync")
            os.fsync(fd)
        passing("flag.after_sync")
        return name

    def create(self) -> None:
        """
        Make the directory if it is missing; only for a new store and by a resume.

        Raises:
            OSError: It can't be made.
        """
        self._make(self.path)

    def fill_spares(self, count: int = SPARES) -> None:
        """
        Keep ``count`` files ready that a full disk can't prevent from becoming flags.

        Raises:
            OSError: They can't be written.
        """
        paths = [self.spares / f"spare-{number}" for number in range(count)]
        missing = [path for path in paths if not _is_whole(path)]
        if missing:
            self._make(self.spares)
            for path in missing:
                path.unlink(missing_ok=True)
                _write_new(path, b" " * NOTE_BYTES)
            _fsync_dir(self.spares)

    def remove(self, flags: Iterable[Flag]) -> FlagState:
        """
        Remove just these flags and list again.

        Args:
            flags: From ``look``; an entry that has taken the place of one since is left alone.
                A directory is removed only when it is empty.

        Returns:
            What is there afterwards; whatever could not be removed is still in it.
        """
        wanted = {(flag.name, flag.stamp) for flag in flags}
        try:
            with self._opened() as fd:
                for name, found in _stats(fd).items():
                    if (shown(name), _stamp(found)) in wanted:
                        with contextlib.suppress(OSError):
                            _unlink(fd, name)
                os.fsync(fd)
        except OSError:
            pass  # the look below says what is wrong
        return self.look()

    @contextlib.contextmanager
    def _opened(self) -> Iterator[int]:
        """Open the directory itself, never what a link points to, and only if it is ours."""
        fd = os.open(self.path, _DIR_FLAGS)
        try:
            owner = os.fstat(fd).st_uid
            if owner not in {0, os.geteuid()} and owner != self.state_dir.stat().st_uid:
                raise PermissionError(errno.EPERM, f"belongs to uid {owner}", str(self.path))
            yield fd
        finally:
            os.close(fd)

    def _create_flag(self, dir_fd: int, name: str, content: bytes) -> None:
        fd = os.open(
            name, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, FILE_MODE, dir_fd=dir_fd
        )
        try:
            _fill(fd, content)
        finally:
            os.close(fd)

    def _rename_spare(self, dir_fd: int, name: str, content: bytes, *, full: OSError) -> None:
        """Overwrite a spare in place, which needs no new block, and rename it into the flags."""
        for spare in sorted(self.spares.iterdir()) if self.spares.is_dir() else ():
            with contextlib.suppress(OSError):
                with contextlib.suppress(OSError):
                    _overwrite(spare, content)
                os.replace(spare, name, dst_dir_fd=dir_fd)
                return
        # An entry that was created before the disk was full has no content, but it is a flag.
        if name not in _names(dir_fd):
            raise full

    def _make(self, path: Path) -> None:
        with contextlib.suppress(FileExistsError):
            path.mkdir()
            try:
                path.chmod(DIR_MODE)  # mkdir drops the set-group-id bit and obeys the umask
            except PermissionError:
                # RestrictSUIDSGID= of the unit forbids that bit; tmpfiles.d sets it later.
                path.chmod(DIR_MODE & 0o777)
        _fsync_dir(path.parent)


def shown(name: str) -> str:
    """Write a file name as text: what is not printable, not UTF-8, or a backslash is escaped."""
    text = os.fsencode(name).decode("utf-8", "surrogateescape")
    return "".join(
        sign if sign.isprintable() and sign != "\\" else sign.encode("unicode_escape").decode()
        for sign in text
    )


def one_line(text: str) -> str:
    """Write foreign text as one line without control signs, bidi marks or lone surrogates."""
    return "".join(sign if sign.isprintable() else " " for sign in text).strip()


def _names(dir_fd: int) -> list[str]:
    with os.scandir(dir_fd) as entries:
        return [entry.name for entry in entries]


def _stats(dir_fd: int) -> dict[str, os.stat_result | None]:
    """List the entries; None for one that was gone before it could be looked at."""
    found: dict[str, os.stat_result | None] = {}
    with os.scandir(dir_fd) as entries:
        for entry in entries:
            try:
                found[entry.name] = entry.stat(follow_symlinks=False)
            except OSError:
                found[entry.name] = None
    return found


def _stamp(found: os.stat_result | None) -> str:
    return f"{found.st_ino}.{found.st_mtime_ns}" if found else ""


def _flag(dir_fd: int, name: str, found: os.stat_result | None, *, read: bool) -> Flag:
    text = ""
    # Only a plain file is opened: opening a device or a FIFO may do something.
    if read and found is not None and stat.S_ISREG(found.st_mode):
        with contextlib.suppress(OSError):
            text = _note(dir_fd, name)
    said = _said(text)
    reason = said.get("reason")
    return Flag(
        name=shown(name),
        stamp=_stamp(found),
        key=_key(said.get("key")),
        note=one_line(reason if reason is not None else text),
        by=one_line(said["by"]) if "by" in said else None,
        at=one_line(said["at"]) if "at" in said else None,
        is_dir=found is not None and stat.S_ISDIR(found.st_mode),
        owner=found.st_uid if found is not None else None,
    )


def _key(said: str | None) -> str | None:
    """Take a key only as the API would take it: what no pause can have sent is no key."""
    return said if said and said.isprintable() and len(said) <= KEY_LONGEST else None


def _note(dir_fd: int, name: str) -> str:
    fd = os.open(name, _NOTE_FLAGS, dir_fd=dir_fd)
    try:
        return os.read(fd, NOTE_BYTES).decode("utf-8", "replace")
    finally:
        os.close(fd)


def _said(text: str) -> dict[str, str]:
    """Read the fields that ``write`` puts into a flag; any other content says nothing."""
    try:
        found = json.loads(text) if text.lstrip().startswith("{") else {}
    except (ValueError, RecursionError):
        return {}
    if not isinstance(found, dict):
        return {}
    return {
        field: found[field]
        for field in ("reason", "key", "by", "at")
        if isinstance(found.get(field), str)
    }


def _name_for(key: str) -> str:
    """Name the flag after its key, so that the same press twice is one entry."""
    if _PLAIN_KEY.fullmatch(key):
        return f"pause-{key}"
    odd = key.encode("utf-8", "surrogatepass")
    return f"pause-{hashlib.sha256(odd).hexdigest()[:32]}"


def _content(reason: str, *, key: str, by: str, at: datetime | None) -> bytes:
    """Write the note; a reason that is too long is cut so that the JSON stays whole."""
    fields = {"key": key, "by": by[:200]} if _key(key) else {"by": by[:200]}
    if at is not None:
        fields["at"] = at.astimezone(UTC).isoformat().replace("+00:00", "Z")
    room = NOTE_BYTES - len(json.dumps(fields)) - len(', "reason": ""\n')
    cut = reason
    while len(json.dumps(cut)) - 2 > room:
        cut = cut[: min(len(cut) - 1, max(room // 12, len(cut) * 3 // 4))]
    return json.dumps({**fields, "reason": cut}).encode() + b"\n"


def _is_whole(spare: Path) -> bool:
    """Say whether a spare has its block: a full disk may have given it a name alone."""
    try:
        return spare.lstat().st_size == NOTE_BYTES
    except FileNotFoundError:
        return False


def _write_new(path: Path, content: bytes) -> None:
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, FILE_MODE)
    try:
        _fill(fd, content)
    finally:
        os.close(fd)


def _fill(fd: int, content: bytes) -> None:
    os.fchmod(fd, FILE_MODE)  # whatever the umask: the daemon reads it as the group
    os.write(fd, content)
    os.fsync(fd)


def _overwrite(path: Path, content: bytes) -> None:
    fd = os.open(path, os.O_WRONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        os.pwrite(fd, content.ljust(NOTE_BYTES), 0)
        os.fsync(fd)
    finally:
        os.close(fd)


def _unlink(dir_fd: int, name: str) -> None:
    try:
        os.unlink(name, dir_fd=dir_fd)
    except (IsADirectoryError, PermissionError):
        os.rmdir(name, dir_fd=dir_fd)


def _fsync_dir(path: Path) -> None:
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
