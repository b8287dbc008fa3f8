"""Whose was this? By id or address at the network, by the link of the post, by our own id."""

from __future__ import annotations

import pytest

from killswitch.channels.frame import Ending, Outcome
from tests.unit.desk.house import KARIM, House

AT = "https://net.example/@brand/Post-81"


def sent(house: House, **post: str) -> str:
    """A post that the network took, and named."""
    outcome = Outcome(Ending.SENT, "HTTP 201", remote_id="r81", remote_url=AT)
    house.networks["insta"].answer = outcome
    one = house.add(at="now", **post)
    house.send(one)
    assert house.state(one) == "sent"
    return one


@pytest.mark.parametrize(
    "query",
    ["r81", AT, f"{AT}/", AT.replace("https", "http"), AT.replace("net.", "NET."), f"{AT}#top"],
)
def test_a_sent_post_is_found_by_its_address_as_people_write_it(house: House, query: str) -> None:
    one = sent(house)
    found = house.desk.whose(query)
    assert found["found"]
    assert (found["delivery"] or {})["id"] == one


@pytest.mark.parametrize("query", [AT.lower(), f"{AT}0", "https://net.example/", "r8", "Post-81"])
def test_another_address_is_not_ours(house: House, query: str) -> None:
    sent(house)
    assert not house.desk.whose(query)["found"]


def test_the_address_stands_in_the_post(house: House) -> None:
    assert house.desk.queue_show(sent(house))["remote_url"] == AT


def test_the_link_that_a_sent_post_carries_leads_to_it(house: House) -> None:
    link = "https://brand.example/sale"
    waiting = house.add(at="+60m", link=link)
    assert not house.desk.whose(link)["found"], "it has not left"
    one = sent(house, link=link)
    found = house.desk.whose(f"{link}/")
    assert (found["delivery"] or {})["id"] == one != waiting


def test_who_scheduled_and_who_released_it_are_told(house: House) -> None:
    one = house.add(at="+10m")
    assert house.desk.whose(one)["released_by"] is None
    house.do("hold", one)
    house.do("release", one, caller=KARIM)
    house.live(minutes=11)
    found = house.desk.whose(one)
    assert (found["found"], found["author"], found["released_by"]) == (True, "lea", "karim")
    assert found["released_at"] == "2026-03-02T09:00:00Z"
