"""Where things are: an explicit source is final, only the defaults are tried in turn."""

from __future__ import annotations

import argparse
from pathlib import Path

import pytest

from killswitch.cli import paths
from killswitch.cli.paths import find_place


@pytest.fixture(autouse=True)
def _machine(tmp_path, monkeypatch):
    """A machine with nothing installed, and a current folder without a configuration."""
    for name in ("SYSTEM_CONFIG", "SYSTEM_STATE", "SYSTEM_SOCKET"):
        monkeypatch.setattr(paths, name, tmp_path / "system" / name)
    (tmp_path / "cwd").mkdir()
    monkeypatch.chdir(tmp_path / "cwd")


def an_installation(tmp_path, name):
    place = tmp_path / "system" / name
    (place / "pause.d").mkdir(parents=True)
    return place


def find(env=None, **options):
    given = {"config": None, "state_dir": None, "socket": None, **options}
    return find_place(argparse.Namespace(**given), {"HOME": "/home/lea", **(env or {})})


def a_config(tmp_path, text):
    path = tmp_path / "given.toml"
    path.write_text(text)
    return str(path)


def test_the_option_goes_before_the_environment_and_the_configuration(tmp_path):
    config = a_config(tmp_path, 'state_dir = "/from/config"')
    env = {"KILLSWITCH_STATE_DIR": "/from/env"}
    assert find(env, state_dir="/from/option", config=config).state_dir == Path("/from/option")
    assert find(env, config=config).state_dir == Path("/from/env")
    assert find(config=config).state_dir == Path("/from/config")


def test_an_explicit_directory_is_the_only_one_tried(tmp_path):
    an_installation(tmp_path, "SYSTEM_STATE")
    assert find(state_dir="/from/option").tried == (Path("/from/option"),)


def test_the_system_directory_is_the_first_default(tmp_path):
    system = an_installation(tmp_path, "SYSTEM_STATE")
    assert find().state_dir == system
    assert find().tried == (system, Path("/home/lea/.local/state/killswitch"))


def test_a_default_without_a_flag_directory_is_passed_over(tmp_path):
    (tmp_path / "system" / "SYSTEM_STATE").mkdir(parents=True)
    mine = tmp_path / "xdg" / "killswitch"
    (mine / "pause.d").mkdir(parents=True)
    assert find({"XDG_STATE_HOME": str(tmp_path / "xdg")}).state_dir == mine


def test_a_relative_xdg_directory_does_not_count():
    assert find({"XDG_STATE_HOME": "x"}).state_dir == Path("/home/lea/.local/state/killswitch")


@pytest.mark.parametrize(
    ("env", "options", "sockets"),
    [
        ({}, {"socket": "/s/option"}, ["/s/option"]),
        ({"KILLSWITCH_CONTROL__SOCKET": "/s/env"}, {}, ["/s/env"]),
        (
            {"RUNTIME_DIRECTORY": "/run/x:/run/y"},
            {"state_dir": "/st"},
            ["/run/x/control.sock", "/st/control.sock"],
        ),
        ({}, {"state_dir": "/st"}, ["/st/control.sock"]),
    ],
)
def test_sockets_are_tried_in_the_order_of_the_contract(env, options, sockets):
    assert [str(path) for path in find(env, **options).sockets] == sockets


def test_the_machine_socket_counts_only_if_it_is_there(tmp_path):
    machine = tmp_path / "system" / "SYSTEM_SOCKET"
    machine.parent.mkdir()
    machine.touch()
    assert find(state_dir="/st").sockets == (machine, Path("/st/control.sock"))


def test_the_socket_beside_a_named_directory_goes_before_the_machine_one(tmp_path):
    machine = tmp_path / "system" / "SYSTEM_SOCKET"
    machine.parent.mkdir()
    machine.touch()
    local = tmp_path / "st" / "control.sock"
    local.parent.mkdir()
    local.touch()
    assert find(state_dir=str(tmp_path / "st")).sockets[0] == local


def test_the_socket_of_the_configuration_is_final(tmp_path):
    config = a_config(tmp_path, '[control]\nsocket = "/s/config"')
    assert find(config=config).sockets == (Path("/s/config"),)


@pytest.mark.parametrize(
    ("url", "store"),
    [
        ("sqlite:////srv/x.db", Path("/srv/x.db")),
        ("sqlite:////srv/x.db?timeout=1", Path("/srv/x.db")),
        ("postgresql://host/db", None),
    ],
)
def test_the_store_is_a_file_or_something_else(tmp_path, url, store):
    config = a_config(tmp_path, f'[store]\nurl = "{url}"')
    assert find(config=config).store == store


def test_the_store_lives_in_the_state_directory_by_default():
    assert find(state_dir="/st").store == Path("/st/killswitch.db")


@pytest.mark.parametrize("text", ["state_dir = ", "\ufeff", 'state_dir = ["x"]', "a" * 9, "=" * 99])
def test_a_broken_configuration_is_told_and_passed_over(tmp_path, text):
    place = find(config=a_config(tmp_path, text))
    assert place.state_dir == Path("/home/lea/.local/state/killswitch")
    assert place.notes or text.startswith("state_dir = [")


def test_a_slip_in_a_named_configuration_is_passed_over_where_the_socket_is_named_too(tmp_path):
    config = a_config(tmp_path, 'mode = "live"\nstate_dir = \n')
    assert find(config=config).fault
    assert find(config=config, state_dir=str(tmp_path)).fault, "no socket is there"
    (tmp_path / "control.sock").touch()
    env = {"KILLSWITCH_CONTROL__SOCKET": "/s/env"}
    for place in (
        find(config=config, socket="/s/option"),
        find(env, config=config),
        find(config=config, state_dir=str(tmp_path)),
    ):
        assert place.fault == ""
        (note,) = place.notes
        assert "line 2" in note


def test_a_named_configuration_that_is_not_there_stays_final(tmp_path):
    assert find(config=str(tmp_path / "missing.toml"), socket="/s/option").fault


@pytest.mark.parametrize("made", ["missing", "a folder", "not UTF-8"])
def test_an_unreadable_configuration_is_told_and_passed_over(tmp_path, made):
    path = tmp_path / "given.toml"
    if made == "a folder":
        path.mkdir()
    elif made == "not UTF-8":
        path.write_bytes(b"\xff\xfe")
    (note,) = find(config=str(path)).notes
    assert str(path) in note
    assert "passed over" in note


def test_the_configuration_of_the_folder_counts_if_it_is_ours():
    Path("killswitch.toml").write_text('state_dir = "/from/cwd"\nlanguage = "fr"')
    place = find()
    assert place.state_dir == Path("/from/cwd")
    assert place.language == "fr"


def test_the_configuration_of_the_folder_does_not_count_if_it_is_foreign(monkeypatch):
    Path("killswitch.toml").write_text('state_dir = "/from/cwd"')
    monkeypatch.setattr(paths.os, "geteuid", lambda: 4321)
    owner = Path("killswitch.toml").stat().st_uid
    assert (find().config is None) == (owner not in {0, 4321})
