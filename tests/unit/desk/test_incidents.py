"""Lists, whose, incidents: what people look up."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from killswitch.errors import RefusedError, UsageError
from killswitch.store import news
from killswitch.store.schema import notices as notice_rows
from killswitch.wire import (
    DeliveryShownDoc,
    IncidentDoc,
    IncidentShownDoc,
    QueueFilter,
    WhoseDoc,
)
from tests.contract.shapes import faults
from tests.daemon.bench import SENT
from tests.unit.desk.house import KARIM, LEA, NOW, House, a_story, refused

# ---- lists ----------------------------------------------------------------------------------


def test_a_list_shows_what_has_not_ended_by_due_time(house: House) -> None:
    later, first = house.add(at="+3h"), house.add(at="+1h")
    gone = house.add(at="+2h")
    house.do("cancel", gone)
    assert house.listed() == [first, later]
    assert house.listed(states=("cancelled",)) == [gone]
    assert house.listed(ids=(gone,)) == [gone]


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
    assert house.listed(**chosen) == [ids[n] for n in wanted]


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
