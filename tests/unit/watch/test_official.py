"""Claims about official alerts that are no feed: CAP documents and GeoJSON."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from killswitch.news.alerts import Severity, read_alert
from killswitch.news.item import Item
from killswitch.watch.parser_child import NoFeed, read

URL = "https://alerts.example.org/a"
CAP = """<?xml version="1.0" encoding="UTF-8"?>
<alert xmlns="urn:oasis:names:tc:emergency:cap:1.2">
 <identifier>FR-77</identifier><sender>a@example.org</sender><sent>2026-03-02T10:00:00+01:00</sent>
 <status>Actual</status><msgType>Update</msgType><scope>Public</scope>
 <references>a@example.org,FR-76,2026-03-02T09:00:00+01:00</references>
 <info><language>fr-FR</language><category>Met</category><event>Vent</event>
  <urgency>Expected</urgency><severity>Moderate</severity><certainty>Likely</certainty>
  <headline>Vigilance orange vent</headline><area><areaDesc>Aude</areaDesc></area></info>
 <info><language>en</language><category>Met</category><event>Wind</event>
  <urgency>Expected</urgency><severity>Severe</severity><certainty>Likely</certainty>
  <expires>2026-03-03T10:00:00+01:00</expires><headline>Orange wind warning</headline>
  <area><areaDesc>Aude</areaDesc></area><area><areaDesc>Tarn</areaDesc></area></info>
