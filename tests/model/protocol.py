"""
The protocol of ingest, claim, gate, flag, trip, seal and resume, small enough to search whole.

Read it beside the code; each step says where it stands there, and ``steps.py`` ties it to the
code's failpoints. One step is one transaction, or one thing that a thread does between two of them.
Any thread may stand still between any two steps for as long as the others like: so there is no
clock here, and "too late" (a lease, a deadline, old news) is a step that may come at any time.

What is left out, because nothing of it can let a post out: budgets, lateness, approval, clashes,
notices, rehearsal, request keys, a refusal for good (it ends like a time-out that a human settled),
networks on which a repeat is harmless.

Two nodes are more than the lock on the store allows today: what holds for them holds for one daemon
and its successor. A fence is only ever compared with the present one, so each thread keeps whether
it still ``fits`` instead of a number that grows for ever. The open attempt of a delivery is its
state ``sending``.
"""

from __future__ import annotations

from collections.abc import Iterator

from tests.model.world import (
    ANSWERED,
    BLIND,
    CLAIMED,
    CLEAR,
    DEAD,
    DOWN,
    FLAGGED,
    GRADED,
    HELD,
    IDLE,
    INTENDED,
    LOOKED,
    NEW,
    NO,
    OVERLOOKS,
    QUIET,
    REACHED,
    SCHEDULED,
    SENDING,
    SENT,
    STARTING,
    STORY,
    UNCERTAIN,
    UNCLEAN,
    UNFLAGGED,
    UNGRADED,
    UNKNOWN,
    UP,
    WIRE,
    YES,
    Left,
    Node,
    Post,
    World,
    change,
    flagged,
    is_up,
    loosen,
    put,
    rest,
    spend,
)

NONE: frozenset[str] = frozenset()
Move = tuple[int, World]
"""The delivery that a step is about (-1: none), and the world that it leads to."""


