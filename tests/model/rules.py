"""
What must never happen: judged on each step, from the world before it and the world after it.

I1 to I9 are the invariants of the code (docs/architecture.md gives the reasons), V, F and H the
rules of the human loop, N those of the news.
"""

from __future__ import annotations

from typing import NamedTuple

from tests.model.world import (
    CLEAR,
    GRADED,
    QUIET,
    SENDING,
    SENT,
    STORY,
    UNCERTAIN,
    UNGRADED,
    UP,
    WIRE,
    YES,
    World,
)

RULES = {
    "I1": "an intent is committed only under no open cause",
    "I2": "after a seal nothing starts and nothing appears, but for the deliveries that it named",
    "I3": "a delivery appears at most once",
    "I4": "nothing is lost: what was taken, what was answered",
    "I6": "an intent and a result are stored only where the fence is still theirs",
    "I7": "only a human closes causes, and every change of the causes counts the version up",
    "I8": "a pause that somebody was told of stands until a human closes it, whatever crashes",
    "I9": "an intent is committed only on news that was read and graded",
    "V": "a human closes exactly the causes that were seen",
    "F": "a flag is a cause before it is removed",
    "H": "what was held, or due in a pause, leaves only after a human's decision",
    "N": "what was read is graded, and what was graded has its cause, whatever crashes",
}
PROMISED = "promised"
"""A post that its author was told of before it was stored (no correct protocol has it)."""


class Step(NamedTuple):
    """One step: its name, and the node and the delivery that it is about (-1: none)."""

    name: str
    node: int
    post: int


def broken_rule(old: World, step: Step, new: World) -> str | None:
    """Return the number of the rule that this step breaks, or None."""
    name = step.name
    if name == "intend":
        return _by_intent(old, step, new)
    if name in {"send", "arrive", "arrive_late"}:
        return _outside(old, step, new)
    if name == "record":
        return _by_record(old, step, new)
    if name in {"crash", "power_cut"} and (broken := _by_crash(new)):
        return broken
    return _of_the_pause(old, step, new)


def _by_intent(old: World, step: Step, new: World) -> str | None:
    if new.posts[step.post].state != SENDING:
        return None
    node = old.nodes[step.node]
    if old.causes:
        return "I1"
    if not node.fits:
        return "I6"
    if node.sees != CLEAR or node.phase != UP:
        return "I9"
    return "H" if old.posts[step.post].owed else None


def _outside(old: World, step: Step, new: World) -> str | None:
    before, after = old.posts[step.post], new.posts[step.post]
    starts = step.name == "send" and new.nodes[step.node].at == WIRE
    appears = after.public > before.public
    if (starts or appears) and old.receipt is not None and step.post not in old.receipt:
        return "I2"
    return "I3" if after.public > 1 else None


def _by_record(old: World, step: Step, new: World) -> str | None:
    node, before, after = old.nodes[step.node], old.posts[step.post], new.posts[step.post]
    asked = before.state in {SENDING, UNCERTAIN}
    if asked and before != after and not node.fits:
        return "I6"
    its_own = node.fits or sum(other.post == step.post for other in old.nodes) == 1
    lost = asked and its_own and node.said == YES and after.state != SENT
    untrue = after.state == SENT and not after.public
    return "I4" if lost or untrue else None


def _by_crash(new: World) -> str | None:
    if new.news not in {QUIET, UNGRADED, GRADED}:
        return "N"
    return "I4" if any(post.state == PROMISED for post in new.posts) else None


def _of_the_pause(old: World, step: Step, new: World) -> str | None:
    if old.flag and not new.flag and old.flag not in old.causes:
        return "F"
    if not new.told <= new.causes | {new.flag}:
        return "I8"
    if old.causes == new.causes:
        return None
    if closed := old.causes - new.causes:
        if step.name in {"crash", "power_cut"}:
            return "I8"
        if step.name not in {"resume_commit", "dismiss"}:
            return "I7"
        if not _was_seen(old, step, closed):
            return "V"
    return "I7" if new.version <= old.version else None


def _was_seen(old: World, step: Step, closed: frozenset[str]) -> bool:
    """Say whether the human saw what was closed; one who dismisses looks at the stories."""
    if step.name == "dismiss":
        return closed == {STORY}
    return old.version == old.nodes[step.node].seen
