from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, time, timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from killswitch.clock import FakeClock
from killswitch.notify.policy import NotifyPolicy
from killswitch.notify.teller import Teller
from killswitch.store import notices, people
from killswitch.store.engine import Store
from killswitch.store.notices import NoticeKind, add_notice
from killswitch.store.schema import deliveries, posts
from tests.unit.notify.builders import AT, FACTS, Office, a_status, a_store, running

LEA, KARIM = "mailto://lea", "ntfy://host/karim"
BOSS, OWNER = "tgram://boss/1", "twilio://owner"
MINUTE = timedelta(minutes=1)


class Desk:
    """A store, a clock, an office and a teller, with two more lists behind the first."""

    def __init__(self, store: Store, **policy: Any) -> None:
        self.store = store
        self.clock = FakeClock(AT)
        self.office = Office()
        self.status = a_status()
        told = {"lists": ((LEA, KARIM), (BOSS,), (OWNER,)), "zone": "Europe/Paris"}
        self.teller = Teller(
            store,
            self.clock,
            lambda: self.office,
            policy=NotifyPolicy(**(told | policy)),
            situation=lambda: self.status,
        )

    def tell(
        self,
        kind: NoticeKind = NoticeKind.PAUSED,
        ref: str = "c1",
        *,
        from_news: bool = False,
        **more: Any,
    ) -> str:
        facts = FACTS | {"from_news": from_news}
        with self.store.write() as conn:
            return add_notice(conn, kind=kind, ref=ref, facts=facts, now=self.clock.now(), **more)

    def after(self, **passed: float) -> list[str]:
        """Let time pass, run a round, and return the addresses that took something in it."""
        self.clock.move(timedelta(**passed))
        self.teller.round()
        return self.office.urls()

    def ack(self) -> int:
        with self.store.write() as conn:
            return notices.ack_all(conn, by="u1", now=self.clock.now())

    def open(self) -> int:
        with self.store.read() as conn:
            return len(notices.undone(conn))


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    store = a_store(tmp_path)
    yield store
    store.close()


@pytest.fixture
def desk(store: Store) -> Desk:
    return Desk(store)


def test_a_notice_goes_to_every_address_of_the_first_list_at_once(desk):
    desk.tell()
    assert desk.after(seconds=0) == [LEA, KARIM]


def test_until_somebody_answers_it_goes_out_again_each_time_to_one_more_list(desk):
    desk.tell()
    assert desk.after(seconds=0) == [LEA, KARIM]
    assert desk.after(minutes=14) == []
    assert desk.after(minutes=1) == [LEA, KARIM, BOSS]
    assert desk.after(minutes=15) == [LEA, KARIM, BOSS, OWNER]
    assert desk.after(minutes=15) == [LEA, KARIM, BOSS, OWNER]


def test_an_answer_stops_the_repeats_and_nothing_else(desk):
    desk.tell()
    desk.after(seconds=0)
    assert desk.ack() == 1
    assert desk.after(hours=5) == []
    assert desk.open() == 0


def test_an_answer_before_the_first_round_still_lets_the_news_out_once(desk):
    desk.tell()
    desk.ack()
    assert desk.after(seconds=0) == [LEA, KARIM]
    assert desk.after(minutes=30) == []


def test_an_address_that_was_not_reached_is_still_tried_after_an_answer(desk):
    desk.office.broken[KARIM] = "connection refused"
    desk.tell()
    assert desk.after(seconds=0) == [LEA]
    desk.ack()
    desk.office.broken.clear()
    assert desk.after(seconds=5) == [KARIM]
    assert desk.open() == 0


def test_a_notice_that_does_not_call_again_is_told_once(desk):
    desk.tell(NoticeKind.FAILED)
    assert desk.after(seconds=0) == [LEA, KARIM]
    assert desk.after(hours=2) == []
    assert desk.open() == 0


