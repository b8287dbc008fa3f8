"""The guard, turn by turn: flags, clocks, the store, the detector, people."""

from __future__ import annotations

import contextlib
import json
import os
import pwd
import shutil
import threading
from datetime import timedelta

import pytest
import sqlalchemy as sa
from hypothesis import given, settings
from structlog.testing import capture_logs

from killswitch import flags as flags_module
from killswitch.daemon import guard as guard_room
from killswitch.desk import pausing
from killswitch.errors import OperatorError, RefusedError, StoreBusyError, TransientError
from killswitch.flagging import EACH_MOST, flag_causes
from killswitch.flags import NOTES_READ, SPARES, FlagDir
from killswitch.latch import CauseKind, InhibitKind
from killswitch.queue.states import DeliveryState
from killswitch.store import audit, facts, incidents, noted, notices, people
from killswitch.store.engine import StoreFailedError
from tests.daemon.bench import LEA
from tests.store.made import HOUR, NOW, SECOND, add, put
from tests.unit.test_flags import ENTRIES, an_entry

S = DeliveryState


def turns(bench, seconds):
    for _ in range(seconds):
        bench.move(seconds=1)
        bench.guard.step()


def open_inhibits(bench):
    return [inhibit.kind for inhibit in bench.inhibits.list()]


def flag(bench, name="x", text=""):
    (bench.root / "pause.d" / name).write_text(text)


# -- flags ---------------------------------------------------------------------------------------


def test_a_calm_turn_changes_nothing(bench):
    turns(bench, 3)
    assert bench.kinds() == []
    assert open_inhibits(bench) == []


@pytest.mark.parametrize("name", ["x", "ü b", "-rf", "a" * 255, "\x01" * 200, "\udcff"])
def test_a_flag_of_any_name_becomes_one_cause_and_a_resume_takes_it_away(either_bench, name):
    bench = either_bench
    flag(bench, name, "the boss said so")
    turns(bench, 3)
    (cause,) = bench.latch().causes
    assert (cause.kind, cause.reason) == (CauseKind.FLAG, "the boss said so")
    bench.resume(keep_held=True)
    assert bench.flags.is_clear()
    turns(bench, 2)
    assert bench.kinds() == []


def test_a_flag_that_says_too_much_is_a_pause_all_the_same(either_bench):
    by = "x" * 3000
    flag(either_bench, "x", f'{{"by": "{by}", "reason": "r\\u0000\\ud800"}}')
    turns(either_bench, 1)
    assert either_bench.kinds() == ["flag"]


@pytest.mark.parametrize("text", ["", '{"by": "killswitch", "reason": "x"}', '{"by": "Machine"}'])
def test_a_flag_that_names_nobody_is_signed_by_its_owner_and_never_by_the_machine(bench, text):
    flag(bench, "x", text)
    turns(bench, 1)
    (cause,) = bench.latch().causes
    with bench.store.read() as conn:
        name = people.names(conn, [cause.by])[cause.by]
    login = pwd.getpwuid(os.geteuid()).pw_name
    assert name == f"{login} (uid {os.geteuid()})"


def test_an_owner_without_an_account_is_a_number(bench, monkeypatch):
    monkeypatch.setattr("killswitch.flagging._ACCOUNTS", bench.root / "nowhere")
    flag(bench)
    turns(bench, 1)
    (cause,) = bench.latch().causes
    with bench.store.read() as conn:
        assert people.names(conn, [cause.by]) == {cause.by: f"uid {os.geteuid()}"}


def test_the_cause_outlives_the_file_and_the_same_name_later_is_a_new_one(bench):
    flag(bench)
    turns(bench, 1)
    (bench.root / "pause.d" / "x").unlink()
    turns(bench, 1)
    assert bench.kinds() == ["flag"]
    bench.resume(keep_held=True)
    flag(bench)
    turns(bench, 1)
    assert bench.kinds() == ["flag"]


