"""The status as people read it: golden texts, one a state, in both languages."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from killswitch.cli.out import Ink, Times
from killswitch.cli.screen_status import status_text
from killswitch.cli.words import words_of
from tests.edge.fake_desk import a_cause, a_status

NOW = datetime(2026, 3, 2, 11, 30, tzinfo=UTC)
COUNTS = {
    "scheduled": 3,
    "held": 14,
    "sending": 0,
    "uncertain": 0,
    "awaiting_approval": 0,
    "sent_24h": 4,
}


AT_1150 = "2026-03-02T10:50:00Z"


def shown(doc, *, ink=False):
    times = Times(now=NOW, zone=ZoneInfo("Europe/Paris"))
    return status_text(doc, times=times, words=words_of(doc["language"]), ink=Ink(on=ink))


def test_a_channel_that_waits_is_told_in_the_place_of_its_posts():
    due = {"channel": "Insta", "due": "2026-03-02T11:20:00Z", "text": "x", "state": "scheduled"}
    wait = {"waits_until": "2026-03-02T11:36:00Z", "waits_why": "401: sign in again"}
    doc = a_status(next_due=[{"id": f"d{n}", **due, **wait} for n in range(2)])
    (line,) = [line for line in shown(doc).splitlines() if "Insta" in line]
    assert line.endswith("WAITING → 12:36 · Insta: 401: sign in again")


def test_a_refused_configuration_is_told_with_since_when():
    refused = {"since": AT_1150, "why": "/etc/k.toml: 2 problems\n  line 3, mode: no"}
    (line,) = [x for x in shown(a_status(config_refused=refused)).splitlines() if "Config" in x]
    assert "NOT LOADED since 11:50, the old one is at work: /etc/k.toml: 2 problems line 3" in line
    assert "Config" not in shown(a_status(config_refused=None))


@pytest.mark.parametrize(("count", "words"), [(1, "1 post"), (2, "2 posts")])
def test_a_pause_by_hand_tells_of_no_headline(count, words):
    post = {"id": "d0", "channel": "X", "text": "Sale", "at": AT_1150, "author": "lea"}
    incident = {"id": "i1", "title": "by me", "outlets": 0}
    incident |= {"first_headline_at": None, "first_outlet": None}
    doc = paused(went_out=[post] * count, incident=incident, causes=[a_cause(kind="manual")])
    text = shown(doc)
    assert f"Went out   {words} shortly before: " in text
    assert "headline" not in text.replace("headlines/h", "")


def test_what_went_out_is_told_by_its_request_not_by_when_that_was_written_down():
    post = {"id": "d0", "channel": "X", "text": "Sale", "at": "2026-03-02T11:31:00Z"}
    (line,) = [
        line
        for line in shown(paused(went_out=[{**post, "request_at": AT_1150}])).splitlines()
        if line.startswith("Went out")
    ]
    assert '11:50 X "Sale" (recorded 12:31)' in line
    text = shown(paused(went_out=[{**post, "request_at": post["at"]}]))
    assert "recorded" not in text


def paused(**changes):
    doc = {
        "state": "paused",
        "sealed": True,
        "sealed_at": "2026-03-02T10:52:07Z",
        "since": "2026-03-02T10:52:00Z",
        "causes": [a_cause(since="2026-03-02T10:52:00Z")],
        "queue": COUNTS,
        "fever": {"per_hour": 63, "trend": "rising"},
        "undecided": 14,
        "went_out": [
            {
                "id": "d0",
                "channel": "X",
                "text": "Summer sale",
                "at": "2026-03-02T10:50:00Z",
                "author": "Léa",
            }
        ],
        "clashes": {"count": 2, "words": ["razor-sharp", "lake of Annecy"]},
        "incident": {
            "id": "i1",
            "title": "Knife attack in Annecy",
            "outlets": 7,
            "first_headline_at": "2026-03-02T10:47:00Z",
            "first_outlet": "Le Lac",
        },
        "next_due": [
            {"id": "d1", "channel": "Insta", "due": "2026-03-02T12:00:00Z", "text": "Vive l'été !"},
            {
                "id": "d2",
                "channel": "LinkedIn",
                "due": "2026-03-02T12:30:00Z",
                "text": "We are hiring",
                "state": "held",
            },
        ],
        "who": {"acked_by": "Léa", "acked_at": "2026-03-02T10:55:00Z", "next": "Karim"},
        "by_hand": [
            {"name": "Meta Ads", "state": "not_confirmed"},
            {"name": "newsletter", "state": "stopped", "at": "2026-03-02T10:53:00Z"},
        ],
        "last_round_age_s": 40,
    }
    return a_status(**{**doc, **changes})


PAUSED_EN = """\
PAUSED for 38 min: nothing leaves since 11:52:07 CET
Why        Knife attack in Annecy: 7 outlets, first headline 11:47 (Le Lac)
Fever      63 headlines/h, rising
Went out   1 post since the first headline: 11:50 X "Summer sale" (Léa): have a look
Held       14, of these 2 clash: "razor-sharp", "lake of Annecy"
Next       13:00 Insta "Vive l'été !" · 13:30 LinkedIn "We are hiring" (held)
Who        Léa took it at 11:55; after them: Karim
By hand    Meta Ads NOT CONFIRMED · newsletter stopped 11:53
Watching   31 of 34 feeds alive, last round 40 s ago
Times      Europe/Paris (CET)
Next step  killswitch triage   (resume after 14 decisions)"""

PAUSED_FR = """\
EN PAUSE depuis 38 min : plus rien ne part depuis 11:52:07 CET
Pourquoi   Knife attack in Annecy : 7 médias, premier titre 11:47 (Le Lac)
Fièvre     63 titres/h, en hausse
Partis     1 post depuis le premier titre : 11:50 X "Summer sale" (Léa) : à regarder
Retenus    14, dont 2 choquants : "razor-sharp", "lake of Annecy"
Prochains  13:00 Insta "Vive l'été !" · 13:30 LinkedIn "We are hiring" (retenu)
Qui        Léa s’en occupe depuis 11:55 ; ensuite : Karim
À la main  Meta Ads NON CONFIRMÉ · newsletter arrêté 11:53
Veille     31 flux vivants sur 34, dernier tour il y a 40 s
Heures     Europe/Paris (CET)
À faire    killswitch triage   (reprise après 14 décisions)"""  # noqa: RUF001 - the apostrophe of French print

RUNNING_EN = """\
RUNNING: posts leave when they are due
Next      13:00 Insta "Vive l'été !" · 13:30 LinkedIn "We are hiring" (held)
Sent      4 in the last 24 h, 3 scheduled
Watching  31 of 34 feeds alive, last round 40 s ago
Times     Europe/Paris (CET)
Stop everything: killswitch pause "reason\""""


