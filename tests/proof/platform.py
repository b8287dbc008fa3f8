"""
The world around the daemon: newsrooms, and a network that takes posts and writes a ledger.

The ledger is what the public saw: a line for each post that was published, with the instant at
which its request was whole.  The network misbehaves by a seeded dice: it drops answers after
publishing, refuses without publishing, answers late.
"""

from __future__ import annotations

import json
import random
import threading
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

OUTLETS = ("courier", "herald", "planet")
BEGINS = ("Ash", "Bren", "Car", "Dun", "Elm", "Fen", "Gor", "Hal", "Ing", "Jar", "Kel", "Lark")
MIDDLES = ("be", "da", "fi", "go", "lu", "mo", "ne", "pi", "ra", "sto", "tu", "va")
ENDS = ("bridge", "bury", "dale", "field", "ford", "ham", "mouth", "port", "stead", "ton", "wick")
LATE_S = 0.3


@dataclass(frozen=True, slots=True)
class Published:
    """One post that the public could see, and when its request was whole (aware UTC)."""

    delivery: str
    at: datetime
    answered: bool


@dataclass
class World:
    """Newsrooms and networks on one loopback port."""

    dice: random.Random
    faults: float = 0.15
    ledger: list[Published] = field(default_factory=list)
    dropped: Counter[str] = field(default_factory=Counter)
    told: list[dict[str, Any]] = field(default_factory=list)
    _items: dict[str, list[tuple[str, datetime]]] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _events: int = 0

    def __post_init__(self) -> None:
        for outlet in OUTLETS:
            self._publish(outlet, f"{outlet} opens a new reading room")

    def __enter__(self) -> Self:
        self._server = _Server(("127.0.0.1", 0), _handler_of(self))
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def forget(self) -> None:
        """Begin a new ledger: the store that knew the old posts is gone."""
        with self._lock:
            self.ledger.clear()
            self.dropped.clear()

    @property
    def url(self) -> str:
        """The address of all of it, with a slash at its end."""
        return f"http://127.0.0.1:{self.port}/"

    @property
    def port(self) -> int:
        """The port on the loopback."""
        return int(self._server.server_address[1])

    # -- newsrooms -------------------------------------------------------------------------------

    def tragedy(self) -> None:
        """Let two newsrooms report an event that nobody has reported before."""
        with self._lock:
            self._events += 1
            number = self._events
        title = f"Explosion in {_town(number)} kills {12 + number % 30} people"
        for outlet in self.dice.sample(OUTLETS, 2):
            self._publish(outlet, title)

    def calm(self) -> None:
        """Let one newsroom report what nobody would stop for."""
        with self._lock:
            self._events += 1
            number = self._events
        self._publish(self.dice.choice(OUTLETS), f"{_town(number)} opens library number {number}")

    def _publish(self, outlet: str, title: str) -> None:
        with self._lock:
            items = self._items.setdefault(outlet, [])
            items.insert(0, (title, datetime.now(UTC)))
            del items[30:]

    def feed(self, outlet: str) -> bytes:
        """Write a newsroom's feed."""
        with self._lock:
            items = list(self._items.get(outlet, ()))
        entries = "".join(
            f"<item><guid>{outlet}-{title}</guid><title>{title}</title>"
            f"<link>https://{outlet}.example/</link><pubDate>{format_datetime(at)}</pubDate></item>"
            for title, at in items
        )
        head = f'<rss version="2.0"><channel><title>{outlet}</title>'
        return f"{head}{entries}</channel></rss>".encode()

    # -- the network -----------------------------------------------------------------------------

    def hear(self, notice: dict[str, Any]) -> int:
        """Take a notice as a person would."""
        self.told.append(notice)
        return 200

    def take(self, post: dict[str, Any]) -> int | None:
        """Publish a post, or not; return the HTTP status, or None to break the answer off."""
        delivery = str(post["delivery"])
        with self._lock:
            roll = self.dice.random() / self.faults if self.faults else 1.0
            published = not 0.6 <= roll < 1.0
            answered = roll >= 0.4
            if published:
                self.ledger.append(Published(delivery, datetime.now(UTC), answered))
            if roll < 1.0:
                self.dropped[delivery] += 1
        if roll < 0.4:
            return None
        if roll < 0.6:
            threading.Event().wait(LATE_S)
            return 200
        if roll < 0.8:
            return 422
        return 429 if roll < 1.0 else 200


def _town(number: int) -> str:
    """Name a town that no earlier number named, 1,500 of them."""
    number, first = divmod(number, len(BEGINS))
    number, middle = divmod(number, len(MIDDLES))
    return BEGINS[first] + MIDDLES[middle] + ENDS[number % len(ENDS)]


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 256

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A daemon that dies in the middle of a request is what all this is about."""


def _handler_of(world: World) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            self._answer(200, world.feed(self.path.strip("/").partition("?")[0]))

        def do_POST(self) -> None:
            length = int(self.headers["Content-Length"])
            body = self.rfile.read(length)
            if len(body) < length:
                return  # half a request publishes nothing
            post = json.loads(body)
            status = world.hear(post) if self.path == "/told" else world.take(post)
            if status is None:
                self.close_connection = True
                self.connection.close()
                return
            self._answer(status, json.dumps({"id": f"r-{post.get('delivery')}"}).encode())

        def _answer(self, status: int, body: bytes) -> None:
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            if status == 429:
                self.send_header("Retry-After", "1")
            self.send_header("Connection", "close")
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    return Handler
