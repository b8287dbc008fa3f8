from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from killswitch.notify.texts import BODY_MOST, TITLE_MOST, Text, render
from killswitch.store.notices import NoticeKind
from tests.unit.notify.builders import FACTS, STORY, a_status, running

ALL = list(NoticeKind)


def written(
    kind: NoticeKind = NoticeKind.PAUSED,
    facts: dict[str, Any] | None = None,
    status: Any = None,
    *,
    language: str = "fr",
) -> Text:
    return render(
        kind,
        FACTS if facts is None else facts,
        status or a_status(),
        language=language,
        zone="Europe/Paris",
    )


def lines(text: Text) -> list[str]:
    return [text.title, *text.body.splitlines()]


def test_the_two_first_lines_of_a_pause_in_french():
    assert lines(written())[:2] == [
        "PAUSE 11:52 · Attaque au couteau à Annecy (franceinfo, BFMTV)",
        "Plus rien ne part. 14 retenus, prochain 12:00 Insta « Vive l'été ! ». Léa : OK ?",
    ]


def test_the_two_first_lines_of_a_pause_in_english():
    assert lines(written(language="en"))[:2] == [
        "PAUSED 11:52 · Attaque au couteau à Annecy (franceinfo, BFMTV)",
        'Nothing leaves. 14 held, next 12:00 Insta "Vive l\'été !". Léa: OK?',
    ]


def test_blind_says_how_many_feeds_answer_and_that_no_tragedy_is_known():
    status = a_status(causes=[], now="2026-03-02T08:10:00Z")
    facts = {"at": "2026-03-02T08:10:00Z", "alive": 4, "feeds": 31}
    english = written(NoticeKind.BLIND, facts, status, language="en")
    assert english.title == "BLIND 09:10 · 4 of 31 feeds answer. No known tragedy."
    french = written(NoticeKind.BLIND, facts, status)
    assert french.title == "AVEUGLE 09:10 · 4 flux sur 31 répondent. Aucun drame connu."


def test_blind_during_a_story_does_not_say_that_no_tragedy_is_known():
    assert "No known tragedy" not in written(NoticeKind.BLIND, {}, language="en").title


def test_unsealed_begins_its_second_line_with_the_post_that_may_have_gone_out():
    facts = FACTS | {"on_wire": [{"id": "d7", "channel": "X", "text": "Soldes !"}]}
    text = written(facts=facts, status=a_status(sealed=False, sealed_at=None), language="en")
    second = text.body.splitlines()[0]
    assert second.startswith('X "Soldes !" may have gone out. Nothing new starts; not sealed yet.')


def test_sealed_with_an_uncertain_post_begins_with_it_and_says_how_to_resolve_it():
    lost = [{"id": "d7abc", "channel": "X", "text": "Soldes !"}]
    text = written(NoticeKind.SEALED, status=a_status(uncertain=lost), language="en")
    assert text.title.startswith("NOTHING LEAVES since 11:52:07 · ")
    assert text.body.startswith('X "Soldes !" may have gone out. Nothing leaves.')
    assert "killswitch queue resolve d7abc --sent | --not-sent" in text.body


def test_what_was_looked_for_is_told_with_the_post():
    note = "looked 3 times, not found"
    lost = [{"id": "d7abc", "channel": "X", "text": "Soldes !", "note": note}]
    text = written(NoticeKind.SEALED, status=a_status(uncertain=lost), language="en")
    assert f'X "Soldes !" ({note})' in text.body


def test_what_was_on_the_wire_and_arrived_is_told_as_gone_out_only():
    facts = FACTS | {"on_wire": [{"id": "d9", "channel": "X", "text": "Summer sale"}]}
    text = written(facts=facts, status=a_status(sealed=False, sealed_at=None), language="en")
    assert "may have gone out" not in text.body
    assert '11:50 X "Summer sale" (Léa)' in text.body


def test_below_stand_what_went_out_clashes_places_headlines_and_commands():
    body = written(language="en").body
    for wanted in (
        "Went out since the first headline (11:47), have a look:",
        '2 held posts clash: "razor-sharp", "lake of Annecy"',
        "Stop by hand: Meta Ads NOT CONFIRMED · newsletter stopped 11:53",
        "11:47 franceinfo: Attaque au couteau à Annecy",
        "https://news.example/annecy",
        "killswitch ack ",
        "killswitch triage ",
        "killswitch dismiss --reason",
        "killswitch resume --reason",
        "Times: Europe/Paris",
    ):
        assert wanted in body


def test_a_pause_by_hand_names_who_and_why_and_offers_no_dismissal():
    cause = {**STORY, "kind": "manual", "reason": "bad feeling"}
    facts = {"cause": "manual", "by": "Léa", "reason": "bad feeling", "at": "2026-03-02T10:52:00Z"}
    text = written(facts=facts, status=a_status(causes=[cause]), language="en")
    assert text.title == "PAUSED 11:52 · Léa: bad feeling"
    assert "dismiss" not in text.body


