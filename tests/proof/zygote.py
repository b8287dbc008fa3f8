"""
Start real daemons quickly: import everything once, then fork one for each life.

A daemon that is started from nothing spends most of a second on imports; thousands of kills could
not be tried.  What runs in the fork is the same ``killswitch run`` with the same argument list, in
a session of its own.  One life in some is started from nothing all the same (``House.start``).

Speaks lines of JSON: ``{"argv", "log", "env"}`` in, ``{"pid"}`` out.
"""

from __future__ import annotations

import importlib
import json
import os
import signal
import sys
from typing import Any


def main() -> None:
    """Fork a daemon for each line."""
    import killswitch.channels.webhook
    import killswitch.daemon.main  # noqa: F401 - the imports that the forks shall share
    from killswitch.cli.main import main as command

    # Nobody waits for the dead: the kernel takes them away.
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    for line in sys.stdin:
        asked = json.loads(line)
        pid = os.fork()
        if pid == 0:
            _become(asked)
            os._exit(command(asked["argv"]))
        sys.stdout.write(json.dumps({"pid": pid}) + "\n")
        sys.stdout.flush()


def _become(asked: dict[str, Any]) -> None:
    from killswitch import failpoints

    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    os.setsid()
    log = os.open(asked["log"], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    null = os.open(os.devnull, os.O_RDWR)
    os.dup2(null, 0)
    os.dup2(log, 1)
    os.dup2(log, 2)
    os.environ.update(asked["env"])
    # Reads the environment of this life; those who imported `passing` share its module.
    importlib.reload(failpoints)


if __name__ == "__main__":
    main()
