"""
The points that no busy day passes (``kills.APART``): each is killed in a scene of its own.

Two of them are points of the command line, not of the daemon: a killed ``pause`` or ``restore``
leaves a house that starts whole, paused where the flag was durable.
"""

from __future__ import annotations

import json
import random
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from killswitch.store import migrate
from killswitch.store.engine import Store
from tests.proof import kills, oracle
from tests.proof.house import House
from tests.proof.platform import World
from tests.store import made

LEASE_S = 110.0
"""A notice that nobody ended is due again when its claim is over, after 90 s."""
KILLED = -signal.SIGKILL
pytestmark = pytest.mark.timeout(240)


@pytest.fixture
def world() -> Iterator[World]:
    with World(random.Random(1), faults=0.0) as running:
        yield running


@pytest.fixture
def house(world: World) -> Iterator[House]:
    with (
        tempfile.TemporaryDirectory(prefix="ks", dir="/tmp") as folder,
        House(Path(folder), world) as made,
    ):
        yield made


def start(house: House, *states: str) -> None:
    house.start()
    house.until(lambda: house.status().get("state") in states, what=f"state {states}")


def plan(house: House, text: str, at: str) -> str:
    done = house.client.post("/queue", {"text": text, "at": at, "channels": ["one"]})
    return str(done["ids"][0])


def test_every_point_is_killed_somewhere():
    scenes = {*FLAG_POINTS, *RESTORE_POINTS, *REAP_POINTS, *AFTER_POINTS}
    scenes |= {"notify.after_send", "migrate.after_backup"}
    assert scenes == kills.APART.keys()


FLAG_POINTS = ("flag.before_sync", "flag.after_sync")


@pytest.mark.parametrize("point", FLAG_POINTS)
def test_a_pause_command_that_is_killed_leaves_a_flag_or_none(house, point):
    start(house, "running")
    house.kill()
    done = house.command("pause", "killed", failpoints=f"{point}=kill")
    assert done.returncode == KILLED
    assert house.command("pause", "again").returncode == 0
    start(house, "paused")
    reasons = [cause["reason"] for cause in house.status()["causes"]]
    assert "again" in reasons
    assert ("killed" in reasons) or point == "flag.before_sync"


RESTORE_POINTS = ("restore.after_copy", "restore.after_aside")


@pytest.mark.parametrize("point", RESTORE_POINTS)
def test_a_restore_that_is_killed_leaves_the_old_store_or_the_backup(house, point):
    start(house, "running")
    kept = plan(house, "known to the backup", "+2h")
    copy = house.folder / "copy.db"
    house.client.post("/backup", {"to": str(copy)})
    later = plan(house, "later than the backup", "+3h")
    house.kill()
    done = house.command("restore", str(copy), "--yes", failpoints=f"{point}=kill")
    assert done.returncode == KILLED
    start(house, "paused")
    house.stop()
    assert {kept, later} <= oracle.read_truth(house.state).states.keys()
    assert house.command("restore", str(copy), "--yes").returncode == 0
    start(house, "paused")
    house.stop()
    states = oracle.read_truth(house.state).states
    assert kept in states
    assert later not in states


def test_a_notice_that_was_sent_and_not_noted_is_sent_again(world):
    more = f'[notify]\nurls = ["json://127.0.0.1:{world.port}/told"]\n'
    with (
        tempfile.TemporaryDirectory(prefix="ks", dir="/tmp") as folder,
        House(Path(folder), world, more=more) as house,
    ):
        start(house, "running")
        house.kill()
        house.start(failpoints="notify.after_send=kill")
        house.until(lambda: house.status().get("state") == "running", what="running")
        world.tragedy()
        house.until(lambda: not house.lives(), what="killed after the first notice")
        told = len(world.told)
        assert told > 0
        start(house, "paused")
        house.until(lambda: len(world.told) > told, what="told again", within_s=LEASE_S)


