from __future__ import annotations

import gzip
import os
import socket
from concurrent.futures import ThreadPoolExecutor
from ipaddress import ip_network

import pytest

from killswitch.net import Door, FetchError, NetPolicy
from tests.edge.raw_server import RawServer, redirect, reply

LOCAL = NetPolicy((ip_network("127.0.0.0/8"), ip_network("::1/128")))
SOON = 0.4


@pytest.fixture
def door():
    return Door(LOCAL, user_agent="killswitch-test")


@pytest.fixture
def strict_door():
    return Door(NetPolicy(), user_agent="killswitch-test")


def refusal(door, url, **more):
    with pytest.raises(FetchError) as caught:
        door.get(url, headers={}, **more)
    return caught.value.code


def by_path(table):
    return lambda request: table[request.split(b" ")[1].decode()]


def test_a_page_comes_with_its_status_headers_and_inflated_body(door):
    packed = reply(200, gzip.compress(b"<rss/>"), Content_Encoding="gzip", ETag='"1"')
    with RawServer(lambda _: packed) as server:
        page = door.get(server.url, headers={"If-None-Match": '"0"'})
    assert (page.status, page.body, page.headers["etag"]) == (200, b"<rss/>", '"1"')
    asked = server.requests[0].lower()
    assert b"accept-encoding: gzip, identity\r\n" in asked
    assert b'if-none-match: "0"\r\n' in asked
    assert b"user-agent: killswitch-test\r\n" in asked


@pytest.mark.parametrize("status", [304, 404, 410, 500, 503])
def test_the_body_of_a_refusal_is_not_read(door, status):
    with RawServer(lambda _: reply(status, b"" if status == 304 else b"x" * 9_000_000)) as server:
        assert door.get(server.url, headers={}).body == b""


def test_no_cookie_and_no_netrc_and_no_proxy_comes_from_outside(door, monkeypatch, tmp_path):
    (tmp_path / ".netrc").write_text("machine 127.0.0.1 login u password p\n")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:9")
    with RawServer(lambda _: reply(200, b"ok", Set_Cookie="a=1")) as server, door.session() as one:
        one.get(server.url, headers={})
        one.get(server.url, headers={})
    sent = b"".join(server.requests).lower()
    assert b"cookie" not in sent
    assert b"authorization" not in sent


@pytest.mark.parametrize(
    "kind", ["silent", "dripping headers", "dripping body", "stalls", "endless 1xx"]
)
def test_a_slow_server_ends_at_the_deadline(door, kind):
    box: list[RawServer] = []

    def answer(_):
        server = box[0]
        if kind == "silent":
            server.stopped.wait(20)
        elif kind == "stalls":
            yield b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n<rss"
            server.stopped.wait(20)
        elif kind == "endless 1xx":
            while not server.stopped.wait(0.01):
                yield b"HTTP/1.1 100 Continue\r\n\r\n"
        else:
            yield b"HTTP/1.1 200 OK\r\n" + (b"\r\n" if kind == "dripping body" else b"")
            while not server.stopped.wait(0.01):
                yield b"a"

    with RawServer(answer) as server:
        box.append(server)
        assert refusal(door, server.url, deadline_s=SOON) == "timeout"


def test_a_server_that_accepts_and_never_shakes_hands_ends_at_the_deadline(door):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        assert refusal(door, f"https://127.0.0.1:{port}/", deadline_s=SOON) == "timeout"


