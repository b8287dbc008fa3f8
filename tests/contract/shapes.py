"""Check documents against the shapes of ``killswitch.wire``, strictly: no field too many."""

from __future__ import annotations

from types import NoneType, UnionType
from typing import (
    Any,
    Literal,
    NotRequired,
    Union,
    get_args,
    get_origin,
    get_type_hints,
    is_typeddict,
)


def faults(doc: object, shape: Any, place: str = "doc") -> list[str]:
    """List where a document departs from a shape."""
    if shape is Any:
        return []
    if is_typeddict(shape):
        return _object_faults(doc, shape, place)
    origin, args = get_origin(shape), get_args(shape)
    if origin is list:
        if not isinstance(doc, list):
            return [f"{place} is no list"]
        return [
            told for at, one in enumerate(doc) for told in faults(one, args[0], f"{place}[{at}]")
        ]
    if origin in {Union, UnionType}:
        told = [faults(doc, one, place) for one in args]
        return [] if [] in told else min(told, key=len)
    if origin is Literal:
        return [] if doc in args else [f"{place} is {doc!r}, not one of {args}"]
    if origin is dict:
        return [] if isinstance(doc, dict) else [f"{place} is no object"]
    return _plain_faults(doc, shape, place)


def _plain_faults(doc: object, shape: Any, place: str) -> list[str]:
    allowed = {float: (int, float), int: (int,), NoneType: (NoneType,)}.get(shape, (shape,))
    is_bool_by_mistake = isinstance(doc, bool) and shape is not bool
    if isinstance(doc, allowed) and not is_bool_by_mistake:
        return []
    return [f"{place} is {doc!r}, not {shape.__name__}"]


def _object_faults(doc: object, shape: Any, place: str) -> list[str]:
    if not isinstance(doc, dict):
        return [f"{place} is no object"]
    hints = get_type_hints(shape, include_extras=True)
    told = [f"{place}.{name} is unknown" for name in doc.keys() - hints.keys()]
    for name, hint in hints.items():
        optional = get_origin(hint) is NotRequired
        if name in doc:
            inner = get_args(hint)[0] if optional else hint
            told += faults(doc[name], inner, f"{place}.{name}")
        elif not optional:
            told.append(f"{place}.{name} is missing")
    return told
