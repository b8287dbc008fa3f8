"""Feeds, items and stories; people, request keys, facts and incidents."""

from __future__ import annotations

import pytest
import sqlalchemy as sa

from killswitch.errors import StoreBusyError
from killswitch.store import facts, incidents, news, people, request_keys
from killswitch.store.news import NewItem, Voice, item_guid
from tests.store.made import HOUR, MINUTE, NOW


def an_item(guid="g1", title="Knife attack", *, silent=False, published=NOW):
    url = f"https://n.example/{guid}"
    return NewItem(item_guid(guid, title), title, "", url, "en", published, silent)


def ingest(store, feed, *items, at=NOW, **values):
    with store.write() as conn:
        return news.ingest(conn, feed, items, values={"last_good_at": at, **values}, now=at)


@pytest.fixture
def feeds(store):
    with store.write() as conn:
        news.ensure_feeds(conn, {"a": "https://a.example", "b": "https://b.example"})
    return store


def row(store, name):
    with store.read() as conn:
        return news.feed_rows(conn, [name])[name]


def ungraded(store):
    with store.read() as conn:
        return [r.title for r in news.ungraded(conn, limit=50)]


def test_an_item_is_stored_once_with_what_its_poll_said(feeds):
    assert ingest(feeds, "a", an_item(), an_item(), an_item("g2"), etag='"1"') == 2
    assert ingest(feeds, "a", an_item(), at=NOW + MINUTE) == 0
    assert ingest(feeds, "b", an_item()) == 1
    assert len(ungraded(feeds)) == 3
    assert (row(feeds, "a").etag, row(feeds, "a").last_good_at) == ('"1"', NOW + MINUTE)


def test_an_edited_headline_is_looked_at_again(feeds):
    ingest(feeds, "a", an_item(title="Knife attack"))
    assert ingest(feeds, "a", an_item(title="Knife attack: three dead")) == 1


def test_a_silent_item_is_recorded_but_not_graded(feeds):
    assert ingest(feeds, "a", an_item(silent=True)) == 0
    assert ungraded(feeds) == []
    assert ingest(feeds, "a", an_item()) == 0


def test_a_feed_counts_as_graded_only_when_all_it_brought_is(feeds):
    ingest(feeds, "a", an_item())
    ingest(feeds, "b", at=NOW + MINUTE)
    with feeds.write() as conn:
        news.mark_graded(conn, "a")
        news.mark_graded(conn, "b")
    assert (row(feeds, "a").graded_at, row(feeds, "b").graded_at) == (None, NOW + MINUTE)
    with feeds.write() as conn:
        (item,) = news.ungraded(conn, limit=9)
        grades = [{"key": item.id, "grade": "trip", "signal": {"why": "x"}, "story": "s1"}]
        news.write_grades(conn, grades)
        news.mark_graded(conn)
    assert row(feeds, "a").graded_at == NOW
    assert ungraded(feeds) == []
    with feeds.read() as conn:
        assert news.headline_times(conn, "s1", since=NOW - HOUR) == [NOW]
        assert news.headline_times(conn, "s1", since=NOW) == []


def test_a_feed_with_a_new_address_starts_afresh(feeds):
    ingest(feeds, "a", etag='"1"', failures=3, problem="gone")
    with feeds.write() as conn:
        news.ensure_feeds(conn, {"a": "https://moved.example", "b": "https://b.example"})
    found = row(feeds, "a")
    assert (found.url, found.etag, found.last_good_at) == ("https://moved.example", None, None)
    assert found.failures == 0


def test_the_rhythm_of_a_feed_is_read_from_its_items(feeds):
    ingest(feeds, "a", an_item("1", published=NOW - HOUR), at=NOW)
    ingest(feeds, "a", an_item("2", published=None), at=NOW + MINUTE)
    with feeds.read() as conn:
        assert news.item_times(conn, "a", now=NOW + HOUR) == [NOW + MINUTE, NOW - HOUR]
        assert news.item_times(conn, "a", now=NOW + 29 * 24 * HOUR) == []
        assert news.last_poll_at(conn) is None
    ingest(feeds, "b", last_poll_at=NOW)
    with feeds.read() as conn:
        assert news.last_poll_at(conn) == NOW


def test_old_items_are_forgotten_in_bites(feeds):
    ingest(feeds, "a", *(an_item(str(n), silent=True) for n in range(5)))
    ingest(feeds, "a", an_item("waits for the detector"))
    with feeds.write() as conn:
        assert news.prune(conn, before=NOW + MINUTE, limit=3) == 3
        assert news.prune(conn, before=NOW, limit=3) == 0
        assert news.prune(conn, before=NOW + MINUTE, limit=3) == 2


