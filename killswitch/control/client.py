"""
The way to the daemon: HTTP over its Unix socket.

Standard library only: ``pause``, ``ack``, ``resume`` and ``status`` must work in a half-broken
environment. Problem details come back as the error they were in the daemon, with its exit code.
"""

from __future__ import annotations

import contextlib
import json
import os
import pwd
import socket
import struct
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NoReturn
from urllib.parse import quote, urlencode

from killswitch import lockfile
from killswitch.control.exchange import Answer as HttpAnswer
from killswitch.control.exchange import BrokenAnswerError, exchange
from killswitch.errors import (
    ConfigError,
    Exit,
    KillswitchError,
    OperatorError,
    RefusedError,
    UnreachableError,
    UsageError,
)
from killswitch.wire.fitting import misfit

ANSWER_S = 30.0
"""How long a command waits for its answer; a fresh look at the feeds takes up to this."""

SYSTEM_STATE = Path("/var/lib/killswitch")
UNITS = (
    Path("/etc/systemd/system/killswitch.service"),
    Path("/usr/lib/systemd/system/killswitch.service"),
)
"""Where the unit of the machine's own daemon may lie."""

_UCRED = struct.Struct("3i")

_BY_EXIT: dict[int, type[OperatorError]] = {
    Exit.USAGE: UsageError,
    Exit.REFUSED: RefusedError,
    Exit.CONFIG: ConfigError,
    Exit.UNREACHABLE: UnreachableError,
}


class Client:
    """The control API of one daemon."""

    def __init__(
        self, path: Path, *, said: str | None = None, state_dir: Path | None = None
    ) -> None:
        """
        Remember the way; nothing is opened.

        Args:
            path: The control socket.
            said: The name after ``--as``, one line of text.
            state_dir: Where the daemon keeps its state: whose it is may serve the socket, and
                its lock tells whether a daemon runs. Without it: root and the caller alone.
        """
        self.path = path
        self._said = said
        self._state_dir = state_dir

    def get(
        self,
        path: str,
        *,
        query: Mapping[str, object] | None = None,
        shape: Any = dict[str, Any],
        timeout_s: float = ANSWER_S,
    ) -> Any:
        """
        Ask for a document.

        Args:
            path: Below ``/v1``; parts that people typed were quoted with ``part``.
            query: Fields that are None or empty are left out.
            shape: What a daemon answers, of ``killswitch.wire``; anything else is refused.
            timeout_s: Seconds for the whole call.

        Raises:
            OperatorError: As the daemon says it; ``UnreachableError`` where it does not answer.
        """
        return _checked(self._call("GET", path, query=query, timeout_s=timeout_s), shape)

    def pages(self, path: str, *, query: Mapping[str, object], shape: Any) -> Iterator[Any]:
        """
        Ask for page after page of a long list; raises as ``get`` does.

        Args:
            path: As for ``get``.
            query: As for ``get``; its ``after`` is where to begin.
            shape: The shape of a page, with its ``next``.
        """
        after = query.get("after")
        seen = set()
        while True:
            page = self.get(path, query={**query, "after": after}, shape=shape)
            yield page
            after = page["next"]
            if after is None:
                return
            if after in seen:
                raise _not_ours("its pages have no end")
            seen.add(after)

    def post(
        self,
        path: str,
        body: Mapping[str, object] | None = None,
        *,
        key: str | None = None,
        query: Mapping[str, object] | None = None,
        shape: Any = dict[str, Any],
        timeout_s: float = ANSWER_S,
    ) -> Any:
        """
        Ask for an act.

        Args:
            path: As for ``get``.
            body: The document that describes it.
            key: Request key: the same key has its effect once, so a repeat is safe.
            query: As for ``get``.
            shape: As for ``get``.
            timeout_s: As for ``get``.

        Raises:
            OperatorError: As for ``get``.
        """
        said = body or {}
        found = self._call("POST", path, body=said, key=key, query=query, timeout_s=timeout_s)
        return _checked(found, shape)

    def delete(self, path: str) -> Any:
        """Ask for something to be forgotten; raises as ``get`` does."""
        return self._call("DELETE", path, timeout_s=ANSWER_S)

    def text(self, path: str) -> str:
        """Ask for a text, such as the metrics; raises as ``get`` does."""
        return self._raw("GET", path, content=None, headers={}, timeout_s=ANSWER_S).decode(
            errors="replace"
        )

    def _call(
        self,
        method: str,
        path: str,
        *,
        timeout_s: float,
        body: Mapping[str, object] | None = None,
        key: str | None = None,
        query: Mapping[str, object] | None = None,
    ) -> Any:
        headers: dict[str, str | bytes] = {}
        content = None
        if body is not None:
            content = json.dumps(body).encode()
            headers["Content-Type"] = "application/json"
        if key:
            headers["Idempotency-Key"] = key
        if self._said:
            headers["X-Killswitch-As"] = self._said.encode()
        asked = {name: _written(value) for name, value in (query or {}).items() if _is_set(value)}
        target = f"{path}?{urlencode(asked)}" if asked else path
        raw = self._raw(method, target, content=content, headers=headers, timeout_s=timeout_s)
        return _document(raw)

    def _raw(
        self,
        method: str,
        target: str,
        *,
        content: bytes | None,
        headers: Mapping[str, str | bytes],
        timeout_s: float,
    ) -> bytes:
        owners = _owners(self._state_dir)
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as sock:
                sock.settimeout(timeout_s)
                sock.connect(str(self.path))
                _check_server(sock, self.path, owners)
                answer = exchange(
                    sock,
                    method,
                    f"/v1{target}",
                    headers=headers,
                    content=content,
                    within_s=timeout_s,
                )
        except TimeoutError as error:
            how = f"did not answer in {timeout_s:.2g} s"
            raise self._unreachable(how, "timeout", acts=method != "GET") from error
        except FileNotFoundError as error:
            raise self._unreachable("is not there", "unreachable") from error
        except PermissionError as error:
            raise UnreachableError(
                "closed",
                f"the daemon's socket {self.path} is closed to you (not in its group): "
                "nothing was asked",
                f"join the group of {self.path}, or act as root: sudo killswitch …",
            ) from error
        except OSError as error:
            why = error.strerror or type(error).__name__
            raise self._unreachable(f"does not answer ({why})", "unreachable") from error
        except BrokenAnswerError as error:
            raise self._unreachable(f"broke off its answer ({error})", "unreachable") from error
        if answer.status >= 400:
            raise _refusal(answer)
        return answer.body

    def _unreachable(self, how: str, code: str, *, acts: bool = False) -> UnreachableError:
        told = f"the daemon's socket {self.path} {how}"
        stop = 'to stop everything: killswitch pause "reason"'
        if code == "timeout":
            known = "; whether it was done is not known" if acts else ""
            return UnreachableError(
                code, told + known, f"look at it: systemctl status killswitch; {stop}"
            )
        if self._state_dir and lockfile.look(self._state_dir)[0] is lockfile.Lock.TAKEN:
            return UnreachableError(
                "elsewhere",
                f"{told}, though a daemon runs on {self._state_dir}",
                f"look at control.socket, --socket and systemctl status killswitch; {stop}",
            )
        return UnreachableError(
            code,
            f"{told}; nothing leaves without a daemon",
            f"start it: {start_command(self._state_dir)}; {stop}",
        )


