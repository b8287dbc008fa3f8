from __future__ import annotations

import gzip
import socket
import struct
from ipaddress import ip_network

import pytest

from killswitch.errors import OutcomeUncertain
from killswitch.net import Door, NetPolicy, NotSent
from tests.edge.raw_server import RawServer, redirect, reply

SOON = 0.4


@pytest.fixture
def door():
    return Door(NetPolicy((ip_network("127.0.0.0/8"),)), user_agent="killswitch-test")


def post(door, url, **more):
    return door.post(url, body=b'{"text": "hi"}', headers=more, deadline_s=SOON)


def test_a_post_goes_out_once_as_it_was_written(door):
    with RawServer(lambda _: reply(201, b'{"id": "7"}')) as server:
        answer = post(door, server.url, Idempotency_Key="k")
    assert (answer.status, answer.body, answer.complete) == (201, b'{"id": "7"}', True)
    (request,) = server.requests
    assert request.startswith(b"POST / HTTP/1.1\r\n")
    assert request.endswith(b'\r\n\r\n{"text": "hi"}')
    assert b"connection: close\r\n" in request.lower()


def test_a_long_body_arrives_whole(door):
    text = b"".join(b"%09d\n" % line for line in range(5_000))
    with RawServer(lambda request: reply()) as server:
        door.post(server.url, body=text, headers={}, deadline_s=SOON)
        assert server.requests[0].endswith(b"\r\n\r\n" + text)


def test_every_post_has_a_connection_of_its_own(door):
    with RawServer(lambda _: reply(200)) as server:
        post(door, server.url)
        post(door, server.url)
    assert server.connections == 2


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize("elsewhere", ["", "http://xn--aaaaaaaaaaaa/", "http://[", "\x80\xff"])
def test_no_redirect_is_followed_wherever_it_leads(door, status, elsewhere):
    with (
        RawServer(lambda _: reply()) as other,
        RawServer(lambda _: redirect(elsewhere or other.url, status)) as server,
    ):
        assert post(door, server.url).status == status
    assert other.connections == 0


@pytest.mark.parametrize("status", [400, 401, 403, 409, 422, 429, 500, 503])
def test_every_status_is_an_answer_with_its_headers_and_body(door, status):
    with RawServer(lambda _: reply(status, b"why", Retry_After="7")) as server:
        answer = post(door, server.url)
    assert (answer.status, answer.headers["retry-after"], answer.body) == (status, "7", b"why")


@pytest.mark.parametrize(
    ("url", "code"),
    [
        ("http://nowhere.invalid/", "dns"),
        ("http://10.0.0.1/", "refused_address"),
        ("http://169.254.169.254/latest/", "refused_address"),
        ("ftp://h/", "refused_url"),
        ("http://user:pw@127.0.0.1/", "refused_url"),
    ],
)
def test_what_never_connects_is_proven_unsent(door, url, code):
    with pytest.raises(NotSent) as caught:
        door.post(url, body=b"x", headers={}, deadline_s=6)
    assert caught.value.code == code


def test_a_closed_port_is_proven_unsent(door):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with pytest.raises(NotSent) as caught:
        post(door, f"http://127.0.0.1:{port}/")
    assert caught.value.code == "connect"


@pytest.mark.parametrize("words", [b"", b"HTTP/1.1 400 Bad Request\r\n\r\n"])
def test_a_failed_handshake_is_proven_unsent(door, words):
    with RawServer(lambda _: words) as server, pytest.raises(NotSent) as caught:
        post(door, server.url.replace("http:", "https:"))  # it speaks no TLS
    assert caught.value.code in {"tls", "timeout"}


def test_a_deadline_that_is_over_is_proven_unsent(door):
    with RawServer(lambda _: reply()) as server, pytest.raises(NotSent):
        door.post(server.url, body=b"x", headers={}, deadline_s=0)
    assert server.requests == []


