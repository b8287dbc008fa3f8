from __future__ import annotations

import os
from pathlib import Path

import pytest

from killswitch.watch.parse import FeedError, parse_feed, parser

URL = "https://news.example/feed.xml"
GOOD = b"<rss version='2.0'><channel><title>T</title><item><title>a</title></item></channel></rss>"


@pytest.fixture(scope="module")
def child():
    one = parser()
    yield one
    one.close()


def parse(child, body, **more):
    return parse_feed(child, body, content_type="text/xml", url=URL, **more)


def code(child, body, **more):
    with pytest.raises(FeedError) as caught:
        parse(child, body, **more)
    return caught.value.code


def test_a_feed_is_read_in_another_process(child):
    assert [item.title for item in parse(child, GOOD).items] == ["a"]
    assert child.pid != os.getpid()


def test_the_parser_holds_no_descriptor_but_its_pipes(child):
    parse(child, GOOD)
    limits = Path(f"/proc/{child.pid}/limits").read_text(encoding="ascii")
    (line,) = [line for line in limits.splitlines() if line.startswith("Max open files")]
    assert line.split()[3:5] == ["3", "3"]
    assert len(list(Path(f"/proc/{child.pid}/fd").iterdir())) <= 4


def test_a_body_that_equals_a_path_is_no_feed(child, tmp_path):
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    secret = tmp_path / "feed.xml"
    secret.write_bytes(GOOD)
    for path in (fifo, secret, "/etc/passwd", "/dev/zero", "/dev/stdin", "/proc/self/environ"):
        assert code(child, str(path).encode()) == "no_feed"
    assert code(child, b"file://" + str(secret).encode()) == "no_feed"


LAUGHS = b'<!DOCTYPE l [<!ENTITY a "lol">' + b"".join(
    b'<!ENTITY %c "&%c;&%c;&%c;&%c;">' % (n + 1, n, n, n, n) for n in range(97, 120)
)


@pytest.mark.parametrize(
    "body",
    [
        LAUGHS + b"]><rss><channel><title>&x;</title></channel></rss>",
        b'<!DOCTYPE l [<!ENTITY a "' + b"x" * 99_999 + b'">]><rss>' + b"&a;" * 99_999 + b"</rss>",
        b'<!DOCTYPE l [<!ENTITY a SYSTEM "file:///etc/passwd">]><rss><title>&a;</title></rss>',
        b'<!DOCTYPE l [<!ENTITY % p SYSTEM "http://127.0.0.1:9/">%p;]><rss/>',
    ],
)
def test_entity_bombs_are_refused_before_parsing(child, body):
    assert code(child, body) == "doctype"


def test_entities_hidden_behind_a_long_comment_expand_to_nothing(child):
    hidden = b"<!--" + b"x" * 70_000 + b"-->" + LAUGHS
    body = hidden + b"]><rss version='2.0'><channel><title>&x;</title></channel></rss>"
    assert len(parse(child, body).title) < 100


@pytest.mark.parametrize(
    "body",
    [
        b"<rss version='2.0'><channel>" + b"<a>" * 200_000,
        b"<rss version='2.0'><channel><item><title>" + b"<b>" * 100_000,
        b"<rss version='2.0' " + b" ".join(b"a%d='1'" % n for n in range(100_000)) + b"/>",
        b"<rss version='2.0' " + b" ".join(b"xmlns:a%d='u%d'" % (n, n) for n in range(50_000)),
        b"<rss version='2.0'><channel><item><title>" + b"x" * 5_000_000,
        b"<item" * 900_000,
        b"<!DOCTYPE" * 500_000,
        b"<![CDATA[" * 500_000,
        b"&" * 5_000_000,
        b"<?xml version='1.0' encoding='punycode'?>" + b"a-b" * 100_000,
    ],
)
def test_hostile_bulk_ends_and_the_next_feed_is_read(child, body):
    try:
        parse(child, body, timeout_s=1.5)
    except FeedError as error:
        assert error.code in {"parser", "no_feed", "html", "doctype"}  # noqa: PT017 - either is right
    assert parse(child, GOOD).items[0].title == "a"


def test_fifty_thousand_items_are_read_up_to_the_limit(child):
    item = b"<item><title>Bridge closed</title><guid>%d</guid></item>"
    items = b"".join(item % n for n in range(50_000))
    feed = parse(child, GOOD.replace(b"<item><title>a</title></item>", items))
    assert len(feed.items) == 1000
    assert not feed.degraded
