"""The world around the demonstration: newsrooms, headlines, receivers, configuration."""

from __future__ import annotations

import http.client
import json
from datetime import UTC, datetime, timedelta

import pytest

from killswitch.clock import FakeClock
from killswitch.demo import config
from killswitch.demo.headlines import BREAKING, OUTLETS
from killswitch.demo.newsroom import Headline, Newsroom, render
from killswitch.demo.receivers import Pager, Shop, lines_of
from killswitch.demo.serving import LocalServer, Said
from killswitch.news.grade import Detector
from killswitch.news.item import Grade, Item
from killswitch.news.policy import DetectPolicy
from killswitch.settings import load
from killswitch.signing import HEADER, sign
from killswitch.watch.lexicons import load_lexicons
from killswitch.watch.parser_child import read

NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)


def ask(server, method="GET", path="/", body=b"", headers=None):
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=10)
    try:
        connection.request(method, path, body=body, headers=headers or {})
        answer = connection.getresponse()
        return answer.status, dict(answer.headers), answer.read()
    finally:
        connection.close()


@pytest.fixture
def clock():
    return FakeClock(NOW)


@pytest.fixture
def newsroom(clock):
    made = Newsroom(clock)
    yield made
    made.server.close()


@pytest.fixture
def shop(clock):
    arrivals = []
    made = Shop(clock, arrivals.append)
    yield made
    made.server.close()


@pytest.mark.parametrize("outlet", OUTLETS, ids=lambda outlet: outlet.slug)
def test_every_feed_is_read_back_whole_with_its_dates(outlet):
    entries = (Headline("Fish & chips à l'ancienne", NOW, 1), Headline("Older", NOW, 0))
    found = read(render(outlet, entries, base="http://127.0.0.1:1").encode(), "", "http://x/")
    assert [item["title"] for item in found["items"]] == ["Fish & chips à l'ancienne", "Older"]
    assert found["items"][0]["published"] == NOW.timestamp()
    assert found["items"][0]["url"] != found["items"][1]["url"]


def test_ordinary_headlines_alarm_nobody_and_the_breaking_ones_everybody():
    policy = DetectPolicy(countries=("fr",))
    detector = Detector(load_lexicons(), policy)

    def grade(title):
        return detector.grade(Item(id="i", title=title, outlet="o", first_seen=NOW)).grade

    ordinary = [title for outlet in OUTLETS for title in (*outlet.ordinary, outlet.later)]
    assert {title for title in ordinary if grade(title) is not Grade.NONE} == set()
    assert {grade(title) for _, title in BREAKING} == {Grade.TRIP}


def test_newsroom_says_unchanged_until_it_publishes(newsroom):
    status, headers, _ = ask(newsroom.server, path="/ledger.xml")
    again = {"If-None-Match": headers["ETag"]}
    assert status == 200
    assert ask(newsroom.server, path="/ledger.xml", headers=again)[0] == 304
    newsroom.report("ledger", "A headline")
    status, _, body = ask(newsroom.server, path="/ledger.xml", headers=again)
    assert (status, b"A headline" in body) == (200, True)


def test_newsroom_knows_only_its_feeds(newsroom):
    assert ask(newsroom.server, path="/nobody.xml")[0] == 404
    assert ask(newsroom.server, method="POST", path="/ledger.xml")[0] == 404


def test_server_that_went_away_comes_back_at_the_same_port():
    server = LocalServer(lambda _: Said(204))
    port = server.port
    server.close()
    with pytest.raises(ConnectionRefusedError):
        ask(server)
    server.open()
    assert (ask(server)[0], server.port) == (204, port)
    server.close()


def a_post(delivery="d1", text="Hello"):
    return json.dumps({"delivery": delivery, "channel": "shop", "text": text}).encode()


def test_shop_takes_what_is_signed_rightly(shop):
    body = a_post()
    headers = {HEADER: sign(shop.secret, body, now=NOW), "Idempotency-Key": "d1"}
    assert ask(shop.server, "POST", "/", body, headers)[0] == 201
    (one,) = shop.arrived()
    assert (one.delivery, one.text, one.at, one.signed) == ("d1", "Hello", NOW, True)


@pytest.mark.parametrize(
    ("secret", "key", "signed_at"),
    [
        ("another", "d1", NOW),
        (None, "d2", NOW),
        (None, "d1", NOW - timedelta(minutes=5)),
    ],
    ids=["wrong secret", "wrong key", "played again"],
)
def test_shop_notes_every_wrong_call(shop, secret, key, signed_at):
    body = a_post()
    signature = sign(secret or shop.secret, body, now=signed_at)
    headers = {HEADER: signature, "Idempotency-Key": key}
    assert ask(shop.server, "POST", "/", body, headers)[0] == 403
    assert [one.signed for one in shop.arrived()] == [False]


@pytest.mark.parametrize("body", [b"", b"[]", b"{}", b"\xff"])
def test_receivers_refuse_what_they_do_not_know(shop, clock, body):
    pager = Pager(clock)
    assert ask(shop.server, "POST", "/", body)[0] == 400
    assert ask(pager.server, "POST", "/", body)[0] == 400
    assert (shop.arrived(), pager.told()) == ([], [])
    pager.server.close()


def test_pager_keeps_notices_with_their_time(clock):
    pager = Pager(clock)
    body = json.dumps({"title": "PAUSED", "message": "why"}).encode()
    assert ask(pager.server, "POST", "/pager", body)[0] == 200
    (told,) = pager.told()
    assert (told.title, told.body, told.at) == ("PAUSED", "why", NOW)
    pager.server.close()


def test_file_of_a_channel_is_read_as_arrivals(tmp_path):
    assert lines_of(tmp_path / "none.jsonl") == []
    path = tmp_path / "journal.jsonl"
    line = {"delivery": "d1", "channel": "journal", "text": "Hi", "sent_at": "2026-03-02T09:00:00Z"}
    path.write_text(json.dumps(line) + "\n")
    (one,) = lines_of(path)
    assert (one.delivery, one.at) == ("d1", NOW)


def test_configuration_is_one_that_the_daemon_takes(tmp_path):
    where = config.Addresses(
        shop="http://127.0.0.1:1/posts",
        secret="s" * 32,
        pager="json://127.0.0.1:2/pager",
        feeds=[(outlet, f"http://127.0.0.1:3/{outlet.slug}.xml") for outlet in OUTLETS],
    )
    file = tmp_path / "killswitch.toml"
    file.write_text(config.toml(tmp_path / "state", where))
    settings = load(file, env={"HOME": str(tmp_path)})
    assert len(settings.feeds) == len(OUTLETS)
    assert settings.queue.release_gap == timedelta(seconds=config.RELEASE_GAP_S)
    assert settings.watch.blind_after == timedelta(seconds=config.BLIND_AFTER_S)
