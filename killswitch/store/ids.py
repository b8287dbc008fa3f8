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


def new_id(prefix: str) -> str:
    """Return a new random id that begins with ``prefix`` (one letter a kind of thing)."""
    return prefix + "".join(secrets.choice(_ALPHABET) for _ in range(_LENGTH))