class Answer(dict[str, Any]):
    """A document of the daemon; one that lacks what is read from it was not given by one."""

    def __missing__(self, key: str) -> NoReturn:
        """Refuse instead of failing on what somebody else answered."""
        raise _not_ours(f"{key} is missing")


def _owners(state_dir: Path | None) -> frozenset[int]:
    """Name the uids that may serve the socket: root, the caller, whose the state directory is."""
    owners = {0, os.geteuid()}
    if state_dir is not None:
        with contextlib.suppress(OSError):
            owners.add(state_dir.stat().st_uid)
    return frozenset(owners)


def start_command(state_dir: Path | None) -> str:
    """
    Say how a daemon that is not there is started.

    By hand only for who owns its state: files of root's would keep the service from it.
    """
    by_hand, by_unit = "killswitch run", "systemctl start killswitch"
    if state_dir is None:
        return by_hand
    if state_dir == SYSTEM_STATE and any(os.path.lexists(unit) for unit in UNITS):
        return by_unit
    try:
        return by_hand if state_dir.stat().st_uid == os.geteuid() else by_unit
    except OSError:
        return by_hand


def _check_server(sock: socket.socket, path: Path, owners: frozenset[int]) -> None:
    """
    Refuse a socket that somebody else serves: the kernel says who began to listen.

    Raises:
        UnreachableError: It is not root, the caller, or the owner of the state directory.
    """
    raw = sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _UCRED.size)
    _pid, uid, _gid = _UCRED.unpack(raw)
    if uid not in owners:
        raise UnreachableError(
            "foreign_socket",
            f"the socket {path} is served by user {_login(uid)}, who is not the daemon's",
            "name the daemon's with --state-dir and --socket",
        )


def _login(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"uid {uid}"


def part(text: str) -> str:
    """Quote one part of a path that people typed."""
    return quote(text, safe="")


def _is_set(value: object) -> bool:
    return value is not None and value not in ("", (), [])


def _written(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list | tuple):
        return ",".join(str(one) for one in value)
    return str(value)


def _document(raw: bytes) -> Any:
    try:
        return json.loads(raw, object_hook=Answer)
    except (ValueError, RecursionError) as error:
        raise _not_ours("it is no JSON") from error


def _checked(found: Any, shape: Any) -> Any:
    """Refuse an answer that has not the shape of a daemon's, before anybody reads from it."""
    wrong = misfit(found, shape)
    if wrong:
        raise _not_ours(wrong)
    return found


def _not_ours(why: str) -> UnreachableError:
    return UnreachableError(
        "bad_answer",
        f"what answers on the socket is not a killswitch daemon, or one of another version: {why}",
        "check --socket; after an upgrade, restart the daemon",
    )


def _refusal(answer: HttpAnswer) -> KillswitchError:
    try:
        doc = json.loads(answer.body)
    except (ValueError, RecursionError):
        doc = None
    if not isinstance(doc, dict) or not isinstance(doc.get("detail"), str):
        return UnreachableError(
            "bad_answer",
            f"the daemon refused with HTTP {answer.status} and no reason",
            "look at its log",
        )
    exit_code = doc.get("exit")
    kind = _BY_EXIT.get(exit_code if isinstance(exit_code, int) else Exit.FAILED, OperatorError)
    return kind(str(doc.get("code", "failed")), doc["detail"], str(doc.get("hint") or ""))
