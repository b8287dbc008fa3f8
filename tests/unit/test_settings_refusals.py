"""Every broken configuration is refused with its line and with what to write instead."""

from __future__ import annotations

from pathlib import Path

import pytest

from killswitch.errors import ConfigError, Exit
from killswitch.settings import BrokenConfigError, load

FEEDS = """
[[feeds]]
name = "One"
url = "https://one.example.org/rss"

[[feeds]]
name = "Two"
url = "https://two.example.org/rss"
"""
A_FEED = '[[feeds]]\nname = "x"\nurl = "https://x.example.org/rss"\n'
A_FILE = '[[channels]]\nname = "x"\nkind = "file"\npath = "x.jsonl"\n'
A_HOOK = (
    '[[channels]]\nname = "h"\nkind = "webhook"\nurl = "https://h.example.org/"\nsecret = "s"\n'
)
A_RELAY = '[[relays]]\nname = "r"\ncommand = ["/bin/true"]\n'
A_PERSON = '[[people]]\nname = "p"\nusers = ["p"]\nroles = ["resumer"]\n'

BROKEN = [
    ("timezone = 5", 1, '5 is not text: write one text in quotes, such as "Europe/Paris"'),
    ('state_dir = ""', 1, 'it is empty: write the whole path, "/…"'),
    (A_FEED.replace('"x"', "5"), 2, '5 is not text: put it in quotes, "5"'),
    (A_FEED.replace('"x"', '["x"]'), 2, "a list is not text: write one text in quotes"),
    (
        A_HOOK.replace('url = "https://h.example.org/"\n', ""),
        1,
        'url = "https://example.org/posts"',
    ),
    # TOML itself
    ("mode = live", 1, 'text and durations stand in quotes: key = "15m"'),
    ("[watch]\nfresh = 5m", 2, "one setting a line; text and durations stand in quotes"),
    ('mode "live"', 1, "a line is: key = value"),
    ('mode = "live"\nmode = "guard"', 2, "this key stands twice"),
    ("[watch]\n[queue]\n[watch]", 3, "this table stands twice"),
    ('mode = "live', 1, "close the quotes"),
    ("[watch\nfresh = 1", 1, "close the bracket"),
    ('[detect]\nignore = ["\\d"]', 2, "single quotes"),
    # keys
    ('[watch]\nfrehs = "5m"', 2, 'did you mean "fresh"?'),
    ('[watch]\nblind-after = "1h"', 2, 'did you mean "blind_after"?'),
    ('[queue]\nlateAfter = "15m"', 2, 'did you mean "late_after"?'),
    ('[wacth]\nfresh = "5m"', 1, 'did you mean "watch"?'),
    ('fresh = "5m"', 1, "it belongs below [watch]"),
    ('[watch]\nlanguage = "fr"', 2, "language belongs above the first [table]"),
    ('[detect]\nlanguage = "fr"', 2, 'did you mean "languages"? Or language belongs above'),
    ("trusted = true", 1, "it belongs below [[feeds]]"),
    ("[detect]\nzzz = 1", 2, "known here: countries"),
    (A_FEED + 'intervall = "2m"', 4, 'did you mean "interval"?'),
    (A_FILE + 'url = "https://x.example.org/"', 5, "channels[0].url: no such setting"),
    (A_HOOK + 'pth = "x"', 6, "known here: delete_url, kind"),
    (A_HOOK + "repeatsafe = true", 6, 'did you mean "repeat_safe"?'),
    ('[watch]\nkeep = "2d"', 2, 'write "7d" or more'),
    ('[alerts]\npause = "red"', 2, 'write "minor" or "moderate"'),
    # levels
    ('[levels]\nfar = { wars = "tell" }', 2, 'did you mean "war"?'),
    ('[levels]\nfar = { zzz = "tell" }', 2, "write one of attack, accident"),
    ('[levels]\nnear = { war = "tel" }', 2, '"pause", "tell" or a number from 1 to 100'),
    ("[levels]\nnear = { war = 0.5 }", 2, '"pause", "tell" or a number from 1 to 100'),
    ("[levels]\nnear = { war = true }", 2, '"pause", "tell" or a number from 1 to 100'),
    ("[levels]\nworld = 0", 2, "write at least 1"),
    # addresses with a place for an id
    (A_HOOK + 'probe_url = "https://h.example.org/posts"', 6, "does not say where the id goes"),
    (A_HOOK + 'probe_url = "https://h.example.org/{remote_id}"', 6, "posts/{delivery}"),
    (A_HOOK + 'probe_url = "https://{delivery}.example.org/"', 6, "may not choose the host"),
    (A_HOOK + 'delete_url = "https://h.example.org/{id}/{delivery}"', 6, "signs of addresses"),
    (A_HOOK + 'delete_url = "https://h.example.org/é/{remote_id}"', 6, "others as %XX"),
    (A_HOOK + 'delete_url = "ftp://h.example.org/{delivery}"', 6, "http or https"),
    (A_HOOK + 'probe_url = "http://10.0.0.1/{delivery}"', 6, "no public address"),
    (A_HOOK + 'delete_url = "http://127.0.0.1/{delivery}"', 6, "no public address"),
    # words
    ('mode = "liev"', 1, 'did you mean "live"? It is "live" or "rehearsal" or "guard"'),
    ('mode = "off"', 1, '"off" is unknown: write "live" or "rehearsal" or "guard"'),
    ("mode = true", 1, "true is unknown"),
    ('language = "de"', 1, 'write "en" or "fr"'),
    (A_FEED + 'kind = "new"', 4, 'did you mean "news"?'),
    ('[[channels]]\nname = "x"\nkind = "webhok"', 3, 'did you mean "webhook"?'),
    ('[[channels]]\nname = "x"', 1, 'it is missing: write "file" or "webhook"'),
    (A_PERSON.replace("resumer", "resume"), 4, 'did you mean "resumer"?'),
    (A_PERSON.replace('["resumer"]', "[]"), 4, "the list is empty"),
    # durations
    ('[watch]\nfresh = "5 minutes"', 2, '"5 minutes" is not a duration: write "5m"'),
    ('[watch]\nfresh = "300"', 2, 'write "300s" for seconds'),
    ("[watch]\nfresh = 300", 2, '300 has no unit: write "300s"'),
    ("[watch]\nfresh = 2.5", 2, "2.5 has no unit"),
    ("[watch]\nfresh = true", 2, "true is not a duration"),
    ("[watch]\nfresh = []", 2, "a list is not a duration"),
    ('[watch]\nfresh = ""', 2, "write a whole number and a unit"),
    ('[watch]\nfresh = "-5m"', 2, "write a whole number and a unit"),
    ('[watch]\nfresh = "0s"', 2, 'out of range: write "1s" or more'),
    ('[watch]\nmax_item_age = "1h30m"', 2, 'write "90m"'),
    ('[watch]\nmax_item_age = "2w"', 2, 'write "14d"'),
    ('[watch]\nmax_item_age = "12H"', 2, 'write "12h"'),
    ('[detect]\nmute_max = "9999d"', 2, '"0s" to "3660d"'),
    ("[queue]\nmin_gap = 0", 2, '0 has no unit: write "0s"'),
    ('[queue]\nhorizon_tags = { promo = "7 jours" }', 2, 'write "7d"'),
    ('[queue]\nhorizon_tags = "7d"', 2, "is not a table"),
    # numbers and switches
    ('[watch]\nmin_alive = "half"', 2, "is not a number"),
    ("[watch]\nmin_alive = 0", 2, "write more than 0"),
    ("[watch]\nmin_alive = 50", 2, "at most 1"),
    ("[watch]\nmin_alive = nan", 2, "out of range"),
    ("[watch]\nmin_alive = true", 2, "true is not a number"),
    ("[detect]\noutlets = 0", 2, "at least 1"),
    ("[detect]\noutlets = 1.5", 2, "is not a whole number"),
    ('[detect]\noutlets = "two"', 2, "is not a whole number"),
    ("[queue]\nmax_per_hour = -1", 2, "at least 0"),
    ("[queue]\nhard_cap = false", 2, "false is not a number"),
    ('[queue]\napprove = "maybe"', 2, "is neither true nor false"),
    # text, lists and tables
    ("timezone = 1", 1, "1 is not text: write one text in quotes"),
    ('[detect]\nnames = "Lena"', 2, 'this is a list: write ["Lena"]'),
    ("[detect]\nnames = [3]", 2, "put it in quotes"),
    ('[detect]\nterms = ["x"]', 2, "at least two printable characters"),
    ('watch = "5m"', 1, "this is a table: write [watch]"),
    ('relays = ["x"]', 1, "write [[relays]] and its keys below"),
    ('[channels]\nname = "x"', 1, "write [[channels]] with double brackets"),
    # zones, languages, countries, names
    ('timezone = "Paris"', 1, 'write, for instance, "Europe/Paris"'),
    ('timezone = "Europe/Pariss"', 1, '"Europe/Paris"'),
    ('timezone = "new york"', 1, '"America/New_York"'),
    ('timezone = ""', 1, "no time zone is called"),
    (A_FEED + 'language = "english"', 4, 'write "en"'),
    (A_FEED + 'country = "UK"', 4, 'write "gb"'),
    (A_FEED + 'country = "FRA"', 4, "two letters"),
    ('[detect]\ncountries = ["fr",\n "england"]', 3, 'write "gb"'),
    (A_FEED.replace('"x"', '""'), 2, "a name is printable text"),
    (A_FEED.replace('"x"', '" x"'), 2, "without blanks at its ends"),
    (A_FEED.replace('"x"', '"a\\u001bb"'), 2, "a name is printable text"),
    (A_FEED.replace('"x"', f'"{"x" * 81}"'), 2, "at most 80 characters, not 81"),
    (A_FILE.replace('"x"', '"x;y"'), 2, 'holds no ";"'),
    # what is missing
    ('[[feeds]]\nname = "x"', 1, "feeds[0].url: it is missing"),
    ('[[feeds]]\nurl = "https://x.example.org/"', 1, "feeds[0].name: it is missing"),
    (A_FILE.replace('path = "x.jsonl"\n', ""), 1, "channels[0].path: it is missing"),
    (A_HOOK.replace('secret = "s"\n', ""), 1, 'write secret = "credential:NAME"'),
    (A_PERSON.replace('users = ["p"]\n', ""), 1, "nobody is named"),
    (A_PERSON.replace('roles = ["resumer"]\n', ""), 1, "people[0].roles: it is missing"),
    ('[[relays]]\nname = "r"', 1, "either a command or a url"),
    # addresses
    (A_FEED.replace("https://x", "x"), 3, 'write "https://x.example.org/…"'),
    (A_FEED.replace("https", "feed"), 3, 'the scheme "feed" is not http or https'),
    (A_FEED.replace("https://x.example.org/rss", "https://"), 3, "names no host"),
    (A_FEED.replace("x.example", "me:pw@x.example"), 3, "inside an address is refused"),
    (A_FEED.replace("org/rss", "org/my feed"), 3, "has no blanks"),
    (A_FEED.replace("org/rss", "org:99999/"), 3, "the address cannot be read"),
    (A_FEED.replace("https://x.example.org", "http://[::1"), 3, "the address cannot be read"),
    (A_FEED.replace("x.example.org", "127.0.0.1"), 3, 'allow_private = ["127.0.0.1/32"]'),
    (A_FEED.replace("x.example.org", "localhost:8000"), 3, '"localhost" is no public address'),
    (A_HOOK.replace("h.example.org", "10.1.2.3"), 4, '"10.1.2.3" is no public address'),
    (A_HOOK.replace('"s"', '""'), 5, "the secret is empty"),
    (A_HOOK.replace('"s"', "5"), 5, "what is written here is not text"),
    ('[notify]\nurls = ["lea@example.org"]', 2, '"mailto://user:password@smtp'),
    ('[notify]\nurls = ["hello"]', 2, 'a notice address is "scheme://…"'),
    ('[notify]\nurls = "ntfy://a/b"', 2, 'this is a list: write ["…"]'),
    ('[notify]\nnext = ["ntfy://a/b"]', 2, "this is a list"),
    ('[notify]\nquiet = "22-7"', 2, '"22:00-07:00"'),
    ('[notify]\nquiet = "24:00-07:00"', 2, '"22:00-07:00"'),
    ('[notify]\nquiet = "07:00-07:00"', 2, "never end"),
    ('[store]\nurl = "mysql://db/x"', 2, '"mysql" is no store'),
    ('[store]\nurl = "killswitch.db"', 2, '"sqlite:////path/killswitch.db"'),
    ('[store]\nurl = "postgresql://u:[x@db/k"', 2, "host or port cannot be read"),
    ('[store]\nurl = "sqlite://"', 2, "outlive a restart"),
    ('[store]\nurl = "sqlite:///x.db"', 2, "four slashes"),
    # paths
    ('state_dir = "state"', 1, "is relative: write the whole path"),
    ('[control]\nsocket = "c.sock"', 2, "is relative"),
    (f'[control]\nsocket = "/{"x" * 107}"', 2, "at most 107 bytes"),
    # private ranges
    ('[network]\nallow_private = ["10.1.2.3/8"]', 2, 'write "10.0.0.0/8"'),
    ('[network]\nallow_private = ["lan"]', 2, "is no range"),
    ('[network]\nallow_private = ["0.0.0.0/0"]', 2, "these stay closed"),
    ('[network]\nallow_private = ["169.254.169.254"]', 2, "clouds keep credentials"),
    ('[network]\nallow_private = ["8.8.8.0/24"]', 2, "is not a private range"),
    ("[network]\nallow_private = [10]", 2, 'a range is text such as "10.1.2.0/24"'),
    # regular expressions
    ("[detect]\nignore = ['a', '(']", 2, "missing ), unterminated subpattern"),
    ("[detect]\nignore = [\n 'a',\n '*b']", 4, "nothing to repeat"),
    ("[detect]\nignore = ['.*']", 2, "it would ignore everything"),
    ("[detect]\nignore = ['']", 2, "it would ignore everything"),
    ("[detect]\nignore = ['(a+)+b']", 2, "could run for hours"),
    ("[detect]\nignore = ['x((?:[a-z]*,)*)y']", 2, "could run for hours"),
    (f"[detect]\nignore = ['{'x' * 501}']", 2, "at most 500 characters, not 501"),
    # relays
    (A_RELAY.replace('["/bin/true"]', "[]"), 3, "the command is empty"),
    (A_RELAY.replace('["/bin/true"]', "'say \"hi'"), 3, "cannot be split into words"),
    (A_RELAY + 'secret = "s"', 1, "needs no secret"),
    (A_RELAY + 'url = "https://r.example.org/"', 1, "either a command or a url"),
    ('[[relays]]\nname = "r"\nurl = "https://r.example.org/"', 1, "signs its calls"),
    # several settings at once
    (A_FEED + A_FEED.replace("x.ex", "y.ex"), 5, "feeds[0] has the same name"),
    (A_FEED + A_FEED.replace('"x"', '"y"'), 6, "one headline would count as two"),
    (A_FILE + A_FILE.replace('"x"', '"X"'), 6, "channels[0] has the same name"),
    (A_RELAY + A_RELAY, 5, "relays[0] has the same name"),
    (A_PERSON + A_PERSON, 6, "people[0] has the same name"),
    (A_PERSON.replace("resumer", "author"), 1, "nobody may resume"),
    ('mode = "guard"\n' + A_FILE, 2, "take the channels out"),
    (A_FILE.replace("x.jsonl", "killswitch.db"), 4, "killswitch.db is the daemon's own"),
    (A_FILE.replace("x.jsonl", "killswitch.db-wal"), 4, "is the daemon's own"),
    (A_FILE.replace("x.jsonl", "daemon.lock"), 4, "is the daemon's own"),
    (A_FILE.replace("x.jsonl", "audit.head"), 4, "is the daemon's own"),
    (A_FILE.replace("x.jsonl", "./out/../control.sock"), 4, "is the daemon's own"),
    (A_FILE.replace("x.jsonl", "pause.d/x.jsonl"), 4, "name a file that nothing else writes"),
    (A_FILE.replace("x.jsonl", "/"), 4, "/ is a folder: name a file in it"),
    (A_FILE + A_FILE.replace('name = "x"', 'name = "y"'), 8, "channels[0] writes into it, too"),
    (A_FEED + 'interval = "3m"', 4, 'write "150s" or less'),
    (A_FEED + 'interval = "10s"', 4, 'write "30s" or more'),
    ('[watch]\nfresh = "3m"', 2, 'write "4m" or more'),
    ('[watch]\nfresh = "10m"\nblind_after = "5m"', 3, 'write "10m" or more'),
    ('[detect]\nmute_quiet = "31d"', 1, "detect.mute_max: it is shorter"),
    ("[detect]\noutlets = 3", 4, "2 outlets are watched, but a story needs 3"),
    ("[detect]\nsingle_trusted = true", 2, "write trusted = true"),
    # credentials and references
    (A_HOOK.replace('"s"', '"credential:hook"'), 5, "needs $CREDENTIALS_DIRECTORY"),
    (A_HOOK.replace('"s"', '"credential:../hook"'), 5, "names no credential"),
    (A_FILE.replace("x.jsonl", "credential:path"), 4, "only a secret may be"),
]


