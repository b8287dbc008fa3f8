"""Adding one post: what is taken, what is refused and why."""

from __future__ import annotations

import os
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from killswitch import media
from killswitch.errors import RefusedError, UsageError
from killswitch.news.story import StoryState
from killswitch.outcome import Passage
from killswitch.store import deliveries
from killswitch.wire import Caller
from tests.unit.desk.house import KARIM, LEA, NOW, ROOT, TEXT_MOST, House, a_story, refused

WEEK = timedelta(days=7)
OPEN_FILES = Path("/proc/self/fd")


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


# ---- media ----------------------------------------------------------------------------------


@pytest.fixture
def folder(small_house: House) -> Path:
    return small_house.root / "media"


def _fifo(folder: Path) -> str:
    os.mkfifo(folder / "pipe")
    return "pipe"


def _link_to_file(folder: Path) -> str:
    (folder.parent / "secret").write_text("s")
    (folder / "link.png").symlink_to(folder.parent / "secret")
    return "link.png"


def _link_to_folder(folder: Path) -> str:
    (folder.parent / "other").mkdir()
    (folder.parent / "other" / "a.png").write_text("s")
    (folder / "sub").symlink_to(folder.parent / "other")
    return "sub/a.png"


def _folder(folder: Path) -> str:
    (folder / "sub").mkdir()
    return "sub"


def _unreadable(folder: Path) -> str:
    return "a" * 300


BAD_MEDIA: dict[str, Any] = {
    "up": lambda folder: "../killswitch.db",
    "down and up": lambda folder: "a/../../killswitch.db",
    "absolute, inside": lambda folder: str(folder / "a.png"),
    "absolute, outside": lambda folder: "/etc/passwd",
    "a dot": lambda folder: "./a.png",
    "no name between": lambda folder: "a//b",
    "empty": lambda folder: "",
    "NUL": lambda folder: "a\0b",
    "no text": lambda folder: "\ud800",
    "a FIFO": _fifo,
    "a link": _link_to_file,
    "a folder that is a link": _link_to_folder,
    "a folder": _folder,
    "a name too long": _unreadable,
}


@pytest.mark.parametrize("made", BAD_MEDIA.values(), ids=BAD_MEDIA)
def test_media_are_plain_files_below_their_folder_and_nothing_else(
    small_house: House, folder: Path, made: Any
) -> None:
    name = made(folder)
    assert refused(small_house.add, media=(name,), kind=UsageError).code == "media"
    assert not media.is_whole(folder, [(name, "0")])
    assert small_house.visible() == 0


def test_a_refused_path_leaves_no_file_open(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    before = len(list(OPEN_FILES.iterdir()))
    for _ in range(5):
        refused(media.fingerprint, tmp_path, "sub/none/a.png", kind=UsageError)
    assert len(list(OPEN_FILES.iterdir())) == before


def test_a_file_larger_than_any_network_takes_is_refused(
    small_house: House, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(media, "MAX_BYTES", 10)
    (folder / "ten.png").write_bytes(b"0123456789")
    (folder / "more.png").write_bytes(b"0123456789a")
    small_house.add(media=("ten.png",))
    assert "larger" in refused(small_house.add, media=("more.png",), at="+2h").message


def test_a_post_of_a_picture_alone_is_a_post(small_house: House, folder: Path) -> None:
    (folder / "sub").mkdir()
    (folder / "sub" / "a.png").write_bytes(b"png")
    delivery = small_house.add(text=" ", media=("sub/a.png",))
    assert small_house.desk.queue_show(delivery)["media"] == [{"path": "sub/a.png", "alt": "alt"}]


@pytest.mark.parametrize(
    "change",
    [
        lambda file: file.write_bytes(b"other"),
        lambda file: file.unlink(),
        lambda file: (file.unlink(), file.symlink_to("/etc/passwd")),
    ],
    ids=["other bytes", "gone", "a link now"],
)
def test_a_file_that_changed_since_is_held_and_not_sent(
    small_house: House, folder: Path, change: Any
) -> None:
    (folder / "a.png").write_bytes(b"png")
    delivery = small_house.add(media=("a.png",), at="now")
    change(folder / "a.png")
    assert small_house.send(delivery) is Passage.HELD
    assert small_house.published() == []
    assert small_house.holds(delivery) == ["human"]


def test_an_unchanged_file_is_sent(small_house: House, folder: Path) -> None:
    (folder / "a.png").write_bytes(b"png")
    delivery = small_house.add(media=("a.png",), at="now")
    assert small_house.send(delivery) is Passage.SENT


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


# ---- clashes --------------------------------------------------------------------------------

CLASHING = "A weekend at the lake of Annecy"


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
        assert [row.ref for row in deliveries.holds_of(conn, [delivery])[delivery]] == ["s2"]


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
