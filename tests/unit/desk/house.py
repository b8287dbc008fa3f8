"""
A house: the bench of the daemon's tests with people, channels of several kinds, and media.

People ask only through ``killswitch.desk.desk.Desk``; store, flag directory, gate, sweep and
guard are real.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from killswitch import media
from killswitch.desk.desk import Desk
from killswitch.errors import KillswitchError, OperatorError
from killswitch.gate import Gate
from killswitch.latch import CauseKind
from killswitch.news.item import Grade
from killswitch.news.story import Member, Story, StoryState
from killswitch.queue.post import Content
from killswitch.queue.rules import ChannelRules
from killswitch.store import decisions, deliveries, facts, news
from killswitch.store.latch import NewCause
from killswitch.trip import Story as TripStory
from killswitch.trip import Tripped, trip
from killswitch.wire import Caller, ImportRow, Media, NewPost, QueueAct, QueueFilter, QueuePageDoc
from tests.contract.shapes import faults
from tests.daemon.bench import Bench, FakeNetwork
from tests.store.made import NOW

__all__ = [
    "CLASHING",
    "GAP",
    "KARIM",
    "LEA",
    "MIN",
    "NOW",
    "ROOT",
    "TEXT_MOST",
    "WEEK",
    "House",
    "a_story",
    "refused",
]

LEA = Caller(1000, 1000, 1, "lea", roles=frozenset({"author", "resumer"}))
KARIM = Caller(1001, 1001, 2, "karim", roles=frozenset({"approver", "resumer"}))
ROOT = Caller(0, 0, 3, "root", said_name="lea", roles=frozenset({"admin"}))
TEXT_MOST = 280
CLASHING = "A weekend at the lake of Annecy"
"""A text that touches the event of ``a_story``."""
MIN, WEEK = timedelta(minutes=1), timedelta(days=7)
GAP = timedelta(minutes=5)
LATE = timedelta(minutes=15)


class ShortNetwork(FakeNetwork):
    """A network that takes texts of ``TEXT_MOST`` signs."""

    def problems(self, content: Content) -> list[str]:
        return ["too long"] if len(content.text) > TEXT_MOST else []


def limits() -> dict[str, ChannelRules]:
    """One channel with a gap, one with a cap, one like ``file`` with neither."""
    return {
        "insta": ChannelRules("insta", LATE, GAP, 0, 30),
        "x": ChannelRules("x", LATE, timedelta(0), 2, 30),
        "log": ChannelRules("log", LATE, timedelta(0), 0, 0),
    }


def a_story(
    story: str = "s1",
    *,
    title: str = "Knife attack in Annecy",
    words: tuple[str, ...] = ("annecy", "knife"),
    state: StoryState = StoryState.TRIPPED,
    at: datetime = NOW,
) -> Story:
    """Two newsrooms tell of one event."""
    members = tuple(
        Member(
            id=f"{story}{outlet}",
            outlet=outlet,
            group="",
            grade=Grade.TRIP,
            title=title,
            url=f"https://{outlet}.example/{story}",
            at=at,
        )
        for outlet in ("lelac", "dauphin")
    )
    return Story(
        id=story,
        title=title,
        category="attack",
        toll=None,
        names=(),
        places=("annecy",) if "annecy" in words else (),
        words=dict.fromkeys(words, 2),
        terms={},
        members=members,
        heard=("lelac", "dauphin"),
        first_item_at=at,
        last_item_at=at,
        state=state,
        tripped_at=at,
    )


@dataclass
class House(Bench):
    """One daemon's parts, with what people say to them."""

    limits: dict[str, ChannelRules] = field(default_factory=limits)
    also_stop: tuple[str, ...] = ()
    on_call: tuple[str, ...] = ("Léa",)

    def __post_init__(self) -> None:
        self.root.mkdir()
        (self.root / "media").mkdir()
        self.networks = {name: ShortNetwork(name) for name in self.limits}
        super().__post_init__()

    def _context(self) -> Any:
        return replace(super()._context(), also_stop=self.also_stop, on_call=self.on_call)

    def a_gate(self, **other: Any) -> Gate:
        whole = {"content_is_whole": lambda one: self._is_whole(one.content)}
        return super().a_gate(**(whole | other))

    def _is_whole(self, content: Content) -> bool:
        return media.is_whole(self.root / "media", ((m.path, m.sha256) for m in content.media))

    def other_desk(self) -> Desk:
        """The desk of a daemon that starts anew on the same store."""
        return Desk(lambda: self.context)

    # -- people ----------------------------------------------------------------------------------

    def post(self, **post: Any) -> NewPost:
        """A post of Léa's, due in an hour unless the test says otherwise."""
        channels = post.pop("channels", ("insta",))
        files = tuple(Media(path, "alt") for path in post.pop("media", ()))
        said = {"text": "Vive l'été !", "at": "+60m"} | post
        return NewPost(channels=channels, media=files, **said)

    def add(self, *, caller: Caller = LEA, **post: Any) -> str:
        """Add a post; return the id of its first delivery."""
        return self.desk.queue_add(self.post(**post), caller=caller)["ids"][0]

    def added(self, *, caller: Caller = LEA, **post: Any) -> Any:
        return self.desk.queue_add(self.post(**post), caller=caller)

    def rows(self, *posts: dict[str, Any], first: int = 2) -> list[ImportRow]:
        return [ImportRow(line, self.post(**post)) for line, post in enumerate(posts, first)]

    def do(self, verb: str, *ids: str, caller: Caller = LEA, **more: Any) -> Any:
        return self.desk.queue_act(QueueAct(verb, ids=ids, **more), caller=caller)

    def do_all(self, verb: str, caller: Caller = LEA, **more: Any) -> Any:
        """A verb by filter."""
        chosen = QueueFilter(**more.pop("chosen", {}))
        return self.desk.queue_act(QueueAct(verb, chosen=chosen, **more), caller=caller)

    def dismiss(self, seen: int | None = None, caller: Caller = LEA) -> Any:
        version = self.latch().version if seen is None else seen
        return self.desk.dismiss(version, reason="false alarm", caller=caller)

    def listed(self, **chosen: Any) -> list[str]:
        page = self.desk.queue_list(QueueFilter(**chosen))
        assert faults(page, QueuePageDoc) == []
        return [row["id"] for row in page["deliveries"]]

    # -- what happens ----------------------------------------------------------------------------

    def trip(
        self, story: Story | None = None, kind: CauseKind = CauseKind.STORY, ref: str = ""
    ) -> Tripped:
        """An event breaks, as the grader writes it down."""
        now = self.clock.now()
        about = None
        with self.store.write() as conn:
            if story is not None:
                about = TripStory(story.id, story.title, story.first_item_at)
                self.tell(story, conn=conn)
            new = NewCause(kind, ref or (story.id if story else "x"), story.title if story else "!")
            return trip(conn, new, now=now, story=about)

    def tell(self, story: Story, *, conn: Any = None) -> None:
        """Write a story down without any pause."""
        row = {
            "id": story.id,
            "title": story.title,
            "state": str(story.state),
            "first_item_at": story.first_item_at,
            "last_item_at": story.last_item_at,
            "unconfirmed_at": story.unconfirmed_at,
            "tripped_at": story.tripped_at,
            "body": story.to_json(),
        }
        if conn is not None:
            news.save_stories(conn, [row])
            return
        with self.store.write() as mine:
            news.save_stories(mine, [row])

    # -- what is there ---------------------------------------------------------------------------

    def due_in(self, delivery: str) -> timedelta:
        return self.the(delivery).due_at - self.clock.now()

    def decision(self, delivery: str) -> str | None:
        with self.store.read() as conn:
            row = decisions.of(conn, [delivery]).get(delivery)
        return row.kind if row else None

    def visible(self) -> int:
        with self.store.read() as conn:
            return len(deliveries.page(conn, states=(), limit=10_000))

    def fact(self, key: str) -> str | None:
        with self.store.read() as conn:
            return facts.get(conn, key)


def refused(
    call: Any, *args: Any, kind: type[KillswitchError] = OperatorError, **more: Any
) -> KillswitchError:
    """Call something that must be refused, readably; return the refusal."""
    with pytest.raises(kind) as caught:
        call(*args, **more)
    assert caught.value.message
    return caught.value
