"""What people do with posts: every verb on every state, outside of a pause and inside."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from killswitch.channels.frame import Ending, Outcome
from killswitch.desk import acting, verbs
from killswitch.errors import RefusedError, UsageError
from killswitch.latch import CauseKind
from killswitch.outcome import Passage
from killswitch.queue.states import DeliveryState
from killswitch.store import posts
from killswitch.wire import VERBS, QueueAct, QueueFilter
from tests.store.made import put
from tests.unit.desk.house import KARIM, LEA, NOW, House, a_story, refused

S = DeliveryState
WAYS: dict[str, tuple[DeliveryState, ...]] = {
    "scheduled": (),
    "claimed": (S.CLAIMED,),
    "sending": (S.CLAIMED, S.SENDING),
    "sent": (S.CLAIMED, S.SENDING, S.SENT),
    "uncertain": (S.CLAIMED, S.SENDING, S.UNCERTAIN),
    "failed": (S.CLAIMED, S.SENDING, S.FAILED),
    "skipped": (S.SKIPPED,),
    "cancelled": (S.CANCELLED,),
    "retracting": (S.CLAIMED, S.SENDING, S.SENT, S.RETRACTING),
    "retracted": (S.CLAIMED, S.SENDING, S.SENT, S.RETRACTING, S.RETRACTED),
}
STATES = ("awaiting_approval", "held", *WAYS)
WAITING = ("awaiting_approval", "scheduled", "held")
HOW: dict[str, dict[str, Any]] = {
    "move": {"at": "+3h"},
    "edit": {"text": "other words"},
    "resolve": {"sent": True},
    "retract": {"reason": "wrong price"},
    "approve": {"caller": KARIM},
    "reject": {"caller": KARIM},
}
# What becomes of a delivery outside of a pause; whatever is not named is refused with "state".
# Approval is not asked for any more: an edit of a post that waits for it leaves it waiting.
OUTSIDE: dict[str, dict[str, str]] = {
    "release": {"held": "scheduled"},
    "move": {one: one for one in WAITING} | dict.fromkeys(("held", "claimed"), "scheduled"),
    "edit": {one: one for one in WAITING} | dict.fromkeys(("held", "claimed"), "scheduled"),
    "hold": dict.fromkeys(("scheduled", "held", "claimed"), "held"),
    "skip": dict.fromkeys((*WAITING, "claimed", "uncertain"), "skipped") | {"failed": "skip"},
    "keep": {"held": "held"},
    "cancel": dict.fromkeys((*WAITING, "claimed"), "cancelled"),
    "confirm": {one: one for one in WAITING},
    "resolve": {"uncertain": "sent"},
    "retract": {"sent": "retracting", "uncertain": "retracting"},
    "approve": {"awaiting_approval": "scheduled", "scheduled": "!approved", "held": "!approved"},
    "reject": {"awaiting_approval": "held"},
}
# On a held delivery during a pause these are written down.
DECIDED = frozenset({"release", "move", "edit", "skip", "keep"})


def in_state(house: House, state: str) -> str:
    house.set(approve=state == "awaiting_approval")
    delivery = house.add(at="+2h", channels=("log",))
    house.set(approve=False)
    if state == "held":
        house.do("hold", delivery)
    put(house.store, delivery, *WAYS.get(state, ()))
    return delivery


def in_each_state(house: House) -> dict[str, str]:
    return {state: in_state(house, state) for state in STATES}


def outcome(house: House, verb: str, delivery: str) -> str:
    """Do it; return the decision, or the new state, or the code of the refusal after ``!``."""
    before = house.desk.queue_show(delivery)
    try:
        answer = house.do(verb, delivery, **HOW.get(verb, {}))
    except RefusedError as refusal:
        code = refusal.code
        assert house.desk.queue_show(delivery) == before
        return f"!{code}"
    (done,) = answer["done"]
    assert done["state"] == house.state(delivery)
    assert house.decision(delivery) == done["decision"]
    return str(done["decision"] or done["state"])


@pytest.mark.parametrize("verb", VERBS)
def test_a_verb_on_every_state_outside_of_a_pause(small_house: House, verb: str) -> None:
    ids = in_each_state(small_house)
    found = {state: outcome(small_house, verb, one) for state, one in ids.items()}
    assert found == {state: OUTSIDE[verb].get(state, "!state") for state in STATES}


@pytest.mark.parametrize("verb", VERBS)
def test_a_verb_on_every_state_during_a_pause(small_house: House, verb: str) -> None:
    ids = in_each_state(small_house)
    small_house.trip(a_story(words=("nantes",)))
    found = {state: outcome(small_house, verb, one) for state, one in ids.items()}
    wanted = {state: OUTSIDE[verb].get(state, "!state") for state in STATES}
    # The pause took it back from the gate.
    wanted["claimed"] = wanted["scheduled"]
    if verb in DECIDED:
        wanted["held"] = verb
        assert small_house.state(ids["held"]) == "held"
    assert found == wanted


# ---- naming ---------------------------------------------------------------------------------


def test_named_by_ids_it_is_all_or_nothing(house: House) -> None:
    first, second, sent = (house.add(at=f"+{n}h") for n in (1, 2, 3))
    put(house.store, sent, S.CLAIMED, S.SENDING, S.SENT)
    refused(house.do, "hold", first, second, sent, kind=RefusedError)
    assert [house.state(one) for one in (first, second)] == ["scheduled", "scheduled"]
    answer = house.do("hold", second, first)
    assert {one["id"] for one in answer["done"]} == {first, second}
    assert answer["refused"] == []


def test_chosen_by_a_filter_each_stands_for_itself(house: House) -> None:
    first, second, sending = (house.add(at=f"+{n}h", tags=("t",)) for n in (1, 2, 3))
    other = house.add(at="+4h")
    put(house.store, sending, S.CLAIMED, S.SENDING)
    answer = house.do_all("skip", chosen={"tag": "t"})
    assert {one["id"] for one in answer["done"]} == {first, second}
    (refusal,) = answer["refused"]
    assert (refusal["id"], refusal["code"]) == (sending, "state")
    assert house.state(other) == "scheduled"


def test_a_refusal_in_a_filter_leaves_nothing_half_done(house: House) -> None:
    """All three want the same minute: one has it, the others stay whole."""
    ids = [house.add(at=f"+{n}h") for n in (1, 2, 3)]
    answer = house.do_all("edit", text="new", at="+10h")
    assert (len(answer["done"]), {one["code"] for one in answer["refused"]}) == (1, {"crowded"})
    texts = sorted(house.the(one).content.text for one in ids)
    assert texts == ["Vive l'été !", "Vive l'été !", "new"]


def test_a_verb_that_refuses_late_takes_back_what_it_wrote(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = house.add(), house.add(at="+2h")

    def half(deed: Any, one: Any) -> str | None:
        verbs.hold(deed, one)
        if one.id == first:
            raise RefusedError("late", "not this one", "")
        return None

    monkeypatch.setattr(acting, "_DEEDS", {"hold": half})
    answer = house.do_all("hold")
    assert [one["id"] for one in answer["refused"]] == [first]
    assert [house.state(one) for one in (first, second)] == ["scheduled", "held"]
    assert house.desk.audit_verify()["ok"]


@pytest.mark.parametrize("size", [0, 1, acting.BITE, 2 * acting.BITE + 1])
def test_a_filter_goes_through_a_long_queue_in_bites(small_house: House, size: int) -> None:
    batch = small_house.desk.import_open("x", caller=LEA)["import"]
    rows = small_house.rows(*[{"at": f"+{60 + n}m", "channels": ("log",)} for n in range(size)])
    if rows:
        small_house.desk.import_rows(batch, rows, caller=LEA)
    small_house.desk.import_commit(batch, dry_run=False, caller=LEA)
    answer = small_house.do_all("hold", chosen={"channel": "log"})
    assert (len(answer["done"]), answer["refused"]) == (size, [])


def test_nobody_has_approved_a_post_that_was_edited_since(house: House) -> None:
    house.set(approve=True)
    delivery = house.add()
    house.do("approve", delivery, caller=KARIM)
    approved = house.desk.queue_show(delivery)
    assert (approved["state"], approved["approved_by"]) == ("scheduled", "karim")
    house.do("edit", delivery, text="other words")
    edited = house.desk.queue_show(delivery)
    assert (edited["state"], edited["approved_by"]) == ("awaiting_approval", None)


def test_a_filter_takes_at_most_its_limit_and_ids_narrow_it_down(house: House) -> None:
    first, second, third = (house.add(at=f"+{n}h", tags=("t",)) for n in (1, 2, 3))
    other = house.add(at="+4h")
    answer = house.do_all("hold", chosen={"tag": "t", "limit": 2})
    assert [one["id"] for one in answer["done"]] == [first, second]
    answer = house.do_all("hold", chosen={"tag": "t", "ids": (third, other)})
    assert [one["id"] for one in answer["done"]] == [third]
    assert [(one["id"], one["code"]) for one in answer["refused"]] == [(other, "not_meant")]
    assert house.state(other) == "scheduled"


# ---- what the gate is busy with, and what changes meanwhile ---------------------------------


@pytest.mark.parametrize(
    ("verb", "becomes"),
    [("cancel", "cancelled"), ("hold", "held"), ("skip", "skipped"), ("move", "scheduled")],
)
@pytest.mark.parametrize("states", [(), ("scheduled",)])
def test_a_filter_takes_a_claim_back(
    house: House, verb: str, becomes: str, states: tuple[str, ...]
) -> None:
    """For people a claimed post still is a scheduled one: nothing of it has left."""
    delivery = house.add(at="now")
    fence = house.claim(delivery)
    answer = house.do_all(verb, chosen={"channel": "insta", "states": states}, **HOW.get(verb, {}))
    assert ([one["id"] for one in answer["done"]], answer["refused"]) == ([delivery], [])
    assert house.gate.send(delivery, fence=fence) is Passage.NOT_NOW
    assert (house.state(delivery), house.published()) == (becomes, [])


def test_what_leaves_a_filter_meanwhile_is_named(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = house.add(tags=("t",)), house.add(at="+2h", tags=("t",))
    find = acting.find

    def found_then_sent(*args: Any, **more: Any) -> Any:
        found = find(*args, **more)
        put(house.store, second, S.CLAIMED, S.SENDING, S.SENT)
        return found

    monkeypatch.setattr(acting, "find", found_then_sent)
    answer = house.do_all("cancel", chosen={"tag": "t"})
    assert [one["id"] for one in answer["done"]] == [first]
    (refusal,) = answer["refused"]
    assert (refusal["id"], refusal["code"]) == (second, "not_meant")
    assert "sent" in refusal["message"]


# ---- many ids -------------------------------------------------------------------------------


def test_a_list_of_ids_is_worked_through_in_bites_each_for_itself(
    small_house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No transaction takes more than a bite: a pause can be put between any two of them."""
    monkeypatch.setattr(acting, "BITE", 2)
    ids = [small_house.add(at=f"+{60 + n}m", channels=("log",)) for n in range(5)]
    put(small_house.store, ids[1], S.CLAIMED, S.SENDING)
    bites = []
    lock = acting.deliveries.lock_many

    def counted(conn: Any, some: Any) -> Any:
        bites.append(len(some))
        return lock(conn, some)

    monkeypatch.setattr(acting.deliveries, "lock_many", counted)
    answer = small_house.do("cancel", *ids, "dzzzzzz")
    assert max(bites) == 2
    assert {one["id"] for one in answer["done"]} == {ids[0], *ids[2:]}
    codes = {one["id"]: one["code"] for one in answer["refused"]}
    assert codes == {ids[1]: "state", "dzzzzzz": "not_found"}


