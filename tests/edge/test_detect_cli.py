"""Claims about ``detect``, ``backtest`` and ``lexicon check`` as processes."""

from __future__ import annotations

import gzip
import json
import subprocess
import sys
from pathlib import Path

import pytest

from killswitch.cli.main import main
from killswitch.cli.out import Ink
from tests.daemon.site import a_feed
from tests.edge.raw_server import RawServer, reply

# The command modules are driven through the frame's own protocol, in a process of their own.
RUNNER = """
import argparse, importlib, sys
from killswitch.errors import KillswitchError
module = importlib.import_module("killswitch.cli." + sys.argv[1])
parser = argparse.ArgumentParser()
module.add_arguments(parser)
parser.add_argument("--json", action="store_true")
for name in ("--config", "--state-dir", "--socket"):
    parser.add_argument(name)
try:
    sys.exit(module.run(parser.parse_args(sys.argv[2:])))
except KillswitchError as error:
    print(f"{error} | {error.hint}", file=sys.stderr)
    sys.exit(error.exit)
"""
ROWS = [
    {"id": "a", "title": "Gunman opens fire at Velden mall, six dead", "outlet": "Harbour Post",
     "lang": "en", "published": "2026-03-02T09:00:00Z", "extra": [1]},
    {"id": "b", "title": None, "outlet": None, "lang": None, "published": None},
    {"id": "c", "title": "Six killed in shooting at Velden mall", "outlet": "Coast Radio",
     "lang": "en", "published": "2026-03-02T09:05:00Z"},
]  # fmt: skip

ALONE = """
[[feeds]]
name = "a"
url = "https://a.example.org/rss"
[[feeds]]
name = "b"
url = "https://b.example.org/rss"
"""


