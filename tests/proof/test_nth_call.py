"""The n-th write, sync, connect, send or receive fails: no hang, nothing wrong sent, all told."""

from __future__ import annotations

import os

import pytest

from tests.proof import nth_call
from tests.proof.budget import PROOF, seconds

BUDGET_S = 40.0


@pytest.mark.timeout(900)
def test_no_failing_call_makes_the_daemon_hang_or_send_what_it_must_not(record_property):
    if not nth_call.can_trace():
        if os.environ.get("KILLSWITCH_REQUIRE_FAULTS") == "1":
            pytest.fail("KILLSWITCH_REQUIRE_FAULTS=1, but there is no strace (apt install strace)")
        pytest.skip("there is no strace on this machine (apt install strace)")
    report = nth_call.run(budget_s=seconds(BUDGET_S), seed=2026)
    record_property(PROOF, "\n".join(report.lines()))
    assert report.wrong == []
    assert report.injected > 0
