"""
Read the messages out of the code, and turn catalogues of people into those of machines.

``python -m tests.unit.notify.catalogue`` rewrites each ``.mo`` from its ``.po`` and names the
messages that a catalogue lacks or no longer needs. Standard library only, so that it runs wherever
the tests do; ``msgfmt`` and Babel read and write the same files.
"""

from __future__ import annotations

import ast
import re
import struct
import sys
from pathlib import Path

from killswitch.i18n import DOMAIN, LANGUAGES, LOCALES

SOURCES = LOCALES.parent / "notify"
Message = tuple[str, str | None]
"""English text, and its plural where the message has one."""
Catalogue = dict[Message, list[str]]

_ESCAPES = {"n": "\n", "t": "\t", '"': '"', "\\": "\\"}


def messages_in_code() -> set[Message]:
    """Find the texts of ``.say("…")``, ``.many("…", "…", n)`` and ``phrase("…")``."""
    found: set[Message] = set()
    for path in SOURCES.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call):
                found |= _message(node, path)
    return found


def _message(node: ast.Call, path: Path) -> set[Message]:
    name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
    if name not in {"say", "many", "phrase"}:
        return set()
    wanted = node.args[: 2 if name == "many" else 1]
    texts = [arg.value if isinstance(arg, ast.Constant) else None for arg in wanted]
    if path.name == "phrases.py" and name == "say":
        return set()  # says what was marked by phrase()
    if not all(isinstance(text, str) for text in texts):
        raise SystemExit(f"{path}:{node.lineno}: a message must be a literal")
    return {(str(texts[0]), str(texts[1]) if name == "many" else None)}


def po_path(language: str) -> Path:
    return LOCALES / language / "LC_MESSAGES" / f"{DOMAIN}.po"


def mo_path(language: str) -> Path:
    return po_path(language).with_suffix(".mo")


def read_po(text: str) -> Catalogue:
    """Read a catalogue; the header is the message with the empty text."""
    catalogue: Catalogue = {}
    entry: dict[str, str] = {}
    key = ""
    for line in [*text.splitlines(), "msgid"]:
        stripped = line.strip()
        if stripped.startswith("#") or not stripped:
            continue
        if not stripped.startswith('"'):
            key, _, stripped = stripped.partition(" ")
            if key == "msgid" and entry:
                strings = [entry[k] for k in sorted(entry) if k.startswith("msgstr")]
                catalogue[entry["msgid"], entry.get("msgid_plural")] = strings
                entry = {}
        entry[key] = entry.get(key, "") + _unquoted(stripped)
    return catalogue


def _unquoted(text: str) -> str:
    return re.sub(r"\\(.)", lambda found: _ESCAPES[found[1]], text[1:-1])


def compiled(catalogue: Catalogue) -> bytes:
    """Write a catalogue as GNU gettext's machine object, sorted, without a hash table."""
    pairs = sorted(
        ("\0".join(part for part in message if part is not None).encode(), "\0".join(said).encode())
        for message, said in catalogue.items()
        if all(said)
    )
    start = 28 + 16 * len(pairs)
    keys, values, at = b"", b"", start
    for text, _ in pairs:
        keys += struct.pack("<II", len(text), at)
        at += len(text) + 1
    for _, text in pairs:
        values += struct.pack("<II", len(text), at)
        at += len(text) + 1
    head = struct.pack("<7I", 0x950412DE, 0, len(pairs), 28, 28 + 8 * len(pairs), 0, start)
    texts = b"".join(text + b"\0" for text, _ in pairs)
    return head + keys + values + texts + b"".join(text + b"\0" for _, text in pairs)


def main() -> int:
    """Rebuild what machines read; fail if a catalogue does not fit the code."""
    wanted = messages_in_code()
    wrong = 0
    for language in LANGUAGES:
        catalogue = read_po(po_path(language).read_text(encoding="utf-8"))
        mo_path(language).write_bytes(compiled(catalogue))
        there = {message for message, said in catalogue.items() if message[0] and all(said)}
        for message in sorted(wanted - there, key=str):
            sys.stdout.write(f"{language}: not translated: {message[0]!r}\n")
        for message in sorted(there - wanted, key=str):
            sys.stdout.write(f"{language}: not used any more: {message[0]!r}\n")
        wrong += len(wanted ^ there)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
