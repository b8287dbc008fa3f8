"""
Many posts due in one second, and a queue of a million behind them.

    .venv/bin/python -m bench.due --due 10000 --queued 0 --queued 1000000

The posts leave through the real gate to a file channel without gaps: a durable intent and a durable
record each. Seconds are wall seconds from the due instant until the last is recorded as sent.
"""

from __future__ import annotations

import argparse
import csv
import random
import sqlite3
import tempfile
import threading
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from time import monotonic

from bench.measure import fdatasync_s, memory_mib, say
from tests.proof.house import House
from tests.proof.platform import World


def import_rows(house: House, count: int, *, due: datetime, name: str) -> float:
    """Import posts through the command line; return the seconds that it took."""
    path = house.folder / f"{name}.csv"
    with path.open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["due", "channel", "text", "key"])
        rows.writerows(
            [due.isoformat(), "outbox", f"Post {n}", f"{name}-{n}"] for n in range(count)
        )
    began_s = monotonic()
    done = house.command("queue", "import", str(path), patience_s=3600)
    if done.returncode:
        raise SystemExit(done.stdout + done.stderr)
    return monotonic() - began_s


def sent(house: House) -> int:
    """Count what is recorded as sent."""
    with closing(sqlite3.connect(f"file:{house.state}/killswitch.db?mode=ro", uri=True)) as db:
        return int(db.execute("SELECT count(*) FROM deliveries WHERE state = 'sent'").fetchone()[0])


def main() -> None:
    """Measure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--due", type=int, default=10_000)
    parser.add_argument("--queued", type=int, action="append", default=[])
    asked = parser.parse_args()
    sync_s = fdatasync_s()
    for queued in asked.queued or [0]:
        with (
            tempfile.TemporaryDirectory(prefix="ks", dir="/tmp") as folder,
            World(random.Random(1), faults=0.0) as world,
            House(Path(folder), world) as house,
        ):
            house.start()
            house.until(lambda h=house: h.status().get("state") == "running", what="running")
            far = datetime.now(UTC) + timedelta(days=20)
            import_s = import_rows(house, queued, due=far, name="far") if queued else 0.0
            due = datetime.now(UTC) + timedelta(seconds=20 + asked.due / 500)
            import_rows(house, asked.due, due=due, name="due")
            threading.Event().wait(max(0.0, (due - datetime.now(UTC)).total_seconds()))
            began_s = monotonic()
            while sent(house) < asked.due:
                threading.Event().wait(0.2)
            took_s = monotonic() - began_s
            say(
                due=asked.due,
                queued=queued,
                import_s=round(import_s, 1),
                all_sent_s=round(took_s, 1),
                ms_each=round(1000 * took_s / asked.due, 2),
                fdatasync_ms=round(1000 * sync_s, 2),
                rss_mib=round(memory_mib(house.pid), 1),
            )


if __name__ == "__main__":
    main()
