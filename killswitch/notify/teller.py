"""
Tell people: send what the outbox holds, to whom and when the policy says, until somebody answers.

A round reads what is due, claims it in the store and hands it to a few lanes; each lane has a
notifier process of its own, so that a slow address keeps one lane busy and nothing else. A pause
never waits for any of this: it wrote its notice and went on.

Delivery is at least once: a crash between a send and its record sends again.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from functools import partial
from typing import Any, Protocol

from killswitch.child import ChildFailed
from killswitch.clock import Clock
from killswitch.errors import TransientError
from killswitch.failpoints import passing
from killswitch.notify import rounds
from killswitch.notify.lanes import Lanes
from killswitch.notify.policy import NotifyPolicy, retry_at
from killswitch.notify.process import SEND_TIMEOUT_S
from killswitch.notify.rounds import Job, Moment
from killswitch.notify.schemes import label, scrub
from killswitch.notify.texts import Text, render
from killswitch.store import notices, people, tellings
from killswitch.store.engine import Store
from killswitch.store.notices import NoticeKind
from killswitch.store.tellings import Notice
from killswitch.wire import FailingDoc, StatusDoc, TellingDoc, z_time

LANES = 4
"""Addresses tried at once, each by a process of its own that starts when it is needed."""
_PATIENCE_S = 2.0
"""A round returns after this without any answer; the lanes go on."""
_ROUND_S = 30.0
"""A round returns after this even where something ends all the time."""
_TEST_LONGEST_S = 120.0
_IDLE_S = 60.0
_WAITING_S = 5.0
"""While nobody was reached the next list may be due: look this often."""
_BUSY_S = 1.0
_NO_ANSWER = "no answer"
_PERSONS = ("by", "author")
"""Facts that hold ids of persons; their names are looked up when a notice is sent."""


class Sender(Protocol):
    """The part of ``killswitch.child.Child`` that the teller needs."""

    def call(
        self, message: dict[str, Any], body: bytes = b"", *, timeout_s: float
    ) -> dict[str, Any]:
        """Ask the notifier process; see ``Child.call``."""
        ...

    def close(self) -> None:
        """End the process."""
        ...


class Teller:
    """
    Sends the notices of one daemon. ``round`` is called by one thread at a time.

    Attributes:
        policy: Who is told; a reload puts another one here.
    """

    def __init__(
        self,
        store: Store,
        clock: Clock,
        spawn: Callable[[], Sender],
        *,
        policy: NotifyPolicy,
        situation: Callable[[], StatusDoc],
        wake: Callable[[], None] = lambda: None,
    ) -> None:
        """
        Start nothing yet.

        Args:
            store: Where the notices stand.
            clock: Tells the time.
            spawn: Makes one notifier process; called up to ``LANES`` times, when needed.
            policy: Who is told.
            situation: Gives the status of this moment; the texts are written from it.
            wake: Called when a send has ended, so that the loop looks again.
        """
        self.policy = policy
        self._store = store
        self._clock = clock
        self._spawn = spawn
        self._situation = situation
        self._wake = wake
        self._lanes = Lanes(LANES, name="notify")
        self._idle: list[Sender] = []
        self._closed = False
        self._slow: set[str] = set()
        self._lock = threading.Lock()

    def round(self) -> float:
        """
        Do what is due now.

        Returns:
            Seconds until the next thing is due, at most 60; sends that are still on their way
            when it returns record their outcome themselves.

        Raises:
            TransientError: The store gave no answer; nothing is lost, the next round goes on.
        """
        ends = self._clock.monotonic_s() + _ROUND_S
        while self._step() or self._lanes.any_busy():
            if not self._lanes.wait(_PATIENCE_S) or self._clock.monotonic_s() > ends:
                break
        self._lanes.check()
        return self._until_next()

    def test(self) -> list[TellingDoc]:
        """Send a test to every address of every list now, and say what became of each."""
        text = self._render(NoticeKind.TEST, {"at": z_time(self._clock.now())}, self._situation())
        names = self.policy.names(self.policy.top)
        results: dict[str, str | None] = {}
        lanes = Lanes(LANES, name="notify-test")
        for name in names:
            while lanes.free() == 0:
                lanes.wait(SEND_TIMEOUT_S)
            lanes.start(name, partial(self._try_out, name, text, results))
        lanes.wait_all(_TEST_LONGEST_S)
        lanes.check()
        return [
            TellingDoc(
                address=self.label(name),
                accepted=results.get(name, _NO_ANSWER) is None,
                problem=results.get(name, _NO_ANSWER),
            )
            for name in names
        ]

    def check(self) -> list[FailingDoc]:
        """Ask apprise whether it can read every address; sends nothing."""
        sender = self._take()
        try:
            return [
                FailingDoc(address=self.label(name), problem=problem)
                for name in self.policy.names(self.policy.top)
                if (problem := _ask(sender, {"do": "check", "url": self._url(name)})) is not None
            ]
        finally:
            self._give_back(sender)

    def failing(self) -> list[FailingDoc]:
        """List the addresses (masked) whose latest try failed, for the status."""
        if not self.policy.names(self.policy.top):
            return [FailingDoc(address="-", problem="no address is configured (notify.urls)")]
        with self._store.read() as conn:
            found = notices.failing(conn, now=self._clock.now())
        return [
            FailingDoc(address=self.label(name), problem=why)
            for name, why in found.items()
            if self.policy.address(name) is not None
        ]

    def close(self) -> None:
        """
        End the notifier processes.

        A send on its way is not waited for: its process ends with the daemon, and it goes out
        again after the next start.
        """
        self._lanes.wait_all(_PATIENCE_S)
        with self._lock:
            self._closed = True
            idle, self._idle = self._idle, []
        for sender in idle:
            sender.close()

    # ---- one step -------------------------------------------------------------------------------

    def _step(self) -> bool:
        """Open what is due and start as many sends as there are lanes; say whether any began."""
        now = self._clock.now()
        with self._store.read() as conn:
            first = tellings.next_at(conn)
            waiting = tellings.unreached(conn)
        if (first is None or first > now) and not waiting:
            return False
        moment = Moment(self.policy, self._status(), now)
        with self._store.write() as conn:
            rounds.open_rounds(conn, moment)
            jobs = rounds.claim(
                conn,
                moment,
                room=self._lanes.free(),
                busy=self._lanes.busy(),
                slow=self._slow_now(),
            )
        texts = {job.notice.id: self._text(job.notice, moment.status) for job in jobs}
        for job in jobs:
            self._lanes.start(job.telling.address, partial(self._send, job, texts[job.notice.id]))
        return bool(jobs)

    def _status(self) -> StatusDoc:
        """Take the status, with the places of ``notify.also_stop``: every notice names them."""
        status = self._situation().copy()
        there = list(status.get("by_hand") or ())
        known = {place["name"] for place in there}
        status["by_hand"] = there + [
            {"name": name, "state": "not_confirmed"}
            for name in self.policy.also_stop
            if name not in known
        ]
        return status

    def _text(self, notice: Notice, status: StatusDoc) -> Text:
        facts = {"at": z_time(notice.created_at), **notice.facts}
        ids = {str(facts[key]) for key in _PERSONS if facts.get(key)}
        with self._store.read() as conn:
            names = people.names(conn, ids)
        called = {key: names[str(facts[key])] for key in _PERSONS if facts.get(key)}
        return self._render(notice.kind, facts | called, status)

    def _render(self, kind: NoticeKind, facts: dict[str, Any], status: StatusDoc) -> Text:
        return render(kind, facts, status, language=self.policy.language, zone=self.policy.zone)

    def _until_next(self) -> float:
        if self._lanes.any_busy():
            return _BUSY_S
        with self._store.read() as conn:
            first = tellings.next_at(conn)
            waiting = bool(tellings.unreached(conn))
        longest = _WAITING_S if waiting else _IDLE_S
        if first is None:
            return longest
        return max(0.0, min((first - self._clock.now()).total_seconds(), longest))

    # ---- sends, in the lanes --------------------------------------------------------------------

    def _send(self, job: Job, text: Text) -> None:
        problem = self._deliver(job.telling.address, job.url, text, silent=job.silent)
        passing("notify.after_send")
        now = self._clock.now()
        retry = None
        if problem is not None:
            retry = retry_at(
                tries=job.telling.tries + 1,
                reached=job.notice.first_accepted_at is not None,
                age=now - job.notice.created_at,
                now=now,
            )
        try:
            with self._store.write() as conn:
                tellings.record(
                    conn,
                    job.telling,
                    accepted=problem is None,
                    problem=problem,
                    retry_at=retry,
                    now=now,
                )
        except TransientError:
            # The lease ends and it goes out once more: told twice is better than not told.
            return
        finally:
            self._wake()

    def _try_out(self, name: str, text: Text, results: dict[str, str | None]) -> None:
        results[name] = self._deliver(name, self._url(name), text, silent=False)

    def _deliver(self, name: str, url: str, text: Text, *, silent: bool) -> str | None:
        """Send to one address; return None when accepted, else what went wrong."""
        message = {
            "do": "send",
            "url": url,
            "title": text.title,
            "body": text.body,
            "silent": silent,
        }
        sender = self._take()
        try:
            problem = _ask(sender, message)
        finally:
            self._give_back(sender)
        with self._lock:
            if problem is not None and problem.startswith(_NO_ANSWER):
                self._slow.add(name)
            else:
                self._slow.discard(name)
        return problem

    def _slow_now(self) -> frozenset[str]:
        with self._lock:
            return frozenset(self._slow)

    def _take(self) -> Sender:
        with self._lock:
            return self._idle.pop() if self._idle else self._spawn()

    def _give_back(self, sender: Sender) -> None:
        with self._lock:
            if not self._closed:
                self._idle.append(sender)
                return
        sender.close()

    def _url(self, name: str) -> str:
        return self.policy.address(name) or ""

    def label(self, name: str) -> str:
        """Return the masked address behind a name, as the status and ``notify test`` show it."""
        return label(self._url(name), name)


def _ask(sender: Sender, message: dict[str, Any]) -> str | None:
    """Ask the process; return None when it accepted, else a reason without secrets."""
    url = str(message["url"])
    try:
        answer = sender.call(message, timeout_s=SEND_TIMEOUT_S)
    except ChildFailed as error:
        if error.code == "timeout":
            return f"{_NO_ANSWER} within {SEND_TIMEOUT_S:g} s"
        return scrub(error.message, url)
    if answer.get("accepted") is True:
        return None
    return scrub(str(answer.get("problem") or "refused without a reason"), url)
