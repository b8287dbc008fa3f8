"""
The words of the screens in the language of the team, by gettext catalogues beside this module.

Standard library only. The English text is the key of a message; what a catalogue lacks is said in
English. ``screens.po`` holds the texts of the commands; what the daemon said in English is told by
``killswitch.i18n``. ``--json`` stays English. ``make catalogues`` compiles what people wrote and
names what it lacks.
"""

from __future__ import annotations

import gettext
from collections.abc import Callable
from contextvars import ContextVar
from functools import cache
from pathlib import Path

from killswitch.i18n import told_in

DOMAIN = "screens"
LOCALES = Path(__file__).with_name("locales")

_language: ContextVar[str] = ContextVar("language", default="en")


def speak(language: str) -> None:
    """Choose the language of this command."""
    _language.set(language)


def tr(text: str) -> str:
    """Say an English text of a screen in the language of this command."""
    return words_of(_language.get())(text)


def told(text: str) -> str:
    """Say a finished English sentence of the daemon in the language of this command."""
    return told_in(_language.get(), text)


def many(one: str, several: str, count: float, words: Callable[[str], str] = tr) -> str:
    """
    Say the English text for one, or the one for several, by the rule of this command's language.

    French counts zero as one: "0 pause", "2 pauses".
    """
    is_several = getattr(_catalogue(_language.get()), "plural", _of_english)
    return words(several if is_several(count) else one)


def _of_english(count: float) -> bool:
    return count != 1


@cache
def words_of(language: str) -> Callable[[str], str]:
    """Return the function that says an English text in ``language``, such as ``"fr"``."""
    if language == "en":
        return str
    return _catalogue(language).gettext


@cache
def _catalogue(language: str) -> gettext.NullTranslations:
    return gettext.translation(DOMAIN, LOCALES, languages=[language], fallback=True)
