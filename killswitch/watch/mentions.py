"""
The queue's side of "near to us": which names of today's dead stand in posts that may still go out.

The queue is read in bites, only when a death by name was told; nothing keeps it in memory.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from killswitch.news.mentions import Wanted
from killswitch.queue.post import Content
from killswitch.queue.states import DeliveryState
from killswitch.store import deliveries
from killswitch.store.engine import Store

# A bite of some 20 ms; ten thousand posts take about a second, outside any write transaction.
_BITE = 200
_S = DeliveryState
_MAY_GO_OUT = tuple(s.value for s in (_S.SCHEDULED, _S.CLAIMED, _S.HELD, _S.AWAITING_APPROVAL))
_CAMEL = re.compile(r"(?<=[a-zà-öø-ÿ])(?=[A-ZÀ-ÖØ-Þ])|[_]")


def names_in_queue(store: Store, names: Iterable[str]) -> frozenset[str]:
    """
    Return which of some folded names posts of the queue mention.

    Args:
        store: The queue's store.
        names: Folded names of people.
    """
    wanted = Wanted(names)
    if not wanted:
        return frozenset()
    found: set[str] = set()
    after = None
    while True:
        with store.read() as conn:
            page = deliveries.page(conn, states=_MAY_GO_OUT, after=after, limit=_BITE)
        for one in page:
            found |= wanted.found_in(_texts(one.content))
        if len(page) < _BITE:
            return frozenset(found)
        after = (page[-1].due_at, page[-1].id)


def _texts(content: Content) -> list[str]:
    """Return all words of a post that a reader could take as a name: tags in camel case parted."""
    media = [text for one in content.media for text in (one.alt, _CAMEL.sub(" ", one.path))]
    tags = [_CAMEL.sub(" ", tag) for tag in content.tags]
    return [_CAMEL.sub(" ", content.text), *media, *tags, content.link or ""]
