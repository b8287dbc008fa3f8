"""Resume and dismiss: what refuses them, and what leaves afterwards, and when."""

from __future__ import annotations

import itertools
import shutil
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from killswitch.desk import clashing
from killswitch.desk.context import PendingPause
from killswitch.errors import RefusedError
from killswitch.latch import CauseKind
from killswitch.store import notices
from killswitch.store.bulk import BITE
from killswitch.wire import z_time
from tests.daemon.bench import NONE
from tests.unit.desk.house import CLASHING, KARIM, LEA, MIN, NOW, House, a_story, refused


def paused_with(house: House, *due: str, **post: Any) -> list[str]:
    """Posts that come due in a pause which began before them."""
    ids = [house.add(at=at, **post) for at in due]
    house.pause()
    house.turn()
    return ids


# ---- what refuses ---------------------------------------------------------------------------


def test_a_resume_from_an_older_version_is_refused(house: House) -> None:
    seen = house.pause(key="k1")
    house.pause(key="k2")
    assert refused(house.resume, seen, kind=RefusedError).code == "stale"
    assert len(house.latch().causes) == 2


def test_what_trips_while_the_feeds_are_looked_at_refuses_the_resume(house: House) -> None:
    house.pause()
    house.on_look = lambda: house.trip(a_story())
    assert refused(house.resume, kind=RefusedError).code == "stale"
    assert set(house.kinds()) == {"manual", "story"}


@pytest.mark.parametrize("kind", ["blind", "detector", "clock", "store"])
def test_a_cause_that_still_stands_refuses_the_resume(small_house: House, kind: str) -> None:
    small_house.trip(kind=CauseKind(kind))
    small_house.standing = {CauseKind(kind): f"{kind} still"}
    error = refused(small_house.resume, kind=RefusedError)
    assert (error.code, int(error.exit)) == ("cause_stands", 5)
    assert f"{kind} still" in error.message
    assert small_house.desk.resume_preview()["standing"] == [{"kind": kind, "why": f"{kind} still"}]
    small_house.standing = {}
    small_house.resume()
    assert not small_house.latch().paused


def test_what_stands_of_other_kinds_does_not_refuse(small_house: House) -> None:
    small_house.pause()
    small_house.standing = {CauseKind.CLOCK: "stepped"}
    assert small_house.desk.resume_preview()["standing"] == []
    small_house.resume()


def test_a_resume_without_sight_names_the_feeds_that_are_dead(house: House) -> None:
    house.pause()
    house.sight = NONE
    error = refused(house.resume, kind=RefusedError)
    assert error.code == "no_sight"
    assert "(a)" in error.message
    assert house.latch().paused


def test_a_look_that_was_none_refuses_whatever_sight_says(small_house: House) -> None:
    small_house.pause()
    small_house.look_problem = "the look at the feeds did not end within 30 s"
    error = refused(small_house.resume, kind=RefusedError)
    assert error.code == "no_sight"
    assert "did not end within 30 s (lelac)" in error.message
    assert small_house.latch().paused


def test_a_resume_looks_at_the_feeds_first(house: House) -> None:
    looked: list[bool] = []
    house.pause()
    house.on_look = lambda: looked.append(house.latch().paused)
    house.resume()
    assert looked == [True]


def test_undecided_posts_refuse_the_resume_unless_they_are_kept_held(house: House) -> None:
    due, later = paused_with(house, "+10m", "+50m")
    house.move(minutes=11)
    error = refused(house.resume, kind=RefusedError)
    assert (error.code, "1 post" in error.message) == ("undecided", True)
    assert [row["id"] for row in house.desk.resume_preview()["undecided"]] == [due]
    house.resume(keep_held=True)
    assert (house.state(due), house.state(later)) == ("held", "scheduled")


def test_only_what_came_due_before_the_press_is_undecided(house: House) -> None:
    """The look takes 30 s; a post that comes due meanwhile does not refuse the press."""
    (soon,) = paused_with(house, "+10m")
    house.move(minutes=9, seconds=50)
    house.on_look = lambda: house.clock.move(timedelta(seconds=30))
    answer = house.resume()
    assert (house.state(soon), answer["held"]) == ("held", 1)