</alert>"""
QUAKE = {
    "type": "Feature",
    "id": "us7000abcd",
    "properties": {
        "mag": 7.1,
        "place": "20 km W of Velden",
        "time": 1772442000000,
        "updated": 1772442600000,
        "url": "https://earthquake.example.org/us7000abcd",
        "alert": "red",
        "status": "reviewed",
        "tsunami": 1,
        "sig": 900,
        "title": "M 7.1 - 20 km W of Velden",
        "type": "earthquake",
    },
}


def quakes(*features: object) -> bytes:
    """Write a collection as USGS does."""
    about = {"title": "USGS Significant Earthquakes"}
    return json.dumps(
        {"type": "FeatureCollection", "metadata": about, "features": list(features)}
    ).encode()


def test_a_cap_document_is_one_item_by_its_gravest_part() -> None:
    (item,) = read(CAP.encode(), "application/xml", URL)["items"]
    extra = item["extra"]
    assert (item["guid"], item["title"], item["lang"]) == ("FR-77", "Orange wind warning", "en")
    assert (extra["cap:severity"], extra["cap:msgtype"]) == ("Severe", "Update")
    assert extra["cap:areadesc"] == "Aude; Tarn"
    assert "FR-76" in extra["cap:references"]
    assert item["published"] == 1772442000


def test_geojson_of_quakes_is_read() -> None:
    feed = read(quakes(QUAKE), "application/geo+json", URL)
    (item,) = feed["items"]
    assert feed["version"] == "geojson"
    assert (item["guid"], item["published"]) == ("us7000abcd", 1772442000)
    assert (item["extra"]["usgs:alert"], item["extra"]["usgs:mag"]) == ("red", "7.1")


def test_geojson_of_a_weather_service_tells_the_fields_of_cap() -> None:
    told = {
        "id": "urn:2", "headline": "Tornado Warning", "event": "Tornado Warning",
        "severity": "Extreme", "certainty": "Observed", "urgency": "Immediate", "status": "Actual",
        "messageType": "Update", "areaDesc": "Lee County", "sent": "2026-03-02T09:00:00-06:00",
        "references": [{"identifier": "urn:1"}],
    }  # fmt: skip
    (item,) = read(quakes({"id": "https://x.example/2", "properties": told}), "", URL)["items"]
    assert item["extra"]["cap:severity"] == "Extreme"
    assert "urn:1" in item["extra"]["cap:references"]


@pytest.mark.parametrize(
    "body",
    [
        b"[" * 100_000,
        b'{"a":' * 50_000,
        quakes(7, None, {"id": "x"}, {"properties": {"title": "no id"}}).replace(b"Feature", b"F"),
        b'{"type": "FeatureCollection"}',
        CAP.replace("<info>", "<x>" * 20 + "<info>").encode(),
        CAP[: len(CAP) // 2].encode(),
        CAP.replace("FR-77", "").encode(),
    ],
)
def test_what_is_no_alert_is_refused_like_any_other(body: bytes) -> None:
    with pytest.raises(NoFeed):
        read(body, "", URL)


def test_features_that_are_none_are_left_out() -> None:
    feed = read(quakes(7, None, {"id": "x"}, {"properties": {"title": "no id"}}, QUAKE), "", URL)
    assert [item["guid"] for item in feed["items"]] == ["us7000abcd"]


def test_entities_are_refused_in_a_cap_document_too() -> None:
    body = CAP.replace("<alert", '<!DOCTYPE a [<!ENTITY b "c">]><alert').encode()
    with pytest.raises(NoFeed) as caught:
        read(body, "", URL)
    assert caught.value.code == "doctype"


def test_a_thousand_alerts_and_no_more_are_read() -> None:
    many = quakes(*({**QUAKE, "id": f"q{n}"} for n in range(1100)))
    assert len(read(many, "", URL)["items"]) == 1000


_JSON = st.recursive(
    st.none() | st.booleans() | st.floats(allow_nan=False) | st.integers() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=8,
)


@given(
    st.dictionaries(st.sampled_from([*QUAKE["properties"], "id", "severity", "references"]), _JSON)
)
def test_no_value_in_a_feature_makes_the_reader_fall(told: dict[str, object]) -> None:
    read(quakes({"id": "q", "properties": told}), "", URL)


METEOALARM = b"""<?xml version="1.0" encoding="UTF-8"?>
<feed xmlns="http://www.w3.org/2005/Atom" xmlns:cap="urn:oasis:names:tc:emergency:cap:1.2">
 <id>https://feeds.example.org/fr</id><title>Warnings for Velden</title>
 <updated>2026-03-02T09:00:00Z</updated>
 <entry><id>https://feeds.example.org/fr/1</id><title>Orange Wind Warning issued for Aude</title>
  <updated>2026-03-02T09:00:00Z</updated><published>2026-03-02T09:00:00Z</published>
  <cap:areaDesc>Aude</cap:areaDesc><cap:event>Orange wind warning</cap:event>
  <cap:severity>Severe</cap:severity><cap:urgency>Future</cap:urgency>
  <cap:certainty>Likely</cap:certainty><cap:expires>2026-03-03T09:00:00+00:00</cap:expires>
  <cap:identifier>2.49.0.1.250.0.1</cap:identifier><cap:message_type>Update</cap:message_type>
  <cap:status>Actual</cap:status></entry></feed>"""
GDACS = b"""<?xml version="1.0"?><rss version="2.0" xmlns:gdacs="http://www.gdacs.org">
 <channel><title>GDACS</title><item><title>Orange earthquake alert in Velden</title>
  <guid isPermaLink="false">EQ77</guid><pubDate>Mon, 02 Mar 2026 09:00:00 GMT</pubDate>
  <gdacs:alertlevel>Orange</gdacs:alertlevel><gdacs:eventtype>EQ</gdacs:eventtype>
  <gdacs:eventid>77</gdacs:eventid><gdacs:country>Italy</gdacs:country>
  <gdacs:severity unit="M" value="6.1">Magnitude 6.1M</gdacs:severity></item></channel></rss>"""


@pytest.mark.parametrize(
    ("body", "keys", "severity", "weather", "area"),
    [
        (METEOALARM, ("cap:2.49.0.1.250.0.1",), Severity.SEVERE, True, "Aude"),
        (GDACS, ("gdacs:eq:77",), Severity.SEVERE, False, "Italy"),
        (CAP.encode(), ("cap:FR-77", "cap:FR-76"), Severity.SEVERE, True, "Aude; Tarn"),
    ],
)
def test_what_a_feed_of_alerts_says_is_understood(
    body: bytes, keys: tuple[str, ...], severity: Severity, weather: bool, area: str
) -> None:
    (raw,) = read(body, "application/xml", URL)["items"]
    now = datetime(2026, 3, 2, 10, 0, tzinfo=UTC)
    item = Item(id="1", title=raw["title"], first_seen=now, fields=raw["extra"])
    alert = read_alert(item, now)
    assert alert is not None
    assert (alert.keys, alert.severity, alert.weather, alert.area, alert.actual) == (
        keys, severity, weather, area, True,
    )  # fmt: skip