def _file(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "killswitch.toml"
    path.write_text(text, encoding="utf-8")
    return path


def _refused(path: Path | None, env: dict[str, str] | None = None) -> BrokenConfigError:
    with pytest.raises(BrokenConfigError) as caught:
        load(path, env={"HOME": "/home/lea"} | (env or {}))
    return caught.value


@pytest.mark.parametrize(("text", "line", "fragment"), BROKEN)
def test_broken_configuration_is_refused_with_line_and_mend(
    tmp_path: Path, text: str, line: int | None, fragment: str
) -> None:
    error = _refused(_file(tmp_path, f"{text}\n{FEEDS}"))
    assert [problem.line for problem in error.problems] == [line]
    assert fragment in error.message
    if line is not None:
        assert f"line {line}" in error.message


def test_a_path_that_nobody_can_look_at_is_left_to_the_channel(tmp_path: Path) -> None:
    # The system refuses so long a name, as it refuses whoever may not enter a folder.
    text = A_FILE.replace("x.jsonl", f"{tmp_path}/{'x' * 300}") + FEEDS
    settings = load(_file(tmp_path, text), env={"HOME": "/home/lea"})
    assert settings.channels[0].name == "x"


def test_table_of_broken_configurations_is_long_enough() -> None:
    assert len({text for text, _, _ in BROKEN}) >= 80


def test_a_refusal_is_a_config_error_with_exit_78(tmp_path: Path) -> None:
    error = _refused(_file(tmp_path, "mode = 1"))
    assert isinstance(error, ConfigError)
    assert error.exit is Exit.CONFIG == 78
    assert error.code == "bad_config"
    assert "killswitch run --check" in error.hint


def test_all_problems_are_told_at_once_in_the_order_of_the_file(tmp_path: Path) -> None:
    text = f'mode = "x"\nlanguage = "xx"\n[watch]\nfresh = 3\n{A_FEED}{A_FEED}oops = 1\n'
    error = _refused(_file(tmp_path, text), {"KILLSWITCH_TYPO": "1"})
    assert [problem.line for problem in error.problems] == [1, 2, 4, 9, 10, 11, None]
    assert error.message.splitlines()[0].endswith("killswitch.toml: 7 problems")


@pytest.mark.parametrize(
    ("data", "fragment"),
    [
        (b"\xef\xbb\xbfmode = 'live'", "byte order mark"),
        (b"mode = 'live'\nlanguage = '\xe9'", "line 2 is not UTF-8"),
        (b"#" * (1 << 20) + b"##", "longer than 1 MiB"),
        (b"x = " + b"[" * 5000, "nested too deeply"),
    ],
)
def test_a_file_that_is_no_text_is_refused(tmp_path: Path, data: bytes, fragment: str) -> None:
    path = tmp_path / "killswitch.toml"
    path.write_bytes(data)
    assert fragment in _refused(path).message


def test_a_missing_file_is_refused_with_the_way_to_write_one(tmp_path: Path) -> None:
    error = _refused(tmp_path / "none.toml")
    assert "none.toml: there is no such file" in error.message
    assert "killswitch init" in error.message


def test_a_folder_instead_of_a_file_is_refused(tmp_path: Path) -> None:
    assert "it is not a file" in _refused(tmp_path).message


@pytest.mark.parametrize(
    ("name", "value", "fragment"),
    [
        ("KILLSWITCH_TYPO", "1", "no setting has this name"),
        ("KILLSWITCH_MOED", "live", 'did you mean "KILLSWITCH_MODE"?'),
        ("KILLSWITCH_WATCH__FRESHH", "5m", 'did you mean "KILLSWITCH_WATCH__FRESH"?'),
        ("KILLSWITCH_WATCH_FRESH", "5m", 'did you mean "KILLSWITCH_WATCH__FRESH"?'),
        ("KILLSWITCH_FEEDS__0__NAME", "x", "as JSON, in KILLSWITCH_FEEDS"),
        ("KILLSWITCH_FEEDS", "x", "its text is JSON"),
        ("KILLSWITCH_NOTIFY__URLS", "ntfy://a/b", 'its text is JSON, such as ["…", "…"]'),
        ("KILLSWITCH_QUEUE__HORIZON_TAGS", "7d", '{"promo": "7d"}'),
        ("KILLSWITCH_WATCH__FRESH", "30", 'write "30s" for seconds'),
        ("KILLSWITCH_MODE", "liev", 'did you mean "live"?'),
        ("KILLSWITCH_DETECT__OUTLETS", "two", "is not a whole number"),
        ("KILLSWITCH_QUEUE__APPROVE", "maybe", "is neither true nor false"),
        ("KILLSWITCH_STATE_DIR", "relative", "write the whole path"),
        ("killswitch_mode", "liev", "variable killswitch_mode, mode"),
    ],
)
def test_a_wrong_variable_is_refused_by_its_name(
    tmp_path: Path, name: str, value: str, fragment: str
) -> None:
    error = _refused(_file(tmp_path, FEEDS), {name: value})
    assert fragment in error.message
    assert f"variable {name}" in error.message


def test_no_secret_is_repeated_in_a_refusal(tmp_path: Path) -> None:
    secret = "hunter2hunter2"
    text = f"""
[store]
url = "{secret}"
[notify]
urls = ["{secret}@x", "{secret}"]
next = "{secret}"
[[channels]]
name = "h"
kind = "webhook"
url = "https://u:{secret}@h.example.org/"
secret = ["{secret}"]
[[relays]]
name = "r"
url = "https://u:{secret}@h.example.org/"
secret = {{ a = "{secret}" }}
"""
    error = _refused(_file(tmp_path, text + FEEDS))
    assert len(error.problems) >= 7
    assert secret not in error.message + repr(error)


@pytest.mark.parametrize(
    ("text", "trusted", "needed"),
    [
        (A_FEED, False, 2),
        (A_FEED + 'kind = "aggregator"\n' + FEEDS.split("\n\n", maxsplit=1)[0], False, 2),
        (A_FEED + 'kind = "alert"\n' + FEEDS.split("\n\n", maxsplit=1)[0], False, 2),
        (FEEDS.replace('"Two"', '"Two"\ngroup = "One.example.org"'), False, 2),
        (A_FEED + 'trusted = true\nkind = "aggregator"', True, 1),
    ],
)
def test_fewer_independent_outlets_than_needed_are_refused(
    tmp_path: Path, text: str, trusted: bool, needed: int
) -> None:
    head = f"[detect]\nsingle_trusted = {str(trusted).lower()}\n"
    error = _refused(_file(tmp_path, head + text))
    assert f"a story needs {needed} independent ones" in error.message
    assert any(problem.path == ("feeds",) for problem in error.problems)


def test_a_wrong_state_directory_is_one_problem_and_not_four(tmp_path):
    path = tmp_path / "c.toml"
    path.write_text(f"state_dir = 3\n{FEEDS}{A_FILE}")
    with pytest.raises(BrokenConfigError) as caught:
        load(path, env={})
    assert [problem.path for problem in caught.value.problems] == [("state_dir",)]