def test_a_pause_between_two_bites_stands(
    small_house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is released after it is a decision for the resume, not a release."""
    monkeypatch.setattr(acting, "BITE", 2)
    ids = [held(small_house, f"+{60 + n}m", channels=("log",)) for n in range(4)]
    bite = acting._bite

    def then_a_pause(*args: Any) -> None:
        bite(*args)
        if not small_house.latch().paused:
            small_house.trip(kind=CauseKind.MANUAL)

    monkeypatch.setattr(acting, "_bite", then_a_pause)
    answer = small_house.do("release", *ids)
    assert [one["decision"] for one in answer["done"]] == [None, None, "release", "release"]


def test_ids_may_be_shortened_while_that_is_clear(house: House) -> None:
    delivery = house.add()
    assert house.do("hold", delivery[:6])["done"][0]["id"] == delivery


@pytest.mark.parametrize(
    ("ref", "kind", "code"),
    [("d", UsageError, "short_id"), ("dzzzzzz", RefusedError, "not_found")],
)
def test_an_id_that_names_nothing_is_refused(
    small_house: House, ref: str, kind: type[Any], code: str
) -> None:
    small_house.add()
    assert refused(small_house.do, "hold", ref, kind=kind).code == code


def test_a_beginning_that_fits_several_is_refused(
    small_house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    ids = iter(["p1", "daaaa1", "p2", "daaaa2"])
    monkeypatch.setattr(posts, "new_id", lambda prefix: next(ids))
    first, _ = small_house.add(), small_house.add(at="+2h")
    assert refused(small_house.do, "hold", "daaaa", kind=UsageError).code == "ambiguous"
    assert refused(small_house.desk.whose, "daaaa", kind=UsageError).code == "ambiguous"
    assert small_house.do("hold", first)["done"][0]["id"] == "daaaa1"


@pytest.mark.parametrize(
    ("act", "code"),
    [
        (QueueAct("move", ids=("dxxxx",)), "no_time"),
        (QueueAct("edit", ids=("dxxxx",)), "no_change"),
        (QueueAct("resolve", ids=("dxxxx",)), "no_verdict"),
        (QueueAct("retract", ids=("dxxxx",)), "no_reason"),
        (QueueAct("retract", chosen=QueueFilter(tag="x"), reason="x"), "no_ids"),
        (QueueAct("move", ids=("dxxxx",), at="2020-01-01T10:00"), "past"),
    ],
)
def test_a_verb_that_lacks_something_is_refused(
    small_house: House, act: QueueAct, code: str
) -> None:
    assert refused(small_house.desk.queue_act, act, caller=LEA, kind=UsageError).code == code


@pytest.mark.parametrize("change", [{"text": "a" * 300}, {"text": " "}])
def test_an_edit_that_no_reader_or_network_would_take_is_refused(
    small_house: House, change: dict[str, Any]
) -> None:
    delivery = small_house.add()
    refused(small_house.do, "edit", delivery, kind=UsageError, **change)
    assert small_house.the(delivery).content.text == "Vive l'été !"


def test_an_act_that_is_repeated_with_its_key_happens_once(house: House) -> None:
    delivery = house.add()
    caller = replace(LEA, request_key="1")
    first = house.do("move", delivery, at="+90m", caller=caller)
    house.move(minutes=30)
    assert house.do("move", delivery, at="+90m", caller=caller) == first
    every = replace(LEA, request_key="2")
    done = house.do_all("hold", caller=every)
    assert house.do_all("hold", caller=every) == done


def test_an_edit_of_one_channel_leaves_the_others_as_they_were(house: House) -> None:
    first, second = house.added(channels=("insta", "x"))["ids"]
    house.do("edit", first, text="for one channel")
    texts = [house.the(one).content.text for one in (first, second)]
    assert texts == ["for one channel", "Vive l'été !"]


def test_an_edit_keeps_what_it_does_not_name(house: House) -> None:
    delivery = house.add(link="https://a.example", tags=("t",))
    house.do("edit", delivery, tags=("u",))
    content = house.the(delivery).content
    assert (content.text, content.link, content.tags) == (
        "Vive l'été !",
        "https://a.example",
        ("u",),
    )


# ---- times, outside of a pause --------------------------------------------------------------


def held(house: House, at: str, **post: Any) -> str:
    delivery = house.add(at=at, **post)
    house.do("hold", delivery)
    return delivery


def test_a_release_of_a_future_post_keeps_its_time(house: House) -> None:
    delivery = held(house, "+2h")
    house.move(hours=1)
    house.do("release", delivery)
    assert house.the(delivery).due_at == NOW + timedelta(hours=2)


def test_a_release_of_past_posts_takes_one_slot_after_the_other(house: House) -> None:
    """Soonest due first, each the channel's own gap behind the one before it."""
    third, first, second = (held(house, f"+{n}m") for n in (30, 10, 20))
    house.add(at="+67m")
    house.move(minutes=60)
    house.do("release", third, second, first)
    due = [house.due_in(one) for one in (first, second, third)]
    assert due == [timedelta(0), timedelta(minutes=12), timedelta(minutes=17)]


def test_a_release_waits_for_the_gap_behind_what_was_just_sent(house: House) -> None:
    past = held(house, "+1m")
    house.add(at="+10m")
    house.move(minutes=10)
    house.turn()
    house.move(minutes=2)
    house.do("release", past)
    assert house.due_in(past) == timedelta(minutes=3)


def test_a_release_may_say_when(house: House) -> None:
    delivery = held(house, "+1m")
    house.move(minutes=60)
    house.do("release", delivery, at="+30m")
    assert house.due_in(delivery) == timedelta(minutes=30)


@pytest.mark.parametrize("verb", ["release", "move", "edit"])
def test_a_time_in_anothers_gap_is_refused(small_house: House, verb: str) -> None:
    delivery = held(small_house, "+2h")
    small_house.add(at="+3h")
    how = {"at": "+182m"} | ({"text": "new"} if verb == "edit" else {})
    assert refused(small_house.do, verb, delivery, kind=RefusedError, **how).code == "crowded"
    assert small_house.the(delivery).content.text == "Vive l'été !"


def test_a_release_into_its_own_time_that_somebody_took_is_refused(house: House) -> None:
    delivery = held(house, "+2h")
    house.add(at="+2h")
    assert refused(house.do, "release", delivery, kind=RefusedError).code == "crowded"


def test_a_post_does_not_crowd_itself(house: House) -> None:
    delivery = house.add(at="+2h")
    house.do("move", delivery, at="+122m")
    assert house.due_in(delivery) == timedelta(minutes=122)


def test_an_edit_of_a_held_post_lets_it_go_at_its_time_or_in_the_next_slot(house: House) -> None:
    future, past = held(house, "+2h"), held(house, "+1m")
    house.move(minutes=60)
    house.do("edit", future, past, text="new")
    assert house.the(future).due_at == NOW + timedelta(hours=2)
    assert house.due_in(past) == timedelta(0)


def test_a_release_lifts_every_hold_that_was_shown(house: House) -> None:
    house.tell(a_story())
    delivery = house.add(text="The lake of Annecy", at="+1m")
    house.do("hold", delivery)
    assert house.holds(delivery) == ["clash", "human"]
    house.do("release", delivery)
    assert (house.holds(delivery), house.state(delivery)) == ([], "scheduled")


def test_a_channel_that_is_gone_is_named(small_house: House) -> None:
    delivery = held(small_house, "+2h")
    small_house.limits = {k: v for k, v in small_house.limits.items() if k != "insta"}
    small_house.set()
    error = refused(small_house.do, "move", delivery, at="+3h", kind=RefusedError)
    assert error.code == "unknown_channel"
    small_house.do("skip", delivery)


# ---- cancel, resolve ------------------------------------------------------------------------


def test_a_cancel_of_what_is_claimed_takes_the_claim_away(house: House) -> None:
    delivery = house.add(at="now")
    fence = house.claim(delivery)
    house.do("cancel", delivery)
    assert house.gate.send(delivery, fence=fence) is Passage.NOT_NOW
    assert (house.state(delivery), house.published()) == ("cancelled", [])


def test_a_cancel_after_a_try_that_sent_nothing_is_possible(house: House) -> None:
    house.networks["insta"].answer = Outcome(Ending.UNSENT, "connection refused")
    delivery = house.add(at="now")
    assert house.send(delivery) is Passage.UNSENT
    house.claim(delivery)
    house.do("cancel", delivery)
    assert house.state(delivery) == "cancelled"


def uncertain(house: House) -> str:
    house.networks["insta"].answer = Outcome(Ending.UNCERTAIN, "time-out")
    delivery = house.add(at="now")
    house.send(delivery)
    house.networks["insta"].answer = Outcome(Ending.SENT, "HTTP 201", remote_id="r9")
    return delivery


def test_what_a_human_saw_on_the_network_is_sent(house: House) -> None:
    delivery = uncertain(house)
    house.move(minutes=10)
    house.do("resolve", delivery, sent=True)
    shown = house.desk.queue_show(delivery)
    assert (shown["state"], shown["sent_at"], shown["problem"]) == (
        "sent",
        "2026-03-02T09:00:00Z",
        None,
    )


def test_what_is_not_on_the_network_is_held_and_may_be_released(house: House) -> None:
    delivery = uncertain(house)
    house.do("resolve", delivery, sent=False)
    assert (house.state(delivery), house.holds(delivery)) == ("held", ["human"])
    house.move(minutes=10)
    house.do("release", delivery)
    house.turn()
    assert house.state(delivery) == "sent"
    assert house.tries(delivery) == ["unknown", "accepted"]


def test_the_history_tells_who_did_what(house: House) -> None:
    delivery = house.add()
    house.do("hold", delivery, reason="not sure", caller=KARIM)
    house.do("release", delivery)
    history = house.desk.queue_show(delivery)["history"]
    assert [(row["event"], row["actor"]) for row in history] == [
        ("delivery.added", "lea"),
        ("delivery.held", "karim"),
        ("delivery.scheduled", "lea"),
    ]
    assert history[1]["data"]["why"] == "not sure"
    assert house.desk.audit_verify()["ok"]


def test_a_decided_time_is_told_at_once_and_wherever_the_post_is_shown(house: House) -> None:
    one = house.add(at="+10m")
    house.pause()
    house.turn()
    (done,) = house.do("move", one, at="+3h")["done"]
    wanted = "2026-03-02T12:00:00Z"
    assert (done["decision"], done["decided_due"]) == ("move", wanted)
    assert house.desk.queue_show(one)["decided_due"] == wanted
    (done,) = house.do("release", one)["done"]
    assert (done["decision"], done["decided_due"]) == ("release", None)
    assert house.desk.queue_show(one)["decided_due"] is None
