"""What a resume lets go in bites: no long transaction, nothing lost, nothing out of the pause."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from itertools import pairwise
from typing import Any

import pytest

from killswitch.desk import letting_go
from killswitch.errors import RefusedError, StoreBusyError
from killswitch.latch import CauseKind
from killswitch.store import bulk, facts
from killswitch.store.engine import Store
from killswitch.trip import LEFT_OVER, LETTING_GO
from tests.unit.desk.house import CLASHING, GAP, LEA, MIN, House, a_story, refused


class PowerCutError(Exception):
    """The process ends here."""


@pytest.fixture(autouse=True)
def _small_bites(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(letting_go, "BITE", 2)
    monkeypatch.setattr(letting_go, "READ_MOST", 4)


def paused_with(house: House, count: int, *, verb: str = "", **post: Any) -> list[str]:
    """Posts that came due in a pause, five minutes apart, all decided where a verb is given."""
    said = {"channels": ("log",), **post}
    ids = [house.add(at=f"+{n * 5}m", text=f"No {n}", **said) for n in range(1, count + 1)]
    house.pause()
    house.move(minutes=5 * count + 1)
    house.turn()
    if verb:
        house.do(verb, *ids, **({"text": "new words"} if verb == "edit" else {}))
    return ids


def cut(after: int, press: Callable[[], Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """Press, and let the process die after some bites."""
    left = [after]

    def die(name: str) -> None:
        left[0] -= name == "release.after_commit"
        if not left[0]:
            raise PowerCutError

    with monkeypatch.context() as patch:
        patch.setattr(letting_go, "passing", die)
        with pytest.raises(PowerCutError):
            press()


def states(house: House, ids: list[str]) -> list[str]:
    return [house.state(one) for one in ids]


# ---- short transactions ---------------------------------------------------------------------


@pytest.mark.parametrize("verb", ["release", "edit", "skip", "move", "keep"])
def test_no_transaction_carries_out_more_than_a_bite(
    house: House, monkeypatch: pytest.MonkeyPatch, verb: str
) -> None:
    ids = paused_with(house, 7)
    more = {"edit": {"text": "new"}, "move": {"at": "+60m"}}.get(verb, {})
    for n, one in enumerate(ids):
        house.do(verb, one, **(more if verb != "move" else {"at": f"+{60 + n}m"}))
    real, decided = Store.write, [7]

    @contextlib.contextmanager
    def write(store: Store, *, urgent: bool = False) -> Iterator[Any]:
        with real(store, urgent=urgent) as conn:
            yield conn
        decided.append(sum(house.decision(one) is not None for one in ids))

    monkeypatch.setattr(Store, "write", write)
    house.resume()
    monkeypatch.undo()
    assert decided[-1] == 0
    assert max(before - after for before, after in pairwise(decided)) == 2
    expected = {"skip": "skipped", "keep": "held"}.get(verb, "scheduled")
    assert states(house, ids) == [expected] * 7


def test_a_lead_full_of_posts_is_held_in_bites_before_the_causes_close(
    small_house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    ids = [small_house.add(at=f"+{n}m", channels=("log",)) for n in range(1, 9)]
    monkeypatch.setattr(bulk, "BITE", 3)
    small_house.pause()
    small_house.resume()
    assert states(small_house, ids) == ["held"] * 8
    small_house.move(hours=1)
    small_house.turn()
    assert small_house.published() == []


# ---- the same as in one go ------------------------------------------------------------------


def test_slots_of_several_bites_lie_a_release_gap_apart(house: House) -> None:
    insta = paused_with(house, 5, verb="release", channels=("insta",))
    assert house.resume()["released"] == 5
    assert [house.due_in(one) / MIN for one in insta] == [15, 30, 45, 60, 75]


def test_slots_step_around_what_is_planned_however_full_the_channel_is(house: House) -> None:
    for n in range(40):
        house.add(at=f"+{80 + 5 * n}m", channels=("insta",))
    ids = paused_with(house, 3, verb="release", channels=("insta",))
    house.resume()
    assert states(house, ids) == ["scheduled"] * 3
    due = sorted(house.the(one).due_at for one in house.listed(states=("scheduled",)))
    assert all(b - a >= GAP for a, b in pairwise(due))


def test_a_resume_that_is_repeated_tells_what_came_of_it(house: House) -> None:
    paused_with(house, 5, verb="release")
    kept = house.add(at="+5m", channels=("x",))
    seen, caller = house.latch().version, replace(LEA, request_key="1")
    first = house.desk.resume(seen, reason="seen", keep_held=False, caller=caller)
    assert (first["released"], first["held"], house.state(kept)) == (5, 1, "held")
    assert house.desk.resume(seen, reason="seen", keep_held=False, caller=caller) == first


# ---- a crash between bites ------------------------------------------------------------------


def test_after_a_crash_the_sweep_goes_on_where_the_resume_ended(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    ids = paused_with(house, 7, verb="release", channels=("insta",))
    pressed = house.clock.now()
    cut(2, house.resume, monkeypatch)
    assert not house.latch().paused
    assert states(house, ids) == ["scheduled"] * 4 + ["held"] * 3
    house.move(minutes=5)
    house.turn()
    assert states(house, ids) == ["scheduled"] * 7
    assert [house.the(one).due_at for one in ids] == [pressed + 15 * n * MIN for n in range(1, 8)]


def test_what_a_crash_left_for_hours_takes_no_slot_of_the_past(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    ids = paused_with(house, 4, verb="release", channels=("insta",))
    cut(1, house.resume, monkeypatch)
    house.move(hours=3)
    house.turn()
    assert [house.due_in(one) for one in ids[2:]] == [timedelta(0), 15 * MIN]


def test_what_was_decided_is_carried_out_as_at_the_press(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Moved to a time between press and crash: it is late then, and its author is told."""
    ids = paused_with(house, 3, verb="skip")
    moved = house.add(at="+20m", channels=("log",))
    house.turn()
    house.do("move", moved, at="+10m")
    cut(1, house.resume, monkeypatch)
    house.move(minutes=40)
    house.turn()
    assert states(house, ids) == ["skipped"] * 3
    assert (house.state(moved), house.holds(moved)) == ("held", ["late"])


