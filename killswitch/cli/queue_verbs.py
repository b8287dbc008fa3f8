"""What people do with posts: add them, and the verbs on those that are there."""

from __future__ import annotations

import argparse
import hashlib
import os
import shutil
from io import BufferedReader
from pathlib import Path
from typing import Any

from killswitch import media
from killswitch.cli.out import Times, emit, plain, warn
from killswitch.cli.queue_show import pages
from killswitch.cli.reach import Reach, new_key, reach, status_or_none
from killswitch.cli.screen_resume import decided_text
from killswitch.cli.terms import state_word
from killswitch.cli.words import told, tr
from killswitch.errors import Exit, KillswitchError, UnreachableError, UsageError
from killswitch.wire import ActedDoc, AddedDoc

VERBS = {
    "edit": "change text, link, tags or time",
    "move": "give another time",
    "cancel": "withdraw: it never leaves",
    "hold": "keep back until a human releases it",
    "release": "let a held post leave: at its time, or in the next slot",
    "skip": "leave it out, with the reason",
    "keep": "keep it held through the resume",
    "confirm": "a post from beyond the horizon is still right",
    "resolve": "say whether an uncertain post is on the network",
}
MEDIA_DIR = "media"
PORTION = 200
"""Posts that are sent at once: done in a second or two on a small machine."""

Doc = dict[str, Any]


def run_add(args: argparse.Namespace) -> int:
    """Schedule one post."""
    found = reach(args)
    status = status_or_none(found)
    body = {
        "text": args.text,
        "at": args.at,
        "channels": args.channel,
        "tags": args.tag,
        "media": media_of(args.media, args.alt, folder=Path.cwd(), home=home_of(found, status)),
        "link": args.link,
        "expires": args.expires,
        "key": args.key,
    }
    doc: Doc = found.client.post("/queue", body, key=new_key(), shape=AddedDoc)
    is_paused = status is not None and status["state"] == "paused"
    text = _added(doc.get("state", ""), is_paused=is_paused).format(
        ids=" ".join(doc["ids"]),
        when=found.times(status).full(doc["due"]),
        wall=doc["wall"],
        zone=doc["zone"],
    )
    lines = [text]
    if doc.get("note"):
        lines.append(tr("note: {note}").format(note=told(plain(doc["note"]))))
    emit(args, doc, "\n".join(lines))
    return Exit.DONE


def _added(state: str, *, is_paused: bool) -> str:
    """Say what became of a new post; the note says why it is not simply scheduled."""
    if state == "held":
        return tr("held {ids} for {when} ({wall} in {zone})")
    if state == "awaiting_approval":
        return tr("waiting for approval: {ids} for {when} ({wall} in {zone})")
    if is_paused:
        return tr("added (paused) {ids} for {when} ({wall} in {zone})")
    return tr("scheduled {ids} for {when} ({wall} in {zone})")


def run_act(args: argparse.Namespace) -> int:
    """Carry out one verb."""
    found = reach(args)
    body: Doc = {"verb": args.verb, **chosen(args), "reason": args.reason}
    for name in ("at", "text", "link"):
        if getattr(args, name, None) is not None:
            body[name] = getattr(args, name)
    if getattr(args, "new_tag", None):
        body["tags"] = args.new_tag
    if args.verb == "resolve":
        body["sent"] = bool(args.sent)
    doc, code = act_on_all(found, body, args)
    emit(args, doc, acted_text(doc, found.times(status_or_none(found))))
    if not args.json:
        warn_refused(doc)
    return code


def act(found: Reach, body: Doc) -> Doc:
    """Ask the daemon for one verb; fields that are None are left out."""
    said = {name: value for name, value in body.items() if value is not None}
    doc: Doc = found.client.post("/queue/act", said, key=new_key(), shape=ActedDoc)
    return doc


def act_on_all(found: Reach, body: Doc, args: argparse.Namespace) -> tuple[Doc, int]:
    """
    Ask for one verb on all that is meant, portion by portion, and say how it ends.

    Each portion is answered within seconds, whatever the queue holds, and stands for itself. The
    first one that fails ends it: what was told as done is done, everything else is named.

    Raises:
        OperatorError: The first portion failed: nothing was done, or it is not known.
    """
    by_filter = "filter" in body
    ids = [row["id"] for row in pages(found, args)] if by_filter else list(dict.fromkeys(args.ids))
    if len(ids) <= PORTION:
        doc = act(found, body)
        return doc, Exit.REFUSED if doc["refused"] else Exit.DONE
    doc, code = {"done": [], "refused": []}, Exit.DONE
    portions = _portions(ids)
    for number, portion in enumerate(portions):
        named = {"filter": body["filter"] | {"ids": portion}} if by_filter else {"ids": portion}
        try:
            answer = act(found, body | named)
        except KillswitchError as error:
            if number == 0:
                raise
            doc["refused"] += _left(portions[number:], error)
            code = error.exit
            break
        doc["done"] += answer["done"]
        doc["refused"] += answer["refused"]
        text = tr("{verb}: {count} of {all} posts")
        count = sum(map(len, portions[: number + 1]))
        warn(text.format(verb=args.verb, count=count, all=len(ids)))
    done, left = len(doc["done"]), len(doc["refused"])
    warn(tr("{verb}: {done} done, {left} not").format(verb=args.verb, done=done, left=left))
    return doc, Exit.REFUSED if left and code is Exit.DONE else code


