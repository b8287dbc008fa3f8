"""
Which notice addresses may be used, how they are shown, and how they are made silent.

Standard library only: the daemon checks addresses at start without loading apprise.

Invariants:
    Only schemes that carry a message to people, or JSON to a receiver of theirs, are allowed.
    Nothing that writes files, runs programs, loads plug-ins or posts to the public is.
    XMPP is not allowed: apprise reports its messages as delivered though nobody was even logged in.
    An address is shown by ``mask`` or ``label`` only; its parts are secrets.
"""

from __future__ import annotations

from urllib.parse import parse_qsl, quote, unquote, urlencode, urlsplit

MAIL = frozenset({"mailto", "mailtos"})
_MAIL_SERVICES = frozenset(
    {
        "azure",
        "brevo",
        "mailersend",
        "mailgun",
        "o365",
        "postmark",
        "resend",
        "sendgrid",
        "ses",
        "smtp2go",
        "sparkpost",
    }
)
_SMS = frozenset(
    {
        "46elks",
        "atalk",
        "bulksms",
        "bulkvs",
        "burstsms",
        "clickatell",
        "clicksend",
        "cm",
        "d7sms",
        "elks",
        "freemobile",
        "httpsms",
        "infobip",
        "kavenegar",
        "kudosity",
        "msg91",
        "msgbird",
        "nexmo",
        "octopush",
        "plivo",
        "serwersms",
        "seven",
        "sfr",
        "sinch",
        "smsc",
        "smseagle",
        "smseagles",
        "smsmanager",
        "smsmgr",
        "sns",
        "telesign",
        "telnyx",
        "threema",
        "twilio",
        "voipms",
        "vonage",
        "whatsapp",
    }
)
_PUSH = frozenset(
    {
        "bark",
        "barks",
        "gotify",
        "gotifys",
        "join",
        "ntfy",
        "ntfys",
        "pbul",
        "pover",
        "prowl",
        "pushy",
        "simplepush",
        "spush",
    }
)
_CHAT = frozenset(
    {
        "discord",
        "gchat",
        "line",
        "matrix",
        "matrixs",
        "mmost",
        "mmosts",
        "nctalk",
        "nctalks",
        "rocket",
        "rockets",
        "signal",
        "signals",
        "slack",
        "synology",
        "synologys",
        "tgram",
        "webex",
        "workflow",
        "workflows",
        "wxteams",
        "zulip",
    }
)
_DUTY = frozenset(
    {
        "betterstack",
        "goalert",
        "goalerts",
        "ilert",
        "incidentio",
        "opsgenie",
        "pagerduty",
        "signl4",
        "spike",
        "splunk",
        "squadcast",
        "victorops",
    }
)
_MACHINES = frozenset({"form", "forms", "json", "jsons"})

SCHEMES = MAIL | _MAIL_SERVICES | _SMS | _PUSH | _CHAT | _DUTY | _MACHINES
"""Every scheme that a notice address may have."""

_HINTS = {
    "xmpp": "apprise reports XMPP messages as sent that nobody got; take mail, Matrix or ntfy",
    "xmpps": "apprise reports XMPP messages as sent that nobody got; take mail, Matrix or ntfy",
    "msteams": 'Teams takes webhooks from a workflow now: write "workflows://…"',
    "mail": 'write "mailto://user:password@smtp.example.org/?to=lea@example.org"',
    "smtp": 'write "mailto://user:password@smtp.example.org/?to=lea@example.org"',
    "smtps": 'write "mailtos://user:password@smtp.example.org/?to=lea@example.org"',
    "http": 'write "json://…" to send JSON to a receiver of your own',
    "https": 'write "jsons://…" to send JSON to a receiver of your own',
    "sms": 'name the gateway, for instance "twilio://…"',
    "telegram": 'write "tgram://BOT_TOKEN/CHAT_ID"',
    "pushover": 'write "pover://USER_KEY@TOKEN"',
}

_REFUSED_WORDS = frozenset({"attach", "template", "pgp", "pgpkey"})
"""Words after ``?`` that would read files of this machine."""

_HOST_IS_PLAIN = (
    MAIL
    | _MACHINES
    | frozenset(
        {"gotify", "gotifys", "matrix", "matrixs", "mmost", "mmosts", "rocket", "rockets"}
        | {
            "nctalk",
            "nctalks",
            "signal",
            "signals",
            "smseagle",
            "smseagles",
            "synology",
            "synologys",
        }
        | {"goalert", "goalerts"}
    )
)
"""Schemes whose host is a server; with the others it is a token or a topic."""

