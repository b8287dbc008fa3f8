"""
Read official alerts that are no feed: a CAP document, and GeoJSON (USGS, weather services).

Runs in the parser child, beside ``parser_child``, and hands back the same plain values. The
definition of entities was refused before; what is nested deeply, or endless, is refused here.

Invariant: whatever the bytes are, the answer is a feed, or None where they are of another kind.
"""

from __future__ import annotations

import json
import re
from contextlib import suppress
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from xml.parsers import expat

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    Plain = Callable[[object, int], str]

_TITLE, _SUMMARY, _VALUE = 1000, 4000, 500
"""Characters kept; the same as of feeds."""
_DEEPEST = 12
_INFOS = 20
_AREAS = 40
_REFERENCES = 20
_CAP_ROOT = re.compile(rb"<(?:[A-Za-z_][\w.-]{0,20}:)?alert\b[^>]*emergency:cap:1\.[0-2]")
_CAP_KEPT = frozenset(
    {
        "identifier", "sent", "status", "msgType", "references", "event", "category", "severity",
        "urgency", "certainty", "expires", "headline", "description", "web", "language", "areaDesc",
    }
)  # fmt: skip
_SEVERITIES = ("extreme", "severe", "moderate", "minor")
# Fields of GeoJSON that say the same as CAP (the United States' weather service).
_LIKE_CAP = {
    "id": "identifier", "status": "status", "messageType": "msgtype", "severity": "severity",
    "certainty": "certainty", "urgency": "urgency", "event": "event", "category": "category",
    "areaDesc": "areadesc", "expires": "expires", "sent": "sent",
}  # fmt: skip
_LIKE_USGS = ("mag", "alert", "tsunami", "type", "status", "sig")


def read_official(body: bytes, *, plain: Plain, limit: int) -> dict[str, Any] | None:
    """
    Read a document that is no feed but holds official alerts.

    Args:
        body: Bytes without a byte order mark, UTF-8 or as their XML declaration says.
        plain: Makes one line of plain text out of markup, at most so many characters.
        limit: Alerts that are read.

    Returns:
        A feed as ``parser_child`` writes it, or None.
    """
    if body.lstrip()[:1] == b"{":
        return _geojson(body, plain, limit)
    if _CAP_ROOT.search(body[:4096]):
        return _cap(body, plain)
    return None


def _feed(version: str, title: str, items: list[dict[str, Any]]) -> dict[str, Any]:
    return {"version": version, "title": title, "ttl_s": None, "items": items, "problem": None}


# ---- GeoJSON --------------------------------------------------------------------------------


def _geojson(body: bytes, plain: Plain, limit: int) -> dict[str, Any] | None:
    try:
        document = json.loads(body)
    except (ValueError, RecursionError):
        return None
    if not isinstance(document, dict) or document.get("type") != "FeatureCollection":
        return None
    features = document.get("features")
    if not isinstance(features, list):
        return None
    about = document.get("metadata")
    title = document.get("title") or (about.get("title") if isinstance(about, dict) else "")
    items = [_feature(one, plain) for one in features[:limit] if isinstance(one, dict)]
    return _feed("geojson", plain(title, _TITLE), [item for item in items if item])


def _feature(feature: Mapping[str, Any], plain: Plain) -> dict[str, Any] | None:
    told = feature.get("properties")
    if not isinstance(told, dict):
        return None
    title = plain(told.get("title") or told.get("headline") or told.get("event"), _TITLE)
    guid = _text(feature.get("id") or told.get("id"), plain)
    if not title or not guid:
        return None
    return _item(
        guid=guid,
        title=title,
        summary=plain(told.get("description"), _SUMMARY),
        url=_text(told.get("url") or told.get("web"), plain),
        published=_seconds(told.get("time") or told.get("sent")),
        updated=_seconds(told.get("updated")),
        extra=_extra(told, plain),
    )


def _extra(told: Mapping[str, Any], plain: Plain) -> dict[str, str]:
    """Write what GeoJSON tells under the names that feeds use."""
    pairs = [(f"cap:{name}", told.get(key)) for key, name in _LIKE_CAP.items()]
    if "severity" not in told:
        pairs = [(f"usgs:{name}", told.get(name)) for name in _LIKE_USGS]
    extra = {name: text for name, value in pairs if (text := _text(value, plain))}
    earlier = told.get("references")
    if isinstance(earlier, list):
        ids = [one.get("identifier") for one in earlier[:_REFERENCES] if isinstance(one, dict)]
        extra["cap:references"] = " ".join(f",{_text(one, plain)}," for one in ids)
    return extra


