"""A TCP server that says exactly what a test tells it to, byte by byte, however wrong."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Self

Reply = bytes | Iterable[bytes]


class RawServer:
    """
    Answer each connection once, by ``answer(request)``; keep what was asked.

    An iterable answer is sent piece by piece; ``stopped`` ends those that never end.
    """

    def __init__(
        self,
        answer: Callable[[bytes], Reply],
        *,
        host: str = "127.0.0.1",
        tls: ssl.SSLContext | None = None,
    ):
        self.stopped = threading.Event()
        self.requests: list[bytes] = []
        self.connections = 0
        self._answer = answer
        self._tls = tls
        self._listener = socket.create_server((host, 0), backlog=64)
        self.port = self._listener.getsockname()[1]
        self.url = f"{'https' if tls else 'http'}://{host}:{self.port}/"
        self._threads: list[threading.Thread] = []

    def __enter__(self) -> Self:
        self._start(self._accept)
        return self

    def __exit__(self, *_: object) -> None:
        self.stopped.set()
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for thread in self._threads:
            thread.join(timeout=10)

    def paths(self) -> list[str]:
        return [request.split(b" ")[1].decode() for request in self.requests]

    def _start(self, target: Callable[..., None], *args: object) -> None:
        thread = threading.Thread(target=target, args=args, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        while True:
            try:
                conn, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            self._start(self._serve, conn)

    def _serve(self, conn: socket.socket) -> None:
        with suppress(OSError), conn:
            conn.settimeout(10)
            if self._tls:
                conn = self._tls.wrap_socket(conn, server_side=True)
            with conn:
                self._talk(conn)

    def _talk(self, conn: socket.socket) -> None:
        request = read_request(conn)
        if not request:
            return
        self.requests.append(request)
        reply = self._answer(request)
        for piece in [reply] if isinstance(reply, bytes) else reply:
            if self.stopped.is_set():
                return
            conn.sendall(piece)


def read_request(conn: socket.socket) -> bytes:
    data = b""
    while b"\r\n\r\n" not in data:
        piece = conn.recv(65536)
        if not piece:
            return data
        data += piece
    head, _, body = data.partition(b"\r\n\r\n")
    wanted = 0
    for line in head.lower().split(b"\r\n"):
        if line.startswith(b"content-length:"):
            wanted = int(line.split(b":")[1])
    while len(body) < wanted:
        piece = conn.recv(65536)
        if not piece:
            break
        body += piece
    return head + b"\r\n\r\n" + body


def reply(status: int = 200, body: bytes = b"", **headers: str) -> bytes:
    """Write a whole answer; header names with underscores for dashes."""
    lines = [f"HTTP/1.1 {status} X", f"Content-Length: {len(body)}", "Connection: close"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + body


def redirect(to: str, status: int = 302) -> bytes:
    return reply(status, Location=to)
