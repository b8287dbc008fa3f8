"""Fixtures that every room shares: Hypothesis, a clean environment, shared data, PostgreSQL."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, settings

from tests.cluster import Cluster, NoPostgresError
from tests.proof.budget import PROOF

if TYPE_CHECKING:
    from collections.abc import Iterator

# No deadline: a busy machine is not a bug.  Function fixtures are values here, never state.
settings.register_profile(
    "killswitch",
    deadline=None,
    print_blob=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
settings.load_profile("killswitch")

OURS = (
    "CREDENTIALS_DIRECTORY",
    "LISTEN_FDNAMES",
    "LISTEN_FDS",
    "LISTEN_PID",
    "NOTIFY_SOCKET",
    "RUNTIME_DIRECTORY",
    "STATE_DIRECTORY",
    "SUDO_USER",
    "WATCHDOG_PID",
    "WATCHDOG_USEC",
    "XDG_STATE_HOME",
)
"""Variables, besides ``KILLSWITCH_*``, that the program listens to."""

FOR_THE_TESTS = (
    "KILLSWITCH_LOST_ANSWERS",
    "KILLSWITCH_MACHINE_RUNS",
    "KILLSWITCH_MUTANTS_S",
    "KILLSWITCH_PROOF_SCALE",
    "KILLSWITCH_REQUIRE_FAULTS",
    "KILLSWITCH_REQUIRE_POSTGRES",
    "KILLSWITCH_SHARED",
)


@pytest.fixture(autouse=True)
def _no_settings_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    """A developer's own configuration must neither break a test nor make one pass."""
    for name in os.environ:
        if name in OURS or (name.startswith("KILLSWITCH_") and name not in FOR_THE_TESTS):
            monkeypatch.delenv(name)


@pytest.fixture(scope="session")
def shared_dir() -> Path:
    """The folder of shared feeds and figures; tests on it skip where there is none."""
    named = os.environ.get("KILLSWITCH_SHARED")
    if not named:
        pytest.skip("KILLSWITCH_SHARED is not set: no shared data on this machine")
    folder = Path(named)
    if not folder.is_dir():
        pytest.fail(f"KILLSWITCH_SHARED={named} is not a folder")
    return folder


@pytest.fixture(scope="session")
def postgres() -> Iterator[Cluster]:
    """A private PostgreSQL server, one for each test process, started when first asked for."""
    try:
        cluster = Cluster()
    except NoPostgresError as reason:
        if os.environ.get("KILLSWITCH_REQUIRE_POSTGRES") == "1":
            pytest.fail(f"KILLSWITCH_REQUIRE_POSTGRES=1, but {reason}")
        pytest.skip(f"PostgreSQL: {reason}")
    with cluster:
        yield cluster


@pytest.fixture
def postgres_url(postgres: Cluster) -> Iterator[str]:
    """The SQLAlchemy address of an empty PostgreSQL database, this test's own."""
    name = postgres.new_database()
    yield postgres.url(name)
    postgres.drop_database(name)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print what the proofs counted: a green tick alone says nothing of how much was tried."""
    for reports in terminalreporter.stats.values():
        for report in reports:
            for name, said in getattr(report, "user_properties", ()):
                if name == PROOF and report.when == "call":
                    terminalreporter.section(report.nodeid.partition("::")[2], sep="-")
                    terminalreporter.write_line(said)
