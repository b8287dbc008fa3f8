"""The flag directory: every doubt is a pause, and what is written is durable."""

from __future__ import annotations

import errno
import json
import os
import stat
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from killswitch import flags as flags_module
from killswitch.flags import KEY_LONGEST, NOTE_BYTES, FlagDir, shown

AT = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)


@pytest.fixture
def flags(tmp_path):
    made = FlagDir(tmp_path)
    made.create()
    return made


def a_file(path):
    path.write_text("x")


def a_folder(path):
    path.mkdir()


def a_link_to_nowhere(path):
    path.symlink_to("/nowhere")


def a_fifo(path):
    os.mkfifo(path)


def test_a_new_directory_is_clear_and_belongs_to_the_group(flags):
    assert flags.is_clear()
    assert flags.look().clear
    assert stat.S_IMODE(flags.path.stat().st_mode) == 0o2770


@pytest.mark.parametrize("make", [a_file, a_folder, a_link_to_nowhere, a_fifo])
def test_any_entry_of_any_kind_is_a_pause(flags, make):
    make(flags.path / "x")
    assert not flags.is_clear()
    assert [flag.name for flag in flags.look().entries] == ["x"]


def test_a_hidden_entry_is_a_pause(flags):
    a_file(flags.path / ".x")
    assert not flags.is_clear()


def test_a_missing_directory_is_a_pause(tmp_path):
    look = FlagDir(tmp_path).look()
    assert look.missing
    assert not look.clear
    assert not FlagDir(tmp_path).is_clear()


@pytest.mark.parametrize("make", [a_file, a_link_to_nowhere, a_fifo])
def test_anything_else_in_its_place_is_a_pause(tmp_path, make):
    flags = FlagDir(tmp_path)
    make(flags.path)
    assert not flags.is_clear()
    assert flags.look().problem


def test_a_link_to_an_empty_directory_is_a_pause(tmp_path):
    (tmp_path / "empty").mkdir()
    flags = FlagDir(tmp_path)
    flags.path.symlink_to(tmp_path / "empty")
    assert not flags.is_clear()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives a directory away")
def test_a_directory_of_somebody_else_is_a_pause(flags):
    os.chown(flags.path, 4321, 4321)
    assert not flags.is_clear() or os.geteuid() == 4321
    assert "4321" in flags.look().problem


def test_what_is_written_is_read_back(flags):
    name = flags.write("attack in Annecy", "k1", "lea", at=AT)
    (flag,) = flags.look().entries
    assert (flag.name, flag.key, flag.note) == (name, "k1", "attack in Annecy")
    assert (flag.by, flag.at) == ("lea", "2026-03-02T09:00:00Z")
    assert stat.S_IMODE((flags.path / name).stat().st_mode) == 0o664


def test_the_same_key_twice_is_one_flag(flags):
    assert flags.write("a", "k1", "lea") == flags.write("b", "k1", "lea")
    assert len(flags.look().entries) == 1


@pytest.mark.parametrize("key", ["../x", "a/b", "é" * 80, "", "a" * 200, "\x00", "\ud800"])
def test_no_key_leads_out_of_the_directory(flags, key):
    flags.write("why", key, "lea")
    assert len(list(flags.path.iterdir())) == 1


@pytest.mark.parametrize("key", ["", "a" * 81, "\x00", "\ud800", "a\nb", "\u202e", "\x7f"])
def test_a_key_that_no_pause_can_have_sent_is_no_key(flags, key):
    (flags.path / "x").write_text(json.dumps({"key": key, "reason": "why"}))
    flags.write("why", key, "lea")
    assert [(flag.key, flag.note) for flag in flags.look().entries] == [(None, "why")] * 2


def test_a_device_is_not_opened_for_its_note(flags, monkeypatch):
    a_fifo(flags.path / "x")
    opened = []
    real = os.open
    monkeypatch.setattr(os, "open", lambda path, *more, **how: opened.append(path) or
                        real(path, *more, **how))  # fmt: skip
    assert flags.look().entries[0].note == ""
    assert "x" not in opened


@given(reason=st.text(max_size=6000), by=st.text(max_size=400))
def test_every_reason_gives_whole_json_of_bounded_length(reason, by):
    content = flags_module._content(reason, key="k", by=by, at=AT)
    assert len(content) <= NOTE_BYTES
    assert reason.startswith(json.loads(content)["reason"])


def test_a_note_is_one_plain_line_of_bounded_length(flags):
    (flags.path / "x").write_bytes(b"\x1b[31mred\r\nnext\xff" + b"y" * 10_000)
    note = flags.look().entries[0].note
    assert note.isprintable()
    assert len(note) <= NOTE_BYTES


@pytest.mark.parametrize("content", ['{"key": 7}', "[1]", '{"key"', "{" * 3000, "", "\ud800"])
def test_a_strange_note_is_still_a_flag_without_a_key(flags, content):
    (flags.path / "x").write_bytes(content.encode("utf-8", "surrogatepass"))
    assert flags.look().entries[0].key is None


def test_a_name_that_is_not_text_is_shown_escaped_and_can_be_removed(flags):
    raw = os.fsencode(flags.path) + b"/a\xff\x1b\\"
    os.close(os.open(raw, os.O_CREAT | os.O_WRONLY))
    (flag,) = flags.look().entries
    assert flag.name.isprintable()
    assert flags.remove([flag]).clear


