"""The words about single posts, channels, and the daemon itself."""

from __future__ import annotations

from killswitch.notify import blocks
from killswitch.notify.phrases import in_words
from killswitch.notify.plain import plain
from killswitch.notify.said import REASON_LONGEST, Facts, Said, happened_at, lost_posts
from killswitch.notify.voice import NAME_LONGEST, Voice, state_line
from killswitch.wire import StatusDoc


def held_late(voice: Voice, facts: Facts, status: StatusDoc) -> Said:
    """Tell that a post did not go out in time and stays."""
    return _about_post(
        voice, facts, status,
        first=voice.say("HELD {time} · {post}"),
        second=voice.say("It did not go out and stays until somebody decides: {why}"),
        commands=(
            ('killswitch queue move {id} --at "+15m"', voice.say("another time")),
            ("killswitch queue release {id}", voice.say("in the next free place")),
            ("killswitch queue skip {id}", voice.say("never")),
        ),
    )  # fmt: skip


def held_horizon(voice: Voice, facts: Facts, status: StatusDoc) -> Said:
    """Tell that a post planned long ago wants a confirmation."""
    return _about_post(
        voice, facts, status,
        first=voice.say("HELD {time} · {post}"),
        second=voice.say("It was planned long ago: somebody has to confirm that it still fits."),
        commands=(
            ("killswitch queue confirm {id}", voice.say("it still fits")),
            ('killswitch queue move {id} --at "+15m"', voice.say("another time")),
            ("killswitch queue skip {id}", voice.say("never")),
        ),
    )  # fmt: skip


def uncertain(voice: Voice, facts: Facts, status: StatusDoc) -> Said:
    """Tell that nobody knows whether a post went out, or that one is out which was given up."""
    facts = _still_in_doubt(facts, status)
    commands: tuple[tuple[str, str], ...] = (
        ("killswitch queue resolve {id} --sent", voice.say("it is out")),
        ("killswitch queue resolve {id} --not-sent", voice.say("it is not out")),
    )
    if facts.get("out"):
        commands = (("killswitch queue show {id}", voice.say("what happened to it")),)
    return _about_post(
        voice, facts, status,
        first=voice.say("CHECK {time} · {post} may have gone out"),
        second=voice.say("Look at {channel}, then say what happened: {why}"),
        commands=commands,
    )  # fmt: skip


def _still_in_doubt(facts: Facts, status: StatusDoc) -> Facts:
    """Leave out of a repeat what somebody has resolved since; never everything."""
    joined = blocks.dicts(facts.get("joined"))
    doubtful = {post["id"] for post in status.get("uncertain") or ()}
    left = [one for one in (facts, *joined) if one.get("out") or one.get("delivery") in doubtful]
    if not left or not joined:
        return facts
    rest = [one for one in left[1:] if one is not facts]
    # Who wrote one that joined is known by its id alone, which tells people nothing.
    first = facts if left[0] is facts else {**left[0], "at": facts.get("at"), "author": None}
    return {**first, "joined": rest, "more": facts.get("more")}


def failed(voice: Voice, facts: Facts, status: StatusDoc) -> Said:
    """Tell that a network refused a post for good."""
    return _about_post(
        voice, facts, status,
        first=voice.say("FAILED {time} · {post}"),
        second=voice.say("{channel} refused it for good: {why}"),
        commands=(("killswitch queue show {id}", voice.say("what was tried")),),
    )  # fmt: skip


def still_public(voice: Voice, facts: Facts, status: StatusDoc) -> Said:
    """Tell that a post could not be taken down, or that nobody knows whether it was."""
    if facts.get("known"):
        first = voice.say("STILL PUBLIC {time} · {post}")
        second = voice.say("{channel} did not take it down ({why}). Take it down there by hand.")
    else:
        first = voice.say("MAY STILL BE PUBLIC {time} · {post}")
        second = voice.say("{channel} did not confirm that it is gone ({why}). Look there.")
    return _about_post(
        voice, facts, status,
        first=first,
        second=second,
        commands=(
            ("killswitch queue show {id}", voice.say("what was tried")),
            ('killswitch queue retract {id} --reason "…"', voice.say("ask once more")),
        ),
    )  # fmt: skip


