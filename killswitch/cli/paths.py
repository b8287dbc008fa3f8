"""
Where the configuration, the state directory and the socket are, for every command.

Standard library only, and a configuration that can't be read is told and passed over: the panic
button must find its way in a half-broken environment. Only four settings are read here.

Invariant: an explicit source (option, environment, configuration) is final; only the defaults
are tried in turn.
"""

from __future__ import annotations

import argparse
import os
import pwd
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from killswitch.flags import PAUSE_DIR

SYSTEM_CONFIG = Path("/etc/killswitch/config.toml")
SYSTEM_STATE = Path("/var/lib/killswitch")
SYSTEM_SOCKET = Path("/run/killswitch/control.sock")
LOCAL_CONFIG = Path("killswitch.toml")
SOCKET_NAME = "control.sock"
STORE_NAME = "killswitch.db"
CONFIG_MOST = 1 << 20
_SQLITE = "sqlite:///"


@dataclass(frozen=True, slots=True)
class Place:
    """
    What one installation consists of, as far as it can be told from outside.

    Attributes:
        state_dir: The state directory.
        tried: State directories that were looked at, in order.
        sockets: Control sockets to try, in order.
        store: The SQLite file; None when the store is something else.
        config: The configuration file, or None.
        notes: What people must know: a configuration that was passed over.
        fault: Why the configuration that somebody named can't be read, else empty; a slip in its
            text is only a note where the socket is named too.
        language: ``language`` of the configuration, else English.
        timezone: ``timezone`` of the configuration, or None.
    """

    state_dir: Path
    tried: tuple[Path, ...]
    sockets: tuple[Path, ...]
    store: Path | None
    config: Path | None
    notes: tuple[str, ...] = ()
    fault: str = ""
    language: str = "en"
    timezone: str | None = None

    @property
    def socket(self) -> Path:
        """The socket that is there, else the first that would be."""
        return next((path for path in self.sockets if _is_there(path)), self.sockets[0])


def find_place(args: argparse.Namespace, env: Mapping[str, str]) -> Place:
    """
    Find the installation that a command is about.

    Args:
        args: The global options ``config``, ``state_dir`` and ``socket``.
        env: The environment.
    """
    config = find_config(args.config, env)
    said, fault, is_slip = _read(config) if config else ({}, "", False)
    named = args.state_dir or env.get("KILLSWITCH_STATE_DIR") or _text(said, "state_dir")
    tried = (Path(named).absolute(),) if named else _default_states(env)
    state_dir = next((path for path in tried if _may_hold_flags(path)), tried[0])
    is_final = bool(args.config or env.get("KILLSWITCH_CONFIG"))
    if is_slip and _is_told(args, env, state_dir=state_dir if named else None):
        # The file that was meant is being edited: whoever names the daemon beside it reaches it.
        is_final = False
    return Place(
        state_dir=state_dir,
        tried=tried,
        sockets=_sockets(args, env, said=said, state_dir=state_dir, is_named=bool(named)),
        store=_store(env.get("KILLSWITCH_STORE__URL") or _text(said, "store", "url"), state_dir),
        config=config,
        notes=(f"{config} was passed over: {fault}; the defaults are used",) if fault else (),
        fault=fault if is_final else "",
        language=env.get("KILLSWITCH_LANGUAGE") or _text(said, "language") or "en",
        timezone=env.get("KILLSWITCH_TIMEZONE") or _text(said, "timezone"),
    )


def find_config(explicit: str | None, env: Mapping[str, str]) -> Path | None:
    """Find the configuration file: ``--config``, ``$KILLSWITCH_CONFIG``, the system's, ours."""
    named = explicit or env.get("KILLSWITCH_CONFIG")
    if named:
        return Path(named)
    if _is_there(SYSTEM_CONFIG):
        return SYSTEM_CONFIG
    try:
        # A folder such as /tmp may hold somebody else's.
        is_ours = LOCAL_CONFIG.stat().st_uid in {0, os.geteuid()}
    except OSError:
        return None
    return LOCAL_CONFIG.absolute() if is_ours else None


def _read(path: Path) -> tuple[dict[str, Any], str, bool]:
    """Read a configuration; nothing, the reason, and whether it is its text, where that fails."""
    import tomllib  # noqa: PLC0415 - only where there is a file: a pause is in a hurry

    try:
        with path.open("rb") as file:
            return tomllib.loads(file.read(CONFIG_MOST).decode()), "", False
    except OSError as error:
        return {}, error.strerror or str(error), False
    except (ValueError, RecursionError) as error:
        return {}, str(error), True


def _is_told(args: argparse.Namespace, env: Mapping[str, str], *, state_dir: Path | None) -> bool:
    """Say whether the options and the environment alone lead to one daemon."""
    if args.socket or env.get("KILLSWITCH_CONTROL__SOCKET"):
        return True
    return state_dir is not None and _is_there(state_dir / SOCKET_NAME)


def _default_states(env: Mapping[str, str]) -> tuple[Path, ...]:
    base = env.get("XDG_STATE_HOME", "")
    if not base.startswith("/"):
        base = f"{env.get('HOME') or _home()}/.local/state"
    system = (SYSTEM_STATE,) if _is_there(SYSTEM_STATE) else ()
    return (*system, Path(base) / "killswitch")


def _home() -> str:
    try:
        return pwd.getpwuid(os.geteuid()).pw_dir
    except KeyError:
        return "/"


def _sockets(
    args: argparse.Namespace,
    env: Mapping[str, str],
    *,
    said: dict[str, Any],
    state_dir: Path,
    is_named: bool,
) -> tuple[Path, ...]:
    named = args.socket or env.get("KILLSWITCH_CONTROL__SOCKET") or _text(said, "control", "socket")
    if named:
        return (Path(named).absolute(),)
    local = state_dir / SOCKET_NAME
    # Who names a state directory means the daemon that lives there, not the machine's.
    found = [local] if is_named and _is_there(local) else []
    runtime = env.get("RUNTIME_DIRECTORY", "").split(":")[0]
    if runtime:
        found.append(Path(runtime) / SOCKET_NAME)
    if _is_there(SYSTEM_SOCKET):
        found.append(SYSTEM_SOCKET)
    return tuple(dict.fromkeys([*found, local]))


def _store(url: str | None, state_dir: Path) -> Path | None:
    if not url:
        return state_dir / STORE_NAME
    if not url.startswith(_SQLITE):
        return None
    return Path(url.removeprefix(_SQLITE).partition("?")[0])


def _text(said: dict[str, Any], *path: str) -> str | None:
    found: Any = said
    for name in path:
        found = found.get(name) if isinstance(found, dict) else None
    return found if isinstance(found, str) and found else None


def _is_there(path: Path) -> bool:
    """Say whether something is there, a place that is closed to us included."""
    try:
        path.lstat()
    except PermissionError:
        return True
    except OSError:
        return False
    return True


def _may_hold_flags(state_dir: Path) -> bool:
    return _is_there(state_dir / PAUSE_DIR)
