"""
One moment of everything: the queue, the daemons, the pause, the news, what people were told.

All of it is tuples, so that a world can be looked up among those that were seen before.
"""

from __future__ import annotations

from typing import NamedTuple

# States of a delivery; ``new`` is one that nobody has added yet.
NEW, SCHEDULED, CLAIMED, SENDING = "new", "scheduled", "claimed", "sending"
HELD, SENT, UNCERTAIN = "held", "sent", "uncertain"
# Where a sending thread stands; ``claimed`` as above.
IDLE, INTENDED, FLAGGED, UNFLAGGED, LOOKED = "idle", "intended", "flagged", "unflagged", "looked"
WIRE, REACHED, ANSWERED = "on the wire", "reached", "answered"
# What a request came to.
YES, NO, UNKNOWN = "sent", "unsent", "unknown"
DOWN, STARTING, UP = "down", "starting", "up"
STORY, UNCLEAN = "story", "unclean_start"
# The one tragedy: not heard of, read but not graded, graded with its cause.
QUIET, UNGRADED, GRADED = "quiet", "ungraded", "graded"
BLIND, CLEAR, OVERLOOKS = "blind", "clear", "overlooks what waits"


class Post(NamedTuple):
    """
    One delivery: its row, and what became of it outside.

    ``public``: how often the network has shown it. ``loose``: requests on their way whose sender
    listens no more. ``decided``: a human's release is written down. ``owed``: it was held, or due
    in a pause, and no human has decided on it since.
    """

    state: str = NEW
    public: int = 0
    loose: int = 0
    decided: bool = False
    owed: bool = False


class Node(NamedTuple):
    """
    One daemon: what dies with it.

    ``stop``: the pause that is being written, and stops in memory until then. ``at``, ``post``,
    ``fits``, ``said``: its sending thread. ``resuming``: how far a resume has come; ``seen`` and
    ``shown``: the version that its human saw, and the causes of that version.
    """

    phase: str = DOWN
    sees: str = BLIND
    stop: str = ""
    at: str = IDLE
    post: int = -1
    fits: bool = False
    said: str = ""
    resuming: str = ""
    seen: int = 0
    shown: frozenset[str] = frozenset()


DEAD = Node()


class Left(NamedTuple):
    """How often the world may still do what would else make it endless."""

    presses: int = 1
    flags: int = 1
    faults: int = 1
    resumes: int = 1
    news: int = 1

    @property
    def press(self) -> str:
        """The next press of the button; each is a pause of its own."""
        return f"manual {self.presses}"

    @property
    def flag(self) -> str:
        """The next flag; each is a pause of its own."""
        return f"flag {self.flags}"


class World(NamedTuple):
    """
    Everything.

    ``flag``: what lies in the flag directory, by the name of the cause that it is to become.
    ``told``: pauses that somebody was told of as recorded. ``receipt``: the deliveries that a seal
    named as uncertain, None without a seal.
    """

    posts: tuple[Post, ...]
    nodes: tuple[Node, ...]
    left: Left
    causes: frozenset[str] = frozenset()
    version: int = 1
    flag: str = ""
    told: frozenset[str] = frozenset()
    receipt: frozenset[int] | None = None
    news: str = QUIET


def change(w: World, n: int, **values: object) -> World:
    """Change one node."""
    nodes = list(w.nodes)
    nodes[n] = nodes[n]._replace(**values)
    return w._replace(nodes=tuple(nodes))


def is_up(w: World) -> bool:
    """Say whether a daemon answers people."""
    return any(node.phase == UP for node in w.nodes)


def rest(w: World, n: int) -> World:
    """Let a node's sending thread look for other work."""
    return change(w, n, at=IDLE, post=-1, fits=False, said="")


def put(w: World, i: int, state: str, *, new_fence: bool = False, **values: object) -> World:
    """Write one delivery's row; a new fence makes every claim and attempt before it a stranger."""
    owed = w.posts[i].owed or state == HELD or (state == SCHEDULED and bool(w.causes))
    posts = list(w.posts)
    posts[i] = posts[i]._replace(**{"state": state, "owed": owed, **values})
    nodes = w.nodes
    if new_fence:
        nodes = tuple(n._replace(fits=False) if n.post == i else n for n in nodes)
    return w._replace(posts=tuple(posts), nodes=nodes)


def spend(w: World, what: str) -> World:
    """Count down what may not happen for ever."""
    return w._replace(left=w.left._replace(**{what: getattr(w.left, what) - 1}))


def flagged(w: World) -> World:
    """Write the next flag; it is on the disk when somebody is told of it."""
    return spend(w._replace(flag=w.left.flag, told=w.told | {w.left.flag}), "flags")


def loosen(w: World, node: Node) -> World:
    """Leave a request on its way to itself."""
    if node.at != WIRE:
        return w
    post = w.posts[node.post]
    return put(w, node.post, post.state, loose=post.loose + 1)
