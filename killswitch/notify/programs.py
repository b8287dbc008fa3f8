"""Run an operator's program: no shell, none of our environment, a limit for all it starts."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress

_KEPT = 2000
"""Bytes of standard error that are kept to explain a failure; the rest is read and dropped."""
_PIECE = 65536
_CLOSE_S = 1.0
"""Wait for the pipes of an ended program; what it left running in the background holds them."""


def run_program(
    command: Sequence[str], *, stdin: bytes, env: Mapping[str, str], limit_s: float
) -> str | None:
    """
    Run a program to its end.

    Args:
        command: Program and words.
        stdin: What it reads.
        env: Its environment, beside a fixed ``PATH`` and ``LANG``.
        limit_s: Seconds after which it is killed with all processes of its group.

    Returns:
        None when it ended with 0, else what went wrong.
    """
    try:
        process = subprocess.Popen(  # noqa: S603 - the operator's own command, no shell
            list(command),
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            env={"PATH": "/usr/local/bin:/usr/bin:/bin", "LANG": "C.UTF-8", **env},
            cwd="/",
            start_new_session=True,
        )
    except (OSError, ValueError) as error:
        return f"{command[0]} did not start: {error}"
    said = bytearray()
    threads = [
        threading.Thread(target=_feed, args=(process, stdin), daemon=True),
        threading.Thread(target=_listen, args=(process, said), daemon=True),
    ]
    for thread in threads:
        thread.start()
    try:
        code = process.wait(limit_s)
    except subprocess.TimeoutExpired:
        code = None
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    for thread in threads:
        thread.join(_CLOSE_S)
    return _problem(code, limit_s, bytes(said))


def _problem(code: int | None, limit_s: float, said: bytes) -> str | None:
    if code == 0:
        return None
    if code is None:
        return f"it did not end within {limit_s:g} s and was killed"
    words = said.decode(errors="replace").strip().splitlines()
    end = f"signal {-code}" if code < 0 else f"exit code {code}"
    return f"{end}: {words[-1]}" if words else end


def _feed(process: subprocess.Popen[bytes], data: bytes) -> None:
    pipe = process.stdin
    if pipe is None:
        return
    with suppress(OSError):
        pipe.write(data)
    with suppress(OSError):
        pipe.close()


def _listen(process: subprocess.Popen[bytes], said: bytearray) -> None:
    pipe = process.stderr
    if pipe is None:
        return
    with pipe:
        while piece := os.read(pipe.fileno(), _PIECE):
            said += piece
            del said[:-_KEPT]
