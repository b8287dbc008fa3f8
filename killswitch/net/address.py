"""
Which addresses and URLs this program may talk to.

A feed, a redirect or a name server is written by strangers, so it must not be able to point us
into the machine or the network that we stand in (server-side request forgery).

Invariants:
    A name is judged by the addresses it resolved to, never by how it is spelled.
    One address that is not public refuses the whole answer of the name server.
"""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import (
    IPv4Address,
    IPv4Network,
    IPv6Address,
    IPv6Network,
    ip_address,
    ip_network,
)

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

_GLOBAL_UNICAST = IPv6Network("2000::/3")
"""All that IANA has given out as public IPv6; everything else is special or not yet assigned."""

_WRAPPERS = (
    (IPv6Network("::ffff:0:0/96"), 0),  # IPv4-mapped
    (IPv6Network("::/96"), 0),  # IPv4-compatible, given up in 2006, still routed by some stacks
    (IPv6Network("64:ff9b::/96"), 0),  # NAT64
    (IPv6Network("2002::/16"), 80),  # 6to4: the IPv4 address follows the first 16 bits
)
"""IPv6 ranges that carry an IPv4 address, and how many bits stand after it."""

_NOT_PUBLIC = tuple(
    ip_network(text)
    for text in (
        "100.64.0.0/10",  # shared by a provider's customers
        "192.0.0.0/24",  # protocol assignments, some of them local
        "192.88.99.0/24",  # 6to4 relays, given up
        "2001::/23",  # Teredo and other protocol assignments
        "3fff::/20",  # documentation; newer than this Python's own list
    )
)
"""Ranges that ``ipaddress.is_global`` of Python 3.11 lets through, wholly or in part."""

_OTHER_PORTS = range(1025, 65536)
_WEB_PORTS = frozenset({80, 443})


@dataclass(frozen=True, slots=True)
class NetPolicy:
    """
    What may be reached beside the public internet.

    Attributes:
        allow_private: Ranges that are allowed although they are not public
            (setting ``network.allow_private``).
    """

    allow_private: tuple[Network, ...] = ()

    def permits(self, text: str) -> bool:
        """Say whether a connection to the address ``text`` is allowed."""
        try:
            address = ip_address(text)
        except ValueError:
            return False
        inner = unwrap(address)
        return is_public(address) or any(
            one in network
            for network in self.allow_private
            for one in (address, inner)
            if one.version == network.version
        )


def unwrap(address: Address) -> Address:
    """Take the IPv4 address out of an IPv6 address that carries one; else give it back."""
    if isinstance(address, IPv4Address):
        return address
    for network, shift in _WRAPPERS:
        if address in network and int(address) > 1:  # not the unspecified address, not loopback
            return IPv4Address((int(address) >> shift) & 0xFFFF_FFFF)
    return address


def is_public(address: Address) -> bool:
    """Say whether ``address``, and the one it may carry, is a public unicast address."""
    inner = unwrap(address)
    if isinstance(inner, IPv6Address) and inner not in _GLOBAL_UNICAST:
        return False
    if inner.is_multicast or not inner.is_global:
        return False
    return not any(inner in network for network in _NOT_PUBLIC if network.version == inner.version)


def port_is_allowed(port: int) -> bool:
    """Say whether ``port`` may be asked: 80, 443, or above the ones that need a privilege."""
    return port in _WEB_PORTS or port in _OTHER_PORTS
