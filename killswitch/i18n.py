"""
What people read, in their language, by gettext catalogues that ship with the package.

Standard library only. The English text is the key of a message; a language without a catalogue,
and a message missing from one, fall back to it, so that a notice is never lost for want of words.
``docs/notices.md`` says how the catalogues are rebuilt.
"""

from __future__ import annotations

import gettext
from collections.abc import Callable
from functools import cache
from pathlib import Path

DOMAIN = "killswitch"
LOCALES = Path(__file__).with_name("locales")
LANGUAGES = ("en", "fr")
"""The shipped catalogues; ``language`` of the configuration names one of them."""


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
