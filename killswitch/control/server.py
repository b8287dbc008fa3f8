"""
The control socket: bound by us at 0660 or handed over by systemd, served by uvicorn in a thread.

uvicorn would make the socket 0666 and take over signals; both are kept from it. Every connection
carries the peer's uid, as the kernel says it, into the request.

Invariants:
    A half-open connection (no complete request yet) lives at most 5 s, and there are at most 32:
    one more drops the oldest of the user who has most of them. So 1,000 idle clients can't keep
    a pause out.
    A socket file is replaced only when nobody listens on it, and removed only if it is ours.
"""

from __future__ import annotations

import asyncio  # noqa: TID251 - uvicorn's loop lives in this thread and nowhere else
import contextlib
import errno
import os
import socket
import stat
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from http import HTTPStatus
from pathlib import Path
from typing import Any

import h11
from fastapi import FastAPI
from typing_extensions import override
from uvicorn import Config, Server
from uvicorn.protocols.http.h11_impl import H11Protocol, RequestResponseCycle

from killswitch.control.peers import Peer, peer_of
from killswitch.control.problems import InOurWords, answer
from killswitch.errors import ConfigError, RefusedError, UsageError

SOCKET_MODE = 0o660
WAITING_MOST = 32
WAITING_S = 5.0
BACKLOG = 1024
HEADER_MOST = 16 * 1024
STOP_S = 2
"""Seconds that requests under way get at a stop; a pause is durable long before."""
START_S = 10.0
TURN_S = 1.0
"""How often half-open connections are looked at."""
PATH_MOST = 107
"""``sun_path`` holds 108 bytes with its end (unix(7))."""


def bind_socket(path: Path) -> socket.socket:
    """
    Bind the control socket, readable and writable for the owner and the group alone.

    Args:
        path: Where; a socket file on which nobody listens is replaced.

    Returns:
        The listening socket.

    Raises:
        ConfigError: The place is no good: too long, not a socket, somebody else's, no directory.
        RefusedError: Somebody listens there: another daemon.
    """
    if len(os.fsencode(path)) > PATH_MOST:
        raise ConfigError(
            "socket_path",
            f"{path} has more than {PATH_MOST} bytes, which no Unix socket can have",
            "set control.socket to a shorter path",
        )
    _clear(path)
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        # On Linux the file takes the mode of the unbound socket: it is never open to others.
        os.fchmod(sock.fileno(), SOCKET_MODE)
        sock.bind(str(path))
        path.chmod(SOCKET_MODE)
        sock.listen(BACKLOG)
    except OSError as error:
        sock.close()
        raise ConfigError(
            "socket_bind",
            f"{path}: the control socket can't be made: {error.strerror or error}",
            "make the directory, or set control.socket to a place that the daemon may write",
        ) from error
    return sock


def _clear(path: Path) -> None:
    """Remove a socket file that nobody listens on; refuse anything else that is there."""
    try:
        found = path.lstat()
    except FileNotFoundError:
        return
    except OSError as error:
        raise ConfigError("socket_path", f"{path}: {error.strerror}", "check its rights") from error
    if not stat.S_ISSOCK(found.st_mode):
        raise ConfigError(
            "socket_path",
            f"{path} is not a socket; it was left alone",
            "move it away, or set control.socket to another path",
        )
    if found.st_uid not in {os.geteuid(), 0} and os.geteuid() != 0:
        raise ConfigError(
            "socket_owner",
            f"{path} belongs to uid {found.st_uid}; it was left alone",
            "set control.socket to a place of your own",
        )
    if _answers(path):
        raise RefusedError(
            "socket_taken",
            f"a daemon listens on {path} already; nothing was changed",
            "stop that one first, or use another state directory",
        )
    path.unlink(missing_ok=True)


