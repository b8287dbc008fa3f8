from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from killswitch.notify.schemes import (
    SCHEMES,
    can_be_silent,
    check_address,
    label,
    mask,
    prepared,
    scrub,
)


@pytest.mark.parametrize(
    "url",
    [
        "mailtos://lea:pw@smtp.example.org/?to=lea@example.org",
        "ntfy://ntfy.example.org/topic",
        "tgram://123:abc/42",
        "workflows://h.example/w/s",
        "pover://user@token",
        "signal://localhost:8080/+33600000000",
        "json://127.0.0.1:8080/hook",
        "JSONS://host.example/hook",
        "matrixs://bot:pw@m.example/%23room",
    ],
)
def test_the_ways_to_people_are_allowed(url):
    assert check_address(url) is None


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("xmpp://a:b@host", "nobody got"),
        ("file:///etc/passwd", "not a way"),
        ("exec://rm", "not a way"),
        ("syslog://", "not a way"),
        ("mastodon://token@host", "not a way"),
        ("twitter://a/b/c/d", "not a way"),
        ("apprise://host/token", "not a way"),
        ("https://host/hook", "jsons://"),
        ("lea@example.org", "not a way"),
        ("json://", "nothing usable"),
        ("json://host/a b", "nothing usable"),
        ("json://host/\x07", "nothing usable"),
        ("json://[::1/x", "cannot be read"),
        ("slack://a/b/c?template=file:///etc/passwd", "template="),
        ("json://host/?attach=file:///etc/passwd", "attach="),
    ],
)
def test_everything_else_is_refused_with_a_reason(url, words):
    assert words in str(check_address(url))


def test_no_refusal_repeats_a_secret():
    assert "hunter2" not in str(check_address("xmpp://lea:hunter2@host"))
    assert "hunter2" not in str(check_address("json://lea:hunter2@host/?attach=hunter2"))


def test_nothing_that_posts_to_the_public_or_runs_code_is_on_the_list():
    public = {"mastodon", "toot", "twitter", "x", "bsky", "reddit", "nostr", "misskey"}
    local = {"syslog", "dbus", "exec", "file", "windows", "macosx", "blink1", "xmpp", "xmpps"}
    assert not SCHEMES & (public | local)


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("mailto://lea:pw@smtp.example.org:587/?to=a@b.org", "mailto://smtp.example.org/…"),
        ("tgram://123:abc/42", "tgram://…"),
        ("ntfy://secret-topic", "ntfy://…"),
        ("json://user:pw@hook.example/secret", "json://hook.example/…"),
        ("nonsense", "?://…"),
    ],
)
def test_a_mask_shows_the_server_and_never_a_token(url, shown):
    assert mask(url) == shown


def test_a_label_says_where_the_address_stands_in_the_configuration():
    assert label("tgram://123:abc/42", "0.1") == "tgram://… (notify.urls[1])"
    assert label("tgram://123:abc/42", "2.0") == "tgram://… (notify.next[1][0])"


@pytest.mark.parametrize(
    ("url", "silent", "handed"),
    [
        ("json://h/hook", False, "json://h/hook?format=text&overflow=split"),
        (
            "mailto://h?to=a@b.org&format=html",
            True,
            "mailto://h?to=a@b.org&format=text&overflow=split",
        ),
        ("ntfy://h/t?priority=max", True, "ntfy://h/t?format=text&priority=min&overflow=truncate"),
        ("ntfy://h/t?priority=max", False, "ntfy://h/t?priority=max&format=text&overflow=truncate"),
        ("tgram://1:a/2", True, "tgram://1:a/2?format=text&silent=yes&overflow=split"),
        ("json://h/?+X-Key=a%20b", False, "json://h/?+X-Key=a%20b&format=text&overflow=split"),
        ("twilio://a/b?overflow=split", False, "twilio://a/b?overflow=split&format=text"),
    ],
)
def test_apprise_is_asked_for_plain_text_and_for_silence(url, silent, handed):
    assert prepared(url, silent=silent) == handed


def test_mail_and_ntfy_can_be_silent_and_a_text_message_can_not():
    assert can_be_silent("mailto://host")
    assert can_be_silent("ntfys://host/topic")
    assert not can_be_silent("twilio://a:b@c/d")
    assert not can_be_silent("slack://a/b/c")


word = st.text("abcdefghijklmnopqrstuvwxyzABCDEF0123456789", min_size=6, max_size=20)


@given(user=word, password=word, token=word)
def test_no_part_of_an_address_survives_in_a_foreign_text(user, password, token):
    url = f"tgram://{user}:{password}@{token}/chat?to={token}x&silent=no"
    text = f"GET /bot{token} as {user}:{password} failed for {token}x"
    said = scrub(text, url)
    assert user not in said
    assert password not in said
    assert token not in said


def test_the_name_of_the_server_stays_readable():
    url = "mailto://lea:hunter2@smtp.example.org?to=lea@example.org"
    said = scrub("smtp.example.org refused lea / hunter2", url)
    assert said == "smtp.example.org refused … / …"