def test_a_failing_address_is_tried_again_after_5_15_60_seconds(desk):
    desk.office.broken[KARIM] = "refused"
    desk.tell(NoticeKind.FAILED)
    tried = []
    for _ in range(100):
        desk.teller.round()
        if KARIM in desk.office.tried:
            tried.append((desk.clock.now() - AT).total_seconds())
        desk.office.urls()
        desk.clock.move(timedelta(seconds=1))
    assert tried == [0, 5, 20, 80]


def test_the_other_addresses_hear_nothing_twice_while_one_fails(desk):
    desk.office.broken[KARIM] = "refused"
    desk.tell(NoticeKind.FAILED)
    heard = [url for _ in range(10) for url in desk.after(seconds=30)]
    assert heard == [LEA]


def test_what_fails_is_shown_masked_and_goes_away_with_a_success(desk):
    desk.office.broken[KARIM] = "connection refused"
    desk.tell(NoticeKind.FAILED)
    desk.after(seconds=0)
    failing = desk.teller.failing()
    assert failing == [{"address": "ntfy://… (notify.urls[1])", "problem": "connection refused"}]
    desk.office.broken.clear()
    desk.after(seconds=5)
    assert desk.teller.failing() == []


def test_a_dead_list_calls_the_next_within_a_minute(desk):
    desk.office.broken = {LEA: "refused", KARIM: "refused"}
    desk.tell()
    heard_after = None
    for second in range(60):
        if BOSS in desk.after(seconds=1 if second else 0):
            heard_after = second
            break
    assert heard_after is not None
    assert heard_after <= 60


def test_a_list_that_never_answers_calls_the_next_within_a_minute(desk):
    desk.office.broken = {LEA: "timeout", KARIM: "timeout"}
    desk.tell()
    heard = [desk.after(seconds=5) for _ in range(11)]
    assert [BOSS] in heard


def test_one_address_of_a_list_that_answers_is_enough_to_wait(desk):
    desk.office.broken = {LEA: "refused"}
    desk.tell()
    heard = [desk.after(seconds=5) for _ in range(20)]
    assert [BOSS] not in heard


def test_all_lists_dead_leaves_the_notice_waiting_and_says_since_when(desk):
    desk.office.broken = dict.fromkeys((LEA, KARIM, BOSS, OWNER), "refused")
    desk.tell()
    for _ in range(40):
        desk.after(seconds=30)
    with desk.store.read() as conn:
        assert notices.oldest_unaccepted_at(conn) == AT
    assert len(desk.teller.failing()) == 4
    desk.office.broken.clear()
    assert LEA in desk.after(minutes=6)
    with desk.store.read() as conn:
        assert notices.oldest_unaccepted_at(conn) is None


def test_an_address_is_tried_by_one_process_at_a_time_and_hears_each_notice(desk):
    desk.tell(NoticeKind.FAILED, "d1")
    desk.tell(NoticeKind.DRILL, "x")
    assert desk.after(seconds=0) == sorted([LEA, KARIM] * 2)


def test_a_second_story_is_told_at_once_and_not_half_a_minute_later(desk):
    for number in range(notices.AT_ONCE):
        desk.tell(ref=f"c{number}")
        assert desk.after(seconds=2) == [LEA, KARIM]


def test_a_story_that_is_dismissed_before_anybody_heard_of_it_is_told_once(desk):
    """Who pressed knows; the others hear what tripped, and that it is over."""
    desk.status = a_status(sealed=False, sealed_at=None)
    desk.tell(from_news=True)
    desk.tell(ref="c2", from_news=True)
    assert desk.after(seconds=1) == []
    desk.ack()
    with desk.store.write() as conn:
        notices.stand_down(conn, now=desk.clock.now())
    desk.status = running()
    desk.clock.move(timedelta(seconds=2))
    desk.teller.round()
    assert desk.office.sent[0]["title"].startswith("WAS PAUSED 11:52 · Attaque")
    assert desk.office.sent[0]["body"].startswith("Posts go out as planned")
    assert desk.office.urls() == [LEA, KARIM]
    assert [desk.after(hours=1) for _ in range(3)] == [[], [], []]
    assert desk.open() == 0