def _portions(ids: list[str]) -> list[list[str]]:
    """
    Cut a list into portions of one size.

    A short last one would be another promise: the daemon takes few named posts as all or nothing.
    """
    number = -(-len(ids) // PORTION)
    size = -(-len(ids) // number)
    return [ids[at : at + size] for at in range(0, len(ids), size)]


def _left(portions: list[list[str]], error: KillswitchError) -> list[Doc]:
    """Name what a failure left: the portion that failed, and all that was not tried any more."""
    known = "whether it was done is not known: " if isinstance(error, UnreachableError) else ""
    failed = {"code": error.code, "message": f"{known}{error.message}", "hint": error.hint}
    untried = {"code": "not_tried", "message": "it was not tried any more", "hint": ""}
    rows: list[Doc] = [{"id": one, **failed} for one in portions[0]]
    return rows + [{"id": one, **untried} for portion in portions[1:] for one in portion]


def chosen(args: argparse.Namespace) -> Doc:
    """
    Read which posts are meant.

    Raises:
        UsageError: Neither ids nor a filter, or both.
    """
    named = {
        "state": args.state,
        "tag": args.tag,
        "channel": args.channel,
        "clash": args.clash or None,
    }
    said = {name: value for name, value in named.items() if value}
    if bool(args.ids) == bool(said):
        what = "both ids and a filter are given" if args.ids else "no post is named"
        raise UsageError(
            "which_posts",
            f"{what}; nothing was done",
            "name ids, or choose with --state, --tag, --channel or --clash",
        )
    return {"ids": args.ids} if args.ids else {"filter": said}


def acted_text(doc: Doc, times: Times) -> str:
    """Write what became of each delivery."""
    lines = []
    for row in doc["done"]:
        text = tr("{id}  {state}, due {when}")
        if row.get("decision"):
            text = tr("{id}  {state}, due {when}, decided: {decision}")
        lines.append(
            text.format(
                id=row["id"],
                state=state_word(row["state"]),
                when=times.full(row["due"]),
                decision=decided_text(row, times=times) if row.get("decision") else "",
            )
        )
    return "\n".join(lines) if lines or doc["refused"] else tr("no post was meant")


def warn_refused(doc: Doc) -> None:
    """Tell which deliveries were left as they were, and why."""
    for row in doc["refused"]:
        hint = f" ({told(plain(row['hint']))})" if row.get("hint") else ""
        warn(f"killswitch: {row['id']}: {told(plain(row['message']))}{hint}")


def home_of(found: Reach, status: Doc | None) -> Path:
    """Find the state directory as the daemon says it, else as it seems from here."""
    return Path(status["state_dir"]) if status else found.place.state_dir


def media_of(
    paths: list[str], alts: list[str], *, folder: Path, home: Path, inside: bool = False
) -> list[Doc]:
    """
    Bring pictures to where the daemon may read them: ``media/`` of the state directory.

    A file that lies there already is only named; any other is copied under the hash of its
    content.

    Args:
        paths: As typed, relative to ``folder``.
        alts: Words for each, in the same order; missing ones are empty.
        folder: Where relative paths start.
        home: The state directory.
        inside: Whether the paths were written by somebody else (a queue file): then each must lie
            in ``folder``, links followed, or in ``media/``.

    Raises:
        UsageError: More words than pictures; no such file; not a plain file of a known kind; it
            lies elsewhere; no right to copy.
    """
    if len(alts) > len(paths):
        raise UsageError("alt", "there are more --alt texts than --media files", "one for each")
    words = [*alts, *[""] * (len(paths) - len(alts))]
    store = home / MEDIA_DIR
    return [
        {
            "path": _brought(_lying(path, folder, store), store, within=folder if inside else None),
            "alt": alt,
        }
        for path, alt in zip(paths, words, strict=True)
    ]


def _lying(path: str, folder: Path, store: Path) -> Path:
    """Find a file beside where it was named, else where an export names it: in ``media/``."""
    beside, kept = folder / path, store / path
    return kept if not beside.exists() and kept.is_file() else beside


def _brought(path: Path, store: Path, *, within: Path | None) -> str:
    if not path.is_file():
        raise UsageError("media", f"{path}: there is no such file; nothing was done", "check it")
    real = Path(os.path.realpath(path))
    home = os.path.realpath(store)
    if within is not None and not any(
        real.is_relative_to(place) for place in (os.path.realpath(within), home)
    ):
        raise UsageError(
            "media",
            f"{path} lies outside of {within}; nothing was done",
            "put the file itself beside the queue file, not a link to it",
        )
    try:
        with media.opened_plain(real) as file:
            if real.is_relative_to(home):
                return str(real.relative_to(home))
            return _copied(file, path, store)
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or str(error)
        raise UsageError("media", f"{path} can't be used: {why}; nothing was done", "") from error


def _copied(file: BufferedReader, path: Path, store: Path) -> str:
    """Copy an open file under the hash of its content, unless that lies there already."""
    digest = hashlib.file_digest(file, "sha256").hexdigest()[:32]
    name = f"{digest}{path.suffix.lower()[:10]}"
    target = store / name
    if not target.exists():
        file.seek(0)
        _copy(file, path, target)
    return name


def _copy(file: BufferedReader, path: Path, target: Path) -> None:
    part = target.with_name(f".{target.name}.{os.getpid()}")
    try:
        target.parent.mkdir(exist_ok=True)
        with part.open("wb") as copy:
            shutil.copyfileobj(file, copy)
        part.chmod(0o640)
        part.replace(target)
    except OSError as error:
        part.unlink(missing_ok=True)
        raise UsageError(
            "media",
            f"{path} can't be copied to {target.parent}: {error.strerror}; nothing was done",
            f"ask somebody who may write there to put the file into {target.parent}",
        ) from error
