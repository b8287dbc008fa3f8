"""Posts as signed requests to a real local server that answers as it likes."""

from __future__ import annotations

import hashlib
import hmac
import json
import socket
import struct
import threading
from datetime import timedelta
from email.utils import format_datetime
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import pytest

from killswitch.channels.frame import Ending, Found, Gone, Request
from killswitch.channels.webhook import MAX_TEXT, WebhookChannel
from killswitch.clock import SystemClock
from killswitch.net import Door, NetPolicy
from killswitch.queue.post import Content
from tests.edge.raw_server import RawServer, redirect, reply

CLOCK = SystemClock()
DOOR = Door(NetPolicy((ip_network("127.0.0.0/8"),)), user_agent="killswitch-test")
SOON = 0.5


def a_request():
    return Request("d1", "k1", "hook", Content("Vive l'été !", tags=("été",)), CLOCK.now())


def channel(url, door=DOOR, **more):
    more = {"secret": "s3cret", "repeat_safe": False, "door": door, "clock": CLOCK} | more
    return WebhookChannel("hook", url, **more)


def publish(answer):
    with RawServer(answer) as server:
        outcome = channel(server.url).publish(a_request(), deadline_s=SOON)
    return outcome, server


def test_the_receiver_can_prove_who_sent_what_and_when():
    _, server = publish(lambda _: reply(200))
    (request,) = server.requests
    head, _, body = request.partition(b"\r\n\r\n")
    headers = dict(line.split(b": ", 1) for line in head.lower().split(b"\r\n")[1:])
    assert headers[b"idempotency-key"] == b"d1"
    assert headers[b"content-type"] == b"application/json"
    said = dict(part.split(b"=", 1) for part in headers[b"killswitch-signature"].split(b","))
    signed = said[b"t"] + b"." + body
    assert said[b"v1"].decode() == hmac.new(b"s3cret", signed, hashlib.sha256).hexdigest()
    assert abs(int(said[b"t"]) - CLOCK.now().timestamp()) < 30
    assert json.loads(body)["text"] == "Vive l'été !"
    assert json.loads(body)["delivery"] == "d1"


@pytest.mark.parametrize(
    ("status", "body", "remote_id"),
    [
        (200, b'{"id": "r7"}', "r7"),
        (201, b'{"id": 7}', "7"),
        (202, b"", None),
        (200, b'{"id": true}', None),
        (200, b'{"id": null}', None),
        (200, b'["id"]', None),
        (200, b"<html>", None),
        (200, b'{"id": "r', None),
        (200, b"\xff\xfe", None),
        (200, b'{"id": ""}', None),
        (200, b'{"id": "\\u0000"}', None),
        (200, b'{"id": "\\ud800"}', None),
        (200, b'{"id": "two\\nlines"}', None),
        (200, b'{"id": "' + b"x" * 501 + b'"}', None),
        (200, b'{"id": ' + b"9" * 5000 + b"}", None),
        (200, b"[" * 100_000, None),
    ],
    ids=range(16),
)
def test_any_2xx_is_sent_with_its_id_where_it_says_one(status, body, remote_id):
    outcome, _ = publish(lambda _: reply(status, body))
    assert (outcome.ending, outcome.remote_id) == (Ending.SENT, remote_id)


