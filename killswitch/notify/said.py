"""What a notice is made of before it is put together, and the parts that several kinds share."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from killswitch.notify import blocks
from killswitch.notify.phrases import in_words
from killswitch.notify.plain import plain
from killswitch.notify.voice import Voice
from killswitch.wire import StatusDoc

TITLE_MOST = 120
"""Characters of the first line: a lock screen shows no more, a text message costs by the part."""
REASON_LONGEST = 160
_OUTLETS_SHOWN = 2
_MANUAL = frozenset({"manual", "flag"})

Facts = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Said:
    """The parts of a notice before they are put together; blocks in order of weight."""

    first: str
    second: str
    blocks: tuple[list[str], ...] = ()
    commands: tuple[tuple[str, str], ...] = ()


def happened_at(facts: Facts, status: StatusDoc) -> str | None:
    """Return when it happened: what the facts say, else when the notice was written."""
    return facts.get("at") or facts.get("since") or status.get("now")


def lost_posts(facts: Facts, status: StatusDoc) -> list[Mapping[str, Any]]:
    """Collect the posts that may have gone out, the uncertain ones first."""
    found: list[Mapping[str, Any]] = list(status.get("uncertain") or ())
    known = {post.get("id") for post in found}
    if status["state"] == "paused" and not status["sealed"]:
        known |= {post["id"] for post in status.get("went_out") or ()}
        found += [one for one in blocks.dicts(facts.get("on_wire")) if one.get("id") not in known]
    return found


def with_title(voice: Voice, facts: Facts, status: StatusDoc, *, message: str, time: str) -> str:
    """Fill time and event into a first line, cutting the event so that the outlets stay."""
    outlets = _outlets(facts)
    room = TITLE_MOST - len(message.format(time=time, what="")) - len(outlets)
    title = plain(_title(voice, facts, status), max(room, 20))
    return message.format(time=time, what=title + outlets)


def _title(voice: Voice, facts: Facts, status: StatusDoc) -> object:
    """Name the event: in a pause by hand who and why, else the story or the reason."""
    reason = in_words(voice, facts["reason"]) if facts.get("reason") else None
    if facts.get("cause") in _MANUAL:
        by = facts.get("by")
        if by and reason:
            return voice.say("{head}: {words}").format(head=by, words=reason)
        return reason or by or "?"
    evidence = blocks.dicts(facts.get("evidence"))
    incident = status.get("incident")
    heading = evidence[0].get("title") if evidence else None
    return facts.get("title") or heading or reason or (incident["title"] if incident else "?")


def _outlets(facts: Facts) -> str:
    names = []
    for one in blocks.dicts(facts.get("evidence")):
        name = plain(one.get("outlet") or "", 24)
        if name and name not in names:
            names.append(name)
    if not names:
        return ""
    shown = ", ".join(names[:_OUTLETS_SHOWN])
    more = len(names) - _OUTLETS_SHOWN
    return f" ({shown} +{more})" if more > 0 else f" ({shown})"
