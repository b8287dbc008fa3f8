"""
Pause when all else fails: the command answers the truth, and what it says holds afterwards.

Posts are due every second on two channels while the fault is put on. After "accepted" no attempt
may begin, after "sealed" no network may receive anything that the receipt does not name; the
networks are the ledger, and they are here. How long it took is printed: ``pytest -rP``.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import resource
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.edge.house import House, Newsroom

POSTS = 60
QUEUE = {"min_gap": "0s", "max_per_hour": 0, "hard_cap": 0, "release_gap": "0s", "lead": "30s"}
AFTERWARDS_S = 3.0
"""For so long posts come due after the command has ended, with the fault on and again without."""

pytestmark = pytest.mark.timeout(170)


@dataclass(frozen=True)
class Told:
    """
    What one press of the button came to.

    Attributes:
        code: Exit code.
        lines: Standard output.
        problems: Standard error.
        accepted_at: When its first line was there.
        ended_at: When it had ended.
        ended_s: The same on the monotonic clock, as the newsroom counts.
    """

    code: int
    lines: list[str]
    problems: str
    accepted_at: datetime
    ended_at: datetime
    ended_s: float

    @property
    def named(self) -> set[str]:
        """The deliveries that it says may go out, or may have gone out."""
        found = re.findall(r"\((d[0-9a-z]+)\)$", "\n".join(self.lines), re.MULTILINE)
        return set(found)


def press(house: House) -> Told:
    """Pause by the command, as an operator does, and read it as it comes."""
    began_s = time.monotonic()
    with house.command("pause", "whatever happens") as running:
        assert running.stdout is not None
        assert running.stderr is not None
        lines = [running.stdout.readline().rstrip()]
        accepted_at, accepted_s = datetime.now(UTC), time.monotonic()
        lines += running.stdout.read().splitlines()
        problems = running.stderr.read()
        code = running.wait(60)
    ended_s = time.monotonic()
    took = f"first line after {accepted_s - began_s:.2f} s, ended after {ended_s - began_s:.2f} s"
    sys.stdout.write("\n".join([took, *lines, problems]))
    return Told(code, lines, problems, accepted_at, datetime.now(UTC), ended_s)


def a_busy_hour(house: House, newsroom: Newsroom) -> None:
    """Let posts come due every second on both channels, and see that they leave."""
    house.state_is("running")
    rows = [{"due": f"+{n + 2}s", "channel": "hook;log", "text": f"Post {n}"} for n in range(POSTS)]
    lines = house.folder / "posts-to-come.jsonl"
    lines.write_text("".join(json.dumps(row) + "\n" for row in rows))
    assert house.run("queue", "import", str(lines))[0] == 0
    house.until(lambda: newsroom.arrivals and house.written())


def time_passes(house: House) -> None:
    """Let some more posts come due."""
    ends_s = time.monotonic() + AFTERWARDS_S
    while time.monotonic() < ends_s:
        with contextlib.suppress(subprocess.TimeoutExpired):
            assert house.daemon is not None
            house.daemon.wait(0.1)


def judge(house: House, newsroom: Newsroom, told: Told) -> None:
    """Hold what was told against what has left."""
    late = {
        str(arrival.post["delivery"])
        for arrival in newsroom.arrivals
        if arrival.at_s > told.ended_s
    } | {
        str(post["delivery"])
        for post in house.written()
        if datetime.fromisoformat(post["sent_at"]) > told.ended_at
    }
    assert late <= told.named, "it left after the receipt, which does not name it"
    begun = begun_since(house, told.accepted_at)
    assert begun == [], "it began after the pause was accepted"


def rows_of(house: House, sql: str, *values: str) -> list[str]:
    """Read one column of the daemon's store, whatever has become of the daemon."""
    store = next(path for path in (house.folder / "store", house.state_dir) if path.is_dir())
    uri = f"file:{store / 'killswitch.db'}?mode=ro"
    with contextlib.closing(sqlite3.connect(uri, uri=True)) as conn:
        return [row[0] for row in conn.execute(sql, values)]


