"""
Answers that get lost: no post goes out twice, and none is called what it is not.

A real daemon posts to a network behind a proxy that cuts, delays, doubles and drips. The network's
ledger says what really went out; the store must agree, or say that it does not know.

``KILLSWITCH_LOST_ANSWERS`` sets how many answers are lost (1,000 take some minutes); without it, as
many as fit into half a minute.
"""

from __future__ import annotations

import json
import os
import random
import threading
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from killswitch.signing import HEADER, verify
from killswitch.store import attempts, audit, deliveries, looks
from killswitch.store.engine import Store
from killswitch.store.schema import notices
from tests.edge.faulty_proxy import FaultyProxy, key_of
from tests.edge.house import House, Newsroom
from tests.edge.raw_server import RawServer, reply

LOST = int(os.environ.get("KILLSWITCH_LOST_ANSWERS", "60"))
IS_LONG = LOST > 100
SECRET = "s3cret"
SEED = 20_260_302
# Each costs its channel the 20 s of a request, so these have channels of their own.
SLOW = ("hung_behind", "hung_before", "late")
QUICK = (
    "cut_after_the_request",
    "cut_in_its_headers",
    "closed_without_a_word",
    "answered_by_a_gateway",
    "answered_with_nonsense",
    "doubled_and_cut",
    "cut_before_the_network",
    "refused_by_a_gateway",
)
NEVER_ARRIVE = frozenset({"hung_before", "cut_before_the_network", "refused_by_a_gateway"})
ANSWERED = ("passed", "doubled", "dripped", "cut_in_its_body", "refused")
# What may spoil a look; nine of ten pass.
SPOILT_LOOKS = (
    "cut_before_the_network",
    "refused_by_a_gateway",
    "hidden_by_a_login",
    "answered_with_nonsense",
)
CHANNELS = 4


class Network:
    """Takes posts, each key once, and is the ledger; answers looks; believes signed requests."""

    def __init__(self) -> None:
        self.published: dict[str, dict[str, Any]] = {}
        self.repeats: Counter[str] = Counter()
        self.unsigned: list[bytes] = []
        self._lock = threading.Lock()

    def __call__(self, request: bytes) -> bytes:
        head, _, body = request.partition(b"\r\n\r\n")
        method, target, _ = head.split(b"\r\n")[0].split(b" ")
        if not _is_signed(head, body or method + b" " + target):
            self.unsigned.append(request)
            return reply(401)
        if method == b"GET":
            post = self.published.get(target.decode().rpartition("/")[2])
            return reply(200, json.dumps(post).encode()) if post else reply(404, b"no such post")
        with self._lock:
            key = key_of(request)
            self.repeats[key] += 1
            post = self.published.setdefault(
                key, {"id": f"r{len(self.published)}", "text": json.loads(body)["text"]}
            )
        return reply(201, json.dumps(post).encode())


def _is_signed(head: bytes, signed: bytes) -> bool:
    for line in head.decode().split("\r\n"):
        name, _, value = line.partition(": ")
        if name.lower() == HEADER.lower():
            return verify(SECRET, signed, value, now=datetime.now(UTC), tolerance_s=300)
    return False


class Spoiler:
    """Says how each connection is spoilt: a post as its text asks, a look now and then."""

    def __init__(self) -> None:
        self._random = random.Random(SEED)
        self._lock = threading.Lock()

    def __call__(self, request: bytes) -> str:
        if request.startswith(b"GET"):
            with self._lock:
                spoilt = self._random.random() < 0.1
                fault = self._random.choice(SPOILT_LOOKS)
            return fault if spoilt else "passed"
        text: str = json.loads(request.partition(b"\r\n\r\n")[2])["text"]
        return text.partition(" ")[0]


def a_house(folder: Path, newsroom_server: RawServer, proxy: FaultyProxy, told: RawServer) -> House:
    queue = {"min_gap": "0s", "max_per_hour": 0, "hard_cap": 0, "late_after": "2h"}
    house = House(folder, newsroom_server, queue=queue)
    names = [f"{kind}{n}" for kind in ("quick", "slow") for n in range(CHANNELS)]
    channels = "".join(
        f'[[channels]]\nname = "{name}"\nkind = "webhook"\nsecret = "{SECRET}"\n'
        f'url = "{proxy.url}posts"\nprobe_url = "{proxy.url}posts/{{delivery}}"\n'
        for name in names
    )
    notify = f'[notify]\nurls = ["{told.url.replace("http:", "json:")}notices"]\n'
    house.config.write_text(house.config.read_text() + notify + channels)
    return house


