"""Status, pause, ack and resume as processes, with the daemon up, hung and gone."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from killswitch import lockfile
from killswitch.cli import pause as pause_command
from killswitch.cli.main import main
from killswitch.clock import FakeClock
from killswitch.control.client import Client
from killswitch.control.server import bind_socket
from killswitch.errors import UsageError
from killswitch.flags import FlagDir
from killswitch.store.engine import Store
from killswitch.store.migrate import upgrade
from tests.edge.fake_desk import AT, FakeDesk, a_cause, a_home, a_status, serving
from tests.edge.raw_server import reply

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def home():
    with a_home() as made:
        yield made


@pytest.fixture
def desk(home):
    return FakeDesk(a_status(state_dir=str(home)))


def environment(**more):
    """What a process of ours needs, and what measures it; nothing of this machine's."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if name in {"PATH", "HOME"} or name.startswith("COVERAGE")
    }
    return {**kept, "PYTHONPATH": str(ROOT), **more}


def run(home, *words, env=None, stdin=subprocess.DEVNULL):
    given = environment(LANG="C.UTF-8", **(env or {}))
    found = subprocess.run(
        [sys.executable, "-m", "killswitch", "--state-dir", str(home), *words],
        env=given,
        cwd=home if home.exists() else home.parent,
        stdin=stdin,
        capture_output=True,
        text=True,
        timeout=28,
        check=False,
    )
    assert "Traceback" not in found.stderr
    return found


def a_store(home):
    """A store, and the lock of a daemon that used it and has ended."""
    made = Store(f"sqlite:///{home / 'killswitch.db'}")
    upgrade(made)
    made.close()
    number = lockfile.take(home / "daemon.lock")
    lockfile.write_name(number, lockfile.name_of(home / "killswitch.db", kind="sqlite"))
    os.close(number)


@contextlib.contextmanager
def a_hung_daemon(home):
    """Hold the lock and listen, and never answer: a stopped process looks like that."""
    number = lockfile.take(home / "daemon.lock")
    with contextlib.closing(bind_socket(home / "control.sock")):
        yield
    os.close(number)


def test_running_is_exit_zero_and_paused_is_three(home, desk):
    with serving(desk, home):
        assert run(home, "status").returncode == 0
        desk.doc = a_status(state="paused", causes=[a_cause()])
        assert run(home, "status").returncode == 3


def test_status_prints_the_document_as_it_came(home, desk):
    with serving(desk, home):
        found = run(home, "status", "--json")
    assert json.loads(found.stdout) == desk.doc
    assert found.stderr == ""


def test_without_a_daemon_status_says_what_the_flags_say(home):
    FlagDir(home).write("attack", "k1", "lea")
    found = run(home, "status", "--json")
    doc = json.loads(found.stdout)
    assert found.returncode == 4
    assert (doc["state"], doc["sealed"]) == ("unreachable", False)
    assert doc["flags"] == [{"name": "pause-k1", "key": "k1", "note": "attack", "is_dir": False}]
    assert doc["state_dir"] == str(home)


def test_nobody_is_sent_to_start_a_daemon_that_hangs(home):
    number = lockfile.take(home / "daemon.lock")
    found = run(home, "status")
    os.close(number)
    assert found.returncode == 4
    assert "though a daemon runs" in found.stdout
    assert "killswitch run" not in found.stdout


def test_a_pause_over_the_socket_is_sealed(home, desk):
    with serving(desk, home):
        found = run(home, "pause", "attack", "in", "Annecy", "--json")
    doc = json.loads(found.stdout)
    assert found.returncode == 0
    assert (doc["accepted"], doc["via"], doc["sealed"]) == (True, "socket", True)
    assert doc["state_dir"] == str(home)
    assert desk.asked("pause")[0]["reason"] == "attack in Annecy"
    assert FlagDir(home).is_clear()


