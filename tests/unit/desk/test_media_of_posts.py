"""Files that posts attach: plain files below their folder, unchanged until they are sent."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from killswitch import media
from killswitch.errors import UsageError
from killswitch.outcome import Passage
from tests.unit.desk.house import House, refused

OPEN_FILES = Path("/proc/self/fd")


@pytest.fixture
def folder(small_house: House) -> Path:
    return small_house.root / "media"


def _fifo(folder: Path) -> str:
    os.mkfifo(folder / "pipe")
    return "pipe"


def _link_to_file(folder: Path) -> str:
    (folder.parent / "secret").write_text("s")
    (folder / "link.png").symlink_to(folder.parent / "secret")
    return "link.png"


def _link_to_folder(folder: Path) -> str:
    (folder.parent / "other").mkdir()
    (folder.parent / "other" / "a.png").write_text("s")
    (folder / "sub").symlink_to(folder.parent / "other")
    return "sub/a.png"


def _folder(folder: Path) -> str:
    (folder / "sub").mkdir()
    return "sub"


def _unreadable(folder: Path) -> str:
    return "a" * 300


BAD_MEDIA: dict[str, Any] = {
    "up": lambda folder: "../killswitch.db",
    "down and up": lambda folder: "a/../../killswitch.db",
    "absolute, inside": lambda folder: str(folder / "a.png"),
    "absolute, outside": lambda folder: "/etc/passwd",
    "a dot": lambda folder: "./a.png",
    "no name between": lambda folder: "a//b",
    "empty": lambda folder: "",
    "NUL": lambda folder: "a\0b",
    "no text": lambda folder: "\ud800",
    "a FIFO": _fifo,
    "a link": _link_to_file,
    "a folder that is a link": _link_to_folder,
    "a folder": _folder,
    "a name too long": _unreadable,
}


@pytest.mark.parametrize("made", BAD_MEDIA.values(), ids=BAD_MEDIA)
def test_media_are_plain_files_below_their_folder_and_nothing_else(
    small_house: House, folder: Path, made: Any
) -> None:
    name = made(folder)
    assert refused(small_house.add, media=(name,), kind=UsageError).code == "media"
    assert not media.is_whole(folder, [(name, "0")])
    assert small_house.visible() == 0


def test_a_refused_path_leaves_no_file_open(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    before = len(list(OPEN_FILES.iterdir()))
    for _ in range(5):
        refused(media.fingerprint, tmp_path, "sub/none/a.png", kind=UsageError)
    assert len(list(OPEN_FILES.iterdir())) == before


def test_a_file_larger_than_any_network_takes_is_refused(
    small_house: House, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(media, "MAX_BYTES", 10)
    (folder / "ten.png").write_bytes(b"0123456789")
    (folder / "more.png").write_bytes(b"0123456789a")
    small_house.add(media=("ten.png",))
    assert "larger" in refused(small_house.add, media=("more.png",), at="+2h").message


def test_a_post_of_a_picture_alone_is_a_post(small_house: House, folder: Path) -> None:
    (folder / "sub").mkdir()
    (folder / "sub" / "a.png").write_bytes(b"png")
    delivery = small_house.add(text=" ", media=("sub/a.png",))
    assert small_house.desk.queue_show(delivery)["media"] == [{"path": "sub/a.png", "alt": "alt"}]


@pytest.mark.parametrize(
    "change",
    [
        lambda file: file.write_bytes(b"other"),
        lambda file: file.unlink(),
        lambda file: (file.unlink(), file.symlink_to("/etc/passwd")),
    ],
    ids=["other bytes", "gone", "a link now"],
)
def test_a_file_that_changed_since_is_held_and_not_sent(
    small_house: House, folder: Path, change: Any
) -> None:
    (folder / "a.png").write_bytes(b"png")
    delivery = small_house.add(media=("a.png",), at="now")
    change(folder / "a.png")
    assert small_house.send(delivery) is Passage.HELD
    assert small_house.published() == []
    assert small_house.holds(delivery) == ["human"]


def test_an_unchanged_file_is_sent(small_house: House, folder: Path) -> None:
    (folder / "a.png").write_bytes(b"png")
    delivery = small_house.add(media=("a.png",), at="now")
    assert small_house.send(delivery) is Passage.SENT
