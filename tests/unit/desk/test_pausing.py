"""Pause, seal, acknowledge: what may never wait, and what is told when nothing can be written."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from killswitch.channels.frame import Ending, Outcome
from killswitch.errors import OperatorError, TransientError
from killswitch.latch import CauseKind, InhibitKind
from killswitch.queue.states import DeliveryState
from killswitch.store import audit, incidents, notices, people
from killswitch.wire import read_time, z_time
from tests.daemon.bench import SENT
from tests.store.made import put
from tests.unit.desk.house import KARIM, LEA, House, a_story, refused

S = DeliveryState


def pause(house: House, reason: str = "attack", key: str = "k1", **more: Any) -> Any:
    return house.desk.pause(reason, key=key, review_s=more.get("review_s"), caller=LEA)


@contextmanager
def another_writer(house: House) -> Iterator[None]:
    """Somebody outside of the daemon holds the write lock."""
    assert isinstance(house.store.path, Path)
    other = sqlite3.connect(house.store.path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    try:
        yield
    finally:
        other.execute("ROLLBACK")
        other.close()


# ---- accepted -------------------------------------------------------------------------------


def test_a_pause_is_accepted_with_what_is_on_the_wire(house: House) -> None:
    sending = house.add(text="On its way\nnow")
    put(house.store, sending, S.CLAIMED, S.SENDING)
    receipt = pause(house)
    assert (receipt["accepted"], receipt["via"], receipt["sealed"]) == (True, "socket", None)
    assert receipt["version"] == house.latch().version == 2
    assert receipt["state_dir"] == str(house.root)
    (post,) = receipt["on_wire"]
    assert (post["id"], post["channel"], post["text"]) == (sending, "insta", "On its way now")
    assert house.desk.status()["causes"][0]["by"] == "lea"


def test_a_pause_without_a_word_still_says_something(small_house: House) -> None:
    pause(small_house, "  ")
    assert small_house.latch().causes[0].reason == "paused by hand"


def test_the_same_key_opens_nothing_again_while_its_pause_stands(house: House) -> None:
    version = pause(house)["version"]
    receipt = pause(house)
    assert (receipt["accepted"], receipt["version"]) == (True, version)
    assert house.latch().version == version


def test_a_key_whose_pause_was_resumed_pauses_again(house: House) -> None:
    pause(house)
    house.resume()
    receipt = pause(house)
    assert (receipt["accepted"], receipt["version"]) == (True, house.latch().version)
    assert house.kinds() == ["manual"]


def test_other_keys_are_other_causes(house: House) -> None:
    pause(house, key="k1")
    pause(house, key="k2")
    assert len(house.latch().causes) == 2


def test_many_at_once_are_each_accepted_and_one_key_is_one_cause(small_house: House) -> None:
    receipts: list[Any] = []

    def press(key: str) -> None:
        receipts.append(pause(small_house, key=key))

    keys = ["a", "a", "a", "b", "c"]
    threads = [threading.Thread(target=press, args=(key,)) for key in keys]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    small_house.guard.step()
    assert all(receipt["accepted"] for receipt in receipts)
    assert sorted(cause.ref for cause in small_house.latch().causes) == ["a", "b", "c"]
    assert small_house.context.pending == {}


def test_what_was_claimed_is_taken_back_and_the_gate_stays_shut(house: House) -> None:
    delivery = house.add(at="now")
    fence = house.claim(delivery)
    pause(house)
    house.gate.send(delivery, fence=fence)
    assert (house.state(delivery), house.published()) == ("scheduled", [])


# ---- the store is slow, or nothing can be written -------------------------------------------


def test_a_pause_that_the_store_does_not_take_is_accepted_by_flag(small_house: House) -> None:
    with another_writer(small_house):
        receipt = pause(small_house)
        assert (receipt["accepted"], receipt["via"], receipt["version"]) == (True, "flag", None)
        (flag,) = small_house.flags.look().entries
        assert (flag.key, flag.note, flag.by) == ("k1", "attack", "lea")
        assert small_house.desk.status()["state"] == "paused"
        assert small_house.inhibits.since(InhibitKind.PAUSING, ref="k1") is not None
        assert small_house.desk.seal(None, wait_s=0)["sealed"] is True
    small_house.guard.step()
    assert [(c.kind, c.ref) for c in small_house.latch().causes] == [(CauseKind.MANUAL, "k1")]
    assert (small_house.context.pending, small_house.inhibits.any()) == ({}, False)
    small_house.resume()
    assert small_house.flags.is_clear()


def test_a_pause_by_flag_is_sealed_once_and_told_so_everywhere(small_house: House) -> None:
    pressed = small_house.clock.now()
    with another_writer(small_house):
        pause(small_house)
        assert small_house.desk.status()["since"] == z_time(pressed)
        sealed_at = small_house.desk.seal(None, wait_s=0)["sealed_at"]
        small_house.move(seconds=20)
        status = small_house.desk.status()
        assert (status["sealed"], status["sealed_at"]) == (True, sealed_at)
        assert small_house.desk.seal(None, wait_s=0)["sealed_at"] == sealed_at
    small_house.guard.step()
    status = small_house.desk.status()
    assert (status["sealed"], status["sealed_at"]) == (True, sealed_at)
    assert (status["since"], status["causes"][0]["since"]) == (z_time(pressed),) * 2
    with small_house.store.read() as conn:
        assert incidents.newest(conn, limit=1)[0].sealed_at == read_time(sealed_at or "")


def test_a_pause_by_flag_is_not_sealed_while_something_is_on_the_wire(small_house: House) -> None:
    put(small_house.store, small_house.add(), S.CLAIMED, S.SENDING)
    with another_writer(small_house):
        pause(small_house)
        assert small_house.desk.seal(None, wait_s=0)["sealed"] is False
        assert small_house.desk.status()["sealed"] is False
    small_house.guard.step()
    assert small_house.desk.status()["sealed"] is False


def test_who_asks_right_after_a_touch_is_not_told_that_nothing_is_paused(house: House) -> None:
    (house.root / "pause.d" / "x").touch()
    (cause,) = house.desk.resume_preview()["causes"]
    assert (cause["kind"], house.latch().version) == ("flag", 2)


def test_an_ack_right_after_a_touch_counts(house: House) -> None:
    (house.root / "pause.d" / "x").touch()
    answer = house.desk.ack(caller=KARIM)
    assert (answer["paused"], answer["acked_by"]) == (True, "karim")


@pytest.mark.parametrize("is_asked", [True, False], ids=["asked for", "touched"])
def test_while_a_pause_can_not_be_written_down_nothing_is_said_to_be_free(
    small_house: House, is_asked: bool
) -> None:
    with another_writer(small_house):
        if is_asked:
            pause(small_house)
        else:
            (small_house.root / "pause.d" / "x").touch()
        for ask, undone in (
            (small_house.desk.resume_preview, "nothing was resumed"),
            (lambda: small_house.desk.ack(caller=LEA), "nothing was recorded"),
        ):
            with pytest.raises(TransientError, match=f"not written down yet .*; {undone}"):
                ask()
    assert small_house.desk.resume_preview()["causes"]


def test_a_pause_in_memory_alone_is_not_called_sealed(small_house: House) -> None:
    with another_writer(small_house):
        pause(small_house)
        (flag,) = small_house.flags.look().entries
        small_house.flags.remove([flag])
        assert small_house.desk.seal(None, wait_s=0)["sealed"] is False
        assert small_house.desk.status()["sealed"] is False


def test_a_flag_that_became_a_cause_first_is_not_opened_again_over_the_socket(
    house: House,
) -> None:
    """The client gave the daemon up, wrote the flag itself, and its request arrives after all."""
    house.flags.write("attack", "k1", "lea")
    house.guard.step()
    receipt = pause(house)
    assert (receipt["version"], house.kinds()) == (house.latch().version, ["flag"])


def test_where_nothing_can_be_written_it_says_so_and_the_stop_stands(small_house: House) -> None:
    delivery = small_house.add(at="now")
    small_house.flags.path.rmdir()
    with another_writer(small_house):
        error = refused(pause, small_house, kind=OperatorError)
        assert (error.code, int(error.exit)) == ("not_recorded", 1)
        assert "NOT RECORDED" in error.message
        assert small_house.desk.status()["state"] == "paused"
    small_house.flags.create()
    small_house.send(delivery)
    assert small_house.published() == []
    small_house.guard.step()
    assert small_house.kinds() == ["manual"]
    assert small_house.latch().causes[0].reason == "attack"
    assert not small_house.inhibits.any()


def test_a_reminder_survives_a_slow_store(small_house: House) -> None:
    with another_writer(small_house):
        pause(small_house, review_s=3600.0)
    small_house.move(minutes=5)
    small_house.guard.step()
    (cause,) = small_house.latch().causes
    assert cause.review_at is not None
    assert cause.review_at - small_house.clock.now() == timedelta(minutes=55)
    small_house.move(minutes=56)
    small_house.guard.step()
    with small_house.store.read() as conn:
        assert [row.ref for row in notices.undone(conn) if row.kind == "review"] == [cause.id]


# ---- sealed ---------------------------------------------------------------------------------


def test_the_seal_waits_for_what_is_on_the_wire(house: House) -> None:
    delivery = house.add()
    put(house.store, delivery, S.CLAIMED, S.SENDING)
    version = pause(house)["version"]
    start = house.clock.boot_s()
    receipt = house.desk.seal(version, wait_s=2.0)
    assert (receipt["sealed"], [one["id"] for one in receipt["on_wire"]]) == (False, [delivery])
    assert 2.0 <= house.clock.boot_s() - start < 2.1
    put(house.store, delivery, S.SENT)
    receipt = house.desk.seal(version, wait_s=2.0)
    assert (receipt["sealed"], receipt["on_wire"], receipt["uncertain"]) == (True, [], [])
    assert receipt["sealed_at"] == house.desk.status()["sealed_at"]


def test_the_seal_names_what_may_have_gone_out(house: House) -> None:
    house.networks["insta"].answer = Outcome(Ending.UNCERTAIN, "time-out")
    delivery = house.add(at="now")
    house.send(delivery)
    receipt = house.desk.seal(pause(house)["version"], wait_s=0)
    assert receipt["sealed"]
    assert [one["id"] for one in receipt["uncertain"]] == [delivery]
    (row,) = [
        row for row in house.desk.audit(after=0, limit=100, subject="main")["rows"]
        if row["event"] == "pause.sealed"
    ]  # fmt: skip
    assert row["data"]["uncertain"] == [delivery]


def test_nothing_is_sealed_that_is_not_paused(house: House) -> None:
    receipt = house.desk.seal(None, wait_s=0)
    assert (receipt["accepted"], receipt["sealed"]) == (False, False)


def test_a_seal_of_a_version_to_come_is_not_given(house: House) -> None:
    version = pause(house)["version"]
    assert not house.desk.seal(version + 1, wait_s=0)["sealed"]
    assert house.desk.seal(version, wait_s=0)["sealed"]


def test_a_seal_lasts_while_causes_join_and_ends_with_the_resume(house: House) -> None:
    pause(house)
    house.desk.seal(None, wait_s=0)
    house.trip(a_story())
    assert house.desk.status()["sealed"]
    house.resume()
    status = house.desk.status()
    assert (status["sealed"], status["sealed_at"]) == (False, None)


# ---- acknowledged ---------------------------------------------------------------------------


def test_an_ack_stops_the_calling_and_nothing_else(house: House) -> None:
    house.trip(a_story())
    answer = house.desk.ack(caller=KARIM)
    assert (answer["acked_by"], answer["notices"]) == ("karim", 1)
    again = house.desk.ack(caller=LEA)
    assert (again["notices"], again["paused"], again["first"]) == (0, True, False)
    assert (again["acked_by"], again["acked_at"]) == ("karim", answer["acked_at"])
    assert house.latch().paused
    who = house.desk.status()["who"]
    assert who == {"acked_by": "karim", "acked_at": answer["acked_at"], "next": "Léa"}


def test_the_second_ack_of_one_person_changes_nothing(house: House) -> None:
    house.trip(a_story())
    first = house.desk.ack(caller=KARIM)
    for caller in (LEA, KARIM, LEA):
        again = house.desk.ack(caller=caller)
        assert (again["acked_by"], again["acked_at"]) == ("karim", first["acked_at"])
    with house.store.read() as conn:
        rows = audit.rows(conn, limit=100)
        who = people.names(conn, {row.actor for row in rows})
    said = [who[row.actor] for row in rows if row.event == "pause.acknowledged"]
    assert said == ["karim", "lea"]


def test_an_ack_of_nothing_is_harmless(house: House) -> None:
    house.networks["insta"].answer = SENT
    answer = house.desk.ack(caller=LEA)
    assert (answer["notices"], answer["paused"]) == (0, False)


def test_a_seal_that_the_store_does_not_take_is_not_given(small_house: House) -> None:
    version = pause(small_house)["version"]
    with another_writer(small_house):
        receipt = small_house.desk.seal(version, wait_s=0)
        assert (receipt["accepted"], receipt["sealed"]) == (True, False)
    assert small_house.desk.seal(version, wait_s=0)["sealed"]