@pytest.mark.parametrize(
    ("language", "golden"), [("en", PAUSED_EN), ("fr", PAUSED_FR)], ids=["en", "fr"]
)
def test_a_pause_reads_like_the_design(language, golden):
    assert shown(paused(language=language)) == golden


def test_running_has_the_same_shape_and_ends_with_the_button():
    doc = paused(state="running", sealed=False, causes=[], queue={**COUNTS, "held": 0})
    plain = dict.fromkeys(("fever", "incident", "who", "went_out", "clashes"))
    assert shown({**doc, **plain}) == RUNNING_EN


def test_a_pause_that_is_not_sealed_says_what_may_still_go_out_first():
    text = shown(paused(sealed=False, sealed_at=None, queue={**COUNTS, "sending": 1}))
    assert text.splitlines()[0] == (
        "PAUSED for 38 min: nothing new leaves, not sealed yet, 1 on the wire may still go out"
    )
    assert "nothing leaves since" not in text


def test_an_uncertain_post_stands_right_below_the_headline():
    text = shown(paused(uncertain=[{"id": "d9", "channel": "X", "text": "Razor-sharp prices"}]))
    assert text.splitlines()[1] == 'Check this  may have gone out: X "Razor-sharp prices"'


@pytest.mark.parametrize(
    ("state", "headline"),
    [
        ("starting", "STARTING: nothing leaves until the news has been read"),
        ("inhibited", "WAITING: nothing leaves for now (lifts by itself)"),
    ],
)
def test_short_waits_say_why_and_still_show_the_button(state, headline):
    inhibit = {"kind": "sight", "reason": "4 of 31 feeds answer", "since": "2026-03-02T11:00:00Z"}
    lines = shown(a_status(state=state, inhibits=[inhibit])).splitlines()
    assert lines[0] == headline
    assert "4 of 31 feeds answer" in lines[1]
    assert lines[-1].startswith("Stop everything: killswitch pause")


