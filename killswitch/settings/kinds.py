"""
The kinds of value that settings are made of, each with a refusal that says what to write instead.

Standard library and pydantic only; nothing here looks anything up on the network.
Invariant: a refusal never repeats the text of a secret.
"""

from __future__ import annotations

import difflib
import ipaddress
import re
import shlex
import zoneinfo
from dataclasses import dataclass
from datetime import time
from ipaddress import IPv4Network, IPv6Network
from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, PlainSerializer, SecretStr

from killswitch.settings.patterns import check_pattern

NAME_LONGEST = 80
"""Names stand in tables of 80 columns and in notices."""
PRIVATE_RANGES = tuple(
    ipaddress.ip_network(text)
    for text in (
        "10.0.0.0/8",
        "172.16.0.0/12",
        "192.168.0.0/16",
        "127.0.0.0/8",
        "100.64.0.0/10",
        "::1/128",
        "fc00::/7",
    )
)
"""What ``network.allow_private`` may open: RFC 1918, loopback, RFC 6598 and RFC 4193."""
LINK_LOCAL = (ipaddress.ip_network("169.254.0.0/16"), ipaddress.ip_network("fe80::/10"))
"""Never opened: clouds serve their machine's credentials there."""

Network = IPv4Network | IPv6Network


@dataclass(frozen=True, slots=True)
class QuietHours:
    """
    A span of the local day in which notices stay silent where that is safe.

    Attributes:
        start: First quiet minute, local time of ``timezone``.
        end: First loud minute again; before ``start`` when the span crosses midnight.
    """

    start: time
    end: time


def nearest(word: str, known: list[str]) -> str | None:
    """Find the one of ``known`` that ``word`` was probably meant to be."""
    by_fold = {name.casefold(): name for name in known}
    found = difflib.get_close_matches(word.casefold(), list(by_fold), n=1, cutoff=0.6)
    return by_fold[found[0]] if found else None


def _name(value: str) -> str:
    if not value or value != value.strip() or not value.isprintable():
        raise ValueError(
            'a name is printable text without blanks at its ends: write one such as "Le Monde"'
        )
    if len(value) > NAME_LONGEST:
        raise ValueError(f"a name has at most {NAME_LONGEST} characters, not {len(value)}")
    return value


def _channel_name(value: str) -> str:
    if ";" in value:
        raise ValueError('the name of a channel holds no ";": queue files separate channels by it')
    return _name(value)


def _zone(value: str) -> str:
    known = zoneinfo.available_timezones()
    if value in known:
        return value
    cities = {zone.rsplit("/", 1)[-1].casefold(): zone for zone in sorted(known, reverse=True)}
    city = value.rsplit("/", 1)[-1].strip().replace(" ", "_").casefold()
    meant = cities.get(city) or nearest(value, sorted(known)) or "Europe/Paris"
    raise ValueError(f'no time zone is called "{value[:60]}": write, for instance, "{meant}"')


def _web_address(value: str) -> str:
    """Check an http or https address; the text is repeated only where it can hold no secret."""
    if not value or any(character.isspace() or not character.isprintable() for character in value):
        raise ValueError('an address has no blanks: write "https://example.org/feed"')
    try:
        parts = urlsplit(value)
        host, _ = parts.hostname, parts.port
    except ValueError as error:
        raise ValueError(
            f'the address cannot be read ({error}): write it like "https://example.org/feed"'
        ) from error
    if parts.scheme.lower() not in {"http", "https"} or "://" not in value:
        raise ValueError(_scheme_refusal(value))
    if not host:
        raise ValueError('the address names no host: write "https://example.org/feed"')
    if parts.username is not None or parts.password is not None:
        raise ValueError("a user name or password inside an address is refused: take it out")
    return value


# What an address may hold beside its places: nothing that would be written otherwise when asked.
_ADDRESS_SIGNS = re.compile(r"[A-Za-z0-9\-._~:/?@!$&'()*+,;=%]*")


def _with_places(value: str, places: tuple[str, ...]) -> str:
    """Check an address in which ids are put at ``places``: at least one, behind the host."""
    address = _web_address(value)
    example = f'"https://example.org/posts/{places[0]}"'
    rest = address
    for place in places:
        rest = rest.replace(place, "")
    if rest == address:
        raise ValueError(f"it does not say where the id goes: write it like {example}")
    if not _ADDRESS_SIGNS.fullmatch(rest):
        raise ValueError(
            f"beside {' and '.join(places)} it may hold letters, digits and the signs of addresses "
            f"only (others as %XX): write it like {example}"
        )
    if "{" in urlsplit(address).netloc:
        raise ValueError(f"an id may not choose the host: write it like {example}")
    return address


def _probe_address(value: str) -> str:
    return _with_places(value, ("{delivery}",))


def _delete_address(value: str) -> str:
    return _with_places(value, ("{delivery}", "{remote_id}"))


