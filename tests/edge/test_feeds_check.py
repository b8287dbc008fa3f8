"""``killswitch feeds check URL``: what is wrong with a bad feed, in words that say what to do."""

from __future__ import annotations

import gzip
import json
import ssl
from email.utils import format_datetime
from pathlib import Path

import certifi
import pytest

from killswitch.cli.main import main
from killswitch.clock import SystemClock
from tests.edge.raw_server import RawServer, redirect, reply
from tests.store.made import HOUR, MINUTE

PEMS = Path(__file__).parent / "tls"
MIB = 1024 * 1024
NOW = SystemClock().now()


def a_feed(*titles, at=NOW):
    items = "".join(
        f"<item><title>{title}</title><pubDate>{format_datetime(at - n * MINUTE)}</pubDate></item>"
        for n, title in enumerate(titles)
    )
    return f"<rss version='2.0'><channel><title>T</title>{items}</channel></rss>".encode()


@pytest.fixture
def check(tmp_path, capsys):
    """Ask for one address; only the loopback address that tests serve from is allowed."""
    config = tmp_path / "killswitch.toml"
    feeds = "".join(f'[[feeds]]\nname = "{n}"\nurl = "https://{n}.example/"\n' for n in "ab")
    config.write_text(
        f'state_dir = "{tmp_path / "state"}"\n[network]\nallow_private = ["127.0.0.1/32"]\n{feeds}'
    )

    def run(url, *words):
        code = main(["--config", str(config), "feeds", "check", url, *words])
        return code, capsys.readouterr().out

    return run


def served(check, answer, **more):
    with RawServer(lambda _: answer, **more) as server:
        code, text = check(server.url)
    return code, text.replace(server.url, "URL")


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (reply(200, b"<!doctype html><html><body>Log in</body></html>"),
         "a web page, not a feed: a login or consent page, or the address of the site itself"),
        (reply(200, b""), "the server sent nothing"),
        (reply(200, b"hello"), "the answer is neither RSS nor Atom"),
        (reply(200, b'{"version": "https://jsonfeed.org/version/1.1"}'),
         "a JSON document, which is not read: look for the RSS or Atom feed of the site"),
        (reply(200, b'<!DOCTYPE r [<!ENTITY a "b">]><rss/>'),
         "the document defines XML entities of its own, as bombs do; it was not parsed"),
        (reply(200, gzip.compress(bytes(40 * MIB)), Content_Encoding="gzip"),
         "the answer unpacks to more than 100 times its size, as bombs do"),
        (reply(200, b" " * 6 * MIB), "the answer is longer than 5 MiB, the most that is read"),
        (reply(200, b"x", Content_Encoding="br"),
         "the server packs its answer as 'br'; only gzip was offered"),
        (redirect("http://169.254.169.254/latest/"),
         "it redirects: 169.254.169.254 is no public address"),
        (redirect("http://localhost:22/"), "asks for port 22"),
        (redirect("/"), "redirects in a circle"),
        (reply(401), "the server answers 401 Unauthorized: it wants a login"),
        (reply(403), "the server answers 403 Forbidden: it keeps us out"),
        (reply(404), "the server answers 404 Not Found: there is no feed at this address"),
        (reply(410), "the server says that this feed is gone for good"),
        (reply(429, Retry_After="120"),
         "429 Too Many Requests: it is asked too often; it wants to be left alone for 2 min"),
        (reply(503), "the server answers 503 Service Unavailable: it has trouble of its own"),
        (reply(299), "the server answers 299, which is not the answer of a feed"),
        (b"", "the server closed the connection without an answer"),
        (b"SSH-2.0-OpenSSH\r\n\r\n", "the server does not speak HTTP"),
    ],
    ids=[
        *("html", "empty", "words", "json", "doctype", "gzip bomb", "long", "brotli", "private"),
        *("port", "circle", "401", "403", "404", "410", "429", "503", "299", "reset", "ssh"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said_plainly(check, answer, words):
    code, text = served(check, answer)
    assert code == 1
    assert text.startswith("NO FEED  URL: ")
    assert words in text
    assert text.count("URL") == 1
    assert len(text.splitlines()) == 1


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("expired", "its certificate can't be trusted: certificate has expired"),
        ("self", "its certificate can't be trusted: self-signed certificate"),
        ("other", "its certificate can't be trusted: IP address mismatch"),
    ],
)
def test_a_certificate_that_proves_nothing_is_named(check, monkeypatch, name, words):
    monkeypatch.setattr(certifi, "where", lambda: str(PEMS / "ca.pem"))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(PEMS / f"{name}.pem")
    code, text = served(check, reply(200, a_feed("a")), tls=context)
    assert code == 1
    assert words in text
    assert "_ssl.c" not in text


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("http://10.0.0.1/", "10.0.0.1 is no public address; network.allow_private can allow it"),
        ("http://nowhere.invalid/", "nowhere.invalid can't be resolved"),
        ("http://127.0.0.1:1025/", "127.0.0.1 port 1025: Connection refused"),
        ("news.example/rss", "begins neither with http:// nor with https://"),
    ],
)
def test_an_address_that_can_not_be_asked_is_explained(check, url, words):
    code, text = check(url)
    assert code == 1
    assert words in text
    assert "Errno" not in text


def test_a_good_feed_has_no_problem(check):
    code, text = served(check, reply(200, a_feed("Bridge closed")))
    assert code == 0
    assert "Problem" not in text
    assert "Bridge closed" in text


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (a_feed(), "the feed lists no entries: it shows no news, and will not count as seen"),
        (a_feed("a", at=NOW - 30 * HOUR),
         "nothing new for 1 d 6 h: such a feed counts as frozen, not as seen"),
        (a_feed("a", "b").removesuffix(b"</channel></rss>"),
         "not well-formed XML: no element found; what could be read was kept"),
    ],
    ids=["no entries", "frozen", "cut"],
)  # fmt: skip
def test_a_feed_that_can_be_read_but_is_no_sight_says_why(check, body, words):
    code, text = served(check, reply(200, body))
    assert code == 0
    assert words in text


def test_the_same_is_told_in_json(check):
    with RawServer(lambda _: reply(404)) as server:
        code, text = check(server.url, "--json")
    assert code == 1
    document = json.loads(text)
    assert document["ok"] is False
    assert "404 Not Found" in document["problem"]
