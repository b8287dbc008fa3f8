"""Gaps and caps, the horizon brake, and the second person."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from killswitch.errors import RefusedError
from killswitch.queue.when import shown
from killswitch.wire import Caller
from tests.unit.desk.house import GAP, KARIM, LEA, NOW, ROOT, WEEK, House, refused

# ---- gaps, caps, horizon --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("channel", "due", "wanted", "allowed"),
    [
        ("insta", ("+60m",), "+65m", True),
        ("insta", ("+60m",), "+64m", False),
        ("insta", ("+60m",), "+56m", False),
        ("insta", ("+60m",), "+60m", False),
        ("x", ("+60m", "+90m"), "+75m", False),
        ("x", ("+60m", "+90m"), "+119m", False),
        ("x", ("+60m", "+90m"), "+120m", True),
        ("x", ("+60m",), "+60m", True),
        ("log", ("+60m", "+60m"), "+60m", True),
    ],
)
def test_a_post_that_would_break_a_gap_or_cap_is_refused_now(
    small_house: House, channel: str, due: tuple[str, ...], wanted: str, *, allowed: bool
) -> None:
    for at in due:
        small_house.add(at=at, channels=(channel,))
    if allowed:
        small_house.add(at=wanted, channels=(channel,))
        return
    error = refused(small_house.add, at=wanted, channels=(channel,), kind=RefusedError)
    assert (error.code, int(error.exit)) == ("crowded", 5)
    assert small_house.visible() == len(due)


def test_a_refused_time_names_the_post_that_is_there_and_the_next_free_one(
    small_house: House,
) -> None:
    first = small_house.add(text="Vive l'été\nen ville", at="+60m", channels=("insta",))
    small_house.add(at="+65m", channels=("insta",))
    error = refused(small_house.add, at="+58m", channels=("insta",), kind=RefusedError)
    zone = str(small_house.context.zone)
    at = small_house.the(first).due_at
    there = f'the post {first} "Vive l\'été en ville" at {shown(at, zone=zone)}'
    assert error.message.startswith(f"insta already has {there}")
    assert error.hint.endswith(f"the next free one is {shown(at + 2 * GAP, zone=zone)}")


def test_a_post_is_on_all_its_channels_or_on_none(house: House) -> None:
    house.add(at="+60m")
    refused(house.add, at="+60m", channels=("log", "insta"), kind=RefusedError)
    assert house.visible() == 1


def test_a_post_from_beyond_the_horizon_must_be_confirmed_in_its_last_days(house: House) -> None:
    answer = house.added(at="+40d")
    (far,) = answer["ids"]
    assert "confirm" in answer["note"]
    assert refused(house.do, "confirm", far, kind=RefusedError).code == "too_early"
    house.move(days=37, seconds=1)
    house.do("confirm", far)
    house.move(days=3)
    house.turn()
    assert house.state(far) == "sent"


@pytest.mark.parametrize("tags", [("promo",), ("summer", "promo")])
def test_the_shortest_horizon_of_its_tags_counts(small_house: House, tags: tuple[str, ...]) -> None:
    small_house.set(horizon_tags={"promo": WEEK, "summer": 3 * WEEK})
    assert small_house.added(at="+8d", tags=())["note"] is None
    assert "confirm" in small_house.added(at="+9d", tags=tags)["note"]


def test_what_nobody_confirmed_is_held_at_its_time_and_a_late_confirm_lets_it_go(
    house: House,
) -> None:
    far = house.add(at="+40d")
    house.move(days=40, seconds=1)
    house.turn()
    assert (house.state(far), house.holds(far)) == ("held", ["horizon"])
    house.move(minutes=3)
    house.do("confirm", far)
    assert house.state(far) == "scheduled"
    house.turn()
    assert house.state(far) == "sent"


def test_a_confirm_far_too_late_takes_the_next_slot(house: House) -> None:
    far = house.add(at="+40d")
    house.move(days=40, seconds=1)
    house.turn()
    house.move(hours=3)
    house.do("confirm", far)
    assert house.due_in(far) == timedelta(0)
    house.turn()
    assert house.state(far) == "sent"


def test_a_confirm_lifts_no_other_hold(house: House) -> None:
    far = house.add(at="+40d")
    house.move(days=38)
    house.do("hold", far)
    house.do("confirm", far)
    assert (house.state(far), house.holds(far)) == ("held", ["human"])


def test_a_move_beyond_the_horizon_asks_for_a_confirm_again(house: House) -> None:
    near = house.add(at="+10d")
    house.do("move", near, at="+40d")
    assert house.the(near).confirm_from == NOW + timedelta(days=37)
    house.do("move", near, at="+20d")
    assert house.the(near).confirm_from is None


def test_a_release_far_ahead_is_no_second_look(house: House) -> None:
    far = house.add(at="+60d")
    house.do("hold", far)
    house.do("release", far)
    house.move(days=60, seconds=1)
    house.turn()
    assert (house.state(far), house.holds(far)) == ("held", ["horizon"])


# ---- approval -------------------------------------------------------------------------------


@pytest.fixture
def strict(house: House) -> House:
    house.set(approve=True)
    return house


def test_with_approval_asked_for_a_post_waits_for_a_second_person(strict: House) -> None:
    answer = strict.added(at="+5m")
    (delivery,) = answer["ids"]
    assert "approve" in answer["note"]
    assert strict.state(delivery) == "awaiting_approval"
    strict.do("approve", delivery, caller=KARIM)
    assert strict.state(delivery) == "scheduled"
    assert strict.desk.queue_show(delivery)["approved_by"] == "karim"


@pytest.mark.parametrize("own", [LEA, ROOT], ids=["as herself", "as root for her"])
def test_nobody_approves_a_text_of_their_own(strict: House, own: Any) -> None:
    delivery = strict.add()
    assert refused(strict.do, "approve", delivery, caller=own, kind=RefusedError).code == "own_post"


def test_who_edited_a_text_does_not_approve_it(strict: House) -> None:
    delivery = strict.add()
    strict.do("edit", delivery, text="better", caller=KARIM)
    error = refused(strict.do, "approve", delivery, caller=KARIM, kind=RefusedError)
    assert error.code == "own_post"


@pytest.mark.parametrize(
    "change", [{"text": "new"}, {"link": "https://b.example"}, {"tags": ("t",)}]
)
def test_an_edit_voids_the_approval(strict: House, change: dict[str, Any]) -> None:
    delivery = strict.add()
    strict.do("approve", delivery, caller=KARIM)
    strict.do("edit", delivery, **change)
    assert strict.state(delivery) == "awaiting_approval"


def test_an_edit_in_a_pause_voids_the_approval_when_it_is_carried_out(strict: House) -> None:
    delivery = strict.add(at="+10m")
    strict.do("approve", delivery, caller=KARIM)
    strict.pause()
    strict.turn()
    strict.do("edit", delivery, text="other words", at="+2h")
    strict.resume()
    assert strict.state(delivery) == "awaiting_approval"
    error = refused(strict.do, "approve", delivery, caller=LEA, kind=RefusedError)
    assert error.code == "own_post"


def test_a_held_post_that_nobody_approved_goes_back_to_its_approver(strict: House) -> None:
    delivery = strict.add(at="+1m")
    strict.move(minutes=30)
    strict.turn()
    assert strict.holds(delivery) == ["late"]
    strict.do("release", delivery)
    assert strict.state(delivery) == "awaiting_approval"


def test_a_rejected_post_is_held_and_its_author_is_told(strict: House) -> None:
    delivery = strict.add()
    strict.do("reject", delivery, caller=KARIM, reason="not today")
    assert (strict.state(delivery), strict.the(delivery).problem) == ("held", "not today")
    strict.do("release", delivery)
    assert strict.state(delivery) == "awaiting_approval"


def test_a_held_post_may_be_approved_and_stays_held(strict: House) -> None:
    delivery = strict.add()
    strict.do("reject", delivery, caller=KARIM)
    strict.do("approve", delivery, caller=KARIM)
    assert (strict.state(delivery), strict.holds(delivery)) == ("held", ["human"])
    strict.do("release", delivery)
    assert strict.state(delivery) == "scheduled"


def test_what_came_due_in_a_pause_unapproved_is_held_by_it_and_no_approval_lets_it_out(
    strict: House,
) -> None:
    due, soon, later = (strict.add(at=at) for at in ("+5m", "+25m", "+2h"))
    strict.pause()
    strict.turn()
    assert [strict.state(one) for one in (due, soon, later)] == [
        "held",
        "held",
        "awaiting_approval",
    ]
    strict.move(minutes=10)
    assert refused(strict.resume, kind=RefusedError).code == "undecided"
    strict.resume(keep_held=True)
    strict.do("approve", due, soon, caller=KARIM)
    strict.live(hours=1)
    assert strict.published() == []


def test_an_approval_right_after_the_resume_lets_nothing_out_inside_the_lead(strict: House) -> None:
    """The press comes before the sweep has turned."""
    soon = strict.add(at="+20m")
    strict.pause()
    strict.resume()
    assert (strict.state(soon), strict.holds(soon)) == ("held", ["lead"])
    strict.do("approve", soon, caller=KARIM)
    strict.live(hours=1)
    assert strict.published() == []


def test_an_unapproved_post_that_was_released_in_a_pause_still_waits_for_its_approver(
    strict: House,
) -> None:
    soon = strict.add(at="+20m")
    strict.pause()
    strict.turn()
    strict.do("release", soon)
    strict.resume()
    assert strict.state(soon) == "awaiting_approval"
    strict.do("approve", soon, caller=KARIM)
    strict.live(minutes=21)
    assert strict.published() == [soon]


@pytest.mark.parametrize(
    "approver",
    [
        replace(KARIM, login="lea-admin"),
        replace(ROOT, said_name="lea-admin"),
        replace(ROOT, said_name="Léa Martin"),
    ],
    ids=["her other login", "root for that", "root for her name"],
)
@pytest.mark.parametrize("edited", [False, True], ids=["wrote", "edited"])
def test_the_two_logins_of_one_person_are_no_two_persons(
    strict: House, approver: Caller, *, edited: bool
) -> None:
    persons = dict.fromkeys(("Léa Martin", "lea", "lea-admin"), frozenset({"Léa Martin"}))
    persons["karim"] = frozenset({"Karim"})
    strict.context = replace(strict.context, persons=persons)
    delivery = strict.add(caller=KARIM if edited else LEA)
    if edited:
        strict.do("edit", delivery, text="better", caller=LEA)
    error = refused(strict.do, "approve", delivery, caller=approver, kind=RefusedError)
    assert error.code == "own_post"
    assert "lea" in error.message
    if not edited:
        strict.do("approve", delivery, caller=KARIM)
        assert strict.state(delivery) == "scheduled"