_SILENT: dict[str, tuple[tuple[str, str], ...]] = {
    **dict.fromkeys(MAIL | _MAIL_SERVICES | _MACHINES, ()),
    "ntfy": (("priority", "min"),),
    "ntfys": (("priority", "min"),),
    "pover": (("priority", "low"),),
    "tgram": (("silent", "yes"),),
}
"""Schemes that can be silent, and what has to be said to them for it."""


def check_address(url: str) -> str | None:
    """
    Say what is wrong with a notice address, or None; the answer never repeats a secret.

    Args:
        url: An apprise address such as ``"ntfy://ntfy.sh/topic"``.
    """
    scheme = scheme_of(url)
    if scheme not in SCHEMES:
        known = _HINTS.get(scheme, "docs/notices.md lists the schemes that may be used")
        return f'"{scheme[:20]}://" is not a way that notices may go: {known}'
    try:
        parts = urlsplit(url)
        words = {name.lower() for name, _ in parse_qsl(parts.query, keep_blank_values=True)}
        host = parts.netloc
    except ValueError:
        return f'the address behind "{scheme}://" cannot be read'
    if not host or any(character.isspace() or not character.isprintable() for character in url):
        return f'nothing usable stands behind "{scheme}://"'
    refused = sorted(words & _REFUSED_WORDS)
    if refused:
        return f'"{refused[0]}=" may not stand in a notice address: it would read a file here'
    return None


def scheme_of(url: str) -> str:
    """Return the scheme in lower case, or an empty string."""
    scheme, mark, _ = url.partition("://")
    return scheme.lower() if mark else ""


def mask(url: str) -> str:
    """Return an address without its secrets: the scheme, and the host where it is a server."""
    scheme = scheme_of(url) or "?"
    host = _plain_host(url) if scheme in _HOST_IS_PLAIN else ""
    return f"{scheme}://{host}/…" if host else f"{scheme}://…"


def label(url: str, name: str) -> str:
    """
    Return an address as people find it in their configuration.

    Args:
        url: The address.
        name: List and position: ``"0.1"`` is the second of ``notify.urls``, ``"2.0"`` the first of
            the second list of ``notify.next``.
    """
    number, _, position = name.partition(".")
    if number == "0":
        return f"{mask(url)} (notify.urls[{position}])"
    return f"{mask(url)} (notify.next[{int(number) - 1}][{position}])"


def can_be_silent(url: str) -> bool:
    """Say whether a notice to this address need not wake anybody."""
    return scheme_of(url) in _SILENT


def prepared(url: str, *, silent: bool) -> str:
    """
    Return the address as it is handed to apprise.

    Plain text always. Where a service takes less than a whole notice, text messages and phones get
    its beginning, which is what counts, and chats get it in parts; ``overflow=`` in the address
    says otherwise.

    Args:
        url: An address that ``check_address`` accepted.
        silent: Ask the service not to make a sound; it must be able to.
    """
    scheme = scheme_of(url)
    before, _, query = url.partition("?")
    # Taken apart by hand: words such as "+header=x" must come through as they were written.
    words = [word for word in query.split("&") if word]
    names = {_name(word) for word in words}
    ours = {"format": "text"} | (dict(_SILENT[scheme]) if silent else {})
    if "overflow" not in names:
        ours["overflow"] = "truncate" if scheme in _SMS | _PUSH else "split"
    kept = [word for word in words if _name(word) not in ours]
    return before + "?" + "&".join([*kept, urlencode(ours)])


def _name(word: str) -> str:
    return word.partition("=")[0].lower()


def scrub(text: str, url: str) -> str:
    """Take every part of an address out of a foreign text about it, but the name of a server."""
    keep = _plain_host(url) if scheme_of(url) in _HOST_IS_PLAIN else ""
    pieces = text.split(keep) if keep else [text]
    for secret in _secrets(url):
        pieces = [piece.replace(secret, "…") for piece in pieces]
    return keep.join(pieces)


def _plain_host(url: str) -> str:
    try:
        return urlsplit(url).hostname or ""
    except ValueError:
        return ""


_SHORTEST_SECRET = 3
"""Shorter parts stand in ordinary words; a secret of two characters is none."""


def _secrets(url: str) -> list[str]:
    """Return the parts of an address, longest first, as written and as decoded."""
    behind = url.partition("://")[2]
    path, _, query = behind.partition("?")
    values = [word.partition("=")[2] for word in query.split("&")]
    rough = " ".join([path, *values])
    for mark in "/&=@:#,;+":
        rough = rough.replace(mark, " ")
    parts = {behind, *rough.split()}
    parts |= {unquote(part) for part in parts} | {quote(part, safe="") for part in parts}
    long = [part for part in parts if len(part) >= _SHORTEST_SECRET]
    return sorted(long, key=lambda part: (-len(part), part))
