"""What whole-process tests share: a short folder, a newsroom and its server."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.edge.house import Newsroom, a_folder
from tests.edge.raw_server import RawServer


@pytest.fixture
def folder() -> Iterator[Path]:
    with a_folder() as made:
        yield made


@pytest.fixture
def newsroom() -> Newsroom:
    return Newsroom()


@pytest.fixture
def newsroom_server(newsroom: Newsroom) -> Iterator[RawServer]:
    with RawServer(newsroom) as running:
        yield running
