"""
The end: what the receivers got against what the store says, and the facts.

Each fact is checked before it is printed; one that fails ends the demonstration with exit 1.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from itertools import pairwise

from killswitch.demo.config import RELEASE_GAP_S
from killswitch.demo.headlines import BREAKING
from killswitch.demo.play import Pause, Play
from killswitch.demo.receivers import Arrival

# The receiver's clock reads a little after the gate's: a request takes some milliseconds, and the
# spacing is counted from the gate.
_GAP_TOLERANCE_S = 0.5


def facts(play: Play) -> None:
    """
    Check everything and say it.

    Raises:
        DemoFailed: Something is not as it was told.
    """
    play.stage.act("The facts")
    out = play.arrivals()
    play.house.run("audit", "verify")
    _ledger(play, out)
    _times(play)
    _silence(play, out)
    _spacing(play, out)
    _decisions(play)


def _ledger(play: Play, out: Sequence[Arrival]) -> None:
    """Compare the receivers' books with the store: every post once, none that it doesn't know."""
    sent = play.house.rows("sent")
    same = sorted(one.delivery for one in out) == sorted(row["id"] for row in sent)
    by_file = sum(one.channel == "journal" for one in out)
    play.check(
        f"sent: {len(out)} posts ({by_file} to the file, {len(out) - by_file} to the webhook); "
        "receivers and store agree, each once",
        same and out,
    )
    play.check("every webhook call was signed rightly", all(one.signed for one in out))
    uncertain = play.house.rows("uncertain")
    play.check("uncertain: 0", not uncertain)


def _times(play: Play) -> None:
    story = play.pauses[0]
    first = (story.accepted - play.published[BREAKING[0][0]]).total_seconds()
    second = (story.accepted - play.published[BREAKING[1][0]]).total_seconds()
    play.check(
        f"paused: {first:.2f} s after the first headline (one outlet only made posts wait), "
        f"{second:.2f} s after the second",
        0 < second < first,
    )
    told = play.first_notice
    play.check(
        f"first notice: {_ms(story.accepted, told)} ms after the pause; "
        f"{len(play.pager.told())} notices in all",
        told is not None,
    )
    sealed = ", ".join(f"{pause.name} {pause.seal_ms()} ms" for pause in play.pauses)
    play.check(
        f"sealed after: {sealed} (the last from the press on, without the daemon)",
        len(play.pauses) == 3 and all(pause.seal_ms() >= 0 for pause in play.pauses),
    )


def _ms(start: datetime, end: datetime | None) -> int:
    return round((end - start).total_seconds() * 1000) if end else -1


def _silence(play: Play, out: Sequence[Arrival]) -> None:
    """Look into the receivers' books for anything between a pause and its resume."""
    for pause in play.pauses:
        leaked = [one for one in out if _is_inside(pause, one.at)]
        ends = pause.resumed or play.clock.now()
        length = (ends - pause.accepted).total_seconds()
        play.check(f"left during the pause “{pause.name}” ({length:.0f} s): 0", not leaked)


def _is_inside(pause: Pause, at: datetime) -> bool:
    return pause.accepted <= at and (pause.resumed is None or at < pause.resumed)


def _spacing(play: Play, out: Sequence[Arrival]) -> None:
    """See that what was released left at least ``release_gap`` apart, and after the resume."""
    at = {one.delivery: one.at for one in out}
    gaps: list[float] = []
    for pause, released in zip(play.pauses, play.releases, strict=False):
        times = [pause.resumed or pause.accepted, *sorted(at[one] for one in released)]
        gaps += [(after - before).total_seconds() for before, after in pairwise(times)]
    play.check(
        f"released posts left at least {RELEASE_GAP_S} s after the resume and after each other "
        f"(least: {min(gaps):.1f} s)",
        min(gaps) >= RELEASE_GAP_S - _GAP_TOLERANCE_S,
    )


def _decisions(play: Play) -> None:
    counts = {state: len(play.house.rows(state)) for state in ("held", "skipped", "scheduled")}
    play.check(
        f"held: {counts['held']} (one clashes, one came due while the daemon hung); "
        f"skipped: {counts['skipped']}; scheduled: {counts['scheduled']}",
        counts == {"held": 2, "skipped": 3, "scheduled": 1},
    )
