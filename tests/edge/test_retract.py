"""A post that went out is taken down again: real daemon, real command, real network."""

from __future__ import annotations

import pytest

from tests.edge.house import House
from tests.edge.raw_server import RawServer, reply

CHANNELS = ("shop", "log", "hook")
WHY = ("--reason", "wrong price", "--yes")


def network(request):
    """Take a post, then fail once to take it down."""
    if request.startswith(b"POST"):
        return reply(201, b'{"id": "r 7"}')
    network.asked.append(request.split(b" HTTP")[0])
    return reply(503) if len(network.asked) == 1 else reply(204)


@pytest.mark.timeout(90)
def test_what_went_out_is_taken_down_where_its_channel_can(folder, newsroom_server):
    network.asked = []
    with RawServer(network) as there:
        house = House(folder, newsroom_server)
        house.config.write_text(
            house.config.read_text()
            + '[[channels]]\nname = "shop"\nkind = "webhook"\nsecret = "s3cret"\n'
            + f'url = "{there.url}posts"\ndelete_url = "{there.url}posts/{{remote_id}}"\n'
        )
        with house:
            house.state_is("running")
            ids = {name: house.add("Last call", "now", channel=name) for name in CHANNELS}
            house.until(lambda: all(house.state_of(one) == "sent" for one in ids.values()))
            house.run("pause", "it is wrong")
            _is_taken_down(house, ids["shop"])
            assert network.asked == [b"DELETE /posts/r%207"] * 2
            _is_taken_down(house, ids["log"])
            assert [line.get("retracted_at") is None for line in house.written()] == [True, False]
            code, refused = house.run("queue", "retract", ids["hook"], *WHY)
            assert (code, refused["error"]["code"]) == (5, "cannot_delete")
            assert house.run("audit", "verify")[0] == 0
            house.stop()


def _is_taken_down(house, one):
    code, document = house.run("queue", "retract", one, *WHY)
    assert (code, document["done"][0]["state"]) == (0, "retracted")
    code, document = house.run("whose", one)
    assert (code, document["found"]) == (0, True)
    assert document["delivery"]["retraction"]["reason"] == "wrong price"
    assert document["delivery"]["text"] == "Last call"
