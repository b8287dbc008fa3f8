"""
Feeds that are made to exhaust whoever reads them, down the product's own road.

Memory is measured as the highest that this process, which stands for the daemon, ever held.
"""

from __future__ import annotations

import gzip
import os
from functools import partial
from pathlib import Path

import pytest

from killswitch.watch import fetch, parsers
from killswitch.watch.fetch import Failed, Fresh
from tests.edge.bombs import BULK, GIB, MIB, gzip_bomb, items, laughs, quadratic, zstd_bomb
from tests.edge.raw_server import RawServer, reply
from tests.edge.road import Road, growth_mib, outcome

GOOD = items(1)
HEADERS = b"HTTP/1.1 200 OK\r\nConnection: close\r\n"


@pytest.fixture(scope="module")
def road():
    with Road() as made:
        yield made


def grows_little(work, *, most_mib=32):
    results = []
    assert growth_mib(lambda: results.append(work())) <= most_mib
    return results[0]


@pytest.mark.parametrize(
    ("encoding", "make", "code"),
    [
        ("gzip", partial(gzip_bomb, GIB), "too_big"),
        ("gzip", lambda: gzip.compress(gzip_bomb(GIB)), "too_big"),
        ("zstd", partial(zstd_bomb, GIB), "bad_encoding"),
        ("br", partial(bytes, 809), "bad_encoding"),
        ("", partial(gzip_bomb, GIB), "no_feed"),
        ("", partial(zstd_bomb, GIB), "no_feed"),
    ],
    ids=["gzip", "gzip in gzip", "zstd", "brotli", "gzip untold", "zstd untold"],
)
def test_a_decompression_bomb_is_refused_within_32_mib(road, encoding, make, code):
    bomb = make()
    headers = {"Content_Encoding": encoding} if encoding else {}
    result = grows_little(partial(road.read, bomb, **headers))
    assert outcome(result) == code


def endless(piece):
    yield HEADERS + b"\r\n"
    for _ in range(100 * MIB // len(piece)):
        yield piece


def endless_chunks(piece):
    yield HEADERS + b"Transfer-Encoding: chunked\r\n\r\n"
    for _ in range(100 * MIB // len(piece)):
        yield b"%x\r\n%s\r\n" % (len(piece), piece)


@pytest.mark.parametrize("serve", [endless, endless_chunks])
def test_a_feed_of_100_mb_is_not_read_to_its_end(road, serve):
    result = grows_little(lambda: road.read_raw(serve(b"<item>" * 10_000)))
    assert outcome(result) == "too_big"


@pytest.mark.parametrize(
    "head",
    [b"X: " + b"a" * MIB, b"".join(b"X%d: a\r\n" % n for n in range(200_000)), b"\r\n" * MIB],
    ids=["long", "many", "lines"],
)
def test_headers_without_an_end_are_not_read_to_it(road, head):
    result = grows_little(lambda: road.read_raw(HEADERS + head + b"\r\n\r\n"), most_mib=8)
    assert isinstance(result, Failed)


ENCODINGS = ("utf-8", "utf-16", "utf-16-le", "utf-32", "utf-7", "cp037")


@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.parametrize("bomb", [laughs(), quadratic()], ids=["laughs", "quadratic"])
def test_entities_never_expand_in_whatever_encoding(road, encoding, bomb):
    body = bomb.decode().encode(encoding)
    charset = f"text/xml; charset={encoding}"
    result = grows_little(partial(road.read, body, Content_Type=charset))
    if isinstance(result, Fresh):
        assert not {"lollol", "xxxx"} & {result.feed.title[:6], result.feed.title[:4]}
    else:
        assert result.code in {"doctype", "no_feed"}


def test_nothing_that_a_feed_names_is_asked_for(road):
    with RawServer(lambda _: reply(200, b"<!ENTITY a 'x'>")) as canary:
        at = canary.url.encode()
        for body in (
            b"<!DOCTYPE rss SYSTEM '%sa.dtd'>" % at + GOOD,
            b"<!DOCTYPE rss PUBLIC '-//N//DTD RSS 0.91//EN' '%sa.dtd'>" % at + GOOD,
            b"<!DOCTYPE rss [<!ENTITY %% p SYSTEM '%sa'>%%p;]>" % at + GOOD,
            b"<!DOCTYPE rss [<!ENTITY a SYSTEM '%sa'>]>" % at + GOOD.replace(b">T<", b">&a;<"),
            b"<?xml-stylesheet href='%sa.xsl'?>" % at + GOOD,
            GOOD.replace(b"<item>", b"<xi:include xmlns:xi='http://www.w3.org/2001/XInclude'"
                         b" href='%sa'/><image><url>%sa</url></image><item>" % (at, at)),
            GOOD.replace(b"<guid>", b"<link>%sa</link><enclosure url='%sa'/><guid>" % (at, at)),
        ):  # fmt: skip
            road.read(body)
    assert canary.connections == 0


def paths(folder):
    """Twenty paths that reading would hang, leak or find something at."""
    os.mkfifo(folder / "fifo")
    (folder / "feed.xml").write_bytes(GOOD)
    (folder / "link").symlink_to(folder / "feed.xml")
    made = ("fifo", "feed.xml", "link")
    system = (
        *("/dev/zero", "/dev/random", "/dev/stdin", "/dev/tty", "/dev/null", "/dev/fd/0"),
        *("/proc/self/environ", "/proc/self/mem", "/proc/kmsg", "/etc/passwd", "/etc/hostname"),
        *("/", ".", "..", "killswitch.toml"),
    )
    return [*(str(folder / name) for name in made), f"file://{folder}/feed.xml", "-", *system]


def test_a_body_that_equals_a_path_is_no_feed(road, tmp_path):
    asked = paths(tmp_path)
    assert len(asked) == 20
    for path in asked:
        for body in (path, path + "\n"):
            assert outcome(road.read(body.encode())) == "no_feed", path


@pytest.fixture
def impatient(monkeypatch):
    """Shorter limits than the product has: what burns them whole would cost us minutes."""
    monkeypatch.setattr(parsers, "SOON_S", 0.3)
    monkeypatch.setattr(fetch, "parse_feed", partial(fetch.parse_feed, timeout_s=1.0))


@pytest.mark.parametrize("bulk", BULK.values(), ids=BULK)
@pytest.mark.usefixtures("impatient")
def test_bulk_ends_within_its_limit_and_the_next_feed_is_read(road, bulk):
    assert len(bulk) <= 5 * MIB
    result = grows_little(partial(road.read, bulk, name="bulk"), most_mib=64)
    assert outcome(result) in {"good", "degraded", "salvaged", "no_feed", "html", "parser"}
    assert outcome(road.read(GOOD, name="good")) == "good"


def test_the_parser_can_hold_no_more_than_512_mib(road):
    road.read(GOOD, name="good")
    limits = Path(f"/proc/{road.parser_pid}/limits").read_text(encoding="ascii")
    (line,) = [line for line in limits.splitlines() if line.startswith("Max address space")]
    assert line.split()[3:5] == [str(512 * MIB)] * 2
