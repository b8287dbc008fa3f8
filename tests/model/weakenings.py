"""
The protocol with one thing wrong, each as small as it can be: what the model must catch.

The first ten are the classic ones of queues, leases and latches; the others take away a rule that
the code has of its own. A weakening's docstring is its name in the table, ``breaks`` the rule that
is the first to break.
"""

from __future__ import annotations

from collections.abc import Iterator

from tests.model.protocol import Move, Protocol
from tests.model.rules import PROMISED
from tests.model.world import (
    CLAIMED,
    DOWN,
    GRADED,
    INTENDED,
    LOOKED,
    NEW,
    NO,
    QUIET,
    SCHEDULED,
    STORY,
    UNCERTAIN,
    UNFLAGGED,
    UNGRADED,
    Left,
    Node,
    World,
    change,
    put,
    spend,
)

NO_PAUSES = Left(presses=0, flags=0, faults=0, news=0)
"""A world without seals, where a second copy is the first thing to go wrong."""


class Weakening(Protocol):
    """The protocol with one thing wrong."""

    breaks: str
    left = Left()


class LatchAtClaimOnly(Weakening):
    """the latch is read when claiming only, and a trip leaves claims alone"""

    breaks = "I1"

    # Either of the two alone breaks nothing: the other covers it.
    def may_intend(self, w: World, node: Node) -> bool:
        return self.may_send(w._replace(causes=frozenset()), node)

    def trip(self, w: World, cause: str) -> World:
        return w._replace(causes=w.causes | {cause}, version=w.version + 1)


class SealedBeforeDrained(Weakening):
    """a seal does not wait for what is being sent"""

    breaks = "I2"

    def on_wire(self, w: World) -> bool:
        return False

    def unsure(self, w: World) -> frozenset[int]:
        return frozenset(i for i, post in enumerate(w.posts) if post.state == UNCERTAIN)


class ExpiredGoesBack(Weakening):
    """an attempt past its deadline goes back to the queue"""

    breaks = "I2"

    def expire(self, w: World, i: int) -> World:
        return put(w, i, SCHEDULED, new_fence=True)


class NoFence(Weakening):
    """the fence is looked at neither by the intent nor by the record"""

    breaks = "I6"

    def fits(self, node: Node) -> bool:
        return True


class FlagBeforeIntent(Weakening):
    """the flag is read before the intent"""

    breaks = "I2"

    def look(self, w: World, n: int) -> Iterator[Move]:
        if w.nodes[n].at == CLAIMED and not w.flag:
            yield w.nodes[n].post, change(w, n, at="peeked")

    def intend(self, w: World, n: int) -> Iterator[Move]:
        if w.nodes[n].at == "peeked":
            back = self.give_up(change(w, n, at=CLAIMED))
            for i, new in super().intend(back, n):
                yield i, change(new, n, at=LOOKED) if new.nodes[n].at == INTENDED else new


class OneResumeClosesAll(Weakening):
    """one resume closes every cause, seen or not"""

    breaks = "V"

    def is_as_seen(self, w: World, node: Node) -> bool:
        return bool(w.causes)


class LatchInMemory(Weakening):
    """the latch lives in memory only"""

    breaks = "I8"

    def power_cut(self, w: World) -> Iterator[Move]:
        for i, new in super().power_cut(w):
            yield i, new._replace(causes=frozenset(), version=1)


class CommitLost(Weakening):
    """the newest commit vanishes at a power cut (WAL without FULL)"""

    breaks = "I8"

    def power_cut(self, w: World) -> Iterator[Move]:
        for i, new in super().power_cut(w):
            yield i, new
            for cause in new.causes:
                yield i, new._replace(causes=new.causes - {cause}, version=new.version - 1)


class TimeOutIsUnsent(Weakening):
    """a time-out counts as not sent"""

    breaks = "I3"
    left = NO_PAUSES

    def time_out(self) -> str:
        return NO


class ResentTooEarly(Weakening):
    """a human has it sent again while its sender may still run"""

    breaks = "I3"
    left = NO_PAUSES

    def sender_is_gone(self, w: World, i: int) -> bool:
        return True


class FlagNeverRead(Weakening):
    """the gate does not read the flag"""

    breaks = "I2"

    def look(self, w: World, n: int) -> Iterator[Move]:
        if w.nodes[n].at == INTENDED:
            yield w.nodes[n].post, change(w, n, at=UNFLAGGED)


class ReceiptOfItsOwn(Weakening):
    """a seal does not name what was uncertain before: a stalled thread starts its request after"""

    breaks = "I2"

    def unsure(self, w: World) -> frozenset[int]:
        return frozenset()


