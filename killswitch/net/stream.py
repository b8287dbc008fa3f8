"""
Sockets for httpcore that are checked, pinned and capped by one absolute deadline.

httpx counts its time-outs per operation, so a server that drips one byte a second holds a request
for ever. Here every look-up, connect, handshake, read and write asks the ``Attempt`` how much time
is left. httpcore runs a synchronous request wholly in the thread that asked for it, so the socket
finds its attempt in a context variable even when the connection is shared.

Foreign errors become ours at this door: all that fails before the first byte of a request could be
written is a ``ConnectFailure``; later failures are httpcore's own read, write and time-out errors.
"""

from __future__ import annotations

import select
import socket
import ssl
import threading
from contextlib import contextmanager
from contextvars import ContextVar
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Any

import certifi
import httpcore

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from killswitch.clock import Clock
    from killswitch.net.address import NetPolicy

RESOLVE_S = 5.0
"""Longest wait for a name server; glibc alone would wait half a minute."""

CONNECT_S = 5.0
"""Longest wait for one address, so that a dead IPv6 route leaves time for IPv4."""

_LOOKUPS = 16
"""Look-ups at once; each may hang in glibc long after we stopped waiting for it."""

_ADDRESSES = 4
"""Addresses of one name that are tried; all of them are checked."""


class ConnectFailure(Exception):
    """Nothing of the request was written: the connection did not come about."""

    def __init__(self, code: str, message: str) -> None:
        """Keep the code (``dns``, ``refused_address``, ``connect``, ``tls``, ``timeout``)."""
        super().__init__(message)
        self.code = code


class Attempt:
    """
    One call through the door: its deadline, and whether request bytes may have left.

    Attributes:
        wrote: True from just before the first byte of a request is handed to the system.
    """

    def __init__(self, clock: Clock, deadline_s: float) -> None:
        """Start the attempt now; it ends ``deadline_s`` seconds later."""
        self._clock = clock
        self._ends = clock.monotonic_s() + deadline_s
        self.wrote = False

    def left_s(self) -> float:
        """Return the seconds left; zero or less means over."""
        return self._ends - self._clock.monotonic_s()

    @contextmanager
    def running(self) -> Iterator[None]:
        """Make this the attempt of the current thread."""
        token = _current.set(self)
        try:
            yield
        finally:
            _current.reset(token)


_current: ContextVar[Attempt] = ContextVar("attempt")


class Resolver:
    """Name look-ups that a slow name server can't hold up for longer than ``RESOLVE_S``."""

    def __init__(self) -> None:
        """Start with no look-up under way."""
        self._free = threading.BoundedSemaphore(_LOOKUPS)

    def addresses(self, host: str, port: int, *, wait_s: float) -> list[str]:
        """
        Look up every address of ``host``.

        Args:
            host: A name or a literal address.
            port: Only handed through to the system.
            wait_s: Longest wait in seconds.

        Raises:
            ConnectFailure: ``dns``: no such name, no answer in time, or too many look-ups hang.
        """
        wait_s = max(0.0, min(wait_s, RESOLVE_S))
        if not self._free.acquire(timeout=wait_s):
            raise ConnectFailure("dns", f"{_LOOKUPS} name look-ups hang; {host} was not asked for")
        found: SimpleQueue[list[str] | Exception] = SimpleQueue()
        threading.Thread(
            target=self._look_up,
            args=(host, port, found),
            name="killswitch-dns",
            daemon=True,  # a look-up that hangs must not hold up the end of the process
        ).start()
        try:
            answer = found.get(timeout=wait_s)
        except Empty:
            raise ConnectFailure("dns", f"no answer about {host} in {wait_s:.0f} s") from None
        if isinstance(answer, Exception):
            raise ConnectFailure("dns", f"{host} can't be resolved: {_why(answer)}") from answer
        return answer

    def _look_up(self, host: str, port: int, found: SimpleQueue[list[str] | Exception]) -> None:
        try:
            rows = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
            found.put(list(dict.fromkeys(str(row[4][0]) for row in rows)))
        except (OSError, UnicodeError) as error:
            found.put(error)
        finally:
            self._free.release()


class TlsContext(ssl.SSLContext):
    """
    The one client context: verifies always, and may be shared by threads.

    httpcore sets the ALPN protocols anew at each connect. That frees the list that another
    thread's handshake may be reading, so the list is set once and later calls do nothing.
    """

    _ready = False

    def set_alpn_protocols(self, alpn_protocols: Iterable[str]) -> None:
        """Set the protocols at the first call only."""
        if not self._ready:
            self._ready = True
            super().set_alpn_protocols(list(alpn_protocols))


def tls_context() -> TlsContext:
    """Make a context that trusts certifi's authorities, whatever the environment says."""
    context = TlsContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.load_verify_locations(cafile=certifi.where())
    context.set_alpn_protocols(["http/1.1"])
    return context