def test_what_one_outlet_says_has_one_line_and_no_second_one():
    inhibit = {"kind": "unconfirmed", "reason": "one outlet reports: X", "since": NOW.isoformat()}
    story = {"title": "Star found dead", "outlet": "Le Lac", "since": "2026-03-02T11:20:00Z"}
    text = shown(a_status(state="inhibited", inhibits=[inhibit], one_outlet=[story]))
    assert "Why       Star found dead (Le Lac, 12:20): nobody else says so yet" in text
    assert ("One outlet" in text, "one outlet reports" in text) == (False, False)
    running = shown(a_status(state="starting", inhibits=[inhibit], one_outlet=[story]))
    assert "One outlet  Star found dead (Le Lac, 12:20): nobody else says so yet" in running


@pytest.mark.parametrize(
    ("mode", "word"), [("rehearsal", "rehearsal"), ("guard", "without a queue of its own")]
)
def test_other_modes_are_said_in_the_headline(mode, word):
    assert word in shown(a_status(mode=mode)).splitlines()[0]


def test_rehearsal_tells_what_it_would_have_done():
    one = {"at": "2026-03-02T10:00:00Z", "title": "Flood", "outlets": 3}
    text = shown(a_status(mode="rehearsal", rehearsal=[one]))
    assert "would have paused 11:00: Flood (3 outlets)" in text


def test_a_pause_by_hand_names_who_and_when():
    cause = a_cause(kind="manual", reason="calm down", by="lea", evidence=[])
    text = shown(paused(causes=[cause], incident=None, fever=None))
    assert "Why        calm down (by lea, 10:00)" in text


def test_many_causes_are_counted_and_not_all_shown():
    causes = [a_cause(id=f"c{number}", reason=f"cause {number}") for number in range(7)]
    text = shown(paused(causes=causes, incident=None))
    assert "and 3 more" in text
    assert "one outlet, first headline 10:00 (Le Lac)" in text


def test_failing_notices_and_relays_are_shown():
    doc = paused(
        notices={"failing": [{"address": "ntfy://…", "problem": "refused"}]},
        relays=[
            {
                "name": "ads",
                "event": "pause",
                "reached": False,
                "at": None,
                "problem": "time-out",
            },
            {
                "name": "mail",
                "event": "pause",
                "reached": True,
                "at": "2026-03-02T10:53:00Z",
                "problem": None,
            },
        ],
    )
    text = shown(doc)
    assert "not delivered: ntfy://… (refused)" in text
    assert "ads NOT REACHED: time-out · mail reached 11:53" in text


def test_nobody_who_answered_is_told_with_the_command():
    assert "Who        nobody yet: killswitch ack" in shown(paused(who=None))


def test_a_decided_pause_asks_for_the_resume():
    assert 'killswitch resume --reason "why"' in shown(paused(undecided=0)).splitlines()[-1]


def test_a_single_decision_is_singular():
    assert "(resume after 1 decision)" in shown(paused(undecided=1))


