"""
Ask for pages, and send requests whose outcome is never guessed.

A ``get`` may be repeated, so it follows redirects and tries once more after a reset. A ``post`` may
publish, so it goes out once, on a connection of its own, follows nothing, and ends in one of three
ways: an ``Answer``, ``NotSent`` (proven), or ``OutcomeUncertain``.

httpx errors, httpcore errors and ``ConnectFailure`` become ``FetchError`` for a get; for a post
they become ``NotSent`` when no byte was written, else ``OutcomeUncertain``.
"""

from __future__ import annotations

from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Protocol

import httpcore
import httpx

from killswitch.clock import Clock, SystemClock
from killswitch.errors import OutcomeUncertain, TransientError
from killswitch.failpoints import passing
from killswitch.net.address import NetPolicy
from killswitch.net.inflate import ANSWER, FEED, Body, BodyError, Caps
from killswitch.net.stream import Attempt, ConnectFailure, PinnedBackend, Resolver, tls_context
from killswitch.net.url import FetchError, checked, for_origin, next_hop, shown

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_CONNECTIONS = 50
"""Where httpx stops gaining from more at once."""

_KEPT = 10
_KEPT_S = 5.0
"""A pool that keeps every connection costs eight times the CPU and loses polls."""

_PIECE = 8192
"""Bytes of a request's body that are written at once."""

_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_FOR_EVER = frozenset({301, 308})


class NotSent(TransientError):
    """No byte of the request left this machine; it is safe to send it again."""


@dataclass(frozen=True, slots=True)
class Page:
    """
    What a get brought.

    Attributes:
        status: HTTP status of the last hop.
        url: Address of the last hop.
        headers: Names in lower case; a repeated one joined by a comma.
        body: Inflated body; empty unless the status is 2xx.
        permanent_url: Where the page has moved for good, or None.
    """

    status: int
    url: str
    headers: dict[str, str]
    body: bytes
    permanent_url: str | None = None


@dataclass(frozen=True, slots=True)
class Answer:
    """
    What the other side said to a request.

    Attributes:
        status: HTTP status; a 3xx is given back as it is.
        headers: Names in lower case; a repeated one joined by a comma.
        body: Inflated body, at most 1 MiB.
        complete: False when the body was cut, late or unreadable. The status stands all the same.
    """

    status: int
    headers: dict[str, str]
    body: bytes
    complete: bool = True


class Getter(Protocol):
    """What a poll needs: a ``Session``, or a fake one in a test."""

    def get(
        self,
        url: str,
        *,
        headers: Mapping[str, str],
        deadline_s: float = 20.0,
        max_redirects: int = 5,
    ) -> Page:
        """Read one page; see ``Session.get``."""
        ...


class _Transport(httpx.BaseTransport):
    """
    Hand requests to an httpcore pool over our own sockets, errors unmapped.

    It is used without ``httpx.Client``, which keeps cookies, and which works out the next request
    of a redirect even when told to follow none, and raises when that can't be read.
    """

    def __init__(self, pool: httpcore.ConnectionPool, headers: Mapping[str, str]) -> None:
        self._pool = pool
        self._headers = headers

    def exchange(
        self, method: str, at: httpx.URL, *, headers: Mapping[str, str], content: bytes = b""
    ) -> httpx.Response:
        """Send one request and return as soon as the answer's headers are there."""
        together = httpx.Headers(self._headers)
        together.update(headers)
        return self.handle_request(
            httpx.Request(method, at, headers=together, content=content or None)
        )

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        answer = self._pool.handle_request(
            httpcore.Request(
                method=request.method,
                url=httpcore.URL(
                    scheme=request.url.raw_scheme,
                    host=request.url.raw_host,
                    port=request.url.port,
                    target=request.url.raw_path,
                ),
                headers=request.headers.raw,
                content=_pieces(request.content),
                extensions=request.extensions,
            )
        )
        return httpx.Response(
            status_code=answer.status, headers=answer.headers, stream=_RawStream(answer)
        )

    def close(self) -> None:
        self._pool.close()


