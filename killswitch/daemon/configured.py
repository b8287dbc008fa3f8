"""
Load the configuration as the daemon needs it: the one check for ``run``, ``--check`` and reload.

The settings check themselves; what only other rooms know (notice schemes, shipped languages, safe
expressions) is added here, so that a check that passes means a daemon that starts.
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path

from killswitch.errors import ConfigError
from killswitch.news.grade import Detector
from killswitch.notify.schemes import check_address
from killswitch.settings import Settings, find_config, load
from killswitch.store.engine import missing_driver
from killswitch.watch.lexicons import shipped_languages
from killswitch.watch.policies import detect_policy


def configured(
    args: argparse.Namespace, *, unread: list[str] | None = None
) -> tuple[Path | None, Settings]:
    """
    Find, load and check the configuration.

    Args:
        args: The global options ``config``, ``state_dir`` and ``socket``.
        unread: For a check in a shell: takes the credentials that only the service can read.

    Raises:
        ConfigError: It is wrong; the message names the place and the mend.
    """
    path = find_config(args.config, os.environ)
    settings = load(
        path, env=os.environ, state_dir=args.state_dir, socket=args.socket, unread=unread
    )
    if not settings.feeds:
        raise ConfigError(
            "no_feeds",
            "no feeds are configured: the news can't be seen, so nothing would ever leave",
            "write a configuration with killswitch init, or name one with --config",
        )
    _refuse_missing_driver(settings)
    _refuse_bad_addresses(settings)
    unknown = sorted(set(settings.detect.languages) - set(shipped_languages()))
    if unknown:
        known = ", ".join(shipped_languages())
        raise ConfigError(
            "unknown_language",
            f"detect.languages: no word list for {unknown[0]!r}",
            f"one of {known}",
        )
    Detector((), detect_policy(settings))  # refuses an expression that is not safe to run
    return path, settings


def _refuse_missing_driver(settings: Settings) -> None:
    """Refuse a server's store where its driver, which not everybody needs, is not installed."""
    problem = missing_driver(settings.store.url.get_secret_value())
    if problem:
        raise ConfigError(
            "no_driver",
            f"store.url names a PostgreSQL server, but its driver can't be loaded ({problem}); "
            "nothing was started",
            "install it beside killswitch: pip install --require-hashes --only-binary :all: "
            "-r requirements-postgres.lock; or leave store.url out for a SQLite file",
        )


def _refuse_bad_addresses(settings: Settings) -> None:
    """Refuse addresses that no notice could ever reach, all at once."""
    told = []
    lists = [settings.notify.urls, *settings.notify.next]
    for number, addresses in enumerate(lists):
        for position, one in enumerate(addresses):
            problem = check_address(one.get_secret_value())
            if problem:
                place = "notify.urls" if number == 0 else f"notify.next[{number - 1}]"
                told.append(f"{place}[{position}]: {problem}")
    if told:
        raise ConfigError("notify_address", "; ".join(told))
