"""
Queue files: CSV and JSON Lines as posts, every problem with its line.

Pure: bytes in, rows and problems out; which channels exist and what fits is the desk's to say.

Invariants:
    A file is UTF-8. A cell that a spreadsheet would run as a formula is refused, never sent.
    A media path stays in the folder of its file.
    ``line`` is where a row starts, counted from 1 with the heading of a CSV.
"""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

from killswitch.errors import UsageError

COLUMNS = ("due", "channel", "text", "media", "alt", "link", "tags", "expires", "key")
NEEDED = ("due", "channel", "text")
FILE_MOST = 256 * 1024 * 1024
TEXT_MOST = 100_000
MEDIA_MOST = 20
WORD_MOST = 200
"""Characters of a tag, a channel or a key."""
WORDS_MOST = 100
WHEN_MOST = 80
LINK_MOST = 2000
MEDIA_PATH_MOST = 4096
ALT_MOST = 5000
TAG_SEPARATORS = ";,"

_SPREADSHEET = (b"PK\x03\x04", b"\xd0\xcf\x11\xe0")
_WIDE = (b"\xff\xfe", b"\xfe\xff")
# "-20% today", "@lea" and "+15m" are honest; what calls, pipes or starts with "=" is a formula.
_FORMULA = re.compile(r"[\t\r]|=|[+\-@][^\s]*[(|]")
_GUARDED = re.compile(r"'+[=+\-@\t\r]")
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff]")
_DRIVE = re.compile(r"[A-Za-z][A-Za-z0-9+.\-]*:")


@dataclass(frozen=True, slots=True)
class FileRow:
    """
    One post of a file, as its author wrote it.

    Attributes:
        line: Where it starts.
        due: WHEN, as typed.
        channels: At least one.
        text: What is published.
        media: (path, alt) each; the path stays in the folder of the file.
        link: Address, or None.
        tags: Words.
        expires: WHEN, as typed, or None.
        key: The author's own id, or None.
    """

    line: int
    due: str
    channels: tuple[str, ...]
    text: str
    media: tuple[tuple[str, str], ...] = ()
    link: str | None = None
    tags: tuple[str, ...] = ()
    expires: str | None = None
    key: str | None = None


@dataclass(frozen=True, slots=True)
class LineProblem:
    """Why one line can't be taken."""

    line: int
    message: str


class _Wrong(Exception):
    """What is wrong with one row."""


def read_rows(data: bytes, *, name: str) -> Iterator[FileRow | LineProblem]:
    """
    Read a queue file.

    Args:
        data: The whole file.
        name: Its name; ``.jsonl``, ``.ndjson`` and ``.json`` are JSON Lines, all else is CSV.

    Yields:
        Rows and problems in the order of the file.

    Raises:
        UsageError: The file as a whole is no good: encoding, a spreadsheet, its heading.
    """
    text = _decoded(data, name=name)
    if name.lower().endswith((".jsonl", ".ndjson", ".json")):
        yield from _json_rows(text)
    else:
        yield from _csv_rows(text, name=name)


def _decoded(data: bytes, *, name: str) -> str:
    if not data.strip():
        raise UsageError("empty_file", f"{name} is empty; nothing was imported", "check the file")
    if len(data) > FILE_MOST:
        raise UsageError("big_file", f"{name} has more than {FILE_MOST} bytes", "split it")
    if data.startswith(_SPREADSHEET):
        raise UsageError(
            "wrong_format",
            f"{name} is a spreadsheet, not a CSV; nothing was imported",
            'save it as "CSV UTF-8"',
        )
    if data.startswith(_WIDE):
        raise UsageError(
            "wrong_encoding",
            f"{name} is UTF-16, not UTF-8; nothing was imported",
            'save it as "CSV UTF-8"',
        )
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise UsageError(
            "wrong_encoding",
            f"{name}, line {line}: not UTF-8 (byte {data[error.start]:#04x}); nothing was imported",
            'save it as "CSV UTF-8"',
        ) from error


