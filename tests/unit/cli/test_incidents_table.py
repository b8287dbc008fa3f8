"""The table of incidents says the same as one of them shown by itself."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from killswitch.cli.incidents import facts, incidents_text
from killswitch.cli.out import Times
from tests.edge.fake_desk import an_incident

TIMES = Times(now=datetime(2026, 3, 2, 13, tzinfo=UTC), zone=ZoneInfo("Europe/Paris"))


def test_a_headline_after_the_pause_measures_nothing():
    doc = an_incident()
    doc["times"] |= {
        "first_headline_at": "2026-03-02T10:53:00Z",
        "tripped_at": "2026-03-02T10:52:00Z",
    }
    assert "to pause" not in dict(facts(doc))


def test_to_sealed_counts_from_the_pause_as_in_show():
    doc = an_incident()
    doc["times"] |= {
        "first_headline_at": "2026-03-02T10:47:00Z",
        "tripped_at": "2026-03-02T10:52:00Z",
        "sealed_at": "2026-03-02T10:52:07Z",
    }
    row = incidents_text([doc], TIMES).splitlines()[1]
    assert dict(facts(doc))["to sealed"] in row
    assert "5m" not in row