@given(st.lists(st.text(min_size=1, max_size=5), min_size=2, max_size=2, unique=True))
def test_two_names_are_never_shown_alike(names):
    def encodable(name):
        try:
            os.fsencode(name)
        except UnicodeEncodeError:
            return False
        return True

    if all(encodable(name) for name in names):
        assert shown(names[0]) != shown(names[1])


def test_only_the_named_flags_are_removed(flags):
    flags.write("a", "k1", "lea")
    flags.write("b", "k2", "lea")
    first, second = flags.look().entries
    assert flags.remove([first]).entries == (second,)


def test_an_entry_that_took_the_place_of_a_flag_is_left_alone(flags):
    (flags.path / "x").touch()
    (seen,) = flags.look().entries
    os.utime(flags.path / "x", (0, 0))
    (later,) = flags.remove([seen]).entries
    assert (later.name, later.stamp != seen.stamp) == ("x", True)


def an_entry(directory, name, kind, content):
    """Make one entry of any kind, name and content."""
    path = Path(directory, os.fsdecode(name))
    if kind == "file":
        path.write_bytes(content)
    else:
        {"folder": a_folder, "link": a_link_to_nowhere, "fifo": a_fifo}[kind](path)


RAW_NAMES = st.binary(min_size=1, max_size=255).map(
    lambda raw: raw.replace(b"/", b"\xff").replace(b"\0", b"\xfe")
).filter(lambda raw: raw not in {b".", b".."})  # fmt: skip
SAID = st.dictionaries(
    st.sampled_from(["key", "reason", "by", "at", "other"]),
    st.one_of(st.text(max_size=200), st.none(), st.integers(), st.lists(st.text(), max_size=2)),
)
RAW_NOTES = st.one_of(
    st.binary(max_size=5000), SAID.map(lambda said: json.dumps(said).encode()), st.just(b"{" * 4096)
)
ENTRIES = st.dictionaries(
    RAW_NAMES,
    st.tuples(st.sampled_from(["file", "file", "file", "folder", "link", "fifo"]), RAW_NOTES),
    min_size=1,
    max_size=5,
)


@given(entries=ENTRIES)
def test_whatever_lies_there_is_a_flag_of_plain_text_and_can_be_removed(flags, entries):
    for name, (kind, content) in entries.items():
        an_entry(flags.path, name, kind, content)
    look = flags.look()
    assert len({flag.name for flag in look.entries}) == len(entries)
    for flag in look.entries:
        texts = [flag.name, flag.note, flag.key or "k", flag.by or "", flag.at or ""]
        assert all(text.isprintable() and text.encode() is not None for text in texts)
        assert 1 <= len(flag.key or "k") <= KEY_LONGEST
    assert flags.remove(look.entries).clear


def test_an_empty_folder_is_removed_and_a_full_one_stays(flags):
    (flags.path / "empty").mkdir()
    (flags.path / "full").mkdir()
    (flags.path / "full" / "x").touch()
    left = flags.remove(flags.look().entries)
    assert [flag.name for flag in left.entries] == ["full"]


def test_removing_from_a_missing_directory_says_that_it_is_missing(tmp_path):
    assert FlagDir(tmp_path).remove([]).missing


def test_a_missing_directory_is_never_made_by_a_write(tmp_path):
    with pytest.raises(FileNotFoundError):
        FlagDir(tmp_path).write("why", "k", "lea")
    assert not (tmp_path / "pause.d").exists()


def a_full_disk(monkeypatch, *, after_create):
    """Let creating a flag fail as a full disk does, with or without its entry made."""

    def fails(self, dir_fd, name, content):
        if after_create:
            os.close(os.open(name, os.O_CREAT | os.O_EXCL, dir_fd=dir_fd))
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(FlagDir, "_create_flag", fails)


@pytest.mark.parametrize("after_create", [False, True])
def test_a_full_disk_does_not_stop_a_pause(flags, monkeypatch, after_create):
    flags.fill_spares(2)
    a_full_disk(monkeypatch, after_create=after_create)
    flags.write("attack", "k1", "lea", at=AT)
    (flag,) = flags.look().entries
    assert (flag.key, flag.note) == ("k1", "attack")
    assert len(list(flags.spares.iterdir())) == 1


def test_a_full_disk_without_a_spare_is_told(flags, monkeypatch):
    a_full_disk(monkeypatch, after_create=False)
    with pytest.raises(OSError, match="No space"):
        flags.write("attack", "k1", "lea")


def test_spares_are_filled_up_again(flags):
    flags.fill_spares(3)
    (flags.spares / "spare-1").unlink()
    flags.fill_spares(3)
    assert len(list(flags.spares.iterdir())) == 3


def test_a_spare_that_was_cut_short_by_a_full_disk_is_filled_up(flags):
    flags.fill_spares(1)
    (flags.spares / "spare-0").write_bytes(b"")
    flags.fill_spares(1)
    assert (flags.spares / "spare-0").stat().st_size == NOTE_BYTES


def test_nothing_is_written_where_all_spares_are_there(flags, monkeypatch):
    flags.fill_spares()
    monkeypatch.setattr(flags_module, "_fsync_dir", lambda path: pytest.fail("written"))
    flags.fill_spares()


def test_creating_twice_keeps_what_is_there(flags):
    flags.write("a", "k1", "lea")
    flags.create()
    assert not flags.is_clear()
