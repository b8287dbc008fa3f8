from __future__ import annotations

import os
import socket
import subprocess
import sys
import uuid

import pytest

from killswitch.daemon.systemd import listen_fds, notify, watchdog_interval_s

READY = "READY=1\nSTATUS=watching 12 feeds"


@pytest.fixture(params=["path", "abstract"])
def manager(request, tmp_path):
    """A service manager's socket and what NOTIFY_SOCKET says of it."""
    path = str(tmp_path / "notify")
    name = f"killswitch-test-{uuid.uuid4()}"
    bound, told = {"path": (path, path), "abstract": (f"\0{name}", f"@{name}")}[request.param]
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        listening.settimeout(5)
        listening.bind(bound)
        yield listening, told


def test_a_message_reaches_the_manager(manager):
    listening, told = manager
    assert notify(READY, {"NOTIFY_SOCKET": told})
    assert listening.recv(1000).decode() == READY


@pytest.mark.parametrize(
    "env",
    [{}, {"NOTIFY_SOCKET": ""}, {"NOTIFY_SOCKET": "relative"}, {"NOTIFY_SOCKET": "/gone/notify"}],
    ids=["not under systemd", "empty", "neither path nor abstract", "nobody listens"],
)
def test_without_a_manager_nothing_is_sent_and_nothing_fails(env):
    assert not notify(READY, env)


def test_a_manager_that_does_not_read_never_hangs_us(manager):
    _, told = manager
    for _ in range(10_000):
        if not notify("STATUS=" + "x" * 1000, {"NOTIFY_SOCKET": told}):
            return
    pytest.fail("the socket's queue never filled")


@pytest.mark.parametrize(
    "env",
    [
        {},
        {"LISTEN_FDS": "1"},
        {"LISTEN_PID": "1", "LISTEN_FDS": "1"},
        {"LISTEN_PID": str(os.getpid())},
        {"LISTEN_PID": str(os.getpid()), "LISTEN_FDS": "no"},
        {"LISTEN_PID": "²", "LISTEN_FDS": "1"},
    ],
    ids=["none", "no pid", "another process's", "no count", "no number", "odd digits"],
)
def test_sockets_that_are_not_ours_are_left_alone(env):
    assert listen_fds(env) == []


TAKE = """
import os, sys
from killswitch.daemon.systemd import listen_fds
os.dup2(int(sys.argv[1]), 3)                  # what systemd does between fork and exec
os.environ["LISTEN_PID"] = str(os.getpid())
taken = listen_fds()
print(len(taken), taken[0].getsockname(), os.get_inheritable(3))
connection, _ = taken[0].accept()
print(connection.recv(100).decode())
"""


def test_a_passed_socket_serves_what_was_queued_before_the_start(tmp_path):
    path = str(tmp_path / "control.sock")
    with (
        socket.socket(socket.AF_UNIX) as passed,
        socket.socket(socket.AF_UNIX) as caller,
    ):
        passed.bind(path)
        passed.listen()
        caller.connect(path)
        caller.sendall(b"pause")
        done = subprocess.run(
            [sys.executable, "-c", TAKE, str(passed.fileno())],
            env=os.environ | {"LISTEN_FDS": "1"},
            pass_fds=[passed.fileno()],
            capture_output=True,
            text=True,
            check=True,
        )
    assert done.stdout.splitlines() == [f"1 {path} False", "pause"]


@pytest.mark.parametrize(
    ("env", "seconds"),
    [
        ({}, None),
        ({"WATCHDOG_USEC": "0"}, None),
        ({"WATCHDOG_USEC": "soon"}, None),
        ({"WATCHDOG_USEC": "20000000"}, 10.0),
        ({"WATCHDOG_USEC": "20000000", "WATCHDOG_PID": str(os.getpid())}, 10.0),
        ({"WATCHDOG_USEC": "20000000", "WATCHDOG_PID": "1"}, None),
    ],
    ids=["none", "off", "no number", "20 s", "ours", "another process's"],
)
def test_the_watchdog_is_fed_twice_in_its_limit(env, seconds):
    assert watchdog_interval_s(env) == seconds
