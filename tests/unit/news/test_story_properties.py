"""Claims that hold for any stream: what must not change a verdict, and that nothing grows."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import count

from hypothesis import given, settings
from hypothesis import strategies as st

from killswitch.news.grade import Detector, DetectPolicy
from killswitch.news.item import Item
from killswitch.news.story import StoryBook, Verdict
from killswitch.watch.lexicons import load_lexicons

START = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
POLICY = DetectPolicy()
DETECTOR = Detector(load_lexicons(), POLICY)
HEADLINES = (
    "Gunman opens fire at Velden shopping mall, six dead",
    "Six killed in shooting at Velden mall, police say",
    "Velden mall shooting: toll rises to 14 dead",
    "Ferry sinks off Karsund, at least 20 drowned",
    "Karsund ferry disaster: 22 dead, 40 missing",
    "Velden mall opens its summer sale",
    "Guitarist Tom Arlen of The Fens dies aged 66",
    "Two killed in car crash near Velden",
)
OUTLETS = ("Harbour Post", "Coast Radio", "Daily Pier")
REPORTS = st.lists(
    st.tuples(st.sampled_from(OUTLETS), st.sampled_from(HEADLINES)), min_size=1, max_size=12
)


def verdicts(
    reports: list[tuple[str, str]],
    *,
    prefix: str = "i",
    redated: timedelta = timedelta(0),
    twice: bool = False,
) -> list[str]:
    """Feed the reports into a new book, one a minute; a repeat's own verdict is left out."""
    numbers = count(1)
    book = StoryBook(POLICY, new_id=lambda: f"s{next(numbers)}")
    told = []
    for number, (outlet, title) in enumerate(reports):
        now = START + timedelta(minutes=number)
        item = Item(
            id=f"{prefix}{number}",
            title=title,
            outlet=outlet,
            lang="en",
            published=now - redated,
            first_seen=now,
        )
        seen = book.observe(item, DETECTOR.grade(item), now)
        told.append("none" if seen is None else str(seen.verdict))
        if twice:
            again = book.observe(item, DETECTOR.grade(item), now)
            assert again is None or again.verdict not in (Verdict.TRIP, Verdict.UNCONFIRMED)
    return told


@given(REPORTS)
@settings(max_examples=60, deadline=None)
def test_the_ids_of_entries_and_their_claimed_dates_change_no_verdict(
    reports: list[tuple[str, str]],
) -> None:
    plain = verdicts(reports)
    assert verdicts(reports, prefix="urn:other:") == plain
    assert verdicts(reports, redated=timedelta(hours=5)) == plain


@given(REPORTS)
@settings(max_examples=60, deadline=None)
def test_an_entry_served_twice_opens_nothing_more(reports: list[tuple[str, str]]) -> None:
    opened = {"trip", "unconfirmed"}
    once, doubled = verdicts(reports), verdicts(reports, twice=True)
    assert [v for v in doubled if v in opened] == [v for v in once if v in opened]


@given(st.permutations(OUTLETS))
def test_whoever_tells_first_two_grave_reports_pause(outlets: list[str]) -> None:
    told = verdicts([(outlet, HEADLINES[n % 2]) for n, outlet in enumerate(outlets)])
    assert told == ["unconfirmed", "trip", "evidence"]


def test_a_long_stream_of_alike_news_leaves_a_bounded_book() -> None:
    numbers = count(1)
    book = StoryBook(POLICY, new_id=lambda: f"s{next(numbers)}")
    sizes = []
    for day in range(40):
        now = START + timedelta(days=day)
        for hour in range(24):
            now += timedelta(hours=1)
            title = f"Two killed in car crash near Town{day}x{hour}"
            item = Item(id=f"{day}.{hour}", title=title, outlet="Post", lang="en", first_seen=now)
            book.observe(item, DETECTOR.grade(item), now)
        book.prune(now)
        sizes.append(len(book))
    assert max(sizes[5:]) <= max(sizes[:5]) + 1
