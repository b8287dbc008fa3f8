"""
A private PostgreSQL for the tests: own data folder, own loopback port, nothing shared.

As root the server runs as the user ``postgres``, because it refuses to run as root.  Durability is
left on: a crash test of ours must not be blamed on the database.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
from pathlib import Path
from typing import Any, Self

START_WITHIN_S = 60
"""Seconds that ``pg_ctl`` waits; a start takes 2 to 6 on a busy machine."""

GONE_WITHIN_S = 10
"""Seconds for the dead server's processes to be reaped; until then they hold its lock files."""


class NoPostgresError(Exception):
    """This machine cannot start a PostgreSQL; the message says what is missing."""


def server_programs() -> Path:
    """Find the folder of ``initdb`` and ``pg_ctl``: PATH first, then Debian's newest version."""
    on_path = shutil.which("initdb")
    if on_path:
        return Path(on_path).resolve().parent
    versions = sorted(
        (p.parent for p in Path("/usr/lib/postgresql").glob("*/bin/initdb")),
        key=lambda p: int(p.parent.name),
    )
    if not versions:
        raise NoPostgresError("no initdb in PATH or /usr/lib/postgresql (apt install postgresql)")
    return versions[-1]


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


class Cluster(contextlib.AbstractContextManager["Cluster"]):
    """One running server; ``new_database`` gives an empty database in it."""

    def __init__(self) -> None:
        self._programs = server_programs()
        self._owner = self._server_owner()
        self._numbers = itertools.count(1)
        self.root = Path(tempfile.mkdtemp(prefix="kspg-"))
        self.data = self.root / "data"
        self.port = _free_port()
        if self._owner:
            shutil.chown(self.root, self._owner, self._owner)
        self._call(
            "initdb", "-D", str(self.data), "-U", "postgres", "--auth=trust",
            "--no-sync", "-E", "UTF8", "--locale=C.UTF-8",
        )  # fmt: skip
        self.start()

    @staticmethod
    def _server_owner() -> str | None:
        if os.geteuid() != 0:
            return None
        try:
            return pwd.getpwnam("postgres").pw_name
        except KeyError:
            raise NoPostgresError("root needs a user postgres to run the server as") from None

    def _call(self, program: str, *arguments: str) -> None:
        identity: dict[str, Any] = (
            {"user": self._owner, "group": self._owner, "extra_groups": []} if self._owner else {}
        )
        # To a file, not a pipe: the server inherits it and a pipe would never end.
        with (self.root / "programs.log").open("ab") as log:
            done = subprocess.run(
                [str(self._programs / program), *arguments],
                cwd=self.root, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                check=False, **identity,
            )  # fmt: skip
        if done.returncode != 0:
            told = (self.root / "programs.log").read_text(errors="replace")[-2000:]
            raise RuntimeError(f"{program} ended with {done.returncode}:\n{told}")

    def start(self) -> None:
        """Start the server and wait until it answers."""
        options = (
            f"-c listen_addresses=127.0.0.1 -c port={self.port} "
            f"-c unix_socket_directories={self.root} -c shared_buffers=32MB"
        )
        self._call(
            "pg_ctl", "-D", str(self.data), "-l", str(self.data / "server.log"),
            "-w", "-t", str(START_WITHIN_S), "-o", options, "start",
        )  # fmt: skip

    def stop(self, mode: str = "fast") -> None:
        """Stop the server: ``fast`` ends sessions, ``immediate`` leaves recovery to the start."""
        self._call("pg_ctl", "-D", str(self.data), "-m", mode, "-w", "stop")

    def crash(self) -> None:
        """Kill the server and its children at once, as a power cut looks to a client."""
        server = int((self.data / "postmaster.pid").read_text().split()[0])
        children = Path(f"/proc/{server}/task/{server}/children").read_text().split()
        everyone = [server, *map(int, children)]
        for pid in everyone:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        pause = threading.Event()
        for _ in range(GONE_WITHIN_S * 50):
            if not any(Path(f"/proc/{pid}").exists() for pid in everyone):
                return
            pause.wait(0.02)
        raise RuntimeError(f"PostgreSQL {server} is still there after SIGKILL")

    def url(self, database: str = "postgres") -> str:
        """Return the SQLAlchemy address of ``database``."""
        return f"postgresql+psycopg://postgres@127.0.0.1:{self.port}/{database}"

    def new_database(self) -> str:
        """Make an empty database and return its name."""
        name = f"test_{next(self._numbers)}"
        self.sql(f"CREATE DATABASE {name}")
        return name

    def drop_database(self, name: str) -> None:
        """Drop ``name`` whoever is still connected to it."""
        self.sql(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")

    def sql(self, statement: str) -> None:
        """Run one statement in the database ``postgres``, outside a transaction."""
        self._call(
            "psql", "-X", "-q", "-h", "127.0.0.1", "-p", str(self.port), "-U", "postgres",
            "-d", "postgres", "-v", "ON_ERROR_STOP=1", "-c", statement,
        )  # fmt: skip

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        with contextlib.suppress(RuntimeError):
            self.stop("immediate")
        shutil.rmtree(self.root, ignore_errors=True)
