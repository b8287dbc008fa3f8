"""Claims about clashes: which words of a post touch an event."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from killswitch.news.clash import PostWords, clashes, needles
from killswitch.news.grade import Detector, DetectPolicy
from killswitch.news.item import Item
from killswitch.news.record import Story, first_story
from killswitch.watch.lexicons import load_lexicons

NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
DETECTOR = Detector(load_lexicons(), DetectPolicy())


def a_story(title: str, lang: str = "en") -> Story:
    """Open the story of one invented headline."""
    item = Item(id="i1", title=title, outlet="Harbour Post", lang=lang, first_seen=NOW)
    return first_story("s1", item, DETECTOR.grade(item), NOW)


STABBING = a_story("Several children hurt in knife attack by the lake of Annecy")
BOMBING = a_story("Bombing at Velden station kills 12, explosion heard across town")
ACTOR = a_story("Actor Jonas Wexley, star of The Lighthouse Keepers, dies aged 58")
CRASH = a_story("Un avion de ligne s'écrase près de Karvel : 120 morts", "fr")


@pytest.mark.parametrize(
    ("story", "text", "expected"),
    [
        (STABBING, "Our razor-sharp summer prices", "razor-sharp"),
        (STABBING, "A weekend at the lake of Annecy", "Annecy"),
        (BOMBING, "A bomb of a sale, have a blast!", "bomb"),
        (BOMBING, "Meet us at Velden station", "Velden"),
        (ACTOR, "What would Jonas Wexley wear?", "Jonas Wexley"),
        (ACTOR, "WEXLEY fans, this one is for you", "WEXLEY"),
        (CRASH, "Envolez-vous cet été : -20 %", "Envolez"),
        (CRASH, "Karvel vous attend", "Karvel"),
    ],
)
def test_a_post_that_touches_the_event_is_found_in_its_own_spelling(
    story: Story, text: str, expected: str
) -> None:
    assert expected in clashes(PostWords(text=text), story)


@pytest.mark.parametrize(
    "post",
    [
        PostWords(text="New", alt=("The lake of Annecy at dawn",)),
        PostWords(text="New", files=("IMG_annecy-042.jpg",)),
        PostWords(text="New", tags=("#SummerAnnecy",)),
        PostWords(text="New", link="https://shop.example/annecy-weekend"),
        PostWords(text="New", tags=("ÄNNECY",)),
        PostWords(text="An\u200bnecy"),
    ],
)
def test_text_alt_files_tags_and_link_are_all_looked_at(post: PostWords) -> None:
    assert clashes(post, STABBING)


@pytest.mark.parametrize("story", [STABBING, BOMBING, ACTOR, CRASH])
@pytest.mark.parametrize(
    "text", ["We are hiring in Lyon", "Nouvelle collection de lin", "Thank you for 10 years!", ""]
)
def test_an_ordinary_post_does_not_clash(story: Story, text: str) -> None:
    assert clashes(PostWords(text=text), story) == ()


def test_country_codes_alone_are_no_needles() -> None:
    assert "fr" not in needles(STABBING)


def test_the_longest_spelling_is_shown_once() -> None:
    found = clashes(PostWords(text="razor-sharp and razor-sharp again"), STABBING)
    assert found == ("razor-sharp",)