def test_204_is_sent():
    outcome, _ = publish(lambda _: b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n")
    assert outcome.ending is Ending.SENT


def test_a_2xx_whose_body_breaks_off_is_sent_all_the_same():
    head = b"HTTP/1.1 201 Created\r\nContent-Length: 500\r\nConnection: close\r\n\r\n"
    outcome, _ = publish(lambda _: head + b'{"id": ')
    assert (outcome.ending, outcome.remote_id) == (Ending.SENT, None)


@pytest.mark.parametrize(
    ("status", "ending"),
    [
        (400, Ending.FAILED), (401, Ending.WAITS), (403, Ending.WAITS), (404, Ending.FAILED),
        (408, Ending.UNCERTAIN), (409, Ending.FAILED), (410, Ending.FAILED), (413, Ending.FAILED),
        (415, Ending.FAILED), (422, Ending.FAILED), (425, Ending.UNCERTAIN), (429, Ending.WAITS),
        (500, Ending.UNCERTAIN),
        (502, Ending.UNCERTAIN), (503, Ending.UNCERTAIN), (504, Ending.UNCERTAIN),
        (520, Ending.UNCERTAIN),
    ],
)  # fmt: skip
def test_every_refusal_is_concluded_as_the_table_says(status, ending):
    outcome, server = publish(lambda _: reply(status, b"<h1>why</h1>", Retry_After="90"))
    assert outcome.ending is ending
    assert f"HTTP {status}" in outcome.detail
    assert server.connections == 1
    assert (outcome.wait is not None) == (status == 429)


def test_an_error_page_is_told_in_one_line_that_any_store_takes():
    page = b"<html>\r\n<title>Bad\x00\x1b[31m Gateway</title>\n\xff\xe2\x80\xae</html>"
    outcome, _ = publish(lambda _: reply(502, page))
    assert outcome.ending is Ending.UNCERTAIN
    assert outcome.detail.isprintable()
    assert outcome.detail.startswith("HTTP 502: <html> <title>Bad [31m Gateway</title>")


def test_an_answer_without_an_end_is_sent_and_little_of_it_is_read():
    told = []

    def endless(_):
        yield b"HTTP/1.1 201 Created\r\nContent-Length: 1073741824\r\n\r\n"
        for _ in range(1024):
            told.append(1)
            yield b"x" * 1_048_576

    outcome, _ = publish(endless)
    assert (outcome.ending, outcome.remote_id) == (Ending.SENT, None)
    assert len(told) < 64


@pytest.mark.parametrize("status", [403, 409, 422])
def test_a_duplicate_is_a_question_rather_than_a_refusal(status):
    outcome, _ = publish(lambda _: reply(status, b'{"error": "Duplicate content"}'))
    assert outcome.ending is Ending.UNCERTAIN


@pytest.mark.parametrize(
    ("header", "most_s"),
    [
        ({"Retry_After": "90"}, 90),
        ({"Retry_After": format_datetime(CLOCK.now() + timedelta(days=2), usegmt=True)}, 3600),
        ({"Retry_After": "1000000000"}, 3600),
        ({"Retry_After": "-90"}, 60),
        ({}, 60),
    ],
)
def test_a_receiver_that_asks_for_time_gets_it_within_reason(header, most_s):
    outcome, _ = publish(lambda _: reply(429, **header))
    assert (outcome.ending, outcome.wait) == (Ending.WAITS, timedelta(seconds=most_s))


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_never_followed(status):
    with RawServer(lambda _: reply()) as other:
        outcome, server = publish(lambda _: redirect(other.url, status))
    assert outcome.ending is Ending.FAILED
    assert (server.connections, other.connections) == (1, 0)


def test_no_answer_in_time_is_uncertain():
    def silent(_):
        while not server.stopped.wait(0.05):
            yield b""

    with RawServer(silent) as server:
        outcome = channel(server.url).publish(a_request(), deadline_s=SOON)
    assert outcome.ending is Ending.UNCERTAIN


@pytest.mark.parametrize("said", [b"", b"HTTP/1.1 20", b"nonsense\r\n\r\n"])
def test_half_an_answer_is_uncertain(said):
    outcome, _ = publish(lambda _: said)
    assert outcome.ending is Ending.UNCERTAIN


def test_a_connection_that_is_reset_after_the_request_is_uncertain():
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def reset():
            conn, _ = listener.accept()
            conn.recv(65536)
            conn.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            conn.close()

        thread = threading.Thread(target=reset)
        thread.start()
        url = f"http://127.0.0.1:{listener.getsockname()[1]}/"
        outcome = channel(url).publish(a_request(), deadline_s=SOON)
        thread.join()
    assert outcome.ending is Ending.UNCERTAIN


def closed_port():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1:{port}/",
        "https://127.0.0.1:{port}/",
        "http://nowhere.invalid/",
        "http://10.0.0.1/",
        "http://169.254.169.254/latest",
        "ftp://127.0.0.1/",
    ],
)
def test_what_was_never_reached_is_unsent(url):
    outcome = channel(url.format(port=closed_port())).publish(a_request(), deadline_s=SOON)
    assert outcome.ending is Ending.UNSENT
    assert outcome.detail


