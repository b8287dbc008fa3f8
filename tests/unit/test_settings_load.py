"""The sources, their order, and what the tree holds in the end."""

from __future__ import annotations

import os
import re
from datetime import time, timedelta
from ipaddress import ip_network
from pathlib import Path
from zoneinfo import available_timezones

import pytest
from pydantic import ValidationError

from killswitch.notify.schemes import mask
from killswitch.settings import (
    BrokenConfigError,
    FileChannel,
    QuietHours,
    Settings,
    WebhookChannel,
    describe,
    find_config,
    load,
    places,
)

FEEDS = """
[[feeds]]
name = "One"
url = "https://www.one.example.org/rss"
country = "FR"
[[feeds]]
name = "Two"
url = "https://two.example.org/rss"
outlet = "The Two"
country = "be"
"""
ENV = {"HOME": "/home/lea"}


@pytest.fixture(autouse=True)
def _bare_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let no installation of this machine decide a default."""
    monkeypatch.setattr(places, "SYSTEM_CONFIG", tmp_path / "etc" / "config.toml")
    monkeypatch.setattr(places, "SYSTEM_STATE", tmp_path / "var")
    monkeypatch.setattr(places, "SYSTEM_SOCKET", tmp_path / "run" / "control.sock")


def _load(
    tmp_path: Path, text: str = "", env: dict[str, str] | None = None, **cli: str
) -> Settings:
    path = tmp_path / "killswitch.toml"
    path.write_text(f"{text}\n{FEEDS}", encoding="utf-8")
    return load(path, env=ENV | (env or {}), **cli)


def test_a_short_file_is_enough(tmp_path: Path) -> None:
    settings = _load(tmp_path)
    assert settings.mode == "live"
    assert settings.timezone in available_timezones()
    assert settings.state_dir == Path("/home/lea/.local/state/killswitch")
    assert settings.control.socket == settings.state_dir / "control.sock"
    assert settings.store.url.get_secret_value() == f"sqlite:///{settings.state_dir}/killswitch.db"


def test_defaults_are_those_of_the_contract(tmp_path: Path) -> None:
    rows = {path: value for path, value, _ in describe(_load(tmp_path))}
    expected = {
        "watch.fresh": '"5m"',
        "watch.blind_after": '"1h"',
        "watch.min_alive": "0.5",
        "watch.max_item_age": '"12h"',
        "detect.outlets": "2",
        "detect.window": '"6h"',
        "detect.unconfirmed": '"10m"',
        "detect.single_trusted": "false",
        "detect.mute_quiet": '"3d"',
        "detect.mute_max": '"30d"',
        "queue.late_after": '"15m"',
        "queue.min_gap": '"5m"',
        "queue.max_per_hour": "12",
        "queue.release_gap": '"15m"',
        "queue.lead": '"30m"',
        "queue.stale_after": '"1d"',
        "queue.horizon": '"30d"',
        "queue.horizon_tags": '{promo = "7d"}',
        "queue.confirm_within": '"3d"',
        "queue.approve": "false",
        "queue.hard_cap": "30",
        "notify.repeat": '"15m"',
        "feeds[0].interval": '"2m"',
        "feeds[0].kind": '"news"',
        "feeds[0].trusted": "false",
        "language": '"en"',
    }
    assert {path: rows[path] for path in expected} == expected


def test_outlet_is_the_host_and_group_the_outlet_unless_named(tmp_path: Path) -> None:
    one, two = _load(tmp_path).feeds
    assert (one.outlet, one.group) == ("one.example.org", "one.example.org")
    assert (two.outlet, two.group) == ("The Two", "The Two")


def test_countries_are_those_of_the_feeds_unless_named(tmp_path: Path) -> None:
    assert _load(tmp_path).countries == ("be", "fr")
    assert _load(tmp_path, '[detect]\ncountries = ["CA"]').countries == ("ca",)


def test_later_sources_win_over_earlier_ones(tmp_path: Path) -> None:
    creds = tmp_path / "creds"
    creds.mkdir()
    (creds / "queue__lead").write_text("3m\n")
    (creds / "queue__stale_after").write_text("3h\n")
    env = {
        "CREDENTIALS_DIRECTORY": str(creds),
        "KILLSWITCH_QUEUE__STALE_AFTER": "4h",
        "KILLSWITCH_STATE_DIR": "/srv/env",
        "KILLSWITCH_CONTROL__SOCKET": "/srv/env.sock",
    }
    text = 'state_dir = "/srv/file"\n[queue]\nmin_gap = "2m"\nlead = "2m"\nstale_after = "2h"'
    settings = _load(tmp_path, text, env, state_dir="/srv/cli", socket="/srv/cli.sock")
    queue = settings.queue
    assert queue.late_after == timedelta(minutes=15)
    assert (queue.min_gap, queue.lead) == (timedelta(minutes=2), timedelta(minutes=3))
    assert queue.stale_after == timedelta(hours=4)
    assert (settings.state_dir, settings.control.socket) == (
        Path("/srv/cli"),
        Path("/srv/cli.sock"),
    )
    sources = {path: source for path, _, source in describe(settings)}
    assert sources["queue.late_after"] == "default"
    assert sources["queue.min_gap"] == "line 3"
    assert sources["queue.lead"] == "credential queue__lead"
    assert sources["queue.stale_after"] == "variable KILLSWITCH_QUEUE__STALE_AFTER"
    assert sources["state_dir"] == "--state-dir"
    assert sources["control.socket"] == "--socket"


def test_relative_options_are_taken_from_the_current_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert _load(tmp_path, state_dir="here").state_dir == tmp_path / "here"


def test_lists_and_tables_are_given_by_variable_as_json() -> None:
    env = ENV | {
        "KILLSWITCH_FEEDS": '[{"name": "a", "url": "https://a.example.org/"},'
        ' {"name": "b", "url": "https://b.example.org/"}]',
        "KILLSWITCH_NOTIFY__URLS": '["ntfy://a/b"]',
        "KILLSWITCH_QUEUE__HORIZON_TAGS__SALE": "2d",
        "KILLSWITCH_LANGUAGE": "",
        "KILLSWITCH_CONFIG": "/elsewhere.toml",
        "KILLSWITCH_SHARED": "/data",
    }
    settings = load(None, env=env)
    assert [feed.name for feed in settings.feeds] == ["a", "b"]
    assert settings.queue.horizon_tags == {"sale": timedelta(days=2)}
    assert settings.language == "en"
    sources = {path: source for path, _, source in describe(settings)}
    assert sources["feeds[1].name"] == "variable KILLSWITCH_FEEDS"


def test_no_file_and_no_feeds_is_fine_for_commands_that_run_on_defaults() -> None:
    assert load(None, env=ENV).feeds == ()


def test_a_secret_is_read_from_its_credential_file_and_never_shown(tmp_path: Path) -> None:
    creds = tmp_path / "creds"
    creds.mkdir()
    (creds / "hook").write_text("very-secret\n")
    (creds / "mail").write_text("mailto://u:very-secret@smtp.example.org/?to=lea@example.org\n")
    text = """