def test_what_is_over_calls_nobody_further(desk):
    desk.office.broken = {LEA: "refused", KARIM: "refused"}
    desk.tell(from_news=True)
    desk.after(seconds=0)
    desk.ack()
    with desk.store.write() as conn:
        notices.stand_down(conn, now=desk.clock.now())
    assert [url for _ in range(20) for url in desk.after(seconds=5)] == []
    desk.office.broken.clear()
    assert desk.after(minutes=5) == [LEA, KARIM]


def test_ten_thousand_trips_in_a_minute_make_three_notices(desk):
    heard = []
    for second in range(59):
        with desk.store.write() as conn:
            for number in range(167):
                add_notice(
                    conn,
                    kind=NoticeKind.PAUSED,
                    ref=f"c{second}.{number}",
                    facts={"reason": f"event {second}.{number}"},
                    now=desk.clock.now(),
                )
        heard += desk.after(seconds=1)
    assert heard.count(LEA) == 3
    with desk.store.read() as conn:
        assert len(notices.undone(conn)) <= 4


def test_repeats_of_several_events_become_one(desk):
    for number in range(5):
        desk.tell(ref=f"c{number}")
        assert desk.after(seconds=0) == [LEA, KARIM]
        desk.clock.move(MINUTE)
    heard = [url for _ in range(30) for url in desk.after(seconds=30)]
    assert heard.count(LEA) == 1
    assert heard.count(BOSS) == 1


def test_the_one_that_goes_on_does_not_fall_back_to_the_first_list(desk):
    desk.tell(ref="c1")
    desk.after(seconds=0)
    desk.after(minutes=15)
    desk.tell(ref="c2")
    desk.after(seconds=0)
    assert desk.after(minutes=16) == [LEA, KARIM, BOSS, OWNER]


def test_the_text_is_written_when_it_is_sent_so_that_it_is_true_then(desk):
    desk.tell()
    desk.teller.round()
    assert "Nothing leaves." in desk.office.sent[0]["body"]
    desk.office.urls()
    desk.status = running()
    desk.clock.move(timedelta(minutes=15))
    desk.teller.round()
    assert desk.office.sent[0]["body"].startswith("Posts go out as planned")


def test_a_fresh_pause_waits_two_seconds_for_its_seal(desk):
    desk.status = a_status(sealed=False, sealed_at=None)
    desk.tell()
    assert desk.after(seconds=0) == []
    assert desk.after(seconds=1) == []
    desk.status = a_status()
    assert desk.after(seconds=1) == [LEA, KARIM]


def test_an_unsealed_pause_is_told_as_unsealed_after_these_two_seconds(desk):
    desk.status = a_status(sealed=False, sealed_at=None)
    desk.tell()
    desk.after(seconds=0)
    desk.clock.move(timedelta(seconds=2))
    desk.teller.round()
    assert "not sealed yet" in desk.office.sent[0]["body"]


def test_every_notice_names_the_places_that_must_be_stopped_by_hand(store):
    desk = Desk(store, also_stop=("Meta Ads", "the shop window"))
    desk.status = a_status(by_hand=[])
    desk.tell()
    desk.teller.round()
    assert "Meta Ads NOT CONFIRMED · the shop window NOT CONFIRMED" in desk.office.sent[0]["body"]


def test_a_crash_between_claim_and_record_sends_again(store):
    desk = Desk(store, lists=((LEA, KARIM),))
    desk.tell(NoticeKind.FAILED)
    crashed = Desk(store, lists=((LEA, KARIM),))
    crashed.teller._send = lambda job, text: None  # type: ignore[method-assign] - dies in a send
    crashed.teller.round()
    assert desk.after(seconds=60) == []
    assert desk.after(seconds=30) == [LEA, KARIM]


