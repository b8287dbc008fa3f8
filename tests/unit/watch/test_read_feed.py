from __future__ import annotations

import calendar
import unicodedata
from datetime import UTC, datetime

import feedparser
import pytest
from hypothesis import given
from hypothesis import strategies as st

from killswitch.watch import parser_child
from killswitch.watch.parser_child import ITEMS, NoFeed, plain, read

URL = "https://news.example/feed.xml"


@pytest.fixture(autouse=True)
def _adapted(monkeypatch):
    """What the child does at its start, undone afterwards."""
    monkeypatch.setattr(feedparser.encodings, "lazy_chardet_encoding", None)
    zones = parser_child.rfc822.timezone_names
    monkeypatch.setattr(parser_child.rfc822, "timezone_names", dict(zones))
    parser_child.adapt()


def rss(*items, head="", version="2.0"):
    body = "".join(f"<item>{item}</item>" for item in items)
    text = f'<rss version="{version}"><channel><title>T</title>{head}{body}</channel></rss>'
    return text.encode()


def only(body, content_type=""):
    (item,) = read(body, content_type, URL)["items"]
    return item


RSS1 = b"""<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"
 xmlns="http://purl.org/rss/1.0/" xmlns:dc="http://purl.org/dc/elements/1.1/">
<channel rdf:about="https://n/"><title>T</title></channel>
<item rdf:about="https://n/1"><title>Bridge closed</title><link>https://n/1</link>
<dc:date>2026-03-02T08:00:00+01:00</dc:date></item></rdf:RDF>"""
ATOM = b"""<feed xmlns="http://www.w3.org/2005/Atom" xml:lang="fr"><title>T</title>
<entry><id>tag:n,2026:1</id><title type="html">Bridge &lt;b&gt;closed&lt;/b&gt;</title>
<link href="https://n/1"/><published>2026-03-02T07:00:00Z</published>
<updated>2026-03-02T09:00:00Z</updated><content type="html">&lt;p&gt;Storm.&lt;/p&gt;</content>
</entry></feed>"""
MEDIA = b"""<rss version="2.0" xmlns:media="http://search.yahoo.com/mrss/"><channel><title>T</title>
<item><guid>1</guid><pubDate>Mon, 02 Mar 2026 07:00:00 GMT</pubDate><media:group>
<media:title>Bridge closed</media:title><media:description>Storm.</media:description>
<media:content url="https://n/1.mp4" height="x"/></media:group></item></channel></rss>"""


@pytest.mark.parametrize(
    ("body", "version"),
    [
        (rss("<title>Bridge closed</title>", version="0.91"), "rss091u"),
        (rss("<title>Bridge closed</title>", version="0.92"), "rss092"),
        (rss("<title>Bridge closed</title>"), "rss20"),
        (RSS1, "rss10"),
        (ATOM, "atom10"),
        (MEDIA, "rss20"),
    ],
)
def test_every_common_format_gives_its_headline(body, version):
    feed = read(body, "", URL)
    assert feed["version"] == version
    assert [item["title"] for item in feed["items"]] == ["Bridge closed"]
    assert feed["problem"] is None


@pytest.mark.parametrize("body", [RSS1, ATOM, MEDIA])
def test_dates_are_seconds_in_utc(body):
    at = datetime(2026, 3, 2, 7, 0, tzinfo=UTC)
    assert only(body)["published"] == calendar.timegm(at.timetuple())


def test_an_atom_entry_keeps_its_id_language_text_and_both_dates():
    item = only(ATOM)
    assert (item["guid"], item["lang"], item["summary"]) == ("tag:n,2026:1", "fr", "Storm.")
    assert item["updated"] - item["published"] == 7200


@pytest.mark.parametrize(
    ("text", "hour"),
    [
        ("Mon, 02 Mar 2026 10:00:00 GMT", 10),
        ("Mon, 02 Mar 2026 10:00:00 +0200", 8),
        ("Mon, 02 Mar 2026 10:00:00 CEST", 8),
        ("Mon, 02 Mar 2026 10:00:00 CET", 9),
        ("Mon, 02 Mar 2026 10:00:00 BST", 9),
        ("Mon, 02 Mar 2026 10:00:00 EST", 15),
        ("2026-03-02T10:00:00+01:00", 9),
    ],
)
def test_the_zones_that_publishers_write_are_understood(text, hour):
    at = only(rss(f"<title>a</title><pubDate>{text}</pubDate>"))["published"]
    assert datetime.fromtimestamp(at, UTC) == datetime(2026, 3, 2, hour, tzinfo=UTC)


