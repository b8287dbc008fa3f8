"""When a network is asked for a post whose answer was lost, and what may be said of it then."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from killswitch.queue.looking import LOOKS_AFTER, LOOKS_NEEDED, SETTLE, Look, Looked

LOST = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
FOUND = ("there", "absent", "unknown")


def looked(*found, at=LOOKS_AFTER, detail="HTTP 404"):
    """Looks in the order of ``found``, each when it was planned."""
    looks = (Look(LOST + at[n], one, detail) for n, one in enumerate(found))
    return Looked(LOST, tuple(looks))


def test_looks_come_after_15_45_and_120_seconds_and_then_further_apart():
    first = [looked(*["absent"] * n).next_at - LOST for n in range(3)]
    assert first == [timedelta(seconds=s) for s in (15, 45, 120)]
    gaps = [later - sooner for sooner, later in pairwise(LOOKS_AFTER)]
    assert gaps == sorted(gaps)


def test_what_was_found_and_what_was_looked_for_long_enough_is_not_looked_for_again():
    assert looked("unknown", "there").next_at is None
    assert looked(*["absent"] * len(LOOKS_AFTER)).next_at is None


def test_looks_that_come_late_keep_their_distance():
    late = Looked(LOST, (Look(LOST + timedelta(hours=3), "unknown", ""),))
    assert late.next_at == LOST + timedelta(hours=3, seconds=30)


@pytest.mark.parametrize(
    ("found", "said"),
    [
        ((), "nobody has looked yet"),
        (("unknown",), "looked once, no clear answer: HTTP 404"),
        (("absent",), "looked once, not found yet"),
        (("absent", "absent"), "looked 2 times, not found yet"),
        (("absent", "absent", "absent"), "looked 3 times, not found"),
        (("absent", "unknown", "absent"), "looked 3 times, not found yet"),
        (("absent", "unknown", "absent", "absent"), "looked 4 times, not found"),
        (("absent", "absent", "absent", "unknown"), "looked 4 times, no clear answer: HTTP 404"),
        (("absent", "there"), "looked 2 times, found: HTTP 404"),
    ],
)
def test_people_read_how_often_and_what(found, said):
    assert looked(*found).words == said


def test_before_the_network_has_settled_nothing_is_called_not_found():
    soon = [timedelta(seconds=s) for s in (1, 2, 59)]
    assert not looked("absent", "absent", "absent", at=soon).is_not_found
    soon[2] = SETTLE
    assert looked("absent", "absent", "absent", at=soon).is_not_found


@given(st.lists(st.sampled_from(FOUND), max_size=len(LOOKS_AFTER)))
def test_a_failed_look_never_counts_as_an_absence(found):
    judged = looked(*found)
    if judged.is_not_found:
        assert found.count("absent") >= LOOKS_NEEDED
        assert found[-1] == "absent"
        assert "there" not in found
    assert judged.is_there == ("there" in found)