def _pieces(body: bytes) -> Iterator[bytes]:
    """Hand out a body piece by piece: each is written, within the deadline, before the next."""
    if not body:
        return
    passing("request.after_headers")
    for at in range(0, len(body), _PIECE):
        if at:
            passing("request.in_body")
        yield body[at : at + _PIECE]
    passing("request.after_body")


class _RawStream(httpx.SyncByteStream):
    """The body as it came over the wire."""

    def __init__(self, answer: httpcore.Response) -> None:
        self._answer = answer

    def __iter__(self) -> Iterator[bytes]:
        return self._answer.iter_stream()

    def close(self) -> None:
        self._answer.close()


class Door:
    """The way out of this program. Threads may share it."""

    def __init__(self, policy: NetPolicy, *, user_agent: str, clock: Clock | None = None) -> None:
        """
        Open no connection yet.

        Args:
            policy: What may be reached beside the public internet.
            user_agent: Says who we are and how to reach the people who run us.
            clock: Measures the deadlines; the system's by default.
        """
        self._clock = clock or SystemClock()
        self._backend = PinnedBackend(policy, Resolver())
        self._tls = tls_context()
        self._user_agent = user_agent

    @contextmanager
    def session(self) -> Iterator[Session]:
        """Give a bounded pool of connections for one round of gets, closed at its end."""
        with self._transport(keep=_KEPT) as transport:
            yield Session(transport, self._clock)

    def get(
        self,
        url: str,
        *,
        headers: Mapping[str, str],
        deadline_s: float = 20.0,
        max_redirects: int = 5,
    ) -> Page:
        """Read one page on a connection of its own; see ``Session.get``."""
        with self.session() as session:
            return session.get(
                url, headers=headers, deadline_s=deadline_s, max_redirects=max_redirects
            )

    def post(
        self, url: str, *, body: bytes, headers: Mapping[str, str], deadline_s: float
    ) -> Answer:
        """Send a POST once; see ``request``."""
        return self.request("POST", url, body=body, headers=headers, deadline_s=deadline_s)

    def request(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str],
        deadline_s: float,
        body: bytes = b"",
    ) -> Answer:
        """
        Send one request once, on a fresh connection, and follow no redirect.

        Args:
            method: HTTP method in capitals.
            url: Absolute http or https address.
            headers: Sent beside our own.
            deadline_s: Seconds for everything, name look-up included.
            body: Sent as it is; none when empty.

        Returns:
            The answer, as soon as its status and headers came whole.

        Raises:
            NotSent: No byte of the request left: no name, no address allowed, no connection, no
                handshake, or the request can't be written down at all.
            OutcomeUncertain: Bytes left and no answer came before the deadline.
        """
        attempt = Attempt(self._clock, deadline_s)
        try:
            at = checked(url)
            with self._transport(keep=0) as transport, attempt.running():
                return _answer(transport.exchange(method, at, headers=headers, content=body))
        except (ConnectFailure, FetchError) as error:
            raise NotSent(error.code, f"{method} was not sent: {error}") from error
        except UnicodeEncodeError as error:
            raise NotSent("refused_header", f"{method} was not sent: {error}") from error
        except _BROKEN as error:
            message = f"{method} {shown(url)}: {_words(error)}"
            if attempt.wrote:
                raise OutcomeUncertain(_code(error), message) from error
            raise NotSent(_code(error), message) from error

    def _transport(self, *, keep: int) -> _Transport:
        """Make a transport that takes nothing from the environment and remembers nothing."""
        pool = httpcore.ConnectionPool(
            ssl_context=self._tls,
            max_connections=_CONNECTIONS,
            max_keepalive_connections=keep,
            keepalive_expiry=_KEPT_S,
            network_backend=self._backend,
        )
        headers = {
            "User-Agent": self._user_agent,
            "Accept": "*/*",
            "Accept-Encoding": "gzip, identity",
            "Connection": "keep-alive" if keep else "close",
        }
        return _Transport(pool, headers)