REAP_POINTS = ("reap.before_commit", "reap.after_commit")
REAPER = """
import sys
from datetime import timedelta
from killswitch.clock import FakeClock, SystemClock
from killswitch.daemon.reaper import reap
from killswitch.store.engine import Store
clock = FakeClock(SystemClock().now())
clock._boot = SystemClock().boot_s()
clock.move(timedelta(minutes=5))
reap(Store(f"sqlite:///{sys.argv[1]}"), clock=clock)
"""
"""The reaper of a daemon whose sender hangs: five minutes from now, on the store that it left."""


@pytest.mark.parametrize("point", REAP_POINTS)
def test_a_reaper_that_is_killed_settles_an_open_try_once(house, point):
    start(house, "running")
    house.kill()
    house.start(failpoints="gate.after_intent=kill")
    house.until(lambda: house.status().get("state") == "running", what="running")
    due = datetime.now(UTC) + timedelta(seconds=0.3)
    one = plan(house, "half sent", due.isoformat())
    house.until(lambda: not house.lives(), what="killed after the intent")
    done = subprocess.run(
        [sys.executable, "-c", REAPER, str(house.state / "killswitch.db")],
        env=house.environment(failpoints=f"{point}=kill"),
        check=False,
    )
    assert done.returncode == KILLED
    start(house, "paused", "running")
    house.stop()
    truth = oracle.read_truth(house.state)
    assert truth.states[one] == "uncertain"
    settled = [r for r in truth.audit if (r["event"], r["subject"]) == ("delivery.uncertain", one)]
    assert len(settled) == 1


def test_an_upgrade_that_is_killed_leaves_the_old_store_whole_and_a_copy_of_it(house):
    house.state.mkdir(mode=0o750)
    store = Store(f"sqlite:///{house.state}/killswitch.db")
    migrate.upgrade(store, to=migrate.KNOWN[0])
    kept = made.add(store)
    store.close()
    house.start(failpoints="migrate.after_backup=kill")
    house.until(lambda: not house.lives(), what="killed before the upgrade")
    start(house, "running")
    house.stop()
    assert kept in oracle.read_truth(house.state).states
    assert (house.state / f"killswitch.db.before-{migrate.KNOWN[0]}").exists()


AFTER_POINTS = ("probe.after_answer", "retract.after_answer")


def sent_to_the_file(house: House) -> str:
    due = datetime.now(UTC) + timedelta(seconds=0.3)
    body = {"text": "to the file", "at": due.isoformat(), "channels": ["outbox"]}
    return str(house.client.post("/queue", body)["ids"][0])


def state_of(house: House, one: str) -> str:
    return str(house.client.get(f"/queue/{one}")["state"])


def test_a_look_that_is_killed_is_made_again_and_the_post_is_found(house):
    start(house, "running")
    house.kill()
    house.start(failpoints="gate.after_answer=kill")
    house.until(lambda: house.status().get("state") == "running", what="running")
    one = sent_to_the_file(house)
    house.until(lambda: not house.lives(), what="killed after the line was written")
    house.start(failpoints="probe.after_answer=kill")
    house.until(lambda: not house.lives(), what="killed after the look")
    start(house, "paused")
    house.until(lambda: state_of(house, one) == "sent", what="found")
    assert len(house.outbox.read_text().splitlines()) == 1


def test_a_deletion_that_is_killed_is_asked_for_again(house):
    start(house, "running")
    one = sent_to_the_file(house)
    house.until(lambda: state_of(house, one) == "sent", what="sent")
    house.kill()
    house.start(failpoints="retract.after_answer=kill")
    house.until(lambda: house.status().get("state") == "running", what="running")
    house.client.post("/queue/act", {"verb": "retract", "ids": [one], "reason": "wrong price"})
    house.until(lambda: not house.lives(), what="killed after the answer")
    start(house, "running")
    house.until(lambda: state_of(house, one) == "retracted", what="taken down")
    lines = [json.loads(line) for line in house.outbox.read_text().splitlines()]
    assert ["retracted_at" in line for line in lines] == [False, True, True]
