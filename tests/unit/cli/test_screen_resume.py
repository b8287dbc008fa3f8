"""What a human sees before resuming: decisions with the time at which they let a post out."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from killswitch.cli.out import Ink, Times
from killswitch.cli.resume import resumed_text
from killswitch.cli.screen_resume import decided_text, preview_text
from killswitch.cli.words import words_of
from tests.edge.fake_desk import a_cause, a_delivery

TIMES = Times(datetime(2026, 3, 2, 11, 30, tzinfo=UTC), ZoneInfo("Europe/Paris"))
PAST, COMING, LATER = (f"2026-03-02T{hour}:00:00Z" for hour in (11, 12, 17))


def preview(**lists):
    empty = {key: [] for key in ("standing", "uncertain", "undecided", "decided", "next_24h")}
    doc = {"version": 4, "causes": [a_cause()], "held": 1, **empty, **lists}
    return preview_text(doc, times=TIMES, words=words_of("en"), ink=Ink())


@pytest.mark.parametrize(
    ("decision", "due", "decided_due", "told"),
    [
        ("move", PAST, LATER, "move, leaves 18:00"),
        ("edit", PAST, LATER, "edit, leaves 18:00"),
        ("release", COMING, None, "release, leaves 13:00"),
        ("release", PAST, None, "release, in the next slot"),
        ("edit", PAST, None, "edit, in the next slot"),
        ("skip", PAST, None, "skip"),
        ("keep", COMING, None, "keep"),
    ],
)
def test_a_decision_is_told_with_when_the_post_leaves(decision, due, decided_due, told):
    row = a_delivery(decision=decision, due=due, decided_due=decided_due)
    assert decided_text(row, times=TIMES) == told
    assert f"-> {told}" in preview(decided=[row])


def test_a_post_that_has_failed_leaves_at_no_time():
    row = a_delivery(state="failed", decision="skip", due=COMING)
    assert decided_text(row, times=TIMES) == "skip"


def test_what_keep_held_does_is_told_where_something_is_undecided():
    assert "--keep-held: what is undecided stays held" in preview(undecided=[a_delivery()])
    assert "--keep-held" not in preview(decided=[a_delivery(decision="keep")])


def answer(**changes):
    doc = {"version": 5, "closed": ["c1"], "held": 0, "lead_until": "2026-03-02T12:00:00Z"}
    return resumed_text({**doc, **changes}, words_of("en"), TIMES).splitlines()


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"lead_held": 0}, ["Next step  killswitch status"]),
        (
            {"held": 1, "lead_held": 1},
            [
                "1 post stays held",
                "1 of them is due before 13:00 CET and waits for a human",
                "Next step  killswitch queue --state held",
            ],
        ),
        (
            {"held": 3, "lead_held": 2, "released": 1},
            [
                "1 released post leaves in its turn",
                "3 posts stay held",
                "2 of them are due before 13:00 CET and wait for a human",
                "Next step  killswitch queue --state held",
            ],
        ),
        (
            {"released": 2},
            [
                "2 released posts leave one by one",
                "Posts due before 13:00 CET wait for a human",
                "Next step  killswitch status",
            ],
        ),
    ],
)
def test_a_resume_tells_what_is_held_and_nothing_of_what_is_not(changes, told):
    assert answer(**changes)[1:] == told
