"""The control socket: who may, what is refused, and a pause that nobody can keep out."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import stat
import threading
import time
from dataclasses import dataclass
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from killswitch import lockfile
from killswitch.cli.main import main
from killswitch.control import exchange as exchange_module
from killswitch.control import server as server_module
from killswitch.control.admission import SEALS_AT_ONCE, SEALS_EACH_UID
from killswitch.control.app import BODY_MOST, create_app
from killswitch.control.client import Client, start_command
from killswitch.control.peers import Peer, Roles
from killswitch.control.rim import WAITING
from killswitch.control.server import HEADER_MOST, ControlServer, bind_socket
from killswitch.errors import (
    ConfigError,
    InvariantBroken,
    KillswitchError,
    RefusedError,
    StoreBusyError,
    UnreachableError,
    UsageError,
)
from tests.edge.fake_desk import FakeDesk, a_home, a_status, serving
from tests.edge.raw_server import reply

PAUSE = {"reason": "x", "key": "k"}


@pytest.fixture
def home():
    with a_home() as made:
        yield made


@pytest.fixture
def desk():
    return FakeDesk()


@pytest.fixture
def client(desk, home):
    with serving(desk, home):
        yield Client(home / "control.sock", said="lea")


def raw(home, data, *, ended=False):
    """Send bytes and read the whole answer."""
    with socket.socket(socket.AF_UNIX) as sock:
        sock.settimeout(10)
        sock.connect(str(home / "control.sock"))
        # The server may have refused and closed before it has read everything.
        with contextlib.suppress(BrokenPipeError):
            sock.sendall(data)
        if ended:
            sock.shutdown(socket.SHUT_WR)
        answer = b""
        with contextlib.suppress(ConnectionResetError):
            while chunk := sock.recv(65536):
                answer += chunk
        return answer


# ---- the file ---------------------------------------------------------------------------------


def test_the_socket_is_for_owner_and_group_alone(home):
    with contextlib.closing(bind_socket(home / "control.sock")):
        found = (home / "control.sock").stat()
    assert stat.S_IMODE(found.st_mode) == 0o660


def test_the_mode_does_not_hang_on_the_umask(home):
    before = os.umask(0o777)
    try:
        with contextlib.closing(bind_socket(home / "control.sock")):
            mode = stat.S_IMODE((home / "control.sock").stat().st_mode)
    finally:
        os.umask(before)
    assert mode == 0o660


def test_a_stale_socket_is_replaced(home):
    with socket.socket(socket.AF_UNIX) as old:
        old.bind(str(home / "control.sock"))
    with contextlib.closing(bind_socket(home / "control.sock")) as new:
        assert new.getsockname() == str(home / "control.sock")


def test_a_socket_on_which_somebody_listens_is_left_alone(home):
    with contextlib.closing(bind_socket(home / "control.sock")):
        inode = (home / "control.sock").stat().st_ino
        with pytest.raises(RefusedError, match="listens"):
            bind_socket(home / "control.sock")
        assert (home / "control.sock").stat().st_ino == inode


@pytest.mark.parametrize("make", [Path.touch, Path.mkdir, lambda path: path.symlink_to("/nowhere")])
def test_anything_else_in_its_place_is_left_alone(home, make):
    make(home / "control.sock")
    with pytest.raises(ConfigError, match="not a socket"):
        bind_socket(home / "control.sock")
    assert os.path.lexists(home / "control.sock")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives a socket away")
def test_a_socket_of_another_user_is_left_alone(home, monkeypatch):
    with socket.socket(socket.AF_UNIX) as old:
        old.bind(str(home / "control.sock"))
    os.chown(home / "control.sock", 4321, 4321)
    monkeypatch.setattr(server_module.os, "geteuid", lambda: 1234)
    with pytest.raises(ConfigError, match="belongs to uid 4321"):
        bind_socket(home / "control.sock")


@pytest.mark.parametrize("path", ["x" * 120, "missing/control.sock"])
def test_a_place_that_is_no_good_is_refused_with_its_mend(home, path):
    with pytest.raises(ConfigError) as refusal:
        bind_socket(home / path)
    assert refusal.value.hint


def test_a_stopped_server_removes_its_own_socket_only(desk, home):
    with serving(desk, home) as server:
        (home / "control.sock").unlink()
        (home / "control.sock").touch()
    assert (home / "control.sock").exists()
    assert not server.is_alive


def test_a_socket_handed_over_is_served_and_its_file_stays(desk, home):
    listening = bind_socket(home / "control.sock")
    roles = Roles()
    server = ControlServer(create_app(desk, roles=roles), listening=listening)
    server.start()
    assert Client(home / "control.sock").get("/status")["state"] == "running"
    server.stop()
    roles.close()
    assert (home / "control.sock").exists()


# ---- who may ----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Person:
    name: str
    roles: tuple[str, ...]
    users: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()


def root(**changes):
    return Peer(**{"uid": 0, "gid": 0, "pid": 1, **changes})


def test_the_kernel_says_who_pauses(client, desk):
    client.post("/pause", PAUSE)
    caller = desk.asked("pause")[0]["caller"]
    assert (caller.uid, caller.pid) == (os.geteuid(), os.getpid())


def test_a_said_name_is_recorded_as_said(client, desk):
    client.post("/resume", {"seen": 3, "reason": "over"})
    caller = desk.asked("resume")[0]["caller"]
    assert caller.said_name == "lea"
    assert caller.person == f"lea (said by {caller.login})"


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/resume", {"seen": 3, "reason": "over"}),
        ("/dismiss", {"seen": 3, "reason": "film"}),
        ("/queue/act", {"verb": "release", "ids": ["d1"]}),
        ("/queue/act", {"verb": "retract", "ids": ["d1"], "reason": "wrong price"}),
    ],
)
def test_root_and_the_daemon_must_say_who_resumes(desk, home, path, body):
    with serving(desk, home), pytest.raises(RefusedError) as refusal:
        Client(home / "control.sock").post(path, body)
    assert refusal.value.code == "who"
    assert desk.calls == []


@pytest.mark.parametrize(
    ("role", "may"), [("author", False), ("approver", True), ("resumer", True), ("admin", True)]
)
def test_what_the_public_has_seen_is_taken_down_by_those_who_let_posts_out(desk, home, role, may):
    roles = Roles([Person("Léa", (role,), users=("lea",))])
    body = {"verb": "retract", "ids": ["d1"], "reason": "wrong price"}
    with serving(desk, home, roles=roles):
        client = Client(home / "control.sock", said="lea")
        if may:
            client.post("/queue/act", body)
        else:
            with pytest.raises(RefusedError, match="approver or resumer"):
                client.post("/queue/act", body)
    assert bool(desk.asked("queue_act")) == may


def test_without_people_only_root_and_the_daemon_may_more_than_pause():
    roles = Roles(daemon_uid=4000)
    try:
        assert "resumer" in roles.caller(root(), said=None, key=None).roles
        assert "resumer" in roles.caller(root(uid=4000), said=None, key=None).roles
        assert roles.caller(root(uid=4001), said=None, key=None).roles == frozenset()
    finally:
        roles.close()


@pytest.mark.parametrize(
    ("person", "said", "granted"),
    [
        (Person("Léa", ("resumer",), users=("root",)), None, {"resumer"}),
        (Person("Léa", ("author",), groups=("root",)), None, {"author"}),
        (Person("Léa", ("author",), users=("lea",)), "lea", {"author"}),
        (Person("Léa", ("author",), users=("lea",)), "Léa", {"author"}),
        (Person("Léa", ("author",), users=("lea",)), None, set()),
        (Person("Léa", ("author",), users=("lea",)), "karim", set()),
    ],
)
def test_roles_come_by_login_by_group_or_by_the_said_name(person, said, granted):
    roles = Roles([person], daemon_uid=4000)
    try:
        assert roles.caller(root(), said=said, key=None).roles == granted
    finally:
        roles.close()


def test_root_without_a_name_is_asked_for_one_where_people_have_roles():
    roles = Roles([Person("Léa", ("author",), users=("lea",))], daemon_uid=4000)
    try:
        for uid, hint in [(0, "--as NAME"), (4000, "--as NAME"), (4001, "ask somebody")]:
            caller = roles.caller(root(uid=uid), said=None, key=None)
            with pytest.raises(RefusedError) as refusal:
                roles.require(caller, frozenset({"author"}))
            assert hint in refusal.value.hint
    finally:
        roles.close()


def test_upkeep_includes_everything_but_the_second_pair_of_eyes():
    roles = Roles([Person("Léa", ("admin",), users=("root",))], daemon_uid=4000)
    try:
        found = roles.caller(root(), said=None, key=None).roles
    finally:
        roles.close()
    assert "resumer" in found
    assert "approver" not in found


@pytest.mark.parametrize("said", ["killswitch", "Killswitch", " machine "])
def test_nobody_acts_under_a_name_of_the_machine(said):
    roles = Roles(daemon_uid=4000)
    try:
        with pytest.raises(RefusedError, match="the machine signs with"):
            roles.caller(root(), said=said, key=None)
        assert roles.hurried(root(), said=said, key=None).said_name is None
    finally:
        roles.close()


@pytest.mark.parametrize("said", [b"le\x1ba", b"l" * 81, b"\xff"])
def test_a_name_that_is_none_is_refused_and_only_a_pause_goes_on(desk, home, said):
    def post(path, body):
        head = b"Host: x\r\nConnection: close\r\nContent-Type: application/json\r\n"
        head += b"X-Killswitch-As: " + said
        length = b"Content-Length: %d\r\n\r\n" % len(body)
        return raw(home, b"POST /v1/" + path + b" HTTP/1.1\r\n" + head + b"\r\n" + length + body)

    with serving(desk, home):
        resumed = post(b"resume", b'{"seen": 3, "reason": "over"}')
        post(b"pause", json.dumps(PAUSE).encode())
    assert b"the name after --as" in resumed or b"HTTP/1.1 400" in resumed
    assert desk.asked("resume") == []
    assert desk.asked("pause")[0]["caller"].said_name is None


def test_nobody_else_acts_under_another_name():
    roles = Roles(daemon_uid=4000)
    try:
        with pytest.raises(RefusedError, match="can't act as"):
            roles.caller(root(uid=4001), said="lea", key=None)
        assert roles.hurried(root(uid=4001), said="lea", key=None).said_name is None
    finally:
        roles.close()


def test_a_pause_does_not_wait_for_a_slow_name_service(monkeypatch):
    from killswitch.control import peers

    release = threading.Event()

    def slow(peer):
        release.wait(20)
        raise KeyError

    monkeypatch.setattr(peers, "_look_up", slow)
    roles = Roles(daemon_uid=4000)
    try:
        assert roles.hurried(root(uid=4001), said=None, key=None).login == "uid 4001"
    finally:
        release.set()
        roles.close()


def test_a_peer_without_a_role_may_look_and_pause_and_nothing_else(desk, home):
    roles = Roles([Person("Léa", ("author",), users=("nobody-here",))], daemon_uid=4000)
    with serving(desk, home, roles=roles):
        client = Client(home / "control.sock")
        assert client.get("/status")["state"] == "running"
        assert client.post("/pause", PAUSE)["accepted"]
        assert client.post("/ack")["acked_by"]
        with pytest.raises(RefusedError) as refusal:
            client.post("/queue", {"text": "x", "at": "now", "channels": ["web"]})
    assert refusal.value.code == "role"
    assert "author" in refusal.value.message
    assert not desk.asked("queue_add")


# ---- what is refused --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/pause", {"reason": "x"}),
        ("/pause", {"reason": "x", "key": "k", "more": 1}),
        ("/pause", {"reason": "x", "key": "k" * 81}),
        ("/pause", {"reason": "x", "key": "k", "review_s": -1}),
        ("/pause", {"reason": "x\x00", "key": "k"}),
        ("/resume", {"seen": "3", "reason": "x"}),
        ("/resume", {"seen": True, "reason": "x"}),
        ("/resume", {"seen": -1, "reason": "x"}),
        ("/resume", {"seen": 10**30, "reason": "x"}),
        ("/resume", {"seen": 3, "reason": ""}),
        ("/resume", {"seen": 3.5, "reason": "x"}),
        ("/queue", {"text": "x", "at": "now", "channels": []}),
        ("/queue", {"text": "", "at": "now", "channels": ["web"]}),
        ("/queue", {"text": "\ud83d", "at": "now", "channels": ["web"]}),
        ("/queue", {"text": "x", "at": "now", "channels": ["a\nb"]}),
        ("/queue/act", {"verb": "publish", "ids": ["d1"]}),
        ("/queue/act", {"verb": "skip"}),
        ("/queue/act", {"verb": "skip", "ids": ["d1"], "filter": {}}),
        ("/queue/act", {"verb": "move", "ids": ["d1"]}),
        ("/queue/act", {"verb": "edit", "ids": ["d1"]}),
        ("/queue/act", {"verb": "resolve", "ids": ["d1"]}),
        ("/queue/act", {"verb": "retract", "ids": ["d1"]}),
        ("/queue/act", {"verb": "retract", "ids": ["d1"], "reason": " "}),
        ("/queue/act", {"verb": "retract", "filter": {"tag": "promo"}, "reason": "x"}),
        ("/queue/act", {"verb": "skip", "ids": ["d1"], "sent": True}),
        ("/queue/act", {"verb": "skip", "filter": {"state": ["nope"]}}),
        ("/imports/b1/rows", {"rows": []}),
        ("/backup", {"to": ""}),
    ],
)
def test_a_body_out_of_form_reaches_nobody(client, desk, path, body):
    with pytest.raises(UsageError) as refusal:
        client.post(path, body)
    assert refusal.value.message
    assert desk.calls == []


@pytest.mark.parametrize(
    "query",
    [
        {"state": "nope"},
        {"limit": 0},
        {"limit": "x"},
        {"until": "2026-03-02T09:00"},
        {"until": "x"},
    ],
)
def test_a_query_out_of_form_reaches_nobody(client, desk, query):
    with pytest.raises(UsageError):
        client.get("/queue", query=query)
    assert desk.calls == []


@pytest.mark.parametrize("wait_s", ["nan", "inf", "-1", "31"])
def test_nobody_waits_longer_than_a_seal_takes(client, desk, wait_s):
    with pytest.raises(UsageError):
        client.get("/seal", query={"wait_s": wait_s})
    assert desk.calls == []


@pytest.mark.parametrize(
    "data",
    [
        b"nonsense\r\n\r\n",
        b"GET /v1/status HTTP/1.1\r\nHost: x\r\n" + b"X: y\r\n" * 5000 + b"\r\n",
        b"POST /v1/pause HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999999999999\r\n\r\n",
        b"POST /v1/pause HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
        b"POST /v1/pause HTTP/1.1\r\nHost: x\r\nContent-Length: 1048577\r\n\r\n",
    ],
)
def test_bytes_out_of_form_are_refused_and_the_next_is_served(client, desk, home, data):
    answer = raw(home, data, ended=True)
    # After a head that is too long uvicorn may drop the connection without a word.
    refused = answer.startswith(b"HTTP/1.1 4") and json.loads(answer.partition(b"\r\n\r\n")[2])
    assert refused or (answer == b"" and len(data) > HEADER_MOST)
    if refused:
        assert (refused["code"], refused["exit"]) == ("http", 2)
        assert b"content-type: application/problem+json" in answer.lower()
    assert client.get("/status")["state"] == "running"


def test_a_body_without_an_announced_length_is_capped(client, desk, home):
    head = (
        b"POST /v1/pause HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
        b"Connection: close\r\nTransfer-Encoding: chunked\r\n\r\n"
    )
    chunk = b"10000\r\n" + b" " * 0x10000 + b"\r\n"
    answer = raw(home, head + chunk * (BODY_MOST // 0x10000 + 1) + b"0\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 413")
    assert b"content-type: application/problem+json" in answer.lower()
    assert desk.calls == []


@pytest.mark.parametrize("text", ["[" * 100_000, '{"reason": "x", "key": "k"', "null", "\xff"])
def test_json_out_of_form_is_refused(client, desk, home, text):
    body = text.encode("latin-1")
    head = f"POST /v1/pause HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: {len(body)}"
    answer = raw(home, f"{head}\r\nContent-Type: application/json\r\n\r\n".encode() + body)
    assert answer.startswith((b"HTTP/1.1 400", b"HTTP/1.1 422"))
    assert b"problem+json" in answer
    assert desk.calls == []


@pytest.mark.parametrize(
    ("error", "kind", "status"),
    [
        (UsageError("past", "it has passed", "later"), UsageError, 422),
        (ConfigError("bad", "bad", "mend"), ConfigError, 422),
        (RefusedError("stale", "it changed", "look"), RefusedError, 409),
        (RefusedError("not_found", "no post", "list"), RefusedError, 404),
        (RefusedError("role", "no", "ask"), RefusedError, 403),
    ],
)
def test_a_refusal_comes_back_as_what_it_was(client, desk, home, error, kind, status):
    desk.refusal = error
    with pytest.raises(kind) as refusal:
        client.get("/feeds")
    told = refusal.value
    assert (told.code, told.message, told.hint, told.exit) == (
        error.code,
        error.message,
        error.hint,
        error.exit,
    )
    answer = raw(home, b"GET /v1/feeds HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    assert answer.startswith(f"HTTP/1.1 {status}".encode())


def test_a_busy_store_is_503_and_a_warning_in_the_log(client, desk, home):
    desk.refusal = StoreBusyError("busy", "locked")
    with capture_logs() as logs:
        answer = raw(home, b"GET /v1/feeds HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 503")
    (line,) = [line for line in logs if line["event"] == "request.failed"]
    assert (line["log_level"], line["path"], line["problem"]) == ("warning", "/v1/feeds", "locked")


@pytest.mark.parametrize("error", [InvariantBroken("inside secret"), ZeroDivisionError("secret")])
def test_a_bug_is_told_to_the_supervisor_and_shows_nothing_of_the_inside(desk, home, error):
    faults = []
    desk.refusal = error
    roles = Roles()
    app = create_app(desk, roles=roles, on_fault=faults.append)
    server = ControlServer(app, path=home / "control.sock")
    server.start()
    try:
        answer = raw(home, b"GET /v1/feeds HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    finally:
        server.stop()
        roles.close()
    assert answer.startswith(b"HTTP/1.1 500")
    assert b"secret" not in answer
    assert faults == [error]


def test_what_is_not_there_is_problem_details_too(client):
    with pytest.raises(RefusedError) as refusal:
        client.get("/nope")
    assert refusal.value.message == "Not Found"


def test_the_schema_is_served(client):
    doc = client.get("/openapi.json")
    assert {"/v1/pause", "/v1/resume", "/v1/queue/act"} <= set(doc["paths"])


def test_the_request_key_reaches_the_desk(client, desk):
    client.post("/queue", {"text": "x", "at": "now", "channels": ["web"]}, key="k9")
    assert desk.asked("queue_add")[0]["caller"].request_key == "k9"


@pytest.mark.parametrize("key", [b"k" * 81, b"\xff\xfe", b"a\tb"])
def test_a_strange_key_counts_as_none(client, desk, home, key):
    body = json.dumps(PAUSE).encode()
    raw(
        home,
        b"POST /v1/pause HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
        b"Content-Type: application/json\r\nIdempotency-Key: "
        + key
        + b"\r\nContent-Length: "
        + str(len(body)).encode()
        + b"\r\n\r\n"
        + body,
    )
    assert desk.asked("pause")[0]["caller"].request_key is None


# ---- nobody keeps a pause out -----------------------------------------------------------------


@contextlib.contextmanager
def half_open(home, count, data=b""):
    """Open connections that never finish a request."""
    socks = []
    try:
        for _ in range(count):
            sock = socket.socket(socket.AF_UNIX)
            socks.append(sock)
            sock.connect(str(home / "control.sock"))
            with contextlib.suppress(OSError):
                sock.sendall(data)
        yield socks
    finally:
        for sock in socks:
            sock.close()


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"POST /v1/pause HTTP/1.1\r\nHost",
        b"POST /v1/pause HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{",
    ],
    ids=["silent", "half a head", "half a body"],
)
def test_half_open_clients_do_not_keep_a_pause_out(client, desk, home, data):
    with half_open(home, 1000, data):
        assert client.post("/pause", PAUSE, timeout_s=5)["accepted"]


def test_the_user_with_most_half_open_connections_loses_one():
    doors = server_module._Doors()
    cut = []

    class Waits:
        is_waiting = True
        waits_since_s = 0.0

        def __init__(self, name):
            self.name = name

        def cut(self):
            cut.append(self.name)

    doors.enter(Waits("mine"), root(uid=1))
    for number in range(server_module.WAITING_MOST):
        doors.enter(Waits(number), root(uid=2))
    assert cut == [0]


def test_a_connection_that_owes_a_request_is_cut_after_its_time():
    doors = server_module._Doors()
    cut = []

    class Connection:
        def __init__(self, name, *, waiting, since):
            self.name, self.is_waiting, self.waits_since_s = name, waiting, since

        def cut(self):
            cut.append(self.name)

    doors.enter(Connection("old", waiting=True, since=0.0), root())
    doors.enter(Connection("new", waiting=True, since=4.0), root())
    doors.enter(Connection("busy", waiting=False, since=0.0), root())
    doors.sweep(5.5)
    assert cut == ["old"]


def test_imports_that_hang_do_not_keep_pause_and_status_out(client, desk):
    desk.stuck = threading.Event()
    row = {"line": 2, "text": "x", "at": "now", "channels": ["web"]}
    threads = [
        threading.Thread(
            target=lambda: client.post("/imports/b1/rows", {"rows": [row]}), daemon=True
        )
        for _ in range(12)
    ]
    for thread in threads:
        thread.start()
    try:
        assert client.post("/pause", PAUSE, timeout_s=5)["accepted"]
        assert client.get("/status", timeout_s=5)["state"] == "running"
        assert client.get("/seal", timeout_s=5)["sealed"]
    finally:
        desk.stuck.set()
        for thread in threads:
            thread.join(10)


@contextlib.contextmanager
def twenty_at_once(desk, ask, *, refusals):
    """Let one user ask twenty times what hangs; give the refusals of those that found no place."""
    refused = []

    def send():
        try:
            ask()
        except KillswitchError as error:
            refused.append(error)

    threads = [threading.Thread(target=send, daemon=True) for _ in range(20)]
    for thread in threads:
        thread.start()
    try:
        while len(refused) < refusals and any(thread.is_alive() for thread in threads):
            threading.Event().wait(0.01)
        yield
    finally:
        desk.stuck.set()
        for thread in threads:
            thread.join(10)
    assert {error.code for error in refused} == {"busy"}
    assert len(refused) == refusals


def test_one_user_has_only_so_many_requests_at_once_and_a_pause_and_its_proof_besides(client, desk):
    desk.stuck = threading.Event()
    row = {"line": 2, "text": "x", "at": "now", "channels": ["web"]}
    with twenty_at_once(desk, lambda: client.post("/imports/b1/rows", {"rows": [row]}), refusals=4):
        assert client.post("/pause", PAUSE, timeout_s=5)["accepted"]
        assert client.get("/seal", timeout_s=5)["sealed"]


def test_one_user_who_asks_for_too_many_seals_keeps_nobody_else_out(client, desk):
    desk.stuck = threading.Event()
    desk.seal = lambda _version, **_more: {"sealed": desk.stuck.wait(20)}
    with twenty_at_once(desk, lambda: client.get("/seal"), refusals=20 - SEALS_EACH_UID):
        assert client.post("/pause", PAUSE, timeout_s=5)["accepted"]
        assert client.get("/status", timeout_s=5)["state"] == "running"
    assert 2 * SEALS_EACH_UID < SEALS_AT_ONCE, "two such users leave places for a third"
    assert WAITING == SEALS_AT_ONCE, "every place has a thread"


# ---- the client -------------------------------------------------------------------------------


def test_no_daemon_is_unreachable_with_a_hint(home):
    with pytest.raises(UnreachableError) as refusal:
        Client(home / "control.sock").get("/status")
    assert refusal.value.exit == 4
    assert "killswitch run" in refusal.value.hint


def test_a_daemon_of_another_user_is_started_by_systemd_and_not_by_hand(home):
    """Root who runs it by hand leaves files there that the service can't read."""
    os.chown(home, 12345, -1)
    assert start_command(home) == "systemctl start killswitch"
    os.chown(home, os.geteuid(), -1)
    assert start_command(home) == "killswitch run"
    assert start_command(None) == "killswitch run"