@pytest.mark.parametrize("header", ["a\r\nb: c", "é"])
def test_a_request_that_can_not_be_written_down_is_proven_unsent(door, header):
    with RawServer(lambda _: reply()) as server, pytest.raises(NotSent):
        post(door, server.url, X=header)
    assert server.requests == []


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        (b"", "reset"),
        (b"HTTP/1.1 200", "reset"),
        (b"nonsense\r\n\r\n", "reset"),
        (b"HTTP/1.1 200 OK\r\nX: " + b"a" * 200_000, "reset"),
    ],
)
def test_a_request_without_a_readable_answer_is_uncertain(door, answer, code):
    with RawServer(lambda _: answer) as server, pytest.raises(OutcomeUncertain) as caught:
        post(door, server.url)
    assert caught.value.code == code
    assert len(server.requests) == 1


def test_a_request_that_nobody_answers_is_uncertain_at_the_deadline(door):
    box: list[RawServer] = []

    def silence(_):
        box[0].stopped.wait(20)
        return b""

    with RawServer(silence) as server:
        box.append(server)
        with pytest.raises(OutcomeUncertain) as caught:
            post(door, server.url)
    assert caught.value.code == "timeout"


def test_a_receiver_that_stops_reading_is_uncertain_at_the_deadline(door):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}/"
        with pytest.raises(OutcomeUncertain) as caught:
            door.post(url, body=bytes(30_000_000), headers={}, deadline_s=SOON)
    assert caught.value.code == "timeout"


def test_a_reset_after_the_request_is_uncertain(door):
    with RawServer(lambda _: b"") as server:
        server._talk = lambda conn: (
            conn.recv(10),
            conn.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0)),
        )
        with pytest.raises(OutcomeUncertain) as caught:
            post(door, server.url)
    assert caught.value.code == "reset"


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 201 Created\r\nContent-Length: 99\r\n\r\n{",
        b"HTTP/1.1 201 Created\r\n\r\n" + b"x" * 1_100_000,
        reply(201, b"x", Content_Encoding="br"),
        reply(201, b"x", Content_Encoding="gzip"),
        reply(201, gzip.compress(bytes(9_000_000)), Content_Encoding="gzip"),
    ],
)
def test_a_bad_body_does_not_hide_the_status(door, answer):
    with RawServer(lambda _: answer) as server:
        got = post(door, server.url)
    assert (got.status, got.complete) == (201, False)
    assert len(got.body) <= 1024 * 1024


def test_a_body_that_never_ends_does_not_hide_the_status(door):
    box: list[RawServer] = []

    def drip(_):
        yield b"HTTP/1.1 201 Created\r\n\r\n"
        while not box[0].stopped.wait(0.01):
            yield b"x"

    with RawServer(drip) as server:
        box.append(server)
        got = post(door, server.url)
    assert (got.status, got.complete) == (201, False)


def test_other_methods_keep_the_same_promises(door):
    with RawServer(lambda _: reply(204)) as server:
        answer = door.request("DELETE", server.url + "7", headers={}, deadline_s=SOON)
    assert answer.status == 204
    assert server.requests[0].startswith(b"DELETE /7 ")
    with pytest.raises(NotSent):
        door.request("GET", "http://nowhere.invalid/", headers={}, deadline_s=6)


def test_what_went_wrong_is_told_without_the_path_and_the_token_of_the_address(door):
    with RawServer(lambda _: b"") as server, pytest.raises(OutcomeUncertain) as lost:
        post(door, server.url + "hooks/t0ken?key=t0ken")
    assert f"POST {server.url}…: " in lost.value.message
    assert "t0ken" not in lost.value.message


def test_an_address_that_is_refused_is_told_without_its_password(door):
    with pytest.raises(NotSent) as refused:
        post(door, "http://lea:t0ken@shop.example.org/t0ken?key=t0ken")
    assert "http://shop.example.org/…" in refused.value.message
    assert "t0ken" not in refused.value.message
