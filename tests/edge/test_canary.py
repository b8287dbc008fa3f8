"""
No secret leaves but to where it belongs: a whole life, and its failures, with a canary in each.

Looked through: the log, what every command says, every answer of the API, notices as they arrive,
the rows of the store and its file, backups and exports, process lists, what the service manager is
told, files left behind.
"""

from __future__ import annotations

import base64
import contextlib
import signal
import stat
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest
import sqlalchemy as sa

from tests.edge.canary import (
    WORDS,
    Manager,
    Receiver,
    SecretHouse,
    family_of,
    files_with_secrets,
    found_in,
    post_office,
)
from tests.edge.house import SOON, Newsroom
from tests.edge.raw_server import RawServer
from tests.edge.test_notify_process import Mailbox, a_port

OURS = ("killswitch.toml", "creds/")
"""Where the operator wrote the secrets down."""
COMMANDS = (
    ("status",), ("status", "--json"), ("doctor",), ("doctor", "--json"), ("notify", "test"),
    ("notify", "test", "--json"), ("run", "--check", "--json"), ("channels",),
    ("channels", "check"), ("feeds",),
    ("queue",), ("incidents",), ("incidents", "show", "last"), ("incidents", "report", "last"),
    ("audit",), ("audit", "verify"), ("config", "check"), ("config", "reload"), ("run", "--check"),
    ("card",), ("whose", "x"), ("ack",), ("queue", "--state", "uncertain"), ("drill", "--help"),
)  # fmt: skip
ROUTES = (
    "status", "queue", "channels", "feeds", "incidents", "incidents/last", "audit?limit=1000",
    "audit/verify", "metrics", "openapi.json", "resume", "seal", "whose?q=x", "nothing",
)  # fmt: skip


class Seen:
    """What was said to anybody, by the name of where it was said."""

    def __init__(self) -> None:
        self.leaks: dict[str, list[str]] = {}

    def look(self, where: str, data: bytes | str, *, but: tuple[str, ...] = ()) -> None:
        hits = found_in(data, but=but)
        if hits:
            raw = data.encode() if isinstance(data, str) else data
            word = WORDS[hits[0].partition(",")[0]].encode()
            at = max(0, raw.find(word) - 120)
            self.leaks[where] = [*hits, repr(raw[at : at + 300])]

    def files(self, folder: Path) -> None:
        """Look into all that lies there, but where the operator wrote the secrets down."""
        # A feed is known by its whole address in the store, and so in its copies.
        for name, hits in files_with_secrets(folder, but=("feedurl",)).items():
            if not name.startswith(OURS):
                self.leaks[f"the file {name}"] = hits

    def told(self) -> str:
        return "\n".join(f"{where}: {what}" for where, what in self.leaks.items())


@pytest.mark.parametrize("name", WORDS)
def test_a_secret_is_known_again_however_it_is_written(name):
    word = WORDS[name]
    login = base64.b64encode(f"u:{word}".encode()).decode()
    ways = (word, f"http://h/?key={word}&x", f"Basic {login}", word.encode().hex(), repr((word, 1)))
    assert all(name in found_in(way)[0] for way in ways)
    assert found_in(word.encode("utf-16-le")) == [f"{name}, in UTF-16"]
    assert found_in(word, but=(name,)) == []


@pytest.mark.filterwarnings("ignore:Requiring AUTH while not requiring TLS")
@pytest.mark.timeout(300)
def test_no_secret_leaves_but_to_where_it_belongs(folder, newsroom_server, newsroom):
    seen = Seen()
    with _people(folder) as (told, build):
        house = build(folder, newsroom_server, "")
        with house:
            _live(house, newsroom, seen)
        _fail(house, seen)
    _look_everywhere(folder, house, told, seen)
    _look_into_the_store(f"sqlite:///{folder}/state/killswitch.db", seen)
    assert not seen.leaks, seen.told()


@pytest.mark.filterwarnings("ignore:Requiring AUTH while not requiring TLS")
@pytest.mark.timeout(120)
def test_the_password_of_the_store_leaves_with_nobody(folder, newsroom_server, postgres_url):
    seen, url = Seen(), sa.make_url(postgres_url).set(password=WORDS["store"])
    with _people(folder) as (told, build):
        house = build(folder, newsroom_server, url.render_as_string(hide_password=False))
        with house:
            house.until(lambda: house.run("status")[0] == 0)
            for words in (("doctor",), ("run", "--check"), ("notify", "test")):
                seen.look(" ".join(words), house.people_see(*words))
            for route in ("status", "metrics", "openapi.json"):
                seen.look(f"GET {route}", _get(house, route))
            _look_at_the_processes(house, seen)
            house.stop()
        address = url.set(port=a_port()).render_as_string(hide_password=False)
        house.everywhere["KILLSWITCH_STORE__URL"] = address.replace("+psycopg", "")
        seen.look("a start without its server", house.people_see("run", within_s=12))
        house.everywhere["KILLSWITCH_STORE__URL"] = f"mysql://u:{WORDS['store']}@127.0.0.1/x"
        seen.look("a start with another database", house.people_see("run"))
    seen.look("the log", house.log.read_bytes())
    assert told["manager"].told
    seen.look("the service manager", b"\n".join(told["manager"].told))
    seen.files(folder)
    _look_into_the_store(postgres_url, seen)
    assert not seen.leaks, seen.told()