@pytest.mark.parametrize(
    ("who", "said"),
    [
        ({"acked_by": "Léa", "acked_at": "2026-03-02T10:55:00Z"}, "Léa has it since 11:55."),
        ({"acked_by": None, "acked_at": None, "next": "Karim"}, "Karim: OK?"),
        ({"acked_by": None, "acked_at": None}, "Who takes it?"),
        (None, "Who takes it?"),
    ],
)
def test_the_second_line_ends_with_who_acts(who, said):
    text = written(status=a_status(who=who), language="en")
    assert text.body.splitlines()[0].endswith(said)


def test_a_notice_that_comes_after_the_pause_says_what_is_true_now():
    text = written(status=running(), language="en")
    assert text.body.startswith("Posts go out as planned, next 12:00 Insta")
    assert "resume" not in text.body


def test_what_joined_is_listed_and_the_rest_is_counted():
    facts = FACTS | {"joined": [{"reason": f"event {n}"} for n in range(9)], "more": 4}
    body = written(facts=facts, language="en").body
    assert "At the same time:" in body
    assert "event 5" in body
    assert "event 6" not in body
    assert "and 7 more" in body


def test_a_reason_of_the_daemon_is_said_in_the_language_and_one_of_a_person_is_not():
    facts = {"channel": "Insta", "text": "Soldes", "why": "nobody approved it in time"}
    assert "validé à temps" in written(NoticeKind.HELD_LATE, facts).body
    facts["why"] = "Rejected by me"
    assert "Rejected by me" in written(NoticeKind.HELD_LATE, facts).body


def test_the_rule_that_tripped_is_told_beside_the_headlines():
    body = written(facts=FACTS | {"reason": "2 outlets in 3 min"}, language="en").body
    assert "Why: 2 outlets in 3 min" in body


def test_what_went_out_before_a_pause_by_hand_has_no_first_headline():
    body = written(status=a_status(incident=None), language="en").body
    assert 'Went out shortly before:\n  11:50 X "Summer sale" (Léa)' in body
    assert "Went out" not in written(status=a_status(incident=None, went_out=[])).body


def test_nothing_of_ours_went_out_is_good_news_worth_a_line():
    body = written(status=a_status(went_out=[]), language="en").body
    assert "Nothing of ours went out since the first headline (11:47)." in body


def test_nothing_to_stop_by_hand_leaves_no_empty_line():
    assert "by hand" not in written(status=a_status(by_hand=[]), language="en").body


def test_who_could_not_be_told_is_named_so_that_somebody_calls_them():
    failing = {"failing": [{"address": "tgram://… (notify.urls[1])", "problem": "refused"}]}
    body = written(status=a_status(notices=failing), language="en").body
    assert "Could not be told: tgram:" in body


@pytest.mark.parametrize(
    ("known", "language", "first"),
    [
        (True, "en", "STILL PUBLIC 11:52 · X “Summer sale”"),
        (False, "en", "MAY STILL BE PUBLIC 11:52 · X “Summer sale”"),
        (True, "fr", "TOUJOURS PUBLIC 11:52 · X « Summer sale »"),
        (False, "fr", "PEUT-ÊTRE TOUJOURS PUBLIC 11:52 · X « Summer sale »"),
    ],
)
def test_what_could_not_be_taken_down_is_called_public(known, language, first):
    """Not "failed": that word tells people that nothing went out."""
    facts = {"delivery": "d9", "channel": "X", "text": "Summer sale", "why": "HTTP 403"}
    facts |= {"at": FACTS["at"], "known": known}
    text = written(NoticeKind.STILL_PUBLIC, facts, running(), language=language)
    assert text.title.replace('"', "“", 1).replace('"', "”") == first
    assert "HTTP 403" in text.body.splitlines()[0]
    assert "killswitch queue retract d9" in text.body


def test_while_posts_only_wait_the_second_line_says_so():
    text = written(NoticeKind.FAILED, {}, running(state="inhibited"), language="en")
    assert "Posts wait; this lifts by itself" in text.body


def test_many_outlets_are_counted():
    many = [{"title": "t", "outlet": f"outlet {n}", "url": None, "at": None} for n in range(5)]
    assert written(facts=FACTS | {"evidence": many}).title.endswith(" (outlet 0, outlet 1 +3)")


def test_a_time_of_another_day_carries_its_date():
    status = a_status(next_due=[{**a_status()["next_due"][0], "due": "2026-03-04T11:00:00Z"}])
    assert "next 2026-03-04 12:00 Insta" in written(status=status, language="en").body


