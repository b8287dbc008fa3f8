"""
Write a consistent copy of the store, while the daemon runs or while none does.

  killswitch backup /srv/backup/killswitch-2026-03-02.db
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from killswitch.cli.offline import add_store, claim, store_of
from killswitch.cli.out import emit, plain
from killswitch.cli.reach import Reach, add_as, new_key, reach
from killswitch.cli.words import tr
from killswitch.errors import RefusedError, UnreachableError
from killswitch.wire import BackupDoc

HELP = "write a consistent copy of the store"

BACKUP_S = 600.0

Doc = dict[str, Any]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the target."""
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("to", metavar="FILE", help="a new file; the daemon must be able to make it")
    add_store(parser)
    add_as(parser)


def run(args: argparse.Namespace) -> int:
    """Copy the store."""
    found = reach(args)
    to = Path(args.to).absolute()
    try:
        body = {"to": str(to)}
        doc: Doc = found.client.post(
            "/backup", body, key=new_key(), timeout_s=BACKUP_S, shape=BackupDoc
        )
    except UnreachableError as error:
        if error.code == "timeout":
            raise
        doc = _without_daemon(found, to, path=store_of(found.place, said=args.store))
    text = tr("copied {count} bytes to {path}")
    emit(args, doc, text.format(count=doc["bytes"], path=plain(doc["path"])))
    return 0


def _without_daemon(found: Reach, to: Path, *, path: Path) -> Doc:
    """Copy the store of a daemon that does not run, holding its lock meanwhile."""
    # Heavy, and only this way needs them.
    from killswitch.store.copying import copy_store  # noqa: PLC0415 - as above
    from killswitch.store.engine import Store  # noqa: PLC0415 - as above

    if not path.is_file():
        raise RefusedError(
            "no_store",
            f"no daemon answers and there is no store at {path}; nothing was copied",
            "name the right one with --state-dir or --config; PostgreSQL: pg_dump",
        )
    store = Store(f"sqlite:///{path}")
    lock = claim(store, found.place.state_dir)
    try:
        copy_store(store, to)
    finally:
        store.close()
        lock.release()
    return {"path": str(to), "bytes": to.stat().st_size}
