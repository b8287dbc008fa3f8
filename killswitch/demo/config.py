"""The configuration of the demonstration: an ordinary one, sped up by settings alone."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from killswitch.demo.headlines import Outlet

RELEASE_GAP_S = 2
LEAD_S = 90
BLIND_AFTER_S = 6
FRESH_S = 3

_HEAD = """\
# The demonstration's configuration: everything is as in real life, only faster.
state_dir = {state_dir}

[network]
allow_private = ["127.0.0.0/8"]    # the feeds and the shop are on this machine

[watch]
fresh = "{fresh}s"                      # real: 5m
blind_after = "{blind_after}s"                # real: 1h

[queue]
min_gap = "0s"                     # real: 5m
max_per_hour = 60                  # real: 12
release_gap = "{release_gap}s"                # real: 15m
lead = "{lead}s"                       # real: 30m

[notify]
urls = [{pager}]
also_stop = ["Newsletter tool"]

[[channels]]
name = "journal"
kind = "file"
path = "journal.jsonl"

[[channels]]
name = "shop"
kind = "webhook"
url = {shop}
secret = {secret}
"""
_FEED = """
[[feeds]]
name = {name}
url = {url}
outlet = {name}
language = {language}
country = "fr"
interval = "1s"                    # real: 2m
"""


@dataclass(frozen=True, slots=True)
class Addresses:
    """Where things are: the shop's webhook and its secret, the pager, a feed for each outlet."""

    shop: str
    secret: str
    pager: str
    feeds: Sequence[tuple[Outlet, str]]


def toml(state_dir: Path, found: Addresses) -> str:
    """Write the configuration."""
    head = _HEAD.format(
        state_dir=json.dumps(str(state_dir)),
        fresh=FRESH_S,
        blind_after=BLIND_AFTER_S,
        release_gap=RELEASE_GAP_S,
        lead=LEAD_S,
        pager=json.dumps(found.pager),
        shop=json.dumps(found.shop),
        secret=json.dumps(found.secret),
    )
    return head + "".join(
        _FEED.format(
            name=json.dumps(outlet.name), url=json.dumps(url), language=json.dumps(outlet.language)
        )
        for outlet, url in found.feeds
    )
