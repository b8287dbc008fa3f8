"""Queue files: every problem with its line, and nothing that a spreadsheet would run."""

from __future__ import annotations

import contextlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from killswitch.errors import UsageError
from killswitch.queue.files import FileRow, LineProblem, media_problem, read_rows

HEAD = "due,channel,text,media,alt,link,tags,expires,key\n"


def rows_of(text, name="june.csv"):
    data = text if isinstance(text, bytes) else text.encode()
    return list(read_rows(data, name=name))


def only(text, name="june.csv"):
    (row,) = rows_of(text, name)
    return row


def a_json(**changes):
    return json.dumps({"due": "now", "channel": "web", "text": "Hello", **changes})


def test_a_full_row_is_read():
    row = only(
        HEAD + '2026-07-01T12:00,insta;web,"Vive, l\'été !",a.png;b.png,one;two,'
        "https://example.org,summer;promo,+3d,k1\n"
    )
    assert row == FileRow(
        line=2,
        due="2026-07-01T12:00",
        channels=("insta", "web"),
        text="Vive, l'été !",
        media=(("a.png", "one"), ("b.png", "two")),
        link="https://example.org",
        tags=("summer", "promo"),
        expires="+3d",
        key="k1",
    )


def test_a_line_is_where_the_row_starts_even_after_texts_of_several_lines():
    rows = rows_of('due,channel,text\nnow,web,"one\ntwo"\n\nnow,web,three\n')
    assert [row.line for row in rows] == [2, 5]
    assert rows[0].text == "one\ntwo"


@pytest.mark.parametrize("sign", [",", ";", "\t"])
def test_columns_may_be_separated_as_spreadsheets_do(sign):
    row = only(f"due{sign}channel{sign}text\nnow{sign}web{sign}Hello\n")
    assert (row.due, row.channels, row.text) == ("now", ("web",), "Hello")


def test_a_byte_order_mark_and_line_ends_of_windows_are_no_obstacle():
    row = only(b"\xef\xbb\xbfdue,channel,text\r\nnow,web,Hello\r\n")
    assert row.text == "Hello"


@pytest.mark.parametrize(
    "cell",
    [
        "=1+1",
        '"=HYPERLINK(""http://x"",""y"")"',
        "=cmd|' /C calc'!A0",
        "@SUM(1)",
        "+cmd|' /C calc'!A0",
        "-2+3+cmd|' /C calc'!A0",
        '"\t=1"',
        '"\r=1"',
    ],
)
@pytest.mark.parametrize("column", ["text", "alt", "key"])
def test_a_formula_is_refused_with_its_line(cell, column):
    values = {"due": "now", "channel": "web", "text": "Hello", column: cell}
    problem = only(",".join(values) + "\n" + ",".join(values.values()) + "\n")
    assert problem.line == 2
    assert "formula" in problem.message


@pytest.mark.parametrize("text", ["-20% today", "@lea says yes", "+1 for summer", "- a list"])
def test_an_honest_text_is_no_formula(text):
    assert only(f"due,channel,text\n+15m,web,{text}\n").text == text


def test_the_quote_that_guards_a_text_is_taken_off():
    assert only("due,channel,text\nnow,web,'=meant\n").text == "=meant"
    assert only("due,channel,text\nnow,web,'tis summer\n").text == "'tis summer"


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"", "empty_file"),
        (b" \n", "empty_file"),
        (b"PK\x03\x04rest", "wrong_format"),
        (b"\xff\xfed\x00u\x00", "wrong_encoding"),
        ("due,channel,text\nnow,web,été\n".encode("latin-1"), "wrong_encoding"),
        (b"due,chanel,text\nnow,web,x\n", "bad_heading"),
        (b"due,text\nnow,x\n", "bad_heading"),
        (b"due,channel,text,text\nnow,web,x,y\n", "bad_heading"),
    ],
)
def test_a_file_that_is_wrong_as_a_whole_is_refused(data, code):
    with pytest.raises(UsageError) as refusal:
        rows_of(data)
    assert refusal.value.code == code
    assert "nothing was imported" in refusal.value.message


def test_a_file_that_is_too_big_is_refused(monkeypatch):
    monkeypatch.setattr("killswitch.queue.files.FILE_MOST", 10)
    with pytest.raises(UsageError, match="more than"):
        rows_of("due,channel,text\n")


