"""Every other command against a daemon's socket: what it asks for, what it prints."""

from __future__ import annotations

import csv
import io
import json
import os
import re
import sqlite3
import sys
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from killswitch import lockfile, media
from killswitch.cli import queue_verbs
from killswitch.cli.main import main
from killswitch.control.client import Client, part
from killswitch.errors import RefusedError, UsageError
from killswitch.flags import FlagDir
from killswitch.store.engine import Store
from killswitch.store.migrate import upgrade
from tests.edge.fake_desk import FakeDesk, a_cause, a_delivery, a_home, a_status, serving

PNG = b"\x89PNG\r\n\x1a\nrest"


@pytest.fixture
def home():
    with a_home() as made:
        yield made


@pytest.fixture
def desk(home):
    return FakeDesk(a_status(state_dir=str(home)))


@pytest.fixture
def ks(desk, home, capsys, monkeypatch):
    """Run a command in this process: ``code, out, err``."""
    monkeypatch.setenv("SUDO_USER", "lea")
    monkeypatch.chdir(home)
    monkeypatch.setattr("killswitch.cli.paths.SYSTEM_CONFIG", Path("/nowhere"))

    def run(*words):
        code = main(["--state-dir", str(home), *words])
        told = capsys.readouterr()
        return code, told.out, told.err

    with serving(desk, home):
        yield run


def a_store(home):
    made = Store(f"sqlite:///{home / 'killswitch.db'}")
    upgrade(made)
    made.close()


# ---- queue ------------------------------------------------------------------------------------


def test_the_queue_is_listed_page_by_page(ks, desk):
    desk.deliveries = [a_delivery(id=f"d{number}") for number in range(1200)]
    code, out, _ = ks("queue", "--json")
    assert code == 0
    assert [row["id"] for row in json.loads(out)] == [f"d{number}" for number in range(1200)]


@pytest.mark.parametrize(
    "name", ["lea\nkarim", "lea\x1b[2J", "a" * 81, "killswitch", "Machine", " KILLSWITCH "]
)
def test_a_name_that_is_none_or_the_machines_is_refused(ks, desk, name):
    code, _, err = ks("ack", "--as", name)
    assert code == 2
    assert "--as" in err
    assert desk.calls == []


def test_a_pause_is_never_refused_for_a_name(ks, desk):
    code, _, _ = ks("pause", "x", "--as", "killswitch")
    assert code == 0
    assert desk.asked("pause")[0]["caller"].said_name is None


def test_the_list_for_people_is_short_and_says_so(ks, desk):
    desk.deliveries = [a_delivery(id=f"d{number}") for number in range(300)]
    _, out, _ = ks("queue")
    assert "only the first 200" in out
    assert "d199" in out
    assert "d200" not in out


def test_the_list_shows_reason_decision_and_clash(ks, desk):
    desk.deliveries = [a_delivery(clash=["lake"], decision="skip")]
    _, out, _ = ks("queue", "list")
    assert 'held (pause) -> skip CLASH "lake"' in out


def test_filters_travel(ks, desk):
    ks("queue", "--state", "held", "--state", "uncertain", "--tag", "promo", "--clash", "--week")
    chosen = desk.asked("queue_list")[0]["chosen"]
    assert chosen.states == ("held", "uncertain")
    assert (chosen.tag, chosen.clash) == ("promo", True)
    assert chosen.until is not None


def test_a_post_is_added_with_all_it_has(ks, desk, home):
    (home / "sea.PNG").write_bytes(PNG)
    code, out, _ = ks(
        "queue", "add", "Vive l'été !", "--at", "+2h", "--channel", "web", "--channel", "insta",
        "--tag", "summer", "--media", "sea.PNG", "--alt", "the sea", "--link", "https://x.example",
        "--expires", "+3d", "--key", "k1",
    )  # fmt: skip
    assert code == 0
    assert "d0 d1" in out
    post = desk.asked("queue_add")[0]["post"]
    assert (post.text, post.at, post.channels) == ("Vive l'été !", "+2h", ("web", "insta"))
    assert (post.tags, post.link, post.expires, post.key) == (
        ("summer",), "https://x.example", "+3d", "k1"
    )  # fmt: skip
    (media,) = post.media
    assert media.alt == "the sea"
    assert (home / "media" / media.path).read_bytes() == PNG


def test_a_picture_that_lies_in_the_media_folder_is_only_named(ks, desk, home):
    (home / "media" / "june").mkdir(parents=True)
    (home / "media" / "june" / "a.png").write_bytes(PNG)
    ks("queue", "add", "x", "--at", "now", "--channel", "web", "--media", "media/june/a.png")
    assert desk.asked("queue_add")[0]["post"].media[0].path == "june/a.png"


@pytest.mark.parametrize("name", ["lnk.png", "sub/inner.png"])
def test_a_queue_file_names_no_picture_outside_of_its_folder(ks, desk, home, tmp_path, name):
    (tmp_path / "inner.png").write_bytes(PNG)
    (home / "june").mkdir()
    (home / "june" / "lnk.png").symlink_to(tmp_path / "inner.png")
    (home / "june" / "sub").symlink_to(tmp_path)
    (home / "june" / "q.csv").write_text(f"due,channel,text,media\n+2h,web,x,{name}\n")
    code, _, err = ks("queue", "import", "june/q.csv")
    assert (code, desk.asked("import_rows")) == (2, [])
    assert "outside" in err
    assert not (home / "media").exists()


def test_what_is_no_picture_film_or_pdf_is_not_attached(ks, desk, home, monkeypatch):
    (home / "words.png").write_text("root:x:0:0:root:/root:/bin/bash")
    add = ("queue", "add", "x", "--at", "now", "--channel", "web", "--media")
    code, _, err = ks(*add, "words.png")
    assert (code, desk.asked("queue_add")) == (2, [])
    assert "by its content" in err
    (home / "large.png").write_bytes(PNG)
    monkeypatch.setattr(media, "MAX_BYTES", len(PNG) - 1)
    assert ks(*add, "large.png")[0] == 2


@pytest.mark.parametrize("words", [["--media", "missing.png"], ["--alt", "words for nothing"]])
def test_a_post_with_wrong_media_is_refused(ks, desk, words):
    code, _, err = ks("queue", "add", "x", "--at", "now", "--channel", "web", *words)
    assert code == 2
    assert err.startswith("killswitch: ")
    assert desk.asked("queue_add") == []


def test_a_refusal_of_the_daemon_keeps_its_exit_code(ks):
    code, out, _ = ks("queue", "add", "x", "--at", "now", "--channel", "nowhere", "--json")
    assert code == 2
    assert json.loads(out)["error"]["code"] == "unknown_channel"


@pytest.mark.parametrize(
    ("words", "verb"),
    [
        (["move", "d1", "d2", "--at", "+2h"], "move"),
        (["edit", "d1", "--text", "new", "--new-tag", "a"], "edit"),
        (["cancel", "d1"], "cancel"),
        (["hold", "d1"], "hold"),
        (["release", "d1", "--reason", "fine"], "release"),
        (["skip", "--tag", "promo"], "skip"),
        (["keep", "--clash"], "keep"),
        (["confirm", "d1"], "confirm"),
        (["resolve", "d1", "--sent"], "resolve"),
        (["resolve", "d1", "--not-sent"], "resolve"),
    ],
)
def test_every_verb_says_what_it_means(ks, desk, words, verb):
    code, _, _ = ks("queue", *words)
    assert code == 0
    act = desk.asked("queue_act")[0]["act"]
    assert act.verb == verb
    assert bool(act.ids) != (act.chosen is not None)
    assert act.sent == ({"--sent": True, "--not-sent": False}.get(words[-1]))


