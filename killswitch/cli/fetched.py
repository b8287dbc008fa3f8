"""One feed, fetched and parsed as the daemon would, for the commands that try an address."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from killswitch.cli.out import plain
from killswitch.cli.paths import find_config
from killswitch.clock import SystemClock
from killswitch.errors import OperatorError

if TYPE_CHECKING:
    from killswitch.watch.fetch import PollResult
    from killswitch.watch.parse import ParsedFeed


def poll_once(config: str | None, url: str) -> PollResult:
    """
    Ask an address once; nothing is stored.

    Args:
        config: The configuration that was named; its ``network.allow_private`` counts.
        url: Any web address.
    """
    # Heavy rooms, and only what tries an address needs them.
    from killswitch.net import Door, NetPolicy  # noqa: PLC0415 - as above
    from killswitch.settings import load  # noqa: PLC0415 - as above
    from killswitch.watch.fetch import Validators, poll  # noqa: PLC0415 - as above
    from killswitch.watch.parse import parser  # noqa: PLC0415 - as above

    found = find_config(config, os.environ)
    allowed = load(found, env=os.environ, unread=[]).network.allow_private if found else ()
    door = Door(NetPolicy(allow_private=tuple(allowed)), user_agent="killswitch feeds check")
    child = parser()
    try:
        return poll(door, url, Validators(), child=child, now=SystemClock().now())
    finally:
        child.close()


def fetch_feed(config: str | None, url: str) -> ParsedFeed:
    """
    Read a feed once.

    Raises:
        OperatorError: It cannot be read.
    """
    from killswitch.watch.fetch import Fresh  # noqa: PLC0415 - heavy, see above

    result = poll_once(config, url)
    if not isinstance(result, Fresh):
        why = plain(getattr(result, "message", "the feed was not read"))
        hint = "Check the address: killswitch feeds check URL"
        raise OperatorError("no_feed", f"{plain(url)}: {why}", hint)
    return result.feed
