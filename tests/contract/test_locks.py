"""The lock files pin everything by hash, name no index host, and satisfy pyproject.toml."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]
LOCKS = ("requirements.lock", "requirements-postgres.lock", "requirements-dev.lock")
PIN = re.compile(r"^(?P<name>[a-z0-9._-]+)==(?P<version>[^ ;]+)(?: ; (?P<marker>[^\\]+))?$")


def _entries(lock: str) -> list[str]:
    """Return one string a requirement: its line and the hash lines that it continues on."""
    text = (ROOT / lock).read_text().replace("\\\n", " ")
    return [line for line in text.splitlines() if line and not line.startswith("#")]


def _pins(lock: str) -> dict[str, str]:
    pins = {}
    for entry in _entries(lock):
        name, version = entry.split()[0].split("==")
        pins[canonicalize_name(name)] = version
    return pins


def _wanted() -> dict[str, list[str]]:
    project: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text())
    run = project["project"]["dependencies"] + project["dependency-groups"]["build"]
    extra = [w for group in project["project"]["optional-dependencies"].values() for w in group]
    return {
        "requirements.lock": run,
        "requirements-postgres.lock": extra,
        "requirements-dev.lock": run + extra + project["dependency-groups"]["dev"],
    }


@pytest.mark.parametrize("lock", LOCKS)
def test_every_requirement_is_one_version_with_its_hashes(lock):
    for entry in _entries(lock):
        requirement, *hashes = entry.split("--hash=")
        assert PIN.match(requirement.strip()), entry[:80]
        assert hashes, f"{requirement.strip()} has no hash"
        assert all(re.fullmatch(r"sha256:[0-9a-f]{64}\s*", h) for h in hashes), requirement


@pytest.mark.parametrize("lock", LOCKS)
def test_a_lock_names_no_host_no_path_and_no_option(lock):
    text = (ROOT / lock).read_text()
    for entry in _entries(lock):
        assert not entry.startswith("-"), entry[:80]
    assert not re.search(
        r"://|@|^\s*-(?!-hash=)|[\w-]+\.(?:org|com|io|net)\b|/\w+/", text, re.MULTILINE
    )


@pytest.mark.parametrize("lock", LOCKS)
def test_a_lock_satisfies_what_pyproject_asks(lock):
    pins = _pins(lock)
    for line in _wanted()[lock]:
        wanted = Requirement(line)
        pinned = pins.get(canonicalize_name(wanted.name))
        assert pinned, f"{line}: not in {lock}, run make lock"
        assert wanted.specifier.contains(pinned), f"{line}: {lock} has {pinned}, run make lock"


@pytest.mark.parametrize("lock", ["requirements.lock", "requirements-postgres.lock"])
def test_the_tests_run_on_the_versions_that_ship(lock):
    ships, tested = _pins(lock), _pins("requirements-dev.lock")
    # What only another system needs may be in one of them alone.
    assert {name: tested.get(name, ships[name]) for name in ships} == ships


def test_the_driver_of_a_server_is_installed_beside_the_rest_and_changes_nothing_of_it():
    alone, added = _pins("requirements.lock"), _pins("requirements-postgres.lock")
    shared = alone.keys() & added.keys()
    assert {name: added[name] for name in shared} == {name: alone[name] for name in shared}
    assert added.keys() - alone.keys() == {"psycopg", "psycopg-binary"}


def test_the_backend_that_builds_us_is_pinned_too():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    assert project["build-system"]["requires"] == project["dependency-groups"]["build"]
