"""A server of feeds that say what the test wants, and the real watcher of them."""

from __future__ import annotations

from datetime import timedelta
from email.utils import format_datetime
from ipaddress import ip_network

import sqlalchemy as sa

from killswitch.clock import FakeClock
from killswitch.net import Door, NetPolicy
from killswitch.store import news
from killswitch.watch.watcher import Feed, Watcher, WatchPolicy
from tests.edge.raw_server import RawServer, reply
from tests.store.made import HOUR, MINUTE, NOW

POLICY = WatchPolicy(fresh=5 * MINUTE, max_item_age=12 * HOUR)
INTERVAL = 2 * MINUTE
LONG = 25.0


def a_feed(*items, ttl=None):
    """Write an RSS feed of (title, published) pairs."""
    parts = [
        f"<item><guid>{title}</guid><title>{title}</title><link>https://n.example/</link>"
        + (f"<pubDate>{format_datetime(at)}</pubDate>" if at else "")
        + "</item>"
        for title, at in items
    ]
    head = f"<ttl>{ttl}</ttl>" if ttl else ""
    body = f'<rss version="2.0"><channel><title>N</title>{head}{"".join(parts)}</channel></rss>'
    return body.encode()


class Site:
    """A server of feeds that say what the test wants, and a watcher of them."""

    def __init__(self, store, parsers, names=("a",), kind="news"):
        self.store, self.clock = store, FakeClock()
        self.says = dict.fromkeys(names, reply(200, a_feed(("old", NOW))))
        self.woken = 0
        self.server = RawServer(self.answer)
        door = Door(NetPolicy((ip_network("127.0.0.0/8"),)), user_agent="killswitch-test")
        self.server.__enter__()
        feeds = [
            Feed(name, f"{self.server.url}{name}", name, "", kind, False, INTERVAL, "en")
            for name in names
        ]
        self.watcher = Watcher(
            store, clock=self.clock, door=door, parsers=parsers, feeds=feeds, policy=POLICY,
            on_new=self.wake, round_s=LONG,
        )  # fmt: skip
        self.watcher.start()

    def wake(self):
        self.woken += 1

    def answer(self, request):
        path = request.split(b" ")[1].decode().strip("/")
        said = self.says[path]
        return said(request) if callable(said) else said

    def round(self, **after):
        self.clock.move(timedelta(**after))
        return self.watcher.round()

    def row(self, name="a"):
        with self.store.read() as conn:
            return news.feed_rows(conn, [name])[name]

    def items(self):
        with self.store.read() as conn:
            rows = conn.execute(sa.text("SELECT title, silent FROM items ORDER BY title"))
            return {row.title: bool(row.silent) for row in rows}
