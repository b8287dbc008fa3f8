"""Whole numbers on the command line, within bounds, refused in words."""

from __future__ import annotations

import argparse
from collections.abc import Callable

MANY = 1_000_000
"""More rows than anybody asks a terminal for."""
VERSION_MOST = 2**53
"""Numbers are exact in every JSON reader up to here."""


def whole(least: int, most: int) -> Callable[[str], int]:
    """
    Make the reader of a whole number.

    Args:
        least: The smallest that is taken.
        most: The largest.

    Returns:
        What argparse takes as ``type``; it refuses in words that say what to write.
    """

    def read(text: str) -> int:
        try:
            value = int(text)
        except ValueError:
            problem = f"{text[:40]!r} is no whole number: write one from {least} to {most}"
            raise argparse.ArgumentTypeError(problem) from None
        if not least <= value <= most:
            problem = f"{text[:40]} is out of range: write a whole number from {least} to {most}"
            raise argparse.ArgumentTypeError(problem)
        return value

    return read
