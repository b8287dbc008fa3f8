"""Bodies that are small on the wire and huge, endless or dear once somebody reads them."""

from __future__ import annotations

import struct
import zlib
from itertools import pairwise

MIB = 1024 * 1024
GIB = 1024 * MIB


def gzip_bomb(size: int) -> bytes:
    """Pack ``size`` zero bytes, a thousandth of it on the wire."""
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    head = packer.compress(bytes(MIB)) + packer.flush(zlib.Z_FULL_FLUSH)
    # After a full flush a block depends on nothing before it, so the same one may be repeated.
    block = packer.compress(bytes(MIB)) + packer.flush(zlib.Z_FULL_FLUSH)
    return head + block * (size // MIB - 1) + packer.flush()


def zstd_bomb(size: int) -> bytes:
    """Say "this byte 128 Ki times" again and again: 4 bytes for each (RFC 8878, 3.1.1.2)."""
    block = 128 * 1024
    count = size // block
    headers = [(block << 3) | (1 << 1) | (number == count - 1) for number in range(count)]
    frame = b"\x28\xb5\x2f\xfd" + b"\x00\x58"  # magic; a window of 2 MiB, no size, no checksum
    return frame + b"".join(struct.pack("<I", header)[:3] + b"\0" for header in headers)


def laughs(*, levels: int = 24, width: int = 4) -> bytes:
    """Define an entity by the one before, again and again."""
    names = [f"e{n}" for n in range(levels)]
    lines = [f'<!ENTITY {names[0]} "lol">'] + [
        f'<!ENTITY {new} "{f"&{old};" * width}">' for old, new in pairwise(names)
    ]
    return (
        f"<!DOCTYPE rss [{''.join(lines)}]><rss version='2.0'><channel>"
        f"<title>&{names[-1]};</title></channel></rss>"
    ).encode()


def quadratic() -> bytes:
    """Define one long entity and use it often."""
    return (
        b'<!DOCTYPE rss [<!ENTITY a "' + b"x" * 99_999 + b'">]>'
        b"<rss version='2.0'><channel><title>" + b"&a;" * 99_999 + b"</title></channel></rss>"
    )


def items(count: int) -> bytes:
    """Write a feed of many short items."""
    item = b"<item><title>Bridge %d closed</title><guid>%d</guid></item>"
    body = b"".join(item % (n, n) for n in range(count))
    return b"<rss version='2.0'><channel><title>T</title>" + body + b"</channel></rss>"


HEAD = b"<rss version='2.0'><channel>"
BULK = {
    "50,000 items": items(50_000),
    "tags without an end": HEAD + b"<a>" * 1_500_000,
    "markup nested in a title": HEAD + b"<item><title>" + b"<b>" * 1_500_000,
    "items nested in each other": HEAD + b"<item>" * 800_000,
    "an item that never begins": b"<item" * 900_000,
    "attributes": b"<rss version='2.0' " + b" ".join(b"a%d='1'" % n for n in range(400_000)),
    "name spaces": b"<rss " + b" ".join(b"xmlns:a%d='u%d'" % (n, n) for n in range(200_000)),
    "one title": HEAD + b"<item><title>" + b"x" * 5_000_000,
    "doctypes": b"<!DOCTYPE" * 500_000,
    "cdata": b"<![CDATA[" * 500_000,
    "ampersands": HEAD + b"<item><title>" + b"&" * 5_000_000,
    "references": HEAD + b"<item><title>" + b"&#65;" * 900_000,
    "comments": HEAD + b"<!--" * 1_200_000,
    "entity names": HEAD + b"<item><title>" + b"&eacute;" * 600_000,
    "a date of digits": items(1)[:-17] + b"<item><pubDate>" + b"1" * 5_000_000,
    "punycode": b"<?xml version='1.0' encoding='punycode'?>" + b"a-b" * 100_000,
}
"""At most 5 MiB each, so the door lets them in; most burn whatever time they are given."""
