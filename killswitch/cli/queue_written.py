"""
Deliveries as queue files that ``queue import`` reads again: CSV and JSON Lines.

Pure. Invariant: what ``killswitch.queue.files`` reads from such a file is what was exported.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Iterator
from typing import Any

from killswitch.queue.files import COLUMNS, guarded

Doc = dict[str, Any]


def csv_text(rows: Iterable[Doc]) -> str:
    """
    Write deliveries as CSV.

    A cell that a spreadsheet would run as a formula gets a quote in front, which the import takes
    off again.
    """
    written = io.StringIO()
    writer = csv.writer(written)
    writer.writerow(COLUMNS)
    for post in _posts(rows):
        writer.writerow([guarded(_cell(post[column], column)) for column in COLUMNS])
    return written.getvalue()


def jsonl_text(rows: Iterable[Doc]) -> str:
    """Write deliveries as JSON Lines, one post a line; what is empty is left out."""
    lines = []
    for post in _posts(rows):
        said = {column: post[column] for column in COLUMNS if post[column]}
        lines.append(json.dumps(said, ensure_ascii=False) + "\n")
    return "".join(lines)


def _posts(rows: Iterable[Doc]) -> Iterator[Doc]:
    """
    Put the channels of one post at one time together, each with a key that an import knows again.

    That is the author's own key where it stands for just these channels, else the id of one of
    them: imported where it came from, nothing is added; elsewhere it is the key of a new post.
    """
    grouped: dict[tuple[str, str], list[Doc]] = {}
    for row in rows:
        grouped.setdefault((row["post"], row["due"]), []).append(row)
    for group in grouped.values():
        row = group[0]
        media = row.get("media") or []
        is_whole = len(group) == row.get("post_deliveries", len(group))
        yield {
            "due": row["due"],
            "channel": [one["channel"] for one in group],
            "text": row["text"],
            "media": [file["path"] for file in media],
            "alt": [file["alt"] for file in media] if any(file["alt"] for file in media) else [],
            "link": row.get("link") or "",
            "tags": row["tags"],
            "expires": row.get("expires") or "",
            "key": row["key"] if row["key"] and is_whole else row["id"],
        }


def _cell(value: str | list[str], column: str) -> str:
    """Write a cell; a list whose parts hold separators as a list in brackets."""
    if isinstance(value, str):
        return value
    text = ";".join(value)
    separators = ";," if column == "tags" else ";"
    is_plain = not any(sign in part for part in value for sign in separators)
    is_one_alt = column == "alt" and len(value) == 1
    if (is_plain or is_one_alt) and not text.startswith("["):
        return text
    return json.dumps(value, ensure_ascii=False)
