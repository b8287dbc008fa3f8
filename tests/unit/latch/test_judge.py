"""The pure rules of a resume and a dismiss, and the inhibits of a process."""

from __future__ import annotations

from dataclasses import FrozenInstanceError
from datetime import UTC, datetime, timedelta
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from killswitch.latch import (
    DISMISSIBLE,
    FROM_NEWS,
    Cause,
    CauseKind,
    Inhibit,
    InhibitKind,
    Inhibits,
    Latch,
    judge_dismiss,
    judge_resume,
)

NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)


def a_latch(*kinds, version=7):
    causes = tuple(Cause(f"c{n}", kind, "r", "why", NOW, "u1", n) for n, kind in enumerate(kinds))
    return Latch(version, causes)


def judged(latch, **told):
    given = {"seen": latch.version, "standing": {}, "undecided": 0, "keep_held": False}
    refusal = judge_resume(latch, **(given | told))
    return None if refusal is None else refusal.code


@pytest.mark.parametrize("kind", CauseKind, ids=str)
def test_a_resume_of_what_was_seen_closes_every_kind(kind):
    assert judged(a_latch(kind)) is None


@pytest.mark.parametrize("seen", [6, 8, 0])
def test_a_resume_of_another_version_is_stale_whatever_else_is_wrong(seen):
    latch = a_latch(CauseKind.BLIND)
    assert judged(latch, seen=seen, standing={CauseKind.BLIND: "x"}, undecided=3) == "stale"


@pytest.mark.parametrize(("open_kind", "stands"), [*product(CauseKind, CauseKind)], ids=str)
def test_only_a_standing_reason_of_an_open_cause_refuses(open_kind, stands):
    found = judged(a_latch(CauseKind.MANUAL, open_kind), standing={stands: "still so"})
    assert (found == "cause_stands") == (stands in {CauseKind.MANUAL, open_kind})


@pytest.mark.parametrize(("count", "keep", "code"), [(1, False, "undecided"), (1, True, None)])
def test_undecided_posts_refuse_unless_they_are_kept(count, keep, code):
    assert judged(a_latch(CauseKind.MANUAL), undecided=count, keep_held=keep) == code


@pytest.mark.parametrize("kind", CauseKind, ids=str)
def test_only_the_news_can_be_a_false_alarm(kind):
    refusal = judge_dismiss(a_latch(kind), seen=7)
    assert (refusal is None) == (kind in DISMISSIBLE)


def test_a_dismiss_of_another_version_is_stale():
    refusal = judge_dismiss(a_latch(CauseKind.STORY), seen=6)
    assert refusal is not None
    assert refusal.code == "stale"
    assert refusal.message.endswith("nothing was dismissed")
    assert refusal.hint.endswith("then killswitch dismiss")


@given(
    st.lists(st.sampled_from(CauseKind)),
    st.integers(0, 9),
    st.booleans(),
    st.dictionaries(st.sampled_from(CauseKind), st.just("so")),
)
def test_whatever_is_refused_says_why_and_what_to_do(kinds, undecided, keep, standing):
    latch = a_latch(*kinds)
    refusal = judge_resume(latch, seen=7, standing=standing, undecided=undecided, keep_held=keep)
    stands = any(kind in standing for kind in kinds)
    assert (refusal is None) == (not stands and (keep or not undecided))
    if refusal is not None:
        assert refusal.message
        assert refusal.hint


def test_an_inhibit_keeps_its_age_and_takes_new_words():
    inhibits = Inhibits()
    assert inhibits.open(InhibitKind.SIGHT, "3 of 4", now=NOW)
    assert not inhibits.open(InhibitKind.SIGHT, "2 of 4", now=NOW + timedelta(minutes=1))
    (found,) = inhibits.list()
    assert (found.reason, found.since) == ("2 of 4", NOW)
    assert inhibits.since(InhibitKind.SIGHT) == NOW
    assert inhibits.lift(InhibitKind.SIGHT)
    assert not inhibits.lift(InhibitKind.SIGHT)
    assert not inhibits.any()
    assert inhibits.since(InhibitKind.SIGHT) is None


def test_an_inhibit_of_two_stories_stands_until_both_have_lifted():
    inhibits = Inhibits()
    inhibits.open(InhibitKind.UNCONFIRMED, "b", now=NOW + timedelta(seconds=1), ref="s2")
    inhibits.open(InhibitKind.UNCONFIRMED, "a", now=NOW, ref="s1")
    assert [inhibit.reason for inhibit in inhibits.list()] == ["a", "b"]
    assert sorted(inhibits.refs(InhibitKind.UNCONFIRMED)) == ["s1", "s2"]
    inhibits.lift(InhibitKind.UNCONFIRMED, ref="s1")
    assert inhibits.any()
    inhibits.lift(InhibitKind.UNCONFIRMED, ref="s2")
    assert not inhibits.any()


def test_the_words_of_causes_and_inhibits_are_those_that_are_stored_and_shown():
    assert " ".join(CauseKind) == (
        "manual story alert blind detector clock store flag unclean_start tamper notify rate"
    )
    assert " ".join(InhibitKind) == ("starting sight unconfirmed clock store stopping pausing")


def test_rehearsal_only_tells_of_what_the_news_opens_and_nothing_else():
    assert {CauseKind.STORY, CauseKind.ALERT} == FROM_NEWS


def test_what_was_read_of_a_pause_can_not_be_changed_afterwards():
    latch = a_latch(CauseKind.STORY)
    refusal = judge_resume(latch, seen=0, standing={}, undecided=0, keep_held=False)
    for value, name in (
        (latch, "version"),
        (latch.causes[0], "kind"),
        (Inhibit(InhibitKind.SIGHT, "x", NOW), "reason"),
        (refusal, "code"),
    ):
        with pytest.raises(FrozenInstanceError):
            setattr(value, name, "other")