def begun_since(house: House, instant: datetime) -> list[str]:
    """Return the deliveries of attempts that began later, but for those that were called off."""
    return rows_of(
        house,
        "SELECT delivery FROM attempts WHERE intent_at > ? AND outcome <> 'aborted_unsent'",
        f"{instant:%Y-%m-%dT%H:%M:%S.%fZ}",
    )


def open_in_the_store(house: House) -> set[str]:
    """Return the deliveries of which the store says that they are on the wire or uncertain."""
    return set(rows_of(house, "SELECT id FROM deliveries WHERE state IN ('sending', 'uncertain')"))


def is_accepted(told: Told) -> None:
    """Whatever else: it is recorded, it says where, and it says just as much as is proven."""
    assert told.lines[0].startswith("STOPPING, recorded by "), told.problems
    assert told.code in {0, 6}
    word = "SEALED: nothing leaves since " if told.code == 0 else "NOT SEALED: "
    assert any(line.startswith(word) for line in told.lines)


def is_paused_again(house: House) -> None:
    """Once all is mended, the daemon (another one where it had to end) is paused."""
    assert house.daemon is not None
    if house.daemon.poll() is not None:
        house.start()
    house.state_is("paused")


# ---- faults of the daemon and its store ---------------------------------------------------------


@contextlib.contextmanager
def stopped(house: House) -> Iterator[None]:
    house.signal(signal.SIGSTOP)
    yield
    house.signal(signal.SIGCONT)


@contextlib.contextmanager
def hung(house: House) -> Iterator[None]:
    """It hangs by its failpoint, as soon as it is pressed, and will never recover."""
    yield
    house.kill()
    house.env.clear()
    house.start()


@contextlib.contextmanager
def locked(house: House) -> Iterator[None]:
    """Another process keeps the write lock of the store."""
    other = sqlite3.connect(house.state_dir / "killswitch.db", isolation_level=None, timeout=10)
    other.execute("BEGIN IMMEDIATE")
    yield
    other.execute("ROLLBACK")
    other.close()


@contextlib.contextmanager
def without_files(house: House) -> Iterator[None]:
    """Connections have eaten all of the daemon's file descriptors."""
    assert house.daemon is not None
    pid, eaters = house.daemon.pid, []
    before = resource.prlimit(pid, resource.RLIMIT_NOFILE)
    held = len(list(Path(f"/proc/{pid}/fd").iterdir()))
    resource.prlimit(pid, resource.RLIMIT_NOFILE, (held + 4, before[1]))
    for _ in range(8):
        one = socket.socket(socket.AF_UNIX)
        one.connect(str(house.state_dir / "control.sock"))
        eaters.append(one)
    yield
    for one in eaters:
        one.close()
    resource.prlimit(pid, resource.RLIMIT_NOFILE, before)


@contextlib.contextmanager
def without_socket(house: House) -> Iterator[None]:
    (house.state_dir / "control.sock").unlink()
    yield
    house.stop()
    house.start()


@contextlib.contextmanager
def killed(house: House) -> Iterator[None]:
    house.kill()
    yield
    house.start()


FAULTS = {
    "stopped": (stopped, ""),
    "its answer hangs": (hung, "pause.before_trip=hang"),
    "hangs with the lock": (hung, "pause.before_commit=hang"),
    "store locked": (locked, ""),
    "no descriptors": (without_files, ""),
    "no socket": (without_socket, ""),
    "killed": (killed, ""),
}