def posts(folder: Path) -> Path:
    """A queue file of LOST posts whose answers get lost, and some whose answers come."""
    slow = LOST // 20 if IS_LONG else CHANNELS
    faults = [SLOW[n % len(SLOW)] for n in range(slow)]
    faults += [QUICK[n % len(QUICK)] for n in range(LOST - slow)]
    faults += [ANSWERED[n % len(ANSWERED)] for n in range(LOST // 5)]
    due = f"{datetime.now(UTC) + timedelta(seconds=8):%Y-%m-%dT%H:%M:%SZ}"
    path = folder / "posts.jsonl"
    with path.open("w") as file:
        for n, fault in enumerate(faults):
            kind = "slow" if fault in SLOW else "quick"
            row = {"due": due, "channel": f"{kind}{n % CHANNELS}", "text": f"{fault} {n}"}
            file.write(json.dumps(row) + "\n")
    return path


@pytest.mark.timeout(3600 if IS_LONG else 150)
def test_lost_answers(folder: Path, newsroom: Newsroom, newsroom_server: RawServer) -> None:
    network = Network()
    with (
        RawServer(network) as upstream,
        RawServer(lambda _: reply(200)) as told,
        FaultyProxy(upstream.port, Spoiler()) as proxy,
        a_house(folder, newsroom_server, proxy, told) as house,
    ):
        house.state_is("running")
        assert house.run("queue", "import", str(posts(folder)))[0] == 0
        house.until(lambda: not waiting(house), within_s=LOST)
        # What is uncertain is looked for all the same, and nothing more leaves.
        code, receipt = house.run("pause", "prove it")
        assert (code, receipt["sealed"]) == (0, True)
        house.until(lambda: all_looked_for(house, network), within_s=600 if IS_LONG else 60)
        status = house.status()
        house.stop()
    store = Store(f"sqlite:///{house.state_dir}/killswitch.db")
    try:
        judge(store, network, proxy, status)
        judge_notices(store, told)
    finally:
        store.close()


def waiting(house: House) -> list[Any]:
    """What is still to leave, or on the wire."""
    states = ("scheduled", "claimed", "sending", "held")
    words = [word for state in states for word in ("--state", state)]
    rows: list[Any] = house.run("queue", "list", *words)[1]
    return rows


def all_looked_for(house: House, network: Network) -> bool:
    """Whether the machine has done what it can for every uncertain post, in the time there is."""
    rows = house.run("queue", "list", "--state", "uncertain")[1]
    if IS_LONG:
        return all(row["looked"]["times"] >= 3 for row in rows)
    quick = [row for row in rows if row["channel"].startswith("quick")]
    return all(row["looked"]["times"] for row in quick)


def judge(store: Store, network: Network, proxy: FaultyProxy, status: Any) -> None:
    """Hold the store against the ledger, post by post."""
    with store.read() as conn:
        rows = deliveries.page(conn, states=(), limit=10_000)
        looked = looks.of(conn, [row.id for row in rows])
        tries = {row.id: len(attempts.of_delivery(conn, row.id)) for row in rows}
        assert audit.verify(conn).ok
    assert network.unsigned == []
    shown = {post["id"] for post in status["uncertain"]}
    came_to: Counter[tuple[str, str]] = Counter()
    for row in rows:
        fault, state = row.content.text.partition(" ")[0], row.state.value
        out = row.id in network.published
        came_to[fault, state] += 1
        # Never sent twice, by us; what the proxy doubled the network dropped by its key.
        assert (proxy.asked[row.id], tries[row.id]) == (1, 1), (row.id, fault)
        assert state in {"sent", "uncertain", "failed"}, (row.id, fault, state)
        assert out == (fault not in NEVER_ARRIVE | {"refused"}), (row.id, fault)
        if state == "sent":
            assert out, (row.id, fault)
            assert row.remote_id in {network.published[row.id]["id"], None}
        if state == "failed":
            assert not out, (row.id, fault)
        if state == "uncertain":
            assert row.id in shown, (row.id, fault)
            assert not looked[row.id].is_there
            # What is out is found by the first look that is not spoilt.
            assert not (out and any(one.found == "absent" for one in looked[row.id].looks))
    lost = sum(count for (fault, _), count in came_to.items() if fault not in ANSWERED)
    assert lost == LOST
    assert {row.id for row in rows if row.state.value == "uncertain"} == shown
    report(came_to, network, shown)


def judge_notices(store: Store, told: RawServer) -> None:
    """Every post whose answer was lost was told to people, at the moment it was lost."""
    with store.read() as conn:
        rows = conn.execute(notices.select().where(notices.c.kind == "uncertain")).all()
    counted = sum(1 + len(row.facts.get("joined", [])) + row.facts.get("more", 0) for row in rows)
    assert counted == LOST
    assert any(b"may have gone out" in request for request in told.requests)


def report(came_to: Counter[tuple[str, str]], network: Network, shown: set[str]) -> None:
    """Print the table of what came of each fault, for whoever runs it by hand (``pytest -s``)."""
    doubles = sum(count > 1 for count in network.repeats.values())
    lines = [f"  {fault:28}{state:12}{count}" for (fault, state), count in sorted(came_to.items())]
    lines.append(f"{LOST} lost answers; {len(network.published)} posts out, each once;")
    lines.append(f"{doubles} doubled by the proxy; {len(shown)} left to a human, all shown")
    print("\n" + "\n".join(lines))  # noqa: T201 - as its docstring says
