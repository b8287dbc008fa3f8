"""``feeds backtest``: what the daemon has seen, replayed under one configuration or two."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from killswitch.cli.main import main
from tests.edge.fake_desk import FakeDesk, a_home, a_status, serving

START = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
CONFIG = """
[[feeds]]
name = "Post"
url = "https://post.example.org/rss"
outlet = "Harbour Post"
[[feeds]]
name = "Radio"
url = "https://radio.example.org/rss"
outlet = "Coast Radio"
[[feeds]]
name = "Copies"
url = "https://copies.example.org/rss"
kind = "aggregator"
[[feeds]]
name = "GDACS"
url = "https://gdacs.example.org/rss"
kind = "alert"
"""
SHOOTING = "Gunman opens fire at Velden mall, six dead", "Six killed in shooting at Velden mall"
FERRY = "Ferry sinks off Scotland, 18 dead", "Scotland ferry sinking kills 18"
RED = {"gdacs:alertlevel": "Red", "gdacs:eventtype": "EQ", "gdacs:eventid": "7",
       "gdacs:country": "Italy"}  # fmt: skip


class Seeing(FakeDesk):
    """A desk that has seen headlines, two a page."""

    def __init__(self, *args):
        super().__init__(*args)
        self.brought = {}

    def bring(self, feed, minute, title, *, dismissed=False, alert=None):
        at = (START + timedelta(minutes=minute)).isoformat().replace("+00:00", "Z")
        rows = self.brought.setdefault(feed, [])
        rows.append(
            {
                "id": f"{feed}{len(rows)}", "title": title, "summary": "", "url": "", "lang": "en",
                "published": None, "seen": at, "dismissed": dismissed, "alert": alert,
            }
        )  # fmt: skip

    def seen(self, feed, *, since, after, limit):
        self.note("seen", feed=feed, since=since)
        rows = self.brought.get(feed, [])
        start = int(after or 0)
        page = rows[start : start + 2]
        return {"items": page, "next": str(start + 2) if start + 2 < len(rows) else None}


@pytest.fixture
def home():
    with a_home() as made:
        (made / "k.toml").write_text(CONFIG, encoding="utf-8")
        yield made


@pytest.fixture
def desk(home):
    made = Seeing(a_status(state_dir=str(home)))
    made.bring("Post", 0, SHOOTING[0])
    made.bring("Radio", 5, SHOOTING[1])
    made.bring("Post", 60, FERRY[0], dismissed=True)
    made.bring("Radio", 90, FERRY[1], dismissed=True)
    made.bring("Post", 99, "Velden opens its summer sale")
    return made


@pytest.fixture
def ks(desk, home, capsys, monkeypatch):
    """Run a command in this process: ``code, out, err``."""
    monkeypatch.setattr("killswitch.cli.paths.SYSTEM_CONFIG", Path("/nowhere"))
    monkeypatch.chdir(home)

    def run(*words):
        command = ("--state-dir", str(home), "--config", str(home / "k.toml"), "feeds", "backtest")
        code = main([*command, *words])
        told = capsys.readouterr()
        return code, told.out, told.err

    with serving(desk, home):
        yield run


def test_what_was_seen_is_replayed_and_what_was_dismissed_is_marked(ks, desk):
    code, out, _ = ks("--days", "3")
    assert code == 0
    assert "FALSE" in out
    assert "2 pauses in 1 day" in out
    assert "1 FALSE (dismissed by people)" in out
    since = desk.asked("seen")[0]["since"]
    assert timedelta(days=2) < datetime.now(UTC) - since < timedelta(days=4)


def test_all_pages_of_all_feeds_are_read_in_order_of_time(ks):
    document = json.loads(ks("--json")[1])
    assert document["items"] == 5
    assert [trip["at"] for trip in document["trips"]] == [
        "2026-03-02T09:05:00Z", "2026-03-02T10:30:00Z",
    ]  # fmt: skip
    assert [trip["dismissed"] for trip in document["trips"]] == [False, True]
    assert document["trips"][0]["outlets"] == ["Harbour Post", "Coast Radio"]


def test_the_other_configuration_decides_who_counts_together(ks, home):
    joined = CONFIG.replace('outlet = "', 'group = "One"\noutlet = "', 2)
    extra = '[[feeds]]\nname = "x"\nurl = "https://x.example.org/"\n'
    (home / "other.toml").write_text(joined + extra, encoding="utf-8")
    document = json.loads(ks("--json", "--compare", "other.toml")[1])
    assert (len(document["a"]["trips"]), len(document["b"]["trips"])) == (2, 0)


def test_a_feed_that_the_configuration_does_not_name_is_left_out(ks, home):
    fewer = CONFIG.replace('name = "Radio"', 'name = "Else"')
    (home / "other.toml").write_text(fewer, encoding="utf-8")
    code, out, err = ks("--compare", "other.toml")
    assert code == 0
    assert "names no feed Radio" in err
    assert "only A pauses for 2, only B for 0" in out


def test_aggregators_and_alerts_are_what_the_daemon_takes_them_for(ks, desk, home):
    desk.brought = {}
    desk.bring("Post", 0, SHOOTING[0])
    desk.bring("Copies", 5, SHOOTING[1])
    desk.bring("GDACS", 9, "Red earthquake alert in Italy", alert=RED)
    assert json.loads(ks("--json")[1])["trips"] == []
    text = CONFIG + '[detect]\ncountries = ["it"]\n'
    (home / "k.toml").write_text(text, encoding="utf-8")
    (trip,) = json.loads(ks("--json")[1])["trips"]
    assert trip["title"] == "Red earthquake alert in Italy"


def test_the_headlines_can_be_saved_and_replayed_from_the_file(ks, home, capsys):
    first = json.loads(ks("--json", "--save", "seen.jsonl")[1])
    assert main(["backtest", str(home / "seen.jsonl"), "--json"]) == 0
    again = json.loads(capsys.readouterr().out)
    assert [trip["items"] for trip in again["trips"]] == [trip["items"] for trip in first["trips"]]
    assert ks("--save", "seen.jsonl")[0] == 1


def test_nothing_seen_and_wrong_days_are_refused(ks, desk):
    assert ks("--days", "0")[0] == 2
    desk.brought = {}
    code, _, err = ks()
    assert code == 1
    assert "has seen no headline" in err