class Session:
    """One round of gets over a bounded pool; up to 50 threads may share it."""

    def __init__(self, transport: _Transport, clock: Clock) -> None:
        """Read over ``transport``; deadlines are measured on ``clock``."""
        self._transport = transport
        self._clock = clock

    def get(
        self,
        url: str,
        *,
        headers: Mapping[str, str],
        deadline_s: float = 20.0,
        max_redirects: int = 5,
    ) -> Page:
        """
        Read one page, following redirects, each hop checked as the first.

        Args:
            url: Absolute http or https address.
            headers: Sent beside our own; to another origin only conditional and accept headers.
            deadline_s: Seconds for everything, redirects included.
            max_redirects: Hops that are followed.

        Raises:
            FetchError: No page before the deadline, or one that must not be read.
        """
        attempt = Attempt(self._clock, deadline_s)
        start = at = moved = checked(url)
        for_ever = True
        seen = {at}
        with attempt.running():
            for _ in range(max_redirects + 1):
                page = self._hop(at, for_origin(headers, start, at), redirected=at != start)
                target = page.headers.get("location")
                if page.status not in _REDIRECTS or target is None:
                    permanent = None if moved == start else str(moved)
                    return replace(page, permanent_url=permanent)
                at = next_hop(at, target)
                if at in seen:
                    raise FetchError("redirect", "it redirects in a circle")
                seen.add(at)
                for_ever = for_ever and page.status in _FOR_EVER
                moved = at if for_ever else moved
        raise FetchError("redirect", f"it redirects more than {max_redirects} times")

    def _hop(self, at: httpx.URL, headers: Mapping[str, str], *, redirected: bool) -> Page:
        try:
            return self._read(at, headers)
        except _FAILED as error:
            code = error.code if isinstance(error, ConnectFailure | BodyError) else _code(error)
            raise FetchError(code, _told(error, code, redirected=redirected)) from error

    def _read(self, at: httpx.URL, headers: Mapping[str, str]) -> Page:
        """Read one hop; once more when the connection broke, for a get is harmless."""
        try:
            return _page(self._transport, at, headers)
        except (httpcore.ReadError, httpcore.WriteError, httpcore.RemoteProtocolError):
            return _page(self._transport, at, headers)


_BROKEN = (httpcore.TimeoutException, httpcore.NetworkError, httpcore.ProtocolError)
_FAILED = (*_BROKEN, ConnectFailure, BodyError)


def _page(transport: _Transport, at: httpx.URL, headers: Mapping[str, str]) -> Page:
    with closing(transport.exchange("GET", at, headers=headers)) as answer:
        body = _whole_body(answer, FEED) if answer.is_success else b""
        return Page(answer.status_code, str(at), _headers(answer), body)


def _answer(answer: httpx.Response) -> Answer:
    with closing(answer):
        body, complete = _body_so_far(answer, ANSWER)
        return Answer(answer.status_code, _headers(answer), body, complete)


def _whole_body(answer: httpx.Response, caps: Caps) -> bytes:
    body = Body(answer.headers.get("content-encoding", ""), caps)
    for chunk in answer.iter_raw():
        body.add(chunk)
    return body.finish()


def _body_so_far(answer: httpx.Response, caps: Caps) -> tuple[bytes, bool]:
    """Read what comes; the status is a fact already, so a bad body must not hide it."""
    try:
        body = Body(answer.headers.get("content-encoding", ""), caps)
    except BodyError:
        return b"", False
    try:
        for chunk in answer.iter_raw():
            body.add(chunk)
        return body.finish(), True
    except (BodyError, *_BROKEN):
        return body.so_far(), False


def _headers(answer: httpx.Response) -> dict[str, str]:
    return {name.lower(): value for name, value in answer.headers.items()}


def _code(error: Exception) -> str:
    return "timeout" if isinstance(error, httpcore.TimeoutException) else "reset"


def _told(error: Exception, code: str, *, redirected: bool) -> str:
    """Say what went wrong, and at which end of a redirect."""
    if redirected:
        return f"it redirects: {_words(error)}"
    hint = "; network.allow_private can allow it" if code == "refused_address" else ""
    return _words(error) + hint


def _words(error: Exception) -> str:
    text = str(error) or type(error).__name__  # some of httpcore's errors say nothing
    if not isinstance(error, httpcore.RemoteProtocolError):
        return text
    if "disconnected" in text:
        return "the server closed the connection without an answer"
    if "peer closed" in text:
        return "the server closed the connection in the middle of its answer"
    return f"the server does not speak HTTP: {text[:80]}"
