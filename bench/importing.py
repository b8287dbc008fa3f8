"""
Import posts through the command line, twice the same file, with a pause pressed all the while.

    .venv/bin/python -m bench.importing --rows 100000 [--undisturbed | --rest-s 2]
"""

from __future__ import annotations

import argparse
import random
import tempfile
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path

from bench.due import import_rows
from bench.measure import memory_mib, own_cpu_of, say, spread_ms
from bench.pausing import press
from tests.proof.house import House
from tests.proof.platform import World


def main() -> None:
    """Measure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--undisturbed", action="store_true", help="press no pause meanwhile")
    parser.add_argument("--rest-s", type=float, default=0.0, help="seconds between two pauses")
    asked = parser.parse_args()
    with (
        tempfile.TemporaryDirectory(prefix="ks", dir="/tmp") as folder,
        World(random.Random(1), faults=0.0) as world,
        House(Path(folder), world) as house,
    ):
        house.start()
        house.until(lambda: house.status().get("state") == "running", what="running")
        due = datetime.now(UTC) + timedelta(days=20)
        for time in ("new", "there already"):
            rest_s = None if asked.undisturbed else asked.rest_s
            measure(house, asked.rows, due=due, time=time, rest_s=rest_s)


def measure(house: House, rows: int, *, due: datetime, time: str, rest_s: float | None) -> None:
    """Import one file; say what the daemon's own process spent, the pauses meanwhile included."""
    took: list[float] = []
    before_s = own_cpu_of(house.pid)
    work = threading.Thread(
        target=lambda: took.append(import_rows(house, rows, due=due, name="bench"))
    )
    work.start()
    accepted: list[float] = []
    while rest_s is not None and work.is_alive():
        accepted += press(house, 1)[0]
        work.join(rest_s)
    work.join()
    say(
        rows=rows,
        they_are=time,
        seconds=round(took[0], 1),
        rows_a_second=round(rows / took[0]),
        daemon_cpu_s=round(own_cpu_of(house.pid) - before_s, 1),
        pauses_meanwhile=len(accepted),
        accepted=spread_ms(accepted) if accepted else None,
        rss_mib=round(memory_mib(house.pid), 1),
    )


if __name__ == "__main__":
    main()