# ---- CAP ------------------------------------------------------------------------------------


class _Stop(Exception):
    """The document is nested too deeply, or too long."""


class _Alert:
    """What a CAP document says: fields of the alert, and those of each ``info``."""

    def __init__(self) -> None:
        self.told: dict[str, str] = {}
        self.infos: list[dict[str, str]] = []
        self._text: list[str] = []
        self._depth = 0

    def start(self, name: str, _: object) -> None:
        self._depth += 1
        self._text = []
        if self._depth > _DEEPEST or len(self.infos) > _INFOS:
            raise _Stop
        if _local(name) == "info":
            self.infos.append({})

    def data(self, text: str) -> None:
        if len(self._text) < _SUMMARY:
            self._text.append(text[:_SUMMARY])

    def end(self, name: str) -> None:
        self._depth -= 1
        key, value = _local(name), "".join(self._text)[:_SUMMARY].strip()
        if key not in _CAP_KEPT or not value:
            return
        into = self.infos[-1] if self.infos else self.told
        if key == "areaDesc" and into.get(key, "").count(";") < _AREAS:
            into[key] = f"{into[key]}; {value}" if key in into else value
        else:
            into.setdefault(key, value)


def _local(name: str) -> str:
    return name.rpartition(":")[2]


def _cap(body: bytes, plain: Plain) -> dict[str, Any] | None:
    alert = _Alert()
    parser = expat.ParserCreate()
    parser.StartElementHandler = alert.start
    parser.EndElementHandler = alert.end
    parser.CharacterDataHandler = alert.data
    try:
        parser.Parse(body, True)  # noqa: FBT003 - expat takes no names
    except (expat.ExpatError, _Stop, ValueError):
        return None
    told = alert.told | _gravest(alert.infos)
    title = plain(told.get("headline") or told.get("event"), _TITLE)
    guid = plain(told.get("identifier"), _VALUE)
    if not title or not guid:
        return None
    item = _item(
        guid=guid,
        title=title,
        summary=plain(told.get("description"), _SUMMARY),
        url=plain(told.get("web"), _VALUE),
        published=_seconds(told.get("sent")),
        updated=None,
        extra={
            f"cap:{key.lower()}": text
            for key, value in told.items()
            if key not in {"headline", "description", "web"} and (text := plain(value, _VALUE))
        },
    )
    return _feed("cap", title, [item | {"lang": _language(told.get("language"))}])


def _gravest(infos: Iterable[dict[str, str]]) -> dict[str, str]:
    """Return the gravest of the parts of one alert: often they are translations."""
    ranks = {word: rank for rank, word in enumerate(_SEVERITIES)}
    return min(
        infos,
        key=lambda info: ranks.get(info.get("severity", "").lower(), len(ranks)),
        default={},
    )


# ---- values ---------------------------------------------------------------------------------


def _item(**told: Any) -> dict[str, Any]:
    url = told["url"]
    web = url if url.lower().startswith(("http://", "https://")) else ""
    return {"lang": None, "categories": [], **told, "url": web}


def _text(value: object, plain: Plain) -> str:
    if isinstance(value, bool) or value is None:
        return ""
    if isinstance(value, int | float):
        return plain(f"{value:g}", _VALUE)
    return plain(value, _VALUE)


def _seconds(value: object) -> int | None:
    """Read milliseconds since 1970, or an ISO 8601 time, as seconds since 1970 UTC."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        with suppress(ValueError, OverflowError):
            return int(value / 1000)
        return None
    if not isinstance(value, str):
        return None
    with suppress(ValueError, OverflowError):
        at = datetime.fromisoformat(value.strip())
        return int((at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp())
    return None


def _language(text: str | None) -> str | None:
    """Keep a language tag that looks like one."""
    tag = (text or "").strip().lower()
    return tag if re.fullmatch(r"[a-z]{2,3}(-[a-z0-9]{1,8}){0,3}", tag) else None
