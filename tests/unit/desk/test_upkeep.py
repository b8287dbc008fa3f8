"""Lists, incidents, whose, audit, erasure, backup, reload, channels."""

from __future__ import annotations

import json
import sqlite3
import threading
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from killswitch.desk.desk import Desk
from killswitch.errors import ConfigError, OperatorError, RefusedError, UsageError
from killswitch.queue.states import DeliveryState
from killswitch.store import channel_state, news
from killswitch.store.engine import Store
from killswitch.store.schema import notices as notice_rows
from killswitch.wire import (
    AuditPageDoc,
    DeliveryShownDoc,
    IncidentDoc,
    IncidentShownDoc,
    QueueFilter,
    QueuePageDoc,
    WhoseDoc,
)
from tests.contract.shapes import faults
from tests.daemon.bench import SENT
from tests.store.made import put
from tests.unit.desk.house import KARIM, LEA, NOW, ROOT, House, a_story, refused

S = DeliveryState


# ---- lists ----------------------------------------------------------------------------------


def listed(house: House, **chosen: Any) -> list[str]:
    page = house.desk.queue_list(QueueFilter(**chosen))
    assert faults(page, QueuePageDoc) == []
    return [row["id"] for row in page["deliveries"]]


def test_a_list_shows_what_has_not_ended_by_due_time(house: House) -> None:
    later, first = house.add(at="+3h"), house.add(at="+1h")
    gone = house.add(at="+2h")
    house.do("cancel", gone)
    assert listed(house) == [first, later]
    assert listed(house, states=("cancelled",)) == [gone]
    assert listed(house, ids=(gone,)) == [gone]


@pytest.mark.parametrize("size", [1, 2, 3, 7])
def test_pages_hold_everything_once(house: House, size: int) -> None:
    ids = [house.add(at="+1h", channels=("log",)) for _ in range(4)]
    ids += [house.add(at=f"+{n}h") for n in (2, 3, 4)]
    found: list[str] = []
    after = None
    while True:
        page = house.desk.queue_list(QueueFilter(limit=size, after=after))
        found += [row["id"] for row in page["deliveries"]]
        after = page["next"]
        if after is None:
            break
    assert (len(found), set(found)) == (7, set(ids))
    assert found[4:] == ids[4:]


@pytest.mark.parametrize(
    ("chosen", "wanted"),
    [
        ({"tag": "promo"}, [0]),
        ({"tag": "Promo"}, []),
        ({"channel": "x"}, [1]),
        ({"until": NOW + timedelta(hours=2)}, [0]),
        ({"clash": True}, [2]),
        ({"states": ("held", "scheduled")}, [0, 1, 2]),
    ],
)
def test_filters(house: House, chosen: dict[str, Any], wanted: list[int]) -> None:
    house.tell(a_story())
    ids = [
        house.add(at="+1h", tags=("promo", "b")),
        house.add(at="+2h", channels=("x",), tags=("promotion",)),
        house.add(at="+3h", text="The lake of Annecy"),
    ]
    assert listed(house, **chosen) == [ids[n] for n in wanted]


@pytest.mark.parametrize("cursor", ["x", "!!", "2026", "MjAyNi0wMy0wMlQwOTowMDowMCBk"])
def test_a_cursor_that_is_not_ours_is_refused(small_house: House, cursor: str) -> None:
    error = refused(small_house.desk.queue_list, QueueFilter(after=cursor), kind=UsageError)
    assert error.code == "bad_cursor"


def test_a_state_that_does_not_exist_is_refused(small_house: House) -> None:
    error = refused(small_house.desk.queue_list, QueueFilter(states=("gone",)), kind=UsageError)
    assert error.code == "unknown_state"


def test_a_delivery_is_shown_with_its_tries(house: House) -> None:
    house.networks["insta"].answer = SENT
    delivery = house.add(at="now")
    house.send(delivery)
    shown = house.desk.queue_show(delivery)
    assert faults(shown, DeliveryShownDoc) == []
    assert [(t["number"], t["outcome"]) for t in shown["attempts"]] == [(1, "accepted")]
    assert (shown["wall"], shown["zone"]) == ("2026-03-02T10:00:00", "Europe/Paris")


@pytest.mark.parametrize("call", ["queue_show", "incident"])
def test_what_is_not_there_is_not_found(small_house: House, call: str) -> None:
    error = refused(getattr(small_house.desk, call), "zzzzzz", kind=RefusedError)
    assert (error.code, int(error.exit)) == ("not_found", 5)


def test_a_post_held_for_long_is_marked_stale(house: House) -> None:
    delivery = house.add(at="+1h")
    house.do("hold", delivery)
    house.move(hours=24)
    assert house.desk.queue_show(delivery)["stale"] is False
    house.move(hours=2)
    assert house.desk.queue_show(delivery)["stale"] is True


# ---- whose ----------------------------------------------------------------------------------


def sent(house: House, remote: str = "r1") -> str:
    house.networks["insta"].answer = replace(
        SENT, remote_id=remote, remote_url=f"https://net.example/{remote}"
    )
    delivery = house.add(at="now")
    house.send(delivery)
    house.move(minutes=6)
    return delivery


@pytest.mark.parametrize("by", ["id", "beginning", "remote id", "address"])
def test_what_left_through_our_gate_is_found(house: House, by: str) -> None:
    house.set(approve=True)
    house.networks["insta"].answer = replace(
        SENT, remote_id="r1", remote_url="https://net.example/r1"
    )
    delivery = house.add(at="now")
    house.do("approve", delivery, caller=KARIM)
    house.send(delivery)
    query = {
        "id": delivery,
        "beginning": delivery[:6],
        "remote id": "r1",
        "address": "https://net.example/r1",
    }[by]
    answer = house.desk.whose(query)
    assert faults(answer, WhoseDoc) == []
    assert (answer["found"], answer["author"], answer["approved_by"], answer["sent_at"]) == (
        True,
        "lea",
        "karim",
        "2026-03-02T09:00:00Z",
    )


