"""
Feeds of all kinds and damaged feeds, through the door, the fetch and the parser: nothing dies.

``KILLSWITCH_SHARED`` names the folder of other parsers' corpora; ``KILLSWITCH_MUTANTS_S`` how many
seconds to spend on mutants (a few by default). Which mutants they are follows from the seed that
pytest-randomly prints; ``python -m tests.edge.mutants`` runs as many as one likes.
"""

from __future__ import annotations

import os
import random

import pytest

from tests.edge import mutants
from tests.edge.mutate import OPERATORS, mutant
from tests.edge.road import Figures, Road, own_feeds, shared_feeds, shared_xml, titles

BUDGET_S = float(os.environ.get("KILLSWITCH_MUTANTS_S", "8"))
ALL = 10**9
ITEMS = {
    "alerts": 2, "atom": 3, "latin1": 2, "long": 60, "media": 2, "messages": 3, "rss091": 2,
    "rss10": 2, "rss20": 4, "utf16": 2,
}  # fmt: skip


@pytest.fixture(scope="module")
def road():
    with Road() as made:
        yield made


@pytest.mark.parametrize("path", own_feeds(), ids=lambda path: path.stem)
def test_every_feed_of_our_own_is_read_whole(road, path):
    body = path.read_bytes()
    result = road.read(body)
    assert result.feed.problem is None
    assert len(result.feed.items) >= body.replace(b"\0", b"").count(b"</item>") > 0 or titles(
        result
    )
    assert all(item.title for item in result.feed.items)


@pytest.mark.parametrize("operator", OPERATORS, ids=lambda operator: operator.__name__)
def test_damage_is_the_same_each_time_and_is_damage(operator):
    data = own_feeds()[0].read_bytes()
    first = operator(data, random.Random("1"))
    assert first == operator(data, random.Random("1"))
    assert first != data
    for small in (b"", b"<", b"<rss></rss>"):
        assert isinstance(operator(small, random.Random("1")), bytes)


def test_a_mutant_is_known_by_its_seed_and_number():
    data = own_feeds()[0].read_bytes()
    assert mutant(data, seed=7, number=3) == mutant(data, seed=7, number=3)
    assert len({mutant(data, seed=7, number=number) for number in range(20)}) > 15


def holds(figures: Figures) -> None:
    print("\n".join(figures.lines()))  # noqa: T201 - what pytest shows of a failure
    assert figures.dead == []
    assert figures.bad_items == []
    assert figures.outcomes["parser"] == 0


def many(road: Road, files) -> Figures:
    seed = random.randrange(10**6)
    figures = mutants.run(road, files, seed=seed, count=ALL, budget_s=BUDGET_S / 2)
    holds(figures)
    assert figures.kept["kept"] >= 0.6 * figures.kept["all"]
    return figures


@pytest.mark.timeout(60 + 2 * BUDGET_S)
def test_damaged_feeds_of_our_own_harm_nobody(road):
    assert many(road, own_feeds()).outcomes["degraded"] > 0


@pytest.mark.timeout(60 + 2 * BUDGET_S)
def test_damaged_feeds_of_other_parsers_corpora_harm_nobody(road, shared_dir):
    many(road, shared_xml(shared_dir))


@pytest.mark.timeout(600)
def test_every_file_of_other_parsers_corpora_is_a_feed_or_a_refusal(road, shared_dir):
    figures = Figures()
    for path in shared_feeds(shared_dir):
        road.measure(path.read_bytes(), name=str(path), figures=figures)
    holds(figures)
    assert figures.outcomes["good"] > 4000
