"""Audit, erasure, backup, reload, channels."""

from __future__ import annotations

import json
import sqlite3
import threading
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from killswitch.desk.desk import Desk
from killswitch.errors import ConfigError, OperatorError, RefusedError, UsageError
from killswitch.queue.states import DeliveryState
from killswitch.store import channel_state, news
from killswitch.store.engine import Store
from killswitch.store.news import NewItem, item_guid
from killswitch.wire import (
    AuditPageDoc,
    QueueFilter,
    SeenPageDoc,
)
from tests.contract.shapes import faults
from tests.store.made import put
from tests.unit.desk.house import KARIM, LEA, NOW, ROOT, House, a_story, refused

S = DeliveryState


# ---- audit, erasure -------------------------------------------------------------------------


def test_the_audit_trail_is_read_page_by_page(house: House) -> None:
    ids = [house.add(at=f"+{n}h") for n in range(1, 6)]
    seen: list[str] = []
    after = 0
    while True:
        page = house.desk.audit(after=after, limit=2, subject=None)
        assert faults(page, AuditPageDoc) == []
        seen += [row["subject"] for row in page["rows"]]
        if page["next"] is None:
            break
        after = page["next"]
    assert seen == ids
    assert [r["event"] for r in house.desk.audit(after=0, limit=9, subject=ids[2])["rows"]] == [
        "delivery.added"
    ]


def test_a_changed_row_breaks_the_chain(small_house: House) -> None:
    small_house.add()
    small_house.add(at="+2h")
    assert small_house.desk.audit_verify() == {
        "ok": True,
        "rows": 2,
        "broken_at": None,
        "why": None,
        "unread": False,
        "since": 1,
        "breaks": [],
    }
    path = small_house.store.path
    assert path is not None
    raw = sqlite3.connect(path, isolation_level=None)
    raw.execute("DROP TRIGGER audit_unchanged")
    raw.execute("UPDATE audit SET actor = 'x' WHERE seq = 1")
    raw.close()
    verdict = small_house.desk.audit_verify()
    assert (verdict["ok"], verdict["broken_at"]) == (False, 1)


def everything_told(house: House) -> str:
    """Every document that may hold a name."""
    desk = house.desk
    ids = house.listed(states=tuple(state.value for state in S))
    told = [
        desk.status(),
        desk.resume_preview(),
        desk.queue_list(QueueFilter(states=tuple(state.value for state in S))),
        [desk.queue_show(one) for one in ids],
        desk.incidents(limit=50),
        [desk.incident(one["id"]) for one in desk.incidents(limit=50)],
        [desk.whose(one) for one in ids],
        desk.audit(after=0, limit=1000, subject=None),
    ]
    return json.dumps(told)


def everything_stored(house: House) -> str:
    path = house.store.path
    assert path is not None
    raw = sqlite3.connect(path)
    told = "\n".join(raw.iterdump())
    raw.close()
    return told


def test_an_erased_person_is_named_nowhere_and_the_chain_still_holds(
    small_house: House,
) -> None:
    house = small_house
    anna = replace(LEA, login="anna-lou")
    said = replace(ROOT, said_name="anna-lou")
    house.set(approve=True)
    post = house.add(caller=anna, at="now")
    house.do("approve", post, caller=replace(KARIM, login="anna-lou2"))
    house.send(post)
    house.trip(a_story())
    house.desk.ack(caller=anna)
    house.do("reject", house.add(caller=said), caller=KARIM)
    held = house.add(caller=anna, at="+3h")
    house.do("approve", held, caller=KARIM)
    house.do("hold", held, caller=said)
    house.do("release", held, caller=said)
    house.desk.resume(house.latch().version, reason="over", keep_held=True, caller=anna)
    house.desk.pause("again", key="k2", review_s=None, caller=said)
    house.desk.backup(str(house.root / "b.db"), caller=anna)
    assert "anna-lou" in everything_told(house)
    house.desk.erase("anna-lou", caller=KARIM)
    for told in (everything_told(house), everything_stored(house)):
        assert "anna-lou" not in told.replace("anna-lou2", "")
        assert "anna-lou2" in told
    assert "(erased)" in everything_told(house)
    assert house.desk.audit_verify()["ok"]
    assert (
        refused(house.desk.erase, "anna-lou", caller=KARIM, kind=RefusedError).code == "not_found"
    )


