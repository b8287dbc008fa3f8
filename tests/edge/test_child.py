from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from killswitch.child import Child, ChildFailed

DEEDS = "tests.edge.child_deeds"
LONG = 20.0


@pytest.fixture
def make():
    made = []

    def build(**limits):
        made.append(Child(DEEDS, name="deeds", **limits))
        return made[-1]

    yield build
    for child in made:
        child.close()


def code(child, message, *, timeout_s=LONG):
    with pytest.raises(ChildFailed) as caught:
        child.call(message, timeout_s=timeout_s)
    return caught.value.code


def test_a_child_answers_and_stays_the_same_process(make):
    child = make()
    first = child.call({"do": "echo"}, "grüße".encode(), timeout_s=LONG)
    again = child.call({"do": "echo"}, b"", timeout_s=LONG)
    assert first["body"] == "grüße"
    assert first["pid"] == again["pid"] == child.pid


def test_a_large_body_and_a_large_answer_go_through(make):
    child = make()
    answer = child.call({"do": "echo"}, b"x" * 5_000_000, timeout_s=LONG)
    assert len(answer["body"]) == 5_000_000


@pytest.mark.parametrize("text", ["grüße", "水曜日", "🎉", "a\ud800b", "\0\x1b"])
def test_every_text_goes_there_and_back(make, text):
    answer = make().call({"do": "give_back", "text": text}, b"\xff", timeout_s=LONG)
    assert answer == {"text": text}


def test_nothing_of_our_environment_is_inherited(make, monkeypatch):
    monkeypatch.setenv("SECRET_TOKEN", "canary")
    env = make(env={"WANTED": "1"}).call({"do": "echo"}, timeout_s=LONG)["env"]
    assert env["WANTED"] == "1"
    assert "SECRET_TOKEN" not in env


@pytest.mark.parametrize(
    ("deed", "word"),
    [("hang", "timeout"), ("spin", "timeout"), ("leave", "died"), ("no_object", "protocol"),
     ("garbage", "protocol"), ("half_json", "protocol"), ("deep_json", "protocol")],
)  # fmt: skip
def test_a_child_that_fails_is_killed_and_the_next_call_has_a_new_one(make, deed, word):
    child = make()
    old = child.call({"do": "echo"}, timeout_s=LONG)["pid"]
    assert code(child, {"do": deed}, timeout_s=0.5) == word
    assert child.pid is None
    assert child.call({"do": "echo"}, timeout_s=LONG)["pid"] != old


def test_a_handler_that_raises_is_a_fault_without_its_text_and_the_child_lives(make):
    child = make()
    pid = child.call({"do": "echo"}, timeout_s=LONG)["pid"]
    with pytest.raises(ChildFailed, match="KeyError") as caught:
        child.call({"do": "stumble"}, timeout_s=LONG)
    assert caught.value.code == "fault"
    assert "secret" not in str(caught.value)
    assert child.pid == pid


def test_a_stray_print_does_not_break_the_frames(make):
    assert make().call({"do": "stray_print"}, timeout_s=LONG) == {}


def test_a_module_that_does_not_exist_is_an_error_with_a_code():
    assert code(Child("no.such.module", name="ghost"), {}) == "died"


def test_cpu_seconds_count_anew_for_each_call(make):
    child = make(cpu_s=1)
    for _ in range(4):
        assert child.call({"do": "burn", "s": 0.7}, timeout_s=LONG) == {}
    assert code(child, {"do": "spin"}) == "died"


def test_memory_beyond_the_limit_is_a_fault_and_the_child_lives(make):
    child = make(memory_bytes=256 * 1024 * 1024)
    assert code(child, {"do": "eat", "bytes": 512 * 1024 * 1024}) == "fault"
    assert child.call({"do": "eat", "bytes": 1000}, timeout_s=LONG) == {"ate": 1000}


@pytest.mark.parametrize("deed", ["read_file", "open_socket", "import_late"])
def test_a_sealed_child_opens_neither_files_nor_sockets_nor_modules(make, deed):
    assert code(make(no_network=True), {"do": deed}) == "fault"
    assert make().call({"do": deed}, timeout_s=LONG) == {}


def test_threads_take_turns(make):
    child = make()
    with ThreadPoolExecutor(8) as pool:
        bodies = [str(n).encode() for n in range(40)]
        asked = pool.map(lambda body: child.call({"do": "echo"}, body, timeout_s=LONG), bodies)
        assert [answer["body"] for answer in asked] == [str(n) for n in range(40)]


def ended(pid):
    """Wait until a process that is not our child is gone; a hang is the test's own time-out."""
    try:
        fd = os.pidfd_open(pid)
    except ProcessLookupError:
        return True
    with open(fd, closefd=True):  # noqa: PTH123 - a descriptor, to be closed
        return bool(select.select([fd], [], [], LONG)[0])


def test_closing_ends_the_child_with_all_that_it_started(make):
    child = make()
    pid = child.call({"do": "echo"}, timeout_s=LONG)["pid"]
    grandchild = child.call({"do": "fork"}, timeout_s=LONG)["pid"]
    child.close()
    child.close()
    assert child.pid is None
    assert ended(pid)
    assert ended(grandchild)


PARENT = f"""
import sys, threading
from killswitch.child import Child
child = Child("{DEEDS}", name="deeds")
child.call({{"do": "echo"}}, timeout_s=20)
print(child.pid, flush=True)
threading.Thread(target=child.call, args=({{"do": "WHAT"}},), kwargs={{"timeout_s": 500}}).start()
sys.stdin.read()
"""


@pytest.mark.parametrize("what", ["echo", "hang", "spin"])
def test_a_child_ends_when_its_parent_is_killed_even_while_busy(what):
    root = Path(__file__).resolve().parents[2]
    with subprocess.Popen(
        [sys.executable, "-c", PARENT.replace("WHAT", what)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        cwd=root,
    ) as parent:
        pid = int(parent.stdout.readline())
        parent.send_signal(signal.SIGKILL)
    assert ended(pid)
