"""
What a human sees before resuming, and what one post looks like: pure functions of documents.

Standard library only.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from killswitch.cli.again import again
from killswitch.cli.out import Ink, Times, head, plain
from killswitch.cli.terms import cause_word, decision_word, hold_word, reason_words, state_word
from killswitch.cli.words import told, tr
from killswitch.wire import z_time

Words = Callable[[str], str]

SHOWN = 12
LEAVES = frozenset({"release", "move", "edit"})
"""Decisions that let a post out."""


def preview_text(doc: dict[str, Any], *, times: Times, words: Words, ink: Ink) -> str:
    """
    Write a resume preview for people.

    Args:
        doc: A ``ResumePreviewDoc``.
        times: Zone and present time.
        words: The translator.
        ink: Colours, or none.
    """
    version = words("version {version}").format(version=doc["version"])
    lines = [ink(words("PAUSED"), "red") + f" ({version})"]
    lines.append(words("It is {now}").format(now=times.full(z_time(times.now))))
    lines += _causes(doc, times=times, words=words)
    lines += _standing(doc, words=words, ink=ink)
    lists = (
        ("uncertain", words("Check this: may have gone out")),
        ("undecided", words("Undecided: came due in the pause")),
        ("decided", words("Decided: carried out by the resume")),
        ("next_24h", words("The next 24 hours")),
    )
    for name, title in lists:
        if doc[name]:
            lines += ["", ink(f"{title} ({len(doc[name])})", "bold")]
            lines += _posts(doc[name], times=times, words=words, ink=ink)
    if doc["undecided"]:
        lines += ["", again(words("Decide them first: killswitch triage"))]
        lines.append(keep_held_text(words))
    return "\n".join(lines)


def post_line(post: dict[str, Any], *, times: Times, words: Words, ink: Ink) -> str:
    """Write one delivery in one line, its clashing words marked in words and colour."""
    parts = [
        f"{plain(post['id'])}  {times.short(post['due'])}  {plain(post['channel'])}",
        head(post["text"]),
    ]
    if post.get("decision"):
        parts.append(words("-> {decision}").format(decision=decided_text(post, times=times)))
    elif post.get("reason"):
        parts.append(f"({state_word(post['state'])}: {hold_word(post['reason'])})")
    elif post["state"] == "uncertain" and post.get("looked"):
        parts.append(f"({told(plain(post['looked']['words']))})")
    if post.get("stale"):
        parts.append(words("STALE"))
    if post["clash"]:
        clashing = ", ".join(f'"{plain(word)}"' for word in post["clash"])
        parts.append(ink(words("CLASH: {words}").format(words=clashing), "red"))
    return "  ".join(parts)


def keep_held_text(words: Words) -> str:
    """Say what ``--keep-held`` does."""
    return words(
        "Or resume with --keep-held: what is undecided stays held until somebody releases it, "
        "the rest of the queue goes on"
    )


def decided_text(post: dict[str, Any], *, times: Times) -> str:
    """
    Say what was decided on a held post and when it will leave by that.

    Args:
        post: A ``DeliveryDoc`` or ``DoneDoc`` with a decision.
        times: Zone and present time.
    """
    word = decision_word(post["decision"])
    if post.get("decided_due"):
        return tr("{decision}, leaves {when}").format(
            decision=word, when=times.short(post["decided_due"])
        )
    if post["state"] != "held" or post["decision"] not in LEAVES:
        return word
    if times.ago(post["due"]):
        return tr("{decision}, in the next slot").format(decision=word)
    return tr("{decision}, leaves {when}").format(decision=word, when=times.short(post["due"]))


def _causes(doc: dict[str, Any], *, times: Times, words: Words) -> list[str]:
    lines = []
    for cause in doc["causes"]:
        when = times.short(cause["since"])
        kind = cause_word(cause["kind"])
        reason = reason_words(cause["kind"], cause["reason"]) or kind
        lines.append(f"  {when}  {kind}  {reason}  ({told(plain(cause['by']))})")
        for piece in cause["evidence"][:SHOWN]:
            at = times.short(piece["at"])
            lines.append(f"         {at}  {plain(piece['outlet'])}: {plain(piece['title'])}")
        more = len(cause["evidence"]) - SHOWN
        if more > 0:
            lines.append("         " + words("and {count} more").format(count=more))
    return lines


def _standing(doc: dict[str, Any], *, words: Words, ink: Ink) -> list[str]:
    form = words("STILL STANDS: {kind}: {why}")
    return [
        ink(form.format(kind=cause_word(one["kind"]), why=told(plain(one["why"]))), "yellow")
        for one in doc["standing"]
    ]


def _posts(posts: list[dict[str, Any]], *, times: Times, words: Words, ink: Ink) -> list[str]:
    shown = ["  " + post_line(post, times=times, words=words, ink=ink) for post in posts[:SHOWN]]
    more = len(posts) - SHOWN
    return shown + ([f"  {words('and {count} more').format(count=more)}"] if more > 0 else [])
