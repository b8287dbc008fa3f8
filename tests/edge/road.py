"""
The road that a feed takes in the product: a server, the door, the fetch, the parser children.

Bodies are served from the loopback, so that nothing between the wire and the item is left out.
"""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from ipaddress import ip_network
from pathlib import Path
from time import perf_counter
from typing import Self

from killswitch.net import Door, NetPolicy
from killswitch.watch.fetch import (
    Failed,
    Fresh,
    Gone,
    NotModified,
    PollResult,
    UnchangedBody,
    Validators,
    poll,
)
from killswitch.watch.parse import RawItem
from killswitch.watch.parsers import Parsers
from tests.edge.raw_server import RawServer, Reply, reply

NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
FORBIDDEN = {"Cc", "Cs", "Zl", "Zp"}
BIDI = set("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
RESULTS = (Failed, Fresh, Gone, NotModified, UnchangedBody)


@dataclass
class Figures:
    """What came of many feeds."""

    outcomes: Counter[str] = field(default_factory=Counter)
    seconds: list[float] = field(default_factory=list)
    slow: list[tuple[float, str]] = field(default_factory=list)
    dead: list[str] = field(default_factory=list)
    bad_items: list[str] = field(default_factory=list)
    kept: Counter[str] = field(default_factory=Counter)

    def add(self, name: str, result: PollResult, seconds: float) -> None:
        """Count one feed."""
        assert isinstance(result, RESULTS)
        self.seconds.append(seconds)
        self.slow = sorted([*self.slow, (seconds, name)], reverse=True)[:5]
        self.outcomes[outcome(result)] += 1
        if isinstance(result, Fresh):
            bad = [item for item in result.feed.items if not in_form(item)]
            self.bad_items += [f"{name}: {item!r}" for item in bad]

    def milliseconds(self, share: float) -> float:
        """Return how long the given share of all took at most."""
        ordered = sorted(self.seconds)
        return 1000 * ordered[min(len(ordered) - 1, int(share * len(ordered)))]

    def lines(self) -> Iterable[str]:
        """Write everything down."""
        yield f"feeds {len(self.seconds)}: {dict(self.outcomes.most_common())}"
        yield f"parser deaths {len(self.dead)}: {self.dead[:5]}"
        yield f"items out of form {len(self.bad_items)}: {self.bad_items[:3]}"
        yield "ms p50 {:.1f}, p99 {:.1f}, max {:.1f}".format(
            *(self.milliseconds(share) for share in (0.5, 0.99, 1.0))
        )
        yield f"slowest: {[(round(seconds, 2), name) for seconds, name in self.slow]}"
        if self.kept["all"]:
            yield f"titles kept in light damage: {self.kept['kept']} of {self.kept['all']}"


def outcome(result: PollResult) -> str:
    """Name what came of a poll: ``good``, ``degraded``, ``salvaged`` or a code."""
    if isinstance(result, Failed):
        return result.code
    if isinstance(result, Fresh):
        problem = result.feed.problem or ""
        salvaged = "the parser stumbled" in problem
        return "salvaged" if salvaged else "degraded" if result.feed.degraded else "good"
    return type(result).__name__


def in_form(item: RawItem) -> bool:
    """Say whether an item is plain text that can be stored, logged and shown."""
    texts = (item.guid, item.title, item.summary, item.url, *item.categories, *item.extra.values())
    unseen = {unicodedata.category(one) for text in texts for one in text} & FORBIDDEN
    return bool(item.guid) and not unseen and not BIDI & set("".join(texts))


class Road:
    """A server that gives what is put before it, and the way from there to an item."""

    def __init__(self) -> None:
        self._answer: Reply = b""
        self._server = RawServer(lambda _: self._answer)
        self._door = Door(NetPolicy((ip_network("127.0.0.0/8"),)), user_agent="killswitch-test")
        self.parsers = Parsers()

    def __enter__(self) -> Self:
        self._server.__enter__()
        self.read(b"", name="warm-up")
        return self

    def __exit__(self, *_: object) -> None:
        self._server.__exit__()
        self.parsers.close()

    def read(self, body: bytes, *, name: str = "feed", **headers: str) -> PollResult:
        """Serve a body and poll it, as a feed of this name."""
        self._answer = reply(200, body, **headers)
        return self.ask(self._server.url, name=name)

    def read_raw(self, answer: Reply, *, name: str = "feed") -> PollResult:
        """Serve bytes as they are, or piece by piece, and poll them."""
        self._answer = answer
        return self.ask(self._server.url, name=name)

    def ask(self, url: str, *, name: str = "feed", deadline_s: float = 10.0) -> PollResult:
        """Poll any address."""
        reader = self.parsers.of(name)
        return poll(self._door, url, Validators(), child=reader, now=NOW, deadline_s=deadline_s)

    def measure(self, body: bytes, *, name: str, figures: Figures) -> PollResult:
        """Do the same; write down how long it took and whether the parser lived on."""
        before, began = self.parser_pid, perf_counter()
        result = self.read(body, name=name)
        figures.add(name, result, perf_counter() - began)
        if self.parser_pid != before and before is not None:
            figures.dead.append(name)
        return result

    @property
    def parser_pid(self) -> int | None:
        """Return the process that all feeds share."""
        return self.parsers._common.pid


def titles(result: PollResult) -> set[str]:
    """Return the headlines that a poll brought."""
    return {item.title for item in result.feed.items} if isinstance(result, Fresh) else set()


def growth_mib(work: Callable[[], object]) -> float:
    """Do some work; return by how much this process outgrew what it held before."""
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")  # forget the highest so far
    before = _highest_kib()
    work()
    return (_highest_kib() - before) / 1024


def _highest_kib() -> int:
    status = Path("/proc/self/status").read_text(encoding="ascii")
    (line,) = [line for line in status.splitlines() if line.startswith("VmHWM")]
    return int(line.split()[1])


def own_feeds() -> list[Path]:
    """Name the invented feeds of this repository."""
    return sorted((Path(__file__).parent / "feeds").glob("*.xml"))


def shared_feeds(shared: Path) -> list[Path]:
    """Name every file of the corpora of other parsers, feed or not."""
    return sorted(path for path in (shared / "data" / "feeds").rglob("*") if path.is_file())


def shared_xml(shared: Path) -> list[Path]:
    """Name those that look like feeds, to be damaged."""
    return [path for path in shared_feeds(shared) if path.suffix in {".xml", ".rss", ".atom"}]
