"""The status document and the metrics: true in every state, and never silent."""

from __future__ import annotations

import re
import shutil
import sqlite3
import threading
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any, get_type_hints

import pytest
import sqlalchemy as sa

from killswitch.desk import in_time
from killswitch.desk.context import Refused
from killswitch.latch import CauseKind, InhibitKind
from killswitch.news.item import Grade
from killswitch.news.story import Story, StoryState
from killswitch.queue.states import DeliveryState
from killswitch.store import channel_state, facts, relay_runs
from killswitch.store.latch import NewCause
from killswitch.trip import trip
from killswitch.wire import QueueFilter, StatusDoc, z_time
from tests.contract.shapes import faults
from tests.daemon.bench import NONE, SENT
from tests.store.made import HOUR, put
from tests.unit.desk.house import LEA, NOW, House, a_story

S = DeliveryState
FIRST_PART = (
    "state", "mode", "sealed", "sealed_at", "version", "causes", "inhibits", "sight", "queue",
    "next_due", "lead_until", "flags", "state_dir",
)  # fmt: skip


def status(house: House) -> Any:
    document = house.desk.status()
    assert faults(document, StatusDoc) == []
    return document


def test_it_tells_every_field_of_the_contract(house: House) -> None:
    document = status(house)
    assert set(FIRST_PART) <= set(document)
    # ``start`` is for a daemon that is not there.
    assert set(document) == set(get_type_hints(StatusDoc)) - {"start"}
    assert (document["mode"], document["version"], document["state_dir"]) == (
        "live",
        1,
        str(house.root),
    )
    assert document["sight"] == {"ok": True, "age_s": None, "alive": 3, "feeds": 3}
    assert (document["language"], document["timezone"]) == ("en", "Europe/Paris")


@pytest.mark.parametrize(
    ("inhibits", "paused", "state"),
    [
        ((), False, "running"),
        (("sight",), False, "inhibited"),
        (("unconfirmed", "clock"), False, "inhibited"),
        (("sight", "starting"), False, "starting"),
        (("starting",), True, "paused"),
    ],
)
def test_paused_goes_before_starting_before_inhibited_before_running(
    small_house: House, inhibits: tuple[str, ...], state: str, *, paused: bool
) -> None:
    for kind in inhibits:
        small_house.inhibits.open(InhibitKind(kind), f"{kind} why", now=NOW)
    if paused:
        small_house.pause()
    document = status(small_house)
    assert (document["state"], document["sealed"]) == (state, False)
    assert [one["kind"] for one in document["inhibits"]] == list(inhibits)
    assert {one["since"] for one in document["inhibits"]} <= {"2026-03-02T09:00:00Z"}


@pytest.mark.parametrize("how", ["an entry", "no directory"])
def test_a_flag_stops_the_gate_and_the_status_says_so_at_once(small_house: House, how: str) -> None:
    if how == "an entry":
        small_house.flags.write("by touch", "k7", "lea")
    else:
        shutil.rmtree(small_house.flags.path)
    document = status(small_house)
    assert (document["state"], document["causes"]) == ("paused", [])
    flag = {"name": "k7", "key": "k7", "note": "by touch", "is_dir": False}
    flags = [flag] if how == "an entry" else []
    assert [{**one, "name": "k7"} for one in document["flags"]] == flags


def test_it_counts_what_stands_where(house: House) -> None:
    ids = [house.add(at=f"+{n}h") for n in range(1, 9)]
    house.set(approve=True)
    house.add(at="+20h")
    house.set(approve=False)
    house.do("hold", ids[0])
    put(house.store, ids[1], S.CLAIMED)
    put(house.store, ids[2], S.CLAIMED, S.SENDING)
    put(house.store, ids[3], S.CLAIMED, S.SENDING, S.UNCERTAIN)
    put(house.store, ids[4], S.CLAIMED, S.SENDING, S.SENT)
    document = status(house)
    assert document["queue"] == {
        "scheduled": 4,
        "held": 1,
        "sending": 1,
        "uncertain": 1,
        "failed": 0,
        "awaiting_approval": 1,
        "sent_24h": 0,
    }
    assert [one["id"] for one in document["uncertain"]] == [ids[3]]


def test_sent_counts_a_day(house: House) -> None:
    house.send(house.add(at="now"))
    assert status(house)["queue"]["sent_24h"] == 1
    house.move(hours=25)
    assert status(house)["queue"]["sent_24h"] == 0