def _csv_rows(text: str, *, name: str) -> Iterator[FileRow | LineProblem]:
    delimiter = _delimiter(text.split("\n", 1)[0])
    # Its own limit knows no column and ends the file; each of ours names one.
    csv.field_size_limit(FILE_MOST)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    heading: list[str] | None = None
    line = 1
    while True:
        try:
            cells = next(reader, None)
        except csv.Error as error:
            yield LineProblem(line, f"not CSV: {error}")
            return  # after a broken quote nothing that follows is certain
        if cells is None:
            return
        if heading is None:
            heading = _heading(cells, name=name)
        elif any(cell.strip() for cell in cells):
            yield _csv_row(heading, cells, line=line)
        line = reader.line_num + 1


def _delimiter(first: str) -> str:
    """Choose what separates the columns: French spreadsheets write ``;``."""
    return max(",;\t", key=lambda sign: len(_known(first.split(sign))))


def _known(cells: list[str]) -> set[str]:
    return {cell.strip().strip('"').lower() for cell in cells} & set(COLUMNS)


def _heading(cells: list[str], *, name: str) -> list[str]:
    columns = [cell.strip().lower() for cell in cells]
    for column in columns:
        if column not in COLUMNS:
            meant = get_close_matches(column, COLUMNS, n=1)
            raise UsageError(
                "bad_heading",
                f"{name}, line 1: {column[:40]!r} is no column; nothing was imported",
                f"write {meant[0]!r}" if meant else f"the columns are {', '.join(COLUMNS)}",
            )
    missing = [column for column in NEEDED if column not in columns]
    if missing or len(set(columns)) != len(columns):
        what = f"{missing[0]!r} is missing" if missing else "a column stands twice"
        raise UsageError(
            "bad_heading",
            f"{name}, line 1: {what} in the heading; nothing was imported",
            f"the columns are {', '.join(COLUMNS)}",
        )
    return columns


def _csv_row(heading: list[str], cells: list[str], *, line: int) -> FileRow | LineProblem:
    if len(cells) > len(heading) and not any(cell.strip() for cell in cells[len(heading) :]):
        cells = cells[: len(heading)]
    if len(cells) != len(heading):
        return LineProblem(line, f"{len(cells)} cells where the heading has {len(heading)}")
    try:
        fields = {
            column: _unguarded(column, cell) for column, cell in zip(heading, cells, strict=True)
        }
        return _row(fields, line=line)
    except _Wrong as wrong:
        return LineProblem(line, str(wrong))


def _unguarded(column: str, cell: str) -> str:
    """Refuse a formula; take off the quote that guards a text which begins like one."""
    if _FORMULA.match(cell):
        raise _Wrong(
            f"{column} begins like a formula ({cell[:20]!r}): if it is meant, write ' before it"
        )
    return cell[1:] if _GUARDED.match(cell) else cell


def guarded(cell: str) -> str:
    """Guard a cell that a spreadsheet would run, or that looks guarded already."""
    return f"'{cell}" if cell.startswith(tuple("=+-@\t\r")) or _GUARDED.match(cell) else cell


def _json_rows(text: str) -> Iterator[FileRow | LineProblem]:
    for line, raw in enumerate(text.split("\n"), start=1):
        if raw.strip():
            yield _json_row(raw, line=line)


def _json_row(raw: str, *, line: int) -> FileRow | LineProblem:
    try:
        found = json.loads(raw)
    except (ValueError, RecursionError) as error:
        return LineProblem(line, f"not JSON: {error}")
    if isinstance(found, list) and any(isinstance(one, dict) for one in found):
        return LineProblem(
            line, "a list, where one object a line is expected: queue export --format jsonl"
        )
    if not isinstance(found, dict):
        return LineProblem(line, "one object a line is expected")
    try:
        return _row(found, line=line)
    except _Wrong as wrong:
        return LineProblem(line, str(wrong))


