"""A pause against the instant at which posts are due: what is sealed stays sealed."""

from __future__ import annotations

import pytest

from tests.proof import races
from tests.proof.budget import PROOF, seconds

BUDGET_S = 30.0


@pytest.mark.timeout(600)
def test_nothing_is_published_after_a_seal_that_races_with_due_posts(record_property):
    report = races.run(budget_s=seconds(BUDGET_S), seed=2026)
    record_property(PROOF, "\n".join(report.lines()))
    assert report.wrong == []
    assert report.windows > 0
    assert {"socket", "flag", "detector"} <= report.laps.keys()
    assert report.close > 0
    assert report.held > 0
