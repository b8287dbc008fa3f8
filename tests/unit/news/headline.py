"""Grade one invented headline with the lists as they are shipped."""

from __future__ import annotations

from datetime import UTC, datetime

from killswitch.news.grade import Detector, DetectPolicy
from killswitch.news.item import Item, Signal
from killswitch.watch.lexicons import load_lexicons

NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
DETECTOR = Detector(load_lexicons(), DetectPolicy())


def graded(lang: str, title: str) -> Signal:
    """Grade it as a newsroom's that names no country."""
    item = Item(id="i1", title=title, outlet="Harbour Post", lang=lang, first_seen=NOW)
    return DETECTOR.grade(item)
