from __future__ import annotations

import socket
import ssl
from concurrent.futures import ThreadPoolExecutor
from ipaddress import ip_network
from pathlib import Path

import certifi
import pytest

from killswitch.net import Door, FetchError, NetPolicy, NotSent
from tests.edge.raw_server import RawServer, redirect, reply

PEMS = Path(__file__).parent / "tls"


def server_context(name):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(PEMS / f"{name}.pem")
    return context


@pytest.fixture
def door(monkeypatch):
    """A door that trusts the test's own authority, and no other."""
    monkeypatch.setattr(certifi, "where", lambda: str(PEMS / "ca.pem"))
    return Door(NetPolicy((ip_network("127.0.0.0/8"),)), user_agent="t")


def test_a_trusted_server_is_read_by_many_threads_at_once(door):
    with (
        RawServer(lambda _: reply(200, b"ok"), tls=server_context("good")) as server,
        door.session() as session,
        ThreadPoolExecutor(16) as pool,
    ):
        pages = pool.map(lambda _: session.get(server.url, headers={}).body, range(64))
        assert set(pages) == {b"ok"}


@pytest.mark.parametrize("name", ["expired", "other", "self"])
def test_a_certificate_that_proves_nothing_is_refused(door, name):
    with RawServer(lambda _: reply(200, b"ok"), tls=server_context(name)) as server:
        with pytest.raises(FetchError) as fetch:
            door.get(server.url, headers={})
        with pytest.raises(NotSent) as sent:
            door.post(server.url, body=b"x", headers={}, deadline_s=5)
    assert (fetch.value.code, sent.value.code) == ("tls", "tls")
    assert server.requests == []


def test_an_authority_named_by_the_environment_is_not_trusted(monkeypatch):
    monkeypatch.setenv("SSL_CERT_FILE", str(PEMS / "ca.pem"))
    door = Door(NetPolicy((ip_network("127.0.0.0/8"),)), user_agent="t")
    with (
        RawServer(lambda _: reply(), tls=server_context("good")) as server,
        pytest.raises(FetchError) as caught,
    ):
        door.get(server.url, headers={})
    assert caught.value.code == "tls"


def test_old_tls_is_refused(door):
    context = server_context("good")
    context.minimum_version = ssl.TLSVersion.MINIMUM_SUPPORTED
    context.set_ciphers("ALL:@SECLEVEL=0")
    with pytest.warns(DeprecationWarning, match="TLSv1_1"):
        context.maximum_version = ssl.TLSVersion.TLSv1_1
    with (
        RawServer(lambda _: reply(), tls=context) as server,
        pytest.raises(FetchError) as caught,
    ):
        door.get(server.url, headers={})
    assert caught.value.code == "tls"


@pytest.mark.parametrize("words", [b"", b"\x16\x03\x03\x00\x40\x02", b"HTTP/1.1 200 OK\r\n\r\n"])
def test_a_broken_handshake_is_refused(door, words):
    with RawServer(lambda _: b"") as server:
        server._talk = lambda conn: (conn.recv(10), conn.sendall(words))
        with pytest.raises(FetchError) as caught:
            door.get(server.url.replace("http:", "https:"), headers={})
    assert caught.value.code == "tls"


def test_a_redirect_from_https_down_to_http_is_refused(door):
    with (
        RawServer(lambda _: reply(200, b"plain")) as plain,
        RawServer(lambda _: redirect(plain.url), tls=server_context("good")) as server,
        pytest.raises(FetchError) as caught,
    ):
        door.get(server.url, headers={})
    assert caught.value.code == "redirect"
    assert plain.connections == 0


def test_the_certificate_is_checked_for_the_name_not_for_the_address(door, monkeypatch):
    kind = (socket.AF_INET, socket.SOCK_STREAM, 6, "")
    monkeypatch.setattr(
        socket, "getaddrinfo", lambda host, port, **_: [(*kind, ("127.0.0.1", port))]
    )
    with RawServer(lambda _: reply(200, b"ok"), tls=server_context("other")) as server:
        good = f"https://elsewhere.example:{server.port}/"
        assert door.get(good, headers={}).body == b"ok"
        with pytest.raises(FetchError):
            door.get(good.replace("elsewhere", "somewhere"), headers={})