@pytest.mark.parametrize("text", ["", "soon", "99/99/9999", "Mon, 31 Feb 2026 10:00:00 GMT"])
def test_a_date_nobody_can_read_is_no_date(text):
    assert only(rss(f"<title>a</title><pubDate>{text}</pubDate>"))["published"] is None


@pytest.mark.parametrize(
    ("declared", "encoding", "content_type"),
    [
        ("utf-8", "utf-8", ""),
        ("utf-8", "utf-8", "text/xml"),
        ("utf-8", "utf-8", "text/xml; charset=iso-8859-1"),
        ("iso-8859-1", "utf-8", ""),
        ("iso-8859-1", "iso-8859-1", "text/xml"),
        ("iso-8859-1", "iso-8859-1", "application/xml; charset=utf-8"),
        ("windows-1252", "windows-1252", 'text/html; charset="windows-1252"'),
        ("utf-8", "windows-1252", ""),
        ("utf-16", "utf-16", ""),
        ("utf-16", "utf-16", "text/xml; charset=utf-16"),
        ("no-such-encoding", "utf-8", "text/xml; charset=nonsense"),
        ("iso-2022-jp", "iso-2022-jp", "text/xml"),
    ],
)
def test_accents_survive_wrong_encodings(declared, encoding, content_type):
    title = "地震" if "2022" in encoding else "Séisme à Nîmes"
    text = rss(f"<title>{title}</title>").decode()
    body = f'<?xml version="1.0" encoding="{declared}"?>{text}'.encode(encoding)
    assert only(body, content_type)["title"] == title


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-be"])
@pytest.mark.parametrize(
    "declared", ["", "<?xml version='1.0' encoding='UTF-8'?>", "<!-- news -->"]
)
@pytest.mark.parametrize("title", ["Séisme à Nîmes", "Bridge closed"])
def test_wide_characters_need_neither_a_mark_nor_a_declaration(encoding, declared, title):
    body = (declared + rss(f"<title>{title}</title>").decode()).encode(encoding)
    assert only(body, "text/xml")["title"] == title
    assert only(body, "text/xml; charset=iso-8859-1")["title"] == title


def test_no_more_than_a_thousand_items_are_read_of_wide_characters():
    body = rss(*(f"<title>a{n}</title>" for n in range(ITEMS + 500))).decode().encode("utf-16")
    assert len(read(body, "", URL)["items"]) == ITEMS


@pytest.mark.parametrize("head", ["&#x110000;", "&#9999999999;", "&#x7fffffff;"])
@pytest.mark.parametrize("body", [ATOM, RSS1, MEDIA])
def test_a_character_that_can_not_be_outside_the_items_costs_no_item(head, body):
    broken = body.replace(b"<title>T</title>", f"<title>{head}</title>".encode())
    feed = read(broken, "", URL)
    assert [item["title"] for item in feed["items"]] == ["Bridge closed"]
    assert "what could be read was kept" in feed["problem"]


@pytest.mark.parametrize(
    ("markup", "text"),
    [
        ("a &lt;b&gt;bold&lt;/b&gt; word", "a bold word"),
        ("<![CDATA[a <i>b</i>&nbsp;c]]>", "a b c"),
        ("<![CDATA[x<script>alert(1)</script>y]]>", "x y"),
        ("<![CDATA[x<style>p{}</STYLE>y<!-- z -->]]>", "x y"),
        ("AT&amp;T", "AT&T"),
        ("5 &lt; 6", "5 < 6"),
        ("the &amp;lt;b&amp;gt; tag", "the <b> tag"),
        ("one\n\ttwo  three", "one two three"),
        ("caf&#233;", "café"),
    ],
)
def test_titles_are_plain_text(markup, text):
    assert only(rss(f"<title>{markup}</title><link>https://n/1</link>"))["title"] == text