def test_a_deadline_that_is_over_asks_nobody(door):
    with RawServer(lambda _: reply()) as server:
        assert refusal(door, server.url, deadline_s=0.0) == "timeout"
    assert server.requests == []


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        (reply(200, b"", Content_Encoding="br"), "bad_encoding"),
        (reply(200, b"x" * 809, Content_Encoding="br"), "bad_encoding"),
        (reply(200, b"x" * 809, Content_Encoding="zstd"), "bad_encoding"),
        (reply(200, b"no gzip", Content_Encoding="gzip"), "bad_encoding"),
        (reply(200, gzip.compress(bytes(20_000_000)), Content_Encoding="gzip"), "too_big"),
        (reply(200, gzip.compress(gzip.compress(bytes(999))), Content_Encoding="gzip,gzip"),
         "bad_encoding"),
        (reply(200, b"<a/>" * 2_000_000), "too_big"),
        (reply(200, os.urandom(2_200_000), Content_Encoding="gzip"), "bad_encoding"),
        (b"", "reset"),
        (b"SSH-2.0-OpenSSH\r\n", "reset"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n<rss", "reset"),
        (b"HTTP/1.1 200 OK\r\nX: " + b"a" * 200_000 + b"\r\n\r\n", "reset"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", "reset"),
    ],
)  # fmt: skip
def test_a_hostile_answer_is_one_error_with_a_code(door, answer, code):
    with RawServer(lambda _: answer) as server:
        assert refusal(door, server.url) == code


def test_a_reset_is_tried_once_more_and_only_once(door):
    answers = [b"", reply(200, b"ok")]
    with RawServer(lambda _: answers.pop(0)) as server:
        assert door.get(server.url, headers={}).body == b"ok"
    with RawServer(lambda _: b"") as server:
        assert refusal(door, server.url) == "reset"
    assert server.connections == 2


def test_permanent_moves_are_reported_up_to_the_first_temporary_one(door):
    table = {
        "/a": redirect("/b", 301),
        "/b": redirect("/c", 308),
        "/c": redirect("/d", 302),
        "/d": redirect("/e", 301),
        "/e": reply(200, b"ok"),
    }
    with RawServer(by_path(table)) as server:
        page = door.get(server.url + "a", headers={})
        assert (page.url, page.permanent_url) == (server.url + "e", server.url + "c")
        assert door.get(server.url + "c", headers={}).permanent_url is None


def test_redirects_end_in_a_circle_or_after_five(door):
    with RawServer(by_path({"/": redirect("/a"), "/a": redirect("/")})) as server:
        assert refusal(door, server.url) == "redirect"
    hops = {f"/{n}": redirect(f"/{n + 1}") for n in range(9)}
    with RawServer(by_path(hops)) as server:
        assert refusal(door, server.url + "0") == "redirect"
        assert server.paths() == [f"/{n}" for n in range(6)]


def test_a_redirect_without_a_target_is_given_back_as_it_is(door):
    with RawServer(lambda _: reply(302)) as server:
        assert door.get(server.url, headers={}).status == 302


def test_a_key_does_not_follow_a_redirect_to_another_origin(door):
    with (
        RawServer(lambda _: reply(200)) as other,
        RawServer(lambda _: redirect(other.url)) as server,
    ):
        door.get(server.url, headers={"X-Api-Key": "secret", "If-None-Match": '"1"'})
    assert b"secret" in server.requests[0]
    assert b"secret" not in other.requests[0]
    assert b'if-none-match: "1"' in other.requests[0].lower()