def test_a_directory_that_is_gone_is_a_cause_until_a_resume_makes_it_again(bench):
    (bench.root / "pause.d").rmdir()
    turns(bench, 2)
    (cause,) = bench.latch().causes
    assert "missing" in cause.reason
    bench.resume(keep_held=True)
    assert bench.flags.is_clear()
    assert bench.kinds() == []


def test_the_flag_of_a_pause_that_came_over_the_socket_too_opens_nothing(bench):
    bench.pause(key="k-1")
    bench.flags.write("by hand", "k-1", "lea")
    turns(bench, 2)
    assert bench.kinds() == ["manual"]
    bench.resume(keep_held=True)
    assert bench.flags.is_clear()


def test_a_flag_that_came_after_the_look_of_a_human_is_not_closed_with_the_one_before_it(bench):
    """The same name, but another press: somebody took the first away and asked again."""
    flag(bench)
    turns(bench, 1)
    seen = bench.latch().version
    os.utime(bench.root / "pause.d" / "x", (1, 1))
    with pytest.raises(RefusedError, match="still asks for a pause"):
        bench.resume(seen, keep_held=True)
    assert bench.kinds() == ["flag", "flag"]
    assert not bench.flags.is_clear()
    bench.resume(keep_held=True)
    assert bench.flags.is_clear()
    assert bench.kinds() == []


def test_a_flag_that_names_the_missing_directory_is_not_taken_for_it(bench):
    flag(bench, "x", '{"key": "directory"}')
    turns(bench, 1)
    seen = bench.latch().version
    shutil.rmtree(bench.root / "pause.d")
    with pytest.raises(RefusedError, match="missing"):
        bench.resume(seen, keep_held=True)


