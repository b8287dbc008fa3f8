"""What people are told of posts after their request: looked for, found, taken down, by whom."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from killswitch.channels.frame import Deletion, Ending, Found, Gone, Outcome, Probe
from killswitch.errors import RefusedError
from killswitch.wire import (
    DeliveryShownDoc,
    IncidentShownDoc,
    QueueFilter,
    ResumePreviewDoc,
    StatusDoc,
    z_time,
)
from tests.contract.shapes import faults
from tests.unit.desk.house import KARIM, LEA, House, a_story, refused

THERE = Probe(Found.THERE, "HTTP 200", "r7")
ABSENT = Probe(Found.ABSENT, "HTTP 404")


LOST = Outcome(Ending.UNCERTAIN, "reset")


def lose(house: House, looked: Probe = ABSENT, answer: Any = LOST) -> str:
    """A post whose answer was lost, on a network that can be asked."""
    network = house.networks["insta"]
    network.answer, network.looked = answer, looked
    network.can_probe = True
    one = house.add(at="now", text="Summer sale")
    house.send(one)
    return one


def look(house: House, *after_s: int) -> None:
    for seconds in after_s:
        house.move(seconds=seconds)
        house.look()


def test_a_post_left_when_its_request_went_out_not_when_a_human_said_so(house: House) -> None:
    began = house.clock.now()
    one = lose(house)
    house.move(minutes=31)
    house.trip(a_story(at=began - timedelta(minutes=1)))
    house.desk.seal(None, wait_s=0)
    house.move(minutes=2)
    house.do("resolve", one, sent=True)
    (gone,) = house.desk.status()["went_out"]
    assert gone["request_at"] == z_time(began)
    whose = house.desk.whose(one)
    assert (whose["request_at"], whose["answer_at"]) == (z_time(began), None)
    told = shown(house, one)
    assert (told["request_at"], told["answer_at"]) == (z_time(began), None)
    assert one in {row["id"] for row in house.desk.incident("last")["posts"]}


def test_a_post_that_was_found_later_says_since_when_that_is_known(house: House) -> None:
    began = house.clock.now()
    one = lose(house, looked=THERE)
    look(house, 20)
    told = shown(house, one)
    assert (told["state"], told["request_at"]) == ("sent", z_time(began))
    assert told["answer_at"] == z_time(house.clock.now())
    planned = house.add(at="+1h")
    assert shown(house, planned)["request_at"] is None


def test_what_left_before_the_first_headline_is_not_told_as_gone_out_since(house: House) -> None:
    one = lose(house)
    house.move(minutes=10)
    house.trip(a_story(at=house.clock.now() - timedelta(minutes=1)))
    house.desk.seal(None, wait_s=0)
    house.do("resolve", one, sent=True)
    assert house.desk.status()["went_out"] == []


def sent(house: House) -> str:
    one = house.add(at="now", text="Summer sale")
    house.send(one)
    return one


def shown(house: House, one: str) -> DeliveryShownDoc:
    document = house.desk.queue_show(one)
    assert faults(document, DeliveryShownDoc) == []
    return document


def test_what_was_looked_for_is_told_wherever_the_post_is_shown(house: House) -> None:
    one = lose(house)
    assert shown(house, one)["looked"] == {
        "times": 0,
        "found": None,
        "not_found": False,
        "at": None,
        "next_at": "2026-03-02T09:00:15Z",
        "words": "nobody has looked yet",
    }
    look(house, 15, 30, 75)
    document = shown(house, one)
    assert document["looked"] == {
        "times": 3,
        "found": "absent",
        "not_found": True,
        "at": "2026-03-02T09:02:00Z",
        "next_at": "2026-03-02T09:05:00Z",
        "words": "looked 3 times, not found",
    }
    assert document["looks"][0] == {
        "attempt": 1,
        "at": "2026-03-02T09:00:15Z",
        "found": "absent",
        "detail": "HTTP 404",
    }
    assert [row["event"] for row in document["history"]][-3:] == ["delivery.looked"] * 3
    status = house.desk.status()
    assert faults(status, StatusDoc) == []
    assert [post["note"] for post in status["uncertain"]] == ["looked 3 times, not found"]
    preview = house.desk.resume_preview()
    assert faults(preview, ResumePreviewDoc) == []
    assert preview["uncertain"][0]["looked"] == document["looked"]
    (row,) = house.desk.queue_list(QueueFilter(states=("uncertain",)))["deliveries"]
    assert row["looked"] == document["looked"]


def test_a_post_that_was_never_lost_tells_of_no_looks(house: House) -> None:
    document = shown(house, sent(house))
    assert (document["looked"], document["looks"], document["retraction"]) == (None, [], None)


def test_what_was_found_says_so(house: House) -> None:
    one = lose(house, THERE)
    look(house, 15)
    document = shown(house, one)
    assert (document["state"], document["remote_id"]) == ("sent", "r7")
    assert document["looked"]["words"] == "looked once, found: HTTP 200"
    assert document["looked"]["next_at"] is None
    assert house.desk.whose("r7")["found"]


@pytest.mark.parametrize(("looked", "state"), [(ABSENT, "uncertain"), (THERE, "sent")])
def test_an_incident_tells_what_was_on_the_wire_and_what_became_of_it(
    house: House, looked: Probe, state: str
) -> None:
    def answer_into_the_pause(request: Any) -> Outcome:
        house.move(seconds=5)
        house.trip(a_story(words=("nantes",), at=house.clock.now()))
        return LOST

    one = lose(house, looked, answer=answer_into_the_pause)
    look(house, 15)
    incident = house.desk.incident("last")
    assert faults(incident, IncidentShownDoc) == []
    (row,) = (row for row in incident["posts"] if row["id"] == one)
    assert (row["state"], row["looked"]["times"]) == (state, 1)
    assert incident["deliveries"][state] == 1


def test_who_wanted_it_down_and_why_is_told_wherever_the_post_is_shown(house: House) -> None:
    one = sent(house)
    house.move(minutes=2)
    answer = house.do("retract", one, reason="wrong price", caller=KARIM)
    assert [row["state"] for row in answer["done"]] == ["retracting"]
    house.take_down()
    document = shown(house, one)
    assert document["retraction"] == {
        "asked_at": "2026-03-02T09:02:00Z",
        "by": "karim",
        "reason": "wrong price",
        "tries": 1,
        "outcome": "gone",
        "detail": "HTTP 204",
        "next_at": None,
        "ended_at": "2026-03-02T09:02:00Z",
    }
    assert document["retractions"] == [document["retraction"]]
    assert (document["state"], document["text"]) == ("retracted", "Summer sale")
    assert (document["remote_id"], document["sent_at"]) == ("r1", "2026-03-02T09:00:00Z")
    whose = house.desk.whose("r1")
    assert (whose["found"], whose["sent_at"]) == (True, "2026-03-02T09:00:00Z")
    assert whose["delivery"]["retraction"]["by"] == "karim"
    asked, gone = document["history"][-2:]
    assert (asked["event"], asked["actor"]) == ("delivery.retracting", "karim")
    assert asked["data"]["why"] == "wrong price"
    assert gone["event"] == "delivery.retracted"
    assert house.desk.audit_verify()["ok"]


def test_a_channel_that_can_not_take_posts_down_says_so_plainly(house: House) -> None:
    one = sent(house)
    house.networks["insta"].why_not = "insta has no delete_url"
    error = refused(house.do, "retract", one, reason="x", kind=RefusedError)
    assert error.code == "cannot_delete"
    assert "insta has no delete_url; nothing was done" in error.message
    assert (house.state(one), shown(house, one)["retractions"]) == ("sent", [])


def test_a_channel_that_is_gone_can_not_take_posts_down(house: House) -> None:
    one = sent(house)
    del house.networks["insta"]
    error = refused(house.do, "retract", one, reason="x", kind=RefusedError)
    assert "not configured any more" in error.message


def test_several_are_taken_down_all_or_none(house: House) -> None:
    first, scheduled = sent(house), house.add(at="+2h")
    refused(house.do, "retract", first, scheduled, reason="x", kind=RefusedError)
    assert (house.state(first), house.state(scheduled)) == ("sent", "scheduled")


def test_a_second_wish_after_a_refusal_stands_beside_the_first(house: House) -> None:
    one = sent(house)
    house.networks["insta"].deleted = Deletion(Gone.REFUSED, "HTTP 403")
    house.do("retract", one, reason="wrong price", caller=LEA)
    house.take_down()
    house.move(minutes=1)
    house.networks["insta"].deleted = Deletion(Gone.DELETED, "HTTP 204")
    house.do("retract", one, reason="really", caller=KARIM)
    house.take_down()
    document = shown(house, one)
    assert [wish["outcome"] for wish in document["retractions"]] == ["refused", "gone"]
    assert document["retraction"]["by"] == "karim"
