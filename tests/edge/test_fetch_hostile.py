from __future__ import annotations

import gzip
from datetime import UTC, datetime
from ipaddress import ip_network

import pytest

from killswitch.net import Door, NetPolicy
from killswitch.watch.fetch import Failed, Fresh, Gone, NotModified, UnchangedBody, Validators, poll
from killswitch.watch.parse import parser
from tests.edge.raw_server import RawServer, redirect, reply

NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
ITEM = b"<item><title>Bridge closed</title><guid>1</guid></item>"
FEED = b"<rss version='2.0'><channel><title>T</title>" + ITEM + b"</channel></rss>"
MIB = 1024 * 1024


@pytest.fixture(scope="module")
def child():
    one = parser()
    yield one
    one.close()


@pytest.fixture
def ask(child):
    door = Door(NetPolicy((ip_network("127.0.0.0/8"),)), user_agent="t")

    def run(url, validators=None, *, deadline_s=10.0):
        with door.session() as session:
            return poll(
                session, url, validators or Validators(), child=child, now=NOW,
                deadline_s=deadline_s,
            )  # fmt: skip

    return run


def test_a_feed_is_fetched_parsed_and_then_not_modified(ask):
    def answer(request):
        if b'if-none-match: w/"1"' in request.lower():
            return reply(304)
        return reply(200, gzip.compress(FEED), Content_Encoding="gzip", ETag='W/"1"')

    with RawServer(answer) as server:
        first = ask(server.url)
        assert isinstance(first, Fresh)
        assert first.feed.items[0].title == "Bridge closed"
        assert ask(server.url, first.validators) == NotModified()


def test_a_server_that_ignores_validators_is_known_by_its_bytes(ask):
    with RawServer(lambda _: reply(200, FEED)) as server:
        first = ask(server.url)
        assert isinstance(ask(server.url, first.validators), UnchangedBody)


def test_a_feed_that_moved_says_where_to(ask):
    table = {b"/": redirect("/new", 301), b"/new": reply(200, FEED)}
    with RawServer(lambda request: table[request.split(b" ")[1]]) as server:
        assert ask(server.url).permanent_url == server.url + "new"


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        (reply(200, b""), "empty"),
        (reply(200, b"<html><body>Please log in</body></html>"), "html"),
        (reply(200, b"/etc/passwd"), "no_feed"),
        (reply(200, b'<!DOCTYPE r [<!ENTITY a "b">]><rss/>'), "doctype"),
        (reply(200, gzip.compress(bytes(40 * MIB)), Content_Encoding="gzip"), "too_big"),
        (reply(200, gzip.compress(gzip.compress(FEED)), Content_Encoding="gzip"), "no_feed"),
        (reply(200, b"x" * 809, Content_Encoding="br"), "bad_encoding"),
        (reply(200, b" " * 6 * MIB), "too_big"),
        (reply(503, Retry_After="30"), "http_503"),
        (reply(302, Location="http://127.1.1.1:22/"), "refused_url"),
        (reply(302, Location="http://169.254.169.254/latest/meta-data/"), "refused_address"),
        (b"", "reset"),
    ],
)
def test_a_hostile_or_sick_server_is_one_failure_with_a_code(ask, answer, code):
    with RawServer(lambda _: answer) as server:
        result = ask(server.url)
    assert isinstance(result, Failed)
    assert result.code == code


def test_gone_and_too_many_requests_are_understood(ask):
    with RawServer(lambda _: reply(410)) as server:
        assert isinstance(ask(server.url), Gone)
    with RawServer(lambda _: reply(429, Retry_After="120")) as server:
        assert ask(server.url).retry_after_s == 120.0


def test_a_dripping_feed_ends_at_its_deadline(ask):
    box: list[RawServer] = []

    def drip(_):
        yield b"HTTP/1.1 200 OK\r\n\r\n"
        while not box[0].stopped.wait(0.01):
            yield b"<"

    with RawServer(drip) as server:
        box.append(server)
        assert ask(server.url, deadline_s=0.4).code == "timeout"
