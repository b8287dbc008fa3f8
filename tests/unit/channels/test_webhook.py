"""Posts as signed requests to a real local server that answers as it likes."""

from __future__ import annotations

import hashlib
import hmac
import json
import socket
import struct
import threading
from ipaddress import ip_network

import pytest

from killswitch.channels.frame import Ending, Found, Request
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


def channel(url, door=DOOR):
    return WebhookChannel("hook", url, secret="s3cret", repeat_safe=False, door=door, clock=CLOCK)


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
        (415, Ending.FAILED), (422, Ending.FAILED), (429, Ending.WAITS), (500, Ending.UNCERTAIN),
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


def test_a_webhook_can_not_be_asked_and_says_its_limits():
    hook = channel("http://127.0.0.1:1/")
    assert hook.probe(a_request()).found is Found.UNKNOWN
    assert hook.check() is None
    assert hook.problems(Content("x" * MAX_TEXT)) == []
    assert hook.problems(Content("x" * (MAX_TEXT + 1)))
    assert hook.limits() == {"text": MAX_TEXT, "repeat_safe": False}
