"""Queue files in and out: ``queue import`` and ``queue export``."""

from __future__ import annotations

import argparse
import contextlib
import json
import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

from killswitch.cli import html
from killswitch.cli.out import document, emit, plain, verbatim, warn
from killswitch.cli.queue_show import pages
from killswitch.cli.queue_verbs import home_of, media_of
from killswitch.cli.queue_written import csv_text, jsonl_text
from killswitch.cli.reach import Reach, new_key, reach, status_or_none
from killswitch.cli.words import told, tr
from killswitch.control.client import part
from killswitch.errors import Exit, KillswitchError, UsageError
from killswitch.queue.files import FileRow, LineProblem, read_rows
from killswitch.wire import CommittedDoc, ImportDoc, StagedDoc

CHUNK_ROWS = 200
"""The daemon reads a request in one go: some milliseconds, in which no pause is read."""
CHUNK_BYTES = 600 * 1024
"""A request holds at most 1 MiB; a row is counted as its JSON."""
BAD_SHOWN = 50
IMPORT_S = 60.0
MAYBE_OUT = frozenset({"sending", "uncertain", "retracting"})

Doc = dict[str, Any]
Step = Callable[[int], None]


def run_import(args: argparse.Namespace) -> int:
    """Import a file, all or nothing."""
    path = Path(args.file)
    rows, bad = _read(path)
    found = reach(args)
    home = home_of(found, status_or_none(found))
    sendable = list(_bodies(rows, bad, folder=path.absolute().parent, home=home))
    with _progress(len(sendable), wanted=not args.json) as step:
        counts = _send(found, path.name, sendable, bad=bad, dry_run=args.dry_run, step=step)
    if bad:
        return _refuse(args, path, bad)
    if args.dry_run:
        text = tr("{added} would be added, {same} there already")
    else:
        text = tr("{added} added, {same} there already")
    text = text.format(added=counts["added"], same=counts["same"])
    emit(args, {**counts, "dry_run": args.dry_run}, text)
    return Exit.DONE


def _read(path: Path) -> tuple[list[FileRow], list[LineProblem]]:
    try:
        data = path.read_bytes()
    except OSError as error:
        raise UsageError(
            "no_file", f"{path}: {error.strerror or error}; nothing was imported", "check the path"
        ) from error
    rows: list[FileRow] = []
    bad: list[LineProblem] = []
    for one in read_rows(data, name=path.name):
        if isinstance(one, FileRow):
            rows.append(one)
        else:
            bad.append(one)
    if not rows and not bad:
        raise UsageError("empty_file", f"{path} holds no post; nothing was imported", "add rows")
    return rows, bad


def _bodies(
    rows: Iterable[FileRow], bad: list[LineProblem], *, folder: Path, home: Path
) -> Iterator[Doc]:
    """Write rows as the daemon takes them; a picture that can't be brought is a bad line."""
    for row in rows:
        try:
            paths = [path for path, _ in row.media]
            alts = [alt for _, alt in row.media]
            media = media_of(paths, alts, folder=folder, home=home, inside=True)
        except UsageError as error:
            bad.append(LineProblem(row.line, error.message))
            continue
        yield {
            "line": row.line,
            "at": row.due,
            "channels": row.channels,
            "text": row.text,
            "tags": row.tags,
            "media": media,
            "link": row.link,
            "expires": row.expires,
            "key": row.key,
        }