def test_no_addresses_means_that_nothing_piles_up_and_the_status_says_so(store):
    desk = Desk(store, lists=((),))
    desk.tell()
    desk.after(seconds=0)
    assert desk.open() == 0
    assert "no address" in desk.teller.failing()[0]["problem"]


def test_an_address_that_a_reload_took_away_is_given_up(desk):
    desk.office.broken = {KARIM: "refused"}
    desk.tell(NoticeKind.FAILED)
    desk.after(seconds=0)
    desk.teller.policy = NotifyPolicy(lists=((LEA,),))
    desk.after(seconds=5)
    assert desk.open() == 0
    assert desk.teller.failing() == []


def test_a_test_goes_to_every_list_and_reports_each_address(desk):
    desk.office.broken = {BOSS: f"bad token {BOSS}"}
    said = desk.teller.test()
    assert [one["accepted"] for one in said] == [True, True, False, True]
    assert said[2]["address"] == "tgram://… (notify.next[0][0])"
    assert "boss" not in str(said[2]["problem"])
    assert desk.office.sent[0]["title"].startswith("TEST 11:52")


def test_a_notice_names_the_person_and_the_store_only_the_id(desk):
    with desk.store.write() as conn:
        lea = people.person_id(conn, "lea", name="Léa")
        facts = {"cause": "manual", "by": lea, "reason": "bad feeling"}
        add_notice(conn, kind="paused", ref="c1", facts=facts, now=AT)
    desk.teller.round()
    assert desk.office.sent[0]["title"] == "PAUSED 11:52 · Léa: bad feeling"


def test_a_fault_in_a_lane_reaches_the_caller(desk):
    def broken(*_: Any, **__: Any) -> dict[str, Any]:
        raise ZeroDivisionError

    desk.office.call = broken  # type: ignore[method-assign] - a bug of ours, on purpose
    desk.tell()
    with pytest.raises(ZeroDivisionError):
        desk.teller.round()


def test_a_resume_ends_the_calls_about_the_pause_but_not_those_about_a_post(desk):
    desk.tell(NoticeKind.PAUSED)
    desk.tell(NoticeKind.UNCERTAIN, "d1")
    desk.after(seconds=0)
    with desk.store.write() as conn:
        assert notices.stand_down(conn, now=desk.clock.now()) == 1
    desk.status = running()
    assert desk.after(minutes=15) == [LEA, KARIM, BOSS]


def a_delivery(desk: Desk, delivery: str, state: str) -> None:
    """A row that stands in this state; the store of these tests has no triggers."""
    with desk.store.write() as conn:
        conn.execute(sa.delete(deliveries).where(deliveries.c.id == delivery))
        conn.execute(
            sa.insert(deliveries).values(
                id=delivery, post="p1", queue="main", channel="x", state=state, due_at=AT,
                zone="UTC", wall="", next_at=AT, changed_at=AT,
            )
        )  # fmt: skip


def in_doubt(desk: Desk, *ids: str) -> None:
    with desk.store.write() as conn:
        there = conn.execute(sa.select(posts.c.id)).first()
        if there is None:
            conn.execute(
                sa.insert(posts).values(
                    id="p1", queue="main", text="", media=[], tags=[], author="u1", created_at=AT,
                    content_hash="",
                )
            )  # fmt: skip
    for one in ids:
        a_delivery(desk, one, "uncertain")
        with desk.store.write() as conn:
            facts = {"delivery": one, "channel": "x", "text": f"post {one}", "why": "reset"}
            add_notice(conn, kind="uncertain", ref=one, facts=facts, now=desk.clock.now())


def test_a_post_in_doubt_calls_until_it_is_resolved(desk):
    in_doubt(desk, "d1")
    assert desk.after(seconds=0) == [LEA, KARIM]
    assert desk.after(minutes=15) == [LEA, KARIM, BOSS]
    a_delivery(desk, "d1", "sent")
    assert desk.after(minutes=15) == []
    assert desk.open() == 0


def test_a_post_in_doubt_calls_until_an_answer(desk):
    in_doubt(desk, "d1")
    desk.after(seconds=0)
    desk.ack()
    assert desk.after(hours=1) == []