def test_the_machines_own_daemon_is_started_by_its_unit(home, monkeypatch):
    monkeypatch.setattr("killswitch.control.client.UNITS", (home / "killswitch.service",))
    monkeypatch.setattr("killswitch.control.client.SYSTEM_STATE", home)
    assert start_command(home) == "killswitch run"
    (home / "killswitch.service").touch()
    assert start_command(home) == "systemctl start killswitch"
    assert start_command(home / "other") == "killswitch run"


def test_a_stale_socket_is_unreachable(home):
    with socket.socket(socket.AF_UNIX) as old:
        old.bind(str(home / "control.sock"))
    with pytest.raises(UnreachableError, match="does not answer"):
        Client(home / "control.sock").get("/status")


def test_a_hung_daemon_is_a_time_out_that_claims_nothing(home):
    with contextlib.closing(bind_socket(home / "control.sock")):
        before = time.monotonic()
        with pytest.raises(UnreachableError) as refusal:
            Client(home / "control.sock").post("/ack", timeout_s=0.1)
        assert time.monotonic() - before < 5
    assert refusal.value.code == "timeout"
    assert "not known" in refusal.value.message
    assert "nothing leaves" not in refusal.value.message


@contextlib.contextmanager
def answering(home, answer):
    """Serve one connection with bytes of our own."""

    def serve():
        peer, _ = listening.accept()
        with peer, contextlib.suppress(BrokenPipeError, ConnectionResetError):
            peer.recv(65536)
            peer.sendall(answer)

    with contextlib.closing(bind_socket(home / "control.sock")) as listening:
        thread = threading.Thread(target=serve)
        thread.start()
        yield
        thread.join(5)