def test_what_waits_for_its_turn_is_next(house: House) -> None:
    waiting = house.add(at="+1m")
    coming = [house.add(at=f"+{n}h") for n in range(1, 7)]
    held = house.add(at="+90m")
    house.do("hold", held)
    house.inhibits.open(InhibitKind.SIGHT, "one feed", now=NOW)
    house.move(minutes=2)
    document = status(house)
    shown = [(one["id"], one["state"]) for one in document["next_due"]]
    assert shown == [
        (waiting, "scheduled"),
        (coming[0], "scheduled"),
        (held, "held"),
        (coming[1], "scheduled"),
        (coming[2], "scheduled"),
    ]
    assert document["next_due"][0] == {
        "id": waiting,
        "channel": "insta",
        "due": "2026-03-02T09:01:00Z",
        "text": "Vive l'été !",
        "state": "scheduled",
    }


def test_a_post_whose_channel_waits_is_told_with_the_wait_until_it_may_leave(house: House) -> None:
    soon, later = house.add(at="+10m"), house.add(at="+2h")
    until = house.clock.now() + HOUR
    with house.store.write() as conn:
        channel_state.wait(conn, "insta", until=until, why="401: sign in again")
    first, second = status(house)["next_due"]
    assert (first["id"], second["id"]) == (soon, later)
    assert (first["waits_until"], first["waits_why"]) == (z_time(until), "401: sign in again")
    assert "waits_until" not in second


def test_a_pause_by_the_news_is_told_whole(house: House) -> None:
    gone = house.add(at="now", text="Out already")
    house.also_stop = ("Meta Ads",)
    house.set()
    house.send(gone)
    first = house.clock.now() - timedelta(minutes=5)
    joke = house.add(text="The lake of Annecy", at="+20m")
    house.trip(a_story(at=first))
    house.desk.seal(None, wait_s=0)
    house.turn()
    house.move(minutes=21)
    document = status(house)
    assert (document["state"], document["sealed"]) == ("paused", True)
    (cause,) = document["causes"]
    assert (cause["kind"], cause["reason"], cause["by"]) == (
        "story",
        "Knife attack in Annecy",
        "killswitch",
    )
    assert document["incident"] == {
        "id": house.latch().incident,
        "title": "Knife attack in Annecy",
        "outlets": 2,
        "first_headline_at": "2026-03-02T08:55:00Z",
        "first_outlet": "lelac",
    }
    assert [(one["id"], one["author"]) for one in document["went_out"]] == [(gone, "lea")]
    assert document["clashes"] == {"count": 1, "words": ["Annecy"]}
    assert document["fever"] == {"per_hour": 0, "trend": "steady"}
    (place,) = document["by_hand"]
    assert (place["name"], place["state"]) == ("Meta Ads", "not_confirmed")
    assert document["undecided"] == 1
    assert "triage" in document["hint"]
    house.do("keep", joke)
    assert "resume" in status(house)["hint"]


def test_causes_show_their_evidence(house: House) -> None:
    evidence = [{"title": "t", "outlet": "o", "url": None, "at": "2026-03-02T08:55:00Z"}]
    with house.store.write() as conn:
        trip(conn, NewCause(CauseKind.STORY, "s1", "r", evidence=evidence, rule="2 of 2"), now=NOW)
    (cause,) = status(house)["causes"]
    assert (cause["evidence"], cause["rule"]) == (evidence, "2 of 2")


def test_one_outlet_alone_is_one_line(small_house: House) -> None:
    small_house.inhibits.open(
        InhibitKind.UNCONFIRMED, "one outlet reports: Blast", now=NOW, ref="s1"
    )
    (one,) = status(small_house)["one_outlet"]
    assert (one["title"], one["outlet"]) == ("Blast", "")


def test_what_one_outlet_alone_says_names_the_outlet(small_house: House) -> None:
    story = a_story()
    small_house.tell(story)
    reason = f"one outlet reports: {story.title}"
    small_house.inhibits.open(InhibitKind.UNCONFIRMED, reason, now=NOW, ref=story.id)
    (one,) = status(small_house)["one_outlet"]
    assert (one["title"], one["outlet"]) == (story.title, story.members[0].outlet)


def test_posts_of_a_channel_that_is_gone_are_counted(house: House) -> None:
    house.add(at="+60m", channels=("log",))
    assert status(house)["orphaned"] == {}
    del house.networks["log"]
    assert status(house)["orphaned"] == {"log": 1}


def test_a_rehearsal_tells_what_it_would_have_paused_for(small_house: House) -> None:
    small_house.tell(a_story())
    assert status(small_house)["rehearsal"] == []
    small_house.mode = "rehearsal"
    small_house.set()
    assert status(small_house)["rehearsal"] == [
        {"at": "2026-03-02T09:00:00Z", "title": "Knife attack in Annecy", "outlets": 2}
    ]


def test_relays_are_shown_as_reached_or_not(small_house: House) -> None:
    small_house.context = replace(small_house.context, relays=("ads", "never told"))
    with small_house.store.write() as conn:
        relay_runs.add_runs(conn, relays=["ads"], event="pause", version=2, now=NOW)
    (relay,) = status(small_house)["relays"]
    assert (relay["name"], relay["event"], relay["reached"]) == ("ads", "pause", False)


