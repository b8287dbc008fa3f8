"""What the notifier process answers, asked in this process, so that every line of it is seen."""

from __future__ import annotations

import pytest

from killswitch.notify.process import handle
from tests.edge.test_notify_process import GOOD, Hook, a_port, http_server

# A plug-in of apprise asks for modules that Python 3.13 drops, and does without them there.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")

WORDS = {"do": "send", "title": "PAUSE 11:52", "body": "Plus rien ne part.", "silent": False}


def test_a_send_that_arrives_is_accepted():
    with http_server(Hook()) as hook:
        assert handle({**WORDS, "url": f"json://127.0.0.1:{hook.port}/"}, b"") == GOOD
    assert hook.documents()[0]["title"] == "PAUSE 11:52"


def test_a_send_that_fails_says_why_without_the_secret():
    answer = handle({**WORDS, "url": f"json://lea:c4nary@127.0.0.1:{a_port()}/c4nary"}, b"")
    assert answer["accepted"] is False
    assert "c4nary" not in answer["problem"]


@pytest.mark.parametrize("url", ["xmpp://a:b@host", "tgram://nonsense", "pover://x"])
@pytest.mark.parametrize("do", ["send", "check"])
def test_an_address_that_cannot_be_used_is_refused_for_both_questions(url, do):
    assert handle({**WORDS, "do": do, "url": url}, b"")["accepted"] is False


def test_a_check_of_a_good_address_is_accepted():
    assert handle({"do": "check", "url": "json://127.0.0.1/"}, b"") == GOOD
