"""What people are told to type next leads to the installation that they named."""

from __future__ import annotations

import pytest

from killswitch.cli import again as again_module
from killswitch.cli.again import again, remember
from killswitch.cli.main import COMMANDS


@pytest.fixture(autouse=True)
def forgotten():
    yield
    remember({}, commands=())
    assert again_module._given.get() is None


def test_a_command_gets_the_place_that_was_named_and_prose_does_not():
    remember({"--config": "/my team/k.toml", "--state-dir": None}, commands=COMMANDS)
    assert again("killswitch triage, or sudo -u ks killswitch run") == (
        "killswitch --config '/my team/k.toml' triage, "
        "or sudo -u ks killswitch --config '/my team/k.toml' run"
    )
    prose = "systemctl start killswitch; killswitch runs alone; a killswitch of killswitch"
    assert again(prose) == prose


def test_every_option_that_was_given_is_told():
    remember({"--config": "a", "--socket": "b\\1"}, commands=COMMANDS)
    assert again("killswitch status") == "killswitch --config a --socket 'b\\1' status"


def test_nothing_named_changes_nothing():
    remember({"--config": None, "--socket": ""}, commands=COMMANDS)
    assert again("killswitch status") == "killswitch status"
