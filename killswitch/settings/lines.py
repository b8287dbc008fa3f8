"""
Find the line of a TOML file on which a setting stands.

``tomllib`` gives values without places. This walks the same text once more and notes, for each
key and each element of a list, the line where it begins. It only runs on text that ``tomllib``
accepted, so it checks nothing itself.
"""

from __future__ import annotations

import json
import re

Path = tuple[str | int, ...]
"""Where a setting stands in the tree, for instance ``("feeds", 2, "url")``."""

_BLANK = re.compile(r"(?:[ \t\r\n]+|#[^\n]*)*")
_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")
_LITERAL = re.compile(r"[^,\]}#\r\n]+")
_TEXTS = (
    re.compile(r'"""(?:\\.|[^\\])*?"{3,5}', re.DOTALL),
    re.compile(r"'''.*?'{3,5}", re.DOTALL),
    re.compile(r'"(?:\\.|[^"\\\n])*"'),
    re.compile(r"'[^'\n]*'"),
)


def lines_of(text: str) -> dict[Path, int]:
    """
    Map each setting of a TOML text to the line where it begins.

    Args:
        text: A document that ``tomllib.loads`` accepts.

    Returns:
        Path to line number, counted from 1; tables and their keys, lists and their elements.
    """
    walk = _Walk(text.replace("\r\n", "\n"))
    walk.document()
    return walk.found


def line_for(path: Path, lines: dict[Path, int]) -> int | None:
    """Find the line of ``path``, or of the nearest table around it; None outside the file."""
    for end in range(len(path), 0, -1):
        if path[:end] in lines:
            return lines[path[:end]]
    return None


class _Walk:
    """One pass over the text; ``at`` is where it reads."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0
        self.found: dict[Path, int] = {}
        self._sizes: dict[Path, int] = {}

    def document(self) -> None:
        table: Path = ()
        while not self._finished():
            if self._sees("["):
                table = self._header()
            else:
                self._pair(table)

    def _finished(self) -> bool:
        self._skip()
        return self.at >= len(self.text)

    def _skip(self) -> None:
        blank = _BLANK.match(self.text, self.at)
        self.at = blank.end() if blank else self.at

    def _sees(self, sign: str) -> bool:
        return self.text.startswith(sign, self.at)

    def _note(self, path: Path) -> None:
        self.found.setdefault(path, self.text.count("\n", 0, self.at) + 1)

    def _header(self) -> Path:
        double = self._sees("[[")
        start = self.at
        self.at += 2 if double else 1
        keys = self._keys()
        self.at += 2 if double else 1
        after, self.at = self.at, start
        table = self._into(keys[:-1], ())
        table = (*table, keys[-1])
        self._note(table)
        if double:
            index = self._sizes.get(table, 0)
            self._sizes[table] = index + 1
            table = (*table, index)
            self._note(table)
        self.at = after
        return table

    def _into(self, keys: list[str], table: Path) -> Path:
        """Walk down ``keys``; a list of tables is entered at its newest element."""
        for key in keys:
            table = (*table, key)
            self._note(table)
            if table in self._sizes:
                table = (*table, self._sizes[table] - 1)
        return table

    def _pair(self, table: Path) -> None:
        start = self.at
        keys = self._keys()
        after, self.at = self.at, start
        path = (*self._into(keys[:-1], table), keys[-1])
        self._note(path)
        self.at = after + 1
        self._skip()
        self._value(path)

    def _keys(self) -> list[str]:
        keys = []
        while True:
            self._skip()
            keys.append(self._key())
            self._skip()
            if not self._sees("."):
                return keys
            self.at += 1

    def _key(self) -> str:
        bare = _BARE_KEY.match(self.text, self.at)
        if bare:
            self.at = bare.end()
            return bare[0]
        quoted = self._text()
        return quoted[1:-1] if quoted.startswith("'") else _unescaped(quoted)

    def _text(self) -> str:
        """Step over one quoted text and return it with its quotes."""
        found = next((m for form in _TEXTS if (m := form.match(self.text, self.at))), None)
        if found is None:
            return ""
        self.at = found.end()
        return found[0]

    def _value(self, path: Path) -> None:
        if self._sees("["):
            self._list(path)
        elif self._sees("{"):
            self._inline(path)
        elif self._sees('"') or self._sees("'"):
            self._text()
        else:
            literal = _LITERAL.match(self.text, self.at)
            self.at = literal.end() if literal else self.at + 1

    def _list(self, path: Path) -> None:
        self.at += 1
        index = 0
        self._skip()
        while not self._sees("]") and self.at < len(self.text):
            self._note((*path, index))
            self._value((*path, index))
            index += 1
            self._comma()
        self.at += 1

    def _inline(self, path: Path) -> None:
        self.at += 1
        self._skip()
        while not self._sees("}") and self.at < len(self.text):
            self._pair(path)
            self._comma()
        self.at += 1

    def _comma(self) -> None:
        self._skip()
        if self._sees(","):
            self.at += 1
            self._skip()


def _unescaped(quoted: str) -> str:
    """Read a basic string; the escapes that TOML alone has do not occur in keys people write."""
    try:
        return str(json.loads(quoted))
    except ValueError:
        return quoted[1:-1]