# ---- backup, reload -------------------------------------------------------------------------


def test_a_backup_of_a_store_in_use_is_whole(small_house: House, tmp_path: Path) -> None:
    """A writer that never rests neither stops the copy nor is stopped by it."""
    house, target = small_house, tmp_path / "copy.db"
    over = threading.Event()

    def write() -> None:
        number = 0
        while not over.is_set():
            number += 1
            house.add(at=f"+{60 + number}m", channels=("log",))

    writer = threading.Thread(target=write)
    writer.start()
    try:
        answer = house.desk.backup(str(target), caller=LEA)
    finally:
        over.set()
        writer.join()
    assert answer == {"path": str(target), "bytes": target.stat().st_size}
    assert target.stat().st_mode & 0o777 == 0o600
    copy = replace(house.context, store=Store(f"sqlite:///{target}"))
    assert Desk(lambda: copy).audit_verify()["ok"]
    copy.store.close()
    (row,) = house.desk.audit(after=0, limit=1000, subject="store")["rows"]
    assert (row["event"], row["data"]) == ("store.copied", {"to": "copy.db"})


@pytest.mark.parametrize("target", ["exists", "link", "no folder"])
def test_a_backup_writes_a_new_file_or_nothing(
    small_house: House, tmp_path: Path, target: str
) -> None:
    path = tmp_path / "copy.db"
    if target == "exists":
        path.write_text("mine")
    elif target == "link":
        path.symlink_to(tmp_path / "elsewhere")
    else:
        path = tmp_path / "none" / "copy.db"
    error = refused(small_house.desk.backup, str(path), caller=LEA, kind=OperatorError)
    assert (error.code, int(error.exit)) == ("backup_target", 1)
    assert target != "exists" or path.read_text() == "mine"
    assert not (tmp_path / "elsewhere").exists()


def test_a_backup_to_a_relative_path_is_refused(small_house: House) -> None:
    error = refused(small_house.desk.backup, "copy.db", caller=LEA, kind=UsageError)
    assert (error.code, int(error.exit)) == ("path", 2)


def test_a_server_is_backed_up_by_its_own_tools(postgres_store: Store, tmp_path: Path) -> None:
    house = House(postgres_store, tmp_path / "state")
    error = refused(house.desk.backup, str(tmp_path / "c.db"), caller=LEA, kind=OperatorError)
    assert (error.code, "pg_dump" in error.hint) == ("backup_server", True)


def test_a_reload_says_what_changed_and_one_that_is_refused_leaves_no_trace(
    small_house: House,
) -> None:
    house = small_house

    def reload(changed: Any) -> None:
        hooks = replace(house.context.hooks, reload=changed)
        house.context = replace(house.context, hooks=hooks)

    reload(lambda: ["queue.lead"])
    assert house.desk.reload(caller=LEA) == {"changed": ["queue.lead"], "orphaned": {}}
    before = house.context

    def wrong() -> list[str]:
        raise ConfigError("bad", "line 3 is wrong", "mend it")

    reload(wrong)
    error = refused(house.desk.reload, caller=LEA, kind=ConfigError)
    assert int(error.exit) == 78
    assert house.context.queue is before.queue
    rows = house.desk.audit(after=0, limit=9, subject="config")["rows"]
    assert [row["data"] for row in rows] == [{"changed": ["queue.lead"]}]


# ---- channels, feeds, notices ---------------------------------------------------------------


def test_channels_tell_their_limits_and_waits(house: House) -> None:
    house.send(house.add(at="now"))
    with house.store.write() as conn:
        until = house.clock.now() + timedelta(hours=1)
        channel_state.wait(conn, "x", until=until, why="HTTP 401")
    by_name = {one["name"]: one for one in house.desk.channels()}
    assert list(by_name) == ["insta", "log", "x"]
    assert (by_name["insta"]["ok"], by_name["insta"]["sent_24h"]) == (True, 1)
    assert by_name["insta"]["limits"] == {
        "min_gap_s": 300.0,
        "max_per_hour": 0,
        "hard_cap": 30,
        "late_after_s": 900.0,
    }
    assert (by_name["x"]["ok"], by_name["x"]["problem"]) == (False, "HTTP 401")
    assert by_name["x"]["waits_until"] == "2026-03-02T10:00:00Z"


