"""
The words of every notice, written when it is sent, from what is true then.

A lock screen shows two lines: what and how sure; then state, next post, who acts. Below stand what
went out, clashes, what to stop by hand, the headlines with links, the commands. The first line is
the title of the message, the second begins its body.

Invariants:
    Plain text. The title has at most ``TITLE_MOST`` characters, the body ``BODY_MOST``.
    Not sealed, or anything uncertain: the second line begins with the post that may have gone out.
    No link acts; whoever opens one only reads.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from killswitch.notify import about_pause, about_posts, blocks
from killswitch.notify.plain import clip
from killswitch.notify.said import TITLE_MOST, Facts, Said
from killswitch.notify.voice import Voice, voice_of
from killswitch.store.notices import NoticeKind
from killswitch.wire import StatusDoc, read_time

BODY_MOST = 3900
"""Characters of the body: with the title it fits into the 4096 of a Telegram message."""
_SECOND_MOST = 240


@dataclass(frozen=True, slots=True)
class Text:
    """What is sent: the first line, and the rest."""

    title: str
    body: str


def render(kind: NoticeKind, facts: Facts, status: StatusDoc, *, language: str, zone: str) -> Text:
    """
    Write a notice.

    Args:
        kind: What there is to say.
        facts: Keys by kind, listed in ``docs/notices.md``; all may be missing.
        status: The present state.
        language: A code; one without a catalogue speaks English.
        zone: IANA name; times are shown in it.
    """
    voice = voice_of(language, zone, now=_now(facts, status))
    said = _WRITERS[kind](voice, facts, status)
    return Text(title=clip(said.first, TITLE_MOST), body=_body(voice, said, zone))


def _now(facts: Facts, status: StatusDoc) -> datetime:
    text = status.get("now") or facts.get("at")
    return read_time(text) if text else datetime(1970, 1, 1, tzinfo=UTC)


def _body(voice: Voice, said: Said, zone: str) -> str:
    """Put the parts together; where room is short, whole lines of the lighter blocks go."""
    head = clip(said.second, _SECOND_MOST)
    tail = "\n".join(
        [
            *blocks.commands(said.commands),
            voice.say("Times: {zone}").format(zone=zone),
        ]
    )
    room = BODY_MOST - len(head) - len(tail) - 4
    middle: list[str] = []
    for block in said.blocks:
        lines = ["", *block] if middle and block else block
        for line in lines:
            if len(line) + 1 > room:
                return "\n\n".join([head, "\n".join([*middle, "…"]), tail])
            middle.append(line)
            room -= len(line) + 1
    return "\n\n".join(part for part in (head, "\n".join(middle), tail) if part)


_Writer = Callable[[Voice, Facts, StatusDoc], Said]

_WRITERS: dict[NoticeKind, _Writer] = {
    NoticeKind.PAUSED: about_pause.paused,
    NoticeKind.SEALED: about_pause.sealed,
    NoticeKind.WORSENING: about_pause.worsening,
    NoticeKind.BLIND: about_pause.blind,
    NoticeKind.HELD_LATE: about_posts.held_late,
    NoticeKind.HELD_HORIZON: about_posts.held_horizon,
    NoticeKind.UNCERTAIN: about_posts.uncertain,
    NoticeKind.FAILED: about_posts.failed,
    NoticeKind.STILL_PUBLIC: about_posts.still_public,
    NoticeKind.SKIPPED_EXPIRED: about_posts.skipped,
    NoticeKind.RESUMED: about_pause.resumed,
    NoticeKind.REVIEW: about_pause.review,
    NoticeKind.DRILL: about_posts.drill,
    NoticeKind.TEST: about_posts.test,
    NoticeKind.REHEARSAL: about_pause.rehearsal,
    NoticeKind.TOLD: about_pause.told,
    NoticeKind.CHANNEL_WAITS: about_posts.channel_waits,
    NoticeKind.DAEMON_FAULT: about_posts.daemon_fault,
}
