"""
Everything that the OpenAPI document allows, and much that it doesn't, asked of a real daemon.

``KILLSWITCH_PROOF_SCALE`` makes it shorter or longer, ``python -m tests.edge.openapi`` runs it as
long as one likes.
"""

from __future__ import annotations

import re

import pytest

from tests.edge import openapi
from tests.proof.budget import PROOF, seconds

BUDGET_S = 30.0


@pytest.mark.timeout(600)
def test_whatever_is_asked_nothing_breaks_nothing_leaks_and_a_pause_is_taken(record_property):
    report = openapi.run(budget_s=seconds(BUDGET_S), seed=2026)
    record_property(PROOF, "\n".join(report.lines()))
    assert report.code == 0, report.said[-6000:]
    assert report.leaks == []
    assert not [status for status in report.statuses if status >= 500 and status != 503]
    assert {200, 403, 422} <= report.statuses.keys()
    assert report.pauses
    assert {(said["accepted"], said["via"]) for _, said, _ in report.pauses} == {(True, "socket")}
    assert {code for code, _, _ in report.pauses} == {0}
    assert report.acks_s
    assert report.chain == 0
    assert not re.search("daemon.fault|Traceback", report.log), report.log[-3000:]
