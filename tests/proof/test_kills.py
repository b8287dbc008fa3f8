"""The real daemon, killed at every named point and at random moments."""

from __future__ import annotations

import pytest

from tests.proof import kills
from tests.proof.budget import PROOF, seconds

BUDGET_S = 60.0
LEAST = 1
"""Each point ends at least so many lives, however long that takes; by hand it is any number."""


@pytest.mark.timeout(900)
def test_nothing_is_lost_or_doubled_or_leaves_when_the_daemon_is_killed(record_property):
    report = kills.run(budget_s=seconds(BUDGET_S), least=LEAST, seed=2026)
    record_property(PROOF, "\n".join(report.lines()))
    assert report.wrong == []
    assert {name for name in kills.ON_A_DAY if report.kills[name] < LEAST} == set()
    assert report.windows > 0
    assert report.published > 0