@pytest.mark.parametrize("verb", ["release", "skip", "keep", "move", "edit"])
def test_each_decision_lets_the_resume_pass(small_house: House, verb: str) -> None:
    (due,) = paused_with(small_house, "+10m")
    small_house.move(minutes=11)
    how = {"move": {"at": "+3h"}, "edit": {"text": "new"}}.get(verb, {})
    small_house.do(verb, due, **how)
    small_house.resume()
    states = {"skip": "skipped", "keep": "held"}
    assert small_house.state(due) == states.get(verb, "scheduled")


def test_a_pause_that_is_being_written_down_refuses_the_resume(house: House) -> None:
    house.pause()
    house.context.pending["k9"] = PendingPause("k9", "late", "karim")
    assert refused(house.resume, kind=RefusedError).code == "stale"
    assert house.latch().paused


# ---- flags ----------------------------------------------------------------------------------


def test_a_resume_removes_the_flags_of_its_causes_and_no_other(house: House) -> None:
    (house.flags.path / "mine").touch()
    house.guard.step()
    seen = house.latch().version
    house.on_look = (house.flags.path / "new").touch
    error = refused(house.resume, seen, kind=RefusedError)
    assert (error.code, "new" in error.message) == ("flag_left", True)
    assert [flag.name for flag in house.flags.look().entries] == ["new"]
    assert house.latch().version > seen
    house.on_look = lambda: None
    house.resume()
    assert house.flags.is_clear()


def test_a_flag_that_comes_back_refuses(house: House) -> None:
    (house.flags.path / "dir").mkdir()
    (house.flags.path / "dir" / "full").touch()
    house.guard.step()
    error = refused(house.resume, kind=RefusedError)
    assert error.code == "flag_left"
    path = house.flags.path / "dir"
    assert str(path) in error.message
    assert f"rm -r {path}" in error.hint
    assert [flag.get("is_dir") for flag in house.desk.status()["flags"]] == [True]
    assert house.latch().paused


def test_a_flag_that_is_no_cause_yet_is_seen_and_refuses(house: House) -> None:
    (house.flags.path / "x").touch()
    assert refused(house.resume, kind=RefusedError).code == "flag_left"
    assert house.kinds() == ["flag"]


def test_only_a_resume_makes_the_missing_directory_again(house: House) -> None:
    house.flags.path.rmdir()
    house.guard.step()
    assert house.kinds() == ["flag"]
    house.pause()
    assert not house.flags.path.exists()
    house.resume()
    assert house.flags.is_clear()


def test_a_directory_that_went_missing_after_the_look_refuses(house: House) -> None:
    house.pause()
    shutil.rmtree(house.flags.path)
    error = refused(house.resume, kind=RefusedError)
    assert (error.code, "missing" in error.message) == ("flag_left", True)
    assert set(house.kinds()) == {"manual", "flag"}


# ---- what a resume does ---------------------------------------------------------------------


def test_a_resume_of_nothing_is_done_already(house: House) -> None:
    answer = house.resume(99)
    assert (answer["closed"], answer["lead_until"]) == ([], None)
    assert house.latch().version == answer["version"] == 1


def test_a_resume_closes_the_causes_that_were_seen_and_counts_on(house: House) -> None:
    house.pause(key="k1")
    seen = house.pause(key="k2")
    answer = house.resume()
    assert (answer["version"], len(answer["closed"])) == (seen + 1, 2)
    assert answer["lead_until"] == "2026-03-02T09:30:00Z"
    assert house.desk.status()["lead_until"] == "2026-03-02T09:30:00Z"
    house.move(minutes=31)
    assert house.desk.status()["lead_until"] is None


def test_a_resume_that_is_repeated_with_its_key_happens_once(house: House) -> None:
    seen = house.pause()
    caller = replace(LEA, request_key="1")
    first = house.desk.resume(seen, reason="seen", keep_held=False, caller=caller)
    house.pause(key="k2")
    again = house.desk.resume(seen, reason="seen", keep_held=False, caller=caller)
    assert (again, house.kinds()) == (first, ["manual"])


