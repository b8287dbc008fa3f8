"""The line finder agrees with the TOML reader on what stands in a file, and says where."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from killswitch.settings.lines import line_for, lines_of

TRICKY = '''\
# a comment with [brackets] and = signs
top = "a # no comment" # a comment
"quoted key" = 'x'
'literal.key' = 1
a.b.c = 2
a.b.d = [1, 2,
  # a comment, with ] inside
  3,
]
text = """
[not_a_table]
no = "key" \\""" still
"""
raw = \'\'\'
it's = [raw]\'\'\'
when = 1979-05-27 07:32:00
inline = { x = 1, y = { z = [ "a", { q = 1 } ] }, "k.k" = 0 }
[table]
  key = 1

[table.sub]
key = 2
[[rows]]
name = "one"
[[rows]]
name = "two"
[[rows.inner]]
deep = 1
[[rows.inner]]
deep = 2
[rows.more]
key = true
[ "sp aced" . x ]
y = ""
'''


def _paths(value: Any, path: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    if path:
        yield path
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from _paths(inner, (*path, key))
    if isinstance(value, list):
        for index, inner in enumerate(value):
            yield from _paths(inner, (*path, index))


@pytest.mark.parametrize(
    ("path", "line"),
    [
        (("top",), 2),
        (("quoted key",), 3),
        (("literal.key",), 4),
        (("a", "b", "c"), 5),
        (("a", "b", "d"), 6),
        (("a", "b", "d", 1), 6),
        (("a", "b", "d", 2), 8),
        (("text",), 10),
        (("raw",), 14),
        (("inline", "y", "z", 1, "q"), 17),
        (("table",), 18),
        (("table", "sub", "key"), 22),
        (("rows", 0, "name"), 24),
        (("rows", 1), 25),
        (("rows", 1, "inner", 1, "deep"), 30),
        (("rows", 1, "more", "key"), 32),
        (("sp aced", "x", "y"), 34),
    ],
)
def test_each_setting_is_found_on_its_line(path: tuple[str | int, ...], line: int) -> None:
    assert lines_of(TRICKY)[path] == line
    assert lines_of(TRICKY.replace("\n", "\r\n"))[path] == line


def test_finder_knows_exactly_the_paths_that_the_reader_knows() -> None:
    assert set(lines_of(TRICKY)) == set(_paths(tomllib.loads(TRICKY)))


def test_finder_knows_exactly_the_paths_of_the_example() -> None:
    text = (Path(__file__).parents[2] / "config.example.toml").read_text(encoding="utf-8")
    assert set(lines_of(text)) == set(_paths(tomllib.loads(text)))


def test_a_missing_key_is_placed_at_its_table() -> None:
    lines = lines_of(TRICKY)
    assert line_for(("rows", 1, "url"), lines) == 25
    assert line_for(("nowhere",), lines) is None


LETTERS = st.text("abcdef_-", min_size=1, max_size=6)
SCALARS = st.one_of(
    st.integers(0, 99).map(str),
    st.sampled_from(
        ["true", '"[x]"', "'#'", '"""\n]"""', "'''\n\"'''", '"\\""', "1.5", "{ a = 1 }"]
    ),
)
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3).map(lambda xs: f"[\n{', '.join(xs)} # ]\n]")
)


@given(
    st.dictionaries(LETTERS, VALUES, max_size=5), st.lists(st.tuples(LETTERS, VALUES), max_size=4)
)
def test_any_written_text_is_walked_as_the_reader_walks_it(
    pairs: dict[str, str], rows: list[tuple[str, str]]
) -> None:
    text = "\n".join(f"x{key} = {value} # end" for key, value in pairs.items())
    text += "\n" + "\n".join(f"[[rows]]\n{key} = {value}" for key, value in rows)
    assert set(lines_of(text)) == set(_paths(tomllib.loads(text)))