[store]
url = "postgresql+psycopg://u:very-secret@db.example.org/k"
[notify]
urls = ["credential:mail"]
next = [["credential:mail"], ["ntfy://very-secret/x"]]
[[channels]]
name = "h"
kind = "webhook"
url = "https://h.example.org/very-secret?key=very-secret"
secret = "credential:hook"
probe_url = "https://h.example.org/very-secret/{delivery}"
[[relays]]
name = "r"
url = "https://r.example.org/"
secret = "very-secret"
"""
    settings = _load(tmp_path, text, {"CREDENTIALS_DIRECTORY": str(creds)})
    channel = settings.channels[0]
    assert isinstance(channel, WebhookChannel)
    assert channel.secret.get_secret_value() == "very-secret"
    assert settings.notify.urls[0].get_secret_value().endswith("lea@example.org")
    assert "very-secret" not in str(describe(settings))
    rows = {path: value for path, value, _ in describe(settings)}
    assert rows["store.url"] == '"postgresql+psycopg://********@db.example.org"'
    assert rows["notify.next"] == '[["mailto://********"], ["ntfy://********"]]'
    named = {path: value for path, value, _ in describe(settings, address=mask)}
    assert named["notify.next"] == '[["mailto://smtp.example.org/…"], ["ntfy://…"]]'
    assert "very-secret" not in str(named)
    assert rows["channels[0].url"] == '"https://h.example.org/********"'
    assert rows["channels[0].probe_url"] == '"https://h.example.org/********"'
    assert rows["relays[0].url"] == '"https://r.example.org/"'


def test_the_key_of_a_paid_feed_is_not_shown(tmp_path: Path) -> None:
    text = '[[feeds]]\nname = "A"\nurl = "https://a.example.org/rss?key=very-secret"\n'
    rows = {path: value for path, value, _ in describe(_load(tmp_path, text))}
    assert rows["feeds[0].url"] == '"https://a.example.org/rss?********"'


@pytest.mark.parametrize(
    ("files", "name", "fragment"),
    [
        ({"hook": b"x"}, "hok", 'did you mean "hook"?'),
        ({"hook": b" \n"}, "hook", 'the credential "hook" is empty'),
        ({"hook": b"\xff"}, "hook", "is not UTF-8 text"),
        ({"hook": b"x" * 70_000}, "hook", "is too long"),
        ({"hook": b"x", "queue__laed": b"3m"}, "hook", "no setting has this name"),
        ({"hook": b"x", "queue__lead": b"3"}, "hook", "credential queue__lead, queue.lead"),
        ({"hook": b"x", "notify__urls": b"ntfy://a/b"}, "hook", "its text is JSON"),
        ({"hook": b"x", "my__file": b"y"}, "hook", "rename the file"),
    ],
)
def test_a_wrong_credential_is_refused(
    tmp_path: Path, files: dict[str, bytes], name: str, fragment: str
) -> None:
    creds = tmp_path / "creds"
    creds.mkdir()
    for file, data in files.items():
        (creds / file).write_bytes(data)
    text = f'[[relays]]\nname = "r"\nurl = "https://r.example.org/"\nsecret = "credential:{name}"'
    with pytest.raises(BrokenConfigError, match=re.escape(fragment)):
        _load(tmp_path, text, {"CREDENTIALS_DIRECTORY": str(creds)})


def test_a_credential_link_that_leads_out_is_refused(tmp_path: Path) -> None:
    creds = tmp_path / "creds"
    creds.mkdir()
    (tmp_path / "elsewhere").write_text("x")
    (creds / "hook").symlink_to(tmp_path / "elsewhere")
    (creds / "sub").mkdir()
    (creds / "sub" / "queue__lead").write_text("3m")
    text = '[[relays]]\nname = "r"\nurl = "https://r.example.org/"\nsecret = "credential:hook"'
    with pytest.raises(BrokenConfigError, match="leads out of") as caught:
        _load(tmp_path, text, {"CREDENTIALS_DIRECTORY": str(creds)})
    assert len(caught.value.problems) == 1


def test_a_missing_credential_directory_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BrokenConfigError, match="cannot be read"):
        _load(tmp_path, "", {"CREDENTIALS_DIRECTORY": str(tmp_path / "none")})


def test_what_only_the_service_can_read_is_noted_where_that_is_asked_for(tmp_path: Path) -> None:
    """A shell has no $CREDENTIALS_DIRECTORY; the rest of the file is checked."""
    text = """
