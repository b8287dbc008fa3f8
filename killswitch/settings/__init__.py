"""
Everything configurable: find it, load it, check it, show it.

``load`` is the door; rooms get values, never this tree. The command line's panic path does not
import this package: pydantic alone costs more time than a pause may take.
"""

from __future__ import annotations

from killswitch.settings.describe import describe
from killswitch.settings.durations import Duration, format_duration, parse_duration
from killswitch.settings.exposed import exposed
from killswitch.settings.kinds import QuietHours
from killswitch.settings.load import load
from killswitch.settings.places import find_config
from killswitch.settings.problems import BrokenConfigError, Problem
from killswitch.settings.tree import (
    ChannelSettings,
    ControlSettings,
    DetectSettings,
    FeedSettings,
    FileChannel,
    NetworkSettings,
    NotifySettings,
    PersonSettings,
    QueueSettings,
    RelaySettings,
    Settings,
    StoreSettings,
    WatchSettings,
    WebhookChannel,
)

__all__ = [
    "BrokenConfigError",
    "ChannelSettings",
    "ControlSettings",
    "DetectSettings",
    "Duration",
    "FeedSettings",
    "FileChannel",
    "NetworkSettings",
    "NotifySettings",
    "PersonSettings",
    "Problem",
    "QueueSettings",
    "QuietHours",
    "RelaySettings",
    "Settings",
    "StoreSettings",
    "WatchSettings",
    "WebhookChannel",
    "describe",
    "exposed",
    "find_config",
    "format_duration",
    "load",
    "parse_duration",
]