@pytest.mark.parametrize("kind", ALL)
@pytest.mark.parametrize("language", ["en", "fr"])
def test_no_kind_needs_any_fact_and_none_says_the_bare_word_alert(kind, language):
    for status in (a_status(queue=None, sight=None, next_due=[], who=None), running()):
        text = written(kind, {}, status, language=language)
        assert "ALERT" not in " ".join(lines(text)).upper().split()
        assert 0 < len(text.title) <= TITLE_MOST


@pytest.mark.parametrize("kind", ALL)
def test_no_french_notice_keeps_an_english_phrase(kind):
    facts = {**FACTS, "channel": "Insta", "text": "Soldes", "why": "late", "delivery": "d1"}
    facts["joined"] = [{"reason": "autre"}]
    text = " ".join(lines(written(kind, facts)))
    for english in (
        " the ",
        "Nothing",
        " held,",
        "went out",
        "posts clash",
        "Who takes",
        "seen it",
    ):
        assert english not in text


foreign = st.text(max_size=3000) | st.sampled_from(
    ["@everyone", "<!here>", "a\nPAUSED", "\x1b[2J", "\u202eevil", "[x](http://e.example)", "{0}"]
)


@given(kind=st.sampled_from(ALL), words=st.lists(foreign, min_size=12, max_size=12))
def test_hostile_words_neither_break_out_of_their_place_nor_grow_a_notice(kind, words):
    headline = {"title": words[0], "outlet": words[1], "url": words[2], "at": None}
    facts = {
        "cause": "manual" if len(words[3]) % 2 else "story",
        "reason": words[3],
        "by": words[4],
        "evidence": [headline] * 9,
        "channel": words[5],
        "text": words[6],
        "why": words[7],
        "delivery": words[8],
        "author": words[9],
        "joined": [{"title": words[10]}, {"channel": words[5], "text": words[6]}] * 9,
    }
    post = {"id": words[8], "channel": words[5], "text": words[6], "author": words[9]}
    status = a_status(
        causes=[{**STORY, "reason": words[11]}] * 9,
        uncertain=[post] * 20,
        went_out=[{**post, "at": None}] * 20,
        clashes={"count": 50, "words": words},
        by_hand=[{"name": words[4], "state": "not_confirmed"}] * 50,
        who={"acked_by": words[4], "acked_at": None},
    )
    text = written(kind, facts, status, language="en")
    assert "\n" not in text.title
    assert len(text.title) <= TITLE_MOST
    assert len(text.body) <= BODY_MOST
    whole = text.title + text.body
    assert not set(whole) & set("@<>`*\x1b\r\u202e\u2066")
    assert text.body.rstrip().endswith("Times: Europe/Paris")


def test_a_flood_of_words_never_pushes_the_commands_out():
    long = [{"title": "word " * 60, "outlet": "outlet " * 20, "url": None, "at": None}] * 50
    status = a_status(went_out=[{"id": "d", "channel": "c" * 99, "text": "t" * 999}] * 99)
    body = written(facts=FACTS | {"evidence": long}, status=status, language="en").body
    assert "killswitch ack" in body
    assert "killswitch resume" in body


def test_a_repeat_about_posts_in_doubt_leaves_out_what_was_resolved():
    post = {"delivery": "d1", "channel": "Insta", "text": "First", "why": "reset"}
    others = [{**post, "delivery": f"d{n}", "text": f"No {n}"} for n in (2, 3)]
    facts = {**post, "joined": others}
    lost = [{"id": one, "channel": "Insta", "text": "x"} for one in ("d1", "d2", "d3")]

    def told(*ids):
        status = a_status(uncertain=[one for one in lost if one["id"] in ids])
        return written(NoticeKind.UNCERTAIN, facts, status=status, language="en")

    assert "First" in told("d1", "d2", "d3").title
    text = told("d3")
    assert "No 3" in text.title
    assert "resolve d3" in text.body
    assert "First" not in text.title + text.body
    assert "No 2" not in text.title + text.body
    assert "First" in told().title


def test_a_post_that_is_out_after_all_is_not_to_be_resolved():
    facts = {"delivery": "d1", "channel": "Insta", "text": "First", "why": "late", "out": True}
    body = written(NoticeKind.UNCERTAIN, facts, status=running(), language="en").body
    assert "queue show d1" in body
    assert "resolve" not in body


def test_running_again_asks_nobody_to_stop_anything_by_hand():
    said = written(NoticeKind.RESUMED, {"by": "Léa", "reason": "over"}, language="en")
    assert "by hand" not in said.body


def test_what_is_only_told_says_that_nothing_is_held_and_why():
    facts = {**FACTS, "why": "2 of 2 outlets; only told: far, 2 of 3 outlets speak of it"}
    told = written(NoticeKind.TOLD, facts, running(), language="en")
    assert told.title.startswith("NEWS 11:52 · ")
    assert told.body.startswith("Nothing is held for it. Posts go out as planned")
    assert "Why no pause: 2 of 2 outlets; only told: far" in told.body
    assert 'killswitch pause "…"' in told.body
