"""
The main job, whole: real daemon, real commands, real feeds and receivers on the loopback.

A post leaves; two outlets report; everything stops, through a hung daemon and a killed one, until
a human who has seen it all resumes; and then nothing leaves in a burst.
"""

from __future__ import annotations

import signal
from datetime import UTC, datetime, timedelta

import pytest

from tests.edge.house import House, Newsroom

FIRST = "Knife attack in Springfield leaves four people dead"
SECOND = "Four killed in Springfield knife attack, police say"


@pytest.mark.timeout(150)
@pytest.mark.parametrize("database", ["sqlite", "postgresql"])
def test_the_main_job(request, folder, newsroom_server, newsroom, database):
    url = request.getfixturevalue("postgres_url") if database == "postgresql" else ""
    with House(folder, newsroom_server, store=url.replace("+psycopg", "")) as house:
        house.state_is("running")
        _main_job(house, newsroom, hung=0 if database == "sqlite" else 6)


def _main_job(house: House, newsroom: Newsroom, *, hung: int) -> None:
    """Live through it; ``hung`` is what a pause of a hung daemon comes to."""
    house.add("Good morning", "now")
    house.until(lambda: newsroom.texts() == ["Good morning"])
    due = _two_outlets_report(house, newsroom)
    _a_hung_daemon_is_paused(house, hung)
    _a_killed_daemon_comes_back_paused(house)
    version = house.status()["version"]
    assert _refused(house, version - 1) == "stale"
    assert _refused(house, version) == "undecided"
    assert newsroom.texts() == ["Good morning"]
    _a_human_resumes(house, newsroom, due, version)
    assert house.run("audit", "verify")[0] == 0
    house.stop()


def _two_outlets_report(house: House, newsroom: Newsroom) -> str:
    """Pause by the news; return a post that comes due in the pause and stays."""
    due = house.add("Summer sale", "+8s")
    newsroom.publish("courier", FIRST)
    newsroom.publish("herald", SECOND)
    house.state_is("paused")
    code, status = house.run("status")
    assert code == 3
    (cause,) = status["causes"]
    assert cause["kind"] == "story"
    assert {entry["outlet"] for entry in cause["evidence"]} == {"courier", "herald"}
    house.until(lambda: house.status()["sealed"])
    house.until(lambda: house.status()["undecided"] == 1)
    assert house.status()["queue"]["held"] == 1
    return due


def _a_hung_daemon_is_paused(house: House, hung: int) -> None:
    house.signal(signal.SIGSTOP)
    code, pressed = house.run("pause", "and by hand")
    assert (pressed["accepted"], pressed["via"]) == (True, "flag")
    # Without its daemon a server can't be asked what is on the wire: accepted, not proven sealed.
    assert code == hung
    house.signal(signal.SIGCONT)
    house.until(lambda: len(house.status()["causes"]) == 2)


def _a_killed_daemon_comes_back_paused(house: House) -> None:
    house.kill()
    assert house.run("status")[0] == 4
    house.start()
    house.until(lambda: house.run("status")[0] == 3)
    house.state_is("paused")
    house.until(lambda: house.status()["sight"]["ok"])
    causes = house.status()["causes"]
    assert causes[0]["kind"] == "story"
    assert len(causes) == 2


def _refused(house: House, seen: int) -> str:
    code, document = house.resume(seen)
    assert code == 5, document
    return str(document["error"]["code"])


def _a_human_resumes(house: House, newsroom: Newsroom, due: str, version: int) -> None:
    """What was let out leaves, spaced; what nobody decided on stays."""
    soon = house.add("Also today", "+10s")
    house.until(lambda: house.state_of(soon) == "held")
    assert house.run("queue", "release", due)[0] == 0
    code, document = house.resume(version)
    assert code == 0, document
    pressed_at = datetime.now(UTC)
    assert len(document["closed"]) == 2
    house.until(lambda: "Summer sale" in newsroom.texts())
    assert datetime.now(UTC) - pressed_at >= timedelta(seconds=2)
    house.until(lambda: datetime.now(UTC) - pressed_at > timedelta(seconds=12))
    assert newsroom.texts() == ["Good morning", "Summer sale"]
    assert house.state_of(soon) == "held"