def test_a_wrong_encoding_names_its_line():
    with pytest.raises(UsageError, match="line 3"):
        rows_of(b"due,channel,text\nnow,web,ok\nnow,web,\xe9t\xe9\n")


def test_a_wrong_column_names_the_right_one():
    with pytest.raises(UsageError) as refusal:
        rows_of("due,chanel,text\n")
    assert "channel" in refusal.value.hint


def test_a_field_that_is_far_too_long_is_told_with_its_column_and_the_next_row_is_read():
    text = f"due,channel,text\nnow,web,{'x' * 140_000}\nnow,web,fine\n"
    long, fine = read_rows(text.encode(), name="posts.csv")
    assert (long.line, long.message) == (2, "text has more than 100000 characters")
    assert (fine.line, fine.text) == (3, "fine")


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("now,web", "2 cells"),
        ("now,web,x,y", "4 cells"),
        (",web,x", "due is empty"),
        ("now,;,x", "channel is empty"),
        ("now,web,  ", "text is empty"),
        ('now,web,"x', "not CSV"),
        ("now,web,a\x07b", "U+0007"),
    ],
)
def test_a_bad_line_is_told(line, told):
    problem = rows_of(f"due,channel,text\n{line}\n")[0]
    assert isinstance(problem, LineProblem)
    assert problem.line == 2
    assert told in problem.message


def test_empty_cells_at_the_end_are_no_problem():
    assert only("due,channel,text\nnow,web,x,,\n").text == "x"


@pytest.mark.parametrize(
    "path",
    [
        "../x.png",
        "a/../../x.png",
        "/etc/passwd",
        "~/x.png",
        "..",
        "C:\\x.png",
        "c:x.png",
        "a\\..\\x",
        "file:///etc/passwd",
        "\\\\server\\x",
    ],
)
def test_a_media_path_that_leaves_its_folder_is_refused(path):
    assert media_problem(path)
    problem = only(f"due,channel,text,media\nnow,web,x,{path}\n")
    assert "leaves the folder" in problem.message


@pytest.mark.parametrize("path", ["x.png", "june/x.png", "a..b.png", ".hidden.png"])
def test_a_media_path_inside_is_fine(path):
    assert media_problem(path) is None


def test_an_alt_text_of_one_picture_may_hold_a_semicolon():
    row = only("due,channel,text,media,alt\nnow,web,x,a.png,sea; sky\n")
    assert row.media == (("a.png", "sea; sky"),)


def test_alt_texts_that_do_not_match_the_pictures_are_refused():
    problem = only("due,channel,text,media,alt\nnow,web,x,a.png;b.png,one;two;three\n")
    assert "3 alt texts for 2 files" in problem.message


def test_json_lines_take_lists():
    line = a_json(channel=["a", "b"], tags=["x", "y"], media=["a.png"], alt=["sea; sky"], key=7)
    row = only(line, "june.jsonl")
    assert row.channels == ("a", "b")
    assert row.tags == ("x", "y")
    assert row.media == (("a.png", "sea; sky"),)
    assert row.key == "7"


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("{", "not JSON"),
        ("[1]", "one object"),
        ("[" * 100_000, "not JSON"),
        (a_json(chanel="x"), "unknown field"),
        (a_json(text=7), "text is not text"),
        (a_json(text="\ud83d"), "U+D83D"),
        (a_json(text="a\u0000"), "U+0000"),
        (a_json(text="x" * 100_001), "more than"),
        (a_json(media=[f"{n}.png" for n in range(21)]), "more than 20"),
        (a_json(due=None), "due is empty"),
    ],
)
def test_a_bad_json_line_is_told(line, told):
    problem = rows_of(f"{line}\n", "june.jsonl")[0]
    assert problem.line == 1
    assert told in problem.message


def test_one_bad_line_does_not_hide_the_others():
    rows = rows_of("due,channel,text\nnow,,x\nnow,web,y\nnow,web,=z\n")
    assert [type(row) for row in rows] == [LineProblem, FileRow, LineProblem]


@given(st.binary(max_size=300), st.sampled_from(["x.csv", "x.jsonl"]))
def test_no_bytes_break_it(data, name):
    with contextlib.suppress(UsageError):
        for row in read_rows(data, name=name):
            assert row.line >= 1


@given(st.text(max_size=200))
def test_no_rows_break_it(text):
    for row in read_rows(("due,channel,text\n" + text).encode("utf-8", "replace"), name="x.csv"):
        assert row.line >= 1