def test_a_handshake_that_fails_is_unsent():
    with RawServer(lambda _: reply()) as server:
        url = server.url.replace("http:", "https:")
        outcome = channel(url).publish(a_request(), deadline_s=SOON)
    assert outcome.ending is Ending.UNSENT


# -- looking, and taking down ----------------------------------------------------------------------


def probe(answer, template="posts/{delivery}"):
    with RawServer(answer) as server:
        hook = channel(server.url, probe_url=server.url + template)
        assert hook.can_probe
        return hook.probe(a_request(), deadline_s=SOON), server


def delete(answer, template="posts/{remote_id}", remote_id="r7"):
    with RawServer(answer) as server:
        hook = channel(server.url, delete_url=server.url + template)
        return hook.delete(a_request(), remote_id=remote_id, deadline_s=SOON), server


def silent(_):
    while True:  # until the server stops
        yield b""
        threading.Event().wait(0.05)


@pytest.mark.parametrize(
    ("answer", "found", "remote_id"),
    [
        (reply(200, b'{"id": "r7", "text": "x"}'), Found.THERE, "r7"),
        (reply(200, b'{"id": 7}'), Found.THERE, "7"),
        (reply(404, b"<h1>not here</h1>"), Found.ABSENT, None),
        (reply(200, b"{}"), Found.UNKNOWN, None),
        (reply(200, b'{"id": null}'), Found.UNKNOWN, None),
        (reply(200, b"<html>Sign in</html>"), Found.UNKNOWN, None),
        (reply(200, b'{"id": "r'), Found.UNKNOWN, None),
        (reply(200, b"[" * 100_000), Found.UNKNOWN, None),
        (reply(201, b'{"id": "r7"}'), Found.UNKNOWN, None),
        (reply(204), Found.UNKNOWN, None),
        (reply(401), Found.UNKNOWN, None),
        (reply(410), Found.UNKNOWN, None),
        (reply(429), Found.UNKNOWN, None),
        (reply(500), Found.UNKNOWN, None),
        (reply(503, b"<h1>\x00</h1>"), Found.UNKNOWN, None),
        (b"", Found.UNKNOWN, None),
        (b"HTTP/1.1 40", Found.UNKNOWN, None),
    ],
    ids=range(17),
)
def test_a_look_believes_an_id_and_a_404_and_nothing_else(answer, found, remote_id):
    looked, _ = probe(lambda _: answer)
    assert (looked.found, looked.remote_id) == (found, remote_id)
    assert looked.detail.isprintable()


@pytest.mark.parametrize("ask", [probe, delete])
def test_no_answer_in_time_says_nothing(ask):
    answer, _ = ask(silent)
    assert answer.detail
    assert (getattr(answer, "found", None) or answer.gone) in {Found.UNKNOWN, Gone.UNKNOWN}


@pytest.mark.parametrize("ask", [probe, delete])
@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_neither_a_look_nor_a_deletion_follows_a_redirect(ask, status):
    with RawServer(lambda _: reply(200, b'{"id": "r7"}')) as other:
        answer, server = ask(lambda _: redirect(other.url, status))
    assert (server.connections, other.connections) == (1, 0)
    assert (getattr(answer, "found", None) or answer.gone) in {Found.UNKNOWN, Gone.REFUSED}


