"""
Poll many local feeds: cold, all 304, 5 % changed; killswitch, plain httpx + feedparser, reader.

    .venv/bin/python -m bench.polling --feeds 1000

Each contestant runs in a process of its own on the same server. ``reader`` takes part where it is
installed (pip install reader). Figures are CPU seconds, children included, and ratios to plain.
"""

from __future__ import annotations

import argparse
import hashlib
import importlib.util
import io
import os
import random
import tempfile
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from multiprocessing import get_context
from multiprocessing.synchronize import Event
from resource import RUSAGE_CHILDREN, RUSAGE_SELF, getrusage
from time import monotonic, process_time
from typing import Any

from bench.measure import cpu_of, say

HOSTS = 100
ITEMS = 40
WORDS = ("harbour", "council", "museum", "tram", "river", "market", "choir", "school", "garden")
PHASES = ("cold", "304", "changed")
CHANGED = 0.05


def body_of(number: int, edition: int) -> bytes:
    """Write a feed of 40 items with summaries; another edition has one item more."""
    dice = random.Random(number)
    now = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
    items = []
    for n in range(ITEMS + edition):
        title = " ".join(dice.choice(WORDS) for _ in range(9)).capitalize()
        text = " ".join(dice.choice(WORDS) for _ in range(60))
        at = format_datetime(now - timedelta(minutes=30 * n))
        items.append(
            f"<item><guid>{number}-{n}</guid><title>{title}</title>"
            f"<link>https://outlet{number}.example/{n}</link><pubDate>{at}</pubDate>"
            f"<description>&lt;p&gt;{text}&lt;/p&gt;</description></item>"
        )
    head = f'<?xml version="1.0"?><rss version="2.0"><channel><title>{number}</title>'
    return f"{head}{''.join(reversed(items))}</channel></rss>".encode()


def serve(feeds: int, ports: Any, ready: Event, changed: Event) -> None:
    """Serve the feeds with ETags until killed; after ``changed`` some have another edition."""
    bodies = {(n, e): body_of(n, e) for n in range(feeds) for e in (0, 1)}
    tags = {key: f'"{hashlib.sha256(body).hexdigest()[:16]}"' for key, body in bodies.items()}

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            number = int(self.path.rpartition("/")[2])
            key = (number, int(changed.is_set() and number % round(1 / CHANGED) == 0))
            fresh = self.headers.get("If-None-Match") != tags[key]
            self.send_response(200 if fresh else 304)
            self.send_header("ETag", tags[key])
            body = bodies[key] if fresh else b""
            self.send_header("Content-Type", "application/rss+xml")
            self.send_header("Content-Length", str(len(body)))
            self.send_header("Connection", "close")
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    class Server(ThreadingHTTPServer):
        daemon_threads = True
        request_queue_size = 512

    for number in range(HOSTS):
        server = Server(("127.0.0.1", 0), Handler)
        ports[number] = server.server_address[1]
        threading.Thread(target=server.serve_forever, daemon=True).start()
    ready.set()
    threading.Event().wait()


def urls_of(ports: Sequence[int], feeds: int) -> list[str]:
    """Spread the feeds over many servers: politeness allows one request at a time to each."""
    return [f"http://127.0.0.1:{ports[n % HOSTS]}/{n}" for n in range(feeds)]


