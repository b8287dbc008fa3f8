"""The example, the documentation and the feed lists say what the settings really are."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from killswitch.cli import init
from killswitch.settings import describe, load
from killswitch.settings.shape import variables

ROOT = Path(__file__).parents[2]
EXAMPLE = (ROOT / "config.example.toml").read_text(encoding="utf-8")
UNCOMMENTED = re.sub(r"(?m)^#(?=[a-z_\[])", "", EXAMPLE)
ENV = {"HOME": "/home/lea"}
DEFAULTS_SHOWN = ("watch", "detect", "brand", "levels", "alerts", "queue", "notify")
EXAMPLES = {
    "detect.languages",
    "detect.countries",
    "detect.names",
    "detect.terms",
    "detect.ignore",
    "brand.names",
    "brand.products",
    "brand.sponsors",
    "brand.staff",
    "brand.places",
    "alerts.countries",
    "alerts.areas",
    "levels.near",
    "levels.far",
    "levels.places",
    "notify.urls",
    "notify.next",
    "notify.quiet",
    "notify.also_stop",
}


def _credentials(tmp_path: Path) -> dict[str, str]:
    for name in ("shop-hook", "newsletter-hook"):
        (tmp_path / name).write_text("secret\n")
    for name in ("phone-karim", "phone-director"):
        (tmp_path / name).write_text("ntfy://ntfy.example.org/x\n")
    return ENV | {"CREDENTIALS_DIRECTORY": str(tmp_path)}


def test_the_example_loads_as_it_stands() -> None:
    settings = load(ROOT / "config.example.toml", env=ENV)
    assert len(settings.feeds) == 4
    assert [channel.name for channel in settings.channels] == ["outbox"]


def test_the_example_loads_with_everything_uncommented(tmp_path: Path) -> None:
    file = tmp_path / "all.toml"
    file.write_text(UNCOMMENTED, encoding="utf-8")
    settings = load(file, env=_credentials(tmp_path))
    assert len(settings.feeds) >= 15
    assert {feed.language for feed in settings.feeds} == {"en", "fr"}
    assert {channel.kind for channel in settings.channels} == {"file", "webhook"}
    assert settings.relays
    assert settings.people


def test_the_example_shows_the_true_defaults(tmp_path: Path) -> None:
    file = tmp_path / "all.toml"
    file.write_text(UNCOMMENTED, encoding="utf-8")
    shown = {path: value for path, value, _ in describe(load(file, env=_credentials(tmp_path)))}
    standard = {path: value for path, value, _ in describe(load(None, env=ENV))}
    told = {path for path in standard if path.split(".")[0] in DEFAULTS_SHOWN} - EXAMPLES
    assert {path: shown[path] for path in told} == {path: standard[path] for path in told}


def _settings_of_the_tree() -> Iterator[str]:
    lists = {
        "feeds": "name url outlet group language country interval kind trusted",
        "channels": "name kind path url secret repeat_safe probe_url delete_url late_after min_gap "
        "max_per_hour",
        "relays": "name command url secret",
        "people": "name users groups roles",
    }
    for path in variables().values():
        if path[0] in lists:
            yield from (f"{path[0]}.{key}" for key in lists[path[0]].split())
        elif len(path) > 1 or path[0] in {"mode", "state_dir", "timezone", "language"}:
            yield ".".join(path)


@pytest.mark.parametrize("setting", sorted(set(_settings_of_the_tree())))
def test_every_setting_stands_in_the_example_and_in_the_documentation(setting: str) -> None:
    table, _, key = setting.rpartition(".")
    data = tomllib.loads(UNCOMMENTED)
    rows = data.get(table, data) if table else data
    keys = {name for row in rows for name in row} if isinstance(rows, list) else set(rows)
    assert key in keys
    docs = (ROOT / "docs" / "configuration.md").read_text(encoding="utf-8")
    assert f"`{setting}`" in docs


@pytest.mark.parametrize("country", init.countries())
def test_the_feeds_of_each_country_make_a_working_configuration(
    tmp_path: Path, country: str
) -> None:
    listed = init.feed_list(country)
    file = tmp_path / "killswitch.toml"
    file.write_text(init.compose(init.Choices(country, listed["timezone"])), encoding="utf-8")
    settings = load(file, env=ENV)
    assert settings.timezone == listed["timezone"]
    assert len({feed.group for feed in settings.feeds}) >= 3
    assert country in settings.countries
    assert any(feed.language in init.shipped_languages() for feed in settings.feeds)


def test_the_promised_countries_are_there() -> None:
    promised = {"fr", "gb", "us", "ie", "be", "ca", "ch", "de", "at", "es", "it", "pt", "br"}
    assert promised <= set(init.countries())