def test_a_pause_tells_accepted_then_sealed_and_where(home, desk):
    desk.seal_doc = {
        "accepted": True,
        "via": "socket",
        "sealed": True,
        "sealed_at": AT,
        "version": 4,
        "on_wire": [],
        "uncertain": [{"id": "d9", "channel": "X", "text": "Razor-sharp"}],
        "state_dir": str(home),
    }
    with serving(desk, home):
        lines = run(home, "pause", "attack").stdout.splitlines()
    assert lines[0].startswith("STOPPING, recorded by the daemon")
    assert str(home) in lines[1]
    assert lines[2].startswith("SEALED: nothing leaves since")
    assert lines[3] == 'Check this  may have gone out: X "Razor-sharp" (d9)'


def test_no_wait_ends_when_it_is_accepted(home, desk):
    with serving(desk, home):
        found = run(home, "pause", "--no-wait", "--json")
    assert found.returncode == 0
    assert json.loads(found.stdout)["sealed"] is None
    assert desk.asked("seal") == []


@pytest.mark.parametrize(("text", "seconds"), [("4h", 14_400.0), ("soon", None)])
def test_a_reminder_never_stands_in_the_way(home, desk, text, seconds):
    with serving(desk, home):
        found = run(home, "pause", "--review", text, "--no-wait")
    assert found.returncode == 0
    assert desk.asked("pause")[0]["review_s"] == seconds


def test_a_reason_of_any_kind_is_taken(home, desk):
    with serving(desk, home):
        found = run(home, "pause", "a\x1b[31m\n" + "x" * 5000, "--no-wait")
    assert found.returncode == 0
    reason = desk.asked("pause")[0]["reason"]
    assert len(reason) == 2000
    assert reason.isprintable()


@pytest.mark.parametrize("name", [b"L\xe9a", b"\xff", b"a\nb", b"\x1b[2J", "Léa".encode()])
def test_a_name_of_any_kind_pauses(home, desk, name):
    with serving(desk, home):
        found = run(home, "pause", "x", "--as", name, "--json")
    assert (found.returncode, json.loads(found.stdout)["via"]) == (0, "socket")
    caller = desk.asked("pause")[0]["caller"]
    assert caller.said_name is not None
    assert caller.said_name.isprintable()


@pytest.mark.parametrize(
    "words",
    [
        ["queue", "list", "--tag", b"\xff"],
        ["queue", "show", b"\xff"],
        ["whose", b"\xff"],
        ["incidents", "show", b"\xff"],
        ["ack", "--as", b"L\xe9a"],
    ],
    ids=str,
)
def test_an_argument_that_is_no_text_is_refused_in_words(home, words):
    found = run(home, *words)
    assert found.returncode == 2
    assert "is not UTF-8 text" in found.stderr


def test_an_argument_beyond_an_ascii_locale_is_refused_in_words(home):
    env = {"LC_ALL": "C", "PYTHONUTF8": "0"}
    found = run(home, "queue", "list", "--channel", "été".encode(), env=env)
    assert found.returncode == 2
    assert "LANG=C.UTF-8" in found.stderr


def test_a_pause_reads_its_reason_in_any_locale(home, desk):
    with serving(desk, home):
        env = {"LC_ALL": "C", "PYTHONUTF8": "0"}
        assert run(home, "pause", "drame à Nice".encode(), env=env).returncode == 0
    assert desk.asked("pause")[0]["reason"] == "drame à Nice"


def test_a_sudo_user_of_any_kind_pauses(home, desk):
    with serving(desk, home):
        found = run(home, "pause", "x", "--json", env={"SUDO_USER": b"\xff"})
    assert (found.returncode, json.loads(found.stdout)["via"]) == (0, "socket")


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (["--reason", "attack in Annecy"], "attack in Annecy"),
        (["--reason=attack"], "attack"),
        (["attack", "-in", "the", "city"], "attack -in the city"),
        (["x", "--review", "-4h"], "x"),
        (["x", "--review"], "x"),
        (["x", "--as"], "x"),
        (["x", "--force", "--json"], "x --force"),
        (["x", "--no-wait=yes"], "x --no-wait=yes"),
        (["--as", "lea", "--", "-x", "--y"], "-x --y"),
    ],
    ids=str,
)
def test_a_slip_of_the_fingers_pauses(home, desk, capsys, monkeypatch, words, reason):
    monkeypatch.setattr("killswitch.cli.paths.SYSTEM_CONFIG", Path("/nowhere"))
    with serving(desk, home):
        assert main(["--state-dir", str(home), "pause", *words]) == 0
    assert desk.asked("pause")[0]["reason"] == reason


