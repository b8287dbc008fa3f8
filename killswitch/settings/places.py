"""
Where the configuration, the state and the socket are looked for, in which order.

An explicit source is final; only the defaults are tried in turn. The environment is handed in.
"""

from __future__ import annotations

import os
import pwd
import zoneinfo
from collections.abc import Mapping
from pathlib import Path

SYSTEM_CONFIG = Path("/etc/killswitch/config.toml")
SYSTEM_STATE = Path("/var/lib/killswitch")
SYSTEM_SOCKET = Path("/run/killswitch/control.sock")
LOCAL_CONFIG = "killswitch.toml"


def find_config(explicit: str | None, env: Mapping[str, str]) -> Path | None:
    """
    Find the configuration file.

    Args:
        explicit: The value of ``--config``, final even if no such file exists.
        env: The environment; ``KILLSWITCH_CONFIG`` is final too.

    Returns:
        The file to load, or None when there is none. ``./killswitch.toml`` counts only if the
        caller or root owns it: a folder such as ``/tmp`` may hold somebody else's.
    """
    named = explicit or env.get("KILLSWITCH_CONFIG")
    if named:
        return Path(named)
    if os.path.exists(SYSTEM_CONFIG):  # noqa: PTH110 - Path.exists raises where /etc/… is closed to us
        return SYSTEM_CONFIG
    local = Path(LOCAL_CONFIG)
    try:
        owner = local.stat().st_uid
    except OSError:
        return None
    return local.absolute() if owner in {0, os.geteuid()} else None


def default_state_dir(env: Mapping[str, str]) -> Path:
    """Choose the state directory when no option, variable or setting names one."""
    if SYSTEM_STATE.is_dir():
        return SYSTEM_STATE
    base = env.get("XDG_STATE_HOME", "")
    if base.startswith("/"):
        return Path(base) / "killswitch"
    home = env.get("HOME") or pwd.getpwuid(os.geteuid()).pw_dir
    return Path(home) / ".local" / "state" / "killswitch"


def default_socket(env: Mapping[str, str], *, state_dir: Path) -> Path:
    """
    Choose the control socket when no option, variable or setting names one.

    The machine's own socket belongs to the machine's own state directory: a daemon on another one,
    such as a demonstration, must not take the panic button away from the daemon that sends.
    """
    runtime = env.get("RUNTIME_DIRECTORY", "").split(":")[0]
    if runtime:
        return Path(runtime) / "control.sock"
    system = state_dir == SYSTEM_STATE and os.path.exists(SYSTEM_SOCKET)  # noqa: PTH110 - as above
    return SYSTEM_SOCKET if system else state_dir / "control.sock"


def machine_zone(
    env: Mapping[str, str] | None = None,
    *,
    localtime: Path = Path("/etc/localtime"),
    written: Path = Path("/etc/timezone"),
) -> str:
    """
    Find the machine's time zone, as the C library and Debian keep it.

    Args:
        env: Where ``TZ`` may stand; it comes first.
        localtime: The link into the zone database.
        written: Debian's file with the name, for machines where the link is a copy.

    Returns:
        A name of the zone database; ``UTC`` where nothing names one.
    """
    linked = os.path.realpath(localtime).partition("/zoneinfo/")[2]
    try:
        noted = written.read_text(encoding="ascii").strip()
    except (OSError, ValueError):
        noted = ""
    known = zoneinfo.available_timezones()
    wanted = ((env or {}).get("TZ", "").lstrip(":"), linked, noted)
    return next((name for name in wanted if name in known), "UTC")
