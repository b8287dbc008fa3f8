from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from killswitch.notify.plain import clip, link, plain


@given(st.text(), st.integers(min_value=1, max_value=200))
def test_foreign_text_becomes_one_short_line_without_anything_a_program_reads(text, limit):
    said = plain(text, limit)
    assert len(said) <= limit
    assert not set(said) & set("@<>`*|~_[]\\\n\r\t\x00\x1b\u202e\u2066\u200b\ufeff")
    assert "://" not in said
    kinds = {unicodedata.category(character) for character in said}
    assert not kinds & {"Cc", "Co", "Cs", "Zl", "Zp"}


@given(st.text(), st.integers(min_value=1, max_value=200))
def test_cleaning_clean_text_changes_nothing(text, limit):
    once = plain(text, limit)
    assert plain(once, limit) == once


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("Vive l'été !", "Vive l'été !"),
        ("Où est Lạc Long Quân 👩‍👩‍👧 ?", "Où est Lạc Long Quân 👩‍👩‍👧 ?"),
        ("a\r\nPAUSED: all fine\x1b[31m", "a PAUSED: all fine \uff3b31m"),
        ("@everyone <!channel>", "\uff20everyone \u2039!channel\u203a"),
        ("see https://evil.example now", "see https: //evil.example now"),
        ("[click](https://evil.example)", "\uff3bclick\uff3d(https: //evil.example)"),
        ("&lt;b&gt; Tom & Jerry", "\uff06lt;b\uff06gt; Tom & Jerry"),
        (":siren: 12:30", "\uff1asiren: 12:30"),
        ("left\u202eright\u2066\u200b", "leftright"),
        ("e\u0301\u0301\u0301\u0301\u0301\u0301\u0301", "é\u0301\u0301\u0301\u0301"),
    ],
)
def test_what_becomes_of_a_prank(text, said):
    assert plain(text, 100) == said


def test_a_cut_is_shown():
    assert clip("abcdef", 4) == "abc…"
    assert clip("abcd", 4) == "abcd"


@pytest.mark.parametrize(
    ("url", "kept"),
    [
        ("https://news.example/a?b=c#d", True),
        ("http://news.example/%C3%A9", True),
        ("javascript:alert(1)", False),
        ("https://news.example/<b>", False),
        ("https://news.example/a b", False),
        ("https://user:pw@news.example/", False),
        ("https://news.example/\u202egro", False),
        ("https://news.example/" + "a" * 300, False),
        (None, False),
    ],
)
def test_only_a_plain_short_web_address_is_shown_as_a_link(url, kept):
    assert link(url) == (url if kept else None)
