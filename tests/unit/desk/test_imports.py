"""Imports: a whole file or nothing of it, and nothing visible before its one last row."""

from __future__ import annotations

import itertools
import threading
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from killswitch.daemon.sweep import drop_staged
from killswitch.desk import imports
from killswitch.errors import RefusedError, StoreBusyError, UsageError
from killswitch.store import posts
from killswitch.store.schema import batches, deliveries, holds
from killswitch.store.schema import posts as post_rows
from killswitch.wire import Caller
from tests.unit.desk.house import CLASHING, LEA, NOW, House, a_story, refused


def rows_in(house: House) -> dict[str, int]:
    with house.store.read() as conn:
        return {
            table.name: conn.execute(sa.select(sa.func.count()).select_from(table)).scalar_one()
            for table in (batches, post_rows, deliveries, holds)
        }


NOTHING = {"batches": 0, "posts": 0, "deliveries": 0, "holds": 0}


def opened(house: House) -> str:
    return str(house.desk.import_open("week.csv", caller=LEA)["import"])


def staged(house: House, batch: str, *post: dict[str, Any], caller: Caller = LEA) -> Any:
    return house.desk.import_rows(batch, house.rows(*post), caller=caller)


def commit(house: House, batch: str, *, dry_run: bool = False, caller: Caller = LEA) -> Any:
    return house.desk.import_commit(batch, dry_run=dry_run, caller=caller)


def at(minutes: int) -> str:
    return f"+{minutes}m"


def test_nothing_is_there_for_anybody_before_the_commit_and_all_after_it(house: House) -> None:
    batch = opened(house)
    assert staged(house, batch, {"at": at(60)}, {"at": at(70), "channels": ("insta", "log")}) == {
        "staged": 2,
        "same": 0,
        "bad": [],
    }
    house.move(minutes=90)
    house.turn()
    assert (house.visible(), house.desk.status()["queue"]["scheduled"]) == (0, 0)
    assert house.published() == []
    assert commit(house, batch) == {"added": 2, "same": 0}
    assert house.visible() == 3


def test_many_chunks_of_500_rows_are_one_import(house: House) -> None:
    batch = opened(house)
    for chunk in range(3):
        made = [{"at": at(60 + n + 500 * chunk), "channels": ("log",)} for n in range(500)]
        assert staged(house, batch, *made)["staged"] == 500
    assert commit(house, batch)["added"] == 1500
    assert house.visible() == 1500


@pytest.mark.parametrize(
    ("post", "said"),
    [
        ({"at": "soon"}, "not a time"),
        ({"at": "2026-03-01T10:00"}, "has passed"),
        ({"at": "2026-03-29T02:30"}, "does not exist"),
        ({"channels": ("nowhere",)}, "no channel"),
        ({"text": "a" * 300}, "too long"),
        ({"text": ""}, "neither text"),
        ({"media": ("../x",)}, "media file"),
        ({"at": at(61)}, "gap"),
        ({"key": "there", "text": "other"}, "other content"),
        ({"key": "first"}, "line 2 too"),
    ],
)
def test_one_bad_line_refuses_the_whole_file_and_is_named(
    small_house: House, post: dict[str, Any], said: str
) -> None:
    small_house.add(at=at(600), key="there", text="mine")
    batch = opened(small_house)
    good = {"at": at(60), "key": "first"}
    answer = staged(small_house, batch, good, {"at": at(120)} | post, {"at": "never"})
    assert [line["line"] for line in answer["bad"]] == [3, 4]
    assert said in answer["bad"][0]["message"]
    error = refused(commit, small_house, batch, kind=UsageError)
    assert (error.code, int(error.exit)) == ("bad_lines", 2)
    assert small_house.visible() == 1
    small_house.desk.import_drop(batch, caller=LEA)
    assert rows_in(small_house)["posts"] == 1


def test_a_bad_line_in_any_chunk_refuses_all_of_them(small_house: House) -> None:
    batch = opened(small_house)
    staged(small_house, batch, {"at": at(60)})
    staged(small_house, batch, {"at": "never"})
    assert staged(small_house, batch, {"at": at(120)})["bad"] == []
    refused(commit, small_house, batch, kind=UsageError)
    assert small_house.visible() == 0