def titles(store, feed="a"):
    with store.read() as conn:
        found = conn.execute(sa.text("SELECT title FROM items WHERE feed = :f"), {"f": feed})
        return sorted(found.scalars())


def test_what_a_feed_still_shows_is_never_forgotten(feeds):
    """Forgotten, an undated entry of last year would be graded again, as news."""
    day, late = 24 * HOUR, NOW + 40 * 24 * HOUR
    shown, gone = an_item("1", "shown", silent=True), an_item("2", "gone", silent=True)
    ingest(feeds, "a", shown, gone, shown_from=NOW - day, last_poll_at=NOW)
    # Its content came last on the 20th day; since then it says "not modified".
    at = NOW + 20 * day
    ingest(feeds, "a", shown, at=at, shown_from=at - news.SHOWN_WITHIN, last_poll_at=at)
    ingest(feeds, "a", at=late, last_poll_at=late)
    with feeds.write() as conn:
        assert news.prune(conn, before=late - 35 * day) == 1
    assert titles(feeds) == ["shown"]
    # A feed that is not asked any more shows nothing.
    with feeds.write() as conn:
        assert news.prune(conn, before=late + day) == 1


def test_a_feed_keeps_so_many_items_and_its_flood_touches_no_other(feeds):
    ingest(feeds, "b", an_item("b", "other", silent=True))
    old = [an_item(str(n), f"old {n}", silent=True) for n in range(4)]
    ingest(feeds, "a", *old, shown_from=NOW - news.SHOWN_WITHIN)
    later = NOW + 3 * 24 * HOUR
    new = [an_item(f"n{n}", f"new {n}", silent=True) for n in range(3)]
    ingest(feeds, "a", *new, an_item("waits"), at=later, shown_from=later - news.SHOWN_WITHIN)
    with feeds.write() as conn:
        assert news.bound(conn, "a", limit=2, most=5) == 2
        assert news.bound(conn, "a", limit=9, most=5) == 1
        assert news.bound(conn, "a", limit=9, most=5) == 0
        # What it shows, and what nobody has graded yet, is not forgotten whatever it costs.
        assert news.bound(conn, "a", limit=9, most=0) == 1
    assert titles(feeds) == ["Knife attack", "new 0", "new 1", "new 2"]
    assert titles(feeds, "b") == ["other"]


def test_a_renamed_feed_keeps_its_items_and_is_not_primed_again(feeds):
    ingest(feeds, "a", an_item(title="told"), etag='"1"')
    with feeds.write() as conn:
        news.ensure_feeds(conn, {"a2": "https://a.example", "b": "https://b.example"})
        assert "a" not in news.feed_rows(conn, ["a", "a2"])
    assert titles(feeds, "a2") == ["told"]
    assert row(feeds, "a2").etag == '"1"'
    assert ingest(feeds, "a2", an_item(title="told")) == 0


def test_a_newsroom_that_is_called_otherwise_is_told_once(feeds):
    voices = {"a": Voice("Courier", "Courier"), "b": Voice("Herald", "Herald")}
    with feeds.write() as conn:
        assert news.name_voices(conn, voices) == {}
        assert news.voices(conn, ["a", "b", "gone"]) == voices
        voices |= {"a": Voice("The Courier", "The Courier")}
        assert news.name_voices(conn, voices) == {"Courier": "The Courier"}
        assert news.name_voices(conn, voices) == {}
        # A newsroom that another feed still has was not renamed.
        voices |= {"a": Voice("Herald", "Herald")}
        news.name_voices(conn, voices)
        assert news.name_voices(conn, voices | {"a": Voice("Planet", "Planet")}) == {}


def a_story(one="s1", *, last=NOW, tripped=None, state="open"):
    return {
        "id": one, "title": one, "state": state, "first_item_at": NOW, "last_item_at": last,
        "unconfirmed_at": None, "tripped_at": tripped, "body": {"id": one, "ü": ["é"]},
    }  # fmt: skip


def test_a_story_is_saved_whole_again_and_again(store):
    with store.write() as conn:
        news.save_stories(conn, [a_story(), a_story("s2", last=NOW - HOUR)])
        news.save_stories(conn, [a_story(tripped=NOW, state="tripped")])
        assert news.story(conn, "s1").state == "tripped"
        assert news.story(conn, "s1").body == {"id": "s1", "ü": ["é"]}
        assert news.story(conn, "s9") is None
        assert [r.id for r in news.recent_stories(conn, since=NOW - MINUTE)] == ["s1"]
        assert [r.id for r in news.tripped_stories(conn, since=NOW - MINUTE)] == ["s1"]
        news.save_stories(conn, [a_story(tripped=NOW, state="dismissed")])
        assert news.tripped_stories(conn, since=NOW - MINUTE) == []