def test_a_check_that_finds_nothing_lets_the_channel_go_on(house: House) -> None:
    with house.store.write() as conn:
        for name in ("x", "insta"):
            channel_state.wait(conn, name, until=NOW + timedelta(hours=1), why="HTTP 401")
    house.networks["insta"].check = lambda: "still 401"  # type: ignore[method-assign] - a fake
    by_name = {one["name"]: one for one in house.desk.channels_check(caller=LEA)}
    assert (by_name["x"]["ok"], by_name["x"]["waits_until"]) == (True, None)
    assert (by_name["insta"]["ok"], by_name["insta"]["problem"]) == (False, "still 401")
    assert house.published() == []


def test_a_list_of_channels_asks_for_no_write(small_house: House) -> None:
    path = small_house.store.path
    assert path is not None
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    assert len(small_house.desk.channels()) == 3
    other.close()


def test_feeds_looks_and_test_notices_are_the_daemons(small_house: House) -> None:
    house = small_house
    hooks = replace(
        house.context.hooks, test_notices=lambda: [("mail://…", None), ("sms://…", "no route")]
    )
    house.context = replace(house.context, hooks=hooks)
    assert house.desk.feeds() == []
    assert house.desk.look(caller=LEA) == {"feeds": 3, "failed": []}
    assert house.desk.notify_test(caller=LEA) == {
        "tellings": [
            {"address": "mail://…", "accepted": True, "problem": None},
            {"address": "sms://…", "accepted": False, "problem": "no route"},
        ]
    }


def test_a_post_that_failed_for_good_shows_why(house: House) -> None:
    delivery = house.add()
    put(house.store, delivery, S.CLAIMED, S.SENDING, S.FAILED, problem="HTTP 422")
    assert house.desk.queue_show(delivery)["problem"] == "HTTP 422"


# ---- what was seen ------------------------------------------------------------------------------


def seen_headlines(house: House, *titles: str) -> None:
    """Store headlines of one feed, two of them in one poll."""
    with house.store.write() as conn:
        news.ensure_feeds(conn, {"f": "https://f.example"})
        for minute, pair in enumerate((titles[:2], titles[2:])):
            new = [
                NewItem(item_guid(t, t), t, "", "", "en", NOW, silent=t == "old", fields=None)
                for t in pair
            ]
            news.ingest(conn, "f", new, values={}, now=NOW + timedelta(minutes=minute))


def test_what_a_feed_brought_is_read_page_by_page(house: House) -> None:
    seen_headlines(house, "one", "two", "old", "three", "four")
    found: list[str] = []
    after = None
    while True:
        page = house.desk.seen("f", since=NOW, after=after, limit=1)
        assert faults(page, SeenPageDoc) == []
        found += [item["title"] for item in page["items"]]
        after = page["next"]
        if after is None:
            break
    assert sorted(found) == ["four", "one", "three", "two"]
    assert sorted(found[:2]) == ["one", "two"]
    assert house.desk.seen("f", since=NOW + timedelta(hours=1), after=None, limit=9)["items"] == []
    assert house.desk.seen("g", since=NOW, after=None, limit=9)["items"] == []


def test_a_headline_of_a_false_alarm_says_so(house: House) -> None:
    seen_headlines(house, "one")
    house.trip(a_story())
    with house.store.write() as conn:
        (row,) = news.ungraded(conn, limit=9)
        news.write_grades(conn, [{"key": row.id, "grade": "trip", "signal": {}, "story": "s1"}])
    assert not house.desk.seen("f", since=NOW, after=None, limit=9)["items"][0]["dismissed"]
    house.dismiss()
    assert house.desk.seen("f", since=NOW, after=None, limit=9)["items"][0]["dismissed"]


@pytest.mark.parametrize("after", ["", "x", "noon n1"])
def test_a_page_that_never_was_is_refused(house: House, after: str) -> None:
    with pytest.raises(UsageError) as caught:
        house.desk.seen("f", since=NOW, after=after, limit=9)
    assert caught.value.code == "bad_page"