def test_other_days_show_their_date_and_long_pauses_their_days():
    doc = paused(since="2026-02-27T10:30:00Z", sealed_at="2026-02-27T10:30:05Z")
    assert shown(doc).splitlines()[0] == (
        "PAUSED for 3 d 1 h: nothing leaves since 2026-02-27 11:30:05 CET"
    )
    assert "3 j 1 h" in shown({**doc, "language": "fr"}).splitlines()[0]


def test_foreign_text_reaches_no_terminal_raw():
    evil = "a\x1b[31m\u202eb\r\nFAKE LINE"
    doc = paused(
        causes=[a_cause(reason=evil, kind="manual", by=evil)],
        went_out=[{"id": "d0", "channel": evil, "text": evil, "author": evil}],
        clashes={"count": 1, "words": [evil]},
        by_hand=[{"name": evil, "state": "not_confirmed"}],
        flags=[{"name": "x", "key": None, "note": evil}],
    )
    text = shown(doc)
    assert all(sign.isprintable() or sign == "\n" for sign in text)
    assert not any(line.startswith("FAKE") for line in text.splitlines())


def test_colours_appear_only_when_asked_for():
    assert "\x1b[" not in shown(paused())
    assert shown(paused(), ink=True).startswith("\x1b[1;31mPAUSED")


def test_an_unreachable_daemon_shows_its_flags_and_where_it_looked():
    doc = a_status(
        state="unreachable",
        sight=None,
        queue=None,
        version=None,
        flags=[{"name": "pause-1", "key": "1", "note": "attack"}],
    )
    text = shown(doc)
    assert text.splitlines()[0] == "NO ANSWER from the daemon"
    assert "Flags      pause-1 (attack)" in text
    assert "State in   /srv/killswitch" in text
    assert text.splitlines()[-1] == "Next step  start the daemon: killswitch run"
    text = shown({**doc, "start": "systemctl start killswitch"})
    assert text.splitlines()[-1] == "Next step  start the daemon: systemctl start killswitch"


def test_a_directory_among_the_flags_says_where_it_is_and_how_it_goes_away():
    flag = {"name": "old", "key": None, "note": "", "is_dir": True}
    text = shown(a_status(state="paused", flags=[flag], state_dir="/srv/ks"))
    assert "old is a directory: look into it, rm -r /srv/ks/pause.d/old, then resume" in text


def test_a_channel_that_is_gone_is_told_with_what_to_do():
    (line,) = [x for x in shown(a_status(orphaned={"my insta": 1})).splitlines() if "Channels" in x]
    assert "my insta is not configured any more, 1 post of it can't leave" in line
    assert "killswitch queue cancel --channel 'my insta'" in line
    assert "3 posts of it" in shown(a_status(orphaned={"x": 3}))


@pytest.mark.parametrize("count", [0, 1, 2])
def test_posts_that_failed_are_told_until_somebody_has_looked(count):
    text = shown(a_status(queue={**COUNTS, "failed": count}))
    lines = [line for line in text.splitlines() if line.startswith("Failed")]
    told = {0: [], 1: ["1 post that"], 2: ["2 posts that"]}[count]
    assert [" ".join(line.split()[1:4]) for line in lines] == told
    assert all("killswitch queue --state failed" in line for line in lines)


def test_a_pause_of_this_second_has_no_length():
    doc = paused(since="2026-03-02T11:30:00Z")
    assert shown(doc).startswith("PAUSED just now: nothing leaves since ")
    assert shown(paused(since="2026-03-02T11:29:59Z")).startswith("PAUSED for 1 s: ")


@pytest.mark.parametrize(("count", "told"), [(1, "1 waits for"), (2, "2 wait for")])
def test_posts_that_wait_for_their_approver_are_counted(count, told):
    assert f", {told} approval" in shown(a_status(queue={**COUNTS, "awaiting_approval": count}))
