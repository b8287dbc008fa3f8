from __future__ import annotations

import gzip
import os
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from killswitch.net.inflate import Body, BodyError, Caps

CAPS = Caps(packed=10_000, plain=200_000)


def collect(encoding, *chunks, caps=CAPS):
    body = Body(encoding, caps)
    for chunk in chunks:
        body.add(chunk)
    return body.finish()


@given(st.binary(max_size=2000), st.binary(max_size=2000), st.integers(1, 50))
def test_gzip_members_come_back_whole_in_any_cutting(first, second, step):
    packed = gzip.compress(first, mtime=0) + gzip.compress(second, mtime=0)
    chunks = [packed[at : at + step] for at in range(0, len(packed), step)]
    assert collect("gzip", *chunks) == first + second


@pytest.mark.parametrize("encoding", ["", "identity", " Identity "])
def test_a_plain_body_is_taken_up_to_its_cap(encoding):
    assert collect(encoding, b"a" * 100_000, b"b" * 100_000)[-1:] == b"b"
    with pytest.raises(BodyError) as caught:
        collect(encoding, b"a" * 200_001)
    assert caught.value.code == "too_big"


@pytest.mark.parametrize("encoding", ["br", "zstd", "deflate", "gzip, gzip", "gzip;q=1", "x"])
def test_an_encoding_that_was_not_asked_for_is_refused(encoding):
    with pytest.raises(BodyError) as caught:
        Body(encoding, CAPS)
    assert caught.value.code == "bad_encoding"


@pytest.mark.parametrize(
    ("packed", "code"),
    [
        (gzip.compress(bytes(300_000)), "too_big"),  # more than the cap
        (gzip.compress(bytes(150_000)), "too_big"),  # more than a hundredfold
        (os.urandom(11_000), "too_big"),  # more than the wire's cap
        (gzip.compress(b"", mtime=0) * 70, "too_big"),  # too many members
        (b"<rss/>", "bad_encoding"),
        (zlib.compress(b"<rss/>"), "bad_encoding"),
        (gzip.compress(b"<rss/>" * 10, mtime=0)[:-9], "bad_encoding"),
    ],
)
def test_a_bomb_or_a_broken_body_is_refused(packed, code):
    with pytest.raises(BodyError) as caught:
        collect("gzip", packed)
    assert caught.value.code == code


def test_a_bomb_never_holds_more_than_its_cap():
    body = Body("gzip", CAPS)
    with pytest.raises(BodyError):
        body.add(gzip.compress(bytes(50_000_000))[: CAPS.packed])
    assert len(body.so_far()) <= CAPS.plain


@pytest.mark.parametrize("padding", [b"\0" * 9, b"\x1f", b"trailing"])
def test_padding_after_gzip_is_left_alone(padding):
    assert collect("x-gzip", gzip.compress(b"<rss/>", mtime=0), padding, b"") == b"<rss/>"


def test_a_short_body_of_repeated_markup_may_shrink_more_than_a_hundredfold():
    assert len(collect("gzip", gzip.compress(b"<a>" * 20_000, mtime=0))) == 60_000


def test_an_empty_body_is_empty_whatever_its_encoding():
    assert collect("gzip") == b""
