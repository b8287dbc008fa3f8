"""
Relays: stop and restart what the gate does not own, an ad campaign, a newsletter, another tool.

Each relay is told of every pause and resume, in order, until it is reached. Telling it the same
event twice must be harmless on its side: an answer may be lost. What it was told is level, not
edge: ``round`` compares the state of the queue with the newest event of each relay, so that a
crash, a relay added during a pause, or a trip that forgot to write a run can't leave one behind.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol

from killswitch.clock import Clock
from killswitch.errors import OutcomeUncertain, TransientError
from killswitch.net import Answer, NotSent
from killswitch.notify.lanes import Lanes
from killswitch.notify.plain import plain
from killswitch.notify.policy import BACKOFF, BACKOFF_MOST
from killswitch.notify.programs import run_program
from killswitch.signing import HEADER, sign
from killswitch.store import relay_runs
from killswitch.store.engine import Store
from killswitch.store.relay_runs import Event, Run
from killswitch.wire import ByHandDoc, RelayDoc, StatusDoc, z_or_none, z_time

if TYPE_CHECKING:
    from collections.abc import Mapping

    from killswitch.settings.tree import Settings

LIMIT_S = 30.0
"""Seconds for one try; a program is killed with all that it started, a request is given up."""
_LEASE = timedelta(seconds=60)
"""A claim ends after this: the limit, and the record, with room."""
_LANES = 4
_PATIENCE_S = 2.0
_IDLE_S = 60.0
_BUSY_S = 1.0
_CAUSES_SENT = 8
_PROBLEM_LONGEST = 300


class Poster(Protocol):
    """The part of ``killswitch.net.Door`` that a relay needs."""

    def post(
        self, url: str, *, body: bytes, headers: Mapping[str, str], deadline_s: float
    ) -> Answer:
        """Send a POST once; see ``Door.post``."""
        ...


@dataclass(frozen=True, slots=True)
class Relay:
    """
    One place to tell: a program, or a webhook.

    Attributes:
        name: As people know it; shown in notices and in the status.
        command: Program and words, run without a shell; empty for a webhook.
        url: Address of the webhook; None for a program.
        secret: Signs the requests of a webhook.
    """

    name: str
    command: tuple[str, ...] = ()
    url: str | None = None
    secret: str = field(default="", repr=False)


def relays_of(settings: Settings) -> tuple[Relay, ...]:
    """Take the relays out of the settings; secrets are opened here."""
    return tuple(
        Relay(
            name=one.name,
            command=one.command or (),
            url=one.url,
            secret=one.secret.get_secret_value() if one.secret else "",
        )
        for one in settings.relays
    )


class Relays:
    """
    Tells the relays of one daemon. ``round`` is called by one thread at a time.

    Attributes:
        relays: Who is told; a reload puts others here.
    """

    def __init__(
        self,
        store: Store,
        clock: Clock,
        door: Poster,
        *,
        relays: tuple[Relay, ...],
        situation: Callable[[], StatusDoc],
        wake: Callable[[], None] = lambda: None,
    ) -> None:
        """
        Start nothing yet.

        Args:
            store: Where the runs stand.
            clock: Tells the time.
            door: The way to webhooks.
            relays: Who is told.
            situation: Gives the status of this moment.
            wake: Called when a try has ended, so that the loop looks again.
        """
        self.relays = relays
        self._store = store
        self._clock = clock
        self._door = door
        self._situation = situation
        self._wake = wake
        self._lanes = Lanes(_LANES, name="relay")

    def round(self) -> float:
        """
        Do what is due now.

        Returns:
            Seconds until the next try, at most 60.

        Raises:
            TransientError: The store gave no answer; nothing is lost, the next round goes on.
        """
        if not self.relays:
            return _IDLE_S
        status = self._situation()
        self._catch_up(status)
        while self._step(status) or self._lanes.any_busy():
            if not self._lanes.wait(_PATIENCE_S):
                break
        self._lanes.check()
        return self._until_next()

    def states(self) -> list[RelayDoc]:
        """Tell for each relay what it was told last and whether it was reached."""
        with self._store.read() as conn:
            newest = relay_runs.newest(conn)
        return [
            _state(relay.name, newest[relay.name]) for relay in self.relays if relay.name in newest
        ]

    def close(self) -> None:
        """Give running tries a moment to end; what is cut off is tried again."""
        self._lanes.wait_all(_PATIENCE_S)

    def _catch_up(self, status: StatusDoc) -> None:
        """Write the event that a relay should have heard and has not."""
        paused = status["state"] == "paused" or bool(status["causes"])
        event: Event = "pause" if paused else "resume"
        version = status["version"]
        if version is None:
            return
        with self._store.read() as conn:
            newest = relay_runs.newest(conn)
        behind = [relay.name for relay in self.relays if _is_behind(newest.get(relay.name), event)]
        if behind:
            with self._store.write() as conn:
                relay_runs.add_runs(
                    conn, relays=behind, event=event, version=version, now=self._clock.now()
                )

    def _step(self, status: StatusDoc) -> bool:
        """Start as many tries as there are lanes; say whether any began."""
        known = {relay.name: relay for relay in self.relays}
        now = self._clock.now()
        with self._store.read() as conn:
            due = relay_runs.due(conn, now=now)
        free = self._lanes.free()
        busy = self._lanes.busy()
        ready = [run for run in due if run.relay in known and run.relay not in busy][:free]
        if not ready:
            return False
        with self._store.write() as conn:
            mine = [run for run in ready if relay_runs.claim(conn, run, until=now + _LEASE)]
        for run in mine:
            body = _body(run, status)
            self._lanes.start(run.relay, partial(self._try, known[run.relay], run, body))
        return bool(mine)

    def _try(self, relay: Relay, run: Run, body: bytes) -> None:
        if relay.url is None:
            problem = run_program(relay.command, stdin=body, env=_environment(run), limit_s=LIMIT_S)
        else:
            problem = self._post(relay, run, body)
        now = self._clock.now()
        wait = BACKOFF[run.tries] if run.tries < len(BACKOFF) else BACKOFF_MOST
        cleaned = None if problem is None else plain(problem, _PROBLEM_LONGEST)
        try:
            with self._store.write() as conn:
                relay_runs.record(conn, run, problem=cleaned, retry_at=now + wait, now=now)
        except TransientError:
            # The lease ends and it is told once more, which is harmless by contract.
            return
        finally:
            self._wake()

    def _post(self, relay: Relay, run: Run, body: bytes) -> str | None:
        headers = {
            "Content-Type": "application/json",
            "Idempotency-Key": run.id,
            HEADER: sign(relay.secret, body, now=self._clock.now()),
        }
        try:
            answer = self._door.post(
                relay.url or "", body=body, headers=headers, deadline_s=LIMIT_S
            )
        except (NotSent, OutcomeUncertain) as error:
            return str(error)
        return None if 200 <= answer.status < 300 else f"answered {answer.status}"

    def _until_next(self) -> float:
        if self._lanes.any_busy():
            return _BUSY_S
        with self._store.read() as conn:
            first = relay_runs.next_at(conn)
        if first is None:
            return _IDLE_S
        return max(0.0, min((first - self._clock.now()).total_seconds(), _IDLE_S))


def by_hand(also_stop: Iterable[str], states: Iterable[RelayDoc]) -> list[ByHandDoc]:
    """
    Tell for the status what people must stop by hand, and what a relay has stopped.

    Args:
        also_stop: Names of places that the switch can't reach: never confirmed.
        states: As ``Relays.states`` gives them; those of a resume are left out.
    """
    places: list[ByHandDoc] = [{"name": name, "state": "not_confirmed"} for name in also_stop]
    for one in states:
        if one["event"] == "pause":
            state = "stopped" if one["reached"] else "not_confirmed"
            places.append({"name": one["name"], "state": state, "at": one["at"]})
    return places


def _is_behind(last: Run | None, event: Event) -> bool:
    """Say whether a relay must still hear ``event``; one that never stopped needs no resume."""
    return event == "pause" if last is None else last.event != event


def _state(name: str, run: Run) -> RelayDoc:
    return {
        "name": name,
        "event": run.event,
        "reached": run.reached_at is not None,
        "at": z_or_none(run.reached_at),
        "problem": run.problem,
    }


def _body(run: Run, status: StatusDoc) -> bytes:
    causes = [
        {"kind": cause["kind"], "reason": cause["reason"][:500], "since": cause["since"]}
        for cause in status["causes"][:_CAUSES_SENT]
    ]
    document: dict[str, Any] = {
        "event": run.event,
        "version": run.version,
        "at": z_time(run.created_at),
        "key": run.id,
        "relay": run.relay,
        "causes": causes if run.event == "pause" else [],
    }
    return json.dumps(document, ensure_ascii=False).encode()


def _environment(run: Run) -> dict[str, str]:
    return {
        "KILLSWITCH_EVENT": run.event,
        "KILLSWITCH_VERSION": str(run.version),
        "KILLSWITCH_AT": z_time(run.created_at),
        "KILLSWITCH_KEY": run.id,
        "KILLSWITCH_RELAY": run.relay,
    }
