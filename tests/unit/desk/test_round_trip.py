"""An export that is imported again: nothing is added where it came from, all of it elsewhere."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from killswitch.cli.queue_written import csv_text, jsonl_text
from killswitch.queue.files import FileRow, read_rows
from killswitch.store.engine import Store
from killswitch.wire import ImportRow, Media, NewPost, QueueFilter
from tests.unit.desk.house import LEA, House

PNG = b"\x89PNG\r\n\x1a\n"


@pytest.fixture
def elsewhere(sqlite_template: Path, tmp_path: Path) -> Iterator[House]:
    """Another daemon, with nothing in its queue."""
    shutil.copy(sqlite_template, tmp_path / "other.db")
    store = Store(f"sqlite:///{tmp_path}/other.db")
    yield House(store, tmp_path / "other")
    store.close()


def exported(house: House, write: Any = csv_text, **chosen: Any) -> list[FileRow]:
    docs = house.desk.queue_list(QueueFilter(**chosen))["deliveries"]
    name = "x.csv" if write is csv_text else "x.jsonl"
    rows = list(read_rows(write(docs).encode(), name=name))
    assert all(isinstance(row, FileRow) for row in rows)
    return [row for row in rows if isinstance(row, FileRow)]


def imported(house: House, rows: list[FileRow]) -> dict[str, Any]:
    """Import rows; return what was added and what was there, or the bad lines."""
    wanted = [
        ImportRow(
            row.line,
            NewPost(
                row.text,
                row.due,
                row.channels,
                tags=row.tags,
                media=tuple(Media(path, alt) for path, alt in row.media),
                link=row.link,
                expires=row.expires,
                key=row.key,
            ),
        )
        for row in rows
    ]
    batch = house.desk.import_open("x", caller=LEA)["import"]
    bad = house.desk.import_rows(batch, wanted, caller=LEA)["bad"]
    if bad:
        house.desk.import_drop(batch, caller=LEA)
        return {"bad": [line["message"] for line in bad]}
    return dict(house.desk.import_commit(batch, dry_run=False, caller=LEA))


def a_week(house: House) -> list[str]:
    """Posts as a team has them: plain, with a key, on several channels, moved, edited, held."""
    (house.root / "media" / "sea.png").write_bytes(PNG)
    more: dict[str, Any] = {"tags": ("promo",), "link": "https://brand.example", "expires": "+9h"}
    both = ("log", "x")
    ids = [house.add(at="+1h", text=text, channels=("log",)) for text in ("once", "once")]
    ids.append(house.add(at="+2h", key="mine", media=("sea.png",), **more))
    ids += house.added(at="+3h", text="two", channels=both)["ids"]
    ids += house.added(at="+4h", text="keyed", channels=both, key="k2")["ids"]
    ids += house.added(at="+5h", text="to edit", channels=both, key="k3")["ids"]
    house.do("move", ids[5], at="+6h")
    house.do("edit", ids[7], text="edited")
    house.do("hold", ids[0])
    return ids


@pytest.mark.parametrize("write", [csv_text, jsonl_text])
def test_where_it_came_from_nothing_is_added(house: House, write: Any) -> None:
    a_week(house)
    before = house.visible()
    rows = exported(house, write)
    assert imported(house, rows) == {"added": 0, "same": len(rows)}
    assert house.visible() == before


@pytest.mark.parametrize("chosen", [{"channel": "x"}, {"states": ("held",)}, {"tag": "promo"}])
def test_a_part_of_it_adds_nothing_either(small_house: House, chosen: dict[str, Any]) -> None:
    a_week(small_house)
    rows = exported(small_house, **chosen)
    assert imported(small_house, rows) == {"added": 0, "same": len(rows)}


def test_what_has_left_since_is_not_added_again(small_house: House) -> None:
    ids = a_week(small_house)
    rows = exported(small_house)
    small_house.do("release", ids[0])
    small_house.live(hours=2)
    small_house.do("cancel", ids[4])
    assert small_house.state(ids[1]) == "sent"
    assert imported(small_house, rows[1:]) == {"added": 0, "same": len(rows) - 1}


def test_what_was_changed_since_is_refused_with_its_line(small_house: House) -> None:
    ids = a_week(small_house)
    rows = exported(small_house)
    small_house.do("edit", ids[1], text="other words")
    (message,) = imported(small_house, rows)["bad"]
    assert f"the key '{ids[1]}' is in the queue with other content" in message
    assert "take the key away to add it as a new post" in message


def test_elsewhere_all_of_it_is_added_and_once(house: House, elsewhere: House) -> None:
    ids = a_week(house)
    rows = exported(house)
    (elsewhere.root / "media" / "sea.png").write_bytes(PNG)
    assert imported(elsewhere, rows) == {"added": len(rows), "same": 0}
    assert elsewhere.visible() == len(ids)
    assert imported(elsewhere, rows) == {"added": 0, "same": len(rows)}
    there = exported(elsewhere)
    assert {(row.due, row.text, row.media) for row in there} == {
        (row.due, row.text, row.media) for row in rows
    }
    assert imported(house, there) == {"added": 0, "same": len(rows)}, "and back again"


def test_a_picture_that_is_missing_elsewhere_is_refused(
    small_house: House, elsewhere: House
) -> None:
    a_week(small_house)
    (message,) = imported(elsewhere, exported(small_house))["bad"]
    assert "sea.png" in message
    assert elsewhere.visible() == 0


def test_an_id_that_is_nobodys_is_a_key_like_any_other(small_house: House) -> None:
    key = "d0123456789ab"
    one = small_house.add(at="2026-03-02T12:00", key=key)
    assert small_house.add(at="2026-03-02T12:00", key=key) == one