class PinnedBackend(httpcore.NetworkBackend):
    """Connects to checked addresses only, each name resolved once."""

    def __init__(self, policy: NetPolicy, resolver: Resolver) -> None:
        """Judge addresses by ``policy``."""
        self._policy = policy
        self._resolver = resolver

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ARG002 - the attempt's deadline counts instead
        local_address: str | None = None,  # noqa: ARG002 - httpcore's signature
        socket_options: Iterable[Any] | None = None,  # noqa: ARG002 - httpcore's signature
    ) -> httpcore.NetworkStream:
        """
        Connect to the first address of ``host`` that answers.

        Raises:
            ConnectFailure: ``dns``, ``refused_address``, ``connect`` or ``timeout``.
        """
        attempt = _current.get()
        if attempt.left_s() <= 0:
            raise ConnectFailure("timeout", f"no time left to connect to {host}")
        found = self._resolver.addresses(host, port, wait_s=attempt.left_s())
        for address in found:
            if not self._policy.permits(address):
                raise ConnectFailure("refused_address", _not_public(host, address))
        failure = ConnectFailure("connect", f"{host} has no address")
        for address in found[:_ADDRESSES]:
            try:
                return _Stream(_connect(address, port, attempt))
            except ConnectFailure as error:
                failure = error
        raise failure


def _connect(address: str, port: int, attempt: Attempt) -> socket.socket:
    """Open a TCP connection to a literal address inside the time that is left."""
    wait_s = min(CONNECT_S, attempt.left_s())
    if wait_s <= 0:
        raise ConnectFailure("timeout", f"no time left to connect to {address}")
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    try:
        sock = socket.socket(family, socket.SOCK_STREAM)
    except OSError as error:
        raise ConnectFailure("connect", f"no socket to be had: {_why(error)}") from error
    try:
        sock.settimeout(wait_s)
        sock.connect((address, port))  # a literal address: nothing is looked up again
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    except TimeoutError as error:
        sock.close()
        raise ConnectFailure("timeout", f"{address} port {port} does not answer") from error
    except OSError as error:
        sock.close()
        raise ConnectFailure("connect", f"{address} port {port}: {_why(error)}") from error
    return sock


def _not_public(host: str, address: str) -> str:
    if host == address:
        return f"{address} is no public address"
    return f"{host} leads to {address}, which is no public address"


def _why(error: Exception) -> str:
    """Say what the system said, without its numbers and file names."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate can't be trusted: {error.verify_message}"
    if isinstance(error, ssl.SSLError) and error.reason:
        return f"no secure connection: {error.reason.replace('_', ' ').lower()}"
    return getattr(error, "strerror", None) or str(error)


class _Stream(httpcore.NetworkStream):
    """A socket whose every operation ends by the deadline of the attempt that uses it."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:  # noqa: ARG002 - as above
        try:
            self._sock.settimeout(_time_left(httpcore.ReadTimeout))
            return self._sock.recv(max_bytes)
        except TimeoutError as error:
            raise httpcore.ReadTimeout("no whole answer in time") from error
        except OSError as error:
            raise httpcore.ReadError(str(error)) from error

    def write(self, buffer: bytes, timeout: float | None = None) -> None:  # noqa: ARG002 - as above
        _current.get().wrote = True
        view = memoryview(buffer)
        try:
            while view:
                # Anew for each part: a receiver that drips must not stretch the deadline.
                self._sock.settimeout(_time_left(httpcore.WriteTimeout))
                view = view[self._sock.send(view) :]
        except TimeoutError as error:
            raise httpcore.WriteTimeout("not sent before the deadline") from error
        except OSError as error:
            raise httpcore.WriteError(str(error)) from error

    def close(self) -> None:
        self._sock.close()

    def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,  # noqa: ARG002 - as above
    ) -> httpcore.NetworkStream:
        try:
            self._sock.settimeout(_time_left(TimeoutError))
            return _Stream(ssl_context.wrap_socket(self._sock, server_hostname=server_hostname))
        except TimeoutError as error:
            self.close()
            raise ConnectFailure("timeout", f"no handshake with {server_hostname}") from error
        except (OSError, ValueError) as error:
            self.close()
            raise ConnectFailure("tls", _why(error)) from error

    def get_extra_info(self, info: str) -> Any:
        if info == "is_readable":
            return _is_readable(self._sock)
        return None  # no HTTP/2, so nothing else is asked for


def _time_left(over: type[Exception]) -> float:
    """Return the seconds left, or raise ``over``; a socket would take zero for "don't wait"."""
    left_s = _current.get().left_s()
    if left_s <= 0:
        raise over("the deadline is over")
    return left_s


def _is_readable(sock: socket.socket) -> bool:
    """Say whether an idle connection has something to read, which means it was closed."""
    if sock.fileno() < 0:
        return True
    poll = select.poll()
    poll.register(sock, select.POLLIN)
    return bool(poll.poll(0))