def _row(fields: Mapping[str, Any], *, line: int) -> FileRow:
    for field in fields:
        if field not in COLUMNS:
            meant = get_close_matches(field, COLUMNS, n=1)
            raise _Wrong(f"unknown field {field[:40]!r}" + (f": {meant[0]!r}?" if meant else ""))
    due, text = _text(fields, "due", WHEN_MOST), _text(fields, "text", strip=False)
    channels = _several(fields, "channel", ";")
    media = _media(fields)
    for name, value in (("due", due), ("channel", channels), ("text", text.strip() or media)):
        if not value:
            raise _Wrong(f"{name} is empty")
    return FileRow(
        line=line,
        due=due,
        channels=channels,
        text=text,
        media=media,
        link=_text(fields, "link", LINK_MOST) or None,
        tags=_tags(fields),
        expires=_text(fields, "expires", WHEN_MOST) or None,
        key=_text(fields, "key", WORD_MOST) or None,
    )


def _text(
    fields: Mapping[str, Any], name: str, most: int = TEXT_MOST, *, strip: bool = True
) -> str:
    value = fields.get(name)
    if value is None:
        return ""
    if isinstance(value, int) and not isinstance(value, bool) and name == "key":
        value = str(value)
    if not isinstance(value, str):
        raise _Wrong(f"{name} is not text")
    if len(value) > most:
        raise _Wrong(f"{name} has more than {most} characters")
    bad = _CONTROL.search(value)
    if bad:
        raise _Wrong(f"{name} holds the sign U+{ord(bad[0]):04X}, which can't be published")
    return value.strip() if strip else value


def _several(fields: Mapping[str, Any], name: str, separators: str) -> tuple[str, ...]:
    value = _listed(fields.get(name))
    if not isinstance(value, list):
        value = re.split(f"[{separators}]", _text(fields, name))
    most = MEDIA_PATH_MOST if name == "media" else WORD_MOST
    parts = [text for part in value if (text := _text({name: part}, name, most))]
    if len(parts) > WORDS_MOST:
        raise _Wrong(f"{name} has more than {WORDS_MOST} entries")
    # The same picture may stand twice, each time with its own words.
    return tuple(parts if name == "media" else dict.fromkeys(parts))


def _listed(value: Any) -> Any:
    """Read a cell such as ``["one; two", "three"]``, whose parts hold what separates them."""
    if not isinstance(value, str) or not value.strip().startswith("["):
        return value
    try:
        found = json.loads(value)
    except (ValueError, RecursionError):
        return value
    is_list = isinstance(found, list) and all(isinstance(part, str) for part in found)
    return found if is_list else value


def _tags(fields: Mapping[str, Any]) -> tuple[str, ...]:
    tags = _several(fields, "tags", TAG_SEPARATORS)
    for tag in tags:
        if any(sign in tag for sign in TAG_SEPARATORS):
            raise _Wrong(f"the tag {tag[:40]!r} holds ; or , which separate tags")
    return tags


def _media(fields: Mapping[str, Any]) -> tuple[tuple[str, str], ...]:
    paths = _several(fields, "media", ";")
    if len(paths) > MEDIA_MOST:
        raise _Wrong(f"more than {MEDIA_MOST} files")
    for problem in filter(None, map(media_problem, paths)):
        raise _Wrong(problem)
    alts = _alts(fields, len(paths))
    return tuple(zip(paths, alts, strict=True))


def _alts(fields: Mapping[str, Any], count: int) -> list[str]:
    value = _listed(fields.get("alt"))
    if isinstance(value, list):
        alts = [_text({"alt": part}, "alt", ALT_MOST) for part in value]
    elif count == 1:
        alts = [_text(fields, "alt", ALT_MOST)]
    else:
        alts = [_text({"alt": part}, "alt", ALT_MOST) for part in _text(fields, "alt").split(";")]
    if not any(alts):
        return [""] * count
    if len(alts) != count:
        raise _Wrong(f"{len(alts)} alt texts for {count} files")
    return alts


def media_problem(path: str) -> str | None:
    """Say why a media path is refused: it leaves the folder that it is relative to."""
    parts = path.split("/")
    if path.startswith(("/", "~")) or ".." in parts or "\\" in path or _DRIVE.match(path):
        return f"media {path[:60]!r} leaves the folder of the file: name it relative to it"
    return None