def test_the_age_of_sight_is_told(small_house: House) -> None:
    with small_house.store.write() as conn:
        facts.put_time(conn, "last_sight", NOW)
    small_house.move(seconds=40)
    assert status(small_house)["sight"]["age_s"] == 40.0


# ---- the store does not answer --------------------------------------------------------------


def _locked(house: House) -> Any:
    house.store.close()
    other = sqlite3.connect(str(house.store.path), isolation_level=None)
    other.execute("PRAGMA locking_mode=EXCLUSIVE")
    other.execute("BEGIN IMMEDIATE")
    other.execute("UPDATE facts SET value = value")
    return other.close


def _gone(house: House) -> Any:
    house.store.close()
    path = house.store.path
    assert isinstance(path, Path)
    for suffix in ("", "-wal", "-shm"):
        Path(f"{path}{suffix}").unlink(missing_ok=True)
    path.mkdir()
    return path.rmdir


BROKEN = {"locked": _locked, "gone": _gone}


@pytest.mark.parametrize("broken", BROKEN.values(), ids=BROKEN)
def test_a_store_that_does_not_answer_is_told_and_never_an_error(
    small_house: House, broken: Any
) -> None:
    small_house.pause()
    undo = broken(small_house)
    document = status(small_house)
    assert (document["state"], document["sealed"], document["version"]) == (
        "inhibited",
        False,
        None,
    )
    assert (document["queue"], document["causes"]) == (None, [])
    assert [one["kind"] for one in document["inhibits"]] == ["store"]
    assert "can't be read" in document["inhibits"][0]["reason"]
    assert document["sight"] == {"ok": True, "age_s": None, "alive": 3, "feeds": 3}
    text = small_house.desk.metrics()
    assert "killswitch_store_ok 0\n" in text
    assert "killswitch_latch_version NaN\n" in text
    small_house.flags.write("by touch", "k7", "lea")
    assert status(small_house)["state"] == "paused"
    undo()


def test_what_the_daemon_waits_for_is_told_once_even_without_the_store(small_house: House) -> None:
    small_house.inhibits.open(InhibitKind.STORE, "disk full", now=NOW)
    small_house.inhibits.open(InhibitKind.SIGHT, "0 of 3", now=NOW)
    undo = _gone(small_house)
    small_house.move(minutes=1)
    kinds = [(one["kind"], one["since"]) for one in status(small_house)["inhibits"]]
    assert kinds == [("sight", "2026-03-02T09:00:00Z"), ("store", "2026-03-02T09:00:00Z")]
    undo()


# ---- metrics --------------------------------------------------------------------------------

SAMPLE = re.compile(r'killswitch_[a-z_0-9]+(\{state="[a-z_0-9]+"\})? (NaN|-?[0-9.e+]+)')


def samples(house: House) -> dict[str, str]:
    """Parse the exposition format strictly: help and type before each family."""
    found: dict[str, str] = {}
    families: set[str] = set()
    for line in house.desk.metrics().splitlines():
        if line.startswith("# "):
            families.add(line.split()[2])
            continue
        assert SAMPLE.fullmatch(line), line
        name, value = line.rsplit(" ", 1)
        assert name.partition("{")[0] in families
        assert name not in found
        found[name] = value
    return found


def test_metrics_tell_the_same_as_the_status(house: House) -> None:
    house.add(at="+2h")
    house.networks["insta"].answer = SENT
    house.send(house.add(at="now"))
    found = samples(house)
    assert found["killswitch_sending_allowed"] == "1"
    assert found["killswitch_paused"] == "0"
    assert found['killswitch_deliveries{state="scheduled"}'] == "1"
    assert found['killswitch_deliveries{state="sent_24h"}'] == "1"
    assert found["killswitch_sight_age_seconds"] == "NaN"
    house.pause()
    house.sight = NONE
    found = samples(house)
    assert (found["killswitch_paused"], found["killswitch_sending_allowed"]) == ("1", "0")
    assert (found["killswitch_latch_version"], found["killswitch_sight_ok"]) == ("2", "0")
    assert found["killswitch_store_ok"] == "1"


def test_a_large_number_is_told_to_the_last_digit(small_house: House) -> None:
    with small_house.store.write() as conn:
        conn.execute(sa.text("UPDATE latch SET version = 123456789"))
    assert samples(small_house)["killswitch_latch_version"] == "123456789"


def test_everybody_may_ask(small_house: House) -> None:
    assert LEA.name == "lea"
    assert status(small_house)["now"] == "2026-03-02T09:00:00Z"


# ---- in time ---------------------------------------------------------------------------------


