"""Acts 7 and 8: the news can't be seen, and the daemon hangs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from killswitch.demo.play import WHO, Pause, Play, resume_words
from killswitch.wire import read_time

COFFEE, ENVELOPE = "Coffee and ink", "A letter"
_BLIND_DUE_S = 5
_HUNG_DUE_S = 3


def blind(play: Play) -> None:
    """Cut the feeds: posts wait, then a human is told, then the news is back."""
    play.stage.act("Blind: the news can't be seen")
    text = "Coffee and ink: a workshop for early birds."
    _add(play, text, in_s=_BLIND_DUE_S)
    play.newsroom.server.close()
    play.stage.tell("The feed servers are gone.", style="bold red")
    began = play.clock.now()
    play.wait_for("sight is lost", inhibit="sight")
    play.wait_past_due(COFFEE)
    play.check(f"a post that came due waits: “{COFFEE}…”", play.arrived(COFFEE) is None)
    status = play.wait_for("the switch calls itself blind", cause="blind", sealed=True, limit_s=60)
    play.house.run("status", expect=(3,))
    play.note_pause("blind", status)
    play.show_notice(play.wait_for_notice("BLIND", after=began))
    play.stage.read(6)
    play.stage.tell("Nobody may resume what can't see:")
    words = resume_words("It will be fine", status["version"])
    play.house.run(*words, "--keep-held", expect=(5,))
    _see_again(play)


def _see_again(play: Play) -> None:
    play.newsroom.server.open()
    play.stage.tell("The feed servers are back.")
    play.stage.until(
        "enough feeds are read again",
        lambda: play.status()["sight"]["ok"] or None,
        limit_s=90,
    )
    released = [play.row(COFFEE)["id"]]
    play.house.run("queue", "release", *released, "--as", WHO)
    play.resume("The network is mended")
    play.releases.append(released)
    play.wait_for_arrival(COFFEE)


def hung(play: Play) -> None:
    """Stop the daemon in mid-air and pause all the same, by the flag directory."""
    play.stage.act("Hung: the daemon does not answer")
    play.wait_for("everything runs", state="running", limit_s=60)
    _add(play, "A letter takes three days; this post takes one click.", in_s=_HUNG_DUE_S)
    due = read_time(play.row(ENVELOPE)["due"])
    play.house.freeze()
    play.stage.tell("The daemon is frozen (SIGSTOP): no answer, no end.", style="bold red")
    _press(play)
    play.wait_past(due, f"“{ENVELOPE}…” comes due meanwhile")
    play.house.thaw()
    play.stage.tell("It goes on (SIGCONT), with a due post in its hands.")
    # The socket kept the pause, too: whichever the daemon reads first opens the cause.
    play.wait_for("the pause is a cause", state="paused", sealed=True)
    held = play.stage.until("the post is held", lambda: _held(play), limit_s=15)
    play.house.run("status", expect=(3,))
    play.check(f"the post is held: “{ENVELOPE}…”", held["state"] == "held")
    play.check("and it did not leave", play.arrived(ENVELOPE) is None)
    play.stage.read(4)


def _press(play: Play) -> None:
    pressed = play.clock.now()
    play.house.run("pause", "the daemon hangs, and we want silence", "--as", WHO)
    play.pauses.append(Pause("hung", pressed, play.clock.now()))
    flags = [entry.name for entry in (play.house.state_dir / "pause.d").iterdir()]
    play.check(f"the pause is a file: pause.d/{' '.join(flags)}", len(flags) == 1)


def _held(play: Play) -> Mapping[str, Any] | None:
    row = play.row(ENVELOPE)
    return row if row["state"] == "held" else None


def _add(play: Play, text: str, *, in_s: int) -> None:
    play.house.run("queue", "add", text, "--at", f"+{in_s}s", "--channel", "shop", "--as", WHO)
