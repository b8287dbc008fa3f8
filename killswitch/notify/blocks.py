"""
The blocks below the two first lines: what went out, clashes, what to stop by hand, the evidence.

Each function returns the lines of one block, or none where there is nothing to say.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from killswitch.notify.phrases import in_words
from killswitch.notify.plain import clip, link, plain
from killswitch.notify.voice import NAME_LONGEST, Voice
from killswitch.wire import ByHandDoc, StatusDoc

TITLE_LONGEST = 140
_POSTS_SHOWN = 8
_HEADLINES_SHOWN = 5
_CAUSES_SHOWN = 4
_REASON_LONGEST = 240
_JOINED_SHOWN = 6
_WORDS_SHOWN = 8

Lines = list[str]
Facts = Mapping[str, Any]


def dicts(value: object) -> list[dict[str, Any]]:
    """Return the JSON objects of a list; whatever else is there is left out."""
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []


def went_out(voice: Voice, status: StatusDoc) -> Lines:
    """Tell what left since the first headline: somebody may have to look at it."""
    if "went_out" not in status:
        return []
    incident = status.get("incident")
    first = incident["first_headline_at"] if incident else None
    posts = status["went_out"]
    if not posts:
        if first is None:
            return []
        message = voice.say("Nothing of ours went out since the first headline ({time}).")
        return [message.format(time=voice.time(first))]
    if first is None:
        head = voice.say("Went out shortly before:")
    else:
        head = voice.say("Went out since the first headline ({time}), have a look:")
        head = head.format(time=voice.time(first))
    return [head, *_posts(voice, posts)]


def in_doubt(voice: Voice, status: StatusDoc, lost: Iterable[Facts]) -> Lines:
    """List what may have gone out; the uncertain ones with the command that says what happened."""
    posts = list(lost)
    if not posts:
        return []
    uncertain = {post["id"] for post in status.get("uncertain") or ()}
    lines = [voice.say("Look whether these are out:")]
    for post in posts[:_POSTS_SHOWN]:
        note = plain(post.get("note") or "", _REASON_LONGEST)
        lines.append(f"  {voice.post(post)}" + (f" ({note})" if note else ""))
        if post.get("id") in uncertain:
            name = plain(post["id"], NAME_LONGEST)
            lines.append(f"    killswitch queue resolve {name} --sent | --not-sent")
    return [*lines, *_more(voice, len(posts) - _POSTS_SHOWN)]


def clashes(voice: Voice, status: StatusDoc) -> Lines:
    """Tell how many held posts clash with the event, and on which words."""
    found = status.get("clashes")
    if not found or not found["count"]:
        return []
    count = found["count"]
    head = voice.many("{n} held post clashes", "{n} held posts clash", count).format(n=count)
    words = ", ".join(voice.quoted(word, 30) for word in found["words"][:_WORDS_SHOWN])
    return [voice.say("{head}: {words}").format(head=head, words=words) if words else head]


def by_hand(voice: Voice, status: StatusDoc) -> Lines:
    """List the places that the switch can't reach by itself, and the relays."""
    places = status.get("by_hand") or []
    if not places:
        return []
    shown = " · ".join(_place(voice, place) for place in places)
    return [voice.say("Stop by hand: {places}").format(places=clip(shown, 600))]


def _place(voice: Voice, place: ByHandDoc) -> str:
    name = plain(place["name"], NAME_LONGEST)
    if place["state"] != "stopped":
        return voice.say("{name} NOT CONFIRMED").format(name=name)
    message = voice.say("{name} stopped {time}")
    return message.format(name=name, time=voice.time(place.get("at")))


def headlines(voice: Voice, facts: Facts) -> Lines:
    """Show the evidence with its links; they only open pages."""
    found = dicts(facts.get("evidence"))
    if not found:
        return []
    lines = [voice.say("Headlines:")]
    reason = facts.get("reason")
    if reason and reason != found[0].get("title"):
        lines.insert(0, voice.say("Why: {reason}").format(reason=plain(reason, _REASON_LONGEST)))
    for one in found[:_HEADLINES_SHOWN]:
        outlet = plain(one.get("outlet") or "?", NAME_LONGEST)
        title = plain(one.get("title") or "?", TITLE_LONGEST)
        said = voice.say("{head}: {words}").format(head=outlet, words=title)
        lines.append(f"  {voice.time(one.get('at'))} {said}")
        address = link(one.get("url"))
        if address:
            lines.append(f"    {address}")
    return [*lines, *_more(voice, len(found) - _HEADLINES_SHOWN)]


def causes(voice: Voice, status: StatusDoc, *, but: str) -> Lines:
    """List the open causes that the first line does not tell."""
    others = [cause for cause in status["causes"] if cause["reason"] != but]
    if not others:
        return []
    lines = [voice.say("Also open:")]
    for cause in others[:_CAUSES_SHOWN]:
        reason = plain(in_words(voice, cause["reason"]), TITLE_LONGEST)
        said = voice.say("{head}: {words}").format(head=cause["kind"], words=reason)
        lines.append(f"  {voice.time(cause['since'])} {said}")
    return [*lines, *_more(voice, len(others) - _CAUSES_SHOWN)]


def joined(voice: Voice, facts: Facts) -> Lines:
    """List what came within the same half minute and is told in this notice too."""
    found = dicts(facts.get("joined"))
    if not found:
        return []
    lines = [voice.say("At the same time:"), *(f"  {_one(voice, one)}" for one in found)]
    shown = lines[: _JOINED_SHOWN + 1]
    more = len(found) - _JOINED_SHOWN if len(found) > _JOINED_SHOWN else 0
    return [*shown, *_more(voice, more + int(facts.get("more") or 0))]


def _one(voice: Voice, facts: Facts) -> str:
    if facts.get("channel") and facts.get("text"):
        return voice.post(facts)
    words = facts.get("title") or facts.get("reason") or facts.get("why") or "?"
    return plain(words, TITLE_LONGEST)


def not_told(voice: Voice, status: StatusDoc) -> Lines:
    """Name the addresses that do not take notices: a reader can call those people."""
    health = status.get("notices")
    failing = health["failing"] if health else []
    if not failing:
        return []
    shown = ", ".join(plain(one["address"].replace("://", ":"), 60) for one in failing[:5])
    return [voice.say("Could not be told: {addresses}").format(addresses=shown)]


def commands(words: Iterable[tuple[str, str]]) -> Lines:
    """List commands with what each does."""
    rows = list(words)
    width = max((len(command) for command, _ in rows), default=0)
    return [f"{command:<{width}}  {meaning}" for command, meaning in rows]


def _posts(voice: Voice, posts: Iterable[Mapping[str, Any]]) -> Lines:
    shown = list(posts)
    lines = []
    for post in shown[:_POSTS_SHOWN]:
        author = plain(post.get("author") or "", NAME_LONGEST)
        by = f" ({author})" if author else ""
        at = voice.time(post.get("request_at") or post.get("at"))
        lines.append(f"  {at} {voice.post(post)}{by}")
    return [*lines, *_more(voice, len(shown) - _POSTS_SHOWN)]


def _more(voice: Voice, count: int) -> Lines:
    if count <= 0:
        return []
    return ["  " + voice.many("and {n} more", "and {n} more", count).format(n=count)]