SPELLINGS = [
    # this machine
    *("127.0.0.1", "127.1", "127.0.1", "2130706433", "0x7f000001", "0X7F000001", "0x7f.1"),
    *("0177.0.0.1", "00000177.0.0.1", "0x7f.0x0.0x0.0x1", "017700000001", "127.0.0.1."),
    *("127.255.255.254", "0", "0.0.0.0", "00.00.00.00", "localhost", "LOCALHOST", "localhost."),  # noqa: S104 - asked for, not bound
    *("%31%32%37.0.0.1", "127.0.0.1%00", "127%2e0%2e0%2e1", "\uff11\uff12\uff17.0.0.1"),
    *("\u2460\u2461\u2466.0.0.1", "127\u30020\u30020\u30021", "loc\u00adalhost", "\u2139ocalhost"),
    *("user@127.0.0.1", "user:pw@127.0.0.1", "news.example@127.0.0.1", "127.0.0.1#@news.example"),
    *("127.0.0.1\\@news.example", "news.example\\@127.0.0.1"),
    # this machine, in IPv6
    *("[::1]", "[::]", "[0:0:0:0:0:0:0:1]", "[::1%25lo]", "[::ffff:127.0.0.1]", "[::ffff:7f00:1]"),
    *("[0:0:0:0:0:ffff:7f00:1]", "[::7f00:1]", "[::127.0.0.1]", "[::ffff:0:127.0.0.1]"),
    *("[64:ff9b::7f00:1]", "[64:ff9b:1::7f00:1]", "[2002:7f00:1::]", "[2001::1]"),
    # the network around it
    *("10.0.0.1", "10.1", "192.168.0.1", "0xc0a80001", "172.31.255.255", "100.64.0.1"),
    *(
        "[fd00::1]",
        "[fe80::1]",
        "[fe80::1%25eth0]",
        "[fec0::1]",
        "[::ffff:10.0.0.1]",
        "[2002:a00:1::]",
    ),
    # what clouds tell their machines
    *("169.254.169.254", "2852039166", "0xa9fea9fe", "0251.0376.0251.0376", "169.254.43518"),
    *("[::ffff:a9fe:a9fe]", "[fd00:ec2::254]", "metadata.invalid"),
    # nobody, everybody
    *(
        "224.0.0.1",
        "255.255.255.255",
        "240.0.0.1",
        "198.18.0.1",
        "192.0.2.1",
        "192.88.99.1",
        "[ff02::1]",
    ),
    "xn--" + "a" * 70,
]


def test_there_are_more_than_sixty_spellings():
    assert len(set(SPELLINGS)) >= 60


@pytest.mark.parametrize("host", SPELLINGS)
def test_no_spelling_of_a_private_address_is_connected_to(strict_door, host):
    with RawServer(lambda _: reply(200, b"inside")) as canary:
        code = refusal(strict_door, f"http://{host}:{canary.port}/", deadline_s=3)
    assert code in {"refused_address", "refused_url", "dns"}
    assert canary.connections == 0


def names(monkeypatch, table):
    """Let the name server give, for each name, one list of addresses after the other."""
    asked = []

    def getaddrinfo(host, port, **_):
        asked.append(host)
        answers = table[host]
        found = answers.pop(0) if len(answers) > 1 else answers[0]
        kind = (socket.AF_INET, socket.SOCK_STREAM, 6, "")
        return [(*kind, (address, port)) for address in found]

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    return asked


@pytest.mark.parametrize("host", SPELLINGS)
def test_a_redirect_to_a_private_address_is_refused(host):
    door = Door(NetPolicy((ip_network("127.0.0.2/32"),)), user_agent="t")
    with RawServer(lambda _: reply(200, b"inside")) as canary:
        answer = redirect("X").replace(b": X", f": http://{host}:{canary.port}/".encode())
        with RawServer(lambda _: answer, host="127.0.0.2") as server:
            code = refusal(door, server.url, deadline_s=3)
    assert code in {"refused_address", "refused_url", "dns", "redirect"}
    assert len(server.requests) == 1
    assert canary.connections == 0


@pytest.mark.parametrize(
    "target",
    [
        "//127.0.0.1:{port}/", "///127.0.0.1:{port}/", "/\\\\127.0.0.1:{port}/",
        "\\\\127.0.0.1:{port}/",
        "http:127.0.0.1:{port}/", "http:/127.0.0.1:{port}/", "http:\\\\127.0.0.1:{port}/",
        "HTTP://127.0.0.1:{port}/", " http://127.0.0.1:{port}/", "\thttp://127.0.0.1:{port}/",
        "gopher://127.0.0.1:{port}/", "file://127.0.0.1:{port}/etc/passwd", "ftp://127.0.0.1:{port}/",
        "dict://127.0.0.1:{port}/", "javascript:http://127.0.0.1:{port}/", "data:,http://127.0.0.1/",
        "http://127.0.0.1:{port}\\@127.0.0.2/", "http://127.0.0.2:80@127.0.0.1:{port}/",
        "unix:/run/docker.sock", "http://127.0.0.1:{port}", "?//127.0.0.1:{port}", "http://", "http://[",
    ],
)  # fmt: skip
def test_no_writing_of_a_redirect_leads_inside(target):
    door = Door(NetPolicy((ip_network("127.0.0.2/32"),)), user_agent="t")
    with RawServer(lambda _: reply(200, b"inside")) as canary:
        answer = redirect(target.replace("{port}", str(canary.port)))
        with (
            RawServer(lambda _: answer, host="127.0.0.2") as server,
            pytest.raises(FetchError),
        ):
            door.get(server.url, headers={}, deadline_s=3)
    assert canary.connections == 0


