"""
What schemathesis does beside our OpenAPI document; loaded by its own process (``openapi.py``).

Half of the requests say who they are, the other half are of nobody, who may look, pause and ack and
nothing else. Times are drawn from those that calendars, zones and people get wrong.
"""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta
from typing import Any

import schemathesis
from hypothesis import strategies as st

NAME = "X-Killswitch-As"
PERSON = os.environ["KS_PERSON"]
FOLDER = os.environ["KS_FOLDER"]
EVERYBODY = {"/v1/pause", "/v1/ack"}
ODD_TIMES = (
    "", " ", "now", "NOW", "soon", "tomorrow", "+5m", "+0s", "-5m", "+9999999999d", "+1e3s",
    "0001-01-01T00:00:00+14:00", "0000-00-00T00:00:00Z", "0001-01-01", "9999-12-31T23:59:59-14:00",
    "9999-12-31T23:59:59.999999Z", "10000-01-01T00:00:00Z", "1969-12-31T23:59:59Z",
    "2026-02-29T12:00:00Z", "2028-02-29T12:00:00Z", "2026-02-30 12:00", "2026-13-01T00:00:00Z",
    "2026-06-30T23:59:60Z", "2026-03-02T24:00:00Z", "2026-03-02T25:00", "2026-03-02T09:00:00",
    "2026-03-02T09:00:00+00:00:00.000001", "2026-03-02T09:00:00+24:00", "2026-03-02T09:00:00-00:00",
    "2026-03-02T09:00:00.123456789Z", "2026-03-02T09:00:00,5Z", "2026-W10-1T09:00:00Z",
    "2026-061T09:00:00Z", "20260302T090000Z", "20260302", "2026-03-02t09:00:00z", "09:00", "9h",
    "2026-03-29T02:30:00", "2026-10-25T02:30:00", "2026-03-29T02:30:00[Europe/Paris]",
    "2026-03-29 02:30 Europe/Paris", "2026-04-05 01:45 Australia/Lord_Howe", "2026-03-02 09:00 UTC",
    "Mon, 02 Mar 2026 09:00:00 GMT", "1772442000", "-1", "1e400", "NaN", "inf",
    "\uff12\uff10\uff12\uff16-03-02T09:00:00Z", "2026\u201303\u201302",
    "2026-03-02T09:00:00\u202fZ", "\u0662\u0660\u0662\u0666-\u0660\u0663-\u0660\u0662",
)  # fmt: skip
"""No times, times that no calendar has, and the edges of what a datetime holds."""

instants = st.datetimes(timezones=st.timezones() | st.just(UTC)).map(datetime.isoformat)
soon = st.integers(-3600, 90 * 86_400).map(
    lambda seconds: (datetime.now(UTC) + timedelta(seconds=seconds)).isoformat()
)
times = st.sampled_from(ODD_TIMES) | instants | soon | st.text(max_size=90)


@schemathesis.hook
def before_generate_body(context, strategy):
    """Put odd times where times go; a backup goes into the folder of the test or nowhere."""
    return st.builds(_with_times, strategy, times, times, st.integers(0, 3))


@schemathesis.hook
def before_generate_query(context, strategy):
    return st.builds(_with_times, strategy, times, times, st.integers(0, 3))


def _with_times(given: Any, at: str, expires: str, choice: int) -> Any:
    if not isinstance(given, dict):
        return given
    said = dict(given)
    for name, value, bit in (("at", at, 1), ("expires", expires, 2), ("until", at, 1)):
        if name in said and choice & bit:
            said[name] = value
    if isinstance(said.get("rows"), list):
        said["rows"] = [_with_times(row, at, expires, choice) for row in said["rows"]]
    return said


@schemathesis.hook
def before_call(context, case, kwargs):
    """Say who it is in half of the cases; let no backup leave the folder."""
    case.headers = case.headers or {}
    case.headers.pop(NAME, None)
    if hash(case.id) % 2:
        case.headers[NAME] = PERSON
    if case.path == "/v1/backup" and isinstance(case.body, dict) and "to" in case.body:
        case.body["to"] = f"{FOLDER}/{case.id}.db"


@schemathesis.check
def no_fault(ctx, response, case):
    """Busy is an answer, everything else of five hundred and more is a bug of ours."""
    if response.status_code == 503:
        assert response.json()["code"] in {"busy", "store_busy"}, "it is not busy, it failed"
    else:
        assert response.status_code < 500, "the daemon failed inside"


@schemathesis.check
def roles_hold(ctx, response, case):
    """Nobody gets no further than looking, pausing and ``ack``."""
    if response.request.method in {"GET", "HEAD", "OPTIONS"} or case.path in EVERYBODY:
        return
    if NAME not in response.request.headers:
        assert response.status_code >= 400, "done for somebody who has no role"
