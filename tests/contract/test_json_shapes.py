"""The JSON that others build on: fields may be added, none goes and none changes its meaning."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NotRequired, get_origin, get_type_hints

import pytest
from hypothesis import given
from hypothesis import strategies as st

from killswitch import wire
from killswitch.cli.paths import Place
from killswitch.cli.pause import _contract
from killswitch.cli.queue import STATES
from killswitch.cli.queue_verbs import VERBS
from killswitch.cli.status import lost
from killswitch.control.app import create_app
from killswitch.control.bodies import ActBody
from killswitch.control.peers import Roles
from killswitch.control.routes_queue import NEEDS
from killswitch.control.shapes import ANSWERS
from killswitch.errors import UnreachableError
from killswitch.queue.states import DeliveryState
from killswitch.wire import Caller, NewPost, QueueAct, QueueFilter, read_time, z_or_none, z_time
from tests.contract.shapes import faults
from tests.edge.fake_desk import FakeDesk, a_cause, a_delivery, a_status

CONTRACT = {
    "StatusDoc": "state mode sealed sealed_at version causes inhibits sight queue next_due "
    "lead_until flags state_dir",
    "CauseDoc": "id kind reason since by evidence",
    "EvidenceDoc": "title outlet url at",
    "InhibitDoc": "kind reason since",
    "SightDoc": "ok age_s alive feeds",
    "QueueCountsDoc": "scheduled held sending uncertain awaiting_approval sent_24h",
    "NextDueDoc": "id channel due text",
    "AddedDoc": "post ids",
    "DeliveryDoc": "id post key channel state due text tags reason decision clash",
    "PauseDoc": "accepted via sealed version on_wire uncertain state_dir",
    "ResumeDoc": "version closed held lead_until",
    "ErrorDoc": "code message hint",
}
NOW = datetime(2026, 3, 2, tzinfo=UTC)
CALLER = Caller(uid=0, gid=0, pid=1, login="root")
DESK = FakeDesk(deliveries=[a_delivery()], preview={"causes": [a_cause()]})
ANSWERED: tuple[tuple[object, Any], ...] = (
    (a_status(causes=[a_cause()]), wire.StatusDoc),
    (DESK.pause("x", key="k", review_s=None, caller=CALLER), wire.PauseDoc),
    (DESK.seal(4, wait_s=0), wire.PauseDoc),
    (DESK.ack(caller=CALLER), wire.AckDoc),
    (DESK.resume_preview(), wire.ResumePreviewDoc),
    (DESK.resume(3, reason="x", keep_held=False, caller=CALLER), wire.ResumeDoc),
    (DESK.dismiss(3, reason="x", caller=CALLER), wire.DismissDoc),
    (DESK.queue_list(QueueFilter()), wire.QueuePageDoc),
    (DESK.queue_add(NewPost("x", "now", ("web",)), caller=CALLER), wire.AddedDoc),
    (DESK.queue_show("d1"), wire.DeliveryShownDoc),
    (DESK.queue_act(QueueAct("skip", ids=("d1",)), caller=CALLER), wire.ActedDoc),
    (DESK.import_open("x", caller=CALLER), wire.ImportDoc),
    (DESK.import_rows("b1", [], caller=CALLER), wire.StagedDoc),
    (DESK.import_commit("b1", dry_run=False, caller=CALLER), wire.CommittedDoc),
    (DESK.feeds(), list[wire.FeedDoc]),
    (DESK.look(caller=CALLER), wire.LookDoc),
    (DESK.seen("a", since=NOW, after=None, limit=5), wire.SeenPageDoc),
    (DESK.channels(), list[wire.ChannelDoc]),
    (DESK.incidents(limit=1), list[wire.IncidentDoc]),
    (DESK.incident("i1"), wire.IncidentShownDoc),
    (DESK.whose("d1"), wire.WhoseDoc),
    (DESK.notify_test(caller=CALLER), wire.NotifyTestDoc),
    (DESK.audit(after=0, limit=1, subject=None), wire.AuditPageDoc),
    (DESK.audit_verify(), wire.AuditVerifyDoc),
    (DESK.backup("/x", caller=CALLER), wire.BackupDoc),
    (DESK.reload(caller=CALLER), wire.ReloadDoc),
)


@pytest.fixture(scope="module")
def schema():
    roles = Roles()
    document = create_app(FakeDesk(), roles=roles).openapi()
    roles.close()
    return document


@pytest.mark.parametrize("name", CONTRACT)
def test_no_field_of_the_contract_is_gone_or_optional(name):
    shape = getattr(wire, name)
    hints = get_type_hints(shape, include_extras=True)
    for field in CONTRACT[name].split():
        assert field in hints
        assert get_origin(hints[field]) is not NotRequired


@pytest.mark.parametrize(("doc", "shape"), ANSWERED, ids=range(len(ANSWERED)))
def test_the_documents_of_our_tests_have_the_real_shapes(doc, shape):
    assert faults(doc, shape) == []


def test_the_status_without_a_daemon_has_the_shape_of_the_other():
    home = Path("/nowhere")
    place = Place(
        state_dir=home, tried=(home,), sockets=(home,), store=None, config=None, timezone="UTC"
    )
    assert faults(lost(place, UnreachableError("unreachable", "no")), wire.StatusDoc) == []


def test_a_receipt_names_deliveries_by_id():
    post = {"id": "d1", "channel": "web", "text": "x"}
    receipt = DESK.pause("x", key="k", review_s=None, caller=CALLER)
    doc = _contract({**receipt, "on_wire": [post], "uncertain": [post]})
    assert (doc["on_wire"], doc["uncertain"], doc["posts"]) == (["d1"], ["d1"], [post, post])
    assert set(CONTRACT["PauseDoc"].split()) <= doc.keys()


def test_every_route_says_what_it_answers(schema):
    routes = {
        (method, path)
        for path, methods in schema["paths"].items()
        for method in methods
        if path != "/v1/metrics"
    }
    assert routes == set(ANSWERS)


def test_every_reference_of_the_schema_leads_somewhere(schema):
    text = json.dumps(schema)
    names = {part.split('"')[0] for part in text.split("#/components/schemas/")[1:]}
    assert names <= schema["components"]["schemas"].keys()
    assert "HTTPValidationError" not in names


def test_the_words_of_the_command_line_are_those_of_the_rules():
    assert set(STATES) == {state.value for state in DeliveryState}
    verbs = {*VERBS, "retract", "approve", "reject"}
    assert verbs == set(wire.VERBS) == NEEDS.keys()
    assert set(ActBody.model_fields["verb"].annotation.__args__) == verbs


@given(st.datetimes(timezones=st.just(UTC)))
def test_a_time_goes_there_and_back(instant):
    assert z_time(instant).endswith("Z")
    assert read_time(z_time(instant)) == instant


def test_a_naive_time_is_never_written_nor_read():
    with pytest.raises(ValueError, match="naive"):
        z_time(datetime(2026, 3, 2))  # noqa: DTZ001 - that is the point
    with pytest.raises(ValueError, match="offset"):
        read_time("2026-03-02T09:00:00")
    assert z_or_none(None) is None