def test_of_several_posts_in_doubt_the_calls_go_on_for_the_one_that_is_left(desk):
    """The older notice hands its post over to the newer one, whose own post is resolved first."""
    in_doubt(desk, "d1")
    desk.after(seconds=0)
    desk.clock.move(MINUTE)
    in_doubt(desk, "d2")
    desk.after(seconds=0)
    desk.after(minutes=15)
    a_delivery(desk, "d2", "sent")
    desk.status = a_status(uncertain=[{"id": "d1", "channel": "x", "text": "post d1"}])
    desk.clock.move(15 * MINUTE)
    desk.teller.round()
    assert {"post d1" in one["title"] for one in desk.office.sent} == {True}
    desk.office.urls()
    a_delivery(desk, "d1", "held")
    assert desk.after(minutes=16) == []
    assert desk.open() == 0


# ---- quiet hours --------------------------------------------------------------------------------

MIDNIGHT = datetime(2026, 3, 2, 23, 0, tzinfo=UTC)
"""Midnight in Paris; the quiet hours end at 06:00 UTC."""


@pytest.fixture
def night(store: Store) -> Desk:
    """A sealed pause at midnight with nothing due before the morning; texts can't be silent."""
    desk = Desk(store, lists=((LEA, OWNER), (BOSS,)), quiet=(time(22), time(7)))
    desk.clock = FakeClock(MIDNIGHT)
    desk.teller._clock = desk.clock
    desk.status = a_status(next_due=[])
    return desk


def test_at_night_only_silent_addresses_are_told_and_silently(night):
    night.tell()
    night.teller.round()
    assert [message["silent"] for message in night.office.sent] == [True]
    assert night.office.urls() == [LEA]


def test_the_loud_addresses_are_told_at_the_end_of_the_night_and_the_calls_begin_then(night):
    night.tell()
    heard = [night.after(minutes=1) for _ in range(7 * 60 - 1)]
    assert [urls for urls in heard if urls] == [[LEA]]
    assert night.after(minutes=1) == [OWNER]
    assert night.after(minutes=14) == []
    assert night.after(minutes=2) == [LEA, BOSS, OWNER]


def test_quiet_hours_never_open_the_cause_that_nobody_is_told(night):
    night.teller.policy = NotifyPolicy(
        lists=((OWNER,),), quiet=(time(22), time(7)), zone="Europe/Paris"
    )
    night.tell()
    for _ in range(7 * 60):
        night.after(minutes=1)
        with night.store.read() as conn:
            since = notices.oldest_unaccepted_at(conn)
        assert since is None or night.clock.now() - since < 15 * MINUTE


@pytest.mark.parametrize(
    "worse",
    [
        {"sealed": False},
        {"uncertain": [{"id": "d7", "channel": "X", "text": "Soldes"}]},
        {"next_due": [{"id": "d", "channel": "X", "due": "2026-03-03T05:00:00Z", "text": "t"}]},
    ],
)
def test_what_turns_unsafe_at_night_wakes_people_within_a_minute(night, worse):
    night.tell()
    night.after(seconds=0)
    night.status = a_status(**({"next_due": []} | worse))
    heard = [url for _ in range(6) for url in night.after(seconds=10)]
    assert OWNER in heard


def test_unsafe_at_night_is_loud_from_the_first(night):
    night.status = a_status(next_due=[], uncertain=[{"id": "d", "channel": "X", "text": "t"}])
    night.tell(NoticeKind.UNCERTAIN, "d")
    night.teller.round()
    assert not any(message["silent"] for message in night.office.sent)
    assert night.office.urls() == [LEA, OWNER]


def test_small_news_waits_for_the_morning_whatever_the_state(night):
    night.status = running(next_due=[])
    night.tell(NoticeKind.HELD_LATE, "d1")
    assert night.after(seconds=0) == [LEA]
    assert night.after(hours=7) == [OWNER]
