"""
How a notice speaks: one language, one time zone, and the small phrases that all kinds share.

Messages are English and go through ``say`` (or ``many``, where a number decides), so that the
catalogues hold every one of them. Foreign text only ever fills a place in a message and is made
harmless on the way.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any
from zoneinfo import ZoneInfo

from killswitch.i18n import plural_translator, told_in, translator
from killswitch.notify.plain import plain
from killswitch.wire import StatusDoc, read_time

POST_LONGEST = 60
"""Characters of a post's text: enough to know which one it is."""
NAME_LONGEST = 40


@dataclass(frozen=True, slots=True)
class Voice:
    """
    The language and the clock of one notice.

    Attributes:
        say: Says an English message in the language.
        told: Says a finished English sentence, such as a reason, in the language.
        many: Chooses between one and several, then says it.
        zone: Times are shown in it.
        today: Local day of reading; a time of another day is shown with its date.
    """

    say: Callable[[str], str]
    told: Callable[[str], str]
    many: Callable[[str, str, int], str]
    zone: ZoneInfo
    today: str

    def time(self, instant: str | None) -> str:
        """Show an instant as local "11:52", with the date where it is of another day."""
        if not instant:
            return "?"
        local = read_time(instant).astimezone(self.zone)
        return local.strftime("%H:%M" if str(local.date()) == self.today else "%Y-%m-%d %H:%M")

    def exact(self, instant: str | None) -> str:
        """Show an instant with its seconds, as receipts do."""
        if not instant:
            return "?"
        return read_time(instant).astimezone(self.zone).strftime("%H:%M:%S")

    def quoted(self, text: object, limit: int = POST_LONGEST) -> str:
        """Put foreign text between the quotation marks of the language."""
        return self.say('"{text}"').format(text=plain(text, limit))

    def post(self, post: Mapping[str, Any]) -> str:
        """Name a post: its channel and the beginning of its text."""
        channel = plain(post.get("channel", "?"), NAME_LONGEST)
        return f"{channel} {self.quoted(post.get('text', ''))}"


def voice_of(language: str, zone: str, *, now: datetime) -> Voice:
    """
    Make the voice of a language and a zone.

    Args:
        language: A code; one without a catalogue speaks English.
        zone: IANA name.
        now: Aware UTC instant of reading.
    """
    info = ZoneInfo(zone)
    return Voice(
        say=translator(language),
        told=partial(told_in, language),
        many=plural_translator(language),
        zone=info,
        today=str(now.astimezone(info).date()),
    )


def state_line(voice: Voice, status: StatusDoc, *, lost: Iterable[Mapping[str, Any]]) -> str:
    """
    Write the second line: state, next post, who acts.

    Args:
        voice: The language.
        status: The present state.
        lost: Posts that may have gone out; the line begins with the first of them.
    """
    if status["state"] != "paused":
        return _not_paused(voice, status)
    parts = [_doubt(voice, list(lost)), _flow(voice, status), _held(voice, status)]
    return " ".join(part for part in (*parts, who_acts(voice, status)) if part)


def _doubt(voice: Voice, lost: list[Mapping[str, Any]]) -> str:
    if not lost:
        return ""
    if len(lost) == 1:
        return voice.say("{post} may have gone out.").format(post=voice.post(lost[0]))
    message = voice.many(
        "{post} and {n} more may have gone out.",
        "{post} and {n} more may have gone out.",
        len(lost) - 1,
    )
    return message.format(post=voice.post(lost[0]), n=len(lost) - 1)


def _flow(voice: Voice, status: StatusDoc) -> str:
    if status["sealed"]:
        return voice.say("Nothing leaves.")
    return voice.say("Nothing new starts; not sealed yet.")


def _held(voice: Voice, status: StatusDoc) -> str:
    counts = status["queue"]
    held = counts["held"] if counts else 0
    shown = voice.many("{n} held", "{n} held", held).format(n=held)
    upcoming = _next(voice, status)
    return f"{shown}, {upcoming}." if upcoming else f"{shown}."


def _next(voice: Voice, status: StatusDoc) -> str:
    first = next((due for due in status["next_due"] if not due.get("waits_until")), None)
    if first is None:
        return ""
    message = voice.say("next {time} {post}")
    return message.format(time=voice.time(first["due"]), post=voice.post(first))


def _not_paused(voice: Voice, status: StatusDoc) -> str:
    upcoming = _next(voice, status)
    if status["state"] == "running":
        said = voice.say("Posts go out as planned")
        return f"{said}, {upcoming}." if upcoming else f"{said}."
    said = voice.say("Posts wait; this lifts by itself")
    return f"{said}, {upcoming}." if upcoming else f"{said}."


def who_acts(voice: Voice, status: StatusDoc) -> str:
    """Say who has taken it, or ask the one whose turn it is."""
    who = status.get("who")
    if who and who["acked_by"]:
        message = voice.say("{name} has it since {time}.")
        name = plain(who["acked_by"], NAME_LONGEST)
        return message.format(name=name, time=voice.time(who["acked_at"]))
    following = who.get("next") if who else None
    if following:
        return voice.say("{name}: OK?").format(name=plain(following, NAME_LONGEST))
    return voice.say("Who takes it?")
