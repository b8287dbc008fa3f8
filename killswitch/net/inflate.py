"""
Collect an answer's body without ever holding more than its caps.

httpx would inflate a whole chunk at once: 809 bytes of brotli become 1 GiB before a reader can
say stop. So only gzip is asked for, and it is inflated here in bounded steps.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass

KIB = 1024
MIB = 1024 * KIB

_GZIP_MAGIC = b"\x1f\x8b"
_GZIP_WINDOW = 31
"""``zlib``: 15 bits of window, plus 16 for a gzip header."""

_RATIO = 100
"""A feed shrinks 5 to 20 times; nothing honest shrinks more than this."""

_RATIO_FROM = 64 * KIB
"""Below this size a high ratio is harmless, and short feeds of repeated markup reach it."""

_MEMBERS = 64
"""Gzip members in one body; a server that joins files sends a few, a bomb sends thousands."""


class BodyError(Exception):
    """The body broke a cap or its encoding; ``code`` says which."""

    def __init__(self, code: str, message: str) -> None:
        """Keep the code beside the message."""
        super().__init__(message)
        self.code = code


@dataclass(frozen=True, slots=True)
class Caps:
    """
    How much of a body is taken.

    Attributes:
        packed: Bytes on the wire, when they are compressed.
        plain: Bytes after inflating; also the cap of a body that is not compressed.
    """

    packed: int
    plain: int


FEED = Caps(packed=2 * MIB, plain=5 * MIB)
"""Ten times the largest feed of the public test corpora."""

ANSWER = Caps(packed=1 * MIB, plain=1 * MIB)
"""An answer to a publish request is a few kilobytes of JSON."""


class Body:
    """A body that grows chunk by chunk and refuses to outgrow its caps."""

    def __init__(self, encoding: str, caps: Caps) -> None:
        """
        Start an empty body.

        Args:
            encoding: Value of ``Content-Encoding``, empty when there is none.
            caps: How much to take.

        Raises:
            BodyError: ``bad_encoding``, an encoding that was not asked for.
        """
        name = encoding.strip().lower()
        if name not in {"", "identity", "gzip", "x-gzip"}:
            raise BodyError(
                "bad_encoding",
                f"the server packs its answer as {name[:40]!r}; only gzip was offered",
            )
        self._caps = caps
        self._packed = 0
        self._plain = bytearray()
        self._gzip = _member() if name.endswith("gzip") else None
        self._members = 1
        self._tail = b""

    def add(self, chunk: bytes) -> None:
        """
        Take the next bytes of the wire.

        Raises:
            BodyError: ``too_big`` or ``bad_encoding``.
        """
        if self._gzip is None:
            self._plain += chunk[: self._room()]
            self._check_size()
            return
        self._packed += len(chunk)
        if self._packed > self._caps.packed:
            raise _too_long(self._caps.packed, "packed ")
        self._inflate(chunk)

    def so_far(self) -> bytes:
        """Return what came until now, cut at the cap."""
        return bytes(self._plain[: self._caps.plain])

    def finish(self) -> bytes:
        """
        Return the whole body.

        Raises:
            BodyError: ``bad_encoding``, the compressed body ends too early.
        """
        if self._gzip is not None and self._packed and not self._gzip.eof:
            raise BodyError("bad_encoding", "the gzip body ends too early")
        return bytes(self._plain)

    def _inflate(self, data: bytes) -> None:
        gzip = self._gzip
        while data and gzip is not None:
            if gzip.eof:
                gzip, data = self._next_member(data)
                continue
            try:
                self._plain += gzip.decompress(data, self._room())
            except zlib.error as error:
                raise BodyError("bad_encoding", f"broken gzip body: {error}") from error
            self._check_ratio()
            self._check_size()
            data = gzip.unused_data or gzip.unconsumed_tail  # one of them is always empty

    def _next_member(self, data: bytes) -> tuple[zlib._Decompress | None, bytes]:
        """Begin another gzip member, or leave alone what servers pad their answers with."""
        data = self._tail + data
        if len(data) < len(_GZIP_MAGIC):
            self._tail = data
            return None, b""
        if not data.startswith(_GZIP_MAGIC):
            return None, b""
        self._tail = b""
        self._members += 1
        if self._members > _MEMBERS:
            raise BodyError("too_big", f"the answer is packed in more than {_MEMBERS} pieces")
        self._gzip = _member()
        return self._gzip, data

    def _room(self) -> int:
        """Return how many more bytes may come, and one to notice that there are too many."""
        return self._caps.plain - len(self._plain) + 1

    def _check_size(self) -> None:
        if len(self._plain) > self._caps.plain:
            raise _too_long(self._caps.plain)

    def _check_ratio(self) -> None:
        if len(self._plain) > max(_RATIO_FROM, _RATIO * self._packed):
            raise BodyError(
                "too_big", f"the answer unpacks to more than {_RATIO} times its size, as bombs do"
            )


def _too_long(cap: int, packed: str = "") -> BodyError:
    size = f"{cap // MIB} MiB" if cap >= MIB else f"{cap} bytes"
    return BodyError("too_big", f"the {packed}answer is longer than {size}, the most that is read")


def _member() -> zlib._Decompress:
    return zlib.decompressobj(_GZIP_WINDOW)