def test_keys_that_are_there_with_the_same_content_are_nothing_to_do(house: House) -> None:
    post = {"at": "2026-03-02T12:00", "key": "k1"}
    other = {"at": "2026-03-02T13:00", "key": "k2"}
    for _ in range(2):
        batch = opened(house)
        answer = staged(house, batch, post, other)
        counts = commit(house, batch)
    assert (answer["staged"], answer["same"], counts) == (0, 2, {"added": 0, "same": 2})
    assert house.visible() == 2


def test_a_file_that_has_half_gone_out_can_be_imported_again(house: House) -> None:
    post = {"at": "2026-03-02T12:00", "key": "k1"}
    house.add(**post)
    house.move(hours=5)
    batch = opened(house)
    assert staged(house, batch, post, {"at": at(60), "key": "k2"})["bad"] == []
    assert commit(house, batch) == {"added": 1, "same": 1}


def test_a_gap_counts_across_chunks_and_with_the_queue(house: House) -> None:
    house.add(at=at(60))
    batch = opened(house)
    staged(house, batch, {"at": at(120)})
    bad = staged(house, batch, {"at": at(62)}, {"at": at(118)}, {"at": at(180)})["bad"]
    assert [line["line"] for line in bad] == [2, 3]


def test_a_line_that_fits_one_channel_takes_no_room_when_it_does_not_fit_another(
    small_house: House,
) -> None:
    small_house.add(at=at(60), channels=("insta",))
    batch = opened(small_house)
    both = {"at": at(60), "channels": ("x", "insta")}
    answer = staged(small_house, batch, both, both, *[{"at": at(60), "channels": ("x",)}] * 2)
    assert [line["line"] for line in answer["bad"]] == [2, 3]


@pytest.mark.parametrize("way", ["dry run", "dropped", "daemon restarts"])
def test_what_is_not_committed_leaves_nothing(house: House, way: str) -> None:
    house.tell(a_story())
    batch = opened(house)
    staged(house, batch, {"at": at(60)}, {"at": at(120), "text": CLASHING, "key": "k"})
    if way == "dry run":
        assert commit(house, batch, dry_run=True) == {"added": 2, "same": 0}
    elif way == "dropped":
        house.desk.import_drop(batch, caller=LEA)
    else:
        drop_staged(house.context)
    assert rows_in(house) == NOTHING
    assert house.desk.audit(after=0, limit=100, subject=None)["rows"] == []


@pytest.mark.parametrize("call", ["rows", "commit", "drop"])
def test_an_import_that_is_not_open_is_refused(small_house: House, call: str) -> None:
    batch = opened(small_house)
    commit(small_house, batch)
    for wrong in (batch, "b000", ""):
        calls = {
            "rows": lambda wrong=wrong: staged(small_house, wrong, {}),
            "commit": lambda wrong=wrong: commit(small_house, wrong),
            "drop": lambda wrong=wrong: small_house.desk.import_drop(wrong, caller=LEA),
        }
        assert refused(calls[call], kind=RefusedError).code == "not_found"


def test_only_so_many_imports_are_open_at_once(small_house: House) -> None:
    batches_open = [opened(small_house) for _ in range(imports.MAX_IMPORTS)]
    error = refused(opened, small_house, kind=RefusedError)
    assert (error.code, int(error.exit)) == ("imports", 5)
    small_house.desk.import_drop(batches_open[0], caller=LEA)
    opened(small_house)


def test_imports_whose_clients_died_block_nobody_for_long(house: House) -> None:
    for n in range(imports.MAX_IMPORTS):
        staged(house, opened(house), {"at": at(60 + 10 * n), "key": f"k{n}"})
    house.move(seconds=imports.ABANDONED_AFTER_S + 1)
    batch = opened(house)
    assert rows_in(house)["posts"] == 0
    assert staged(house, batch, {"at": at(60), "key": "k0"})["bad"] == []
    assert commit(house, batch)["added"] == 1


def test_an_import_that_is_still_fed_is_not_abandoned(small_house: House) -> None:
    batch = opened(small_house)
    for n in range(5):
        small_house.move(seconds=imports.ABANDONED_AFTER_S - 10)
        staged(small_house, batch, {"at": at(100 + 20 * n)})
        opened(small_house) if n == 0 else None
    assert commit(small_house, batch)["added"] == 5


