"""What is exported as a queue file is what an import reads."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from killswitch.cli.queue_written import csv_text, jsonl_text
from killswitch.control.bodies import ActBody, PostBody
from killswitch.queue.files import FileRow, read_rows

SIGNS = st.characters(exclude_categories=["Cs", "Cc"])
WORDS = st.text(SIGNS, min_size=1, max_size=12) | st.sampled_from(
    ["=1+1", "'=x", "@lea", "-20%", "[a]", '["a"]', "a b", "''+", "\u2028", "0", "é"]
)
NAMES = WORDS.filter(lambda text: text.strip())
TEXTS = st.text(SIGNS | st.sampled_from("\n\r\t;,\"'"), min_size=1, max_size=40) | WORDS
TAGS = NAMES.filter(lambda tag: not set(";,") & set(tag))
CHANNELS = st.lists(NAMES.filter(lambda name: ";" not in name), min_size=1, max_size=3)
MEDIA = st.lists(
    st.tuples(st.sampled_from(["a.png", "b;c.jpg", "june/d.mp4", "[e].gif", '["f"].png']), TEXTS),
    max_size=3,
)


@st.composite
def bodies(draw):
    """A post as the API takes it: what stands in the queue came this way."""
    return PostBody(
        text=draw(TEXTS),
        at="2026-07-01T12:00:00Z",
        channels=draw(CHANNELS),
        tags=draw(st.lists(TAGS, max_size=3)),
        media=[{"path": path, "alt": alt} for path, alt in draw(MEDIA)],
        link=draw(st.sampled_from([None, "https://example.org/?a=1;2,3"])),
        expires=draw(st.sampled_from([None, "2026-07-03T12:00:00Z"])),
        key=draw(st.none() | NAMES),
    ).post()


def deliveries(post):
    """The posts of the queue, as an export gets them."""
    channels = list(dict.fromkeys(post.channels))
    for number, channel in enumerate(channels):
        yield {
            "id": f"d{number}", "post": "p1", "post_deliveries": len(channels),
            "due": post.at, "channel": channel, "text": post.text,
            "media": [{"path": one.path, "alt": one.alt} for one in post.media],
            "link": post.link, "tags": list(post.tags), "expires": post.expires, "key": post.key,
        }  # fmt: skip


@given(bodies())
def test_an_export_is_imported_as_what_it_was(post):
    if not post.text.strip() and not post.media:
        return  # the desk refuses it
    channels = tuple(dict.fromkeys(name.strip() for name in post.channels))
    files = (("x.csv", csv_text, 2), ("x.jsonl", jsonl_text, 1))
    for name, write, line in files:
        found = list(read_rows(write(deliveries(post)).encode(), name=name))
        assert found == [
            FileRow(
                line=line, due=post.at, channels=channels, text=post.text,
                media=tuple((one.path, one.alt) for one in post.media), link=post.link,
                tags=post.tags, expires=post.expires, key=post.key or "d0",
            )
        ]  # fmt: skip


@pytest.mark.parametrize("tag", ["a;b", "a,b", " ", "a\nb"])
def test_a_tag_that_no_queue_file_could_hold_is_refused_when_it_is_given(tag):
    with pytest.raises(ValidationError):
        PostBody(text="x", at="now", channels=["web"], tags=[tag])
    with pytest.raises(ValidationError):
        ActBody(verb="edit", ids=["d1"], tags=[tag])


def test_the_export_for_scripts_says_which_one_is_for_import():
    (problem,) = read_rows(b'[{"id": "d1", "post": "p1"}]\n', name="x.json")
    assert "--format jsonl" in problem.message


def test_a_post_that_is_exported_in_parts_has_a_key_for_each_part():
    post = PostBody(text="x", at="2026-07-01T12:00:00Z", channels=["a", "b"], key="mine").post()
    first, second = deliveries(post)
    second["due"] = "2026-07-01T13:00:00Z"
    keys = [row.key for row in read_rows(jsonl_text([first, second]).encode(), name="x.jsonl")]
    assert keys == ["d0", "d1"], "the author's own key stands for both at one time"
    assert [row.key for row in read_rows(csv_text([second]).encode(), name="x.csv")] == ["d1"]
