"""
The wall clock of a running daemon is stepped, by an hour, a day and ten years, both ways.

The real daemon under libfaketime, which reads its offset anew at every call and leaves boot and
monotonic clock alone. Six daemons live through it at once: the minute is waited for once.
"""

from __future__ import annotations

import contextlib
import json
import os
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path

import pytest

from tests.edge.house import QUEUE, House, a_folder
from tests.edge.raw_server import RawServer, reply

HOUR, DAY = 3600, 86_400
STEPS = {
    "an hour forward": HOUR, "a day forward": DAY, "ten years forward": 3650 * DAY,
    "an hour back": -HOUR, "a day back": -DAY, "ten years back": -3650 * DAY,
}  # fmt: skip
MINUTE_S = 60.0
# After the minute the daemon must go on; a busy machine may take a while.
GOES_ON_S = 60.0
READY_S = 90.0


def boot_s() -> float:
    return time.clock_gettime(time.CLOCK_BOOTTIME)


@pytest.fixture(scope="module")
def faketime() -> str:
    """The library that fakes the time; without it the test skips, in CI it fails."""
    for found in sorted(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1")):
        return str(found)
    reason = "no libfaketime (apt install faketime)"
    if os.environ.get("KILLSWITCH_REQUIRE_FAULTS") == "1":
        pytest.fail(f"KILLSWITCH_REQUIRE_FAULTS=1, but {reason}")
    pytest.skip(reason)


@dataclass
class World:
    """Feeds and a phone that live by the clock of one daemon."""

    shift: timedelta = timedelta(0)
    rang: list[str] = field(default_factory=list)

    def __call__(self, request: bytes) -> bytes:
        path = request.split(b" ")[1].decode().strip("/")
        if path == "phone":
            self.rang.append(json.loads(request.partition(b"\r\n\r\n")[2])["title"])
            return reply(200)
        now = datetime.now(UTC) + self.shift
        # Every minute brings something: a feed that only dates old entries anew is no sight.
        item = (
            f"<item><guid>{now:%d %H:%M}</guid><title>Council meets at {now:%H:%M}</title>"
            f"<pubDate>{format_datetime(now - timedelta(minutes=1))}</pubDate></item>"
        )
        body = f'<rss version="2.0"><channel><title>{path}</title>{item}</channel></rss>'
        return reply(200, body.encode(), Date=format_datetime(now, usegmt=True))


class Stepped(House):
    """One installation whose wall clock can be stepped."""

    def __init__(self, folder: Path, server: RawServer, world: World, library: str) -> None:
        self.offset = folder / "offset"
        env = {
            "LD_PRELOAD": library,
            "FAKETIME_TIMESTAMP_FILE": str(self.offset),
            "FAKETIME_NO_CACHE": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        }
        super().__init__(folder, server, queue=QUEUE | {"horizon": "3660d"}, env=env)
        self.world = world
        self.posted: list[tuple[float, str]] = []
        self.stepped_s = 0.0
        usual = self.config.read_text().replace('interval = "1s"', 'interval = "15s"')
        phone = f"json://127.0.0.1:{server.port}/phone"
        self.config.write_text(f'{usual}[notify]\nurls = ["{phone}"]\n')
        self._shift(0)

    def step(self, by_s: int) -> None:
        self._shift(by_s)
        self.stepped_s = boot_s()
        self.world.shift = timedelta(seconds=by_s)

    def _shift(self, by_s: int) -> None:
        fresh = self.offset.with_suffix(".new")
        fresh.write_text(f"{by_s:+d}\n")
        fresh.replace(self.offset)

    def plan(self, text: str, at: str) -> str:
        return self.add(text, at, channel="log")

    def read(self) -> list[str]:
        """Look at what has left; remember what is new, with the boot clock; return all texts."""
        for post in self.written()[len(self.posted) :]:
            self.posted.append((boot_s(), post["text"]))
        return [text for _, text in self.posted]


@pytest.fixture
def houses(faketime) -> Iterator[dict[str, Stepped]]:
    """Six installations, running."""
    with contextlib.ExitStack() as stack:
        made = {}
        for name in STEPS:
            world = World()
            server = stack.enter_context(RawServer(world))
            house = Stepped(stack.enter_context(a_folder()), server, world, faketime)
            made[name] = stack.enter_context(house)
        for house in made.values():
            house.until(lambda house=house: house.status()["state"] == "running", within_s=READY_S)
        yield made


@pytest.mark.timeout(420)
def test_a_stepped_clock_lets_nothing_out_for_a_minute_and_then_goes_on(houses):
    for house in houses.values():
        house.plan("before", "now")
        house.until(lambda house=house: house.read() == ["before"])
    late = {name: _prepare_and_step(house, STEPS[name]) for name, house in houses.items()}
    for house in houses.values():
        house.plan("after", "now")

    _watch(houses)

    for name, house in houses.items():
        _judge(house, name, late[name])
        house.stop()


def _prepare_and_step(house: Stepped, by_s: int) -> str | None:
    """Plan what a stepped clock would let out or hold, and step it; return what it must hold."""
    late = None
    if by_s > 0:
        house.plan("from another day", f"+{by_s - 30}s")
        late = house.plan("overdue by the new clock", f"+{by_s - 20 * 60}s")
    else:
        house.plan("soon, by the clock of before", "+50s")
    house.step(by_s)
    return late


def _watch(houses: dict[str, Stepped]) -> None:
    """Keep what is posted and when, until each has gone on."""
    never = threading.Event()
    ends_s = max(house.stepped_s for house in houses.values()) + MINUTE_S + GOES_ON_S
    while boot_s() < ends_s:
        waiting = [name for name, house in houses.items() if "after" not in house.read()]
        if not waiting:
            return
        never.wait(0.2)
    pytest.fail(f"posts still wait: {waiting}; {houses[waiting[0]].status()}")


def _judge(house: Stepped, name: str, late: str | None) -> None:
    ends_s = house.stepped_s + MINUTE_S
    assert [text for at, text in house.posted if house.stepped_s < at < ends_s] == [], name
    texts = house.read()
    assert len(texts) == len(set(texts)), name
    assert "soon, by the clock of before" not in texts, name
    status = house.status()
    assert (status["state"], status["causes"]) == ("running", []), name
    way = "forward" if STEPS[name] > 0 else "back"
    house.until(lambda: any(f"stepped {way} by" in title for title in house.world.rang))
    if late is not None:
        assert house.state_of(late) == "held", name