def _scheme_refusal(value: str) -> str:
    scheme, mark, rest = value.partition("://")
    bare = rest if mark else value.removeprefix("//")
    host = bare.split("/", 1)[0].rpartition("@")[2]
    start = f'the scheme "{scheme[:20]}" is not' if mark else "an address begins with"
    what = f"{start} http or https" if mark else f"{start} https:// or http://"
    return f'{what}: write "https://{host[:80]}/…"' if host else what


def _notice_address(value: SecretStr) -> SecretStr:
    text = value.get_secret_value()
    if re.fullmatch(r"[A-Za-z][A-Za-z0-9+.-]*://\S+", text):
        return value
    if "@" in text:
        raise ValueError(
            "a mail address alone says not which server sends: write "
            '"mailto://user:password@smtp.example.org/?to=lea@example.org"',
        )
    raise ValueError('a notice address is "scheme://…", for instance "ntfy://ntfy.sh/my-topic"')


def _store_address(value: SecretStr) -> SecretStr:
    scheme, mark, rest = value.get_secret_value().partition("://")
    if not mark or scheme not in {"sqlite", "postgresql", "postgresql+psycopg"}:
        raise ValueError(
            f"{_scheme_shown(scheme) if mark else 'it'} is no store: write "
            '"sqlite:////path/killswitch.db" '
            'or "postgresql+psycopg://user@host/database"',
        )
    if scheme == "sqlite" and (not rest.startswith("//") or ":memory:" in rest):
        raise ValueError(
            "a pause has to outlive a restart, so the file is named by its whole path: "
            'write "sqlite:////path/killswitch.db" (four slashes)',
        )
    try:
        _ = urlsplit(f"//{rest}").port
    except ValueError:
        raise ValueError(
            "host or port cannot be read; special signs in a password are written like %40: "
            'write "postgresql+psycopg://user@host/database"',
        ) from None
    return value


def _scheme_shown(scheme: str) -> str:
    return f'"{scheme[:30]}"'


def _secret(value: SecretStr) -> SecretStr:
    if not value.get_secret_value().strip():
        raise ValueError('the secret is empty: write secret = "credential:NAME" or the secret')
    return value


def _private_network(value: object) -> Network:
    if isinstance(value, IPv4Network | IPv6Network):
        network: Network = value
    else:
        network = _read_network(value)
    if any(_inside(network, outer) or _inside(outer, network) for outer in LINK_LOCAL):
        raise ValueError(
            f"{network} holds link-local addresses, where clouds keep credentials: these stay "
            'closed, write a range such as "10.1.2.0/24"',
        )
    if not any(_inside(network, outer) for outer in PRIVATE_RANGES):
        raise ValueError(
            f"{network} is not a private range: public addresses need no leave, and ranges to "
            'open are written like "10.1.2.0/24" or "127.0.0.0/8"',
        )
    return network


def _read_network(value: object) -> Network:
    if not isinstance(value, str):
        raise ValueError('a range is text such as "10.1.2.0/24"')  # noqa: TRY004 - for pydantic
    try:
        return ipaddress.ip_network(value)
    except ValueError:
        pass
    try:
        meant = ipaddress.ip_network(value, strict=False)
    except ValueError:
        raise ValueError(f'"{value[:60]}" is no range: write it like "10.1.2.0/24"') from None
    raise ValueError(f'"{value}" has bits set behind its mask: write "{meant}"')


def _inside(inner: Network, outer: Network) -> bool:
    if isinstance(inner, IPv4Network) and isinstance(outer, IPv4Network):
        return inner.subnet_of(outer)
    if isinstance(inner, IPv6Network) and isinstance(outer, IPv6Network):
        return inner.subnet_of(outer)
    return False


_COUNTRY_SLIPS = {"uk": "gb", "en": "gb", "england": "gb", "usa": "us", "france": "fr"}
_LANGUAGE_SLIPS = {"english": "en", "french": "fr", "français": "fr", "german": "de", "gb": "en"}


def _country(value: str) -> str:
    code = value.lower()
    meant = _COUNTRY_SLIPS.get(code)
    if meant or not re.fullmatch(r"[a-z]{2}", code):
        raise ValueError(
            f'"{value[:30]}" is not a country code of two letters: {_code(meant, "fr")}'
        )
    return code


def _code(meant: str | None, example: str) -> str:
    return f'write "{meant}"' if meant else f'write one such as "{example}"'


def _language(value: str) -> str:
    code = value.lower().replace("_", "-")
    meant = _LANGUAGE_SLIPS.get(code)
    if meant or not re.fullmatch(r"[a-z]{2,3}(-[a-z0-9]{2,8})?", code):
        raise ValueError(f'"{value[:30]}" is not a language code: {_code(meant, "en")}')
    return code