@contextlib.contextmanager
def _people(folder: Path) -> Iterator[Any]:
    """Yield who is told, and how to build a house that tells them."""
    box = Mailbox()
    with (
        Receiver() as accepting,
        Receiver(401) as refusing,
        Receiver(403, echoes=True) as echoing,
        RawServer(lambda _: b"") as cutting,
        post_office(box) as mail,
        Manager(folder / "notify") as manager,
    ):

        def build(folder: Path, server: Any, store: str) -> SecretHouse:
            return SecretHouse(
                folder,
                server,
                store=store.replace("+psycopg", ""),
                accepting=accepting.port,
                refusing=refusing.port,
                echoing=echoing.port,
                cutting=cutting.port,
                mail=mail,
                env={"NOTIFY_SOCKET": str(manager.path)},
            )

        yield {"accepting": accepting, "refusing": refusing, "mail": box, "manager": manager}, build


# ---- a life --------------------------------------------------------------------------------------


def _live(house: SecretHouse, newsroom: Newsroom, seen: Seen) -> None:
    """Posts go out, are refused and get lost; everything stops, is told, and goes on."""
    house.state_is("running")
    house.add("Good morning", "now")
    lost = [house.add(f"To {name}", "now", channel=name) for name in ("echo", "dead", "cut")]
    house.until(lambda: newsroom.texts() == ["Good morning"])
    house.until(lambda: house.log.read_text().count("delivery.passed") >= 4)
    assert house.state_of(lost[-1]) == "uncertain"
    house.run("pause", "an attack")
    house.until(lambda: len(house.status()["notices"]["failing"]) >= 3)
    house.until(lambda: sum(bool(one["problem"]) for one in house.status()["relays"]) == 3)
    shown = [("queue", "show", delivery) for delivery in lost]
    with ThreadPoolExecutor(4) as several:
        asked = [*COMMANDS, *shown, ("backup", str(house.folder / "copy.db"))]
        all_said = several.map(lambda words: house.people_see(*words), asked)
        for words, said in zip(asked, all_said, strict=True):
            seen.look(f"killswitch {' '.join(words)}", said)
    for route in ROUTES:
        seen.look(f"GET {route}", _get(house, route))
    _look_at_the_processes(house, seen)
    house.resume(house.status()["version"], "--keep-held")
    house.state_is("running")


def _get(house: SecretHouse, route: str) -> bytes:
    with httpx.Client(
        transport=httpx.HTTPTransport(uds=str(house.state_dir / "control.sock"))
    ) as client:
        return client.get(f"http://localhost/v1/{route}", timeout=30).content


def _look_at_the_processes(house: SecretHouse, seen: Seen) -> None:
    """Command lines are everybody's to read; the environment of a child is its library's."""
    assert house.daemon is not None
    everyone = list(family_of(house.daemon.pid))
    assert len(everyone) > 1
    for pid, command, environment in everyone:
        name = command.decode().replace("\0", " ")[:200]
        seen.look(f"command line of {name}", command)
        if pid != house.daemon.pid:
            seen.look(f"environment of {name}", environment)


# ---- failures ------------------------------------------------------------------------------------


def _fail(house: SecretHouse, seen: Seen) -> None:
    """Faults inside, with their tracebacks; starts and reloads that are refused."""
    for point in ("ingest.before_commit", "gate.after_intent"):
        house.everywhere["KILLSWITCH_FAILPOINTS"] = f"{point}=error"
        with house:
            daemon = house.daemon
            assert daemon is not None
            if point.startswith("gate"):
                house.until(lambda: (house.status()["sight"] or {}).get("ok"))
                house.run("queue", "add", "Once more", "--at", "now", "--channel", "hook")
            daemon.wait(SOON)
    del house.everywhere["KILLSWITCH_FAILPOINTS"]
    good = house.config.read_text()
    bad = good.replace("json://", "jsno://").replace("secret =", "secrett =")
    with house:
        house.until(lambda: house.run("status")[0] in {0, 3})
        house.config.write_text(bad)
        seen.look("a refused reload", house.people_see("config", "reload"))
        house.signal(signal.SIGHUP)
        house.until(lambda: "config.refused" in house.log.read_text())
        seen.look("a doctor of a bad file", house.people_see("doctor"))
        house.stop()
    seen.look("a refused start", house.people_see("run"))
    house.config.write_text(good)


# ---- what is left behind -------------------------------------------------------------------------


def _look_everywhere(folder: Path, house: SecretHouse, told: dict[str, Any], seen: Seen) -> None:
    seen.look("the log", house.log.read_bytes())
    assert house.log.read_text().count("daemon.fault") == 2
    assert "FailpointError" in house.log.read_text()
    assert told["manager"].told
    seen.look("the service manager", b"\n".join(told["manager"].told))
    assert told["accepting"].requests
    for name in ("accepting", "refusing"):
        seen.look(f"what {name} was told", told[name].bodies())
    assert told["mail"].mails
    for mail in told["mail"].mails:
        seen.look("mail", mail.as_bytes())
    seen.files(folder)
    for path in (folder / "copy.db", *(folder / "state").glob("*")):
        if not stat.S_ISLNK(path.lstat().st_mode) and stat.S_IMODE(path.stat().st_mode) & 0o007:
            seen.leaks[f"the file {path.relative_to(folder)}"] = ["others may use it"]


def _look_into_the_store(store: str, seen: Seen) -> None:
    """Look at every column; a feed is known by its whole address."""
    engine = sa.create_engine(store)
    tables = sa.MetaData()
    with engine.connect() as conn:
        tables.reflect(conn)
        assert "attempts" in tables.tables
        for name, table in tables.tables.items():
            but = ("feedurl",) if name == "feeds" else ()
            for row in conn.execute(sa.select(table)):
                seen.look(f"the table {name}", repr(tuple(row)), but=but)
    engine.dispose()
