"""A database server that takes every question and answers none: said in time, and held."""

from __future__ import annotations

import contextlib
import os
import signal
from pathlib import Path

import pytest

from tests.edge.house import House

pytestmark = pytest.mark.timeout(180)


@contextlib.contextmanager
def frozen(postgres):
    """Stop every process of the server, as a machine that hangs does."""
    first = int((postgres.data / "postmaster.pid").read_text().split()[0])
    children = Path(f"/proc/{first}/task/{first}/children").read_text()
    pids = [first, *map(int, children.split())]
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)


def test_the_status_is_told_while_the_server_is_silent(folder, newsroom_server, postgres):
    with House(folder, newsroom_server, store=postgres.url(postgres.new_database())) as house:
        house.state_is("running")
        with frozen(postgres):
            for _ in range(3):
                code, told = house.run("status")
                assert (code, told["state"], told["queue"]) == (3, "inhibited", None)
                (silent,) = [one for one in told["inhibits"] if one["kind"] == "store"]
                assert "has not answered" in silent["reason"]
            code, told = house.run("pause", "look at the database", "--no-wait")
            assert (code, told["accepted"]) == (0, True)
            assert house.status()["state"] == "paused"
        house.state_is("paused")
        house.until(lambda: house.status()["causes"])