def test_the_lead_holds_what_is_due_just_after_the_press(house: House) -> None:
    near, far = house.add(at="+100m"), house.add(at="+3h")
    house.pause()
    house.move(minutes=90)
    house.resume()
    assert (house.state(near), house.holds(near)) == ("held", ["lead"])
    assert house.state(far) == "scheduled"
    added = house.add(at="+6m")
    house.move(minutes=6)
    house.turn()
    assert house.state(added) == "sent"


def test_what_the_pause_held_inside_the_lead_stays_held(house: House) -> None:
    (inside,) = paused_with(house, "+10m")
    house.move(minutes=1)
    answer = house.resume()
    assert (house.state(inside), answer["held"]) == ("held", 1)
    house.move(minutes=30)
    house.turn()
    assert house.published() == []


def test_decided_posts_pass_the_lead(house: House) -> None:
    (post,) = paused_with(house, "+10m")
    house.do("release", post)
    house.resume()
    house.move(minutes=10)
    house.turn()
    assert house.state(post) == "sent"


def test_a_released_future_post_keeps_its_time(house: House) -> None:
    (post,) = paused_with(house, "+20m")
    house.do("release", post)
    house.resume()
    assert house.the(post).due_at == NOW + 20 * MIN


@pytest.mark.parametrize("channel", ["insta", "log"])
def test_released_past_posts_get_slots_and_nothing_leaves_in_a_burst(
    house: House, channel: str
) -> None:
    posts = paused_with(house, "+1m", "+7m", "+13m", "+19m", channels=(channel,))
    house.move(minutes=25)
    house.do("release", posts[2], posts[0])
    house.do("edit", posts[1], posts[3], text="new words")
    assert house.resume()["released"] == 4
    assert [house.due_in(one) / MIN for one in posts] == [15, 30, 45, 60]


def test_slots_keep_the_gap_of_what_is_planned(house: House) -> None:
    posts = paused_with(house, "+1m", "+7m")
    planned = house.add(at="+57m")
    house.move(minutes=25)
    house.do("release", *posts)
    house.resume()
    assert [house.due_in(one) / MIN for one in (*posts, planned)] == [15, 37, 32]


def test_a_decided_time_that_passes_in_the_pause_is_no_decision(house: House) -> None:
    moved, edited, late = paused_with(house, "+1m", "+7m", "+13m")
    house.move(minutes=14)
    house.do("move", moved, at="+10m")
    house.do("edit", edited, text="new", at="+20m")
    house.do("release", late, at="+30m")
    house.move(minutes=25)
    waiting = {row["id"] for row in house.desk.resume_preview()["undecided"]}
    assert waiting == {moved, edited}
    assert house.desk.status()["undecided"] == 2
    assert refused(house.resume, kind=RefusedError).code == "undecided"
    house.resume(keep_held=True)
    assert [house.state(one) for one in (moved, edited, late)] == ["held", "held", "scheduled"]
    assert house.the(edited).content.text == "Vive l'été !"
    house.move(minutes=4)
    house.turn()
    assert house.published() == []
    house.move(minutes=1)
    house.turn()
    assert house.published() == [late]


def test_a_newer_decision_replaces_the_older(house: House) -> None:
    (post,) = paused_with(house, "+1m")
    house.do("release", post)
    house.do("keep", post)
    house.resume(keep_held=True)
    assert house.state(post) == "held"


def test_a_hold_takes_a_release_back(house: House) -> None:
    (post,) = paused_with(house, "+10m")
    house.do("release", post)
    house.do("hold", post, caller=KARIM)
    assert house.decision(post) is None
    house.resume()
    assert house.holds(post) == ["pause", "human"]


