"""A reload while the old configuration is still at work: nothing is lost, nothing works twice."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor, wait
from email.utils import format_datetime

import pytest
import sqlalchemy as sa

from killswitch.clock import SystemClock
from killswitch.daemon.daemon import Daemon
from killswitch.errors import ConfigError
from killswitch.settings import load
from killswitch.store import latch as latch_store
from killswitch.store import news
from tests.edge.raw_server import RawServer, reply

FIRST = "Knife attack in Springfield leaves four people dead"
SECOND = "Four killed in Springfield knife attack, police say"
OUTLETS = ("courier", "herald")
SHORT, LONG = 0.5, 20.0


class House:
    """A daemon whose loops the test turns itself, with two outlets on the loopback."""

    def __init__(self, folder):
        self.titles = {outlet: ["Council opens a new lake path"] for outlet in OUTLETS}
        self.hold = {}
        # A server each: what is held up for one outlet must not keep the other waiting.
        self.servers = {outlet: RawServer(self._answer).__enter__() for outlet in OUTLETS}
        self.path = folder / "killswitch.toml"
        self.write()
        self.daemon = Daemon(self._load(), clock=SystemClock(), reload_settings=self._load)
        self.daemon.supervisor.start = lambda: None
        self.daemon.start()
        self.poll()

    def write(self, **urls):
        """Write the configuration; ``urls`` names feeds that have moved."""
        feeds = "".join(
            f'[[feeds]]\nname = "{name}"\nurl = "{self.servers[name].url}{urls.get(name, name)}"\n'
            f'outlet = "{name}"\ninterval = "1s"\nlanguage = "en"\n'
            for name in OUTLETS
        )
        self.path.write_text(
            f'state_dir = "{self.path.parent / "state"}"\n'
            '[network]\nallow_private = ["127.0.0.0/8"]\n[detect]\nlanguages = ["en"]\n' + feeds
        )

    def _load(self):
        return load(self.path, env={"TZ": "UTC"})

    def _answer(self, request):
        path = request.split(b" ")[1].decode().strip("/")
        if path in self.hold:
            asked, go = self.hold[path]
            asked.set()
            go.wait(LONG)
        now = format_datetime(SystemClock().now())
        items = "".join(
            f"<item><guid>{title}</guid><title>{title}</title><pubDate>{now}</pubDate></item>"
            for title in self.titles[path]
        )
        body = f'<rss version="2.0"><channel><title>{path}</title>{items}</channel></rss>'
        return reply(200, body.encode(), ETag=f'"{path}"')

    def poll(self):
        """Read every feed now, due or not."""
        with self.daemon.store.write() as conn:
            for name in OUTLETS:
                news.ingest(conn, name, [], values={"next_poll_at": None}, now=None)
        self.daemon.parts.watcher._round_s = SHORT if self.hold else LONG
        return self.daemon.parts.watcher.round()

    def hold_up(self, path):
        """Let the server not answer for ``path``; return what is set when asked, and the way on."""
        self.hold[path] = threading.Event(), threading.Event()
        return self.hold[path]

    def asked_for(self, path):
        return self.paths().count(f"/{path}")

    def paths(self):
        return [path for server in self.servers.values() for path in server.paths()]

    def under_way_ends(self):
        waiting = self.daemon.parts.watcher._lines.under_way().values()
        assert not wait(waiting, timeout=LONG).not_done

    def grade(self):
        self.daemon.parts.grader.drain()

    def seen(self):
        with self.daemon.store.read() as conn:
            rows = conn.execute(sa.text("SELECT title FROM items"))
            return {row.title for row in rows}

    def causes(self):
        with self.daemon.store.read() as conn:
            return [cause.kind.value for cause in latch_store.read(conn).causes]

    def row(self, name):
        with self.daemon.store.read() as conn:
            return news.feed_rows(conn, [name])[name]

    def close(self):
        self.daemon.stop()
        for server in self.servers.values():
            server.__exit__()


@pytest.fixture
def house(tmp_path):
    made = House(tmp_path)
    made.grade()
    yield made
    made.close()


@pytest.fixture
def pool():
    with ThreadPoolExecutor(4) as made:
        yield made


def test_the_first_round_has_ended_when_each_feed_has_ended_one_poll(house, pool):
    daemon = house.daemon
    first_round = daemon.parts.eyes.first_round

    def held_up(outlet):
        asked, go = house.hold_up(outlet)
        reading = pool.submit(house.poll)
        assert asked.wait(LONG)
        reading.result(LONG)
        daemon._watch_step()
        return go

    go = held_up("courier")
    assert not first_round.is_set()
    go.set()
    house.under_way_ends()
    del house.hold["courier"]
    # The other one is being asked again by now, but it had ended its first poll.
    go = held_up("herald")
    assert first_round.is_set()
    go.set()


def held_up(monkeypatch, thing, name):
    """Stop the first call of a method until the test says go."""
    real, reached, go, calls = getattr(thing, name), threading.Event(), threading.Event(), []

    def held(*args, **more):
        calls.append(args)
        if len(calls) == 1:
            reached.set()
            go.wait(LONG)
        return real(*args, **more)

    monkeypatch.setattr(thing, name, held)
    return reached, go


def test_a_reload_in_the_middle_of_a_batch_loses_no_outlet(house, pool, monkeypatch):
    reached, go = held_up(monkeypatch, house.daemon.parts.grader, "_write")
    house.titles["courier"].append(FIRST)
    house.poll()
    batch = pool.submit(house.grade)
    assert reached.wait(LONG)
    reload = pool.submit(house.daemon.reload)
    # The guard turns each second, and reads the stories for it.
    guard = pool.submit(lambda: (reload.exception(LONG), house.daemon.guard.step()))
    wait([guard], timeout=SHORT)  # it may not read them before the batch has ended
    go.set()
    for done in (batch, reload, guard):
        done.result(LONG)
    house.titles["herald"].append(SECOND)
    house.poll()
    house.grade()
    assert house.causes() == ["story"]


def test_the_grader_of_the_configuration_before_grades_no_more(house):
    old = house.daemon.parts.grader
    house.daemon.reload()
    house.titles["courier"].append(FIRST)
    house.poll()
    assert old.drain() == 0
    old.refresh_unconfirmed(house.daemon.clock.now())
    house.grade()
    house.titles["herald"].append(SECOND)
    house.poll()
    assert old.drain() == 0
    house.grade()
    assert house.causes() == ["story"]


def test_a_feed_that_is_being_read_at_a_reload_is_not_asked_twice_and_its_news_is_kept(house, pool):
    asked, go = house.hold_up("courier")
    house.titles["courier"].append(FIRST)
    before = house.asked_for("courier")
    reading = pool.submit(house.poll)
    assert asked.wait(LONG)
    house.daemon.reload()
    assert house.poll().under_way == ("courier",)
    assert house.asked_for("courier") == before + 1
    go.set()
    reading.result(LONG)
    house.under_way_ends()
    assert FIRST in house.seen()


def test_the_watcher_of_the_configuration_before_asks_nobody_any_more(house):
    old = house.daemon.parts.watcher
    house.daemon.reload()
    house.poll()
    asked = house.paths()
    assert (old.look().polled, old.round().polled) == (0, 0)
    assert house.paths() == asked


def test_what_comes_from_an_address_that_a_reload_changed_is_dropped(house, pool):
    asked, go = house.hold_up("courier")
    house.titles["courier"].append("Council closes the lake path")
    house.titles["moved"] = ["Council paints the lake path"]
    reading = pool.submit(house.poll)
    assert asked.wait(LONG)
    house.write(courier="moved")
    house.daemon.reload()
    go.set()
    reading.result(LONG)
    house.under_way_ends()
    assert "Council closes the lake path" not in house.seen()
    assert (house.row("courier").etag, house.row("courier").last_good_at) == (None, None)
    house.poll()
    assert "Council paints the lake path" in house.seen()
    assert house.row("courier").etag == '"moved"'


def test_a_refused_reload_is_told_until_a_good_one(house):
    assert house.daemon.desk.status()["config_refused"] is None
    good = house.path.read_text()
    house.path.write_text(good + "frehs = 1\n")
    with pytest.raises(ConfigError):
        house.daemon.reload()
    told = house.daemon.desk.status()["config_refused"]
    assert "frehs" in told["why"]
    house.path.write_text("mode = ")
    with pytest.raises(ConfigError):
        house.daemon.reload()
    again = house.daemon.desk.status()["config_refused"]
    assert again["since"] == told["since"], "since when the file and the daemon differ"
    assert "frehs" not in again["why"]
    house.path.write_text(good)
    house.daemon.reload()
    assert house.daemon.desk.status()["config_refused"] is None
