"""The oracle itself: each lie, planted one at a time, is named; the truth passes."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.proof import oracle
from tests.proof.oracle import Truth
from tests.proof.platform import Published

T0 = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)


def at(seconds: float) -> datetime:
    return T0 + timedelta(seconds=seconds)


def row(seconds: float, event: str, subject: str, data: str = "{}") -> dict[str, Any]:
    return {"at": at(seconds).isoformat(), "event": event, "subject": subject, "data": data}


def published(delivery: str, seconds: float) -> Published:
    return Published(delivery, at(seconds), answered=True)


HISTORY = [
    row(10, "cause.opened", "c1"),
    row(11, "pause.sealed", "main", '{"uncertain": ["d2"], "version": 2}'),
    row(12, "cause.opened", "c2"),
    row(20, "cause.closed", "c1"),
    row(21, "cause.closed", "c2"),
]
TRUTH = Truth(
    states={"d1": "sent", "d2": "uncertain", "d3": "held"},
    keys={"k1": ["d1"], "k2": ["d2"], "k3": ["d3"]},
    audit=HISTORY,
    unknown={"d2": "the daemon ended while it was being sent"},
)
LEDGER = [published("d1", 5), published("d2", 15)]
ACCEPTED = {"k1", "k2", "k3"}


def test_the_truth_passes():
    assert oracle.judge(TRUTH, LEDGER, accepted=ACCEPTED) == []
    assert oracle.judge_doubts(TRUTH, excused=()) == []
    assert oracle.judge_receipts(TRUTH, told=[at(11).isoformat()]) == []


LIES = {
    "lost": (TRUTH, LEDGER, {*ACCEPTED, "k9"}),
    "double": (TRUTH, [*LEDGER, published("d1", 6)], ACCEPTED),
    "unknown to us": (TRUTH, [*LEDGER, published("d9", 6)], ACCEPTED),
    "called sent": (TRUTH, LEDGER[1:], ACCEPTED),
    "is called held": (TRUTH, [*LEDGER, published("d3", 6)], ACCEPTED),
    "sealed: d1": (TRUTH, [published("d1", 13), LEDGER[1]], ACCEPTED),
    "sealed: d2": (
        replace(TRUTH, audit=[*HISTORY[:1], row(11, "pause.sealed", "main", '{"uncertain": []}')]),
        LEDGER,
        ACCEPTED,
    ),
}


@pytest.mark.parametrize("said", LIES)
def test_each_lie_is_named(said):
    truth, ledger, accepted = LIES[said]
    assert [said in line for line in oracle.judge(truth, ledger, accepted=accepted)] == [True]


def test_a_window_ends_when_the_last_cause_is_closed():
    (window,) = oracle.windows(HISTORY)
    assert (window.sealed_at, window.until) == (at(11), at(21))


def test_a_needless_doubt_and_an_unwritten_receipt_are_named():
    doubtful = replace(TRUTH, unknown={"d1": "no answer within the time limit"})
    assert len(oracle.judge_doubts(doubtful, excused=())) == 1
    assert oracle.judge_doubts(doubtful, excused={"d1"}) == []
    assert len(oracle.judge_receipts(TRUTH, told=[at(14).isoformat()])) == 1