def test_a_place_that_is_left_out_is_not_paused(home, capsys):
    assert main(["--state-dir", str(home), "pause", "x", "--socket"]) == 2
    assert capsys.readouterr().err.startswith("killswitch: NOT PAUSED")


def test_whatever_breaks_on_the_way_to_the_daemon_the_flag_is_written(home, monkeypatch):
    def breaks(*_args, **_more):
        raise ZeroDivisionError

    monkeypatch.setattr(Client, "post", breaks)
    main(["--state-dir", str(home), "pause", "attack", "--no-wait"])
    assert not FlagDir(home).is_clear()


def test_a_pause_with_a_hung_daemon_goes_by_the_flag_and_is_sealed(home):
    a_store(home)
    with a_hung_daemon(home):
        found = run(home, "pause", "attack", "--json")
    doc = json.loads(found.stdout)
    assert found.returncode == 0
    assert (doc["via"], doc["sealed"]) == ("flag", True)
    assert "did not answer" in found.stderr
    assert FlagDir(home).look().entries[0].note == "attack"


def test_a_pause_without_a_daemon_is_sealed(home):
    a_store(home)
    found = run(home, "pause", "attack")
    assert found.returncode == 0
    assert "SEALED" in found.stdout
    assert str(home) in found.stdout


def test_a_pause_without_a_readable_store_is_recorded_and_not_proven(home):
    found = run(home, "pause", "attack", "--json")
    assert found.returncode == 6
    doc = json.loads(found.stdout)
    assert (doc["accepted"], doc["sealed"]) == (True, False)
    assert not FlagDir(home).is_clear()


def test_a_daemon_that_falls_silent_after_accepting_is_proven_by_the_store(home, desk):
    a_store(home)
    with serving(desk, home) as server:

        def stops(*_args, **_more):
            server._server.should_exit = True
            server._server.force_exit = True
            return {"sealed": False}

        desk.seal = stops
        found = run(home, "pause", "attack", "--json")
    doc = json.loads(found.stdout)
    assert (doc["via"], doc["sealed"], found.returncode) == ("socket", True, 0)
    assert FlagDir(home).is_clear()


ACCEPTED = {
    "accepted": True, "via": "socket", "sealed": None, "version": 4, "on_wire": [],
    "uncertain": [], "state_dir": "/srv",
}  # fmt: skip
SEALED = {**ACCEPTED, "sealed": True, "sealed_at": AT}


@contextlib.contextmanager
def a_daemon_that_says(home, *answers, accepts=None, state_dir=None):
    """Accept a pause, then give these answers to the questions for the seal, the last for ever."""
    asked = []
    accepted = json.dumps({**ACCEPTED, "state_dir": str(state_dir or home)}).encode()
    accepts = reply(200, accepted) if accepts is None else accepts

    def serve(listening):
        while True:
            try:
                conn, _ = listening.accept()
            except OSError:
                return
            with conn:
                request = conn.recv(65536)
                if request.startswith(b"POST"):
                    conn.sendall(accepts)
                elif request.startswith(b"GET"):
                    asked.append(request)
                    conn.sendall(answers[min(len(asked), len(answers)) - 1])

    with contextlib.closing(bind_socket(home / "control.sock")) as listening:
        thread = threading.Thread(target=serve, args=(listening,), daemon=True)
        thread.start()
        yield asked
        listening.shutdown(socket.SHUT_RDWR)
        thread.join(10)