def _send(
    found: Reach,
    name: str,
    rows: list[Doc],
    *,
    bad: list[LineProblem],
    dry_run: bool,
    step: Step,
) -> Doc:
    """Stage all rows, collect every bad line, and commit only where there is none."""
    opened: Doc = found.client.post(
        "/imports", {"name": plain(name)[:200]}, key=new_key(), shape=ImportDoc
    )
    base = f"/imports/{part(opened['import'])}"
    try:
        for chunk in chunks(rows):
            staged: Doc = found.client.post(
                f"{base}/rows",
                {"rows": chunk},
                key=new_key(),
                timeout_s=IMPORT_S,
                shape=StagedDoc,
            )
            bad += [LineProblem(one["line"], one["message"]) for one in staged["bad"]]
            step(len(chunk))
        if not bad:
            query = {"dry_run": True} if dry_run else None
            counts: Doc = found.client.post(
                f"{base}/commit",
                key=new_key(),
                query=query,
                timeout_s=IMPORT_S,
                shape=CommittedDoc,
            )
            return counts
    except BaseException:
        _drop(found, base)
        raise
    _drop(found, base)
    return {"added": 0, "same": 0}


def _drop(found: Reach, base: str) -> None:
    with contextlib.suppress(KillswitchError):
        found.client.delete(base)


def chunks(rows: Iterable[Doc]) -> Iterator[list[Doc]]:
    """Cut rows into requests that are neither too long nor too many."""
    chunk: list[Doc] = []
    size = 0
    for row in rows:
        length = len(json.dumps(row))
        if chunk and (len(chunk) >= CHUNK_ROWS or size + length > CHUNK_BYTES):
            yield chunk
            chunk, size = [], 0
        chunk.append(row)
        size += length
    if chunk:
        yield chunk


@contextlib.contextmanager
def _progress(total: int, *, wanted: bool) -> Iterator[Step]:
    """Show a bar on a terminal; elsewhere nothing."""
    if not wanted or not sys.stderr.isatty():
        yield lambda _count: None
        return
    from rich.console import Console  # noqa: PLC0415 - only where somebody looks at it
    from rich.progress import Progress  # noqa: PLC0415 - as above

    with Progress(console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(tr("importing"), total=total)
        yield lambda count: bar.advance(task, count)


def _refuse(args: argparse.Namespace, path: Path, bad: list[LineProblem]) -> int:
    """Tell every bad line; nothing was imported."""
    ordered = sorted(bad, key=lambda one: one.line)
    many = f"{len(ordered)} bad lines" if len(ordered) > 1 else "1 bad line"
    message = f"{path}: {many}; nothing was imported"
    if args.json:
        lines = [{"line": one.line, "message": one.message} for one in ordered]
        hint = "mend these lines and import the file again"
        document({"error": {"code": "bad_lines", "message": message, "hint": hint, "bad": lines}})
        return Exit.USAGE
    for one in ordered[:BAD_SHOWN]:
        warn(f"{path}:{one.line}: {told(plain(one.message))}")
    if len(ordered) > BAD_SHOWN:
        text = tr("and {count} more (all of them with --json)")
        warn(text.format(count=len(ordered) - BAD_SHOWN))
    text = tr("{path}: {count} bad lines; nothing was imported")
    if len(ordered) == 1:
        text = tr("{path}: 1 bad line; nothing was imported")
    warn("killswitch: " + text.format(path=path, count=len(ordered)))
    return Exit.USAGE


def _not_out(rows: list[Doc]) -> list[Doc]:
    """Leave out what may have left already: imported elsewhere it would go out twice."""
    kept = [row for row in rows if row["state"] not in MAYBE_OUT]
    if len(kept) < len(rows):
        text = tr("{count} not exported: may have gone out (--state names them)")
        warn(text.format(count=len(rows) - len(kept)))
    return kept


def run_export(args: argparse.Namespace) -> int:
    """Write posts to stdout."""
    found = reach(args)
    if args.format == "html" and not args.state:
        args.state = ["held"]
    rows = list(pages(found, args))
    if args.json or args.format == "json":
        document(rows)
    elif args.format in {"csv", "jsonl"}:
        rows = rows if args.state else _not_out(rows)
        verbatim((csv_text if args.format == "csv" else jsonl_text)(rows).rstrip("\r\n"))
    else:
        status = status_or_none(found)
        media = home_of(found, status) / "media"
        verbatim(html.page(rows, times=found.times(status), media=media))
    return Exit.DONE
