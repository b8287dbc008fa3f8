from __future__ import annotations

from datetime import UTC, datetime, time, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from killswitch.notify.policy import NotifyPolicy, policy_of, quiet_end, quiet_until, retry_at
from killswitch.notify.relays import Relay, relays_of
from killswitch.settings.tree import Settings
from killswitch.store.notices import NoticeKind
from tests.unit.notify.builders import AT, a_status, running

NIGHT = (time(22), time(7))


def policy(quiet=NIGHT, zone="Europe/Paris") -> NotifyPolicy:
    return NotifyPolicy(lists=(("json://a", "json://b"), ("json://c",)), quiet=quiet, zone=zone)


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("now", "end"),
    [
        ("2026-03-02T20:59", None),
        ("2026-03-02T21:00", "2026-03-03T06:00"),
        ("2026-03-02T23:30", "2026-03-03T06:00"),
        ("2026-03-03T05:59", "2026-03-03T06:00"),
        ("2026-03-03T06:00", None),
        ("2026-03-03T12:00", None),
        # Summer time begins on 29 March at 01:00 UTC: seven in the morning is 05:00 UTC then.
        ("2026-03-28T23:00", "2026-03-29T05:00"),
        ("2026-03-29T04:59", "2026-03-29T05:00"),
        ("2026-03-29T05:00", None),
        # It ends on 25 October at 01:00 UTC.
        ("2026-10-25T00:30", "2026-10-25T06:00"),
        ("2026-10-25T05:30", "2026-10-25T06:00"),
    ],
)
def test_the_night_crosses_midnight_and_both_changes_of_the_clock(now, end):
    assert quiet_end(policy(), now=utc(now)) == (utc(end) if end else None)


@pytest.mark.parametrize(
    ("now", "end"),
    [
        # 02:30 happens twice: the quiet hours are over at the first one.
        ("2026-10-25T00:15", "2026-10-25T00:30"),
        ("2026-10-25T00:30", None),
        ("2026-10-25T01:15", None),
    ],
)
def test_quiet_hours_that_end_in_a_repeated_hour_end_once(now, end):
    two_thirty = policy(quiet=(time(23), time(2, 30)))
    assert quiet_end(two_thirty, now=utc(now)) == (utc(end) if end else None)


def test_quiet_hours_within_one_day():
    noon = policy(quiet=(time(12), time(14)))
    assert quiet_end(noon, now=utc("2026-03-02T11:30")) == utc("2026-03-02T13:00")
    assert quiet_end(noon, now=utc("2026-03-02T13:00")) is None


def test_without_quiet_hours_it_is_never_quiet():
    assert quiet_end(policy(quiet=None), now=AT) is None


@given(st.datetimes(datetime(2026, 1, 1), datetime(2027, 1, 1), timezones=st.just(UTC)))  # noqa: DTZ001 - hypothesis adds the zone
def test_an_end_is_always_ahead_and_not_quiet_itself(now):
    end = quiet_end(policy(), now=now)
    if end is not None:
        assert now < end <= now + timedelta(hours=10)
        assert quiet_end(policy(), now=end) is None


MIDNIGHT = utc("2026-03-02T23:00")
DAWN = utc("2026-03-03T06:00")
LATE_POST = [{"id": "d1", "channel": "Insta", "due": "2026-03-03T06:00:00Z", "text": "x"}]
EARLY_POST = [{"id": "d1", "channel": "Insta", "due": "2026-03-03T05:59:00Z", "text": "x"}]
COUNTS = a_status()["queue"]


@pytest.mark.parametrize(
    ("status", "kind", "loud", "until"),
    [
        (a_status(next_due=LATE_POST), NoticeKind.PAUSED, True, DAWN),
        (a_status(next_due=[]), NoticeKind.BLIND, True, DAWN),
        (a_status(next_due=EARLY_POST), NoticeKind.PAUSED, True, None),
        (a_status(next_due=[], sealed=False), NoticeKind.PAUSED, True, None),
        (a_status(next_due=[], uncertain=[{"id": "d"}]), NoticeKind.PAUSED, True, None),
        (a_status(next_due=[], queue={**COUNTS, "uncertain": 1}), NoticeKind.PAUSED, True, None),
        (a_status(next_due=[]), NoticeKind.UNCERTAIN, True, None),
        (a_status(next_due=[]), NoticeKind.DRILL, True, None),
        (running(next_due=[]), NoticeKind.DAEMON_FAULT, True, None),
        (running(next_due=EARLY_POST), NoticeKind.HELD_LATE, False, DAWN),
        (a_status(sealed=False), NoticeKind.RESUMED, False, DAWN),
    ],
)
def test_it_is_quiet_only_where_waiting_is_safe(status, kind, loud, until):
    assert quiet_until(policy(), status, kind=kind, loud=loud, now=MIDNIGHT) == until


def test_a_failed_address_is_tried_after_5_15_60_seconds_then_up_to_5_minutes():
    waits = [
        retry_at(tries=n, reached=False, age=timedelta(0), now=AT) - AT  # type: ignore[operator] - never given up at this age
        for n in range(1, 8)
    ]
    assert [wait.total_seconds() for wait in waits] == [5, 15, 60, 120, 240, 300, 300]


@pytest.mark.parametrize(
    ("reached", "age_h", "given_up"),
    [(True, 0.9, False), (True, 1, True), (False, 23, False), (False, 24, True)],
)
def test_an_address_is_given_up_sooner_when_somebody_else_was_reached(reached, age_h, given_up):
    again = retry_at(tries=9, reached=reached, age=timedelta(hours=age_h), now=AT)
    assert (again is None) is given_up


def test_addresses_are_named_by_list_and_position():
    told = policy()
    assert told.names(0) == ["0.0", "0.1"]
    assert told.names(told.top) == ["0.0", "0.1", "1.0"]
    assert told.address("1.0") == "json://c"
    assert told.address("1.7") is None
    assert told.address("x") is None
    assert "json" not in repr(told)


def test_the_settings_become_a_policy_and_relays_with_their_secrets_opened(tmp_path):
    settings = Settings(
        state_dir=tmp_path,
        timezone="Europe/Paris",
        language="fr",
        notify={
            "urls": ["ntfy://host/topic"],
            "next": [["tgram://1:a/2"]],
            "quiet": "22:00-07:00",
            "also_stop": ["Meta Ads"],
        },
        relays=[
            {"name": "mail", "command": "/bin/mail-switch off"},
            {"name": "ads", "url": "https://hooks.example/x", "secret": "s3cret"},
        ],
    )
    told = policy_of(settings)
    assert told.lists == (("ntfy://host/topic",), ("tgram://1:a/2",))
    assert (told.quiet, told.zone, told.language) == (NIGHT, "Europe/Paris", "fr")
    assert relays_of(settings) == (
        Relay("mail", command=("/bin/mail-switch", "off")),
        Relay("ads", url="https://hooks.example/x", secret="s3cret"),
    )