def _word(value: str) -> str:
    word = value.strip()
    if len(word) < 2 or not word.isprintable():
        raise ValueError("a word to look for has at least two printable characters")
    return word


LEVEL_KINDS = (
    "attack", "accident", "road", "disaster", "war", "epidemic", "disappearance", "death", "own",
    "other",
)  # fmt: skip
"""Kinds of event that a level may be set for; ``other`` is every one without its own."""
LEVEL_MOST = 100


def _level_kind(value: str) -> str:
    if value not in LEVEL_KINDS:
        meant = nearest(value, list(LEVEL_KINDS))
        mend = f'did you mean "{meant}"?' if meant else f"write one of {', '.join(LEVEL_KINDS)}"
        raise ValueError(f'"{value[:30]}" is no kind of event: {mend}')
    return value


def _level(value: object) -> object:
    if value in {"pause", "tell"}:
        return value
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if number and 1 <= value <= LEVEL_MOST:  # type: ignore[operator] # it is a number here
        return float(value)  # type: ignore[arg-type] # as above
    raise ValueError(
        f'it is "pause", "tell" or a number from 1 to {LEVEL_MOST}: 2 pauses from twice what a '
        "pause needs on, and tells of what is smaller"
    )


def _quiet(value: object) -> QuietHours | None:
    if value is None or isinstance(value, QuietHours) or value == "off":
        return value if isinstance(value, QuietHours) else None
    hour = r"([01][0-9]|2[0-3]):([0-5][0-9])"
    found = re.fullmatch(f"{hour}-{hour}", value) if isinstance(value, str) else None
    if found is None:
        raise ValueError('quiet hours are written "22:00-07:00", or "off"')
    start, end = time(int(found[1]), int(found[2])), time(int(found[3]), int(found[4]))
    if start == end:
        raise ValueError('quiet hours that never end hide everything: write "22:00-07:00" or "off"')
    return QuietHours(start, end)


def _command(value: object) -> object:
    if not isinstance(value, str):
        return value
    try:
        return shlex.split(value)
    except ValueError as error:
        raise ValueError(
            f'the command cannot be split into words ({error}): write ["/path/program", "word"]'
        ) from error


def _program(value: tuple[str, ...]) -> tuple[str, ...]:
    if not value or not value[0].strip() or any("\0" in word for word in value):
        raise ValueError('the command is empty: write command = ["/path/program", "word"]')
    return value


def not_empty(value: tuple[str, ...]) -> tuple[str, ...]:
    """Refuse a list without an element."""
    if not value:
        raise ValueError("the list is empty: write at least one")
    return value


def _whole(value: object) -> object:
    if isinstance(value, bool):
        raise ValueError(f"{str(value).lower()} is not a number: write one, such as 1")  # noqa: TRY004 - for pydantic
    return value


def _absolute(value: Path) -> Path:
    if "\0" in str(value):
        raise ValueError("a path holds no zero character: take it out")
    if str(value) == ".":
        raise ValueError('it is empty: write the whole path, "/…"')
    if not value.is_absolute():
        raise ValueError(f'"{value}" is relative: write the whole path, "/…"')
    return value


def quiet_text(value: QuietHours | None) -> str:
    """Write quiet hours as the file holds them."""
    return "off" if value is None else f"{value.start:%H:%M}-{value.end:%H:%M}"


Name = Annotated[str, AfterValidator(_name)]
ChannelName = Annotated[str, AfterValidator(_channel_name)]
Zone = Annotated[str, AfterValidator(_zone)]
WebAddress = Annotated[str, AfterValidator(_web_address)]
ProbeAddress = Annotated[str, AfterValidator(_probe_address)]
DeleteAddress = Annotated[str, AfterValidator(_delete_address)]
NoticeAddress = Annotated[SecretStr, AfterValidator(_notice_address)]
StoreAddress = Annotated[SecretStr, AfterValidator(_store_address)]
Secret = Annotated[SecretStr, AfterValidator(_secret)]
PrivateNetwork = Annotated[Network, BeforeValidator(_private_network), PlainSerializer(str)]
Country = Annotated[str, AfterValidator(_country)]
Language = Annotated[str, AfterValidator(_language)]
Word = Annotated[str, AfterValidator(_word)]
LevelKind = Annotated[str, AfterValidator(_level_kind)]
LevelFrom = Annotated[str | float, BeforeValidator(_level)]
Pattern = Annotated[str, AfterValidator(check_pattern)]
Quiet = Annotated[QuietHours | None, BeforeValidator(_quiet), PlainSerializer(quiet_text)]
Command = Annotated[tuple[str, ...], AfterValidator(_program), BeforeValidator(_command)]
Whole = Annotated[int, BeforeValidator(_whole)]
Share = Annotated[float, BeforeValidator(_whole)]
AbsolutePath = Annotated[Path, AfterValidator(_absolute)]
