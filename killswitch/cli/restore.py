"""
Put a backup in the place of the store, while no daemon runs.

The queue is paused first: what the backup does not know (a later pause, posts that left since)
must be looked at by a human. Each old store is kept beside it, under a name of its own.

  killswitch restore /srv/backup/killswitch-2026-03-02.db
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path

from killswitch import lockfile
from killswitch.cli.again import again
from killswitch.cli.offline import add_store, claim, store_of
from killswitch.cli.out import ask, emit, on_terminal
from killswitch.cli.reach import Reach, new_key, reach, who_am_i
from killswitch.cli.words import tr
from killswitch.clock import SystemClock
from killswitch.control.client import start_command
from killswitch.errors import Exit, RefusedError, UsageError
from killswitch.flags import FlagDir

HELP = "put a backup in the place of the store; pauses first"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the backup."""
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("file", metavar="FILE", help="a backup")
    parser.add_argument("--yes", action="store_true", help="ask nothing")
    add_store(parser)


def run(args: argparse.Namespace) -> int:
    """Pause, then restore."""
    backup = Path(args.file).absolute()
    if not backup.is_file():
        raise UsageError("no_backup", f"{backup} is no file; nothing was changed", "check the path")
    found = reach(args)
    store = store_of(found.place, said=args.store)
    if store.exists() and store.samefile(backup):  # by a link, too
        raise RefusedError(
            "own_store", f"{backup} is the store itself; nothing was changed", "name a backup of it"
        )
    _consent(args, store)
    kept = _restore(found, backup, store)
    doc = {
        "restored": str(backup),
        "store": str(store),
        "kept": None if kept is None else str(kept),
        "paused": True,
    }
    start = start_command(found.place.state_dir)
    lines = (
        tr("RESTORED {store} from {backup}").format(store=store, backup=backup),
        *([] if kept is None else [tr("The old store is kept as {kept}").format(kept=kept)]),
        tr("The queue is PAUSED: posts that left since the backup are not known to it."),
        again(tr("Next step  {command}, then killswitch triage").format(command=start)),
    )
    emit(args, doc, "\n".join(lines))
    return Exit.DONE


def _consent(args: argparse.Namespace, store: Path) -> None:
    if args.yes:
        return
    if args.json or not on_terminal():
        raise UsageError(
            "no_terminal",
            "restore replaces the store: without a terminal it needs --yes; nothing was changed",
            "killswitch restore FILE --yes",
        )
    question = tr('This replaces {store}. Type "restore" to go on: ')
    if ask(question.format(store=store)) != "restore":
        raise UsageError("stopped", "nothing was changed", "")


def _restore(found: Reach, backup: Path, store_path: Path) -> Path | None:
    """Restore under the daemon's lock; say where the old store is kept, None where none was."""
    # Heavy, and only this command needs them.
    from killswitch.store import noted  # noqa: PLC0415 - as above
    from killswitch.store.copying import check_backup, restore_store  # noqa: PLC0415 - as above
    from killswitch.store.engine import Store  # noqa: PLC0415 - as above

    if not found.place.state_dir.is_dir():
        raise RefusedError(
            "no_state_dir",
            f"there is no state directory {found.place.state_dir}; nothing was changed",
            "name it with --state-dir",
        )
    is_named = lockfile.look(found.place.state_dir)[1] is not None
    store = Store(f"sqlite:///{store_path}")
    lock = claim(store, found.place.state_dir)
    try:
        # The flag says that the store was restored: it must not outlive a refusal.
        check_backup(backup)
        flags = FlagDir(found.place.state_dir)
        flags.create()
        by = who_am_i(os.environ.get("SUDO_USER"))
        reason = f"the store was restored from {backup.name}"
        flags.write(reason, key=new_key(), by=by, at=SystemClock().now())
        kept = restore_store(backup, store_path)
        noted.forget(found.place.state_dir)
        if is_named:
            lock.name_store()  # the same store in a new file: a pause must know it
        return kept
    finally:
        lock.release()