@given(st.text(alphabet=st.characters(codec=None), max_size=200))
def test_plain_text_has_no_control_bidi_or_surrogate_whatever_comes_in(text):
    out = plain(text, 50)
    assert len(out) <= 50
    assert out == out.strip()
    assert not {unicodedata.category(one) for one in out} & {"Cc", "Cs", "Zl", "Zp"}
    assert not set(out) & set("\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
    out.encode()


@pytest.mark.parametrize("part", ["<", "<script>", "<!--", "<a", "&lt;", "<![", "</", "<script "])
def test_stripping_tags_is_linear(part):
    assert len(plain(part * 20_000, 4000)) <= 4000


@pytest.mark.parametrize("nothing", [None, 5, b"x", ["a"]])
def test_what_is_no_text_is_empty(nothing):
    assert plain(nothing, 10) == ""


def test_an_item_is_named_by_its_guid_else_its_link_else_a_hash():
    guid = only(rss("<guid>g</guid><link>https://n/1</link><title>a</title>"))
    link = only(rss("<link>https://n/1</link><title>a</title>"))
    bare = [only(rss(f"<title>{t}</title>"))["guid"] for t in ("a", "a", "b")]
    assert (guid["guid"], link["guid"]) == ("g", "https://n/1")
    assert bare[0] == bare[1] != bare[2]
    long = only(rss(f"<guid>{'g' * 900}</guid><title>a</title>"))["guid"]
    assert long.startswith("sha256:")


@pytest.mark.parametrize("link", ["javascript:alert(1)", "data:text/html,x", "file:///etc/passwd"])
def test_a_link_that_is_no_web_address_is_left_out(link):
    assert only(rss(f"<title>a</title><link>{link}</link>"))["url"] == ""


def test_an_item_without_a_title_is_called_by_its_summary():
    item = only(rss(f"<description>{'word ' * 90}</description>"))
    assert item["title"].startswith("word word")
    assert item["title"].endswith("…")
    assert len(item["title"]) <= 118


def test_an_item_that_says_nothing_is_left_out():
    assert only(rss("", "<guid>1</guid>", "<title>a</title>"))["title"] == "a"


@pytest.mark.parametrize(
    ("link", "url"),
    [("/1", "https://news.example/1"), ("//n/1", "https://n/1"), ("HTTP://n/1", "HTTP://n/1"),
     ("http://[", ""), ("http://n/a\u202eb", "http://n/ab")],
)  # fmt: skip
def test_a_relative_link_is_meant_from_where_the_feed_came(link, url):
    assert only(rss(f"<title>a</title><link>{link}</link><guid>1</guid>"))["url"] == url


def test_an_item_keeps_its_name_when_its_feed_moves():
    body = rss("<title>a</title><guid>story-1</guid>")
    names = {read(body, "", at)["items"][0]["guid"] for at in (URL, "https://other.example/")}
    assert names == {"story-1"}


@pytest.mark.parametrize("inside", ["\n", "\t", "&#10;", "\x7f", "\u2028"])
@pytest.mark.parametrize("field", ["link", "guid"])
def test_a_link_holds_no_line_of_its_own(inside, field):
    item = only(rss(f"<title>a</title><{field}>https://n/a{inside}b</{field}>"))
    assert item["url"] == "https://n/ab"
    assert "\n" not in item["guid"]


@pytest.mark.parametrize("guid", ["https://n/1", "http://n/1"])
def test_a_guid_that_is_a_whole_address_is_the_link(guid):
    assert only(rss(f"<title>a</title><guid>{guid}</guid>"))["url"] == guid


def test_categories_and_languages_are_kept():
    item = only(rss("<title>a</title><category>Sport</category><category>Sport</category>"
                    "<category>Nice</category>", head="<language>fr-FR</language>"))  # fmt: skip
    assert item["categories"] == ["Sport", "Nice"]
    assert item["lang"] == "fr-fr"


HOURLY = "<sy:updatePeriod>hourly</sy:updatePeriod>"


@pytest.mark.parametrize(
    ("head", "seconds"),
    [
        ("<ttl>10</ttl>", 600),
        ("<ttl>0</ttl>", None),
        ("<ttl>-5</ttl>", None),
        ("<ttl>soon</ttl>", None),
        ("", None),
        (HOURLY, 3600),
        (HOURLY + "<sy:updateFrequency>4</sy:updateFrequency>", 900),
        (HOURLY + "<sy:updateFrequency>0</sy:updateFrequency>", None),
        (HOURLY.replace("hourly", "never"), None),
    ],
)  # fmt: skip
def test_the_wish_to_be_left_alone_is_read(head, seconds):
    body = rss("<title>a</title>", head=head).replace(
        b"<rss", b'<rss xmlns:sy="http://purl.org/rss/1.0/modules/syndication/"'
    )
    assert read(body, "", URL)["ttl_s"] == seconds


def test_the_fields_of_official_alerts_are_kept():
    body = rss(
        "<title>Orange alert</title><g:alertlevel>Orange</g:alertlevel>"
        "<c:msgType>Cancel</c:msgType><c:status>Test</c:status>"
    ).replace(
        b"<rss",
        b'<rss xmlns:g="http://www.gdacs.org" xmlns:c="urn:oasis:names:tc:emergency:cap:1.2"',
    )
    extra = only(body)["extra"]
    assert extra["gdacs:alertlevel"] == "Orange"
    assert (extra["cap:msgtype"], extra["cap:status"]) == ("Cancel", "Test")


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"", "empty"),
        (b" \n\t", "empty"),
        (b"/etc/passwd", "no_feed"),
        (b"/dev/zero", "no_feed"),
        (b"https://news.example/feed", "no_feed"),
        (b"{}", "no_feed"),
        (b'{"version": "https://jsonfeed.org/version/1.1", "items": []}', "no_feed"),
        (b"<!DOCTYPE html><html><body>Please log in</body></html>", "html"),
        (b"<HTML><head></head>", "html"),
        (b"\x00\x01\x02" * 99, "no_feed"),
        (b'<!DOCTYPE r [<!ENTITY a "b">]><rss/>', "doctype"),
        (b'<!DOCTYPE r SYSTEM "a>b" [\n<!ENTITY % p SYSTEM "http://x/">%p;]><rss/>', "doctype"),
        ('<!DOCTYPE r [<!ENTITY a "b">]><rss/>'.encode("utf-16"), "doctype"),
        ('<!DOCTYPE r [<!ENTITY a "b">]><rss/>'.encode("utf-32"), "doctype"),
    ],
)
def test_what_is_no_feed_is_refused_with_a_code(body, code):
    with pytest.raises(NoFeed) as caught:
        read(body, "", URL)
    assert caught.value.code == code


