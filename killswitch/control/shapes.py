"""
The answers of the API in its OpenAPI document, from the same shapes that the code is typed with.

Pydantic can't read ``typing.TypedDict`` before Python 3.12, and ``wire`` stays standard library;
the few forms that ``wire`` uses are turned into JSON Schema here.
"""

from __future__ import annotations

from types import NoneType, UnionType
from typing import Any, Literal, NotRequired, Union, get_args, get_origin, get_type_hints

from typing_extensions import is_typeddict

from killswitch import wire

ANSWERS: dict[tuple[str, str], Any] = {
    ("get", "/v1/status"): wire.StatusDoc,
    ("post", "/v1/pause"): wire.PauseDoc,
    ("get", "/v1/seal"): wire.PauseDoc,
    ("post", "/v1/ack"): wire.AckDoc,
    ("get", "/v1/resume"): wire.ResumePreviewDoc,
    ("post", "/v1/resume"): wire.ResumeDoc,
    ("post", "/v1/dismiss"): wire.DismissDoc,
    ("get", "/v1/queue"): wire.QueuePageDoc,
    ("post", "/v1/queue"): wire.AddedDoc,
    ("get", "/v1/queue/{ref}"): wire.DeliveryShownDoc,
    ("post", "/v1/queue/act"): wire.ActedDoc,
    ("post", "/v1/imports"): wire.ImportDoc,
    ("post", "/v1/imports/{batch}/rows"): wire.StagedDoc,
    ("post", "/v1/imports/{batch}/commit"): wire.CommittedDoc,
    ("delete", "/v1/imports/{batch}"): dict[str, Any],
    ("get", "/v1/feeds"): list[wire.FeedDoc],
    ("get", "/v1/seen"): wire.SeenPageDoc,
    ("post", "/v1/look"): wire.LookDoc,
    ("get", "/v1/channels"): list[wire.ChannelDoc],
    ("post", "/v1/channels/check"): list[wire.ChannelDoc],
    ("post", "/v1/notify/test"): wire.NotifyTestDoc,
    ("get", "/v1/incidents"): list[wire.IncidentDoc],
    ("get", "/v1/incidents/{ref}"): wire.IncidentShownDoc,
    ("get", "/v1/whose"): wire.WhoseDoc,
    ("get", "/v1/audit"): wire.AuditPageDoc,
    ("get", "/v1/audit/verify"): wire.AuditVerifyDoc,
    ("post", "/v1/people/{login}/erase"): dict[str, Any],
    ("post", "/v1/backup"): wire.BackupDoc,
    ("post", "/v1/reload"): wire.ReloadDoc,
}
"""The document that each route answers with; ``/v1/metrics`` alone is text."""

_PLAIN = {
    str: {"type": "string"},
    int: {"type": "integer"},
    float: {"type": "number"},
    bool: {"type": "boolean"},
    NoneType: {"type": "null"},
}

Schema = dict[str, Any]


def complete(document: Schema) -> Schema:
    """Write the answers, and the form of every error, into an OpenAPI document."""
    shapes: dict[str, Schema] = document.setdefault("components", {}).setdefault("schemas", {})
    error = {
        "description": "Problem details",
        "content": _as("problem+json", wire.ProblemDoc, shapes),
    }
    for (method, path), answer in ANSWERS.items():
        responses = document["paths"][path][method]["responses"]
        responses["200"]["content"] = _as("json", answer, shapes)
        responses.pop("422", None)  # FastAPI's own form, which our handler replaces
        responses["default"] = error
    return document


def _as(kind: str, answer: Any, shapes: dict[str, Schema]) -> Schema:
    return {f"application/{kind}": {"schema": schema_of(answer, shapes)}}


def schema_of(hint: Any, shapes: dict[str, Schema]) -> Schema:
    """
    Turn a type of ``wire`` into JSON Schema.

    Args:
        hint: A TypedDict or one of the forms that its fields have.
        shapes: Named shapes; those that are met are added.
    """
    if is_typeddict(hint):
        return _named(hint, shapes)
    if hint in _PLAIN:
        return dict(_PLAIN[hint])
    origin, args = get_origin(hint), get_args(hint)
    if origin is list:
        return {"type": "array", "items": schema_of(args[0], shapes)}
    if origin in {Union, UnionType}:
        return {"anyOf": [schema_of(one, shapes) for one in args]}
    if origin is Literal:
        return {"enum": list(args)}
    if origin is dict:
        values = {} if args[1] is Any else schema_of(args[1], shapes)
        return {"type": "object", "additionalProperties": values}
    return {}


def _named(shape: Any, shapes: dict[str, Schema]) -> Schema:
    name = shape.__name__
    reference = {"$ref": f"#/components/schemas/{name}"}
    if name in shapes:
        return reference
    shapes[name] = {}
    hints = get_type_hints(shape, include_extras=True)
    optional = {field for field, hint in hints.items() if get_origin(hint) is NotRequired}
    bare = {
        field: get_args(hint)[0] if field in optional else hint for field, hint in hints.items()
    }
    shapes[name] = {
        "title": name,
        "description": (shape.__doc__ or "").strip().split("\n")[0],
        "type": "object",
        "properties": {field: schema_of(hint, shapes) for field, hint in bare.items()},
        "required": sorted(hints.keys() - optional),
    }
    return reference
