"""
Folding: one plain spelling for matching, while the original text is kept for people.

``fold`` gives lower-case words of plain letters and digits, parted and framed by single spaces, so
that ``" phrase "`` is a whole-word match. It removes accents (NFKD), compatibility forms (NFKC),
invisible and bidirectional marks, and reads look-alike letters of other scripts as the Latin ones.

Source of the shape: the ASCII table is several times faster than a filter over NFKD, and folding
costs more than matching.
"""

from __future__ import annotations

import unicodedata

# Letters of other scripts that look like Latin ones, as used to slip past word lists.
_LOOKALIKES = dict(
    zip(
        "авекмнорстухіјѕԁɡһԛԝαβεζηικμνορτυχ",
        "abekmhopctyxijsdghqwabeznikmvoptux",
        strict=True,
    )
)
# Letters that NFKD leaves whole although readers take them for one or two Latin letters.
_WHOLE = {"ß": "ss", "æ": "ae", "œ": "oe", "ø": "o", "đ": "d", "ð": "d", "ł": "l", "\u0131": "i"}


def _fold_char(char: str) -> str:
    """Fold one character; a space stands for everything that parts words."""
    category = unicodedata.category(char)
    if category in ("Cf", "Mn", "Me", "Cc") and char not in "\t\n\r\v\f":
        return ""
    folded = []
    # Some signs (the service mark) come apart into capitals: fold the case after, and part again.
    plain = unicodedata.normalize("NFKD", char)
    for part in unicodedata.normalize("NFKD", plain.casefold()):
        if unicodedata.combining(part):
            continue
        letter = _WHOLE.get(part) or _LOOKALIKES.get(part) or part
        folded.append(letter if letter.isalnum() else " ")
    return "".join(folded)


class _Table(dict[int, str]):
    """A translation table that learns each character once."""

    def __missing__(self, code: int) -> str:
        """Fold a character met for the first time and keep the answer."""
        folded = _fold_char(chr(code))
        if len(self) < _TABLE_LIMIT:
            self[code] = folded
        return folded


# Every script in daily use fits; a hostile feed cannot make the table grow without end.
_TABLE_LIMIT = 20_000
_TABLE = _Table({code: _fold_char(chr(code)) for code in range(128)})


def fold(text: str) -> str:
    """
    Fold ``text`` into framed plain words.

    Args:
        text: Any text, at most a few thousand characters.

    Returns:
        ``" word word "``; a single space when there is no word.
    """
    words = text.translate(_TABLE).split()
    return f" {' '.join(words)} " if words else " "


def words_of(text: str) -> list[str]:
    """Return the folded words of ``text``, in order."""
    return fold(text).split()
