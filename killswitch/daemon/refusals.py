"""Which newer configuration a reload has refused: the file on the disk is not what runs."""

from __future__ import annotations

from types import TracebackType

from killswitch.clock import Clock
from killswitch.desk.context import Refused
from killswitch.errors import KillswitchError


class Refusals:
    """
    Remembers a refused configuration until a good one is loaded.

    Whoever reloads does it inside ``with``: ``systemctl reload`` tells nobody what came of it.
    """

    def __init__(self, clock: Clock) -> None:
        """Begin with none; the configuration of the start was good."""
        self._clock = clock
        self.last: Refused | None = None

    def __enter__(self) -> None:
        """Begin to load."""

    def __exit__(
        self, _: type[BaseException] | None, error: BaseException | None, __: TracebackType | None
    ) -> None:
        """Note how it ended; a refusal after another keeps since when the file was not loaded."""
        if error is None:
            self.last = None
        elif isinstance(error, KillswitchError):
            since = self.last.since if self.last else self._clock.now()
            self.last = Refused(since, error.message)