# -- people, keys, facts, incidents ----------------------------------------------------------------


def test_a_person_keeps_an_id_and_may_be_forgotten(store):
    with store.write() as conn:
        lea = people.person_id(conn, "lea", name="Léa")
        assert people.person_id(conn, "lea") == lea
        assert people.names(conn, [lea, "machine", "u-gone"]) == {
            lea: "Léa", "machine": "killswitch", "u-gone": "u-gone"
        }  # fmt: skip
        assert people.erase(conn, "lea") == lea
        assert people.erase(conn, "lea") is None
        assert people.names(conn, [lea])[lea] == "(erased)"
        assert people.person_id(conn, "lea") != lea


def test_a_key_has_its_effect_once_and_keeps_its_answer(store):
    with store.write() as conn:
        assert not request_keys.known(conn, "k")
        request_keys.record(conn, "k", {"ids": ["d1"]}, now=NOW)
        assert request_keys.known(conn, "k")
        assert request_keys.answer(conn, "k") == {"ids": ["d1"]}
        with pytest.raises(StoreBusyError):
            request_keys.record(conn, "k", {}, now=NOW)
        assert request_keys.forget(conn, now=NOW + request_keys.KEPT) == 0
        assert request_keys.known(conn, "k")
        assert request_keys.forget(conn, now=NOW + request_keys.KEPT + MINUTE) == 1
        assert request_keys.answer(conn, "k") is None


def test_many_keys_are_forgotten_early_but_never_one_that_may_be_repeated(store, monkeypatch):
    monkeypatch.setattr(request_keys, "KEPT_MOST", 3)
    with store.write() as conn:
        for minute in range(5):
            request_keys.record(conn, f"k{minute}", {}, now=NOW + minute * MINUTE)
        assert request_keys.forget(conn, now=NOW + request_keys.REPEATED) == 0
        assert request_keys.forget(conn, now=NOW + request_keys.REPEATED + 5 * MINUTE, limit=2) == 2
        assert [request_keys.known(conn, f"k{minute}") for minute in range(5)] == [
            False, False, True, True, True
        ]  # fmt: skip


def test_a_fact_is_written_read_listed_and_forgotten(store):
    with store.write() as conn:
        facts.put(conn, "a:1", "x")
        facts.put(conn, "a:1", "y")
        facts.put(conn, "a%2", "z")
        assert (facts.get(conn, "a:1"), facts.get(conn, "b")) == ("y", None)
        assert facts.like(conn, "a:") == {"a:1": "y"}
        assert facts.like(conn, "a%") == {"a%2": "z"}
        facts.put_time(conn, "at", NOW)
        assert facts.get_time(conn, "at") == NOW
        assert facts.get_time(conn, "never") is None
        assert [facts.next_number(conn, "n") for _ in range(3)] == [1, 2, 3]
        facts.drop(conn, "a:1")
        assert facts.get(conn, "a:1") is None


def test_an_incident_notes_each_time_once_and_ends_once(store):
    with store.write() as conn:
        one = incidents.begin(
            conn, title="paused by hand", kind="manual", story=None,
            first_headline_at=None, detected_at=None, now=NOW,
        )  # fmt: skip
        incidents.name_story(
            conn, one, title="Attack", story="s1", first_headline_at=NOW - HOUR, detected_at=NOW
        )
        incidents.name_story(
            conn, one, title="Other", story="s2", first_headline_at=NOW, detected_at=NOW
        )
        for minutes in (1, 2):
            at = NOW + minutes * MINUTE
            incidents.note_time(conn, one, "sealed_at", at)
            incidents.note_ack(conn, one, by=f"u{minutes}", now=at)
            incidents.end(conn, one, by=f"u{minutes}", reason="r", outcome="resumed", now=at)
        found = incidents.get(conn, one)
        assert (found.title, found.story) == ("Attack", "s1")
        assert (found.sealed_at, found.acked_by, found.resumed_by) == (NOW + MINUTE, "u1", "u1")
        assert [r.id for r in incidents.newest(conn, limit=5)] == [one]
        assert [r.id for r in incidents.matching(conn, one[:5])] == [one]
        assert incidents.matching(conn, "%") == []
