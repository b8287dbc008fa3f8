"""What the scripts share: CPU seconds of a process and its children, percentiles, a table."""

from __future__ import annotations

import json
import multiprocessing
import os
import resource
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Cost:
    """What one run cost: seconds of CPU (children included) and of wall, peak memory in MiB."""

    cpu_s: float
    wall_s: float
    peak_mib: float


def alone(work: Callable[[], object]) -> Cost:
    """Run ``work`` in a process of its own and return what it cost, start included."""
    began_s = time.monotonic()
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    process = multiprocessing.get_context("fork").Process(target=work)
    process.start()
    process.join()
    if process.exitcode != 0:
        raise SystemExit(f"{work} ended with {process.exitcode}")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu_s = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return Cost(cpu_s, time.monotonic() - began_s, after.ru_maxrss / 1024)


def share(values: Sequence[float], part: float) -> float:
    """Return the value below which this part of the values lies."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(part * len(ordered)))]


def spread_ms(values: Sequence[float]) -> str:
    """Write seconds as milliseconds: median, 99th percentile, most."""
    p50, p99, most = (1000 * x for x in (share(values, 0.5), share(values, 0.99), max(values)))
    return f"p50 {p50:.1f} ms, p99 {p99:.1f} ms, most {most:.1f} ms"


def fdatasync_s(laps: int = 200) -> float:
    """Return the median of writing 4 KiB durably here: the limit of anything durable."""
    times = []
    with tempfile.TemporaryDirectory() as folder:
        number = os.open(Path(folder) / "x", os.O_WRONLY | os.O_CREAT)
        for _ in range(laps):
            began_s = time.perf_counter()
            os.pwrite(number, b"x" * 4096, 0)
            os.fdatasync(number)
            times.append(time.perf_counter() - began_s)
        os.close(number)
    return statistics.median(times)


def cpu_of(pid: int) -> float:
    """Return the CPU seconds of a running process and of its children that live (``proc(5)``)."""
    return sum(own_cpu_of(one) for one in [pid, *children_of(pid)])


def own_cpu_of(pid: int) -> float:
    """Return the CPU seconds of a running process without its children (``proc(5)``)."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def memory_mib(pid: int) -> float:
    """Return the resident memory of one process in MiB."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def children_of(pid: int) -> list[int]:
    """Return the children of a process, and theirs."""
    found: list[int] = []
    for task in Path(f"/proc/{pid}/task").iterdir():
        with suppress(OSError):  # a thread may end while it is looked at
            for child in (task / "children").read_text().split():
                found += [int(child), *children_of(int(child))]
    return found


def say(**figures: object) -> None:
    """Print one line of figures as JSON: to be read by people and by scripts."""
    print(json.dumps(figures, ensure_ascii=False))


__all__ = [
    "Cost",
    "alone",
    "children_of",
    "cpu_of",
    "fdatasync_s",
    "memory_mib",
    "own_cpu_of",
    "say",
    "share",
    "spread_ms",
]
