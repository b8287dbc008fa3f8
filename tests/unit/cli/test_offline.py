"""What commands find out by themselves where no daemon answers."""

from __future__ import annotations

import os

import pytest

from killswitch.cli import offline
from killswitch.cli.offline import ROOM_LEAST, full_disk


def a_disk(**changes):
    fields = {
        "f_bsize": 4096, "f_frsize": 4096, "f_blocks": 1000, "f_bfree": 500, "f_bavail": 500,
        "f_files": 100, "f_ffree": 50, "f_favail": 50, "f_flag": 0, "f_namemax": 255,
    }  # fmt: skip
    return os.statvfs_result(tuple({**fields, **changes}.values()))


@pytest.mark.parametrize(
    ("disk", "told"),
    [
        (a_disk(), ""),
        (a_disk(f_bavail=ROOM_LEAST // 4096), ""),
        (a_disk(f_bavail=0), "is full (0 bytes free)"),
        (a_disk(f_bavail=1), "is full (4096 bytes free)"),
        (a_disk(f_favail=0), "has no room for another file"),
        (a_disk(f_files=0, f_favail=0), ""),
    ],
)
def test_a_full_disk_is_told_and_one_with_room_is_not(monkeypatch, tmp_path, disk, told):
    monkeypatch.setattr(offline.os, "statvfs", lambda _path: disk)
    found = full_disk(tmp_path)
    assert told in found
    assert bool(found) == bool(told)


def test_a_directory_that_is_not_there_is_not_full(tmp_path):
    assert full_disk(tmp_path / "missing") == ""
