"""Right-looking answers with a wrong value somewhere: one line for people, never a traceback."""

from __future__ import annotations

import json
from collections.abc import Iterator
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest

from killswitch.cli.main import main
from killswitch.control.client import Client
from killswitch.errors import Exit
from tests.edge.fake_desk import FakeDesk, a_cause, a_delivery, a_home, a_status, serving

# Nothing, a truth, numbers that break dates, a sign that is none, an escape, a time that has no
# local one, things of another kind.
ODD: tuple[Any, ...] = (
    None, True, 2**80, float("nan"), "\ud800", "x\x1b[2J", "0001-01-01T00:00:00+23:00", [7],
    {"x": []},
)  # fmt: skip
COMMANDS: dict[str, tuple[str, ...]] = {
    "status": ("status",),
    "ack": ("ack",),
    "resume": ("resume", "--reason", "x", "--seen", "3", "--yes"),
    "dismiss": ("dismiss", "--reason", "x", "--seen", "3", "--yes"),
    "pause": ("pause", "x", "--no-wait"),
    "list": ("queue",),
    "show": ("queue", "show", "d1"),
    "add": ("queue", "add", "x", "--at", "+2h", "--channel", "web"),
    "cancel": ("queue", "cancel", "d1"),
    "cancel by filter": ("queue", "cancel", "--tag", "t"),
    "feeds": ("feeds",),
    "channels": ("channels",),
    "incidents": ("incidents",),
    "whose": ("whose", "d1"),
    "audit": ("audit",),
}
"""Each command that prints what a daemon says."""


def odd_ones(value: Any) -> Iterator[Any]:
    """Yield the document with each of its values in turn replaced by each odd one."""
    for odd in ODD:
        yield odd
    inside = value.items() if isinstance(value, dict) else ()
    if isinstance(value, list):
        inside = enumerate(value[:1])
    for place, one in inside:
        for odd in odd_ones(one):
            changed = deepcopy(value)
            changed[place] = odd
            yield changed


@pytest.fixture
def desk() -> FakeDesk:
    paused = {
        "state": "paused",
        "causes": [a_cause()],
        "uncertain": [],
        "now": "2026-03-02T09:30:00Z",
    }
    made = FakeDesk(a_status(**paused), preview={"causes": [a_cause()]})
    made.deliveries = [a_delivery(clash=["lake"])]
    return made


@pytest.mark.parametrize("command", COMMANDS)
def test_a_wrong_value_in_an_answer_is_no_traceback(
    command: str, desk: FakeDesk, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    monkeypatch.setenv("SUDO_USER", "lea")
    monkeypatch.setattr("killswitch.cli.paths.SYSTEM_CONFIG", Path("/nowhere"))
    answers: dict[tuple[str, str], bytes] = {}
    said: dict[tuple[str, str], bytes] = {}
    ask = Client._raw

    def raw(self: Client, method: str, target: str, **more: Any) -> bytes:
        place = (method, target.partition("?")[0])
        if place not in answers:
            answers[place] = ask(self, method, target, **more)
        return said.get(place, answers[place])

    monkeypatch.setattr(Client, "_raw", raw)
    with a_home() as home:
        words = ["--state-dir", str(home), *COMMANDS[command]]
        with serving(desk, home):
            assert main(words) in {*Exit}
        # The status has its own turn.
        own = {p: a for p, a in answers.items() if command == "status" or p[1] != "/status"}
        for place, right in own.items():
            for odd in odd_ones(json.loads(right)):
                said[place] = json.dumps(odd).encode()
                code = main(words)
                told = capsys.readouterr()
                assert code in {*Exit}, said
                assert "Traceback" not in told.err
                assert "\x1b" not in told.out + told.err
            said.clear()


def test_a_bad_answer_says_what_is_wrong_with_it(
    desk: FakeDesk, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    monkeypatch.setattr(
        Client, "_raw", lambda *_, **__: b'{"done": [{"id": 7, "state": "held"}], "refused": []}'
    )
    with a_home() as home:
        code = main(["--state-dir", str(home), "queue", "hold", "d1"])
    assert code == Exit.UNREACHABLE
    err = capsys.readouterr().err
    assert "of another version: the answer.done[0].id is no str" in err
    assert len(err.splitlines()) == 2
