"""
Write a first configuration that works as it is.

Invariant: an existing file is never changed; the new one is readable by its owner only, since
secrets will be written into it.
"""

from __future__ import annotations

import argparse
import json
import os
import shlex
import sys
import tomllib
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from killswitch.cli.out import document, say
from killswitch.cli.words import speak, told, tr
from killswitch.errors import Exit, OperatorError, RefusedError, UsageError

HELP = "write a configuration with the feeds of a country, and say the next three steps"

FILE_NAME = "killswitch.toml"
PACKAGE = Path(__file__).resolve().parents[1]
FEED_LISTS = PACKAGE / "feedlists"
LEXICONS = PACKAGE / "news" / "lexicons"
DEFAULT_COUNTRY = "gb"
EXTRA_COUNTRY = "gb"
"""Whose feeds join where no word list reads the country's own language."""
LEVELS = (
    'near = { other = "pause" }',
    'far = { death = "pause", other = 2 }',
    "world = 3",
    'world_within = "12h"',
)
"""For a national brand; ``docs/detection.md`` says what they do on months of news."""
EXTRA_FEEDS = 3
"""Enough for two of them to agree while one is down."""


@dataclass(frozen=True, slots=True)
class Choices:
    """
    What the new file will say.

    Attributes:
        country: Two letters of a list in ``feedlists``.
        timezone: A name of the zone database.
        mail: Where notices go, or an empty text.
    """

    country: str
    timezone: str
    mail: str = ""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the folder, the country and the switch that asks nothing."""
    parser.add_argument("dir", metavar="DIR", nargs="?", default=".", help="folder (default: here)")
    parser.add_argument("--country", metavar="CC", help="two letters, such as fr or gb")
    parser.add_argument("--yes", action="store_true", help="ask nothing, take the defaults")


def run(args: argparse.Namespace) -> int:
    """
    Write ``killswitch.toml`` and print the next three steps.

    Raises:
        UsageError: No feeds are known for the country.
        RefusedError: The file exists already; it was not touched.
        OperatorError: The folder cannot be written, or the questions were not answered.
    """
    target = Path(args.dir).absolute() / FILE_NAME
    _refuse_existing(target)
    choices = _first_choices(args.country, os.environ)
    if sys.stdin.isatty() and sys.stdout.isatty() and not args.yes and not args.json:
        choices = ask(choices, answer=_prompt, country_given=bool(args.country))
    _write(target, compose(choices))
    if not args.json:
        speak(str(feed_list(choices.country)["language"]))
    _tell(target, choices, as_json=args.json)
    return Exit.DONE


def countries() -> list[str]:
    """List the countries whose feeds are shipped."""
    return sorted(file.stem for file in FEED_LISTS.glob("*.toml"))


def feed_list(country: str) -> dict[str, Any]:
    """Read the feed list of one of ``countries``."""
    return tomllib.loads((FEED_LISTS / f"{country}.toml").read_text(encoding="utf-8"))


def shipped_languages() -> set[str]:
    """List the languages that the detector has word lists for."""
    return {file.name[:2] for file in LEXICONS.glob("*.toml")}


def _refuse_existing(target: Path) -> None:
    if os.path.lexists(target):
        raise RefusedError(
            "exists",
            f"{target} exists and was left as it is.",
            "Name another folder, or move that file away.",
        )


def _first_choices(country: str | None, env: Mapping[str, str]) -> Choices:
    from killswitch.settings.places import machine_zone  # noqa: PLC0415 - heavy, only init needs it

    zone = machine_zone(env)
    chosen = _known(country) if country else _guess(zone, env)
    own = feed_list(chosen)["timezone"]
    return Choices(chosen, own if zone.rpartition("/")[2] in {"UTC", "UCT", "Universal"} else zone)


def _known(country: str) -> str:
    """Check a country that somebody named."""
    code = {"uk": "gb"}.get(country.strip().lower(), country.strip().lower())
    if code not in countries():
        raise UsageError(
            "unknown_country",
            f'No feeds are known for "{country[:20]}".',
            f"Known: {', '.join(countries())}. Any other: start from one and edit its [[feeds]].",
        )
    return code


def _guess(zone: str, env: Mapping[str, str]) -> str:
    """Guess the country from the machine's zone, then from its language settings."""
    for country in countries():
        if feed_list(country)["timezone"] == zone:
            return country
    locale = env.get("LC_ALL") or env.get("LANG") or ""
    region = locale.partition(".")[0].partition("_")[2].lower()
    return region if region in countries() else DEFAULT_COUNTRY


