"""
Import posts through the command line, with a pause pressed all the while.

    .venv/bin/python -m bench.importing --rows 100000
"""

from __future__ import annotations

import argparse
import random
import tempfile
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path

from bench.due import import_rows
from bench.measure import memory_mib, say, spread_ms
from bench.pausing import press
from tests.proof.house import House
from tests.proof.platform import World


def main() -> None:
    """Measure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=100_000)
    asked = parser.parse_args()
    with (
        tempfile.TemporaryDirectory(prefix="ks", dir="/tmp") as folder,
        World(random.Random(1), faults=0.0) as world,
        House(Path(folder), world) as house,
    ):
        house.start()
        house.until(lambda: house.status().get("state") == "running", what="running")
        took: list[float] = []
        due = datetime.now(UTC) + timedelta(days=20)
        work = threading.Thread(
            target=lambda: took.append(import_rows(house, asked.rows, due=due, name="bench"))
        )
        work.start()
        accepted: list[float] = []
        while work.is_alive():
            accepted += press(house, 1)[0]
        say(
            rows=asked.rows,
            seconds=round(took[0], 1),
            rows_a_second=round(asked.rows / took[0]),
            pauses_meanwhile=len(accepted),
            accepted=spread_ms(accepted),
            rss_mib=round(memory_mib(house.pid), 1),
        )


if __name__ == "__main__":
    main()
