"""The words about a pause: why, what is certain, what went out, what to do."""

from __future__ import annotations

from killswitch.notify import blocks
from killswitch.notify.plain import plain
from killswitch.notify.said import (
    REASON_LONGEST,
    Facts,
    Said,
    happened_at,
    lost_posts,
    with_title,
)
from killswitch.notify.voice import NAME_LONGEST, Voice, state_line
from killswitch.wire import StatusDoc


def paused(voice: Voice, facts: Facts, status: StatusDoc) -> Said:
    """Tell that the queue is paused, and why."""
    if status["state"] != "paused":
        # Dismissed or resumed before it could go out: told all the same, as what it is by now.
        return _about_pause(voice, facts, status, first=voice.say("WAS PAUSED {time} · {what}"))
    return _about_pause(voice, facts, status, first=voice.say("PAUSED {time} · {what}"))


def worsening(voice: Voice, facts: Facts, status: StatusDoc) -> Said:
    """Tell that a known story has grown clearly worse."""
    return _about_pause(voice, facts, status, first=voice.say("WORSE {time} · {what}"))


def review(voice: Voice, facts: Facts, status: StatusDoc) -> Said:
    """Remind that the queue is still paused, when somebody asked for that."""
    return _about_pause(voice, facts, status, first=voice.say("STILL PAUSED {time} · {what}"))


def sealed(voice: Voice, facts: Facts, status: StatusDoc) -> Said:
    """Tell that the pause is sealed; sent where the first notice could not say so."""
    message = voice.say("NOTHING LEAVES since {time} · {what}")
    sealed_at = status["sealed_at"] or happened_at(facts, status)
    first = with_title(voice, facts, status, message=message, time=voice.exact(sealed_at))
    return _pause_said(voice, facts, status, first=first)


def blind(voice: Voice, facts: Facts, status: StatusDoc) -> Said:
    """Tell that too few feeds answer to know what happens."""
    sight = status["sight"]
    alive = facts.get("alive", sight["alive"] if sight else 0)
    feeds = facts.get("feeds", sight["feeds"] if sight else 0)
    answer = voice.many("{alive} of {n} feed answers.", "{alive} of {n} feeds answer.", feeds)
    words = [voice.say("BLIND {time} ·"), answer]
    if not any(cause["kind"] in {"story", "alert"} for cause in status["causes"]):
        words.append(voice.say("No known tragedy."))
    when = voice.time(happened_at(facts, status))
    first = " ".join(words).format(time=when, alive=alive, n=feeds)
    return _pause_said(voice, facts, status, first=first)


def _about_pause(voice: Voice, facts: Facts, status: StatusDoc, *, first: str) -> Said:
    when = voice.time(happened_at(facts, status))
    title = with_title(voice, facts, status, message=first, time=when)
    return _pause_said(voice, facts, status, first=title)


def _pause_said(voice: Voice, facts: Facts, status: StatusDoc, *, first: str) -> Said:
    lost = lost_posts(facts, status)
    return Said(
        first=first,
        second=state_line(voice, status, lost=lost),
        blocks=(
            blocks.in_doubt(voice, status, lost),
            blocks.went_out(voice, status),
            blocks.by_hand(voice, status),
            blocks.clashes(voice, status),
            blocks.joined(voice, facts),
            blocks.causes(voice, status, but=str(facts.get("reason") or "")),
            blocks.not_told(voice, status),
            blocks.headlines(voice, facts),
        ),
        commands=_pause_commands(voice, status),
    )


def _pause_commands(voice: Voice, status: StatusDoc) -> tuple[tuple[str, str], ...]:
    if status["state"] != "paused":
        return (("killswitch status", voice.say("what is going on")),)
    dismiss = any(cause["kind"] in {"story", "alert"} for cause in status["causes"])
    words = [
        ("killswitch ack", voice.say("I have seen it")),
        ("killswitch status", voice.say("what is going on")),
        ("killswitch triage", voice.say("decide on the held posts")),
    ]
    if dismiss:
        words.append(('killswitch dismiss --reason "…"', voice.say("it was a false alarm")))
    words.append(('killswitch resume --reason "…"', voice.say("go on")))
    return tuple(words)


def rehearsal(voice: Voice, facts: Facts, status: StatusDoc) -> Said:
    """Tell that a live daemon would have paused."""
    message = voice.say("WOULD HAVE PAUSED {time} · {what}")
    when = voice.time(happened_at(facts, status))
    return Said(
        first=with_title(voice, facts, status, message=message, time=when),
        second=voice.say("Rehearsal: nothing is held.") + " " + state_line(voice, status, lost=()),
        blocks=(blocks.joined(voice, facts), blocks.headlines(voice, facts)),
        commands=(("killswitch status", voice.say("what is going on")),),
    )


def told(voice: Voice, facts: Facts, status: StatusDoc) -> Said:
    """Tell of an event that, by the levels set, holds nothing."""
    message = voice.say("NEWS {time} · {what}")
    when = voice.time(happened_at(facts, status))
    why = plain(facts.get("why") or "", REASON_LONGEST)
    return Said(
        first=with_title(voice, facts, status, message=message, time=when),
        second=voice.say("Nothing is held for it.") + " " + state_line(voice, status, lost=()),
        blocks=(
            [voice.say("Why no pause: {reason}").format(reason=why)] if why else [],
            blocks.joined(voice, facts),
            blocks.headlines(voice, facts),
        ),
        commands=(
            ('killswitch pause "…"', voice.say("stop everything")),
            ("killswitch status", voice.say("what is going on")),
        ),
    )


def resumed(voice: Voice, facts: Facts, status: StatusDoc) -> Said:
    """Tell that posts go out again, and who said so."""
    by = plain(facts.get("by") or "?", NAME_LONGEST)
    reason = plain(facts.get("reason") or "", REASON_LONGEST)
    message = voice.say("RUNNING AGAIN {time} · {name}: {reason}")
    when = voice.time(happened_at(facts, status))
    return Said(
        first=message.format(time=when, name=by, reason=reason),
        second=state_line(voice, status, lost=lost_posts(facts, status)),
        blocks=(blocks.in_doubt(voice, status, lost_posts(facts, status)),),
        commands=(
            ("killswitch queue --state held", voice.say("what is still held")),
            ('killswitch pause "…"', voice.say("stop everything again")),
        ),
    )
