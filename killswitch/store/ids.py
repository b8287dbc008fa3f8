"""
Make ids that people can read aloud and that no two stores share.

A delivery's id is also its ``Idempotency-Key`` at the platform, so a counter would not do: a new
store would repeat the keys of an old one and its posts would be taken for repeats.
"""

from __future__ import annotations

import secrets

# Crockford's base 32 without i, l, o and u: nothing that is misread on a phone.
_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"
# 12 characters are 60 bits: among a million ids a clash has a chance below 1 in 2 million.
_LENGTH = 12
_BITS, _MASK = 5, 31
_PLACES = range(0, _BITS * _LENGTH, _BITS)


def new_id(prefix: str) -> str:
    """Return a new random id that begins with ``prefix`` (one letter a kind of thing)."""
    # One draw for all of them: an import makes hundreds of thousands.
    drawn = secrets.randbits(_BITS * _LENGTH)
    return prefix + "".join(_ALPHABET[drawn >> at & _MASK] for at in _PLACES)
