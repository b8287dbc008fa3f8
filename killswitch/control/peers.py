"""
Who is at the other end of the socket, and what they may do.

The proof is the peer's uid from the kernel (``SO_PEERCRED``), never a name in a request. Only
root and the daemon's own uid may say for whom they act (``--as``): both could act as anybody
anyway, and the record keeps that it was said.

Invariants:
    Viewing, pausing and ``ack`` are open to every peer that reaches the socket.
    A pause never waits for a name service: its caller is labelled within 100 ms or by its uid.
"""

from __future__ import annotations

import grp
import os
import pwd
import socket
import struct
import threading
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as NotInTime
from dataclasses import dataclass
from typing import NoReturn, Protocol

from killswitch.errors import RefusedError
from killswitch.wire import ROLES, Caller, is_of_the_machine

LOOKUP_S = 0.1
"""How long a pause waits for the login name of its caller."""
REMEMBERED = 256
"""Accounts kept for the moment in which a name service is slow."""

_UCRED = struct.Struct("3i")


@dataclass(frozen=True, slots=True)
class Peer:
    """The other end of a connection, as the kernel knows it."""

    uid: int
    gid: int
    pid: int


class PersonRule(Protocol):
    """One ``[[people]]`` of the configuration."""

    @property
    def name(self) -> str:
        """How people call them."""
        ...

    @property
    def users(self) -> Sequence[str]:
        """Login names."""
        ...

    @property
    def groups(self) -> Sequence[str]:
        """Groups of the machine."""
        ...

    @property
    def roles(self) -> Sequence[str]:
        """Words of ``killswitch.wire.ROLES``."""
        ...


@dataclass(frozen=True, slots=True)
class _Account:
    login: str
    groups: frozenset[str]


def peer_of(connection: socket.socket) -> Peer:
    """
    Ask the kernel who opened the connection.

    Raises:
        OSError: The socket is not a connected Unix socket.
    """
    raw = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _UCRED.size)
    pid, uid, gid = _UCRED.unpack(raw)
    return Peer(uid=uid, gid=gid, pid=pid)


