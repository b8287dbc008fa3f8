"""
A channel that posts signed JSON to an address of the team's own.

The receiver proves the sender by ``Killswitch-Signature`` and drops repeats by
``Idempotency-Key``. Where it offers addresses for it, it is asked what it took (GET) and to take a
post down (DELETE): these have no body, so method and target are signed in its place, and the
signature of one request is worth nothing for another.

Foreign errors: ``NotSent`` of the net room is unsent, ``OutcomeUncertain`` is uncertain; nothing
else leaves that room.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote, unquote, urlsplit

from killswitch.channels.frame import (
    Channel,
    Deletion,
    Ending,
    Found,
    Gone,
    Outcome,
    Probe,
    Request,
)
from killswitch.channels.outcomes import SAID_CHARS, conclude, conclude_delete, one_line
from killswitch.channels.payload import payload
from killswitch.clock import Clock
from killswitch.errors import OutcomeUncertain
from killswitch.net import Answer, Door, NotSent
from killswitch.queue.post import Content
from killswitch.signing import HEADER, sign

# Generous for any text; keeps a request below common body limits of receivers (1 MiB).
MAX_TEXT = 100_000
# How much of an answer is looked at for words, and of how many signs an id may be.
_SAID_BYTES = 4096
_ID_CHARS = 500
_URL_CHARS = 2000
# Signs from which a part of an address is taken for a token; shorter ones stand in ordinary words.
_TOKEN_LEAST = 8
# What stands in an address for the delivery, and for the receiver's own id of it.
DELIVERY, REMOTE_ID = "{delivery}", "{remote_id}"


class WebhookChannel:
    """Posts as signed requests."""

    kind = "webhook"

    def __init__(
        self,
        name: str,
        url: str,
        *,
        secret: str,
        repeat_safe: bool,
        door: Door,
        clock: Clock,
        probe_url: str | None = None,
        delete_url: str | None = None,
    ) -> None:
        """
        Post to ``url``.

        Args:
            name: In the configuration.
            url: Where posts go.
            secret: Signs every request.
            repeat_safe: The receiver drops repeats by their key.
            door: The way out.
            clock: Dates the signatures.
            probe_url: Where a delivery can be asked for, with ``{delivery}`` in it.
            delete_url: Where one is taken down, with ``{delivery}`` or ``{remote_id}`` in it.
        """
        self.name = name
        self.repeat_safe = repeat_safe
        self.can_probe = probe_url is not None
        self._url = url
        self._probe_url = probe_url
        self._delete_url = delete_url
        self._secret = secret
        self._secrets = _secrets(secret, url, probe_url, delete_url)
        self._door = door
        self._clock = clock

    def problems(self, content: Content) -> list[str]:
        """Say what of a post the receiver would refuse."""
        if len(content.text) > MAX_TEXT:
            return [f"the text has {len(content.text)} characters, {self.name} takes {MAX_TEXT}"]
        return []

    def publish(self, request: Request, *, deadline_s: float) -> Outcome:
        """Post once; any 2xx is sent."""
        body = json.dumps(payload(request), ensure_ascii=False).encode()
        headers = {
            "Content-Type": "application/json",
            "Idempotency-Key": request.delivery,
            HEADER: sign(self._secret, body, now=self._clock.now()),
        }
        try:
            answer = self._door.post(self._url, body=body, headers=headers, deadline_s=deadline_s)
        except NotSent as error:
            return Outcome(Ending.UNSENT, error.message)
        except OutcomeUncertain as error:
            return Outcome(Ending.UNCERTAIN, error.message)
        return self._outcome(answer)

    def _outcome(self, answer: Answer) -> Outcome:
        if 200 <= answer.status < 300:
            return Outcome(
                Ending.SENT,
                f"HTTP {answer.status}",
                remote_id=_remote_id(answer),
                remote_url=_remote_url(answer),
            )
        return conclude(
            answer.status,
            retry_after=answer.headers.get("retry-after"),
            now=self._clock.now(),
            said=self._said(answer),
        )

    def probe(self, request: Request, *, deadline_s: float) -> Probe:
        """Ask for the delivery: 200 with an id is there, 404 absent, all else says nothing."""
        if self._probe_url is None:
            return Probe(Found.UNKNOWN, "a webhook without probe_url can't be asked")
        url = _filled(self._probe_url, request.delivery)
        try:
            answer = self._ask("GET", url, request, deadline_s)
        except (NotSent, OutcomeUncertain) as error:
            return Probe(Found.UNKNOWN, one_line(error.message))
        if answer.status == 404:
            return Probe(Found.ABSENT, "HTTP 404")
        remote_id = _remote_id(answer)
        if answer.status == 200 and remote_id is not None:
            return Probe(Found.THERE, "HTTP 200", remote_id, _remote_url(answer))
        said = "without an id" if answer.status == 200 else self._said(answer)[:SAID_CHARS]
        return Probe(Found.UNKNOWN, f"HTTP {answer.status} {said}".strip())

    def why_not_delete(self, remote_id: str | None) -> str | None:
        """Say what is missing to take a post down."""
        if self._delete_url is None:
            return f"{self.name} has no delete_url, so its receiver can't be asked"
        if REMOTE_ID in self._delete_url and remote_id in {None, ".", ".."}:
            return f"the id that {self.name} gave the post is not known"
        return None

    def delete(self, request: Request, *, remote_id: str | None, deadline_s: float) -> Deletion:
        """Ask the receiver to take the delivery down."""
        why_not = self.why_not_delete(remote_id)
        if why_not is not None or self._delete_url is None:
            return Deletion(Gone.REFUSED, why_not or "")
        url = _filled(self._delete_url, request.delivery, remote_id or "")
        try:
            answer = self._ask("DELETE", url, request, deadline_s)
        except (NotSent, OutcomeUncertain) as error:
            return Deletion(Gone.UNKNOWN, one_line(error.message))
        return conclude_delete(
            answer.status,
            retry_after=answer.headers.get("retry-after"),
            now=self._clock.now(),
            said=self._said(answer),
        )

    def _ask(self, method: str, url: str, request: Request, deadline_s: float) -> Answer:
        """Send a request without a body, signed by what it asks."""
        asked = f"{method} {_target(url)}".encode()
        headers = {
            "Idempotency-Key": request.delivery,
            HEADER: sign(self._secret, asked, now=self._clock.now()),
        }
        return self._door.request(method, url, headers=headers, deadline_s=deadline_s)

    def _said(self, answer: Answer) -> str:
        """Read an answer for people; receivers say our request back, with its tokens."""
        said = one_line(answer.body[:_SAID_BYTES].decode("utf-8", "replace"))
        for secret in self._secrets:
            said = said.replace(secret, "…")
        return said

    def check(self) -> str | None:
        """Find nothing to check without sending."""
        return None

    def limits(self) -> Mapping[str, int | str | bool]:
        """Tell the limits, for people."""
        return {
            "text": MAX_TEXT,
            "repeat_safe": self.repeat_safe,
            "can_be_asked": self.can_probe,
            "can_delete": self._delete_url is not None,
        }


def _filled(template: str, delivery: str, remote_id: str = "") -> str:
    """Put ids into an address; nothing in them can lead to another place."""
    filled = template.replace(DELIVERY, quote(delivery, safe=""))
    return filled.replace(REMOTE_ID, quote(remote_id, safe=""))


def _target(url: str) -> str:
    """Return path and query as they stand in the first line of the request."""
    parts = urlsplit(url)
    return (parts.path or "/") + (f"?{parts.query}" if parts.query else "")


def _secrets(secret: str, *urls: str | None) -> tuple[str, ...]:
    """Name what an answer may say back and nobody shall read, as written and as read."""
    found = {secret}
    for parts in (urlsplit(url) for url in urls if url):
        pieces = {*parts.path.split("/"), *re.split("[&=]", parts.query)}
        pieces |= {unquote(piece) for piece in pieces}
        found |= {piece for piece in pieces if len(piece) >= _TOKEN_LEAST and "{" not in piece}
    return tuple(sorted(found, key=len, reverse=True))


def _remote_id(answer: Answer) -> str | None:
    """Read the id that an answer names; whatever could not be stored and shown is none."""
    found = _named(answer, "id")
    if isinstance(found, bool) or not isinstance(found, str | int):
        return None
    text = str(found)
    return text if text.isprintable() and 0 < len(text) <= _ID_CHARS else None


def _remote_url(answer: Answer) -> str | None:
    """Read the public address that an answer names; what is none of a page is not kept."""
    found = _named(answer, "url")
    if not isinstance(found, str) or not found.isprintable() or len(found) > _URL_CHARS:
        return None
    return found if found.startswith(("https://", "http://")) else None


def _named(answer: Answer, name: str) -> Any:
    """Return one field of an answer that is a JSON object."""
    try:
        said = json.loads(answer.body)
    except (ValueError, RecursionError):  # a body of brackets alone exhausts the parser's stack
        return None
    return said.get(name) if isinstance(said, dict) else None


_: type[Channel] = WebhookChannel
