"""
The parts of a daemon that the settings shape: built together, replaced together by a reload.

What outlives a reload is handed in as ``Lasting``; nothing here keeps anything of its own.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from pathlib import Path
from zoneinfo import ZoneInfo

from killswitch import __version__, media
from killswitch.clock import Clock
from killswitch.daemon import policies
from killswitch.daemon.eyes import Eyes
from killswitch.desk.context import Context, Hooks, PendingPause
from killswitch.flags import FlagDir
from killswitch.gate import Gate
from killswitch.latch import Inhibits
from killswitch.news.grade import Detector
from killswitch.settings import Settings
from killswitch.store.deliveries import Delivery
from killswitch.store.engine import Store
from killswitch.watch.grader import Grader
from killswitch.watch.lexicons import load_lexicons
from killswitch.watch.parsers import Parsers
from killswitch.watch.policies import detect_policy
from killswitch.watch.watcher import Watcher


@dataclass(frozen=True, slots=True)
class Parts:
    """What a reload replaces, all at once."""

    settings: Settings
    context: Context
    gate: Gate
    watcher: Watcher
    grader: Grader
    eyes: Eyes


@dataclass(frozen=True, slots=True)
class Lasting:
    """
    What outlives a reload.

    Attributes:
        hooks: What the desk asks of the daemon.
        pending: Pauses that no store has taken yet.
        incarnation: Which start of the daemon this is.
        closing: Set once the daemon ends.
        clock_is_steady: Says whether a reading of the wall clock may be acted on.
        wake: Lets one loop look at once, by its name.
    """

    store: Store
    clock: Clock
    flags: FlagDir
    inhibits: Inhibits
    parsers: Parsers
    hooks: Hooks
    pending: dict[str, PendingPause]
    incarnation: int
    closing: threading.Event
    clock_is_steady: Callable[[datetime], bool]
    wake: Callable[[str], None]


def build(settings: Settings, lasting: Lasting, *, eyes: Eyes | None = None) -> Parts:
    """
    Build what the settings shape; it raises before anything is replaced.

    Args:
        settings: The configuration.
        lasting: What stays.
        eyes: Those of before, which have seen something already.
    """
    clock, store = lasting.clock, lasting.store
    door = policies.door_of(settings, version=__version__, clock=clock)
    channels = policies.channels_of(settings, door=door, clock=clock)
    limits = policies.limits_of(settings)
    feeds = policies.feeds_of(settings)
    detect = detect_policy(settings)
    seeing = Eyes(
        store,
        clock=clock,
        feeds=feeds,
        policy=policies.sight_policy(settings),
        inhibits=lasting.inhibits,
        on_trip=lasting.hooks.wake,
    )
    if eyes is not None:
        seeing.take_over(eyes)
    grader = Grader(
        store,
        clock=clock,
        detector=Detector(load_lexicons(detect.languages), detect),
        policy=detect,
        feeds=feeds,
        inhibits=lasting.inhibits,
        rehearsal=settings.mode == "rehearsal",
        on_trip=lasting.hooks.wake,
    )
    watcher = Watcher(
        store,
        clock=clock,
        door=door,
        parsers=lasting.parsers,
        feeds=feeds,
        policy=policies.watch_policy(settings),
        on_new=lambda: lasting.wake("grade"),
    )
    context = Context(
        store=store,
        clock=clock,
        flags=lasting.flags,
        inhibits=lasting.inhibits,
        channels=channels,
        limits=limits,
        queue=policies.queue_policy(settings),
        detect=detect,
        hooks=lasting.hooks,
        state_dir=Path(settings.state_dir),
        zone=ZoneInfo(settings.timezone),
        language=settings.language,
        mode=settings.mode,
        also_stop=settings.notify.also_stop,
        relays=tuple(relay.name for relay in settings.relays),
        on_call=tuple(one.name for one in settings.people if {"resumer", "admin"} & set(one.roles)),
        persons=policies.persons_of(settings),
        pending=lasting.pending,
    )
    gate = Gate(
        store,
        clock=clock,
        flags=lasting.flags,
        inhibits=lasting.inhibits,
        sight_is_fresh=seeing.is_fresh,
        clock_is_steady=lasting.clock_is_steady,
        channels=channels,
        limits=limits,
        content_is_whole=partial(_content_is_whole, context),
        incarnation=lasting.incarnation,
        closing=lasting.closing,
    )
    return Parts(settings, context, gate, watcher, grader, seeing)


def _content_is_whole(context: Context, one: Delivery) -> bool:
    """Say whether the media of a delivery are still the bytes that were approved."""
    files = ((m.path, m.sha256) for m in one.content.media)
    return media.is_whole(context.media_dir, files)


def changed_paths(old: Mapping[str, object], new: Mapping[str, object]) -> list[str]:
    """Name the settings that differ, by their path; list entries as a whole."""
    found: list[str] = []
    for key in sorted(old.keys() | new.keys()):
        before, after = old.get(key), new.get(key)
        if isinstance(before, dict) and isinstance(after, dict):
            found += [f"{key}.{path}" for path in changed_paths(before, after)]
        elif before != after:
            found.append(key)
    return found
