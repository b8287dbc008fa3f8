"""
Sign a request body, so that the receiver knows that it is ours, whole, and fresh.

Standard library only. The header reads ``t=UNIX,v1=HEX`` with HEX the HMAC-SHA256 of the secret
over ``t "." body``: the time is signed too, so an old request can't be played again later.
"""

from __future__ import annotations

import hashlib
import hmac
from datetime import datetime

HEADER = "Killswitch-Signature"
"""Name of the header that carries the signature."""


def sign(secret: str, body: bytes, *, now: datetime) -> str:
    """
    Return the value of the signature header.

    Args:
        secret: Shared with the receiver; taken as UTF-8.
        body: The exact bytes that are sent.
        now: Aware instant of this request; the signature carries whole seconds.
    """
    seconds = str(int(now.timestamp()))
    return f"t={seconds},v1={_digest(secret, seconds, body)}"


def verify(secret: str, body: bytes, signature: str, *, now: datetime, tolerance_s: float) -> bool:
    """
    Say whether ``signature`` belongs to ``body`` and is at most ``tolerance_s`` seconds off.

    A receiver written in Python may use this; the comparison takes the same time whatever differs.
    """
    parts = dict(part.split("=", 1) for part in signature.split(",") if "=" in part)
    seconds = parts.get("t", "")
    if not (seconds.isascii() and seconds.isdigit()):
        return False
    fresh = abs(now.timestamp() - int(seconds)) <= tolerance_s
    wanted = _digest(secret, seconds, body)
    return hmac.compare_digest(wanted.encode(), parts.get("v1", "").encode()) and fresh


def _digest(secret: str, seconds: str, body: bytes) -> str:
    signed = seconds.encode() + b"." + body
    return hmac.new(secret.encode(), signed, hashlib.sha256).hexdigest()