def signed(request, secret=b"s3cret"):
    """What a receiver learns from a request without a body: method and target, proven."""
    head, _, body = request.partition(b"\r\n\r\n")
    method, target, _ = head.split(b"\r\n")[0].split(b" ")
    headers = dict(line.split(b": ", 1) for line in head.lower().split(b"\r\n")[1:])
    said = dict(part.split(b"=", 1) for part in headers[b"killswitch-signature"].split(b","))
    text = said[b"t"] + b"." + method + b" " + target
    assert said[b"v1"].decode() == hmac.new(secret, text, hashlib.sha256).hexdigest()
    assert headers[b"idempotency-key"] == b"d1"
    assert body == b""
    return method.decode(), target.decode()


@pytest.mark.parametrize(
    ("template", "target"),
    [
        ("posts/{delivery}", "/posts/d1"),
        ("?of={delivery}", "/?of=d1"),
        ("a;b/(c)/%C3%A9@x/{delivery}?q=1&r=%20+$!*,'~", "/a;b/(c)/%C3%A9@x/d1?q=1&r=%20+$!*,'~"),
    ],
)
def test_the_receiver_can_prove_what_it_is_asked(template, target):
    _, server = probe(lambda _: reply(404), template)
    assert [signed(request) for request in server.requests] == [("GET", target)]
    _, server = delete(lambda _: reply(204), template)
    assert [signed(request) for request in server.requests] == [("DELETE", target)]


def test_the_receiver_of_the_documentation_believes_us_and_nobody_else():
    text = (Path(__file__).parents[3] / "docs" / "configuration.md").read_text(encoding="utf-8")
    scope: dict[str, Any] = {}
    exec(text.split("```python\n")[1].split("```")[0], scope)  # noqa: S102 - our own documentation
    _, posted = publish(lambda _: reply(200))
    _, asked = probe(lambda _: reply(404))
    for request in (*posted.requests, *asked.requests):
        head, _, body = request.partition(b"\r\n\r\n")
        method, target, _ = head.decode().split("\r\n")[0].split(" ")
        header = head.decode().partition("Killswitch-Signature: ")[2].split("\r\n")[0]
        is_ours = scope["is_ours"]
        assert is_ours(b"s3cret", method, target, body, header)
        assert not is_ours(b"other", method, target, body, header)
        assert not is_ours(b"s3cret", "DELETE", target, body[:-1], header)
        old = header.replace("t=1", "t=0", 1)
        assert not is_ours(b"s3cret", method, target, body, old)
        for nonsense in ("", "t", "t=x,v1=", "t=1", "v1=00", "t=1,v1=é", header.partition(",")[0]):
            assert not is_ours(b"s3cret", method, target, body, nonsense)


@pytest.mark.parametrize(
    ("remote_id", "target"),
    [
        ("r7", "/posts/r7"),
        ("../all?x#y", "/posts/..%2Fall%3Fx%23y"),
        ("é %41", "/posts/%C3%A9%20%2541"),
    ],
)
def test_an_id_of_the_receivers_own_leads_nowhere_else(remote_id, target):
    _, server = delete(lambda _: reply(204), remote_id=remote_id)
    assert [signed(request) for request in server.requests] == [("DELETE", target)]


@pytest.mark.parametrize("remote_id", [None, ".", ".."])
def test_without_a_usable_id_nothing_is_asked(remote_id):
    deletion, server = delete(lambda _: reply(204), remote_id=remote_id)
    assert (deletion.gone, server.connections) == (Gone.REFUSED, 0)
    deletion, server = delete(lambda _: reply(204), "posts/{delivery}", remote_id)
    assert (deletion.gone, server.paths()) == (Gone.DELETED, ["/posts/d1"])