def test_a_store_that_is_silent_is_told_and_not_waited_for(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A frozen server takes the question and says nothing: no driver's time-out covers that."""
    monkeypatch.setattr(in_time, "LIMIT_S", 0.05)
    answers, asked, read = threading.Event(), threading.Event(), house.store.read

    def silent(**how: Any) -> Any:
        asked.set()
        answers.wait(20)
        return read(**how)

    monkeypatch.setattr(house.store, "read", silent)
    document = status(house)
    assert asked.is_set()
    assert (document["state"], document["queue"]) == ("inhibited", None)
    assert "has not answered" in document["inhibits"][-1]["reason"]
    asked.clear()
    assert status(house)["queue"] is None
    assert not asked.is_set(), "nobody begins another question while one hangs"
    answers.set()
    monkeypatch.setattr(in_time, "LIMIT_S", 20.0)
    while status(house)["queue"] is None:
        asked.wait(0.01)


def test_a_configuration_that_was_refused_is_told_until_a_good_one_is_loaded(house: House) -> None:
    assert status(house)["config_refused"] is None
    refused = Refused(NOW, "line 3: no such setting")
    house.context = replace(
        house.context, hooks=replace(house.context.hooks, refused=lambda: refused)
    )
    assert status(house)["config_refused"] == {
        "since": z_time(NOW),
        "why": "line 3: no such setting",
    }


def test_a_failed_post_counts_until_somebody_has_looked_at_it(house: House) -> None:
    one, other = (house.add(at=f"+{n}h", channels=("log",)) for n in (1, 2))
    for failed in (one, other):
        put(house.store, failed, S.CLAIMED, S.SENDING, S.FAILED)
    assert status(house)["queue"]["failed"] == 2
    house.do("skip", one, reason="posted by hand")
    assert status(house)["queue"]["failed"] == 1
    (row,) = house.desk.queue_list(QueueFilter(states=("failed",), ids=(one,)))["deliveries"]
    assert (row["state"], row["decision"]) == ("failed", "skip")


def test_a_failed_post_that_was_looked_at_is_no_decision_of_a_pause(house: House) -> None:
    failed = house.add(at="+1h", channels=("log",))
    held = house.add(at="+10m", channels=("log",))
    put(house.store, failed, S.CLAIMED, S.SENDING, S.FAILED)
    house.pause()
    house.turn()
    house.do("skip", failed)
    house.do("keep", held)
    answer = house.resume()
    assert (answer["released"], answer["held"]) == (0, 1)
    house.turn()
    assert (house.state(failed), house.decision(failed)) == ("failed", "skip")
    assert status(house)["queue"]["failed"] == 0


def alone(house: House, **changes: Any) -> Story:
    """One newsroom alone tells of something grave."""
    whole = a_story(state=StoryState.OPEN)
    said = {"tripped_at": None, "members": whole.members[:1], "heard": ("lelac",)} | changes
    story = replace(whole, **said)
    house.tell(story)
    return story


@pytest.mark.parametrize("way", ["no wait", "rehearsal"])
def test_what_one_outlet_reports_is_told_also_where_nothing_waits_for_it(
    house: House, way: str
) -> None:
    story = alone(house)
    assert status(house)["one_outlet"] == [], "the wait for it is over"
    house.mode = "rehearsal" if way == "rehearsal" else house.mode
    house.set()
    if way == "no wait":
        detect = replace(house.context.detect, unconfirmed=timedelta(0))
        house.context = replace(house.context, detect=detect)
    told = {"title": story.title, "outlet": "lelac", "since": z_time(NOW)}
    assert (status(house)["state"], status(house)["one_outlet"]) == ("running", [told])
    house.move(minutes=59)
    assert status(house)["one_outlet"] == [told]
    house.move(minutes=2)
    assert status(house)["one_outlet"] == []


@pytest.mark.parametrize("state", [StoryState.TRIPPED, StoryState.MUTED, StoryState.DISMISSED])
def test_a_settled_story_is_not_told_as_one_outlets(small_house: House, state: StoryState) -> None:
    detect = replace(small_house.context.detect, unconfirmed=timedelta(0))
    small_house.context = replace(small_house.context, detect=detect)
    small_house.tell(replace(a_story(), state=state))
    assert status(small_house)["one_outlet"] == []


def test_a_small_report_and_an_aggregators_are_not_told_as_one_outlets(small_house: House) -> None:
    detect = replace(small_house.context.detect, unconfirmed=timedelta(0))
    small_house.context = replace(small_house.context, detect=detect)
    (member, _) = a_story().members
    alone(small_house, id="s1", members=(replace(member, grade=Grade.NOTE),))
    alone(small_house, id="s2", members=(replace(member, aggregator=True),))
    assert status(small_house)["one_outlet"] == []
