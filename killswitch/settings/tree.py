"""
Everything configurable: one typed, frozen tree.

The meaning of each setting for operators stands in ``config.example.toml`` and
``docs/configuration.md``. Invariants: unknown keys are refused; nothing here reads the
environment or a file, so ``Settings(...)`` in a test is exactly what it says; secrets are
``SecretStr``; every path is absolute.
"""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any, Literal, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, PrivateAttr, model_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from killswitch.settings.durations import Duration, Positive
from killswitch.settings.kinds import (
    AbsolutePath,
    ChannelName,
    Command,
    Country,
    DeleteAddress,
    Language,
    LevelFrom,
    LevelKind,
    Name,
    NoticeAddress,
    Pattern,
    PrivateNetwork,
    ProbeAddress,
    Quiet,
    Secret,
    Share,
    StoreAddress,
    WebAddress,
    Whole,
    Word,
    Zone,
    not_empty,
)
from killswitch.settings.places import machine_zone

Mode = Literal["live", "rehearsal", "guard"]
FeedKind = Literal["news", "alert", "aggregator"]
AlertSeverity = Literal["minor", "moderate", "severe", "extreme", "never"]
Role = Literal["viewer", "pauser", "author", "approver", "resumer", "admin"]

Count = Annotated[Whole, Field(ge=0, le=100_000)]
"""A number of posts; zero switches the limit off."""


