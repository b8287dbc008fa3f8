"""A small local HTTP server that can go away and come back at the same address."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from email.message import Message
from http.server import BaseHTTPRequestHandler
from socketserver import ThreadingTCPServer

HOST = "127.0.0.1"
_BODY_MOST = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Asked:
    """One request: method, path, headers (in any case) and the whole body."""

    method: str
    path: str
    headers: Message
    body: bytes


@dataclass(frozen=True, slots=True)
class Said:
    """One answer."""

    status: int
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)


class _Server(ThreadingTCPServer):
    """Not ``HTTPServer``: that asks the name service for its own name before it serves."""

    allow_reuse_address = True
    daemon_threads = True


class LocalServer:
    """Serves ``answer`` on a free port of the loopback until ``close``."""

    def __init__(self, answer: Callable[[Asked], Said]) -> None:
        """Begin to serve; ``answer`` is called from many threads."""
        self._handler = _handler_for(answer)
        self._server: _Server | None = None
        self.port = 0
        self.open()

    @property
    def url(self) -> str:
        """The address without a slash at its end."""
        return f"http://{HOST}:{self.port}"

    def open(self) -> None:
        """Serve, at the same port as before."""
        if self._server is not None:
            return
        self._server = _Server((HOST, self.port), self._handler)
        self.port = self._server.server_address[1]
        serve = self._server.serve_forever
        threading.Thread(target=serve, args=(0.05,), name="local server", daemon=True).start()

    def close(self) -> None:
        """Go away: connections are refused from now on."""
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
            self._server = None


def _handler_for(answer: Callable[[Asked], Said]) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        timeout = 10

        def _serve(self) -> None:
            length = min(int(self.headers.get("Content-Length") or 0), _BODY_MOST)
            body = self.rfile.read(length)
            said = answer(Asked(self.command, self.path, self.headers, body))
            self.send_response(said.status)
            for name, value in said.headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(said.body)))
            self.end_headers()
            self.wfile.write(said.body)

        do_GET = do_POST = _serve  # noqa: N815 - the names that the library looks for

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the library's signature
            """Stay silent: the stage tells what matters."""

    return Handler