def pause_here(home, monkeypatch, *words):
    """Run the command in this process, on a clock that does not make us wait."""
    clock = FakeClock()
    monkeypatch.setattr(pause_command, "SystemClock", lambda: clock)
    code = main(["--state-dir", str(home), "pause", "attack", *words])
    return code, clock.monotonic_s() - FakeClock().monotonic_s()


BAD = {
    "refuses": reply(503, b'{"detail": "busy", "code": "busy", "exit": 1}'),
    "fails": reply(500, b'{"detail": "the daemon failed", "code": "fault", "exit": 1}'),
    "fails without a word": reply(500),
    "breaks off": b"",
    "breaks off in the middle": reply(200, json.dumps(SEALED).encode())[:-5],
    "says something else": reply(200, b"[1]"),
    "says nothing of a seal": reply(200, b"{}"),
}


@pytest.mark.parametrize("answer", BAD.values(), ids=BAD)
def test_a_daemon_that_does_not_say_whether_it_is_sealed_is_asked_again(
    home, monkeypatch, capsys, answer
):
    good = reply(200, json.dumps(SEALED).encode())
    with a_daemon_that_says(home, answer, answer, good) as asked:
        code, _ = pause_here(home, monkeypatch, "--json")
    assert (code, len(asked)) == (0, 3)
    assert json.loads(capsys.readouterr().out)["sealed"] is True


@pytest.mark.parametrize("answer", BAD.values(), ids=BAD)
def test_a_pause_that_was_recorded_never_ends_as_failed(home, monkeypatch, capsys, answer):
    with a_daemon_that_says(home, answer):
        code, took_s = pause_here(home, monkeypatch)
    said = capsys.readouterr()
    assert code == 6
    assert 25 <= took_s < 26
    assert said.out.startswith("STOPPING, recorded by the daemon")
    assert "NOT SEALED" in said.out
    assert FlagDir(home).is_clear()


def test_the_store_proves_what_a_failing_daemon_does_not_say(home, monkeypatch, capsys):
    a_store(home)
    with a_daemon_that_says(home, BAD["fails"]) as asked:
        code, _ = pause_here(home, monkeypatch)
    assert (code, len(asked)) == (0, 1)
    assert "SEALED" in capsys.readouterr().out


def test_the_store_of_another_installation_proves_nothing(home, tmp_path, monkeypatch, capsys):
    """The daemon behind the socket lives elsewhere; here lies what an old one has left."""
    a_store(home)
    with a_daemon_that_says(home, BAD["breaks off"], state_dir=tmp_path):
        code, _ = pause_here(home, monkeypatch)
    assert code == 6
    assert str(tmp_path) in capsys.readouterr().out


@pytest.mark.parametrize(
    "answer", [*BAD.values(), reply(200, b"null"), reply(200, b'{"accepted": true}')]
)
def test_what_is_no_acceptance_is_followed_by_a_flag(home, monkeypatch, capsys, answer):
    a_store(home)
    with a_daemon_that_says(home, BAD["breaks off"], accepts=answer):
        code, _ = pause_here(home, monkeypatch, "--json")
    doc = json.loads(capsys.readouterr().out)
    assert (code, doc["via"], doc["sealed"]) == (0, "flag", True)


def test_a_pause_that_a_daemon_took_by_flag_is_proven_by_the_store(home, monkeypatch, capsys):
    """Its store takes nothing, so it can't seal; but who reads it sees that nothing is sending."""
    a_store(home)
    not_yet = reply(200, json.dumps({**ACCEPTED, "sealed": False}).encode())
    monkeypatch.setitem(ACCEPTED, "via", "flag")
    with a_daemon_that_says(home, not_yet):
        code, _ = pause_here(home, monkeypatch, "--json")
    doc = json.loads(capsys.readouterr().out)
    assert (code, doc["via"], doc["sealed"]) == (0, "flag", True)


