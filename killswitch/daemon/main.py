"""
``killswitch run``: the process around the daemon.

Signals: SIGTERM and SIGINT stop it (a second one too, it only has to finish what is on the wire),
SIGHUP loads the configuration again. systemd is told READY after the first round of polls, and the
watchdog is fed only while every loop has really turned.
"""

from __future__ import annotations

import argparse
import faulthandler
import os
import pwd
import signal
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from types import FrameType

import structlog

from killswitch import failpoints
from killswitch.clock import SystemClock
from killswitch.control.app import create_app
from killswitch.control.peers import Roles
from killswitch.control.server import ControlServer
from killswitch.daemon import logs, systemd
from killswitch.daemon.configured import configured
from killswitch.daemon.daemon import Daemon
from killswitch.errors import Exit, KillswitchError, OperatorError
from killswitch.settings import Settings

_log = structlog.get_logger(__name__)

# systemd is told READY when the first round was attempted; a silent network may not delay it more.
READY_AFTER_S = 60.0
# How long a busy thread may keep the interpreter while others wait.
SWITCH_S = 0.0005
# How often the main thread looks around; the watchdog asks for a beat every ten seconds.
TURN_S = 1.0


def run(args: argparse.Namespace) -> int:
    """Run the daemon in the foreground; ``run --check`` ends in the command line already."""
    failpoints.check()
    os.umask(0o027)
    faulthandler.enable()
    # A pause competes with busy threads of ours: at Python's 5 ms it waits that long at each step.
    sys.setswitchinterval(SWITCH_S)
    logs.set_up()
    _, settings = configured(args)
    refuse_foreign_state(Path(settings.state_dir))
    daemon = Daemon(settings, clock=SystemClock(), reload_settings=lambda: configured(args)[1])
    asked = _Signals()
    with asked:
        try:
            return _live(daemon, settings, asked)
        except KillswitchError:
            daemon.stop()
            raise


def refuse_foreign_state(state_dir: Path) -> None:
    """
    Refuse to be root on a state directory of another user's, as the service's is.

    Raises:
        OperatorError: We are; the files that we would leave there can't be read by the service.
    """
    try:
        owner = state_dir.stat().st_uid
    except OSError:
        return  # not there yet, or not to be read: the start says which
    if os.geteuid() != 0 or owner == 0:
        return
    try:
        login = pwd.getpwuid(owner).pw_name
    except KeyError:
        login = f"#{owner}"
    raise OperatorError(
        "wrong_user",
        f"{state_dir} belongs to {login}: a daemon of root's would leave files there that "
        f"{login}'s can't read; nothing was started",
        f"systemctl start killswitch, or: sudo -u {login} killswitch run",
    )


class _Signals:
    """What signals asked for, as events that the main thread looks at."""

    def __init__(self) -> None:
        self.stop = threading.Event()
        self.reload = threading.Event()

    def __enter__(self) -> None:
        signal.signal(signal.SIGTERM, self._on_stop)
        signal.signal(signal.SIGINT, self._on_stop)
        signal.signal(signal.SIGHUP, self._on_reload)

    def __exit__(self, *_: object) -> None:
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)

    def _on_stop(self, _number: int, _frame: FrameType | None) -> None:
        self.stop.set()

    def _on_reload(self, _number: int, _frame: FrameType | None) -> None:
        self.reload.set()


def _live(daemon: Daemon, settings: Settings, asked: _Signals) -> int:
    daemon.start(asked.stop)
    server = _control(daemon, settings)
    server.start()
    try:
        _turn(daemon, asked)
    finally:
        systemd.notify("STOPPING=1")
        daemon.stop()
        server.stop()
    return Exit.DONE if daemon.supervisor.fault is None else Exit.FAILED


def _control(daemon: Daemon, settings: Settings) -> ControlServer:
    app = create_app(
        daemon.desk,
        roles=_roles(daemon),
        on_fault=lambda error: daemon.supervisor.fail(error, where="control"),
    )
    handed = systemd.listen_fds()
    if handed:
        return ControlServer(app, listening=handed[0], on_end=daemon.control_ended)
    path = Path(settings.control.socket)
    return ControlServer(app, path=path, on_end=daemon.control_ended)


def _roles(daemon: Daemon) -> Callable[[], Roles]:
    """Make the rules anew where a reload has changed the people."""
    made: dict[int, Roles] = {}

    def roles() -> Roles:
        people = daemon.parts.settings.people
        return made.setdefault(id(people), Roles(people))

    return roles


def _turn(daemon: Daemon, asked: _Signals) -> None:
    """Stand by until a signal or a fault: feed the watchdog, tell systemd how things are."""
    clock = daemon.clock
    ready, started_s = False, clock.boot_s()
    never = threading.Event()
    while not asked.stop.is_set() and not daemon.closing.is_set():
        if asked.reload.is_set():
            asked.reload.clear()
            _reload(daemon)
        waited_s = clock.boot_s() - started_s
        if not ready and (daemon.parts.eyes.first_round.is_set() or waited_s > READY_AFTER_S):
            ready = True
            systemd.notify("READY=1")
        _beat(daemon)
        clock.wait(never, TURN_S)


def _reload(daemon: Daemon) -> None:
    systemd.notify("RELOADING=1")
    try:
        daemon.reload()
    except KillswitchError as error:
        _log.error("config.refused", problem=error.message, hint=error.hint, kept="the old one")
    systemd.notify("READY=1")


def _beat(daemon: Daemon) -> None:
    hung = daemon.supervisor.hung()
    if hung:
        _log.error("loop.hung", loops=hung)
        return
    systemd.notify(f"WATCHDOG=1\nSTATUS={daemon.one_line()}")
