"""The unit files by systemd's own judgement, without booting anything."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

UNITS = Path(__file__).parents[2] / "systemd"
NAMES = ("killswitch.service", "killswitch.socket", "killswitch-alert@.service")
INSTALLED = "/opt/killswitch/bin/python"

MAX_EXPOSURE = 13
"""Tenths of systemd's scale: 1.3 of 10."""

pytestmark = pytest.mark.skipif(
    not shutil.which("systemd-analyze"), reason="no systemd-analyze (apt install systemd)"
)


@pytest.fixture
def units(tmp_path):
    """The units with an interpreter that is there: ``verify`` looks for the program."""
    for name in NAMES:
        text = (UNITS / name).read_text()
        (tmp_path / name).write_text(text.replace(INSTALLED, sys.executable))
    return tmp_path


def analyze(*arguments, folder):
    return subprocess.run(
        ["systemd-analyze", *arguments],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )


def test_systemd_finds_nothing_to_say_about_the_units(units):
    # An unknown key or a bad value is only a line on stderr; the exit code stays 0.
    done = analyze("verify", *(f"./{name}" for name in NAMES), folder=units)
    assert (done.stderr, done.returncode) == ("", 0)


def test_a_misspelt_key_would_be_seen(units):
    service = units / "killswitch.service"
    service.write_text(service.read_text().replace("ProtectHome=", "ProtectHomes="))
    assert "ProtectHomes" in analyze("verify", f"./{service.name}", folder=units).stderr


def test_the_daemon_is_exposed_to_no_more_than_it_needs(units):
    threshold = f"--threshold={MAX_EXPOSURE}"
    done = analyze("security", "--offline=true", threshold, "./killswitch.service", folder=units)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr
