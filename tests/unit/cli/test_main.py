"""The frame: finding the command, global options anywhere, errors as one message."""

from __future__ import annotations

import json
import sys
import types

import pytest

from killswitch.cli import main as frame
from killswitch.cli.main import COMMANDS, build_parser, load, main
from killswitch.errors import ConfigError, Exit, KillswitchError, RefusedError, UnreachableError


@pytest.fixture
def command(monkeypatch):
    """A command called ``status`` that does what the test says."""
    module = types.ModuleType("fake")
    module.HELP = "fake"
    module.seen = []
    module.outcome = 0
    module.add_arguments = lambda parser: parser.add_argument("words", nargs="*")

    def run(args):
        module.seen.append(args)
        if isinstance(module.outcome, BaseException):
            raise module.outcome
        return module.outcome

    module.run = run
    monkeypatch.setattr(frame, "load", lambda name: module)
    return module


@pytest.mark.parametrize(
    "words",
    [
        ["--state-dir", "/st", "--json", "status", "a"],
        ["status", "--state-dir", "/st", "a", "--json"],
        ["status", "a", "--json", "--state-dir=/st"],
        ["--json", "status", "a", "--state-dir", "/st"],
    ],
)
def test_global_options_may_stand_anywhere(command, words):
    assert main(words) == 0
    (args,) = command.seen
    assert (args.state_dir, args.json, args.words) == ("/st", True, ["a"])


def test_options_that_are_not_given_are_none(command):
    main(["status"])
    (args,) = command.seen
    assert (args.config, args.state_dir, args.socket, args.json) == (None, None, None, False)


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (RefusedError("x", "no"), 5),
        (ConfigError("x", "no"), 78),
        (UnreachableError("x", "no"), 4),
        (KillswitchError("x", "no"), 1),
        (FileNotFoundError(2, "No such file", "/x"), 1),
    ],
)
def test_a_refusal_is_one_message_and_its_exit_code(command, capsys, error, code):
    command.outcome = error
    assert main(["status"]) == code
    told = capsys.readouterr()
    assert told.out == ""
    assert told.err.startswith("killswitch: ")
    assert "Traceback" not in told.err


def test_with_json_a_refusal_is_a_document_on_stdout(command, capsys):
    command.outcome = RefusedError("stale", "it changed", "look again")
    assert main(["status", "--json"]) == Exit.REFUSED
    told = capsys.readouterr()
    error = {"code": "stale", "message": "it changed", "hint": "look again"}
    assert json.loads(told.out) == {"error": error}
    assert told.err == ""


@pytest.mark.parametrize(
    "words",
    [[], ["nope"], ["--nope"], ["status", "--jso"], ["queue", "nope"], ["queue", "move", "d1"]],
)
def test_wrong_usage_is_exit_two(capsys, words):
    assert main(words) == Exit.USAGE
    assert capsys.readouterr().err.startswith("killswitch: ")


def test_wrong_usage_with_json_is_a_document(capsys):
    assert main(["--json", "queue", "nope"]) == Exit.USAGE
    assert json.loads(capsys.readouterr().out)["error"]["code"] == "usage"


def test_json_after_two_dashes_is_only_a_word(command, capsys):
    command.outcome = RefusedError("x", "no")
    main(["status", "--", "--json"])
    assert capsys.readouterr().out == ""


def test_an_interrupt_is_no_traceback(command, capsys):
    command.outcome = KeyboardInterrupt()
    assert main(["status"]) == 130
    assert "interrupted" in capsys.readouterr().err


def test_a_bug_is_not_hidden(command):
    command.outcome = ZeroDivisionError()
    with pytest.raises(ZeroDivisionError):
        main(["status"])


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_its_parts_and_its_help(name, capsys):
    command = load(name)
    assert command.HELP
    with pytest.raises(SystemExit) as end:
        build_parser({name: command}).parse_args([name, "--help"])
    assert end.value.code == 0
    assert "--json" in capsys.readouterr().out


def test_the_help_lists_every_command(capsys):
    with pytest.raises(SystemExit):
        main(["--help"])
    told = capsys.readouterr().out
    assert all(name in told for name in COMMANDS)


@pytest.mark.parametrize(
    ("words", "verb"),
    [
        (["queue"], "list"),
        (["queue", "--week"], "list"),
        (["queue", "--state", "held"], "list"),
        (["queue", "--json"], "list"),
        (["--state-dir", "queue", "queue", "--json"], "list"),
        (["queue", "--json", "list"], "list"),
        (["queue", "--state-dir", "/st", "list", "--week"], "list"),
        (["queue", "show", "d1"], "show"),
        (["feeds"], "list"),
        (["channels"], "list"),
        (["incidents", "--limit", "3"], "list"),
        (["audit", "verify"], "verify"),
    ],
)
def test_list_is_the_verb_that_may_be_left_out(monkeypatch, words, verb):
    seen = []

    def remembered(name):
        module = load(name)
        fake = types.ModuleType(name)
        fake.HELP, fake.add_arguments = module.HELP, module.add_arguments
        fake.run = lambda args: seen.append(args.verb) or 0
        return fake

    monkeypatch.setattr(frame, "load", remembered)
    assert main(words) == 0
    assert seen == [verb]


def test_a_closed_stdout_is_no_obstacle(command, monkeypatch):
    monkeypatch.setattr(sys, "stdout", None)
    assert main(["status"]) == 0


@pytest.mark.parametrize(
    "words", [["--config", "/no/k.toml", "status"], ["status", "--config=/no/k.toml"]]
)
def test_a_hint_repeats_the_place_that_was_named(command, capsys, words):
    command.outcome = RefusedError("x", "no", "look: killswitch triage")
    main(words)
    assert "look: killswitch --config /no/k.toml triage" in capsys.readouterr().err
    main(["status"])
    assert "look: killswitch triage" in capsys.readouterr().err