def _prompt(question: str) -> str:
    try:
        return input(question)
    except EOFError as error:
        raise OperatorError(
            "not_answered", "No answer, so nothing was written.", "Ask nothing with: --yes"
        ) from error


def ask(choices: Choices, *, answer: Callable[[str], str], country_given: bool) -> Choices:
    """
    Ask for what the machine cannot know; an empty answer takes the proposal.

    Args:
        choices: The proposals.
        answer: Shows a question and returns the line that was typed.
        country_given: Whether the country was named on the command line already.
    """
    if not country_given:
        country = _asked(
            f"Country ({', '.join(countries())})", choices.country, answer=answer, check=_known
        )
        if country != choices.country:
            choices = Choices(country, feed_list(country)["timezone"])
    zone = _asked("Time zone of the posts", choices.timezone, answer=answer, check=_zone)
    mail = _asked("Mail address for notices (may stay empty)", "", answer=answer, check=_mail)
    return replace(choices, timezone=zone, mail=mail)


def _asked(
    what: str, proposal: str, *, answer: Callable[[str], str], check: Callable[[str], str]
) -> str:
    shown = f" [{proposal}]" if proposal else ""
    while True:
        typed = answer(f"{what}{shown}: ").strip()
        if not typed:
            return proposal
        try:
            return check(typed)
        except UsageError as error:
            say(f"  {told(error.message)} {told(error.hint)}")


def _zone(text: str) -> str:
    from pydantic import TypeAdapter, ValidationError  # noqa: PLC0415 - heavy, only init needs it

    from killswitch.settings.kinds import Zone  # noqa: PLC0415 - as above

    try:
        return TypeAdapter(Zone).validate_python(text)
    except ValidationError as error:
        said = str(error.errors()[0]["msg"]).removeprefix("Value error, ")
        raise UsageError("unknown_zone", f"{said}.") from error


def _mail(text: str) -> str:
    name, _, host = text.partition("@")
    plain = all(sign.isascii() and (sign.isalnum() or sign in "@._+-") for sign in text)
    if not name or "." not in host or "@" in host or not plain:
        raise UsageError("bad_mail", "That is no mail address.", "Such as lea@example.org.")
    return text


def _feeds(country: str) -> tuple[list[dict[str, Any]], bool]:
    """Collect the feeds, and say whether others had to join for the detector to read any."""
    own = [{"country": country, **feed} for feed in feed_list(country)["feeds"]]
    if any(feed["language"] in shipped_languages() for feed in own if "kind" not in feed):
        return own, False
    extra = feed_list(EXTRA_COUNTRY)["feeds"][:EXTRA_FEEDS]
    return own + [{"country": EXTRA_COUNTRY, **feed} for feed in extra], True


def compose(choices: Choices) -> str:
    """Write the text of the configuration."""
    listed = feed_list(choices.country)
    feeds, joined = _feeds(choices.country)
    head = [
        "# killswitch: a first configuration. Every setting is explained in config.example.toml.",
        "# Check after each change: killswitch run --check",
        "",
        '# "rehearsal" only says "I would have paused": good for a first week.',
        'mode = "live"',
        f'timezone = "{choices.timezone}"',
        f'language = "{listed["language"]}"',
    ]
    note = _joined_note(choices.country) if joined else ""
    return "\n".join((*head, *_body(choices), f"# Feeds of {listed['label']}.{note}", "")) + (
        "\n".join(_feed_text(feed) for feed in feeds)
    )


