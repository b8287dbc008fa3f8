"""
What the acts share: the installation, the world around it, and what was measured.

An act does something by command, waits until it is seen, and checks it; ``check`` fails the whole
demonstration, so that its last words are only what was seen.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from killswitch.clock import Clock
from killswitch.demo.house import House
from killswitch.demo.newsroom import Newsroom
from killswitch.demo.receivers import Arrival, Pager, Shop, Told, lines_of
from killswitch.demo.stage import DemoFailed, Stage
from killswitch.wire import read_time

WHO = "Léa"
"""Who acts; recorded as said by the caller, because the demonstration runs as one user."""

_JUST_AFTER = timedelta(seconds=0.7)


@dataclass(slots=True)
class Pause:
    """
    One pause as it was measured; instants are aware UTC.

    Attributes:
        name: For people.
        accepted: When its first cause was durable; of a pause by flag, when it was pressed.
        sealed: When it was proven that nothing is on the wire.
        resumed: When the resume was pressed; None where it still stands.
    """

    name: str
    accepted: datetime
    sealed: datetime
    resumed: datetime | None = None

    def seal_ms(self) -> int:
        """Return the milliseconds from accepted to sealed."""
        return round((self.sealed - self.accepted).total_seconds() * 1000)


@dataclass(slots=True)
class Play:
    """One performance."""

    clock: Clock
    stage: Stage
    house: House
    newsroom: Newsroom
    shop: Shop
    pager: Pager
    slow: int
    """What posts' distances are multiplied with where the audience reads along."""
    pauses: list[Pause] = field(default_factory=list)
    published: dict[str, datetime] = field(default_factory=dict)
    """When each breaking headline appeared in its feed."""
    releases: list[list[str]] = field(default_factory=list)
    """For each resume, the deliveries that were released in one channel's slots."""
    first_notice: datetime | None = None

    # ---- the queue -------------------------------------------------------------------------------

    def arrivals(self) -> list[Arrival]:
        """Return all that has reached the public, in order of time."""
        found = [*self.shop.arrived(), *lines_of(self.house.state_dir / "journal.jsonl")]
        return sorted(found, key=lambda one: one.at)

    def arrived(self, words: str) -> Arrival | None:
        """Return the post that begins with these words, if it has reached the public."""
        return next((one for one in self.arrivals() if one.text.startswith(words)), None)

    def row(self, words: str) -> Mapping[str, Any]:
        """
        Return the delivery whose text begins with these words.

        Raises:
            DemoFailed: There is none, or more than one, in the queue.
        """
        found = [row for row in self.house.rows() if row["text"].startswith(words)]
        if len(found) != 1:
            raise DemoFailed(f"{len(found)} posts in the queue begin with {words!r}")
        return found[0]

    def wait_for_arrival(self, words: str, *, limit_s: float = 25.0) -> Arrival:
        """Wait until a post has reached the public, and say so."""
        one = self.stage.until(f"“{words}…”", lambda: self.arrived(words), limit_s=limit_s)
        where = "webhook" if one.channel == "shop" else "file"
        self.stage.tell(f"OUT  {one.channel} ({where}): {one.text}", style="green")
        return one

    def wait_past_due(self, words: str) -> None:
        """Wait until just after a post's due time."""
        self.wait_past(read_time(self.row(words)["due"]), f"“{words}…” is due")

    def wait_past(self, instant: datetime, what: str) -> None:
        """Wait until just after an instant: the daemon has had its time to act on it."""
        self.stage.until(
            what, lambda: self.clock.now() > instant + _JUST_AFTER or None, limit_s=120
        )

    # ---- what is seen ----------------------------------------------------------------------------

    def wait_for(self, what: str, *, limit_s: float = 30.0, **wanted: Any) -> Mapping[str, Any]:
        """
        Wait for a status.

        Args:
            what: For the audience.
            limit_s: How long, at most.
            wanted: ``state``, ``sealed``, ``cause`` or ``inhibit`` (kinds) as they must be.
        """

        def look() -> Mapping[str, Any] | None:
            status = self.house.status()
            return status if status is not None and _fits(status, wanted) else None

        return self.stage.until(what, look, limit_s=limit_s)

    def status(self) -> Mapping[str, Any]:
        """Return the status now."""
        return self.wait_for("the daemon answers")

    def wait_for_notice(self, start: str, *, after: datetime) -> Told:
        """Wait for a notice whose title begins so."""

        def look() -> Told | None:
            fitting = (t for t in self.pager.told() if t.at >= after and t.title.startswith(start))
            return next(fitting, None)

        return self.stage.until(f"a notice {start}…", look, limit_s=30)

    def show_notice(self, told: Told) -> None:
        """Show a notice as it arrived."""
        lines = told.body.rstrip("\n").splitlines()
        self.stage.quote("On the telephone, as it was received:", [told.title, *lines])

    def note_pause(self, name: str, status: Mapping[str, Any]) -> Pause:
        """Keep the times of a pause that is sealed."""
        since = min(read_time(cause["since"]) for cause in status["causes"])
        pause = Pause(name, since, read_time(status["sealed_at"]))
        self.pauses.append(pause)
        return pause

    def check(self, claim: str, true: object) -> None:
        """
        Say that something is so.

        Raises:
            DemoFailed: It is not.
        """
        if not true:
            raise DemoFailed(f"this should be so and is not: {claim}")
        self.stage.good(claim)

    def resume(self, reason: str) -> None:
        """Resume with the version that is on the screen now."""
        version = self.status()["version"]
        self.pauses[-1].resumed = self.clock.now()
        self.house.run(*resume_words(reason, version))


def resume_words(reason: str, version: int) -> tuple[str, ...]:
    """Write the command that resumes without a terminal to ask in."""
    return ("resume", "--reason", reason, "--seen", str(version), "--yes", "--as", WHO)


def _fits(status: Mapping[str, Any], wanted: Mapping[str, Any]) -> bool:
    kinds = {
        "cause": {cause["kind"] for cause in status.get("causes") or []},
        "inhibit": {inhibit["kind"] for inhibit in status.get("inhibits") or []},
    }
    return all(
        value in kinds[name] if name in kinds else status.get(name) == value
        for name, value in wanted.items()
    )
