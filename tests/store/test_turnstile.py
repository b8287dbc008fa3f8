"""Writers of one daemon take turns: the urgent ones first, the others in the order they came."""

from __future__ import annotations

import threading

import pytest

from killswitch.errors import StoreBusyError
from killswitch.store.turnstile import Turnstile


class Line:
    """Writers that come one after the other while somebody is inside."""

    def __init__(self) -> None:
        self.turnstile, self.went = Turnstile(), []
        self.threads: list[threading.Thread] = []

    def comes(self, name: str, *, urgent: bool = False) -> None:
        def go() -> None:
            with self.turnstile.turn(urgent=urgent, timeout_s=20):
                self.went.append(name)

        thread = threading.Thread(target=go)
        thread.start()
        self.threads.append(thread)
        while self._waiting() < len(self.threads) - len(self.went):
            thread.join(0.001)

    def _waiting(self) -> int:
        with self.turnstile._changed:
            return len(self.turnstile._urgent) + len(self.turnstile._work)

    def end(self) -> list[str]:
        for thread in self.threads:
            thread.join(20)
        return self.went


def test_who_writes_bite_after_bite_lets_the_others_in_between():
    line = Line()
    with line.turnstile.turn(urgent=False, timeout_s=20):
        line.comes("grader")
        line.comes("sweep")
    with line.turnstile.turn(urgent=False, timeout_s=20):
        assert line.went == ["grader", "sweep"]
    line.end()


def test_a_pause_goes_before_all_that_came_earlier():
    line = Line()
    with line.turnstile.turn(urgent=False, timeout_s=20):
        line.comes("import")
        line.comes("pause", urgent=True)
    assert line.end() == ["pause", "import"]


def test_who_gives_up_waiting_leaves_the_line_to_the_next():
    turnstile = Turnstile()
    with turnstile.turn(urgent=False, timeout_s=20):
        for urgent in (False, True):
            with pytest.raises(StoreBusyError), turnstile.turn(urgent=urgent, timeout_s=0.01):
                pass
    with turnstile.turn(urgent=False, timeout_s=0):
        pass
