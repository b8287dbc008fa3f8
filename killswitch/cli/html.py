"""
Held posts as one page that needs nothing else: for whoever decides without a terminal.

Invariants: every foreign text is escaped; the page loads nothing (its policy says so); a picture
comes from ``media/`` alone, is small and is what it claims to be by its first bytes.
"""

from __future__ import annotations

import base64
import os
import re
import stat
from html import escape
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from killswitch.cli.out import Times
from killswitch.cli.terms import decision_word, hold_word, state_word
from killswitch.cli.words import tr

PICTURE_MOST = 1024 * 1024
PAGE_PICTURES_MOST = 64 * 1024 * 1024
"""All pictures of a page together; a page must still open on a phone."""

_KINDS = (
    (re.compile(rb"\x89PNG\r\n\x1a\n"), "image/png"),
    (re.compile(rb"\xff\xd8\xff"), "image/jpeg"),
    (re.compile(rb"GIF8[79]a"), "image/gif"),
    (re.compile(rb"RIFF....WEBP", re.DOTALL), "image/webp"),
)
_POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'; base-uri 'none'"
_STYLE = """
body{font:16px/1.5 system-ui,sans-serif;max-width:48rem;margin:1rem auto;padding:0 1rem}
article{border:1px solid #888;border-radius:.5rem;padding:.5rem 1rem;margin:1rem 0}
article.clash{border:3px solid #b00020}
.facts{color:#555;font-size:.9rem} .text{white-space:pre-wrap;overflow-wrap:anywhere}
mark{background:#ffd54d;font-weight:bold} img{max-width:100%;max-height:24rem}
""".strip()

Doc = dict[str, Any]


def page(rows: list[Doc], *, times: Times, media: Path) -> str:
    """
    Write the page; posts that clash come first.

    Args:
        rows: Deliveries.
        times: Zone and present time.
        media: The folder that pictures come from.
    """
    ordered = sorted(rows, key=lambda row: (not row["clash"], row["due"], row["id"]))
    clashing = sum(1 for row in rows if row["clash"])
    pictures = _Pictures(media)
    posts = "\n".join(_post(row, times=times, pictures=pictures) for row in ordered)
    many = escape(tr("1 post") if len(rows) == 1 else tr("{count} posts").format(count=len(rows)))
    title = tr("{count} posts, {clashing} of them clash")
    if len(rows) == 1:
        title = tr("1 post, it clashes") if clashing else tr("1 post")
    title = escape(title.format(count=len(rows), clashing=clashing))
    made = escape(f"{times.now.astimezone(times.zone):%Y-%m-%d %H:%M %Z}")
    return (
        f'<!DOCTYPE html>\n<html lang="{tr("en")}"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{escape(_POLICY)}">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>killswitch: {many}</title><style>{_STYLE}</style></head><body>\n"
        f"<h1>{title}</h1>\n<p>{made}</p>\n"
        f"{posts}\n</body></html>"
    )


def _post(row: Doc, *, times: Times, pictures: _Pictures) -> str:
    facts = [row["id"], row["channel"], times.full(row["due"]), state_word(row["state"])]
    facts += [hold_word(row["reason"] or "")]
    facts += [tr("by {author}").format(author=row["author"]) if row.get("author") else ""]
    decided = decision_word(row["decision"] or "")
    facts += [tr("decided: {decision}").format(decision=decided) if decided else ""]
    facts += [f"#{tag}" for tag in row["tags"]]
    shown = escape(" · ".join(fact for fact in facts if fact))
    clash = ""
    if row["clash"]:
        words = ", ".join(f"<mark>{escape(word)}</mark>" for word in row["clash"])
        clash = f"<p><strong>{escape(tr('CLASH'))}:</strong> {words}</p>"
    kind = ' class="clash"' if row["clash"] else ""
    files = "".join(pictures.write(file) for file in row.get("media") or [])
    return (
        f'<article{kind}><p class="facts">{shown}</p>{clash}'
        f'<p class="text">{marked(row["text"], row["clash"])}</p>{_link(row)}{files}</article>'
    )


def marked(text: str, words: list[str]) -> str:
    """Escape a text and mark the clashing words in it, whatever their case."""
    known = [re.escape(word) for word in sorted(words, key=len, reverse=True) if word.strip()]
    if not known:
        return escape(text)
    pieces = re.split(f"({'|'.join(known)})", text, flags=re.IGNORECASE)
    return "".join(
        f"<mark>{escape(piece)}</mark>" if at % 2 else escape(piece)
        for at, piece in enumerate(pieces)
    )


def _link(row: Doc) -> str:
    link = row.get("link")
    if not link:
        return ""
    try:
        is_web = urlsplit(link).scheme.lower() in {"http", "https"}
    except ValueError:
        is_web = False
    if not is_web:
        return f"<p>{escape(link)}</p>"
    return f'<p><a rel="noopener noreferrer" href="{escape(link)}">{escape(link)}</a></p>'


class _Pictures:
    """Pictures of ``media/`` as data addresses, as long as there is room for them."""

    def __init__(self, media: Path) -> None:
        self._media = media
        self._room = PAGE_PICTURES_MOST

    def write(self, file: Doc) -> str:
        alt = escape(file["alt"] or "")
        data = self._read(file["path"])
        kind = next((name for first, name in _KINDS if data and first.match(data)), None)
        caption = f"<p>{escape(file['path'])} {alt}</p>"
        if data is None or kind is None:
            return caption
        self._room -= len(data)
        coded = base64.b64encode(data).decode()
        return f'<p><img alt="{alt}" src="data:{kind};base64,{coded}"></p>{caption}'

    def _read(self, path: str) -> bytes | None:
        """Read a small plain file that really lies in the folder; anything else is None."""
        real = os.path.realpath(self._media / path)
        if not real.startswith(os.path.realpath(self._media) + os.sep):
            return None
        try:
            fd = os.open(real, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
            with os.fdopen(fd, "rb") as file:
                found = os.fstat(fd)
                small = found.st_size <= min(PICTURE_MOST, self._room)
                return file.read(PICTURE_MOST) if stat.S_ISREG(found.st_mode) and small else None
        except (OSError, ValueError):
            return None
