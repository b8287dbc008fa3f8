"""What a human must see before resuming."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from killswitch.desk.context import Context
from killswitch.desk.documents import cause_doc, delivery_docs
from killswitch.desk.pausing import NOT_RESUMED, take_flags
from killswitch.latch import CauseKind
from killswitch.queue.states import DeliveryState
from killswitch.store import decisions, deliveries, gone_out, holds, people
from killswitch.store import latch as latch_store
from killswitch.store.deliveries import Delivery
from killswitch.store.engine import Connection
from killswitch.wire import DeliveryDoc, ResumePreviewDoc

_S = DeliveryState
_DAY = timedelta(days=1)
# How many rows a preview shows.
_SHOWN = 200
# Each of these wants a decision: more than anybody takes at one sitting.
_UNDECIDED_SHOWN = 1000


def preview(ctx: Context) -> ResumePreviewDoc:
    """
    Show what a human must see before resuming.

    Raises:
        TransientError: A pause stands that can't be written down yet; nothing was resumed.
    """
    take_flags(ctx, undone=NOT_RESUMED)
    now = ctx.clock.now()
    standing = ctx.hooks.standing()
    with ctx.store.read() as conn:
        latch = latch_store.read(conn)
        names = people.names(conn, {cause.by for cause in latch.causes})
        # Without sight nothing is resumed, whatever the causes are.
        refusing = {CauseKind.BLIND, *(cause.kind for cause in latch.causes)}
        decided = [row.delivery for row in decisions.all_of_held(conn, limit=_SHOWN)]

        def docs(found: Sequence[Delivery]) -> list[DeliveryDoc]:
            return delivery_docs(ctx, conn, found, now=now)

        return {
            "version": latch.version,
            "causes": [cause_doc(cause, names) for cause in latch.causes],
            "standing": [
                {"kind": kind.value, "why": why}
                for kind, why in standing.items()
                if kind in refusing
            ],
            "undecided": docs(
                holds.undecided(conn, incident=latch.incident, now=now, limit=_UNDECIDED_SHOWN)
            ),
            "decided": docs(
                deliveries.page(conn, states=(), ids=decided, limit=_SHOWN) if decided else []
            ),
            "held": deliveries.count(conn, _S.HELD),
            "next_24h": docs(_coming(conn, now)),
            "uncertain": docs(gone_out.in_doubt(conn)),
        }


def _coming(conn: Connection, now: datetime) -> list[Delivery]:
    states = [_S.SCHEDULED.value, _S.HELD.value]
    return deliveries.page(conn, states=states, until=now + _DAY, after=(now, ""), limit=_SHOWN)
