"""
Print what the model finds: ``python -m tests.model``.

First the protocol as it is, then each weakening: the rule that it breaks first, in how many steps,
and the shortest way there. ``MODEL_DELIVERIES=2`` searches the protocol with two deliveries (much
longer), ``MODEL_FAULTS=2`` with two crashes.
"""

from __future__ import annotations

import sys

from tests.model.protocol import Protocol
from tests.model.rules import RULES
from tests.model.search import Search, asked, told
from tests.model.weakenings import MORE, THE_TEN


def main() -> None:
    first = asked(Protocol())
    found = Search(Protocol(), first).run()
    size = f"{len(first.posts)} x {len(first.nodes)}: {found.states} states"
    say(f"{size}, {found.transitions} transitions, {found.rule or 'no rule is broken'}")
    say(*told(found, first))
    for weak in (*THE_TEN, *MORE):
        start = weak().first(1, 2, weak.left)
        found = Search(weak(), start).run()
        say("", f"{found.rule:3} {len(found.trace):2} steps  {weak.__doc__}")
        say(*told(found, start))
    say("", *(f"{rule:3} {words}" for rule, words in RULES.items()))


def say(*lines: str) -> None:
    sys.stdout.write("".join(f"{line}\n" for line in lines))
    sys.stdout.flush()


if __name__ == "__main__":
    main()