@pytest.mark.parametrize("command", ["approve", "reject"])
def test_the_second_person_has_commands_of_their_own(ks, desk, command):
    assert ks(command, "d1")[0] == 0
    assert desk.asked("queue_act")[0]["act"].verb == command


@pytest.mark.parametrize("words", [["skip"], ["skip", "d1", "--tag", "x"], ["resolve", "d1"]])
def test_a_verb_needs_either_ids_or_a_filter(ks, desk, words):
    assert ks("queue", *words)[0] == 2
    assert desk.asked("queue_act") == []


def test_a_verb_on_a_long_list_goes_portion_by_portion_and_tells_how_far(ks, desk, monkeypatch):
    monkeypatch.setattr(queue_verbs, "PORTION", 2)
    desk.deliveries = [a_delivery(id=f"d{n}") for n in range(5)]
    code, out, err = ks("queue", "cancel", "--tag", "bulk", "--json")
    acts = [asked["act"] for asked in desk.asked("queue_act")]
    assert [act.chosen.ids for act in acts] == [("d0", "d1"), ("d2", "d3"), ("d4",)]
    assert {act.chosen.tag for act in acts} == {"bulk"}
    assert (code, [row["id"] for row in json.loads(out)["done"]]) == (
        0,
        [f"d{n}" for n in range(5)],
    )
    assert "cancel: 4 of 5 posts" in err


def test_many_named_posts_go_portion_by_portion(ks, desk, monkeypatch):
    monkeypatch.setattr(queue_verbs, "PORTION", 4)
    code, _, err = ks("queue", "cancel", *[f"d{n}" for n in range(5)], "d0")
    acts = [asked["act"] for asked in desk.asked("queue_act")]
    # Portions of one size: the daemon takes a very short list as all or nothing.
    assert [act.ids for act in acts] == [("d0", "d1", "d2"), ("d3", "d4")]
    assert code == 0
    assert "cancel: 5 of 5 posts" in err


def test_a_list_that_breaks_off_tells_what_was_done_and_what_is_not_known(ks, desk, monkeypatch):
    monkeypatch.setattr(queue_verbs, "PORTION", 2)
    act = desk.queue_act

    def once(act_, *, caller):
        if desk.asked("queue_act"):
            raise UsageError("broken", "the second portion failed", "try again")
        return act(act_, caller=caller)

    desk.queue_act = once
    code, out, err = ks("queue", "cancel", *[f"d{n}" for n in range(6)], "--json")
    doc = json.loads(out)
    assert code == 2
    assert [row["id"] for row in doc["done"]] == ["d0", "d1"]
    codes = {row["id"]: row["code"] for row in doc["refused"]}
    assert codes == {"d2": "broken", "d3": "broken", "d4": "not_tried", "d5": "not_tried"}
    assert "2 done, 4 not" in err


def test_what_was_refused_is_told_and_is_exit_five(ks, desk):
    refused = {"id": "d1", "code": "gap", "message": "too near", "hint": "later"}
    desk.queue_act = lambda act, caller: {"done": [], "refused": [refused]}
    code, _, err = ks("queue", "release", "d1")
    assert code == 5
    assert "d1: too near (later)" in err


def test_a_post_is_shown_with_its_history(ks, desk):
    desk.deliveries = [a_delivery(clash=["lake"])]
    code, out, _ = ks("queue", "show", "d1")
    assert code == 0
    assert "Held by  pause c1" in out
    assert ks("queue", "show", "../x?y=1")[0] == 5
    assert desk.asked("queue_show")[-1]["ref"] != ""


# ---- taking down ------------------------------------------------------------------------------

A_WISH = {
    "asked_at": "2026-03-02T09:00:00Z",
    "by": "lea",
    "reason": "wrong price",
    "tries": 1,
    "outcome": "gone",
    "detail": "HTTP 204",
    "next_at": None,
    "ended_at": "2026-03-02T09:00:01Z",
}
WHY = ("--reason", "wrong price")


def out_there(**changes):
    """A post that left, as the desk shows it."""
    row = {"state": "sent", "reason": None, "holds": [], "sent_at": "2026-03-02T08:00:00Z"}
    return a_delivery(**row | {"remote_id": "r7"} | changes)


def after(desk, *rows):
    """Let the desk show these, one a request, when it was asked to take the post down."""
    left = list(rows)

    def act(wanted, *, caller):
        desk.note("queue_act", act=wanted, caller=caller)
        desk.queue_show = lambda ref: {
            "history": [],
            "attempts": [],
            "looks": [],
            "retractions": [],
            **(left.pop(0) if len(left) > 1 else left[0]),
        }
        due = "2026-03-02T12:00:00Z"
        done = [
            {"id": one, "state": "retracting", "due": due, "decision": None} for one in wanted.ids
        ]
        return {"done": done, "refused": []}

    desk.deliveries = [out_there()]
    desk.queue_act = act


@pytest.fixture
def terminal(monkeypatch):
    """Be somebody at a terminal who types these answers."""

    def typing(*answers):
        left = list(answers)
        monkeypatch.setattr("killswitch.cli.queue_retract.on_terminal", lambda: True)
        monkeypatch.setattr("killswitch.cli.queue_retract.ask", lambda question: left.pop(0))

    return typing


def test_a_post_is_shown_before_it_is_taken_down(ks, desk, terminal):
    wish = A_WISH | {"outcome": "open", "next_at": "2026-03-02T09:00:00Z", "detail": None}
    down = out_there(state="retracted", retraction=A_WISH)
    after(desk, out_there(state="retracting", retraction=wish), down)
    terminal("retract")
    code, out, _ = ks("queue", "retract", "d1", *WHY)
    assert code == 0
    assert "d1 on web, sent: left 2026-03-02 09:00:00 CET" in out
    assert "Vive l'été !" in out
    assert "id there: r7" in out
    assert "TAKEN DOWN d1 from web" in out
    act = desk.asked("queue_act")[0]["act"]
    assert (act.verb, act.ids, act.reason) == ("retract", ("d1",), "wrong price")


@pytest.mark.parametrize("answer", ["", "y", "yes"])
def test_anything_but_the_word_leaves_it_where_it_is(ks, desk, terminal, answer):
    after(desk, out_there())
    terminal(answer)
    code, out, _ = ks("queue", "retract", "d1", *WHY)
    assert (code, desk.asked("queue_act")) == (1, [])
    assert "nothing was done" in out


@pytest.mark.parametrize(
    "words",
    [
        ["d1", *WHY],
        ["d1", *WHY, "--json"],
        ["d1", "--yes"],
        ["d1", "--yes", "--reason", " "],
        ["--yes", *WHY],
        ["--tag", "promo", "--yes", *WHY],
    ],
)
def test_nothing_is_taken_down_without_a_name_a_reason_and_consent(ks, desk, words):
    after(desk, out_there())
    assert ks("queue", "retract", *words)[0] == 2
    assert desk.asked("queue_act") == []


