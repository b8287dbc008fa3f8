"""
Damage feeds in twelve ways, each reproducible from a seed.

The operators are those that real damage is made of: transfers that were cut, servers that mix
encodings, generators that forget to escape, and some malice. Few really broken feeds lie around
in the open; to meet ten thousand, they must be made.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable

Operator = Callable[[bytes, random.Random], bytes]

_BOM = b"\xef\xbb\xbf"
_TAG = re.compile(rb"</[^<>]{1,60}>")
_TEXT = re.compile(rb">[^<>]{3,200}<")
_CONTROLS = (b"\0", b"\0\0", b"\x08", b"\x1b", b"\x7f")
_SCRIPT = b"<![CDATA[<script>alert('\xc3\xa9')</script>]]>"


def _at(data: bytes, rng: random.Random) -> int:
    return rng.randrange(len(data) + 1)


def _insert(data: bytes, at: int, more: bytes) -> bytes:
    return data[:at] + more + data[at:]


def cut(data: bytes, rng: random.Random) -> bytes:
    """Lose a piece out of the middle, at most a third."""
    start = _at(data, rng)
    return data[:start] + data[start + rng.randrange(len(data) // 3 + 2) :]


def truncate(data: bytes, rng: random.Random) -> bytes:
    """End too early."""
    return data[: _at(data, rng)]


def noise(data: bytes, rng: random.Random) -> bytes:
    """Write random bytes over some places."""
    made = bytearray(data)
    for _ in range(rng.randint(1, 20)):
        if made:
            made[rng.randrange(len(made))] = rng.randrange(256)
    return bytes(made)


def flip_bits(data: bytes, rng: random.Random) -> bytes:
    """Flip single bits."""
    made = bytearray(data)
    for _ in range(rng.randint(1, 30)):
        if made:
            made[rng.randrange(len(made))] ^= 1 << rng.randrange(8)
    return bytes(made)


def unclose(data: bytes, rng: random.Random) -> bytes:
    """Forget some closing tags."""
    tags = [match.span() for match in _TAG.finditer(data)]
    for start, end in sorted(rng.sample(tags, min(len(tags), rng.randint(1, 5))), reverse=True):
        data = data[:start] + data[end:]
    return data


def repeat(data: bytes, rng: random.Random) -> bytes:
    """Send a block again and again."""
    start = _at(data, rng)
    block = data[start : start + rng.randint(1, 2000)]
    return _insert(data, start, block * rng.randint(1, 50))


def bare_ampersands(data: bytes, rng: random.Random) -> bytes:
    """Leave ampersands and angle brackets unescaped in texts."""
    texts = [match.start() + 1 for match in _TEXT.finditer(data)]
    for at in sorted(rng.sample(texts, min(len(texts), rng.randint(1, 8))), reverse=True):
        data = _insert(data, at, rng.choice([b"R&D ", b"& ", b"&nbsp;", b"a < b ", b"&#x110000;"]))
    return data


def double_bom(data: bytes, rng: random.Random) -> bytes:
    """Put byte order marks in front, too many or in the middle."""
    return _insert(_BOM * rng.randint(2, 3) + data, 6 + rng.choice([0, _at(data, rng)]), _BOM)


def undeclared_utf16(data: bytes, rng: random.Random) -> bytes:
    """Encode as UTF-16 and keep the old declaration; with a mark or without."""
    encoding = rng.choice(["utf-16", "utf-16-le", "utf-16-be"])
    return data.decode("utf-8", errors="replace").encode(encoding)


def nuls(data: bytes, rng: random.Random) -> bytes:
    """Sprinkle NULs and other controls."""
    for _ in range(rng.randint(1, 30)):
        data = _insert(
            data, _at(data, rng), rng.choice([b"\0", b"\0\0", b"\x08", b"\x1b", b"\x7f"])
        )
    return data


def trail(data: bytes, rng: random.Random) -> bytes:
    """Append what does not belong: a second document, a script, a comment, bytes."""
    more = [data[: _at(data, rng)], b"<script>1</script>", b"<!-- cached -->", rng.randbytes(300)]
    return data + rng.choice(more)


def script_in_cdata(data: bytes, rng: random.Random) -> bytes:
    """Put CDATA with script where a text begins, sometimes not closed."""
    texts = [match.start() + 1 for match in _TEXT.finditer(data)] or [_at(data, rng)]
    end = rng.choice([len(_SCRIPT), len(_SCRIPT), len(_SCRIPT) - 3])
    return _insert(data, rng.choice(texts), _SCRIPT[:end])


OPERATORS: tuple[Operator, ...] = (
    *(cut, truncate, noise, flip_bits, unclose, repeat),
    *(bare_ampersands, double_bom, undeclared_utf16, nuls, trail, script_in_cdata),
)
LIGHT = frozenset({noise, bare_ampersands, double_bom, trail, script_in_cdata})
"""Damage that leaves most headlines readable; most of them should still be found."""


def _chosen(seed: int, number: int) -> tuple[Operator, random.Random]:
    rng = random.Random(f"{seed}:{number}")
    return rng.choice(OPERATORS), rng


def operator_of(seed: int, number: int) -> Operator:
    """Say how the mutant of this number is made."""
    return _chosen(seed, number)[0]


def mutant(data: bytes, *, seed: int, number: int) -> bytes:
    """Damage ``data`` in the way of this number, the same each time."""
    operator, rng = _chosen(seed, number)
    return operator(data, rng)