def test_a_key_of_an_import_that_is_open_is_not_taken_for_done(house: House) -> None:
    post = {"at": "2026-03-02T12:00", "key": "k1"}
    first, second = opened(house), opened(house)
    staged(house, first, post)
    (line,) = staged(house, second, post)["bad"]
    assert "not finished" in line["message"]
    assert refused(house.add, **post, kind=RefusedError).code == "key_taken"
    house.move(seconds=imports.ABANDONED_AFTER_S + 1)
    house.add(**post)
    assert house.visible() == 1


def test_a_key_that_somebody_takes_meanwhile_breaks_the_import_and_not_the_daemon(
    small_house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    batch = opened(small_house)
    post = {"at": "2026-03-02T12:00", "key": "k1"}
    choose = imports._choose

    def chosen(*args: Any, **more: Any) -> Any:
        found = choose(*args, **more)
        small_house.add(**post)
        return found

    monkeypatch.setattr(imports, "_choose", chosen)
    assert refused(staged, small_house, batch, post, kind=RefusedError).code == "key_taken"
    refused(commit, small_house, batch, kind=UsageError)
    assert small_house.visible() == 1


def test_a_chunk_that_is_sent_twice_with_its_key_is_staged_once(house: House) -> None:
    batch = opened(house)
    caller = replace(LEA, request_key="chunk 1")
    once = staged(house, batch, {"at": at(60), "channels": ("log",)}, caller=caller)
    assert staged(house, batch, {"at": at(60), "channels": ("log",)}, caller=caller) == once
    done = replace(LEA, request_key="commit")
    counts = commit(house, batch, caller=done)
    assert commit(house, batch, caller=done) == counts
    assert house.visible() == 1


def test_a_chunk_that_the_store_took_half_of_is_never_shown(
    small_house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    batch = opened(small_house)
    add, calls = posts.add, []

    def adds(*args: Any, **more: Any) -> Any:
        calls.append(1)
        if len(calls) > imports.BITES_MOST:
            raise StoreBusyError("store_busy", "busy")
        return add(*args, **more)

    monkeypatch.setattr(posts, "add", adds)
    many = [{"at": at(60 + n), "channels": ("log",)} for n in range(imports.PORTION_MOST + 1)]
    refused(staged, small_house, batch, *many, kind=StoreBusyError)
    refused(commit, small_house, batch, kind=UsageError)
    small_house.desk.import_drop(batch, caller=LEA)
    assert rows_in(small_house) == NOTHING


# ---- clashes --------------------------------------------------------------------------------


def test_imported_posts_that_clash_with_a_known_event_are_held(house: House) -> None:
    house.tell(a_story(at=NOW - timedelta(days=3)))
    batch = opened(house)
    staged(house, batch, {"at": at(60), "text": CLASHING}, {"at": at(70)})
    commit(house, batch)
    rows = house.desk.queue_list(house.everything())["deliveries"]
    assert [(row["state"], row["clash"]) for row in rows] == [
        ("held", ["Annecy"]),
        ("scheduled", []),
    ]
    (held,) = [row["id"] for row in rows if row["state"] == "held"]
    events = [row["event"] for row in house.desk.queue_show(held)["history"]]
    assert events == ["delivery.clash"]
    house.do("release", held)
    assert house.state(held) == "scheduled"


def test_an_event_that_breaks_while_a_file_is_staged_is_not_missed(house: House) -> None:
    batch = opened(house)
    staged(house, batch, {"at": "+9d", "text": CLASHING}, {"at": "+10d"})
    house.move(seconds=5)
    house.trip(a_story(at=house.clock.now()))
    house.turn()
    house.resume()
    commit(house, batch)
    rows = house.desk.queue_list(house.everything())["deliveries"]
    assert [row["reason"] for row in rows] == ["clash", None]


def test_an_event_that_breaks_at_the_moment_of_the_commit_is_not_missed(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    batch = opened(house)
    staged(house, batch, {"at": "+9d", "text": CLASHING})
    search, searches = imports._search, []

    def searched(*args: Any, **more: Any) -> None:
        search(*args, **more)
        searches.append(1)
        if len(searches) == 1:
            house.trip(a_story(at=house.clock.now()))

    monkeypatch.setattr(imports, "_search", searched)
    commit(house, batch)
    (row,) = house.desk.queue_list(house.everything())["deliveries"]
    assert (len(searches), row["reason"]) == (2, "clash")


def test_imported_posts_wait_for_approval_where_that_is_asked_for(house: House) -> None:
    house.set(approve=True)
    batch = opened(house)
    staged(house, batch, {"at": at(60)})
    commit(house, batch)
    assert house.desk.status()["queue"]["awaiting_approval"] == 1


def test_an_import_says_in_the_audit_trail_who_brought_how_many(house: House) -> None:
    batch = opened(house)
    staged(house, batch, {"at": at(60)}, {"at": at(90)})
    commit(house, batch)
    (row,) = house.desk.audit(after=0, limit=10, subject=batch)["rows"]
    assert (row["event"], row["actor"], row["data"]["posts"]) == ("queue.imported", "lea", 2)


# ---- what it costs ---------------------------------------------------------------------------


def statements(house: House, *post: dict[str, Any]) -> int:
    """Count the statements of one import of these posts."""
    seen: list[str] = []

    def count(_conn: Any, _cursor: Any, statement: str, *_: Any) -> None:
        seen.append(statement)

    sa.event.listen(house.store.engine, "before_cursor_execute", count)
    try:
        batch = opened(house)
        staged(house, batch, *post)
        commit(house, batch)
    finally:
        sa.event.remove(house.store.engine, "before_cursor_execute", count)
    return len(seen)


def keyed(first: int, count: int) -> list[dict[str, Any]]:
    numbers = range(first, first + count)
    return [{"at": "+1d", "channels": ("log",), "key": f"k{n}"} for n in numbers]


def test_the_store_is_not_asked_row_by_row(small_house: House) -> None:
    statements(small_house, *keyed(0, 1))  # the first one introduces Léa
    few, many = keyed(100, 2), keyed(200, 20)
    for _ in ("new", "there already"):
        assert statements(small_house, *few) == statements(small_house, *many)


# ---- a pause slips in ------------------------------------------------------------------------


def portions(house: House, posts_staged: int) -> list[int]:
    """Stage so many posts; return how many each transaction brought."""
    counts: list[int] = []
    batch = opened(house)

    def committed(conn: Any) -> None:
        counts.append(
            conn.exec_driver_sql("SELECT count(*) FROM posts WHERE batch IS NOT NULL").scalar()
        )

    sa.event.listen(house.store.engine, "commit", committed)
    try:
        staged(house, batch, *keyed(0, posts_staged))
    finally:
        sa.event.remove(house.store.engine, "commit", committed)
    steps = [after - before for before, after in itertools.pairwise([0, *counts])]
    return [step for step in steps if step]


def test_a_transaction_of_an_import_brings_only_so_many_posts(small_house: House) -> None:
    most = imports.PORTION_MOST
    assert portions(small_house, 2 * most + 1) == [most, most, 1]


def test_a_transaction_of_an_import_ends_when_its_time_is_over(
    small_house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    add = posts.add

    def slowly(*args: Any, **more: Any) -> Any:
        small_house.move(seconds=imports.PORTION_S)
        return add(*args, **more)

    monkeypatch.setattr(posts, "add", slowly)
    bite = imports.STAGE_BITE
    assert portions(small_house, 2 * bite + 1) == [bite, bite, 1]


def test_a_pause_that_waits_comes_between_two_bites_of_an_import(
    small_house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    add, went = posts.add, []
    turnstile = small_house.store._turnstile

    def go() -> None:
        with turnstile.turn(urgent=True, timeout_s=20):
            went.append(small_house.fact("store_id"))

    pause = threading.Thread(target=go)

    def added(*args: Any, **more: Any) -> Any:
        if pause.ident is None:
            pause.start()
            while not turnstile.is_awaited:
                pause.join(0.001)
        elif not went:
            raise AssertionError("the pause still waits")
        return add(*args, **more)

    monkeypatch.setattr(posts, "add", added)
    bite = imports.STAGE_BITE
    assert portions(small_house, 3 * bite) == [bite, 2 * bite]
    pause.join()
