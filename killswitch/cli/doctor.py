"""
Look at everything that must be right on a bad day; exit 1 when something is not.

Changes nothing and sends nothing; an audit trail that turns out to be broken pauses, as everywhere.
"""

from __future__ import annotations

import argparse
import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from killswitch.cli.again import again
from killswitch.cli.config import open_notes, unread_notes
from killswitch.cli.out import document, plain, say
from killswitch.cli.paths import find_config
from killswitch.cli.reach import Reach, reach
from killswitch.cli.words import told, tr
from killswitch.errors import Exit, KillswitchError
from killswitch.flags import PAUSE_DIR, SPARES, FlagDir
from killswitch.wire import AuditVerifyDoc, ChannelDoc, StatusDoc

HELP = "look at everything that must be right on a bad day"

ROOM_LEAST = 256 * 1024 * 1024
"""Free bytes below which a disk is told as full: logs and the store grow on the same one."""

Doc = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at; ``mend`` says what to do when it is not good."""

    name: str
    good: bool
    told: str
    mend: str = ""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add nothing: the doctor has no switches."""


def run(args: argparse.Namespace) -> int:
    """Look, tell, and judge."""
    findings = list(examine(args, reach(args)))
    if args.json:
        rows = [
            {"name": one.name, "ok": one.good, "told": one.told, "mend": one.mend}
            for one in findings
        ]
        document({"ok": all(one.good for one in findings), "checks": rows})
    else:
        say(findings_text(findings))
    return Exit.DONE if all(one.good for one in findings) else Exit.FAILED


def findings_text(findings: list[Finding]) -> str:
    """Write the findings, each with its mend."""
    good, bad = tr("ok"), tr("NOT OK")
    first = max(len(good), len(bad))
    wide = max(len(told(one.name)) for one in findings)
    lines = []
    for one in findings:
        mark = (good if one.good else bad).ljust(first)
        lines.append(f"{mark}  {told(one.name).ljust(wide)}  {told(one.told)}")
        if not one.good and one.mend:
            lines.append(f"{'':{first + 2}}{'':{wide}}  -> {again(told(one.mend))}")
    return "\n".join(lines)


def examine(args: argparse.Namespace, found: Reach) -> Iterator[Finding]:
    """Look at the configuration, the state directory, the daemon and what it says."""
    yield _config(args)
    try:
        status: Doc = found.client.get("/status", timeout_s=5, shape=StatusDoc)
    except KillswitchError as error:
        yield from _state(_state_dir_of(args, found))
        yield Finding("daemon", good=False, told=plain(error.message), mend=error.hint)
        return
    yield from _state(Path(status["state_dir"]))
    yield Finding("daemon", good=True, told=f"it answers: {status['state']}")
    yield from _daemon(found, status)


def _is_socket_alone(args: argparse.Namespace) -> bool:
    """Say whether only a socket was named: what stands in the default places is another's."""
    return bool(args.socket and not args.config and not os.environ.get("KILLSWITCH_CONFIG"))


def _state_dir_of(args: argparse.Namespace, found: Reach) -> Path:
    """Find the state directory of a daemon that does not say it: beside a socket named alone."""
    beside = found.place.socket.parent
    is_beside = _is_socket_alone(args) and not args.state_dir and (beside / PAUSE_DIR).is_dir()
    return beside if is_beside else found.place.state_dir


def _config(args: argparse.Namespace) -> Finding:
    from killswitch.settings import load  # noqa: PLC0415 - heavy

    if _is_socket_alone(args):
        told = "not looked at: the socket does not say which it is"
        return Finding("configuration", good=True, told=told)
    path = find_config(args.config, os.environ)
    unread: list[str] = []
    try:
        load(path, env=os.environ, state_dir=args.state_dir, socket=args.socket, unread=unread)
    except KillswitchError as error:
        return Finding("configuration", good=False, told=plain(error.message), mend=error.hint)
    notes = [*map(plain, unread_notes(unread)), *open_notes(path)]
    told = "; ".join([str(path or "defaults"), *notes])
    return Finding("configuration", good=True, told=told)


def _state(state_dir: Path) -> Iterator[Finding]:
    if not state_dir.is_dir():
        told = f"{state_dir} is not there"
        yield Finding("state directory", good=False, told=told, mend="start the daemon once")
        return
    yield Finding("state directory", good=True, told=str(state_dir))
    flags = FlagDir(state_dir)
    look = flags.look()
    count = len(look.entries)
    few = {0: "nothing in it", 1: "1 flag in it"}
    told = look.problem or few.get(count, f"{count} flags in it")
    mend = "killswitch resume makes it anew" if look.missing else "chmod 2770, owner the daemon"
    yield Finding("pause.d", good=look.readable, told=told, mend=mend)
    yield Finding(
        "may pause without daemon",
        good=os.access(flags.path, os.W_OK | os.X_OK),
        told=f"as uid {os.geteuid()}",
        mend=f"join the group of {flags.path}",
    )
    spares = len(list(flags.spares.iterdir())) if os.access(flags.spares, os.R_OK) else 0
    mend = "make room on the disk; the daemon writes them within seconds"
    yield Finding(
        "spare flags", good=spares > 0, told=f"{spares} ready, {SPARES} wanted", mend=mend
    )
    free = shutil.disk_usage(state_dir).free
    mend = "make room: below this the disk may soon refuse to write"
    told = f"{free // 2**20} MiB of it free"
    yield Finding("disk", good=free >= ROOM_LEAST, told=told, mend=mend)


def _daemon(found: Reach, status: Doc) -> Iterator[Finding]:
    sight = status["sight"]
    if sight:
        told = f"{sight['alive']} of {sight['feeds']} feeds alive"
        yield Finding("sight", good=bool(sight["ok"]), told=told, mend="killswitch feeds check")
    failing = (status.get("notices") or {}).get("failing") or []
    told = ", ".join(plain(f"{one['address']}: {one['problem']}") for one in failing)
    yield Finding(
        "notices", good=not failing, told=told or "none fails", mend="killswitch notify test"
    )
    unsure = (status["queue"] or {}).get("uncertain", 0)
    mend = "killswitch queue --state uncertain"
    yield Finding("uncertain posts", good=not unsure, told=str(unsure), mend=mend)
    yield _asked("channels", lambda: _channels(found))
    yield _asked("audit", lambda: _audit(found))


def _asked(name: str, look: Callable[[], Finding]) -> Finding:
    try:
        return look()
    except KillswitchError as error:
        return Finding(name, good=False, told=plain(error.message), mend=error.hint)


def _channels(found: Reach) -> Finding:
    rows: list[Doc] = found.client.get("/channels", shape=list[ChannelDoc])
    bad = [plain(f"{row['name']}: {row['problem']}") for row in rows if not row["ok"]]
    told = "; ".join(bad) or f"{len(rows)} are fine"
    return Finding("channels", good=not bad, told=told, mend="killswitch channels check")


def _audit(found: Reach) -> Finding:
    doc: Doc = found.client.get("/audit/verify", timeout_s=300, shape=AuditVerifyDoc)
    told = f"{doc['rows']} rows, whole"
    if doc["breaks"]:
        told = f"{doc['rows']} rows, whole since row {doc['since']}; broken before, and accepted"
    if not doc["ok"]:
        told = f"broken: {plain(doc['why'] or '')}"
    if doc["unread"]:
        told = f"not checked: {plain(doc['why'] or '')}"
    return Finding("audit", good=bool(doc["ok"]), told=told, mend="keep a copy, ask who had access")