def _answers(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(1)
        try:
            probe.connect(str(path))
        except OSError as error:
            # A full backlog (EAGAIN) is somebody who listens and is slow.
            return error.errno not in {errno.ECONNREFUSED, errno.ENOENT}
    return True


class _Doors:
    """The open connections of one server; touched by its event loop alone."""

    def __init__(self) -> None:
        self._open: dict[_Connection, Peer] = {}

    def enter(self, connection: _Connection, peer: Peer) -> None:
        self._open[connection] = peer
        waiting = [one for one in self._open if one.is_waiting]
        if len(waiting) > WAITING_MOST:
            uids = Counter(self._open[one].uid for one in waiting)
            most = uids.most_common(1)[0][0]
            next(one for one in waiting if self._open[one].uid == most).cut()

    def leave(self, connection: _Connection) -> None:
        self._open.pop(connection, None)

    def sweep(self, now_s: float) -> None:
        for connection in list(self._open):
            if connection.is_waiting and now_s - connection.waits_since_s > WAITING_S:
                connection.cut()


class _Connection(H11Protocol):
    """One connection, which knows its peer and since when it owes us a complete request."""

    def __init__(self, doors: _Doors, **from_uvicorn: Any) -> None:
        super().__init__(**from_uvicorn)
        self._doors = doors
        self.waits_since_s = self.loop.time()

    @property
    def is_waiting(self) -> bool:
        """No complete request is being answered."""
        cycle: RequestResponseCycle | None = self.cycle  # None before the first request
        return cycle is None or cycle.response_complete or cycle.more_body

    def cut(self) -> None:
        """End the connection at once."""
        self._doors.leave(self)
        self.transport.abort()

    @override
    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn's own
        super().connection_made(transport)
        try:
            peer = peer_of(transport.get_extra_info("socket"))
        except OSError:
            transport.abort()  # gone before we could ask who it was
            return
        self.app_state = {**self.app_state, "peer": peer}
        self._doors.enter(self, peer)

    @override
    def connection_lost(self, exc: Exception | None) -> None:
        self._doors.leave(self)
        super().connection_lost(exc)

    @override
    def send_400_response(self, msg: str) -> None:
        """Refuse what is no HTTP in the form of every other refusal."""
        refusal = answer(UsageError("http", msg), status=HTTPStatus.BAD_REQUEST)
        headers = [*refusal.raw_headers, (b"connection", b"close")]
        for event in (
            h11.Response(status_code=refusal.status_code, headers=headers, reason=b"Bad Request"),
            h11.Data(data=bytes(refusal.body)),
            h11.EndOfMessage(),
        ):
            self.transport.write(self.conn.send(event) or b"")
        self.transport.close()

    @override
    def on_response_complete(self) -> None:
        self.waits_since_s = self.loop.time()
        super().on_response_complete()


class _QuietServer(Server):
    """uvicorn without signals, which says when it listens and sweeps its doors."""

    def __init__(self, config: Config, *, doors: _Doors, listens: threading.Event) -> None:
        super().__init__(config)
        self._doors = doors
        self._listens = listens
        self._loop: asyncio.AbstractEventLoop | None = None
        self._ends: asyncio.Event | None = None

    @override
    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    @override
    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._listens.set()

    @override
    async def main_loop(self) -> None:
        # uvicorn's own turns ten times a second: half of all that an idle daemon would do.
        self._loop, self._ends = asyncio.get_running_loop(), asyncio.Event()
        while not await self.on_tick(0):
            self._doors.sweep(self._loop.time())
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._ends.wait(), TURN_S)

    def end(self) -> None:
        """Stop listening soon; called from another thread."""
        self.should_exit = True
        if self._loop is not None and self._ends is not None:
            with contextlib.suppress(RuntimeError):  # the loop has ended by itself
                self._loop.call_soon_threadsafe(self._ends.set)


class ControlServer:
    """The API on its socket, in a thread of its own."""

    def __init__(
        self,
        app: FastAPI,
        *,
        path: Path | None = None,
        listening: socket.socket | None = None,
        on_end: Callable[[BaseException | None], None] | None = None,
    ) -> None:
        """
        Prepare the server.

        Args:
            app: From ``create_app``.
            path: Where to bind; removed again at ``stop``.
            listening: A socket handed over by systemd instead; its file is left alone.
            on_end: Told when the thread ends without ``stop``, with the error if there was one.
        """
        if (path is None) == (listening is None):
            raise ValueError("a control server has either a path or a listening socket")
        self._app = app
        self._path = path
        self._sock = listening
        self._on_end = on_end
        self._inode: int | None = None
        self._listens = threading.Event()
        self._stopping = False
        self._thread: threading.Thread | None = None
        self._server: _QuietServer | None = None

    @property
    def is_alive(self) -> bool:
        """The thread that serves is running."""
        return self._thread is not None and self._thread.is_alive()

    def start(self) -> None:
        """
        Listen; when this returns, a client is served.

        Raises:
            ConfigError: The socket can't be bound there.
            RefusedError: Another daemon listens there.
            RuntimeError: uvicorn did not come up.
        """
        if self._sock is None and self._path is not None:
            self._sock = bind_socket(self._path)
            self._inode = self._path.stat().st_ino
        doors = _Doors()
        config = Config(
            InOurWords(self._app),
            http=lambda **given: _Connection(doors, **given),  # type: ignore[arg-type]  # any maker will do
            ws="none",
            loop="asyncio",
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,
            backlog=BACKLOG,
            timeout_keep_alive=int(WAITING_S),
            timeout_graceful_shutdown=STOP_S,
            h11_max_incomplete_event_size=HEADER_MOST,
        )
        self._server = _QuietServer(config, doors=doors, listens=self._listens)
        self._thread = threading.Thread(target=self._serve, name="control", daemon=True)
        self._thread.start()
        if not self._listens.wait(START_S):
            raise RuntimeError("the control server did not start")

    def stop(self) -> None:
        """Stop listening, let requests under way end for 2 s, remove our socket file."""
        self._stopping = True
        if self._server is not None:
            self._server.end()
        if self._thread is not None:
            self._thread.join(STOP_S + 3)
        if self._path is not None and self._inode is not None:
            with contextlib.suppress(OSError):
                if self._path.lstat().st_ino == self._inode:
                    self._path.unlink()

    def _serve(self) -> None:
        fault: BaseException | None = None
        try:
            if self._server is not None and self._sock is not None:
                self._server.run(sockets=[self._sock])
        except BaseException as error:  # noqa: BLE001 - handed to the supervisor, who decides
            fault = error
        if not self._stopping and self._on_end is not None:
            self._on_end(fault)
