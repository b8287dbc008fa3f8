"""``killswitch init`` as people run it: a process, a file, a terminal."""

from __future__ import annotations

import argparse
import json
import os
import pty
import stat
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from killswitch.cli import init
from killswitch.errors import Exit, OperatorError, RefusedError, UsageError
from killswitch.settings import load

RUN = """
import argparse, sys
from killswitch.cli import init
from killswitch.errors import KillswitchError
parser = argparse.ArgumentParser()
init.add_arguments(parser)
parser.add_argument("--json", action="store_true")
try:
    sys.exit(init.run(parser.parse_args()))
except KillswitchError as error:
    print(error.message, error.hint, file=sys.stderr)
    sys.exit(error.exit)
"""
ROOT = Path(__file__).parents[2]


def _args(folder: Path, **given: object) -> argparse.Namespace:
    known = {"dir": str(folder), "country": None, "yes": True, "json": False}
    return argparse.Namespace(**(known | given))


def _env(**given: str) -> dict[str, str]:
    base = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    return base | {"PYTHONPATH": str(ROOT), "LANG": "C.UTF-8", "TZ": "UTC"} | given


def test_init_writes_a_private_file_that_loads(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", RUN, "new folder", "--country", "fr", "--yes"],
        cwd=tmp_path,
        env=_env(),
        capture_output=True,
        text=True,
        check=True,
    )
    file = tmp_path / "new folder" / "killswitch.toml"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    settings = load(file, env={"HOME": str(tmp_path)})
    assert settings.language == "fr"
    assert settings.timezone == "Europe/Paris"
    assert settings.channels[0].kind == "file"
    assert "Les trois prochaines étapes" in done.stdout
    assert f"--config '{file}' run --check" in done.stdout
    assert done.stderr == ""


def test_init_keeps_an_existing_file(tmp_path: Path) -> None:
    file = tmp_path / "killswitch.toml"
    file.write_text("mine")
    with pytest.raises(RefusedError, match="was left as it is") as caught:
        init.run(_args(tmp_path))
    assert caught.value.exit is Exit.REFUSED
    assert file.read_text() == "mine"


def test_init_keeps_even_a_dangling_link(tmp_path: Path) -> None:
    (tmp_path / "killswitch.toml").symlink_to(tmp_path / "gone")
    with pytest.raises(RefusedError):
        init.run(_args(tmp_path))
    assert not (tmp_path / "gone").exists()


@pytest.mark.parametrize("country", ["zz", "France", "../fr", ""])
def test_init_refuses_an_unknown_country(tmp_path: Path, country: str) -> None:
    if not country:
        assert init.run(_args(tmp_path, country=country)) == Exit.DONE
        return
    with pytest.raises(UsageError, match="No feeds are known") as caught:
        init.run(_args(tmp_path, country=country))
    assert "fr" in caught.value.hint
    assert list(tmp_path.iterdir()) == []


def test_init_refuses_a_folder_that_is_a_file(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OperatorError, match="could not be written"):
        init.run(_args(tmp_path / "file"))


def test_init_answers_one_json_document(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert init.run(_args(tmp_path, country="gb", json=True)) == Exit.DONE
    told = json.loads(capsys.readouterr().out)
    assert told["config"] == str(tmp_path / "killswitch.toml")
    assert told["country"] == "gb"
    assert len(told["next"]) == 3


def test_init_names_the_plain_command_where_the_file_is_found_by_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("killswitch.settings.places.SYSTEM_CONFIG", tmp_path / "none")
    assert init.run(_args(Path())) == Exit.DONE
    steps = init.next_steps(tmp_path / "killswitch.toml")
    assert steps[0].endswith(": killswitch run --check")


def test_init_says_when_no_word_list_reads_the_feeds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(init, "shipped_languages", lambda: {"en", "fr"})
    assert init.run(_args(tmp_path, country="it")) == Exit.DONE
    assert 'No word list reads "it" yet' in capsys.readouterr().out
    languages = {feed.language for feed in load(tmp_path / "killswitch.toml", env={}).feeds}
    assert languages == {"it", "en"}


@pytest.mark.parametrize(
    ("zone", "lang", "country"),
    [
        ("Europe/Madrid", "C", "es"),
        ("UTC", "fr_BE.UTF-8", "be"),
        ("UTC", "ja_JP.UTF-8", "gb"),
        ("UTC", "", "gb"),
    ],
)
def test_the_country_is_guessed_from_the_machine(zone: str, lang: str, country: str) -> None:
    assert init._first_choices(None, {"TZ": zone, "LANG": lang}).country == country


def test_wrong_answers_are_asked_again_and_empty_ones_take_the_proposal(
    capsys: pytest.CaptureFixture[str],
) -> None:
    lines = iter(["xx", "UK", "Londn", "", "lea", "lea@example.org"])
    got = init.ask(
        init.Choices("fr", "Europe/Paris"), answer=lambda _: next(lines), country_given=False
    )
    assert got == init.Choices("gb", "Europe/London", "lea@example.org")
    told = capsys.readouterr().out
    assert "No feeds are known" in told
    assert "no time zone is called" in told
    assert "no mail address" in told


def test_the_mail_address_stands_in_the_commented_notice() -> None:
    text = init.compose(init.Choices("gb", "Europe/London", "lea@example.org"))
    assert '# urls = ["mailto://user:password@smtp.example.org/?to=lea@example.org"]' in text


def _talk(folder: Path, typed: bytes) -> tuple[int, str]:
    """Run ``init`` on a terminal, type the lines and read what it says."""
    ours, theirs = pty.openpty()
    with subprocess.Popen(
        [sys.executable, "-c", RUN],
        cwd=folder,
        env=_env(),
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        start_new_session=True,
    ) as process:
        os.close(theirs)
        os.write(ours, typed)
        said = b""
        try:
            while chunk := os.read(ours, 4096):
                said += chunk
        except OSError:
            pass  # Linux ends a terminal without writers by EIO
        code = process.wait()
    os.close(ours)
    return code, said.decode()


def test_on_a_terminal_it_asks_three_questions(tmp_path: Path) -> None:
    code, said = _talk(tmp_path, b"fr\n\nlea@example.org\n")
    assert code == 0, said
    assert "Country (" in said
    settings = load(tmp_path / "killswitch.toml", env={"HOME": str(tmp_path)})
    assert settings.timezone == "Europe/Paris"
    assert "to=lea@example.org" in (tmp_path / "killswitch.toml").read_text()


def test_an_ended_terminal_writes_nothing(tmp_path: Path) -> None:
    code, said = _talk(tmp_path, b"fr\n\x04")
    assert code == 1
    assert "nothing was written" in said
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("country", init.countries())
def test_init_writes_levels_for_a_brand_of_that_country(country: str) -> None:
    text = init.compose(init.Choices(country, "UTC"))
    levels = tomllib.loads(text)["levels"]
    assert levels["places"][0] == country
    assert levels["far"]["death"] == "pause"
    assert levels["far"]["other"] == 2


@pytest.mark.parametrize("country", init.countries())
def test_a_dozen_feeds_of_each_country_are_shipped(country: str) -> None:
    feeds = init.feed_list(country)["feeds"]
    assert len(feeds) >= 12
    own = [feed for feed in feeds if feed.get("country", country) == country]
    assert len(own) >= 8
    assert len({feed["url"] for feed in feeds}) == len(feeds)
    assert len({feed.get("group") or feed["outlet"] for feed in feeds}) >= 7
