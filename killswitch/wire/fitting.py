"""
Say where a document departs from its shape: answers are checked before anything reads them.

Standard library only: the panic path of the CLI loads this module. What answers on a socket may be
a daemon of another version or no daemon at all, so a field of another type must end as one line
for a person, not as a traceback in whatever would have read it.

Fields that are not known here are left alone (a newer daemon may say more); one that is missing is
refused by whoever reads it (``killswitch.control.client.Answer``).
"""

from __future__ import annotations

from functools import cache
from types import UnionType
from typing import (
    Any,
    Literal,
    NotRequired,
    Union,
    cast,
    get_args,
    get_origin,
    get_type_hints,
    is_typeddict,
)

NUMBER_MOST = 2**53
"""Every number of ours is below; a larger one would break a date or a duration."""
_NUMBERS = frozenset({int, float})


def misfit(value: object, shape: Any, place: str = "the answer") -> str | None:
    """
    Find the first place where a value departs from its shape.

    Args:
        value: What ``json`` has read.
        shape: A ``TypedDict``, ``list[...]``, ``dict[str, ...]``, a union, a ``Literal`` (any text
            will do: a newer daemon may know more words), or a plain type.
        place: What the value is called.

    Returns:
        ``"causes[0].since is no str"``, or None where it fits.
    """
    if shape is Any:
        return None
    if is_typeddict(shape):
        return _object_misfit(value, shape, place)
    origin, args = get_origin(shape), get_args(shape)
    if origin in {Union, UnionType}:
        told = [misfit(value, one, place) for one in args]
        return None if None in told else told[0]
    if origin is list:
        return _list_misfit(value, args[0], place)
    if origin is dict:
        return _dict_misfit(value, args[1], place)
    return _plain_misfit(value, str if origin is Literal else shape, place)


@cache
def _fields(shape: Any) -> dict[str, Any]:
    hints = get_type_hints(shape, include_extras=True)
    return {
        name: get_args(hint)[0] if get_origin(hint) is NotRequired else hint
        for name, hint in hints.items()
    }


def _object_misfit(value: object, shape: Any, place: str) -> str | None:
    if not isinstance(value, dict):
        return f"{place} is no object"
    known = ((name, hint) for name, hint in _fields(shape).items() if name in value)
    found = (misfit(value[name], hint, f"{place}.{name}") for name, hint in known)
    return next((one for one in found if one), None)


def _list_misfit(value: object, shape: Any, place: str) -> str | None:
    if not isinstance(value, list):
        return f"{place} is no list"
    found = (misfit(one, shape, f"{place}[{at}]") for at, one in enumerate(value))
    return next((one for one in found if one), None)


def _dict_misfit(value: object, shape: Any, place: str) -> str | None:
    if not isinstance(value, dict):
        return f"{place} is no object"
    # The names are the other side's own: not repeated.
    found = (misfit(one, shape, f"a field of {place}") for one in value.values())
    return next((one for one in found if one), None)


def _plain_misfit(value: object, shape: Any, place: str) -> str | None:
    if shape in _NUMBERS:
        fits = _is_number(value, int if shape is int else (int, float))
    elif shape is str:
        fits = isinstance(value, str) and _is_text(value)
    else:
        fits = isinstance(value, shape)
    return None if fits else f"{place} is no {shape.__name__}"


def _is_text(value: str) -> bool:
    """Say whether it can be written out: JSON may hold halves of signs, which are none."""
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True


def _is_number(value: object, kinds: type | tuple[type, ...]) -> bool:
    """Say whether it is a number of bounded size: NaN and infinity are not."""
    if isinstance(value, bool) or not isinstance(value, kinds):
        return False
    number = cast("float", value)
    return abs(number) <= NUMBER_MOST
