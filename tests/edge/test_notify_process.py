"""The real notifier process against real receivers: mail and HTTP, healthy, broken and hostile."""

from __future__ import annotations

import contextlib
import json
import socket
import threading
from collections.abc import Iterator
from datetime import timedelta
from email import message_from_bytes, policy
from email.message import EmailMessage
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult, LoginPassword

from killswitch.child import Child
from killswitch.clock import FakeClock
from killswitch.notify import teller as teller_module
from killswitch.notify.policy import NotifyPolicy
from killswitch.notify.teller import Teller
from killswitch.store.notices import NoticeKind, add_notice, undone
from tests.unit.notify.builders import AT, FACTS, a_status, a_store


def a_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


class Mailbox:
    """Takes mail and keeps it; ``reply`` is what it says to a message."""

    def __init__(self, reply: str = "250 OK") -> None:
        self.reply = reply
        self.mails: list[EmailMessage] = []

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:  # noqa: N802 - aiosmtpd's name
        parsed = message_from_bytes(envelope.content, policy=policy.default)
        assert isinstance(parsed, EmailMessage)
        self.mails.append(parsed)
        return self.reply


def let_in(server: Any, session: Any, envelope: Any, mechanism: str, data: Any) -> AuthResult:
    good = isinstance(data, LoginPassword) and data.password == b"hunter2"
    return AuthResult(success=good, handled=False)


@contextlib.contextmanager
def mail_server(box: Mailbox, *, login: bool = False) -> Iterator[int]:
    options: dict[str, Any] = {}
    if login:
        options = {
            "authenticator": let_in,
            "auth_required": True,
            "auth_require_tls": False,
        }
    server = Controller(box, hostname="127.0.0.1", port=a_port(), **options)
    server.start()
    try:
        yield server.port
    finally:
        server.stop()


class Hook:
    """An HTTP receiver; ``answers`` are its statuses, the last one for good."""

    def __init__(self, *answers: int, location: str | None = None) -> None:
        self.answers = list(answers) or [200]
        self.location = location
        self.requests: list[tuple[str, dict[str, str], bytes]] = []
        self.port = 0

    def documents(self) -> list[Any]:
        return [json.loads(body) for _, _, body in self.requests]


