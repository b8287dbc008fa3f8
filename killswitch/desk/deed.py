"""What every verb on a delivery has in common: the moment, the person, refusals, the record."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from killswitch.desk.context import Context
from killswitch.desk.crowding import refuse_crowded
from killswitch.errors import RefusedError
from killswitch.latch import Latch
from killswitch.queue.states import Decision, DeliveryState
from killswitch.queue.when import When
from killswitch.store import decisions
from killswitch.store.audit import Entry, record
from killswitch.store.deliveries import Delivery
from killswitch.store.engine import Connection
from killswitch.wire import Caller, QueueAct

_S = DeliveryState
# Where a delivery waits for its time or for a human.
LEFT = frozenset({_S.SCHEDULED, _S.HELD})
CHANGEABLE = LEFT | {_S.AWAITING_APPROVAL}


@dataclass(frozen=True, slots=True)
class Deed:
    """One verb by one person at one moment, under one latch."""

    ctx: Context
    conn: Connection
    act: QueueAct
    latch: Latch
    caller: Caller
    by: str
    when: When | None
    now: datetime

    def written_down(self, one: Delivery) -> bool:
        """Say whether a decision waits for the resume rather than happening now."""
        return self.latch.paused and one.state is _S.HELD

    def need(
        self, one: Delivery, states: frozenset[DeliveryState], verb: str, hint: str = ""
    ) -> None:
        """
        Refuse a delivery that is in none of these states.

        Raises:
            RefusedError: It is in another.
        """
        if one.state not in states:
            raise RefusedError(
                "state", f"{one.id} is {one.state.value}: it can't be {verb}; it stays so", hint
            )

    def refuse_crowded(self, one: Delivery, due: datetime) -> None:
        """
        Refuse a time at which its channel has no room.

        Raises:
            RefusedError: The gap or the cap.
        """
        refuse_crowded(self.ctx, self.conn, one.channel, due, without=one.id)

    def refuse_gone(self, one: Delivery) -> None:
        """
        Refuse to let out what has no way out: it would be held again at once.

        Raises:
            RefusedError: Its channel is not configured any more.
        """
        if self.ctx.is_gone(one.channel):
            raise RefusedError(
                "unknown_channel",
                f"the channel {one.channel} is not configured any more, {one.id} can't leave; "
                f"it stays {one.state.value}",
                "configure the channel again and reload (killswitch config reload), or take the "
                f"post out: killswitch queue cancel {one.id}",
            )

    def decide(self, one: Delivery, kind: Decision, values: Mapping[str, Any]) -> str:
        """Write a decision down for the resume; return its name."""
        decisions.write(
            self.conn,
            one.id,
            kind,
            version=self.latch.version,
            by=self.by,
            now=self.now,
            values={"reason": self.act.reason, **values},
        )
        entry = Entry("delivery.decided", one.id, self.by, {"decision": kind.value})
        record(self.conn, entry, now=self.now)
        return kind.value

    def note(self, one: Delivery, what: str, data: Mapping[str, Any] | None = None) -> None:
        """Write an act that moves no state into the delivery's history."""
        said = {"reason": self.act.reason, **(data or {})}
        record(self.conn, Entry(f"delivery.{what}", one.id, self.by, said), now=self.now)
