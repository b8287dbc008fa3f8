"""Adding one post: what is taken, what is refused and why."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from killswitch.errors import RefusedError, UsageError
from killswitch.news.story import StoryState
from killswitch.store import holds
from killswitch.wire import Caller
from tests.unit.desk.house import CLASHING, KARIM, LEA, NOW, TEXT_MOST, House, a_story, refused


@pytest.mark.parametrize(
    ("typed", "instant"),
    [
        ("now", NOW),
        ("+90s", NOW + timedelta(seconds=90)),
        ("+15m", NOW + timedelta(minutes=15)),
        ("+2h", NOW + timedelta(hours=2)),
        ("+3d", NOW + timedelta(days=3)),
        ("2026-03-02T12:00", datetime(2026, 3, 2, 11, tzinfo=UTC)),
        ("2026-03-02T12:00:00Z", datetime(2026, 3, 2, 12, tzinfo=UTC)),
        ("2026-03-02T12:00+09:00", None),
        ("2026-10-25T02:30", datetime(2026, 10, 25, 0, 30, tzinfo=UTC)),
    ],
)
def test_a_when_is_resolved_once_in_the_configured_zone(
    small_house: House, typed: str, instant: datetime | None
) -> None:
    if instant is None:
        assert refused(small_house.add, at=typed, kind=UsageError).code == "past"
        return
    assert small_house.the(small_house.add(at=typed, channels=("log",))).due_at == instant


@pytest.mark.parametrize(
    "link",
    ["javascript:alert(1)", "not a url", "https://", "https:/x.example", "ftp://x.example/a",
     "https://x.example/a b", "https://[x", "//x.example"],
)  # fmt: skip
def test_a_link_that_is_no_web_address_is_refused(house: House, link: str) -> None:
    assert refused(house.add, link=link, kind=UsageError).code == "link"
    delivery = house.add(link="HTTPS://x.example/a?b=1#c")
    assert refused(house.do, "edit", delivery, link=link, kind=UsageError).code == "link"


def test_what_became_of_a_new_post_is_told_with_the_reason(house: House) -> None:
    assert (house.added()["state"], house.added(at="+2h")["note"]) == ("scheduled", None)
    house.pause()
    paused = house.added(at="+3h")
    assert (paused["state"], "the queue is paused" in paused["note"]) == ("scheduled", True)
    house.set(approve=True)
    assert house.added(at="+4h")["state"] == "awaiting_approval"
    house.set(approve=False)
    house.trip(a_story())
    clash = house.added(at="+5h", text=CLASHING)
    assert (clash["state"], "held: it clashes" in clash["note"]) == ("held", True)


def test_an_hour_that_comes_twice_is_its_first_and_the_answer_says_so(small_house: House) -> None:
    answer = small_house.added(at="2026-10-25T02:30")
    assert answer["wall"] == "2026-10-25T02:30:00"
    assert "twice" in answer["note"]


def test_an_hour_that_does_not_exist_is_refused_with_both_neighbours(small_house: House) -> None:
    error = refused(small_house.add, at="2026-03-29T02:30", kind=UsageError)
    assert error.code == "dst_gap"
    assert "01:30" in error.hint
    assert "03:30" in error.hint


@pytest.mark.parametrize(
    ("post", "code"),
    [
        ({"at": "yesterday"}, "bad_time"),
        ({"at": "2026-03-02"}, "bad_time"),
        ({"at": "2026-03-01T10:00"}, "past"),
        ({"at": "+4000d"}, "bad_duration"),
        ({"channels": ("nowhere",)}, "unknown_channel"),
        ({"channels": ()}, "channels"),
        ({"channels": tuple(f"c{n}" for n in range(51))}, "channels"),
        ({"text": "a" * (TEXT_MOST + 1)}, "text"),
        ({"text": "  \n "}, "empty"),
        ({"expires": "+30m"}, "expires"),
        ({"expires": "2026-03-01T10:00"}, "past"),
        ({"media": ("missing.png",)}, "media"),
    ],
)
def test_what_is_wrong_whatever_the_state_is_refused_and_nothing_is_added(
    small_house: House, post: dict[str, Any], code: str
) -> None:
    error = refused(small_house.add, kind=UsageError, **post)
    assert (error.code, int(error.exit)) == (code, 2)
    assert small_house.visible() == 0


def test_a_post_on_several_channels_is_one_delivery_each_named_once(house: House) -> None:
    answer = house.added(channels=("insta", "x", "insta"), link="https://a.example/b", tags=("t",))
    assert len(answer["ids"]) == 2
    shown = [house.desk.queue_show(one) for one in answer["ids"]]
    assert [one["channel"] for one in shown] == ["insta", "x"]
    assert {one["link"] for one in shown} == {"https://a.example/b"}
    assert {tuple(one["tags"]) for one in shown} == {("t",)}
    assert {one["author"] for one in shown} == {"lea"}


# ---- keys -----------------------------------------------------------------------------------


def test_the_same_key_with_the_same_content_is_nothing_new(house: House) -> None:
    first = house.added(key="k", at="2026-03-02T12:00")
    again = house.added(key="k", at="2026-03-02T12:00")
    assert (again["post"], again["ids"]) == (first["post"], first["ids"])
    assert "already" in again["note"]
    assert house.visible() == 1


def test_a_key_whose_post_has_gone_out_since_is_still_nothing_new(house: House) -> None:
    first = house.added(key="k", at="2026-03-02T12:00", expires="2026-03-02T13:00")
    house.move(hours=5)
    again = house.added(key="k", at="2026-03-02T12:00", expires="2026-03-02T13:00")
    assert again["ids"] == first["ids"]


@pytest.mark.parametrize(
    "other",
    [
        {"text": "another"},
        {"at": "2026-03-02T13:00"},
        {"channels": ("x",)},
        {"channels": ("insta", "x")},
        {"link": "https://a.example"},
        {"tags": ("promo",)},
        {"expires": "2026-03-03T12:00"},
    ],
    ids=str,
)
def test_the_same_key_with_other_content_is_refused(house: House, other: dict[str, Any]) -> None:
    house.add(key="k", at="2026-03-02T12:00")
    error = refused(house.add, key="k", **({"at": "2026-03-02T12:00"} | other), kind=RefusedError)
    assert (error.code, int(error.exit)) == ("key_taken", 5)
    assert house.visible() == 1


def _with_key(caller: Caller, key: str) -> Caller:
    return replace(caller, request_key=key)


def test_a_request_that_is_repeated_with_its_key_adds_once(house: House) -> None:
    first = house.added(caller=_with_key(LEA, "1"))
    house.move(hours=2)
    assert house.added(caller=_with_key(LEA, "1")) == first
    assert house.visible() == 1


def test_a_request_key_belongs_to_one_person(house: House) -> None:
    house.add(caller=_with_key(LEA, "1"))
    house.add(caller=_with_key(KARIM, "1"), channels=("x",))
    assert house.visible() == 2


def test_a_refused_request_may_be_repeated_with_its_key(house: House) -> None:
    caller = _with_key(LEA, "1")
    refused(house.add, caller=caller, text="")
    house.add(caller=caller)
    assert house.visible() == 1


# ---- clashes --------------------------------------------------------------------------------


def test_a_new_post_that_touches_an_event_of_the_last_month_is_held(house: House) -> None:
    house.tell(a_story(at=NOW - timedelta(days=29)))
    answer = house.added(text=CLASHING, at="+10d")
    (delivery,) = answer["ids"]
    assert house.state(delivery) == "held"
    assert "Annecy" in answer["note"]
    assert house.desk.queue_show(delivery)["clash"] == ["Annecy"]


@pytest.mark.parametrize("story", ["old", "dismissed", "elsewhere", "rehearsal"])
def test_a_new_post_is_not_held_for(house: House, story: str) -> None:
    known = {
        "old": a_story(at=NOW - timedelta(days=31)),
        "dismissed": a_story(state=StoryState.DISMISSED),
        "elsewhere": a_story(words=("nantes",)),
        "rehearsal": a_story(),
    }
    if story == "rehearsal":
        house.mode = "rehearsal"
        house.set()
    house.tell(known[story])
    assert house.state(house.add(text=CLASHING)) == "scheduled"


def test_new_words_of_a_post_are_compared_as_well(house: House) -> None:
    house.tell(a_story())
    delivery = house.add(text="A weekend away")
    house.do("edit", delivery, text=CLASHING)
    assert house.holds(delivery) == ["clash"]


def test_who_edits_a_clashing_post_has_seen_the_clash(house: House) -> None:
    house.tell(a_story())
    delivery = house.add(text=CLASHING)
    house.do("edit", delivery, text=f"{CLASHING}, with our thoughts")
    assert house.state(delivery) == "scheduled"


def test_an_edit_that_touches_another_event_is_held_again(house: House) -> None:
    house.tell(a_story())
    house.tell(a_story("s2", words=("nantes",)))
    delivery = house.add(text=CLASHING)
    house.do("edit", delivery, text="A weekend in Nantes")
    with house.store.read() as conn:
        assert [row.ref for row in holds.holds_of(conn, [delivery])[delivery]] == ["s2"]


# ---- modes ----------------------------------------------------------------------------------


def test_guard_mode_owns_no_queue(small_house: House) -> None:
    small_house.mode = "guard"
    small_house.set()
    desk = small_house.desk
    for call in (
        small_house.add,
        lambda: small_house.do("skip", "d123"),
        lambda: desk.import_open("a.csv", caller=LEA),
    ):
        error = refused(call, kind=RefusedError)
        assert (error.code, int(error.exit)) == ("guard_mode", 5)


def test_what_expires_while_it_waits_is_skipped(house: House) -> None:
    delivery = house.add(at="+1m", expires="+10m")
    house.pause()
    house.move(minutes=11)
    house.turn()
    assert house.state(delivery) == "skipped"
