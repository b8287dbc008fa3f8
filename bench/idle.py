"""
Leave a daemon alone: memory, CPU seconds an hour, wake-ups a second.

    .venv/bin/python -m bench.idle --seconds 120 --feeds 30
"""

from __future__ import annotations

import argparse
import random
import tempfile
import threading
from pathlib import Path
from time import monotonic

from bench.measure import children_of, cpu_of, memory_mib, say
from tests.proof.house import House
from tests.proof.platform import World


def switches(pid: int) -> int:
    """Count the voluntary context switches of all threads: each is a wake-up (``proc(5)``)."""
    total = 0
    for task in Path(f"/proc/{pid}/task").iterdir():
        for line in (task / "status").read_text().splitlines():
            if line.startswith("voluntary_ctxt_switches"):
                total += int(line.split()[1])
    return total


def main() -> None:
    """Measure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=120.0)
    parser.add_argument("--feeds", type=int, default=30)
    asked = parser.parse_args()
    with (
        tempfile.TemporaryDirectory(prefix="ks", dir="/tmp") as folder,
        World(random.Random(1), faults=0.0) as world,
        House(Path(folder), world) as house,
    ):
        config = house.config.read_text().replace('interval = "1s"', 'interval = "2m"')
        feeds = "".join(
            f'[[feeds]]\nname = "f{n}"\nurl = "{world.url}courier?{n}"\noutlet = "o{n}"\n'
            for n in range(asked.feeds - 3)
        )
        house.config.write_text(config.replace('languages = ["en"]\n', "") + feeds)
        house.start()
        house.until(lambda: house.status().get("state") == "running", what="running")
        threading.Event().wait(10.0)
        cpu, woken, began_s = cpu_of(house.pid), switches(house.pid), monotonic()
        threading.Event().wait(asked.seconds)
        passed_s = monotonic() - began_s
        say(
            feeds=asked.feeds,
            seconds=round(passed_s),
            rss_mib=round(memory_mib(house.pid), 1),
            children_mib=[round(memory_mib(one), 1) for one in children_of(house.pid)],
            cpu_s_an_hour=round((cpu_of(house.pid) - cpu) * 3600 / passed_s, 1),
            wakeups_a_second=round((switches(house.pid) - woken) / passed_s, 1),
        )


if __name__ == "__main__":
    main()