@pytest.mark.parametrize(
    ("row", "code", "said"),
    [
        (out_there(state="retracted", retraction=A_WISH), 0, "TAKEN DOWN d1 from web"),
        (
            out_there(
                problem="it could not be taken down: HTTP 403",
                retraction=A_WISH | {"outcome": "refused"},
            ),
            1,
            "NOT TAKEN DOWN d1: it could not be taken down: HTTP 403",
        ),
        (
            out_there(
                state="retracting",
                retraction=A_WISH
                | {"outcome": "open", "next_at": "2099-01-01T00:00:00Z", "detail": "HTTP 503"},
            ),
            1,
            "NOT TAKEN DOWN YET d1: web: HTTP 503; it is asked again by itself",
        ),
    ],
)
def test_what_came_of_it_is_told_in_words_and_in_json(ks, desk, row, code, said):
    after(desk, row)
    assert said in ks("queue", "retract", "d1", "--yes", *WHY)[1]
    after(desk, row)
    found, out, _ = ks("queue", "retract", "d1", "--yes", *WHY, "--json")
    assert found == code
    (done,) = json.loads(out)["done"]
    assert (done["state"], done["retraction"]) == (row["state"], row["retraction"])


def test_a_channel_that_can_not_is_exit_five(ks, desk):
    desk.deliveries = [out_there()]
    desk.refusal = RefusedError(
        "cannot_delete", "web has no delete_url; nothing was done", "by hand"
    )
    desk.queue_show = lambda ref: {**out_there(), "retraction": None}
    code, _, err = ks("queue", "retract", "d1", "--yes", *WHY)
    assert code == 5
    assert "web has no delete_url" in err


def looked(**changes):
    doc = {"times": 3, "found": "absent", "not_found": True, "at": None, "next_at": None}
    return doc | {"words": "looked 3 times, not found"} | changes


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        ("2026-03-02T08:30:00Z", " (known since 2026-03-02 09:30:00 CET)"),
        ("2026-03-02T07:00:00.4Z", ""),
        (None, " (no answer said so)"),
    ],
)
def test_a_post_left_when_its_request_went_out(ks, desk, answer, told):
    row = out_there(request_at="2026-03-02T07:00:00Z", answer_at=answer)
    desk.deliveries = [row | {"looks": [], "retractions": []}]
    desk.whose = lambda query: {
        "found": True, "delivery": row, "author": "lea", "approved_by": None,
        "sent_at": row["sent_at"], "request_at": row["request_at"], "answer_at": answer,
    }  # fmt: skip
    incident = desk.incident("i1") | {"posts": [row]}
    desk.incident = lambda ref: incident
    left = f"2026-03-02 08:00:00 CET{told}"
    assert re.search(rf"Sent +{re.escape(left)}\n", ks("queue", "show", "d1")[1])
    assert f"OURS: d1 on web, left {left}\n" in ks("whose", "d1")[1]
    assert f"left {left}\n" in ks("incidents", "show", "i1")[1]


def test_what_was_looked_for_and_taken_down_is_shown_everywhere(ks, desk):
    look = {"attempt": 1, "at": "2026-03-02T09:00:00Z", "found": "absent", "detail": "HTTP 404"}
    row = out_there(state="uncertain", looked=looked(), retraction=A_WISH)
    desk.deliveries = [row | {"looks": [look], "retractions": [A_WISH]}]
    _, out, _ = ks("queue", "show", "d1")
    assert "Looked     looked 3 times, not found" in out
    assert "Look       after try 1  2026-03-02 10:00:00 CET  not there  HTTP 404" in out
    assert "Retract    taken down, 2026-03-02 10:00:01 CET (HTTP 204); asked for by lea" in out
    assert "uncertain (looked 3 times, not found)" in ks("queue", "--state", "uncertain")[1]
    desk.whose = lambda query: {
        "found": True, "delivery": row, "author": "lea", "approved_by": None, "sent_at": None,
    }  # fmt: skip
    _, out, _ = ks("whose", "d1")
    assert "Looked   looked 3 times, not found" in out
    assert "wrong price" in out
    incident = desk.incident("i1") | {"posts": [row]}
    desk.incident = lambda ref: incident
    for words in (["show", "i1"], ["report", "i1", "--format", "html"]):
        _, out, _ = ks("incidents", *words)
        assert "looked 3 times, not found; taken down" in out
    note = {"id": "d1", "channel": "web", "text": "x", "note": "looked 3 times, not found"}
    desk.doc["uncertain"] = [note]
    assert "(looked 3 times, not found)" in ks("status")[1]


# ---- files ------------------------------------------------------------------------------------


def a_csv(home, *lines, name="june.csv"):
    path = home / name
    path.write_text("\n".join(["due,channel,text,media,key", *lines]) + "\n", encoding="utf-8")
    return str(path)


def test_a_file_is_imported_in_chunks(ks, desk, home):
    lines = [f"2026-07-01T12:00,web,post {number},,k{number}" for number in range(1201)]
    code, out, _ = ks("queue", "import", a_csv(home, *lines))
    assert code == 0
    assert out.startswith("1201 added")
    assert [len(said["rows"]) for said in desk.asked("import_rows")] == [*[200] * 6, 1]
    assert [row.line for row in desk.asked("import_rows")[1]["rows"]][:2] == [202, 203]
    assert desk.asked("import_commit") == [{"batch": "b1", "dry_run": False}]


def test_long_texts_make_shorter_chunks(ks, desk, home):
    lines = [f"now,web,{'x' * 5000},,k{number}" for number in range(300)]
    assert ks("queue", "import", a_csv(home, *lines))[0] == 0
    assert len(desk.asked("import_rows")) > 1


def test_a_dry_run_commits_nothing(ks, desk, home):
    code, out, _ = ks("queue", "import", a_csv(home, "now,web,x,,"), "--dry-run", "--json")
    assert code == 0
    assert json.loads(out) == {"added": 1, "same": 0, "dry_run": True}
    assert desk.asked("import_commit")[0]["dry_run"] is True


def test_every_bad_line_is_listed_and_nothing_is_in(ks, desk, home):
    path = a_csv(
        home,
        "now,web,fine,,",
        "now,,no channel,,",
        "now,nowhere,unknown,,",
        "now,web,=1+1,,",
        "now,web,x,../../etc/passwd,",
        "now,web,x,missing.png,",
    )
    code, _, err = ks("queue", "import", path)
    assert code == 2
    lines = [line for line in err.splitlines() if line.startswith(f"{path}:")]
    assert [line.removeprefix(f"{path}:").split(":")[0] for line in lines] == list("34567")
    assert "5 bad lines; nothing was imported" in err
    assert desk.asked("import_commit") == []
    assert desk.asked("import_drop") == [{"batch": "b1"}]


def test_bad_lines_with_json_are_one_document(ks, home):
    code, out, _ = ks("queue", "import", a_csv(home, "now,nowhere,x,,"), "--json")
    assert code == 2
    assert json.loads(out)["error"]["bad"] == [
        {"line": 2, "message": "there is no channel nowhere"}
    ]


@pytest.mark.parametrize(
    "data", [b"", b"\xff\xfed\x00", b"PK\x03\x04", b"due,channel,text\n", "é".encode("latin-1")]
)
def test_a_file_that_is_none_is_refused_before_anything_is_asked(ks, desk, home, data):
    (home / "x.csv").write_bytes(data)
    assert ks("queue", "import", str(home / "x.csv"))[0] == 2
    assert desk.asked("import_open") == []


def test_a_missing_file_is_refused(ks):
    code, _, err = ks("queue", "import", "missing.csv")
    assert code == 2
    assert "missing.csv" in err


