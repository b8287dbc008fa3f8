"""
Press pause on a real daemon: accepted and sealed, against the disk's own fdatasync.

    .venv/bin/python -m bench.pausing --presses 200

Three stretches: idle; during polls that bring new items all the time; during an import of posts.
"""

from __future__ import annotations

import argparse
import random
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path
from time import perf_counter

from bench.measure import fdatasync_s, say, share, spread_ms
from killswitch.errors import KillswitchError
from tests.proof.house import House
from tests.proof.platform import World


def press(house: House, presses: int) -> tuple[list[float], list[float]]:
    """Pause, wait for the seal, resume, so many times; return seconds to accepted and sealed."""
    accepted, sealed = [], []
    for number in range(presses):
        began_s = perf_counter()
        key = f"bench{number}-{began_s}"
        house.client.post("/pause", {"reason": "bench", "key": key}, timeout_s=30)
        accepted.append(perf_counter() - began_s)
        while not house.client.get("/seal", query={"wait_s": 1.0}, timeout_s=30)["sealed"]:
            pass
        sealed.append(perf_counter() - began_s)
        resume(house)
    return accepted, sealed


def resume(house: House) -> None:
    """Let go on, as a human who keeps all that is held."""
    while (status := house.status()).get("causes"):
        body = {"seen": status["version"], "reason": "bench", "keep_held": True}
        try:
            house.client.post("/resume", body, timeout_s=60)
        except KillswitchError:
            continue


def tell(what: str, times: tuple[list[float], list[float]], sync_s: float) -> None:
    """Say one stretch."""
    accepted, sealed = times
    ratio = round(share(accepted, 0.5) / sync_s, 1)
    say(
        during=what,
        accepted=spread_ms(accepted),
        sealed=spread_ms(sealed),
        fdatasync_ms=round(1000 * sync_s, 2),
        accepted_p50_to_fdatasync=ratio,
    )


def meanwhile(work: Callable[[threading.Event], None]) -> tuple[threading.Event, threading.Thread]:
    """Start something in the background that ends when the event is set."""
    ends = threading.Event()
    thread = threading.Thread(target=work, args=(ends,))
    thread.start()
    return ends, thread


def main() -> None:
    """Measure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--presses", type=int, default=200)
    asked = parser.parse_args()
    sync_s = fdatasync_s()
    with (
        tempfile.TemporaryDirectory(prefix="ks", dir="/tmp") as folder,
        World(random.Random(1), faults=0.0) as world,
        House(Path(folder), world) as house,
    ):
        house.start()
        house.until(lambda: house.status().get("state") == "running", what="running")
        tell("idle", press(house, asked.presses), sync_s)

        def news(ends: threading.Event) -> None:
            while not ends.wait(0.1):
                world.calm()

        ends, thread = meanwhile(news)
        tell("polls with new items", press(house, asked.presses), sync_s)
        ends.set()
        thread.join()

        def imports(ends: threading.Event) -> None:
            while not ends.is_set():
                batch = house.client.post("/imports", {"name": "bench"})["import"]
                rows = [
                    {"text": f"Row {n}", "at": "+5d", "channels": ["one"], "line": n + 1}
                    for n in range(200)
                ]
                for chunk in range(50):
                    keyed = [{**row, "key": f"{chunk}-{row['line']}"} for row in rows]
                    house.client.post(f"/imports/{batch}/rows", {"rows": keyed}, timeout_s=60)
                    if ends.is_set():
                        break
                house.client.delete(f"/imports/{batch}")

        ends, thread = meanwhile(imports)
        tell("import", press(house, asked.presses), sync_s)
        ends.set()
        thread.join()


if __name__ == "__main__":
    main()