class ReaperDropsFence(Weakening):
    """the reaper takes the fence away, too"""

    breaks = "I4"

    def expire(self, w: World, i: int) -> World:
        return put(w, i, UNCERTAIN, new_fence=True)


class RestartPutsBack(Weakening):
    """a start puts what a dead daemon was sending back into the queue"""

    breaks = "I2"

    def recover(self, w: World, i: int) -> World:
        return put(w, i, SCHEDULED, new_fence=True)


class AcceptedTooEarly(Weakening):
    """a pause is told as accepted before its cause is committed"""

    breaks = "I8"

    def press(self, w: World, n: int) -> Iterator[Move]:
        for i, new in super().press(w, n):
            yield i, new._replace(told=new.told | {w.left.press})


class TakenTooEarly(Weakening):
    """a post is told as taken before it is committed"""

    breaks = "I4"

    def add(self, w: World) -> Iterator[Move]:
        yield from super().add(w)
        for i, post in enumerate(w.posts):
            if post.state == NEW:
                yield i, put(w, i, PROMISED)


class FlagRemovedUnseen(Weakening):
    """a resume removes a flag that is no cause yet"""

    breaks = "F"

    def may_remove(self, w: World, node: Node) -> bool:
        return True


class LatchBeforeFlag(Weakening):
    """the gate looks at the causes again before the flag, not after it"""

    breaks = "I2"

    def look(self, w: World, n: int) -> Iterator[Move]:
        node = w.nodes[n]
        if node.at == INTENDED and not w.causes and not node.stop:
            yield node.post, change(w, n, at=UNFLAGGED)

    def look_again(self, w: World, n: int) -> Iterator[Move]:
        if w.nodes[n].at == UNFLAGGED and not w.flag:
            yield w.nodes[n].post, change(w, n, at=LOOKED)


class LatchReadOnce(Weakening):
    """the gate does not look at the causes again after the flag"""

    breaks = "I2"

    def look_again(self, w: World, n: int) -> Iterator[Move]:
        node = w.nodes[n]
        if node.at == UNFLAGGED and not node.stop:
            yield node.post, change(w, n, at=LOOKED)


class FlagGoneIsOver(Weakening):
    """the guard closes the cause of a flag that is gone"""

    breaks = "I7"

    def guard(self, w: World, n: int) -> Iterator[Move]:
        yield from super().guard(w, n)
        gone = {cause for cause in w.causes if cause.startswith("flag") and cause != w.flag}
        if gone:
            told = w.told - gone
            yield -1, w._replace(causes=w.causes - gone, version=w.version + 1, told=told)


class DismissClosesAll(Weakening):
    """a dismissal closes other causes than stories"""

    breaks = "V"

    def dismissed(self, w: World) -> World:
        return w._replace(causes=frozenset())


class NoLead(Weakening):
    """a resume leaves what came due in the pause in the queue"""

    breaks = "H"

    def hold_lead(self, w: World, i: int) -> World:
        return w


class GradedThenTripped(Weakening):
    """grades and cause are two transactions"""

    breaks = "N"

    def grade(self, w: World, n: int) -> Iterator[Move]:
        if w.news == "graded without a cause" and w.nodes[n].phase != DOWN:
            yield -1, self.trip(w._replace(news=GRADED), STORY)
        for i, _ in super().grade(w, n):
            yield i, w._replace(news="graded without a cause")


class ValidatorsFirst(Weakening):
    """the feed's validators are stored before its items"""

    breaks = "N"

    def ingest(self, w: World, n: int) -> Iterator[Move]:
        if w.news == "validators without items" and w.nodes[n].phase != DOWN:
            yield -1, w._replace(news=UNGRADED)
        if w.left.news and w.news == QUIET:
            yield -1, spend(w._replace(news="validators without items"), "news")


class SightOfFetched(Weakening):
    """sight counts from the fetch, not from the grading"""

    breaks = "I9"

    def may_see(self, w: World) -> bool:
        return True


THE_TEN = (
    LatchAtClaimOnly,
    SealedBeforeDrained,
    ExpiredGoesBack,
    NoFence,
    FlagBeforeIntent,
    OneResumeClosesAll,
    LatchInMemory,
    CommitLost,
    TimeOutIsUnsent,
    ResentTooEarly,
)
MORE = (
    FlagNeverRead,
    LatchReadOnce,
    LatchBeforeFlag,
    ReceiptOfItsOwn,
    ReaperDropsFence,
    RestartPutsBack,
    AcceptedTooEarly,
    TakenTooEarly,
    FlagRemovedUnseen,
    FlagGoneIsOver,
    DismissClosesAll,
    NoLead,
    GradedThenTripped,
    ValidatorsFirst,
    SightOfFetched,
)
