"""
The settings of detection as the frozen values that ``news`` works with.

Shared by the daemon and by the commands that replay or explain, so that both judge alike.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from killswitch.news.alerts import NEVER as NO_ALERT
from killswitch.news.alerts import AlertPolicy, Severity
from killswitch.news.fold import fold
from killswitch.news.levels import ALWAYS, NEVER, LevelPolicy, near_places
from killswitch.news.policy import DetectPolicy

if TYPE_CHECKING:
    from killswitch.settings import Settings


def detect_policy(settings: Settings) -> DetectPolicy:
    """Return when a headline and a story pause."""
    detect, brand = settings.detect, settings.brand
    return DetectPolicy(
        languages=detect.languages,
        countries=settings.countries,
        names=(*detect.names, *brand.places),
        subjects=(*brand.names, *brand.products, *brand.sponsors, *brand.staff),
        terms=detect.terms,
        ignore=detect.ignore,
        outlets=detect.outlets,
        window=detect.window,
        unconfirmed=detect.unconfirmed,
        single_trusted=detect.single_trusted,
        mute_quiet=detect.mute_quiet,
        mute_max=detect.mute_max,
        levels=_levels(settings),
        alerts=_alerts(settings),
    )


_LEVEL_WORDS = {"pause": ALWAYS, "tell": NEVER}


def _levels(settings: Settings) -> LevelPolicy:
    """Return which stories pause and which are only told."""
    levels = settings.levels

    def scores(rules: Mapping[str, str | float]) -> Mapping[str, float]:
        return {
            kind: _LEVEL_WORDS[least] if isinstance(least, str) else least
            for kind, least in rules.items()
        }

    return LevelPolicy(
        near=scores(levels.near),
        far=scores(levels.far),
        places=near_places((*(levels.places or settings.countries), *settings.brand.places)),
        world=levels.world,
        within=levels.world_within,
    )


def _alerts(settings: Settings) -> AlertPolicy:
    """Return what official alerts do."""
    alerts = settings.alerts
    limits = {severity.name.lower(): int(severity) for severity in Severity} | {"never": NO_ALERT}
    return AlertPolicy(
        pause=limits[alerts.pause],
        tell=limits[alerts.tell],
        tell_far=limits[alerts.tell_far],
        tell_weather=limits[alerts.tell_weather],
        countries=frozenset(alerts.countries or settings.countries),
        areas=tuple(fold(area).strip() for area in alerts.areas),
    )