@contextlib.contextmanager
def http_server(hook: Hook) -> Iterator[Hook]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"] or 0))
            hook.requests.append((self.path, dict(self.headers), body))
            status = hook.answers.pop(0) if len(hook.answers) > 1 else hook.answers[0]
            self.send_response(status)
            if hook.location:
                self.send_header("Location", hook.location)
            self.send_header("Content-Length", "0")
            self.end_headers()

        do_GET = do_POST  # noqa: N815 - http.server's name

        def log_message(self, *_: Any) -> None:
            """Keep quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    hook.port = server.server_address[1]
    try:
        yield hook
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@contextlib.contextmanager
def silence() -> Iterator[int]:
    """A server that takes connections and never says a word."""
    with socket.create_server(("127.0.0.1", 0), backlog=50) as server:
        yield int(server.getsockname()[1])


@pytest.fixture(scope="module")
def notifier() -> Iterator[Child]:
    child = Child("killswitch.notify.process", name="the notifier")
    yield child
    child.close()


def send(notifier: Child, url: str, *, silent: bool = False, **words: str) -> dict[str, Any]:
    message = {"title": "PAUSE 11:52 · É", "body": "Plus rien ne part.\nLéa : OK ?"} | words
    return notifier.call({"do": "send", "url": url, "silent": silent, **message}, timeout_s=20)


GOOD = {"accepted": True, "problem": None}


def test_mail_arrives_as_plain_text_and_nothing_else(notifier):
    box = Mailbox()
    with mail_server(box) as port:
        url = f"mailto://127.0.0.1:{port}?from=ks@example.org&to=lea@example.org&mode=insecure"
        assert send(notifier, url) == GOOD
    (mail,) = box.mails
    assert mail.get_content_type() == "text/plain"
    assert mail["Subject"] == "PAUSE 11:52 · É"
    assert mail["To"] == "lea@example.org"
    assert mail.get_content().splitlines()[:2] == ["Plus rien ne part.", "Léa : OK ?"]


def test_a_format_in_the_address_does_not_turn_a_notice_into_html(notifier):
    box = Mailbox()
    with mail_server(box) as port:
        url = f"mailto://127.0.0.1:{port}?from=a@b.org&to=c@d.org&mode=insecure&format=html"
        assert send(notifier, url, body="<b>x</b>") == GOOD
    assert [part.get_content_type() for part in box.mails[0].walk()] == ["text/plain"]


@pytest.mark.filterwarnings("ignore:Requiring AUTH while not requiring TLS")
def test_a_good_password_lets_in_and_a_wrong_one_is_a_failure_without_the_password(notifier):
    box = Mailbox()
    with mail_server(box, login=True) as port:
        tail = f"127.0.0.1:{port}?from=ks@example.org&to=lea@example.org&mode=insecure"
        assert send(notifier, f"mailto://lea:hunter2@{tail}") == GOOD
        answer = send(notifier, f"mailto://lea:wrongpass@{tail}")
    assert answer["accepted"] is False
    assert "wrongpass" not in answer["problem"]
    assert len(box.mails) == 1


@pytest.mark.parametrize("reply", ["550 no such user", "451 try later"])
def test_a_mail_server_that_refuses_is_a_failure(notifier, reply):
    with mail_server(Mailbox(reply)) as port:
        url = f"mailto://127.0.0.1:{port}?from=a@b.org&to=c@d.org&mode=insecure"
        assert send(notifier, url)["accepted"] is False


def test_a_dead_mail_server_is_a_failure(notifier):
    url = f"mailto://127.0.0.1:{a_port()}?from=a@b.org&to=c@d.org&mode=insecure"
    answer = send(notifier, url)
    assert answer["accepted"] is False
    assert answer["problem"]


def test_json_arrives_with_title_and_body(notifier):
    with http_server(Hook()) as hook:
        assert send(notifier, f"json://127.0.0.1:{hook.port}/alarm") == GOOD
        assert send(notifier, f"json://127.0.0.1:{hook.port}/alarm") == GOOD
    path, _, _ = hook.requests[0]
    assert path.rstrip("/") == "/alarm"
    assert hook.documents()[0]["title"] == "PAUSE 11:52 · É"
    assert hook.documents()[0]["message"].startswith("Plus rien ne part.\nLéa")


LONG = "\n".join(f"line {number}" for number in range(500))


def test_a_text_message_gets_the_beginning_of_a_long_notice(notifier):
    with http_server(Hook()) as hook:
        url = f"smseagle://token@127.0.0.1:{hook.port}/+33600000000"
        send(notifier, url, body=LONG)
    ((_, _, body),) = hook.requests
    assert "PAUSE 11:52" in json.dumps(json.loads(body), ensure_ascii=False)
    assert b"line 499" not in body


def test_a_chat_gets_a_long_notice_in_parts(notifier):
    with http_server(Hook()) as hook:
        url = f"mmost://127.0.0.1:{hook.port}/" + "a" * 24
        assert send(notifier, url, body=LONG) == GOOD
    assert len(hook.requests) > 1
    assert b"line 499" in hook.requests[-1][2]


@pytest.mark.parametrize("status", [400, 401, 403, 404, 429, 500, 503])
def test_an_http_refusal_is_a_failure(notifier, status):
    with http_server(Hook(status)) as hook:
        answer = send(notifier, f"json://lea:s3cretpw@127.0.0.1:{hook.port}/t0ken")
    assert answer["accepted"] is False
    assert "s3cretpw" not in answer["problem"]
    assert "t0ken" not in answer["problem"]


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_a_redirect_is_not_followed_with_the_secrets(notifier, status):
    with http_server(Hook()) as other:
        target = f"http://127.0.0.1:{other.port}/elsewhere"
        with http_server(Hook(status, location=target)) as hook:
            answer = send(notifier, f"json://lea:pw@127.0.0.1:{hook.port}/alarm")
    assert answer["accepted"] is False
    assert other.requests == []


def test_ntfy_names_no_picture_that_a_phone_would_fetch(notifier):
    with http_server(Hook()) as hook:
        assert send(notifier, f"ntfy://127.0.0.1:{hook.port}/topic", silent=True) == GOOD
    ((_, headers, body),) = hook.requests
    said = {name.lower(): value for name, value in headers.items()}
    assert not {"x-icon", "icon"} & set(said)
    assert b"http" not in body
    assert said.get("x-priority") == "min" or json.loads(body).get("priority") in {"min", 1}


@pytest.mark.parametrize(
    "url",
    [
        "xmpp://lea:pw@127.0.0.1?mode=none",
        "file:///etc/passwd",
        "exec://true",
        "syslog://",
        "json://127.0.0.1/?attach=/etc/passwd",
        "tgram://nonsense",
        "pover://x",
        "json://",
        "",
    ],
)
def test_an_address_that_is_not_allowed_or_not_readable_is_never_a_success(notifier, url):
    assert send(notifier, url)["accepted"] is False
    assert notifier.call({"do": "check", "url": url}, timeout_s=20)["accepted"] is False


def test_a_check_sends_nothing(notifier):
    with http_server(Hook()) as hook:
        url = f"json://127.0.0.1:{hook.port}/"
        assert notifier.call({"do": "check", "url": url}, timeout_s=20) == GOOD
    assert hook.requests == []


def test_a_scanner_that_opens_every_link_of_a_notice_reaches_no_address_that_acts(notifier):
    facts = {**FACTS, "reason": "see http://127.0.0.1/resume?yes=1"}
    from killswitch.notify.texts import render

    text = render(NoticeKind.PAUSED, facts, a_status(), language="en", zone="UTC")
    links = [word for word in text.body.split() if "://" in word]
    assert links == [one["url"] for one in FACTS["evidence"]]


# ---- the teller with real processes -------------------------------------------------------------


def children() -> Child:
    return Child("killswitch.notify.process", name="the notifier")


@contextlib.contextmanager
def a_teller(tmp_path: Path, *urls: str) -> Iterator[tuple[Teller, Any, FakeClock]]:
    store = a_store(tmp_path)
    clock = FakeClock(AT)
    teller = Teller(
        store,
        clock,
        children,
        policy=NotifyPolicy(lists=(urls,), language="fr", zone="Europe/Paris"),
        situation=a_status,
    )
    try:
        yield teller, store, clock
    finally:
        teller.close()
        store.close()


def test_a_pause_reaches_mail_and_webhook_while_a_third_address_is_dead(tmp_path):
    box = Mailbox()
    with mail_server(box) as port, http_server(Hook()) as hook:
        mail = f"mailto://127.0.0.1:{port}?from=ks@example.org&to=lea@example.org&mode=insecure"
        urls = (mail, f"json://127.0.0.1:{a_port()}/", f"json://127.0.0.1:{hook.port}/")
        with a_teller(tmp_path, *urls) as (teller, store, _):
            with store.write() as conn:
                add_notice(conn, kind=NoticeKind.PAUSED, ref="c1", facts=FACTS, now=AT)
            teller.round()
            teller._lanes.wait_all(20)
            failing = teller.failing()
    title = "PAUSE 11:52 · Attaque au couteau à Annecy (franceinfo, BFMTV)"
    assert [mail["Subject"] for mail in box.mails] == [title]
    assert [one["title"] for one in hook.documents()] == [title]
    assert [one["address"] for one in failing] == ["json://127.0.0.1/… (notify.urls[1])"]


def test_no_part_of_an_address_gets_into_the_store(tmp_path):
    url = f"json://lea:c4naryword@127.0.0.1:{a_port()}/c4narypath?+X-Key=c4narykey"
    with a_teller(tmp_path, url) as (teller, store, _):
        with store.write() as conn:
            add_notice(conn, kind=NoticeKind.FAILED, ref="d1", facts={}, now=AT)
        teller.round()
        teller._lanes.wait_all(20)
        assert teller.failing()
        assert "c4nary" not in str(teller.failing()) + repr(teller.policy)
    assert all(b"c4nary" not in file.read_bytes() for file in tmp_path.iterdir())


def test_a_silent_server_does_not_keep_the_others_waiting(tmp_path, monkeypatch):
    monkeypatch.setattr(teller_module, "SEND_TIMEOUT_S", 1.0)
    with silence() as dead, http_server(Hook()) as hook:
        slow = [f"json://127.0.0.1:{dead}/{number}" for number in range(3)]
        with a_teller(tmp_path, *slow, f"json://127.0.0.1:{hook.port}/") as (teller, store, _):
            with store.write() as conn:
                add_notice(conn, kind=NoticeKind.FAILED, ref="d1", facts={}, now=AT)
            teller.round()
            teller._lanes.wait_all(20)
            problems = {one["problem"] for one in teller.failing()}
    assert len(hook.requests) == 1
    assert problems == {"no answer within 1 s"}


def test_what_failed_arrives_later_and_once(tmp_path):
    with http_server(Hook(503, 200)) as hook:
        url = f"json://127.0.0.1:{hook.port}/"
        with a_teller(tmp_path, url) as (teller, store, clock):
            with store.write() as conn:
                add_notice(conn, kind=NoticeKind.FAILED, ref="d1", facts={}, now=AT)
            for _ in range(3):
                teller.round()
                teller._lanes.wait_all(20)
                clock.move(timedelta(seconds=5))
            with store.read() as conn:
                assert undone(conn) == []
    assert len(hook.requests) == 2


def test_notify_test_shows_each_address_masked(tmp_path):
    with http_server(Hook()) as hook, http_server(Hook(401)) as shut:
        urls = (f"json://127.0.0.1:{hook.port}/", f"json://u:s3cretpw@127.0.0.1:{shut.port}/x")
        with a_teller(tmp_path, *urls) as (teller, _, _):
            said = teller.test()
            assert teller.check() == []
    assert [one["accepted"] for one in said] == [True, False]
    assert "s3cretpw" not in str(said)
    assert hook.documents()[0]["title"].startswith("TEST 11:52")