def test_an_import_that_breaks_off_is_dropped(ks, desk, home):
    def broken(*_args, **_more):
        raise ZeroDivisionError

    desk.import_rows = broken
    assert ks("queue", "import", a_csv(home, "now,web,x,,"))[0] == 1
    assert desk.asked("import_drop") == [{"batch": "b1"}]


def test_pictures_of_a_file_are_brought_from_its_folder(ks, desk, home):
    (home / "june").mkdir()
    (home / "june" / "a.png").write_bytes(PNG)
    path = a_csv(home / "june", "now,web,x,a.png,")
    assert ks("queue", "import", path)[0] == 0
    (row,) = desk.asked("import_rows")[0]["rows"]
    assert (home / "media" / row.post.media[0].path).read_bytes() == PNG


def test_an_export_gives_every_sign_of_a_text_back(ks, desk):
    """Nothing is blanked as on a terminal: line ends, marks of Arabic, a no-break space."""
    text = "one\r\n\u200ftwo\u00a0!"
    desk.deliveries = [a_delivery(text=text)]
    _, out, _ = ks("queue", "export", "--format", "csv")
    (row,) = csv.DictReader(io.StringIO(out, newline=""))
    assert row["text"] == text


def test_an_export_can_be_imported_again(ks, desk, home):
    desk.deliveries = [
        a_delivery(text="=1+1", media=[{"path": "a.png", "alt": "sea"}], link="https://x.example"),
        a_delivery(id="d2", channel="insta", text="=1+1"),
        a_delivery(id="d3", post="p3", text='of two\nlines, with "quotes"', key="-k3"),
    ]
    _, out, _ = ks("queue", "export", "--format", "csv")
    assert "'=1+1" in out
    (home / "media").mkdir()
    (home / "media" / "a.png").write_bytes(PNG)
    (home / "media" / "out.csv").write_text(out)
    assert ks("queue", "import", "media/out.csv")[0] == 0
    first, second = desk.asked("import_rows")[0]["rows"]
    assert (first.post.text, first.post.channels) == ("=1+1", ("web", "insta"))
    assert first.post.media[0].path == "a.png"
    assert (second.post.text, second.post.key) == ('of two\nlines, with "quotes"', "-k3")


def test_the_page_marks_clashes_escapes_and_loads_nothing(ks, desk, home):
    evil = '<script>alert(1)</script> Razor-sharp "quotes" & co'
    (home / "media").mkdir()
    (home / "media" / "a.png").write_bytes(PNG)
    (home / "secret.png").write_bytes(PNG + b"secret")
    desk.deliveries = [
        a_delivery(id="calm"),
        a_delivery(
            id="clashing",
            text=evil,
            clash=["razor-sharp"],
            link="javascript:alert(1)",
            tags=["<b>"],
            author="<i>",
            media=[{"path": "a.png", "alt": "<u>"}, {"path": "../secret.png", "alt": ""}],
        ),
    ]
    code, out, _ = ks("queue", "export", "--format", "html")
    assert code == 0
    assert desk.asked("queue_list")[0]["chosen"].states == ("held",)
    assert "<script" not in out
    assert "javascript:" not in out.replace("<p>javascript:alert(1)</p>", "")
    for tag in ("<b>", "<i>", "<u>"):
        assert tag not in out
    assert "<mark>Razor-sharp</mark>" in out
    assert out.index("clashing") < out.index("calm")
    assert out.count("data:image/png;base64,") == 1
    assert "default-src &#x27;none&#x27;" in out


# ---- looking ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "called", "shown"),
    [
        (["feeds"], "feeds", "Le Lac"),
        (["feeds", "check"], "look", "Le Lac"),
        (["channels"], "channels", "webhook"),
        (["channels", "check"], "channels_check", "ok"),
        (["incidents"], "incidents", "Knife attack"),
        (["incidents", "show", "last"], "incident", "63 headlines/h"),
        (["incidents", "report", "last"], "incident", "# Knife attack in Annecy"),
        (["incidents", "report", "last", "--format", "html"], "incident", "<h1>Knife attack"),
        (["whose", "d1"], "whose", "OURS"),
        (["notify", "test"], "notify_test", "accepted"),
        (["audit"], "audit", "pause"),
        (["audit", "verify"], "audit_verify", "WHOLE"),
        (["config", "reload"], "reload", "queue.lead"),
        (["card"], "status", "touch"),
    ],
)
def test_every_look_asks_and_shows(ks, desk, words, called, shown):
    code, out, _ = ks(*words)
    assert code == 0
    assert desk.asked(called)
    assert shown in out


@pytest.mark.parametrize(
    "words",
    [
        ["feeds"], ["channels"], ["incidents"], ["incidents", "show", "i1"], ["whose", "d1"],
        ["notify", "test"], ["audit"], ["audit", "verify"], ["config", "reload"], ["card"],
        ["triage"], ["queue"], ["queue", "export"], ["completion", "bash"], ["status"], ["doctor"],
    ],
)  # fmt: skip
def test_with_json_there_is_one_document_and_nothing_else(ks, words):
    _, out, _ = ks(*words, "--json")
    assert out.count("\n") == 1
    json.loads(out)


def test_what_is_not_ours_is_exit_one(ks):
    assert ks("whose", "https://elsewhere.example/1")[0] == 1


def test_a_broken_chain_is_exit_one(ks, desk):
    broken = {
        "ok": False, "rows": 9, "broken_at": 5, "why": "hash", "unread": False,
        "since": 1, "breaks": [],
    }  # fmt: skip
    desk.audit_verify = lambda: broken
    code, out, _ = ks("audit", "verify")
    assert code == 1
    assert "BROKEN at row 5" in out


def test_a_trail_that_was_resumed_past_a_break_says_so(ks, desk):
    accepted = {
        "row": 4, "why": "row 4 was changed", "start": 33, "accepted_by": "lea",
        "accepted_at": "2026-03-02T10:00:00Z",
    }  # fmt: skip
    doc = {
        "ok": True, "rows": 5, "broken_at": None, "why": None, "unread": False,
        "since": 33, "breaks": [accepted],
    }  # fmt: skip
    desk.audit_verify = lambda: doc
    code, out, _ = ks("audit", "verify")
    assert code == 0
    assert "WHOLE since row 33: 5 rows" in out
    assert "BROKEN BEFORE row 33, at row 4 (row 4 was changed): accepted by lea, " in out
    assert json.loads(ks("audit", "verify", "--json")[1])["breaks"] == [accepted]


def test_an_address_that_takes_nothing_is_exit_one(ks, desk):
    telling = {"address": "ntfy://…", "accepted": False, "problem": "refused"}
    desk.notify_test = lambda caller: {"tellings": [telling]}
    code, out, _ = ks("notify", "test")
    assert code == 1
    assert "FAILED" in out


def test_a_feed_that_did_not_answer_is_exit_one(ks, desk):
    desk.look = lambda caller: {"feeds": 1, "failed": ["lelac"]}
    assert ks("feeds", "check")[0] == 1


def test_the_doctor_finds_what_is_wrong(ks, home):
    code, out, _ = ks("doctor")
    assert code == 0 or "NOT OK" in out
    (home / "pause.d").rmdir()
    code, out, _ = ks("doctor")
    assert code == 1
    assert "NOT OK  pause.d" in out