[store]
url = "credential:db"
[notify]
urls = ["credential:mail", "ntfy://ntfy.sh/x"]
[[relays]]
name = "r"
url = "https://r.example.org/"
secret = "credential:hook"
"""
    with pytest.raises(BrokenConfigError, match="CREDENTIALS_DIRECTORY"):
        _load(tmp_path, text)
    unread: list[str] = []
    path = tmp_path / "killswitch.toml"
    settings = load(path, env=ENV, unread=unread)
    assert sorted(unread) == ["db", "hook", "mail"]
    assert len(settings.notify.urls) == 2
    path.write_text(path.read_text() + 'kind = "fast"')
    with pytest.raises(BrokenConfigError, match="is unknown"):
        load(path, env=ENV, unread=[])


def test_a_credential_that_is_not_in_the_folder_is_refused_even_so(tmp_path: Path) -> None:
    path = tmp_path / "killswitch.toml"
    path.write_text(f'[notify]\nurls = ["credential:mail"]\n{FEEDS}')
    unread: list[str] = []
    with pytest.raises(BrokenConfigError, match="is not in"):
        load(path, env={**ENV, "CREDENTIALS_DIRECTORY": str(tmp_path)}, unread=unread)
    assert unread == []


def test_a_file_channel_lives_in_the_state_directory_without_gap_and_cap(tmp_path: Path) -> None:
    text = 'state_dir = "/srv/k"\n[[channels]]\nname = "f"\nkind = "file"\npath = "a/b.jsonl"'
    channel = _load(tmp_path, text).channels[0]
    assert isinstance(channel, FileChannel)
    assert channel.path == Path("/srv/k/a/b.jsonl")
    assert (channel.late_after, channel.min_gap, channel.max_per_hour) == (None, timedelta(0), 0)


def test_a_webhook_takes_gap_and_cap_of_the_queue_unless_it_has_its_own(tmp_path: Path) -> None:
    text = """
