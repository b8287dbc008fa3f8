"""
The clocks compared with each other: a wall clock that was stepped, a machine that was asleep.

Invariants:
    A reading of the wall clock is trusted only where the clocks have moved alike since the last
    tick, and only a minute after a step.
    What a tick finds is acted on before it is accepted: until then no reading is trusted.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from killswitch.clock import Clock

# A wall clock that moves otherwise than the boot clock by more than this was stepped.
STEP = timedelta(seconds=2)
# After a step nothing leaves for so long, and a second step within it is a cause.
SETTLE_S = 60.0
# A boot clock that moves further than the monotonic clock by more than this counted a sleep.
ASLEEP_S = 5.0
# A run that begins so soon after the last one is of the same boot: systemd waits for seconds.
RESTART_S = 120.0
NONE = timedelta(0)


@dataclass(frozen=True, slots=True)
class Reading:
    """All three clocks at one moment."""

    wall: datetime
    boot_s: float
    monotonic_s: float

    def __sub__(self, before: Reading) -> tuple[timedelta, timedelta, float]:
        """Return how far the wall clock and the boot clock moved, and the seconds asleep."""
        boot_s = self.boot_s - before.boot_s
        asleep_s = boot_s - (self.monotonic_s - before.monotonic_s)
        return self.wall - before.wall, timedelta(seconds=boot_s), asleep_s


def read(clock: Clock, *, wall: datetime | None = None) -> Reading:
    """Read the clocks; ``wall`` where the wall clock was read just before."""
    return Reading(wall or clock.now(), clock.boot_s(), clock.monotonic_s())


@dataclass(frozen=True, slots=True)
class Tick:
    """
    What one tick found.

    Attributes:
        reading: The clocks.
        step: How far the wall clock was stepped, back below zero; zero where it was not.
        again: The last step was less than a minute before.
        slept: The machine was asleep.
    """

    reading: Reading
    step: timedelta
    again: bool
    slept: bool

    @property
    def stepped(self) -> bool:
        """Whether the wall clock was stepped."""
        return self.step != NONE

    @property
    def back(self) -> bool:
        """Whether the wall clock was stepped back."""
        return self.step < NONE


@dataclass(frozen=True, slots=True)
class Left:
    """
    What a run leaves to the next one: a reading of two clocks, and until when a step settles.

    Attributes:
        wall: The wall clock (aware UTC).
        boot_s: The boot clock at that moment.
        settles_s: The boot time until which the last step settles; zero where there was none.
    """

    wall: datetime
    boot_s: float
    settles_s: float

    def to_text(self) -> str:
        """Write it as a fact of the store."""
        return f"{self.wall.isoformat()} {self.boot_s} {self.settles_s}"

    @classmethod
    def from_text(cls, text: str) -> Left | None:
        """Read it back; None where another version wrote something else."""
        try:
            wall, boot_s, settles_s = text.split(" ")
            return cls(datetime.fromisoformat(wall), float(boot_s), float(settles_s))
        except ValueError:
            return None


class Ticks:
    """The last tick, and how long the wall clock has been steady."""

    def __init__(self, first: Reading) -> None:
        """Begin with a first reading, which nothing vouches for."""
        self._last = first
        self._began_s = first.boot_s
        self._settles_s = float("-inf")

    def look(self, reading: Reading) -> Tick:
        """Compare a reading with the last tick; ``accept`` makes it the last one."""
        moved, passed, asleep_s = reading - self._last
        step = moved - passed if abs(moved - passed) > STEP else NONE
        again = step != NONE and self.settling(reading.boot_s)
        return Tick(reading, step, again, asleep_s > ASLEEP_S)

    def accept(self, tick: Tick) -> None:
        """Go on from a tick that was acted on."""
        if tick.stepped:
            self._settles_s = tick.reading.boot_s + SETTLE_S
        self._last = tick.reading

    def left(self) -> Left:
        """Say what the next run must know of this one."""
        return Left(self._last.wall, self._last.boot_s, max(self._settles_s, 0.0))

    def go_on(self, left: Left) -> Tick | None:
        """
        Go on from the run before; return the step that came since it, if there was one.

        Only a short while after it, for the boot clock of another boot says nothing, and only a
        step forward: what lies before the store's high-water mark is a cause of its own.
        """
        first = self._last
        passed_s = first.boot_s - left.boot_s
        if not 0 <= passed_s <= RESTART_S:
            return None
        again = first.boot_s < left.settles_s
        step = first.wall - left.wall - timedelta(seconds=passed_s)
        if step > STEP:
            return Tick(first, step, again, slept=False)
        if again:
            self._settles_s = left.settles_s
        return None

    def agrees(self, reading: Reading) -> bool:
        """Say whether a reading between two ticks may be acted on."""
        tick = self.look(reading)
        return not tick.stepped and not tick.slept and not self.settling(reading.boot_s)

    def settling(self, boot_s: float) -> bool:
        """Say whether the last step is less than a minute ago."""
        return boot_s < self._settles_s

    def proven(self, boot_s: float) -> bool:
        """Say whether the wall clock has been steady for a minute of this run."""
        return boot_s - self._began_s >= SETTLE_S and not self.settling(boot_s)