def test_a_drill_pauses_measures_and_leaves_the_resume_to_a_human(ks, desk):
    desk.doc = a_status(who={"acked_by": "lea", "acked_at": None}, state_dir=desk.doc["state_dir"])
    code, out, _ = ks("drill", "--yes", "--wait", "1s")
    assert code == 0
    assert "answered" in out
    assert desk.asked("pause")[0]["reason"].startswith("DRILL")
    assert desk.asked("resume") == []


def test_a_drill_in_a_real_pause_is_refused(ks, desk):
    desk.doc = a_status(state="paused")
    assert ks("drill", "--yes")[0] == 5
    assert desk.asked("pause") == []


def test_a_drill_asks_first(ks, desk):
    assert ks("drill")[0] == 2
    assert desk.asked("pause") == []


# ---- feeds of a reader ------------------------------------------------------------------------

OPML = """<opml version="2.0"><body><outline text="News">
<outline type="rss" text="Le &quot;Lac&quot;" xmlUrl="https://lac.example/rss"/>
<outline type="rss" title="Le &quot;Lac&quot;" xmlUrl="https://lac.example/two"/>
<outline type="rss" text="again" xmlUrl="https://lac.example/rss"/>
<outline type="rss" text="file" xmlUrl="file:///etc/passwd"/>
</outline></body></opml>"""


def test_subscriptions_become_tables(ks, home):
    import tomllib

    (home / "reader.opml").write_text(OPML)
    code, out, _ = ks("feeds", "import", "reader.opml")
    assert code == 0
    assert tomllib.loads(out)["feeds"] == [
        {"name": 'Le "Lac"', "url": "https://lac.example/rss"},
        {"name": 'Le "Lac" 2', "url": "https://lac.example/two"},
    ]


def test_written_subscriptions_are_off_and_only_once(ks, home):
    import tomllib

    (home / "reader.opml").write_text(OPML)
    config = home / "killswitch.toml"
    config.write_text('mode = "live"\n')
    words = ("--config", str(config), "feeds", "import", "reader.opml", "--write")
    assert "2 feeds were appended" in ks(*words)[1]
    assert "0 feeds were appended" in ks(*words)[1]
    assert tomllib.loads(config.read_text()) == {"mode": "live"}


@pytest.mark.parametrize(
    "text",
    [
        "",
        "<html></html>",
        "<opml><body/></opml>",
        "<opml><outline xmlUrl='https://x.example'",
        '<!DOCTYPE opml [<!ENTITY a "b">]><opml><outline text="&a;" xmlUrl="https://x.example"/></opml>',
        '<!DOCTYPE opml [<!ENTITY a SYSTEM "file:///etc/passwd">]><opml>&a;</opml>',
        "<opml>" + "<outline>" * 200 + "</opml>",
    ],
)
def test_a_file_that_is_no_opml_is_refused(ks, home, text):
    (home / "x.opml").write_text(text)
    code, _, err = ks("feeds", "import", "x.opml")
    assert code == 2
    assert "nothing was imported" in err


# ---- upkeep -----------------------------------------------------------------------------------


def test_a_backup_is_asked_of_the_daemon_with_a_whole_path(ks, desk, home):
    assert ks("backup", "copy.db")[0] == 0
    assert desk.asked("backup") == [{"to": str(home / "copy.db")}]


def test_a_backup_without_a_daemon_and_its_way_back(home, capsys, monkeypatch):
    a_store(home)
    words = ["--state-dir", str(home)]
    assert main([*words, "backup", str(home / "copy.db")]) == 0
    assert main([*words, "restore", str(home / "copy.db")]) == 2
    assert main([*words, "restore", str(home / "copy.db"), "--yes"]) == 0
    assert "PAUSED" in capsys.readouterr().out
    assert "restored" in FlagDir(home).look().entries[0].note
    assert (home / "killswitch.db").exists()


def test_a_restore_names_the_file_in_which_the_old_store_is_kept(home, capsys):
    a_store(home)
    words = ["--state-dir", str(home)]
    assert main([*words, "backup", str(home / "copy.db")]) == 0
    restore = [*words, "restore", str(home / "copy.db"), "--yes"]
    assert main(restore) == 0
    first = home / "killswitch.db.before-restore"
    assert f"kept as {first}\n" in capsys.readouterr().out
    assert main([*restore, "--json"]) == 0
    kept = json.loads(capsys.readouterr().out)["kept"]
    assert kept == f"{first}-2"
    assert Path(kept).exists()
    Path(home / "killswitch.db").unlink()
    assert main([*restore, "--json", "--store", str(home / "killswitch.db")]) == 0
    assert json.loads(capsys.readouterr().out)["kept"] is None


def locked_by(home, path):
    """Leave the lock file of a daemon that used this store, whose address nobody else knows."""
    number = lockfile.take(home / lockfile.LOCK_NAME)
    lockfile.write_name(number, lockfile.name_of(path, kind="sqlite"))
    os.close(number)


def test_without_a_daemon_the_store_is_the_one_that_its_lock_names(home, capsys):
    """And not the default, which the configuration leaves in place: it may be an old file."""
    a_store(home)
    elsewhere = home / "elsewhere"
    elsewhere.mkdir()
    a_store(elsewhere)
    real = elsewhere / "killswitch.db"
    with sqlite3.connect(real) as conn:
        conn.execute("INSERT INTO facts VALUES ('which', 'the right one')")
    locked_by(home, real)
    words = ["--state-dir", str(home)]
    assert main([*words, "backup", str(home / "copy.db")]) == 0
    with sqlite3.connect(home / "copy.db") as conn:
        assert conn.execute("SELECT value FROM facts WHERE key = 'which'").fetchone()
    before = (home / "killswitch.db").read_bytes()
    for _ in range(2):  # the lock names the restored file, so the way stays open
        assert main([*words, "restore", str(home / "copy.db"), "--yes"]) == 0
        assert f"RESTORED {real}" in capsys.readouterr().out
    assert (home / "killswitch.db").read_bytes() == before


@pytest.mark.parametrize("command", [["backup"], ["restore", "--yes"]])
def test_a_store_that_nobody_names_for_certain_is_not_touched(home, capsys, command):
    a_store(home)
    (home / "copy.db").write_bytes((home / "killswitch.db").read_bytes())
    before = (home / "killswitch.db").read_bytes()
    (home / lockfile.LOCK_NAME).write_text("1234\n")  # of a version that named no store
    name, *more = command
    to = str(home / ("new.db" if name == "backup" else "copy.db"))
    words = ["--state-dir", str(home), name, to, *more]
    assert main(words) == 5
    assert "--store FILE" in capsys.readouterr().err
    assert (home / "killswitch.db").read_bytes() == before
    assert main([*words, "--store", str(home / "killswitch.db")]) == 0


def test_a_daemon_on_a_server_has_no_file_to_copy(home, capsys):
    a_store(home)
    number = lockfile.take(home / lockfile.LOCK_NAME)
    lockfile.write_name(number, lockfile.name_of(None, kind="postgresql"))
    os.close(number)
    assert main(["--state-dir", str(home), "backup", str(home / "copy.db")]) == 5
    assert "pg_dump" in capsys.readouterr().err


@pytest.mark.parametrize("data", [None, b"", b"nonsense" * 100])
def test_a_restore_of_something_else_changes_nothing(home, capsys, data):
    a_store(home)
    before = (home / "killswitch.db").read_bytes()
    if data is not None:
        (home / "copy.db").write_bytes(data)
    assert main(["--state-dir", str(home), "restore", str(home / "copy.db"), "--yes"]) in {1, 2}
    assert (home / "killswitch.db").read_bytes() == before
    assert FlagDir(home).is_clear(), "no flag tells of a restore that never was"