def skipped(voice: Voice, facts: Facts, status: StatusDoc) -> Said:
    """Tell that a post had expired and is dropped."""
    return _about_post(
        voice, facts, status,
        first=voice.say("SKIPPED {time} · {post}"),
        second=voice.say("Its author let it expire; it will not go out."),
        commands=(("killswitch queue show {id}", voice.say("what happened to it")),),
    )  # fmt: skip


def _about_post(
    voice: Voice,
    facts: Facts,
    status: StatusDoc,
    *,
    first: str,
    second: str,
    commands: tuple[tuple[str, str], ...],
) -> Said:
    name = plain(facts.get("delivery") or facts.get("id") or "ID", NAME_LONGEST)
    words = {
        "time": voice.time(happened_at(facts, status)),
        "post": voice.post(facts),
        "channel": plain(facts.get("channel") or "?", NAME_LONGEST),
        "why": plain(in_words(voice, facts.get("why") or "?"), REASON_LONGEST),
    }
    author = plain(facts.get("author") or "", NAME_LONGEST)
    return Said(
        first=first.format(**words),
        second=second.format(**words) + (f" ({author})" if author else ""),
        blocks=(blocks.joined(voice, facts), [state_line(voice, status, lost=())]),
        commands=tuple((command.format(id=name), meaning) for command, meaning in commands),
    )


def channel_waits(voice: Voice, facts: Facts, status: StatusDoc) -> Said:
    """Tell that a network refuses our access, so that its posts wait."""
    channel = plain(facts.get("channel") or "?", NAME_LONGEST)
    why = plain(facts.get("why") or "?", REASON_LONGEST)
    message = voice.say("WAITING {time} · {channel}: {why}")
    state = [state_line(voice, status, lost=())]
    second = voice.say("Its posts wait. Renew the access of {channel}, then check it.")
    return Said(
        first=message.format(time=voice.time(happened_at(facts, status)), channel=channel, why=why),
        second=second.format(channel=channel),
        # That posts go out as planned would contradict the line above.
        blocks=(blocks.joined(voice, facts), state if status["state"] == "paused" else []),
        commands=(("killswitch channels check", voice.say("try the access")),),
    )


# ---- the daemon itself --------------------------------------------------------------------------


def daemon_fault(voice: Voice, facts: Facts, status: StatusDoc) -> Said:
    """Tell that a part of the daemon failed."""
    what = in_words(voice, facts.get("reason") or facts.get("why") or "?")
    what = plain(what, REASON_LONGEST)
    message = voice.say("FAULT {time} · {what}")
    return Said(
        first=message.format(time=voice.time(happened_at(facts, status)), what=what),
        second=state_line(voice, status, lost=lost_posts(facts, status)),
        blocks=(blocks.joined(voice, facts), blocks.causes(voice, status, but=what)),
        commands=(
            ("killswitch ack", voice.say("I have seen it")),
            ("killswitch doctor", voice.say("what is wrong")),
        ),
    )


def drill(voice: Voice, facts: Facts, status: StatusDoc) -> Said:
    """Tell that this is an exercise."""
    message = voice.say("DRILL {time} · This is an exercise, nothing has happened.")
    return Said(
        first=message.format(time=voice.time(happened_at(facts, status))),
        second=voice.say("Answer as you would to a real one."),
        commands=(("killswitch ack", voice.say("I have seen it")),),
    )


def test(voice: Voice, facts: Facts, status: StatusDoc) -> Said:
    """Tell that the chain to a human works."""
    message = voice.say("TEST {time} · killswitch can reach you.")
    return Said(
        first=message.format(time=voice.time(happened_at(facts, status))),
        second=voice.say("Nothing has happened and there is nothing to do."),
    )
