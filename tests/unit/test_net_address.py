from __future__ import annotations

from contextlib import suppress
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from killswitch.net import FetchError, NetPolicy
from killswitch.net.address import is_public, port_is_allowed, unwrap
from killswitch.net.url import checked, for_origin, next_hop

INSIDE = [
    *("0.0.0.0", "0.1.2.3", "10.0.0.1", "100.64.0.1", "127.0.0.1", "127.255.255.254"),  # noqa: S104 - judged, not bound
    *("169.254.169.254", "172.16.0.1", "192.0.0.8", "192.0.2.1", "192.88.99.1", "192.168.1.1"),
    *("198.18.0.1", "198.51.100.7", "203.0.113.9", "224.0.0.1", "239.255.255.250", "240.0.0.1"),
    *("255.255.255.255", "::", "::1", "::7f00:1", "::ffff:127.0.0.1", "::ffff:10.0.0.1"),
    *("::ffff:0:127.0.0.1", "64:ff9b::7f00:1", "64:ff9b::a9fe:a9fe", "64:ff9b:1::1", "100::1"),
    *("2001::1", "2001:0:4136:e378:8000:63bf:3fff:fdd2", "2001:db8::1", "2002:7f00:1::"),
    *("2002:a9fe:a9fe::1", "2002:a00:1::", "3fff::1", "5f00::1", "fc00::1", "fd00:ec2::254"),
    *("fe80::1", "fe80::1%eth0", "fec0::1", "ff02::1", "ff0e::1"),
]
OUTSIDE = ["1.1.1.1", "93.184.215.14", "2606:4700::1111", "64:ff9b::101:101", "::ffff:1.1.1.1"]


@pytest.mark.parametrize("text", INSIDE)
def test_an_address_that_is_not_public_is_refused(text):
    assert not NetPolicy().permits(text)


@pytest.mark.parametrize("text", [*OUTSIDE, "2002:101:101::1"])
def test_a_public_address_is_permitted_also_when_carried_in_ipv6(text):
    assert NetPolicy().permits(text)


@given(st.ip_addresses(v=4), st.sampled_from(["::ffff:0:0", "64:ff9b::", "::"]))
def test_a_carried_ipv4_address_is_judged_like_the_bare_one(bare, prefix):
    carried = IPv6Address(int(IPv6Address(prefix)) + int(bare))
    if int(carried) > 1:
        assert unwrap(carried) == bare
        assert is_public(carried) == is_public(bare)


@given(st.ip_addresses(v=4))
def test_6to4_is_judged_by_the_ipv4_address_inside(bare):
    assert is_public(IPv6Address((0x2002 << 112) | (int(bare) << 80) | 1)) == is_public(bare)


def test_an_allowed_range_is_permitted_in_every_spelling_and_nothing_beside_it():
    policy = NetPolicy((ip_network("127.0.0.0/8"), ip_network("::1/128")))
    for text in ("127.0.0.1", "::ffff:127.0.0.1", "::1", "64:ff9b::7f00:1"):
        assert policy.permits(text)
    for text in ("10.0.0.1", "169.254.169.254", "fd00::1", "::2"):
        assert not policy.permits(text)


def test_what_is_no_address_is_refused():
    assert not NetPolicy((ip_network("0.0.0.0/0"),)).permits("localhost")


def test_unwrap_leaves_plain_addresses_alone():
    for address in (IPv4Address("10.0.0.1"), ip_address("2606:4700::1")):
        assert unwrap(address) == address


@pytest.mark.parametrize(
    ("port", "ok"), [(80, True), (443, True), (22, False), (1024, False), (1025, True)]
)
def test_only_web_ports_and_ports_without_privilege_are_asked(port, ok):
    assert port_is_allowed(port) is ok


@pytest.mark.parametrize(
    "url",
    [
        *("", "feed.xml", "//host/feed", "file:///etc/passwd", "gopher://h/", "data:text/xml,x"),
        *("ftp://h/", "http://", "http:///feed", "http://user@h/", "http://user:pw@h/"),
        *("http://h:22/", "https://h:25/", "http://h:99999/", "http://h:x/", "http://[::1/"),
        *("http://h/" + "a" * 5000, "javascript:alert(1)", "http://h\n/", "http://h/\x00"),
    ],
)
def test_an_address_that_is_never_asked_for_is_refused(url):
    with pytest.raises(FetchError) as caught:
        checked(url)
    assert caught.value.code == "refused_url"


def test_a_fragment_is_not_sent():
    assert str(checked("https://h/feed#top")) == "https://h/feed"


def test_a_redirect_never_goes_from_https_down_to_http():
    at = checked("https://h/feed")
    with pytest.raises(FetchError, match="down to http"):
        next_hop(at, "http://h/feed")
    assert str(next_hop(at, "../other")) == "https://h/other"
    assert str(next_hop(checked("http://h/feed"), "https://h/feed")) == "https://h/feed"


@pytest.mark.parametrize("target", ["file:///etc/passwd", "gopher://h/", "http://a@h/", "//h:22/"])
def test_a_redirect_is_checked_like_the_first_address(target):
    with pytest.raises(FetchError):
        next_hop(checked("http://h/"), target)


@given(st.text(max_size=40))
def test_any_redirect_target_leads_on_or_is_refused(target):
    with suppress(FetchError):
        assert next_hop(checked("http://h/a"), target).scheme in {"http", "https"}


def test_keys_do_not_follow_a_redirect_to_another_origin():
    start = checked("https://h/feed")
    headers = {"X-Api-Key": "k", "If-None-Match": '"1"'}
    assert for_origin(headers, start, checked("https://h:443/other")) == headers
    for other in ("https://g/feed", "https://h:8443/feed"):
        assert for_origin(headers, start, checked(other)) == {"If-None-Match": '"1"'}