@pytest.mark.parametrize("way", ["its name", "a symlink", "a hard link"])
def test_a_store_is_not_restored_from_itself(home, capsys, way):
    """Else it would be told as the backup that somebody wanted, which it is not."""
    a_store(home)
    store = home / "killswitch.db"
    file = store if way == "its name" else home / "copy.db"
    if way == "a symlink":
        file.symlink_to(store)
    elif way == "a hard link":
        file.hardlink_to(store)
    there, inode, before = set(home.iterdir()), store.stat().st_ino, store.read_bytes()
    assert main(["--state-dir", str(home), "restore", str(file), "--yes"]) == 5
    assert f"{file} is the store itself; nothing was changed" in capsys.readouterr().err
    assert set(home.iterdir()) == there
    assert (store.stat().st_ino, store.read_bytes()) == (inode, before)
    assert FlagDir(home).is_clear()


@pytest.mark.parametrize("command", [["backup"], ["restore", "--yes"]])
def test_beside_a_running_daemon_the_hint_is_to_stop_the_service(
    home, capsys, monkeypatch, command
):
    """Not to name another state directory, which is meant for a second daemon."""
    monkeypatch.setattr("killswitch.store.opening.LOCK_WAIT_S", 0.0)
    a_store(home)
    (home / "copy.db").write_bytes((home / "killswitch.db").read_bytes())
    name, *more = command
    to = str(home / ("new.db" if name == "backup" else "copy.db"))
    held = lockfile.take(home / lockfile.LOCK_NAME)
    lockfile.write_name(held, lockfile.name_of(home / "killswitch.db", kind="sqlite"))
    assert main(["--state-dir", str(home), name, to, *more]) == 5
    os.close(held)
    told = capsys.readouterr().err
    assert "systemctl stop killswitch" in told
    assert "--state-dir" not in told
    assert FlagDir(home).is_clear()
    assert not (home / "new.db").exists()


@pytest.mark.parametrize("text", ["mode = ", 'mode = "x"', "nope = 1", ""])
def test_a_bad_configuration_is_exit_78(home, capsys, text):
    config = home / "bad.toml"
    config.write_text(text)
    for words in (["config", "check"], ["run", "--check"]):
        assert main(["--config", str(config), "--state-dir", str(home), *words]) == 78
    assert "killswitch: " in capsys.readouterr().err


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish", "tcsh"])
def test_a_completion_is_written(ks, shell):
    code, out, _ = ks("completion", shell)
    assert code == 0
    assert "killswitch" in out
    assert "queue" in out


FEEDS = """
state_dir = "{home}/state"
[network]
allow_private = ["127.0.0.0/8"]
[[feeds]]
name = "a"
url = "https://a.example/rss"
[[feeds]]
name = "b"
url = "https://b.example/rss"
"""
RSS = b"""<rss version="2.0"><channel><title>The Lake</title><item><title>A calm day</title>
<link>https://lac.example/1</link><pubDate>Mon, 02 Mar 2026 08:00:00 GMT</pubDate></item>
</channel></rss>"""


@pytest.fixture
def config(home):
    path = home / "good.toml"
    path.write_text(FEEDS.format(home=home))
    return str(path)


def test_a_good_configuration_is_listed(config, capsys):
    assert main(["--config", config, "config", "check"]) == 0
    assert "good.toml: good" in capsys.readouterr().out
    assert main(["--config", config, "run", "--check", "--json"]) == 0
    doc = json.loads(capsys.readouterr().out)
    assert doc["ok"] is True
    assert {"path", "value", "source"} == doc["settings"][0].keys()


def test_what_only_the_service_can_read_is_a_note_and_no_fault(ks, home, capsys, monkeypatch):
    monkeypatch.delenv("CREDENTIALS_DIRECTORY", raising=False)
    path = home / "service.toml"
    feeds = "".join(
        f'[[feeds]]\nname = "{name}"\nurl = "https://{name}.example/rss"\ncountry = "fr"\n'
        for name in ("lelac", "dauphin")
    )
    path.write_text(f'[notify]\nurls = ["credential:addr"]\n{feeds}')
    note = "credential addr: only the service can read it"
    code, out, _ = ks("--config", str(path), "run", "--check")
    assert (code, note in out) == (0, True)
    code, out, _ = ks("--config", str(path), "config", "check", "--json")
    assert (code, json.loads(out)["notes"]) == (0, [note])
    (line,) = [x for x in ks("--config", str(path), "doctor")[1].splitlines() if "configur" in x]
    assert line.startswith("ok ")
    assert note in line


@pytest.mark.parametrize("words", [["run", "--check"], ["config", "check"], ["doctor"]], ids=str)
def test_secrets_that_everybody_can_read_are_told(config, capsys, words):
    path = Path(config)
    with path.open("a") as file:
        file.write('[store]\nurl = "postgresql://ks:pw@db.example.org/killswitch"\n')
        file.write('[notify]\nurls = ["credential:addr", "json://pager.example/tok"]\n')
    told = {}
    for mode in (0o644, 0o640):
        path.chmod(mode)
        main(["--config", config, *words])
        told[mode] = capsys.readouterr().out
    assert f"can read {path}, and it holds secrets (store.url, notify.urls[1])" in told[0o644]
    assert "holds secrets" not in told[0o640]
    assert "pw@" not in told[0o644]
    assert "/tok" not in told[0o644]


def test_every_notice_address_that_is_none_is_told(config, capsys):
    with Path(config).open("a") as file:
        file.write('[notify]\nurls = ["toot://a/b", "json://x/"]\nnext = [["x://y"]]\n')
    assert main(["--config", config, "config", "check"]) == 78
    err = capsys.readouterr().err
    assert 'notify.urls[0]: "toot://" is not a way' in err
    assert 'notify.next[0][0]: "x://" is not a way' in err


@pytest.mark.parametrize("words", [["run", "--check"], ["config", "check"]], ids=str)
def test_a_server_without_its_driver_is_exit_78_with_the_mend(
    home, config, capsys, monkeypatch, words
):
    with Path(config).open("a") as file:
        file.write('[store]\nurl = "postgresql://killswitch@db.example.org/killswitch"\n')
    monkeypatch.setitem(sys.modules, "psycopg", None)
    assert main(["--config", config, *words]) == 78
    told = capsys.readouterr()
    assert "requirements-postgres.lock" in told.err
    assert "Traceback" not in told.out + told.err
    assert not (home / "state").exists()