@given(entries=ENTRIES)
@settings(max_examples=settings().max_examples // 5)
def test_whatever_lies_in_the_directory_is_a_pause_until_a_resume_takes_it_away(bench, entries):
    for name, (kind, content) in entries.items():
        an_entry(bench.root / "pause.d", name, kind, content)
    bench.guard.step()
    with bench.store.write() as conn:  # as a start does
        assert flag_causes(conn, bench.flags, now=bench.clock.now()) == []
    assert set(bench.kinds()) == {"flag"}
    bench.resume(keep_held=True)
    assert bench.flags.is_clear()
    assert bench.kinds() == []


# -- a disk that takes nothing ---------------------------------------------------------------------


def full(*_args):
    raise OSError(28, "No space left on device")


def test_a_directory_that_can_not_be_made_again_refuses_the_resume_and_ends_nothing(
    bench, monkeypatch
):
    (bench.root / "pause.d").rmdir()
    turns(bench, 1)
    with monkeypatch.context() as patch:
        patch.setattr(FlagDir, "create", full)
        with pytest.raises(RefusedError, match="No space left on device") as refusal:
            bench.resume(keep_held=True)
    assert refusal.value.code == "flag_left"
    assert bench.kinds() == ["flag"]
    bench.resume(keep_held=True)
    assert bench.kinds() == []


def test_spares_that_can_not_be_written_are_written_once_there_is_room(bench, monkeypatch):
    for spare in bench.flags.spares.iterdir():
        spare.unlink()
    with monkeypatch.context() as patch, capture_logs() as logs:
        patch.setattr(flags_module, "_write_new", full)
        turns(bench, 25)
    assert [line["event"] for line in logs].count("flags.no_spares") == 1
    assert bench.kinds() == []
    turns(bench, 11)
    assert len(list(bench.flags.spares.iterdir())) == SPARES


# -- many flags ------------------------------------------------------------------------------------


@contextlib.contextmanager
def statements(bench):
    """Count what is asked of the store."""
    asked = []
    count = lambda *args: asked.append(args[2])  # noqa: E731 - to be taken away again
    engines = (bench.store._work, bench.store._urgent)
    for engine in engines:
        sa.event.listen(engine, "before_cursor_execute", count)
    yield asked
    for engine in engines:
        sa.event.remove(engine, "before_cursor_execute", count)


def many(bench, names):
    for name in names:
        flag(bench, f"{name:04}", json.dumps({"key": f"k{name}"}) if name % 3 == 0 else "")


def test_a_thousand_flags_are_a_few_causes_and_cost_no_more_than_a_few(bench):
    costs = []
    for first, last in ((0, 20), (20, 1000)):
        many(bench, range(first, last))
        turns(bench, 1)
        with statements(bench) as asked:
            turns(bench, 1)
        costs.append(len(asked))
    assert len(bench.kinds()) <= EACH_MOST + 2
    assert bench.latch().causes[-1].reason == "984 more entries in pause.d"
    # Only the notes of the first entries are read, so only their keys are asked for.
    assert costs[1] <= costs[0] + NOTES_READ
    bench.resume(keep_held=True)
    assert bench.flags.is_clear()
    assert bench.kinds() == []


@pytest.mark.parametrize("change", ["one more", "another one", "one less"])
def test_a_crowd_that_is_not_the_one_that_was_seen_is_not_closed(bench, change):
    many(bench, range(40))
    turns(bench, 1)
    seen = bench.latch().version
    if change != "one more":
        (bench.root / "pause.d" / "0039").unlink()
    if change != "one less":
        flag(bench, "0040")
    with pytest.raises(RefusedError, match="still asks for a pause"):
        bench.resume(seen, keep_held=True)
    assert not bench.flags.is_clear()
    assert bench.latch().paused
    bench.resume(keep_held=True)
    assert bench.flags.is_clear()
    assert bench.kinds() == []


# -- one press, by socket and by flag --------------------------------------------------------------


def pressed(bench, key="k-1", at=None):
    """Write the flag of a press, as a command does whose daemon is silent."""
    bench.flags.write("by hand", key, "lea", at=at or bench.clock.now())


@pytest.mark.parametrize(
    ("said", "written", "is_believed"),
    [(-3600, -3590, True), (-3600, -3541, True), (-3600, -3500, False), (60, 0, False)],
)
def test_a_pause_by_flag_begins_when_it_was_pressed(bench, said, written, is_believed):
    now = bench.clock.now()
    at = now + timedelta(seconds=said)
    pressed(bench, at=at)
    (entry,) = bench.flags.path.iterdir()
    os.utime(entry, (0, now.timestamp() + written))
    turns(bench, 1)
    begins = at if is_believed else bench.clock.now()
    latch = bench.latch()
    with bench.store.read() as conn:
        incident = incidents.get(conn, latch.incident)
    assert latch.causes[0].since == latch.paused_at == incident.tripped_at == begins


def test_two_files_of_one_press_are_one_cause_and_both_are_taken_away(bench):
    flag(bench, "a", '{"key": "k-1"}')
    flag(bench, "b", '{"key": "k-1"}')
    turns(bench, 1)
    assert bench.kinds() == ["flag"]
    bench.resume(keep_held=True)
    assert bench.flags.is_clear()


@pytest.mark.parametrize("first", ["socket", "flag"])
def test_a_late_flag_of_a_pause_that_was_resumed_is_taken_away(either_bench, first):
    bench = either_bench
    pressed_at = bench.clock.now()
    if first == "socket":
        bench.pause(key="k-1")
    else:
        pressed(bench)
        turns(bench, 1)
    bench.move(seconds=60)
    bench.resume(keep_held=True)
    pressed(bench, at=pressed_at)
    turns(bench, 1)
    assert bench.kinds() == []
    assert bench.flags.is_clear()


@pytest.mark.parametrize(
    ("after_s", "says"), [(1, "after the resume"), (700, "before the resume"), (1, "nothing")]
)
def test_in_doubt_a_flag_with_a_used_key_is_a_new_press(either_bench, after_s, says):
    bench = either_bench
    pressed_at = bench.clock.now()
    bench.pause(key="k-1")
    bench.resume(keep_held=True)
    bench.move(seconds=after_s)
    if says == "nothing":
        flag(bench, "x", '{"key": "k-1"}')
    else:
        pressed(bench, at=None if says == "after the resume" else pressed_at)
    turns(bench, 1)
    assert bench.kinds() == ["flag"]
    bench.resume(keep_held=True)
    assert bench.flags.is_clear()
    assert bench.kinds() == []


@pytest.mark.parametrize("said", ["0001-01-01T00:00+23:59", "soon", "2026-03-02T09:00:00", ""])
def test_a_time_that_says_nothing_makes_a_new_press(bench, said):
    bench.pause(key="k-1")
    bench.resume(keep_held=True)
    flag(bench, "x", json.dumps({"key": "k-1", "at": said}))
    turns(bench, 1)
    assert bench.kinds() == ["flag"]


@pytest.mark.parametrize("first", ["socket", "flag"])
def test_a_key_that_is_always_the_same_pauses_every_time(either_bench, first):
    """A script that presses with a fixed key must not find the button dead."""
    bench = either_bench
    for _ in range(3):
        if first == "flag":
            pressed(bench)
            turns(bench, 1)
        document = bench.desk.pause("again", key="panic", review_s=None, caller=LEA)
        assert document["accepted"]
        assert bench.latch().paused
        assert document["version"] == bench.latch().version
        bench.resume(keep_held=True)
        bench.move(seconds=30)
        turns(bench, 1)


def test_a_press_over_the_socket_after_its_flag_was_seen_opens_nothing_more(bench):
    bench.flags.write("by hand", "k-1", "lea")
    turns(bench, 1)
    bench.desk.pause("by hand", key="k-1", review_s=None, caller=LEA)
    assert bench.kinds() == ["flag"]


# -- pauses that the store did not take -----------------------------------------------------------


@pytest.fixture
def stuck(bench, monkeypatch):
    """A store that gives no lock to anybody, until it is let go."""
    free = threading.Event()
    real = bench.store.write

    def write(**how):
        if not free.is_set():
            raise StoreBusyError("store_busy", "locked")
        return real(**how)

    monkeypatch.setattr(bench.store, "write", write)
    return free


def test_a_pause_that_the_store_does_not_take_is_accepted_by_flag_and_follows(bench, stuck):
    document = bench.desk.pause("knife", key="k-1", review_s=3600, caller=LEA)
    assert (document["accepted"], document["via"], document["version"]) == (True, "flag", None)
    assert open_inhibits(bench) == [InhibitKind.PAUSING]
    assert not bench.flags.is_clear()
    with pytest.raises(TransientError):
        bench.guard.step()
    stuck.set()
    turns(bench, 2)
    (cause,) = bench.latch().causes
    assert (cause.kind, cause.reason) == (CauseKind.MANUAL, "knife")
    assert cause.review_at == NOW + HOUR
    assert InhibitKind.PAUSING not in open_inhibits(bench)
    bench.move(seconds=20)
    bench.guard.step()
    bench.resume(keep_held=True)
    assert bench.kinds() == []
    assert bench.flags.is_clear()


def test_a_pause_that_nothing_can_record_says_so_and_stops_all_the_same(bench, stuck):
    (bench.root / "pause.d").rmdir()
    with pytest.raises(OperatorError, match="NOT RECORDED"):
        bench.desk.pause("knife", key="k-1", review_s=None, caller=LEA)
    assert open_inhibits(bench) == [InhibitKind.PAUSING]
    stuck.set()
    turns(bench, 2)
    assert sorted(bench.kinds()) == ["flag", "manual"]


def test_the_same_press_by_two_threads_is_one_pause(either_bench):
    bench = either_bench
    line = threading.Barrier(4)

    def press():
        line.wait()
        bench.desk.pause("knife", key="k-1", review_s=None, caller=LEA)

    threads = [threading.Thread(target=press) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    turns(bench, 1)
    assert bench.kinds() == ["manual"]
    assert InhibitKind.PAUSING not in open_inhibits(bench)


def test_a_press_that_comes_by_flag_and_socket_at_once_is_one_cause(either_bench):
    bench = either_bench
    for n in range(8):
        line, key = threading.Barrier(2), f"k-{n}"
        bench.flags.write("knife", key, "lea")

        def press(line=line, key=key):
            line.wait()
            bench.desk.pause("knife", key=key, review_s=None, caller=LEA)

        thread = threading.Thread(target=press)
        thread.start()
        line.wait()
        bench.guard.step()
        thread.join()
        bench.guard.step()
        assert len(bench.kinds()) == 1
        bench.resume(keep_held=True)


def test_a_press_that_the_guard_wrote_down_first_is_not_written_twice(bench):
    bench.pause(key="k-1")
    asked = pausing.PendingPause("k-1", "late", "lea")
    bench.context.pending["k-1"] = asked
    turns(bench, 1)
    assert bench.kinds() == ["manual"]
    assert bench.context.pending == {}


# -- the clock -------------------------------------------------------------------------------------


@pytest.mark.parametrize("by", [timedelta(hours=1), timedelta(days=-1), timedelta(seconds=2.1)])
def test_a_step_of_the_wall_clock_inhibits_for_a_minute(bench, by):
    turns(bench, 1)
    bench.clock.step_wall(by)
    turns(bench, 1)
    assert open_inhibits(bench) == [InhibitKind.CLOCK]
    assert bench.kinds() == []
    turns(bench, 59)
    assert open_inhibits(bench) == [InhibitKind.CLOCK]
    turns(bench, 1)
    assert open_inhibits(bench) == []


def test_a_slow_drift_is_no_step(bench):
    for _ in range(100):
        bench.clock.step_wall(timedelta(seconds=1.9))
        turns(bench, 1)
    assert open_inhibits(bench) == []


def test_a_second_step_within_a_minute_pauses_and_stands_while_it_settles(bench):
    bench.clock.step_wall(timedelta(hours=1))
    turns(bench, 30)
    bench.clock.step_wall(timedelta(hours=-1))
    turns(bench, 1)
    assert bench.kinds() == ["clock"]
    assert CauseKind.CLOCK in bench.guard.standing()
    turns(bench, 60)
    assert CauseKind.CLOCK not in bench.guard.standing()
    assert bench.kinds() == ["clock"]


def test_two_steps_a_minute_apart_are_two_inhibits(bench):
    bench.clock.step_wall(timedelta(hours=1))
    turns(bench, 61)
    bench.clock.step_wall(timedelta(hours=1))
    turns(bench, 1)
    assert bench.kinds() == []
    assert open_inhibits(bench) == [InhibitKind.CLOCK]


def high_water(bench):
    with bench.store.read() as conn:
        return facts.get_time(conn, "high_water")


def start(bench):
    with bench.store.write() as conn:
        bench.a_guard().check_high_water(conn, bench.clock.now())


def test_a_start_before_the_high_water_mark_pauses_until_a_human_resets_it(bench):
    turns(bench, 11)
    mark = high_water(bench)
    assert mark is not None
    assert mark >= NOW + SECOND
    bench.clock.step_wall(timedelta(days=-2))
    start(bench)
    assert bench.kinds() == ["clock"]
    bench.resume(keep_held=True)
    assert high_water(bench) == bench.clock.now()
    start(bench)
    assert bench.kinds() == []


def test_a_start_a_moment_before_the_mark_is_no_step(bench):
    turns(bench, 11)
    bench.clock.step_wall(timedelta(seconds=-2))
    start(bench)
    assert bench.kinds() == []


# -- the store -------------------------------------------------------------------------------------


@pytest.fixture
def disk(bench, monkeypatch):
    """A store whose writes fail while the event is set."""
    broken = threading.Event()
    real = bench.store.write

    def write(**how):
        if broken.is_set():
            raise StoreFailedError("store_failed", "disk full")
        return real(**how)

    monkeypatch.setattr(bench.store, "write", write)
    return broken


def test_a_short_failure_of_the_store_inhibits_and_lifts_by_itself(bench, disk):
    turns(bench, 1)
    disk.set()
    turns(bench, 20)
    assert open_inhibits(bench) == [InhibitKind.STORE]
    assert CauseKind.STORE in bench.guard.standing()
    disk.clear()
    turns(bench, 1)
    assert open_inhibits(bench) == []
    assert bench.kinds() == []


def test_a_failure_of_more_than_a_minute_is_a_cause_once_it_can_be_written(bench, disk):
    disk.set()
    turns(bench, 75)
    assert bench.kinds() == []
    disk.clear()
    turns(bench, 1)
    assert bench.kinds() == ["store"]
    assert open_inhibits(bench) == []


def test_a_failure_that_a_loop_saw_inhibits_until_the_next_probe(bench):
    bench.guard.store_failed(StoreFailedError("store_failed", "disk full"))
    assert open_inhibits(bench) == [InhibitKind.STORE]
    turns(bench, 1)
    assert open_inhibits(bench) == []


# -- the audit trail -------------------------------------------------------------------------------


def noted_row(bench):
    return json.loads((bench.root / "audit.head").read_text())["seq"]


def rows(bench):
    with bench.store.read() as conn:
        return audit.head(conn)[0]


def cut_the_tail(bench):
    """Leave a trail that is shorter and whole in itself, as an older copy of the file has it."""
    with bench.store.write() as conn:
        conn.exec_driver_sql("DROP TRIGGER audit_kept")
        conn.exec_driver_sql("DELETE FROM audit WHERE seq = (SELECT max(seq) FROM audit)")
        conn.exec_driver_sql(
            "UPDATE audit_head SET seq = (SELECT max(seq) FROM audit), "
            "hash = (SELECT hash FROM audit ORDER BY seq DESC LIMIT 1)"
        )
    return bench


def test_the_head_is_noted_at_a_pause_at_a_resume_and_every_hour(bench):
    turns(bench, 1)
    assert noted_row(bench) == 0
    add(bench.store, due_at=NOW + HOUR)
    bench.pause()
    turns(bench, 1)
    paused = noted_row(bench)
    assert paused == rows(bench) > 0
    bench.resume(keep_held=True)
    turns(bench, 1)
    resumed = noted_row(bench)
    assert resumed == rows(bench) > paused
    with bench.store.write() as conn:
        audit.record(conn, audit.Entry("test.done", "x"), now=NOW)
    turns(bench, 2)
    assert noted_row(bench) == resumed
    bench.move(hours=1)
    turns(bench, 1)
    assert noted_row(bench) == rows(bench) == resumed + 1


@pytest.mark.parametrize("when", ["at the next pause", "within the hour", "when asked"])
def test_a_trail_that_ends_before_its_noted_head_pauses_and_is_told(bench, when):
    add(bench.store, due_at=NOW + HOUR)
    turns(bench, 1)
    bench.pause()
    turns(bench, 1)
    bench.resume(keep_held=True)
    turns(bench, 1)
    was = noted_row(bench)
    cut_the_tail(bench)
    if when == "when asked":
        assert not bench.desk.audit_verify()["ok"]
    elif when == "at the next pause":
        bench.pause(key="k2")
    else:
        bench.move(hours=1)
    turns(bench, 1)
    assert "tamper" in bench.kinds()
    with bench.store.read() as conn:
        told = [str(row.facts) for row in notices.undone(conn) if row.kind == "paused"]
    assert any("the audit trail is broken" in facts for facts in told)
    assert noted_row(bench) == was, "kept until a human has seen it"
    bench.resume(keep_held=True)
    turns(bench, 2)
    assert bench.kinds() == []
    assert bench.desk.audit_verify()["ok"]
    assert noted_row(bench) == rows(bench)


def test_the_whole_trail_is_checked_after_a_start_and_daily_a_little_a_turn(bench, monkeypatch):
    monkeypatch.setattr(guard_room, "WALK_ROWS", 20)
    monkeypatch.setattr(guard_room, "CHECKED_TAIL", 5)
    with bench.store.write() as conn:
        audit.record(conn, *[audit.Entry("test.done", "x")] * 100, now=NOW)
    turns(bench, 10)
    assert bench.kinds() == []
    with bench.store.write() as conn:
        conn.exec_driver_sql("DROP TRIGGER audit_unchanged")
        conn.exec_driver_sql("UPDATE audit SET actor = 'u9' WHERE seq = 50")
    turns(bench, 10)
    assert bench.kinds() == [], "the next check is tomorrow's"
    bench.move(hours=24)
    turns(bench, 2)
    assert bench.kinds() == []
    turns(bench, 1)
    assert bench.kinds() == ["tamper"]
    bench.resume(keep_held=True)
    bench.move(hours=24)
    turns(bench, 10)
    assert bench.kinds() == []


def test_a_note_that_can_not_be_written_ends_nothing(bench, monkeypatch):
    monkeypatch.setattr(noted, "note", full)
    with capture_logs() as logs:
        turns(bench, 2)
    assert [line["event"] for line in logs].count("audit.not_noted") == 1
    assert bench.kinds() == []


def test_a_note_that_can_not_be_removed_refuses_the_resume(bench, monkeypatch):
    turns(bench, 1)
    (bench.root / "audit.head").write_text("x")
    bench.desk.audit_verify()
    with monkeypatch.context() as patch:
        patch.setattr(noted, "forget", full)
        with pytest.raises(RefusedError, match="can't be removed"):
            bench.resume(keep_held=True)
    assert bench.kinds() == ["tamper"]
    bench.resume(keep_held=True)
    assert bench.kinds() == []


# -- the detector and people -----------------------------------------------------------------------


def test_a_detector_that_stands_still_for_a_minute_pauses(bench):
    bench.beat_s = bench.clock.boot_s()
    turns(bench, 60)
    assert bench.kinds() == []
    turns(bench, 1)
    assert bench.kinds() == ["detector"]
    assert CauseKind.DETECTOR in bench.guard.standing()
    bench.beat_s = None
    assert CauseKind.DETECTOR not in bench.guard.standing()


def test_nobody_reached_for_a_quarter_of_an_hour_pauses(bench):
    bench.addresses = True
    with bench.store.write() as conn:
        notices.add_notice(
            conn, kind="failed", ref="d1", facts={}, now=bench.clock.now(), loud=False
        )
    bench.move(minutes=15)
    bench.guard.step()
    assert bench.kinds() == []
    bench.move(seconds=1)
    bench.guard.step()
    assert bench.kinds() == ["notify"]


def test_a_review_is_told_once_and_never_resumes(bench):
    bench.desk.pause("knife", key="k", review_s=600, caller=LEA)
    for _ in range(3):
        bench.move(minutes=10)
        bench.guard.step()
    with bench.store.read() as conn:
        told = [row.kind for row in notices.undone(conn)]
    assert told.count("review") == 1
    assert "manual" in bench.kinds()


# -- the seal --------------------------------------------------------------------------------------


def test_a_pause_is_sealed_as_soon_as_nothing_is_on_the_wire(bench):
    one = add(bench.store, due_at=NOW)
    fence = bench.claim(one)
    bench.gate._intend(one, fence, whole=True)
    bench.pause()
    turns(bench, 1)
    assert bench.latch().sealed_at is None
    put(bench.store, one, S.UNCERTAIN)
    turns(bench, 1)
    assert bench.latch().sealed_at == bench.clock.now()
    assert [p["id"] for p in bench.desk.seal(None, wait_s=0)["uncertain"]] == [one]


def test_a_seal_is_waited_for_no_longer_than_asked(bench):
    one = add(bench.store, due_at=NOW)
    bench.gate._intend(one, bench.claim(one), whole=True)
    bench.pause()
    before = bench.clock.boot_s()
    assert bench.desk.seal(None, wait_s=2.0)["sealed"] is False
    assert 2.0 <= bench.clock.boot_s() - before < 2.1