class Section(BaseModel):
    """Base of every table: frozen, strangers refused, secrets out of every error text."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", validate_default=False, hide_input_in_errors=True
    )


class StoreSettings(Section):
    """Where the truth lives; the address may hold a password."""

    url: StoreAddress


class ControlSettings(Section):
    """Where the daemon listens for the command line."""

    socket: AbsolutePath


class NetworkSettings(Section):
    """Which private ranges feeds, webhooks and channels may reach; none by default."""

    allow_private: tuple[PrivateNetwork, ...] = ()


class FeedSettings(Section):
    """
    One watched feed.

    ``outlet`` defaults to the host of the address without ``www.``, ``group`` to the outlet.
    """

    name: Name
    url: WebAddress
    outlet: Name = ""
    group: Name = ""
    language: Language | None = None
    country: Country | None = None
    interval: Positive = timedelta(minutes=2)
    kind: FeedKind = "news"
    trusted: bool = False

    @model_validator(mode="before")
    @classmethod
    def _name_the_newsroom(cls, data: Any) -> Any:
        if not isinstance(data, dict):
            return data
        outlet = data.get("outlet", _host(data.get("url")))
        return {**data, "outlet": outlet, "group": data.get("group", outlet)}


class WatchSettings(Section):
    """How recently, and by how many live feeds, the news must have been read."""

    fresh: Positive = timedelta(minutes=5)
    blind_after: Positive = timedelta(hours=1)
    min_alive: Annotated[Share, Field(gt=0, le=1)] = 0.5
    max_item_age: Positive = timedelta(hours=12)
    keep: Positive = timedelta(days=35)


class DetectSettings(Section):
    """When a story pauses the queue; empty ``languages`` mean all that are shipped."""

    languages: tuple[Language, ...] = ()
    countries: tuple[Country, ...] = ()
    outlets: Annotated[Whole, Field(ge=1, le=20)] = 2
    window: Positive = timedelta(hours=6)
    unconfirmed: Duration = timedelta(minutes=10)
    single_trusted: bool = False
    names: tuple[Word, ...] = ()
    terms: tuple[Word, ...] = ()
    ignore: tuple[Pattern, ...] = ()
    mute_quiet: Positive = timedelta(hours=72)
    mute_max: Positive = timedelta(days=30)


class BrandSettings(Section):
    """What is ours; one grave report that names any of it but a place is enough."""

    names: tuple[Word, ...] = ()
    products: tuple[Word, ...] = ()
    sponsors: tuple[Word, ...] = ()
    staff: tuple[Word, ...] = ()
    places: tuple[Word, ...] = ()


class LevelsSettings(Section):
    """
    Which confirmed stories pause, and of which people are only told.

    Empty ``near`` and ``far`` mean that all pause; empty ``places`` are ``detect.countries``.
    """

    near: dict[LevelKind, LevelFrom] = Field(default_factory=dict)
    far: dict[LevelKind, LevelFrom] = Field(default_factory=dict)
    places: tuple[Word, ...] = ()
    world: Annotated[Whole, Field(ge=1, le=50)] = 3
    world_within: Positive = timedelta(hours=12)


class AlertsSettings(Section):
    """What official alerts do; empty ``countries`` are ``detect.countries``."""

    pause: AlertSeverity = "extreme"
    tell: AlertSeverity = "severe"
    tell_far: AlertSeverity = "extreme"
    tell_weather: AlertSeverity = "extreme"
    countries: tuple[Country, ...] = ()
    areas: tuple[Word, ...] = ()


class FileChannel(Section):
    """A channel that appends lines to a file; it has no gap and no cap unless it says so."""

    name: ChannelName
    kind: Literal["file"]
    path: AbsolutePath
    late_after: Positive | None = None
    min_gap: Duration | None = timedelta(0)
    max_per_hour: Count | None = 0


class WebhookChannel(Section):
    """A channel that posts signed JSON; ``None`` means the value of ``[queue]``."""

    name: ChannelName
    kind: Literal["webhook"]
    url: WebAddress
    secret: Secret
    repeat_safe: bool = False
    probe_url: ProbeAddress | None = None
    delete_url: DeleteAddress | None = None
    late_after: Positive | None = None
    min_gap: Duration | None = None
    max_per_hour: Count | None = None


ChannelSettings = Annotated[FileChannel | WebhookChannel, Field(discriminator="kind")]
"""One account on one network; a new network is one more class in this union."""


class QueueSettings(Section):
    """How posts leave; a gap of zero or a cap of 0 is switched off."""

    late_after: Positive = timedelta(minutes=15)
    min_gap: Duration = timedelta(minutes=5)
    max_per_hour: Count = 12
    release_gap: Duration = timedelta(minutes=15)
    lead: Duration = timedelta(minutes=30)
    stale_after: Positive = timedelta(hours=24)
    horizon: Positive = timedelta(days=30)
    horizon_tags: dict[Name, Positive] = Field(default_factory=lambda: {"promo": timedelta(days=7)})
    confirm_within: Positive = timedelta(hours=72)
    approve: bool = False
    hard_cap: Count = 30


class NotifySettings(Section):
    """Who is told; ``next`` are the lists that join one by one until somebody answers."""

    urls: tuple[NoticeAddress, ...] = ()
    next: tuple[tuple[NoticeAddress, ...], ...] = ()
    repeat: Positive = timedelta(minutes=15)
    quiet: Quiet = None
    also_stop: tuple[Name, ...] = ()


class RelaySettings(Section):
    """What runs at pause and resume: a command, or a signed webhook."""

    name: Name
    command: Command | None = None
    url: WebAddress | None = None
    secret: Secret | None = None

    @model_validator(mode="after")
    def _command_or_webhook(self) -> Self:
        if (self.command is None) == (self.url is None):
            raise ValueError("a relay has either a command or a url with its secret: write one")
        if self.url is not None and self.secret is None:
            raise ValueError('a relay with a url signs its calls: write secret = "credential:NAME"')
        if self.url is None and self.secret is not None:
            raise ValueError("a relay with a command needs no secret: take it out")
        return self


class PersonSettings(Section):
    """Somebody with rights: login names or groups of the machine, and roles."""

    name: Name
    users: tuple[Name, ...] = ()
    groups: tuple[Name, ...] = ()
    roles: Annotated[tuple[Role, ...], AfterValidator(not_empty)]

    @model_validator(mode="after")
    def _somebody(self) -> Self:
        if not self.users and not self.groups:
            raise ValueError('nobody is named: write users = ["lea"] or groups = ["social"]')
        return self


class Settings(BaseSettings):
    """The whole configuration; ``load`` builds it, tests may build it directly."""

    model_config = SettingsConfigDict(
        frozen=True, extra="forbid", env_file=None, hide_input_in_errors=True
    )

    mode: Mode = "live"
    state_dir: AbsolutePath
    timezone: Zone = Field(default_factory=machine_zone)
    language: Literal["en", "fr"] = "en"
    store: StoreSettings
    control: ControlSettings
    network: NetworkSettings = NetworkSettings()
    feeds: tuple[FeedSettings, ...] = ()
    watch: WatchSettings = WatchSettings()
    detect: DetectSettings = DetectSettings()
    brand: BrandSettings = BrandSettings()
    levels: LevelsSettings = LevelsSettings()
    alerts: AlertsSettings = AlertsSettings()
    channels: tuple[ChannelSettings, ...] = ()
    queue: QueueSettings = QueueSettings()
    notify: NotifySettings = NotifySettings()
    relays: tuple[RelaySettings, ...] = ()
    people: tuple[PersonSettings, ...] = ()

    _sources: dict[tuple[str | int, ...], str] = PrivateAttr(default_factory=dict)

    @property
    def countries(self) -> tuple[str, ...]:
        """The countries whose terms count: ``detect.countries``, else those of the feeds."""
        return self.detect.countries or tuple(
            sorted({feed.country for feed in self.feeds if feed.country})
        )

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],  # noqa: ARG003 - the signature is pydantic-settings'
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - as above
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - as above
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - as above
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Take only what is handed in: ``load`` reads the sources, from the mapping it is given."""
        return (init_settings,)

    @model_validator(mode="before")
    @classmethod
    def _live_in_the_state_directory(cls, data: Any) -> Any:
        """Place the store, the socket and relative file channels under ``state_dir``."""
        home = data.get("state_dir")
        if not isinstance(home, str | Path):
            return data
        home = Path("/", home)  # a relative one is refused by its own field, once
        placed = dict(data)
        placed["store"] = _with(data.get("store"), "url", f"sqlite:///{home}/killswitch.db")
        placed["control"] = _with(data.get("control"), "socket", home / "control.sock")
        if isinstance(data.get("channels"), list | tuple):
            placed["channels"] = [_under(home, channel) for channel in data["channels"]]
        return placed


def _with(table: Any, key: str, value: object) -> Any:
    if table is None:
        return {key: value}
    return {key: value, **table} if isinstance(table, dict) else table


def _under(home: Path, channel: Any) -> Any:
    path = channel.get("path") if isinstance(channel, dict) else None
    if not isinstance(path, str) or not path:
        return channel
    return {**channel, "path": home / path}


def _host(url: object) -> str:
    """Read the outlet of an address; an address that is wrong is refused by its own field."""
    try:
        host = urlsplit(url).hostname if isinstance(url, str) else None
    except ValueError:
        host = None
    return (host or "unknown").removeprefix("www.")
