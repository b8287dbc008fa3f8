"""Acts 1 to 5: an ordinary morning, a story that breaks, the pause, triage, the resume."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from killswitch.demo.headlines import BREAKING, OUTLETS
from killswitch.demo.play import WHO, Pause, Play, resume_words
from killswitch.wire import z_time

MORNING, NOTEBOOK = "Good morning", "New in the shop"
QUIZ, BLAST, FRIDAY, WINNER, SEALING = "Quiz", "A blast", "Happy Friday", "The winner", "Two for"
TICKETS, NANTES, HOURS = "Last tickets", "Meet us", "New opening hours"

# Seconds from the import, channel, text.  The brand and its posts are invented.
_SOON = (
    (2, "journal", "Good morning! The first coffee is on us until ten."),
    (3, "shop", "New in the shop: the notebook that lies flat."),
    (9, "journal", "A blast of colour: our summer inks are here!"),
    (9, "shop", "Happy Friday from all of us at the workshop."),
    (10, "shop", "The winner of our pen lottery is number 4711!"),
    (10, "journal", "Two for one on cherry-red sealing wax, today only."),
    (11, "shop", "Last tickets for the calligraphy evening."),
)
_LATER = (
    ("+1d", "journal", "New opening hours from Monday."),
    ("+21d", "shop", "Meet us in Nantes: our pop-up store opens in three weeks."),
)
_QUIZ = "Quiz: which fountain pen are you?"
_QUIZ_DUE = "+2s"
_MOVED_BY = "+7s"


def ordinary(play: Play) -> None:
    """Let a daemon start, a queue fill, and two posts leave."""
    play.stage.act("An ordinary morning")
    play.stage.tell(f"{len(OUTLETS)} invented newsrooms publish here. The daemon starts.")
    play.house.start()
    play.wait_for("the first round over all feeds", state="running")
    _import(play)
    play.house.run("queue")
    play.stage.read(4)
    for outlet in OUTLETS:
        play.newsroom.report(outlet.slug, outlet.later)
    play.stage.tell(f"The newsrooms go on: “{OUTLETS[1].later}”, “{OUTLETS[0].later}” …")
    play.wait_for_arrival(MORNING)
    play.wait_for_arrival(NOTEBOOK)
    status = play.status()
    play.check("ordinary news stops nothing (“killer sudoku” is no tragedy)", not status["causes"])


def _import(play: Play) -> None:
    path = play.house.folder / "morning.csv"
    with path.open("w", newline="", encoding="utf-8") as file:
        rows = csv.writer(file)
        rows.writerow(("due", "channel", "text"))
        rows.writerows((f"+{at * play.slow}s", channel, text) for at, channel, text in _SOON)
        rows.writerows(_LATER)
    play.house.run("queue", "import", path.name, "--as", WHO)


def one_outlet(play: Play) -> None:
    """Let one newsroom report: posts wait, nobody is called."""
    play.stage.act("One newsroom reports something terrible")
    _break(play, 0)
    play.wait_for("the headline is read and graded", inhibit="unconfirmed")
    play.house.run("status", expect=(3,))
    play.stage.read(5)
    play.stage.tell("Somebody who has not seen the news goes on working:")
    play.house.run("queue", "add", _QUIZ, "--at", _QUIZ_DUE, "--channel", "shop", "--as", WHO)
    play.wait_past_due(QUIZ)
    play.check(f"a post that came due waits: “{QUIZ}…”", play.arrived(QUIZ) is None)
    play.check("nobody was called", not play.pager.told())
    play.stage.read(3)


def _break(play: Play, number: int) -> datetime:
    slug, title = BREAKING[number]
    name = next(outlet.name for outlet in OUTLETS if outlet.slug == slug)
    at = play.published[slug] = play.newsroom.report(slug, title)
    play.stage.tell(f"{name}: {title}", style="bold red")
    return at


def pause(play: Play) -> None:
    """Let a second newsroom confirm it: the queue is paused, sealed, and a human told."""
    play.stage.act("A second newsroom confirms it: everything stops")
    second_at = _break(play, 1)
    status = play.wait_for("the pause is sealed", state="paused", sealed=True, cause="story")
    _break(play, 2)
    measured = play.note_pause("story", status)
    _show_receipt(play, measured, status)
    told = play.wait_for_notice("PAUSED", after=measured.accepted)
    play.first_notice = told.at
    play.show_notice(told)
    play.stage.read(10)
    play.stage.until(
        "the third newsroom becomes evidence",
        lambda: len(play.status()["causes"][0]["evidence"]) == len(BREAKING) or None,
        limit_s=15,
    )
    play.house.run("status", expect=(3,))
    play.stage.read(6)
    play.house.run("incidents", "show", "last")
    waited = (measured.accepted - second_at).total_seconds()
    play.check(f"paused {waited:.2f} s after the second headline appeared", waited < 30)
    play.check("nothing is uncertain: the receipt names no post", not status["uncertain"])
    play.stage.read(4)


def _show_receipt(play: Play, measured: Pause, status: Mapping[str, Any]) -> None:
    uncertain = ", ".join(post["id"] for post in status["uncertain"]) or "none"
    lines = (
        f"accepted   {z_time(measured.accepted)}   (version {status['version']})",
        f"sealed     {z_time(measured.sealed)}   ({measured.seal_ms()} ms later)",
        f"may have gone out all the same: {uncertain}",
    )
    play.stage.quote("The receipt of the pause:", lines)


def would_have_left(play: Play) -> None:
    """Show what the pause kept back, and what clashes with the event."""
    play.stage.act("What would have gone out")
    held = play.stage.until("the clash search is done", lambda: _held(play), limit_s=15)
    play.house.run("queue", "--state", "held")
    play.stage.tell("Posts that touch the event are held whatever their date:")
    play.house.run("queue", "--clash")
    clashing = [row for row in held if row["clash"]]
    play.check(f"{len(held)} posts are held", len(held) == 7)
    play.check(
        "the blast and, three weeks ahead, the city are found",
        {row["text"].split()[0] for row in clashing} == {"A", "Meet"},
    )
    hours = play.row(HOURS)
    play.check("tomorrow's harmless post stays scheduled", hours["state"] == "scheduled")
    play.stage.read(6)


def _held(play: Play) -> list[Mapping[str, Any]] | None:
    rows = play.house.rows("held")
    return rows if sum(bool(row["clash"]) for row in rows) == 2 else None


def triage_and_resume(play: Play) -> None:
    """Decide on each post, resume, and see the released ones leave one by one."""
    play.stage.act("A human decides")
    play.house.run("ack", "--as", WHO)
    play.wait_past_due(TICKETS)
    version = play.status()["version"]
    play.stage.tell("A resume that steps over posts nobody has looked at is refused:")
    play.house.run(*resume_words("It is over", version), expect=(5,))
    play.stage.read(4)
    released = [play.row(words)["id"] for words in (FRIDAY, WINNER)]
    play.house.run("queue", "release", *released, "--as", WHO)
    skipped = [play.row(words)["id"] for words in (QUIZ, BLAST, SEALING)]
    play.house.run("queue", "skip", *skipped, "--reason", "not today", "--as", WHO)
    play.house.run("queue", "move", play.row(TICKETS)["id"], "--at", _MOVED_BY, "--as", WHO)
    play.stage.act("A human resumes, and nothing leaves in a burst")
    play.resume("Léa spoke to the editor; plain posts may go")
    play.releases.append(released)
    for words in (FRIDAY, WINNER, TICKETS):
        play.wait_for_arrival(words)
    far = play.row(NANTES)
    play.check("the post about the city stays held", far["state"] == "held")
    play.check("the skipped posts never left", not any(map(play.arrived, (QUIZ, BLAST, SEALING))))
    told = play.wait_for_notice("RUNNING AGAIN", after=play.pauses[-1].accepted)
    play.stage.tell(f"On the telephone: {told.title}")
    play.stage.read(3)