def test_an_outside_doctype_is_no_reason_to_refuse():
    outside = b'<!DOCTYPE rss PUBLIC "-//Netscape//DTD RSS 0.91//EN" "http://n/rss-0.91.dtd">'
    assert only(outside + rss("<title>a</title>", version="0.91"))["title"] == "a"


def test_a_feed_cut_in_half_keeps_its_good_half_and_says_so():
    body = rss(*(f"<title>a{n}</title><guid>{n}</guid>" for n in range(20)))
    feed = read(body[: len(body) // 2], "", URL)
    assert len(feed["items"]) >= 9
    assert "not well-formed XML" in feed["problem"]


def test_one_item_that_the_parser_chokes_on_costs_only_that_item():
    bad = "<title>bad</title><media:content height='1'/><media:rating/><media:license/>"
    body = rss("<title>one</title>", "<title>POISON</title>", "<title>three</title>")
    real = parser_child.feedparser.parse

    def choking(source, **more):
        data = source.read()
        if b"POISON" in data:
            raise KeyError(bad)
        source.seek(0)
        return real(source, **more)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(parser_child.feedparser, "parse", choking)
        feed = read(body, "", URL)
    assert [item["title"] for item in feed["items"]] == ["one", "three"]
    assert feed["problem"] == "the parser stumbled (KeyError); what could be read was kept"


@pytest.mark.parametrize("body", [rss("<title>a</title>"), rss()])
def test_a_feed_whose_every_item_is_poison_is_no_feed(body, monkeypatch):
    def choking(*_, **__):
        raise TypeError

    monkeypatch.setattr(parser_child.feedparser, "parse", choking)
    with pytest.raises(NoFeed):
        read(body, "", URL)


def test_no_more_than_a_thousand_items_are_read():
    items = [f"<title>a{n}</title><guid>{n}</guid>" for n in range(ITEMS + 500)]
    feed = read(rss(*items), "", URL)
    assert len(feed["items"]) == ITEMS
    assert feed["problem"] is None


def test_long_texts_are_cut():
    item = only(rss(f"<title>{'t' * 9000}</title><description>{'d' * 90000}</description>"))
    assert (len(item["title"]), len(item["summary"])) == (1000, 4000)


@given(st.binary(max_size=400), st.integers(0, 300))
def test_any_damage_gives_a_feed_or_a_refusal(noise, at):
    whole = rss(
        "<title>a</title><pubDate>Mon, 02 Mar 2026 10:00:00 GMT</pubDate>", "<title>b</title>"
    )
    try:
        feed = read(whole[:at] + noise + whole[at + len(noise) // 2 :], "text/xml", URL)
    except NoFeed:
        return
    assert all(item["guid"] for item in feed["items"])