@pytest.mark.parametrize("query", ["", "r2", "https://net.example/other", "dzzzz", "%", "x" * 300])
def test_what_did_not_is_not(house: House, query: str) -> None:
    sent(house)
    answer = house.desk.whose(query)
    assert (answer["found"], answer["delivery"]) == (False, None)


def test_what_is_still_in_the_queue_has_not_left(house: House) -> None:
    delivery = house.add()
    answer = house.desk.whose(delivery)
    assert answer["delivery"] is not None
    assert (answer["found"], answer["delivery"]["state"]) == (False, "scheduled")


def test_an_id_that_two_posts_have_at_the_network_is_still_ours(house: House) -> None:
    sent(house)
    sent(house)
    assert house.desk.whose("r1")["found"]


# ---- incidents ------------------------------------------------------------------------------


def headlines(house: House, story: str, *minutes_ago: float) -> None:
    with house.store.write() as conn:
        news.ensure_feeds(conn, {"f": "https://f.example"})
        for number, ago in enumerate(minutes_ago):
            new = news.NewItem(f"g{number}{ago}", "t", "", "", None, None, silent=False)
            at = house.clock.now() - timedelta(minutes=ago)
            news.ingest(conn, "f", [new], values={"failures": 0}, now=at)
        rows = [
            {"key": row.id, "grade": "trip", "signal": {}, "story": story}
            for row in news.ungraded(conn, limit=100)
        ]
        news.write_grades(conn, rows)


def test_an_incident_is_measured_from_headline_to_resume(house: House) -> None:
    gone, held = sent(house), house.add(at="+20m", text="The lake of Annecy")
    skipped = house.add(at="+27m")
    house.trip(a_story(at=NOW - timedelta(minutes=5)))
    headlines(house, "s1", 90, 50, 10, 5)
    house.desk.seal(None, wait_s=0)
    house.turn()
    house.move(minutes=2)
    house.desk.ack(caller=KARIM)
    house.do("keep", held)
    house.do("skip", skipped, caller=KARIM)
    house.move(minutes=30)
    house.resume()
    (listed_one,) = house.desk.incidents(limit=10)
    assert faults(listed_one, IncidentDoc) == []
    assert listed_one["times"] == {
        "first_headline_at": "2026-03-02T08:55:00Z",
        "detected_at": "2026-03-02T09:06:00Z",
        "tripped_at": "2026-03-02T09:06:00Z",
        "accepted_at": "2026-03-02T09:06:00Z",
        "sealed_at": "2026-03-02T09:06:00Z",
        "acked_at": "2026-03-02T09:08:00Z",
        "noticed_at": None,
        "resumed_at": "2026-03-02T09:38:00Z",
    }
    assert (listed_one["acked_by"], listed_one["resumed_by"]) == ("karim", "lea")
    assert listed_one["fever"] == {"per_hour": 2, "trend": "rising"}
    assert listed_one["deliveries"] == {"sent": 1, "held": 1, "skipped": 1}
    shown = house.desk.incident(listed_one["id"][:5])
    assert faults(shown, IncidentShownDoc) == []
    assert {post["id"] for post in shown["posts"]} == {gone, held, skipped}
    assert [(one["by"], one["delivery"], one["decision"]) for one in shown["decisions"]] == [
        ("lea", held, "keep"),
        ("karim", skipped, "skip"),
    ]
    assert [cause["kind"] for cause in shown["causes"]] == ["story"]


def test_the_last_incident_has_a_name_of_its_own(house: House) -> None:
    assert refused(house.desk.incident, "last", kind=RefusedError).code == "not_found"
    house.pause("first")
    house.resume()
    house.move(minutes=1)
    house.pause("second", "k2")
    assert house.desk.incident("last")["title"] == "second"
    assert [one["title"] for one in house.desk.incidents(limit=1)] == ["second"]
    assert refused(house.desk.incident, "i", kind=UsageError).code == "ambiguous"


def test_a_story_names_the_pause_that_began_without_one(house: House) -> None:
    house.pause("something is up")
    house.trip(a_story())
    (incident,) = house.desk.incidents(limit=5)
    assert (incident["title"], incident["kind"]) == ("Knife attack in Annecy", "manual")


def test_a_dismissal_is_the_outcome(house: House) -> None:
    house.trip(a_story())
    house.desk.dismiss(house.latch().version, reason="a film", caller=LEA)
    (incident,) = house.desk.incidents(limit=5)
    assert (incident["outcome"], incident["resume_reason"]) == ("dismissed", "a film")


def test_the_first_notice_that_arrived_is_in_the_times(house: House) -> None:
    house.trip(a_story())
    with house.store.write() as conn:
        arrived = sa.update(notice_rows).values(first_accepted_at=NOW + timedelta(seconds=3))
        conn.execute(arrived)
    (incident,) = house.desk.incidents(limit=5)
    assert incident["times"]["noticed_at"] == "2026-03-02T09:00:03Z"


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
    ids = listed(house, states=tuple(state.value for state in S))
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
    assert house.desk.reload(caller=LEA) == {"changed": ["queue.lead"]}
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
    sent(house)
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
    assert by_name["x"]["waits_until"] == "2026-03-02T10:06:00Z"


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