def test_a_daemon_that_refuses_a_pause_is_passed_by(home, desk):
    desk.pause = lambda *_args, **_more: 1 / 0
    a_store(home)
    with serving(desk, home):
        found = run(home, "pause", "attack", "--json")
    assert json.loads(found.stdout)["via"] == "flag"
    assert found.returncode == 0


def test_no_state_directory_is_not_paused_and_none_is_made(home):
    found = run(home / "missing", "pause", "attack")
    assert found.returncode == 1
    assert found.stderr.startswith("killswitch: NOT PAUSED")
    assert str(home / "missing" / "pause.d") in found.stderr
    assert not (home / "missing").exists()


def test_not_paused_with_json_is_a_document(home):
    found = run(home / "missing", "pause", "--json")
    assert json.loads(found.stdout)["error"]["code"] == "not_paused"


def test_a_broken_configuration_is_told_and_stops_no_pause(home, desk):
    (home / "broken.toml").write_text("state_dir = ")
    with serving(desk, home):
        found = run(home, "--config", str(home / "broken.toml"), "pause", "attack")
    assert found.returncode == 0
    assert "broken.toml was passed over" in found.stderr


@pytest.mark.parametrize("words", ["status", "queue", "ack", "doctor"])
def test_a_named_configuration_that_can_not_be_read_is_final(home, desk, words):
    with serving(desk, home):
        found = run(home, "--config", str(home / "missing.toml"), words)
        named = run(home, words, env={"KILLSWITCH_CONFIG": str(home / "missing.toml")})
    assert (found.returncode, named.returncode) == (78, 78)
    assert "missing.toml" in found.stderr
    assert desk.calls == []


@pytest.mark.parametrize("words", [["status"], ["queue"], ["ack"], ["config", "reload"]])
def test_a_slip_in_the_file_locks_nobody_out_of_a_daemon_that_runs(home, desk, words):
    (home / "broken.toml").write_text('mode = "live"\nstate_dir = \n')
    with serving(desk, home):
        found = run(home, "--config", str(home / "broken.toml"), *words)
    assert found.returncode in {0, 3}, found.stderr
    assert "broken.toml was passed over" in found.stderr
    assert "line 2" in found.stderr


def test_an_unwritable_standard_output_changes_no_exit_code(home, desk):
    reading, writing = os.pipe()
    os.close(reading)
    with serving(desk, home):
        found = subprocess.run(
            [sys.executable, "-m", "killswitch", "--state-dir", str(home), "pause", "x"],
            env=environment(),
            stdout=writing,
            stderr=subprocess.PIPE,
            timeout=28,
            check=False,
        )
    os.close(writing)
    assert found.returncode == 0
    assert desk.asked("pause")


@pytest.mark.parametrize("where", ["> /dev/full", ">&-", "> /dev/full 2> /dev/full", ">&- 2>&-"])
@pytest.mark.parametrize("words", ["pause x", "pause x --json", "pause x --no-wait"])
def test_a_pause_that_nobody_can_read_ends_as_a_pause(home, desk, where, words):
    with serving(desk, home):
        found = in_a_shell(home, f"{words} {where}")
    assert found.returncode == 0
    assert desk.asked("pause")


@pytest.mark.parametrize("words", ["status", "status --json"])
def test_a_status_that_can_not_be_written_is_a_failure_in_words(home, desk, words):
    with serving(desk, home):
        found = in_a_shell(home, f"{words} > /dev/full")
    assert found.returncode == 1
    assert "--json" in words or "No space left on device" in found.stderr


def in_a_shell(home, words):
    found = subprocess.run(
        ["sh", "-c", f'"{sys.executable}" -m killswitch --state-dir "{home}" {words}'],
        env=environment(LANG="C.UTF-8"),
        capture_output=True,
        text=True,
        timeout=28,
        check=False,
    )
    assert "Traceback" not in found.stderr
    assert "Exception ignored" not in found.stderr
    return found