def killswitch(urls: list[str]) -> Callable[[], int]:
    """Poll as the daemon does: bounded fetch, parser children, items in SQLite."""
    from ipaddress import ip_network

    from killswitch.clock import SystemClock
    from killswitch.net import Door, NetPolicy
    from killswitch.store.engine import Store
    from killswitch.store.opening import open_store
    from killswitch.watch.parsers import Parsers
    from killswitch.watch.watcher import Feed, Watcher, WatchPolicy

    class Later(SystemClock):
        shift = timedelta(0)

        def now(self) -> datetime:
            return super().now() + self.shift

    clock = Later()
    store = Store(f"sqlite:///{tempfile.mkdtemp()}/bench.db")
    open_store(store)
    minutes = timedelta(minutes=2)
    loopback = (ip_network("127.0.0.0/8"),)
    watcher = Watcher(
        store,
        clock=clock,
        door=Door(NetPolicy(allow_private=loopback), clock=clock, user_agent="bench"),
        parsers=Parsers(),
        feeds=[
            Feed(str(n), url, f"outlet{n}", "", "news", trusted=False, interval=minutes)
            for n, url in enumerate(urls)
        ],
        policy=WatchPolicy(fresh=timedelta(minutes=5), max_item_age=timedelta(days=3650)),
        on_new=lambda: None,
        round_s=600.0,
    )
    watcher.start()

    def poll() -> int:
        seen = watcher.round().polled
        while watcher.round().under_way:
            threading.Event().wait(0.05)
        clock.shift += timedelta(minutes=10)
        return seen

    return poll


def plain(urls: list[str]) -> Callable[[], int]:
    """Poll with httpx and feedparser and nothing else: validators in a dictionary, 8 threads."""
    import feedparser
    import httpx

    tags: dict[str, str] = {}

    def one(client: httpx.Client, url: str) -> int:
        headers = {"If-None-Match": tags[url]} if url in tags else {}
        answer = client.get(url, headers=headers)
        if answer.status_code == 304:
            return 0
        tags[url] = answer.headers["etag"]
        options = {"sanitize_html": False, "resolve_relative_uris": False}
        return len(feedparser.parse(io.BytesIO(answer.content), **options).entries)

    def poll() -> int:
        limits = httpx.Limits(max_connections=50, max_keepalive_connections=0)
        with httpx.Client(limits=limits, timeout=60) as client, ThreadPoolExecutor(8) as pool:
            return sum(pool.map(lambda url: one(client, url), urls))

    return poll


def reader(urls: list[str]) -> Callable[[], int]:
    """Poll with the package ``reader`` (lemon24), ten workers."""
    from reader import make_reader

    made = make_reader(f"{tempfile.mkdtemp()}/reader.db")
    for url in urls:
        made.add_feed(url)

    def poll() -> int:
        made.update_feeds(workers=10, scheduled=False)
        return 0

    return poll


CONTESTANTS = {"plain": plain, "killswitch": killswitch, "reader": reader}


def run(name: str, ports: Sequence[int], feeds: int, changed: Event) -> None:
    """Run one contestant through the phases."""
    poll = CONTESTANTS[name](urls_of(ports, feeds))
    for phase in PHASES:
        if phase == "changed":
            changed.set()
        began_s, before = monotonic(), _cpu()
        poll()
        say(
            contestant=name,
            phase=phase,
            cpu_s=round(_cpu() - before, 2),
            wall_s=round(monotonic() - began_s, 2),
            mib=round(getrusage(RUSAGE_SELF).ru_maxrss / 1024),
        )


def _cpu() -> float:
    dead = getrusage(RUSAGE_CHILDREN)
    return max(process_time(), cpu_of(os.getpid())) + dead.ru_utime + dead.ru_stime


def main() -> None:
    """Let each contestant poll a server of its own."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--feeds", type=int, default=1000)
    parser.add_argument("--contestant", action="append", choices=list(CONTESTANTS), default=[])
    asked = parser.parse_args()
    context = get_context("spawn")
    for name in asked.contestant or CONTESTANTS:
        if name == "reader" and importlib.util.find_spec("reader") is None:
            say(contestant=name, left_out="not installed")
            continue
        ports = context.Array("i", HOSTS, lock=False)
        ready, changed = context.Event(), context.Event()
        served = (asked.feeds, ports, ready, changed)
        server = context.Process(target=serve, args=served, daemon=True)
        server.start()
        ready.wait()
        polled = (name, list(ports), asked.feeds, changed)
        poller = context.Process(target=run, args=polled)
        poller.start()
        poller.join()
        server.kill()


if __name__ == "__main__":
    main()
