"""Released posts leave as they were planned: by due time, and of one time as they were queued."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from killswitch.desk import letting_go
from killswitch.wire import ImportRow
from tests.unit.desk.house import LEA, MIN, House

COUNT = 12
"""So many ids drawn at random stand in the order of the queue once in half a milliard times."""


def left(house: House) -> list[str]:
    """The texts that have left, in their order."""
    return [house.the(one).content.text for one in house.published("log")]


def planned(house: House, minutes: Sequence[int]) -> list[str]:
    """Posts due so many minutes past ten, in this order of queueing."""
    ids = []
    for number, at in enumerate(minutes):
        wall = f"2026-03-02T10:{at}"
        ids.append(house.add(at=wall, text=f"{at} No {number}", channels=("log",)))
        house.move(seconds=0.001)
    return ids


def test_held_posts_of_one_time_leave_as_they_were_queued(house: House) -> None:
    ids = planned(house, [10] * COUNT)
    house.do("hold", *ids)
    house.move(minutes=20)
    house.do("release", *reversed(ids))
    house.live(seconds=10)
    assert left(house) == [f"10 No {number}" for number in range(COUNT)]


def test_a_release_by_filter_goes_by_due_time_first(house: House) -> None:
    planned(house, [12, 11, *[10] * COUNT])
    house.do_all("hold", chosen={"channel": "log"})
    house.move(minutes=20)
    house.do_all("release", chosen={"channel": "log", "states": ("held",)})
    house.live(seconds=10)
    last = ["11 No 1", "12 No 0"]
    assert left(house) == [*(f"10 No {number}" for number in range(2, COUNT + 2)), *last]


@pytest.mark.parametrize("gap", [0, 2])
def test_after_a_pause_they_take_their_slots_in_that_order(
    house: House, gap: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(letting_go, "BITE", 5)
    monkeypatch.setattr(letting_go, "READ_MOST", 7)
    house.set(release_gap=gap * MIN)
    ids = planned(house, [10] * COUNT)
    house.pause()
    house.move(minutes=20)
    house.turn()
    house.do("release", *reversed(ids))
    house.resume()
    house.live(minutes=1 + gap * (COUNT + 1))
    assert left(house) == [f"10 No {number}" for number in range(COUNT)]


def test_an_imported_file_is_queued_in_its_order(house: House) -> None:
    desk = house.desk
    batch = desk.import_open("x", caller=LEA)["import"]
    for start in (0, COUNT):
        wanted = [
            ImportRow(at, house.post(text=f"No {at}", channels=("log",), at="2026-03-02T12:00"))
            for at in range(start, start + COUNT)
        ]
        assert desk.import_rows(batch, wanted, caller=LEA)["bad"] == []
    desk.import_commit(batch, dry_run=False, caller=LEA)
    ids = house.listed()
    house.do("hold", *ids)
    house.move(hours=3)
    house.do("release", *ids)
    house.live(seconds=10)
    assert left(house) == [f"No {number}" for number in range(2 * COUNT)]


def test_an_edited_post_keeps_its_place_in_line(house: House) -> None:
    one = house.add(at="+10m", channels=("log", "x"))
    before = house.the(one).created_at
    house.move(minutes=1)
    house.do("edit", one, text="new words")
    assert house.the(one).created_at == before