def test_an_environment_without_signs_beyond_ascii_is_no_obstacle(home, desk):
    desk.doc = a_status(state="paused", causes=[a_cause(reason="Drame à l'école 🖤")])
    with serving(desk, home):
        found = run(home, "status", env={"PYTHONIOENCODING": "ascii", "LC_ALL": "C"})
    assert found.returncode == 3
    assert "Drame" in found.stdout


def test_ack_says_who_took_it(home, desk):
    with serving(desk, home):
        found = run(home, "ack", "--as", "lea", "--json")
    assert found.returncode == 0
    assert json.loads(found.stdout)["acked_by"].startswith("lea")


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (["--reason", "over"], 2),
        (["--reason", "over", "--yes"], 2),
        (["--seen", "3", "--yes"], 2),
        (["--reason", "over", "--seen", "2", "--yes"], 5),
        (["--reason", "over", "--seen", "3", "--yes"], 0),
    ],
)
def test_a_resume_without_a_terminal_needs_yes_and_what_was_seen(home, desk, words, code):
    desk.preview = {"causes": [a_cause()]}
    with serving(desk, home):
        found = run(home, "resume", *words, env={"SUDO_USER": "lea"})
    assert found.returncode == code
    assert len(desk.asked("resume")) == (1 if code in {0, 5} else 0)


def test_a_resume_of_nothing_is_done(home, desk):
    with serving(desk, home):
        found = run(home, "resume", "--reason", "over", "--seen", "3", "--yes", "--json")
    assert found.returncode == 0
    assert json.loads(found.stdout)["closed"] == []
    assert desk.asked("resume") == []


def test_without_a_daemon_a_resume_is_unreachable(home):
    found = run(home, "resume", "--reason", "over", "--seen", "3", "--yes", "--json")
    assert found.returncode == 4
    assert json.loads(found.stdout)["error"]["code"] == "unreachable"


def on_a_terminal(home, typed, *words):
    """Run a command on a pseudo-terminal and type something."""
    import pty

    main, side = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "killswitch", "--state-dir", str(home), *words],
        env=environment(SUDO_USER="lea"),
        stdin=side,
        stdout=side,
        stderr=side,
    )
    os.close(side)
    os.write(main, typed.encode())
    shown = b""
    with contextlib.suppress(OSError):
        while chunk := os.read(main, 65536):
            shown += chunk
    os.close(main)
    return process.wait(20), shown.decode()


@pytest.mark.parametrize(("typed", "done"), [("resume\n", True), ("yes\n", False), ("\n", False)])
def test_a_resume_on_a_terminal_shows_and_asks(home, desk, typed, done):
    post = {"id": "d1", "channel": "web", "text": "Razor", "due": AT, "state": "held"}
    undecided = {**post, "reason": "pause", "decision": None, "clash": ["razor"]}
    desk.preview = {"causes": [a_cause()], "undecided": [undecided]}
    with serving(desk, home):
        code, shown = on_a_terminal(home, typed, "resume", "--reason", "over")
    assert "Knife attack in Annecy" in shown
    assert 'CLASH: "razor"' in shown
    assert bool(desk.asked("resume")) is done
    assert code == (0 if done else 1)


def test_a_triage_on_a_terminal_records_each_answer(home, desk):
    desk.deliveries = [
        {
            "id": one,
            "post": "p",
            "key": None,
            "channel": "web",
            "state": "held",
            "due": AT,
            "text": "Razor",
            "tags": [],
            "reason": "pause",
            "decision": None,
            "clash": clash,
        }
        for one, clash in (("d1", []), ("d2", ["razor"]), ("d3", []))
    ]
    with serving(desk, home):
        code, shown = on_a_terminal(home, "s\nnot today\nx\nk\nq\n", "triage")
    acts = [said["act"] for said in desk.asked("queue_act")]
    assert [(act.verb, act.ids) for act in acts] == [("skip", ("d2",)), ("keep", ("d1",))]
    assert acts[0].reason == "not today"
    assert "one letter, please" in shown
    assert code == 0