def test_an_edit_that_was_decided_says_the_new_words_at_the_decided_time(house: House) -> None:
    (post,) = paused_with(house, "+10m")
    house.do("edit", post, text="new", tags=("t",), at="+2h")
    assert house.the(post).content.text == "Vive l'été !"
    house.resume()
    one = house.the(post)
    assert (one.content.text, one.content.tags) == ("new", ("t",))
    assert house.due_in(post) == timedelta(hours=2)
    assert one.wall == "2026-03-02T12:00:00"
    assert "delivery.edited" in [r["event"] for r in house.desk.queue_show(post)["history"]]


def test_the_resume_tells_who_and_why_and_ends_the_calling(house: House) -> None:
    house.trip(a_story())
    house.resume()
    (incident,) = house.desk.incidents(limit=5)
    assert (incident["resumed_by"], incident["resume_reason"], incident["outcome"]) == (
        "lea",
        "seen",
        "resumed",
    )
    with house.store.read() as conn:
        undone = {row.kind: row.acked_at for row in notices.undone(conn) if row.kind != "resumed"}
    # Nobody was told of the story yet: that comes once, and calls nobody again.
    assert undone == {"paused": house.clock.now()}


@pytest.mark.parametrize(("kind", "fact"), [("clock", "high_water"), ("blind", "last_sight")])
def test_a_resume_sets_the_marks_that_it_answers_for(
    small_house: House, kind: str, fact: str
) -> None:
    small_house.trip(kind=CauseKind(kind))
    small_house.move(minutes=5)
    small_house.resume()
    assert small_house.fact(fact) == small_house.clock.now().isoformat()


def test_a_resume_begins_a_broken_chain_anew(small_house: House) -> None:
    small_house.add()
    with small_house.store.write() as conn:
        conn.execute(sa.text("UPDATE audit_head SET hash = 'x'"))
    assert not small_house.desk.audit_verify()["ok"]
    small_house.resume()
    told = small_house.desk.audit_verify()
    (accepted,) = told["breaks"]
    assert (told["ok"], told["since"]) == (True, accepted["start"])
    assert accepted["accepted_at"] == z_time(small_house.clock.now())
    assert accepted["accepted_by"] == "lea"
    assert "does not follow" in accepted["why"]


# ---- clashes --------------------------------------------------------------------------------


def test_posts_that_clash_stay_held_whatever_their_date(house: House) -> None:
    joke, other = house.add(text=CLASHING, at="+20d"), house.add(at="+21d")
    house.trip(a_story())
    house.turn()
    assert (house.holds(joke), house.holds(other)) == (["clash"], [])
    assert house.desk.status()["clashes"] == {"count": 1, "words": ["Annecy"]}
    house.resume()
    assert (house.state(joke), house.desk.status()["undecided"]) == ("held", 0)


def test_a_resume_before_the_search_is_through_finishes_the_search(house: House) -> None:
    """The press comes within the second in which the sweep would have searched the queue."""
    joke = house.add(text=CLASHING, at="+20d")
    house.trip(a_story())
    house.resume()
    assert house.holds(joke) == ["clash"]