@contextmanager
def a_web_server(body, status=200):
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_args):
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/rss"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_one_feed_is_tried_without_a_daemon(config, capsys):
    with a_web_server(RSS) as url:
        assert main(["--config", config, "feeds", "check", url]) == 0
        assert "A calm day" in capsys.readouterr().out
        assert main(["--config", config, "feeds", "check", url, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["items"][0]["published"] == "2026-03-02T08:00:00Z"


@pytest.mark.parametrize(("body", "status"), [(b"<html></html>", 200), (b"", 404)])
def test_what_is_no_feed_is_exit_one(config, capsys, body, status):
    with a_web_server(body, status) as url:
        assert main(["--config", config, "feeds", "check", url]) == 1
    assert capsys.readouterr().out.startswith("NO FEED")


def test_subscriptions_without_a_configuration_are_not_written(home, capsys, monkeypatch):
    monkeypatch.chdir(home)
    monkeypatch.setattr("killswitch.cli.paths.SYSTEM_CONFIG", Path("/nowhere"))
    (home / "reader.opml").write_text(OPML)
    assert main(["feeds", "import", "reader.opml", "--write"]) == 78
    assert main(["feeds", "import", "missing.opml"]) == 2
    capsys.readouterr()


def test_the_doctor_without_anything_says_what_is_missing(home, capsys):
    assert main(["--state-dir", str(home / "missing"), "doctor"]) == 1
    out = capsys.readouterr().out
    assert "NOT OK  state directory" in out
    assert "NOT OK  daemon" in out


def test_the_doctor_of_a_socket_looks_at_the_state_of_the_daemon_behind_it(home, desk, capsys):
    with serving(desk, home):
        main(["--socket", str(home / "control.sock"), "doctor", "--json"])
    told = {row["name"]: row["told"] for row in json.loads(capsys.readouterr().out)["checks"]}
    assert told["state directory"] == str(home)
    assert told["configuration"] == "not looked at: the socket does not say which it is"


def test_the_doctor_of_a_dead_socket_looks_beside_it(home, capsys):
    assert main(["--socket", str(home / "control.sock"), "doctor", "--json"]) == 1
    told = {row["name"]: row["told"] for row in json.loads(capsys.readouterr().out)["checks"]}
    assert told["state directory"] == str(home)


def test_the_doctor_goes_on_past_a_refusal(ks, desk):
    desk.refusal = RefusedError("x", "out of order", "ask")
    code, out, _ = ks("doctor")
    assert code == 1
    assert "out of order" in out


def test_a_card_names_who_may_resume_and_what_to_stop_by_hand(home, capsys):
    path = home / "people.toml"
    path.write_text(
        FEEDS.format(home=home)
        + '[notify]\nalso_stop = ["Meta Ads"]\n[[people]]\nname = "Léa"\nusers = ["lea"]\n'
        'roles = ["resumer"]\n'
    )
    assert main(["--config", str(path), "card"]) == 0
    out = capsys.readouterr().out
    assert "* Léa" in out
    assert "Meta Ads" in out


def test_a_drill_that_nobody_answers_is_exit_one(ks, desk):
    code, out, _ = ks("drill", "--yes", "--wait", "0s")
    assert code == 1
    assert "NOBODY ANSWERED" in out


def test_a_drill_without_a_daemon_does_nothing(home):
    assert main(["--state-dir", str(home), "drill", "--yes"]) == 4
    assert FlagDir(home).is_clear()


def test_a_backup_of_nothing_is_refused(home):
    assert main(["--state-dir", str(home), "backup", str(home / "copy.db")]) == 5


def test_a_restore_that_has_no_place_is_refused(home):
    (home / "copy.db").write_bytes(b"x")
    words = ["restore", str(home / "copy.db"), "--yes"]
    assert main(["--state-dir", str(home / "missing"), *words]) == 5
    path = home / "server.toml"
    path.write_text('[store]\nurl = "postgresql://x/y"')
    assert main(["--config", str(path), "--state-dir", str(home), *words]) == 5


def test_a_person_is_erased_and_the_metrics_are_text(desk, home):
    with serving(desk, home):
        client = Client(home / "control.sock", said="lea")
        client.post(f"/people/{part('CORP+Léa ?')}/erase")
        assert client.text("/metrics").startswith("killswitch_paused")
    assert desk.asked("erase") == [{"login": "CORP+Léa ?"}]


def test_a_name_is_erased_by_command_and_its_blanks_are_no_matter(ks, desk):
    code, out, _ = ks("people", "erase", "Anna Lou", "--yes", "--as", "karim")
    assert code == 0
    assert desk.asked("erase") == [{"login": "Anna Lou"}]
    assert "Anna Lou" in out


def test_an_erasure_is_one_json_document(ks, desk):
    code, out, _ = ks("people", "erase", "lea", "--yes", "--json")
    assert (code, json.loads(out)) == (0, {"erased": "lea"})


def test_an_erasure_can_not_be_taken_back_so_it_asks(ks, desk, monkeypatch):
    code, _, err = ks("people", "erase", "lea")
    assert code == 2
    assert "--yes" in err
    monkeypatch.setattr("killswitch.cli.people.on_terminal", lambda: True)
    for said, erased in (("no", 0), ("lea", 1)):
        monkeypatch.setattr("killswitch.cli.people.ask", lambda question, said=said: said)
        code, _, _ = ks("people", "erase", "lea")
        assert code == (0 if erased else 1)
        assert len(desk.asked("erase")) == erased


def test_who_is_not_known_can_not_be_erased(ks, desk):
    desk.refusal = RefusedError("not_found", "nobody called 'x' is known", "")
    code, _, err = ks("people", "erase", "x", "--yes")
    assert code == 5
    assert "nobody" in err


# ---- ack --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        ({"notices": 2, "paused": True, "first": True}, "took it at 10:00:00 CET: nobody else"),
        ({"notices": 0, "paused": True, "first": True}, "nobody was being called"),
        ({"notices": 0, "paused": True, "first": False}, "took it already, at 10:00:00 CET"),
        ({"notices": 0, "paused": False, "first": True}, "there is nothing to answer"),
    ],
)
def test_an_ack_says_what_it_did(ks, desk, answer, told):
    desk.acked = answer
    code, out, _ = ks("ack")
    assert (code, told in out) == (0, True)
    assert ("triage" in out) == answer["paused"]


# ---- the language of the team -----------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "french"),
    [
        (["queue"], ["PRÉVU", "retenu (pause)", 'CHOQUANT "lake"']),
        (["queue", "show", "d1"], ["Étiquettes", "Retenu par"]),
        (["queue", "show", "zz"], ["n\u2019y a pas de post zz"]),
        (["queue", "add", "x", "--at", "+2h", "--channel", "web"], ["programmé d0 pour le"]),
        (["queue", "add", "x", "--at", "+2h"], ["il manque : --channel"]),
        (["queue", "skip"], ["aucun post n\u2019est nommé", "nommez des identifiants"]),
        (["card"], ["SI L\u2019ACTUALITÉ TOURNE MAL", "Tout arrêter"]),
        (["incidents"], ["JUSQU\u2019À L\u2019ARRÊT", "événement"]),
        (["incidents", "show", "i1"], ["premier titre", "titres/h", "pris par"]),
        (["incidents", "report", "i1"], ["## Mesuré", "## Titres"]),
        (["whose", "nothing"], ["PAS DE NOUS"]),
        (["feeds"], ["RYTHME", "vivant", "tous les 10 min"]),
        (["channels"], ["COMPTE", "bon"]),
        (["doctor"], ["flux vivants sur", "répertoire d\u2019état"]),
        (["audit"], ["LIGNE", "FAITS"]),
        (["audit", "verify"], ["INTACT"]),
        (["notify", "test"], ["pris en compte"]),
        (["ack"], ["s\u2019en occupe depuis"]),
        (["status"], ["EN MARCHE"]),
        (["nonsense"], ["n\u2019est pas un choix possible"]),
    ],
)
def test_every_command_speaks_the_language_of_the_team(ks, desk, monkeypatch, words, french):
    monkeypatch.setenv("KILLSWITCH_LANGUAGE", "fr")
    desk.doc["language"] = "fr"
    desk.deliveries = [a_delivery(clash=["lake"])]
    _, out, err = ks(*words)
    assert [text for text in french if text not in out + err] == []


