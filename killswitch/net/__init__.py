"""
The only door to the network: every other room asks a ``Door`` and never sees httpx.

Invariants:
    A connection is made only to an address that was checked, never to a name.
    A call ends by its deadline, whatever the other side does; nobody cancels it from outside.
    ``NotSent`` is raised only when no byte of the request can have left this machine.
"""

from __future__ import annotations

from killswitch.net.address import NetPolicy
from killswitch.net.door import Answer, Door, Getter, NotSent, Page, Session
from killswitch.net.url import FetchError

__all__ = ["Answer", "Door", "FetchError", "Getter", "NetPolicy", "NotSent", "Page", "Session"]