@pytest.mark.parametrize(("fault", "failpoint"), FAULTS.values(), ids=FAULTS)
def test_a_pause_is_sealed_whatever_the_daemon_does(
    folder, newsroom, newsroom_server, fault, failpoint
):
    env = {"KILLSWITCH_FAILPOINTS": failpoint} if failpoint else {}
    with House(folder, newsroom_server, queue=QUEUE, env=env) as house:
        a_busy_hour(house, newsroom)
        with fault(house):
            told = press(house)
            is_accepted(told)
            # What was on the wire before the fault may be unable to be written down as sent.
            is_open = told.code == 6 and told.named == open_in_the_store(house)
            assert told.code == 0 or is_open, "who reads the store sees what is on the wire"
            if house.daemon is not None:
                time_passes(house)
        is_paused_again(house)
        time_passes(house)
        judge(house, newsroom, told)


def test_a_post_on_the_wire_of_a_stopped_daemon_is_never_told_as_sealed(
    folder, newsroom, newsroom_server
):
    with House(folder, newsroom_server, queue=QUEUE) as house:
        house.state_is("running")
        newsroom.slow.clear()
        one = house.add("On its way", "now")
        house.until(lambda: newsroom.arrivals)
        with stopped(house):
            told = press(house)
            newsroom.slow.set()
        is_accepted(told)
        assert (told.code, told.named) == (6, {one})
        is_paused_again(house)
        judge(house, newsroom, told)
        house.until(lambda: house.state_of(one) in {"sent", "uncertain"})


# ---- faults of the disk ------------------------------------------------------------------------


def needs(what: str, *programs: str) -> None:
    """Skip where a disk can't be made to fail, unless that is asked for."""
    if os.geteuid() == 0 and all(shutil.which(name) for name in programs):
        return
    why = f"{what} needs root and {', '.join(programs)}"
    if os.environ.get("KILLSWITCH_REQUIRE_FAULTS") == "1":
        pytest.fail(f"KILLSWITCH_REQUIRE_FAULTS=1, but {why}")
    pytest.skip(why)


@contextlib.contextmanager
def mounted(path: Path, *how: str) -> Iterator[Path]:
    path.mkdir()
    done = subprocess.run(
        ["mount", *how, str(path)], check=False, capture_output=True, text=True, timeout=20
    )
    if done.returncode != 0:
        why = f"mount {' '.join(how)}: {done.stderr.strip()}"
        if os.environ.get("KILLSWITCH_REQUIRE_FAULTS") == "1":
            pytest.fail(f"KILLSWITCH_REQUIRE_FAULTS=1, but {why}")
        pytest.skip(why)
    try:
        yield path
    finally:
        subprocess.run(["umount", "--lazy", str(path)], check=True, timeout=20)


@contextlib.contextmanager
def a_disk_that_may_fail(folder: Path, path: Path) -> Iterator[Path]:
    """A small file system that goes read-only at an error, as a real one does."""
    needs("a disk that fails", "mount", "mkfs.ext4", "losetup")
    image = folder / "disk.img"
    with image.open("wb") as file:
        file.truncate(24 * 2**20)
    subprocess.run(["mkfs.ext4", "-q", str(image)], check=True, timeout=20)
    with mounted(path, "-o", "loop,errors=remount-ro", str(image)):
        yield path


def fail_disk(path: Path) -> None:
    """Let the file system under ``path`` meet an error."""
    device = path.stat().st_dev
    name = Path(f"/sys/dev/block/{os.major(device)}:{os.minor(device)}").resolve().name
    Path(f"/sys/fs/ext4/{name}/trigger_fs_error").write_text("1")
    with pytest.raises(OSError, match="Read-only"):
        (path / "x").touch()


def fill(path: Path) -> None:
    with path.open("wb", buffering=0) as file:
        while True:
            file.write(bytes(4096))


