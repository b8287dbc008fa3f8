"""
Breadth first through every world that a protocol allows, so that what breaks first is shortest.

Nodes are alike, and so are deliveries: worlds that differ only in their names are one.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from functools import partial
from itertools import permutations
from typing import NamedTuple

from tests.model.protocol import Protocol
from tests.model.rules import Step, broken_rule
from tests.model.steps import NODE_STEPS, WORLD_STEPS
from tests.model.world import Left, Node, Post, World


class Found(NamedTuple):
    """
    What a search came to.

    ``steps``: the names of those that happened at all. ``rule``: the one that was broken, or an
    empty string. ``trace``: the shortest way there, each
    step with the world that it led to.
    """

    states: int
    transitions: int
    steps: frozenset[str]
    rule: str = ""
    trace: tuple[tuple[Step, World], ...] = ()


class Search:
    """One protocol, and everything that it may do."""

    def __init__(self, protocol: Protocol, first: World) -> None:
        self.protocol = protocol
        self.first = first
        self._steps = [(name, -1, getattr(protocol, name)) for name in WORLD_STEPS]
        self._steps += [
            (name, n, partial(getattr(protocol, name), n=n))
            for name in NODE_STEPS
            for n in range(len(first.nodes))
        ]

    def run(self) -> Found:
        """Look at every world, or stop at the first broken rule."""
        came_from: dict[World, World | None] = {canonical(self.first): None}
        parts: dict[object, object] = {}
        frontier, transitions, steps = list(came_from), 0, set()
        while frontier:
            following = []
            for old in frontier:
                for step, moved in self._moves(old):
                    transitions += 1
                    steps.add(step.name)
                    if rule := broken_rule(old, step, moved):
                        trace = self._retrace(_path(came_from, old), rule)
                        return Found(len(came_from), transitions, frozenset(steps), rule, trace)
                    new = canonical(self.protocol.give_up(moved))
                    if new not in came_from:
                        # Equal parts of worlds are one object: millions of worlds fit the memory.
                        new = World(*(parts.setdefault(part, part) for part in new))
                        came_from[new] = old
                        following.append(new)
            frontier = following
        return Found(len(came_from), transitions, frozenset(steps))

    def _moves(self, world: World) -> Iterator[tuple[Step, World]]:
        for name, node, step in self._steps:
            for post, new in step(world):
                yield Step(name, node, post), new

    def _retrace(self, path: list[World], rule: str) -> tuple[tuple[Step, World], ...]:
        """Walk a path again, each node under one name, and break the rule at its end."""
        world, trace = self.first, []
        for wanted in path[1:]:
            step, world = next(
                (step, new)
                for step, moved in self._moves(world)
                if canonical(new := self.protocol.give_up(moved)) == wanted
            )
            trace.append((step, world))
        last = next(
            (step, new) for step, new in self._moves(world) if broken_rule(world, step, new) == rule
        )
        return (*trace, last)


def canonical(world: World) -> World:
    """Return the one that stands for all worlds that differ in names only."""
    if len(world.posts) == 1:
        return _renamed(world, None)
    posts = tuple(sorted(world.posts))
    alike = [order for order in permutations(range(len(posts))) if _in(order, world.posts) == posts]
    return min((_renamed(world, order) for order in alike), key=_key)


def _in(order: tuple[int, ...], posts: tuple[Post, ...]) -> tuple[Post, ...]:
    return tuple(posts[i] for i in order)


def _key(world: World) -> tuple[object, ...]:
    return world.nodes, sorted(world.receipt or ())


def _renamed(world: World, order: tuple[int, ...] | None) -> World:
    if order is not None:
        new = {old: position for position, old in enumerate(order)} | {-1: -1}
        world = world._replace(
            posts=_in(order, world.posts),
            nodes=tuple(node._replace(post=new[node.post]) for node in world.nodes),
            receipt=world.receipt and frozenset(new[i] for i in world.receipt),
        )
    return world._replace(nodes=tuple(sorted(world.nodes)))


def _path(came_from: dict[World, World | None], last: World) -> list[World]:
    path = [last]
    while (before := came_from[path[-1]]) is not None:
        path.append(before)
    return path[::-1]


def asked(protocol: Protocol) -> World:
    """Return where to begin: one delivery and one fault, unless the environment asks for more."""
    deliveries = int(os.environ.get("MODEL_DELIVERIES", "1"))
    faults = int(os.environ.get("MODEL_FAULTS", "1"))
    return protocol.first(deliveries, 2, Left(faults=faults))


def told(found: Found, first: World) -> Iterator[str]:
    """Write a trace down, one line a step: what it was, and what it changed."""
    old = first
    for number, (step, new) in enumerate(found.trace, 1):
        who = f"node {'ABC'[step.node]}" if step.node >= 0 else ""
        yield f"  {number:2}  {step.name:14} {who:7} {'; '.join(_changes(old, new))}"
        old = new


def _changes(old: World, new: World) -> Iterator[str]:
    for i, (was, now) in enumerate(zip(old.posts, new.posts, strict=True), 1):
        yield from _post_changes(f"post {i}", was, now)
    for name, was, now in zip("ABC", old.nodes, new.nodes, strict=False):
        yield from _node_changes(name, was, now)
    if old.causes != new.causes:
        yield f"causes {', '.join(sorted(new.causes)) or 'none'} (version {new.version})"
    if old.flag != new.flag:
        yield new.flag or "no flag"
    if new.told - old.told:
        yield "ACCEPTED"
    if old.receipt is None and new.receipt is not None:
        yield f"SEALED, naming {', '.join(f'post {i + 1}' for i in sorted(new.receipt)) or 'none'}"
    if old.news != new.news:
        yield f"news {new.news}"


def _post_changes(name: str, was: Post, now: Post) -> Iterator[str]:
    if was.state != now.state:
        yield f"{name} {now.state}"
    if was.public != now.public:
        yield f"{name} PUBLIC" + (" AGAIN" if now.public > 1 else "")


def _node_changes(name: str, was: Node, now: Node) -> Iterator[str]:
    if was.phase != now.phase:
        yield f"{name} {now.phase}"
    if was.at != now.at:
        yield f"{name} is {now.at} {now.said}".rstrip()
    if was.stop != now.stop and now.stop:
        yield f"{name} stops in memory for {now.stop}"
    if was.sees != now.sees and now.phase == was.phase:
        yield f"{name} sees: {now.sees}"
    if was.resuming != now.resuming and now.resuming:
        yield f"resume of version {now.seen} {now.resuming}"