def test_documents_for_scripts_stay_english(ks, desk, monkeypatch):
    monkeypatch.setenv("KILLSWITCH_LANGUAGE", "fr")
    code, out, _ = ks("queue", "show", "zz", "--json")
    assert (code, json.loads(out)["error"]["message"]) == (5, "there is no post zz")


# ---- wrong numbers, long fields ---------------------------------------------------------------


@pytest.mark.parametrize("words", [
    ["queue", "list", "--limit"], ["incidents", "--limit"], ["audit", "--limit"],
    ["audit", "--after"], ["resume", "--seen"],
])  # fmt: skip
@pytest.mark.parametrize("number", ["-5", "99999999999999999999", "many", "1.5", ""])
def test_a_number_out_of_range_is_refused_in_words(ks, desk, words, number):
    code, out, err = ks(*words, number)
    assert (code, out, desk.calls) == (2, "", [])
    assert "write" in err
    assert "Traceback" not in err


def test_no_rows_at_all_are_no_list(ks):
    assert ks("queue", "list", "--limit", "0")[0] == 2


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--tag", "a;b"], "tags[0] holds ; or ,"),
        (["--tag", "x" * 201], "tags[0] has more than 200 characters"),
        (["--link", "https://x.example/" + "x" * 2000], "link has more than 2000 characters"),
        (["--key", " "], "key is empty"),
        (["--key", "a\nb"], "key has more than one line"),
        ([word for _ in range(101) for word in ("--tag", "x")], "tags has more than 100 entries"),
    ],
)
def test_a_field_that_is_refused_is_told_in_plain_words(ks, desk, words, told):
    code, _, err = ks("queue", "add", "x", "--at", "+2h", "--channel", "web", *words)
    assert (code, desk.asked("queue_add")) == (2, [])
    assert told in err


def test_a_long_field_of_a_file_is_told_with_its_line(ks, desk, home):
    path = home / "june.jsonl"
    rows = [{"due": "+2h", "channel": "web", "text": "x", "tags": ["y" * 201]}]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    code, _, err = ks("queue", "import", str(path))
    assert (code, desk.asked("import_rows")) == (2, [])
    assert f"{path}:1: tags has more than 200 characters" in err


def test_an_export_with_media_is_imported_again(ks, desk, home):
    (home / "media").mkdir()
    (home / "media" / "a.png").write_bytes(PNG)
    desk.deliveries = [a_delivery(media=[{"path": "a.png", "alt": "the sea; blue"}])]
    (home / "out").mkdir()
    for form in ("csv", "jsonl"):
        path = home / "out" / f"x.{form}"
        path.write_text(ks("queue", "export", "--format", form)[1])
        code, _, err = ks("queue", "import", str(path))
        assert (code, err) == (0, "")
    posts = [row.post for said in desk.asked("import_rows") for row in said["rows"]]
    assert {(post.media[0].path, post.media[0].alt) for post in posts} == {
        ("a.png", "the sea; blue")
    }


def test_a_reload_says_whose_channel_is_gone_and_what_becomes_of_its_posts(ks, desk):
    desk.orphaned = {"insta": 3}
    code, out, _ = ks("config", "reload")
    assert code == 0
    assert "insta is not configured any more, 3 posts of it can't leave" in out
    assert "killswitch queue cancel --channel insta" in out
    assert json.loads(ks("config", "reload", "--json")[1])["orphaned"] == {"insta": 3}
    desk.doc["orphaned"] = {"insta": 3}
    assert "Channels" in ks("status")[1]


def test_an_incident_is_called_by_its_own_kind_and_a_humans_words_stay_theirs(
    ks, desk, monkeypatch
):
    monkeypatch.setenv("KILLSWITCH_LANGUAGE", "fr")
    desk.doc["language"] = "fr"
    flag = a_cause(kind="flag", reason="the file x in pause.d", evidence=[])
    spoken = a_cause(kind="manual", reason="once", evidence=[])
    known = desk.incident("i1") | {"kind": "manual", "title": "once", "causes": [spoken, flag]}
    desk.incident = lambda ref: known
    _, out, _ = ks("incidents", "show", "i1")
    assert "once  (à la main, i1)" in out
    assert "drapeau : le fichier x dans pause.d" in out
    assert "à la main : once" in out


def test_the_callers_own_language_goes_before_that_of_the_installation(ks, desk, monkeypatch):
    monkeypatch.setenv("KILLSWITCH_LANGUAGE", "en")
    desk.doc["language"] = "fr"
    desk.deliveries = [a_delivery()]
    assert "DUE" in ks("queue")[1]
    assert "RUNNING" in ks("status")[1]


def test_a_post_whose_channel_is_gone_says_so_in_the_list_and_by_itself(ks, desk):
    desk.deliveries = [a_delivery(channel_gone=True, reason="late")]
    _, out, _ = ks("queue", "list")
    assert "held (late) (its channel is gone)" in out
    assert "killswitch queue cancel --channel web" in out
    _, out, _ = ks("queue", "show", "d1")
    assert "the channel web is not configured any more: this post can't leave" in out
    assert "killswitch queue cancel d1" in out


def test_whose_says_where_a_post_is_and_who_released_it(ks, desk):
    row = a_delivery(
        state="sent", remote_url="https://net.example/81", link="https://brand.example"
    )
    desk.whose = lambda query: {
        "found": True, "delivery": row, "author": "lea", "approved_by": None, "sent_at": None,
        "released_by": "karim", "released_at": "2026-03-02T09:00:00Z",
    }  # fmt: skip
    _, out, _ = ks("whose", "https://net.example/81")
    assert re.search(r"Author +lea\nAddress +https://net.example/81\nLink +https://brand", out)
    assert re.search(r"Released +karim, 2026-03-02 10:00:00 CET", out)


def test_a_list_says_that_posts_failed_and_how_they_count_as_looked_at(ks, desk):
    desk.doc["queue"]["failed"] = 2
    assert (
        "Failed  2 posts that nobody has looked at: killswitch queue --state failed"
        in ks("queue", "list")[1]
    )
    desk.deliveries = [a_delivery(state="failed", reason=None)]
    _, out, _ = ks("queue", "--state", "failed")
    assert "Failed" not in out
    assert "killswitch queue skip ID" in out
    desk.deliveries = [a_delivery(state="failed", reason=None, decision="skip")]
    assert "killswitch queue skip ID" not in ks("queue", "--state", "failed")[1]


def test_what_may_have_gone_out_is_exported_only_by_name(ks, desk):
    states = ("scheduled", "uncertain", "sending", "held")
    desk.deliveries = [
        a_delivery(id=f"d{n}", post=f"p{n}", state=state) for n, state in enumerate(states)
    ]
    _, out, err = ks("queue", "export", "--format", "jsonl")
    assert [json.loads(line)["key"] for line in out.splitlines()] == ["d0", "d3"]
    assert "2 not exported: may have gone out" in err
    _, out, err = ks("queue", "export", "--format", "jsonl", "--state", "uncertain")
    assert ("d1" in out, err) == (True, "")


def test_a_picture_that_is_missing_is_told_with_its_line_and_nothing_is_imported(ks, desk, home):
    path = home / "week.csv"
    path.write_text("due,channel,text,media\n+1h,web,a,\n+2h,web,b,gone.png\n")
    code, _, err = ks("queue", "import", str(path))
    assert code == 2
    assert f"{path}:3: " in err
    assert "gone.png: there is no such file" in err
    assert desk.asked("import_commit") == []
