"""
``killswitch demo``: the main job before your eyes, with nothing set up.

The real daemon as a process of its own, real HTTP, the real store, the real clock; only settings
make it fast. Everything else is done by the commands that are shown. Exit 0 only if every fact
that it ends with was checked.
"""

from __future__ import annotations

import argparse
import json
import signal
import sys
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

_ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

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
    stage = Stage(clock, fast=args.fast, stream=sys.stderr if args.json else sys.stdout)
    house = House(stage)
    failure: str | None = "it broke off"
    with _interruptible():
        try:
            _perform(clock, stage, house, fast=args.fast)
            failure = None
        except DemoFailed as error:
            failure = str(error)
        except KeyboardInterrupt:
            failure = "interrupted"
            raise
        finally:
            _end(stage, house, failure)
    if args.json:
        told = {"ok": failure is None, "problem": failure, "checked": stage.checked}
        sys.stdout.write(json.dumps(told, ensure_ascii=False) + "\n")
    return Exit.DONE if failure is None else Exit.FAILED


def _perform(clock: Clock, stage: Stage, house: House, *, fast: bool) -> None:
    def tell(one: Arrival) -> None:
        if not one.signed:
            stage.tell(f"the webhook refused a post: {one.text}", style="bold red")

    newsroom, shop, pager = Newsroom(clock), Shop(clock, tell), Pager(clock)
    feeds = [(outlet, newsroom.url(outlet)) for outlet in OUTLETS]
    where = config.Addresses(f"{shop.server.url}/posts", shop.secret, pager.address, feeds)
    house.config.write_text(config.toml(house.state_dir, where), encoding="utf-8")
    stage.tell(
        "killswitch stops a team's posts when the news turns bad. This is the real daemon in "
        f"{house.folder}; its KILLSWITCH_CONFIG differs from yours only in speed."
    )
    slow = 1 if fast else _SLOW
    play = Play(clock, stage, house, newsroom, shop, pager, slow=slow)
    for act in _ACTS:
        act(play)


def _end(stage: Stage, house: House, failure: str | None) -> None:
    """Leave no process and no folder behind, whoever presses what meanwhile."""
    for number in _ENDING:
        signal.signal(number, signal.SIG_IGN)
    log = house.close(keep_log=failure is not None)
    if failure is None:
        stage.tell("All of it was checked. Nothing of it is left on this machine.", style="bold")
        return
    stage.tell(f"THE DEMONSTRATION FAILED: {failure}", style="bold red")
    if log is not None:
        stage.tell(f"The daemon's log: {log}")


@contextmanager
def _interruptible() -> Iterator[None]:
    """Let every polite way to end a program end this one with its cleaning up."""

    def interrupt(_number: int, _frame: FrameType | None) -> NoReturn:
        raise KeyboardInterrupt

    before = {number: signal.signal(number, interrupt) for number in _ENDING}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
