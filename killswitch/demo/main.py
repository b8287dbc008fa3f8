"""
``killswitch demo``: the main job before your eyes, with nothing set up.

The real daemon as a process of its own, real HTTP, the real store, the real clock; only settings
make it fast. Everything else is done by the commands that are shown. Exit 0 only if every fact
that it ends with was checked.
"""

from __future__ import annotations

import argparse
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import NoReturn

from killswitch.clock import Clock, SystemClock
from killswitch.demo import config, proof, story_acts, trial_acts
from killswitch.demo.headlines import OUTLETS
from killswitch.demo.house import House
from killswitch.demo.newsroom import Newsroom
from killswitch.demo.play import Play
from killswitch.demo.receivers import Arrival, Pager, Shop
from killswitch.demo.stage import DemoFailed, Stage
from killswitch.errors import Exit

INTERRUPTED = 130
"""What shells say of a process that Ctrl-C ended."""

# With pauses for reading, posts are due further apart.
_SLOW = 2

_ACTS = (
    story_acts.ordinary,
    story_acts.one_outlet,
    story_acts.pause,
    story_acts.would_have_left,
    story_acts.triage_and_resume,
    trial_acts.blind,
    trial_acts.hung,
    proof.facts,
)


def main(args: argparse.Namespace) -> int:
    """Play all acts; ``args.fast`` leaves the pauses for reading out."""
    clock = SystemClock()
    stage = Stage(clock, fast=args.fast)
    with _signals_interrupt():
        house = House(stage)
        failure: str | None = "interrupted"
        try:
            _perform(clock, stage, house, fast=args.fast)
            failure = None
        except DemoFailed as error:
            failure = str(error)
        finally:
            log = house.close(keep_log=failure is not None)
            _tell_end(stage, failure, log)
    return Exit.DONE if failure is None else Exit.FAILED
