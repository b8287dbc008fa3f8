"""Who may run the daemon on a state directory: its owner, so that the service can read it after."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from killswitch.daemon.main import refuse_foreign_state
from killswitch.errors import OperatorError


@pytest.fixture
def foreign(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A state directory of somebody else's, looked at by root."""
    if os.geteuid() == 0:
        os.chown(tmp_path, 12345, -1)
    monkeypatch.setattr("killswitch.daemon.main.os.geteuid", lambda: 0)
    return tmp_path


def test_root_runs_no_daemon_on_the_state_of_another_user(foreign: Path) -> None:
    with pytest.raises(OperatorError, match="belongs to") as refused:
        refuse_foreign_state(foreign)
    assert refused.value.code == "wrong_user"
    assert "systemctl start killswitch" in refused.value.hint
    assert "sudo -u" in refused.value.hint


def test_its_owner_may_and_so_may_who_makes_it(tmp_path: Path) -> None:
    refuse_foreign_state(tmp_path)
    refuse_foreign_state(tmp_path / "not there yet")