class Roles:
    """Turns a peer into a ``Caller`` with its roles."""

    def __init__(self, people: Sequence[PersonRule] = (), *, daemon_uid: int | None = None) -> None:
        """
        Keep the rules.

        Args:
            people: The ``[[people]]`` tables; empty means that root and ``daemon_uid`` may do all.
            daemon_uid: The daemon's own uid; by default that of this process.
        """
        self._people = tuple(people)
        self._powers = frozenset({0, os.geteuid() if daemon_uid is None else daemon_uid})
        self._known: dict[int, _Account] = {}
        self._lock = threading.Lock()
        self._lookups = ThreadPoolExecutor(max_workers=2, thread_name_prefix="accounts")

    def close(self) -> None:
        """Let the threads that look names up end."""
        self._lookups.shutdown(wait=False, cancel_futures=True)

    def caller(self, peer: Peer, *, said: str | None, key: str | None) -> Caller:
        """
        Tell who asks and what they may do.

        Args:
            peer: From the kernel.
            said: The name after ``--as``, if any.
            key: The request key, if any.

        Raises:
            RefusedError: Somebody without that power says another name than their own, or the name
                is one that the machine signs with.
        """
        account = self._account(peer)
        if said == account.login:
            said = None
        if said is not None and peer.uid not in self._powers:
            raise RefusedError(
                "as_refused",
                f"{account.login} can't act as {said!r}: only root and the daemon's own user say "
                "for whom they act; nothing was done",
                "leave --as out: you are recorded by your login",
            )
        if said is not None and is_of_the_machine(said):
            raise RefusedError(
                "as_machine",
                f"{said!r} is the name that the machine signs with; nothing was done",
                "say who you are: --as NAME",
            )
        return Caller(
            uid=peer.uid,
            gid=peer.gid,
            pid=peer.pid,
            login=account.login,
            said_name=said,
            roles=self._roles(peer, account, said=said),
            request_key=key,
        )

    def hurried(self, peer: Peer, *, said: str | None, key: str | None) -> Caller:
        """Tell who pauses without ever refusing or waiting: by uid where names are slow."""
        account = self._in_time(peer)
        may_say = peer.uid in self._powers and not is_of_the_machine(said or "")
        trusted = said if may_say and said != account.login else None
        return Caller(
            uid=peer.uid,
            gid=peer.gid,
            pid=peer.pid,
            login=account.login,
            said_name=trusted,
            request_key=key,
        )

    def require(self, caller: Caller, wanted: frozenset[str]) -> None:
        """
        Refuse a caller that has none of the ``wanted`` roles.

        Raises:
            RefusedError: With the code ``role``.
        """
        if caller.roles & wanted:
            return
        self._refuse(caller, wanted)

    def require_person(self, caller: Caller) -> None:
        """
        Refuse root and the daemon's user where a person must answer for the act.

        Raises:
            RefusedError: With the code ``who``: ``--as NAME`` is missing.
        """
        if caller.said_name is None and caller.uid in self._powers:
            raise RefusedError(
                "who",
                f"{caller.login} is not a person: this act is recorded with the name of a human; "
                "nothing was done",
                "say who you are: --as NAME",
            )

    def _refuse(self, caller: Caller, wanted: frozenset[str]) -> NoReturn:
        asked = " or ".join(role for role in ROLES if role in wanted)
        if self._people and caller.said_name is None and caller.uid in self._powers:
            raise RefusedError(
                "role",
                f"{caller.person} may not do this: it needs the role {asked}; nothing was done",
                "say for whom you act: --as NAME; roles stand under [[people]] in the "
                "configuration",
            )
        who = "root or the daemon's own user" if not self._people else f"somebody with {asked}"
        raise RefusedError(
            "role",
            f"{caller.person} may not do this: it needs the role {asked}; nothing was done",
            f"ask {who}; roles stand under [[people]] in the configuration",
        )

    def _roles(self, peer: Peer, account: _Account, *, said: str | None) -> frozenset[str]:
        if not self._people:
            return frozenset(ROLES) if peer.uid in self._powers else frozenset()
        names = {account.login} if said is None else {account.login, said}
        found = {
            role
            for person in self._people
            if names & {*person.users}
            or account.groups & {*person.groups}
            or (said is not None and said == person.name)
            for role in person.roles
        }
        # Upkeep includes everything but the second pair of eyes: that one is given by name.
        if "admin" in found:
            found |= frozenset(ROLES) - {"approver"}
        return frozenset(found)

    def _in_time(self, peer: Peer) -> _Account:
        """Look the account up for at most ``LOOKUP_S``, else as it was, else by its number."""
        try:
            looked: Future[_Account] = self._lookups.submit(self._account, peer)
            return looked.result(LOOKUP_S)
        except (NotInTime, RuntimeError):
            nobody = _Account(login=f"uid {peer.uid}", groups=frozenset())
            return self._known.get(peer.uid, nobody)

    def _account(self, peer: Peer) -> _Account:
        """Look the account up afresh, so that a right that was taken away is gone at once."""
        found = _look_up(peer)
        with self._lock:
            if len(self._known) >= REMEMBERED:
                self._known.clear()
            self._known[peer.uid] = found
        return found


def _look_up(peer: Peer) -> _Account:
    try:
        login = pwd.getpwuid(peer.uid).pw_name
        gids = os.getgrouplist(login, peer.gid)
    except (KeyError, OSError):
        return _Account(login=f"uid {peer.uid}", groups=frozenset(_group_names([peer.gid])))
    return _Account(login=login, groups=frozenset(_group_names(gids)))


def _group_names(gids: Sequence[int]) -> list[str]:
    names = []
    for gid in gids:
        try:
            names.append(grp.getgrgid(gid).gr_name)
        except (KeyError, OSError):
            continue
    return names
