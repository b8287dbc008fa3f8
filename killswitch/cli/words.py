"""
The words of the screens in the language of the team, by a gettext catalogue beside this module.

Standard library only. The English text is the key of a message; what a catalogue lacks is said in
English. ``locales/fr/LC_MESSAGES/screens.po`` is compiled with ``pybabel compile -D screens -d
killswitch/cli/locales``.
"""

from __future__ import annotations

import gettext
from collections.abc import Callable
from functools import cache
from pathlib import Path

DOMAIN = "screens"
LOCALES = Path(__file__).with_name("locales")


@cache
def words_of(language: str) -> Callable[[str], str]:
    """Return the function that says an English text in ``language``, such as ``"fr"``."""
    if language == "en":
        return str
    return gettext.translation(DOMAIN, LOCALES, languages=[language], fallback=True).gettext