@pytest.mark.parametrize(("typed", "done"), [("dismiss\n", True), ("\n", False)])
def test_a_dismissal_on_a_terminal_shows_and_asks(home, desk, typed, done):
    desk.preview = {"causes": [a_cause()]}
    with serving(desk, home):
        code, shown = on_a_terminal(home, typed, "dismiss", "--reason", "a film")
    assert "Annecy: attack in a park" in shown
    assert bool(desk.asked("dismiss")) is done
    assert code == (0 if done else 1)


@pytest.mark.parametrize(
    ("words", "code"),
    [(["--yes", "--seen", "3"], 0), (["--yes"], 2), ([], 2)],
)
def test_a_dismissal_without_a_terminal_needs_yes_and_what_was_seen(home, desk, words, code):
    with serving(desk, home):
        found = run(home, "dismiss", "--reason", "film", *words, env={"SUDO_USER": "lea"})
    assert found.returncode == code


def test_a_dismissal_that_leaves_another_cause_says_so(home, desk):
    desk.dismiss = lambda *_args, **_more: {
        "version": 5, "closed": ["c1"], "still_paused": True, "muted": ["s1"]
    }  # fmt: skip
    with serving(desk, home):
        found = run(
            home, "dismiss", "--reason", "x", "--yes", "--seen", "3", env={"SUDO_USER": "lea"}
        )
    assert "it stays PAUSED" in found.stdout


def test_a_triage_moves_edits_releases_and_resolves(home, desk):
    desk.deliveries = [
        {"id": one, "post": "p", "key": None, "channel": "web", "state": state, "due": AT,
         "text": "Razor", "tags": ["a"], "reason": "pause", "decision": None, "clash": []}
        for one, state in (("d1", "held"), ("d2", "held"), ("d3", "held"), ("d9", "uncertain"))
    ]  # fmt: skip
    with serving(desk, home):
        _, shown = on_a_terminal(home, "y\nm\n+2h\ne\nnew\nr\n\n", "triage")
    acts = [said["act"] for said in desk.asked("queue_act")]
    assert [(act.verb, act.ids[0]) for act in acts] == [
        ("resolve", "d9"), ("move", "d1"), ("edit", "d2"), ("release", "d3")
    ]  # fmt: skip
    assert (acts[0].sent, acts[1].at, acts[2].text) == (True, "+2h", "new")
    assert "4 of 4 decided" in shown


def test_a_refusal_in_a_triage_asks_again(home, desk):
    desk.deliveries = [
        {"id": "d1", "post": "p", "key": None, "channel": "web", "state": "held", "due": AT,
         "text": "Razor", "tags": [], "reason": "pause", "decision": None, "clash": []}
    ]  # fmt: skip
    desk.queue_act = FakeDesk(refusal=UsageError("past", "it has passed", "later")).queue_act
    with serving(desk, home):
        _, shown = on_a_terminal(home, "m\n2020-01-01T00:00\nq\n", "triage")
    assert "it has passed (later)" in shown
    assert "0 of 1 decided" in shown


def test_a_triage_of_nothing_says_so(home, desk):
    with serving(desk, home):
        code, shown = on_a_terminal(home, "", "triage")
    assert "nothing is to be decided" in shown
    assert code == 0


@pytest.mark.parametrize("typed", ["drill\n", "\n"])
def test_a_drill_on_a_terminal_asks_first(home, desk, typed):
    desk.doc = a_status(state_dir=str(home), who={"acked_by": "lea", "acked_at": AT})
    with serving(desk, home):
        code, _ = on_a_terminal(home, typed, "drill", "--wait", "1s")
    assert code == (0 if typed == "drill\n" else 2)
    assert bool(desk.asked("pause")) is (typed == "drill\n")


def test_an_import_on_a_terminal_shows_its_progress_and_its_result(home, desk):
    (home / "june.csv").write_text("due,channel,text\nnow,web,x\n")
    with serving(desk, home):
        code, shown = on_a_terminal(home, "", "queue", "import", str(home / "june.csv"))
    assert code == 0
    assert "importing" in shown
    assert "1 added" in shown
