"""Posts as lines of a file: whole lines, on the disk before they count, found again."""

from __future__ import annotations

import json
import os
import resource

import pytest

from killswitch.channels.file import MAX_TEXT, FileChannel
from killswitch.channels.frame import Ending, Found, Gone, Request
from killswitch.clock import FakeClock
from killswitch.queue.post import Content, Media

CLOCK = FakeClock()


def a_request(delivery="d1", text="Vive l'été !\nencore"):
    content = Content(text, (Media("a.png", "une plage", "ab"),), "https://x.example", ("été",))
    return Request(delivery, "k1", "log", content, CLOCK.now())


@pytest.fixture
def path(tmp_path):
    return tmp_path / "posts.jsonl"


@pytest.fixture
def channel(path):
    return FileChannel("log", path, clock=CLOCK)


def publish(channel, request=None):
    return channel.publish(request or a_request(), deadline_s=20)


def test_a_post_is_one_line_with_all_that_people_will_see(channel, path):
    outcome = publish(channel)
    assert (outcome.ending, outcome.remote_id) == (Ending.SENT, "d1")
    (line,) = path.read_text().splitlines()
    assert json.loads(line) == {
        "delivery": "d1",
        "key": "k1",
        "channel": "log",
        "text": "Vive l'été !\nencore",
        "link": "https://x.example",
        "tags": ["été"],
        "media": [{"path": "a.png", "alt": "une plage"}],
        "due": "2026-03-02T09:00:00Z",
        "sent_at": "2026-03-02T09:00:00Z",
    }


def probe(channel, request=None):
    return channel.probe(request or a_request(), deadline_s=10)


def delete(channel, request=None):
    return channel.delete(request or a_request(), remote_id="d1", deadline_s=20)


def test_lines_are_added_behind_what_is_there(channel, path):
    path.write_text("mine\n")
    publish(channel)
    publish(channel, a_request("d2"))
    assert [line[:4] for line in path.read_text().splitlines()] == ["mine", '{"de', '{"de']


def test_what_can_not_be_opened_is_unsent(tmp_path):
    for path in (tmp_path / "nowhere" / "f", tmp_path):
        assert publish(FileChannel("log", path, clock=CLOCK)).ending is Ending.UNSENT
    (tmp_path / "link").symlink_to(tmp_path / "elsewhere")
    outcome = publish(FileChannel("log", tmp_path / "link", clock=CLOCK))
    assert outcome.ending is Ending.UNSENT
    assert not (tmp_path / "elsewhere").exists()


def test_a_pipe_without_a_reader_is_unsent_and_nobody_waits(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    outcome = publish(FileChannel("log", tmp_path / "pipe", clock=CLOCK))
    assert outcome.ending is Ending.UNSENT


def test_a_full_disk_is_unsent(tmp_path):
    (tmp_path / "full").symlink_to("/dev/full")
    channel = FileChannel("log", (tmp_path / "full").resolve(), clock=CLOCK)
    outcome = publish(channel)
    assert outcome.ending is Ending.UNSENT
    assert "No space left" in outcome.detail


@pytest.mark.parametrize("room", [0, 1, 40])
def test_half_a_line_is_taken_back(channel, path, room):
    path.write_bytes(b"mine\n")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (5 + room, before[1]))
    try:
        outcome = publish(channel)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert outcome.ending is Ending.UNSENT
    assert path.read_bytes() == b"mine\n"


def test_a_line_that_may_not_be_on_the_disk_is_uncertain(channel, path, monkeypatch):
    def fsync(number):
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(os, "fsync", fsync)
    outcome = publish(channel)
    assert outcome.ending is Ending.UNCERTAIN
    assert path.read_bytes()


def test_a_look_finds_just_the_deliveries_own_line(channel, path):
    assert probe(channel).found is Found.ABSENT
    publish(channel, a_request("d2", text='quotes "d1" only'))
    path.write_text(path.read_text() + 'nonsense "d1"\n["d1"]\n' + "[" * 9000 + '"d1"\n')
    assert probe(channel).found is Found.ABSENT
    publish(channel)
    found = probe(channel)
    assert (found.found, found.remote_id) == (Found.THERE, "d1")


def test_a_look_that_fails_is_no_absence(tmp_path):
    (tmp_path / "f").write_text("x")
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "link").symlink_to(tmp_path / "f")
    for path in (tmp_path, tmp_path / "pipe", tmp_path / "link", tmp_path / "f" / "below"):
        assert probe(FileChannel("log", path, clock=CLOCK)).found is Found.UNKNOWN


@pytest.mark.parametrize("behind", ["", '{"delivery": "d2", "text": "x"}\n'])
def test_a_line_that_a_power_cut_tore_proves_nothing(channel, path, behind):
    publish(channel)
    path.write_text(path.read_text()[:60] + behind)
    assert probe(channel).found is Found.UNKNOWN
    if behind:
        assert probe(channel, a_request("d2")).found is Found.UNKNOWN


def test_what_is_taken_back_is_one_more_line_and_not_there_any_more(channel, path):
    publish(channel)
    assert channel.why_not_delete(None) is None
    assert delete(channel).gone is Gone.DELETED
    first, second = path.read_text().splitlines()
    assert json.loads(first)["text"] == "Vive l'été !\nencore"
    assert json.loads(second) == {
        "delivery": "d1",
        "key": "k1",
        "channel": "log",
        "retracted_at": "2026-03-02T09:00:00Z",
    }
    assert probe(channel).found is Found.ABSENT


def test_what_can_not_be_written_down_is_not_taken_back(tmp_path):
    channel = FileChannel("log", tmp_path / "nowhere" / "f", clock=CLOCK)
    deletion = delete(channel)
    assert deletion.gone is Gone.UNKNOWN
    assert "nowhere" in deletion.detail


def test_a_check_names_what_is_wrong_without_writing(channel, path, tmp_path):
    assert channel.check() is None
    assert not path.exists()
    missing = FileChannel("log", tmp_path / "nowhere" / "f", clock=CLOCK)
    assert "nowhere" in (missing.check() or "")
    publish(channel)
    assert channel.check() is None


def test_a_text_beyond_reason_is_refused_with_its_length(channel):
    assert channel.problems(Content("x" * MAX_TEXT)) == []
    (problem,) = channel.problems(Content("x" * (MAX_TEXT + 1)))
    assert str(MAX_TEXT + 1) in problem
    assert channel.limits()["text"] == MAX_TEXT