def test_one_private_address_among_public_ones_refuses_the_name(strict_door, monkeypatch):
    names(monkeypatch, {"news.example": [["93.184.215.14", "127.0.0.1"]]})
    with RawServer(lambda _: reply()) as canary:
        assert refusal(strict_door, f"http://news.example:{canary.port}/") == "refused_address"
    assert canary.connections == 0


def test_a_name_is_resolved_once_and_the_checked_address_is_the_one_connected_to(monkeypatch):
    door = Door(NetPolicy((ip_network("127.0.0.1/32"),)), user_agent="t")
    asked = names(monkeypatch, {"rebind.example": [["127.0.0.1"], ["10.0.0.1"]]})
    with RawServer(lambda _: reply(200, b"ok")) as server:
        url = f"http://rebind.example:{server.port}/"
        assert door.get(url, headers={}).body == b"ok"
        assert asked == ["rebind.example"]
        assert refusal(door, url) == "refused_address"
    assert f"host: rebind.example:{server.port}".encode() in server.requests[0].lower()


def test_the_next_address_is_tried_when_the_first_refuses(monkeypatch, door):
    names(monkeypatch, {"two.example": [["127.0.0.9", "127.0.0.1"]]})
    with RawServer(lambda _: reply(200, b"ok")) as server:
        assert door.get(f"http://two.example:{server.port}/", headers={}).body == b"ok"


@pytest.mark.parametrize("addresses", [[], ["127.0.0.9"] * 1000])
def test_no_address_and_a_thousand_dead_ones_both_end(monkeypatch, door, addresses):
    names(monkeypatch, {"odd.example": [addresses]})
    assert refusal(door, "http://odd.example:8080/") == "connect"


def hang(server):
    server.stopped.wait(20)
    return []


def test_a_name_server_that_hangs_ends_at_the_deadline(door, monkeypatch):
    with RawServer(lambda _: b"") as clockwork:
        monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: hang(clockwork))
        assert refusal(door, "http://slow.example/", deadline_s=SOON) == "dns"


def test_hanging_look_ups_are_bounded(door, monkeypatch):
    with RawServer(lambda _: b"") as clockwork, ThreadPoolExecutor(20) as pool:
        monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: hang(clockwork))
        ask = [pool.submit(refusal, door, "http://a.example/", deadline_s=SOON) for _ in range(20)]
        assert {one.result() for one in ask} == {"dns"}
        with pytest.raises(FetchError, match="look-ups hang"):
            door.get("http://b.example/", headers={}, deadline_s=SOON)


@pytest.mark.parametrize("host", ["a" * 300, "nowhere.invalid", "xn--" + "a" * 70 + ".example"])
def test_a_name_that_can_not_be_is_an_error_with_a_code(door, host):
    assert refusal(door, f"http://{host}/", deadline_s=6) in {"dns", "refused_url"}


def test_a_session_serves_many_threads_at_once(door):
    with (
        RawServer(lambda request: reply(200, request.split(b" ")[1])) as server,
        door.session() as session,
        ThreadPoolExecutor(32) as pool,
    ):
        urls = [f"{server.url}{n}" for n in range(200)]
        bodies = list(pool.map(lambda url: session.get(url, headers={}).body, urls))
    assert bodies == [f"/{n}".encode() for n in range(200)]
