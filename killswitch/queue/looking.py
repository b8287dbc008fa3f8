"""
When to look at a network for a post whose answer was lost, and when "not there" may be said.

Invariants:
    One look that finds the post settles it. A look that failed proves nothing.
    Only looks that a network answered, often enough and late enough, are called "not found"; and
    that is told to a human, for what is slow may still appear.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

# After the answer was given up (safety figures: 15, 45 and 120 s); then further and further apart.
LOOKS_AFTER = (
    timedelta(seconds=15),
    timedelta(seconds=45),
    timedelta(minutes=2),
    timedelta(minutes=5),
    timedelta(minutes=15),
    timedelta(hours=1),
    timedelta(hours=4),
    timedelta(hours=24),
)
# A network has put in its place by then what it took.
SETTLE = timedelta(seconds=60)
LOOKS_NEEDED = 3

THERE = "there"
ABSENT = "absent"


@dataclass(frozen=True, slots=True)
class Look:
    """
    One look.

    Attributes:
        at: When the network answered, or failed to; aware UTC.
        found: ``there``, ``absent`` or ``unknown``.
        detail: One line: what the network said.
    """

    at: datetime
    found: str
    detail: str


@dataclass(frozen=True, slots=True)
class Looked:
    """
    What was looked for after one try.

    Attributes:
        lost_at: When the answer of the try was given up.
        looks: Oldest first.
    """

    lost_at: datetime
    looks: tuple[Look, ...] = ()

    @property
    def next_at(self) -> datetime | None:
        """
        Say when to look again, or None after the last look.

        Looks that come late (the daemon was down) keep the distance that the plan gives them.
        """
        times = len(self.looks)
        if times >= len(LOOKS_AFTER) or self.is_there:
            return None
        planned = self.lost_at + LOOKS_AFTER[times]
        if not self.looks:
            return planned
        return max(planned, self.looks[-1].at + LOOKS_AFTER[times] - LOOKS_AFTER[times - 1])

    @property
    def is_there(self) -> bool:
        """Say whether a look has found it."""
        return any(look.found == THERE for look in self.looks)

    @property
    def is_not_found(self) -> bool:
        """Say whether the network has said often and late enough that it is not there."""
        if not self.looks or self.is_there:
            return False
        absent = sum(look.found == ABSENT for look in self.looks)
        last = self.looks[-1]
        settled = last.at >= self.lost_at + SETTLE
        return settled and last.found == ABSENT and absent >= LOOKS_NEEDED

    @property
    def words(self) -> str:
        """Tell it in one line, for people."""
        if not self.looks:
            return "nobody has looked yet"
        last = self.looks[-1]
        times = "once" if len(self.looks) == 1 else f"{len(self.looks)} times"
        if self.is_there:
            return f"looked {times}, found: {last.detail}"
        if last.found != ABSENT:
            return f"looked {times}, no clear answer: {last.detail}"
        if not self.is_not_found:
            return f"looked {times}, not found yet"
        return f"looked {times}, not found"
