"""A proxy between the daemon and a network that spoils connections, each in a way that is asked."""

from __future__ import annotations

import socket
import struct
import threading
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from typing import Self

from tests.edge.raw_server import read_request, reply

DRIP_S = 0.002


class FaultyProxy:
    """
    Pass requests on, spoilt by ``fault(request)``: the name of a method below.

    Attributes:
        asked: How often each delivery was posted, whatever became of it: what the daemon did.
    """

    def __init__(self, upstream: int, fault: Callable[[bytes], str]) -> None:
        """Stand before the port ``upstream`` of this machine."""
        self._upstream = upstream
        self._fault = fault
        self._stopped = threading.Event()
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=128)
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}/"
        self.asked: Counter[str] = Counter()
        self._lock = threading.Lock()

    def __enter__(self) -> Self:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopped.set()
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _accept(self) -> None:
        while True:
            try:
                conn, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(conn,), daemon=True).start()

    def _serve(self, conn: socket.socket) -> None:
        with suppress(OSError), conn:
            conn.settimeout(60)
            request = read_request(conn)
            if request:
                if request.startswith(b"POST"):
                    with self._lock:
                        self.asked[key_of(request)] += 1
                getattr(self, self._fault(request))(conn, request)

    def _answer(self, request: bytes) -> bytes:
        with socket.create_connection(("127.0.0.1", self._upstream), timeout=60) as there:
            there.sendall(request)
            answer = b""
            while piece := there.recv(65536):
                answer += piece
        return answer

    # -- what arrives, and is answered ----------------------------------------------------------

    def passed(self, conn: socket.socket, request: bytes) -> None:
        conn.sendall(self._answer(request))

    def doubled(self, conn: socket.socket, request: bytes) -> None:
        answer = self._answer(request)
        self._answer(request)
        conn.sendall(answer)

    def dripped(self, conn: socket.socket, request: bytes) -> None:
        answer = self._answer(request)
        for at in range(0, len(answer), 7):
            conn.sendall(answer[at : at + 7])
            self._stopped.wait(DRIP_S)

    def cut_in_its_body(self, conn: socket.socket, request: bytes) -> None:
        conn.sendall(self._answer(request)[:-4])

    # -- what arrives, and whose answer is lost --------------------------------------------------

    def cut_after_the_request(self, conn: socket.socket, request: bytes) -> None:
        self._answer(request)
        reset(conn)

    def cut_in_its_headers(self, conn: socket.socket, request: bytes) -> None:
        conn.sendall(self._answer(request)[:25])
        reset(conn)

    def closed_without_a_word(self, conn: socket.socket, request: bytes) -> None:
        self._answer(request)

    def answered_by_a_gateway(self, conn: socket.socket, request: bytes) -> None:
        self._answer(request)
        conn.sendall(reply(504, b"<h1>Gateway time-out</h1>"))

    def answered_with_nonsense(self, conn: socket.socket, request: bytes) -> None:
        self._answer(request)
        conn.sendall(b"\x00\xff nonsense\r\n\r\n")

    def doubled_and_cut(self, conn: socket.socket, request: bytes) -> None:
        self._answer(request)
        self.cut_after_the_request(conn, request)

    def hung_behind(self, conn: socket.socket, request: bytes) -> None:
        self._answer(request)
        gone(conn)

    def late(self, conn: socket.socket, request: bytes) -> None:
        gone(conn)
        self._answer(request)

    # -- what never arrives ----------------------------------------------------------------------

    def cut_before_the_network(self, conn: socket.socket, request: bytes) -> None:
        reset(conn)

    def refused_by_a_gateway(self, conn: socket.socket, request: bytes) -> None:
        conn.sendall(reply(503, b"<h1>Back soon</h1>"))

    def hung_before(self, conn: socket.socket, request: bytes) -> None:
        gone(conn)

    def hidden_by_a_login(self, conn: socket.socket, request: bytes) -> None:
        conn.sendall(reply(200, b"<h1>Sign in to the network</h1>"))

    def refused(self, conn: socket.socket, request: bytes) -> None:
        conn.sendall(reply(422, b'{"error": "no such section"}'))


def key_of(request: bytes) -> str:
    """The delivery that a request is about."""
    for line in request.split(b"\r\n\r\n")[0].split(b"\r\n"):
        name, _, value = line.partition(b":")
        if name.lower() == b"idempotency-key":
            return value.strip().decode()
    return ""


def reset(conn: socket.socket) -> None:
    """Break a connection off so that the other side is told at once."""
    conn.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    conn.close()


def gone(conn: socket.socket) -> None:
    """Wait until the other side has given up."""
    while conn.recv(65536):
        pass
