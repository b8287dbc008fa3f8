"""
Start the command line: CPU of status, pause and --help as multiples of an empty Python.

    .venv/bin/python -m bench.cli --runs 15
"""

from __future__ import annotations

import argparse
import random
import subprocess
import sys
import tempfile
from pathlib import Path
from resource import RUSAGE_CHILDREN, getrusage
from statistics import median

from bench.measure import say
from tests.proof.house import House
from tests.proof.platform import World


def cpu_s(words: list[str], env: dict[str, str]) -> float:
    """Run one command; return its CPU seconds."""
    before = getrusage(RUSAGE_CHILDREN)
    subprocess.run(words, env=env, capture_output=True, check=False)
    after = getrusage(RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def main() -> None:
    """Measure, interleaved."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=15)
    asked = parser.parse_args()
    with (
        tempfile.TemporaryDirectory(prefix="ks", dir="/tmp") as folder,
        World(random.Random(1), faults=0.0) as world,
        House(Path(folder), world) as house,
    ):
        house.start()
        house.until(lambda: house.status().get("state") == "running", what="running")
        ours = [sys.executable, "-m", "killswitch", "--config", str(house.config)]
        contestants = {
            "python -c pass": [sys.executable, "-c", "pass"],
            "status": [*ours, "status"],
            "pause": [*ours, "pause", "bench"],
            "queue list": [*ours, "queue", "list"],
            "--help": [*ours, "--help"],
        }
        times: dict[str, list[float]] = {name: [] for name in contestants}
        for _ in range(asked.runs):
            for name, words in contestants.items():
                times[name].append(cpu_s(words, house.environment()))
        base = median(times["python -c pass"])
        for name, taken in times.items():
            middle = median(taken)
            say(command=name, cpu_ms=round(1000 * middle, 1), times=round(middle / base, 2))


if __name__ == "__main__":
    main()
