"""Posts whose channel was taken out of the configuration: told everywhere, let out nowhere."""

from __future__ import annotations

import pytest

from killswitch.errors import RefusedError
from killswitch.queue.states import DeliveryState
from tests.unit.desk.house import LEA, MIN, House, refused
from tests.unit.desk.test_status import status


def without_log(house: House) -> None:
    """The configuration is loaded again without the channel ``log``."""
    del house.networks["log"]
    del house.limits["log"]
    house.set()


def held_alone(house: House) -> str:
    """A post of ``log`` came due after its channel had gone."""
    one = house.add(at="+10m", channels=("log",))
    without_log(house)
    house.live(minutes=11)
    assert house.state(one) == "held"
    return one


def test_it_is_held_by_that_reason_and_not_as_late(house: House) -> None:
    one = held_alone(house)
    history = house.desk.queue_show(one)["history"]
    assert history[-1]["data"]["why"] == "the channel log is not configured any more"


def test_a_list_and_the_post_itself_say_that_its_channel_is_gone(house: House) -> None:
    one = held_alone(house)
    other = house.add(at="+60m")
    assert house.desk.queue_show(one)["channel_gone"] is True
    assert house.desk.queue_show(other)["channel_gone"] is False


def test_what_has_left_before_is_not_told_as_stuck(house: House) -> None:
    one = house.add(at="now", channels=("log",))
    house.turn()
    assert house.state(one) == "sent"
    without_log(house)
    assert house.desk.queue_show(one)["channel_gone"] is False


@pytest.mark.parametrize(
    ("verb", "more"), [("release", {}), ("move", {"at": "+2h"}), ("edit", {"text": "Other"})]
)
@pytest.mark.parametrize("paused", [False, True])
def test_no_verb_lets_it_out(
    small_house: House, verb: str, more: dict[str, str], *, paused: bool
) -> None:
    house = small_house
    one = held_alone(house)
    if paused:
        house.pause()
    error = refused(house.do, verb, one, kind=RefusedError, **more)
    assert "the channel log is not configured any more" in error.message
    assert f"killswitch queue cancel {one}" in error.hint
    assert (house.state(one), house.decision(one)) == ("held", None)


def test_a_confirmed_one_is_not_let_out_either(small_house: House) -> None:
    house = small_house
    one = house.add(at="+40d", channels=("log",))
    without_log(house)
    house.move(days=40)
    house.turn()
    assert house.state(one) == "held"
    refused(house.do, "confirm", one, kind=RefusedError)
    assert house.state(one) == "held"


def test_it_can_be_cancelled_and_leaves_once_its_channel_is_back(house: House) -> None:
    network, rules = house.networks["log"], house.limits["log"]
    first, second = (house.add(at="+10m", channels=("log",)) for _ in range(2))
    without_log(house)
    house.live(minutes=11)
    house.do("cancel", first)
    house.networks["log"], house.limits["log"] = network, rules
    house.set()
    house.do("release", second)
    house.turn()
    assert (house.state(first), house.state(second)) == ("cancelled", "sent")


def test_the_channels_name_it_with_its_posts(house: House) -> None:
    for minutes in (10, 20):
        house.add(at=f"+{minutes}m", channels=("log",))
    without_log(house)
    rows = {row["name"]: row for row in house.desk.channels()}
    assert (rows["log"]["ok"], rows["log"]["problem"]) == (False, "not configured, 2 posts wait")
    checked = {row["name"]: row for row in house.desk.channels_check(caller=LEA)}
    assert checked["log"]["ok"] is False


def test_the_channels_of_guard_mode_have_no_posts(small_house: House) -> None:
    small_house.add(at="+10m", channels=("log",))
    without_log(small_house)
    small_house.mode = "guard"
    small_house.set()
    assert "log" not in {row["name"] for row in small_house.desk.channels()}


def test_the_status_does_not_announce_it(house: House) -> None:
    soon = house.add(at="+10m", channels=("log",))
    later = house.add(at="+60m")
    assert [due["id"] for due in status(house)["next_due"]] == [soon, later]
    without_log(house)
    assert [due["id"] for due in status(house)["next_due"]] == [later]
    house.move(minutes=11)
    assert [due["id"] for due in status(house)["next_due"]] == [later], "nor once it is due"
    assert status(house)["orphaned"] == {"log": 1}


def test_one_that_waits_for_its_approver_is_counted(house: House) -> None:
    house.set(approve=True)
    one = house.add(at="+60m", channels=("log",))
    without_log(house)
    assert house.the(one).state is DeliveryState.AWAITING_APPROVAL
    assert house.desk.queue_show(one)["channel_gone"] is True
    assert house.due_in(one) == 60 * MIN
