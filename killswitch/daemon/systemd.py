"""
What the daemon says to systemd, and what it is handed: readiness, watchdog, listening sockets.

Standard library only.  The protocols are those of ``sd_notify(3)``, ``sd_listen_fds(3)`` and
``sd_watchdog_enabled(3)``; without systemd each function answers "not there" and nothing else
changes.

Invariant: variables meant for another process (``LISTEN_PID``, ``WATCHDOG_PID``) are not ours,
even when a parent passed them on by mistake.
"""

from __future__ import annotations

import os
import socket
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

FIRST_FD = 3
"""Where passed descriptors begin (``SD_LISTEN_FDS_START``)."""

SEND_WITHIN_S = 0.2
"""How long a message waits on a manager whose queue is full; a beat must not stop the daemon."""

FEEDINGS_A_LIMIT = 2
"""Feed the watchdog twice in its limit, as ``sd_watchdog_enabled(3)`` advises."""


def notify(message: str, env: Mapping[str, str] = os.environ) -> bool:
    r"""
    Tell the service manager ``message``, for instance ``"READY=1\nSTATUS=watching 12 feeds"``.

    The status line shows in ``systemctl status``.

    Args:
        message: Assignments, one a line.
        env: Environment; ``NOTIFY_SOCKET`` is a path, or ``@name`` for an abstract socket.

    Returns:
        Whether it was sent. A manager that is away or slow is no reason to stop sending posts:
        an unfed watchdog ends a daemon that cannot speak.
    """
    address = env.get("NOTIFY_SOCKET", "")
    if not address.startswith(("/", "@")):
        return False
    if address.startswith("@"):
        address = "\0" + address[1:]
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as manager:
        manager.settimeout(SEND_WITHIN_S)
        try:
            manager.connect(address)
            manager.sendall(message.encode())
        except OSError:
            return False
    return True


def listen_fds(env: Mapping[str, str] = os.environ) -> list[socket.socket]:
    """
    Take the listening sockets that a socket unit passed to this very process.

    They are made close-on-exec, so that the parser and notifier children do not hold them.

    Args:
        env: Environment with ``LISTEN_PID`` and ``LISTEN_FDS``.

    Returns:
        The sockets in the order of the unit, or none.
    """
    if _number(env, "LISTEN_PID") != os.getpid():
        return []
    descriptors = range(FIRST_FD, FIRST_FD + (_number(env, "LISTEN_FDS") or 0))
    for descriptor in descriptors:
        os.set_inheritable(descriptor, False)
    return [socket.socket(fileno=descriptor) for descriptor in descriptors]


def watchdog_interval_s(env: Mapping[str, str] = os.environ) -> float | None:
    """
    Say how often to send ``WATCHDOG=1``.

    Args:
        env: Environment with ``WATCHDOG_USEC`` and, optionally, ``WATCHDOG_PID``.

    Returns:
        Seconds between two feedings, half of the unit's ``WatchdogSec``; None without a watchdog.
    """
    limit_us = _number(env, "WATCHDOG_USEC")
    if not limit_us or _number(env, "WATCHDOG_PID") not in {None, os.getpid()}:
        return None
    return limit_us / 1_000_000 / FEEDINGS_A_LIMIT


def _number(env: Mapping[str, str], name: str) -> int | None:
    text = env.get(name, "")
    return int(text) if text.isascii() and text.isdigit() else None
