"""What the brand's settings say about detection, as one frozen value."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta

from killswitch.news.alerts import AlertPolicy
from killswitch.news.levels import LevelPolicy


@dataclass(frozen=True, slots=True, kw_only=True)
class DetectPolicy:
    """
    How headlines are graded and when a story pauses (settings ``[detect]``).

    Attributes:
        languages: ISO 639-1 codes to use; none means every list that was handed in.
        countries: Lower-case ISO 3166-1 codes of the brand's public.
        names: The brand's own names and places: news about them weighs more.
        subjects: Its names, products, sponsors and staff, as news about them as well: one grave
            report that names one of them is enough.
        terms: The user's own words; a headline with one of them is graded ``trip``.
        ignore: Regular expressions; a headline that one of them finds is graded ``none``.
        outlets: Independent newsrooms that must report a story.
        window: Time inside which they must report it, counted from first seen.
        unconfirmed: How long posts wait after a first report of too few outlets; zero is off.
        single_trusted: One severe report of a trusted outlet is enough.
        mute_quiet: A settled story stays muted until it was quiet for so long.
        mute_max: A settled story is never muted longer.
        levels: Which confirmed stories pause, and of which people are only told.
        alerts: What official alerts do.
    """

    languages: tuple[str, ...] = ()
    countries: tuple[str, ...] = ()
    names: tuple[str, ...] = ()
    subjects: tuple[str, ...] = ()
    terms: tuple[str, ...] = ()
    ignore: tuple[str, ...] = ()
    outlets: int = 2
    window: timedelta = timedelta(hours=6)
    unconfirmed: timedelta = timedelta(minutes=10)
    single_trusted: bool = False
    mute_quiet: timedelta = timedelta(hours=72)
    mute_max: timedelta = timedelta(days=30)
    levels: LevelPolicy = field(default_factory=LevelPolicy)
    alerts: AlertPolicy = field(default_factory=AlertPolicy)