def test_a_full_disk_stops_no_pause(folder, newsroom, newsroom_server):
    needs("a full disk", "mount")
    state = folder / "state"
    with (
        mounted(state, "-t", "tmpfs", "-o", "size=8m", "none"),
        House(folder, newsroom_server, queue=QUEUE) as house,
    ):
        a_busy_hour(house, newsroom)
        with pytest.raises(OSError, match="No space"):
            fill(state / "fill")
        told = press(house)
        is_accepted(told)
        assert told.lines[0].endswith("by a flag on the disk: nothing new starts")
        # What was on the wire when the disk filled can't be written down as sent: it is named.
        assert told.named == open_in_the_store(house)
        assert told.code == (6 if told.named else 0)
        time_passes(house)
        (state / "fill").unlink()
        is_paused_again(house)
        time_passes(house)
        judge(house, newsroom, told)


def test_a_disk_that_is_full_at_start_is_waited_for_and_called_what_it_is(
    folder, newsroom, newsroom_server
):
    needs("a full disk", "mount")
    state = folder / "state"
    with (
        mounted(state, "-t", "tmpfs", "-o", "size=6m", "none"),
        House(folder, newsroom_server, queue=QUEUE) as house,
    ):
        house.state_is("running")
        house.kill()
        with pytest.raises(OSError, match="No space"):
            fill(state / "fill")
        house.start()
        house.until(lambda: "store.full" in house.log.read_text())
        code, told = house.run("status")
        assert (code, told["state"]) == (4, "unreachable")
        assert f"the disk of {state} is full (0 bytes free)" in told["inhibits"][0]["reason"]
        assert "journalctl -u killswitch" in told["hint"]
        is_accepted(press(house))
        assert "damaged" not in house.log.read_text()
        (state / "fill").unlink()
        is_paused_again(house)
        house.stop()


def test_a_daemon_that_waits_for_room_can_be_stopped(folder, newsroom, newsroom_server):
    needs("a full disk", "mount")
    state = folder / "state"
    with (
        mounted(state, "-t", "tmpfs", "-o", "size=6m", "none"),
        House(folder, newsroom_server, queue=QUEUE) as house,
    ):
        house.state_is("running")
        house.kill()
        with pytest.raises(OSError, match="No space"):
            fill(state / "fill")
        house.start()
        house.until(lambda: "store.full" in house.log.read_text())
        house.signal(signal.SIGTERM)
        assert house.daemon is not None
        assert house.daemon.wait(20) == 1
        house.daemon = None
        assert "the disk is full" in house.log.read_text()


def test_a_store_that_became_read_only_stops_no_pause(folder, newsroom, newsroom_server):
    with (
        a_disk_that_may_fail(folder, folder / "store") as disk,
        House(
            folder, newsroom_server, queue=QUEUE, store=f"sqlite:///{disk}/killswitch.db"
        ) as house,
    ):
        a_busy_hour(house, newsroom)
        fail_disk(disk)
        told = press(house)
        is_accepted(told)
        time_passes(house)
        judge(house, newsroom, told)
        assert house.status()["state"] == "paused"


@pytest.mark.skipif(os.geteuid() == 0, reason="root writes whatever the mode")
def test_a_store_that_nobody_may_write_stops_no_pause(folder, newsroom, newsroom_server):
    store = folder / "store"
    store.mkdir()
    with House(
        folder, newsroom_server, queue=QUEUE, store=f"sqlite:///{store}/killswitch.db"
    ) as house:
        a_busy_hour(house, newsroom)
        for path in (*store.iterdir(), store):
            path.chmod(0o555 if path.is_dir() else 0o444)
        told = press(house)
        store.chmod(0o755)
        is_accepted(told)
        time_passes(house)
        judge(house, newsroom, told)


def test_where_nothing_can_be_written_it_says_so_and_nothing_leaves(
    folder, newsroom, newsroom_server
):
    with (
        a_disk_that_may_fail(folder, folder / "state") as disk,
        House(folder, newsroom_server, queue=QUEUE) as house,
    ):
        a_busy_hour(house, newsroom)
        fail_disk(disk)
        told = press(house)
        assert told.code == 1
        assert "NOT RECORDED: the gate cannot write either" in told.problems
        time_passes(house)
        judge(house, newsroom, told)
