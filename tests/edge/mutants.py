"""
Send damaged feeds down the road, as many as there is time for, and tell what came of them.

By hand, with the corpora of other parsers:

  KILLSWITCH_SHARED=../shared python -m tests.edge.mutants --count 14000
"""

from __future__ import annotations

import argparse
import os
import random
from collections.abc import Sequence
from pathlib import Path
from time import monotonic

from tests.edge.mutate import LIGHT, mutant, operator_of
from tests.edge.road import Figures, Road, own_feeds, shared_xml, titles


def run(
    road: Road, files: Sequence[Path], *, seed: int, count: int, budget_s: float = float("inf")
) -> Figures:
    """Read ``count`` mutants, or as many as the budget of seconds allows."""
    figures, ends = Figures(), monotonic() + budget_s
    files = random.Random(seed).sample(files, len(files))  # so that any part is a fair one
    for number in range(count):
        if monotonic() > ends:
            break
        path = files[number % len(files)]
        operator = operator_of(seed, number)
        name = f"{path.name} {operator.__name__} {seed}:{number}"
        whole = path.read_bytes()
        result = road.measure(mutant(whole, seed=seed, number=number), name=name, figures=figures)
        if operator in LIGHT:
            wanted = titles(road.read(whole, name=path.name))
            figures.kept["all"] += len(wanted)
            figures.kept["kept"] += len(wanted & titles(result))
    return figures


def main() -> None:
    """Run by hand and print the figures."""
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("--count", type=int, default=14_000)
    asked.add_argument("--seed", type=int, default=1)
    args = asked.parse_args()
    shared = os.environ.get("KILLSWITCH_SHARED")
    files = shared_xml(Path(shared)) if shared else own_feeds()
    with Road() as road:
        figures = run(road, files, seed=args.seed, count=args.count)
    print("\n".join(figures.lines()))  # noqa: T201 - a tool for a terminal


if __name__ == "__main__":
    main()
