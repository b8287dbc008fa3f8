"""
What people read, in their language, by gettext catalogues that ship with the package.

Standard library only. The English text is the key of a message; a language without a catalogue,
and a message missing from one, fall back to it, so that a notice is never lost for want of words.

Refusals, hints and reasons are made deep inside, in English, and travel as finished sentences: the
store and the API know no language. ``told_in`` says them in another by ``reasons.po``, whose keys
are patterns with ``{0}``, ``{1}`` where something was filled in.

``docs/notices.md`` says how the catalogues are rebuilt.
"""

from __future__ import annotations

import gettext
import re
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

DOMAIN = "killswitch"
REASONS = "reasons"
LOCALES = Path(__file__).with_name("locales")
LANGUAGES = ("en", "fr")
"""The shipped catalogues; ``language`` of the configuration names one of them."""
_PLACE = re.compile(r"\{(\d)\}")
_JOINTS = {"fr": " ; "}
_DEEPEST = 3
"""A reason stands in a sentence, which stands in a refusal."""


def translator(language: str) -> Callable[[str], str]:
    """
    Return the function that says an English message in ``language``.

    Args:
        language: A code such as ``"fr"``; an unknown one speaks English.
    """
    return _catalogue(language).gettext


def plural_translator(language: str) -> Callable[[str, str, int], str]:
    """
    Return the function that chooses between one and several, by the rule of ``language``.

    French counts zero as one: "0 retenu", "2 retenus".
    """
    return _catalogue(language).ngettext


@cache
def _catalogue(language: str) -> gettext.NullTranslations:
    return gettext.translation(DOMAIN, LOCALES, languages=[language], fallback=True)


def told_in(language: str, text: str, *, depth: int = 0) -> str:
    """
    Say a finished English sentence in a language.

    Args:
        language: Such as ``"fr"``.
        text: What was said; several sentences may be joined by ``"; "``, a hint stand in brackets.
        depth: How deep in another sentence it stands.
    """
    patterns = {} if language == "en" or not text else _patterns(language)
    if text in patterns:
        return patterns[text]
    for english, other in _near(patterns, text):
        places = _filled(english, text)
        if places is not None and depth < _DEEPEST:
            said = {at: told_in(language, one, depth=depth + 1) for at, one in places.items()}
            return "".join(
                part if at % 2 == 0 else said[part] for at, part in enumerate(_PLACE.split(other))
            )
    first, mark, hint = text.rpartition(" (")
    if patterns and mark and hint.endswith(")"):
        hint = told_in(language, hint[:-1], depth=depth)
        return f"{told_in(language, first, depth=depth)} ({hint})"
    if patterns and "; " in text:
        joint = _JOINTS.get(language, "; ")
        return joint.join(told_in(language, one, depth=depth) for one in text.split("; "))
    return text


@cache
def _patterns(language: str) -> dict[str, str]:
    """Read the patterns of a language, those with the most words of their own first."""
    found = gettext.translation(REASONS, LOCALES, languages=[language], fallback=True)
    pairs = getattr(found, "_catalog", {}).items()
    known = ((key, said) for key, said in pairs if key and isinstance(key, str))
    return dict(sorted(known, key=lambda pair: -len(_PLACE.sub("", pair[0]))))


def _near(patterns: dict[str, str], text: str) -> Iterator[tuple[str, str]]:
    """Choose the patterns whose every piece stands in the text: few are worth a closer look."""
    for english, other in patterns.items():
        pieces = _PLACE.split(english)[::2]
        if len(pieces) > 1 and all(piece in text for piece in pieces):
            yield english, other


def _filled(english: str, text: str) -> dict[str, str] | None:
    """Read what stands in the places of a pattern; None where the text is another one."""
    parts = _PLACE.split(english)
    form = "".join(re.escape(part) if at % 2 == 0 else "(.*?)" for at, part in enumerate(parts))
    match = re.fullmatch(form, text, re.DOTALL)
    return None if match is None else dict(zip(parts[1::2], match.groups(), strict=True))
