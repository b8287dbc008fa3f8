"""An old copy of the store: put back by hand it is told and held, by ``restore`` it is known."""

from __future__ import annotations

import shutil

import pytest

from tests.edge.house import House


def put_back(house: House, copy) -> None:
    """Put a copy in the place of the store, as somebody does who knows no better."""
    for suffix in ("-wal", "-shm"):
        (house.state_dir / f"killswitch.db{suffix}").unlink(missing_ok=True)
    shutil.copy(copy, house.state_dir / "killswitch.db")


@pytest.mark.timeout(150)
@pytest.mark.parametrize("how", ["by hand", "by command"])
def test_yesterdays_store(folder, newsroom_server, newsroom, how):
    copy = folder / "yesterday.db"
    with House(folder, newsroom_server) as house:
        house.state_is("running")
        assert house.run("backup", str(copy))[0] == 0
        house.add("Summer sale", "+1h")
        assert house.run("pause", "by hand")[0] == 0
        assert house.resume(house.status()["version"])[0] == 0
        house.stop()
        if how == "by hand":
            put_back(house, copy)
        else:
            assert house.run("restore", str(copy), "--yes")[0] == 0
        house.start()
        house.state_is("paused")
        assert [cause["kind"] for cause in house.status()["causes"]] == [
            "tamper" if how == "by hand" else "flag"
        ]
        code, verdict = house.run("audit", "verify")
        assert (code, verdict["ok"]) == ((1, False) if how == "by hand" else (0, True))
        house.until(lambda: house.status()["sight"]["ok"])
        assert house.resume(house.status()["version"])[0] == 0
        house.until(lambda: house.run("audit", "verify")[0] == 0)
        house.kill()
        house.start()
        house.state_is("running")
        assert newsroom.texts() == []


@pytest.mark.timeout(90)
def test_a_store_that_is_exchanged_under_the_daemon_ends_it(folder, newsroom_server):
    with House(folder, newsroom_server) as house:
        house.state_is("running")
        store = house.state_dir / "killswitch.db"
        store.rename(folder / "aside.db")
        shutil.copy(folder / "aside.db", store)
        assert house.daemon is not None
        assert house.daemon.wait(30) == 1
        assert "is not the file any more" in house.log.read_text()
