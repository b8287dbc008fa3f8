"""
One HTTP exchange with the daemon, over a socket that is connected, within a time.

HTTP/1.0 (RFC 1945, kept by RFC 9112): there are no chunks, and the answer ends where the connection
does. ``http.client`` would load e-mail and TLS, a fifth of what a pause takes; and its time limit
is that of one silence: a server that drips its answer would keep a pause from becoming a flag.
"""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from time import monotonic

HEAD_MOST = 64 * 1024
BODY_MOST = 64 * 1024 * 1024
_PIECE = 64 * 1024


class BrokenAnswerError(Exception):
    """What came is no whole HTTP answer."""


@dataclass(frozen=True, slots=True)
class Answer:
    """A status code and a body."""

    status: int
    body: bytes


def exchange(
    sock: socket.socket,
    method: str,
    target: str,
    *,
    headers: Mapping[str, str | bytes],
    content: bytes | None,
    within_s: float,
) -> Answer:
    """
    Send one request and read its whole answer.

    Args:
        sock: Connected; used up by this.
        method: Such as ``GET``.
        target: Path and query, percent-encoded.
        headers: One line each; Host and Content-Length are added.
        content: The body, if there is one.
        within_s: Seconds for all of it.

    Raises:
        BrokenAnswerError: No HTTP answer, more than we take, or less than it announced.
        TimeoutError: It took longer.
        OSError: The connection failed.
    """
    ends_s = monotonic() + within_s
    sock.settimeout(within_s)
    # A refusal may come before the whole request was read: it is worth reading.
    with contextlib.suppress(BrokenPipeError):
        sock.sendall(_request(method, target, headers, content))
    raw = bytearray()
    while len(raw) <= HEAD_MOST + BODY_MOST:
        left_s = ends_s - monotonic()
        if left_s <= 0:
            raise TimeoutError
        sock.settimeout(left_s)
        try:
            piece = sock.recv(_PIECE)
        except ConnectionResetError:
            # The rest of what we sent was not read: what was answered is here already.
            piece = b""
        if not piece:
            return _read(bytes(raw))
        raw += piece
    raise BrokenAnswerError(f"more than {BODY_MOST} bytes")


def _request(
    method: str, target: str, headers: Mapping[str, str | bytes], content: bytes | None
) -> bytes:
    lines = [f"{method} {target} HTTP/1.0".encode("ascii"), b"Host: localhost"]
    for name, value in headers.items():
        said = value.encode("latin-1") if isinstance(value, str) else value
        if b"\r" in said or b"\n" in said:
            raise ValueError(f"the header {name} has more than one line")
        lines.append(name.encode("ascii") + b": " + said)
    if content is not None:
        lines.append(b"Content-Length: %d" % len(content))
    return b"\r\n".join([*lines, b"", content or b""])


def _read(raw: bytes) -> Answer:
    head, found, body = raw.partition(b"\r\n\r\n")
    first, *lines = head[:HEAD_MOST].split(b"\r\n")
    words = first.split(b" ", 2)
    if not found or not first.startswith(b"HTTP/1.") or len(words) < 2 or not _is_code(words[1]):
        raise BrokenAnswerError("no HTTP answer")
    for line in lines:
        name, _, value = line.partition(b":")
        if name.strip().lower() == b"content-length" and value.strip() != b"%d" % len(body):
            raise BrokenAnswerError(f"{len(body)} bytes of {value.strip()!r}")
    return Answer(int(words[1]), body)


def _is_code(word: bytes) -> bool:
    return len(word) == 3 and word.isdigit()