@pytest.mark.parametrize(
    "answer",
    [
        b"garbage\r\n",
        b"",
        b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nno!",
        b"HTTP/1.1 500 Oops\r\nContent-Length: 2\r\n\r\n{}",
        b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{",
    ],
)
def test_whatever_else_answers_there_is_told(home, answer):
    with answering(home, answer), pytest.raises(UnreachableError):
        Client(home / "control.sock").get("/status", timeout_s=5)


def test_a_daemon_that_drips_its_answer_is_a_time_out(home):
    def drip(listening):
        peer, _ = listening.accept()
        with peer, contextlib.suppress(OSError):
            peer.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
            while True:
                peer.sendall(b" ")

    with contextlib.closing(bind_socket(home / "control.sock")) as listening:
        thread = threading.Thread(target=drip, args=(listening,))
        thread.start()
        with pytest.raises(UnreachableError) as refusal:
            Client(home / "control.sock").post("/pause", PAUSE, timeout_s=0.1)
        thread.join(10)
    assert not thread.is_alive()
    assert refusal.value.code in {"timeout", "unreachable"}


def test_an_answer_without_end_is_cut_off(home, monkeypatch):
    monkeypatch.setattr(exchange_module, "BODY_MOST", 1000)
    monkeypatch.setattr(exchange_module, "HEAD_MOST", 1000)
    endless = b"HTTP/1.1 200 OK\r\n\r\n" + b" " * 100_000
    refused = pytest.raises(UnreachableError, match="more than 1000 bytes")
    with answering(home, endless), refused:
        Client(home / "control.sock").get("/status", timeout_s=5)


def test_a_socket_that_somebody_else_serves_is_not_believed(desk, home, monkeypatch):
    with serving(desk, home):
        monkeypatch.setattr("killswitch.control.client._UCRED", _SaysUid(12345))
        with pytest.raises(UnreachableError, match="is served by user uid 12345"):
            Client(home / "control.sock").get("/status")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives a directory away")
def test_the_owner_of_the_state_directory_may_serve(desk, home, monkeypatch):
    state = home / "theirs"
    state.mkdir()
    os.chown(state, 12345, -1)
    with serving(desk, home):
        monkeypatch.setattr("killswitch.control.client._UCRED", _SaysUid(12345))
        assert Client(home / "control.sock", state_dir=state).get("/status")["state"] == "running"


class _SaysUid:
    """What the kernel would say of a peer of another user."""

    size = 12

    def __init__(self, uid):
        self.uid = uid

    def unpack(self, _raw):
        return 1, self.uid, 1


def test_a_socket_that_is_closed_to_us_is_told_as_such(home, monkeypatch):
    def closed(*_args):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("socket.socket.connect", closed)
    with pytest.raises(UnreachableError, match="is closed to you") as refusal:
        Client(home / "control.sock").get("/status")
    assert "nothing leaves" not in refusal.value.message
    assert "killswitch run" not in refusal.value.hint


def test_no_socket_while_a_daemon_runs_claims_nothing(home):
    number = lockfile.take(home / "daemon.lock")
    with pytest.raises(UnreachableError, match="though a daemon runs") as refusal:
        Client(home / "control.sock", state_dir=home).get("/status")
    os.close(number)
    assert "nothing leaves" not in refusal.value.message
    assert "killswitch run" not in refusal.value.hint


@pytest.mark.parametrize("body", [b"[]", b"{}", b"[1]", b'"x"', b"null"])
@pytest.mark.parametrize(
    "words",
    [["status"], ["queue"], ["ack"], ["queue", "show", "d1"], ["incidents"], ["whose", "x"]],
)
def test_another_servers_answer_is_told_in_words(home, capsys, words, body):
    with contextlib.closing(bind_socket(home / "control.sock")) as listening:

        def serve():
            with contextlib.suppress(OSError):
                while True:
                    peer, _ = listening.accept()
                    with peer:
                        peer.recv(65536)
                        peer.sendall(reply(200, body))

        thread = threading.Thread(target=serve)
        thread.start()
        code = main(["--state-dir", str(home), *words])
        listening.shutdown(socket.SHUT_RDWR)
        thread.join(5)
    told = capsys.readouterr()
    empty = words == ["incidents"] and body == b"[]"
    assert code == (0 if empty else 4)
    assert empty or "not a killswitch daemon" in told.err + told.out


def test_a_status_with_foreign_signs_survives_the_way(desk, home):
    desk.doc = a_status(hint="l'été — “ça” ✂")
    with serving(desk, home):
        assert Client(home / "control.sock").get("/status")["hint"] == "l'été — “ça” ✂"
