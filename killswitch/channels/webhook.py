"""
A channel that posts signed JSON to an address of the team's own.

The receiver proves the sender by ``Killswitch-Signature`` and drops repeats by
``Idempotency-Key``. Foreign errors: ``NotSent`` of the net room is unsent, ``OutcomeUncertain``
is uncertain; nothing else leaves that room.
"""

from __future__ import annotations

import json
from collections.abc import Mapping

from killswitch.channels.frame import Channel, Ending, Found, Outcome, Probe, Request
from killswitch.channels.outcomes import conclude, one_line
from killswitch.channels.payload import payload
from killswitch.clock import Clock
from killswitch.errors import OutcomeUncertain
from killswitch.net import Answer, Door, NotSent
from killswitch.queue.post import Content
from killswitch.signing import sign

# Generous for any text; keeps a request below common body limits of receivers (1 MiB).
MAX_TEXT = 100_000
# How much of an answer is looked at for words, and of how many signs an id may be.
_SAID_BYTES = 4096
_ID_CHARS = 500


class WebhookChannel:
    """Posts as signed requests."""

    kind = "webhook"

    def __init__(
        self, name: str, url: str, *, secret: str, repeat_safe: bool, door: Door, clock: Clock
    ) -> None:
        """Post to ``url``; ``repeat_safe`` says that the receiver drops repeats by their key."""
        self.name = name
        self.repeat_safe = repeat_safe
        self._url = url
        self._secret = secret
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
            "Killswitch-Signature": sign(self._secret, body, now=self._clock.now()),
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
            return Outcome(Ending.SENT, f"HTTP {answer.status}", remote_id=_remote_id(answer))
        return conclude(
            answer.status,
            retry_after=answer.headers.get("retry-after"),
            now=self._clock.now(),
            said=_said(answer),
        )

    def probe(self, request: Request) -> Probe:  # noqa: ARG002 - the frame's signature
        """Say that a webhook can't be asked."""
        return Probe(Found.UNKNOWN, "a webhook can't be asked what it took")

    def check(self) -> str | None:
        """Find nothing to check without sending."""
        return None

    def limits(self) -> Mapping[str, int | str | bool]:
        """Tell the limits, for people."""
        return {"text": MAX_TEXT, "repeat_safe": self.repeat_safe}


def _said(answer: Answer) -> str:
    return one_line(answer.body[:_SAID_BYTES].decode("utf-8", "replace"))


def _remote_id(answer: Answer) -> str | None:
    """Read the id that an answer names; whatever could not be stored and shown is none."""
    try:
        said = json.loads(answer.body)
    except (ValueError, RecursionError):  # a body of brackets alone exhausts the parser's stack
        return None
    found = said.get("id") if isinstance(said, dict) else None
    if isinstance(found, bool) or not isinstance(found, str | int):
        return None
    text = str(found)
    return text if text.isprintable() and 0 < len(text) <= _ID_CHARS else None


_: type[Channel] = WebhookChannel