[[channels]]
name = "h"
kind = "webhook"
url = "https://h.example.org/"
secret = "s"
min_gap = "0s"
"""
    channel = _load(tmp_path, text).channels[0]
    assert (channel.late_after, channel.min_gap, channel.max_per_hour) == (None, timedelta(0), None)


def test_private_hosts_inside_allow_private_may_be_polled_every_second(tmp_path: Path) -> None:
    text = """
[network]
allow_private = ["127.0.0.0/8", "::1/128"]
[watch]
fresh = "2s"
[[feeds]]
name = "a"
url = "http://127.0.0.1:8000/a"
interval = "1s"
[[feeds]]
name = "b"
url = "http://[::1]:8000/b"
interval = "1s"
[[feeds]]
name = "c"
url = "http://localhost:8000/c"
interval = "1s"
"""
    path = tmp_path / "k.toml"
    path.write_text(text)
    settings = load(path, env=ENV)
    assert settings.network.allow_private == (ip_network("127.0.0.0/8"), ip_network("::1/128"))
    assert {feed.interval for feed in settings.feeds} == {timedelta(seconds=1)}


def test_one_trusted_outlet_is_enough_with_single_trusted(tmp_path: Path) -> None:
    path = tmp_path / "k.toml"
    path.write_text(
        "[detect]\nsingle_trusted = true\n"
        '[[feeds]]\nname = "a"\nurl = "https://a.example.org/"\ntrusted = true\n'
    )
    assert load(path, env=ENV).feeds[0].trusted


def test_quiet_hours_and_commands_become_values(tmp_path: Path) -> None:
    text = (
        '[notify]\nquiet = "22:30-07:00"\n'
        '[[relays]]\nname = "a"\ncommand = "/bin/stop --all \'the ads\'"\n'
        '[[relays]]\nname = "b"\ncommand = ["/bin/stop", "x"]\n'
    )
    settings = _load(tmp_path, text)
    assert settings.notify.quiet == QuietHours(time(22, 30), time(7))
    assert [relay.command for relay in settings.relays] == [
        ("/bin/stop", "--all", "the ads"),
        ("/bin/stop", "x"),
    ]
    assert _load(tmp_path, '[notify]\nquiet = "off"').notify.quiet is None


def test_harmless_expressions_are_accepted(tmp_path: Path) -> None:
    fine = [r"^Crossword\b", r"(?i)live[: ]", r"(a|b)+c", r"[(+*]+x", r"\(a+\)+b", r"(?:ab{1,3})+c"]
    text = "[detect]\nignore = [" + ", ".join(f"'{one}'" for one in fine) + "]"
    assert list(_load(tmp_path, text).detect.ignore) == fine


def test_settings_cannot_be_changed(tmp_path: Path) -> None:
    settings = _load(tmp_path)
    with pytest.raises(ValidationError, match="frozen"):
        settings.mode = "guard"  # type: ignore[misc]  # what the test is about
    with pytest.raises(ValidationError, match="frozen"):
        settings.watch.fresh = timedelta(0)  # type: ignore[misc]  # what the test is about


def test_a_tree_built_directly_reads_no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KILLSWITCH_MODE", "guard")
    monkeypatch.setenv("MODE", "guard")
    assert Settings(state_dir=Path("/srv/k")).mode == "live"


# ---- places --------------------------------------------------------------------------------------


def test_an_explicit_configuration_is_final_even_if_absent(tmp_path: Path) -> None:
    assert find_config("none.toml", {"KILLSWITCH_CONFIG": "/x"}) == Path("none.toml")
    assert find_config(None, {"KILLSWITCH_CONFIG": "/x"}) == Path("/x")


def test_the_system_configuration_comes_before_the_local_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert find_config(None, {}) is None
    local = tmp_path / "killswitch.toml"
    local.write_text("")
    assert find_config(None, {}) == local
    places.SYSTEM_CONFIG.parent.mkdir()
    places.SYSTEM_CONFIG.write_text("")
    assert find_config(None, {}) == places.SYSTEM_CONFIG


def test_a_local_configuration_of_somebody_else_does_not_count(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    local = tmp_path / "killswitch.toml"
    local.write_text("")
    if os.geteuid() == 0:
        os.chown(local, 12345, -1)
    monkeypatch.setattr("os.geteuid", lambda: local.stat().st_uid + 1)
    assert find_config(None, {}) is None


@pytest.mark.parametrize(
    ("env", "exists", "expected"),
    [
        ({"HOME": "/h"}, False, "/h/.local/state/killswitch"),
        ({"HOME": "/h", "XDG_STATE_HOME": "/x"}, False, "/x/killswitch"),
        ({"HOME": "/h", "XDG_STATE_HOME": "relative"}, False, "/h/.local/state/killswitch"),
        ({"HOME": "/h", "XDG_STATE_HOME": "/x"}, True, "SYSTEM"),
    ],
)
def test_the_state_directory_is_found_in_order(
    env: dict[str, str], exists: bool, expected: str
) -> None:
    if exists:
        places.SYSTEM_STATE.mkdir()
    wanted = places.SYSTEM_STATE if expected == "SYSTEM" else Path(expected)
    assert places.default_state_dir(env) == wanted


def test_the_socket_is_found_in_order() -> None:
    state = Path("/s")
    assert places.default_socket({}, state_dir=state) == Path("/s/control.sock")
    places.SYSTEM_SOCKET.parent.mkdir()
    places.SYSTEM_SOCKET.touch()
    system = places.SYSTEM_STATE
    assert places.default_socket({}, state_dir=system) == places.SYSTEM_SOCKET
    assert places.default_socket({}, state_dir=state) == Path("/s/control.sock")
    env = {"RUNTIME_DIRECTORY": "/run/a:/run/b"}
    assert places.default_socket(env, state_dir=state) == Path("/run/a/control.sock")


def test_the_zone_of_the_machine_is_found_in_order(tmp_path: Path) -> None:
    link, written = tmp_path / "localtime", tmp_path / "timezone"
    known = {"localtime": link, "written": written}
    assert places.machine_zone({}, **known) == "UTC"
    written.write_text("Europe/Brussels\n")
    assert places.machine_zone({}, **known) == "Europe/Brussels"
    link.symlink_to(tmp_path / "zoneinfo" / "Europe" / "Paris")
    assert places.machine_zone({}, **known) == "Europe/Paris"
    assert places.machine_zone({"TZ": ":America/Toronto"}, **known) == "America/Toronto"
    assert places.machine_zone({"TZ": "CEST-2"}, **known) == "Europe/Paris"