class Protocol:
    """The protocol as the code has it; a weakening overrides one of its methods."""

    def first(self, posts: int, nodes: int, left: Left) -> World:
        """Begin with nothing added and the daemons running."""
        up = Node(phase=UP, sees=CLEAR)
        return World((Post(),) * posts, (up,) * nodes, left)

    # -- the queue: desk/adding.py, daemon/sweep.py, daemon/reaper.py ----------------------------

    def add(self, w: World) -> Iterator[Move]:
        """COMMIT, then the answer."""
        for i, post in enumerate(w.posts):
            if post.state == NEW and is_up(w):
                yield i, put(w, i, SCHEDULED)

    def claim(self, w: World, n: int) -> Iterator[Move]:
        """All that the gate checks is checked here too; the claim gives a new fence."""
        node = w.nodes[n]
        if node.at != IDLE or not self.may_send(w, node):
            return
        for i, post in enumerate(w.posts):
            if post.state == SCHEDULED:
                claimed = put(w, i, CLAIMED, new_fence=True)
                yield i, change(claimed, n, at=CLAIMED, post=i, fits=True)

    def hold(self, w: World, n: int) -> Iterator[Move]:
        """While a cause is open, the sweep holds what is due."""
        if w.nodes[n].phase == UP and w.causes:
            for i, post in enumerate(w.posts):
                if post.state == SCHEDULED:
                    yield i, put(w, i, HELD)

    def reap(self, w: World, n: int) -> Iterator[Move]:
        """An attempt past its deadline becomes uncertain and keeps its fence; a claim goes back."""
        if w.nodes[n].phase == UP:
            for i, post in enumerate(w.posts):
                if post.state == SENDING:
                    yield i, self.expire(w, i)
                elif post.state == CLAIMED:
                    yield i, put(w, i, SCHEDULED, new_fence=True)

    def expire(self, w: World, i: int) -> World:
        return put(w, i, UNCERTAIN)

    # -- the gate: gate.py, net/door.py, outcome.py ----------------------------------------------

    def may_send(self, w: World, node: Node) -> bool:
        """No cause, no inhibit, sight fresh; read under the latch row's lock."""
        return node.phase == UP and not w.causes and not node.stop and node.sees != BLIND

    def fits(self, node: Node) -> bool:
        return node.fits

    def intend(self, w: World, n: int) -> Iterator[Move]:
        """One transaction, latch row first: every condition, the attempt, ``sending``, COMMIT."""
        node = w.nodes[n]
        if node.at != CLAIMED:
            return
        i = node.post
        if w.posts[i].state != CLAIMED or not self.fits(node):
            yield i, rest(w, n)
        elif self.may_intend(w, node):
            yield i, change(put(w, i, SENDING), n, at=INTENDED)
        else:
            yield i, rest(put(w, i, SCHEDULED, new_fence=True), n)

    def give_up(self, w: World) -> World:
        """Drop claims that are ours no more at once: when a thread finds out, nobody can see."""
        for n, node in enumerate(w.nodes):
            if node.at == CLAIMED and not self.fits(node):
                w = rest(w, n)
        return w

    def may_intend(self, w: World, node: Node) -> bool:
        return self.may_send(w, node)

    def look(self, w: World, n: int) -> Iterator[Move]:
        """After the intent is durable: is there a flag?"""
        node = w.nodes[n]
        if node.at == INTENDED:
            yield node.post, change(w, n, at=FLAGGED if w.flag else UNFLAGGED)

    def look_again(self, w: World, n: int) -> Iterator[Move]:
        """After the flag, the causes: a resume may have removed a flag whose cause still stands."""
        node = w.nodes[n]
        if node.at == UNFLAGGED and not w.causes and not node.stop:
            yield node.post, change(w, n, at=LOOKED)

    def abort(self, w: World, n: int) -> Iterator[Move]:
        """Write down that nothing left; a flag becomes a cause in the same transaction."""
        node = w.nodes[n]
        if node.at not in {INTENDED, FLAGGED, UNFLAGGED}:
            return
        i, done, state = node.post, rest(w, n), SCHEDULED
        if node.at == FLAGGED:
            done, state = self.trip(done, w.flag) if w.flag else done, HELD
        if node.fits and w.posts[i].state in {SENDING, UNCERTAIN}:
            done = put(done, i, state, new_fence=True)
        yield i, done

    def send(self, w: World, n: int) -> Iterator[Move]:
        """The request leaves, or provably does not (no connection)."""
        node = w.nodes[n]
        if node.at == LOOKED:
            yield node.post, change(w, n, at=WIRE)
            yield node.post, change(w, n, at=ANSWERED, said=NO)

    def arrive(self, w: World, n: int) -> Iterator[Move]:
        """The network shows it, or answers that it took nothing (429)."""
        node = w.nodes[n]
        if node.at == WIRE:
            post = w.posts[node.post]
            shown = put(w, node.post, post.state, public=post.public + 1)
            yield node.post, change(shown, n, at=REACHED)
            yield node.post, change(w, n, at=ANSWERED, said=NO)

    def answer(self, w: World, n: int) -> Iterator[Move]:
        """The answer comes, or is lost, or the deadline is over with the request on its way."""
        node = w.nodes[n]
        if node.at == REACHED:
            yield node.post, change(w, n, at=ANSWERED, said=YES)
            yield node.post, change(w, n, at=ANSWERED, said=self.time_out())
        if node.at == WIRE:
            yield node.post, change(loosen(w, node), n, at=ANSWERED, said=self.time_out())

    def time_out(self) -> str:
        return UNKNOWN

    def record(self, w: World, n: int) -> Iterator[Move]:
        """Where the fence is still that of the attempt; else the answer of a stranger."""
        node = w.nodes[n]
        if node.at != ANSWERED:
            return
        i, post, done = node.post, w.posts[node.post], rest(w, n)
        if self.fits(node) and post.state in {SENDING, UNCERTAIN}:
            if node.said == YES:
                done = put(done, i, SENT)
            elif node.said == UNKNOWN:
                done = put(done, i, UNCERTAIN)
            else:
                back = SCHEDULED if post.state == SENDING else HELD
                done = put(done, i, back, new_fence=True)
        elif node.said == YES and post.state in {SCHEDULED, CLAIMED, HELD}:
            done = put(done, i, HELD, new_fence=True, decided=False)
        yield i, done

    def arrive_late(self, w: World) -> Iterator[Move]:
        """A request whose sender listens no more reaches the network after all, or never."""
        for i, post in enumerate(w.posts):
            if post.loose:
                yield i, put(w, i, post.state, public=post.public + 1, loose=post.loose - 1)
                yield i, put(w, i, post.state, loose=post.loose - 1)

    # -- the pause: trip.py, flagging.py, desk/pausing.py, cli/panic.py --------------------------

    def trip(self, w: World, cause: str) -> World:
        """Open the cause, version + 1, take claims back; the same cause again changes nothing."""
        if cause in w.causes:
            return w
        w = w._replace(causes=w.causes | {cause}, version=w.version + 1)
        for i, post in enumerate(w.posts):
            if post.state in {SCHEDULED, CLAIMED}:
                w = put(w, i, SCHEDULED, new_fence=post.state == CLAIMED)
        return w

    def press(self, w: World, n: int) -> Iterator[Move]:
        """Somebody presses pause: the in-memory stop stands before anything is written."""
        if w.left.presses and w.nodes[n].phase == UP and not w.nodes[n].stop:
            yield -1, spend(change(w, n, stop=w.left.press), "presses")

    def pause(self, w: World, n: int) -> Iterator[Move]:
        """The cause, COMMIT, ACCEPTED; the guard does the same for a pause that a flag holds."""
        if asked := w.nodes[n].stop:
            done = self.trip(w, asked)
            yield -1, change(done._replace(told=w.told | {asked}), n, stop="")

    def pause_by_flag(self, w: World, n: int) -> Iterator[Move]:
        """The store is slow: a flag is fsynced, ACCEPTED; the stop stays till the cause follows."""
        if w.nodes[n].stop and not w.flag and w.left.flags:
            yield -1, flagged(w)

    def write_flag(self, w: World) -> Iterator[Move]:
        """``killswitch pause`` without a daemon, or ``touch pause.d/x``."""
        if w.left.flags and not w.flag:
            yield -1, flagged(w)

    def guard(self, w: World, n: int) -> Iterator[Move]:
        """Once a second every flag becomes a cause."""
        if w.nodes[n].phase == UP and w.flag and w.flag not in w.causes:
            yield -1, self.trip(w, w.flag)

    def seal(self, w: World, n: int) -> Iterator[Move]:
        """Nothing is being sent under an open cause: SEALED, with what may have gone out."""
        node = w.nodes[n]
        stands = node.phase == UP and w.causes and not node.stop
        if stands and w.receipt is None and not self.on_wire(w):
            yield -1, w._replace(receipt=self.unsure(w))

    def seal_by_store(self, w: World) -> Iterator[Move]:
        """The same without a daemon: a flag stands; none runs, or none is sending."""
        none_runs = all(node.phase == DOWN for node in w.nodes)
        stands = any(pause.startswith("flag") for pause in w.told)
        if stands and w.receipt is None and (none_runs or not self.on_wire(w)):
            yield -1, w._replace(receipt=self.unsure(w))

    def on_wire(self, w: World) -> bool:
        return any(post.state == SENDING for post in w.posts)

    def unsure(self, w: World) -> frozenset[int]:
        return frozenset(i for i, p in enumerate(w.posts) if p.state in {SENDING, UNCERTAIN})

    # -- the human loop: desk/verbs.py, desk/verdicts.py, desk/resuming.py -----------------------

    def decide(self, w: World) -> Iterator[Move]:
        """A human releases a held post: written down in a pause, else carried out at once."""
        for i, post in enumerate(w.posts):
            if post.state != HELD or post.decided or not is_up(w):
                continue
            if w.causes:
                yield i, put(w, i, HELD, decided=True)
            else:
                yield i, put(w, i, SCHEDULED, owed=False, decided=False)

    def resolve(self, w: World) -> Iterator[Move]:
        """A human looks at the network and says whether it went out; a probe may find it."""
        for i, post in enumerate(w.posts):
            if post.state != UNCERTAIN or not is_up(w):
                continue
            if post.public:
                yield i, put(w, i, SENT)
            elif self.sender_is_gone(w, i):
                yield i, put(w, i, HELD, new_fence=True)

    def sender_is_gone(self, w: World, i: int) -> bool:
        """
        Nobody can send it any more, and nothing of it is on its way.

        The code has time for this, not proof: uncertain is an attempt whose daemon is gone, whose
        owner has said so, or that is 25 s old, with every wait of a request cut off at 20 s. If a
        thread slept longer just before its first byte, ``record`` holds the post and tells people.
        """
        threads = {INTENDED, FLAGGED, UNFLAGGED, LOOKED, WIRE, REACHED, ANSWERED}
        return not w.posts[i].loose and not any(n.post == i and n.at in threads for n in w.nodes)

    def resume_look(self, w: World, n: int) -> Iterator[Move]:
        """Somebody has read the status and presses; a fresh look, sight good, no pause pending."""
        node = w.nodes[n]
        ready = node.phase == UP and node.sees != BLIND and not node.stop and not node.resuming
        if ready and w.left.resumes and w.causes:
            begun = change(w, n, resuming="looked", seen=w.version, shown=w.causes)
            yield -1, spend(begun, "resumes")

    def resume_flags(self, w: World, n: int) -> Iterator[Move]:
        """Remove just the flags of the seen version; one that is left is a cause, and refuses."""
        node = w.nodes[n]
        if node.resuming != "looked":
            return
        if w.flag and not self.may_remove(w, node):
            yield -1, change(self.trip(w, w.flag), n, resuming="", seen=0, shown=NONE)
        else:
            yield -1, change(w._replace(flag=""), n, resuming="unflagged", shown=NONE)

    def may_remove(self, w: World, node: Node) -> bool:
        return w.flag in node.shown

    def resume_commit(self, w: World, n: int) -> Iterator[Move]:
        """One transaction: version as seen; close, hold the lead, carry the decisions out."""
        if w.nodes[n].resuming != "unflagged":
            return
        done = change(w, n, resuming="", seen=0)
        if not self.is_as_seen(w, w.nodes[n]):
            yield -1, done
            return
        told = w.told - w.causes
        done = done._replace(causes=frozenset(), told=told, version=w.version + 1, receipt=None)
        for i, post in enumerate(w.posts):
            if post.state == HELD and post.decided:
                done = put(done, i, SCHEDULED, owed=False, decided=False)
            elif post.state == SCHEDULED:
                done = self.hold_lead(done, i)
        yield -1, done

    def is_as_seen(self, w: World, node: Node) -> bool:
        return bool(w.causes) and w.version == node.seen

    def hold_lead(self, w: World, i: int) -> World:
        return put(w, i, HELD)

    def dismiss(self, w: World) -> Iterator[Move]:
        """A false alarm, one transaction: the story closes; if nothing else stands, all goes on."""
        if STORY not in w.causes or not w.left.resumes or not is_up(w):
            return
        done = spend(self.dismissed(w)._replace(version=w.version + 1), "resumes")
        if not done.causes:
            done = done._replace(receipt=None)
            for i, post in enumerate(w.posts):
                if post.state in {HELD, SCHEDULED}:
                    done = put(done, i, SCHEDULED, owed=False, decided=False)
        yield -1, done

    def dismissed(self, w: World) -> World:
        return w._replace(causes=w.causes - {STORY})

    # -- the news: watch/watcher.py, watch/grader.py, daemon/eyes.py -----------------------------

    def ingest(self, w: World, n: int) -> Iterator[Move]:
        """The items, ungraded, and the feed's validators: one transaction."""
        if w.left.news and w.nodes[n].phase == UP and w.news == QUIET:
            yield -1, spend(w._replace(news=UNGRADED), "news")

    def grade(self, w: World, n: int) -> Iterator[Move]:
        """Items graded, story, cause: one transaction; at start before ``starting`` lifts."""
        if w.news == UNGRADED and w.nodes[n].phase in {STARTING, UP}:
            yield -1, self.trip(w._replace(news=GRADED), STORY)

    def judge(self, w: World, n: int) -> Iterator[Move]:
        """Sight is good when a round was read and graded, and grows old."""
        node = w.nodes[n]
        if node.phase != UP:
            return
        if node.sees != BLIND and w.left.faults:
            yield -1, spend(change(w, n, sees=BLIND), "faults")
        elif node.sees == BLIND and self.may_see(w):
            yield -1, change(w, n, sees=OVERLOOKS if w.news == UNGRADED else CLEAR)

    def may_see(self, w: World) -> bool:
        return w.news != UNGRADED

    # -- the end and the start of a daemon: daemon/daemon.py, daemon/reaper.py -------------------

    def crash(self, w: World, n: int) -> Iterator[Move]:
        """kill -9, a power cut: memory is gone, what was committed stays."""
        if w.left.faults and w.nodes[n].phase != DOWN:
            yield -1, spend(change(loosen(w, w.nodes[n]), n, **DEAD._asdict()), "faults")

    def power_cut(self, w: World) -> Iterator[Move]:
        """All of them at once."""
        if w.left.faults and all(node.phase != DOWN for node in w.nodes):
            for node in w.nodes:
                w = loosen(w, node)
            yield -1, spend(w._replace(nodes=(DEAD,) * len(w.nodes)), "faults")

    def start(self, w: World, n: int) -> Iterator[Move]:
        """Flags become causes; what a dead daemon was sending is uncertain, and a cause."""
        if w.nodes[n].phase != DOWN:
            return
        done = self.trip(w, w.flag) if w.flag else w
        owned = {node.post for node in w.nodes if node.fits}
        for i, post in enumerate(done.posts):
            if post.state == CLAIMED and i not in owned:
                done = put(done, i, SCHEDULED, new_fence=True)
            elif post.state == SENDING and i not in owned:
                done = self.trip(self.recover(done, i), UNCLEAN)
        yield -1, change(done, n, phase=STARTING)

    def recover(self, w: World, i: int) -> World:
        return put(w, i, UNCERTAIN)

    def lift(self, w: World, n: int) -> Iterator[Move]:
        """``starting`` lifts when nothing waits ungraded; sight begins as blind."""
        if w.nodes[n].phase == STARTING and w.news != UNGRADED:
            yield -1, change(w, n, phase=UP)