def test_nothing_that_is_not_carried_out_yet_can_leave(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    ids = paused_with(house, 5, verb="release")
    cut(1, house.resume, monkeypatch)
    with monkeypatch.context() as patch:
        patch.setattr(letting_go, "step", lambda ctx: None)
        house.live(minutes=40)
        assert set(house.published("log")) == set(ids[:2])


def test_a_store_that_fails_between_bites_fails_no_resume(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    ids = paused_with(house, 5, verb="release")

    def busy(name: str) -> None:
        if name == "release.after_commit":
            raise StoreBusyError("store_busy", "locked")

    with monkeypatch.context() as patch:
        patch.setattr(letting_go, "passing", busy)
        answer = house.resume()
    assert (len(answer["closed"]), answer["released"]) == (1, 5)
    assert states(house, ids) == ["scheduled"] * 2 + ["held"] * 3
    house.turn()
    assert "held" not in states(house, ids)


# ---- a new trip between bites ---------------------------------------------------------------


@pytest.fixture
def half_way(house: House, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """A resume that carried out two decisions of six, and then another pause."""
    ids = paused_with(house, 4, verb="release")
    clash = house.add(at="+4m", text=CLASHING, channels=("x",))
    moved = house.add(at="+6m", channels=("log",))
    house.turn()
    house.do("release", clash)
    house.do("move", moved, at="+20m")
    cut(1, house.resume, monkeypatch)
    house.trip(a_story())
    return [*ids, clash, moved]


def test_after_a_new_trip_nothing_more_is_let_go(house: House, half_way: list[str]) -> None:
    before = states(house, half_way)
    assert sorted(set(before)) == ["held", "scheduled"]
    house.turn()
    assert [one for one in half_way if house.state(one) == "scheduled"] == []
    house.live(hours=1)
    assert house.published("log") == house.published("x") == []


def test_the_rest_stays_decided_but_for_what_the_new_event_touches(
    house: House, half_way: list[str]
) -> None:
    *ids, clash, _ = half_way
    left = [one for one in ids if house.decision(one)]
    assert len(left) >= 2
    house.turn()
    assert house.decision(clash) is None
    assert [house.decision(one) for one in left] == ["release"] * len(left)
    house.resume(keep_held=True)
    assert states(house, left) == ["scheduled"] * len(left)
    assert (house.state(clash), house.fact(LEFT_OVER)) == ("held", None)


def test_the_rest_is_undecided_again_where_its_decided_time_passes(
    house: House, half_way: list[str]
) -> None:
    *ids, _, moved = half_way
    house.turn()
    for one in ids:
        house.do("skip", one)
    house.move(minutes=25)
    house.turn()
    error = refused(house.resume, kind=RefusedError)
    assert error.code == "undecided"
    waiting = {row["id"] for row in house.desk.resume_preview()["undecided"]}
    assert moved in waiting


def test_a_trip_after_all_was_let_go_changes_nothing_about_it(house: House) -> None:
    paused_with(house, 3, verb="skip")
    house.resume()
    house.pause(key="k2")
    house.turn()
    assert (house.fact(LETTING_GO), house.fact(LEFT_OVER)) == (None, None)


# ---- people between bites -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("verb", "state", "decision"),
    [
        ("keep", "held", None),
        ("hold", "held", None),
        ("skip", "skipped", None),
        ("cancel", "cancelled", None),
        ("move", "scheduled", None),
    ],
)
def test_what_somebody_says_before_its_bite_counts(
    house: House, monkeypatch: pytest.MonkeyPatch, verb: str, state: str, decision: str | None
) -> None:
    ids = paused_with(house, 3, verb="release")
    cut(1, house.resume, monkeypatch)
    house.do(verb, ids[2], **({"at": "+2h"} if verb == "move" else {}))
    due = house.the(ids[2]).due_at
    house.turn()
    now_is = house.the(ids[2])
    assert (now_is.state, now_is.due_at, house.decision(ids[2])) == (state, due, decision)


# ---- a false alarm --------------------------------------------------------------------------


def test_a_false_alarm_lets_go_in_bites_what_is_not_late(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    house.limits["log"] = replace(house.limits["log"], late_after=20 * MIN)
    ids = [house.add(at=f"+{n * 5}m", channels=("log",)) for n in range(1, 10)]
    house.trip(kind=CauseKind.STORY)
    house.move(minutes=31)
    house.turn()
    cut(2, house.dismiss, monkeypatch)
    left = states(house, ids).count("held")
    assert left == 9 - 4
    house.move(minutes=1)
    house.turn()
    assert states(house, ids) == ["held"] * 2 + ["scheduled"] * 7
    late = [(house.the(one).due_at - house.clock.now()) / MIN for one in ids[2:6]]
    assert late == [14, 29, 44, 59]


def test_what_somebody_holds_before_its_bite_does_not_go_on(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    ids = [house.add(at=f"+{n * 5}m", channels=("log",)) for n in range(1, 5)]
    house.trip(kind=CauseKind.STORY)
    house.turn()
    cut(1, house.dismiss, monkeypatch)
    (held, *_) = [one for one in ids if house.state(one) == "held"]
    house.do("hold", held)
    house.turn()
    assert (house.state(held), house.holds(held)) == ("held", ["pause", "human"])
    assert sorted(states(house, ids)) == ["held"] + ["scheduled"] * 3


def test_the_note_of_what_goes_on_is_kept_by_the_store(house: House) -> None:
    paused_with(house, 3, verb="release")
    house.resume()
    with house.store.read() as conn:
        assert '"done": true' in (facts.get(conn, LETTING_GO) or "")


def test_a_resume_that_a_new_pause_ends_tells_how_far_it_came(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    paused_with(house, 6, verb="release")
    left = [2]

    def trip_then(name: str) -> None:
        if name == "release.before_commit":
            return
        left[0] -= 1
        if not left[0]:
            house.pause(key="k2")

    monkeypatch.setattr(letting_go, "passing", trip_then)
    answer = house.resume()
    assert (answer["released"], answer["held"], house.latch().paused) == (4, 2, True)