def test_a_queue_full_of_clashes_is_searched_to_its_end(
    small_house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """More clashes than one transaction holds, and others between them."""
    monkeypatch.setattr(clashing, "SCAN_BATCH", 20)
    many = 41
    posts = [
        small_house.add(text=text, at=f"+{n}h", channels=("log",))
        for n in range(1, many + 1)
        for text in (CLASHING, "A quiz")
    ]
    small_house.trip(a_story())
    bites = 1
    while clashing.scan(small_house.context, now=small_house.clock.now()):
        bites += 1
    assert bites > 3
    assert [small_house.state(one) for one in posts] == ["held", "scheduled"] * many


def test_the_search_for_clashes_writes_only_so_many_posts_at_once(small_house: House) -> None:
    for n in range(1, 2 * BITE + 2):
        small_house.add(text=CLASHING, at=f"+{n}h", channels=("log",))
        small_house.add(text="A quiz", at=f"+{n}h", channels=("log",))
    small_house.trip(a_story())
    held: list[int] = []

    def committed(conn: Any) -> None:
        held.append(conn.exec_driver_sql("SELECT count(*) FROM holds").scalar())

    sa.event.listen(small_house.store.engine, "commit", committed)
    while clashing.scan(small_house.context, now=small_house.clock.now()):
        pass
    sa.event.remove(small_house.store.engine, "commit", committed)
    steps = {after - before for before, after in itertools.pairwise([0, *held])}
    assert steps - {0} == {BITE, 1}


def test_what_is_edited_while_the_search_compares_is_looked_at_again(
    small_house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    joke = small_house.add(text=CLASHING, at="+20d")
    small_house.trip(a_story())
    hold_bite, edited = clashing._hold_bite, []

    def edits_first(*args: Any, **more: Any) -> None:
        if not edited:
            edited.append(small_house.do("edit", joke, text="A quiz"))
        hold_bite(*args, **more)

    monkeypatch.setattr(clashing, "_hold_bite", edits_first)
    while clashing.scan(small_house.context, now=small_house.clock.now()):
        pass
    assert small_house.holds(joke) == []


def test_two_searches_at_once_leave_nothing_out(
    small_house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The sweep and a resume: the other goes to the end while one has just compared a part."""
    monkeypatch.setattr(clashing, "SCAN_BATCH", 2)
    jokes = [small_house.add(text=CLASHING, at=f"+{n}h", channels=("log",)) for n in range(1, 8)]
    small_house.trip(a_story())
    hold_bite, ran = clashing._hold_bite, []

    def other_first(*args: Any, **more: Any) -> None:
        if not ran:
            ran.append(True)
            clashing.scan(small_house.context, now=small_house.clock.now())
        hold_bite(*args, **more)

    monkeypatch.setattr(clashing, "_hold_bite", other_first)
    while clashing.scan(small_house.context, now=small_house.clock.now()):
        pass
    assert {small_house.state(one) for one in jokes} == {"held"}


def test_a_new_event_voids_what_was_decided_about_posts_that_touch_it(house: House) -> None:
    touching, other, kept = (
        house.add(text=text, at=f"+{n}m")
        for n, text in ((6, CLASHING), (12, "A quiz"), (18, f"{CLASHING} again"))
    )
    house.pause()
    house.turn()
    house.move(minutes=20)
    for verb, post in (("release", touching), ("release", other), ("keep", kept)):
        house.do(verb, post)
    house.trip(a_story())
    house.turn()
    decided = [house.decision(one) for one in (touching, other, kept)]
    assert decided == [None, "release", "keep"]
    assert refused(house.resume, kind=RefusedError).code == "undecided"


def test_decided_words_that_touch_another_event_are_held_after_all(house: House) -> None:
    house.tell(a_story("s2", words=("nantes",)))
    (post,) = paused_with(house, "+10m")
    house.do("edit", post, text="A weekend in Nantes", at="+2h")
    assert house.resume()["released"] == 0
    assert house.holds(post) == ["clash"]


def test_an_empty_reason_of_a_decision_is_told_in_plain_words(small_house: House) -> None:
    (post,) = paused_with(small_house, "+10m")
    small_house.do("skip", post)
    small_house.resume()
    assert small_house.the(post).problem == "skipped by a human"


def test_a_late_flag_of_a_pause_that_is_over_is_cleared_away_and_nothing_else(
    house: House,
) -> None:
    house.pause(key="k1")
    house.resume()
    house.flags.write("attack", "k1", "lea", at=house.clock.now())
    version = house.latch().version
    answer = house.resume()
    assert (answer["closed"], answer["version"], house.latch().version) == ([], version, version)
    assert house.flags.is_clear()


def test_what_stays_held_in_the_lead_is_counted_apart(house: House) -> None:
    late, soon, later = (house.add(at=f"+{n}m", channels=("log",)) for n in (5, 40, 90))
    house.pause()
    house.move(minutes=20)
    house.turn()
    answer = house.resume(keep_held=True)
    assert [house.state(one) for one in (late, soon, later)] == ["held", "held", "scheduled"]
    assert (answer["held"], answer["lead_held"]) == (2, 1)


def test_an_empty_lead_is_told_as_empty(small_house: House) -> None:
    small_house.add(at="+90m")
    small_house.pause()
    assert small_house.resume()["lead_held"] == 0