@pytest.mark.parametrize(
    ("status", "gone"),
    [
        (200, Gone.DELETED), (202, Gone.DELETED), (204, Gone.DELETED), (404, Gone.ABSENT),
        (410, Gone.ABSENT), (400, Gone.REFUSED), (401, Gone.REFUSED), (403, Gone.REFUSED),
        (405, Gone.REFUSED), (409, Gone.REFUSED), (422, Gone.REFUSED), (408, Gone.UNKNOWN),
        (425, Gone.UNKNOWN), (429, Gone.UNKNOWN), (500, Gone.UNKNOWN), (502, Gone.UNKNOWN),
        (503, Gone.UNKNOWN), (504, Gone.UNKNOWN),
    ],
)  # fmt: skip
def test_every_answer_to_a_deletion_is_concluded(status, gone):
    deletion, server = delete(lambda _: reply(status, b"<h1>\nwhy</h1>", Retry_After="90"))
    assert deletion.gone is gone
    assert deletion.detail in {f"HTTP {status}: <h1> why</h1>", "HTTP 204"}
    assert (deletion.wait is not None) == (status == 429)
    assert server.connections == 1


def test_a_receiver_that_is_not_there_is_asked_again():
    url = f"http://127.0.0.1:{closed_port()}/{{delivery}}"
    hook = channel(url, probe_url=url, delete_url=url)
    assert hook.probe(a_request(), deadline_s=SOON).found is Found.UNKNOWN
    assert hook.delete(a_request(), remote_id=None, deadline_s=SOON).gone is Gone.UNKNOWN


def test_a_webhook_without_the_addresses_can_not_be_asked_and_says_its_limits():
    hook = channel("http://127.0.0.1:1/")
    assert not hook.can_probe
    assert hook.probe(a_request(), deadline_s=SOON).found is Found.UNKNOWN
    assert "no delete_url" in hook.why_not_delete("r7")
    assert hook.delete(a_request(), remote_id="r7", deadline_s=SOON).gone is Gone.REFUSED
    assert hook.check() is None
    assert hook.problems(Content("x" * MAX_TEXT)) == []
    assert hook.problems(Content("x" * (MAX_TEXT + 1)))
    assert hook.limits() == {
        "text": MAX_TEXT,
        "repeat_safe": False,
        "can_be_asked": False,
        "can_delete": False,
    }


def test_a_receiver_that_says_our_request_back_does_not_make_us_repeat_its_secrets():
    def echo(request):
        return reply(400, b"no: " + request.replace(b"\r\n", b" "))

    with RawServer(echo) as server:
        hook = channel(
            f"{server.url}hooks/t0kent0ken?key=t0kent0ken&of=K%C3%A9y-2", secret="s3cret-s3cret"
        )
        outcome = hook.publish(a_request(), deadline_s=SOON)
        probed = channel(
            server.url, probe_url=f"{server.url}t0kent0ken/{{delivery}}?key=t0kent0ken"
        ).probe(a_request(), deadline_s=SOON)
    assert outcome.detail.startswith("HTTP 400: no: POST /")
    assert "HTTP 400 no: GET /" in probed.detail
    assert "t0kent0ken" not in outcome.detail + probed.detail


def test_a_secret_in_an_answer_is_not_repeated():
    with RawServer(lambda _: reply(401, b"bad key s3cret-s3cret")) as server:
        outcome = channel(server.url, secret="s3cret-s3cret").publish(a_request(), deadline_s=SOON)
    assert outcome.detail == "HTTP 401: bad key …"


def test_the_words_of_a_receiver_are_kept_where_its_address_is_made_of_plain_ones():
    with RawServer(lambda _: reply(400, b"the hook is closed")) as server:
        outcome = channel(f"{server.url}hook?a=is").publish(a_request(), deadline_s=SOON)
    assert outcome.detail == "HTTP 400: the hook is closed"


@pytest.mark.parametrize(
    ("body", "address"),
    [
        (b'{"id": 7, "url": "https://net.example/7"}', "https://net.example/7"),
        (b'{"url": "javascript:alert(1)"}', None),
        (b'{"url": "https://net.example/\\u0007"}', None),
        (b'{"url": 7}', None),
        (b'{"url": "https://net.example/' + b"7" * 2000 + b'"}', None),
        (b'["url"]', None),
    ],
    ids=range(6),
)
def test_a_public_address_is_kept_where_the_receiver_names_one(body, address):
    outcome, _ = publish(lambda _: reply(200, body))
    assert (outcome.ending, outcome.remote_url) == (Ending.SENT, address)