def ks(command: str, *args: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
    """Run one command."""
    call = [sys.executable, "-c", RUNNER, command, *args]
    return subprocess.run(call, input=stdin, capture_output=True, text=True, check=False)


def lines() -> str:
    """Return the rows as JSON Lines."""
    return "".join(json.dumps(row) + "\n" for row in ROWS)


@pytest.fixture
def stream(tmp_path: Path) -> Path:
    """Write the rows to a file."""
    path = tmp_path / "rows.jsonl"
    path.write_text(lines(), encoding="utf-8")
    return path


def test_detect_explains_a_headline_in_one_line() -> None:
    done = ks("detect", "Gunman opens fire at Velden mall, six dead")
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("\n") == 1
    assert done.stdout.startswith("trip")
    assert "6 dead" in done.stdout


def test_detect_shows_a_hostile_headline_as_one_short_line(capsys) -> None:
    main(["detect", "\x1b[2Jattack\nin Annecy " + "x" * 3000])
    told = capsys.readouterr().out
    assert told.count("\n") == 1
    assert "\x1b" not in told
    assert len(told) < 450


def test_detect_answers_each_row_in_order(stream: Path) -> None:
    done = ks("detect", "--json", "--input", str(stream))
    answer = [json.loads(line) for line in done.stdout.splitlines()]
    assert [(row["id"], row["grade"]) for row in answer] == [
        ("a", "trip"),
        ("b", "none"),
        ("c", "trip"),
    ]
    assert {"id", "grade", "score", "category", "terms", "why"} <= set(answer[0])


def test_detect_reads_standard_input() -> None:
    done = ks("detect", "--json", "-", stdin=lines())
    assert len(done.stdout.splitlines()) == len(ROWS)


@pytest.mark.parametrize(
    ("args", "stdin", "message"),
    [
        (["--input", "/nowhere/rows.jsonl"], "", "/nowhere/rows.jsonl"),
        (["-"], '{"id": 1}\nnonsense\n', "line 2"),
        (["-"], "[1]\n", "line 1"),
        (["-"], '{"title": "x", "published": "noon"}\n', "row 1"),
        ([], "", "give a headline"),
        (["text", "--input", "x"], "", "one of them"),
    ],
)
def test_wrong_input_is_refused_with_its_place(args: list[str], stdin: str, message: str) -> None:
    done = ks("detect", *args, stdin=stdin)
    assert done.returncode == 2, done.stderr
    assert message in done.stderr
    assert "Traceback" not in done.stderr


def test_detect_explains_below_the_line_where_it_is_asked_for() -> None:
    done = ks("detect", "--explain", "Gunman opens fire at Velden mall in Paris, six dead")
    assert "Words  gunman opens fire" in done.stdout
    assert "Places fr · paris" in done.stdout
    assert "Then   posts wait 10 min, then 2 newsrooms within 6 h: it pauses" in done.stdout


def test_detect_colours_what_counted_on_a_terminal(capsys, monkeypatch) -> None:
    monkeypatch.setattr("killswitch.cli.detect.ink_for", lambda *_: Ink(on=True))
    main(["detect", "Gunman opens fire at Velden mall in Paris, six dead"])
    told = capsys.readouterr().out
    assert "\x1b[1;31mGunman opens fire\x1b[0m" in told
    assert "\x1b[34mParis\x1b[0m" in told


def test_a_file_may_stand_where_a_headline_stands(stream: Path) -> None:
    assert len(ks("detect", "--json", str(stream)).stdout.splitlines()) == len(ROWS)
    assert ks("detect", "rows.jsonl").stdout.startswith("none")


def test_a_feed_address_is_read_and_each_entry_graded(tmp_path: Path) -> None:
    config = tmp_path / "k.toml"
    config.write_text(ALONE + '[network]\nallow_private = ["127.0.0.0/8"]\n', encoding="utf-8")
    with RawServer(lambda _: reply(200, a_feed((ROWS[0]["title"], None)))) as server:
        done = ks("detect", f"{server.url}rss", "--json", "--config", str(config))
        gone = ks("detect", "http://127.0.0.1:9/rss", "--config", str(config))
    assert [json.loads(line)["grade"] for line in done.stdout.splitlines()] == ["trip"]
    assert (gone.returncode, "Traceback" in gone.stderr) == (1, False)


def test_backtest_compares_two_configurations_side_by_side(stream: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.toml"
    other.write_text(ALONE + '[levels]\nnear = { other = "tell" }\n', encoding="utf-8")
    done = ks("backtest", str(stream), "--compare", str(other))
    assert "A this" in done.stdout
    assert "pause ?" in done.stdout
    assert "told" in done.stdout
    assert "only A pauses for 1, only B for 0" in done.stdout
    document = json.loads(ks("backtest", str(stream), "--compare", str(other), "--json").stdout)
    (pair,) = document["pairs"]
    assert pair["a"] == {"told": None, "trip": "2026-03-02T09:05:00Z"}
    assert pair["b"] == {"told": "2026-03-02T09:05:00Z", "trip": None}
    assert document["a"]["trips"][0]["doubtful"] is True


def test_backtest_tells_each_pause_once(stream: Path) -> None:
    done = ks("backtest", str(stream), "--json")
    document = json.loads(done.stdout)
    assert (document["items"], document["from"]) == (3, "2026-03-02T09:00:00Z")
    (trip,) = document["trips"]
    assert trip["at"] == "2026-03-02T09:05:00Z"
    assert trip["outlets"] == ["Harbour Post", "Coast Radio"]
    assert trip["items"] == ["a", "c"]


def test_backtest_reads_gzip_and_draws_a_timeline(
    stream: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    packed = tmp_path / "rows.jsonl.gz"
    packed.write_bytes(gzip.compress(stream.read_bytes()))
    monkeypatch.setenv("KILLSWITCH_TIMEZONE", "Europe/Paris")
    done = ks("backtest", str(packed))
    assert "2026-03-02 10:05:00 CET" in done.stdout
    assert "1 pause in" in done.stdout


UNDATED = [{**row, "published": None} for row in ROWS]


@pytest.mark.parametrize(
    ("rows", "told", "dates"),
    [
        ([UNDATED[0], *ROWS[1:]], "1 pause in 1 day", ["2026-03-02T09:05:00Z"] * 3),
        (UNDATED, "1 pause (no row has a date)", [None] * 3),
        ([], "nothing to replay", None),
    ],
)
def test_a_stream_that_begins_without_dates_does_not_begin_in_1970(
    tmp_path: Path, rows: list[dict[str, object]], told: str, dates: list[str | None] | None
) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    assert told in ks("backtest", str(path)).stdout
    document = json.loads(ks("backtest", str(path), "--json").stdout)
    if dates is not None:
        assert [document["from"], document["to"], document["trips"][0]["at"]] == dates


@pytest.mark.parametrize(("lang", "code"), [("klingon", 2), ("", 2), ("zz", 2), ("fr-FR", 0)])
def test_a_language_that_no_list_reads_is_refused(lang: str, code: int) -> None:
    done = ks("detect", "Six dead", "--lang", lang)
    assert done.returncode == code
    assert ("one of de, en" in done.stderr) == (code == 2)


def test_a_sample_that_can_prove_nothing_is_refused(stream: Path) -> None:
    done = ks("lexicon", "check", "--sample", str(stream))
    assert (done.returncode, "holds 2 headlines" in done.stderr) == (2, True)


def test_phrases_that_a_sample_lacks_are_counted_and_are_no_fault(tmp_path: Path) -> None:
    path = tmp_path / "calm.jsonl"
    path.write_text('{"title": "Council opens a new lake path"}\n' * 100)
    done = ks("lexicon", "check", "--sample", str(path))
    assert (done.returncode, done.stdout.count("\n")) == (0, 2)
    assert "match no headline of the sample" in done.stdout


def test_no_list_for_a_language_is_a_wrong_command_not_a_wrong_configuration() -> None:
    assert ks("lexicon", "check", "--language", "klingon").returncode == 2


def test_a_file_that_is_not_gzip_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl.gz"
    path.write_bytes(b"plain")
    done = ks("backtest", str(path))
    assert done.returncode == 2
    assert "Traceback" not in done.stderr


def test_lexicon_check_finds_the_shipped_lists_in_order() -> None:
    done = ks("lexicon", "check", "--json")
    document = json.loads(done.stdout)
    assert set(document["languages"]) >= {"en", "fr"}
    assert [f for f in document["findings"] if f["kind"] != "review"] == []
