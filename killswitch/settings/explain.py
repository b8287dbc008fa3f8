"""
Turn what pydantic says into what an operator reads: the setting, what is wrong, what to write.

Invariant: the text of a secret is never repeated.
"""

from __future__ import annotations

from typing import Any

from pydantic_core import ErrorDetails

from killswitch.settings import shape
from killswitch.settings.kinds import nearest
from killswitch.settings.problems import Problem

Path = tuple[str | int, ...]

EXAMPLES = {
    "name": '"a name"',
    "url": '"https://example.org/feed.xml"',
    "channels": '"https://example.org/posts"',
    "timezone": '"Europe/Paris"',
    "language": '"en"',
    "languages": '"en"',
    "country": '"fr"',
    "countries": '"fr"',
    "names": '"Lac & Fils"',
    "terms": '"razor"',
    "socket": '"/run/killswitch/control.sock"',
    "path": '"posts.jsonl"',
    "secret": '"credential:NAME"',
    "kind": '"webhook"',
    "roles": '["resumer"]',
    "state_dir": '"/var/lib/killswitch"',
}
LONGEST_SHOWN = 60


def explain(error: ErrorDetails, values: dict[str, Any]) -> Problem:
    """
    Put one error of pydantic into words.

    Args:
        error: As ``ValidationError.errors()`` lists it.
        values: The merged tables that were refused.
    """
    path = shape.untagged(error["loc"])
    context = error.get("ctx", {})
    match error["type"]:
        case "missing":
            return _missing(path)
        case "extra_forbidden":
            kind = _at(values, (*path[:-1], "kind"))
            return Problem(path, f"no such setting: {shape.suggestion(path, kind=kind)}")
        case "literal_error" | "union_tag_invalid" | "union_tag_not_found":
            return _choice(path, error)
        case "value_error":
            return Problem(path, str(context.get("error", error["msg"])))
        case _:
            return Problem(path, _by_type(error, path))


def _missing(path: Path) -> Problem:
    key = str(path[-1])
    inside = "channels" if path[0] == "channels" and key == "url" else key
    return Problem(path, f"it is missing: write {key} = {EXAMPLES.get(inside, '…')}")


def _choice(path: Path, error: ErrorDetails) -> Problem:
    if error["type"] == "literal_error":
        wanted, given = shape.choices_at(path), error["input"]
    else:
        path = (*path, "kind")
        wanted = sorted(str(kind) for m in shape.models_at(path[:-1]) for kind in shape.kinds_of(m))
        given = error["input"].get("kind") if isinstance(error["input"], dict) else None
    choices = " or ".join(f'"{word}"' for word in wanted)
    if given is None:
        return Problem(path, f"it is missing: write {choices}")
    meant = nearest(given, wanted) if isinstance(given, str) else None
    mend = f'did you mean "{meant}"? It is {choices}' if meant else f"write {choices}"
    return Problem(path, f"{_shown(given, path)} is unknown: {mend}")


_PLAIN = {
    "int_type": "{given} is not a whole number: write it without quotes, such as 12",
    "int_parsing": "{given} is not a whole number: write it without quotes, such as 12",
    "int_from_float": "{given} is not a whole number: write one, such as 12",
    "float_type": "{given} is not a number: write it without quotes, such as 0.5",
    "float_parsing": "{given} is not a number: write it without quotes, such as 0.5",
    "finite_number": "{given} is not a number: write one such as 0.5",
    "bool_type": "{given} is neither true nor false: write one of them without quotes",
    "bool_parsing": "{given} is neither true nor false: write one of them without quotes",
    "dict_type": '{given} is not a table: write keys and values, {{ promo = "7d" }}',
}
_LIMITS = {
    "greater_than_equal": ("ge", "at least"),
    "greater_than": ("gt", "more than"),
    "less_than_equal": ("le", "at most"),
    "less_than": ("lt", "less than"),
}


def _by_type(error: ErrorDetails, path: Path) -> str:
    kind, given = error["type"], error["input"]
    if kind in {"string_type", "path_type"}:
        return _no_text(given, path)
    if kind in _PLAIN:
        return _PLAIN[kind].format(given=_shown(given, path))
    if kind in _LIMITS:
        word, phrase = _LIMITS[kind]
        limit = error.get("ctx", {}).get(word)
        return f"{_shown(given, path)} is out of range: write {phrase} {limit}"
    if kind in {"tuple_type", "list_type"}:
        return _no_list(given, path)
    if kind in {"model_type", "model_attributes_type"}:
        return _no_table(path)
    return error["msg"]


def _no_text(given: object, path: Path) -> str:
    """Say what to write: a word that looks like a number needs quotes, all else an example."""
    names = [part for part in path if isinstance(part, str)]
    is_number = isinstance(given, int) and not isinstance(given, bool)
    if is_number and names[-1] in {"name", "names", "terms"}:
        return f'{given} is not text: put it in quotes, "{given}"'
    inside = "channels" if names[0] == "channels" and names[-1] == "url" else names[-1]
    example = EXAMPLES.get(inside, '"…"')
    return f"{_shown(given, path)} is not text: write one text in quotes, such as {example}"


def _no_list(given: object, path: Path) -> str:
    name = str(path[-1])
    if shape.models_at(path):
        return f"this is a list of tables: write [[{name}]] with double brackets before each"
    example = _shown(given, path) if isinstance(given, str) and not shape.is_secret(path) else '"…"'
    return f"this is a list: write [{example}]"


def _no_table(path: Path) -> str:
    if isinstance(path[-1], int):
        return f"this is a table: write [[{path[0]}]] and its keys below"
    return f"this is a table: write [{path[-1]}] and its keys below"


def _shown(given: object, path: Path) -> str:
    if shape.is_secret(path):
        return "what is written here"
    if isinstance(given, bool):
        return str(given).lower()
    if isinstance(given, str):
        return f'"{given[:LONGEST_SHOWN]}"'
    if isinstance(given, list | tuple):
        return "a list"
    return "a table" if isinstance(given, dict) else str(given)[:LONGEST_SHOWN]


def _at(values: Any, path: Path) -> Any:
    for part in path:
        try:
            values = values[part]
        except (KeyError, IndexError, TypeError):
            return None
    return values
