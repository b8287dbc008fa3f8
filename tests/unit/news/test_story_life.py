"""Claims about stories: who counts, when an event pauses, what a settled event may still do."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from itertools import count

import pytest

from killswitch.news.grade import Detector, DetectPolicy
from killswitch.news.item import Grade, Item
from killswitch.news.story import Observation, Story, StoryBook, StoryState, Verdict
from killswitch.watch.lexicons import load_lexicons

START = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
POLICY = DetectPolicy()
DETECTOR = Detector(load_lexicons(), POLICY)
MINUTE, DAY = timedelta(minutes=1), timedelta(days=1)


def a_book(policy: DetectPolicy = POLICY, stories: tuple[Story, ...] = ()) -> StoryBook:
    """Open a book whose ids are s1, s2 and so on."""
    numbers = count(1 + len(stories))
    return StoryBook(policy, new_id=lambda: f"s{next(numbers)}", stories=stories)


class Newsroom:
    """Feeds invented headlines into a book, in order."""

    def __init__(self, book: StoryBook) -> None:
        """Begin at 09:00 with an empty past."""
        self.book = book
        self.now = START
        self._numbers = count(1)

    def tells(self, outlet: str, title: str, **more: object) -> Observation | None:
        """One minute later, ``outlet`` publishes ``title``."""
        self.now += MINUTE
        item = Item(
            id=f"i{next(self._numbers)}",
            title=title,
            outlet=outlet,
            first_seen=self.now,
            **{"lang": "en", **more},  # type: ignore[arg-type] # a builder takes any field
        )
        return self.book.observe(item, DETECTOR.grade(item), self.now)


def verdicts(*seen: Observation | None) -> list[str]:
    """Return the verdicts as words."""
    return ["none" if s is None else str(s.verdict) for s in seen]


def test_two_outlets_trip_and_a_third_is_evidence() -> None:
    room = Newsroom(a_book())
    seen = verdicts(
        room.tells("Harbour Post", "Gunman opens fire at Velden shopping mall, six dead"),
        room.tells("Coast Radio", "Six killed in shooting at Velden mall, police say"),
        room.tells("Daily Pier", "Velden mall shooting: what we know as toll reaches six dead"),
    )
    assert seen == ["unconfirmed", "trip", "evidence"]


def test_an_ordinary_headline_is_no_story() -> None:
    room = Newsroom(a_book())
    assert room.tells("Harbour Post", "Velden mall opens its summer sale") is None
    assert len(room.book) == 0


def test_the_wait_opens_once_a_story() -> None:
    room = Newsroom(a_book())
    title = "Gunman opens fire at Velden shopping mall, six dead"
    seen = verdicts(room.tells("Harbour Post", title), room.tells("Harbour Post", title))
    assert seen == ["unconfirmed", "nothing"]


def test_the_wait_can_be_switched_off() -> None:
    room = Newsroom(a_book(DetectPolicy(unconfirmed=timedelta(0))))
    seen = room.tells("Harbour Post", "Gunman opens fire at Velden shopping mall, six dead")
    assert verdicts(seen) == ["nothing"]


def test_two_outlets_of_one_group_are_one_voice() -> None:
    room = Newsroom(a_book())
    title = "Gunman opens fire at Velden shopping mall, six dead"
    seen = verdicts(
        room.tells("Harbour Post", title, group="Pier Media"),
        room.tells("Evening Pier", title, group="Pier Media"),
        room.tells("Coast Radio", title),
    )
    assert seen == ["unconfirmed", "nothing", "trip"]


def test_an_aggregator_never_counts_as_an_outlet() -> None:
    room = Newsroom(a_book())
    title = "Gunman opens fire at Velden shopping mall, six dead"
    seen = verdicts(
        room.tells("Everything", title, aggregator=True),
        room.tells("Harbour Post", title),
        room.tells("Everything", title, aggregator=True),
    )
    assert seen == ["nothing", "unconfirmed", "nothing"]


def test_a_lesser_report_outside_the_window_does_not_add_up() -> None:
    room = Newsroom(a_book())
    room.tells("Harbour Post", "Gunman opens fire at Velden shopping mall, six dead")
    room.now += POLICY.window
    lesser = "Velden shopping mall reopens after deadly shooting"
    assert verdicts(room.tells("Coast Radio", lesser)) == ["nothing"]


def test_two_reports_that_are_severe_each_add_up_over_four_windows_and_no_longer() -> None:
    title = "Gunman opens fire at Velden shopping mall, six dead"
    soon, late = Newsroom(a_book()), Newsroom(a_book())
    soon.tells("Harbour Post", title)
    soon.now += POLICY.window * 3
    late.tells("Harbour Post", title)
    late.now += POLICY.window * 4
    assert verdicts(soon.tells("Coast Radio", title)) == ["trip"]
    assert verdicts(late.tells("Coast Radio", title)) == ["nothing"]


def test_one_severe_report_of_a_trusted_outlet_is_enough_if_so_set() -> None:
    title = "Gunman opens fire at Velden shopping mall, six dead"
    trusting = Newsroom(a_book(DetectPolicy(single_trusted=True)))
    assert verdicts(trusting.tells("State Radio", title, trusted=True)) == ["trip"]
    careful = Newsroom(a_book())
    assert verdicts(careful.tells("State Radio", title, trusted=True)) == ["unconfirmed"]


def test_different_events_are_different_stories() -> None:
    room = Newsroom(a_book())
    first = room.tells("Harbour Post", "Gunman opens fire at Velden shopping mall, six dead")
    other = room.tells("Coast Radio", "Ferry sinks off Karsund, at least 20 drowned")
    assert first is not None
    assert other is not None
    assert first.story.id != other.story.id
    assert other.verdict is Verdict.UNCONFIRMED


def test_a_flood_of_deaths_from_one_outlet_in_minutes_is_an_error_of_that_outlet() -> None:
    room = Newsroom(a_book(DetectPolicy(single_trusted=True)))
    places = ("Aldorf", "Brenwick", "Corvale", "Dunmere", "Elsford", "Farholm", "Grindal", "Hexby")
    waits = POLICY.unconfirmed
    assert waits > timedelta(0)
    seen = verdicts(
        *(room.tells("Broken Wire", f"At least 30 dead in {p} train crash") for p in places)
    )
    assert seen[:3] == ["unconfirmed"] * 3
    assert set(seen[3:]) == {"nothing"}


def three_days(room: Newsroom) -> list[list[str]]:
    """Three attacks on three days: two in one city, the third in another country."""
    days = [
        ("Attack in Paris: gunmen kill 12 at magazine office", "Paris attack: 12 dead"),
        ("Policewoman killed in new Paris attack, gunman flees", "Second Paris attack in two days"),
        ("Gunman kills four at Vienna market", "Vienna market attack: four dead, gunman holed up"),
    ]
    told = []
    for first, second in days:
        seen = [room.tells("Harbour Post", first), room.tells("Coast Radio", second)]
        told.append(verdicts(*seen))
        for observation in seen:
            if observation is not None and observation.verdict in (Verdict.TRIP, Verdict.WORSENING):
                room.book.mute(observation.story.id, room.now)
        room.now += DAY
    return told


def test_of_three_attacks_on_three_days_each_is_told_and_the_third_pauses_again() -> None:
    first, second, third = three_days(Newsroom(a_book()))
    assert "trip" in first
    assert "none" not in second
    assert {"trip", "worsening"} & set(third)


def test_a_dismissed_story_stays_quiet() -> None:
    room = Newsroom(a_book())
    room.tells("Harbour Post", "Gunman opens fire at Velden shopping mall, six dead")
    seen = room.tells("Coast Radio", "Six killed in shooting at Velden mall, police say")
    assert seen is not None
    dismissed = room.book.dismiss(seen.story.id, room.now)
    assert dismissed is not None
    assert dismissed.state is StoryState.DISMISSED
    again = room.tells("Daily Pier", "Velden mall shooting: six dead, gunman identified")
    assert verdicts(again) == ["nothing"]


@pytest.mark.parametrize("settle", ["mute", "dismiss"])
def test_a_clear_worsening_pauses_again(settle: str) -> None:
    room = Newsroom(a_book())
    room.tells("Harbour Post", "Gunman opens fire at Velden shopping mall, six dead")
    seen = room.tells("Coast Radio", "Six killed in shooting at Velden mall, police say")
    assert seen is not None
    getattr(room.book, settle)(seen.story.id, room.now)
    same = room.tells("Daily Pier", "Velden mall shooting: seven dead as victim dies in hospital")
    worse = room.tells("Daily Pier", "Velden mall shooting toll jumps to 41 dead")
    assert verdicts(same, worse) == ["nothing", "worsening"]
    assert worse is not None
    assert worse.story.state is StoryState.TRIPPED


@pytest.mark.parametrize(
    "title",
    [
        "Velden mall shooting: one year after, the town remembers its six dead",
        "Trial of Velden mall gunman opens, six dead families hear charges in court",
        "Velden marks anniversary of mall shooting that left six dead",
        "Film about the Velden mall shooting wins prize at festival",
    ],
)
def test_anniversary_trial_and_film_of_an_event_do_not_pause(title: str) -> None:
    room = Newsroom(a_book())
    seen = verdicts(*(room.tells(o, title) for o in ("Harbour Post", "Coast Radio", "Daily Pier")))
    assert not {"trip", "worsening", "unconfirmed"} & set(seen)


def test_a_long_quiet_story_is_over_and_the_same_words_tell_a_new_one() -> None:
    room = Newsroom(a_book())
    room.tells("Harbour Post", "Gunman opens fire at Velden shopping mall, six dead")
    seen = room.tells("Coast Radio", "Six killed in shooting at Velden mall, police say")
    assert seen is not None
    room.book.mute(seen.story.id, room.now)
    room.now += POLICY.mute_quiet + DAY
    assert room.book.prune(room.now) == (seen.story.id,)
    assert room.book.get(seen.story.id) is None
    later = room.tells("Harbour Post", "Gunman opens fire at Velden shopping mall, six dead")
    assert verdicts(later) == ["unconfirmed"]


def test_settling_an_unknown_story_is_answered_with_nothing() -> None:
    assert a_book().mute("s404", START) is None


HEADLINES = [
    ("Harbour Post", "Gunman opens fire at Velden shopping mall, six dead"),
    ("Coast Radio", "Six killed in shooting at Velden mall, police say"),
    ("Harbour Post", "Ferry sinks off Karsund, at least 20 drowned"),
    ("Daily Pier", "Velden mall shooting: toll rises to 14 dead"),
    ("Coast Radio", "Karsund ferry disaster: 22 dead, 40 missing"),
    ("Daily Pier", "Karsund ferry toll rises to 45 dead"),
]


@pytest.mark.parametrize("cut", range(len(HEADLINES) + 1))
def test_a_book_read_back_from_json_gives_the_same_verdicts(cut: int) -> None:
    whole, broken = Newsroom(a_book()), Newsroom(a_book())
    expected = verdicts(*(whole.tells(*h) for h in HEADLINES))
    before = verdicts(*(broken.tells(*h) for h in HEADLINES[:cut]))
    saved = json.dumps([story.to_json() for story in broken.book.stories()])
    stories = tuple(Story.from_json(data) for data in json.loads(saved))
    assert stories == broken.book.stories()
    broken.book = a_book(stories=stories)
    after = verdicts(*(broken.tells(*h) for h in HEADLINES[cut:]))
    assert before + after == expected


def test_alike_disasters_in_two_countries_are_two_stories() -> None:
    room = Newsroom(a_book())
    seen = [
        room.tells("Harbour Post", "Earthquake destroys villages in Peru, at least 800 killed"),
        room.tells("Coast Radio", "Peru earthquake kills 800, villages destroyed"),
        room.tells("Harbour Post", "Landslide destroys village in Kenya, at least 900 killed"),
        room.tells("Coast Radio", "Kenya landslide kills 900, village destroyed"),
    ]
    assert verdicts(*seen) == ["unconfirmed", "trip", "unconfirmed", "trip"]


def test_one_event_is_one_story_when_newsrooms_share_only_the_country_and_the_toll() -> None:
    room = Newsroom(a_book())
    seen = [
        room.tells("Harbour Post", "Eight pupils killed as boy opens fire at Serbian school"),
        room.tells("Coast Radio", "Rare Serbia school shooting kills 8 children, authorities say"),
    ]
    assert verdicts(*seen) == ["unconfirmed", "trip"]


def test_one_severe_report_and_any_second_newsroom_pause_however_close_the_toll_is() -> None:
    room = Newsroom(a_book())
    seen = [
        room.tells("Harbour Post", "Four killed in building collapse in Lyon"),
        room.tells("Coast Radio", "Lyon building collapse kills three"),
    ]
    assert [one.story.members[-1].grade for one in seen if one] == [Grade.TRIP, Grade.NOTE]
    assert verdicts(*seen) == ["unconfirmed", "trip"]


def test_the_members_of_a_story_are_bounded() -> None:
    room = Newsroom(a_book())
    last = None
    for number in range(200):
        last = room.tells(f"Outlet {number}", "Velden mall shooting: six dead, gunman identified")
    assert last is not None
    assert len(last.story.members) <= 60
    assert last.story.members[0].outlet == "Outlet 0"


def test_a_widely_told_death_pauses_even_when_no_headline_says_famous() -> None:
    room = Newsroom(a_book())
    title = "Singer Mara Holloway dies at 61, tributes pour in"
    outlets = [f"Outlet {number}" for number in range(12)]
    observed = [room.tells(outlet, title) for outlet in outlets]
    assert observed[0] is not None
    assert observed[0].story.members[0].grade is Grade.NOTE
    assert "trip" not in verdicts(*observed)[:3]
    assert "trip" in verdicts(*observed)


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (
            ("Train crash in Leeds kills nine", "Nine dead in Leeds train crash"),
            ("Bus plunges off bridge in Bristol, 14 dead", "14 dead as bus falls in Bristol"),
        ),
        (
            ("Knife attack in Annecy leaves four dead", "Four dead in Annecy knife attack"),
            ("Knife attack in Lyon leaves four dead", "Four dead in Lyon knife attack"),
        ),
        (
            ("Shooting at Phoenix church leaves seven dead", "Seven dead in Phoenix church"),
            ("Shooting at Tucson church leaves 20 dead", "Twenty dead in Tucson church shooting"),
        ),
    ],
)
def test_a_second_event_in_another_town_finds_newsrooms_of_its_own(first, second) -> None:
    room = Newsroom(a_book())
    room.tells("Harbour Post", first[0])
    seen = room.tells("Coast Radio", first[1])
    assert seen is not None
    room.book.mute(seen.story.id, room.now)
    other = [room.tells("Harbour Post", second[0]), room.tells("Coast Radio", second[1])]
    assert verdicts(*other) == ["unconfirmed", "trip"]
