"""
Make foreign text harmless before people read it: headlines, posts, names, reasons.

A notice travels as plain text, but the program that shows it may turn marks into links, buttons,
mentions or hidden parts. So the marks are replaced by look-alikes that mean nothing to a program.

Invariants of ``plain``: one line; no control, bidi, zero-width or private character; no "@", "<",
"`", "*" or "|"; no "://"; never longer than asked for; applying it again changes nothing.
"""

from __future__ import annotations

import re
import unicodedata

_JOINERS = frozenset("\u200c\u200d")
"""The only format characters that are kept: letters and emoji need them."""

_LOOK_ALIKES = str.maketrans(
    {
        "@": "\uff20",  # mentions: full-width
        "<": "\u2039",  # tags and mentions: single angle quotation marks
        ">": "\u203a",
        "`": "\u02bc",  # code: modifier apostrophe
        "*": "\u2217",  # bold: asterisk operator
        "|": "\u00a6",  # spoilers, tables: broken bar
        "~": "\u223c",  # struck through: tilde operator
        "_": "\uff3f",  # italics: full-width
        "[": "\uff3b",  # links: full-width
        "]": "\uff3d",
        "\\": "\uff3c",  # escapes: full-width
    }
)
_ENTITY = re.compile(r"&(?=#?\w{1,32};)")
_EMOJI_WORD = re.compile(r":(?=\w{1,32}:)")
_RUN_OF_MARKS = 4
"""More combining marks on one letter are a prank that smears over the lines around."""


def plain(text: object, limit: int) -> str:
    """
    Return foreign text as one harmless line.

    Args:
        text: Anything; it is read as text.
        limit: Most characters, at least one; what is cut off is shown by "…".
    """
    visible = _visible(unicodedata.normalize("NFC", str(text)[: limit * 8]))
    safe = visible.translate(_LOOK_ALIKES).replace("://", ": //")
    safe = _EMOJI_WORD.sub("\uff1a", _ENTITY.sub("\uff06", safe))
    return clip(unicodedata.normalize("NFC", " ".join(safe.split())), limit)


def clip(text: str, limit: int) -> str:
    """Cut a text to ``limit`` characters, the last of them "…" where something is missing."""
    return text if len(text) <= limit else text[: limit - 1].rstrip() + "…"


def link(url: object, limit: int = 200) -> str | None:
    """
    Return a web address that may stand in a notice, or None.

    It only opens a page: a notice holds no address that acts. One that is cut would lead nowhere,
    so a long one is left out.
    """
    text = str(url or "")
    if len(text) > limit or not re.fullmatch(r"https?://[A-Za-z0-9._~:/?#!$&'()+,;=%-]+", text):
        return None
    return text


def _visible(text: str) -> str:
    out: list[str] = []
    marks = 0
    for character in text:
        category = unicodedata.category(character)
        marks = marks + 1 if category in {"Mn", "Me"} else 0
        if marks > _RUN_OF_MARKS:
            continue
        if category in {"Cc", "Zs", "Zl", "Zp"}:
            out.append(" ")
        elif category not in {"Cf", "Co", "Cs", "Cn"} or character in _JOINERS:
            out.append(character)
    return "".join(out)
