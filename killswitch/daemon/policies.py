"""Turn settings into the frozen values that the rooms work with: the one place that reads both."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta

from killswitch.channels.file import FileChannel
from killswitch.channels.frame import Channel
from killswitch.channels.webhook import WebhookChannel
from killswitch.clock import Clock
from killswitch.daemon.eyes import SightPolicy
from killswitch.desk.context import QueuePolicy
from killswitch.net import Door, NetPolicy
from killswitch.queue.rules import ChannelRules
from killswitch.settings import Settings
from killswitch.settings.tree import FileChannel as FileSettings
from killswitch.watch.watcher import Feed, WatchPolicy

# Servers may see who reads them and how to reach us.
USER_AGENT = "killswitch/{version} (+https://github.com/killswitch/killswitch)"


def feeds_of(settings: Settings) -> tuple[Feed, ...]:
    """Return the watched feeds."""
    return tuple(
        Feed(
            name=one.name,
            url=one.url,
            outlet=one.outlet,
            group=one.group,
            kind=one.kind,
            trusted=one.trusted,
            interval=one.interval,
            language=one.language,
            country=one.country,
        )
        for one in settings.feeds
    )


def watch_policy(settings: Settings) -> WatchPolicy:
    """Return what the watcher must know."""
    return WatchPolicy(settings.watch.fresh, settings.watch.max_item_age)


def sight_policy(settings: Settings) -> SightPolicy:
    """Return when sight is good."""
    watch, detect = settings.watch, settings.detect
    return SightPolicy(
        watch.fresh,
        watch.blind_after,
        watch.min_alive,
        watch.max_item_age,
        detect.outlets,
        detect.single_trusted,
    )


def persons_of(settings: Settings) -> dict[str, frozenset[str]]:
    """
    Return, by login or name, the persons that it stands for.

    A table of ``[[people]]`` without groups is one person with all logins of theirs; one with
    groups is a team.
    """
    found: dict[str, frozenset[str]] = {}
    for person in settings.people:
        if not person.groups:
            for name in (person.name, *person.users):
                found[name] = found.get(name, frozenset()) | {person.name}
    return found


def queue_policy(settings: Settings) -> QueuePolicy:
    """Return what the desk must know of the queue."""
    queue = settings.queue
    return QueuePolicy(
        release_gap=queue.release_gap,
        lead=queue.lead,
        stale_after=queue.stale_after,
        horizon=queue.horizon,
        horizon_tags=queue.horizon_tags,
        confirm_within=queue.confirm_within,
        approve=queue.approve,
    )


def limits_of(settings: Settings) -> Mapping[str, ChannelRules]:
    """Return the limits of every channel; what a channel leaves open is the queue's."""
    queue = settings.queue
    return {
        one.name: ChannelRules(
            name=one.name,
            late_after=_or(one.late_after, queue.late_after),
            min_gap=_or(one.min_gap, queue.min_gap),
            max_per_hour=(queue.max_per_hour if one.max_per_hour is None else one.max_per_hour),
            hard_cap=0 if one.kind == "file" else queue.hard_cap,
        )
        for one in settings.channels
    }


def _or(own: timedelta | None, common: timedelta) -> timedelta:
    return common if own is None else own


def channels_of(settings: Settings, *, door: Door, clock: Clock) -> Mapping[str, Channel]:
    """Build the channels."""
    channels: dict[str, Channel] = {}
    for one in settings.channels:
        if isinstance(one, FileSettings):
            channels[one.name] = FileChannel(one.name, one.path, clock=clock)
        else:
            channels[one.name] = WebhookChannel(
                one.name,
                one.url,
                secret=one.secret.get_secret_value(),
                repeat_safe=one.repeat_safe,
                probe_url=one.probe_url,
                delete_url=one.delete_url,
                door=door,
                clock=clock,
            )
    return channels


def door_of(settings: Settings, *, version: str, clock: Clock) -> Door:
    """Build the door to the network."""
    policy = NetPolicy(allow_private=settings.network.allow_private)
    return Door(policy, user_agent=USER_AGENT.format(version=version), clock=clock)