def _joined_note(country: str) -> str:
    language = feed_list(country)["feeds"][0]["language"]
    return (
        f'\n# No word list reads "{language}" yet: those headlines are followed, not judged, so'
        f"\n# {EXTRA_FEEDS} English feeds joined."
    )


def _body(choices: Choices) -> tuple[str, ...]:
    near = json.dumps(feed_list(choices.country)["near"])
    mail = choices.mail or "you@example.org"
    return (
        "",
        "# What is yours: one grave report that names any of it pauses (of a place: two).",
        "[brand]",
        "names = []",
        "products = []",
        "sponsors = []",
        "staff = []",
        "places = []",
        "",
        "# What is near pauses; what is far and not large is only told, until many outlets speak",
        "# of it. Without this table every confirmed story pauses.",
        "[levels]",
        f"places = {near}",
        *LEVELS,
        "",
        "# Posts go into this file of the state directory until a real channel is set up.",
        "[[channels]]",
        'name = "outbox"',
        'kind = "file"',
        'path = "posts.jsonl"',
        "",
        "# Who is told of a pause: put in your mail server and take out the # before urls.",
        "[notify]",
        f'# urls = ["mailto://user:password@smtp.example.org/?to={mail}"]',
        "",
    )


def _feed_text(feed: dict[str, Any]) -> str:
    keys = ("name", "url", "outlet", "group", "kind", "language", "country")
    lines = [f"{key} = {json.dumps(feed[key], ensure_ascii=False)}" for key in keys if key in feed]
    return "\n".join(("[[feeds]]", *lines, ""))


def _write(target: Path, text: str) -> None:
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        handle = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        _refuse_existing(target)
        raise _not_written(target, "its folder is a file") from None
    except OSError as error:
        raise _not_written(target, error.strerror or str(error)) from error
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
    except OSError as error:
        with suppress(OSError):
            target.unlink()
        raise _not_written(target, error.strerror or str(error)) from error


def _not_written(target: Path, why: str) -> OperatorError:
    return OperatorError(
        "not_written",
        f"{target} could not be written: {why}.",
        "Name a folder that you may write to.",
    )


def _tell(target: Path, choices: Choices, *, as_json: bool) -> None:
    feeds, joined = _feeds(choices.country)
    steps = next_steps(target)
    if as_json:
        facts = {"config": str(target), "country": choices.country, "timezone": choices.timezone}
        document({**facts, "feeds": len(feeds), "next": steps})
        return
    text = tr("Wrote {file}: {count} feeds for {country}, one file channel.")
    label = feed_list(choices.country)["label"]
    say(text.format(file=target, count=len(feeds), country=label))
    if joined:
        say(_joined_note(choices.country).replace("\n# ", " ").strip())
    say("\n" + tr("Next three steps"))
    for number, step in enumerate(steps, start=1):
        say(f"  {number}. {step}")


def next_steps(target: Path) -> list[str]:
    """Say what to do with the new file, as commands that work from here."""
    from killswitch.settings.places import find_config  # noqa: PLC0415 - heavy, only init needs it

    found = find_config(None, os.environ)
    known = found is not None and found.absolute() == target
    program = "killswitch" if known else f"killswitch --config {shlex.quote(str(target))}"
    # In this order: a test notice needs the daemon, and the daemon needs a good configuration.
    forms = (
        tr("put your mail server into [notify] of {file}, then: {program} run --check"),
        tr("{program} run   (it stays in this terminal; Ctrl-C ends it)"),
        tr("in a second terminal: {program} notify test, then {program} status"),
    )
    return [form.format(file=target.name, program=program) for form in forms]
